//! The faults of a seed's script, each with what ends it.

use host::memory::{Late, PowerButton};
use logic::id::{NodeName, VmName};
use logic::time::Span;
use rand::RngExt as _;
use rand::rngs::StdRng;
use store::memory::CommitFault;

use super::script::node;
use crate::command::{Blow, Command, Kind, Mishap, Moment, Place, Reach, faults_of_moves};

/// A fault, and what ends it where it does not end by itself.
pub(super) fn fault(
    random: &mut StdRng,
    at: Span,
    node: &NodeName,
    vm: &VmName,
    script: &mut Vec<(Span, Command)>,
) {
    let kind = if random.random_ratio(3, 4) { Kind::Noded } else { Kind::Workerd };
    let place = Place { kind, node: node.clone() };
    let later = Span(at.0 + random.random_range(50..12_000));
    let mut add = |at: Span, command| script.push((at, command));
    match random.random_range(0..24) {
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
            break_step(random, at, place.clone(), &steps, &mut add);
            add(later, Command::Run(place));
        }
        9..=13 => fault_of_a_guest(random, at, node, vm, &mut add),
        20..=23 => fault_of_a_move(random, at, later, vm, (place, &mut add)),
        _ => fault_of_a_machine(random, at, later, node, &mut add),
    }
}

/// Puts an order into the script.
type Add<'a> = dyn FnMut(Span, Command) + 'a;

fn break_step(random: &mut StdRng, at: Span, place: Place, steps: &[&str], add: &mut Add<'_>) {
    let step = steps[random.random_range(0..steps.len())].to_owned();
    let moment = if random.random_ratio(1, 2) { Moment::Checked } else { Moment::Acted };
    let stall = Blow::Stall(Span(random.random_range(100..15_000)));
    let blow = if random.random_ratio(1, 2) { Blow::Kill } else { stall };
    add(at, Command::Break { place, moment, step, blow });
}

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

fn fault_of_a_move(
    random: &mut StdRng,
    at: Span,
    later: Span,
    vm: &VmName,
    (place, add): (Place, &mut Add<'_>),
) {
    match random.random_range(0..5) {
        0..=1 => {
            let faults = faults_of_moves();
            let (_, fault) = faults[random.random_range(0..faults.len())].clone();
            add(at, Command::BreakMove(fault));
        }
        2 => {
            let (one, other) = (node(random.random_range(1..=2)), node(random.random_range(2..=3)));
            add(at, Command::CutCable(one.clone(), other.clone()));
            add(later, Command::HealCable(one, other));
        }
        3 => {
            break_step(random, at, place.clone(), &["send-guest", "release-guest", "discard-guest"], add);
            add(later, Command::Run(place));
        }
        _ => add(at, Command::Busy(vm.clone())),
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
        _ => match random.random_range(0..5) {
            3 => add(at, Command::Network(node.clone(), Mishap::Down)),
            4 => add(at, Command::Network(node.clone(), Mishap::Refused)),
            0 => add(at, Command::CutPower(vec![node.clone()])),
            1 => add(at, Command::Grow(node.clone(), random.random_range(4096..65_536))),
            _ => add(at, Command::LoseWakes(node.clone(), random.random_range(1..4))),
        },
    }
}
