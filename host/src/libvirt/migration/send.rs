//! The one call that moves a guest: to which address, with which parameters, and what its return means.

use logic::id::VmId;
use virt::connect::Connect;
use virt::domain::Domain;
use virt_sys as sys;

use super::super::{Inner, words};
use super::parameters::Parameters;
use super::road::{Road, host};
use super::{Abort, Begun, Moves, lock};
use crate::migration::{Convergence, Course, Departure, Method};

/// How slowly memory is sent before the switch to post-copy, in MiB/s: as slowly as libvirt can. A move that could
/// complete before would start the guest at the target by itself; so slowly, only one that writes nothing at all could.
const BEFORE_POST_COPY_MIB: u64 = 1;

/// What a call is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// To send a guest.
    Send {
        /// The document that it has at the target.
        document: String,
    },
    /// To join the halves of one that is torn.
    Mend,
}

/// Moves a guest, and returns when that is over.
pub(super) fn send(
    inner: &Inner,
    moves: &Moves,
    road: &Road,
    departure: &Departure,
    errand: &Errand,
) -> Course {
    if let Err(why) = road.reach(departure.to) {
        return Course::Failed { why };
    }
    let mut connect = match Connect::open(Some(&inner.uri)) {
        Ok(connect) => connect,
        Err(error) => return Course::Failed { why: words(&error) },
    };
    let course = match Domain::lookup_by_uuid(&connect, departure.vm.0) {
        Err(error) => Course::Failed { why: words(&error) },
        Ok(_) if is_abort_asked(moves, departure.vm) => Course::Failed { why: "it was aborted".into() },
        Ok(domain) => {
            let there = road.uri(departure.to);
            let moved = parameters(departure, errand)
                .and_then(|parameters| parameters.migrate(&domain, &there, flags(departure, errand)));
            match moved {
                Ok(()) => Course::Moved,
                // The answer was lost, not the move: it goes on without whoever asked for it.
                Err(_) if !connect.is_alive().unwrap_or(false) => Course::Unknown,
                Err(error) => Course::Failed { why: words(&error) },
            }
        }
    };
    if let Err(error) = connect.close() {
        tracing::debug!(error = error.message(), "the connection of a move was not closed");
    }
    course
}

/// The parameters of a move. Everything goes to the one address, and the target listens there alone.
fn parameters(departure: &Departure, errand: &Errand) -> Result<Parameters, virt::error::Error> {
    let mut parameters = Parameters::new();
    parameters.text(sys::VIR_MIGRATE_PARAM_URI, &format!("tcp:{}", host(departure.to)))?;
    parameters.text(sys::VIR_MIGRATE_PARAM_LISTEN_ADDRESS, &departure.to.to_string())?;
    if let Errand::Send { document } = errand {
        parameters.text(sys::VIR_MIGRATE_PARAM_DEST_XML, document)?;
    }
    let (before, after) = match departure.method {
        Method::PreCopy => (departure.bandwidth_max_mib, None),
        Method::PostCopy => (Some(BEFORE_POST_COPY_MIB), departure.bandwidth_max_mib),
    };
    if let Some(before_mib) = before {
        parameters.number(sys::VIR_MIGRATE_PARAM_BANDWIDTH, before_mib)?;
    }
    if let Some(after_mib) = after {
        parameters.number(sys::VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY, after_mib)?;
    }
    Ok(parameters)
}

/// The flags of a move.
pub(super) fn flags(departure: &Departure, errand: &Errand) -> u32 {
    let errand = match errand {
        Errand::Send { .. } => 0,
        Errand::Mend => sys::VIR_MIGRATE_POSTCOPY_RESUME,
    };
    let method = match departure.method {
        Method::PreCopy => sys::VIR_MIGRATE_PAUSED,
        Method::PostCopy => sys::VIR_MIGRATE_POSTCOPY,
    };
    let convergence = match departure.convergence {
        Convergence::Unaided => 0,
        Convergence::Throttled => sys::VIR_MIGRATE_AUTO_CONVERGE,
    };
    sys::VIR_MIGRATE_LIVE | sys::VIR_MIGRATE_PEER2PEER | sys::VIR_MIGRATE_TLS | method | convergence | errand
}

/// Whether the end of the move was asked for before libvirt was.
fn is_abort_asked(moves: &Moves, vm: VmId) -> bool {
    matches!(lock(moves).get(&vm), Some(Begun::UnderWay { abort: Abort::Asked, .. }))
}

#[cfg(test)]
mod tests;
