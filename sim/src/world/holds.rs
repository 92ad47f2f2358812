//! What simulated QEMU processes do at the storage: each opens its VM's volumes for as long as it lives, and the storage
//! tells of one that died for a while as if it still had them open.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use host::memory::{End, Entry, Happening};
use host::storage::memory::{Cluster, Opened};
use logic::id::{NodeName, VmId};
use logic::storage::VolumePath;
use logic::time::{BootTime, Span};

/// How long Ceph tells of a client that died.
const TOLD_AFTER_DEATH: Span = Span::seconds(29);

/// The volumes that guests have open.
#[derive(Debug)]
pub(super) struct Holds {
    storage: Arc<Cluster>,
    open: BTreeMap<(NodeName, VmId), Vec<Opened>>,
    dead: Vec<(BootTime, Opened)>,
}

impl Holds {
    pub(super) fn new(storage: &Arc<Cluster>) -> Self {
        Self { storage: Arc::clone(storage), open: BTreeMap::new(), dead: Vec::new() }
    }

    /// A guest of a VM with these volumes began or ended on a machine.
    pub(super) fn happened(
        &mut self,
        (node, address): (&NodeName, IpAddr),
        entry: &Entry,
        volumes: &[VolumePath],
    ) {
        let process = (node.clone(), entry.vm);
        match entry.happening {
            Happening::Began | Happening::Arrived => {
                let opened = volumes.iter().filter_map(|volume| self.storage.open_volume(volume, address));
                self.open.insert(process, opened.collect());
            }
            Happening::Left | Happening::Ended(End::Stopped | End::PoweredOff | End::Discarded) => {
                for opened in self.open.remove(&process).unwrap_or_default() {
                    self.storage.close(opened);
                }
            }
            Happening::Ended(End::Crashed | End::PowerCut) => {
                for opened in self.open.remove(&process).unwrap_or_default() {
                    self.storage.kill(opened);
                    self.dead.push((entry.at + TOLD_AFTER_DEATH, opened));
                }
            }
            Happening::Received | Happening::Halted | Happening::Resumed | Happening::Torn => {}
        }
    }

    /// When one who died is next forgotten.
    pub(super) fn next_change(&self) -> Option<BootTime> {
        self.dead.iter().map(|(at, _)| *at).min()
    }

    /// Those whose time has come are told of no more.
    pub(super) fn settle(&mut self, now: BootTime) {
        let storage = &self.storage;
        self.dead.retain(|(at, opened)| {
            let stays = *at > now;
            if !stays {
                storage.forget(*opened);
            }
            stays
        });
    }
}
