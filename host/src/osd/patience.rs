//! Waiting for the storage: until an OSD is up, and until one may go. Never is "it took too long" taken for "it is done".

use std::time::Duration;

use logic::storage::osd::{OsdId, OsdUuid};

use super::whole::demand;
use super::{Error, Roster, Safety, Standing};

/// How often the storage is asked.
const INTERVAL: Duration = Duration::from_millis(500);

/// Lets time pass between two looks.
pub trait Pause: Send + Sync + std::fmt::Debug {
    /// Lets this time pass. Says whether whoever waits shall go on.
    fn pause(&self, time: Duration) -> bool;
}

/// Lets time pass as the clock does.
#[derive(Clone, Copy, Debug)]
pub struct ByTheClock;

impl Pause for ByTheClock {
    fn pause(&self, time: Duration) -> bool {
        std::thread::sleep(time);
        true
    }
}

fn ended(osd: OsdId) -> Error {
    Error::failed(format!("wait for osd.{osd}"), "whoever waited was stopped; the task goes on where it was")
}

/// Waits until the storage says that an OSD is up.
///
/// # Errors
/// It is not after so long, or the storage does not know it, or does not tell.
pub fn await_up(roster: &dyn Roster, osd: OsdUuid, limit: Duration, pause: &dyn Pause) -> Result<(), Error> {
    let id = demand(roster, osd)?;
    let mut waited = Duration::ZERO;
    loop {
        // A storage that is in trouble for a while is no reason to end: the OSD may be up, and take data.
        let told = roster.standing(id);
        if matches!(&told, Ok(Some(standing)) if standing.is_up) {
            return Ok(());
        }
        if waited >= limit {
            told?;
            let why = format!(
                "it was started {} s ago, and the storage does not say that it is up",
                limit.as_secs()
            );
            return Err(Error::failed(format!("bring osd.{id} up"), why));
        }
        if !pause.pause(INTERVAL) {
            return Err(ended(id));
        }
        waited += INTERVAL;
    }
}

/// Waits until nothing is lost when an OSD is destroyed, for as long as its data moves away.
///
/// # Errors
/// Nothing has moved for as long as `patience`: what it still keeps is part of the error.
pub fn await_safe(
    roster: &dyn Roster,
    osd: OsdId,
    patience: Duration,
    pause: &dyn Pause,
) -> Result<(), Error> {
    let mut least = (u32::MAX, u64::MAX);
    let mut still = Duration::ZERO;
    loop {
        let why = match roster.standing(osd) {
            // One that nobody knows holds nothing.
            Ok(None) => return Ok(()),
            Ok(Some(Standing { safety: Safety::Safe, .. })) => return Ok(()),
            Ok(Some(Standing {
                safety: Safety::Unsafe { why },
                placement_group_count,
                astray_count,
                ..
            })) => {
                if placement_group_count < least.0 || astray_count < least.1 {
                    still = Duration::ZERO;
                    least = (placement_group_count.min(least.0), astray_count.min(least.1));
                }
                format!("{why}: {placement_group_count} placement groups are on it")
            }
            // A storage that is silent for a while is no reason to end: nothing is known to move.
            Err(error) => error.to_string(),
        };
        if still >= patience {
            let why = format!(
                "it is not safe to destroy it ({why}), and nothing has moved for {} s; see that the other OSDs have \
                 room, or add one",
                patience.as_secs()
            );
            return Err(Error::failed(format!("remove osd.{osd}"), why));
        }
        if !pause.pause(INTERVAL) {
            return Err(ended(osd));
        }
        still += INTERVAL;
    }
}
