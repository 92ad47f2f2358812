//! Why a request about OSDs is refused, and what to do about it.

use super::OsdId;
use crate::id::{NodeName, TaskId};

/// The answer "no" to a request about OSDs.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each is its sentence, and its fields are what it names")]
pub enum OsdRefusal {
    #[error("No OSD with ID \"{osd}\" is present in the cluster. See: pvc storage osd list")]
    Unknown { osd: OsdId },
    #[error("OSD {osd} is not one that PVC has made: it can be put in and out, and nothing else.")]
    Foreign { osd: OsdId },
    #[error("OSD {osd} is {doing} by task {task}; wait for it, with: pvc cluster task {task}")]
    Busy { osd: OsdId, doing: &'static str, task: TaskId },
    #[error(
        "The devices of node \"{node}\" are in the hands of task {task}, which is {doing}; wait for it, with: pvc cluster task {task}"
    )]
    NodeBusy { node: NodeName, doing: String, task: TaskId },
    #[error(
        "Device \"{device}\" of node \"{node}\" bears OSD {osd} already: take another device, or replace that OSD."
    )]
    DeviceTaken { node: NodeName, device: String, osd: OsdId },
    #[error("Node \"{node}\" has \"{device}\" for the databases of its OSDs; a node has one such device.")]
    HasDb { node: NodeName, device: String },
    #[error(
        "Node \"{node}\" has no device for the databases of OSDs: make one with: pvc storage osd create-db-vg"
    )]
    NoDb { node: NodeName },
    #[error("Node \"{node}\" is gone, and OSD {osd} is in it: wait until it is back, or use force.")]
    NodeGone { node: NodeName, osd: OsdId },
    #[error("A device can be split into 1 to {max} OSDs, not {count}.")]
    BadCount { count: usize, max: u32 },
    #[error("The size of the database is given as a ratio or as a size, not as both.")]
    TwoSizes,
    #[error("A ratio of {ratio} cannot be: give a number greater than 0 and smaller than 1, such as 0.05.")]
    BadRatio { ratio: String },
    #[error("A weight of {weight} cannot be: give a number from 0 to 100000, such as 1.0.")]
    BadWeight { weight: String },
    #[error("OSD {osd} is on device \"{device}\", not on \"{given}\".")]
    OtherDevice { osd: OsdId, device: String, given: String },
    #[error("OSD {osd} was destroyed, and only its number is kept: replace it, or remove it.")]
    Destroyed { osd: OsdId },
    #[error("OSD {osd} shares its device with others: remove it and add those anew.")]
    Split { osd: OsdId },
    #[error("Node \"{node}\" has OSDs ({osds}): remove them first, with: pvc storage osd remove")]
    NodeHoldsOsds { node: NodeName, osds: String },
}
