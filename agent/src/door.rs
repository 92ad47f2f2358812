//! The door for other machines: the node's identity is kept fresh, libvirt's copies follow it, and the link is served
//! over TLS as soon as there is an identity to show.
//!
//! A node without one, or with a bad one, goes on without a door and says so: its guests and its keepalive need none.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use host::identity::{self, Identity, Outcome, Renewal, pki};
use link::server::{Answer, Limits, Server};
use link::transport::{self, TlsListener, listen_tls};
use logic::id::NodeName;

use crate::log::chain;
use crate::wake::Bell;

/// How often the identity is looked at: one that was mended or renewed by hand counts within a minute.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// Where a door is, and what is shown there.
#[derive(Clone, Debug)]
pub struct Place {
    /// The address to listen at.
    pub address: SocketAddr,
    /// This node.
    pub node: NodeName,
    /// Where its key and certificates lie.
    pub identity: PathBuf,
    /// Where libvirt and QEMU look for their copies; `None` where another daemon sees to that.
    pub pki: Option<PathBuf>,
    /// The bounds of what is served.
    pub limits: Limits,
}

/// A door that is kept open on a thread of its own. It closes when it is dropped.
#[derive(Debug)]
pub struct Door {
    looks: Arc<Bell>,
    closing: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

impl Door {
    /// Opens it as soon as that is possible, and tells in the log why it is not.
    pub fn keep(place: Place, answer: Arc<dyn Answer>) -> Self {
        let (looks, closing) = (Arc::new(Bell::default()), Arc::new(AtomicBool::new(false)));
        let (bell, end) = (Arc::clone(&looks), Arc::clone(&closing));
        let keep = move || {
            let mut keeper = Keeper { place, answer, open: None, told: None };
            while !end.load(Ordering::SeqCst) {
                keeper.look(SystemTime::now());
                bell.wait(LOOK_INTERVAL);
            }
            if let Some(open) = keeper.open {
                open.server.stop();
            }
        };
        let keeper = thread::Builder::new().name("door".into()).spawn(keep);
        Self { looks, closing, keeper: Some(keeper.expect("a daemon that starts has threads left")) }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        self.looks.ring();
        if let Some(keeper) = self.keeper.take() {
            // It panics only on a defect, and then there is nothing left to close.
            drop(keeper.join());
        }
    }
}

/// A door that is open, and the identity that it shows.
#[derive(Debug)]
struct Open {
    listener: Arc<TlsListener>,
    server: Server,
    shown: Identity,
}

#[derive(Debug)]
struct Keeper {
    place: Place,
    answer: Arc<dyn Answer>,
    open: Option<Open>,
    /// What was told last: the same is not told every minute.
    told: Option<String>,
}

impl Keeper {
    fn look(&mut self, now: SystemTime) {
        let looked = identity::ensure(&self.place.identity, &self.place.node, now);
        let complaint = match looked {
            Ok((identity, renewal)) => {
                let shown = self.show(&identity);
                let copied = self.copy(&identity);
                let due = match renewal {
                    Renewal::NotDue => None,
                    Renewal::Done => {
                        tracing::info!("this node's certificate was renewed");
                        None
                    }
                    Renewal::DueElsewhere => Some(
                        "this node's certificate ends within eight months; issue it again on the node that has the \
                         authority's key, with \"pvcnoded identity issue\", and copy it here"
                            .into(),
                    ),
                };
                shown.err().or(copied.err()).or(due)
            }
            Err(error) => Some(format!("other machines are not served: {}", chain(&error))),
        };
        if self.told != complaint {
            match &complaint {
                Some(complaint) => tracing::warn!("{complaint}"),
                None => tracing::info!("this node's identity is good"),
            }
            self.told = complaint;
        }
    }

    fn copy(&self, identity: &Identity) -> Result<(), String> {
        let Some(root) = &self.place.pki else { return Ok(()) };
        let copied = pki::install(identity, root)
            .map_err(|error| format!("migrations cannot be encrypted: {}", chain(&error)))?;
        if copied == Outcome::Changed {
            match pki::reload() {
                Ok(done) => {
                    tracing::info!(code = ?done.code, "libvirt's certificates are laid out, and it was told")
                }
                Err(error) => tracing::info!(error = chain(&error), "libvirt's certificates are laid out"),
            }
        }
        Ok(())
    }

    fn show(&mut self, identity: &Identity) -> Result<(), String> {
        if self.open.as_ref().is_some_and(|open| open.shown == *identity) {
            return Ok(());
        }
        let (authority, certificate, key) = (&identity.authority, &identity.certificate, &identity.key);
        let ours = transport::Identity::from_pem(authority, certificate, key)
            .map_err(|error| format!("other machines are not served: {error}"))?;
        if let Some(open) = &mut self.open {
            open.listener.renew(&ours);
            open.shown = identity.clone();
            return Ok(());
        }
        let address = self.place.address;
        let listener = listen_tls(address, &ours)
            .map_err(|error| format!("other machines are not served: cannot listen at {address}: {error}"))?;
        let listener = Arc::new(listener);
        let server = Server::start(Arc::clone(&listener) as _, Arc::clone(&self.answer), self.place.limits);
        tracing::info!(%address, "other machines are served");
        self.open = Some(Open { listener, server, shown: identity.clone() });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
