//! What is measured of a storage: the whole of it, its pools, and its OSDs.

use serde::{Deserialize, Serialize};

use crate::id::PoolName;

/// How the storage says it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Health {
    /// All is well.
    #[serde(rename = "HEALTH_OK")]
    Ok,
    /// Something wants to be looked at.
    #[serde(rename = "HEALTH_WARN")]
    Warn,
    /// Something is lost or stands still.
    #[serde(rename = "HEALTH_ERR")]
    Err,
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterFigures {
    /// How it says it stands.
    pub health: Health,
    /// What it says is wrong: the code of each check, and its sentence.
    pub checks: Vec<(String, String)>,
    /// How many OSDs there are.
    pub osd_count: u32,
    /// How many of them are up.
    pub osd_up_count: u32,
    /// How many of them are in.
    pub osd_in_count: u32,
    /// How many placement groups there are.
    pub placement_group_count: u32,
    /// How many of them have all their copies and take writes.
    pub placement_group_clean_count: u32,
    /// What its devices hold, copies counted.
    pub total_bytes: u64,
    /// What of it is free.
    pub free_bytes: u64,
}

/// One pool. Where a figure is not known it is zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolFigures {
    /// Its name.
    pub name: PoolName,
    /// Its number.
    pub id: i64,
    /// What is kept in it, copies not counted.
    pub stored_bytes: u64,
    /// The same with its copies.
    pub used_bytes: u64,
    /// What can still be kept in it, copies not counted.
    pub free_bytes: u64,
    /// What part of it is used, from 0 to 1.
    pub used_part: f64,
    /// How many objects it has.
    pub object_count: u64,
    /// How many of them lack a copy.
    pub object_degraded_count: u64,
    /// What is counted besides.
    #[serde(default)]
    pub tally: Tally,
}

/// What is counted of a pool's objects, and what its clients have done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many objects keep what a snapshot shows.
    pub clone_count: u64,
    /// How many objects there are with all their copies.
    pub copy_count: u64,
    /// How many are missing where they are read first.
    pub missing_count: u64,
    /// How many are found nowhere.
    pub unfound_count: u64,
    /// Reads.
    pub read_count: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Writes.
    pub write_count: u64,
    /// Bytes written.
    pub write_bytes: u64,
}

impl PoolFigures {
    /// Those of a pool in which there is nothing, and no room.
    pub fn empty(name: &PoolName) -> Self {
        Self {
            name: name.clone(),
            id: 0,
            stored_bytes: 0,
            used_bytes: 0,
            free_bytes: 0,
            used_part: 0.0,
            object_count: 0,
            object_degraded_count: 0,
            tally: Tally::default(),
        }
    }
}

/// What clients do, at the last measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Reads a second.
    pub read_count: u64,
    /// Bytes read a second.
    pub read_bytes: u64,
    /// Writes a second.
    pub write_count: u64,
    /// Bytes written a second.
    pub write_bytes: u64,
}

/// One OSD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Osd {
    /// Its number.
    pub id: i32,
    /// Its identity.
    pub uuid: String,
    /// Whether it is up.
    pub up: bool,
    /// Whether it is in: data is placed on it.
    pub r#in: bool,
    /// The address that clients reach it at, without its port; empty when it never was up.
    pub address: String,
    /// Its device class; empty when it has none.
    pub class: String,
    /// The host that the placement rules count it to; empty when to none.
    pub host: String,
    /// What is measured of it.
    pub figures: OsdFigures,
}

/// What is measured of one OSD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OsdFigures {
    /// Its weight in the placement rules.
    pub weight: f64,
    /// What of this weight counts, from 0 to 1.
    pub reweight: f64,
    /// What it holds.
    pub total_bytes: u64,
    /// What of it is used.
    pub used_bytes: u64,
    /// Of what is used, data.
    #[serde(default)]
    pub data_bytes: u64,
    /// Of what is used, keys and their values.
    #[serde(default)]
    pub keys_bytes: u64,
    /// Of what is used, what it needs for itself.
    #[serde(default)]
    pub own_bytes: u64,
    /// What of it is free.
    pub free_bytes: u64,
    /// How full it is, in percent.
    pub utilization_percent: f64,
    /// How full it is, compared with all.
    pub variance: f64,
    /// How many placement groups it serves.
    pub placement_group_count: u32,
    /// How long its last writes took to be safe, in ms.
    pub commit_latency_ms: u64,
    /// What its clients do.
    #[serde(default)]
    pub rates: Rates,
}
