//! Every disturbance at every moment of a move, in memory: the guest ends up on one machine, by looking at both sides
//! and doing what the port's table says.

use std::net::IpAddr;
use std::sync::Arc;

use host::clock::ManualClock;
use host::hypervisor::Hypervisor;
use host::memory::migration::{ClusterNetwork, Fault, Migrations};
use host::memory::{Connection, Entry, Happening, Late, Machine};
use host::migration::{Convergence, Departure, Method, Migration, Sighting, Standing};
use logic::time::{BootTime, Now, Span};
use logic::vm::domain::{Start as Splices, render_start};

use crate::guest::WEB;
use crate::sides::INCARNATION;

const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const TO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

/// What befalls a move.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Cut,
    SourceHangs,
    TargetHangs,
    SourceDies,
    TargetDies,
    SourceLosesPower,
    TargetLosesPower,
    GuestCrashes,
    Abort,
    DaemonDies,
}

const DISTURBANCES: [Disturbance; 10] = [
    Disturbance::Cut,
    Disturbance::SourceHangs,
    Disturbance::TargetHangs,
    Disturbance::SourceDies,
    Disturbance::TargetDies,
    Disturbance::SourceLosesPower,
    Disturbance::TargetLosesPower,
    Disturbance::GuestCrashes,
    Disturbance::Abort,
    Disturbance::DaemonDies,
];

struct World {
    clock: Arc<ManualClock>,
    network: Arc<ClusterNetwork>,
    machines: [Arc<Machine>; 2],
    hypervisors: [Connection; 2],
    sides: [Migrations; 2],
}

impl World {
    fn new(method: Method) -> Self {
        let clock = Arc::new(ManualClock::new(Now { boot: BootTime(5000), ..Now::default() }));
        let network = ClusterNetwork::new(clock.clone());
        network.set_memory(300, 300);
        let machines = [Machine::new(clock.clone()), Machine::new(clock.clone())];
        network.join(FROM, &machines[0]);
        network.join(TO, &machines[1]);
        let hypervisors = [machines[0].open(), machines[1].open()];
        let sides = [network.open(FROM), network.open(TO)];
        let splices = Splices { kind: "qemu", incarnation: INCARNATION, console_path: "/c", sources: None };
        let xml = render_start(&WEB.document(), splices).unwrap();
        let start = host::hypervisor::Start { vm: WEB.vm, xml, incarnation: INCARNATION };
        hypervisors[0].start(&start).unwrap();
        let world = Self { clock, network, machines, hypervisors, sides };
        world.sides[0].begin(&world.departure(method)).unwrap();
        world
    }

    fn departure(&self, method: Method) -> Departure {
        Departure {
            vm: WEB.vm,
            incarnation: INCARNATION,
            to: TO,
            console_path: "/c".into(),
            method,
            downtime_max_ms: 300,
            bandwidth_max_mib: None,
            convergence: Convergence::Unaided,
        }
    }

    /// Lets time go by. At no time the guest runs on both machines.
    fn pass(&self, span: Span) {
        let step = if span > Span::seconds(10) { Span(500) } else { Span(10) };
        for _ in 0..span.0 / step.0 {
            self.clock.advance(step);
            self.network.settle();
            assert!(self.running().len() <= 1, "it runs on both: {:?}", self.ledgers());
        }
    }

    fn disturb(&mut self, disturbance: Disturbance) {
        let [source, target] = &self.machines;
        match disturbance {
            Disturbance::Cut => self.network.cut(FROM, TO),
            Disturbance::SourceHangs => source.hang(Late::Lost),
            Disturbance::TargetHangs => target.hang(Late::Lost),
            Disturbance::SourceDies => source.cut("connection refused"),
            Disturbance::TargetDies => target.cut("connection refused"),
            Disturbance::SourceLosesPower => source.cut_power(),
            Disturbance::TargetLosesPower => target.cut_power(),
            Disturbance::GuestCrashes => source.crash(WEB.vm),
            Disturbance::Abort => drop(self.sides[0].abort(WEB.vm, INCARNATION)),
            Disturbance::DaemonDies => self.sides[0] = self.network.open(FROM),
        }
        self.network.settle();
    }

    fn heal(&self) {
        self.network.heal(FROM, TO);
        self.machines.iter().for_each(|machine| machine.heal());
        self.network.settle();
    }

    fn look(&self, side: usize) -> Option<Standing> {
        let seen: Option<Sighting> = self.sides[side].look(WEB.vm).unwrap();
        seen.map(|sighting| sighting.standing)
    }

    /// One row of the port's table. Whether there is more to be done.
    fn resolve(&self) -> bool {
        use Standing::{Drained, Filling, Handing, Incoming, Leaving, Paused, Running, Stranded, Torn};
        let [source, target] = &self.sides;
        match (self.look(0), self.look(1)) {
            (Some(Leaving | Handing | Drained), _) => return true,
            (Some(Running | Stranded), Some(Incoming | Paused)) => {
                target.discard(WEB.vm, INCARNATION).unwrap()
            }
            (Some(Stranded), None) => source.release(WEB.vm, INCARNATION).unwrap(),
            (None, Some(Paused)) => target.release(WEB.vm, INCARNATION).unwrap(),
            (None, Some(Filling | Torn)) => self.hypervisors[1].stop(WEB.vm, INCARNATION).unwrap(),
            (Some(Torn), _) => {
                self.hypervisors[0].stop(WEB.vm, INCARNATION).unwrap();
                self.hypervisors[1].stop(WEB.vm, INCARNATION).unwrap();
            }
            (Some(Running) | None, None) | (None, Some(Running)) => return false,
            (None, Some(Incoming)) => return true,
            other => panic!("the table does not have {other:?}"),
        }
        true
    }

    /// The machines that the guest's CPUs run on, by the ledgers.
    fn running(&self) -> Vec<usize> {
        let runs = |ledger: &[Entry]| {
            ledger.iter().fold(false, |runs, entry| match entry.happening {
                Happening::Began | Happening::Arrived | Happening::Resumed => true,
                Happening::Halted | Happening::Left | Happening::Ended(_) => false,
                Happening::Received | Happening::Torn => runs,
            })
        };
        (0..2).filter(|side| runs(&self.machines[*side].ledger())).collect()
    }

    fn ledgers(&self) -> [Vec<Entry>; 2] {
        [self.machines[0].ledger(), self.machines[1].ledger()]
    }
}

/// Disturbs a move after `after`, for `long`, and resolves what is left. Gives where the guest runs at the end.
fn run(
    method: Method,
    disturbance: Disturbance,
    after: Span,
    long: Span,
) -> (Option<usize>, [Vec<Entry>; 2]) {
    let mut world = World::new(method);
    world.pass(after);
    if method == Method::PostCopy {
        drop(world.sides[0].switch_to_post_copy(WEB.vm, INCARNATION));
        world.pass(Span(50));
    }
    world.disturb(disturbance);
    world.pass(long);
    world.heal();
    world.pass(Span(100));
    for _ in 0..10_000 {
        if !world.resolve() {
            let running = world.running();
            return (running.first().copied(), world.ledgers());
        }
        // Nobody carries on a move that waits for a switch that never comes.
        if world.look(0) == Some(Standing::Leaving) && method == Method::PostCopy {
            drop(world.sides[0].abort(WEB.vm, INCARNATION));
        }
        world.pass(Span(10));
    }
    panic!("no end of {disturbance:?} after {after:?} for {long:?}: {:?}", world.ledgers());
}

#[test]
fn a_guest_ends_up_on_one_machine_whatever_befalls_its_move_and_when() {
    let mut ended_on = [0, 0];
    for disturbance in DISTURBANCES {
        for after in (0..1800).step_by(20) {
            for long in [Span(100), Span::seconds(40)] {
                let (at, ledgers) = run(Method::PreCopy, disturbance, Span(after), long);
                match (at, disturbance) {
                    (Some(side), _) => ended_on[side] += 1,
                    // It ended with its machine, or by itself.
                    (
                        None,
                        Disturbance::SourceLosesPower
                        | Disturbance::TargetLosesPower
                        | Disturbance::GuestCrashes,
                    ) => (),
                    (None, _) => panic!("{disturbance:?} after {after} ms lost it: {ledgers:?}"),
                }
            }
        }
    }
    assert!(ended_on.iter().all(|count| *count > 100), "{ended_on:?}");
}

#[test]
fn a_guest_that_is_switched_to_post_copy_never_runs_on_two_machines() {
    for disturbance in DISTURBANCES {
        for after in (300..1800).step_by(50) {
            for long in [Span(100), Span::seconds(40)] {
                run(Method::PostCopy, disturbance, Span(after), long);
            }
        }
    }
}

#[test]
fn the_same_disturbance_has_the_same_end() {
    for disturbance in DISTURBANCES {
        let once = || run(Method::PreCopy, disturbance, Span(1330), Span(100));
        assert_eq!(once(), once(), "{disturbance:?}");
    }
}

#[test]
fn a_fault_that_was_ordered_leaves_what_it_says() {
    use Standing::{Paused, Running, Stranded};
    for (fault, source, target) in [
        (Fault::Refused("no room".into()), Some(Running), None),
        (Fault::StreamBreaks, Some(Running), None),
        (Fault::SwitchFails, Some(Running), None),
        (Fault::AnswerLost, Some(Running), Some(Paused)),
        (Fault::StrandedBeforeSwitch, Some(Stranded), None),
        (Fault::StrandedAfterSwitch, Some(Stranded), Some(Paused)),
    ] {
        let world = World::new(Method::PreCopy);
        world.sides[0].abort(WEB.vm, INCARNATION).unwrap();
        world.network.order(fault.clone());
        world.sides[0].begin(&world.departure(Method::PreCopy)).unwrap();
        world.pass(Span::seconds(3));
        assert_eq!((world.look(0), world.look(1)), (source, target), "{fault:?}");
        assert_eq!(world.network.next_change(), None, "{fault:?}");
        while world.resolve() {}
        assert_eq!(world.running(), [0], "{fault:?}");
    }
}

#[test]
fn a_power_button_that_was_pressed_is_obeyed_wherever_the_guest_is_by_then() {
    let world = World::new(Method::PreCopy);
    world.sides[0].abort(WEB.vm, INCARNATION).unwrap();
    world.hypervisors[0].press_power(WEB.vm, INCARNATION).unwrap();
    world.sides[0].begin(&world.departure(Method::PreCopy)).unwrap();
    world.pass(Span(1500));
    assert_eq!((world.look(0), world.look(1)), (None, Some(Standing::Paused)));
    world.pass(Span::seconds(60));
    assert_eq!(world.look(1), Some(Standing::Paused), "while it stands still its time does too");
    world.sides[1].release(WEB.vm, INCARNATION).unwrap();
    world.pass(Span::seconds(2));
    assert_eq!(world.look(1), None);
}
