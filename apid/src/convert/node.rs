//! A node as the API shows it.

use std::collections::BTreeMap;

use api::{HealthDetail, Node, NodeMemory, NodeVcpu};
use logic::cluster::{Cluster, NodeEntry};
use logic::health::{Trouble, of_a_silent_hypervisor, of_networks, of_the_node};
use logic::id::NodeName;
use logic::node::drain::{DomainState, domain_states};
use logic::node::traffic::Interface;
use logic::node::{Commitment, DaemonState, NodeStatus, commitments, shown_daemon_state};
use serde_json::Value;

/// The checks of the hypervisor and of the networks, by the names that clients know.
const CHECKS: [&str; 2] = ["lbvt", "nics"];

/// What is counted over all VMs once, for every node of one answer.
#[derive(Clone, Debug)]
pub struct Sums {
    committed: BTreeMap<NodeName, Commitment>,
    services: BTreeMap<NodeName, DomainState>,
}

impl Sums {
    /// Counts.
    pub fn of(cluster: &Cluster) -> Self {
        Self { committed: commitments(cluster), services: domain_states(cluster) }
    }

    /// How a node stands towards VMs.
    pub fn domain_state(&self, name: &NodeName) -> &'static str {
        self.services.get(name).copied().unwrap_or(DomainState::Ready).as_str()
    }
}

/// A node with everything that is known of it.
pub fn node(
    cluster: &Cluster,
    (name, entry): (&NodeName, &NodeEntry),
    sums: &Sums,
    troubles: &[Trouble],
) -> Node {
    let committed = sums.committed.get(name).copied().unwrap_or_default();
    let registered = entry.node.as_ref().map(|node| &node.value);
    // What a node that was cut off told last is not so any more.
    let cut_off = shown_daemon_state(entry) == DaemonState::Fenced;
    let status = entry.status.as_ref().map(|status| &status.value).filter(|_| !cut_off);
    let name_of = |vm| cluster.vms.get(vm).map(|entry| entry.vm.value.name.to_string());
    let running: Vec<String> =
        status.map_or_else(Vec::new, |s| s.running.iter().filter_map(name_of).collect());
    let checks = status.map(checks).unwrap_or_default();
    let cpu_count = registered.map_or(0, |node| u64::from(node.cpu_count));
    let text = |read: fn(&logic::node::Node) -> &String| registered.map(read).cloned().unwrap_or_default();
    Node {
        name: name.to_string(),
        daemon_state: shown_daemon_state(entry).as_str().into(),
        coordinator_state: coordinator_state(cluster, name).into(),
        domain_state: sums.domain_state(name).into(),
        pvc_version: text(|node| &node.version),
        cpu_count,
        cpu_model: Some(text(|node| &node.cpu_model)),
        kernel: text(|node| &node.kernel),
        os: text(|node| &node.os),
        arch: text(|node| &node.arch),
        health: of_the_node(name, troubles),
        health_plugins: checks.iter().map(|check| check.name.clone()).collect(),
        health_details: checks,
        load: status.map_or(0.0, |status| status.load),
        cpu_utilization: Some(status.map_or(0.0, |status| status.cpu_percent)),
        domains_count: running.len() as u64,
        running_domains: running,
        vcpu: NodeVcpu { total: cpu_count, allocated: committed.vcpus_allocated.into() },
        memory: NodeMemory {
            total: registered.map_or(0, |node| node.memory_total_mib),
            allocated: committed.memory_allocated_mib,
            provisioned: committed.memory_provisioned_mib,
            used: status.map_or(0, |status| status.memory_used_mib),
            free: status.map_or(0, |status| status.memory_free_mib),
        },
        interfaces: status.map(interfaces).unwrap_or_default(),
        stale: Some(stale(entry, status)),
    }
}

/// A link of unknown speed has none, and both ways of one that has count alike.
fn interfaces(status: &NodeStatus) -> BTreeMap<String, api::Interface> {
    let interface = |(name, seen): (&String, &Interface)| {
        let interface = api::Interface {
            rx_bps: seen.rx_bps,
            rx_pps: seen.rx_pps,
            tx_bps: seen.tx_bps,
            tx_pps: seen.tx_pps,
            total_bps: seen.rx_bps + seen.tx_bps,
            total_pps: seen.rx_pps + seen.tx_pps,
            link_speed: u64::from(seen.speed_mbit.unwrap_or_default()) * 1_000_000,
            state: if seen.up { "up" } else { "down" }.into(),
        };
        (name.clone(), interface)
    };
    status.interfaces.iter().map(interface).collect()
}

/// Which facts are old; all of them, where nobody renews them.
fn stale(entry: &NodeEntry, status: Option<&NodeStatus>) -> Vec<String> {
    let renewed =
        matches!(shown_daemon_state(entry), DaemonState::Init | DaemonState::Run | DaemonState::Shutdown);
    let keepalive = (status.is_some() && !renewed).then(|| "keepalive".to_owned());
    let told = status.into_iter().flat_map(|status| &status.stale).map(|stale| stale.as_str().to_owned());
    keepalive.into_iter().chain(told).collect()
}

/// A node's part among the coordinators. Alone it is primary, with or without a record that says so.
pub fn coordinator_state(cluster: &Cluster, name: &NodeName) -> &'static str {
    match cluster.primary {
        None if primary(cluster).as_ref() == Some(name) => "primary",
        _ => logic::primary::coordinator_state(cluster, name).as_str(),
    }
}

/// The primary coordinator.
pub fn primary(cluster: &Cluster) -> Option<NodeName> {
    if let Some(primary) = &cluster.primary {
        return Some(primary.value.node.clone());
    }
    let mut registered = cluster.nodes.iter().filter(|(_, entry)| entry.node.is_some());
    let first = registered.next().map(|(name, _)| name.clone());
    first.filter(|_| registered.next().is_none())
}

fn checks(status: &NodeStatus) -> Vec<HealthDetail> {
    let check = |name: &str, health_delta, message| HealthDetail {
        name: name.into(),
        last_run: i64::try_from(status.at.0 / 1000).unwrap_or(i64::MAX),
        health_delta,
        message,
        data: Value::Null,
    };
    let [hypervisor, networks] = CHECKS;
    let hypervisor = match &status.hypervisor_fault {
        None => check(hypervisor, 0, "The hypervisor answers".into()),
        Some(fault) => {
            let message = format!("The hypervisor does not answer: {fault}");
            check(hypervisor, of_a_silent_hypervisor(), message)
        }
    };
    let networks = match &status.network_faults[..] {
        [] => check(networks, 0, "The networks are as they should be".into()),
        faults => check(networks, of_networks(status).1, faults.join("; ")),
    };
    vec![hypervisor, networks]
}
