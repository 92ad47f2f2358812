//! The laws that every hypervisor keeps.

use std::time::{Duration, Instant};

use host::hypervisor::{Activity, Error, Guest as Seen, Hypervisor, Secret, Witness};
use uuid::Uuid;

use crate::guest::{DB, Guest, MAC, WEB, disk_xml, interface_xml, spare};
use crate::world::{Bell, World, wait};

fn seen(guest: &Guest, incarnation: Option<u64>, activity: Activity) -> Seen {
    Seen { vm: guest.vm, name: guest.name.into(), activity, incarnation, process: Witness::There }
}

fn running(guest: &Guest, incarnation: u64) -> Seen {
    seen(guest, Some(incarnation), Activity::Running)
}

/// The words of a refusal.
fn refusal(outcome: Result<(), Error>) -> String {
    match outcome {
        Err(Error::Refused { why, .. }) => why,
        other => panic!("it was not refused: {other:?}"),
    }
}

/// Waits until exactly these guests are seen.
fn wait_for_guests(world: &dyn World, hypervisor: &dyn Hypervisor, guests: &[Seen]) {
    wait(world, &format!("{guests:?} are seen"), || hypervisor.guests().is_ok_and(|seen| seen == guests));
}

pub(crate) fn a_start_makes_exactly_one_guest_with_its_incarnation(world: &dyn World) {
    let hypervisor = world.open();
    assert_eq!(hypervisor.guests(), Ok(vec![]));
    hypervisor.start(&DB.start(3)).unwrap();
    hypervisor.start(&WEB.start(7)).unwrap();
    let both = vec![running(&DB, 3), running(&WEB, 7)];
    assert_eq!(hypervisor.guests(), Ok(both.clone()));
    hypervisor.start(&WEB.start(7)).expect("a start that took place is done");
    assert_eq!(hypervisor.guests(), Ok(both.clone()));
    assert_eq!(world.open().guests(), Ok(both), "another daemon sees the same");
}

pub(crate) fn a_second_start_is_refused_and_says_why(world: &dyn World) {
    let hypervisor = world.open();
    hypervisor.start(&WEB.start(1)).unwrap();
    assert_eq!(refusal(hypervisor.start(&WEB.start(2))), "it runs already, as incarnation 1");
    let namesake = Guest { name: WEB.name, ..DB };
    let why = refusal(hypervisor.start(&namesake.start(1)));
    assert!(why.contains(WEB.name) && why.contains("already"), "{why}");
    let mut other = WEB.start(2);
    other.vm = DB.vm;
    assert_eq!(refusal(hypervisor.start(&other)), format!("the document is of {}", WEB.vm));
    let mut unmarked = DB.start(1);
    unmarked.incarnation = 2;
    assert_eq!(refusal(hypervisor.start(&unmarked)), "the document does not carry its incarnation");
    assert_eq!(hypervisor.guests(), Ok(vec![running(&WEB, 1)]));
}

pub(crate) fn a_guest_that_pvc_did_not_start_is_seen_and_left_alone(world: &dyn World) {
    let hypervisor = world.open();
    world.start_by_hand(&WEB);
    let foreign = Ok(vec![seen(&WEB, None, Activity::Running)]);
    assert_eq!(hypervisor.guests(), foreign);
    assert_eq!(refusal(hypervisor.start(&WEB.start(1))), "it runs already, and was not started by PVC");
    hypervisor.stop(WEB.vm, 1).unwrap();
    hypervisor.press_power(WEB.vm, 1).unwrap();
    assert_eq!(hypervisor.guests(), foreign);
}

pub(crate) fn a_stop_ends_its_own_incarnation_only_and_is_done_when_there_is_none(world: &dyn World) {
    let hypervisor = world.open();
    hypervisor.stop(WEB.vm, 1).unwrap();
    hypervisor.start(&WEB.start(2)).unwrap();
    hypervisor.stop(WEB.vm, 1).unwrap();
    assert_eq!(hypervisor.guests(), Ok(vec![running(&WEB, 2)]));
    hypervisor.stop(WEB.vm, 2).unwrap();
    assert_eq!(hypervisor.guests(), Ok(vec![]));
    hypervisor.stop(WEB.vm, 2).unwrap();
    hypervisor.start(&WEB.start(3)).expect("nothing is left of the guest before");
    assert_eq!(hypervisor.guests(), Ok(vec![running(&WEB, 3)]));
}

pub(crate) fn a_power_button_ends_a_guest_that_obeys(world: &dyn World) {
    let hypervisor = world.open();
    hypervisor.press_power(WEB.vm, 1).unwrap();
    hypervisor.start(&WEB.start(1)).unwrap();
    // A guest that still boots does not notice, as a real one does not: so it is pressed again.
    wait(world, "the guest obeys", || {
        hypervisor.press_power(WEB.vm, 1).unwrap();
        hypervisor.guests().unwrap().is_empty()
    });
}

pub(crate) fn what_happens_past_pvc_is_told_and_seen(world: &dyn World) {
    let hypervisor = world.open();
    hypervisor.start(&WEB.start(1)).unwrap();
    hypervisor.start(&DB.start(1)).unwrap();
    let bell = Bell::of(&*hypervisor);
    bell.rings_when("a pause", || world.set_activity(WEB.vm, Activity::Paused));
    let paused = seen(&WEB, Some(1), Activity::Paused);
    wait_for_guests(world, &*hypervisor, &[running(&DB, 1), paused]);
    bell.rings_when("going on", || world.set_activity(WEB.vm, Activity::Running));
    wait_for_guests(world, &*hypervisor, &[running(&DB, 1), running(&WEB, 1)]);
    bell.rings_when("a crash", || world.crash(&WEB));
    wait_for_guests(world, &*hypervisor, &[running(&DB, 1)]);
    bell.rings_when("a stop by hand", || world.stop_by_hand(DB.vm));
    wait_for_guests(world, &*hypervisor, &[]);
    bell.rings_when("a start by hand", || world.start_by_hand(&WEB));
    wait_for_guests(world, &*hypervisor, &[seen(&WEB, None, Activity::Running)]);
    world.stop_by_hand(WEB.vm);
    wait_for_guests(world, &*hypervisor, &[]);
    bell.rings_when("a start", || hypervisor.start(&WEB.start(2)).unwrap());
    assert_eq!(hypervisor.guests(), Ok(vec![running(&WEB, 2)]));
    bell.rings_when("a stop", || hypervisor.stop(WEB.vm, 2).unwrap());
}

/// Named counters.
type Counters = std::collections::BTreeMap<String, u64>;

/// The target devices of a guest's disks and the MAC addresses of its interfaces.
fn devices(hypervisor: &dyn Hypervisor) -> (Vec<String>, Vec<String>) {
    let all = hypervisor.statistics().unwrap();
    let of_guest = all.into_iter().find(|(vm, _)| *vm == WEB.vm).map(|(_, told)| told).unwrap_or_default();
    (of_guest.disks.into_keys().collect(), of_guest.interfaces.into_keys().collect())
}

pub(crate) fn a_device_is_attached_once_and_detached_once(world: &dyn World) {
    let hypervisor = world.open();
    assert_eq!(refusal(hypervisor.attach(WEB.vm, &disk_xml())), "it does not run");
    assert_eq!(refusal(hypervisor.detach(WEB.vm, &disk_xml())), "it does not run");
    hypervisor.start(&WEB.start(1)).unwrap();
    assert!(refusal(hypervisor.attach(WEB.vm, "<sound/>")).contains("sound"));
    assert_eq!(hypervisor.guests(), Ok(vec![running(&WEB, 1)]));
    wait(world, "what it began with is told", || devices(&*hypervisor) == (vec!["vda".into()], vec![]));
    for _ in 0..2 {
        hypervisor.attach(WEB.vm, &disk_xml()).unwrap();
        hypervisor.attach(WEB.vm, &interface_xml()).unwrap();
    }
    let expected = (vec!["sdb".to_owned(), "vda".to_owned()], vec![MAC.to_owned()]);
    wait(world, "the devices are there", || devices(&*hypervisor) == expected);
    hypervisor.detach(WEB.vm, &disk_xml()).unwrap();
    wait(world, "the disk is gone", || devices(&*hypervisor).0 == ["vda"]);
    hypervisor.detach(WEB.vm, &disk_xml()).unwrap();
    hypervisor.attach(WEB.vm, &disk_xml()).expect("what was detached can be attached again");
}

pub(crate) fn a_disk_grows_under_its_guest_and_never_shrinks(world: &dyn World) {
    const MIB: u64 = 1 << 20;
    let (hypervisor, source) = (world.open(), spare());
    hypervisor.resize_disk(WEB.vm, &source, 4 * MIB).expect("a guest that does not run sees no size");
    hypervisor.start(&WEB.start(1)).unwrap();
    hypervisor.resize_disk(WEB.vm, &source, 4 * MIB).expect("a guest without the disk sees no size of it");
    hypervisor.attach(WEB.vm, &disk_xml()).unwrap();
    for _ in 0..2 {
        hypervisor.resize_disk(WEB.vm, &source, 4 * MIB).unwrap();
        assert_eq!(world.disk_size_bytes(&WEB, "sdb"), 4 * MIB);
    }
    assert!(refusal(hypervisor.resize_disk(WEB.vm, &source, MIB)).contains("more"));
    assert_eq!(world.disk_size_bytes(&WEB, "sdb"), 4 * MIB);
}

pub(crate) fn a_secret_is_kept_and_what_became_of_it_is_mended(world: &dyn World) {
    let hypervisor = world.open();
    let secret =
        |value: &[u8]| Secret { id: Uuid::from_u128(77), purpose: "pvc & Ceph".into(), value: value.into() };
    for _ in 0..2 {
        hypervisor.ensure_secret(&secret(b"first")).unwrap();
        assert_eq!(world.secret(Uuid::from_u128(77)).as_deref(), Some(&b"first"[..]));
    }
    hypervisor.ensure_secret(&secret(b"second")).unwrap();
    assert_eq!(world.secret(Uuid::from_u128(77)).as_deref(), Some(&b"second"[..]));
    world.forget_secret(Uuid::from_u128(77));
    assert_eq!(world.secret(Uuid::from_u128(77)), None);
    hypervisor.ensure_secret(&secret(b"second")).unwrap();
    assert_eq!(world.secret(Uuid::from_u128(77)).as_deref(), Some(&b"second"[..]));
    let told = format!("{:?}", secret(b"hidden"));
    assert!(!told.contains("hidden") && !told.contains("104"), "{told}");
}

pub(crate) fn counters_are_told_of_every_guest(world: &dyn World) {
    let hypervisor = world.open();
    assert_eq!(hypervisor.statistics(), Ok(vec![]));
    hypervisor.start(&WEB.start(1)).unwrap();
    world.start_by_hand(&DB);
    let has = |counters: &Counters, names: &[&str]| names.iter().all(|name| counters.contains_key(*name));
    wait(world, "all counters of both guests", || {
        let all = hypervisor.statistics().unwrap();
        let whole = all.iter().filter(|(vm, told)| {
            let disk = told.disks.get("vda");
            let disk = disk.is_some_and(|disk| has(disk, &["rd_req", "rd_bytes", "wr_req", "wr_bytes"]));
            has(&told.memory, &["actual", "rss"]) && has(&told.cpu, &["cpu_time"]) && (disk || *vm == DB.vm)
        });
        whole.count() == 2
    });
}

pub(crate) fn a_hypervisor_that_hangs_costs_no_more_than_the_deadline(world: &dyn World) {
    let patient = world.open();
    let (hasty, deadline) = world.open_hasty();
    patient.start(&WEB.start(1)).unwrap();
    wait_for_guests(world, &*hasty, &[running(&WEB, 1)]);
    world.hang();
    let began = Instant::now();
    let silent =
        |outcome: Result<(), Error>| assert!(matches!(outcome, Err(Error::Silent { .. })), "{outcome:?}");
    silent(hasty.guests().map(drop));
    silent(hasty.start(&DB.start(1)));
    silent(hasty.statistics().map(drop));
    silent(hasty.stop(WEB.vm, 1));
    // Four calls, which would wait for ever; the rest is for a machine that does other things too.
    assert!(began.elapsed() < deadline * 4 + Duration::from_secs(30), "{:?}", began.elapsed());
    world.heal();
    wait(world, "it answers again", || hasty.guests().is_ok());
    // What was asked while it hung was done late, or not at all; asking again settles it.
    wait(world, "a guest can be started", || hasty.start(&DB.start(1)).is_ok());
    wait(world, "a guest can be ended", || hasty.stop(WEB.vm, 1).is_ok());
    wait_for_guests(world, &*hasty, &[running(&DB, 1)]);
    assert_eq!(patient.guests(), Ok(vec![running(&DB, 1)]), "who was not hasty has noticed nothing");
}

pub(crate) fn guests_outlive_the_hypervisor_and_are_seen_and_told_of_again(world: &dyn World) {
    let hypervisor = world.open();
    hypervisor.start(&WEB.start(4)).unwrap();
    let bell = Bell::of(&*hypervisor);
    bell.rings_when("its end", || world.cut());
    wait(world, "it is known to be gone", || matches!(hypervisor.guests(), Err(Error::Unreachable { .. })));
    assert!(matches!(hypervisor.stop(WEB.vm, 4), Err(Error::Unreachable { .. })));
    bell.rings_when("its return", || world.heal());
    wait_for_guests(world, &*hypervisor, &[running(&WEB, 4)]);
    bell.rings_when("a stop by hand", || world.stop_by_hand(WEB.vm));
    wait_for_guests(world, &*hypervisor, &[]);
    hypervisor.start(&WEB.start(5)).unwrap();
    assert_eq!(hypervisor.guests(), Ok(vec![running(&WEB, 5)]));
}

pub(crate) fn a_guest_that_ended_while_the_hypervisor_was_away_is_not_taken_for_the_next(world: &dyn World) {
    let hypervisor = world.open();
    hypervisor.start(&WEB.start(1)).unwrap();
    assert_eq!(hypervisor.guests(), Ok(vec![running(&WEB, 1)]));
    world.cut();
    world.crash(&WEB);
    world.heal();
    wait_for_guests(world, &*hypervisor, &[]);
    hypervisor.start(&WEB.start(2)).unwrap();
    assert_eq!(hypervisor.guests(), Ok(vec![running(&WEB, 2)]));
}

pub(crate) fn a_guest_whose_process_died_unnoticed_is_told_apart_and_can_be_ended(world: &dyn World) {
    let hypervisor = world.open();
    let web = || hypervisor.guests().unwrap().into_iter().find(|guest| guest.vm == WEB.vm);
    hypervisor.start(&WEB.start(1)).unwrap();
    assert_eq!(web(), Some(running(&WEB, 1)));
    world.crash_unseen(&WEB);
    let gone = Seen { process: Witness::Gone, ..running(&WEB, 1) };
    // The last of a process may take a moment, and proves nothing meanwhile.
    wait(world, "its process is gone", || web().as_ref() == Some(&gone));
    for _ in 0..50 {
        assert_eq!(web().as_ref(), Some(&gone));
        world.pass_time();
    }
    assert!(refusal(hypervisor.start(&WEB.start(2))).contains("as incarnation 1"), "it is in the way");
    hypervisor.stop(WEB.vm, 1).unwrap();
    assert_eq!(web(), None);
    hypervisor.start(&WEB.start(2)).unwrap();
    assert_eq!(web(), Some(running(&WEB, 2)));
}

pub(crate) fn a_hypervisor_that_comes_later_is_found(world: &dyn World) {
    world.cut();
    let hypervisor = world.open();
    let bell = Bell::of(&*hypervisor);
    assert!(matches!(hypervisor.guests(), Err(Error::Unreachable { .. })));
    bell.rings_when("it is there", || world.heal());
    wait(world, "it answers", || hypervisor.guests().is_ok());
    hypervisor.start(&WEB.start(1)).unwrap();
    assert_eq!(hypervisor.guests(), Ok(vec![running(&WEB, 1)]));
}
