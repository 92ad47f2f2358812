//! Nodes on the screen: the table, and one with its details.

use api::Node;

use super::details::Details;
use super::paint::{Paint, Tone};
use super::table::{Cell, Table};
use super::vm::{Depth, or_none};

/// What the state of a node's daemon says.
pub(super) fn daemon_tone(state: &str) -> Tone {
    match state {
        "run" => Tone::Good,
        "init" | "shutdown" => Tone::Attention,
        "stop" => Tone::Dim,
        _ => Tone::Bad,
    }
}

/// What a health in percent says.
pub(super) fn health_tone(health: i32) -> Tone {
    match health {
        91.. => Tone::Good,
        51..=90 => Tone::Attention,
        _ => Tone::Bad,
    }
}

/// All nodes by name.
pub(crate) fn list(nodes: &[Node], paint: Paint) -> String {
    let mut sorted: Vec<&Node> = nodes.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut table = Table::new(&[
        "Name",
        "#Health",
        "Daemon",
        "Coordinator",
        "Domains",
        "#VMs",
        "#vCPUs",
        "#Load",
        "#RAM (MB)",
        "#Used",
        "#Free",
        "#VMs have",
        "Version",
    ]);
    for node in sorted {
        let numbers = [
            node.domains_count.to_string(),
            format!("{}/{}", node.vcpu.allocated, node.vcpu.total),
            format!("{:.2}", node.load),
            node.memory.total.to_string(),
            node.memory.used.to_string(),
            node.memory.free.to_string(),
            node.memory.allocated.to_string(),
        ];
        let mut row = vec![
            Cell::from(node.name.as_str()),
            Cell::toned(format!("{} %", node.health), health_tone(node.health)),
            Cell::toned(node.daemon_state.as_str(), daemon_tone(&node.daemon_state)),
            Cell::toned(node.coordinator_state.as_str(), coordinator_tone(&node.coordinator_state)),
            Cell::toned(node.domain_state.as_str(), domain_tone(&node.domain_state)),
        ];
        row.extend(numbers.map(Cell::from));
        row.push(node.pvc_version.as_str().into());
        table.row(row);
    }
    table.render(paint)
}

/// One node.
pub(crate) fn details(node: &Node, depth: Depth, paint: Paint) -> String {
    let mut out = Details::default();
    out.line("Name", node.name.as_str());
    out.toned("Health", format!("{} %", node.health), health_tone(node.health));
    for check in node.health_details.iter().filter(|check| check.health_delta > 0) {
        out.toned("", format!("-{} % {}", check.health_delta, check.message), Tone::Attention);
    }
    out.toned("Daemon", node.daemon_state.as_str(), daemon_tone(&node.daemon_state));
    out.toned("Coordinator", node.coordinator_state.as_str(), coordinator_tone(&node.coordinator_state));
    out.toned("Domains", node.domain_state.as_str(), domain_tone(&node.domain_state));
    out.line("Version", node.pvc_version.as_str());
    out.gap();
    out.line("VMs", format!("{}: {}", node.domains_count, or_none(node.running_domains.iter().cloned())));
    out.line(
        "CPUs",
        format!("{}, {} of them given to VMs, load {:.2}", node.cpu_count, node.vcpu.allocated, node.load),
    );
    let memory = &node.memory;
    out.line("Memory", format!("{} MB, {} used, {} free", memory.total, memory.used, memory.free));
    out.line("VMs have", format!("{} MB running, {} MB in all", memory.allocated, memory.provisioned));
    if let Some(stale) = node.stale.as_ref().filter(|stale| !stale.is_empty()) {
        out.toned("Old", format!("{}: told some time ago", stale.join(", ")), Tone::Attention);
    }
    if depth == Depth::Long {
        out.gap();
        out.line_if_any("Processors", node.cpu_model.as_deref().unwrap_or_default());
        if let Some(percent) = node.cpu_utilization {
            out.line("At work", format!("{percent:.1} % of the processors' time"));
        }
        out.line("System", format!("{} {} ({})", node.os, node.kernel, node.arch));
        out.table("Network interfaces", interfaces(node));
        out.table("Health checks", checks(node));
    }
    out.render(paint)
}

fn interfaces(node: &Node) -> Table {
    let mut table = Table::new(&[
        "Name",
        "State",
        "#Speed (Mbit/s)",
        "#In (Mbit/s)",
        "#Packets/s",
        "#Out (Mbit/s)",
        "#Packets/s",
    ]);
    for (name, interface) in &node.interfaces {
        let tone = if interface.state == "up" { Tone::Good } else { Tone::Bad };
        let megabits = |bits: u64| Cell::from((bits / 1_000_000).to_string());
        table.row(vec![
            name.as_str().into(),
            Cell::toned(interface.state.as_str(), tone),
            megabits(interface.link_speed),
            megabits(interface.rx_bps),
            interface.rx_pps.to_string().into(),
            megabits(interface.tx_bps),
            interface.tx_pps.to_string().into(),
        ]);
    }
    table
}

fn checks(node: &Node) -> Table {
    let mut table = Table::new(&["Name", "#Lowers by", "Found"]);
    for check in &node.health_details {
        let tone = if check.health_delta > 0 { Tone::Attention } else { Tone::Usual };
        table.row(vec![
            check.name.as_str().into(),
            Cell::toned(format!("{} %", check.health_delta), tone),
            check.message.as_str().into(),
        ]);
    }
    table
}

fn coordinator_tone(state: &str) -> Tone {
    match state {
        "primary" => Tone::Good,
        "takeover" | "relinquish" => Tone::Attention,
        _ => Tone::Usual,
    }
}

fn domain_tone(state: &str) -> Tone {
    match state {
        "ready" => Tone::Good,
        _ => Tone::Attention,
    }
}
