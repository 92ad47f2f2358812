//! Where a VM goes: each node is barred for a reason or scored; the best score wins, and every node's answer is kept.
//!
//! | selector | the best node |
//! |---|---|
//! | `mem`, and `none` | has the most memory that is promised to nobody who runs or is to run |
//! | `memprov` | has the most memory that is provisioned to no VM at all |
//! | `load` | has the least load average |
//! | `vcpus` | has the fewest vCPUs promised |
//! | `vms` | has the fewest VMs that run or are to run |
//!
//! Ties go to the first name. What is promised is counted from the wishes, so that a decision that nobody has carried
//! out yet counts; and whoever writes a placement checks and bumps the node's ledger, so that two cannot be decided on
//! the same sums.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::drain::is_drained;
use super::{DaemonState, Node, shown_daemon_state};
use crate::cluster::{Cluster, NodeEntry};
use crate::id::{NodeName, VmId};
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
    let promised = promises(cluster, id);
    let answer = |(name, entry): (&NodeName, &std::sync::Arc<NodeEntry>)| {
        let node = &entry.node.as_ref()?.value;
        let taken = promised.get(name).copied().unwrap_or_default();
        let barred = (home == Home::Barred && *name == vm.node).then_some(Bar::Itself);
        let answer = match barred.or_else(|| bar(name, entry, node, taken, vm)) {
            Some(bar) => Err(bar),
            None => Ok(score(entry, node, vm.meta.node_selector, taken)),
        };
        Some((name.clone(), answer))
    };
    let nodes: BTreeMap<NodeName, Result<Score, Bar>> = cluster.nodes.iter().filter_map(answer).collect();
    let mut chosen: Option<(&NodeName, Score)> = None;
    for (name, answer) in &nodes {
        match (answer, chosen) {
            (Ok(score), None) => chosen = Some((name, *score)),
            (Ok(score), Some((_, best))) if *score > best => chosen = Some((name, *score)),
            _ => {}
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

/// What every node has promised, to all VMs but one.
fn promises(cluster: &Cluster, but: VmId) -> BTreeMap<NodeName, Promised> {
    let mut promised = BTreeMap::<NodeName, Promised>::new();
    for (_, entry) in cluster.vms.iter().filter(|(id, _)| **id != but) {
        let vm = &entry.vm.value;
        let runs = entry.fact.as_ref().is_some_and(|fact| fact.value.runs());
        // A VM that is on its way counts on both sides.
        for node in std::iter::once(&vm.node).chain(vm.transfer.as_ref().map(|transfer| &transfer.to)) {
            let taken = promised.entry(node.clone()).or_default();
            taken.provisioned_mib += vm.memory_mib;
            if runs || vm.parked || matches!(vm.wish.power, Power::Start | Power::Restart) {
                taken.memory_mib += vm.memory_mib;
                taken.vcpus += u64::from(vm.vcpus);
                taken.vms += 1;
            }
        }
    }
    promised
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
        None
    }
}

fn score(entry: &NodeEntry, node: &Node, selector: Selector, taken: Promised) -> Score {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let total = whole(node.memory_total_mib);
    Score(match selector {
        Selector::Mem | Selector::None => total - whole(taken.memory_mib),
        Selector::MemProv => total - whole(taken.provisioned_mib),
        Selector::Load => -thousandths(entry.status.as_ref().map_or(0.0, |status| status.value.load)),
        Selector::Vcpus => -whole(taken.vcpus),
        Selector::Vms => -whole(taken.vms),
    })
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
            Self::Memory { needs_mib, left_mib } => {
                write!(f, "the VM needs {needs_mib} MiB of memory, and {left_mib} MiB are left")
            }
            Self::Vcpus { needs, has } => write!(f, "the VM has {needs} vCPUs, and the node {has} CPUs"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
