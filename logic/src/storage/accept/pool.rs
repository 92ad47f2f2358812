//! Whether a pool may be made, changed or removed.

use std::collections::BTreeSet;

use super::{Accepted, Occasion, user_of};
use crate::cluster::Cluster;
use crate::id::PoolName;
use crate::limits::{COPIES_MAX, PLACEMENT_GROUPS_MAX, POOL_REMOVAL_VOLUMES_MAX};
use crate::record::{Expect, RecordId, Records};
use crate::storage::record::{Pool, PoolState};
use crate::storage::work::StorageWork;
use crate::storage::{Replication, StorageRefusal, Tier, VolumePath};

/// Makes a pool.
///
/// # Errors
/// There is one of this name, or there can be none of this kind.
pub fn add_pool(
    on: Occasion<'_>,
    pool: &PoolName,
    replication: Replication,
    tier: Tier,
    placement_groups: u32,
) -> Accepted {
    let Replication { copies, copies_min } = replication;
    if copies_min == 0 || copies_min > copies || copies > COPIES_MAX {
        return Err(StorageRefusal::BadReplication { copies, copies_min }.into());
    }
    groups(placement_groups)?;
    if on.cluster.pools.contains_key(pool) {
        on.free_pool(pool)?;
        return Err(StorageRefusal::PoolExists { pool: pool.clone() }.into());
    }
    let made = Pool {
        replication,
        tier,
        placement_groups,
        state: PoolState::Making,
        task: Some(on.task),
        bookings: 0,
    };
    let records = Records::default().write(RecordId::Pool(pool.clone()), Expect::Absent, made.into());
    on.begin(StorageWork::AddPool { pool: pool.clone(), replication, tier, placement_groups }, records)
}

/// Gives a pool another number of placement groups.
///
/// # Errors
/// There is no such pool, it is busy, or the number cannot be.
pub fn set_placement_groups(on: Occasion<'_>, pool: &PoolName, count: u32) -> Accepted {
    groups(count)?;
    let there = on.ready_pool(pool)?;
    let state = PoolState::Regrouping { count };
    let changed = Pool { state, task: Some(on.task), ..there.value.clone() };
    let records = Records::default().write(RecordId::Pool(pool.clone()), there.expect(), changed.into());
    on.begin(StorageWork::SetPlacementGroups { pool: pool.clone(), count }, records)
}

/// Removes a pool and all volumes in it, with their snapshots.
///
/// # Errors
/// There is no such pool, something in it is busy, a VM uses a volume in it, or a volume elsewhere is a clone of one in it.
pub fn remove_pool(on: Occasion<'_>, pool: &PoolName) -> Accepted {
    let there = on.free_pool(pool)?;
    let count = on.cluster.volumes_in(pool).count();
    if count > POOL_REMOVAL_VOLUMES_MAX {
        let max = POOL_REMOVAL_VOLUMES_MAX;
        return Err(StorageRefusal::TooManyVolumes { pool: pool.clone(), count, max }.into());
    }
    let removed = Pool { state: PoolState::Removing, task: Some(on.task), ..there.value.clone() };
    let mut records = Records::default().write(RecordId::Pool(pool.clone()), there.expect(), removed.into());
    for (path, volume) in on.cluster.volumes_in(pool) {
        if let Some(task) = volume.value.task {
            let (volume, doing) = (path.clone(), volume.value.state.doing().unwrap_or("being changed"));
            return Err(StorageRefusal::VolumeBusy { volume, doing, task: Some(task) }.into());
        }
        if let Some((vm, _)) = user_of(on.cluster, path) {
            let remedy = "remove the VM, or take the volume from it, first";
            return Err(StorageRefusal::UsedBy { volume: path.clone(), vm: vm.clone(), remedy }.into());
        }
        records = records.guard(RecordId::Volume(path.clone()), volume.expect());
    }
    let clones = clones_elsewhere(on.cluster, pool);
    if !clones.is_empty() {
        return Err(StorageRefusal::HasClones { what: pool.to_string(), clones }.into());
    }
    let volumes = clones_first(on.cluster, pool);
    on.begin(StorageWork::RemovePool { pool: pool.clone(), volumes }, records)
}

/// The volumes of other pools that are clones of volumes in this one.
fn clones_elsewhere(cluster: &Cluster, pool: &PoolName) -> Vec<String> {
    let mut clones = Vec::new();
    for (path, volume) in &cluster.volumes {
        let parent = volume.value.clone_of.as_ref().map(|parent| &parent.of.pool);
        if path.pool != *pool && parent == Some(pool) {
            clones.push(path.to_string());
        }
    }
    clones
}

/// The volumes of a pool, each before the one that it is a clone of.
fn clones_first(cluster: &Cluster, pool: &PoolName) -> Vec<VolumePath> {
    let mut left: BTreeSet<&VolumePath> = cluster.volumes_in(pool).map(|(path, _)| path).collect();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let parent = |path: &VolumePath| {
            let volume = cluster.volumes.get(path)?;
            volume.value.clone_of.as_ref().map(|parent| parent.of.clone())
        };
        let parents: BTreeSet<VolumePath> = left.iter().filter_map(|path| parent(path)).collect();
        let free: Vec<&VolumePath> = left.iter().filter(|path| !parents.contains(**path)).copied().collect();
        // Records of a circle would be a defect elsewhere; the storage then refuses the first of them.
        let next = if free.is_empty() { left.iter().copied().collect() } else { free };
        for path in next {
            left.remove(path);
            ordered.push(path.clone());
        }
    }
    ordered
}

fn groups(count: u32) -> Result<(), StorageRefusal> {
    match count {
        1..=PLACEMENT_GROUPS_MAX => Ok(()),
        _ => Err(StorageRefusal::BadPlacementGroups { count, max: PLACEMENT_GROUPS_MAX }),
    }
}
