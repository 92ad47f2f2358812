//! What steps act on: the store, the hypervisor and the clocks of one machine.

use std::sync::Arc;

use host::clock::Clock;
use host::hypervisor::{self, Hypervisor};
use host::migration::Migration;
use host::network::{self, Network};
use host::osd::{Devices, Pause};
use host::storage::{self, Storage};
use logic::id::NodeName;
use logic::record::{Expect, Guard};
use logic::time::BootTime;
use logic::vm::DomainError;
use logic::vm::domain::console_path;
use store::{CommitError, Key, Store};

use crate::transfers::Transfers;

/// How guests are run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestSettings {
    /// libvirt's domain type: `kvm` or `qemu`.
    pub kind: &'static str,
    /// Where the guests' console logs are kept.
    pub console_directory: String,
}

impl GuestSettings {
    /// The console log of a VM.
    pub fn console_path(&self, name: &str) -> String {
        console_path(&self.console_directory, name)
    }
}

/// The parts of one machine that steps act on.
#[derive(Clone, Debug)]
pub struct World {
    /// This node.
    pub name: NodeName,
    /// The cluster's records.
    pub store: Arc<dyn Store>,
    /// The guests.
    pub hypervisor: Arc<dyn Hypervisor>,
    /// Their ways from and to other machines.
    pub migration: Arc<dyn Migration>,
    /// The machine's networks.
    pub network: Arc<dyn Network>,
    /// The storage; `None` where there is none.
    pub storage: Option<Arc<dyn Storage>>,
    /// The OSDs on the machine's devices.
    pub devices: Arc<dyn Devices>,
    /// How far transfers are.
    pub transfers: Arc<Transfers>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// How a step that waits for the storage lets time pass.
    pub pause: Arc<dyn Pause>,
    /// How guests are run.
    pub guests: GuestSettings,
}

/// Why a step did not take place, or may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A record that it was decided on changed.
    #[error("{key} was changed in the meantime; it will be decided anew")]
    Stale {
        /// Which.
        key: Key,
    },
    /// The lease ran out: others may hold this node for dead.
    #[error("the node's lease ended before the step was done")]
    LeaseOver,
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A write.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The hypervisor.
    #[error(transparent)]
    Hypervisor(#[from] hypervisor::Error),
    /// The machine's networks.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// The storage.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// OSDs.
    #[error(transparent)]
    Osd(#[from] host::osd::Error),
    /// The storage has none.
    #[error("this node's storage has no OSDs: it is a directory")]
    NoOsds,
    /// Nobody can be blocked there.
    #[error("this node's storage has no fence: it is a directory")]
    NoFence,
    /// There is none.
    #[error("this node has no storage; give it some in the section [storage] of /etc/pvc/pvc.toml")]
    NoStorage,
    /// The step panicked.
    #[error("a bug in PVC ended the step; the daemon's log says where: please report it")]
    Panicked,
    /// The VM's document.
    #[error("the VM's document cannot be used: {0}")]
    Document(#[from] DomainError),
}

impl World {
    /// Whether every guarded record is as it was.
    ///
    /// # Errors
    /// [`Fault::Stale`] names the first that is not.
    pub fn guards_hold(&self, guards: &[Guard]) -> Result<(), Fault> {
        if guards.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = guards.iter().map(|guard| store::key::path(&guard.record)).collect();
        let entries = self.store.read_together(&keys)?;
        for ((guard, key), entry) in guards.iter().zip(keys).zip(entries) {
            let holds = match (guard.expect, entry) {
                (Expect::Absent, None) | (Expect::Present, Some(_)) => true,
                (Expect::Version(version), Some(entry)) => entry.version == version,
                _ => false,
            };
            if !holds {
                return Err(Fault::Stale { key });
            }
        }
        Ok(())
    }

    /// Whether the lease still holds.
    ///
    /// # Errors
    /// [`Fault::LeaseOver`] when it does not.
    pub fn within_lease(&self, not_after: Option<BootTime>) -> Result<(), Fault> {
        match not_after {
            Some(end) if self.clock.now().boot >= end => Err(Fault::LeaseOver),
            _ => Ok(()),
        }
    }
}
