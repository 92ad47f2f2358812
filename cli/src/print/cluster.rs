//! The cluster's status on the screen.

use api::{ClusterStatus, StateCounts};

use super::details::Details;
use super::node::health_tone;
use super::paint::{Paint, Tone};
use super::table::{Cell, Table};

/// The whole page.
pub(crate) fn status(status: &ClusterStatus, paint: Paint) -> String {
    let mut out = Details::default();
    out.line("Cluster", status.cluster_name.as_str());
    health(&mut out, status);
    out.line("Primary node", status.primary_node.as_str());
    out.line("Version", status.pvc_version.as_str());
    out.line_if_any("Upstream address", &status.upstream_ip);
    out.gap();
    out.line("Nodes", counts(&status.nodes));
    for (name, node) in status.node_health.iter().filter(|(_, node)| node.health < 100) {
        out.toned(
            "",
            format!("{name}: {} % {}", node.health, node.messages.join(", ")),
            health_tone(node.health),
        );
    }
    out.line("VMs", counts(&status.vms));
    out.line("Networks", status.networks.to_string());
    out.line("OSDs", counts(&status.osds));
    out.line("Pools", status.pools.to_string());
    out.line("Volumes", status.volumes.to_string());
    out.line("Snapshots", status.snapshots.to_string());
    out.gap();
    let resources = &status.resources;
    let (memory, cpu, disk) = (&resources.memory, &resources.cpu, &resources.disk);
    out.line(
        "Memory",
        format!("{:.1} % of {} MB, {} MB given to VMs", memory.utilization, memory.total, memory.allocated),
    );
    out.line("CPU", format!("{:.1} % of {}, {} given to VMs", cpu.utilization, cpu.total, cpu.allocated));
    if disk.total > 0 {
        out.line("Storage", format!("{:.1} % of {} GB", disk.utilization, disk.total / (1024 * 1024)));
    }
    out.render(paint)
}

/// Health and primary coordinator only.
pub(crate) fn short(status: &ClusterStatus, paint: Paint) -> String {
    let mut out = Details::default();
    health(&mut out, status);
    out.line("Primary node", status.primary_node.as_str());
    out.render(paint)
}

/// Health and its reasons, of the cluster and of each node.
pub(crate) fn health_page(status: &ClusterStatus, paint: Paint) -> String {
    let mut out = Details::default();
    health(&mut out, status);
    let mut nodes = Table::new(&["Name", "#Health", "Why"]);
    for (name, node) in &status.node_health {
        let why = if node.messages.is_empty() { "-".into() } else { node.messages.join("; ") };
        nodes.row(vec![
            name.as_str().into(),
            Cell::toned(format!("{} %", node.health), health_tone(node.health)),
            Cell::from(why),
        ]);
    }
    out.table("Nodes", nodes);
    out.render(paint)
}

/// The health in a word or a number, with its tone.
pub(super) fn health_word(status: &ClusterStatus) -> (String, Tone) {
    let health = status.cluster_health.health;
    if status.maintenance == "true" || health < 0 {
        ("maintenance mode".into(), Tone::Attention)
    } else {
        (format!("{health} %"), health_tone(health))
    }
}

fn health(out: &mut Details, status: &ClusterStatus) {
    let (word, tone) = health_word(status);
    out.toned("Health", word, tone);
    for message in &status.cluster_health.messages {
        let text = format!("-{} % {} [{}]", message.health_delta, message.text, message.id);
        out.toned("", text, Tone::Attention);
    }
}

fn counts(counts: &StateCounts) -> String {
    let states: Vec<String> =
        counts.by_state.iter().map(|(state, count)| format!("{state}: {count}")).collect();
    if states.is_empty() {
        counts.total.to_string()
    } else {
        format!("{} ({})", counts.total, states.join("; "))
    }
}
