//! What is wrong with the cluster, as far as its records show it, and by how much that lowers its health.

use logic::cluster::{Cluster, NodeEntry};
use logic::id::NodeName;
use logic::node::{DaemonState, shown_daemon_state};
use logic::vm::{State, shown_failure, shown_state};
use store::mirror::Snapshot;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its id, in capital letters.
    pub id: String,
    /// By how many percent it lowers the health.
    pub health_delta: i32,
    /// What is wrong.
    pub text: String,
    /// The node it is wrong with, where it is one.
    pub node: Option<NodeName>,
}

/// By how much a node lowers the health that should run and does not.
const NODE_DOWN_DELTA: i32 = 50;
/// By how much a node lowers the health that cannot see its guests.
const HYPERVISOR_DELTA: i32 = 50;
/// By how much something that is wrong with a node's networks lowers the health.
const NETWORK_DELTA: i32 = 10;
/// By how much a VM lowers the health that should run and cannot.
const VM_FAILED_DELTA: i32 = 10;
/// By how much a record lowers the health that cannot be read.
const RECORD_DELTA: i32 = 10;

/// Everything that is wrong, in a fixed order.
pub fn troubles(snapshot: &Snapshot) -> Vec<Trouble> {
    let cluster = &snapshot.cluster;
    let mut troubles: Vec<Trouble> =
        cluster.nodes.iter().flat_map(|(name, entry)| of_node(name, entry)).collect();
    troubles.extend(of_vms(cluster));
    for (index, fault) in snapshot.faults.iter().enumerate() {
        troubles.push(Trouble {
            id: format!("STORE_RECORD_{index}"),
            health_delta: RECORD_DELTA,
            text: fault.clone(),
            node: None,
        });
    }
    troubles
}

/// Percent that are left when everything that is wrong has been taken off.
pub fn health<'a>(troubles: impl Iterator<Item = &'a Trouble>) -> i32 {
    (100 - troubles.map(|trouble| trouble.health_delta).sum::<i32>()).max(0)
}

fn of_node(name: &NodeName, entry: &NodeEntry) -> Vec<Trouble> {
    let capital = name.as_str().to_ascii_uppercase();
    let mut troubles = Vec::new();
    let mut add = |id: String, health_delta, text| {
        troubles.push(Trouble { id, health_delta, text, node: Some(name.clone()) });
    };
    match shown_daemon_state(entry) {
        DaemonState::Run | DaemonState::Init | DaemonState::Shutdown => {}
        state => add(
            format!("NODE_{}_{capital}", state.as_str().to_ascii_uppercase()),
            NODE_DOWN_DELTA,
            format!("{name}: its daemon is in state \"{}\"", state.as_str()),
        ),
    }
    let Some(status) = entry.status.as_ref().map(|status| &status.value) else { return troubles };
    if let Some(fault) = &status.hypervisor_fault {
        add(
            format!("NODE_PLUGIN_LBVT_{capital}"),
            HYPERVISOR_DELTA,
            format!("{name} lbvt: the hypervisor does not answer: {fault}"),
        );
    }
    for (index, fault) in status.network_faults.iter().enumerate() {
        add(format!("NODE_PLUGIN_NICS_{capital}_{index}"), NETWORK_DELTA, format!("{name} nics: {fault}"));
    }
    for foreign in &status.foreign {
        add(
            format!("VM_FOREIGN_{}", foreign.vm.to_string().to_ascii_uppercase()),
            0,
            format!("{name}: a guest \"{}\" ({}) runs that PVC did not start", foreign.name, foreign.vm),
        );
    }
    troubles
}

fn of_vms(cluster: &Cluster) -> impl Iterator<Item = Trouble> {
    let failed = cluster.vms.values().filter(|entry| shown_state(entry) == State::Fail);
    failed.map(|entry| {
        let name = &entry.vm.value.name;
        Trouble {
            id: format!("VM_FAIL_{}", name.as_str().to_ascii_uppercase()),
            health_delta: VM_FAILED_DELTA,
            text: format!("{name}: it should run and could not be started: {}", shown_failure(entry)),
            node: None,
        }
    })
}
