//! Whether a placement of PVC's own is one that may be made: not on the VM's own node, and not beyond what a node has.
//!
//! Memory is given out once: the sums are made here anew, of the records as they were just before the placement landed.
//! Processors are shared, and a VM never has more of them than the node that it is placed on. What the operator asked
//! for after the records were read that it was decided on does not count against it: an operator may fill a node
//! beyond its memory, and a start is not a placement.

use std::collections::BTreeMap;

use logic::cluster::{Cluster, VmEntry};
use logic::id::{NodeName, VmId};
use logic::time::BootTime;
use logic::vm::{Power, Vm};

/// Remembers what changed when, apart from placements.
#[derive(Debug, Default)]
pub struct Capacity {
    /// When a VM's wish last became another one.
    asked_at: BTreeMap<VmId, BootTime>,
    /// What each node is registered with, and since when.
    registered: BTreeMap<NodeName, (Size, BootTime)>,
}

/// What a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    memory_mib: u64,
    cpu_count: u32,
}

impl Capacity {
    /// Something other than a placement was asked of a VM, or of what it takes.
    pub fn asked(&mut self, vm: VmId, at: BootTime) {
        self.asked_at.insert(vm, at);
    }

    /// The nodes as they are registered now.
    pub fn registered(&mut self, cluster: &Cluster, at: BootTime) {
        for (name, entry) in &cluster.nodes {
            let node = entry.node.as_ref().map(|node| &node.value);
            let size = Size {
                memory_mib: node.map_or(0, |node| node.memory_total_mib),
                cpu_count: node.map_or(0, |node| node.cpu_count),
            };
            if self.registered.get(name).is_none_or(|(known, _)| *known != size) {
                self.registered.insert(name.clone(), (size, at));
            }
        }
    }

    /// A VM is given to a node, as it was decided on records that were read at `decided`; `before` is the cluster just
    /// before.
    ///
    /// # Errors
    /// What was wrong about it.
    pub fn placed(&self, before: &Cluster, id: VmId, vm: &Vm, decided: BootTime) -> Result<(), String> {
        let Some(to) = target(before, id, vm) else { return Ok(()) };
        if *to == vm.node && vm.transfer.is_some() {
            return Err(format!("{id} is to move to {to}, where it is"));
        }
        let Some((size, since)) = self.registered.get(to) else {
            return Err(format!("{id} goes to {to}, which is not registered"));
        };
        let counts = |(other, entry): &(&VmId, &std::sync::Arc<VmEntry>)| {
            **other != id
                && is_promised(entry, to)
                && self.asked_at.get(*other).is_none_or(|asked| *asked < decided)
        };
        let promised: u64 =
            before.vms.iter().filter(counts).map(|(_, entry)| entry.vm.value.memory_mib).sum();
        if *since >= decided {
            return Ok(());
        }
        if promised + vm.memory_mib > size.memory_mib {
            return Err(format!(
                "{id} needs {} MiB and goes to {to}, where {promised} of {} MiB are promised",
                vm.memory_mib, size.memory_mib
            ));
        }
        if vm.vcpus > size.cpu_count {
            return Err(format!(
                "{id} has {} vCPUs and goes to {to}, which has {}",
                vm.vcpus, size.cpu_count
            ));
        }
        Ok(())
    }
}

/// The node that this write gives a VM to, if it gives it to one.
fn target<'a>(before: &Cluster, id: VmId, vm: &'a Vm) -> Option<&'a NodeName> {
    let old = &before.vms.get(&id)?.vm.value;
    let to = vm.transfer.as_ref().map_or(&vm.node, |transfer| &transfer.to);
    let had = old.node == *to || old.transfer.as_ref().is_some_and(|transfer| transfer.to == *to);
    let stays = vm.transfer.is_none() && old.node == *to;
    (!stays && (!had || (vm.transfer.is_some() && old.transfer.is_none()))).then_some(to)
}

/// Whether a node owes a VM its memory: it runs there, or is to run, or is on its way.
fn is_promised(entry: &VmEntry, node: &NodeName) -> bool {
    let vm = &entry.vm.value;
    let there = vm.node == *node || vm.transfer.as_ref().is_some_and(|transfer| transfer.to == *node);
    let runs = entry.fact.as_ref().is_some_and(|fact| fact.value.runs());
    there && (runs || vm.parked || matches!(vm.wish.power, Power::Start | Power::Restart))
}

#[cfg(test)]
mod tests;
