//! The script of a seed: a cluster, its VMs, and what its operator asks while faults befall it.

use logic::id::{NodeName, VmName};
use logic::time::Span;
use logic::vm::accept::{Force, PowerRequest};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::TROUBLE;
use super::fault::fault;
use crate::command::{Ask, Command, Kind, Manner, Place};

/// How many nodes a seed's cluster has.
pub(super) fn node_count(seed: u64) -> u64 {
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
        let define = Ask::Define { vm: vm.clone(), memory_mib: 256, vcpus: 1, node: None };
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
    if nodes > 1 && random.random_ratio(1, 3) {
        let to = random.random_ratio(2, 3).then(|| node(random.random_range(1..=nodes)));
        let node = node(random.random_range(1..=nodes));
        let manner =
            [Manner::Usual, Manner::Usual, Manner::Live, Manner::Shutdown][random.random_range(0..4)];
        return match random.random_range(0..8) {
            6 => Ask::Primary { node },
            7 => Ask::Secondary { node },
            0 => Ask::Flush { node },
            1 => Ask::Flush { node },
            2 => Ask::Ready { node },
            3 => Ask::Move { vm, to, manner },
            4 => Ask::Migrate { vm, to, manner },
            _ => Ask::Unmigrate { vm, manner },
        };
    }
    match random.random_range(0..16) {
        0..=3 => power(PowerRequest::Start),
        4..=5 => power(PowerRequest::Shutdown),
        6..=7 => power(PowerRequest::Stop),
        8..=9 => power(PowerRequest::Restart),
        10 => power(PowerRequest::Disable),
        11 => Ask::Remove { vm },
        12 => Ask::Define { vm, memory_mib: 512, vcpus: 2, node: None },
        13 => Ask::Autostart { vm },
        14 => Ask::Attach { vm, device: "vdb".into() },
        _ => Ask::Detach { vm, device: "vdb".into() },
    }
}

/// A node of the swarm's cluster, by its number.
pub(super) fn node(number: u64) -> NodeName {
    format!("hv{number}").parse().expect("it is a name")
}
