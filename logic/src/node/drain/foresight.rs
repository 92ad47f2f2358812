//! What a flush or a ready of a node would do now, VM by VM, before anything is done.
//!
//! The same placements in the same order as the drain itself makes: the outcome is what was foreseen, unless the cluster
//! changes in between. A ready brings VMs home from several nodes at once; where its memory is too small for all of them,
//! which of them find room depends on who is first.

use std::borrow::Cow;

use super::{Duty, NodeWish, called_home, is_drained, is_to_run, wish_serial};
use crate::cluster::{Cluster, NodeEntry, VmEntry};
use crate::id::{NodeName, VmId, VmName};
use crate::node::place::{Home, Promises, place_among};
use crate::node::{DaemonState, shown_daemon_state};
use crate::record::Versioned;
use crate::time::WallTime;
use crate::vm::MigrationMethod;

/// What would become of one VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes to another node.
    Moves {
        /// Which.
        to: NodeName,
        /// How, where it runs.
        how: MigrationMethod,
    },
    /// It is shut down, and runs again when its node carries VMs.
    Parks {
        /// Why no other node can take it.
        why: String,
    },
    /// It runs again where it is.
    Unparks,
    /// It stays as it is.
    Stays {
        /// Why.
        why: String,
    },
}

/// One VM, and what would become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The VM.
    pub vm: VmId,
    /// Its name.
    pub name: VmName,
    /// Where it is.
    pub from: NodeName,
    /// What becomes of it.
    pub fate: Fate,
}

/// What a wish about a node's duty would do, in the order in which it would be done. VMs that it does not concern are
/// left out.
pub fn foresee(cluster: &Cluster, node: &NodeName, duty: Duty) -> Vec<Foreseen> {
    let (cluster, foresight): (_, Foresight) = match duty {
        Duty::Flushed => (Cow::Borrowed(cluster), emptied),
        Duty::Ready => (carrying(cluster, node), filled),
    };
    let mut promises = Promises::of(&cluster);
    let mut foreseen = Vec::new();
    for (id, entry) in &cluster.vms {
        let Some(fate) = foresight(&cluster, &promises, node, (*id, entry)) else { continue };
        if let Fate::Moves { to, .. } = &fate {
            promises.move_to(&cluster, *id, entry, to);
        }
        let vm = &entry.vm.value;
        foreseen.push(Foreseen { vm: *id, name: vm.name.clone(), from: vm.node.clone(), fate });
    }
    foreseen
}

/// What becomes of one VM, if anything does.
type Foresight = fn(&Cluster, &Promises, &NodeName, (VmId, &VmEntry)) -> Option<Fate>;

/// The cluster as it is once the node was asked to carry VMs again.
fn carrying<'a>(cluster: &'a Cluster, node: &NodeName) -> Cow<'a, Cluster> {
    let Some(entry) = cluster.nodes.get(node).filter(|entry| is_drained(entry)) else {
        return Cow::Borrowed(cluster);
    };
    let serial = wish_serial(cluster, node) + 1;
    let wish = NodeWish { duty: Duty::Ready, serial, at: WallTime::default() };
    let wish = entry.wish.as_ref().map(|current| Versioned { version: current.version, value: wish });
    let mut cluster = cluster.clone();
    cluster.nodes.insert(node.clone(), NodeEntry { wish, ..(**entry).clone() }.into());
    Cow::Owned(cluster)
}

/// Its node is emptied.
fn emptied(
    cluster: &Cluster,
    promises: &Promises,
    node: &NodeName,
    (id, entry): (VmId, &VmEntry),
) -> Option<Fate> {
    let vm = &entry.vm.value;
    if vm.node != *node || !is_to_run(entry) {
        return None;
    }
    if let Some(transfer) = &vm.transfer {
        return Some(Fate::Moves { to: transfer.to.clone(), how: transfer.how });
    }
    let how = match vm.way(None) {
        Ok(how) => how,
        Err(why) => return Some(Fate::Stays { why: bound(why) }),
    };
    let placement = place_among(cluster, promises, (id, vm), Home::Barred);
    Some(match &placement.chosen {
        Some(to) => Fate::Moves { to: to.clone(), how },
        None if placement.may_pass() => {
            Fate::Stays { why: format!("it waits until another node can take it: {}", placement.reasons()) }
        }
        None => Fate::Parks { why: placement.reasons() },
    })
}

/// Its node, or its home, is filled.
fn filled(
    cluster: &Cluster,
    promises: &Promises,
    node: &NodeName,
    (id, entry): (VmId, &VmEntry),
) -> Option<Fate> {
    let vm = &entry.vm.value;
    if vm.node == *node {
        return vm.parked.then_some(Fate::Unparks);
    }
    if called_home(cluster, vm) != Some(node) {
        return None;
    }
    if let Some(transfer) = &vm.transfer {
        return Some(Fate::Moves { to: transfer.to.clone(), how: transfer.how });
    }
    let stays = |why: String| Some(Fate::Stays { why });
    let up = |node: &NodeName| {
        let entry = cluster.nodes.get(node);
        entry.is_some_and(|entry| shown_daemon_state(entry) == DaemonState::Run)
    };
    if !up(&vm.node) {
        return stays(format!(
            "the daemon of node \"{}\" would have to hand it over, and does not run",
            vm.node
        ));
    }
    let how = match vm.way(None) {
        Ok(how) => how,
        Err(why) if is_to_run(entry) => return stays(bound(why)),
        Err(_) => MigrationMethod::None,
    };
    let placement = place_among(cluster, promises, (id, vm), Home::Barred);
    match placement.nodes.get(node) {
        Some(Ok(_)) => Some(Fate::Moves { to: node.clone(), how }),
        Some(Err(bar)) => stays(format!("{node}: {bar}")),
        None => stays(format!("{node} is not registered")),
    }
}

/// Why a VM stays that is to move only live, and cannot.
fn bound(why: &str) -> String {
    format!(
        "it is to move only live, and cannot: {why}; `pvc vm meta --method shutdown` lets it move by a shutdown"
    )
}

#[cfg(test)]
mod tests;
