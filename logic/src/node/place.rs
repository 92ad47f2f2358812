//! Where a VM goes: each node is barred for a reason or scored; the best score wins, and every node's answer is kept.
//!
//! | selector | the best node |
//! |---|---|
//! | `mem`, and `none` | has the most memory that is promised to nobody who runs or is to run |
//! | `memprov` | has the most memory that is provisioned to no VM at all |
//! | `load` | has the least load average, with a load of one for each vCPU that is still on its way there |
//! | `vcpus` | has the fewest vCPUs promised |
//! | `vms` | has the fewest VMs that run or are to run |
//!
//! | barred is a node that | until |
//! |---|---|
//! | has the VM, where it is to leave | |
//! | is blocked at the storage, by PVC or past it: it starts no VM | it is unblocked |
//! | is not within the VM's limit | that is changed |
//! | has a daemon that does not run | it runs |
//! | is flushed | it carries VMs again |
//! | has not the memory left, or fewer CPUs than the VM | there is room |
//! | has a hypervisor that does not answer | it answers |
//! | has a bridge or card that carries nothing, and the VM is attached to that very one | it carries |
//! | gets no answer from the storage, and the VM has volumes | it gets one |
//!
//! The last three pass by themselves: they keep VMs from coming, and what is decided already waits for them. What is wrong with
//! a network that the VM is not attached to bars nothing. vCPUs are shared: their sum is not bounded.
//!
//! Ties go to the node with the most memory that is provisioned to no VM, and then to the first name: VMs that are defined
//! one after the other and do not run yet are spread. What is promised is counted from the wishes, so that a decision that
//! nobody has carried out yet counts; and whoever writes a placement checks and bumps the node's ledger, so that two
//! cannot be decided on the same sums.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::drain::is_drained;
use super::{DaemonState, Node, NodeStatus, shown_daemon_state};
use crate::cluster::{Cluster, NodeEntry, VmEntry};
use crate::fence::is_blocked;
use crate::id::{NodeName, VmId};
use crate::network::GUEST_BRIDGE_PREFIX;
use crate::record::{RecordId, Records, expect_of};
use crate::vm::{Power, Selector, Vm};

/// What one node's VMs take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promised {
    /// Memory of the VMs that run or are to run, in MiB.
    pub memory_mib: u64,
    /// Memory of all its VMs, in MiB.
    pub provisioned_mib: u64,
    /// vCPUs of the VMs that run or are to run.
    pub vcpus: u64,
    /// How many run or are to run.
    pub vms: u64,
    /// vCPUs of those that are to run and that the node does not say it runs: its load does not show them yet.
    pub arriving_vcpus: u64,
}

/// What every node has promised: counted once, and kept up with what is decided after that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promises(BTreeMap<NodeName, Promised>);

impl Promises {
    /// Counts, in one walk over the VMs.
    pub fn of(cluster: &Cluster) -> Self {
        let mut promises = Self::default();
        for (id, entry) in &cluster.vms {
            for node in places(entry) {
                promises.0.entry(node.clone()).or_default().add(share(cluster, *id, entry, node));
            }
        }
        promises
    }

    /// What one node has promised.
    pub fn of_node(&self, node: &NodeName) -> Promised {
        self.0.get(node).copied().unwrap_or_default()
    }

    /// From now on a VM counts where it goes to, and nowhere else.
    pub fn move_to(&mut self, cluster: &Cluster, id: VmId, entry: &VmEntry, to: &NodeName) {
        self.leave_out(cluster, id, entry);
        self.0.entry(to.clone()).or_default().add(share(cluster, id, entry, to));
    }

    fn leave_out(&mut self, cluster: &Cluster, id: VmId, entry: &VmEntry) {
        for node in places(entry) {
            if let Some(promised) = self.0.get_mut(node) {
                promised.take_away(share(cluster, id, entry, node));
            }
        }
    }
}

/// Where a VM counts: on its node, and where it is on its way to.
pub(crate) fn places(entry: &VmEntry) -> impl Iterator<Item = &NodeName> {
    let vm = &entry.vm.value;
    let sent = || Some(&entry.fact.as_ref()?.value.sending.as_ref()?.to);
    let goes = vm.transfer.as_ref().map(|transfer| &transfer.to).or_else(sent);
    std::iter::once(&vm.node).chain(goes.filter(|to| **to != vm.node))
}

/// What a VM takes of a node. One that its node has not spoken of was decided on just now, and counts in full.
fn share(cluster: &Cluster, id: VmId, entry: &VmEntry, node: &NodeName) -> Promised {
    let vm = &entry.vm.value;
    let runs = entry.fact.as_ref().is_none_or(|fact| fact.value.runs());
    let stands = Promised { provisioned_mib: vm.memory_mib, ..Promised::default() };
    if !runs && !vm.parked && !matches!(vm.wish.power, Power::Start | Power::Restart) {
        return stands;
    }
    let vcpus = u64::from(vm.vcpus);
    let is_there = cluster.status(node).is_some_and(|status| status.running.contains(&id));
    let arriving_vcpus = if is_there { 0 } else { vcpus };
    Promised { memory_mib: vm.memory_mib, vcpus, vms: 1, arriving_vcpus, ..stands }
}

impl Promised {
    fn add(&mut self, share: Self) {
        self.memory_mib += share.memory_mib;
        self.provisioned_mib += share.provisioned_mib;
        self.vcpus += share.vcpus;
        self.vms += share.vms;
        self.arriving_vcpus += share.arriving_vcpus;
    }

    fn take_away(&mut self, share: Self) {
        self.memory_mib = self.memory_mib.saturating_sub(share.memory_mib);
        self.provisioned_mib = self.provisioned_mib.saturating_sub(share.provisioned_mib);
        self.vcpus = self.vcpus.saturating_sub(share.vcpus);
        self.vms = self.vms.saturating_sub(share.vms);
        self.arriving_vcpus = self.arriving_vcpus.saturating_sub(share.arriving_vcpus);
    }
}

/// Why a node cannot take a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum Bar {
    /// The VM is there already.
    Itself,
    /// The VM's limit does not name it.
    OutsideLimit,
    /// Its daemon does not run.
    NotRunning {
        /// What it does.
        state: DaemonState,
    },
    /// It is to carry no VMs.
    Draining,
    /// It is blocked at the storage.
    Blocked,
    /// Too little memory is left.
    Memory {
        /// What the VM needs, in MiB.
        needs_mib: u64,
        /// What is promised to nobody, in MiB.
        left_mib: u64,
    },
    /// It has fewer CPUs than the VM.
    Vcpus {
        /// What the VM needs.
        needs: u32,
        /// What the node has.
        has: u32,
    },
    /// Its hypervisor does not answer.
    Hypervisor {
        /// Why.
        fault: String,
    },
    /// It has links that carry nothing, and the VM is attached to them.
    Network {
        /// Which.
        links: Vec<String>,
    },
    /// The storage does not answer it, and the VM has volumes.
    Storage {
        /// Why.
        fault: String,
    },
}

impl Bar {
    /// Whether it is a fault that passes by itself or is mended, so that what is decided already may wait for that.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Hypervisor { .. } | Self::Network { .. } | Self::Storage { .. })
    }
}

/// One node's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Score(pub i64);

/// What was found for a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// The node that is best.
    pub chosen: Option<NodeName>,
    /// Every node's answer: its score, greater is better, or why it is barred.
    pub nodes: BTreeMap<NodeName, Result<Score, Bar>>,
}

impl Placement {
    /// Whether nothing but a fault that passes keeps the VM from some node.
    pub fn may_pass(&self) -> bool {
        self.nodes.values().any(|answer| answer.as_ref().is_err_and(Bar::passes))
    }

    /// Why each node that is barred is so, on one line.
    pub fn reasons(&self) -> String {
        let barred = self
            .nodes
            .iter()
            .filter_map(|(node, answer)| Some(format!("{node}: {}", answer.as_ref().err()?)));
        let told: Vec<String> = barred.collect();
        if told.is_empty() { "no node is registered".into() } else { told.join("; ") }
    }
}

/// Whether the node that has the VM now may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// It may: the VM is nowhere yet.
    Counts,
    /// It may not: the VM is to leave it.
    Barred,
}

/// Looks for a node for a VM.
pub fn place(cluster: &Cluster, id: VmId, vm: &Vm, home: Home) -> Placement {
    place_among(cluster, &Promises::of(cluster), (id, vm), home)
}

/// Looks for a node for a VM, on sums that were counted before.
pub fn place_among(cluster: &Cluster, promises: &Promises, (id, vm): (VmId, &Vm), home: Home) -> Placement {
    let mut others = promises.clone();
    if let Some(entry) = cluster.vms.get(&id) {
        others.leave_out(cluster, id, entry);
    }
    let promised = |name: &NodeName| others.of_node(name);
    let answer = |(name, entry): (&NodeName, &std::sync::Arc<NodeEntry>)| {
        let node = &entry.node.as_ref()?.value;
        let barred = (home == Home::Barred && *name == vm.node).then_some(Bar::Itself);
        let barred = barred.or_else(|| is_blocked(cluster, name).then_some(Bar::Blocked));
        let answer = match barred.or_else(|| bar(name, entry, node, promised(name), vm)) {
            Some(bar) => Err(bar),
            None => Ok(score(entry, node, vm.meta.node_selector, promised(name))),
        };
        Some((name.clone(), answer))
    };
    let nodes: BTreeMap<NodeName, Result<Score, Bar>> = cluster.nodes.iter().filter_map(answer).collect();
    let unprovisioned = |name: &NodeName| {
        let total = cluster.node(name).map_or(0, |node| node.memory_total_mib);
        score_of(total) - score_of(promised(name).provisioned_mib)
    };
    let mut chosen: Option<(&NodeName, (Score, i64))> = None;
    for (name, answer) in &nodes {
        let Ok(score) = answer else { continue };
        let rank = (*score, unprovisioned(name));
        if chosen.is_none_or(|(_, best)| rank > best) {
            chosen = Some((name, rank));
        }
    }
    Placement { chosen: chosen.map(|(name, _)| name.clone()), nodes }
}

/// Adds to the records of a placement that no other was decided on the node meanwhile.
pub fn bump_ledger(cluster: &Cluster, node: &NodeName, records: Records) -> Records {
    let current = cluster.nodes.get(node).and_then(|entry| entry.ledger.as_ref());
    let placements = current.map_or(0, |ledger| ledger.value.placements) + 1;
    let ledger = crate::record::NodeLedger { placements };
    records.write(RecordId::NodeLedger(node.clone()), expect_of(current), ledger.into())
}

fn bar(name: &NodeName, entry: &NodeEntry, node: &Node, taken: Promised, vm: &Vm) -> Option<Bar> {
    let state = shown_daemon_state(entry);
    let left_mib = node.memory_total_mib.saturating_sub(taken.memory_mib);
    if !vm.meta.node_limit.is_empty() && !vm.meta.node_limit.contains(name) {
        Some(Bar::OutsideLimit)
    } else if state != DaemonState::Run {
        Some(Bar::NotRunning { state })
    } else if is_drained(entry) {
        Some(Bar::Draining)
    } else if vm.memory_mib > left_mib {
        Some(Bar::Memory { needs_mib: vm.memory_mib, left_mib })
    } else if vm.vcpus > node.cpu_count {
        Some(Bar::Vcpus { needs: vm.vcpus, has: node.cpu_count })
    } else {
        entry.status.as_ref().and_then(|status| fault(&status.value, vm))
    }
}

/// What a node that could take a VM otherwise says is wrong with it, as far as it concerns the VM.
fn fault(status: &NodeStatus, vm: &Vm) -> Option<Bar> {
    if let Some(fault) = &status.hypervisor_fault {
        return Some(Bar::Hypervisor { fault: fault.clone() });
    }
    let is_dead = |link: &&String| {
        let of_guests =
            link.starts_with(GUEST_BRIDGE_PREFIX) && status.dead_links.contains(GUEST_BRIDGE_PREFIX);
        of_guests || status.dead_links.contains(*link)
    };
    let links: Vec<String> = vm.links.iter().filter(is_dead).cloned().collect();
    if !links.is_empty() {
        return Some(Bar::Network { links });
    }
    let silent = status.storage.silent.as_ref().filter(|_| !vm.volumes.is_empty());
    silent.map(|fault| Bar::Storage { fault: fault.clone() })
}

fn score(entry: &NodeEntry, node: &Node, selector: Selector, taken: Promised) -> Score {
    let total = score_of(node.memory_total_mib);
    let load = || thousandths(entry.status.as_ref().map_or(0.0, |status| status.value.load));
    Score(match selector {
        Selector::Mem | Selector::None => total - score_of(taken.memory_mib),
        Selector::MemProv => total - score_of(taken.provisioned_mib),
        Selector::Load => -load() - score_of(taken.arriving_vcpus).saturating_mul(1000),
        Selector::Vcpus => -score_of(taken.vcpus),
        Selector::Vms => -score_of(taken.vms),
    })
}

fn score_of(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A load average in thousandths; one that is no number counts as the greatest there can be.
fn thousandths(load: f64) -> i64 {
    const MOST: f64 = 1e12;
    let load = if load.is_finite() { (load * 1000.0).round().clamp(0.0, MOST) } else { MOST };
    #[expect(clippy::cast_possible_truncation, reason = "it was clamped to what fits")]
    let whole = load as i64;
    whole
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself => write!(f, "the VM is there already"),
            Self::OutsideLimit => write!(f, "it is not within the VM's node limit"),
            Self::NotRunning { state } => write!(f, "its daemon is in state \"{}\"", state.as_str()),
            Self::Draining => write!(f, "it is flushed, or being flushed"),
            Self::Blocked => write!(f, "it is blocked at the storage"),
            Self::Memory { needs_mib, left_mib } => {
                write!(f, "the VM needs {needs_mib} MiB of memory, and {left_mib} MiB are left")
            }
            Self::Vcpus { needs, has } => write!(f, "the VM has {needs} vCPUs, and the node {has} CPUs"),
            Self::Hypervisor { fault } => write!(f, "its hypervisor does not answer: {fault}"),
            Self::Network { links } => {
                write!(f, "the VM is attached to {}, and that carries nothing there", links.join(" and "))
            }
            Self::Storage { fault } => {
                write!(f, "the VM has volumes, and the storage does not answer the node: {fault}")
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
