//! Why something is done about the storage: the log line and the operator's answer.

use std::fmt;

use serde::Serialize;

use crate::id::NodeName;

/// Why a step about the storage is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the text of each is its sentence, in Display below")]
pub enum StorageReason {
    Measured,
    Silent,
    Answers,
    Unswept,
    OsdUnseen,
    TaskTakenOver { from: NodeName },
}

impl StorageReason {
    /// The reason's name, as it stands in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Measured => "storage-measured",
            Self::Silent => "storage-silent",
            Self::Answers => "storage-answers",
            Self::Unswept => "storage-unswept",
            Self::OsdUnseen => "storage-osd-unseen",
            Self::TaskTakenOver { .. } => "storage-task-taken-over",
        }
    }
}

impl fmt::Display for StorageReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured => write!(f, "the storage was measured"),
            Self::Silent => write!(f, "the storage does not answer, and its facts are old"),
            Self::Answers => write!(f, "the storage answers again"),
            Self::Unswept => {
                write!(
                    f,
                    "this worker has not looked yet for what transfers that were cut off left in the pool"
                )
            }
            Self::OsdUnseen => {
                write!(f, "the node's daemon has started and has not seen yet to it that the OSD runs")
            }
            Self::TaskTakenOver { from } => {
                write!(f, "the task is about the storage, and {from}, whose it was, is gone")
            }
        }
    }
}
