//! What a pool, a volume and a snapshot are, as the storage tells it.

use std::net::IpAddr;
use std::path::PathBuf;

use logic::id::{PoolName, SnapshotName};
use logic::storage::{Format, Replication, SnapshotPath, Tier, VolumePath};

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: PoolName,
    /// How often its data is kept.
    pub replication: Replication,
    /// On what.
    pub tier: Tier,
    /// Its number of placement groups; zero where there are no such things.
    pub placement_group_count: u32,
}

/// Where a hypervisor finds a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a file of this machine.
    File {
        /// Its path.
        path: PathBuf,
        /// [`Format::Raw`] or [`Format::Qcow2`].
        format: Format,
    },
    /// In Ceph, as an image of the same name.
    Rbd,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its path.
    pub path: VolumePath,
    /// What it holds.
    pub size_bytes: u64,
    /// The storage's own name for it, which stays when it is renamed; empty where it has none.
    pub id: String,
    /// In what pieces it is kept; zero where it is kept whole.
    pub object_size_bytes: u64,
    /// What it can do, in the storage's words.
    pub features: Vec<String>,
    /// How many snapshots it has.
    pub snapshot_count: usize,
    /// The snapshot that it is a clone of.
    pub clone_of: Option<SnapshotPath>,
    /// Where a hypervisor finds it.
    pub location: Location,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub name: SnapshotName,
    /// The size that the volume had.
    pub size_bytes: u64,
}

/// Somebody who has a volume open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Who, in the storage's words. One who died is still told of for half a minute.
    pub who: String,
    /// The address they are at; `None` for this machine.
    pub address: Option<IpAddr>,
}

/// A lock on a volume. It outlives its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Who holds it, in the storage's words, as [`User::who`].
    pub holder: String,
    /// Its name among the locks on this volume.
    pub cookie: String,
    /// The address that the holder was at; `None` for this machine.
    pub address: Option<IpAddr>,
}
