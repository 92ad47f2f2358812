//! Whether an operator's request about storage is allowed now, and the records it writes: the object's own record, which
//! is the lock on it from then on, and the task that does what was asked.
//!
//! Every request guards its pool's record by its version, so that nothing begins in a pool that is being removed.

use super::StorageRefusal;
use super::VolumePath;
use super::record::{Pool, PoolState, Volume, VolumeState};
use super::work::StorageWork;
use crate::cluster::Cluster;
use crate::id::{NodeName, PoolName, TaskId, VmName};
use crate::limits::VOLUME_BYTES_MAX;
use crate::record::{Expect, RecordId, Records, Versioned};
use crate::refusal::Refusal;
use crate::task::{Task, Work};
use crate::time::WallTime;
use crate::vm::{State, shown_state};

mod pool;
mod rename;
mod snapshot;
mod vm;
mod volume;

pub use pool::{add_pool, remove_pool, set_placement_groups};
pub use rename::{namesakes, rename_vm};
pub use snapshot::{add_snapshot, remove_snapshot, rename_snapshot, roll_back};
pub use vm::{flush_locks, remove_vm};
pub use volume::{
    Content, Source, add_volume, begin_upload, clone_volume, remove_volume, rename_volume, resize_volume,
    scan_volume,
};

/// What every request is decided on.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The records.
    pub cluster: &'a Cluster,
    /// A fresh random id, for the task.
    pub task: TaskId,
    /// When it is asked.
    pub now: WallTime,
}

/// The task that was accepted, and what is written with it.
pub type Accepted = Result<(Task, Records), Refusal>;

/// Where work about the storage is done: at the node that holds the primary role.
///
/// # Errors
/// [`Refusal::RoleVacant`] where nobody holds it.
pub fn worker(cluster: &Cluster) -> Result<NodeName, Refusal> {
    let primary = cluster.primary.as_ref().ok_or(Refusal::RoleVacant)?;
    Ok(primary.value.node.clone())
}

impl Occasion<'_> {
    /// Adds the task to what is written.
    pub(super) fn begin(&self, work: StorageWork, records: Records) -> Accepted {
        self.begin_on(worker(self.cluster)?, work, records)
    }

    /// The same on another node.
    fn begin_on(&self, run_on: NodeName, work: StorageWork, records: Records) -> Accepted {
        let task = Task { work: Work::Storage(work), run_on, asked: self.now };
        let records = records.write(RecordId::Task(self.task), Expect::Absent, task.clone().into());
        Ok((task, records))
    }

    /// A pool in which something can be done now.
    pub(super) fn ready_pool(&self, name: &PoolName) -> Result<&Versioned<Pool>, StorageRefusal> {
        let pool = self.free_pool(name)?;
        match &pool.value.state {
            PoolState::Broken { why } => {
                Err(StorageRefusal::PoolBroken { pool: name.clone(), why: why.clone() })
            }
            _ => Ok(pool),
        }
    }

    /// A pool that no task has.
    fn free_pool(&self, name: &PoolName) -> Result<&Versioned<Pool>, StorageRefusal> {
        let unknown = || StorageRefusal::PoolUnknown { pool: name.clone() };
        let pool = self.cluster.pools.get(name).ok_or_else(unknown)?;
        let doing = match &pool.value.state {
            PoolState::Making => "being made",
            PoolState::Regrouping { .. } => "being given other placement groups",
            PoolState::Removing => "being removed",
            PoolState::Ready | PoolState::Broken { .. } => "being changed",
        };
        match pool.value.task {
            Some(task) => Err(StorageRefusal::PoolBusy { pool: name.clone(), doing, task }),
            None => Ok(pool),
        }
    }

    /// A volume that is whole, in a pool that is ready, and that no task has.
    fn ready_volume(&self, path: &VolumePath) -> Result<&Versioned<Volume>, StorageRefusal> {
        let volume = self.free_volume(path)?;
        match &volume.value.state {
            VolumeState::Broken { why } => {
                Err(StorageRefusal::VolumeBroken { volume: path.clone(), why: why.clone() })
            }
            _ => Ok(volume),
        }
    }

    /// A volume that no task has, in a pool that is ready.
    fn free_volume(&self, path: &VolumePath) -> Result<&Versioned<Volume>, StorageRefusal> {
        self.ready_pool(&path.pool)?;
        let unknown = || StorageRefusal::VolumeUnknown { volume: path.clone() };
        let volume = self.cluster.volumes.get(path).ok_or_else(unknown)?;
        let (task, doing) = (volume.value.task, volume.value.state.doing());
        match (task, doing) {
            (None, None) => Ok(volume),
            (task, doing) => {
                let doing = doing.unwrap_or("being changed");
                Err(StorageRefusal::VolumeBusy { volume: path.clone(), doing, task })
            }
        }
    }

    /// The name of a volume that is to be: free, in a pool that is ready.
    pub(super) fn free_name(&self, path: &VolumePath) -> Result<(), StorageRefusal> {
        self.ready_pool(&path.pool)?;
        match self.cluster.volumes.get(path).map(|volume| (&volume.value.state, volume.value.task)) {
            None => Ok(()),
            Some((state, Some(task))) => {
                let doing = state.doing().unwrap_or("being changed");
                Err(StorageRefusal::VolumeBusy { volume: path.clone(), doing, task: Some(task) })
            }
            Some((_, None)) => Err(StorageRefusal::VolumeExists { volume: path.clone() }),
        }
    }

    /// The condition that the pool is as it was decided on.
    fn guard_pool(&self, records: Records, name: &PoolName) -> Result<Records, StorageRefusal> {
        Ok(records.guard(RecordId::Pool(name.clone()), self.ready_pool(name)?.expect()))
    }

    /// Counts in the pool's record what takes room in it, so that two who decide at once do not both find it.
    pub(super) fn book(&self, records: Records, name: &PoolName) -> Result<Records, StorageRefusal> {
        let pool = self.ready_pool(name)?;
        let booked = Pool { bookings: pool.value.bookings + 1, ..pool.value.clone() };
        Ok(records.write(RecordId::Pool(name.clone()), pool.expect(), booked.into()))
    }

    /// The volume in the hands of the task.
    fn lock(
        &self,
        records: Records,
        path: &VolumePath,
        state: VolumeState,
    ) -> Result<Records, StorageRefusal> {
        let volume = self.free_volume(path)?;
        let locked = Volume { state, task: Some(self.task), ..volume.value.clone() };
        Ok(records.write(RecordId::Volume(path.clone()), volume.expect(), locked.into()))
    }

    /// A volume that is to be made by the task.
    pub(super) fn fresh(&self, size_bytes: u64, state: VolumeState) -> Volume {
        Volume {
            size_bytes,
            state,
            task: Some(self.task),
            created: self.now,
            modified: self.now,
            features: None,
            clone_of: None,
            snapshots: Default::default(),
        }
    }
}

/// The VM that a volume belongs to, and whether it is stopped.
pub fn user_of<'a>(cluster: &'a Cluster, volume: &VolumePath) -> Option<(&'a VmName, Use)> {
    let user = cluster.vms.values().find(|entry| entry.vm.value.uses(volume))?;
    let used = match shown_state(user) {
        State::Stop | State::Disable => Use::Stopped,
        _ => Use::Running,
    };
    Some((&user.vm.value.name, used))
}

/// How a VM uses a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is down, and does not begin to run.
    Stopped,
    /// It runs, or may.
    Running,
}

/// The volume belongs to no VM.
fn unused(cluster: &Cluster, path: &VolumePath, remedy: &'static str) -> Result<(), StorageRefusal> {
    match user_of(cluster, path) {
        None => Ok(()),
        Some((vm, _)) => Err(StorageRefusal::UsedBy { volume: path.clone(), vm: vm.clone(), remedy }),
    }
}

/// Whether a task may still take its volumes away. Another API may have given one to a VM while this one did not know of it
/// yet; who performs the task does.
///
/// # Errors
/// A VM uses one of them.
pub fn still_unused(cluster: &Cluster, work: &StorageWork) -> Result<(), StorageRefusal> {
    let volumes = match work {
        StorageWork::RemoveVolume { .. } | StorageWork::RemovePool { .. } => work.volumes(),
        StorageWork::RenameVolume { volume, .. } => vec![volume.clone()],
        _ => Vec::new(),
    };
    volumes.iter().try_for_each(|path| unused(cluster, path, "it was given the volume meanwhile"))
}

/// No VM that runs has the volume.
fn idle(cluster: &Cluster, path: &VolumePath, remedy: &'static str) -> Result<(), StorageRefusal> {
    match user_of(cluster, path) {
        Some((vm, Use::Running)) => {
            Err(StorageRefusal::UsedBy { volume: path.clone(), vm: vm.clone(), remedy })
        }
        _ => Ok(()),
    }
}

/// The volumes that are clones of a volume's snapshots, those of one snapshot where one is named.
fn clones_of<'a>(
    cluster: &'a Cluster,
    of: &'a VolumePath,
    snapshot: Option<&'a crate::id::SnapshotName>,
) -> impl Iterator<Item = &'a VolumePath> {
    let is_clone = move |volume: &Volume| {
        let parent = volume.clone_of.as_ref().filter(|parent| parent.of == *of);
        parent.is_some_and(|parent| snapshot.is_none_or(|name| parent.snapshot == *name))
    };
    cluster.volumes.iter().filter(move |(_, volume)| is_clone(&volume.value)).map(|(path, _)| path)
}

/// A size that a volume can have.
fn size(size_bytes: u64) -> Result<(), StorageRefusal> {
    match size_bytes {
        0 => Err(StorageRefusal::SizeZero),
        1..=VOLUME_BYTES_MAX => Ok(()),
        _ => Err(StorageRefusal::SizeTooLarge { size_bytes }),
    }
}

#[cfg(test)]
mod tests;
