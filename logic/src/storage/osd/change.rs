//! What a step does to OSDs, on a node or in the whole storage. Each can be made again: what is done already is done.

use serde::Serialize;

use super::{DbSize, DeviceChoice, OsdFlag, OsdId, OsdUuid, Weight};
use crate::id::NodeName;
use crate::time::Span;

/// One change of OSDs, or a look at them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OsdChange {
    /// Nothing is on the node's device; refused if something is. What is found there afterwards was put there by the task.
    ExpectEmpty {
        /// Which.
        device: DeviceChoice,
    },
    /// The node's device bears this OSD; refused if it does not.
    ExpectOsd {
        /// Which.
        device: DeviceChoice,
        /// The OSD as the storage knows it.
        osd: OsdId,
    },
    /// The storage knows of the OSD, and the node's device bears it.
    Prepare(Box<Preparation>),
    /// The node has what it needs to run an OSD that its device bears already.
    Restore {
        /// The device.
        device: DeviceChoice,
        /// The OSD as the storage knows it.
        osd: OsdId,
    },
    /// The OSD is in the placement rules, in its node, with this weight.
    Place {
        /// Which.
        osd: OsdUuid,
        /// Its node.
        node: NodeName,
        /// How much it counts.
        weight: Weight,
    },
    /// The OSD runs on this node.
    Start {
        /// Which.
        osd: OsdUuid,
    },
    /// The storage says that the OSD is up; fails if it has not after so long.
    AwaitUp {
        /// Which.
        osd: OsdUuid,
        /// How long is waited.
        limit: Span,
    },
    /// Data is placed on the OSD.
    MarkIn {
        /// Which.
        osd: OsdId,
    },
    /// No data is placed on the OSD; what it has is moved elsewhere.
    MarkOut {
        /// Which.
        osd: OsdId,
    },
    /// Nothing is lost when the OSD is destroyed. As long as data moves away from it this waits; fails when nothing has
    /// moved for so long.
    AwaitSafe {
        /// Which.
        osd: OsdId,
        /// How long nothing may move.
        patience: Span,
    },
    /// The OSD does not run on this node.
    Stop {
        /// Which.
        osd: OsdUuid,
    },
    /// The OSD's number is kept for a replacement, and everything else of it is forgotten.
    Destroy {
        /// Which.
        osd: OsdId,
        /// Its identity: another OSD of that number is left alone.
        uuid: OsdUuid,
    },
    /// The storage has forgotten the OSD: also its number, its key and its place.
    Purge {
        /// Its identity.
        uuid: OsdUuid,
    },
    /// What of this node's devices bears the OSD is empty again, and nothing on the node speaks of it.
    Wipe {
        /// Its identity.
        uuid: OsdUuid,
    },
    /// The node has this device for databases of OSDs.
    EnsureDb {
        /// Which.
        device: DeviceChoice,
    },
    /// The flag of the whole storage is set.
    SetFlag {
        /// Which.
        flag: OsdFlag,
    },
    /// The flag of the whole storage is not set.
    UnsetFlag {
        /// Which.
        flag: OsdFlag,
    },
    /// Nothing changes; what is there is told.
    Look {
        /// The OSDs of these identities, on this node and in the storage.
        osds: Vec<OsdUuid>,
    },
}

/// An OSD that is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preparation {
    /// Its identity.
    pub uuid: OsdUuid,
    /// The number that it inherits; `None` where the storage gives it one.
    pub replaces: Option<OsdId>,
    /// The device that bears it.
    pub device: DeviceChoice,
    /// Which part of the device, counted from zero.
    pub part: u32,
    /// Into how many equal parts the device is split; 1 where it is whole.
    pub parts: u32,
    /// Where its database lies, if not with the data.
    pub db: Option<DbSize>,
}

impl OsdChange {
    /// Its name, as it stands in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ExpectEmpty { .. } => "expect-empty-device",
            Self::ExpectOsd { .. } => "expect-osd-on-device",
            Self::Prepare(_) => "prepare-osd",
            Self::Restore { .. } => "restore-osd",
            Self::Place { .. } => "place-osd",
            Self::Start { .. } => "start-osd",
            Self::AwaitUp { .. } => "await-osd-up",
            Self::MarkIn { .. } => "mark-osd-in",
            Self::MarkOut { .. } => "mark-osd-out",
            Self::AwaitSafe { .. } => "await-osd-safe",
            Self::Stop { .. } => "stop-osd",
            Self::Destroy { .. } => "destroy-osd",
            Self::Purge { .. } => "purge-osd",
            Self::Wipe { .. } => "wipe-osd",
            Self::EnsureDb { .. } => "ensure-osd-db",
            Self::SetFlag { .. } => "set-osd-flag",
            Self::UnsetFlag { .. } => "unset-osd-flag",
            Self::Look { .. } => "look-at-osds",
        }
    }
}
