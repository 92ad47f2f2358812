//! What must hold of the storage, read from the storage itself: nothing that somebody has is lost, nothing is left over,
//! and what the records call ready is what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use host::storage::memory::Contents;
use logic::cluster::Cluster;
use logic::id::PoolName;
use logic::record::Versioned;
use logic::storage::VolumePath;
use logic::storage::benchmark::{Benchmark, BenchmarkState};
use logic::storage::record::{PoolState, VolumeState};

use crate::command::{Misfortune, StorageAsk};

/// Remembers whose volumes are at the storage, and who wished them gone.
#[derive(Debug, Default)]
pub struct Keeper {
    /// Volumes that were shown as ready, by the storage's own ids: somebody may have written to them.
    owned: BTreeMap<u64, VolumePath>,
    /// Volumes that were made past PVC: it never touches them.
    strange: BTreeSet<u64>,
    /// Removals that were asked for.
    removed: BTreeSet<VolumePath>,
    removed_pools: BTreeSet<PoolName>,
    /// New names that were asked for, which volumes may have.
    renamed: BTreeMap<VolumePath, VolumePath>,
    /// Volumes that were removed past PVC.
    gone_by_hand: BTreeSet<u64>,
}

impl Keeper {
    /// The operator asked something, which was done, or may have been.
    pub fn asked(&mut self, ask: &StorageAsk) {
        match ask {
            StorageAsk::RemoveVolume { volume } => drop(self.removed.insert(volume.clone())),
            StorageAsk::RemovePool { pool } => drop(self.removed_pools.insert(pool.clone())),
            StorageAsk::RenameVolume { volume, to } => {
                self.renamed.insert(volume.beside(to), volume.clone());
            }
            _ => {}
        }
    }

    /// Something befell the storage, which was like this afterwards.
    pub fn befell(&mut self, misfortune: &Misfortune, before: &Contents, after: &Contents) {
        match misfortune {
            Misfortune::MadeByHand(volume) => {
                let made = after.volumes.get(volume).filter(|_| !before.volumes.contains_key(volume));
                self.strange.extend(made.map(|image| image.id));
            }
            Misfortune::RemovedByHand(volume) => {
                self.gone_by_hand.extend(before.volumes.get(volume).map(|image| image.id));
            }
            _ => {}
        }
    }

    /// What the storage has now, and what the records say.
    ///
    /// # Errors
    /// Something was lost that nobody wished gone.
    pub fn look(&mut self, contents: &Contents, cluster: &Cluster) -> Result<(), String> {
        let there: BTreeMap<u64, &VolumePath> =
            contents.volumes.iter().map(|(path, image)| (image.id, path)).collect();
        for id in &self.strange {
            if !there.contains_key(id) && !self.gone_by_hand.contains(id) {
                return Err("a volume that was made past PVC is gone".into());
            }
        }
        let lost = |(id, _): &(&u64, &VolumePath)| !there.contains_key(id) && !self.gone_by_hand.contains(id);
        for (_, path) in self.owned.iter().filter(lost) {
            let former = self.renamed.get(path);
            let is_wished =
                |path: &VolumePath| self.removed.contains(path) || self.removed_pools.contains(&path.pool);
            if !is_wished(path) && !former.is_some_and(is_wished) && !self.new_names(path).any(is_wished) {
                return Err(format!("the volume {path} is gone, and nobody asked for that"));
            }
        }
        let goes_on = |one: &&Arc<Versioned<Benchmark>>| one.value.state == BenchmarkState::Running;
        if cluster.benchmarks.values().filter(goes_on).count() > 1 {
            return Err("two benchmarks go on at once, and measure each other".into());
        }
        self.owned.retain(|id, _| there.contains_key(id));
        for (path, volume) in &cluster.volumes {
            let is_ready = volume.value.state == VolumeState::Ready;
            if let Some(image) = contents.volumes.get(path).filter(|_| is_ready)
                && !self.strange.contains(&image.id)
            {
                self.owned.insert(image.id, path.clone());
            }
        }
        Ok(())
    }

    fn new_names(&self, path: &VolumePath) -> impl Iterator<Item = &VolumePath> {
        let path = path.clone();
        self.renamed.iter().filter(move |(_, old)| **old == path).map(|(new, _)| new)
    }

    /// Nothing is left over, and what is ready is there, as large and with the snapshots that are recorded.
    ///
    /// # Errors
    /// What differs.
    pub fn rests(&self, contents: &Contents, cluster: &Cluster) -> Result<(), String> {
        for (name, pool) in &cluster.pools {
            let is_there = contents.pools.contains(name);
            match &pool.value.state {
                _ if pool.value.task.is_some() => return Err(format!("the pool {name} is still in work")),
                PoolState::Broken { .. } => {}
                PoolState::Ready if is_there => {}
                state => return Err(format!("the pool {name} is recorded as {state:?}, there: {is_there}")),
            }
        }
        if let Some(left) = contents.pools.iter().find(|name| !cluster.pools.contains_key(*name)) {
            return Err(format!("the pool {left} is left over"));
        }
        if let Some(one) = cluster.benchmarks.values().find(|one| one.value.state == BenchmarkState::Running)
        {
            return Err(format!("the benchmark {} still goes on", one.value.name));
        }
        for (path, volume) in &cluster.volumes {
            let volume = &volume.value;
            let image = contents.volumes.get(path);
            if volume.task.is_some() {
                return Err(format!("the volume {path} is still in work"));
            }
            if matches!(volume.state, VolumeState::Broken { .. })
                || image.is_some_and(|i| self.is_strange(i.id))
            {
                continue;
            }
            let shown = image.map(|image| (image.size_bytes, image.snapshots.keys().collect::<Vec<_>>()));
            let recorded = (volume.size_bytes, volume.snapshots.keys().collect::<Vec<_>>());
            let is_alike = shown.as_ref() == Some(&recorded) && volume.state == VolumeState::Ready;
            if !is_alike && self.gone_by_hand.is_empty() {
                return Err(format!("the volume {path} is recorded as {recorded:?}, and is {shown:?}"));
            }
        }
        for (path, image) in &contents.volumes {
            if !cluster.volumes.contains_key(path) && !self.is_strange(image.id) {
                return Err(format!("the volume {path} is left over"));
            }
        }
        Ok(())
    }

    fn is_strange(&self, id: u64) -> bool {
        self.strange.contains(&id)
    }
}
