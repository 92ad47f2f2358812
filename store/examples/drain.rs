//! Measures how long the plan of a flush takes, in memory: 200 VMs leave one of 12 nodes. One line of JSON is all it says.

use std::io::Write as _;
use std::time::Instant;

use logic::cluster::{Cluster, ClusterSettings, NodeEntry, VmEntry};
use logic::id::{NodeName, VmId};
use logic::node::drain::{Duty, Fate, foresee};
use logic::node::{BootId, DaemonState, Node, NodeStatus, Presence};
use logic::record::{Version, Versioned};
use logic::time::WallTime;
use logic::vm::{Meta, Phase, Power, Vm, VmFact, Wish};
use serde_json::json;
use uuid::Uuid;

/// How many VMs leave.
const VMS: u64 = 200;

/// How many nodes there are.
const NODES: u64 = 12;

/// How often the plan is made.
const RUNS: usize = 20;

fn main() {
    let (cluster, node) = (cluster(), name(1));
    let mut each_ms = Vec::new();
    for _ in 0..RUNS {
        let begin = Instant::now();
        let foreseen = foresee(&cluster, &node, Duty::Flushed);
        each_ms.push(begin.elapsed().as_secs_f64() * 1000.0);
        let placed = foreseen.iter().filter(|one| matches!(one.fate, Fate::Moves { .. })).count();
        assert_eq!(u64::try_from(placed), Ok(VMS), "every VM has a place");
    }
    let told = json!({ "vms": VMS, "nodes": NODES, "each_ms": each_ms });
    let _closed = writeln!(std::io::stdout(), "{told}");
}

fn name(number: u64) -> NodeName {
    format!("hv{number}").parse().expect("it is a name")
}

fn at<T>(value: T) -> Versioned<T> {
    Versioned { version: Version(1), value }
}

/// Twelve nodes that run, and all VMs on the first.
fn cluster() -> Cluster {
    let boot = BootId(Uuid::from_u128(1));
    let settings = Some(at(ClusterSettings { initialised: WallTime(1) }));
    let mut cluster = Cluster { settings, ..Cluster::default() };
    for number in 1..=NODES {
        let node = Node { boot, cpu_count: 64, memory_total_mib: 512 * 1024, ..Node::default() };
        let status = NodeStatus { daemon: DaemonState::Run, sequence: 1, boot, ..NodeStatus::default() };
        let mut entry = NodeEntry { node: Some(at(node)), status: Some(at(status)), ..NodeEntry::default() };
        entry.presence = Some(at(Presence { boot, restart_planned: None }));
        cluster.nodes.insert(name(number), entry.into());
    }
    for number in 1..=VMS {
        let vm = vm(number);
        let id = VmId(Uuid::from_u128(number.into()));
        let running =
            VmFact { phase: Phase::Running, incarnation: 1, wish_done: 1, ..VmFact::new(name(1), boot) };
        cluster.vm_names.insert(vm.name.clone(), at(id));
        cluster
            .vms
            .insert(id, VmEntry { vm: at(vm), fact: Some(at(running)), reception: None, xml: None }.into());
    }
    cluster
}

fn vm(number: u64) -> Vm {
    Vm {
        name: format!("vm{number}").parse().expect("it is a name"),
        description: String::new(),
        node: name(1),
        last_node: None,
        transfer: None,
        away_since: 0,
        parked: false,
        wish: Wish { power: Power::Start, serial: 1, at: WallTime(1) },
        meta: Meta::default(),
        tags: Default::default(),
        // Sizes that differ, as they do.
        memory_mib: 1024 * (1 + number % 4),
        vcpus: 1 + u32::try_from(number % 3).expect("it is small"),
        bound: None,
        links: Default::default(),
        removal: None,
        renaming: None,
        volumes: Vec::new(),
    }
}
