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
    ExpectEmptyDevice {
        /// Which.
        device: DeviceChoice,
    },
    /// The node's device bears this OSD; refused if it does not.
    ExpectOsdOnDevice {
        /// Which.
        device: DeviceChoice,
        /// Its identity.
        osd: OsdUuid,
    },
    /// The storage knows of the OSD, and the node's device bears it.
    PrepareOsd(Box<Preparation>),
    /// The node has what it needs to run an OSD that its device bears already.
    RestoreOsd {
        /// The device.
        device: DeviceChoice,
        /// Its number.
        osd: OsdId,
        /// Its identity.
        uuid: OsdUuid,
    },
    /// The OSD is in the placement rules, in its node, with this weight.
    PlaceOsd {
        /// Which.
        osd: OsdUuid,
        /// Its node.
        node: NodeName,
        /// How much it counts.
        weight: Weight,
    },
    /// The OSD runs on this node.
    StartOsd {
        /// Which.
        osd: OsdUuid,
    },
    /// The OSD runs on this node, as far as no init system of the node's sees to that.
    ReviveOsd {
        /// Which.
        osd: OsdUuid,
    },
    /// The storage says that the OSD is up; fails if it has not after so long.
    AwaitOsdUp {
        /// Which.
        osd: OsdUuid,
        /// How long is waited.
        limit: Span,
    },
    /// Data is placed on the OSD.
    MarkOsdIn {
        /// Which.
        osd: OsdId,
    },
    /// No data is placed on the OSD; what it has is moved elsewhere.
    MarkOsdOut {
        /// Which.
        osd: OsdId,
    },
    /// Nothing is lost when the OSD is destroyed. As long as data moves away from it this waits; fails when nothing has
    /// moved for so long.
    AwaitOsdSafe {
        /// Which.
        osd: OsdId,
        /// How long nothing may move.
        patience: Span,
    },
    /// The OSD does not run on this node.
    StopOsd {
        /// Which.
        osd: OsdUuid,
    },
    /// The OSD's number is kept for a replacement, and everything else of it is forgotten.
    DestroyOsd {
        /// Which.
        osd: OsdId,
        /// Its identity: another OSD of that number is left alone.
        uuid: OsdUuid,
    },
    /// The storage has forgotten the OSD: also its number, its key and its place.
    PurgeOsd {
        /// Its number, where it is known: that of a destroyed one is forgotten too.
        osd: Option<OsdId>,
        /// Its identity.
        uuid: OsdUuid,
    },
    /// What of this node's devices bears the OSD is empty again, and nothing on the node speaks of it.
    WipeOsd {
        /// Its identity.
        uuid: OsdUuid,
    },
    /// The node has this device for databases of OSDs.
    EnsureOsdDb {
        /// Which.
        device: DeviceChoice,
    },
    /// The flag of the whole storage is set.
    SetOsdFlag {
        /// Which.
        flag: OsdFlag,
    },
    /// The flag of the whole storage is not set.
    UnsetOsdFlag {
        /// Which.
        flag: OsdFlag,
    },
    /// Nothing changes; what is there is told.
    LookAtOsds {
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
            Self::ExpectEmptyDevice { .. } => "expect-empty-device",
            Self::ExpectOsdOnDevice { .. } => "expect-osd-on-device",
            Self::PrepareOsd(_) => "prepare-osd",
            Self::RestoreOsd { .. } => "restore-osd",
            Self::PlaceOsd { .. } => "place-osd",
            Self::StartOsd { .. } => "start-osd",
            Self::ReviveOsd { .. } => "revive-osd",
            Self::AwaitOsdUp { .. } => "await-osd-up",
            Self::MarkOsdIn { .. } => "mark-osd-in",
            Self::MarkOsdOut { .. } => "mark-osd-out",
            Self::AwaitOsdSafe { .. } => "await-osd-safe",
            Self::StopOsd { .. } => "stop-osd",
            Self::DestroyOsd { .. } => "destroy-osd",
            Self::PurgeOsd { .. } => "purge-osd",
            Self::WipeOsd { .. } => "wipe-osd",
            Self::EnsureOsdDb { .. } => "ensure-osd-db",
            Self::SetOsdFlag { .. } => "set-osd-flag",
            Self::UnsetOsdFlag { .. } => "unset-osd-flag",
            Self::LookAtOsds { .. } => "look-at-osds",
        }
    }
}
