//! Whether a node may be forgotten, and the records that go with it.
//!
//! Only one that is down and empty: no daemon of it runs, no VM belongs to it, is on its way to it, or may still run
//! there, no OSD is in it, and the cluster can do without it. One that comes back registers anew, as a node that was never seen.

use super::place::places;
use super::{DaemonState, Role, shown_daemon_state};
use crate::cluster::{Cluster, NodeEntry, TaskEntry, VmEntry};
use crate::id::{NodeName, VmName};
use crate::limits::VMS_NAMED_MAX;
use crate::record::{Expect, RecordId, Records, expect_of};
use crate::refusal::Refusal;
use crate::storage::StorageRefusal;
use crate::storage::osd::OsdRefusal;
use crate::vm::Vm;

/// What the removal of a node writes, and what else it changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Removed {
    /// The writes.
    pub records: Records,
    /// VMs that had their home there, and settle where they are.
    pub settled: Vec<VmName>,
}

/// Forgets a node: all of its records, and the tasks that were meant for it, in one write.
///
/// # Errors
/// [`Refusal`] says what keeps it: its daemon, its VMs by name, its OSDs, or its role.
pub fn remove(cluster: &Cluster, node: &NodeName) -> Result<Removed, Refusal> {
    let unknown = || Refusal::NodeUnknown { node: node.to_string() };
    let entry = cluster.nodes.get(node).filter(|entry| entry.node.is_some()).ok_or_else(unknown)?;
    let state = shown_daemon_state(entry);
    let runs = matches!(state, DaemonState::Init | DaemonState::Run | DaemonState::Shutdown);
    if runs {
        return Err(Refusal::NodeRuns { node: node.clone(), state });
    }
    if entry.presence.is_some() {
        return Err(Refusal::NodeEnding { node: node.clone() });
    }
    let held: Vec<VmName> = cluster
        .vms
        .values()
        .filter(|entry| is_held(entry, node))
        .map(|entry| entry.vm.value.name.clone())
        .collect();
    if !held.is_empty() {
        let more = held.len().saturating_sub(VMS_NAMED_MAX);
        let vms = held.into_iter().take(VMS_NAMED_MAX).collect();
        return Err(Refusal::NodeHoldsVms { node: node.clone(), vms, more });
    }
    let osds: Vec<String> = cluster
        .osds
        .iter()
        .filter(|(_, osd)| osd.value.node == *node)
        .map(|(id, _)| id.to_string())
        .collect();
    if !osds.is_empty() {
        let refusal = OsdRefusal::NodeHoldsOsds { node: node.clone(), osds: osds.join(", ") };
        return Err(StorageRefusal::from(refusal).into());
    }
    let is_coordinator =
        |entry: &NodeEntry| entry.node.as_ref().is_some_and(|node| node.value.role == Role::Coordinator);
    let others = cluster.nodes.iter().filter(|(name, entry)| *name != node && is_coordinator(entry));
    if is_coordinator(entry) && others.count() == 0 {
        return Err(Refusal::LastCoordinator { node: node.clone() });
    }
    if cluster.primary.as_ref().is_some_and(|primary| primary.value.node == *node) {
        return Err(Refusal::NodeIsPrimary { node: node.clone() });
    }
    Ok(forgotten(cluster, node, entry))
}

/// Whether a VM belongs there, goes there, or may run there still.
fn is_held(entry: &VmEntry, node: &NodeName) -> bool {
    places(entry).any(|place| place == node)
        || entry.fact.as_ref().is_some_and(|fact| fact.value.node == *node && fact.value.runs())
}

/// The ledger is checked with the rest: whoever decides meanwhile that a VM goes there has bumped it.
fn forgotten(cluster: &Cluster, node: &NodeName, entry: &NodeEntry) -> Removed {
    let registered = expect_of(entry.node.as_ref());
    let mut records = Records::default()
        .guard(RecordId::Presence(node.clone()), Expect::Absent)
        .delete(RecordId::Node(node.clone()), registered);
    let mut part = |id: RecordId, expect: Expect| {
        let records = &mut records;
        *records = match expect {
            Expect::Absent => std::mem::take(records).guard(id, expect),
            known => std::mem::take(records).delete(id, known),
        };
    };
    // A status that comes late is no reason to refuse: the presence says that nobody is there.
    part(RecordId::NodeStatus(node.clone()), expect_of(entry.status.as_ref()));
    part(RecordId::NodeLedger(node.clone()), expect_of(entry.ledger.as_ref()));
    part(RecordId::NodeWish(node.clone()), expect_of(entry.wish.as_ref()));
    part(RecordId::NodeDevices(node.clone()), expect_of(cluster.devices.get(node).map(|devices| &**devices)));
    // What another node's worker can take over is left to it: an object's record says that it is in that task's hands.
    let own = |task: &TaskEntry| task.task.value.run_on == *node && !task.is_inherited();
    for (id, task) in cluster.tasks.iter().filter(|(_, task)| own(task)) {
        part(RecordId::Task(*id), task.task.expect());
        part(RecordId::TaskFact(*id), expect_of(task.fact.as_ref()));
    }
    let mut settled = Vec::new();
    for (id, entry) in &cluster.vms {
        let vm = &entry.vm.value;
        let going = vm.transfer.as_ref().is_some_and(|transfer| transfer.home.as_ref() == Some(node));
        if vm.last_node.as_ref() != Some(node) && !going {
            continue;
        }
        let mut stays = Vm { last_node: None, ..vm.clone() };
        if let Some(transfer) = stays.transfer.as_mut().filter(|_| going) {
            transfer.home = None;
        }
        settled.push(vm.name.clone());
        records = records.write(RecordId::Vm(*id), entry.vm.expect(), stays.into());
    }
    Removed { records, settled }
}

#[cfg(test)]
mod tests;
