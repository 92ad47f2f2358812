//! What a step does to the storage. Each can be made again: what is done already is done.

use serde::Serialize;

use super::benchmark::Exercise;
use super::{Replication, SnapshotPath, Tier, VolumePath};
use crate::id::{PoolName, SnapshotName, VolumeName};

/// One change of the storage, or a look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// There is no such pool; refused if there is. What a task finds there afterwards is its own.
    ExpectNoPool {
        /// Which.
        pool: PoolName,
    },
    /// The pool is there.
    EnsurePool {
        /// Which.
        pool: PoolName,
        /// How often its data is kept.
        replication: Replication,
        /// On what.
        tier: Tier,
        /// How many placement groups it has at first.
        placement_groups: u32,
    },
    /// The pool has so many placement groups.
    SetPlacementGroups {
        /// Which.
        pool: PoolName,
        /// How many.
        count: u32,
    },
    /// The pool is gone.
    RemovePool {
        /// Which.
        pool: PoolName,
    },
    /// There is no such volume; refused if there is. What a task finds there afterwards is its own.
    ExpectNoVolume {
        /// Which.
        volume: VolumePath,
    },
    /// The volume is there.
    CreateVolume {
        /// Which.
        volume: VolumePath,
        /// How large.
        size_bytes: u64,
    },
    /// The volume has this size.
    ResizeVolume {
        /// Which.
        volume: VolumePath,
        /// How large.
        size_bytes: u64,
    },
    /// The volume has this name.
    RenameVolume {
        /// Which.
        volume: VolumePath,
        /// Its new name.
        to: VolumeName,
    },
    /// The volume is gone, and its snapshots with it. Refused before anything of it is gone if somebody has it open.
    RemoveVolume {
        /// Which.
        volume: VolumePath,
    },
    /// The target is there as a copy of the source. It was expected not to be there: if it is, it is that copy.
    CopyVolume {
        /// The source.
        from: VolumePath,
        /// The target.
        to: VolumePath,
    },
    /// The target is there as a clone of the snapshot.
    CloneVolume {
        /// The snapshot.
        snapshot: SnapshotPath,
        /// The target.
        to: VolumePath,
    },
    /// There is no such snapshot; refused if there is.
    ExpectNoSnapshot {
        /// Which.
        snapshot: SnapshotPath,
    },
    /// The snapshot is there.
    TakeSnapshot {
        /// Which.
        snapshot: SnapshotPath,
    },
    /// The snapshot has this name.
    RenameSnapshot {
        /// Which.
        snapshot: SnapshotPath,
        /// Its new name.
        to: SnapshotName,
    },
    /// The snapshot is gone.
    RemoveSnapshot {
        /// Which.
        snapshot: SnapshotPath,
    },
    /// The volume is as the snapshot shows it.
    RollBack {
        /// The snapshot.
        snapshot: SnapshotPath,
    },
    /// The volume is there, and its bytes lie as they are, so that it can be measured.
    CreatePlainVolume {
        /// Which.
        volume: VolumePath,
        /// How large.
        size_bytes: u64,
    },
    /// One trial of a benchmark, which takes as long as it takes. It can be made again: only the last one counts.
    RunTrial(Exercise),
    /// The volume of a benchmark is gone. While somebody has it open nothing is done, and it is tried again: who has just
    /// died is told of for a while.
    ClearVolume {
        /// Which.
        volume: VolumePath,
    },
    /// Nothing changes; what is there is told.
    LookAtStorage {
        /// These volumes.
        volumes: Vec<VolumePath>,
        /// These pools.
        pools: Vec<PoolName>,
    },
    /// What transfers that were cut off left in the pool is cleared away.
    SweepPool {
        /// Which.
        pool: PoolName,
    },
}

impl Change {
    /// Its name, as it stands in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ExpectNoPool { .. } => "expect-no-pool",
            Self::EnsurePool { .. } => "ensure-pool",
            Self::SetPlacementGroups { .. } => "set-placement-groups",
            Self::RemovePool { .. } => "remove-pool",
            Self::ExpectNoVolume { .. } => "expect-no-volume",
            Self::CreateVolume { .. } => "create-volume",
            Self::ResizeVolume { .. } => "resize-volume",
            Self::RenameVolume { .. } => "rename-volume",
            Self::RemoveVolume { .. } => "remove-volume",
            Self::CopyVolume { .. } => "copy-volume",
            Self::CloneVolume { .. } => "clone-volume",
            Self::ExpectNoSnapshot { .. } => "expect-no-snapshot",
            Self::TakeSnapshot { .. } => "take-snapshot",
            Self::RenameSnapshot { .. } => "rename-snapshot",
            Self::RemoveSnapshot { .. } => "remove-snapshot",
            Self::RollBack { .. } => "roll-back",
            Self::CreatePlainVolume { .. } => "create-plain-volume",
            Self::RunTrial(_) => "run-trial",
            Self::ClearVolume { .. } => "clear-volume",
            Self::LookAtStorage { .. } => "look-at-storage",
            Self::SweepPool { .. } => "sweep-pool",
        }
    }
}
