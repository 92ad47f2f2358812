//! The whole cluster on one page.

use std::collections::BTreeMap;

use api::{
    ClusterDetail, ClusterHealth, ClusterStatus, CpuResource, DiskResource, Fault, HealthMessage,
    MemoryResource, Node, NodeHealth, NodeSummary, Resources, StateCounts, VmSummary,
};
use logic::cluster::Cluster;
use logic::health::{Trouble, of_the_cluster, troubles};
use logic::id::NodeName;
use logic::vm::shown_state;
use store::mirror::Snapshot;

use super::node::{Sums, node, primary};
use crate::Settings;

/// What the contract shows in the place of a health while maintenance mode is on.
const IN_MAINTENANCE: i32 = -1;

/// What is shown of a cluster. Its name and its upstream address are as they are configured here.
pub fn status(snapshot: &Snapshot, settings: &Settings) -> ClusterStatus {
    let cluster = &snapshot.cluster;
    let troubles = troubles(cluster, &snapshot.faults);
    let sums = Sums::of(cluster);
    let nodes: Vec<Node> =
        cluster.nodes.iter().map(|(name, entry)| node(cluster, (name, entry), &sums, &troubles)).collect();
    let vms: Vec<VmSummary> = cluster
        .vms
        .iter()
        .map(|(id, entry)| VmSummary {
            uuid: id.to_string(),
            name: entry.vm.value.name.to_string(),
            state: shown_state(entry).to_string(),
        })
        .collect();
    let primary = primary(cluster);
    let osds = super::osd::summaries(cluster);
    let volumes = || cluster.volumes.values().map(|volume| &volume.value).filter(|volume| volume.is_there());
    ClusterStatus {
        cluster_name: settings.cluster.clone(),
        cluster_health: ClusterHealth {
            health: of_the_cluster(cluster, &troubles).unwrap_or(IN_MAINTENANCE),
            messages: troubles.iter().map(message).collect(),
        },
        node_health: node_health(&nodes, &troubles),
        maintenance: cluster.in_maintenance().to_string(),
        pvc_version: version(&nodes, primary.as_ref()),
        primary_node: primary.map_or_else(|| "none".into(), |primary| primary.to_string()),
        upstream_ip: settings.upstream_ip.clone(),
        nodes: counts(nodes.iter().map(|node| format!("{},{}", node.daemon_state, node.domain_state))),
        vms: counts(vms.iter().map(|vm| vm.state.clone())),
        networks: 0,
        osds: counts(osds.iter().map(|osd| format!("{},{}", osd.up, osd.in_))),
        pools: cluster.pools.len() as u64,
        volumes: volumes().count() as u64,
        snapshots: volumes().map(|volume| volume.snapshots.len() as u64).sum(),
        resources: Resources { disk: disk(cluster), ..resources(&nodes) },
        detail: ClusterDetail {
            node: nodes.iter().map(summary).collect(),
            vm: vms,
            osd: osds,
            faults: Vec::<Fault>::new(),
        },
    }
}

fn message(trouble: &Trouble) -> HealthMessage {
    HealthMessage { id: trouble.id.clone(), health_delta: trouble.health_delta, text: trouble.text.clone() }
}

fn node_health(nodes: &[Node], troubles: &[Trouble]) -> BTreeMap<String, NodeHealth> {
    let of = |node: &Node| {
        let of_node =
            |trouble: &&Trouble| trouble.node.as_ref().is_some_and(|(name, _)| name.as_str() == node.name);
        let messages = troubles.iter().filter(of_node).map(|trouble| trouble.text.clone()).collect();
        (node.name.clone(), NodeHealth { health: node.health, messages })
    };
    nodes.iter().map(of).collect()
}

/// The primary's version, or our own where there is none.
fn version(nodes: &[Node], primary: Option<&NodeName>) -> String {
    let its = nodes.iter().find(|node| primary.map(NodeName::as_str) == Some(node.name.as_str()));
    its.map_or_else(|| env!("CARGO_PKG_VERSION").into(), |node| node.pvc_version.clone())
}

fn summary(node: &Node) -> NodeSummary {
    NodeSummary {
        name: node.name.clone(),
        daemon_state: node.daemon_state.clone(),
        domain_state: node.domain_state.clone(),
    }
}

fn counts(states: impl Iterator<Item = String>) -> StateCounts {
    let mut counts = StateCounts::default();
    for state in states {
        counts.total += 1;
        *counts.by_state.entry(state).or_default() += 1;
    }
    counts
}

/// What the nodes have that are there: what a lost one had told last is nobody's any more.
fn resources(nodes: &[Node]) -> Resources {
    let there = |node: &&Node| !matches!(node.daemon_state.as_str(), "dead" | "fenced");
    let nodes: Vec<&Node> = nodes.iter().filter(there).collect();
    let sum = |read: fn(&Node) -> u64| nodes.iter().map(|node| read(node)).sum::<u64>();
    let (total, used) = (sum(|node| node.memory.total), sum(|node| node.memory.used));
    let (cpus, load) = (sum(|node| node.cpu_count), nodes.iter().map(|node| node.load).sum::<f64>());
    Resources {
        memory: MemoryResource {
            total,
            free: sum(|node| node.memory.free),
            used,
            allocated: sum(|node| node.memory.allocated),
            provisioned: sum(|node| node.memory.provisioned),
            utilization: percent(used, total),
        },
        cpu: CpuResource {
            total: cpus,
            load: rounded(load),
            allocated: sum(|node| node.vcpu.allocated),
            utilization: if cpus == 0 { 0.0 } else { rounded(load * 100.0 / as_float(cpus)) },
        },
        disk: DiskResource::default(),
    }
}

/// What the storage's devices hold, in KiB.
fn disk(cluster: &Cluster) -> DiskResource {
    let facts = cluster.storage_facts.as_ref().and_then(|facts| facts.value.figures.as_ref());
    let (total, free) =
        facts.map_or((0, 0), |figures| (figures.total_bytes / 1024, figures.free_bytes / 1024));
    let used = total.saturating_sub(free);
    DiskResource { total, used, free, utilization: percent(used, total) }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { rounded(as_float(part) * 100.0 / as_float(whole)) }
}

/// Sizes in MB and counts of processors are far below the bound up to which this is exact.
#[expect(clippy::cast_precision_loss, reason = "percentages are shown with two decimals")]
fn as_float(count: u64) -> f64 {
    count as f64
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
