//! Scripts made of seeds: random orders and faults for a while, then an end to the faults, and every wish must come true.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher as _};

use host::memory::{Late, PowerButton};
use logic::config::Timers;
use logic::id::{NodeName, VmName};
use logic::time::Span;
use logic::vm::accept::{Force, PowerRequest};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use store::memory::CommitFault;

use crate::command::{Ask, Blow, Command, Kind, Moment, Place, Reach, Seconds};
use crate::counts::Counts;
use crate::world::chance::Chance;
use crate::world::{Keepalives, World};

/// How long a seed's faults go on.
const TROUBLE: Span = Span::seconds(90);

/// By then every wish must have come true after the faults ended. The longest wait in `logic` is five minutes, between
/// two tries of a start that keeps failing.
const REST: Span = Span::seconds(420);

/// What one seed came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which.
    pub seed: u64,
    /// What went wrong.
    pub violation: Option<String>,
    /// A hash over its whole log.
    pub fingerprint: u64,
    /// Its script and its log, for reading.
    pub story: String,
    /// What was met.
    pub counts: Counts,
}

/// Plays one seed.
pub fn play(seed: u64) -> Outcome {
    let script = script(seed);
    let timers = Timers { keepalive_interval: Span::seconds(5), vm_shutdown_timeout: Span::seconds(20) };
    let nodes: Vec<NodeName> = (1..=node_count(seed)).map(node).collect();
    let mut world = World::new(&nodes, timers, Keepalives::Hidden, Chance::from_seed(seed));
    for (at, order) in &script {
        world.run_until(*at);
        world.order(order);
    }
    world.run_until(TROUBLE);
    world.heal();
    let rested = world.come_to_rest(REST);
    let mut hasher = DefaultHasher::new();
    world.log().hash(&mut hasher);
    let mut story = String::new();
    if rested.is_err() {
        for (at, order) in &script {
            let _infallible = writeln!(story, "{} {order}", Seconds(*at));
        }
        story.push_str(world.log());
    }
    Outcome { seed, violation: rested.err(), fingerprint: hasher.finish(), story, counts: world.counts }
}

/// How many nodes a seed's cluster has.
fn node_count(seed: u64) -> u64 {
    [1, 2, 1, 3][usize::try_from(seed % 4).unwrap_or_default()]
}

/// The orders of a seed, in the order of their time.
pub fn script(seed: u64) -> Vec<(Span, Command)> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x5eed_0f0c_0de5_0000);
    let nodes = node_count(seed);
    let mut script = Vec::new();
    for number in 1..=nodes {
        script.push((Span(0), Command::Run(Place { kind: Kind::Noded, node: node(number) })));
        script.push((Span(0), Command::Run(Place { kind: Kind::Workerd, node: node(number) })));
    }
    script.push((Span(50), Command::Ask(Ask::Init)));
    let vms: Vec<VmName> = (1..=random.random_range(1..=3))
        .map(|number| format!("vm{number}").parse().expect("it is a name"))
        .collect();
    for vm in &vms {
        let define = Ask::Define { vm: vm.clone(), memory_mib: 256, vcpus: 1 };
        script.push((Span(1500), Command::Ask(define)));
        let request = PowerRequest::Start;
        script.push((Span(1500), Command::Ask(Ask::Power { vm: vm.clone(), request, force: Force::No })));
    }
    for _ in 0..random.random_range(4..=24) {
        let at = Span(random.random_range(1500..TROUBLE.0));
        let vm = &vms[random.random_range(0..vms.len())];
        if random.random_ratio(1, 2) {
            script.push((at, Command::Ask(wish(&mut random, vm, nodes))));
        } else {
            let node = node(random.random_range(1..=nodes));
            fault(&mut random, at, &node, vm, &mut script);
        }
    }
    script.sort_by_key(|(at, _)| *at);
    script
}

fn wish(random: &mut StdRng, vm: &VmName, nodes: u64) -> Ask {
    let vm = vm.clone();
    let force = if random.random_ratio(1, 3) { Force::Yes } else { Force::No };
    let power = |request| Ask::Power { vm: vm.clone(), request, force };
    if nodes > 1 && random.random_ratio(1, 4) {
        let to = random.random_ratio(2, 3).then(|| node(random.random_range(1..=nodes)));
        let node = node(random.random_range(1..=nodes));
        return match random.random_range(0..6) {
            0 => Ask::Flush { node },
            1 => Ask::Flush { node },
            2 => Ask::Ready { node },
            3 => Ask::Move { vm, to },
            4 => Ask::Migrate { vm, to },
            _ => Ask::Unmigrate { vm },
        };
    }
    match random.random_range(0..16) {
        0..=3 => power(PowerRequest::Start),
        4..=5 => power(PowerRequest::Shutdown),
        6..=7 => power(PowerRequest::Stop),
        8..=9 => power(PowerRequest::Restart),
        10 => power(PowerRequest::Disable),
        11 => Ask::Remove { vm },
        12 => Ask::Define { vm, memory_mib: 512, vcpus: 2 },
        13 => Ask::Autostart { vm },
        14 => Ask::Attach { vm, device: "vdb".into() },
        _ => Ask::Detach { vm, device: "vdb".into() },
    }
}

/// A fault, and what ends it where it does not end by itself.
fn fault(random: &mut StdRng, at: Span, node: &NodeName, vm: &VmName, script: &mut Vec<(Span, Command)>) {
    let kind = if random.random_ratio(3, 4) { Kind::Noded } else { Kind::Workerd };
    let place = Place { kind, node: node.clone() };
    let later = Span(at.0 + random.random_range(50..12_000));
    let mut add = |at: Span, command| script.push((at, command));
    match random.random_range(0..20) {
        0..=2 => {
            add(at, Command::Befalls(place.clone(), Blow::Kill));
            add(later, Command::Run(place));
        }
        3 => {
            add(at, Command::Stop(place.clone()));
            add(later, Command::Run(place));
        }
        4 => add(at, Command::Befalls(place, Blow::Stall(Span(random.random_range(100..15_000))))),
        5..=8 => {
            let steps = ["start-guest", "stop-guest", "press-power", "record", "attach-device"];
            let step = steps[random.random_range(0..steps.len())].to_owned();
            let moment = if random.random_ratio(1, 2) { Moment::Checked } else { Moment::Acted };
            let stall = Blow::Stall(Span(random.random_range(100..15_000)));
            let blow = if random.random_ratio(1, 2) { Blow::Kill } else { stall };
            add(at, Command::Break { place: place.clone(), moment, step, blow });
            add(later, Command::Run(place));
        }
        9..=13 => fault_of_a_guest(random, at, node, vm, &mut add),
        _ => fault_of_a_machine(random, at, later, node, &mut add),
    }
}

/// Puts an order into the script.
type Add<'a> = dyn FnMut(Span, Command) + 'a;

fn fault_of_a_guest(random: &mut StdRng, at: Span, node: &NodeName, vm: &VmName, add: &mut Add<'_>) {
    let vm = vm.clone();
    match random.random_range(0..5) {
        0 => add(at, Command::Crash(vm)),
        1 => {
            let after = Span(random.random_range(100..8000));
            let obeyed = PowerButton::Obeyed { after };
            add(
                at,
                Command::Button(vm, if random.random_ratio(1, 2) { PowerButton::Ignored } else { obeyed }),
            );
        }
        2 => add(at, Command::StartByHand(node.clone(), vm)),
        3 => add(at, Command::StopByHand(vm)),
        _ => add(at, Command::RefuseStarts(node.clone(), random.random_range(1..4))),
    }
}

fn fault_of_a_machine(random: &mut StdRng, at: Span, later: Span, node: &NodeName, add: &mut Add<'_>) {
    match random.random_range(0..6) {
        0 => {
            add(
                at,
                Command::Hang(
                    node.clone(),
                    if random.random_ratio(1, 2) { Late::Performed } else { Late::Lost },
                ),
            );
            add(later, Command::Heal(node.clone()));
        }
        1 => {
            add(at, Command::Cut(node.clone()));
            add(later, Command::Heal(node.clone()));
        }
        2 => add(at, Command::LoseAnswers(node.clone(), random.random_range(1..3))),
        3 => {
            add(at, Command::Store(Reach::Gone));
            add(later, Command::Store(Reach::Back));
        }
        4 => {
            let landed = random.random_ratio(1, 2);
            add(
                at,
                Command::LoseCommit(if landed {
                    CommitFault::UnknownLanded
                } else {
                    CommitFault::UnknownLost
                }),
            );
        }
        _ => match random.random_range(0..3) {
            0 => add(at, Command::CutPower(node.clone())),
            1 => add(at, Command::Grow(node.clone(), random.random_range(4096..65_536))),
            _ => add(at, Command::LoseWakes(node.clone(), random.random_range(1..4))),
        },
    }
}

/// A node of the swarm's cluster, by its number.
fn node(number: u64) -> NodeName {
    format!("hv{number}").parse().expect("it is a name")
}
