//! Orders about storage: what is asked of it, and what befalls it.

use std::fmt;

use anyhow::Result;
use logic::id::{BenchmarkName, NodeName, PoolName, SnapshotName, VolumeName};
use logic::storage::space::Insistence;
use logic::storage::{SnapshotPath, VolumePath};

/// What an operator asks of the storage. Sizes are in GiB.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the commands of `pvc` are")]
pub enum StorageAsk {
    AddPool { pool: PoolName },
    SetPlacementGroups { pool: PoolName, count: u32 },
    RemovePool { pool: PoolName },
    AddVolume { volume: VolumePath, size_gib: u64, insistence: Insistence },
    ResizeVolume { volume: VolumePath, size_gib: u64 },
    RenameVolume { volume: VolumePath, to: VolumeName },
    CopyVolume { from: VolumePath, to: VolumePath },
    CloneVolume { snapshot: SnapshotPath, to: VolumePath },
    RemoveVolume { volume: VolumePath },
    ScanVolume { volume: VolumePath },
    Upload { volume: VolumePath },
    AddSnapshot { snapshot: SnapshotPath },
    RenameSnapshot { snapshot: SnapshotPath, to: SnapshotName },
    RemoveSnapshot { snapshot: SnapshotPath },
    RollBack { snapshot: SnapshotPath },
    Benchmark { pool: PoolName, name: Option<BenchmarkName> },
    CancelBenchmark { name: BenchmarkName },
}

/// What befalls the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfortune {
    /// It answers nobody.
    Hang,
    /// It answers, and has room, again.
    Heal,
    /// The next changes are refused.
    Refuse(u32),
    /// The next changes take effect, and nobody is told.
    LoseAnswers(u32),
    /// There is no room any more.
    Full,
    /// Somebody makes a volume past PVC.
    MadeByHand(VolumePath),
    /// Somebody removes a volume past PVC.
    RemovedByHand(VolumePath),
    /// The OSD of a node neither answers nor takes writes.
    HoldOsd(NodeName),
    /// It is well again.
    LetOsdGo(NodeName),
    /// Somebody blocks a node's address past PVC.
    BlockedByHand(NodeName),
    /// Somebody unblocks it past PVC.
    UnblockedByHand(NodeName),
}

/// What is asked of the storage by some words; `None` when they are about something else.
pub(super) fn parse_ask(words: &[&str]) -> Result<Option<StorageAsk>> {
    Ok(Some(match *words {
        ["pool-add", pool] => StorageAsk::AddPool { pool: pool.parse()? },
        ["pool-groups", pool, count] => {
            StorageAsk::SetPlacementGroups { pool: pool.parse()?, count: count.parse()? }
        }
        ["pool-remove", pool] => StorageAsk::RemovePool { pool: pool.parse()? },
        ["volume-add", volume, size, ref force @ ..] => {
            let insistence = if *force == ["force"] { Insistence::Forced } else { Insistence::Careful };
            StorageAsk::AddVolume { volume: volume.parse()?, size_gib: size.parse()?, insistence }
        }
        ["volume-resize", volume, size] => {
            StorageAsk::ResizeVolume { volume: volume.parse()?, size_gib: size.parse()? }
        }
        ["volume-rename", volume, to] => {
            StorageAsk::RenameVolume { volume: volume.parse()?, to: to.parse()? }
        }
        ["volume-copy", from, to] => StorageAsk::CopyVolume { from: from.parse()?, to: to.parse()? },
        ["volume-clone", snapshot, to] => {
            StorageAsk::CloneVolume { snapshot: snapshot.parse()?, to: to.parse()? }
        }
        ["volume-remove", volume] => StorageAsk::RemoveVolume { volume: volume.parse()? },
        ["volume-scan", volume] => StorageAsk::ScanVolume { volume: volume.parse()? },
        ["volume-upload", volume] => StorageAsk::Upload { volume: volume.parse()? },
        ["snapshot-add", snapshot] => StorageAsk::AddSnapshot { snapshot: snapshot.parse()? },
        ["snapshot-rename", snapshot, to] => {
            StorageAsk::RenameSnapshot { snapshot: snapshot.parse()?, to: to.parse()? }
        }
        ["snapshot-remove", snapshot] => StorageAsk::RemoveSnapshot { snapshot: snapshot.parse()? },
        ["roll-back", snapshot] => StorageAsk::RollBack { snapshot: snapshot.parse()? },
        ["benchmark", pool] => StorageAsk::Benchmark { pool: pool.parse()?, name: None },
        ["benchmark", pool, name] => StorageAsk::Benchmark { pool: pool.parse()?, name: Some(name.parse()?) },
        ["benchmark-cancel", name] => StorageAsk::CancelBenchmark { name: name.parse()? },
        _ => return Ok(None),
    }))
}

/// What befalls the storage by some words; `None` when they are about something else.
pub(super) fn parse_misfortune(words: &[&str]) -> Result<Option<Misfortune>> {
    Ok(Some(match *words {
        ["storage", "hang"] => Misfortune::Hang,
        ["storage", "heal"] => Misfortune::Heal,
        ["storage", "full"] => Misfortune::Full,
        ["storage", "refuse", count] => Misfortune::Refuse(count.parse()?),
        ["storage", "lose-answers", count] => Misfortune::LoseAnswers(count.parse()?),
        ["storage", "made-by-hand", volume] => Misfortune::MadeByHand(volume.parse()?),
        ["storage", "removed-by-hand", volume] => Misfortune::RemovedByHand(volume.parse()?),
        ["storage", "hold-osd", node] => Misfortune::HoldOsd(node.parse()?),
        ["storage", "let-osd-go", node] => Misfortune::LetOsdGo(node.parse()?),
        ["storage", "blocked-by-hand", node] => Misfortune::BlockedByHand(node.parse()?),
        ["storage", "unblocked-by-hand", node] => Misfortune::UnblockedByHand(node.parse()?),
        _ => return Ok(None),
    }))
}

impl fmt::Display for StorageAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddPool { pool } => write!(f, "pool-add {pool}"),
            Self::SetPlacementGroups { pool, count } => write!(f, "pool-groups {pool} {count}"),
            Self::RemovePool { pool } => write!(f, "pool-remove {pool}"),
            Self::AddVolume { volume, size_gib, insistence } => {
                let force = if *insistence == Insistence::Forced { " force" } else { "" };
                write!(f, "volume-add {volume} {size_gib}{force}")
            }
            Self::ResizeVolume { volume, size_gib } => write!(f, "volume-resize {volume} {size_gib}"),
            Self::RenameVolume { volume, to } => write!(f, "volume-rename {volume} {to}"),
            Self::CopyVolume { from, to } => write!(f, "volume-copy {from} {to}"),
            Self::CloneVolume { snapshot, to } => write!(f, "volume-clone {snapshot} {to}"),
            Self::RemoveVolume { volume } => write!(f, "volume-remove {volume}"),
            Self::ScanVolume { volume } => write!(f, "volume-scan {volume}"),
            Self::Upload { volume } => write!(f, "volume-upload {volume}"),
            Self::AddSnapshot { snapshot } => write!(f, "snapshot-add {snapshot}"),
            Self::RenameSnapshot { snapshot, to } => write!(f, "snapshot-rename {snapshot} {to}"),
            Self::RemoveSnapshot { snapshot } => write!(f, "snapshot-remove {snapshot}"),
            Self::RollBack { snapshot } => write!(f, "roll-back {snapshot}"),
            Self::Benchmark { pool, name: None } => write!(f, "benchmark {pool}"),
            Self::Benchmark { pool, name: Some(name) } => write!(f, "benchmark {pool} {name}"),
            Self::CancelBenchmark { name } => write!(f, "benchmark-cancel {name}"),
        }
    }
}

impl fmt::Display for Misfortune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hang => write!(f, "storage hang"),
            Self::Heal => write!(f, "storage heal"),
            Self::Full => write!(f, "storage full"),
            Self::Refuse(count) => write!(f, "storage refuse {count}"),
            Self::LoseAnswers(count) => write!(f, "storage lose-answers {count}"),
            Self::MadeByHand(volume) => write!(f, "storage made-by-hand {volume}"),
            Self::RemovedByHand(volume) => write!(f, "storage removed-by-hand {volume}"),
            Self::HoldOsd(node) => write!(f, "storage hold-osd {node}"),
            Self::LetOsdGo(node) => write!(f, "storage let-osd-go {node}"),
            Self::BlockedByHand(node) => write!(f, "storage blocked-by-hand {node}"),
            Self::UnblockedByHand(node) => write!(f, "storage unblocked-by-hand {node}"),
        }
    }
}
