//! What is recorded of pools and volumes. A record is also the lock on what it is about: while it names a task, only that
//! task changes the pool or the volume, and whoever wants another change is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::benchmark::TrialFigures;
use super::{Replication, SnapshotPath, Tier, VolumePath};
use crate::id::{PoolName, SnapshotName, TaskId, VolumeName};
use crate::time::WallTime;

/// What is being done with a pool, or was not done to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum PoolState {
    /// It is being made: no volume can be in it.
    Making,
    /// It is there, and volumes can be made in it.
    Ready,
    /// It is there, and its placement groups are being changed.
    Regrouping {
        /// How many there are to be.
        count: u32,
    },
    /// It and what is in it are being removed.
    Removing,
    /// What a failed change left cannot be used: it can be removed, and nothing else.
    Broken {
        /// What failed.
        why: String,
    },
}

/// A pool. Written with the task that changes it, by the API, and with that task's end, by the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// How often its data is kept.
    pub replication: Replication,
    /// On what.
    pub tier: Tier,
    /// How many placement groups it has; where the storage has no such things, how many were asked for.
    pub placement_groups: u32,
    /// What is being done with it.
    pub state: PoolState,
    /// The task that does it; while there is one, nothing else changes the pool.
    pub task: Option<TaskId>,
    /// Bumped with everything that takes room in it or is made in it, so that two who decide at once cannot overbook it
    /// together, or make a volume in a pool that is being removed.
    pub bookings: u64,
}

/// What is being done with a volume, or was not done to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum VolumeState {
    /// It is being made, empty or as a copy or clone: it is not there yet.
    Making,
    /// It is there and whole.
    Ready,
    /// It is growing.
    Resizing {
        /// To this size.
        to_bytes: u64,
    },
    /// It is being given another name.
    Renaming {
        /// The new one.
        to: VolumeName,
    },
    /// This name is kept for a volume that is being renamed to it: there is none of this name yet.
    Awaited {
        /// The volume as it is called until then.
        from: VolumeName,
    },
    /// It is being removed.
    Removing,
    /// Its content is being brought. Until that has ended well it has its former content.
    Uploading,
    /// It is looked at anew.
    Scanning,
    /// It is being copied or cloned. It is not changed by that, and not while that goes on.
    Copying,
    /// A snapshot of it is being taken, renamed or removed.
    Snapshotting,
    /// It is being brought back to what one of its snapshots shows.
    RollingBack,
    /// It is there for a benchmark alone, which makes it, writes to it, and removes it.
    Benchmarking,
    /// What a failed change left cannot be used: it can be scanned or removed, and nothing else.
    Broken {
        /// What failed.
        why: String,
    },
}

impl VolumeState {
    /// What is going on, as what follows "is"; `None` where nothing is.
    pub fn doing(&self) -> Option<&'static str> {
        match self {
            Self::Ready | Self::Broken { .. } => None,
            Self::Making => Some("being made"),
            Self::Resizing { .. } => Some("being resized"),
            Self::Renaming { .. } => Some("being renamed"),
            Self::Awaited { .. } => Some("the new name of a volume that is being renamed"),
            Self::Removing => Some("being removed"),
            Self::Uploading => Some("being uploaded to"),
            Self::Scanning => Some("being scanned"),
            Self::Copying => Some("being copied"),
            Self::Snapshotting => Some("having its snapshots changed"),
            Self::RollingBack => Some("being rolled back"),
            Self::Benchmarking => Some("in use by a benchmark"),
        }
    }
}

/// What the storage itself says of a volume, at the last look. Taken at the end of each change, and by a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFeatures {
    /// The storage's own name for it, which stays when it is renamed; empty where it has none.
    pub id: String,
    /// In what pieces it is kept, in bytes; zero where it is kept whole.
    pub object_size_bytes: u64,
    /// What it can do, in the storage's words.
    pub features: Vec<String>,
    /// When it was looked at.
    pub seen: WallTime,
}

/// A snapshot of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The size that the volume had, in bytes.
    pub size_bytes: u64,
    /// When it was taken; `None` where PVC did not take it.
    pub taken: Option<WallTime>,
}

/// A volume and its snapshots. Written with the task that changes it, by the API, and with that task's end, by the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// What it holds.
    pub size_bytes: u64,
    /// What is being done with it.
    pub state: VolumeState,
    /// The task that does it; while there is one, nothing else changes the volume.
    pub task: Option<TaskId>,
    /// When it was made.
    pub created: WallTime,
    /// When its size, name, content or snapshots last changed.
    pub modified: WallTime,
    /// What the storage says of it; `None` until it was looked at.
    pub features: Option<VolumeFeatures>,
    /// The snapshot that it is a clone of, and keeps only what differs.
    pub clone_of: Option<SnapshotPath>,
    /// Its snapshots. Those that are being taken are not among them.
    pub snapshots: BTreeMap<SnapshotName, Snapshot>,
}

impl Volume {
    /// Whether it is there, whatever is being done with it.
    pub fn is_there(&self) -> bool {
        !matches!(self.state, VolumeState::Making | VolumeState::Awaited { .. } | VolumeState::Benchmarking)
    }
}

/// What the storage shows of a volume: what the end of a task makes its record of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What it holds.
    pub size_bytes: u64,
    /// The storage's own name for it.
    pub id: String,
    /// In what pieces it is kept, in bytes.
    pub object_size_bytes: u64,
    /// What it can do.
    pub features: Vec<String>,
    /// The snapshot that it is a clone of.
    pub clone_of: Option<SnapshotPath>,
    /// Its snapshots with their sizes in bytes.
    pub snapshots: BTreeMap<SnapshotName, u64>,
}

/// What a look at the storage showed, at the end of a task. Absent where nothing is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looked {
    /// The volumes that were looked for, and are there.
    pub volumes: BTreeMap<VolumePath, Shown>,
    /// The pools that were looked for, and are there, with their placement groups.
    pub pools: BTreeMap<PoolName, u32>,
    /// What a look at OSDs showed.
    pub osds: super::osd::record::OsdsLooked,
    /// What was measured, where the look was a trial of a benchmark.
    pub measured: Option<Box<TrialFigures>>,
}
