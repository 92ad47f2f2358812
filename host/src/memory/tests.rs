//! Tests of the machine in memory: its faults, its ledger, and that it outlives the daemon.

use std::sync::atomic::{AtomicU32, Ordering};

use logic::time::Now;

use super::*;
use crate::clock::ManualClock;
use crate::hypervisor::{Error, Hypervisor, Start};

const VM: VmId = VmId(uuid::uuid!("bdd640fb-0667-4ad1-9c80-317fa3b1799d"));

#[derive(Debug, Default)]
struct Count(AtomicU32);

impl Waker for Count {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn machine() -> (Arc<ManualClock>, Arc<Machine>) {
    let clock = Arc::new(ManualClock::new(Now { boot: BootTime(1000), ..Now::default() }));
    (clock.clone(), Machine::new(clock))
}

fn start(incarnation: u64) -> Start {
    let xml = format!(
        "<domain type='qemu'><name>web1</name><uuid>{VM}</uuid><memory>65536</memory><vcpu>1</vcpu>\
         <metadata><pvc:vm xmlns:pvc='{}' incarnation='{incarnation}'/></metadata>\
         <devices><disk><target dev='vda'/></disk></devices></domain>",
        logic::vm::domain::METADATA_URI
    );
    Start { vm: VM, xml, incarnation }
}

fn happenings(machine: &Machine) -> Vec<(Option<u64>, u64, Happening)> {
    machine.ledger().iter().map(|entry| (entry.incarnation, entry.at.0, entry.happening)).collect()
}

#[test]
fn a_guest_outlives_the_daemon_that_started_it() {
    let (_, machine) = machine();
    let daemon = machine.open();
    daemon.start(&start(1)).unwrap();
    drop(daemon);
    let guests = machine.open().guests().unwrap();
    assert_eq!(guests.len(), 1);
    assert_eq!(guests[0].incarnation, Some(1));
}

#[test]
fn a_guest_obeys_its_power_button_after_its_delay_and_at_that_time() {
    let (clock, machine) = machine();
    let daemon = machine.open();
    daemon.start(&start(1)).unwrap();
    daemon.press_power(VM, 1).unwrap();
    daemon.press_power(VM, 1).unwrap();
    assert_eq!(machine.next_change(), Some(BootTime(3000)));
    clock.advance(Span(1999));
    assert_eq!(daemon.guests().unwrap().len(), 1);
    clock.advance(Span(500));
    assert_eq!(daemon.guests().unwrap(), []);
    let ended = Happening::Ended(End::PoweredOff);
    assert_eq!(happenings(&machine), [(Some(1), 1000, Happening::Began), (Some(1), 3000, ended)]);
}

#[test]
fn a_guest_may_ignore_its_power_button() {
    let (clock, machine) = machine();
    let daemon = machine.open();
    machine.set_power_button(VM, PowerButton::Ignored);
    daemon.start(&start(1)).unwrap();
    daemon.press_power(VM, 1).unwrap();
    clock.advance(Span::seconds(3600));
    assert_eq!(daemon.guests().unwrap().len(), 1);
}

#[test]
fn starts_are_refused_as_often_as_ordered() {
    let (_, machine) = machine();
    let daemon = machine.open();
    machine.refuse_starts(2, "no such disk");
    for _ in 0..2 {
        let refused = Error::Refused { call: "start", vm: VM, why: "no such disk".into() };
        assert_eq!(daemon.start(&start(1)), Err(refused));
    }
    assert_eq!(machine.ledger(), []);
    daemon.start(&start(1)).unwrap();
}

#[test]
fn a_hanging_hypervisor_answers_nothing_and_performs_late_what_was_asked() {
    for (late, expected) in [(Late::Performed, 1), (Late::Lost, 0)] {
        let (_, machine) = machine();
        let daemon = machine.open();
        machine.hang(late);
        assert!(matches!(daemon.guests(), Err(Error::Silent { .. })));
        assert!(matches!(daemon.start(&start(1)), Err(Error::Silent { .. })));
        assert_eq!(machine.guests(), []);
        machine.heal();
        assert_eq!(daemon.guests().unwrap().len(), expected);
    }
}

#[test]
fn a_call_whose_answer_is_lost_has_taken_effect() {
    let (_, machine) = machine();
    let daemon = machine.open();
    machine.lose_answers(1);
    assert!(matches!(daemon.start(&start(1)), Err(Error::Silent { .. })));
    assert_eq!(daemon.guests().unwrap().len(), 1);
    daemon.start(&start(1)).unwrap();
    assert_eq!(machine.ledger().len(), 1);
}

#[test]
fn a_guest_that_crashed_unseen_is_told_of_until_it_is_ended_or_the_hypervisor_begins_anew() {
    let (_, machine) = machine();
    let daemon = machine.open();
    let told = || daemon.guests().unwrap().iter().map(|guest| guest.process).collect::<Vec<_>>();
    let ends: [fn(&Machine); 2] = [|machine| machine.cut("connection refused"), |_| ()];
    for (incarnation, end) in (1..).zip(ends) {
        daemon.start(&start(incarnation)).unwrap();
        machine.crash_unseen(VM);
        assert_eq!((machine.guests(), told()), (vec![], vec![Witness::Gone]));
        let last = machine.ledger().last().unwrap().happening;
        assert_eq!(last, Happening::Ended(End::Crashed));
        let count = machine.ledger().len();
        machine.hang(Late::Lost);
        machine.heal();
        assert_eq!(told(), [Witness::Gone], "a hypervisor that hung does not look");
        end(&machine);
        machine.heal();
        daemon.stop(VM, incarnation).unwrap();
        assert_eq!((told(), machine.ledger().len()), (vec![], count));
    }
}

#[test]
fn an_unreachable_hypervisor_leaves_its_guests_running() {
    let (_, machine) = machine();
    let daemon = machine.open();
    daemon.start(&start(1)).unwrap();
    machine.cut("connection refused");
    assert!(matches!(daemon.stop(VM, 1), Err(Error::Unreachable { .. })));
    assert_eq!(machine.guests().len(), 1);
    machine.heal();
    daemon.stop(VM, 1).unwrap();
    assert_eq!(machine.guests(), []);
}

#[test]
fn watchers_are_woken_by_changes_alone_and_only_while_their_connection_lives() {
    let (clock, machine) = machine();
    let daemon = machine.open();
    let count = Arc::new(Count::default());
    daemon.watch(count.clone());
    let woken = || count.0.swap(0, Ordering::SeqCst);
    daemon.start(&start(1)).unwrap();
    assert_eq!(woken(), 1);
    daemon.start(&start(1)).unwrap();
    daemon.guests().unwrap();
    assert_eq!(woken(), 0);
    daemon.press_power(VM, 1).unwrap();
    clock.advance(Span::seconds(2));
    machine.settle();
    assert_eq!(woken(), 1);
    machine.lose_wakes(1);
    daemon.start(&start(2)).unwrap();
    assert_eq!(woken(), 0);
    machine.crash(VM);
    assert_eq!(woken(), 1);
    drop(daemon);
    machine.start_by_hand(VM, "web1");
    assert_eq!(woken(), 0);
}

#[test]
fn a_power_cut_ends_every_guest_and_begins_a_new_boot() {
    use crate::machine::Machine as _;
    let (_, machine) = machine();
    let daemon = machine.open();
    daemon.start(&start(1)).unwrap();
    let boot = machine.node().boot;
    machine.cut_power();
    assert_eq!(daemon.guests().unwrap(), []);
    assert_ne!(machine.node().boot, boot);
    assert_eq!(happenings(&machine)[1].2, Happening::Ended(End::PowerCut));
}
