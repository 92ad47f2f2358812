//! What a seed's operator asks of the storage, and what befalls it: in half of the seeds.

use logic::id::{PoolName, SnapshotName, VolumeName};
use logic::storage::space::Insistence;
use logic::storage::{SnapshotPath, VolumePath};
use logic::time::Span;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::TROUBLE;
use super::osds::disturbed;
use super::script::{Order, node};
use crate::command::{Ask, Command, Misfortune, StorageAsk};

/// The steps that a worker dies or stands still at.
const STEPS: [&str; 10] = [
    "expect-no-volume",
    "create-volume",
    "resize-volume",
    "rename-volume",
    "copy-volume",
    "clone-volume",
    "remove-volume",
    "take-snapshot",
    "look-at-storage",
    "record",
];

/// The same for benchmarks.
const STEPS_OF_BENCHMARKS: [&str; 5] =
    ["create-plain-volume", "run-trial", "run-trial", "clear-volume", "look-at-storage"];

/// The orders about the storage of a seed whose cluster has so many nodes.
pub(super) fn storage(random: &mut StdRng, nodes: u64, script: &mut Vec<Order>) {
    if random.random_ratio(1, 2) {
        return;
    }
    for pool in ["vms", "fast"] {
        let ask = StorageAsk::AddPool { pool: pool.parse().expect("it is a name") };
        script.push((Span(random.random_range(1500..20_000)), asked(ask)));
    }
    for _ in 0..random.random_range(8..48) {
        let at = Span(random.random_range(2500..TROUBLE.0));
        script.push((at, asked(wish(random))));
    }
    for _ in 0..random.random_range(0..8) {
        let at = Span(random.random_range(2500..TROUBLE.0));
        misfortune(random, at, nodes, script);
    }
}

/// The benchmarks of a seed whose cluster has so many nodes: in one of four, two at a time, and what befalls them.
pub(super) fn benchmarks(random: &mut StdRng, nodes: u64, script: &mut Vec<Order>) {
    if !random.random_ratio(1, 4) {
        return;
    }
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(20_000..TROUBLE.0);
        script.push((Span(at), asked(StorageAsk::Benchmark { pool: pool(random), name: None })));
        let later = Span(at + random.random_range(0..4_000));
        let name = random.random_ratio(1, 2).then(|| "again".parse().expect("it is a name"));
        script.push((later, asked(StorageAsk::Benchmark { pool: pool(random), name })));
        match random.random_range(0..3) {
            0 => {
                let name = ["benchmark-1", "benchmark-2", "again"][random.random_range(0..3)];
                let name = name.parse().expect("it is a name");
                script.push((later, asked(StorageAsk::CancelBenchmark { name })));
            }
            1 => befall(random, &STEPS_OF_BENCHMARKS, (Span(at), later), nodes, script),
            _ => {}
        }
    }
}

fn asked(ask: StorageAsk) -> Command {
    Command::Ask(Ask::Storage(ask))
}

fn wish(random: &mut StdRng) -> StorageAsk {
    let (volume, to) = (path(random), path(random));
    let insistence = if random.random_ratio(1, 3) { Insistence::Forced } else { Insistence::Careful };
    match random.random_range(0..24) {
        0..=7 => StorageAsk::AddVolume { volume, size_gib: random.random_range(1..40), insistence },
        8 | 9 => StorageAsk::ResizeVolume { volume, size_gib: random.random_range(1..60) },
        10 | 11 => StorageAsk::RenameVolume { volume, to: to.volume },
        12 | 13 => StorageAsk::CopyVolume { from: volume, to },
        14 => StorageAsk::CloneVolume { snapshot: snapshot(random), to },
        15 | 16 => StorageAsk::RemoveVolume { volume },
        17 => StorageAsk::ScanVolume { volume },
        18 => StorageAsk::AddSnapshot { snapshot: snapshot(random) },
        19 => {
            let to: SnapshotName = "later".parse().expect("it is a name");
            StorageAsk::RenameSnapshot { snapshot: snapshot(random), to }
        }
        20 => StorageAsk::RemoveSnapshot { snapshot: snapshot(random) },
        21 => StorageAsk::RollBack { snapshot: snapshot(random) },
        22 => StorageAsk::Upload { volume },
        _ => match random.random_range(0..3) {
            0 => StorageAsk::RemovePool { pool: pool(random) },
            1 => StorageAsk::AddPool { pool: pool(random) },
            _ => StorageAsk::SetPlacementGroups { pool: pool(random), count: 64 },
        },
    }
}

fn pool(random: &mut StdRng) -> PoolName {
    ["vms", "fast"][random.random_range(0..2)].parse().expect("it is a name")
}

fn path(random: &mut StdRng) -> VolumePath {
    let volume: VolumeName = ["a", "b", "c", "d"][random.random_range(0..4)].parse().expect("it is a name");
    VolumePath { pool: pool(random), volume }
}

fn snapshot(random: &mut StdRng) -> SnapshotPath {
    path(random).at(&["now", "later"][random.random_range(0..2)].parse().expect("it is a name"))
}

/// Something that befalls the storage or a worker, and what ends it where it does not end by itself.
fn misfortune(random: &mut StdRng, at: Span, nodes: u64, script: &mut Vec<Order>) {
    let later = Span(at.0 + random.random_range(50..20_000));
    let mut add = |at, command| script.push((at, command));
    match random.random_range(0..10) {
        0 => {
            add(at, Command::Storage(Misfortune::Hang));
            add(later, Command::Storage(Misfortune::Heal));
        }
        1 => {
            add(at, Command::Storage(Misfortune::Full));
            add(later, Command::Storage(Misfortune::Heal));
        }
        2 => add(at, Command::Storage(Misfortune::Refuse(random.random_range(1..4)))),
        3 => add(at, Command::Storage(Misfortune::LoseAnswers(random.random_range(1..4)))),
        4 => add(at, Command::Storage(Misfortune::MadeByHand(path(random)))),
        _ => befall(random, &STEPS, (at, later), nodes, script),
    }
}

/// A worker dies or stands still at one of these steps, and is there again later.
fn befall(
    random: &mut StdRng,
    steps: &[&str],
    (at, later): (Span, Span),
    nodes: u64,
    script: &mut Vec<Order>,
) {
    let node = node(random.random_range(1..=nodes));
    disturbed(random, (at, later), (node, steps), script);
}
