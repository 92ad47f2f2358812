//! What several calls of the port come to, each of which can be made again after any of them.

use std::collections::BTreeMap;

use logic::fence::Outcome;
use logic::id::{PoolName, VolumeName};
use logic::storage::record::{Looked, Shown};
use logic::storage::{SnapshotPath, VolumePath};

use super::error::Refusal;
use super::{Blockade, Cause, Confirmation, Error, Fence, Storage, Watch};

/// There is no pool of this name.
///
/// # Errors
/// There is one, or the storage does not tell.
pub fn expect_no_pool(port: &dyn Storage, pool: &PoolName) -> Result<(), Error> {
    match port.pools()?.iter().any(|there| there.name == *pool) {
        false => Ok(()),
        true => {
            let why = format!("a pool {pool} is there already that PVC does not know");
            Err(strange(&format!("make the pool {pool}"), why))
        }
    }
}

/// There is no volume of this name.
///
/// # Errors
/// There is one, there is no such pool, or the storage does not tell.
pub fn expect_no_volume(port: &dyn Storage, volume: &VolumePath) -> Result<(), Error> {
    match port.volume(volume)? {
        None => Ok(()),
        Some(_) => {
            let why = format!("a volume {volume} is there already that PVC does not know");
            Err(strange(&format!("make {volume}"), why))
        }
    }
}

/// There is no snapshot of this name.
///
/// # Errors
/// There is one, there is no such volume, or the storage does not tell.
pub fn expect_no_snapshot(port: &dyn Storage, snapshot: &SnapshotPath) -> Result<(), Error> {
    match port.snapshots(&snapshot.of)?.iter().any(|taken| taken.name == snapshot.snapshot) {
        false => Ok(()),
        true => {
            let why = format!("a snapshot {snapshot} is there already that PVC does not know");
            Err(strange(&format!("make {snapshot}"), why))
        }
    }
}

/// How far a blockade has come. One that is not there any more is no failure: it has to be laid again.
///
/// # Errors
/// The storage does not tell.
pub fn confirmation(fence: &dyn Fence, blockade: &Blockade) -> Result<Outcome, Error> {
    match fence.confirmation(blockade) {
        Ok(Confirmation::Everywhere { epoch, unproven }) => Ok(Outcome::Everywhere { epoch, unproven }),
        Ok(Confirmation::Awaited(awaited)) => {
            Ok(Outcome::Awaited { osds: awaited.iter().map(|awaited| awaited.osd).collect() })
        }
        Err(error) if error.cause() == Some(Cause::Absent) => Ok(Outcome::Gone),
        Err(error) => Err(error),
    }
}

fn strange(what: &str, why: String) -> Error {
    Error::refused(what, Refusal::new(Cause::Exists, why, "take another name, or remove it at the storage"))
}

/// The volume is gone, and its snapshots with it. Nothing of it is gone when somebody has it open.
///
/// # Errors
/// Somebody has it open, a snapshot has clones, or the storage does not do it; snapshots may be gone then.
pub fn remove(port: &dyn Storage, volume: &VolumePath) -> Result<(), Error> {
    if port.volume(volume)?.is_none() {
        return Ok(());
    }
    if let Some(user) = port.users(volume)?.0.first() {
        return Err(Error::refused(&format!("remove {volume}"), Refusal::in_use(volume, &user.who)));
    }
    for snapshot in port.snapshots(volume)? {
        port.remove_snapshot(&volume.at(&snapshot.name))?;
    }
    port.remove(volume)
}

/// The same of a volume that is in nobody's way: while somebody has it open it is not yet time, and no refusal. Who has
/// died is told of for a while.
///
/// # Errors
/// Somebody has it open, or the storage does not do it.
pub fn clear(port: &dyn Storage, volume: &VolumePath) -> Result<(), Error> {
    match remove(port, volume) {
        Err(Error::Refused { cause: Cause::InUse, why, .. }) => {
            Err(Error::NotYet { what: format!("The removal of {volume}"), why })
        }
        told => told,
    }
}

/// How a volume's making ended: what was refused and is not there left nothing. What is there later is somebody else's.
///
/// # Errors
/// The one that is given, whose cause is [`Cause::Unmade`] then.
pub fn made(port: &dyn Storage, volume: &VolumePath, told: Result<(), Error>) -> Result<(), Error> {
    match told {
        Err(Error::Refused { what, cause, why, remedy }) if cause != Cause::Exists => {
            let is_absent = matches!(port.volume(volume), Ok(None));
            let cause = if is_absent { Cause::Unmade } else { cause };
            Err(Error::Refused { what, cause, why, remedy })
        }
        told => told,
    }
}

/// The target is there as a copy. It was not there when this was tried first, so that one that is there is the copy: it
/// is seen only when it is whole.
///
/// # Errors
/// As those of a copy.
pub fn copy(port: &dyn Storage, from: &VolumePath, to: &VolumePath, watch: &dyn Watch) -> Result<(), Error> {
    match port.copy(from, to, watch) {
        Err(error) if error.cause() == Some(Cause::Exists) => Ok(()),
        told => told,
    }
}

/// What is there of these volumes and pools. What is in a pool that is gone is not there.
///
/// # Errors
/// The storage does not tell.
pub fn look(port: &dyn Storage, volumes: &[VolumePath], pools: &[PoolName]) -> Result<Looked, Error> {
    let mut looked = Looked::default();
    let there = port.pools()?;
    for pool in there.iter().filter(|pool| pools.contains(&pool.name)) {
        looked.pools.insert(pool.name.clone(), pool.placement_group_count);
    }
    let mut listed: BTreeMap<&PoolName, Vec<VolumeName>> = BTreeMap::new();
    for path in volumes.iter().filter(|path| there.iter().any(|pool| pool.name == path.pool)) {
        // A list is one call, and most of what is looked for in a pool's removal is gone.
        if !listed.contains_key(&path.pool) {
            listed.insert(&path.pool, port.volumes(&path.pool)?);
        }
        if listed.get(&path.pool).is_some_and(|names| names.contains(&path.volume))
            && let Some(volume) = port.volume(path)?
        {
            let snapshots = port.snapshots(path)?.into_iter().map(|taken| (taken.name, taken.size_bytes));
            let shown = Shown {
                size_bytes: volume.size_bytes,
                id: volume.id,
                object_size_bytes: volume.object_size_bytes,
                features: volume.features,
                clone_of: volume.clone_of,
                snapshots: snapshots.collect(),
            };
            looked.volumes.insert(path.clone(), shown);
        }
    }
    Ok(looked)
}
