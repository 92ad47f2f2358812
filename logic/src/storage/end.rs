//! What a task about storage leaves in the records: with its end, and with some of its stages.
//!
//! At the end the records tell what a look at the storage showed, and not what was wanted: what is there and whole is
//! ready, what is not there is forgotten, and what a failed making left is broken and can only be scanned or removed.
//! Nothing of that is written apart from the task's own end.

use super::record::{Looked, Pool, PoolState, Shown, Snapshot, Volume, VolumeFeatures, VolumeState};
use super::work::StorageWork;
use super::{SnapshotPath, VolumePath, benchmark};
use crate::cluster::Cluster;
use crate::id::{SnapshotName, TaskId, VmId, VmName};
use crate::record::{RecordId, Records, Versioned, Write};
use crate::task::{Failed, Left};
use crate::time::WallTime;
use crate::vm::Vm;
use crate::vm::accept::removal;

mod rename;

/// A task whose last stage has ended.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// The records.
    pub cluster: &'a Cluster,
    /// Which task.
    pub task: TaskId,
    /// What it does.
    pub work: &'a StorageWork,
    /// Which stage failed, if one did.
    pub failed: Option<&'a Failed>,
    /// What the last look showed; `None` where the storage refused it.
    pub looked: Option<&'a Looked>,
    /// Now.
    pub now: WallTime,
}

/// How a task ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct End {
    /// Why it has failed; `None` when it has succeeded.
    pub failure: Option<String>,
    /// What is written with its end.
    pub records: Records,
}

/// What is written when a stage has passed that is not the last.
pub fn passed(cluster: &Cluster, work: &StorageWork, stage: u32) -> Records {
    let (volumes, before) = match work {
        StorageWork::RemovePool { volumes, .. } => (volumes, 0),
        // Its guest's end comes first.
        StorageWork::RemoveVm { volumes, .. } => (volumes, 1),
        _ => return Records::default(),
    };
    let index = usize::try_from(stage).ok().and_then(|stage| stage.checked_sub(before));
    let gone = index.and_then(|index| volumes.get(index));
    let known = gone.and_then(|path| cluster.volumes.get(path).map(|volume| (path, volume)));
    known.map_or_else(Records::default, |(path, volume)| {
        Records::default().delete(RecordId::Volume(path.clone()), volume.expect())
    })
}

/// What is written with the end.
pub fn ended(finished: Finished<'_>) -> End {
    let mut end =
        End { failure: finished.failed.map(|failed| failed.why.clone()), records: Records::default() };
    if let StorageWork::RenameVolume { volume, to } = finished.work {
        finished.rename(volume, &volume.beside(to), &mut end);
        finished.follow_volume(volume, &volume.beside(to), &mut end);
    } else if let StorageWork::RenameVm { .. } = finished.work {
        finished.rename_vm(&mut end);
    } else {
        for path in finished.work.volumes() {
            finished.volume(&path, &mut end);
        }
    }
    finished.pool(&mut end);
    if let StorageWork::RemoveVm { vm, name, .. } = finished.work {
        finished.vm(*vm, name, &mut end);
    }
    if let StorageWork::Benchmark(plan) = finished.work {
        let failure = end.failure.as_deref();
        let ended = benchmark::ended(finished.cluster, plan, finished.task, failure);
        end.records = std::mem::take(&mut end.records).and(ended);
    }
    if let StorageWork::RenameSnapshot { snapshot, to } = finished.work {
        finished.follow(snapshot, to, &mut end);
    }
    end
}

impl Finished<'_> {
    /// A volume's record, if it is this task's to write.
    fn own(&self, path: &VolumePath) -> Option<&Versioned<Volume>> {
        let volume = self.cluster.volumes.get(path)?;
        let is_own = match self.work {
            // The pool's record is the lock on what is in it.
            StorageWork::RemovePool { .. } => volume.value.task.is_none(),
            _ => volume.value.task == Some(self.task),
        };
        is_own.then_some(&**volume)
    }

    /// Whether the first stage had passed: from then on, what is there is the task's, unless it stood in its way.
    fn had_begun(&self) -> bool {
        self.failed.is_none_or(|failed| failed.stage > 0 && failed.left == Left::Own)
    }

    fn shown(&self, path: &VolumePath) -> Option<&Shown> {
        self.looked?.volumes.get(path)
    }

    fn volume(&self, path: &VolumePath, end: &mut End) {
        let Some(volume) = self.own(path) else { return };
        let (id, expect) = (RecordId::Volume(path.clone()), volume.expect());
        let records = std::mem::take(&mut end.records);
        end.records = match self.becomes(path, &volume.value, &mut end.failure) {
            Some(next) if next == volume.value => records,
            Some(next) => records.write(id, expect, next.into()),
            None => records.delete(id, expect),
        };
    }

    /// What a volume's record becomes; `None` when it goes.
    fn becomes(&self, path: &VolumePath, volume: &Volume, failure: &mut Option<String>) -> Option<Volume> {
        let mut fail = |why: &str| failure.get_or_insert_with(|| format!("{path} {why}")).clone();
        let broken = |why: String| {
            let state = VolumeState::Broken { why };
            Some(Volume { state, task: None, ..volume.clone() })
        };
        match (&volume.state, self.looked.map(|looked| looked.volumes.get(path))) {
            // What is there was there before.
            (VolumeState::Making, _) if !self.had_begun() => None,
            (VolumeState::Making, Some(Some(shown))) => match failure {
                None => Some(self.ready(volume, Some(shown))),
                Some(why) => broken(why.clone()),
            },
            (VolumeState::Making, Some(None)) => {
                fail("was made, and is not there any more");
                None
            }
            (VolumeState::Making, None) => match failure {
                None => Some(self.ready(volume, None)),
                Some(why) => broken(why.clone()),
            },
            (VolumeState::Removing, None) => match failure {
                None => None,
                Some(why) => broken(why.clone()),
            },
            (VolumeState::Removing, Some(None)) => None,
            (VolumeState::Removing, Some(Some(shown))) => {
                fail("was removed, and is there again");
                Some(self.ready(volume, Some(shown)))
            }
            (VolumeState::Benchmarking, _) if !self.had_begun() => None,
            (VolumeState::Benchmarking, Some(None)) => None,
            (VolumeState::Benchmarking, Some(Some(_))) => broken(fail("was left by its benchmark")),
            (VolumeState::Benchmarking, None) => match failure {
                None => None,
                Some(why) => broken(why.clone()),
            },
            (VolumeState::Scanning, Some(None)) => {
                fail("is not at the storage any more, and is forgotten");
                None
            }
            (_, Some(None)) if matches!(self.work, StorageWork::RemovePool { .. }) => None,
            (_, Some(None)) => broken(fail("is not at the storage any more")),
            (_, Some(Some(shown))) => Some(self.ready(volume, Some(shown))),
            // A worker may have died in it after it had taken effect, and what came later have failed.
            (VolumeState::Resizing { .. } | VolumeState::Snapshotting | VolumeState::RollingBack, None)
                if self.failed.is_some() =>
            {
                let why = failure.clone().unwrap_or_default();
                broken(format!("{why}; nor could it be looked at: scan it to see how it is"))
            }
            (_, None) => Some(self.ready(&self.changed(volume), None)),
        }
    }

    /// A volume as it is by what was done to it, where nobody could look.
    fn changed(&self, volume: &Volume) -> Volume {
        let mut changed = volume.clone();
        let snapshots = &mut changed.snapshots;
        match (self.work, &volume.state) {
            (_, VolumeState::Resizing { to_bytes }) => changed.size_bytes = *to_bytes,
            (StorageWork::AddSnapshot { snapshot }, VolumeState::Snapshotting) => {
                let taken = Snapshot { size_bytes: volume.size_bytes, taken: Some(self.now) };
                snapshots.insert(snapshot.snapshot.clone(), taken);
            }
            (StorageWork::RemoveSnapshot { snapshot }, VolumeState::Snapshotting) => {
                snapshots.remove(&snapshot.snapshot);
            }
            (StorageWork::RenameSnapshot { snapshot, to }, VolumeState::Snapshotting) => {
                let renamed = snapshots.remove(&snapshot.snapshot);
                snapshots.extend(renamed.map(|renamed| (to.clone(), renamed)));
            }
            (StorageWork::RollBack { snapshot }, VolumeState::RollingBack) => {
                let size = snapshots.get(&snapshot.snapshot).map(|snapshot| snapshot.size_bytes);
                changed.size_bytes = size.unwrap_or(volume.size_bytes);
            }
            _ => {}
        }
        changed
    }

    /// A volume that is there and whole.
    fn ready(&self, volume: &Volume, shown: Option<&Shown>) -> Volume {
        // Only a scan, and what makes it anew, mend what is broken.
        let state = match &volume.state {
            VolumeState::Broken { why } => VolumeState::Broken { why: why.clone() },
            _ => VolumeState::Ready,
        };
        let modified = match volume.state {
            VolumeState::Copying | VolumeState::Scanning | VolumeState::Ready => volume.modified,
            _ => self.now,
        };
        let known = Volume { state, task: None, modified, ..volume.clone() };
        let Some(shown) = shown else { return known };
        let features = VolumeFeatures {
            id: shown.id.clone(),
            object_size_bytes: shown.object_size_bytes,
            features: shown.features.clone(),
            seen: self.now,
        };
        let snapshot = |(name, size_bytes): (&SnapshotName, &u64)| {
            let taken = self.taken(volume, name);
            (name.clone(), Snapshot { size_bytes: *size_bytes, taken })
        };
        Volume {
            size_bytes: shown.size_bytes,
            features: Some(features),
            clone_of: shown.clone_of.clone(),
            snapshots: shown.snapshots.iter().map(snapshot).collect(),
            ..known
        }
    }

    /// When a snapshot was taken.
    fn taken(&self, volume: &Volume, name: &SnapshotName) -> Option<WallTime> {
        let recorded = |name: &SnapshotName| volume.snapshots.get(name).and_then(|snapshot| snapshot.taken);
        match self.work {
            StorageWork::AddSnapshot { snapshot } if snapshot.snapshot == *name => Some(self.now),
            StorageWork::RenameSnapshot { snapshot, to } if to == name => {
                recorded(name).or_else(|| recorded(&snapshot.snapshot))
            }
            _ => recorded(name),
        }
    }

    /// A volume that was to have another name has one of the two.
    fn rename(&self, old: &VolumePath, new: &VolumePath, end: &mut End) {
        let (Some(before), Some(kept)) = (self.own(old), self.own(new)) else { return };
        if let (None, Some(failed), true) = (self.looked, self.failed, self.had_begun()) {
            // It has one of the two names; a scan mends that record, and forgets the other.
            let why = format!("{}; nor could it be looked at: it is {old} or {new}, scan both", failed.why);
            let broken = Volume { state: VolumeState::Broken { why }, task: None, ..before.value.clone() };
            let records = std::mem::take(&mut end.records);
            end.records = records
                .write(RecordId::Volume(old.clone()), before.expect(), broken.clone().into())
                .write(RecordId::Volume(new.clone()), kept.expect(), broken.into());
            return;
        }
        let moved = self.has_moved(old, new);
        let (stays, goes, name) = if moved { (kept, before, new) } else { (before, kept, old) };
        let (gone, shown) = (if moved { old } else { new }, self.shown(name));
        let mut volume = self.ready(&before.value, shown);
        if self.looked.is_some() && shown.is_none() {
            let why = "it is not at the storage any more".to_owned();
            end.failure.get_or_insert_with(|| format!("{old}: {why}"));
            volume.state = VolumeState::Broken { why };
        } else if moved {
            end.failure = None;
        } else {
            end.failure.get_or_insert_with(|| format!("{old} was renamed, and has its former name again"));
        }
        let records = std::mem::take(&mut end.records);
        end.records = records
            .write(RecordId::Volume(name.clone()), stays.expect(), volume.into())
            .delete(RecordId::Volume(gone.clone()), goes.expect());
    }

    /// Whether a volume has its new name, and not the old one. Where both are there, somebody has made one of them behind
    /// PVC's back, and the volume is the one that the storage calls as before.
    fn has_moved(&self, old: &VolumePath, new: &VolumePath) -> bool {
        let Some(looked) = self.looked else { return self.failed.is_none() };
        match (looked.volumes.get(old), looked.volumes.get(new)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(_), Some(shown)) => {
                let recorded =
                    self.cluster.volumes.get(old).and_then(|volume| volume.value.features.as_ref());
                let known = recorded.map(|features| &features.id).filter(|id| !id.is_empty());
                known.map_or(self.failed.is_none(), |id| shown.id == *id)
            }
        }
    }

    /// Clones know the volume of their snapshot by what it is called now.
    fn follow_volume(&self, old: &VolumePath, new: &VolumePath, end: &mut End) {
        if self.has_moved(old, new) {
            let renamed = |parent: &SnapshotPath| SnapshotPath { of: new.clone(), ..parent.clone() };
            self.reparent(|parent| (parent.of == *old).then(|| renamed(parent)), end);
        }
    }

    /// Clones know their snapshot by what it is called now.
    fn follow(&self, snapshot: &SnapshotPath, to: &SnapshotName, end: &mut End) {
        let is_renamed = match self.shown(&snapshot.of).map(|shown| &shown.snapshots) {
            Some(names) => names.contains_key(to) && !names.contains_key(&snapshot.snapshot),
            None => self.looked.is_none() && self.failed.is_none(),
        };
        if is_renamed {
            end.failure = None;
            self.reparent(|parent| (parent == snapshot).then(|| snapshot.of.at(to)), end);
        }
    }

    /// Writes the parent's new name into the records of its clones, but not into those that this end writes anyway.
    fn reparent(&self, renamed: impl Fn(&SnapshotPath) -> Option<SnapshotPath>, end: &mut End) {
        for (path, volume) in &self.cluster.volumes {
            let id = RecordId::Volume(path.clone());
            let Some(parent) = volume.value.clone_of.as_ref().and_then(&renamed) else { continue };
            if end.records.writes.iter().all(|write| write.record != id) {
                let clone = Volume { clone_of: Some(parent), ..volume.value.clone() };
                let records = std::mem::take(&mut end.records);
                end.records = records.write(id, volume.expect(), clone.into());
            }
        }
    }

    /// A VM goes when its volumes are gone; where some are left it stays, down as it is, and tells which.
    fn vm(&self, id: VmId, name: &VmName, end: &mut End) {
        let Some(entry) = self.cluster.vms.get(&id).filter(|e| e.vm.value.removal == Some(self.task)) else {
            return;
        };
        let kept = |path: &&VolumePath| {
            let goes =
                |write: &Write| write.record == RecordId::Volume((**path).clone()) && write.value.is_none();
            self.own(path).is_some() && !end.records.writes.iter().any(goes)
        };
        let left: Vec<String> = self.work.volumes().iter().filter(kept).map(ToString::to_string).collect();
        let records = std::mem::take(&mut end.records);
        end.records = match &mut end.failure {
            None => records.and(removal(self.cluster, id, entry)),
            Some(why) => {
                let left = if left.is_empty() { "nothing".to_owned() } else { left.join(", ") };
                *why =
                    format!("VM \"{name}\" is stopped and not removed: {why}. Of its volumes {left} is left");
                let stays = Vm { removal: None, ..entry.vm.value.clone() };
                records.write(RecordId::Vm(id), entry.vm.expect(), stays.into())
            }
        };
    }

    fn pool(&self, end: &mut End) {
        let Some(name) = self.work.pool() else { return };
        let Some(pool) = self.cluster.pools.get(name).filter(|pool| pool.value.task == Some(self.task))
        else {
            return;
        };
        let next = self.pool_becomes(&pool.value, self.looked.map(|looked| looked.pools.get(name)), end);
        let (id, records) = (RecordId::Pool(name.clone()), std::mem::take(&mut end.records));
        end.records = match next {
            Some(next) => records.write(id, pool.expect(), next.into()),
            None => records.delete(id, pool.expect()),
        };
    }

    /// What a pool's record becomes; `None` when it goes. `shown` is what the look showed, if there was one.
    fn pool_becomes(&self, pool: &Pool, shown: Option<Option<&u32>>, end: &mut End) -> Option<Pool> {
        let ready = |count: u32| {
            Some(Pool { placement_groups: count, state: PoolState::Ready, task: None, ..pool.clone() })
        };
        let is_there = shown.map(|shown| shown.is_some());
        // Where there are no placement groups, what was asked for is kept.
        let count = |asked: u32| shown.flatten().copied().filter(|count| *count > 0).unwrap_or(asked);
        match (&pool.state, is_there, &end.failure) {
            (PoolState::Making, ..) if !self.had_begun() => None,
            (PoolState::Making, Some(true) | None, None) => ready(pool.placement_groups),
            (PoolState::Making, Some(false), failure) => {
                if failure.is_none() {
                    end.failure = Some("the pool was made, and is not there any more".into());
                }
                None
            }
            (PoolState::Making, _, Some(why)) => {
                let state = PoolState::Broken { why: why.clone() };
                Some(Pool { state, task: None, ..pool.clone() })
            }
            (PoolState::Removing, Some(false), _) | (PoolState::Removing, None, None) => None,
            (PoolState::Removing, _, failure) => {
                if failure.is_none() {
                    end.failure = Some("the pool was removed, and is there again".into());
                }
                ready(pool.placement_groups)
            }
            (PoolState::Regrouping { count }, _, None) => ready(*count),
            _ => ready(count(pool.placement_groups)),
        }
    }
}

#[cfg(test)]
mod tests;
