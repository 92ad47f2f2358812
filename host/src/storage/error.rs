//! Why the storage did not do it: what was refused, why, and what to do.

use std::time::Duration;

/// What kind of refusal it is, for whoever has to tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// What it is about is not there.
    Absent,
    /// Something of this name is there, and is different.
    Exists,
    /// It was to be made, and nothing of it is there.
    Unmade,
    /// Somebody has it open.
    InUse,
    /// The volume has snapshots, or the pool volumes.
    Holds,
    /// Clones depend on it.
    Cloned,
    /// It would lose what lies behind its new end.
    Shrinks,
    /// There is no room.
    Full,
    /// What was brought is not what was said: too much, too little, or of another format.
    Content,
    /// It was ended by whoever watched it.
    Ended,
    /// This backend cannot do it, or not with this value.
    Unfit,
    /// This node is blocked at the storage.
    Blocked,
    /// The storage itself said no.
    Other,
}

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There was no answer. It may still take effect.
    #[error("the storage did not answer within {waited_ms} ms to {what}; see its health, and try again")]
    Silent {
        /// What was asked, as what follows "to".
        what: String,
        /// How long it was waited for: until the deadline of the call, or until the storage's own client gave up.
        waited_ms: u64,
    },
    /// There is no way to it.
    #[error("the storage is not reachable: {why}; {remedy}")]
    Unreachable {
        /// What was seen.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// It cannot be done yet, and nothing was. To make it again is safe.
    #[error("{what} is not done yet: {why}")]
    NotYet {
        /// What was asked, as what precedes "is not done".
        what: String,
        /// Why.
        why: String,
    },
    /// It was refused.
    #[error("the storage refused to {what}: {why}; {remedy}")]
    Refused {
        /// What was asked, as what follows "to".
        what: String,
        /// Of what kind the refusal is.
        cause: Cause,
        /// Why.
        why: String,
        /// What to do.
        remedy: String,
    },
}

impl Error {
    /// Of what kind the refusal is; `None` when it was not refused.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Refused { cause, .. } => Some(*cause),
            Self::Silent { .. } | Self::Unreachable { .. } | Self::NotYet { .. } => None,
        }
    }

    pub(super) fn silent(what: &str, waited: Duration) -> Self {
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        Self::Silent { what: what.into(), waited_ms }
    }

    pub(super) fn refused(what: &str, refusal: Refusal) -> Self {
        let Refusal { cause, why, remedy } = refusal;
        Self::Refused { what: what.into(), cause, why, remedy }
    }
}

/// A refusal without what was asked: whoever asked adds that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) cause: Cause,
    pub(super) why: String,
    pub(super) remedy: String,
}

impl Refusal {
    pub(super) fn new(cause: Cause, why: impl Into<String>, remedy: &str) -> Self {
        Self { cause, why: why.into(), remedy: remedy.into() }
    }

    pub(super) fn absent(what: impl std::fmt::Display) -> Self {
        Self::new(Cause::Absent, format!("there is no {what}"), "look at the list for what there is")
    }

    pub(super) fn no_pool(pool: impl std::fmt::Display) -> Self {
        Self::new(Cause::Absent, format!("there is no pool {pool}"), "make it with \"pvc storage pool add\"")
    }

    pub(super) fn exists(what: impl std::fmt::Display) -> Self {
        Self::new(Cause::Exists, format!("{what} is there already"), "take another name, or remove it first")
    }

    pub(super) fn in_use(what: impl std::fmt::Display, by: &str) -> Self {
        Self::new(Cause::InUse, format!("{what} is open: {by}"), "stop the VM that uses it")
    }

    pub(super) fn empty() -> Self {
        Self::new(Cause::Unfit, "its size would be zero", "give a size, such as 20G")
    }

    pub(super) fn shrinks(what: impl std::fmt::Display, size_bytes: u64) -> Self {
        let why = format!("{what} has {size_bytes} bytes, and what lies behind its new end would be lost");
        Self::new(Cause::Shrinks, why, "make a smaller volume and copy what is needed")
    }

    pub(super) fn full(pool: impl std::fmt::Display) -> Self {
        Self::new(
            Cause::Full,
            format!("there is no room in {pool}"),
            "remove what is not needed, or add space",
        )
    }

    pub(super) fn has_snapshots(what: impl std::fmt::Display, count: usize) -> Self {
        Self::new(Cause::Holds, format!("{what} has {count} snapshots"), "remove its snapshots first")
    }

    pub(super) fn has_volumes(pool: impl std::fmt::Display, count: usize) -> Self {
        Self::new(Cause::Holds, format!("{pool} holds {count} volumes"), "remove its volumes first")
    }

    pub(super) fn cloned(what: impl std::fmt::Display, clones: &str) -> Self {
        Self::new(Cause::Cloned, format!("there are clones of {what}: {clones}"), "remove the clones first")
    }

    pub(super) fn too_short(came_bytes: u64, said_bytes: u64) -> Self {
        let why = format!("{came_bytes} bytes came and {said_bytes} were announced");
        Self::new(Cause::Content, why, "upload it again")
    }

    pub(super) fn too_long(said_bytes: u64) -> Self {
        let why = format!("more came than the {said_bytes} bytes that were announced");
        Self::new(Cause::Content, why, "upload it again with its true size")
    }

    pub(super) fn too_large(volume: impl std::fmt::Display, size_bytes: u64) -> Self {
        let why = format!("it is larger than {volume}, which has {size_bytes} bytes");
        Self::new(Cause::Content, why, "resize the volume first")
    }

    pub(super) fn ended() -> Self {
        Self::new(Cause::Ended, "it was ended", "begin it again when it is wanted")
    }
}
