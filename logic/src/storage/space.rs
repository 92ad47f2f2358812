//! Whether a pool has room for more.
//!
//! Two guards: what is asked must be less than what is free, whatever anybody insists on; and what is stored with what is
//! asked must stay below [`POOL_FILL_MAX_PERCENT`] of what is stored and free, unless the operator insists. What tasks
//! that have not ended will add counts as asked.

use super::StorageRefusal;
use super::facts::is_old;
use super::figures::PoolFigures;
use super::record::VolumeState;
use crate::cluster::Cluster;
use crate::id::PoolName;
use crate::limits::POOL_FILL_MAX_PERCENT;
use crate::time::WallTime;

/// Whether the operator insists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insistence {
    /// Yes: a pool may be filled beyond what is wise, and one of which nothing is known may be written to.
    Forced,
    /// No.
    Careful,
}

/// Checks that so many bytes more fit.
///
/// # Errors
/// There is too little room, or nobody knows how much there is.
pub fn check(
    cluster: &Cluster,
    pool: &PoolName,
    size_bytes: u64,
    insistence: Insistence,
    now: WallTime,
) -> Result<(), StorageRefusal> {
    let figures = match (figures(cluster, pool, now), insistence) {
        (Ok(figures), _) => figures,
        (Err(_), Insistence::Forced) => return Ok(()),
        (Err(why), Insistence::Careful) => {
            return Err(StorageRefusal::RoomUnknown { pool: pool.clone(), why });
        }
    };
    let pending_bytes = pending_bytes(cluster, pool);
    let more_bytes = size_bytes.saturating_add(pending_bytes);
    if more_bytes >= figures.free_bytes {
        return Err(StorageRefusal::NoRoom { size_bytes, pending_bytes, figures: Box::new(figures) });
    }
    let whole_bytes = u128::from(figures.stored_bytes) + u128::from(figures.free_bytes);
    let filled_bytes = u128::from(figures.stored_bytes) + u128::from(more_bytes);
    let is_too_full = filled_bytes * 100 > whole_bytes * u128::from(POOL_FILL_MAX_PERCENT);
    match insistence {
        Insistence::Careful if is_too_full => {
            Err(StorageRefusal::TooFull { size_bytes, pending_bytes, figures: Box::new(figures) })
        }
        _ => Ok(()),
    }
}

/// A pool's figures. One that was made after the last measurement is empty, and has what the whole storage has.
fn figures(cluster: &Cluster, name: &PoolName, now: WallTime) -> Result<PoolFigures, String> {
    let unknown = || "the storage was not measured yet".to_owned();
    let whole = &cluster.storage_facts.as_ref().ok_or_else(unknown)?.value;
    if let Some(why) = whole.staleness(now) {
        return Err(why);
    }
    let measured = cluster.pool_facts.as_ref().filter(|facts| !is_old(facts.value.at, now));
    if let Some(figures) = measured.and_then(|facts| facts.value.pools.get(name)) {
        return Ok(figures.clone());
    }
    let copies = cluster.pools.get(name).map_or(1, |pool| pool.value.replication.copies.max(1));
    let free_bytes = whole.figures.as_ref().ok_or_else(unknown)?.free_bytes / u64::from(copies);
    Ok(PoolFigures { name: name.clone(), free_bytes, ..PoolFigures::empty(name) })
}

/// What tasks that have not ended will add to a pool.
pub fn pending_bytes(cluster: &Cluster, pool: &PoolName) -> u64 {
    let adds = |state: &VolumeState, size_bytes: u64| match state {
        VolumeState::Making | VolumeState::Benchmarking => size_bytes,
        VolumeState::Resizing { to_bytes } => to_bytes.saturating_sub(size_bytes),
        _ => 0,
    };
    let volumes = cluster.volumes_in(pool).map(|(_, volume)| &volume.value);
    volumes.map(|volume| adds(&volume.state, volume.size_bytes)).fold(0, u64::saturating_add)
}
