//! Both tables line by line, what each word is guarded by, and that a move comes to an end whatever each side sees.

use super::*;
use crate::node::DaemonState;
use crate::node::place::tests::{add, name};
use crate::observed::Moving;
use crate::plan::{Action, Step};
use crate::record::{RecordId, Version, Versioned};
use crate::testing::{NOW, VM, at, cluster_with_vm, fact, observed};
use crate::time::Span;
use crate::vm::{Phase, Power, Transfer, VmFact};

const ID: MoveId = MoveId { serial: 1, attempt: 1, incarnation: 1 };
const FRESH: Option<Version> = Some(Version(1));
const OLD: Option<Version> = Some(Version(0));

fn sending(stage: Stage) -> Sending {
    Sending {
        id: ID,
        to: name("hv2"),
        home: None,
        away_since: 0,
        how: MigrationMethod::None,
        stage,
        since: NOW.boot,
        task: TaskId(7),
    }
}

fn ready() -> Answer {
    Answer::Ready { address: "10.0.0.2".parse().unwrap(), console_path: "/c".into() }
}

/// The VM on its way from `hv1` to `hv2`, with both nodes' words.
fn cluster(stage: Stage, answer: Option<Answer>) -> Cluster {
    let word = VmFact { sending: Some(sending(stage)), ..fact(Phase::Running) };
    let mut cluster = cluster_with_vm(Power::Start, Some(word));
    for node in ["hv1", "hv2", "hv3"] {
        add(&mut cluster, node, 0.0);
    }
    change(&mut cluster, |entry| {
        let to = name("hv2");
        entry.vm.value.transfer =
            Some(Transfer { to: to.clone(), home: None, how: MigrationMethod::None, away_since: 0 });
        entry.reception = answer.map(|answer| at(Reception { node: to, id: ID, answer }));
    });
    cluster
}

fn change(cluster: &mut Cluster, change: impl FnOnce(&mut VmEntry)) {
    let mut entry = (*cluster.vms[&VM]).clone();
    change(&mut entry);
    cluster.vms.insert(VM, entry.into());
}

fn guest(standing: Standing) -> Option<Sighting> {
    Some(Sighting { incarnation: Some(1), standing })
}

/// What a node decides that sees this of the VM.
fn decided(cluster: &Cluster, node: &str, seen: Option<Seen>) -> Option<Step> {
    let mut moving = Moving { seen: seen.map(|seen| (VM, seen)).into_iter().collect(), ..Moving::default() };
    moving.settings.address = Some("10.0.0.9".parse().unwrap());
    let observed = Observed { name: name(node), moving, ..observed(&[]) };
    let plan = decide(cluster, &observed, VM, NOW).unwrap_or_default();
    assert!(plan.steps.len() <= 1, "{plan:?}");
    plan.steps.into_iter().next()
}

fn told(step: Option<Step>) -> Option<(&'static str, &'static str)> {
    step.map(|step| (step.action.name(), step.reason.name()))
}

fn seen(under: Option<Version>, guest: Option<Sighting>, course: Option<Course>) -> Option<Seen> {
    Some(Seen { under, guest, course })
}

fn failed() -> Option<Course> {
    Some(Course::Failed { why: "the stream broke".into() })
}

fn under_way() -> Option<Course> {
    Some(Course::UnderWay { total_mib: 100, remaining_mib: 40, pass: 1 })
}

#[test]
fn the_sources_table_holds_line_by_line() {
    use Stage::{Begun, Gone, Offered, Stranded};
    use Standing::{Handing, Leaving, Paused, Running};
    let here = |standing| seen(FRESH, guest(standing), None);
    let gone = || seen(FRESH, None, None);
    let stranded = || seen(FRESH, guest(Standing::Stranded), Some(Course::Unknown));
    let refused = Answer::Refused { why: "no".into() };
    for (stage, answer, look, expected) in [
        (Offered, None, None, None),
        (Offered, None, here(Running), None),
        (Offered, Some(Answer::Busy), here(Running), None),
        (Offered, Some(refused), here(Running), Some(("record", "move-failed"))),
        (Offered, Some(ready()), here(Running), Some(("record", "move-begins"))),
        (Offered, Some(ready()), gone(), Some(("record", "move-taken-back"))),
        (Begun, Some(ready()), None, None),
        (Begun, Some(ready()), seen(OLD, None, None), None),
        (Begun, Some(ready()), seen(OLD, guest(Running), failed()), None),
        (Begun, Some(ready()), here(Leaving), None),
        (Begun, Some(ready()), here(Handing), None),
        (Begun, Some(ready()), seen(FRESH, guest(Running), under_way()), None),
        (Begun, Some(ready()), seen(FRESH, guest(Running), Some(Course::Unknown)), None),
        (Begun, Some(ready()), seen(FRESH, guest(Running), failed()), Some(("record", "move-failed"))),
        (Begun, Some(ready()), seen(FRESH, guest(Paused), failed()), Some(("record", "move-failed"))),
        (Begun, Some(ready()), stranded(), Some(("record", "move-stranded"))),
        (Begun, Some(ready()), gone(), Some(("record", "move-gone"))),
        (Stranded, Some(ready()), stranded(), None),
        (Stranded, Some(Answer::Clear), stranded(), Some(("release-guest", "move-unwound"))),
        (Stranded, Some(Answer::Clear), here(Running), Some(("record", "move-failed"))),
        (Stranded, Some(ready()), gone(), Some(("record", "move-gone"))),
        (Gone, Some(ready()), gone(), None),
        (Gone, Some(ready()), here(Running), None),
        (Gone, Some(Answer::Clear), gone(), Some(("record", "move-ended"))),
    ] {
        let cluster = cluster(stage, answer.clone());
        assert_eq!(told(decided(&cluster, "hv1", look.clone())), expected, "{stage:?} {answer:?} {look:?}");
    }
}

#[test]
fn the_targets_table_holds_line_by_line() {
    use Stage::{Begun, Gone, Offered, Stranded};
    use Standing::{Incoming, Paused, Running};
    let nothing = |under| seen(under, None, None);
    let here = |under, standing| seen(under, guest(standing), None);
    let stranger = seen(FRESH, Some(Sighting { incarnation: None, standing: Running }), None);
    let answered = |name| Some(("record", name));
    for (stage, answer, look, expected) in [
        (Offered, None, None, None),
        (Offered, None, nothing(OLD), None),
        (Offered, None, nothing(FRESH), answered("move-awaited")),
        (Offered, Some(Answer::Busy), nothing(FRESH), answered("move-awaited")),
        (Offered, None, stranger, answered("move-refused")),
        (Offered, None, here(FRESH, Paused), Some(("discard-guest", "move-left-behind"))),
        (Offered, Some(ready()), nothing(FRESH), None),
        (Begun, Some(ready()), here(FRESH, Incoming), None),
        (Begun, Some(ready()), here(FRESH, Paused), None),
        (Begun, Some(ready()), nothing(FRESH), None),
        (Stranded, Some(ready()), here(OLD, Paused), Some(("discard-guest", "move-withdrawn"))),
        (Stranded, Some(ready()), here(FRESH, Incoming), Some(("discard-guest", "move-withdrawn"))),
        (Stranded, Some(ready()), nothing(OLD), None),
        (Stranded, Some(ready()), nothing(FRESH), answered("move-cleared")),
        (Stranded, Some(Answer::Clear), nothing(FRESH), None),
        (Gone, Some(ready()), None, None),
        (Gone, Some(ready()), here(OLD, Paused), Some(("release-guest", "move-received"))),
        // It may be whole by now; if it is not, that is refused.
        (Gone, Some(ready()), here(OLD, Incoming), Some(("release-guest", "move-received"))),
        (Gone, Some(ready()), here(FRESH, Paused), Some(("release-guest", "move-received"))),
        (Gone, Some(ready()), here(FRESH, Incoming), Some(("discard-guest", "move-withdrawn"))),
        (Gone, Some(ready()), here(FRESH, Running), answered("move-arrived")),
        (Gone, Some(ready()), nothing(OLD), None),
        (Gone, Some(ready()), nothing(FRESH), answered("move-cleared")),
        (Gone, Some(Answer::Clear), nothing(FRESH), None),
    ] {
        let cluster = cluster(stage, answer.clone());
        assert_eq!(told(decided(&cluster, "hv2", look.clone())), expected, "{stage:?} {answer:?} {look:?}");
    }
}

#[test]
fn what_no_word_speaks_of_is_discarded_unless_it_runs() {
    use Standing::{Incoming, Paused, Running};
    let mut settled = cluster(Stage::Begun, None);
    change(&mut settled, |entry| {
        entry.fact.as_mut().unwrap().value.sending = None;
    });
    for (cluster, node) in [(settled.clone(), "hv2"), (cluster(Stage::Begun, Some(ready())), "hv3")] {
        for (standing, discarded) in [(Paused, true), (Incoming, true), (Running, false)] {
            let step = decided(&cluster, node, seen(FRESH, guest(standing), None));
            let expected = discarded.then_some(("discard-guest", "move-left-behind"));
            assert_eq!(told(step), expected, "{node} {standing:?}");
        }
    }
    // The answer is taken back only when nothing is left.
    change(&mut settled, |entry| {
        entry.reception = Some(at(Reception { node: name("hv2"), id: ID, answer: ready() }));
    });
    assert_eq!(told(decided(&settled, "hv2", seen(OLD, None, None))), None);
    assert_eq!(told(decided(&settled, "hv2", seen(FRESH, None, None))), Some(("record", "move-answer-over")));
}

#[test]
fn a_move_that_is_no_longer_wished_or_whose_target_is_lost_is_aborted_once_in_a_while() {
    let leaving = || seen(FRESH, guest(Standing::Leaving), under_way());
    let mut unwished = cluster(Stage::Begun, Some(ready()));
    change(&mut unwished, |entry| entry.vm.value.transfer = None);
    let mut lost = cluster(Stage::Begun, Some(ready()));
    let mut target = (*lost.nodes[&name("hv2")]).clone();
    target.presence = None;
    lost.nodes.insert(name("hv2"), target.into());
    for cluster in [&unwished, &lost] {
        assert_eq!(told(decided(cluster, "hv1", leaving())), Some(("abort-move", "move-aborted")));
    }
    let aborts = [((VM, 1), NOW.boot)].into();
    let moving = Moving { seen: [(VM, leaving().unwrap())].into(), aborts, ..Moving::default() };
    let observed = Observed { moving, ..observed(&[]) };
    let plan = decide(&unwished, &observed, VM, NOW).unwrap();
    assert!(plan.steps.is_empty() && plan.look_again.is_some(), "{plan:?}");
    // What it comes to then is no failure.
    let over = decided(&unwished, "hv1", seen(FRESH, guest(Standing::Running), failed()));
    assert_eq!(told(over), Some(("record", "move-taken-back")));
}

#[test]
fn a_move_is_sent_only_by_the_process_that_said_so_and_with_every_guard() {
    let cluster = cluster(Stage::Begun, Some(ready()));
    let moving = Moving { unsent: [(VM, ID)].into(), ..Moving::default() };
    let observed = Observed { moving, ..observed(&[]) };
    let step = decide(&cluster, &observed, VM, NOW).unwrap().steps.remove(0);
    let guarded: Vec<_> = step.guards.iter().map(|guard| guard.record.clone()).collect();
    assert_eq!(guarded, [RecordId::Vm(VM), RecordId::VmFact(VM), RecordId::VmReception(VM)]);
    match step.action {
        Action::SendGuest { incarnation, to, downtime_max_ms, .. } => {
            assert_eq!((incarnation, to.to_string().as_str(), downtime_max_ms), (1, "10.0.0.2", 30));
        }
        other => panic!("{other:?}"),
    }
    // Another process does not know whether it was sent: it waits for as long as a call may be late.
    let unknown = Seen { under: FRESH, guest: guest(Standing::Running), course: Some(Course::Unknown) };
    let moving = Moving { seen: [(VM, unknown)].into(), ..Moving::default() };
    let next = Observed { moving, ..observed };
    assert_eq!(decide(&cluster, &next, VM, NOW).unwrap().steps, []);
    let later = Now { boot: NOW.boot + Span::seconds(11), ..NOW };
    assert_eq!(decide(&cluster, &next, VM, later).unwrap().steps[0].reason.name(), "move-failed");
}

#[test]
fn a_guest_that_is_gone_through_again_and_again_may_stand_still_for_as_long_as_it_is_allowed() {
    let cluster = cluster(Stage::Begun, Some(ready()));
    let leaving = |pass| Seen {
        under: FRESH,
        guest: guest(Standing::Leaving),
        course: Some(Course::UnderWay { total_mib: 100, remaining_mib: 40, pass }),
    };
    for (pass, allowed, expected) in [(3, false, None), (4, false, Some("move-slow")), (4, true, None)] {
        let allowed = allowed.then_some(((VM, 1), NOW.boot)).into_iter().collect();
        let moving = Moving { seen: [(VM, leaving(pass))].into(), allowed, ..Moving::default() };
        let plan = decide(&cluster, &Observed { moving, ..observed(&[]) }, VM, NOW).unwrap();
        assert_eq!(plan.steps.first().map(|step| step.reason.name()), expected, "{pass}");
    }
}

#[test]
fn a_node_takes_few_at_once_and_none_that_it_cannot_hold() {
    let mut cluster = cluster(Stage::Offered, None);
    let nothing = || seen(FRESH, None, None);
    let arriving = (*cluster.vms[&VM]).clone();
    for number in 1..=2 {
        let mut other = arriving.clone();
        other.reception = Some(at(Reception { node: name("hv2"), id: ID, answer: ready() }));
        cluster.vms.insert(VmId(uuid::Uuid::from_u128(number)), other.into());
    }
    assert_eq!(told(decided(&cluster, "hv2", nothing())), Some(("record", "move-queued")));
    change(&mut cluster, |entry| entry.vm.value.memory_mib = 99_999);
    assert_eq!(told(decided(&cluster, "hv2", nothing())), Some(("record", "move-refused")));
}

#[test]
fn what_arrives_is_owned_with_the_incarnation_that_left() {
    let mut cluster = cluster(Stage::Gone, Some(ready()));
    change(&mut cluster, |entry| {
        entry.fact.as_mut().unwrap().value.sending.as_mut().unwrap().home = Some(name("hv1"));
    });
    let step = decided(&cluster, "hv2", seen(FRESH, guest(Standing::Running), None)).unwrap();
    let Action::Record(records) = step.action else { panic!("it writes") };
    assert!(records.writes.iter().all(|write| write.expect == Versioned::expect(&at(()))));
    let owned = crate::testing::written_vm(&records);
    assert_eq!((owned.node, owned.last_node, owned.transfer), (name("hv2"), Some(name("hv1")), None));
    assert_eq!(crate::node::shown_daemon_state(&cluster.nodes[&name("hv2")]), DaemonState::Run);
    let word = records.writes.iter().find_map(|write| match &write.value {
        Some(crate::record::Record::VmFact(fact)) => Some(fact.clone()),
        _ => None,
    });
    let word = word.expect("it says so");
    assert_eq!((word.incarnation, word.phase, word.wish_done, word.sending), (1, Phase::Running, 1, None));
}

#[test]
fn only_what_has_to_do_with_a_node_is_watched_by_it() {
    let cluster = cluster(Stage::Begun, Some(ready()));
    let none = Guests::Seen(std::collections::BTreeMap::new());
    let watch = |node: &str, guests: &Guests| watched(&cluster, &name(node), guests);
    assert_eq!(watch("hv1", &none), [Watched { vm: VM, under: FRESH, leaving: Some(1) }]);
    assert_eq!(watch("hv2", &none), [Watched { vm: VM, under: FRESH, leaving: None }]);
    assert_eq!(watch("hv3", &none), []);
    assert_eq!(watch("hv3", &observed(&[(VM, Some(1))]).guests).len(), 1, "something was left there");
    assert_eq!(watch("hv3", &observed(&[(VM, None)]).guests), [], "a stranger is no move's");
}
