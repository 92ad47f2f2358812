//! Why a step about the primary role is taken: the log line and the operator's answer.

use std::fmt;

use serde::Serialize;

use crate::id::NodeName;

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the text of each is its sentence, in Display below")]
pub enum RoleReason {
    Vacant { node: NodeName },
    HolderGone { node: NodeName },
    Claimed { node: NodeName },
    Yielded { node: NodeName },
    HolderHangs { node: NodeName },
    HolderSilent { node: NodeName },
    TakenOver { node: NodeName },
    LetGo { node: NodeName },
    FormerGone { node: NodeName },
    TakenBack { node: NodeName },
    WishVoid,
    Here,
    Renewed,
    Told,
    Left,
}

impl fmt::Display for RoleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vacant { node } => {
                write!(f, "nobody holds the primary role; {node} takes it")
            }
            Self::HolderGone { node } => write!(f, "{node} held the primary role and is gone"),
            Self::Claimed { node } => write!(f, "{node} is to hand the primary role over"),
            Self::Yielded { node } => {
                write!(f, "{node} is to take the primary role, and everything is ready for it")
            }
            Self::HolderHangs { node } => write!(f, "{node} does not hand the primary role over in time"),
            Self::HolderSilent { node } => {
                write!(
                    f,
                    "{node} holds the primary role and has renewed nothing for too long, though its session lives"
                )
            }
            Self::TakenOver { node } => {
                write!(f, "everything that the primary role needs is here; {node} may let go")
            }
            Self::LetGo { node } => {
                write!(f, "nothing of the primary role is left here; {node} has it alone")
            }
            Self::FormerGone { node } => {
                write!(f, "{node} is gone, or does not let go of the primary role in time")
            }
            Self::TakenBack { node } => write!(f, "{node} does not take the primary role"),
            Self::WishVoid => write!(f, "nobody came to take the primary role"),
            Self::Here => write!(f, "the primary role is here, and so is its address"),
            Self::Renewed => write!(f, "the lease of the primary role was renewed"),
            Self::Told => write!(f, "everybody is to know that the primary role is here"),
            Self::Left => write!(f, "the primary role is not here"),
        }
    }
}

impl RoleReason {
    /// The reason's name, as it stands in logs: its variant in kebab-case, after "role".
    pub fn name(&self) -> &'static str {
        match self {
            Self::Vacant { .. } => "role-vacant",
            Self::HolderGone { .. } => "role-holder-gone",
            Self::Claimed { .. } => "role-claimed",
            Self::Yielded { .. } => "role-yielded",
            Self::HolderHangs { .. } => "role-holder-hangs",
            Self::HolderSilent { .. } => "role-holder-silent",
            Self::TakenOver { .. } => "role-taken-over",
            Self::LetGo { .. } => "role-let-go",
            Self::FormerGone { .. } => "role-former-gone",
            Self::TakenBack { .. } => "role-taken-back",
            Self::WishVoid => "role-wish-void",
            Self::Here => "role-here",
            Self::Renewed => "role-renewed",
            Self::Told => "role-told",
            Self::Left => "role-left",
        }
    }
}
