//! Whether a volume may be made, changed, copied, filled or removed.

use super::{Accepted, Occasion, clones_of, idle, size, unused, worker};
use crate::cluster::{Cluster, VmEntry};
use crate::id::{NodeName, VmId, VolumeName};
use crate::record::{Expect, RecordId, Records};
use crate::storage::record::{Volume, VolumeState};
use crate::storage::space::{self, Insistence};
use crate::storage::work::StorageWork;
use crate::storage::{Format, SnapshotPath, StorageRefusal, VolumePath};

/// What a clone begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// All that the volume has now, copied: the two have nothing in common afterwards.
    Volume(VolumePath),
    /// What the snapshot shows: the clone keeps only what differs, and the snapshot stays as long as there is one.
    Snapshot(SnapshotPath),
}

/// What is to be brought into a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// How many bytes come.
    pub size_bytes: u64,
    /// What they are.
    pub format: Format,
}

/// Makes an empty volume.
///
/// # Errors
/// The name is taken, the size cannot be, there is no such pool, or too little room in it.
pub fn add_volume(on: Occasion<'_>, path: &VolumePath, size_bytes: u64, insistence: Insistence) -> Accepted {
    on.free_name(path)?;
    size(size_bytes)?;
    space::check(on.cluster, &path.pool, size_bytes, insistence, on.now)?;
    let made = on.fresh(size_bytes, VolumeState::Making);
    let records = Records::default().write(RecordId::Volume(path.clone()), Expect::Absent, made.into());
    let records = on.book(records, &path.pool)?;
    on.begin(StorageWork::AddVolume { volume: path.clone(), size_bytes }, records)
}

/// Lets a volume grow. One that a VM uses may grow while it runs.
///
/// # Errors
/// There is no such volume, it is busy, the size is smaller or cannot be, or there is too little room.
pub fn resize_volume(
    on: Occasion<'_>,
    path: &VolumePath,
    size_bytes: u64,
    insistence: Insistence,
) -> Accepted {
    let volume = on.ready_volume(path)?;
    size(size_bytes)?;
    let has_bytes = volume.value.size_bytes;
    if size_bytes < has_bytes {
        return Err(StorageRefusal::Shrinks { volume: path.clone(), size_bytes: has_bytes }.into());
    }
    space::check(on.cluster, &path.pool, size_bytes - has_bytes, insistence, on.now)?;
    let records = on.lock(Records::default(), path, VolumeState::Resizing { to_bytes: size_bytes })?;
    let records = on.book(records, &path.pool)?;
    let (volume, runner) = (path.clone(), runner_of(on.cluster, path));
    match runner {
        Some((guest, node)) => {
            on.begin_on(node, StorageWork::ResizeVolume { volume, size_bytes, guest: Some(guest) }, records)
        }
        None => on.begin(StorageWork::ResizeVolume { volume, size_bytes, guest: None }, records),
    }
}

/// The VM that runs with a volume, and its node.
fn runner_of(cluster: &Cluster, path: &VolumePath) -> Option<(VmId, NodeName)> {
    let runs = |entry: &VmEntry| entry.fact.as_ref().is_some_and(|fact| fact.value.runs());
    let runner = cluster.vms.iter().find(|(_, entry)| entry.vm.value.uses(path) && runs(entry));
    runner.map(|(id, entry)| (*id, entry.vm.value.node.clone()))
}

/// Gives a volume another name. Its clones follow.
///
/// # Errors
/// There is no such volume, it is busy, a VM uses it, or the new name is taken.
pub fn rename_volume(on: Occasion<'_>, path: &VolumePath, to: &VolumeName) -> Accepted {
    let volume = on.ready_volume(path)?;
    if path.volume == *to {
        return Err(StorageRefusal::SameName.into());
    }
    let target = path.beside(to);
    on.free_name(&target)?;
    unused(on.cluster, path, "its document names the volume, so take it from the VM first")?;
    let awaited = on.fresh(volume.value.size_bytes, VolumeState::Awaited { from: path.volume.clone() });
    let records = on.lock(Records::default(), path, VolumeState::Renaming { to: to.clone() })?.write(
        RecordId::Volume(target),
        Expect::Absent,
        awaited.into(),
    );
    let records = on.guard_pool(records, &path.pool)?;
    on.begin(StorageWork::RenameVolume { volume: path.clone(), to: to.clone() }, records)
}

/// Makes a volume with the content of another, or of a snapshot.
///
/// # Errors
/// There is no such source, it is busy, the name is taken, or there is too little room.
pub fn clone_volume(on: Occasion<'_>, source: &Source, to: &VolumePath, insistence: Insistence) -> Accepted {
    let (of, parent) = match source {
        Source::Volume(volume) => (volume, None),
        Source::Snapshot(snapshot) => (&snapshot.of, Some(snapshot)),
    };
    let volume = on.ready_volume(of)?;
    let size_bytes = match parent {
        None => volume.value.size_bytes,
        Some(parent) => snapshot_bytes(&volume.value, parent)?,
    };
    on.free_name(to)?;
    space::check(on.cluster, &to.pool, size_bytes, insistence, on.now)?;
    let made = Volume { clone_of: parent.cloned(), ..on.fresh(size_bytes, VolumeState::Making) };
    let records = on.lock(Records::default(), of, VolumeState::Copying)?.write(
        RecordId::Volume(to.clone()),
        Expect::Absent,
        made.into(),
    );
    let mut records = on.book(records, &to.pool)?;
    if of.pool != to.pool {
        records = on.guard_pool(records, &of.pool)?;
    }
    let work = match parent {
        None => StorageWork::CopyVolume { from: of.clone(), to: to.clone() },
        Some(parent) => StorageWork::CloneVolume { snapshot: parent.clone(), to: to.clone() },
    };
    on.begin(work, records)
}

fn snapshot_bytes(volume: &Volume, snapshot: &SnapshotPath) -> Result<u64, StorageRefusal> {
    let unknown = || StorageRefusal::SnapshotUnknown { snapshot: snapshot.clone() };
    volume.snapshots.get(&snapshot.snapshot).map(|taken| taken.size_bytes).ok_or_else(unknown)
}

/// Removes a volume and its snapshots.
///
/// # Errors
/// There is no such volume, it is busy, a VM uses it, or there are clones of its snapshots.
pub fn remove_volume(on: Occasion<'_>, path: &VolumePath) -> Accepted {
    on.free_volume(path)?;
    unused(on.cluster, path, "remove the VM, or take the volume from it, first")?;
    let clones: Vec<String> = clones_of(on.cluster, path, None).map(ToString::to_string).collect();
    if !clones.is_empty() {
        return Err(StorageRefusal::HasClones { what: path.to_string(), clones }.into());
    }
    let records = on.lock(Records::default(), path, VolumeState::Removing)?;
    let records = on.guard_pool(records, &path.pool)?;
    on.begin(StorageWork::RemoveVolume { volume: path.clone() }, records)
}

/// Looks at a volume anew: what was changed behind PVC's back is recorded. One that is not there is forgotten.
///
/// # Errors
/// There is no such volume, or it is busy.
pub fn scan_volume(on: Occasion<'_>, path: &VolumePath) -> Accepted {
    on.free_volume(path)?;
    let records = on.lock(Records::default(), path, VolumeState::Scanning)?;
    let records = on.guard_pool(records, &path.pool)?;
    on.begin(StorageWork::ScanVolume { volume: path.clone() }, records)
}

/// Announces an upload: its content is then brought to the worker over a link, by the task's id. The end of that, good
/// or bad, is the worker's to record; an upload that nobody brings, or that breaks off, fails by itself and leaves the
/// volume as it was. It is taken in by the worker beside the API that it comes to, where that is a node that is there, so that
/// its bytes cross no network but the storage's; else by the primary's.
///
/// # Errors
/// There is no such volume, it is busy, has snapshots, a VM that runs uses it, or it is too small.
pub fn begin_upload(on: Occasion<'_>, path: &VolumePath, content: Content, here: &NodeName) -> Accepted {
    let Content { size_bytes, format } = content;
    let volume = &on.ready_volume(path)?.value;
    size(size_bytes)?;
    idle(on.cluster, path, "stop it first")?;
    if !volume.snapshots.is_empty() {
        let names = volume.snapshots.keys().map(ToString::to_string).collect();
        return Err(StorageRefusal::HasSnapshots { volume: path.clone(), names }.into());
    }
    // What another format holds is known only when it has come.
    if format == Format::Raw && size_bytes > volume.size_bytes {
        let volume_bytes = volume.size_bytes;
        return Err(StorageRefusal::UploadTooLarge { volume: path.clone(), size_bytes, volume_bytes }.into());
    }
    let records = on.lock(Records::default(), path, VolumeState::Uploading)?;
    let records = on.guard_pool(records, &path.pool)?;
    let is_there = on.cluster.nodes.get(here).is_some_and(|node| node.presence.is_some());
    let run_on = if is_there { here.clone() } else { worker(on.cluster)? };
    on.begin_on(run_on, StorageWork::Upload { volume: path.clone(), size_bytes, format }, records)
}
