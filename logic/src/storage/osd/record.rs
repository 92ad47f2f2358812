//! What is recorded of OSDs and of the nodes' devices. A record is also the lock on what it is about, as with volumes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{OsdId, OsdUuid};
use crate::id::{NodeName, TaskId};

/// The logical volume that an OSD lies on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogicalVolume {
    /// Its group.
    pub group: String,
    /// Its name in the group.
    pub name: String,
}

/// What is being done with an OSD, or was not done to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum OsdState {
    /// It is there. Whether it is up and in is told by the storage.
    Ready,
    /// It is being put in or out.
    Marking,
    /// It is being replaced by one on another device.
    Replacing,
    /// It is being taken over by its node, which was built anew.
    Refreshing,
    /// It is being removed.
    Removing,
    /// What a failed change left: its number is kept, and nothing bears it. It can be replaced or removed.
    Destroyed {
        /// What failed.
        why: String,
    },
}

impl OsdState {
    /// What is going on, as what follows "is"; `None` where nothing is.
    pub fn doing(&self) -> Option<&'static str> {
        match self {
            Self::Ready | Self::Destroyed { .. } => None,
            Self::Marking => Some("being put in or out"),
            Self::Replacing => Some("being replaced"),
            Self::Refreshing => Some("being refreshed"),
            Self::Removing => Some("being removed"),
        }
    }
}

/// An OSD. Written by the worker when it has come to be, with the task that changes it by the API, and with that task's end
/// by the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Osd {
    /// The node it is in.
    pub node: NodeName,
    /// The device that bears it, or of which a part does.
    pub device: String,
    /// The device that its database lies on, if not the same.
    pub db_device: Option<String>,
    /// Its identity.
    pub uuid: OsdUuid,
    /// Whether it shares its device with others.
    pub is_split: bool,
    /// The logical volume that it lies on, where there is one.
    pub volume: Option<LogicalVolume>,
    /// What is being done with it.
    pub state: OsdState,
    /// The task that does it; while there is one, nothing else changes the OSD.
    pub task: Option<TaskId>,
}

/// A node's devices, as far as OSDs are concerned. One task at a time changes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDevices {
    /// The device for databases of OSDs.
    pub db_device: Option<String>,
    /// The task that changes the node's devices, and what it does, as what follows "is".
    pub task: Option<(TaskId, String)>,
}

/// What a node and the storage show of one OSD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsdShown {
    /// Its number.
    pub id: OsdId,
    /// What of the node bears it; `None` where nothing does.
    pub borne: Option<Borne>,
    /// Whether the storage knows of an OSD of this number and identity.
    pub is_known: bool,
}

/// What of a node bears an OSD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Borne {
    /// The device.
    pub device: String,
    /// The device of its database, if not the same.
    pub db_device: Option<String>,
    /// Whether it shares its device with others.
    pub is_split: bool,
    /// The logical volume that it lies on, where there is one.
    pub volume: Option<LogicalVolume>,
}

/// What a look showed at the end of a task. Absent where nothing is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsdsLooked {
    /// The OSDs that were looked for, and of which there is something.
    pub osds: BTreeMap<OsdUuid, OsdShown>,
    /// The node's device for databases.
    pub db_device: Option<String>,
}
