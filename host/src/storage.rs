//! The port to storage: pools, volumes, snapshots, bulk transfers, trials, figures, and the fence around what must not write.
//!
//! It is cut into small traits, and a [`Storage`] is all of them but the last: [`Fence`] is there only where several
//! machines reach the same volumes. Three promises hold for every call:
//!
//! 1. It returns within the backend's deadline, whatever hangs; a transfer, which takes as long as it takes, returns
//!    when nothing has moved for so long.
//! 2. What is to be gone and is not there is done. What is to be there and is there, alike, is done; what is there and
//!    is different is refused, and left as it is.
//! 3. What was cut off half way is not seen: a volume is listed when it is whole. What such an end left lying is cleared
//!    away or finished by [`Transfers::sweep`].
//!
//! Sizes are in bytes. A call that was not answered in time may still take effect; whoever made it looks, or makes it
//! again.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::IpAddr;

use logic::id::{PoolName, SnapshotName, VolumeName};
pub use logic::storage::Format;
use logic::storage::{SnapshotPath, VolumePath};

mod access;
pub mod ceph;
mod convert;
pub mod directory;
mod error;
mod fence;
pub mod memory;
mod transfer;
mod trial;
mod volume;
pub mod whole;

pub use access::{Access, CephClient, Key};
pub use error::{Cause, Error};
pub use fence::{Awaited, Blockade, Blocked, Confirmation};
pub use logic::storage::figures::{ClusterFigures, Health, Osd, OsdFigures, PoolFigures, Rates, Tally};
pub use trial::{Exercise, TrialFigures, Trials};
pub use volume::{Location, Lock, Pool, Snapshot, User, Volume};

/// What a backend can do that another cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Who reaches its volumes.
    pub reach: Reach,
    /// When a snapshot can be made of a volume that somebody has open.
    pub snapshots: SnapshotsOf,
}

/// Who reaches the volumes of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine alone: no VM on them can run elsewhere.
    ThisMachine,
    /// Every machine of the cluster.
    EveryMachine,
}

/// Of which volumes snapshots can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotsOf {
    /// Of those that nobody has open.
    Idle,
    /// Of all.
    Any,
}

/// All pools.
pub trait Pools: Send + Sync + Debug {
    /// The pools that hold volumes, by name.
    ///
    /// # Errors
    /// Where the storage does not tell.
    fn pools(&self) -> Result<Vec<Pool>, Error>;

    /// The pool is there, replicated so and on this tier. How many placement groups it has is told once, when it is
    /// made. Done if it is there with the same copies.
    ///
    /// # Errors
    /// It is there with other copies, or cannot be made so.
    fn ensure_pool(&self, pool: &Pool) -> Result<(), Error>;

    /// The pool has this number of placement groups, or is on its way there. Done where there is no such thing.
    ///
    /// # Errors
    /// There is no such pool, or the number is refused.
    fn set_placement_groups(&self, pool: &PoolName, count: u32) -> Result<(), Error>;

    /// The pool is gone. Done if it is not there.
    ///
    /// # Errors
    /// It holds volumes.
    fn remove_pool(&self, pool: &PoolName) -> Result<(), Error>;
}

/// The volumes of all pools.
pub trait Volumes: Send + Sync + Debug {
    /// The volumes of a pool, by name.
    ///
    /// # Errors
    /// There is no such pool.
    fn volumes(&self, pool: &PoolName) -> Result<Vec<VolumeName>, Error>;

    /// One volume; `None` where there is none of this name.
    ///
    /// # Errors
    /// There is no such pool.
    fn volume(&self, volume: &VolumePath) -> Result<Option<Volume>, Error>;

    /// An empty volume of this size is there. Done if one of this size is there, empty or not.
    ///
    /// # Errors
    /// One of another size is there, the size is zero, there is no such pool, or no room.
    fn create(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error>;

    /// The volume has this size. Whoever has it open sees that when its hypervisor is told.
    ///
    /// # Errors
    /// It is larger, is not there, or there is no room; somebody has it open, where only they can resize it.
    fn resize(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error>;

    /// The volume has this name. Done if it is not there and one of the new name is.
    ///
    /// # Errors
    /// Somebody has it open, it is not there, or one of the new name is there too.
    fn rename(&self, volume: &VolumePath, to: &VolumeName) -> Result<(), Error>;

    /// The volume is gone. Done if it is not there.
    ///
    /// # Errors
    /// Somebody has it open, or it has snapshots.
    fn remove(&self, volume: &VolumePath) -> Result<(), Error>;

    /// Who has the volume open, and the locks on it, those of the dead included.
    ///
    /// # Errors
    /// It is not there.
    fn users(&self, volume: &VolumePath) -> Result<(Vec<User>, Vec<Lock>), Error>;

    /// The lock is gone. Whoever held it writes no more. Done if it is not there. The caller knows that its holder is
    /// dead, or shall be taken for dead: this port does not ask.
    ///
    /// # Errors
    /// The lock cannot be taken from its holder.
    fn break_lock(&self, volume: &VolumePath, lock: &Lock) -> Result<(), Error>;
}

/// The snapshots of all volumes.
pub trait Snapshots: Send + Sync + Debug {
    /// The snapshots of a volume, the oldest first.
    ///
    /// # Errors
    /// There is no such volume.
    fn snapshots(&self, volume: &VolumePath) -> Result<Vec<Snapshot>, Error>;

    /// The snapshot is there. Done if one of this name is, whatever it shows.
    ///
    /// # Errors
    /// There is no such volume, it has no room for snapshots, or somebody has it open: see [`Abilities::snapshots`].
    fn take(&self, snapshot: &SnapshotPath) -> Result<(), Error>;

    /// The snapshot has this name. Done if it is not there and one of the new name is.
    ///
    /// # Errors
    /// It is not there, or one of the new name is there too.
    fn rename_snapshot(&self, snapshot: &SnapshotPath, to: &SnapshotName) -> Result<(), Error>;

    /// The snapshot is gone. Done if it is not there.
    ///
    /// # Errors
    /// Other volumes are clones of it.
    fn remove_snapshot(&self, snapshot: &SnapshotPath) -> Result<(), Error>;

    /// The volume's content and size are those of the snapshot, which stays.
    ///
    /// # Errors
    /// There is no such snapshot, or somebody has the volume open.
    fn roll_back(&self, snapshot: &SnapshotPath) -> Result<(), Error>;

    /// The volume is there as a clone of the snapshot: it begins with its content, and keeps only what differs. Done
    /// if it is there as that. The snapshot cannot be removed as long as there are clones of it.
    ///
    /// # Errors
    /// There is no such snapshot, or a volume of this name is there that is no clone of it.
    fn clone_volume(&self, snapshot: &SnapshotPath, to: &VolumePath) -> Result<(), Error>;
}

/// Watches a transfer.
pub trait Watch: Send + Sync {
    /// So much of the whole was moved. Says whether it shall go on.
    fn moved(&self, done_bytes: u64, total_bytes: u64) -> Onward;
}

/// Whether a transfer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// It does.
    Yes,
    /// It ends, and leaves everything as it was.
    No,
}

/// What is brought into a volume.
pub struct Upload<'a> {
    /// The bytes, as they come.
    pub source: &'a mut (dyn Read + Send),
    /// How many they must be.
    pub size_bytes: u64,
    /// What they are.
    pub format: Format,
}

impl Debug for Upload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes of {}", self.size_bytes, self.format.as_str())
    }
}

/// What moves much. Each takes as long as it takes, tells how far it is, and can be ended.
pub trait Transfers: Send + Sync + Debug {
    /// The volume's content is what was brought, and zeroes behind it; all of it or, when this fails, nothing of it.
    /// Nothing is kept anywhere else meanwhile than in the pool.
    ///
    /// # Errors
    /// There is no such volume, somebody has it open, it has snapshots; the bytes are more or fewer than said, more
    /// than the volume holds, or not of that format; there is no room; or it was ended.
    fn upload(&self, volume: &VolumePath, upload: Upload<'_>, watch: &dyn Watch) -> Result<(), Error>;

    /// Writes the volume's content, as raw bytes. Of one that somebody writes to, what is read is of different moments.
    ///
    /// # Errors
    /// There is no such volume, the sink does not take it, or it was ended; somebody has it open, where such a one cannot
    /// be read.
    fn download(&self, volume: &VolumePath, sink: &mut dyn Write, watch: &dyn Watch) -> Result<(), Error>;

    /// The target is there with the content that the source has now, and nothing in common with it. Of a source that
    /// somebody writes to, what is read is of different moments.
    ///
    /// # Errors
    /// There is no source, a target is there already, there is no room, or it was ended; somebody has the source open,
    /// where such a one cannot be read.
    fn copy(&self, from: &VolumePath, to: &VolumePath, watch: &dyn Watch) -> Result<(), Error>;

    /// What transfers that were cut off left in the pool is finished or cleared away; what is under way is left alone.
    /// Says how many there were.
    ///
    /// # Errors
    /// There is no such pool.
    fn sweep(&self, pool: &PoolName) -> Result<usize, Error>;
}

/// Which text for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// How the cluster stands.
    Status,
    /// What of it is used.
    Utilization,
}

/// What is measured.
pub trait Figures: Send + Sync + Debug {
    /// The whole.
    ///
    /// # Errors
    /// Where the storage does not tell.
    fn cluster(&self) -> Result<ClusterFigures, Error>;

    /// All pools, by name.
    ///
    /// # Errors
    /// Where the storage does not tell.
    fn pool_figures(&self) -> Result<Vec<PoolFigures>, Error>;

    /// All OSDs, by number; none where there are no such things.
    ///
    /// # Errors
    /// Where the storage does not tell.
    fn osds(&self) -> Result<Vec<Osd>, Error>;

    /// A text for an operator, in the storage's own words.
    ///
    /// # Errors
    /// Where the storage does not tell.
    fn page(&self, page: Page) -> Result<String, Error>;
}

/// Keeps the clients of some addresses from writing: those that are there, and those that will be.
///
/// A node is fenced at the storage when its addresses were blocked and [`Fence::confirmation`] said so; not before, for
/// until then some part of the storage may still take what it writes.
pub trait Fence: Send + Sync + Debug {
    /// The storage's own daemons notice quickly that one that leads them is gone, so that a fence need not wait for
    /// that. Done where they are set so. Says, in words, who keeps to other settings all the same.
    ///
    /// # Errors
    /// Where the storage does not take it.
    fn ensure_ready(&self) -> Result<Vec<String>, Error>;

    /// All clients at these addresses are blocked from now on, for ten years, and the OSDs there are called down. Done
    /// for those that are blocked.
    ///
    /// # Errors
    /// Where the storage does not take it; it may have taken some of them.
    fn block(&self, addresses: &[IpAddr]) -> Result<Blockade, Error>;

    /// Whether the blockade has reached every OSD that the newest map calls up. All are asked together.
    ///
    /// # Errors
    /// Where the storage's map is not to be had, or one of the addresses is not blocked any more.
    fn confirmation(&self, blockade: &Blockade) -> Result<Confirmation, Error>;

    /// The addresses are blocked no more, whoever blocked them. Done for those that are not. Says from which epoch of the
    /// storage's map on it is so.
    ///
    /// # Errors
    /// Where the storage does not take it; it may have taken some of them.
    fn unblock(&self, addresses: &[IpAddr]) -> Result<u64, Error>;

    /// The addresses that are blocked whole. Single clients that were blocked are not told: that is the storage's own
    /// affair.
    ///
    /// # Errors
    /// Where the storage does not tell.
    fn blocked(&self) -> Result<Blocked, Error>;

    /// The addresses that this machine's clients are seen at, or will be: what must be blocked to stop them all. A client
    /// keeps the address that it learned first, even when the machine has lost it since.
    ///
    /// # Errors
    /// Where the storage does not tell.
    fn own_addresses(&self) -> Result<Vec<IpAddr>, Error>;

    /// The addresses at which those who keep the storage's map see clients of this user now, each once, in order.
    ///
    /// # Errors
    /// Where none of them tells. One that is late is left out: its clients are seen by the others when it is gone.
    fn clients(&self) -> Result<Vec<IpAddr>, Error>;
}

/// Storage: everything a backend must do.
pub trait Storage: Pools + Volumes + Snapshots + Transfers + Trials + Figures {
    /// What it can do that another cannot.
    fn abilities(&self) -> Abilities;

    /// What this machine's guests need to reach the volumes.
    ///
    /// # Errors
    /// Where the storage does not tell.
    fn access(&self) -> Result<Access, Error>;

    /// The fence; `None` where one machine alone reaches the volumes.
    fn fence(&self) -> Option<&dyn Fence>;

    /// The members that keep its data; `None` where there are no such things.
    fn roster(&self) -> Option<&dyn crate::osd::Roster>;
}
