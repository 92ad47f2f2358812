//! Storage as the API shows it. What is being made, and the new name of what is being renamed, are not shown: they are
//! not there yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Pool, PoolStats, StorageText, Volume, VolumeSize, VolumeSnapshot, VolumeStats};
use logic::cluster::Cluster;
use logic::id::PoolName;
use logic::record::Versioned;
use logic::storage::facts::{StorageFacts, is_old};
use logic::storage::figures::PoolFigures;
use logic::storage::record::{self, PoolState, VolumeFeatures, VolumeState};
use logic::storage::{SnapshotPath, VolumePath, size};
use logic::time::WallTime;

use super::calendar;

/// The only format of volumes there is.
const FORMAT: u64 = 2;

/// How the storage stands; `None` where it was never measured.
pub fn status(cluster: &Cluster, now: WallTime) -> Option<StorageText> {
    text(cluster, now, "status", |facts| &facts.status)
}

/// What of the storage is used; `None` where it was never measured.
pub fn utilization(cluster: &Cluster, now: WallTime) -> Option<StorageText> {
    text(cluster, now, "utilization", |facts| &facts.utilization)
}

/// Why there is nothing to show of the storage, where it was asked and never answered.
pub fn silence(cluster: &Cluster, now: WallTime) -> Option<String> {
    let facts = &cluster.storage_facts.as_ref()?.value;
    facts.figures.is_none().then(|| staleness(facts, now)).flatten()
}

fn text(
    cluster: &Cluster,
    now: WallTime,
    type_: &str,
    page: impl Fn(&StorageFacts) -> &String,
) -> Option<StorageText> {
    let facts = cluster.storage_facts.as_ref().map(|facts| &facts.value).filter(|f| f.figures.is_some())?;
    let primary = super::node::primary(cluster);
    Some(StorageText {
        type_: type_.into(),
        primary_node: primary.map_or_else(|| "none".into(), |node| node.to_string()),
        ceph_data: page(facts).clone(),
        stale: staleness(facts, now),
    })
}

/// Since when facts are old, and why.
pub(super) fn staleness(facts: &StorageFacts, now: WallTime) -> Option<String> {
    let why = facts.staleness(now)?;
    let measured = match &facts.figures {
        Some(_) => format!("measured at {}", calendar::shown(facts.at)),
        None => "never measured".into(),
    };
    let since = facts.trouble.as_ref().map(|trouble| calendar::shown(trouble.since));
    Some(match since {
        Some(since) => format!("{measured}, asked in vain since {since}: {why}"),
        None => format!("{measured}: {why}"),
    })
}

/// The pools that are there and wanted, by name.
pub fn pools(cluster: &Cluster, now: WallTime, wanted: impl Fn(&PoolName) -> bool) -> Vec<Pool> {
    let there = cluster
        .pools
        .iter()
        .filter(|(name, pool)| !matches!(pool.value.state, PoolState::Making) && wanted(name));
    let mut counts: BTreeMap<&PoolName, u64> = BTreeMap::new();
    for (path, _) in cluster.volumes.iter().filter(|(_, volume)| volume.value.is_there()) {
        *counts.entry(&path.pool).or_default() += 1;
    }
    let stale = pools_staleness(cluster, now);
    let shown = |(name, entry): (&PoolName, &Arc<Versioned<record::Pool>>)| {
        let volume_count = counts.get(name).copied().unwrap_or_default();
        Pool { volume_count, ..pool(cluster, name, &entry.value, stale.as_deref()) }
    };
    there.map(shown).collect()
}

/// A pool without the count of its volumes.
fn pool(cluster: &Cluster, name: &PoolName, pool: &record::Pool, stale: Option<&str>) -> Pool {
    let figures = cluster.pool_facts.as_ref().and_then(|facts| facts.value.pools.get(name));
    Pool {
        name: name.to_string(),
        volume_count: 0,
        tier: pool.tier.as_str().into(),
        pgs: pool.placement_groups.to_string(),
        stats: figures.map(pool_stats).unwrap_or_default(),
        copies: Some(pool.replication.copies.into()),
        mincopies: Some(pool.replication.copies_min.into()),
        state: match &pool.state {
            PoolState::Making => Some("making".into()),
            PoolState::Ready => None,
            PoolState::Regrouping { .. } => Some("regrouping".into()),
            PoolState::Removing => Some("removing".into()),
            PoolState::Broken { why } => Some(format!("broken: {why}")),
        },
        task: pool.task.map(|task| task.to_string()),
        stale: stale
            .or_else(|| figures.is_none().then_some("it has not been measured yet"))
            .map(str::to_owned),
    }
}

/// Why the figures of pools are old.
fn pools_staleness(cluster: &Cluster, now: WallTime) -> Option<String> {
    let facts = cluster.storage_facts.as_ref().map(|facts| &facts.value);
    let old = || {
        let at = cluster.pool_facts.as_ref()?.value.at;
        is_old(at, now).then(|| format!("measured at {}", calendar::shown(at)))
    };
    facts.and_then(|facts| staleness(facts, now)).or_else(old)
}

fn pool_stats(figures: &PoolFigures) -> PoolStats {
    let tally = &figures.tally;
    PoolStats {
        id: figures.id,
        stored_bytes: figures.stored_bytes,
        free_bytes: figures.free_bytes,
        used_bytes: figures.used_bytes,
        used_percent: figures.used_part,
        num_objects: figures.object_count,
        num_object_clones: tally.clone_count,
        num_object_copies: tally.copy_count,
        num_objects_missing_on_primary: tally.missing_count,
        num_objects_unfound: tally.unfound_count,
        num_objects_degraded: figures.object_degraded_count,
        read_ops: tally.read_count,
        read_bytes: tally.read_bytes,
        write_ops: tally.write_count,
        write_bytes: tally.write_bytes,
    }
}

/// A volume.
pub fn volume(path: &VolumePath, volume: &record::Volume) -> Volume {
    let shown = VolumeSize::Text(size::shown(volume.size_bytes));
    Volume {
        name: path.volume.to_string(),
        pool: path.pool.to_string(),
        stats: VolumeStats {
            snapshot_count: volume.snapshots.len() as u64,
            create_timestamp: calendar::shown(volume.created),
            access_timestamp: calendar::shown(volume.modified),
            modify_timestamp: calendar::shown(volume.modified),
            ..volume_stats(path, volume.size_bytes, shown, volume.features.as_ref())
        },
        size_bytes: Some(volume.size_bytes),
        parent: volume.clone_of.as_ref().map(ToString::to_string),
        state: volume_state(&volume.state),
        task: volume.task.map(|task| task.to_string()),
    }
}

/// A snapshot of a volume, which must have it.
pub fn snapshot(path: &SnapshotPath, volume: &record::Volume) -> VolumeSnapshot {
    let taken = volume.snapshots.get(&path.snapshot);
    let size_bytes = taken.map_or(0, |taken| taken.size_bytes);
    let at = taken.and_then(|taken| taken.taken).map(calendar::shown).unwrap_or_default();
    VolumeSnapshot {
        pool: path.of.pool.to_string(),
        volume: path.of.volume.to_string(),
        snapshot: path.snapshot.to_string(),
        stats: VolumeStats {
            create_timestamp: at.clone(),
            access_timestamp: at.clone(),
            modify_timestamp: at,
            ..volume_stats(&path.of, size_bytes, VolumeSize::Bytes(size_bytes), volume.features.as_ref())
        },
        state: None,
    }
}

/// What the storage tells of a volume of this size.
fn volume_stats(
    path: &VolumePath,
    size_bytes: u64,
    shown: VolumeSize,
    features: Option<&VolumeFeatures>,
) -> VolumeStats {
    let object_size = features.map_or(0, |features| features.object_size_bytes);
    let id = features.map(|features| features.id.clone()).unwrap_or_default();
    VolumeStats {
        name: path.volume.to_string(),
        size: shown,
        objects: if object_size == 0 { 0 } else { size_bytes.div_ceil(object_size) },
        order: object_size.checked_ilog2().unwrap_or_default().into(),
        object_size,
        block_name_prefix: if id.is_empty() { String::new() } else { format!("rbd_data.{id}") },
        id,
        format: FORMAT,
        features: features.map(|features| features.features.clone()).unwrap_or_default(),
        ..VolumeStats::default()
    }
}

/// What happens to a volume; `None` where nothing does.
fn volume_state(state: &VolumeState) -> Option<String> {
    Some(match state {
        VolumeState::Ready => return None,
        VolumeState::Making => "making".into(),
        VolumeState::Resizing { .. } => "resizing".into(),
        VolumeState::Renaming { .. } => "renaming".into(),
        VolumeState::Awaited { .. } => "awaited".into(),
        VolumeState::Removing => "removing".into(),
        VolumeState::Uploading => "uploading".into(),
        VolumeState::Scanning => "scanning".into(),
        VolumeState::Copying => "copying".into(),
        VolumeState::Snapshotting => "snapshotting".into(),
        VolumeState::RollingBack => "rolling back".into(),
        VolumeState::Benchmarking => "benchmarking".into(),
        VolumeState::Broken { why } => format!("broken: {why}"),
    })
}
