//! The long work about storage, each as stages that can be made again, and what is undone when one fails.
//!
//! | work | its stages | when one fails |
//! |---|---|---|
//! | what makes something | nothing of that name is there; it is made; a look | if the first had passed: it is removed; a look |
//! | a VM's new name | nothing of its volumes' new names is there; each has its new name; a look | those that have it get their former one, the last first; a look |
//! | what changes something | the change; a look | a look |
//! | a pool's removal | each of its volumes is removed; the pool is; a look | a look |
//! | a VM's removal | its guest is down; each of its volumes is removed, the last first; a look | a look |
//! | an upload | the content comes over a link; a look | a look |
//! | a benchmark | as a making; each of its trials; its volume is removed; a look | if the first had passed: as a making |
//!
//! The last stage is always a look, because the records at the end tell what is there, and not what was wanted.

use serde::{Deserialize, Serialize};

use super::benchmark::{BenchmarkPlan, Trial};
use super::change::Change;
use super::size::shown;
use super::{Format, Replication, SnapshotPath, Tier, VolumePath};
use crate::id::{PoolName, SnapshotName, VmId, VmName, VolumeName};
use crate::plan::Action;
use crate::task::{Failed, Left, Part, Stage};

/// What is to be done with the storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum StorageWork {
    /// Make a pool.
    AddPool {
        /// Its name.
        pool: PoolName,
        /// How often its data is kept.
        replication: Replication,
        /// On what.
        tier: Tier,
        /// How many placement groups it has.
        placement_groups: u32,
    },
    /// Give a pool another number of placement groups.
    SetPlacementGroups {
        /// Which.
        pool: PoolName,
        /// How many.
        count: u32,
    },
    /// Remove a pool and its volumes.
    RemovePool {
        /// Which.
        pool: PoolName,
        /// Its volumes, clones before what they are clones of.
        volumes: Vec<VolumePath>,
    },
    /// Make an empty volume.
    AddVolume {
        /// Which.
        volume: VolumePath,
        /// How large.
        size_bytes: u64,
    },
    /// Let a volume grow.
    ResizeVolume {
        /// Which.
        volume: VolumePath,
        /// How large it is to be.
        size_bytes: u64,
        /// The VM that runs with it, if one does: its node lets it grow, so that the guest sees it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guest: Option<VmId>,
    },
    /// Give a volume another name.
    RenameVolume {
        /// Which.
        volume: VolumePath,
        /// The new name.
        to: VolumeName,
    },
    /// Make a volume with the content of another and nothing in common with it.
    CopyVolume {
        /// The source.
        from: VolumePath,
        /// The target.
        to: VolumePath,
    },
    /// Make a volume that keeps only what differs from a snapshot.
    CloneVolume {
        /// The snapshot.
        snapshot: SnapshotPath,
        /// The volume.
        to: VolumePath,
    },
    /// Remove a volume and its snapshots.
    RemoveVolume {
        /// Which.
        volume: VolumePath,
    },
    /// Remove a VM that is down, its volumes before it.
    RemoveVm {
        /// Which.
        vm: VmId,
        /// Its name.
        name: VmName,
        /// Its volumes, the last disk's first.
        volumes: Vec<VolumePath>,
    },
    /// Give a VM that is down another name, and those of its volumes that are called after it.
    RenameVm {
        /// Which.
        vm: VmId,
        /// Its name.
        from: VmName,
        /// The new one.
        to: VmName,
        /// Its volumes that are called after it, and what they are called then.
        volumes: Vec<(VolumePath, VolumeName)>,
        /// Its document as it was: the worker's mirror has none.
        document: String,
    },
    /// Release every lock on the volumes of a VM that is down, whoever holds them.
    FlushLocks {
        /// Which.
        vm: VmId,
        /// Its name.
        name: VmName,
        /// Its volumes.
        volumes: Vec<VolumePath>,
    },
    /// Look at a volume anew.
    ScanVolume {
        /// Which.
        volume: VolumePath,
    },
    /// Bring content into a volume. The worker is given it over a link, by this task's id.
    Upload {
        /// Into which.
        volume: VolumePath,
        /// How many bytes come.
        size_bytes: u64,
        /// What they are.
        format: Format,
    },
    /// Measure a pool.
    Benchmark(BenchmarkPlan),
    /// Take a snapshot.
    AddSnapshot {
        /// Which.
        snapshot: SnapshotPath,
    },
    /// Give a snapshot another name.
    RenameSnapshot {
        /// Which.
        snapshot: SnapshotPath,
        /// The new name.
        to: SnapshotName,
    },
    /// Remove a snapshot.
    RemoveSnapshot {
        /// Which.
        snapshot: SnapshotPath,
    },
    /// Bring a volume back to what a snapshot shows.
    RollBack {
        /// The snapshot.
        snapshot: SnapshotPath,
    },
}

impl StorageWork {
    /// The name clients know it by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AddPool { .. } => "storage.pool_add",
            Self::SetPlacementGroups { .. } => "storage.pool_set_pgs",
            Self::RemovePool { .. } => "storage.pool_remove",
            Self::AddVolume { .. } => "storage.volume_add",
            Self::ResizeVolume { .. } => "storage.volume_resize",
            Self::RenameVolume { .. } => "storage.volume_rename",
            Self::CopyVolume { .. } | Self::CloneVolume { .. } => "storage.volume_clone",
            Self::RemoveVolume { .. } => "storage.volume_remove",
            Self::RemoveVm { .. } => "vm.remove",
            Self::RenameVm { .. } => "vm.rename",
            Self::FlushLocks { .. } => "vm.flush_locks",
            Self::ScanVolume { .. } => "storage.volume_scan",
            Self::Upload { .. } => "storage.volume_upload",
            Self::Benchmark(_) => "storage.benchmark",
            Self::AddSnapshot { .. } => "storage.snapshot_add",
            Self::RenameSnapshot { .. } => "storage.snapshot_rename",
            Self::RemoveSnapshot { .. } => "storage.snapshot_remove",
            Self::RollBack { .. } => "storage.snapshot_rollback",
        }
    }

    /// What an operator reads when it has succeeded.
    pub fn done(&self) -> String {
        match self {
            Self::AddPool { pool, .. } => format!("Created new RBD pool \"{pool}\"."),
            Self::SetPlacementGroups { pool, count } => format!("Set PGs of pool \"{pool}\" to {count}."),
            Self::RemovePool { pool, .. } => format!("Removed RBD pool \"{pool}\" and all volumes."),
            Self::AddVolume { volume, .. } => {
                format!("Created RBD volume \"{}\" in pool \"{}\".", volume.volume, volume.pool)
            }
            Self::ResizeVolume { volume, size_bytes, .. } => {
                let (volume, pool) = (&volume.volume, &volume.pool);
                format!("Resized RBD volume \"{volume}\" in pool \"{pool}\" to {}.", shown(*size_bytes))
            }
            Self::RenameVolume { volume, to } => {
                let (volume, pool) = (&volume.volume, &volume.pool);
                format!("Renamed RBD volume \"{volume}\" to \"{to}\" in pool \"{pool}\".")
            }
            Self::CopyVolume { from, to } => {
                format!("Cloned RBD volume \"{}\" to \"{}\" in pool \"{}\".", from.volume, to.volume, to.pool)
            }
            Self::CloneVolume { snapshot, to } => {
                format!("Cloned snapshot \"{snapshot}\" to volume \"{}\" in pool \"{}\".", to.volume, to.pool)
            }
            Self::RemoveVolume { volume } => {
                format!("Removed RBD volume \"{}\" in pool \"{}\".", volume.volume, volume.pool)
            }
            Self::RemoveVm { name, volumes, .. } => {
                format!("Removed VM \"{name}\" and its disks ({}) from the cluster.", listed(volumes))
            }
            Self::RenameVm { from, to, .. } => format!("Successfully renamed VM \"{from}\" to \"{to}\"."),
            Self::FlushLocks { name, volumes, .. } => {
                format!("Flushed locks of VM \"{name}\" on {}.", listed(volumes))
            }
            Self::ScanVolume { volume } => {
                format!("Scanned RBD volume \"{}\" in pool \"{}\".", volume.volume, volume.pool)
            }
            Self::Upload { volume, .. } => {
                format!("Uploaded image to volume \"{}\" in pool \"{}\".", volume.volume, volume.pool)
            }
            Self::Benchmark(plan) => {
                let (name, pool) = (&plan.name, &plan.volume.pool);
                format!("Measured pool \"{pool}\". See: pvc storage benchmark info {name}")
            }
            Self::AddSnapshot { snapshot } => {
                format!("Created RBD snapshot \"{}\" of volume \"{}\".", snapshot.snapshot, snapshot.of)
            }
            Self::RenameSnapshot { snapshot, to } => {
                let (name, of) = (&snapshot.snapshot, &snapshot.of);
                format!("Renamed RBD snapshot \"{name}\" of volume \"{of}\" to \"{to}\".")
            }
            Self::RemoveSnapshot { snapshot } => {
                format!("Removed RBD snapshot \"{}\" of volume \"{}\".", snapshot.snapshot, snapshot.of)
            }
            Self::RollBack { snapshot } => {
                format!("Rolled back RBD volume \"{}\" to snapshot \"{}\".", snapshot.of, snapshot.snapshot)
            }
        }
    }

    /// Its stages while nothing fails.
    pub fn forward(&self) -> Vec<Stage> {
        let mut stages = self.changes();
        stages.push(self.look());
        stages
    }

    /// Its stages once one of the others has failed.
    pub fn back(&self, failed: &Failed) -> Vec<Stage> {
        if let Self::RenameVm { volumes, .. } = self {
            // The first ones only looked, and whether the last one took effect is not known, unless what stood in its way
            // is somebody else's.
            let stage = usize::try_from(failed.stage).unwrap_or(usize::MAX);
            let past = stage.saturating_add(usize::from(failed.left == Left::Own));
            let begun = past.saturating_sub(volumes.len()).min(volumes.len());
            let back = |(from, to): &(VolumePath, VolumeName)| renaming(&from.beside(to), &from.volume);
            return volumes[..begun].iter().rev().map(back).chain([self.look()]).collect();
        }
        // Before the first stage passed, what is there is not the task's; nor is it what stood in the way of a later one.
        let undo = self.undo().filter(|_| failed.stage > 0 && failed.left == Left::Own);
        undo.into_iter().chain([self.look()]).collect()
    }

    /// The volumes whose records tell of it.
    pub fn volumes(&self) -> Vec<VolumePath> {
        match self {
            Self::AddPool { .. } | Self::SetPlacementGroups { .. } | Self::FlushLocks { .. } => Vec::new(),
            Self::RemovePool { volumes, .. } | Self::RemoveVm { volumes, .. } => volumes.clone(),
            Self::AddVolume { volume, .. }
            | Self::ResizeVolume { volume, .. }
            | Self::RemoveVolume { volume }
            | Self::ScanVolume { volume }
            | Self::Upload { volume, .. } => vec![volume.clone()],
            Self::Benchmark(plan) => vec![plan.volume.clone()],
            Self::RenameVolume { volume, to } => vec![volume.clone(), volume.beside(to)],
            Self::RenameVm { volumes, .. } => {
                volumes.iter().flat_map(|(from, to)| [from.clone(), from.beside(to)]).collect()
            }
            Self::CopyVolume { from, to } => vec![from.clone(), to.clone()],
            Self::CloneVolume { snapshot, to } => vec![snapshot.of.clone(), to.clone()],
            Self::AddSnapshot { snapshot }
            | Self::RenameSnapshot { snapshot, .. }
            | Self::RemoveSnapshot { snapshot }
            | Self::RollBack { snapshot } => vec![snapshot.of.clone()],
        }
    }

    /// The pool whose record tells of it.
    pub fn pool(&self) -> Option<&PoolName> {
        match self {
            Self::AddPool { pool, .. }
            | Self::SetPlacementGroups { pool, .. }
            | Self::RemovePool { pool, .. } => Some(pool),
            _ => None,
        }
    }

    fn look(&self) -> Stage {
        let pools = self.pool().into_iter().cloned().collect();
        stage("Looking at what is there", Change::LookAtStorage { volumes: self.volumes(), pools })
    }

    fn changes(&self) -> Vec<Stage> {
        match self.clone() {
            Self::AddPool { pool, replication, tier, placement_groups } => vec![
                stage("Looking for one of that name", Change::ExpectNoPool { pool: pool.clone() }),
                stage("Making the pool", Change::EnsurePool { pool, replication, tier, placement_groups }),
            ],
            Self::SetPlacementGroups { pool, count } => {
                vec![stage("Setting the placement groups", Change::SetPlacementGroups { pool, count })]
            }
            Self::RemovePool { pool, volumes } => {
                let mut stages: Vec<Stage> = volumes.into_iter().map(removal).collect();
                stages.push(stage("Removing the pool", Change::RemovePool { pool }));
                stages
            }
            Self::AddVolume { volume, size_bytes } => {
                vec![
                    vacancy(&volume),
                    stage("Making the volume", Change::CreateVolume { volume, size_bytes }),
                ]
            }
            Self::ResizeVolume { volume, size_bytes, guest } => {
                let grown = guest.map(|vm| growth(vm, &volume, size_bytes));
                let resized =
                    stage("Resizing the volume", Change::ResizeVolume { volume: volume.clone(), size_bytes });
                grown.into_iter().chain([resized]).collect()
            }
            Self::RemoveVm { vm, volumes, .. } => {
                let down = Stage { text: "Waiting for the guest to end".into(), part: Part::Down(vm) };
                std::iter::once(down).chain(volumes.into_iter().map(removal)).collect()
            }
            Self::RenameVm { volumes, .. } => {
                let expected = volumes.iter().map(|(from, to)| vacancy(&from.beside(to)));
                expected.chain(volumes.iter().map(|(from, to)| renaming(from, to))).collect()
            }
            Self::FlushLocks { volumes, .. } => {
                let part = Part::Step(Action::FlushLocks { volumes });
                vec![Stage { text: "Releasing the locks".into(), part }]
            }
            Self::RenameVolume { volume, to } => {
                let target = volume.beside(&to);
                vec![vacancy(&target), stage("Renaming the volume", Change::RenameVolume { volume, to })]
            }
            Self::CopyVolume { from, to } => {
                vec![vacancy(&to), stage("Copying the volume", Change::CopyVolume { from, to })]
            }
            Self::CloneVolume { snapshot, to } => {
                vec![vacancy(&to), stage("Cloning the snapshot", Change::CloneVolume { snapshot, to })]
            }
            Self::RemoveVolume { volume } => vec![removal(volume)],
            Self::ScanVolume { .. } => Vec::new(),
            Self::Upload { .. } => vec![Stage { text: "Taking in the content".into(), part: Part::Content }],
            Self::Benchmark(plan) => trials(plan),
            Self::AddSnapshot { snapshot } => {
                let expected = Change::ExpectNoSnapshot { snapshot: snapshot.clone() };
                let expected = stage("Looking for one of that name", expected);
                vec![expected, stage("Taking the snapshot", Change::TakeSnapshot { snapshot })]
            }
            Self::RenameSnapshot { snapshot, to } => {
                let expected = Change::ExpectNoSnapshot { snapshot: snapshot.of.at(&to) };
                let expected = stage("Looking for one of that name", expected);
                vec![expected, stage("Renaming the snapshot", Change::RenameSnapshot { snapshot, to })]
            }
            Self::RemoveSnapshot { snapshot } => {
                vec![stage("Removing the snapshot", Change::RemoveSnapshot { snapshot })]
            }
            Self::RollBack { snapshot } => {
                vec![stage("Rolling back the volume", Change::RollBack { snapshot })]
            }
        }
    }

    /// What takes away what a making that failed may have left.
    fn undo(&self) -> Option<Stage> {
        let undoing = |change| Some(stage("Undoing what was begun", change));
        match self.clone() {
            Self::AddPool { pool, .. } => undoing(Change::RemovePool { pool }),
            Self::AddVolume { volume, .. } => undoing(Change::RemoveVolume { volume }),
            Self::CopyVolume { to, .. } | Self::CloneVolume { to, .. } => {
                undoing(Change::RemoveVolume { volume: to })
            }
            Self::Benchmark(plan) => undoing(Change::ClearVolume { volume: plan.volume }),
            Self::AddSnapshot { snapshot } => undoing(Change::RemoveSnapshot { snapshot }),
            _ => None,
        }
    }
}

fn listed(volumes: &[VolumePath]) -> String {
    volumes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn stage(text: &str, change: Change) -> Stage {
    Stage { text: text.into(), part: Part::Step(Action::Storage(change)) }
}

/// The stages of a benchmark but for the look.
fn trials(plan: BenchmarkPlan) -> Vec<Stage> {
    let BenchmarkPlan { volume, size_bytes, .. } = plan;
    let made = Change::CreatePlainVolume { volume: volume.clone(), size_bytes };
    let trial = |trial: Trial| {
        let text = format!("Measuring {}: {trial}", trial.name());
        Stage { text, part: Part::Trial(trial) }
    };
    let before = [vacancy(&volume), stage("Making the volume", made)];
    let after = stage("Removing the volume", Change::ClearVolume { volume });
    before.into_iter().chain(Trial::ALL.map(trial)).chain([after]).collect()
}

fn growth(vm: VmId, volume: &VolumePath, size_bytes: u64) -> Stage {
    let action = Action::ResizeDisk { vm, volume: volume.clone(), size_bytes };
    Stage { text: "Growing the disk of the guest".into(), part: Part::Step(action) }
}

fn renaming(volume: &VolumePath, to: &VolumeName) -> Stage {
    stage(
        &format!("Renaming {volume} to {to}"),
        Change::RenameVolume { volume: volume.clone(), to: to.clone() },
    )
}

fn vacancy(volume: &VolumePath) -> Stage {
    stage("Looking for one of that name", Change::ExpectNoVolume { volume: volume.clone() })
}

fn removal(volume: VolumePath) -> Stage {
    stage(&format!("Removing {volume}"), Change::RemoveVolume { volume })
}
