//! What must hold of nodes that are blocked at the storage, read from the storage and the machines: what counts as proof is
//! true, nobody is let back in who could still write, and nothing is started where nothing may.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use logic::cluster::Cluster;
use logic::fence::{Ground, Stage, standing};
use logic::id::NodeName;
use logic::node::BootId;
use logic::plan::{Action, Step};

/// What the storage and the machines show.
#[derive(Debug)]
pub struct Shown {
    /// The addresses that the newest map has blocked.
    pub blocked: BTreeSet<IpAddr>,
    /// Those that no OSD takes writes from.
    pub everywhere: BTreeSet<IpAddr>,
    /// Those of clients that live and have a volume open.
    pub writing: BTreeSet<IpAddr>,
    /// Each machine's address, and its boot; none while it is switched off.
    pub machines: BTreeMap<NodeName, (IpAddr, Option<BootId>)>,
}

/// Remembers who was blocked, and in which boot.
#[derive(Debug, Default)]
pub struct Fencer {
    blocked: BTreeMap<IpAddr, Option<BootId>>,
    /// What somebody unblocked past PVC, until it is blocked again.
    freed_by_hand: BTreeSet<IpAddr>,
}

impl Fencer {
    /// Somebody unblocked an address past PVC.
    pub fn freed_by_hand(&mut self, address: IpAddr) {
        self.blocked.remove(&address);
        self.freed_by_hand.insert(address);
    }

    /// Somebody blocked an address past PVC, which may unblock it.
    pub fn blocked_by_hand(&mut self, address: IpAddr) {
        self.blocked.insert(address, None);
    }

    /// What is shown now, and what the records say.
    ///
    /// # Errors
    /// A proof that is none, or a node that was let back in and may still write.
    pub fn look(&mut self, shown: &Shown, cluster: &Cluster) -> Result<(), String> {
        self.freed_by_hand.retain(|address| !shown.blocked.contains(address));
        for (node, (address, boot)) in &shown.machines {
            let was = self.blocked.get(address).copied();
            match (shown.blocked.contains(address), was) {
                (true, None) => drop(self.blocked.insert(*address, *boot)),
                (false, Some(blocked_in)) => {
                    self.blocked.remove(address);
                    if let Some(boot) = boot.filter(|_| blocked_in == *boot) {
                        let_back(node, (*address, boot), shown, cluster)?;
                    }
                }
                _ => {}
            }
        }
        for (node, block) in &cluster.fences {
            let is_open = |at: &&IpAddr| !shown.everywhere.contains(*at) && !self.freed_by_hand.contains(*at);
            if !matches!(block.value.stage, Stage::Confirmed { .. }) {
                continue;
            }
            if let Some(open) = block.value.addresses.iter().find(is_open) {
                return Err(format!("{node} counts as fenced, and an OSD takes writes from {open}"));
            }
        }
        Ok(())
    }

    /// Whether a step may be sent to the hypervisor of a node.
    ///
    /// # Errors
    /// It starts a guest where the storage is closed, or is to be.
    pub fn checked(&self, node: &NodeName, step: &Step, cluster: &Cluster) -> Result<(), String> {
        match (&step.action, standing(cluster, node)) {
            (Action::StartGuest { vm, .. }, Some(_)) => {
                Err(format!("{vm} is started on {node}, which is blocked at the storage or is to be"))
            }
            _ => Ok(()),
        }
    }
}

/// A node may be let back in within the boot that was blocked only when it said so, and nothing there can write. It may have
/// been started anew before the block came: that one is lifted because it was meant for the boot before.
fn let_back(
    node: &NodeName,
    (address, boot): (IpAddr, BootId),
    shown: &Shown,
    cluster: &Cluster,
) -> Result<(), String> {
    if shown.writing.contains(&address) {
        return Err(format!("{node} is unblocked, and a guest that was blocked there has a volume open"));
    }
    let block = cluster.fences.get(node).map(|block| &block.value);
    let ground = block.and_then(|block| match block.stage {
        Stage::Lifting { ground } | Stage::Lifted { ground, .. } => Some((ground, block.boot == boot)),
        _ => None,
    });
    match ground {
        Some((Ground::Obeyed, _) | (Ground::Rebooted, false)) => Ok(()),
        other => {
            Err(format!("{node} is unblocked in the boot that was blocked, without its word: {other:?}"))
        }
    }
}
