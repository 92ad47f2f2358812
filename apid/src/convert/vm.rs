//! A VM as the API shows it.

use std::collections::BTreeMap;

use api::{
    Controller, Disk, MemoryStats, Network, Tag, VcpuStats, Vm, VmMetadata, VmNode, VmState, VmTags, VmWhy,
    Vnc, WhyNode,
};
use logic::cluster::VmEntry;
use logic::id::{NodeName, VmId};
use logic::vm::domain::{Domain, Interface};
use logic::vm::why::{Candidate, Why};
use logic::vm::{Meta, MigrationMethod, Selector, shown_failure, shown_state};
use serde::Serialize;

use crate::nodes::GuestStatistics;

/// What a VM looks like where its document cannot be read.
const UNKNOWN: &str = "N/A";

/// A VM with everything that is known of it.
pub fn vm(id: VmId, entry: &VmEntry, shape: Option<&Domain>, statistics: Option<&GuestStatistics>) -> Vm {
    let record = &entry.vm.value;
    let runs = entry.fact.as_ref().is_some_and(|fact| fact.value.runs());
    let statistics = statistics.filter(|_| runs);
    let last_node = record.last_node.as_ref().map(ToString::to_string);
    let meta = &record.meta;
    let text =
        |read: fn(&Domain) -> &String| shape.map_or_else(|| UNKNOWN.into(), |shape| read(shape).clone());
    let some = |read: fn(&Domain) -> &String| shape.map(read).filter(|text| !text.is_empty()).cloned();
    Vm {
        name: record.name.to_string(),
        uuid: id.to_string(),
        state: shown_state(entry).to_string(),
        node: record.node.to_string(),
        migrated: last_node.as_ref().map_or_else(|| "no".into(), |node| format!("from {node}")),
        last_node: last_node.unwrap_or_default(),
        failed_reason: shown_failure(entry),
        node_limit: node_limit(meta),
        node_selector: selector(meta.node_selector),
        node_autostart: meta.node_autostart,
        migration_method: method(meta.migration_method),
        migration_max_downtime: meta.migration_max_downtime_ms.into(),
        tags: tag_list(entry),
        snapshots: Vec::new(),
        description: record.description.clone(),
        profile: meta.profile.clone().unwrap_or_default(),
        memory: record.memory_mib,
        memory_stats: statistics.map(|s| memory_stats(&s.memory)).unwrap_or_default(),
        vcpu: record.vcpus.into(),
        vcpu_topology: text(|shape| &shape.topology),
        vcpu_stats: statistics.map(|s| vcpu_stats(&s.cpu)).unwrap_or_default(),
        networks: shape.map(|shape| networks(shape, statistics)).unwrap_or_default(),
        type_: text(|shape| &shape.os_kind),
        arch: text(|shape| &shape.arch),
        machine: text(|shape| &shape.machine),
        console: some(|shape| &shape.console),
        vnc: vnc(statistics),
        emulator: some(|shape| &shape.emulator),
        features: shape.map(|shape| shape.features.clone()).unwrap_or_default(),
        disks: shape.map(|shape| disks(shape, statistics)).unwrap_or_default(),
        controllers: shape.map(controllers).unwrap_or_default(),
        xml: entry.xml.as_ref().map(|xml| xml.value.to_string()).unwrap_or_default(),
    }
}

/// How a VM is placed and moved.
pub fn metadata(entry: &VmEntry) -> VmMetadata {
    let meta = &entry.vm.value.meta;
    VmMetadata {
        name: entry.vm.value.name.to_string(),
        node_limit: node_limit(meta),
        node_selector: selector(meta.node_selector),
        node_autostart: if meta.node_autostart { "True".into() } else { "False".into() },
        migration_method: method(meta.migration_method),
        migration_max_downtime: meta.migration_max_downtime_ms.into(),
    }
}

/// A VM's tags.
pub fn tags(entry: &VmEntry) -> VmTags {
    VmTags { name: entry.vm.value.name.to_string(), tags: tag_list(entry) }
}

/// A VM's state.
pub fn state(entry: &VmEntry) -> VmState {
    VmState { name: entry.vm.value.name.to_string(), state: shown_state(entry).to_string() }
}

/// Where a VM is.
pub fn node(entry: &VmEntry) -> VmNode {
    let record = &entry.vm.value;
    VmNode {
        name: record.name.to_string(),
        node: record.node.to_string(),
        last_node: record.last_node.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

/// Why a VM is where it is.
pub fn why(entry: &VmEntry, why: Why) -> VmWhy {
    let record = &entry.vm.value;
    let name = |node: Option<&NodeName>| node.map(ToString::to_string).unwrap_or_default();
    VmWhy {
        name: record.name.to_string(),
        state: why.state.to_string(),
        failed_reason: shown_failure(entry),
        node: record.node.to_string(),
        last_node: name(record.last_node.as_ref()),
        target: name(why.target.as_ref()),
        next: name(why.next.as_ref()),
        node_selector: selector(record.meta.node_selector),
        node_limit: node_limit(&record.meta),
        reasons: why.reasons,
        nodes: why.candidates.into_iter().map(why_node).collect(),
    }
}

fn why_node(candidate: Candidate) -> WhyNode {
    WhyNode {
        name: candidate.node.to_string(),
        part: word(&candidate.part),
        score: candidate.answer.as_ref().ok().map(|score| score.0),
        barred: candidate.answer.as_ref().err().map(word).unwrap_or_default(),
        words: candidate.words,
    }
}

/// The word that a variant is written as.
fn word<T: Serialize>(variant: &T) -> String {
    let value = serde_json::to_value(variant).expect("a variant is plain data");
    let word = value.get("why").unwrap_or(&value).as_str();
    word.expect("it is written as a word, or with one that says why").into()
}

fn node_limit(meta: &Meta) -> Option<Vec<String>> {
    let names = || meta.node_limit.iter().map(ToString::to_string).collect();
    (!meta.node_limit.is_empty()).then(names)
}

fn selector(selector: Selector) -> Option<String> {
    let name = match selector {
        Selector::None => return None,
        Selector::Mem => "mem",
        Selector::MemProv => "memprov",
        Selector::Load => "load",
        Selector::Vcpus => "vcpus",
        Selector::Vms => "vms",
    };
    Some(name.into())
}

fn method(method: MigrationMethod) -> Option<String> {
    match method {
        MigrationMethod::None => None,
        MigrationMethod::Live => Some("live".into()),
        MigrationMethod::Shutdown => Some("shutdown".into()),
    }
}

fn tag_list(entry: &VmEntry) -> Vec<Tag> {
    let tag = |(name, mark): (&logic::id::Tag, &logic::vm::TagMark)| Tag {
        name: name.to_string(),
        type_: "user".into(),
        protected: mark.protected,
    };
    entry.vm.value.tags.iter().map(tag).collect()
}

type Counters = BTreeMap<String, u64>;

fn count(counters: Option<&Counters>, name: &str) -> u64 {
    counters.and_then(|counters| counters.get(name)).copied().unwrap_or_default()
}

fn memory_stats(memory: &Counters) -> MemoryStats {
    let of = |name| count(Some(memory), name);
    MemoryStats {
        actual: of("actual"),
        swap_in: of("swap_in"),
        swap_out: of("swap_out"),
        major_fault: of("major_fault"),
        minor_fault: of("minor_fault"),
        unused: of("unused"),
        available: of("available"),
        usable: of("usable"),
        last_update: of("last_update"),
        disk_caches: of("disk_caches"),
        hugetlb_pgalloc: of("hugetlb_pgalloc"),
        hugetlb_pgfail: of("hugetlb_pgfail"),
        rss: of("rss"),
    }
}

fn vcpu_stats(cpu: &Counters) -> VcpuStats {
    let of = |name| count(Some(cpu), name);
    VcpuStats { cpu_time: of("cpu_time"), user_time: of("user_time"), system_time: of("system_time") }
}

/// The number of a PVC network, or the name of another bridge or device.
fn vni(interface: &Interface) -> String {
    match interface.vni() {
        "" => interface.source.strip_prefix("vmbr").unwrap_or(&interface.source).into(),
        number => number.into(),
    }
}

fn networks(shape: &Domain, statistics: Option<&GuestStatistics>) -> Vec<Network> {
    let network = |interface: &Interface| {
        let counters = statistics.and_then(|s| s.interfaces.get(&interface.mac));
        let of = |name| count(counters, name);
        Network {
            type_: interface.kind.clone(),
            vni: vni(interface),
            mac: interface.mac.clone(),
            source: interface.source.clone(),
            model: Some(interface.model.clone()).filter(|model| !model.is_empty()),
            rd_bytes: of("rd_bytes"),
            rd_packets: of("rd_packets"),
            rd_errors: of("rd_errors"),
            rd_drops: of("rd_drops"),
            wr_bytes: of("wr_bytes"),
            wr_packets: of("wr_packets"),
            wr_errors: of("wr_errors"),
            wr_drops: of("wr_drops"),
        }
    };
    shape.interfaces.iter().map(network).collect()
}

fn disks(shape: &Domain, statistics: Option<&GuestStatistics>) -> Vec<Disk> {
    let disk = |disk: &logic::vm::domain::Disk| {
        let counters = statistics.and_then(|s| s.disks.get(&disk.dev));
        let of = |name| count(counters, name);
        Disk {
            type_: disk.kind.clone(),
            name: disk.name.clone(),
            dev: disk.dev.clone(),
            bus: disk.bus.clone(),
            rd_req: of("rd_req"),
            rd_bytes: of("rd_bytes"),
            wr_req: of("wr_req"),
            wr_bytes: of("wr_bytes"),
        }
    };
    shape.disks.iter().map(disk).collect()
}

fn controllers(shape: &Domain) -> Vec<Controller> {
    let controller = |controller: &logic::vm::domain::Controller| Controller {
        type_: controller.kind.clone(),
        model: controller.model.clone(),
    };
    shape.controllers.iter().map(controller).collect()
}

/// Where the screen is served now; the document only says where it is wished.
fn vnc(statistics: Option<&GuestStatistics>) -> Vnc {
    match statistics.and_then(|s| s.vnc.as_ref()) {
        Some((listen, port)) => Vnc { listen: listen.clone(), port: port.to_string() },
        None => Vnc { listen: "None".into(), port: "None".into() },
    }
}
