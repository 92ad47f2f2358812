//! What is wrong with the cluster, as far as its records show it, and by how much that lowers its health.
//!
//! | what | the cluster's health | the node's |
//! |---|---|---|
//! | a node is dead or fenced | 50 | 100 |
//! | a node has stopped on purpose | 10 | 50 |
//! | a node is flushed, or being flushed | 10 | 10 |
//! | a node's hypervisor does not answer | 25 | 50 |
//! | something of a node's networks cannot be made | 5 each, 25 at most | 10 each, 50 at most |
//! | a VM should run and could not be started | 10 | |
//! | a VM should run, and waits for a node that is lost | 10 | |
//! | a VM was torn in two by post-copy, or its memory was lost, and it does not run again yet | 10 | |
//! | the running VMs have more memory than is left when the largest node fails | 50 | |
//! | half of the coordinators or fewer are up | 50 | |
//! | the primary is gone, and nobody has taken the role | 10 | |
//! | the storage does not answer, or says that something is lost or stands still | 50 | |
//! | the storage says that something wants to be looked at | 10 | |
//! | a node is blocked at the storage | 25 | 100 |
//! | a node could not be fenced at the storage: it is seen from where it did not register | 10 | 10 |
//! | clients with the nodes' key are at the storage from where no node registered | 10 | |
//! | the storage is set so that a fence may take long | 10 | |
//! | a record cannot be read | 10 | |
//! | a guest runs that PVC did not start | 0 | 0 |
//! | maintenance mode is on | 0: no health is shown at all | |

use crate::cluster::{Cluster, NodeEntry};
use crate::fence::trouble::{self, Trouble as Fencing};
use crate::id::NodeName;
use crate::node::drain::is_drained;
use crate::node::{DaemonState, Node, NodeStatus, Role, commitments, shown_daemon_state};
use crate::primary::is_held;
use crate::storage::figures::Health;
use crate::vm::migrate::Stage;
use crate::vm::{Power, State, shown_failure, shown_state};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its id, in capital letters.
    pub id: String,
    /// By how many percent it lowers the cluster's health.
    pub health_delta: i32,
    /// What is wrong.
    pub text: String,
    /// The node it is wrong with, and by how many percent it lowers that node's health.
    pub node: Option<(NodeName, i32)>,
}

/// How much each thing that is wrong takes off: of the cluster's health, and of the node's.
mod delta {
    pub(super) const NODE_LOST: (i32, i32) = (50, 100);
    pub(super) const NODE_STOPPED: (i32, i32) = (10, 50);
    pub(super) const NODE_FLUSHED: (i32, i32) = (10, 10);
    pub(super) const HYPERVISOR: (i32, i32) = (25, 50);
    pub(super) const NETWORK: (i32, i32) = (5, 10);
    pub(super) const NETWORKS_MAX: (i32, i32) = (25, 50);
    pub(super) const VM: i32 = 10;
    pub(super) const MEMORY: i32 = 50;
    pub(super) const QUORUM: i32 = 50;
    pub(super) const PRIMARY: i32 = 10;
    pub(super) const STORAGE: i32 = 50;
    pub(super) const STORAGE_WARNS: i32 = 10;
    pub(super) const RECORD: i32 = 10;
    pub(super) const BLOCKED: (i32, i32) = (25, 100);
    pub(super) const UNFENCEABLE: (i32, i32) = (10, 10);
}

/// Everything that is wrong, in a fixed order. `unreadable` tells of records that cannot be read.
pub fn troubles(cluster: &Cluster, unreadable: &[String]) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = maintenance(cluster).into_iter().collect();
    troubles.extend(cluster.nodes.iter().flat_map(|(name, entry)| of_node(name, entry)));
    troubles.extend(quorum(cluster));
    troubles.extend(primary(cluster));
    troubles.extend(storage(cluster));
    troubles.extend(trouble::troubles(cluster).into_iter().map(of_fencing));
    troubles.extend(memory(cluster));
    troubles.extend(of_vms(cluster));
    for (index, fault) in unreadable.iter().enumerate() {
        troubles.push(of_cluster(format!("STORE_RECORD_{index}"), delta::RECORD, fault.clone()));
    }
    troubles
}

/// The cluster's health in percent; `None` in maintenance mode.
pub fn of_the_cluster(cluster: &Cluster, troubles: &[Trouble]) -> Option<i32> {
    let taken: i32 = troubles.iter().map(|trouble| trouble.health_delta).sum();
    (!cluster.in_maintenance()).then_some((100 - taken).max(0))
}

/// A node's health in percent.
pub fn of_the_node(node: &NodeName, troubles: &[Trouble]) -> i32 {
    let deltas = troubles.iter().filter_map(|trouble| trouble.node.as_ref());
    let taken: i32 = deltas.filter(|(name, _)| name == node).map(|(_, delta)| delta).sum();
    (100 - taken).max(0)
}

fn of_cluster(id: String, health_delta: i32, text: String) -> Trouble {
    Trouble { id, health_delta, text, node: None }
}

fn maintenance(cluster: &Cluster) -> Option<Trouble> {
    let text = "maintenance mode is on: nothing is fenced, and no health is shown".to_owned();
    cluster.in_maintenance().then(|| of_cluster("MAINTENANCE".into(), 0, text))
}

/// What the storage says of itself, or that it says nothing. Nobody says anything where there is none.
fn storage(cluster: &Cluster) -> Option<Trouble> {
    let facts = &cluster.storage_facts.as_ref()?.value;
    if let Some(silence) = &facts.trouble {
        return Some(of_cluster("STORAGE_SILENT".into(), delta::STORAGE, silence.why.clone()));
    }
    let figures = facts.figures.as_ref()?;
    let delta = match figures.health {
        Health::Ok => return None,
        Health::Warn => delta::STORAGE_WARNS,
        Health::Err => delta::STORAGE,
    };
    let checks: Vec<&str> = figures.checks.iter().map(|(_, text)| text.as_str()).collect();
    let text = format!("the storage is not well: {}", checks.join("; "));
    Some(of_cluster("STORAGE_HEALTH".into(), delta, text))
}

/// What is wrong about nodes at the storage.
fn of_fencing(trouble: Fencing) -> Trouble {
    let of_node = |id: &str, node: NodeName, (health_delta, delta): (i32, i32), text: String| {
        let id = format!("{id}_{}", node.as_str().to_ascii_uppercase());
        Trouble { id, health_delta, text: format!("{node}: {text}"), node: Some((node, delta)) }
    };
    match trouble {
        Fencing::Blocked { node, text } => of_node("NODE_BLOCKED", node, delta::BLOCKED, text),
        Fencing::Unfenceable { node, text } => of_node("NODE_UNFENCEABLE", node, delta::UNFENCEABLE, text),
        Fencing::Strangers { text } => of_cluster("STORAGE_STRANGERS".into(), delta::STORAGE_WARNS, text),
        Fencing::Slow { text } => of_cluster("STORAGE_FENCE_SLOW".into(), delta::STORAGE_WARNS, text),
    }
}

fn of_node(name: &NodeName, entry: &NodeEntry) -> Vec<Trouble> {
    let capital = name.as_str().to_ascii_uppercase();
    let mut troubles = Vec::new();
    let mut add = |id: String, (health_delta, of_node): (i32, i32), text: String| {
        let text = format!("{name}: {text}");
        troubles.push(Trouble { id, health_delta, text, node: Some((name.clone(), of_node)) });
    };
    let state = shown_daemon_state(entry);
    let said = format!("its daemon is in state \"{}\"", state.as_str());
    match state {
        DaemonState::Dead | DaemonState::Fenced => {
            add(format!("DEAD_NODE_{capital}"), delta::NODE_LOST, said)
        }
        DaemonState::Stop => add(format!("NODE_STOPPED_{capital}"), delta::NODE_STOPPED, said),
        DaemonState::Init | DaemonState::Run | DaemonState::Shutdown => {}
    }
    if is_drained(entry) {
        let text = "it is flushed, or being flushed, and carries no VMs".to_owned();
        add(format!("NODE_FLUSHED_{capital}"), delta::NODE_FLUSHED, text);
    }
    // What a lost node said last is no news.
    let is_lost = matches!(state, DaemonState::Dead | DaemonState::Fenced);
    let Some(status) = entry.status.as_ref().map(|status| &status.value).filter(|_| !is_lost) else {
        return troubles;
    };
    if let Some(fault) = &status.hypervisor_fault {
        let text = format!("lbvt: the hypervisor does not answer: {fault}");
        add(format!("NODE_PLUGIN_LBVT_{capital}"), delta::HYPERVISOR, text);
    }
    if !status.network_faults.is_empty() {
        let text = format!("nics: {}", status.network_faults.join("; "));
        add(format!("NODE_PLUGIN_NICS_{capital}"), of_networks(status), text);
    }
    for foreign in &status.foreign {
        let id = format!("VM_FOREIGN_{}", foreign.vm.to_string().to_ascii_uppercase());
        let text = format!("a guest \"{}\" ({}) runs that PVC did not start", foreign.name, foreign.vm);
        add(id, (0, 0), text);
    }
    troubles
}

/// By how much the faults of a node's networks lower the cluster's health, and the node's.
pub fn of_networks(status: &NodeStatus) -> (i32, i32) {
    let faults = i32::try_from(status.network_faults.len()).unwrap_or(i32::MAX);
    let times = |each: i32, most: i32| each.saturating_mul(faults).min(most);
    let ((cluster, node), (most_of_cluster, most_of_node)) = (delta::NETWORK, delta::NETWORKS_MAX);
    (times(cluster, most_of_cluster), times(node, most_of_node))
}

/// By how much a hypervisor that does not answer lowers its node's health.
pub fn of_a_silent_hypervisor() -> i32 {
    delta::HYPERVISOR.1
}

/// One that is stopped or lost does not count; a cluster of one has no quorum to lose.
fn quorum(cluster: &Cluster) -> Option<Trouble> {
    let is_up = |entry: &NodeEntry| {
        matches!(shown_daemon_state(entry), DaemonState::Init | DaemonState::Run | DaemonState::Shutdown)
    };
    let coordinators = || {
        let of_role = |entry: &&std::sync::Arc<NodeEntry>| {
            entry.node.as_ref().is_some_and(|node| node.value.role == Role::Coordinator)
        };
        cluster.nodes.values().filter(of_role)
    };
    let (all, up) = (coordinators().count(), coordinators().filter(|entry| is_up(entry)).count());
    let text = format!("{up} of {all} coordinators are up: the store needs more than half of them");
    (all > 1 && up * 2 <= all).then(|| of_cluster("COORDINATORS_BELOW_QUORUM".into(), delta::QUORUM, text))
}

/// A role that was never taken is about to be; one whose holder is gone lacks somebody who can take it.
fn primary(cluster: &Cluster) -> Option<Trouble> {
    let holder = &cluster.primary.as_ref()?.value.node;
    let text = format!("{holder} held the primary role and is gone, and no coordinator has taken it");
    (!is_held(cluster)).then(|| of_cluster("PRIMARY_GONE".into(), delta::PRIMARY, text))
}

/// Whether the VMs that run would find no room if the largest node failed. A node alone has to hold them itself.
fn memory(cluster: &Cluster) -> Option<Trouble> {
    let committed = commitments(cluster);
    let is_there =
        |entry: &NodeEntry| !matches!(shown_daemon_state(entry), DaemonState::Dead | DaemonState::Fenced);
    let there = || cluster.nodes.iter().filter(|(_, entry)| entry.node.is_some() && is_there(entry));
    let total_of = |node: &Node| node.memory_total_mib;
    let totals: Vec<u64> =
        there().filter_map(|(_, entry)| entry.node.as_ref()).map(|node| total_of(&node.value)).collect();
    let allocated: u64 =
        there().filter_map(|(name, _)| committed.get(name)).map(|sum| sum.memory_allocated_mib).sum();
    let largest = totals.iter().max().copied().filter(|_| totals.len() > 1).unwrap_or(0);
    let left = totals.iter().sum::<u64>() - largest;
    let text = format!(
        "the running VMs have {allocated} MiB of memory, and {left} MiB are left when the largest node fails"
    );
    (allocated > 0 && allocated >= left)
        .then(|| of_cluster("MEMORY_OVERPROVISIONED".into(), delta::MEMORY, text))
}

fn of_vms(cluster: &Cluster) -> impl Iterator<Item = Trouble> {
    cluster.vms.values().filter_map(|entry| {
        let vm = &entry.vm.value;
        let (name, node) = (&vm.name, &vm.node);
        let capital = name.as_str().to_ascii_uppercase();
        if shown_state(entry) == State::Fail {
            let text = format!("{name}: it should run and could not be started: {}", shown_failure(entry));
            return Some(of_cluster(format!("VM_FAILED_{capital}"), delta::VM, text));
        }
        let sending = entry.fact.as_ref().and_then(|fact| fact.value.sending.as_ref());
        if let Some((sending, what)) = sending.and_then(|sending| match sending.stage {
            Stage::Torn => Some((sending, "its memory lies in two halves")),
            Stage::Lost => Some((sending, "its memory is lost, and it is to be started anew")),
            _ => None,
        }) {
            let text = format!("{name}: post-copy from {node} to {} broke off: {what}", sending.to);
            return Some(of_cluster(format!("VM_TORN_{capital}"), delta::VM, text));
        }
        let lost = match cluster.nodes.get(node).filter(|entry| entry.node.is_some()) {
            None => Some("not registered"),
            Some(entry) => match shown_daemon_state(entry) {
                state @ (DaemonState::Dead | DaemonState::Fenced) => Some(state.as_str()),
                _ => None,
            },
        };
        let is_to_run = matches!(vm.wish.power, Power::Start | Power::Restart);
        let lost = lost.filter(|_| is_to_run)?;
        let text = format!("{name}: it should run, and waits for node {node}, which is {lost}");
        Some(of_cluster(format!("VM_WAITS_{capital}"), delta::VM, text))
    })
}

#[cfg(test)]
mod tests;
