//! Placement: every bar, every selector, ties, and decisions in flight.

use proptest::prelude::*;

use super::*;
use crate::cluster::VmEntry;
use crate::node::{NodeStatus, Presence};
use crate::record::{Expect, Record};
use crate::testing::{BOOT, NOW, at, cluster_with_vm};

const NEW: VmId = VmId(uuid::uuid!("00000000-0000-4000-8000-00000000000f"));

pub(crate) fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

/// Adds a running node with 8 GiB, 4 CPUs and a load.
pub(crate) fn add(cluster: &mut Cluster, node: &str, load: f64) {
    let node = name(node);
    let known = cluster.nodes.values().next().and_then(|entry| entry.node.clone()).unwrap();
    let status = NodeStatus {
        daemon: DaemonState::Run,
        sequence: 1,
        at: NOW.wall,
        at_boot: NOW.boot,
        boot: BOOT,
        load,
        ..NodeStatus::default()
    };
    let presence = Some(at(Presence { boot: BOOT, restart_planned: None }));
    let entry = NodeEntry { node: Some(known), status: Some(at(status)), presence, ledger: None, wish: None };
    cluster.nodes.insert(node, entry.into());
}

/// Three nodes that run; `hv1` has a VM of 1 GiB and 1 vCPU that is to run.
fn cluster() -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, None);
    add(&mut cluster, "hv1", 0.5);
    add(&mut cluster, "hv2", 0.1);
    add(&mut cluster, "hv3", 2.0);
    cluster
}

fn vm(cluster: &Cluster) -> Vm {
    cluster.vms.values().next().unwrap().vm.value.clone()
}

fn with(selector: Selector) -> Vm {
    let mut vm = vm(&cluster());
    vm.meta.node_selector = selector;
    vm
}

fn chosen(cluster: &Cluster, vm: &Vm) -> String {
    place(cluster, NEW, vm, Home::Counts).chosen.map_or("nowhere".into(), |node| node.to_string())
}

#[test]
fn each_selector_has_its_own_best_and_ties_go_to_the_first_name() {
    let cluster = cluster();
    for (selector, expected) in [
        (Selector::None, "hv2"),
        (Selector::Mem, "hv2"),
        (Selector::MemProv, "hv2"),
        (Selector::Load, "hv2"),
        (Selector::Vcpus, "hv2"),
        (Selector::Vms, "hv2"),
    ] {
        assert_eq!(chosen(&cluster, &with(selector)), expected, "{selector:?}");
    }
    let mut busy = cluster;
    add(&mut busy, "hv2", 3.0);
    assert_eq!(chosen(&busy, &with(Selector::Load)), "hv1");
}

#[test]
fn a_load_that_is_no_number_is_the_worst() {
    let mut cluster = cluster();
    for node in ["hv1", "hv2"] {
        add(&mut cluster, node, f64::NAN);
    }
    assert_eq!(chosen(&cluster, &with(Selector::Load)), "hv3");
}

#[test]
fn every_bar_is_told_in_words() {
    let mut cluster = cluster();
    cluster
        .nodes
        .insert(name("hv4"), NodeEntry { presence: None, ..(*cluster.nodes[&name("hv2")]).clone() }.into());
    let mut vm = vm(&cluster);
    vm.meta.node_limit = vec![name("hv1"), name("hv2"), name("hv4")];
    vm.memory_mib = 8000;
    let placement = place(&cluster, NEW, &Vm { memory_mib: 9000, ..vm.clone() }, Home::Barred);
    let said = |node: &str| placement.nodes[&name(node)].as_ref().map_err(ToString::to_string).unwrap_err();
    assert_eq!(said("hv1"), "the VM is there already");
    assert_eq!(said("hv2"), "the VM needs 9000 MiB of memory, and 8192 MiB are left");
    assert_eq!(said("hv3"), "it is not within the VM's node limit");
    assert_eq!(said("hv4"), "its daemon is in state \"dead\"");
    assert_eq!(placement.chosen, None);
    let many = place(&cluster, NEW, &Vm { vcpus: 5, ..vm }, Home::Counts);
    let bar = many.nodes[&name("hv2")].as_ref().unwrap_err().to_string();
    assert_eq!(bar, "the VM has 5 vCPUs, and the node 4 CPUs");
}

#[test]
fn a_decision_that_nobody_carried_out_yet_counts() {
    let mut cluster = cluster();
    let vm = Vm { memory_mib: 5000, ..with(Selector::Mem) };
    let mut chosen_nodes = Vec::new();
    for number in 0..4_u128 {
        let placement = place(&cluster, NEW, &vm, Home::Counts);
        let Some(node) = placement.chosen else { break };
        let placed = Vm { node: node.clone(), ..vm.clone() };
        cluster.vms.insert(
            VmId(uuid::Uuid::from_u128(number)),
            VmEntry { vm: at(placed), fact: None, reception: None, xml: None }.into(),
        );
        chosen_nodes.push(node.to_string());
    }
    assert_eq!(chosen_nodes, ["hv2", "hv3", "hv1"]);
}

#[test]
fn the_ledger_is_checked_and_bumped() {
    let mut cluster = cluster();
    let first = bump_ledger(&cluster, &name("hv2"), Records::default());
    assert_eq!(first.writes[0].expect, Expect::Absent);
    let mut entry = (*cluster.nodes[&name("hv2")]).clone();
    entry.ledger = Some(at(crate::record::NodeLedger { placements: 7 }));
    cluster.nodes.insert(name("hv2"), entry.into());
    let next = bump_ledger(&cluster, &name("hv2"), Records::default());
    assert_eq!(next.writes[0].expect, at(()).expect());
    assert_eq!(next.writes[0].value, Some(Record::NodeLedger(crate::record::NodeLedger { placements: 8 })));
}

proptest! {
    #[test]
    fn whoever_is_chosen_is_not_barred_and_nobody_is_better(memory in 1_u64..20_000, vcpus in 1_u32..8, loads in proptest::collection::vec(0.0..9.0_f64, 3)) {
        let mut cluster = cluster();
        for (number, load) in loads.iter().enumerate() {
            add(&mut cluster, &format!("hv{}", number + 1), *load);
        }
        for selector in [Selector::Mem, Selector::MemProv, Selector::Load, Selector::Vcpus, Selector::Vms] {
            let vm = Vm { memory_mib: memory, vcpus, ..with(selector) };
            let placement = place(&cluster, NEW, &vm, Home::Counts);
            let best = placement.nodes.values().filter_map(|answer| answer.as_ref().ok()).max();
            let chosen = placement.chosen.as_ref().map(|node| placement.nodes[node].as_ref().expect("it is not barred"));
            prop_assert_eq!(chosen, best);
        }
    }
}
