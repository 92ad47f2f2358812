//! Removing a node: each refusal, and that nothing of it is left.

use super::*;
use crate::node::place::tests::{add, name};
use crate::node::{NodeStatus, Presence};
use crate::primary::Primary;
use crate::record::{NodeLedger, Record};
use crate::storage::osd::record::{NodeDevices, Osd, OsdState};
use crate::storage::osd::{OsdId, OsdUuid};
use crate::testing::{BOOT, VM, at, cluster_with_vm, fact};
use crate::vm::{MigrationMethod, Phase, Power, Transfer, VmFact};

/// `hv1` runs and has a VM; `hv2` is down in this state.
fn cluster(state: DaemonState) -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Running)));
    for node in ["hv1", "hv2"] {
        add(&mut cluster, node, 0.0);
    }
    let entry = &cluster.nodes[&name("hv2")];
    let status = NodeStatus { daemon: state, ..entry.status.clone().expect("it has one").value };
    let ledger = Some(at(NodeLedger { placements: 3 }));
    let down = NodeEntry { status: Some(at(status)), presence: None, ledger, ..(**entry).clone() };
    cluster.nodes.insert(name("hv2"), down.into());
    cluster.devices.insert(name("hv2"), at(NodeDevices::default()).into());
    cluster
}

fn with(mut cluster: Cluster, change: impl FnOnce(&mut VmEntry)) -> Cluster {
    let mut entry = (*cluster.vms[&VM]).clone();
    change(&mut entry);
    cluster.vms.insert(VM, entry.into());
    cluster
}

fn refused(cluster: &Cluster, node: &str) -> String {
    remove(cluster, &name(node)).unwrap_err().to_string()
}

#[test]
fn a_node_that_is_down_and_empty_goes_with_all_that_is_recorded_of_it() {
    for state in [DaemonState::Stop, DaemonState::Run, DaemonState::Fenced] {
        let removed = remove(&cluster(state), &name("hv2")).unwrap();
        let deleted: Vec<_> = removed.records.writes.iter().map(|write| write.record.clone()).collect();
        let hv2 = || name("hv2");
        assert_eq!(
            deleted,
            [
                RecordId::Node(hv2()),
                RecordId::NodeStatus(hv2()),
                RecordId::NodeLedger(hv2()),
                RecordId::NodeDevices(hv2())
            ],
            "{state:?}"
        );
        assert!(removed.records.writes.iter().all(|write| write.value.is_none()));
        let guarded: Vec<_> = removed.records.guards.iter().map(|guard| guard.record.clone()).collect();
        assert_eq!(guarded, [RecordId::Presence(hv2()), RecordId::NodeWish(hv2())]);
        assert!(removed.settled.is_empty());
    }
}

#[test]
fn a_vm_that_had_its_home_there_settles_where_it_is() {
    let away = with(cluster(DaemonState::Stop), |entry| entry.vm.value.last_node = Some(name("hv2")));
    let removed = remove(&away, &name("hv2")).unwrap();
    assert_eq!(removed.settled, ["web1".parse().unwrap()]);
    let vm = crate::testing::written_vm(&removed.records);
    assert_eq!((vm.node, vm.last_node), (name("hv1"), None));
}

#[test]
fn what_runs_is_not_removed_and_neither_is_what_holds_vms_or_the_role() {
    let down = cluster(DaemonState::Stop);
    assert!(refused(&down, "hv9").contains("no node of that name"));
    assert!(refused(&down, "hv1").contains("\"run\""), "{}", refused(&down, "hv1"));
    let owner = with(down.clone(), |entry| entry.vm.value.node = name("hv2"));
    assert!(refused(&owner, "hv2").contains("web1"), "{}", refused(&owner, "hv2"));
    let target = with(down.clone(), |entry| {
        let (to, how) = (name("hv2"), MigrationMethod::Shutdown);
        entry.vm.value.transfer = Some(Transfer { to, home: None, how, away_since: 0 });
    });
    assert!(refused(&target, "hv2").contains("web1"));
    let still_there = with(down.clone(), |entry| {
        entry.fact = Some(at(VmFact { node: name("hv2"), ..fact(Phase::Running) }));
    });
    assert!(refused(&still_there, "hv2").contains("web1"));
    let mut with_osd = down.clone();
    let osd = Osd {
        node: name("hv2"),
        device: "/dev/sdb".into(),
        db_device: None,
        uuid: OsdUuid(uuid::Uuid::from_u128(1)),
        is_split: false,
        volume: None,
        state: OsdState::Ready,
        task: None,
    };
    with_osd.osds.insert(OsdId(4), at(osd).into());
    assert!(refused(&with_osd, "hv2").contains("has OSDs (4): remove them first"));
    let mut primary = down.clone();
    primary.primary = Some(at(Primary { node: name("hv2"), term: 1, handover: None, former: None }));
    assert!(refused(&primary, "hv2").contains("primary"));
    let mut without_others = down.clone();
    let mut entry = (*without_others.nodes[&name("hv1")]).clone();
    entry.node.as_mut().expect("it is registered").value.role = Role::Hypervisor;
    without_others.nodes.insert(name("hv1"), entry.into());
    assert!(refused(&without_others, "hv2").contains("last coordinator"));
    let mut alone = down;
    alone.nodes.remove(&name("hv1"));
    alone.vms.clear();
    assert!(refused(&alone, "hv2").contains("last"));
}

#[test]
fn of_many_vms_some_are_named_and_the_rest_are_counted() {
    let mut many = with(cluster(DaemonState::Stop), |entry| entry.vm.value.node = name("hv2"));
    let one = many.vms[&VM].clone();
    for number in 0..14_u128 {
        many.vms.insert(crate::id::VmId(uuid::Uuid::from_u128(number)), one.clone());
    }
    assert!(refused(&many, "hv2").contains("and 5 more"), "{}", refused(&many, "hv2"));
}

#[test]
fn a_removed_node_that_comes_back_registers_anew() {
    let mut gone = cluster(DaemonState::Stop);
    gone.nodes.remove(&name("hv2"));
    let seen = crate::observed::Observed { name: name("hv2"), ..crate::testing::observed(&[]) };
    let announced = Some(crate::node::Presence { boot: seen.node.boot, restart_planned: None });
    let seen = crate::observed::Observed { announced, ..seen };
    let plan = crate::node::decide::decide(&gone, &seen, crate::testing::NOW);
    let crate::plan::Action::Record(records) = &plan.steps[0].action else { panic!("{plan:?}") };
    assert!(matches!(records.writes[0].value, Some(Record::Node(_))), "{plan:?}");
    assert_eq!(records.writes[0].expect, Expect::Absent);
}

#[test]
fn a_node_whose_session_outlives_its_daemon_is_asked_about_again() {
    let mut ending = cluster(DaemonState::Stop);
    let presence = Some(at(Presence { boot: BOOT, restart_planned: None }));
    let entry = NodeEntry { presence, ..(*ending.nodes[&name("hv2")]).clone() };
    ending.nodes.insert(name("hv2"), entry.into());
    let refused = refused(&ending, "hv2");
    assert!(refused.contains("has just stopped") && refused.contains("a few seconds"), "{refused}");
}
