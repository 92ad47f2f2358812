//! The script of a seed: a cluster, its VMs, and what its operator asks while faults befall it.

use logic::id::{NodeName, VmName};
use logic::time::Span;
use logic::vm::accept::{Force, PowerRequest};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::TROUBLE;
use super::fault::{Fated, fault};
use super::fence::fences;
use super::osds::osds;
use super::storage::{benchmarks, storage};
use crate::command::{Ask, Command, Kind, Manner, Place};

/// An order and its time.
pub type Order = (Span, Command);

/// How many nodes a seed's cluster has: of eighty, fifty have one or two, one has twelve.
pub(super) fn node_count(seed: u64) -> u64 {
    match seed.wrapping_mul(7) % 80 {
        0..=23 => 1,
        24..=49 => 2,
        50..=73 => 3,
        74..=78 => 5,
        _ => 12,
    }
}

/// How many VMs, and how many wishes and faults, a cluster of so many nodes has.
fn sizes(random: &mut StdRng, nodes: u64) -> (u64, u64) {
    match nodes {
        1 => (random.random_range(1..=3), random.random_range(4..=24)),
        2 => (random.random_range(1..=4), random.random_range(4..=24)),
        3 => (random.random_range(1..=6), random.random_range(4..=28)),
        5 => (random.random_range(4..=10), random.random_range(8..=36)),
        _ => (random.random_range(8..=24), random.random_range(12..=48)),
    }
}

/// The orders of a seed, in the order of their time.
pub fn script(seed: u64) -> Vec<Order> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x5eed_0f0c_0de5_0000);
    let nodes = node_count(seed);
    let (vms, troubles) = sizes(&mut random, nodes);
    let mut script = Vec::new();
    // Their own source, as those below have theirs.
    let mut few = StdRng::seed_from_u64(seed ^ 0x5eed_c095_0000_0000);
    (1..=nodes).for_each(|number| processors(&mut few, node(number), nodes, &mut script));
    for number in 1..=nodes {
        machine(&mut random, node(number), nodes, &mut script);
    }
    script.push((Span(50), Command::Ask(Ask::Init)));
    let vms: Vec<VmName> =
        (1..=vms).map(|number| format!("vm{number}").parse().expect("it is a name")).collect();
    for vm in &vms {
        let memory_mib = [256, 512, 1024, 1536][random.random_range(0..4)];
        let node = random.random_ratio(3, 4).then(|| node(random.random_range(1..=nodes)));
        let vcpus = random.random_range(1..=2);
        script.push((Span(1500), Command::Ask(Ask::Define { vm: vm.clone(), memory_mib, vcpus, node })));
        let request = PowerRequest::Start;
        script.push((Span(1500), Command::Ask(Ask::Power { vm: vm.clone(), request, force: Force::No })));
    }
    for _ in 0..troubles {
        let at = Span(random.random_range(1500..TROUBLE.0));
        let vm = &vms[random.random_range(0..vms.len())];
        if random.random_ratio(1, 2) {
            script.push((at, Command::Ask(wish(&mut random, vm, nodes))));
        } else {
            let node = node(random.random_range(1..=nodes));
            fault(&mut random, &Fated { at, node, vm: vm.clone(), nodes }, &mut script);
        }
    }
    // Its own source: what is asked of the storage leaves the rest of a seed's script as it is.
    let mut random = StdRng::seed_from_u64(seed ^ 0x5eed_5709_a6e0_0000);
    storage(&mut random, nodes, &mut script);
    let mut random = StdRng::seed_from_u64(seed ^ 0x5eed_be4c_44a6_0000);
    benchmarks(&mut random, nodes, &mut script);
    let mut random = StdRng::seed_from_u64(seed ^ 0x5eed_05d5_0000_0000);
    osds(&mut random, nodes, &mut script);
    // And that of fences.
    let mut random = StdRng::seed_from_u64(seed ^ 0x5eed_fe4c_e000_0000);
    fences(&mut random, nodes, &mut script);
    script.sort_by_key(|(at, _)| *at);
    script
}

/// Some machines have fewer processors than some VMs: such a VM is not placed there.
fn processors(random: &mut StdRng, node: NodeName, nodes: u64, script: &mut Vec<Order>) {
    if nodes > 1 && random.random_ratio(1, 4) {
        script.push((Span(0), Command::Processors(node, 1)));
    }
}

/// One machine as the story finds it: its memory, its clocks, its daemons.
fn machine(random: &mut StdRng, node: NodeName, nodes: u64, script: &mut Vec<Order>) {
    let mut add = |command| script.push((Span(0), command));
    if nodes > 1 && random.random_ratio(1, 2) {
        add(Command::Grow(node.clone(), [2048, 3072, 4096][random.random_range(0..3)]));
    }
    if random.random_ratio(1, 2) {
        add(Command::Uptime(node.clone(), Span(random.random_range(20_000..2_000_000_000))));
    }
    if random.random_ratio(1, 2) {
        add(Command::Drift(node.clone(), random.random_range(-500..=500)));
    }
    if random.random_ratio(1, 3) {
        add(Command::Wall(node.clone(), random.random_range(-7_200_000..=7_200_000)));
    }
    for kind in [Kind::Noded, Kind::Workerd] {
        add(Command::Run(Place { kind, node: node.clone() }));
    }
}

fn wish(random: &mut StdRng, vm: &VmName, nodes: u64) -> Ask {
    let vm = vm.clone();
    let force = if random.random_ratio(1, 3) { Force::Yes } else { Force::No };
    let power = |request| Ask::Power { vm: vm.clone(), request, force };
    if nodes > 1 && random.random_ratio(2, 5) {
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
