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

/// A node says of itself what this changes.
pub(crate) fn say(cluster: &mut Cluster, node: &str, change: impl FnOnce(&mut NodeStatus)) {
    let mut entry = (*cluster.nodes[&name(node)]).clone();
    change(&mut entry.status.as_mut().expect("it has spoken").value);
    cluster.nodes.insert(name(node), entry.into());
}

/// Adds a volume to what a VM's disks are.
pub(crate) fn give_volume(vm: &mut Vm) {
    let path = "vms/web1_sda".parse().unwrap();
    let sharing = crate::vm::domain::disks::Sharing::Alone;
    vm.volumes.push(crate::vm::domain::disks::VolumeUse { path, dev: "sda".into(), sharing });
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
    let mut cluster = self::cluster();
    let entry = NodeEntry { wish: Some(at(flushed())), ..(*cluster.nodes[&name("hv2")]).clone() };
    cluster.nodes.insert(name("hv2"), entry.into());
    assert_eq!(barred(&cluster, "hv2", &with(Selector::Mem)), "it is flushed, or being flushed");
}

fn flushed() -> crate::node::drain::NodeWish {
    crate::node::drain::NodeWish { duty: crate::node::drain::Duty::Flushed, serial: 1, at: NOW.wall }
}

/// What bars a node, in words; empty where nothing does.
fn barred(cluster: &Cluster, node: &str, vm: &Vm) -> String {
    let placement = place(cluster, NEW, vm, Home::Counts);
    let bar = placement.nodes[&name(node)].as_ref().err().map(ToString::to_string);
    assert_eq!(bar.is_some(), chosen(cluster, vm) != node, "the others are not as good");
    bar.unwrap_or_default()
}

#[test]
fn what_is_wrong_with_a_node_bars_it_to_those_whom_it_concerns() {
    type Says = fn(&mut NodeStatus);
    let plain = with(Selector::Load);
    let mut on_volumes = plain.clone();
    give_volume(&mut on_volumes);
    let on = |links: &[&str]| Vm { links: links.iter().map(ToString::to_string).collect(), ..plain.clone() };
    let silent: Says = |status| status.storage.silent = Some("it timed out".into());
    let cut: Says = |status| status.dead_links = ["brupstream".into(), "ens4".into()].into();
    let without_guests_networks: Says = |status| status.dead_links = ["ens6".into(), "vmbr".into()].into();
    let hangs: Says = |status| status.hypervisor_fault = Some("it hangs".into());
    let in_the_way: Says = |status| status.network_faults = vec!["another has the floating address".into()];
    for (says, vm, expected) in [
        (hangs, &plain, "its hypervisor does not answer: it hangs"),
        (silent, &plain, ""),
        (silent, &on_volumes, "the VM has volumes, and the storage does not answer the node: it timed out"),
        (in_the_way, &on(&["brupstream"]), ""),
        (cut, &plain, ""),
        (cut, &on(&["brcluster", "vmbr100"]), ""),
        (cut, &on(&["brupstream"]), "the VM is attached to brupstream, and that carries nothing there"),
        (cut, &on(&["ens4"]), "the VM is attached to ens4, and that carries nothing there"),
        (without_guests_networks, &on(&["brupstream"]), ""),
        (
            without_guests_networks,
            &on(&["brupstream", "vmbr100", "vmbr7"]),
            "the VM is attached to vmbr100 and vmbr7, and that carries nothing there",
        ),
    ] {
        let mut cluster = cluster();
        assert_eq!(barred(&cluster, "hv2", vm), "");
        say(&mut cluster, "hv2", says);
        assert_eq!(barred(&cluster, "hv2", vm), expected, "{:?}", vm.links);
        let placement = place(&cluster, NEW, vm, Home::Counts);
        assert_eq!(placement.may_pass(), !expected.is_empty());
        let full = place(&cluster, NEW, &Vm { memory_mib: 9000, ..vm.clone() }, Home::Counts);
        assert!(!full.may_pass(), "it would not find room when that has passed");
    }
}

#[test]
fn a_node_that_is_blocked_at_the_storage_by_whomever_starts_no_vm_and_is_given_none() {
    use crate::fence::{Block, Ground, Stage};
    let block = |stage| {
        let addresses = ["10.0.0.2".parse().unwrap()].into();
        at(Block { number: 1, boot: BOOT, addresses, since: NOW.wall, stage })
    };
    let lifted = |epoch| Stage::Lifted { ground: Ground::Obeyed, epoch };
    for (stage, finds_itself_blocked_in, is_barred) in [
        (None, None, false),
        (None, Some(5), true),
        (Some(Stage::Wanted), None, true),
        (Some(Stage::Laid { epoch: 5, awaited: Vec::new() }), Some(5), true),
        (Some(lifted(6)), None, false),
        (Some(lifted(6)), Some(5), false),
        (Some(lifted(6)), Some(7), true),
    ] {
        let mut cluster = cluster();
        if let Some(epoch) = finds_itself_blocked_in {
            say(&mut cluster, "hv2", |status| {
                status.storage.blocked = vec!["10.0.0.2".parse().unwrap()];
                status.storage.epoch = epoch;
            });
        }
        let told = format!("{stage:?} {finds_itself_blocked_in:?}");
        if let Some(stage) = stage {
            cluster.fences.insert(name("hv2"), block(stage).into());
        }
        let expected = if is_barred { "it is blocked at the storage" } else { "" };
        assert_eq!(barred(&cluster, "hv2", &with(Selector::Load)), expected, "{told}");
    }
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
