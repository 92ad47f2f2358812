//! What the storage says of itself, as it was last measured: one record for each kind, written by the primary's daemon.
//!
//! A record is written when something in it changed that matters, and at the latest after [`FACTS_KEPT`]; so one that is
//! older than [`FACTS_STALE_AFTER`] is not renewed by anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::figures::{ClusterFigures, Osd, PoolFigures};
use crate::id::PoolName;
use crate::limits::FACTS_STALE_AFTER;
use crate::time::WallTime;

/// Why facts are old: the storage does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Since when it was asked in vain.
    pub since: WallTime,
    /// Why, in the words of whoever asked.
    pub why: String,
}

/// The whole of the storage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StorageFacts {
    /// When it was measured, whatever has happened since.
    pub at: WallTime,
    /// Why nothing was measured since; `None` where it answers.
    pub trouble: Option<Trouble>,
    /// What was measured; `None` where it never answered.
    pub figures: Option<ClusterFigures>,
    /// How it stands, as a text for an operator.
    pub status: String,
    /// What of it is used, as a text for an operator.
    pub utilization: String,
    /// How it stands to the fence of a node; `None` where nobody can be blocked, or that was not asked yet.
    #[serde(default)]
    pub fence: Option<FenceFacts>,
}

/// How the storage stands to the fence of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceFacts {
    /// From where clients with the nodes' key are at the storage.
    pub clients: BTreeSet<IpAddr>,
    /// Who of the storage's own daemons is set to miss a monitor slowly, in words.
    pub strays: Vec<String>,
}

/// All pools.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolFacts {
    /// When they were measured.
    pub at: WallTime,
    /// What was measured, by name: also of pools that are not PVC's.
    pub pools: BTreeMap<PoolName, PoolFigures>,
}

/// All OSDs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OsdFacts {
    /// When they were measured.
    pub at: WallTime,
    /// What was measured, by number: also of OSDs that are not PVC's.
    pub osds: BTreeMap<i32, Osd>,
}

impl StorageFacts {
    /// What is wrong with the facts at this time, as a sentence's end; `None` where they are as fresh as they should be.
    pub fn staleness(&self, now: WallTime) -> Option<String> {
        if let Some(trouble) = &self.trouble {
            return Some(trouble.why.clone());
        }
        is_old(self.at, now).then(|| "nobody has measured it of late".into())
    }
}

/// Whether facts of this time are not renewed by anybody.
pub fn is_old(at: WallTime, now: WallTime) -> bool {
    now.0 > at.0.saturating_add(FACTS_STALE_AFTER.0)
}
