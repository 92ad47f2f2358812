//! The ports to OSDs: what a node does to its own devices, and what the storage as a whole is told.
//!
//! [`Devices`] is one machine's: it looks at devices, lays an OSD on one, runs it and wipes it again. [`Roster`] is the
//! storage's: who is a member, where, and whether one may go. Every call can be made again: what is done is done, and what
//! an earlier call left half done is finished or begun anew. A device is written to only if nothing is on it, or if it
//! bears the very OSD that is meant.

use std::fmt::Debug;

use logic::id::NodeName;
use logic::storage::osd::change::Preparation;
use logic::storage::osd::record::Borne;
use logic::storage::osd::{DeviceChoice, OsdFlag, OsdId, OsdUuid, Weight};

pub mod linux;
pub mod memory;
mod patience;
pub mod whole;

pub use patience::{ByTheClock, Pause, await_safe, await_up};

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It was refused, and nothing was changed.
    #[error("{why}; {remedy}")]
    Refused {
        /// Why.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// It was begun and failed. To make it again is safe.
    #[error("cannot {what}: {why}")]
    Failed {
        /// What was to be done, as what follows "cannot".
        what: String,
        /// Why.
        why: String,
    },
    /// The storage did not do its part.
    #[error(transparent)]
    Storage(#[from] crate::storage::Error),
}

impl Error {
    pub(crate) fn refused(why: impl Into<String>, remedy: &str) -> Self {
        Self::Refused { why: why.into(), remedy: remedy.into() }
    }

    pub(crate) fn failed(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Failed { what: what.into(), why: why.to_string() }
    }
}

/// A member of the storage, as the storage knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub id: OsdId,
    /// Its identity.
    pub uuid: OsdUuid,
    /// What it proves itself with: a keyring, in Ceph's words. A secret.
    pub keyring: String,
}

impl Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.id, self.uuid)
    }
}

/// Why an OSD is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A task wants it to.
    Task,
    /// It is the node's, whose daemon has just started.
    Boot,
}

/// The OSDs on one machine's devices.
pub trait Devices: Send + Sync + Debug {
    /// Nothing is on this device. Says which it is.
    ///
    /// # Errors
    /// There is no such device, it is in use, or something is on it: the error says what.
    fn empty(&self, device: &DeviceChoice) -> Result<String, Error>;

    /// This device bears this OSD. Says which it is.
    ///
    /// # Errors
    /// There is no such device, or it does not.
    fn bearing(&self, device: &DeviceChoice, osd: OsdUuid) -> Result<String, Error>;

    /// The device, or its part, bears the OSD. Done if it does. What an earlier call for the same OSD left half done is
    /// begun anew.
    ///
    /// # Errors
    /// Something else is on the device, there is no room for the database, or a program failed.
    fn prepare(&self, member: &Member, preparation: &Preparation) -> Result<(), Error>;

    /// The machine has what it needs to run an OSD that one of its devices bears.
    ///
    /// # Errors
    /// The device does not bear it.
    fn restore(&self, member: &Member, device: &DeviceChoice) -> Result<(), Error>;

    /// The OSD runs. On the occasion of a boot this is done where the machine has an init system, which starts it by
    /// itself or was told not to.
    ///
    /// # Errors
    /// The machine knows nothing of it, no device bears it any more, or it ends at once.
    fn start(&self, osd: OsdUuid, occasion: Occasion) -> Result<(), Error>;

    /// The OSD does not run, and is not started by itself. Done where the machine knows nothing of it.
    ///
    /// # Errors
    /// It cannot be ended.
    fn stop(&self, osd: OsdUuid) -> Result<(), Error>;

    /// What bears the OSD is empty, and nothing of the machine speaks of it. Done where the machine knows nothing of it, or
    /// its device is gone.
    ///
    /// # Errors
    /// It runs, or a device cannot be written to.
    fn wipe(&self, osd: OsdUuid) -> Result<(), Error>;

    /// This device is the machine's for the databases of OSDs.
    ///
    /// # Errors
    /// Something is on it, or the machine has another one.
    fn ensure_db(&self, device: &DeviceChoice) -> Result<(), Error>;

    /// The OSD's number, and what of the machine bears it; `None` where nothing does.
    ///
    /// # Errors
    /// The machine's notes cannot be read.
    fn borne(&self, osd: OsdUuid) -> Result<Option<(OsdId, Borne)>, Error>;

    /// The device for databases of OSDs; `None` where there is none.
    ///
    /// # Errors
    /// The machine's notes cannot be read.
    fn db_device(&self) -> Result<Option<String>, Error>;
}

/// Whether an OSD may be destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Safety {
    /// Nothing is lost.
    Safe,
    /// Something might be, or nobody knows.
    Unsafe {
        /// Why, in the storage's words.
        why: String,
    },
}

/// How a member stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is up.
    pub is_up: bool,
    /// Whether data is placed on it.
    pub is_in: bool,
    /// Whether it may be destroyed.
    pub safety: Safety,
    /// How many placement groups it still keeps.
    pub placement_group_count: u32,
    /// What of all data lies where it does not belong, or lacks a copy: objects.
    pub astray_count: u64,
}

/// The members of the storage.
pub trait Roster: Send + Sync + Debug {
    /// All members, by number.
    ///
    /// # Errors
    /// The storage does not tell.
    fn members(&self) -> Result<Vec<(OsdId, OsdUuid)>, crate::storage::Error>;

    /// There is a member of this identity. It gets a number, or that of a destroyed one that it replaces.
    ///
    /// # Errors
    /// The one that it replaces is not destroyed.
    fn register(&self, osd: OsdUuid, replaces: Option<OsdId>) -> Result<Member, crate::storage::Error>;

    /// The member is in the placement rules: in this node, with this weight.
    ///
    /// # Errors
    /// The storage does not take it.
    fn place(&self, osd: OsdId, node: &NodeName, weight: Weight) -> Result<(), crate::storage::Error>;

    /// Data is placed on the member.
    ///
    /// # Errors
    /// There is no such member.
    fn mark_in(&self, osd: OsdId) -> Result<(), crate::storage::Error>;

    /// No data is placed on the member.
    ///
    /// # Errors
    /// There is no such member.
    fn mark_out(&self, osd: OsdId) -> Result<(), crate::storage::Error>;

    /// How a member stands; `None` where there is no such member.
    ///
    /// # Errors
    /// The storage does not tell.
    fn standing(&self, osd: OsdId) -> Result<Option<Standing>, crate::storage::Error>;

    /// The member is forgotten but for its number, which is kept for a replacement. It must not run.
    ///
    /// # Errors
    /// It is up.
    fn destroy(&self, osd: OsdId) -> Result<(), crate::storage::Error>;

    /// The member is forgotten, and its node with it if it was its last. Done where there is none. It must not run.
    ///
    /// # Errors
    /// It is up.
    fn purge(&self, osd: OsdId) -> Result<(), crate::storage::Error>;

    /// The flag is set.
    ///
    /// # Errors
    /// The storage does not take it.
    fn set_flag(&self, flag: OsdFlag) -> Result<(), crate::storage::Error>;

    /// The flag is not set.
    ///
    /// # Errors
    /// The storage does not take it.
    fn unset_flag(&self, flag: OsdFlag) -> Result<(), crate::storage::Error>;
}
