//! The table line by line, from the node `hv1`, while the VM belongs to `hv2`.

use super::*;
use crate::cluster::ClusterSettings;
use crate::id::NodeName;
use crate::node::place::tests::{add, name};
use crate::record::Incarnations;
use crate::testing::{NOW, VM, at, cluster_with_vm, fact, observed};
use crate::vm::migrate::{MoveId, Sending, Stage};
use crate::vm::{MigrationMethod, Power};

/// The VM belongs to `hv2`, which says this of it.
fn elsewhere(word: Option<VmFact>) -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, word.map(|word| VmFact { node: name("hv2"), ..word }));
    add(&mut cluster, "hv2", 0.0);
    owned_by(&mut cluster, name("hv2"));
    cluster
}

fn owned_by(cluster: &mut Cluster, node: NodeName) {
    let mut entry = (*cluster.vms[&VM]).clone();
    entry.vm.value.node = node;
    cluster.vms.insert(VM, entry.into());
}

fn word(phase: Phase, incarnation: u64) -> Option<VmFact> {
    Some(VmFact { incarnation, ..fact(phase) })
}

fn sending(stage: Stage, incarnation: u64, to: &str) -> Sending {
    Sending {
        id: MoveId { serial: 1, attempt: 1, incarnation },
        to: name(to),
        home: None,
        away_since: 0,
        how: MigrationMethod::None,
        by: crate::vm::migrate::Method::PreCopy,
        stage,
        since: NOW.boot,
        task: crate::id::TaskId(7),
    }
}

/// The incarnation that is ended, and why.
fn ended(cluster: &Cluster, observed: &Observed) -> Option<(u64, &'static str)> {
    let step = decide(cluster, observed, VM)?;
    let Action::StopGuest { incarnation, .. } = step.action else { panic!("{step:?}") };
    Some((incarnation, step.reason.name()))
}

#[test]
fn a_guest_that_is_older_than_the_record_is_ended_wherever_its_vm_is() {
    for phase in [Phase::Stopped, Phase::Starting, Phase::Running] {
        let cluster = elsewhere(word(phase, 3));
        assert_eq!(ended(&cluster, &observed(&[(VM, Some(2))])), Some((2, "guest-elsewhere")), "{phase:?}");
        assert_eq!(ended(&cluster, &observed(&[(VM, Some(4))])), None, "what the records do not know yet");
        assert_eq!(ended(&cluster, &observed(&[(VM, None)])), None, "a stranger");
        assert_eq!(ended(&cluster, &observed(&[])), None);
    }
    let mut mine = elsewhere(word(Phase::Running, 3));
    owned_by(&mut mine, name("hv1"));
    assert_eq!(ended(&mine, &observed(&[(VM, Some(2))])), None, "its owner has a table of its own");
}

#[test]
fn the_latest_incarnation_is_ended_only_where_the_record_says_that_it_is_down() {
    let seen = observed(&[(VM, Some(3))]);
    assert_eq!(ended(&elsewhere(word(Phase::Stopped, 3)), &seen), Some((3, "guest-elsewhere")));
    assert_eq!(ended(&elsewhere(word(Phase::Starting, 3)), &seen), None);
    assert_eq!(ended(&elsewhere(word(Phase::Running, 3)), &seen), None);
    assert_eq!(ended(&elsewhere(None), &seen), None);
}

#[test]
fn what_arrives_by_a_move_is_never_ended_and_what_is_older_is_even_then() {
    for stage in [Stage::Offered, Stage::Begun, Stage::Stranded, Stage::Gone] {
        let arrives = VmFact { sending: Some(sending(stage, 3, "hv1")), ..word(Phase::Running, 3).unwrap() };
        let cluster = elsewhere(Some(arrives));
        assert_eq!(ended(&cluster, &observed(&[(VM, Some(3))])), None, "{stage:?}");
        assert_eq!(ended(&cluster, &observed(&[(VM, Some(2))])), Some((2, "guest-elsewhere")), "{stage:?}");
        let mut leaves =
            VmFact { sending: Some(sending(stage, 3, "hv2")), ..word(Phase::Running, 3).unwrap() };
        leaves.node = name("hv1");
        let mut cluster = cluster_with_vm(Power::Start, Some(leaves));
        owned_by(&mut cluster, name("hv1"));
        assert_eq!(ended(&cluster, &observed(&[(VM, Some(3))])), None, "{stage:?}");
        assert_eq!(ended(&cluster, &observed(&[(VM, Some(2))])), Some((2, "guest-elsewhere")), "{stage:?}");
    }
}

#[test]
fn a_guest_that_stands_still_is_left_to_the_table_of_moves() {
    let mut seen = observed(&[(VM, Some(2))]);
    let Guests::Seen(guests) = &mut seen.guests else { panic!("the hypervisor answered") };
    guests.get_mut(&VM).unwrap().activity = Activity::Paused;
    assert_eq!(ended(&elsewhere(word(Phase::Running, 3)), &seen), None);
}

#[test]
fn the_end_rests_on_both_records_and_on_the_lease() {
    let mut seen = observed(&[(VM, Some(2))]);
    seen.lease_until = Some(NOW.boot);
    let step = decide(&elsewhere(word(Phase::Running, 3)), &seen, VM).unwrap();
    let guarded: Vec<_> = step.guards.iter().map(|guard| guard.record.clone()).collect();
    assert_eq!(guarded, [RecordId::Vm(VM), RecordId::VmFact(VM)]);
    assert_eq!(step.not_after, Some(NOW.boot));
    seen.guests = Guests::Unknown { why: "it hangs".into() };
    assert_eq!(ended(&elsewhere(word(Phase::Running, 3)), &seen), None);
}

#[test]
fn of_a_vm_that_is_not_there_only_spent_incarnations_are_ended() {
    let spent = |floor| {
        let settings = Some(at(ClusterSettings { initialised: NOW.wall }));
        let incarnations = Some(at(Incarnations { floor }));
        Cluster { settings, incarnations, ..Cluster::default() }
    };
    let ends = |cluster: &Cluster, mark| decide_of_removed(cluster, &observed(&[(VM, mark)])).steps;
    assert_eq!(ends(&spent(3), None), []);
    assert_eq!(ends(&spent(3), Some(3)), [], "it is of a VM that these records do not show yet");
    assert_eq!(ends(&Cluster::default(), Some(1)), []);
    let step = ends(&spent(3), Some(2)).remove(0);
    assert_eq!(step.reason, Reason::GuestOfRemoved { incarnation: 2 });
    assert_eq!(step.guards, [Guard { record: RecordId::Vm(VM), expect: Expect::Absent }]);
    let defined_anew = Cluster { incarnations: spent(3).incarnations, ..elsewhere(None) };
    assert_eq!(ends(&defined_anew, Some(2)), []);
    assert_eq!(ended(&defined_anew, &observed(&[(VM, Some(2))])), Some((2, "guest-elsewhere")));
}
