//! Why something is done about a node's block: the log line and the operator's answer.

use std::fmt;

use serde::Serialize;

/// Why a step about a block is taken; each is named in logs with `fence-` before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the text of each is its sentence, in Display below")]
pub enum FenceReason {
    Asked,
    Laid { epoch: u64 },
    Unconfirmed,
    Awaited { osds: Vec<i32> },
    Confirmed,
    Watched,
    Gone,
    Rebooted,
    Obeyed,
    Lifting,
    Lifted,
    LeftOver,
    CutOff,
    Barred,
}

impl FenceReason {
    /// The reason's name, as it stands in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Asked => "fence-asked",
            Self::Laid { .. } => "fence-laid",
            Self::Unconfirmed => "fence-unconfirmed",
            Self::Awaited { .. } => "fence-awaited",
            Self::Confirmed => "fence-confirmed",
            Self::Watched => "fence-watched",
            Self::Gone => "fence-gone",
            Self::Rebooted => "fence-rebooted",
            Self::Obeyed => "fence-obeyed",
            Self::Lifting => "fence-lifting",
            Self::Lifted => "fence-lifted",
            Self::LeftOver => "fence-left-over",
            Self::CutOff => "fence-cut-off",
            Self::Barred => "fence-barred",
        }
    }
}

impl fmt::Display for FenceReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => write!(f, "the node is to be fenced, and its addresses may not be blocked yet"),
            Self::Laid { epoch } => write!(f, "the node's addresses are blocked from epoch {epoch} on"),
            Self::Unconfirmed => write!(f, "it is not known whether every OSD keeps to the block"),
            Self::Awaited { osds } => {
                let osds: Vec<String> = osds.iter().map(|osd| format!("osd.{osd}")).collect();
                match osds.is_empty() {
                    true => write!(f, "no OSD is known to lag any more"),
                    false => write!(f, "the block is not confirmed by {}", osds.join(", ")),
                }
            }
            Self::Confirmed => write!(f, "every OSD keeps to the block: the node writes no more"),
            Self::Watched => write!(f, "somebody may have lifted the block"),
            Self::Gone => write!(f, "the block is gone, though nobody was to lift it: it is laid anew"),
            Self::Rebooted => {
                write!(f, "the node was started anew, and nothing of what was blocked is there")
            }
            Self::Obeyed => write!(f, "the node says that whatever could write there has ended"),
            Self::Lifting => write!(f, "the block is to be lifted"),
            Self::Lifted => write!(f, "the node's addresses are blocked no more"),
            Self::LeftOver => write!(f, "a call that was late has blocked the node's addresses again"),
            Self::CutOff => {
                write!(f, "this node is blocked at the storage, and the guest can never write again")
            }
            Self::Barred => write!(f, "this node is blocked at the storage, and starts no VM"),
        }
    }
}
