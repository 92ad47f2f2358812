//! A stop waits for a flush, for VMs on their way and for steps; within bounds, and not when it is asked for twice.

use super::*;
use crate::cluster::VmEntry;
use crate::decide::noded;
use crate::id::VmId;
use crate::node::drain::NodeWish;
use crate::node::place::tests::{add, name};
use crate::node::{DaemonState, NodeEntry, NodeStatus};
use crate::plan::{Action, Plan};
use crate::record::Record;
use crate::testing::{NOW, VM, at, cluster_with_vm, fact, observed};
use crate::time::Span;
use crate::vm::{MigrationMethod, Phase, Power, Transfer};

/// `hv1` has a VM that runs, and says `shutdown`; `hv2` runs.
fn cluster() -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Running)));
    for node in ["hv1", "hv2"] {
        add(&mut cluster, node, 0.0);
    }
    let entry = (*cluster.nodes[&name("hv1")]).clone();
    let status = entry.status.as_ref().map(|status| status.value.clone()).expect("it has one");
    let status = Some(at(NodeStatus { daemon: DaemonState::Shutdown, ..status }));
    cluster.nodes.insert(name("hv1"), NodeEntry { status, ..entry }.into());
    cluster
}

fn flushed(mut cluster: Cluster) -> Cluster {
    let entry = (*cluster.nodes[&name("hv1")]).clone();
    let wish = Some(at(NodeWish { duty: Duty::Flushed, serial: 1, at: NOW.wall }));
    cluster.nodes.insert(name("hv1"), NodeEntry { wish, ..entry }.into());
    cluster
}

fn on_its_way(mut cluster: Cluster, from: &str, to: &str) -> Cluster {
    let mut entry: VmEntry = (*cluster.vms[&VM]).clone();
    entry.vm.value.node = name(from);
    let (to, how) = (name(to), MigrationMethod::Shutdown);
    entry.vm.value.transfer = Some(Transfer { to, home: None, how, away_since: 0 });
    cluster.vms.insert(VM, entry.into());
    cluster
}

fn stopping(guests: &[(VmId, Option<u64>)]) -> Observed {
    Observed {
        life: Life::Stopping,
        stopping_since: Some(NOW.boot),
        keepalives: 3,
        keepalive_at: Some(NOW.boot),
        ..observed(guests)
    }
}

fn after(span: Span) -> Now {
    Now { boot: NOW.boot + span, ..NOW }
}

/// The state that a plan writes, if it writes one.
fn said(plan: &Plan) -> Option<DaemonState> {
    plan.steps.iter().find_map(|step| match &step.action {
        Action::Record(records) => records.writes.iter().find_map(|write| match &write.value {
            Some(Record::NodeStatus(status)) => Some(status.daemon),
            _ => None,
        }),
        _ => None,
    })
}

#[test]
fn a_node_with_nothing_under_way_says_its_last_word_at_once_and_leaves_its_guests() {
    let seen = stopping(&[(VM, Some(1))]);
    assert_eq!(awaited(&cluster(), &seen, NOW), None);
    let plan = noded(&cluster(), &seen, NOW);
    assert_eq!((said(&plan), plan.steps.len()), (Some(DaemonState::Stop), 1), "{plan:?}");
    assert_eq!(awaited(&flushed(cluster()), &observed(&[]), NOW), None, "it does not stop at all");
}

#[test]
fn a_flush_goes_on_and_is_waited_for_until_the_patience_ends() {
    let cluster = flushed(cluster());
    let seen = stopping(&[(VM, Some(1))]);
    assert_eq!(awaited(&cluster, &seen, NOW), Some(Awaited::Flush));
    let plan = noded(&cluster, &seen, NOW);
    assert!(plan.steps.iter().any(|step| step.reason.name() == "drained"), "{plan:?}");
    assert_eq!(said(&plan), None, "it says shutdown already");
    let late = after(STOP_PATIENCE);
    assert_eq!(awaited(&cluster, &seen, late), None);
    assert_eq!(said(&noded(&cluster, &seen, late)), Some(DaemonState::Stop));
}

#[test]
fn a_second_word_ends_the_waiting() {
    let impatient = Observed { asked_again: true, ..stopping(&[(VM, Some(1))]) };
    assert_eq!(awaited(&flushed(cluster()), &impatient, NOW), None);
}

#[test]
fn a_vm_that_stays_whatever_is_done_is_not_waited_for() {
    let mut cluster = flushed(cluster());
    let mut entry = (*cluster.vms[&VM]).clone();
    entry.vm.value.wish.power = Power::Stop;
    entry.fact = Some(at(fact(Phase::Stopped)));
    cluster.vms.insert(VM, entry.into());
    assert_eq!(awaited(&cluster, &stopping(&[]), NOW), None);
}

#[test]
fn vms_on_their_way_from_here_or_to_here_are_waited_for_and_others_are_not() {
    let seen = stopping(&[]);
    assert_eq!(awaited(&on_its_way(cluster(), "hv1", "hv2"), &seen, NOW), Some(Awaited::Moves));
    assert_eq!(awaited(&on_its_way(cluster(), "hv2", "hv1"), &seen, NOW), Some(Awaited::Moves));
    assert_eq!(awaited(&on_its_way(cluster(), "hv2", "hv3"), &seen, NOW), None);
}

/// The VM is at `hv2`, has its home at `hv1` and was called there by a ready; nobody has begun its move.
fn called_home() -> Cluster {
    let mut cluster = cluster();
    let mut entry: VmEntry = (*cluster.vms[&VM]).clone();
    (entry.vm.value.node, entry.vm.value.last_node) = (name("hv2"), Some(name("hv1")));
    entry.fact = Some(at(crate::vm::VmFact { node: name("hv2"), ..fact(Phase::Running) }));
    cluster.vms.insert(VM, entry.into());
    let entry = (*cluster.nodes[&name("hv1")]).clone();
    let wish = Some(at(NodeWish { duty: Duty::Ready, serial: 2, at: NOW.wall }));
    cluster.nodes.insert(name("hv1"), NodeEntry { wish, ..entry }.into());
    cluster
}

#[test]
fn a_ready_ends_with_the_vms_that_are_on_their_way_home_and_goes_on_when_the_node_runs_again() {
    let source = Observed { name: name("hv2"), ..observed(&[(VM, Some(1))]) };
    let decided = |cluster: &Cluster| {
        let steps = crate::node::drain::decide(cluster, &source, NOW).steps;
        steps.iter().map(|step| step.reason.name()).collect::<Vec<_>>()
    };
    let cluster = called_home();
    assert_eq!(decided(&cluster).len(), 0, "it neither sets out nor gives its home up");
    assert_eq!(awaited(&cluster, &stopping(&[]), NOW), None, "and what has not set out is not waited for");
    let mut runs = cluster.clone();
    add(&mut runs, "hv1", 0.0);
    let wish = cluster.nodes[&name("hv1")].wish.clone();
    let entry = NodeEntry { wish, ..(*runs.nodes[&name("hv1")]).clone() };
    runs.nodes.insert(name("hv1"), entry.into());
    assert_eq!(decided(&runs), ["called-home"], "it sets out when the node runs");
    let on_its_way = on_its_way(cluster, "hv2", "hv1");
    let waits = |seen: &Observed, now| awaited(&on_its_way, seen, now);
    assert_eq!(waits(&stopping(&[]), NOW), Some(Awaited::Moves));
    assert!(!is_closing(&on_its_way, &stopping(&[]), NOW), "it takes it in meanwhile");
    assert_eq!(waits(&stopping(&[]), after(STOP_PATIENCE)), None, "not for ever");
    let impatient = Observed { asked_again: true, ..stopping(&[]) };
    assert_eq!(waits(&impatient, NOW), None, "and not when it is asked again");
}

#[test]
fn a_parked_vm_is_neither_unparked_by_a_node_that_stops_nor_waited_for() {
    let mut cluster = cluster();
    let mut entry = (*cluster.vms[&VM]).clone();
    (entry.vm.value.wish.power, entry.vm.value.parked) = (Power::Shutdown, true);
    entry.fact = Some(at(fact(Phase::Stopped)));
    cluster.vms.insert(VM, entry.into());
    let unparks = |seen: &Observed| {
        let plan = crate::node::drain::decide(&cluster, seen, NOW);
        plan.steps.iter().any(|step| step.reason.name() == "unparked")
    };
    assert!(!unparks(&stopping(&[])) && unparks(&observed(&[])));
    assert_eq!(awaited(&cluster, &stopping(&[]), NOW), None);
}

#[test]
fn steps_that_have_begun_end_before_the_last_word_and_the_keepalive_goes_on() {
    let busy = Observed { under_way: 1, ..stopping(&[(VM, Some(1))]) };
    assert_eq!(awaited(&cluster(), &busy, after(STOP_PATIENCE)), Some(Awaited::Steps));
    assert_eq!(noded(&cluster(), &busy, NOW).steps, []);
    let due = after(busy.timers.keepalive_interval);
    let plan = noded(&cluster(), &busy, due);
    assert_eq!((said(&plan), plan.steps[0].reason.name()), (Some(DaemonState::Shutdown), "stop-awaits"));
}

#[test]
fn the_last_word_is_the_end_and_nothing_comes_after_it() {
    let mut cluster = cluster();
    let entry = (*cluster.nodes[&name("hv1")]).clone();
    let status = entry.status.as_ref().map(|status| status.value.clone()).expect("it has one");
    let status = Some(at(NodeStatus { daemon: DaemonState::Stop, ..status }));
    cluster.nodes.insert(name("hv1"), NodeEntry { status, ..entry }.into());
    let plan = noded(&cluster, &stopping(&[(VM, Some(1))]), NOW);
    assert_eq!((plan.steps.len(), plan.ends), (0, true));
    assert!(!noded(&cluster, &observed(&[(VM, Some(1))]), NOW).ends);
}
