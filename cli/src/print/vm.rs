//! VMs on the screen: the table, and one with its details.

use api::{Disk, Tag, Vm};

use super::details::Details;
use super::diff;
use super::paint::{Paint, Tone};
use super::table::{Cell, Table};

/// How much is told of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What matters most.
    Short,
    /// Everything.
    Long,
}

/// All VMs by name.
pub(crate) fn list(vms: &[Vm], paint: Paint) -> String {
    let mut sorted: Vec<&Vm> = vms.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut table =
        Table::new(&["Name", "State", "Node", "Migrated", "#vCPUs", "#RAM (MB)", "Networks", "Tags", "UUID"]);
    for vm in sorted {
        let networks: Vec<&str> = vm.networks.iter().map(|network| network.vni.as_str()).collect();
        let tags: Vec<&str> = vm.tags.iter().map(|tag| tag.name.as_str()).collect();
        let moved = if vm.migrated == "no" { Tone::Usual } else { Tone::Attention };
        table.row(vec![
            vm.name.as_str().into(),
            Cell::toned(vm.state.as_str(), tone(&vm.state)),
            vm.node.as_str().into(),
            Cell::toned(vm.migrated.as_str(), moved),
            vm.vcpu.to_string().into(),
            vm.memory.to_string().into(),
            networks.join(",").into(),
            tags.join(",").into(),
            Cell::toned(vm.uuid.as_str(), Tone::Dim),
        ]);
    }
    table.render(paint)
}

/// One VM.
pub(crate) fn details(vm: &Vm, depth: Depth, paint: Paint) -> String {
    let mut out = Details::default();
    identity(&mut out, vm);
    out.gap();
    placement(&mut out, vm);
    if depth == Depth::Long {
        out.gap();
        machine(&mut out, vm);
    }
    out.gap();
    out.line("Tags", or_none(vm.tags.iter().map(described)));
    match depth {
        Depth::Short => {
            out.line("Networks", or_none(vm.networks.iter().map(|network| network.vni.clone())));
            out.line("Disks", or_none(vm.disks.iter().map(|disk| format!("{} ({})", disk.name, disk.dev))));
            out.line("Snapshots", or_none(vm.snapshots.iter().map(|snapshot| snapshot.name.clone())));
        }
        Depth::Long => devices(&mut out, vm),
    }
    out.render(paint)
}

/// The tags of a VM.
pub(crate) fn tags(tags: &[Tag], paint: Paint) -> String {
    let mut table = Table::new(&["Name", "Type", "Protected"]);
    for tag in tags {
        table.row(vec![tag.name.as_str().into(), tag.type_.as_str().into(), yes_no(tag.protected).into()]);
    }
    table.render(paint)
}

/// The disks of a VM.
pub(crate) fn disks(disks: &[Disk], paint: Paint) -> String {
    let mut table = Table::new(&["Name", "Type", "Device", "Bus"]);
    for disk in disks {
        let words = [disk.name.as_str(), &disk.type_, &disk.dev, &disk.bus];
        table.row(words.into_iter().map(Cell::from).collect());
    }
    table.render(paint)
}

/// The difference between two libvirt documents.
pub(crate) fn change(before: &str, after: &str, paint: Paint) -> String {
    diff::unified(before, after, paint)
}

fn identity(out: &mut Details, vm: &Vm) {
    out.line("Name", vm.name.as_str());
    out.line("UUID", vm.uuid.as_str());
    out.line_if_any("Description", &vm.description);
    out.line_if_any("Profile", &vm.profile);
    out.line("Memory", format!("{} MB", vm.memory));
    let topology = vm.vcpu_topology.as_str();
    let topology = if topology.matches('/').count() == 2 {
        format!(" (sockets/cores/threads: {topology})")
    } else {
        String::new()
    };
    out.line("vCPUs", format!("{}{topology}", vm.vcpu));
}

fn placement(out: &mut Details, vm: &Vm) {
    out.toned("State", vm.state.as_str(), tone(&vm.state));
    if !vm.failed_reason.is_empty() {
        out.toned("Failure", vm.failed_reason.as_str(), Tone::Bad);
    }
    out.line("Node", vm.node.as_str());
    out.line_if_any("Goes back to", &vm.last_node);
    let limit = vm.node_limit.as_ref().filter(|nodes| !nodes.is_empty());
    out.line("Node limit", limit.map_or_else(|| "all nodes".into(), |nodes| nodes.join(", ")));
    out.line("Node selector", vm.node_selector.as_deref().unwrap_or("none"));
    out.line("Autostart", yes_no(vm.node_autostart));
    out.line("Migration", vm.migration_method.as_deref().unwrap_or("none"));
    out.line("Max. downtime", format!("{} ms", vm.migration_max_downtime));
}

fn machine(out: &mut Details, vm: &Vm) {
    out.line("Emulator", vm.emulator.as_deref().unwrap_or("as libvirt chooses"));
    out.line("Machine", format!("{} {} ({})", vm.arch, vm.machine, vm.type_));
    out.line("Features", or_none(vm.features.iter().cloned()));
    out.line("Console", vm.console.as_deref().unwrap_or("none"));
    let vnc = &vm.vnc;
    let seen = !matches!(vnc.listen.as_str(), "" | "None");
    out.line("VNC", if seen { format!("{}:{}", vnc.listen, vnc.port) } else { "none".into() });
    let memory = &vm.memory_stats;
    if memory.rss > 0 {
        out.line("Memory in use", format!("{} MB of the node's", memory.rss / 1024));
    }
    if vm.vcpu_stats.cpu_time > 0 {
        out.line("CPU time", format!("{} s", vm.vcpu_stats.cpu_time / 1_000_000_000));
    }
}

fn devices(out: &mut Details, vm: &Vm) {
    let mut networks = Table::new(&[
        "VNI",
        "Type",
        "Source",
        "Model",
        "MAC",
        "#Read (B)",
        "#Packets",
        "#Errors",
        "#Drops",
        "#Written (B)",
        "#Packets",
        "#Errors",
        "#Drops",
    ]);
    for network in &vm.networks {
        let counts = [
            network.rd_bytes,
            network.rd_packets,
            network.rd_errors,
            network.rd_drops,
            network.wr_bytes,
            network.wr_packets,
            network.wr_errors,
            network.wr_drops,
        ];
        let model = network.model.as_deref().unwrap_or("-");
        let words = [network.vni.as_str(), &network.type_, &network.source, model, &network.mac];
        networks.row(words.into_iter().map(Cell::from).chain(counts.map(|n| n.to_string().into())).collect());
    }
    out.table("Networks", networks);
    let mut disks =
        Table::new(&["Device", "Bus", "Type", "Name", "#Reads", "#Read (B)", "#Writes", "#Written (B)"]);
    for disk in &vm.disks {
        let counts = [disk.rd_req, disk.rd_bytes, disk.wr_req, disk.wr_bytes];
        let words = [disk.dev.as_str(), &disk.bus, &disk.type_, &disk.name];
        disks.row(words.into_iter().map(Cell::from).chain(counts.map(|n| n.to_string().into())).collect());
    }
    out.table("Disks", disks);
    let mut controllers = Table::new(&["Type", "Model"]);
    for controller in &vm.controllers {
        let model = controller.model.as_deref().unwrap_or("-");
        controllers.row(vec![controller.type_.as_str().into(), model.into()]);
    }
    out.table("Controllers", controllers);
    let mut snapshots = Table::new(&["Name", "#Age (s)", "#Lines changed since", "Volumes"]);
    for snapshot in &vm.snapshots {
        snapshots.row(vec![
            snapshot.name.as_str().into(),
            snapshot.age.to_string().into(),
            changed_lines(&snapshot.xml_diff_lines).to_string().into(),
            snapshot.rbd_snapshots.join(",").into(),
        ]);
    }
    out.table("Snapshots", snapshots);
}

/// How many lines of a unified difference were added or removed.
fn changed_lines(diff: &[String]) -> usize {
    let is_change =
        |line: &&String| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---");
    diff.iter().filter(is_change).count()
}

fn described(tag: &Tag) -> String {
    if tag.protected { format!("{} (protected)", tag.name) } else { tag.name.clone() }
}

/// Words in a row, or `none`.
pub(super) fn or_none(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// What a VM's state says.
fn tone(state: &str) -> Tone {
    match state {
        "start" => Tone::Good,
        "fail" => Tone::Bad,
        "stop" | "disable" => Tone::Dim,
        _ => Tone::Attention,
    }
}
