//! Why a step is taken for a VM that moves while it runs.

use std::fmt;

use serde::Serialize;

use super::Reason;
use crate::id::NodeName;

/// The reasons of [`crate::vm::migrate`]; each is named in logs with `move-` before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the text of each is its sentence, in Display below")]
pub enum MoveReason {
    Offered { to: NodeName },
    Begins,
    Sent { to: NodeName },
    Slow { pass: u64 },
    Aborted,
    Stranded,
    Unwound,
    Gone { to: NodeName },
    Ended,
    TakenBack,
    Failed { to: NodeName, why: String },
    OnlyLive,
    Awaited,
    Queued,
    Refused { why: String },
    Received,
    Arrived,
    Withdrawn,
    Cleared,
    AnswerOver,
    LeftBehind,
    Progress,
    Vain,
    SentByPostCopy { to: NodeName },
    Switched,
    Torn,
    Mended,
    Lost,
    HalfEnded,
    MemoryLost,
}

impl fmt::Display for MoveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offered { to } => write!(f, "{to} is asked to take it while it runs"),
            Self::Begins => write!(f, "its target is ready for it"),
            Self::Sent { to } => write!(f, "it moves to {to} while it runs"),
            Self::Slow { pass } => {
                write!(
                    f,
                    "its memory is sent for the {pass}th time, so it may stand still for as long as it is allowed"
                )
            }
            Self::Aborted => {
                write!(f, "its move is no longer wished, or its target is not up, or it takes too long")
            }
            Self::Stranded => {
                write!(
                    f,
                    "it stands still, and nobody carries the switch on; its target must clear what it has"
                )
            }
            Self::Unwound => write!(f, "its target has nothing of it, so it goes on here"),
            Self::Gone { to } => write!(f, "it is not here any more; it may go on on {to}"),
            Self::Ended => write!(f, "neither node has it: it ended on its way"),
            Self::TakenBack => write!(f, "its move is no longer wished, or it has ended"),
            Self::Failed { to, why } => write!(f, "it could not move to {to}: {why}"),
            Self::OnlyLive => write!(f, "it is to move only live, and could not, so it stays"),
            Self::Awaited => write!(f, "it can come"),
            Self::Queued => write!(f, "it can come when others have arrived"),
            Self::Refused { why } => write!(f, "it cannot come: {why}"),
            Self::Received => write!(f, "its source has it no more, so it goes on here"),
            Self::Arrived => write!(f, "it runs here, and belongs to this node from now on"),
            Self::Withdrawn => write!(f, "its source has taken it back, or it has ended there"),
            Self::Cleared => write!(f, "nothing of it is here"),
            Self::AnswerOver => write!(f, "its move is over"),
            Self::LeftBehind => write!(f, "a move has left it here, and it does not run"),
            Self::Progress => write!(f, "its move has come further"),
            Self::Vain => {
                write!(f, "it writes faster than it can be sent, however slowed down: post-copy is next")
            }
            Self::SentByPostCopy { to } => {
                write!(f, "it moves to {to} by post-copy, because pre-copy was in vain")
            }
            Self::Switched => write!(f, "it goes on at its target, and its memory follows"),
            Self::Torn => write!(f, "post-copy broke off: half of it is here, and half at its target"),
            Self::Mended => write!(f, "its halves are to be joined"),
            Self::Lost => write!(f, "its halves cannot be joined: what it had in memory is lost"),
            Self::HalfEnded => write!(f, "the other half of it is lost"),
            Self::MemoryLost => write!(f, "both halves of it are ended; it may be started anew"),
        }
    }
}

impl MoveReason {
    /// The reason's name, as it stands in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Offered { .. } => "move-offered",
            Self::Begins => "move-begins",
            Self::Sent { .. } => "move-sent",
            Self::Slow { .. } => "move-slow",
            Self::Aborted => "move-aborted",
            Self::Stranded => "move-stranded",
            Self::Unwound => "move-unwound",
            Self::Gone { .. } => "move-gone",
            Self::Ended => "move-ended",
            Self::TakenBack => "move-taken-back",
            Self::Failed { .. } => "move-failed",
            Self::OnlyLive => "move-only-live",
            Self::Awaited => "move-awaited",
            Self::Queued => "move-queued",
            Self::Refused { .. } => "move-refused",
            Self::Received => "move-received",
            Self::Arrived => "move-arrived",
            Self::Withdrawn => "move-withdrawn",
            Self::Cleared => "move-cleared",
            Self::AnswerOver => "move-answer-over",
            Self::LeftBehind => "move-left-behind",
            Self::Progress => "move-progress",
            Self::Vain => "move-vain",
            Self::SentByPostCopy { .. } => "move-sent-by-post-copy",
            Self::Switched => "move-switched",
            Self::Torn => "move-torn",
            Self::Mended => "move-mended",
            Self::Lost => "move-lost",
            Self::HalfEnded => "move-half-ended",
            Self::MemoryLost => "move-memory-lost",
        }
    }
}

impl From<MoveReason> for Reason {
    fn from(reason: MoveReason) -> Self {
        Self::Move(reason)
    }
}
