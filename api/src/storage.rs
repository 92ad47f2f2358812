//! Storage: its pools, volumes, snapshots and OSDs, and what it says of itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A text for people, in the storage's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StorageText {
    /// `status` or `utilization`.
    #[serde(rename = "type")]
    pub type_: String,
    /// The node that was primary when it was asked.
    pub primary_node: String,
    /// The text.
    pub ceph_data: String,
    /// Why this is old, and since when; only where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
}

/// A pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// How many volumes are in it.
    pub volume_count: u64,
    /// On what kind of device it lies: `default`, `hdd`, `ssd` or `nvme`.
    pub tier: String,
    /// How many placement groups it has, as a text.
    pub pgs: String,
    /// What is measured of it.
    pub stats: PoolStats,
    /// How often its data is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<u64>,
    /// With fewer copies than this nothing is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mincopies: Option<u64>,
    /// What happens to it, such as `making` or `removing`; only while something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The task that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Why its figures are old or not there; only where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
}

/// What is measured of a pool. Zero where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PoolStats {
    /// The storage's number of it.
    pub id: i64,
    /// What is kept in it, its copies not counted.
    pub stored_bytes: u64,
    /// What can still be kept in it, copies not counted.
    pub free_bytes: u64,
    /// What is kept in it with all copies.
    pub used_bytes: u64,
    /// What part of it is used, from 0 to 1.
    pub used_percent: f64,
    /// How many objects it has.
    pub num_objects: u64,
    /// How many of them are clones.
    pub num_object_clones: u64,
    /// How many there are with all copies.
    pub num_object_copies: u64,
    /// How many are missing where they are read.
    pub num_objects_missing_on_primary: u64,
    /// How many are found nowhere.
    pub num_objects_unfound: u64,
    /// How many lack a copy.
    pub num_objects_degraded: u64,
    /// How often it was read since it was made.
    pub read_ops: u64,
    /// Bytes read since then.
    pub read_bytes: u64,
    /// How often it was written since then.
    pub write_ops: u64,
    /// Bytes written since then.
    pub write_bytes: u64,
}

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// The pool it lies in.
    pub pool: String,
    /// What the storage tells of it.
    pub stats: VolumeStats,
    /// Its size to the byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// The snapshot, as `pool/volume@snapshot`, that it is a clone of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What happens to it, such as `making` or `resizing`; only while something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The task that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

/// What the storage tells of a volume, or of what it was when a snapshot was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VolumeStats {
    /// The volume's name.
    pub name: String,
    /// The storage's own name of it, which stays when it is renamed.
    pub id: String,
    /// Its size: of a volume as people write it, such as `10G`; of a snapshot in bytes.
    pub size: VolumeSize,
    /// How many objects it can have.
    pub objects: u64,
    /// Which power of two their size is.
    pub order: u64,
    /// Their size in bytes; zero where it is kept whole.
    pub object_size: u64,
    /// How many snapshots it has.
    pub snapshot_count: u64,
    /// How the names of its objects begin.
    pub block_name_prefix: String,
    /// The storage's format of volumes.
    pub format: u64,
    /// What it can do, in the storage's words.
    pub features: Vec<String>,
    /// What was done to it that older clients would not understand.
    pub op_features: Vec<String>,
    /// Its marks.
    pub flags: Vec<String>,
    /// When it was made.
    pub create_timestamp: String,
    /// When it was last read.
    pub access_timestamp: String,
    /// When it was last written.
    pub modify_timestamp: String,
}

/// A size, in either of the two ways of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum VolumeSize {
    /// In bytes.
    Bytes(u64),
    /// As people write it, such as `10G`.
    Text(String),
}

impl Default for VolumeSize {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// A snapshot of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VolumeSnapshot {
    /// The pool.
    pub pool: String,
    /// The volume.
    pub volume: String,
    /// Its name.
    pub snapshot: String,
    /// What the volume was when it was taken.
    pub stats: VolumeStats,
    /// What happens to it, such as `making`; only while something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// An OSD: one device, or part of one, that the storage keeps data on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Osd {
    /// Its number, as a text.
    pub id: String,
    /// Its identity.
    pub fsid: String,
    /// The node it is in.
    pub node: String,
    /// The device it lies on.
    pub device: String,
    /// Whether it shares that device with other OSDs.
    pub is_split: bool,
    /// Where its database lies; empty when on the same device.
    pub db_device: String,
    /// What is measured of it.
    pub stats: OsdStats,
    /// What happens to it, such as `adding`; only while something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The task that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Why its figures are old or not there; only where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
}

/// What is measured of an OSD. Zero where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct OsdStats {
    /// Its identity, as the storage knows it.
    pub uuid: String,
    /// 1 when it is up.
    pub up: u64,
    /// 1 when data is placed on it.
    #[serde(rename = "in")]
    pub in_: u64,
    /// How much it is preferred for reads.
    pub primary_affinity: f64,
    /// How full it is, in percent.
    pub utilization: f64,
    /// How full it is, compared with all.
    pub var: f64,
    /// How many placement groups it serves.
    pub pgs: u64,
    /// What it holds, in KiB.
    pub kb: u64,
    /// What of it is used, in KiB.
    pub kb_used: u64,
    /// Of that, data.
    pub kb_used_data: u64,
    /// Of that, keys.
    pub kb_used_omap: u64,
    /// Of that, what it needs for itself.
    pub kb_used_meta: u64,
    /// What is free, in KiB.
    pub kb_avail: u64,
    /// Its weight in the placement rules.
    pub weight: f64,
    /// What of this weight counts, from 0 to 1.
    pub reweight: f64,
    /// `hdd`, `ssd` or `nvme`.
    pub class: String,
    /// The node that the placement rules count it to.
    pub node: String,
    /// What is used, as people write it.
    pub used: String,
    /// What is free, as people write it.
    pub avail: String,
    /// Writes a second.
    pub wr_ops: String,
    /// Bytes written a second, as people write it.
    pub wr_data: String,
    /// Reads a second.
    pub rd_ops: String,
    /// Bytes read a second, as people write it.
    pub rd_data: String,
    /// Its state in the storage's words, such as `exists,up`.
    pub state: String,
}

/// Whether an OSD is up and in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct OsdState {
    /// Its number, as a text.
    pub id: String,
    /// 1 when data is placed on it.
    #[serde(rename = "in")]
    pub in_: u64,
    /// 1 when it is up.
    pub up: u64,
}
