//! Why a request about storage is refused, and what to do about it.

use super::figures::PoolFigures;
use super::size::shown;
use super::{SnapshotPath, VolumePath};
use crate::id::{PoolName, TaskId, VmName};

/// The answer "no" to a request about pools, volumes and snapshots.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each is its sentence, and its fields are what it names")]
pub enum StorageRefusal {
    #[error("No pool named \"{pool}\" is present in the cluster. See: pvc storage pool list")]
    PoolUnknown { pool: PoolName },
    #[error("No volume with name \"{}\" is present in pool \"{}\". See: pvc storage volume list", volume.volume, volume.pool)]
    VolumeUnknown { volume: VolumePath },
    #[error(
        "No snapshot with name \"{}\" is present of volume \"{}\". See: pvc storage volume snapshot list", snapshot.snapshot, snapshot.of
    )]
    SnapshotUnknown { snapshot: SnapshotPath },
    #[error("A pool named \"{pool}\" exists already. Choose another name.")]
    PoolExists { pool: PoolName },
    #[error("A volume named \"{}\" exists already in pool \"{}\". Choose another name.", volume.volume, volume.pool)]
    VolumeExists { volume: VolumePath },
    #[error("A snapshot named \"{}\" of volume \"{}\" exists already. Choose another name.", snapshot.snapshot, snapshot.of)]
    SnapshotExists { snapshot: SnapshotPath },
    #[error("Pool \"{pool}\" is {doing} by task {task}; wait for it, with: pvc cluster task {task}")]
    PoolBusy { pool: PoolName, doing: &'static str, task: TaskId },
    #[error("Volume \"{volume}\" is {doing}{}", task.map(|task| format!(" by task {task}; wait for it, with: pvc cluster task {task}")).unwrap_or_default())]
    VolumeBusy { volume: VolumePath, doing: &'static str, task: Option<TaskId> },
    #[error("Pool \"{pool}\" cannot be used, because a change of it failed: {why}. Remove it.")]
    PoolBroken { pool: PoolName, why: String },
    #[error(
        "Volume \"{volume}\" cannot be used, because a change of it failed: {why}. Scan it, or remove it."
    )]
    VolumeBroken { volume: VolumePath, why: String },
    #[error(
        "A pool with {copies} copies, {copies_min} of them needed, cannot be: give such as copies=3,mincopies=2."
    )]
    BadReplication { copies: u8, copies_min: u8 },
    #[error("{count} placement groups cannot be: give a number from 1 to {max}, best a power of two.")]
    BadPlacementGroups { count: u32, max: u32 },
    #[error("The size is zero: give a size such as 20G.")]
    SizeZero,
    #[error("The size of {} is more than any volume can have.", shown(*size_bytes))]
    SizeTooLarge { size_bytes: u64 },
    #[error(
        "Volume \"{volume}\" has {}, and cannot be made smaller: what lies behind its new end would be lost. \
         Make a smaller volume, and copy what is needed.", shown(*size_bytes)
    )]
    Shrinks { volume: VolumePath, size_bytes: u64 },
    #[error(
        "The upload has {size_bytes} bytes and volume \"{volume}\" {volume_bytes}: resize the volume first."
    )]
    UploadTooLarge { volume: VolumePath, size_bytes: u64, volume_bytes: u64 },
    #[error(
        "{} are asked of pool \"{}\", which has {} free{}: ask for less, remove what is not needed, \
         or add space.", shown(*size_bytes), figures.name, shown(figures.free_bytes), pending(*pending_bytes)
    )]
    NoRoom { size_bytes: u64, pending_bytes: u64, figures: Box<PoolFigures> },
    #[error(
        "{} more would fill pool \"{}\" beyond 80 % of its {}, of which {} are stored{}: ask for less, \
         or use force.", shown(*size_bytes), figures.name, shown(figures.stored_bytes.saturating_add(figures.free_bytes)), shown(figures.stored_bytes), pending(*pending_bytes)
    )]
    TooFull { size_bytes: u64, pending_bytes: u64, figures: Box<PoolFigures> },
    #[error("How much room there is in pool \"{pool}\" is not known: {why}. Try again, or use force.")]
    RoomUnknown { pool: PoolName, why: String },
    #[error("Volume \"{volume}\" is used by VM \"{vm}\": {remedy}.")]
    UsedBy { volume: VolumePath, vm: VmName, remedy: &'static str },
    #[error("Volume \"{volume}\" has snapshots ({}): remove them first.", some(names))]
    HasSnapshots { volume: VolumePath, names: Vec<String> },
    #[error("\"{what}\" has clones that depend on it ({}): remove them first.", some(clones))]
    HasClones { what: String, clones: Vec<String> },
    #[error(
        "Pool \"{pool}\" holds {count} volumes; at most {max} are removed with their pool. Remove some of them first."
    )]
    TooManyVolumes { pool: PoolName, count: usize, max: usize },
    #[error("VM \"{vm}\" has no volumes.")]
    NoVolumes { vm: VmName },
    #[error("The new name is the old one.")]
    SameName,
    #[error(transparent)]
    Osd(#[from] super::osd::OsdRefusal),
    #[error(transparent)]
    Benchmark(#[from] super::benchmark::BenchmarkRefusal),
    #[error("Task {task} is no upload that goes on.")]
    NoUpload { task: TaskId },
}

fn pending(bytes: u64) -> String {
    match bytes {
        0 => String::new(),
        bytes => format!(", and {} promised to volumes that are being made", shown(bytes)),
    }
}

/// The first names, and how many more there are.
fn some(names: &[String]) -> String {
    let first = names.iter().take(crate::limits::VMS_NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(crate::limits::VMS_NAMED_MAX) {
        0 => first,
        more => format!("{first}, and {more} more"),
    }
}
