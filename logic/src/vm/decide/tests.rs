//! The table of decisions: every wish against every word and guest, then that it always comes to rest.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tries::doubled;
use super::*;
use crate::limits::{
    CRASH_BACKOFF_FIRST, START_BACKOFF_FIRST, START_BACKOFF_MAX, START_BACKOFF_SILENT_MAX,
    VOLUMES_NOTE_INTERVAL,
};
use crate::observed::{Secret, StepFailure, StorageSight};
use crate::record::{Expect, Record, Version};
use crate::testing::{BOOT, NOW, VM, at, cluster_with_vm, fact, observed};
use crate::time::Span;
use crate::vm::domain::disks::{Sharing, VolumeUse};
use crate::vm::volumes::{Client, HeldLock, Look, Occasion, Place, Presence, SeenVolume};

/// The one step decided on, as `action` or the phase it records, with its reason's name.
fn decided(cluster: &Cluster, observed: &Observed, now: Now) -> Option<(String, &'static str)> {
    let plan = decide(cluster, observed, VM, now);
    assert!(plan.steps.len() <= 1, "{plan:?}");
    plan.steps.first().map(|step| (what(&step.action), step.reason.name()))
}

fn what(action: &Action) -> String {
    let Action::Record(records) = action else { return action.name().into() };
    let written = records.writes.iter().find_map(|write| match &write.value {
        Some(Record::VmFact(fact)) => Some(format!("{:?}", fact.phase).to_lowercase()),
        Some(Record::Vm(vm)) => Some(format!("wish {:?}", vm.wish.power).to_lowercase()),
        _ => None,
    });
    written.unwrap_or_else(|| "delete".into())
}

/// The machine without guests, whose daemon took incarnation 1 and has not used it.
fn took_one() -> Observed {
    Observed { taken: [(VM, 1)].into(), ..observed(&[]) }
}

#[test]
fn a_guest_is_started_once_with_the_incarnation_that_was_taken_for_it() {
    let cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Starting)));
    assert_eq!(decided(&cluster, &took_one(), NOW).unwrap(), ("start-guest".into(), "takes"));
}

#[test]
fn a_guest_whose_process_is_gone_is_ended_once_two_looks_apart_have_shown_it() {
    let since = NOW.boot;
    let seen = |gone_since, looked_s| {
        let mut observed = observed(&[(VM, Some(1))]);
        let Guests::Seen(guests) = &mut observed.guests else { panic!("the hypervisor answered") };
        guests.get_mut(&VM).unwrap().gone_since = gone_since;
        observed.guests_at = since + Span::seconds(looked_s);
        observed
    };
    let ended = Some(("stop-guest".into(), "process-gone"));
    let pressed = Some(("press-power".into(), "shutdown-pressed"));
    let stopping = Some(Stopping { serial: 1, incarnation: 1, since });
    for (power, stopping, meanwhile) in [(Power::Start, None, None), (Power::Shutdown, stopping, pressed)] {
        let cluster = cluster_with_vm(power, Some(VmFact { stopping, ..fact(Phase::Running) }));
        let later = |seconds| Now { boot: since + Span::seconds(seconds), ..NOW };
        assert_eq!(decided(&cluster, &seen(None, 9), later(9)), meanwhile, "its process is there");
        assert_eq!(decided(&cluster, &seen(Some(since), 0), later(1)), meanwhile, "one look");
        assert_eq!(decided(&cluster, &seen(Some(since), 2), later(9)), meanwhile, "two looks, too soon");
        assert_eq!(decided(&cluster, &seen(Some(since), 3), later(3)), ended);
    }
    let cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Running)));
    let plan = decide(&cluster, &seen(Some(since), 0), VM, NOW);
    assert_eq!(plan.look_again, Some(since + PROCESS_GONE_PATIENCE));
    let plan = decide(&cluster, &seen(Some(since), 2), VM, Now { boot: since + Span::seconds(4), ..NOW });
    assert_eq!(plan.look_again, None, "the next look comes by itself, and is not waited for in haste");
}

/// The machine without guests, whose daemon took incarnation 1, and what it saw of the volumes before a start and during
/// the last run.
fn with_looks(looks: &[(Occasion, Look)]) -> Observed {
    let looks = looks.iter().map(|(occasion, look)| ((VM, *occasion), look.clone())).collect();
    Observed { storage: Some(StorageSight { looks, secret: Secret::NotNeeded }), ..took_one() }
}

fn look_at(incarnation: u64, presence: Presence, locks: &[HeldLock]) -> Look {
    let path = "vms/a".parse().unwrap();
    let volumes = vec![SeenVolume { path, presence, clients: Vec::new(), locks: locks.to_vec() }];
    Look { incarnation, at: NOW.boot, volumes }
}

#[test]
fn a_start_looks_at_the_volumes_breaks_what_the_dead_hold_and_fails_where_they_cannot_be_used() {
    let path: crate::storage::VolumePath = "vms/a".parse().unwrap();
    let with_volume = |phase| {
        let mut cluster = cluster_with_vm(Power::Start, Some(fact(phase)));
        let mut entry = (**cluster.vms.get(&VM).unwrap()).clone();
        let used = VolumeUse { path: path.clone(), dev: "sda".into(), sharing: Sharing::Alone };
        entry.vm.value.volumes = vec![used];
        cluster.vms.insert(VM, entry.into());
        cluster
    };
    let lock = HeldLock {
        volume: path.clone(),
        holder: "client.1".into(),
        cookie: "auto 1".into(),
        place: Place::Here,
    };
    let (there, missing) = (Presence::There, Presence::Missing);
    for (looks, step) in [
        (&[][..], ("look-at-volumes", "volumes-asked")),
        (&[(Occasion::Start, look_at(1, there, &[]))], ("start-guest", "takes")),
        (&[(Occasion::Start, look_at(1, there, &[lock]))], ("break-locks", "volumes-stale")),
        (&[(Occasion::Start, look_at(1, missing, &[]))], ("stopped", "volumes-barred")),
    ] {
        let decided = decided(&with_volume(Phase::Starting), &with_looks(looks), NOW).unwrap();
        assert_eq!((decided.0.as_str(), decided.1), step);
    }
    // Where there is no storage of PVC's, the volumes are the operator's affair.
    assert_eq!(decided(&with_volume(Phase::Starting), &took_one(), NOW).unwrap().0, "start-guest");
    // A look that failed is a start that failed.
    let failed = |step| StepFailure { incarnation: 1, ..failure(step) };
    for step in ["look-at-volumes", "break-locks", "start-guest"] {
        let mut observed = with_looks(&[]);
        observed.failures.insert(Resource::Vm(VM), failed(step));
        let decided = decided(&with_volume(Phase::Starting), &observed, NOW).unwrap();
        assert_eq!(decided, ("stopped".into(), "start-failed"), "{step}");
    }
    // Who it is at the storage is noted once per incarnation that runs.
    let running = |looks: &[(Occasion, Look)]| Observed {
        storage: with_looks(looks).storage,
        ..observed(&[(VM, Some(1))])
    };
    let noted = |looks: &[(Occasion, Look)]| {
        decided(&with_volume(Phase::Running), &running(looks), NOW).map(|step| step.1)
    };
    assert_eq!(noted(&[]), Some("volumes-noted"));
    assert_eq!(noted(&[(Occasion::Run, look_at(0, there, &[]))]), Some("volumes-noted"));
    assert_eq!(noted(&[(Occasion::Run, look_at(1, there, &[]))]), None);
    // A look that did not show the guest is not the last one.
    let with_client = |place| {
        let mut look = look_at(1, there, &[]);
        look.volumes[0].clients = vec![Client { who: "client.1".into(), place }];
        look
    };
    let elsewhere = Place::Elsewhere("10.3.0.9".parse().unwrap());
    for (look, again) in [
        (look_at(1, there, &[]), Some("volumes-noted")),
        (with_client(elsewhere), Some("volumes-noted")),
        (with_client(Place::Here), None),
    ] {
        let later = Now { boot: look.at + VOLUMES_NOTE_INTERVAL, ..NOW };
        let step = decided(&with_volume(Phase::Running), &running(&[(Occasion::Run, look.clone())]), later);
        assert_eq!(step.map(|step| step.1), again, "{look:?}");
    }
}

#[test]
fn a_start_waits_less_long_for_a_storage_or_a_hypervisor_that_is_silent() {
    for (step, silent, longest) in [
        ("look-at-volumes", false, START_BACKOFF_SILENT_MAX),
        ("break-locks", false, START_BACKOFF_SILENT_MAX),
        ("start-guest", false, START_BACKOFF_MAX),
        ("start-guest", true, START_BACKOFF_FIRST),
    ] {
        let mut observed = took_one();
        let failure = StepFailure { incarnation: 1, silent, ..failure(step) };
        observed.failures.insert(Resource::Vm(VM), failure);
        let before = Failure { reason: "no".into(), attempts: 20, retry_at: NOW.boot };
        let starting = VmFact { failure: Some(before), ..fact(Phase::Starting) };
        let plan = decide(&cluster_with_vm(Power::Start, Some(starting)), &observed, VM, NOW);
        let Action::Record(records) = &plan.steps[0].action else { panic!("{plan:?}") };
        let Some(Record::VmFact(word)) = &records.writes[0].value else { panic!("{plan:?}") };
        assert_eq!(word.failure.as_ref().unwrap().retry_at, NOW.boot + longest, "{step}");
    }
}

fn failure(step: &'static str) -> StepFailure {
    StepFailure {
        step,
        incarnation: 0,
        why: "no".into(),
        at: NOW.boot,
        in_a_row: 1,
        overtaken: false,
        silent: false,
    }
}

fn stopping(mut fact: VmFact, since: BootTime) -> VmFact {
    fact.stopping = Some(Stopping { serial: 1, incarnation: fact.incarnation, since });
    fact
}

fn pending(mut fact: VmFact) -> VmFact {
    fact.wish_done = 0;
    fact
}

/// A wish, the record's word, the guests with their marks, and the action with its reason.
type Line<'a> = (Power, Option<VmFact>, &'a [(VmId, Option<u64>)], Option<(&'a str, &'a str)>);

#[test]
fn the_table_holds_line_by_line() {
    use Phase::{Running, Starting, Stopped};
    use Power::{Disable, DisableNow, Remove, Restart, Shutdown, Start, Stop};
    let gone: &[(VmId, Option<u64>)] = &[];
    let ours: &[(VmId, Option<u64>)] = &[(VM, Some(1))];
    let newer: &[(VmId, Option<u64>)] = &[(VM, Some(2))];
    let stale: &[(VmId, Option<u64>)] = &[(VM, Some(0))];
    let strange: &[(VmId, Option<u64>)] = &[(VM, None)];
    let foreign = VmFact { foreign: true, ..fact(Stopped) };
    let since = NOW.boot;
    let table: Vec<Line<'_>> = vec![
        (Start, None, gone, Some(("starting", "wished"))),
        (Start, Some(pending(fact(Stopped))), gone, Some(("starting", "wished"))),
        (Start, Some(fact(Starting)), gone, Some(("starting", "start-uncertain"))),
        (Start, Some(fact(Running)), gone, Some(("starting", "crashed"))),
        (Start, Some(fact(Starting)), ours, Some(("running", "started"))),
        (Start, Some(fact(Running)), ours, None),
        (Start, Some(pending(fact(Running))), ours, Some(("running", "adopted"))),
        (Start, Some(fact(Stopped)), ours, Some(("running", "adopted"))),
        (Start, Some(fact(Running)), newer, Some(("running", "adopted"))),
        (Start, Some(fact(Running)), stale, Some(("stop-guest", "stale-guest"))),
        (Start, Some(stopping(fact(Running), since)), ours, Some(("running", "shutdown-aborted"))),
        (Start, Some(fact(Stopped)), strange, Some(("stopped", "started-behind-our-back"))),
        (Start, Some(fact(Starting)), strange, Some(("stopped", "started-behind-our-back"))),
        (Start, Some(foreign.clone()), strange, None),
        (Stop, Some(foreign.clone()), strange, None),
        (Start, Some(foreign), gone, Some(("stopped", "stranger-gone"))),
        (Shutdown, Some(pending(fact(Running))), ours, Some(("running", "shutdown-begins"))),
        (
            Shutdown,
            Some(stopping(pending(fact(Running)), since)),
            ours,
            Some(("press-power", "shutdown-pressed")),
        ),
        (Shutdown, Some(stopping(pending(fact(Running)), since)), gone, Some(("stopped", "down"))),
        (Shutdown, Some(pending(fact(Starting))), gone, Some(("stopped", "down"))),
        (Shutdown, Some(fact(Stopped)), gone, None),
        (Disable, Some(pending(fact(Running))), ours, Some(("running", "shutdown-begins"))),
        (Disable, Some(pending(fact(Stopped))), gone, Some(("stopped", "down"))),
        (DisableNow, Some(pending(fact(Running))), ours, Some(("stop-guest", "stop-wished"))),
        (Stop, Some(pending(fact(Running))), ours, Some(("stop-guest", "stop-wished"))),
        (Stop, Some(pending(fact(Running))), gone, Some(("stopped", "down"))),
        (Stop, None, gone, Some(("stopped", "down"))),
        (Stop, None, ours, Some(("stop-guest", "stop-wished"))),
        (Stop, Some(fact(Stopped)), gone, None),
        (Restart, Some(pending(fact(Running))), ours, Some(("running", "shutdown-begins"))),
        (
            Restart,
            Some(stopping(pending(fact(Running)), since)),
            ours,
            Some(("press-power", "shutdown-pressed")),
        ),
        (Restart, Some(stopping(pending(fact(Running)), since)), gone, Some(("starting", "restart-goes-on"))),
        (Restart, Some(stopping(pending(fact(Running)), since)), newer, Some(("running", "adopted"))),
        (Restart, Some(fact(Running)), ours, None),
        (Restart, Some(fact(Running)), gone, Some(("starting", "crashed"))),
        (Remove, Some(pending(fact(Running))), ours, Some(("stop-guest", "stop-wished"))),
        (Remove, Some(pending(fact(Running))), gone, Some(("delete", "removed"))),
        (Remove, None, gone, Some(("delete", "removed"))),
    ];
    for (power, word, guests, expected) in table {
        let cluster = cluster_with_vm(power, word.clone());
        let got = decided(&cluster, &observed(guests), NOW);
        let expected = expected.map(|(action, reason)| (action.to_owned(), reason));
        assert_eq!(got, expected, "{power:?} with {word:?} and {guests:?}");
    }
}

#[test]
fn a_restart_of_what_does_not_run_is_done_with_its_start() {
    let cluster = cluster_with_vm(Power::Restart, Some(pending(fact(Phase::Running))));
    let plan = decide(&cluster, &observed(&[]), VM, NOW);
    let Action::Record(records) = &plan.steps[0].action else { panic!("{plan:?}") };
    let taken = records.writes.iter().find_map(|write| match &write.value {
        Some(Record::VmFact(fact)) => Some(fact.clone()),
        _ => None,
    });
    let cluster = cluster_with_vm(Power::Restart, taken);
    assert_eq!(decided(&cluster, &observed(&[(VM, Some(2))]), NOW).unwrap(), ("running".into(), "started"));
}

#[test]
fn a_vm_whose_former_node_has_not_said_that_it_is_down_is_left_alone() {
    let elsewhere = |phase| VmFact { node: "hv2".parse().unwrap(), ..fact(phase) };
    for phase in [Phase::Starting, Phase::Running] {
        let cluster = cluster_with_vm(Power::Start, Some(elsewhere(phase)));
        assert_eq!(decided(&cluster, &observed(&[]), NOW), None, "{phase:?}");
    }
    let cluster = cluster_with_vm(Power::Start, Some(elsewhere(Phase::Stopped)));
    let plan = decide(&cluster, &observed(&[]), VM, NOW);
    let Action::Record(records) = &plan.steps[0].action else { panic!("{plan:?}") };
    let taken = records.writes.iter().find_map(|write| match &write.value {
        Some(Record::VmFact(fact)) => Some((fact.node.clone(), fact.incarnation)),
        _ => None,
    });
    assert_eq!(taken, Some((crate::testing::hv1(), 2)), "the count of incarnations goes on");
}

#[test]
fn nothing_is_concluded_from_a_hypervisor_that_does_not_answer() {
    for power in [Power::Start, Power::Stop, Power::Remove, Power::Restart, Power::Shutdown] {
        let cluster = cluster_with_vm(power, Some(pending(fact(Phase::Running))));
        let silent = Observed { guests: Guests::Unknown { why: "hung".into() }, ..observed(&[]) };
        assert_eq!(decided(&cluster, &silent, NOW), None);
    }
}

#[test]
fn the_vm_of_another_node_is_left_alone() {
    let cluster = cluster_with_vm(Power::Start, None);
    let elsewhere = Observed { name: "hv2".parse().unwrap(), ..observed(&[(VM, Some(1))]) };
    assert_eq!(decided(&cluster, &elsewhere, NOW), None);
}

#[test]
fn the_power_button_is_pressed_again_and_an_overdue_guest_is_ended() {
    let cluster = cluster_with_vm(Power::Shutdown, Some(stopping(pending(fact(Phase::Running)), NOW.boot)));
    let mut seen = observed(&[(VM, Some(1))]);
    seen.presses.insert((VM, 1), NOW.boot);
    let later = |seconds| Now { boot: NOW.boot + Span::seconds(seconds), ..NOW };
    let plan = decide(&cluster, &seen, VM, later(1));
    assert_eq!((plan.steps.len(), plan.look_again), (0, Some(NOW.boot + SHUTDOWN_PRESS_INTERVAL)));
    assert_eq!(decided(&cluster, &seen, later(5)).unwrap().1, "shutdown-pressed");
    assert_eq!(decided(&cluster, &seen, later(180)).unwrap(), ("stop-guest".into(), "shutdown-overdue"));
}

fn failing(why: &str) -> Observed {
    let mut seen = observed(&[]);
    let failure = StepFailure {
        step: "start-guest",
        incarnation: 1,
        why: why.into(),
        at: NOW.boot,
        in_a_row: 1,
        overtaken: false,
        silent: false,
    };
    seen.failures.insert(Resource::Vm(VM), failure);
    seen
}

#[test]
fn a_failed_start_is_told_and_tried_again_after_a_growing_wait() {
    let cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Starting)));
    let plan = decide(&cluster, &failing("no such disk"), VM, NOW);
    let Action::Record(records) = &plan.steps[0].action else { panic!("{plan:?}") };
    let Some(Record::VmFact(word)) = &records.writes[0].value else { panic!("{plan:?}") };
    let failure = word.failure.clone().unwrap();
    assert_eq!((failure.reason.as_str(), failure.attempts), ("no such disk", 1));
    assert_eq!(failure.retry_at, NOW.boot + START_BACKOFF_FIRST);
    let waiting = cluster_with_vm(Power::Start, Some(word.clone()));
    let plan = decide(&waiting, &failing("no such disk"), VM, NOW);
    assert_eq!((plan.steps.len(), plan.look_again), (0, Some(failure.retry_at)));
    let due = Now { boot: failure.retry_at, ..NOW };
    assert_eq!(decided(&waiting, &failing("x"), due).unwrap(), ("starting".into(), "failure-over"));
    let reboot = VmFact { boot: crate::node::BootId(uuid::Uuid::nil()), ..word.clone() };
    let rebooted = cluster_with_vm(Power::Start, Some(reboot));
    assert_eq!(decided(&rebooted, &observed(&[]), NOW).unwrap().1, "failure-over");
    let waits: Vec<u64> = (0..8).map(|n| doubled(START_BACKOFF_FIRST, n, START_BACKOFF_MAX).0).collect();
    assert_eq!(waits, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
}

#[test]
fn the_failure_of_another_incarnation_does_not_count() {
    let mut word = fact(Phase::Starting);
    word.incarnation = 2;
    let cluster = cluster_with_vm(Power::Start, Some(word));
    let seen = Observed { taken: [(VM, 2)].into(), ..failing("x") };
    assert_eq!(decided(&cluster, &seen, NOW).unwrap().0, "start-guest");
}

#[test]
fn the_first_crash_is_mended_at_once_and_the_next_ones_wait() {
    let crashed = |in_a_row| {
        let crashes = Crashes { in_a_row, running_since: NOW.boot };
        cluster_with_vm(Power::Start, Some(VmFact { crashes, ..fact(Phase::Starting) }))
    };
    assert_eq!(decided(&crashed(1), &took_one(), NOW).unwrap().0, "start-guest");
    let plan = decide(&crashed(2), &took_one(), VM, NOW);
    assert_eq!((plan.steps.len(), plan.look_again), (0, Some(NOW.boot + CRASH_BACKOFF_FIRST)));
    let later = Now { boot: NOW.boot + CRASH_BACKOFF_FIRST, ..NOW };
    assert_eq!(decided(&crashed(2), &took_one(), later).unwrap().0, "start-guest");
}

#[test]
fn after_a_reboot_of_the_node_what_should_run_is_started_without_a_wait() {
    let crashes = Crashes { in_a_row: 9, running_since: BootTime(u64::MAX) };
    let before = VmFact { boot: crate::node::BootId(uuid::Uuid::nil()), crashes, ..fact(Phase::Running) };
    let cluster = cluster_with_vm(Power::Start, Some(before));
    assert_eq!(decided(&cluster, &observed(&[]), NOW).unwrap(), ("starting".into(), "node-rebooted"));
}

#[test]
fn what_the_clock_of_an_earlier_boot_showed_is_not_waited_for() {
    // An uncertain start is replaced in the new boot, and the wait after crashes is not carried over into it.
    let crashes = Crashes { in_a_row: 3, running_since: NOW.boot + Span::seconds(1_000_000) };
    let before = VmFact { boot: crate::node::BootId(uuid::Uuid::nil()), crashes, ..fact(Phase::Starting) };
    let mut cluster = cluster_with_vm(Power::Start, Some(before));
    let mut seen = observed(&[]);
    let plan = decide(&cluster, &seen, VM, NOW);
    assert_eq!(plan.steps[0].reason.name(), "start-uncertain");
    perform(&plan.steps[0].action, &mut cluster, &mut seen, NOW);
    assert_eq!(decided(&cluster, &seen, NOW).unwrap(), ("start-guest".into(), "takes"));
}

#[test]
fn autostart_is_used_up_when_the_node_comes_up_anew() {
    let with_autostart = |boot| {
        let mut cluster = cluster_with_vm(Power::Stop, Some(VmFact { boot, ..fact(Phase::Stopped) }));
        let mut entry = (*cluster.vms[&VM]).clone();
        entry.vm.value.meta.node_autostart = true;
        cluster.vms.insert(VM, entry.into());
        cluster
    };
    let anew = with_autostart(crate::node::BootId(uuid::Uuid::nil()));
    assert_eq!(decided(&anew, &observed(&[]), NOW).unwrap(), ("wish start".into(), "autostarts"));
    assert_eq!(decided(&with_autostart(BOOT), &observed(&[]), NOW), None);
}

#[test]
fn acts_on_a_guest_rest_on_wish_word_and_lease() {
    let cluster = cluster_with_vm(Power::Stop, Some(pending(fact(Phase::Running))));
    let seen = Observed { lease_until: Some(BootTime(7)), ..observed(&[(VM, Some(1))]) };
    let step = decide(&cluster, &seen, VM, NOW).steps.remove(0);
    assert_eq!(step.not_after, Some(BootTime(7)));
    let guarded: BTreeMap<RecordId, Expect> = step.guards.into_iter().map(|g| (g.record, g.expect)).collect();
    let one = Expect::Version(Version(1));
    assert_eq!(guarded, BTreeMap::from([(RecordId::Vm(VM), one), (RecordId::VmFact(VM), one)]));
}

fn any_power() -> impl Strategy<Value = Power> {
    use Power::{Disable, DisableNow, Remove, Restart, Shutdown, Start, Stop};
    prop::sample::select(vec![Start, Shutdown, Stop, Restart, Disable, DisableNow, Remove])
}

fn any_fact() -> impl Strategy<Value = Option<VmFact>> {
    let phase = prop::sample::select(vec![Phase::Stopped, Phase::Starting, Phase::Running]);
    let word = (phase, 0u64..4, 0u64..2, any::<bool>(), any::<bool>(), 0u32..4, any::<bool>());
    prop::option::of(word.prop_map(|(phase, incarnation, wish_done, stop, fail, in_a_row, reboot)| {
        // The clock of the boot before was far ahead of this one's.
        let then = if reboot { NOW.boot + Span::seconds(1_000_000) } else { NOW.boot };
        VmFact {
            boot: if reboot { crate::node::BootId(uuid::Uuid::nil()) } else { BOOT },
            phase,
            incarnation,
            wish_done,
            stopping: stop.then_some(Stopping { serial: 1, incarnation, since: then }),
            failure: fail.then(|| Failure { reason: "x".into(), attempts: 1, retry_at: then + Span(1) }),
            crashes: Crashes { in_a_row, running_since: then },
            ..fact(phase)
        }
    }))
}

proptest! {
    /// From any record and any guest, performing what is decided, and waiting when told to, comes to rest within
    /// twenty passes, with the guest as wished.
    #[test]
    fn any_beginning_comes_to_rest_as_wished(
        power in any_power(),
        word in any_fact(),
        guest in prop::option::of(0u64..5),
    ) {
        let mut cluster = cluster_with_vm(power, word);
        let mut seen = observed(&guest.map(|mark| (VM, Some(mark))).into_iter().collect::<Vec<_>>());
        let mut now = NOW;
        for _ in 0..20 {
            let plan = decide(&cluster, &seen, VM, now);
            prop_assert_eq!(&plan, &decide(&cluster, &seen, VM, now), "equal arguments give an equal plan");
            match (plan.steps.into_iter().next(), plan.look_again) {
                (Some(step), _) => perform(&step.action, &mut cluster, &mut seen, now),
                (None, Some(moment)) => {
                    prop_assert!(moment - now.boot <= START_BACKOFF_MAX, "it waits for {moment:?} at {now:?}");
                    now.boot = moment;
                }
                (None, None) => break,
            }
        }
        let rest = decide(&cluster, &seen, VM, now);
        prop_assert_eq!(&rest, &Plan::default(), "it is at rest");
        let runs = seen.guest(VM).is_some();
        let wish = cluster.vms.get(&VM).map(|entry| entry.vm.value.wish.power);
        prop_assert_eq!(runs, matches!(wish, Some(Power::Start | Power::Restart)));
        prop_assert_eq!(wish.is_none(), power == Power::Remove);
    }
}

/// A world of one guest that obeys at once.
fn perform(action: &Action, cluster: &mut Cluster, seen: &mut Observed, now: Now) {
    let Guests::Seen(guests) = &mut seen.guests else { unreachable!("the hypervisor answers") };
    match action {
        Action::StartGuest { incarnation, .. } => {
            seen.taken.remove(&VM);
            let new = observed(&[(VM, Some(*incarnation))]);
            guests.insert(VM, new.guest(VM).expect("it was just made").clone());
        }
        Action::StopGuest { .. } => drop(guests.remove(&VM)),
        Action::PressPower { incarnation, .. } => {
            seen.presses.insert((VM, *incarnation), now.boot);
            guests.remove(&VM);
        }
        Action::Record(records) => {
            for write in &records.writes {
                let mut entry =
                    cluster.vms.get(&VM).map(|entry| (**entry).clone()).expect("it was decided on");
                match &write.value {
                    Some(Record::VmFact(fact)) => {
                        if fact.phase == Phase::Starting {
                            seen.taken.insert(VM, fact.incarnation);
                        }
                        entry.fact = Some(at(fact.clone()));
                    }
                    Some(Record::Vm(vm)) => entry.vm = at(vm.clone()),
                    _ => {
                        cluster.vms.remove(&VM);
                        return;
                    }
                }
                cluster.vms.insert(VM, entry.into());
            }
        }
        other => unreachable!("not decided about a VM: {other:?}"),
    }
}

#[test]
fn a_vm_defined_anew_with_the_uuid_of_a_removed_one_never_takes_its_incarnations_again() {
    let removed = cluster_with_vm(Power::Remove, Some(fact(Phase::Stopped)));
    let plan = decide(&removed, &observed(&[]), VM, NOW);
    let Action::Record(records) = &plan.steps[0].action else { panic!("{plan:?}") };
    let spent = records.writes.iter().find_map(|write| match &write.value {
        Some(Record::Incarnations(spent)) => Some(*spent),
        _ => None,
    });
    let mut anew = cluster_with_vm(Power::Start, None);
    anew.incarnations = Some(at(spent.expect("the removed VM had an incarnation")));
    // A start of the removed VM that was still on its way has come through: it is not taken for the new one's.
    let late = decided(&anew, &observed(&[(VM, Some(1))]), NOW);
    assert_eq!(late.unwrap(), ("stop-guest".into(), "stale-guest"));
    let plan = decide(&anew, &observed(&[]), VM, NOW);
    let Action::Record(records) = &plan.steps[0].action else { panic!("{plan:?}") };
    let Some(Record::VmFact(word)) = &records.writes[0].value else { panic!("{plan:?}") };
    assert!(word.incarnation > 1, "{word:?}");
}

#[test]
fn the_end_of_a_vm_whose_incarnations_are_spent_already_writes_no_more_of_them() {
    let spends = |floor: Option<u64>, incarnation: u64| {
        let word = VmFact { incarnation, ..fact(Phase::Stopped) };
        let mut cluster = cluster_with_vm(Power::Remove, Some(word));
        cluster.incarnations = floor.map(|floor| at(crate::record::Incarnations { floor }));
        let plan = decide(&cluster, &observed(&[]), VM, NOW);
        let Action::Record(records) = &plan.steps[0].action else { panic!("{plan:?}") };
        records.writes.iter().find_map(|write| match &write.value {
            Some(Record::Incarnations(spent)) => Some(spent.floor),
            _ => None,
        })
    };
    assert_eq!(spends(None, 0), None, "it never had one");
    assert_eq!(spends(None, 3), Some(4));
    assert_eq!(spends(Some(4), 3), None);
    assert_eq!(spends(Some(4), 4), Some(5));
}
