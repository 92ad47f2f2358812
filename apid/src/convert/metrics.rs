//! The state of the cluster as Prometheus reads it: every known state has its line, zero included.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use api::{ClusterStatus, StateCounts};

/// The states of a node's daemon.
const DAEMON_STATES: [&str; 6] = ["shutdown", "dead", "init", "run", "stop", "fenced"];

/// The states of a node towards VMs.
const DOMAIN_STATES: [&str; 5] = ["unflush", "fence-flush", "flushed", "ready", "flush"];

/// The states of a VM.
const VM_STATES: [&str; 14] = [
    "shutdown",
    "restore",
    "mirror",
    "disable",
    "import",
    "migrate",
    "start",
    "restart",
    "unmigrate",
    "fail",
    "stop",
    "provision",
    "migrate-live",
    "delete",
];

/// The document, made of the status. What does not exist in this version yet counts as none.
pub fn health(status: &ClusterStatus) -> String {
    let mut out = Document::default();
    let info = [
        ("primary_node", status.primary_node.as_str()),
        ("version", status.pvc_version.as_str()),
        ("upstream_ip", status.upstream_ip.as_str()),
    ];
    out.head("pvc_info", "PVC cluster information");
    out.line("pvc_info", &info, 1);
    let in_maintenance = status.maintenance == "true";
    out.gauge("pvc_cluster_maintenance", "PVC cluster maintenance state", i64::from(in_maintenance));
    // In maintenance mode no health is shown, and no alarm is to be raised.
    let health = if in_maintenance { 100 } else { i64::from(status.cluster_health.health) };
    out.gauge("pvc_cluster_health", "PVC cluster health status", health);
    let lowering = status.cluster_health.messages.iter().filter(|message| message.health_delta > 0);
    let faults = [("new", whole(lowering.count())), ("ack", 0)];
    out.states("pvc_cluster_faults", "PVC cluster new faults", "status", faults.into_iter());
    let nodes = status.node_health.iter().map(|(node, health)| (node.as_str(), i64::from(health.health)));
    out.states("pvc_node_health", "PVC cluster node health status", "node", nodes);
    let (daemons, domains) = (halves(&status.nodes, 0), halves(&status.nodes, 1));
    let of = |counts: &BTreeMap<String, u64>, state: &str| signed(counts.get(state).copied().unwrap_or(0));
    let all = DAEMON_STATES.map(|state| (state, of(&daemons, state)));
    out.states("pvc_node_daemon_states", "PVC Node daemon state counts", "state", all.into_iter());
    let all = DOMAIN_STATES.map(|state| (state, of(&domains, state)));
    out.states("pvc_node_domain_states", "PVC Node domain state counts", "state", all.into_iter());
    let all = VM_STATES.map(|state| (state, of(&status.vms.by_state, state)));
    out.states("pvc_vm_states", "PVC VM state counts", "state", all.into_iter());
    let osds = |place, states: [&'static str; 2]| {
        let counts = halves(&status.osds, place);
        states.map(|state| (state, of(&counts, state))).into_iter()
    };
    let (up, inside) = (osds(0, ["up", "down"]), osds(1, ["out", "in"]));
    out.states("pvc_ceph_osd_up_states", "PVC OSD up state counts", "state", up);
    out.states("pvc_ceph_osd_in_states", "PVC OSD in state counts", "state", inside);
    for (name, what, count) in [
        ("pvc_nodes", "PVC Node count", status.nodes.total),
        ("pvc_vms", "PVC VM count", status.vms.total),
        ("pvc_osds", "PVC OSD count", status.osds.total),
        ("pvc_networks", "PVC Network count", status.networks),
        ("pvc_pools", "PVC Storage Pool count", status.pools),
        ("pvc_volumes", "PVC Storage Volume count", status.volumes),
        ("pvc_snapshots", "PVC Storage Snapshot count", status.snapshots),
    ] {
        out.gauge(name, what, signed(count));
    }
    out.text
}

/// The counts by one half of states that are named as `run,ready` is.
fn halves(counts: &StateCounts, place: usize) -> BTreeMap<String, u64> {
    let mut halves = BTreeMap::new();
    for (state, count) in &counts.by_state {
        if let Some(half) = state.split(',').nth(place) {
            *halves.entry(half.to_owned()).or_default() += count;
        }
    }
    halves
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A document being written.
#[derive(Debug, Default)]
struct Document {
    text: String,
}

impl Document {
    fn head(&mut self, name: &str, what: &str) {
        let _infallible = write!(self.text, "# HELP {name} {what}\n# TYPE {name} gauge\n");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: i64) {
        let label = |(key, value): &(&str, &str)| format!("{key}=\"{}\"", escaped(value));
        let labels: Vec<String> = labels.iter().map(label).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(", ")) };
        let _infallible = writeln!(self.text, "{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, what: &str, value: i64) {
        self.head(name, what);
        self.line(name, &[], value);
    }

    fn states<'a>(
        &mut self,
        name: &str,
        what: &str,
        key: &str,
        states: impl Iterator<Item = (&'a str, i64)>,
    ) {
        self.head(name, what);
        for (state, value) in states {
            self.line(name, &[(key, state)], value);
        }
    }
}

/// A label's value, whatever is in it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
