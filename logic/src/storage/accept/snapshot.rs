//! Whether a snapshot may be taken, renamed, removed or rolled back to.

use super::{Accepted, Occasion, clones_of, idle};
use crate::id::SnapshotName;
use crate::limits::SNAPSHOTS_MAX;
use crate::record::Records;
use crate::refusal::Refusal;
use crate::storage::record::{Volume, VolumeState};
use crate::storage::work::StorageWork;
use crate::storage::{SnapshotPath, StorageRefusal};

/// Takes a snapshot.
///
/// # Errors
/// There is no such volume, it is busy, has too many snapshots, or one of this name.
pub fn add_snapshot(on: Occasion<'_>, snapshot: &SnapshotPath) -> Accepted {
    let volume = &on.ready_volume(&snapshot.of)?.value;
    vacant(volume, snapshot)?;
    if volume.snapshots.len() >= SNAPSHOTS_MAX {
        return Err(Refusal::TooMany { what: "Snapshots of a volume", max: SNAPSHOTS_MAX });
    }
    begin(on, snapshot, VolumeState::Snapshotting, StorageWork::AddSnapshot { snapshot: snapshot.clone() })
}

/// Gives a snapshot another name. Its clones follow.
///
/// # Errors
/// There is no such snapshot, its volume is busy, or the new name is taken.
pub fn rename_snapshot(on: Occasion<'_>, snapshot: &SnapshotPath, to: &SnapshotName) -> Accepted {
    let volume = &on.ready_volume(&snapshot.of)?.value;
    present(volume, snapshot)?;
    if snapshot.snapshot == *to {
        return Err(StorageRefusal::SameName.into());
    }
    vacant(volume, &snapshot.of.at(to))?;
    let work = StorageWork::RenameSnapshot { snapshot: snapshot.clone(), to: to.clone() };
    begin(on, snapshot, VolumeState::Snapshotting, work)
}

/// Removes a snapshot.
///
/// # Errors
/// There is no such snapshot, its volume is busy, or there are clones of it.
pub fn remove_snapshot(on: Occasion<'_>, snapshot: &SnapshotPath) -> Accepted {
    present(&on.ready_volume(&snapshot.of)?.value, snapshot)?;
    let clones = clones_of(on.cluster, &snapshot.of, Some(&snapshot.snapshot));
    let clones: Vec<String> = clones.map(ToString::to_string).collect();
    if !clones.is_empty() {
        return Err(StorageRefusal::HasClones { what: snapshot.to_string(), clones }.into());
    }
    begin(on, snapshot, VolumeState::Snapshotting, StorageWork::RemoveSnapshot { snapshot: snapshot.clone() })
}

/// Brings a volume back to what a snapshot shows.
///
/// # Errors
/// There is no such snapshot, its volume is busy, or a VM that runs uses it.
pub fn roll_back(on: Occasion<'_>, snapshot: &SnapshotPath) -> Accepted {
    present(&on.ready_volume(&snapshot.of)?.value, snapshot)?;
    idle(on.cluster, &snapshot.of, "stop it first")?;
    begin(on, snapshot, VolumeState::RollingBack, StorageWork::RollBack { snapshot: snapshot.clone() })
}

fn begin(on: Occasion<'_>, snapshot: &SnapshotPath, state: VolumeState, work: StorageWork) -> Accepted {
    let records = on.lock(Records::default(), &snapshot.of, state)?;
    let records = on.guard_pool(records, &snapshot.of.pool)?;
    on.begin(work, records)
}

fn present(volume: &Volume, snapshot: &SnapshotPath) -> Result<(), StorageRefusal> {
    match volume.snapshots.contains_key(&snapshot.snapshot) {
        true => Ok(()),
        false => Err(StorageRefusal::SnapshotUnknown { snapshot: snapshot.clone() }),
    }
}

fn vacant(volume: &Volume, snapshot: &SnapshotPath) -> Result<(), StorageRefusal> {
    match volume.snapshots.contains_key(&snapshot.snapshot) {
        false => Ok(()),
        true => Err(StorageRefusal::SnapshotExists { snapshot: snapshot.clone() }),
    }
}
