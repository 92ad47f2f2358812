//! Both tables line by line, what each word is guarded by, and that a move comes to an end whatever each side sees.

use super::*;
use crate::node::DaemonState;
use crate::node::place::tests::{add, give_volume, name, say};
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
        by: Method::PreCopy,
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
    Some(Course::UnderWay { total_mib: 100, remaining_mib: 40, pass: 1, throttle_percent: 0 })
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

/// The same, by post-copy.
fn by_post_copy(stage: Stage, answer: Option<Answer>) -> Cluster {
    let mut cluster = cluster(stage, answer);
    change(&mut cluster, |entry| {
        entry.fact.as_mut().unwrap().value.sending.as_mut().unwrap().by = Method::PostCopy;
    });
    cluster
}

fn slowed(pass: u64, throttle_percent: u64) -> Option<Course> {
    Some(Course::UnderWay { total_mib: 100, remaining_mib: 40, pass, throttle_percent })
}

#[test]
fn pre_copy_is_in_vain_only_where_post_copy_is_allowed_and_no_throttle_helps() {
    let cluster = cluster(Stage::Begun, Some(ready()));
    for (post_copy, pass, throttle_percent, vain) in
        [(true, 24, 99, true), (false, 24, 99, false), (true, 23, 99, false), (true, 90, 90, false)]
    {
        let leaving = seen(FRESH, guest(Standing::Leaving), slowed(pass, throttle_percent)).unwrap();
        let allowed = [((VM, 1), NOW.boot)].into();
        let mut moving = Moving { seen: [(VM, leaving)].into(), allowed, ..Moving::default() };
        moving.settings.post_copy = post_copy;
        let plan = decide(&cluster, &Observed { moving, ..observed(&[]) }, VM, NOW).unwrap();
        let expected = vain.then_some("move-vain");
        assert_eq!(plan.steps.first().map(|step| step.reason.name()), expected, "{pass} {throttle_percent}");
    }
}

#[test]
fn a_move_in_vain_is_aborted_and_the_next_one_goes_by_post_copy() {
    let vain = cluster(Stage::Vain, Some(ready()));
    let leaving = seen(FRESH, guest(Standing::Leaving), slowed(30, 99));
    assert_eq!(told(decided(&vain, "hv1", leaving)), Some(("abort-move", "move-vain")));
    let step = decided(&vain, "hv1", seen(FRESH, guest(Standing::Running), failed())).unwrap();
    let Action::Record(records) = step.action else { panic!("it writes") };
    let word = records.writes.iter().find_map(|write| match &write.value {
        Some(crate::record::Record::VmFact(fact)) => fact.failed_move.clone(),
        _ => None,
    });
    let failed = word.expect("it says so");
    assert_eq!((failed.next, failed.attempts), (Method::PostCopy, 1));
    // Had it become calm meanwhile, it would be gone.
    assert_eq!(told(decided(&vain, "hv1", seen(FRESH, None, None))), Some(("record", "move-gone")));
    assert_eq!(told(decided(&vain, "hv2", seen(FRESH, guest(Standing::Incoming), None))), None);
}

#[test]
fn the_sources_table_of_post_copy_holds_line_by_line() {
    use Stage::{Begun, Gone, Lost, Torn};
    use Standing::{Drained, Leaving};
    let here = |standing, course| seen(FRESH, guest(standing), course);
    let gone = || seen(FRESH, None, None);
    let torn = || here(Standing::Torn, failed());
    for (stage, answer, look, expected) in [
        (Begun, Some(ready()), here(Leaving, slowed(1, 0)), Some(("switch-to-post-copy", "move-switched"))),
        (Begun, Some(ready()), here(Drained, slowed(1, 0)), None),
        (Begun, Some(ready()), here(Standing::Torn, slowed(1, 0)), None),
        (Begun, Some(ready()), torn(), Some(("record", "move-torn"))),
        (Begun, Some(ready()), gone(), Some(("record", "move-gone"))),
        (Torn, Some(ready()), torn(), Some(("mend-guest", "move-mended"))),
        (Torn, Some(ready()), here(Standing::Torn, slowed(1, 0)), None),
        (Torn, Some(ready()), here(Drained, slowed(1, 0)), None),
        (Torn, Some(ready()), gone(), Some(("record", "move-gone"))),
        (Torn, Some(Answer::Clear), torn(), Some(("record", "move-lost"))),
        (Lost, Some(ready()), torn(), Some(("stop-guest", "move-half-ended"))),
        (Lost, Some(Answer::Clear), torn(), Some(("stop-guest", "move-half-ended"))),
        (Lost, Some(ready()), gone(), None),
        (Lost, Some(Answer::Clear), gone(), Some(("record", "move-memory-lost"))),
        (Lost, Some(Answer::Clear), seen(OLD, None, None), None),
        (Gone, Some(ready()), gone(), None),
        (Gone, Some(Answer::Clear), gone(), Some(("record", "move-ended"))),
    ] {
        let cluster = by_post_copy(stage, answer.clone());
        assert_eq!(told(decided(&cluster, "hv1", look.clone())), expected, "{stage:?} {answer:?} {look:?}");
    }
}

#[test]
fn the_targets_table_of_post_copy_holds_line_by_line() {
    use Stage::{Begun, Gone, Lost, Stranded, Torn};
    use Standing::{Filling, Paused, Running};
    let nothing = |under| seen(under, None, None);
    let here = |under, standing| seen(under, guest(standing), None);
    let stopped = Some(("stop-guest", "move-half-ended"));
    for (stage, look, expected) in [
        (Begun, here(FRESH, Filling), None),
        (Begun, here(FRESH, Standing::Torn), None),
        (Torn, here(FRESH, Filling), None),
        (Torn, here(FRESH, Standing::Torn), None),
        (Torn, here(FRESH, Running), None),
        (Torn, nothing(OLD), None),
        (Torn, nothing(FRESH), Some(("record", "move-cleared"))),
        (Lost, here(OLD, Standing::Torn), None),
        (Lost, here(FRESH, Standing::Torn), stopped),
        (Lost, here(FRESH, Filling), stopped),
        (Lost, here(FRESH, Paused), stopped),
        (Lost, here(FRESH, Running), Some(("record", "move-arrived"))),
        (Lost, nothing(FRESH), Some(("record", "move-cleared"))),
        (Gone, here(FRESH, Filling), None),
        (Gone, here(OLD, Standing::Torn), None),
        (Gone, here(FRESH, Standing::Torn), stopped),
        (Gone, here(FRESH, Running), Some(("record", "move-arrived"))),
        (Stranded, here(FRESH, Running), Some(("record", "move-arrived"))),
        (Stranded, here(FRESH, Filling), None),
    ] {
        let cluster = by_post_copy(stage, Some(ready()));
        assert_eq!(told(decided(&cluster, "hv2", look.clone())), expected, "{stage:?} {look:?}");
    }
    let cluster = cluster(Begun, Some(ready()));
    let left = decided(&cluster, "hv3", here(FRESH, Standing::Torn));
    assert_eq!(told(left), Some(("stop-guest", "move-left-behind")));
}

#[test]
fn halves_are_not_joined_for_ever() {
    let torn = || seen(FRESH, guest(Standing::Torn), failed()).unwrap();
    let cluster = by_post_copy(Stage::Torn, Some(ready()));
    let mut mends = std::collections::BTreeMap::from([((VM, 1), NOW.boot)]);
    let mut reason = |cluster: &Cluster, boot| {
        let moving = Moving { seen: [(VM, torn())].into(), mends: mends.clone(), ..Moving::default() };
        mends.clear();
        let plan = decide(cluster, &Observed { moving, ..observed(&[]) }, VM, Now { boot, ..NOW }).unwrap();
        assert!(!plan.steps.is_empty() || plan.look_again.is_some(), "{plan:?}");
        plan.steps.first().map(|step| step.reason.name())
    };
    assert_eq!(reason(&cluster, NOW.boot), None, "it was tried just now");
    assert_eq!(reason(&cluster, NOW.boot + Span::seconds(119)), Some("move-mended"));
    assert_eq!(reason(&cluster, NOW.boot + Span::seconds(121)), Some("move-lost"));
    let mut stopped = cluster.clone();
    change(&mut stopped, |entry| entry.vm.value.wish.power = Power::Stop);
    assert_eq!(reason(&stopped, NOW.boot), Some("move-lost"), "nobody needs it any more");
    let reason_while_joining = |cluster: &Cluster, boot| {
        let joining = seen(FRESH, guest(Standing::Torn), slowed(1, 0)).unwrap();
        let moving = Moving { seen: [(VM, joining)].into(), ..Moving::default() };
        let plan = decide(cluster, &Observed { moving, ..observed(&[]) }, VM, Now { boot, ..NOW }).unwrap();
        assert!(!plan.steps.is_empty() || plan.look_again.is_some(), "{plan:?}");
        plan.steps.first().map(|step| step.reason.name())
    };
    assert_eq!(reason_while_joining(&cluster, NOW.boot + Span::seconds(119)), None);
    let late = reason_while_joining(&cluster, NOW.boot + Span::seconds(121));
    assert_eq!(late, Some("move-lost"), "a call that joins them may never return");
    assert_eq!(reason_while_joining(&stopped, NOW.boot), Some("move-lost"));
    // A target that neither becomes whole nor says anything is not waited for, once the source has nothing.
    let gone = by_post_copy(Stage::Gone, Some(ready()));
    assert_eq!(reason(&gone, NOW.boot + Span::seconds(59)), None);
    assert_eq!(reason(&gone, NOW.boot + Span::seconds(61)), Some("move-lost"));
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
    let mut moving = Moving { unsent: [(VM, ID)].into(), ..Moving::default() };
    (moving.settings.bandwidth_max_mib, moving.settings.at_once_max) = (Some(100), 4);
    let observed = Observed { moving, ..observed(&[]) };
    let step = decide(&cluster, &observed, VM, NOW).unwrap().steps.remove(0);
    let guarded: Vec<_> = step.guards.iter().map(|guard| guard.record.clone()).collect();
    assert_eq!(guarded, [RecordId::Vm(VM), RecordId::VmFact(VM), RecordId::VmReception(VM)]);
    match step.action {
        Action::SendGuest { incarnation, to, downtime_max_ms, bandwidth_max_mib, .. } => {
            assert_eq!((incarnation, to.to_string().as_str(), downtime_max_ms), (1, "10.0.0.2", 30));
            assert_eq!(bandwidth_max_mib, Some(25), "its share of what may be sent from here");
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
        course: Some(Course::UnderWay { total_mib: 100, remaining_mib: 40, pass, throttle_percent: 0 }),
    };
    for (pass, allowed, expected) in [(3, false, None), (4, false, Some("move-slow")), (4, true, None)] {
        let allowed = allowed.then_some(((VM, 1), NOW.boot)).into_iter().collect();
        let moving = Moving { seen: [(VM, leaving(pass))].into(), allowed, ..Moving::default() };
        let plan = decide(&cluster, &Observed { moving, ..observed(&[]) }, VM, NOW).unwrap();
        assert_eq!(plan.steps.first().map(|step| step.reason.name()), expected, "{pass}");
    }
}

#[test]
fn an_emulated_guest_is_handed_over_before_what_it_writes_is_lost_track_of() {
    let cluster = cluster(Stage::Begun, Some(ready()));
    for (emulated, emulated_short_pause, expected) in
        [(true, false, 2_000_000), (true, true, 30), (false, false, 30)]
    {
        let mut moving = Moving { unsent: [(VM, ID)].into(), ..Moving::default() };
        (moving.settings.emulated, moving.settings.emulated_short_pause) = (emulated, emulated_short_pause);
        let step = decide(&cluster, &Observed { moving, ..observed(&[]) }, VM, NOW).unwrap().steps.remove(0);
        let Action::SendGuest { downtime_max_ms, .. } = step.action else { panic!("{step:?}") };
        assert_eq!(downtime_max_ms, expected, "{emulated} {emulated_short_pause}");
        // And it is not told to hurry later.
        let seen = seen(FRESH, guest(Standing::Leaving), slowed(9, 0)).unwrap();
        let mut moving = Moving { seen: [(VM, seen)].into(), ..Moving::default() };
        (moving.settings.emulated, moving.settings.emulated_short_pause) = (emulated, emulated_short_pause);
        let steps = decide(&cluster, &Observed { moving, ..observed(&[]) }, VM, NOW).unwrap().steps;
        assert_eq!(steps.is_empty(), expected > 30, "{steps:?}");
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
fn a_node_says_nothing_to_an_offer_while_a_fault_that_passes_is_in_the_way() {
    let mut cluster = cluster(Stage::Offered, None);
    change(&mut cluster, |entry| give_volume(&mut entry.vm.value));
    let nothing = || seen(FRESH, None, None);
    say(&mut cluster, "hv2", |status| status.storage.silent = Some("it timed out".into()));
    assert_eq!(told(decided(&cluster, "hv2", nothing())), None);
    say(&mut cluster, "hv2", |status| status.storage.silent = None);
    assert_eq!(told(decided(&cluster, "hv2", nothing())), Some(("record", "move-awaited")));
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
