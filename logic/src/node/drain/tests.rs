//! Flushing and filling: what is wished, what is refused, the plan, and that few are under way at once.

use super::*;
use crate::node::place::tests::{add, name, say};
use crate::primary::{Handover, Primary};
use crate::record::Record;
use crate::testing::{NOW, at, cluster_with_vm, fact, observed};
use crate::vm::{MigrationMethod, Phase, VmFact};

/// Three nodes that run, and a number of VMs of 1 GiB that run on `hv1`.
fn cluster(vms: u128) -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Running)));
    for node in ["hv1", "hv2", "hv3"] {
        add(&mut cluster, node, 0.0);
    }
    let one = cluster.vms.values().next().cloned().expect("there is one");
    cluster.vms.clear();
    for number in 1..=vms {
        cluster.vms.insert(VmId(uuid::Uuid::from_u128(number)), one.clone());
    }
    cluster
}

pub(super) fn wished(mut cluster: Cluster, service: Duty) -> Cluster {
    let records =
        wish_duty(&cluster, &name("hv1"), service, NOW.wall).unwrap().expect("it is not wished yet");
    apply(&mut cluster, &records);
    cluster
}

pub(super) fn apply(cluster: &mut Cluster, records: &Records) {
    for write in &records.writes {
        match (&write.record, write.value.clone()) {
            (RecordId::NodeWish(node), Some(Record::NodeWish(wish))) => {
                let entry = NodeEntry { wish: Some(at(wish)), ..(*cluster.nodes[node]).clone() };
                cluster.nodes.insert(node.clone(), entry.into());
            }
            (RecordId::Vm(id), Some(Record::Vm(vm))) => {
                let entry = VmEntry { vm: at(vm), ..(*cluster.vms[id]).clone() };
                cluster.vms.insert(*id, entry.into());
            }
            _ => {}
        }
    }
}

fn steps(cluster: &Cluster, node: &str) -> Vec<Step> {
    let observed = Observed { name: name(node), ..observed(&[]) };
    decide(cluster, &observed, NOW).steps
}

fn reasons(cluster: &Cluster, node: &str) -> Vec<&'static str> {
    steps(cluster, node).iter().map(|step| step.reason.name()).collect()
}

/// Performs every step, and lets every VM on its way arrive.
pub(super) fn arrive(cluster: &mut Cluster, node: &str) -> Vec<&'static str> {
    let steps = steps(cluster, node);
    for step in &steps {
        let Action::Record(records) = &step.action else { panic!("{step:?}") };
        apply(cluster, records);
    }
    for (id, entry) in cluster.vms.clone() {
        let vm = entry.vm.value.clone();
        let node = vm.transfer.as_ref().map_or(vm.node.clone(), |transfer| transfer.to.clone());
        let home = vm.transfer.as_ref().map_or(vm.last_node.clone(), |transfer| transfer.home.clone());
        let away_since = vm.transfer.as_ref().map_or(vm.away_since, |transfer| transfer.away_since);
        let phase = if is_to_run(&entry) { Phase::Running } else { Phase::Stopped };
        let word = VmFact { node: node.clone(), wish_done: vm.wish.serial, ..fact(phase) };
        let vm = Vm { node, last_node: home, away_since, transfer: None, ..vm };
        cluster
            .vms
            .insert(id, VmEntry { vm: at(vm), fact: Some(at(word)), reception: None, xml: None }.into());
    }
    steps.iter().map(|step| step.reason.name()).collect()
}

fn state(cluster: &Cluster) -> &'static str {
    domain_states(cluster)[&name("hv1")].as_str()
}

#[test]
fn a_flush_moves_two_at_a_time_as_planned_and_ready_brings_them_home() {
    let mut cluster = wished(cluster(5), Duty::Flushed);
    let planned = foresee(&cluster, &name("hv1"), Duty::Flushed);
    assert_eq!(state(&cluster), "flush");
    assert_eq!(arrive(&mut cluster, "hv1"), ["drained", "drained"]);
    assert_eq!(arrive(&mut cluster, "hv1"), ["drained", "drained"]);
    assert_eq!(arrive(&mut cluster, "hv1"), ["drained"]);
    assert_eq!((reasons(&cluster, "hv1").len(), state(&cluster)), (0, "flushed"));
    for Foreseen { vm: id, fate, .. } in planned {
        let vm = &cluster.vms[&id].vm.value;
        assert_eq!(vm.last_node, Some(name("hv1")), "{id}");
        assert_eq!(fate, Fate::Moves { to: vm.node.clone(), how: MigrationMethod::None }, "{id}");
    }
    let mut cluster = wished(cluster, Duty::Ready);
    assert_eq!(state(&cluster), "unflush");
    while arrive(&mut cluster, "hv2").len() + arrive(&mut cluster, "hv3").len() > 0 {}
    assert_eq!(state(&cluster), "ready");
    assert!(cluster.vms.values().all(|entry| entry.vm.value.node == name("hv1")));
    assert!(cluster.vms.values().all(|entry| entry.vm.value.last_node.is_none()));
}

/// Performs every step; nothing arrives yet.
fn begin(cluster: &mut Cluster, node: &str) -> Vec<&'static str> {
    let steps = steps(cluster, node);
    for step in &steps {
        let Action::Record(records) = &step.action else { panic!("{step:?}") };
        apply(cluster, records);
    }
    steps.iter().map(|step| step.reason.name()).collect()
}

/// What the two other nodes would do now.
fn others(cluster: &Cluster) -> Vec<&'static str> {
    ["hv2", "hv3"].iter().flat_map(|node| reasons(cluster, node)).collect()
}

#[test]
fn a_flush_that_is_turned_round_begins_nothing_more_and_neither_does_a_ready() {
    let mut cluster = wished(cluster(6), Duty::Flushed);
    assert_eq!(arrive(&mut cluster, "hv1"), ["drained", "drained"]);
    assert_eq!(begin(&mut cluster, "hv1"), ["drained", "drained"]);
    assert_eq!(reasons(&cluster, "hv1").len(), 0, "two are under way");

    let mut cluster = wished(cluster, Duty::Ready);
    assert_eq!((arrive(&mut cluster, "hv1").len(), state(&cluster)), (0, "unflush"));
    let away = cluster.vms.values().filter(|entry| entry.vm.value.node != name("hv1")).count();
    assert_eq!(away, 4, "what was under way has arrived");
    assert_eq!(reasons(&cluster, "hv1").len(), 0, "and no further one leaves");
    assert_eq!(begin(&mut cluster, "hv2"), ["called-home", "called-home"]);
    assert_eq!(reasons(&cluster, "hv3"), ["called-home", "called-home"]);

    let mut cluster = wished(cluster, Duty::Flushed);
    assert_eq!(others(&cluster).len(), 0, "nobody else sets out for home");
    assert_eq!(begin(&mut cluster, "hv1"), ["drained", "drained"], "those that never left go now");
    arrive(&mut cluster, "hv1");
    assert_eq!(others(&cluster).len(), 0);
    let home = cluster.vms.values().filter(|entry| entry.vm.value.node == name("hv1")).count();
    assert_eq!(home, 2, "what was under way has arrived");
    assert_eq!((arrive(&mut cluster, "hv1").len(), state(&cluster)), (2, "flushed"));

    let mut cluster = wished(cluster, Duty::Ready);
    while arrive(&mut cluster, "hv2").len() + arrive(&mut cluster, "hv3").len() > 0 {}
    let is_home = |vm: &Vm| vm.node == name("hv1") && vm.last_node.is_none();
    assert!(cluster.vms.values().all(|entry| is_home(&entry.vm.value)), "nobody has lost its home");
}

#[test]
fn a_vm_that_nobody_can_take_is_parked_and_runs_again() {
    let mut cluster = cluster(1);
    for node in ["hv2", "hv3"] {
        cluster.nodes.remove(&name(node));
    }
    let mut cluster = wished(cluster, Duty::Flushed);
    let Fate::Parks { why } = foresee(&cluster, &name("hv1"), Duty::Flushed).remove(0).fate else { panic!() };
    assert_eq!(why, "hv1: the VM is there already");
    assert_eq!(arrive(&mut cluster, "hv1"), ["parked"]);
    assert_eq!((reasons(&cluster, "hv1").len(), state(&cluster)), (0, "flushed"));
    assert_eq!(foresee(&cluster, &name("hv1"), Duty::Ready).remove(0).fate, Fate::Unparks);
    let mut cluster = wished(cluster, Duty::Ready);
    assert_eq!(state(&cluster), "unflush");
    assert_eq!(arrive(&mut cluster, "hv1"), ["unparked"]);
    assert_eq!(state(&cluster), "ready");
}

#[test]
fn a_vm_that_is_to_move_only_live_and_cannot_is_not_shut_down_by_a_flush() {
    let mut cluster = cluster(1);
    let id = VmId(uuid::Uuid::from_u128(1));
    let mut entry = (*cluster.vms[&id]).clone();
    entry.vm.value.meta.migration_method = MigrationMethod::Live;
    entry.vm.value.bound = Some("it holds a device".into());
    cluster.vms.insert(id, entry.into());
    let cluster = wished(cluster, Duty::Flushed);
    assert_eq!((reasons(&cluster, "hv1").len(), state(&cluster)), (0, "flush"));
    let Fate::Stays { why } = foresee(&cluster, &name("hv1"), Duty::Flushed).remove(0).fate else { panic!() };
    assert!(why.contains("it holds a device"));
}

#[test]
fn a_vm_that_is_to_move_only_live_and_cannot_is_not_shut_down_to_go_home() {
    let mut cluster = cluster(1);
    let id = VmId(uuid::Uuid::from_u128(1));
    let mut entry = (*cluster.vms[&id]).clone();
    entry.vm.value = Vm { node: name("hv2"), last_node: Some(name("hv1")), ..entry.vm.value };
    entry.vm.value.meta.migration_method = MigrationMethod::Live;
    entry.vm.value.bound = Some("it holds a device".into());
    entry.fact = Some(at(VmFact { node: name("hv2"), ..fact(Phase::Running) }));
    cluster.vms.insert(id, entry.into());
    let cluster = wished(wished(cluster, Duty::Flushed), Duty::Ready);
    assert_eq!((reasons(&cluster, "hv2").len(), state(&cluster)), (0, "unflush"));
}

#[test]
fn a_vm_that_was_migrated_stays_away_until_its_home_is_filled_again() {
    let mut cluster = cluster(1);
    let id = VmId(uuid::Uuid::from_u128(1));
    let mut entry = (*cluster.vms[&id]).clone();
    entry.vm.value = Vm { node: name("hv2"), last_node: Some(name("hv1")), ..entry.vm.value };
    entry.fact = Some(at(VmFact { node: name("hv2"), ..fact(Phase::Running) }));
    cluster.vms.insert(id, entry.into());
    assert_eq!(reasons(&cluster, "hv2").len(), 0);
    let cluster = wished(wished(cluster, Duty::Flushed), Duty::Ready);
    assert_eq!(reasons(&cluster, "hv2"), ["called-home"]);
}

#[test]
fn a_home_without_room_is_given_up_until_the_next_time() {
    let mut cluster = cluster(1);
    let id = VmId(uuid::Uuid::from_u128(1));
    let mut entry = (*cluster.vms[&id]).clone();
    entry.vm.value =
        Vm { node: name("hv2"), last_node: Some(name("hv1")), memory_mib: 8192, ..entry.vm.value };
    entry.fact = Some(at(VmFact { node: name("hv2"), ..fact(Phase::Running) }));
    let other = Vm { node: name("hv1"), last_node: None, memory_mib: 1024, ..entry.vm.value.clone() };
    cluster.vms.insert(id, entry.into());
    let settled = Some(at(VmFact { wish_done: 1, ..fact(Phase::Running) }));
    cluster.vms.insert(
        VmId(uuid::Uuid::from_u128(2)),
        VmEntry { vm: at(other), fact: settled, reception: None, xml: None }.into(),
    );
    let mut cluster = wished(wished(cluster, Duty::Flushed), Duty::Ready);
    assert_eq!(arrive(&mut cluster, "hv2"), ["home-barred"]);
    assert_eq!((reasons(&cluster, "hv2").len(), state(&cluster)), (0, "ready"));
}

#[test]
fn a_vm_waits_for_a_node_whose_fault_passes_and_is_not_shut_down_for_it() {
    let mut cluster = wished(cluster(1), Duty::Flushed);
    cluster.nodes.remove(&name("hv3"));
    say(&mut cluster, "hv2", |status| status.hypervisor_fault = Some("it hangs".into()));
    assert_eq!((reasons(&cluster, "hv1").len(), state(&cluster)), (0, "flush"));
    let Fate::Stays { why } = foresee(&cluster, &name("hv1"), Duty::Flushed).remove(0).fate else { panic!() };
    assert!(why.contains("waits until another node can take it") && why.contains("it hangs"), "{why}");
    say(&mut cluster, "hv2", |status| status.hypervisor_fault = None);
    assert_eq!(reasons(&cluster, "hv1"), ["drained"]);
}

#[test]
fn a_home_whose_fault_passes_is_waited_for_and_not_given_up() {
    let mut cluster = cluster(1);
    let id = VmId(uuid::Uuid::from_u128(1));
    let mut entry = (*cluster.vms[&id]).clone();
    entry.vm.value = Vm { node: name("hv2"), last_node: Some(name("hv1")), ..entry.vm.value };
    entry.fact = Some(at(VmFact { node: name("hv2"), ..fact(Phase::Running) }));
    cluster.vms.insert(id, entry.into());
    let mut cluster = wished(wished(cluster, Duty::Flushed), Duty::Ready);
    say(&mut cluster, "hv1", |status| status.hypervisor_fault = Some("it hangs".into()));
    assert_eq!((reasons(&cluster, "hv2").len(), state(&cluster)), (0, "unflush"));
    say(&mut cluster, "hv1", |status| status.hypervisor_fault = None);
    assert_eq!(reasons(&cluster, "hv2"), ["called-home"]);
}

#[test]
fn a_wish_is_written_once_and_a_node_that_is_down_is_not_flushed() {
    let cluster = cluster(1);
    let ask = |cluster: &Cluster, node: &str, service| wish_duty(cluster, &name(node), service, NOW.wall);
    assert_eq!(ask(&cluster, "hv1", Duty::Ready), Ok(None));
    let flushed = wished(cluster.clone(), Duty::Flushed);
    assert_eq!(ask(&flushed, "hv1", Duty::Flushed), Ok(None));
    assert!(matches!(ask(&cluster, "hv9", Duty::Ready), Err(Refusal::NodeUnknown { .. })));
    let mut down = cluster;
    let entry = NodeEntry { presence: None, ..(*down.nodes[&name("hv1")]).clone() };
    down.nodes.insert(name("hv1"), entry.into());
    let refused = ask(&down, "hv1", Duty::Flushed).unwrap_err().to_string();
    assert!(refused.contains("\"dead\""), "{refused}");
}

#[test]
fn every_move_bumps_the_ledger_of_its_target() {
    let cluster = wished(cluster(1), Duty::Flushed);
    let step = &steps(&cluster, "hv1")[0];
    let Action::Record(records) = &step.action else { panic!("{step:?}") };
    let ledger = records.writes.iter().find(|write| matches!(write.record, RecordId::NodeLedger(_)));
    assert_eq!(ledger.map(|write| write.expect), Some(crate::record::Expect::Absent));
}

#[test]
fn a_flush_waits_for_the_primary_role_that_is_on_its_way() {
    let mut cluster = wished(cluster(1), Duty::Flushed);
    let primary = Primary { node: name("hv2"), term: 1, handover: None, former: None };
    let handover = |to: &str| Some(Handover { to: name(to), phase: crate::primary::Phase::Claimed });
    for (role, waits) in [
        (Primary { ..primary.clone() }, false),
        (Primary { handover: handover("hv3"), ..primary.clone() }, false),
        (Primary { handover: handover("hv1"), ..primary.clone() }, true),
        (Primary { former: Some(name("hv1")), ..primary.clone() }, true),
        (Primary { node: name("hv1"), handover: handover("hv3"), ..primary.clone() }, true),
        (Primary { node: name("hv1"), ..primary }, false),
    ] {
        cluster.primary = Some(at(role.clone()));
        assert_eq!(reasons(&cluster, "hv1").is_empty(), waits, "{role:?}");
    }
}
