//! The faults of a seed's script, each with what ends it.

use host::memory::{Late, PowerButton};
use logic::id::{NodeName, VmName};
use logic::time::Span;
use logic::vm::accept::{Force, PowerRequest};
use rand::RngExt as _;
use rand::rngs::StdRng;
use store::memory::{CommitFault, Sessions};

use super::script::{Order, node};
use crate::command::{Ask, Blow, Command, Kind, Manner, Mishap, Moment, Place, Reach, faults_of_moves};

/// When a fault comes, and whom it may befall.
#[derive(Clone, Debug)]
pub(super) struct Fated {
    pub(super) at: Span,
    pub(super) node: NodeName,
    pub(super) vm: VmName,
    /// How many nodes there are.
    pub(super) nodes: u64,
}

/// Puts an order into the script.
type Add<'a> = dyn FnMut(Span, Command) + 'a;

/// A fault, and what ends it where it does not end by itself.
pub(super) fn fault(random: &mut StdRng, fated: &Fated, script: &mut Vec<Order>) {
    let later = Span(fated.at.0 + random.random_range(50..12_000));
    let mut add = |at: Span, command| script.push((at, command));
    match random.random_range(0..40) {
        0..=8 => fault_of_a_daemon(random, fated, later, &mut add),
        9..=13 => fault_of_a_guest(random, fated, &mut add),
        14..=18 => fault_of_a_hypervisor(random, fated, later, &mut add),
        19..=23 => fault_of_the_store(random, fated, later, &mut add),
        24..=29 => fault_of_a_move(random, fated, later, &mut add),
        30..=31 => {
            let place = Place { kind: Kind::Noded, node: fated.node.clone() };
            add(fated.at, Command::Befalls(place, Blow::Hang(Span(random.random_range(2_000..60_000)))));
        }
        32..=33 => start_that_waits(random, fated, &mut add),
        _ => fault_of_a_site(random, fated, later, &mut add),
    }
}

/// A VM whose start waits in the hypervisor after its daemon was killed, and which is started anew and moved or removed
/// meanwhile.
fn start_that_waits(random: &mut StdRng, fated: &Fated, add: &mut Add<'_>) {
    let (at, node) = (fated.at, fated.node.clone());
    let place = Place { kind: Kind::Noded, node: node.clone() };
    let vm: VmName = format!("late{}", at.0).parse().expect("it is a name");
    let after = |ms: u64| Span(at.0 + ms);
    let ask = |request| Command::Ask(Ask::Power { vm: vm.clone(), request, force: Force::No });
    let (memory_mib, vcpus) = (256, 1);
    add(at, Command::Ask(Ask::Define { vm: vm.clone(), memory_mib, vcpus, node: Some(node) }));
    let blow = Blow::KillWaiting(Span(random.random_range(6_000..40_000)));
    let (moment, step) = (Moment::Checked, "start-guest".to_owned());
    add(after(100), Command::Break { place: place.clone(), moment, step, blow });
    add(after(200), ask(PowerRequest::Start));
    let run_at = random.random_range(500..2_000);
    if random.random_ratio(1, 3) {
        add(after(run_at - 100), ask(PowerRequest::Stop));
    }
    add(after(run_at), Command::Run(place));
    let end = match random.random_range(0..3) {
        0 => Ask::Remove { vm: vm.clone() },
        1 => Ask::Move { vm: vm.clone(), to: None, manner: Manner::Shutdown },
        _ => Ask::Move { vm: vm.clone(), to: None, manner: Manner::Usual },
    };
    add(after(random.random_range(4_000..8_000)), Command::Ask(end));
}

fn fault_of_a_daemon(random: &mut StdRng, fated: &Fated, later: Span, add: &mut Add<'_>) {
    let (at, place) = (fated.at, some_daemon(random, fated));
    match random.random_range(0..9) {
        0..=2 => {
            add(at, Command::Befalls(place.clone(), Blow::Kill));
            add(later, Command::Run(place));
        }
        3 => {
            add(at, Command::Stop(place.clone()));
            add(later, Command::Run(place));
        }
        4 => add(at, Command::Befalls(place, stall(random))),
        _ => {
            let steps = [
                "start-guest",
                "stop-guest",
                "press-power",
                "record",
                "attach-device",
                "ensure-address",
                "announce-address",
                "remove-address",
            ];
            break_step(random, at, place.clone(), &steps, add);
            add(later, Command::Run(place));
        }
    }
}

fn some_daemon(random: &mut StdRng, fated: &Fated) -> Place {
    let kind = if random.random_ratio(3, 4) { Kind::Noded } else { Kind::Workerd };
    Place { kind, node: fated.node.clone() }
}

fn stall(random: &mut StdRng) -> Blow {
    Blow::Stall(Span(random.random_range(100..15_000)))
}

fn break_step(random: &mut StdRng, at: Span, place: Place, steps: &[&str], add: &mut Add<'_>) {
    let step = steps[random.random_range(0..steps.len())].to_owned();
    let moment = if random.random_ratio(1, 2) { Moment::Checked } else { Moment::Acted };
    let blow = match (random.random_range(0..4), moment) {
        (0, Moment::Checked) => Blow::KillWaiting(Span(random.random_range(2_000..45_000))),
        (0 | 1, _) => Blow::Kill,
        _ => stall(random),
    };
    add(at, Command::Break { place, moment, step, blow });
}

fn fault_of_a_guest(random: &mut StdRng, fated: &Fated, add: &mut Add<'_>) {
    let Fated { at, node, vm, .. } = fated.clone();
    match random.random_range(0..5) {
        // By the moment, which takes no other chance away: what else befalls a seed stays as it was.
        0 if at.0.is_multiple_of(3) => add(at, Command::CrashUnseen(vm)),
        0 => add(at, Command::Crash(vm)),
        1 => {
            let obeyed = PowerButton::Obeyed { after: Span(random.random_range(100..8000)) };
            let button = if random.random_ratio(1, 2) { PowerButton::Ignored } else { obeyed };
            add(at, Command::Button(vm, button));
        }
        2 => add(at, Command::StartByHand(node, vm)),
        3 => add(at, Command::StopByHand(vm)),
        _ => add(at, Command::RefuseStarts(node, random.random_range(1..4))),
    }
}

fn fault_of_a_move(random: &mut StdRng, fated: &Fated, later: Span, add: &mut Add<'_>) {
    let (at, place) = (fated.at, some_daemon(random, fated));
    match random.random_range(0..8) {
        0..=3 => {
            // The last befalls post-copy alone: see below. The one before needs the most of both sides.
            let faults = &faults_of_moves()[..6];
            let which = random.random_range(0..faults.len() + 2).min(faults.len() - 1);
            add(at, Command::BreakMove(faults[which].1.clone()));
            // A move that it can befall.
            let asked = Ask::Move { vm: fated.vm.clone(), to: None, manner: Manner::Usual };
            add(Span(at.0 + random.random_range(1..1_000)), Command::Ask(asked));
        }
        4 => {
            let steps = ["send-guest", "release-guest", "discard-guest", "switch-to-post-copy", "mend-guest"];
            break_step(random, at, place.clone(), &steps, add);
            add(later, Command::Run(place));
        }
        5 => add(at, Command::Busy(fated.vm.clone())),
        6 => add(at, Command::Restless(fated.vm.clone())),
        _ => {
            add(at, Command::Restless(fated.vm.clone()));
            add(at, Command::BreakMove(host::memory::migration::Fault::TornInTwo));
            // A move that it can befall: post-copy comes when pre-copy was in vain.
            let asked = Ask::Move { vm: fated.vm.clone(), to: None, manner: Manner::Live };
            add(Span(at.0 + random.random_range(1..1_000)), Command::Ask(asked));
            if random.random_ratio(1, 2) {
                // About when it is torn: what a node loses then cannot be joined any more.
                let then = Span(at.0 + random.random_range(8_000..30_000));
                add(then, Command::CutPower(several(random, fated.node.clone(), fated.nodes)));
            }
        }
    }
}

fn fault_of_a_hypervisor(random: &mut StdRng, fated: &Fated, later: Span, add: &mut Add<'_>) {
    let Fated { at, node, .. } = fated.clone();
    match random.random_range(0..5) {
        0 => {
            let late = if random.random_ratio(1, 2) { Late::Performed } else { Late::Lost };
            add(at, Command::Hang(node.clone(), late));
            add(later, Command::Heal(node));
        }
        1 => {
            add(at, Command::Cut(node.clone()));
            add(later, Command::Heal(node));
        }
        2 => add(at, Command::LoseAnswers(node, random.random_range(1..3))),
        3 => add(at, Command::LoseWakes(node, random.random_range(1..4))),
        _ => add(at, Command::Grow(node, random.random_range(2048..16_384))),
    }
}

fn fault_of_the_store(random: &mut StdRng, fated: &Fated, later: Span, add: &mut Add<'_>) {
    let Fated { at, node, .. } = fated.clone();
    let landed =
        if random.random_ratio(1, 2) { CommitFault::UnknownLanded } else { CommitFault::UnknownLost };
    match random.random_range(0..7) {
        0 => {
            add(at, Command::Store(Reach::Gone));
            add(later, Command::Store(Reach::Back));
        }
        1 => {
            add(at, Command::StoreOf(node.clone(), Reach::Gone));
            add(later, Command::StoreOf(node, Reach::Back));
        }
        2 => {
            let sessions = if random.random_ratio(2, 3) { Sessions::Kept } else { Sessions::Lost };
            add(at, Command::Election(Span(random.random_range(1000..9000)), sessions));
        }
        3 => add(at, Command::LoseLeader(Span(random.random_range(1000..9000)), landed)),
        4 | 5 => add(at, Command::LoseCommit(landed)),
        _ => {
            add(at, Command::Slow(node.clone(), Span(random.random_range(200..6000))));
            add(later, Command::Slow(node, Span(0)));
        }
    }
}

fn fault_of_a_site(random: &mut StdRng, fated: &Fated, later: Span, add: &mut Add<'_>) {
    let Fated { at, node: one, nodes, .. } = fated.clone();
    match random.random_range(0..6) {
        4 => add(at, Command::Network(one, Mishap::Down)),
        5 => add(at, Command::Network(one, Mishap::Refused)),
        0 => add(at, Command::CutPower(several(random, one, nodes))),
        1 => {
            let dark = several(random, one, nodes);
            add(at, Command::PowerOff(dark.clone()));
            add(later, Command::PowerOn(dark));
        }
        2 => add(at, Command::Wall(one, random.random_range(-10_800_000..=10_800_000))),
        _ if nodes > 1 => {
            let other = others(&one, nodes)[0].clone();
            add(at, Command::CutCable(one.clone(), other.clone()));
            add(later, Command::HealCable(one, other));
        }
        _ => add(at, Command::Drift(one, random.random_range(-1000..=1000))),
    }
}

/// This node, and now and then some more.
fn several(random: &mut StdRng, one: NodeName, nodes: u64) -> Vec<NodeName> {
    let more = if random.random_ratio(1, 2) { random.random_range(0..nodes) } else { 0 };
    let more = usize::try_from(more).unwrap_or_default();
    let others = others(&one, nodes);
    std::iter::once(one).chain(others.into_iter().take(more)).collect()
}

/// The nodes that come after this one, in a circle.
fn others(one: &NodeName, nodes: u64) -> Vec<NodeName> {
    let all: Vec<NodeName> = (1..=nodes).map(node).collect();
    let at = all.iter().position(|node| node == one).unwrap_or_default();
    all[at + 1..].iter().chain(&all[..at]).cloned().collect()
}
