//! One machine's way to the storage in memory.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use logic::id::{PoolName, SnapshotName, VolumeName};
use logic::storage::{SnapshotPath, VolumePath};

use super::{Cluster, Manner, State};
use crate::storage::error::Refusal;
use crate::storage::{
    Abilities, Access, Cause, CephClient, ClusterFigures, Error, Fence, Figures, Health, Key, Lock, Osd,
    OsdFigures, Page, Pool, PoolFigures, Pools, Reach, Snapshot, Snapshots, SnapshotsOf, Storage, Tally,
    Transfers, Upload, User, Volume, Volumes, Watch,
};

/// What every device of this storage holds, in bytes.
const DEVICE_BYTES: u64 = 1 << 40;

/// One machine's way to the storage.
#[derive(Clone, Debug)]
pub struct Client {
    cluster: Arc<Cluster>,
    address: IpAddr,
}

impl Client {
    pub(super) fn new(cluster: Arc<Cluster>, address: IpAddr) -> Self {
        Self { cluster, address }
    }

    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// Asks the monitors, who answer the blocked too.
    pub(super) fn ask<T>(
        &self,
        what: &str,
        act: impl FnOnce(&mut State) -> Result<T, Refusal>,
    ) -> Result<T, Error> {
        let mut state = self.cluster.lock();
        state.calls += 1;
        match &state.manner {
            Manner::Prompt => {}
            Manner::Hanging => return Err(Error::silent(what, Duration::ZERO)),
            Manner::Unreachable(why) => {
                return Err(Error::Unreachable { why: why.clone(), remedy: "see the network".into() });
            }
        }
        act(&mut state).map_err(|refusal| Error::refused(what, refusal))
    }

    /// Asks the OSDs, who answer nobody that is blocked.
    pub(super) fn look<T>(
        &self,
        what: &str,
        act: impl FnOnce(&mut State) -> Result<T, Refusal>,
    ) -> Result<T, Error> {
        self.ask(what, |state| {
            self.check_blocked(state)?;
            act(state)
        })
    }

    fn check_blocked(&self, state: &State) -> Result<(), Refusal> {
        match state.blocked.contains(&self.address) {
            false => Ok(()),
            true => {
                let why = format!("this node, {}, is blocked", self.address);
                Err(Refusal::new(Cause::Blocked, why, "see why it was fenced"))
            }
        }
    }

    /// Has the OSDs change something.
    pub(super) fn change<T>(
        &self,
        what: &str,
        act: impl FnOnce(&mut State) -> Result<T, Refusal>,
    ) -> Result<T, Error> {
        self.tell(what, |state| {
            self.check_blocked(state)?;
            act(state)
        })
    }

    /// Has the monitors change something.
    pub(super) fn tell<T>(
        &self,
        what: &str,
        act: impl FnOnce(&mut State) -> Result<T, Refusal>,
    ) -> Result<T, Error> {
        self.ask(what, |state| {
            if state.refusals.0 > 0 {
                state.refusals.0 -= 1;
                let why = state.refusals.1.clone();
                return Err(Refusal::new(Cause::Other, why, "try again"));
            }
            let outcome = act(state)?;
            let is_lost = state.lost_answers > 0;
            state.lost_answers = state.lost_answers.saturating_sub(1);
            Ok((outcome, is_lost))
        })
        .and_then(|(outcome, is_lost)| match is_lost {
            true => Err(Error::silent(what, Duration::ZERO)),
            false => Ok(outcome),
        })
    }
}

impl Pools for Client {
    fn pools(&self) -> Result<Vec<Pool>, Error> {
        self.ask("list the pools", |state| Ok(state.pools.values().map(|(pool, _)| pool.clone()).collect()))
    }

    fn ensure_pool(&self, pool: &Pool) -> Result<(), Error> {
        self.tell(&format!("make the pool {}", pool.name), |state| state.ensure_pool(pool))
    }

    fn set_placement_groups(&self, pool: &PoolName, count: u32) -> Result<(), Error> {
        let what = format!("give {pool} {count} placement groups");
        self.tell(&what, |state| state.set_placement_groups(pool, count))
    }

    fn remove_pool(&self, pool: &PoolName) -> Result<(), Error> {
        self.tell(&format!("remove the pool {pool}"), |state| state.remove_pool(pool))
    }
}

impl Volumes for Client {
    fn volumes(&self, pool: &PoolName) -> Result<Vec<VolumeName>, Error> {
        self.look(&format!("list the volumes of {pool}"), |state| state.volumes(pool))
    }

    fn volume(&self, volume: &VolumePath) -> Result<Option<Volume>, Error> {
        self.look(&format!("look at {volume}"), |state| state.volume(volume))
    }

    fn create(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error> {
        self.change(&format!("make {volume}"), |state| state.create(volume, size_bytes))
    }

    fn resize(&self, volume: &VolumePath, size_bytes: u64) -> Result<(), Error> {
        let what = format!("resize {volume} to {size_bytes} bytes");
        self.change(&what, |state| state.resize(volume, size_bytes))
    }

    fn rename(&self, volume: &VolumePath, to: &VolumeName) -> Result<(), Error> {
        self.change(&format!("rename {volume} to {to}"), |state| state.rename(volume, to))
    }

    fn remove(&self, volume: &VolumePath) -> Result<(), Error> {
        self.change(&format!("remove {volume}"), |state| state.remove(volume))
    }

    fn users(&self, volume: &VolumePath) -> Result<(Vec<User>, Vec<Lock>), Error> {
        self.look(&format!("see who uses {volume}"), |state| state.users(volume))
    }

    fn break_lock(&self, volume: &VolumePath, lock: &Lock) -> Result<(), Error> {
        let what = format!("break the lock of {} on {volume}", lock.holder);
        self.change(&what, |state| state.break_lock(volume, lock))
    }
}

impl Snapshots for Client {
    fn snapshots(&self, volume: &VolumePath) -> Result<Vec<Snapshot>, Error> {
        self.look(&format!("list the snapshots of {volume}"), |state| state.snapshots(volume))
    }

    fn take(&self, snapshot: &SnapshotPath) -> Result<(), Error> {
        self.change(&format!("take {snapshot}"), |state| state.take(snapshot))
    }

    fn rename_snapshot(&self, snapshot: &SnapshotPath, to: &SnapshotName) -> Result<(), Error> {
        let what = format!("rename {snapshot} to {to}");
        self.change(&what, |state| state.rename_snapshot(snapshot, to))
    }

    fn remove_snapshot(&self, snapshot: &SnapshotPath) -> Result<(), Error> {
        self.change(&format!("remove {snapshot}"), |state| match state.is_there(&snapshot.of)? {
            true => state.remove_snapshot(snapshot),
            false => Ok(()),
        })
    }

    fn roll_back(&self, snapshot: &SnapshotPath) -> Result<(), Error> {
        self.change(&format!("roll back to {snapshot}"), |state| state.roll_back(snapshot))
    }

    fn clone_volume(&self, snapshot: &SnapshotPath, to: &VolumePath) -> Result<(), Error> {
        let what = format!("clone {snapshot} as {to}");
        self.change(&what, |state| state.clone_volume(snapshot, to))
    }
}

impl Transfers for Client {
    fn upload(&self, volume: &VolumePath, upload: Upload<'_>, watch: &dyn Watch) -> Result<(), Error> {
        super::transfer::upload(self, volume, upload, watch)
    }

    fn download(&self, volume: &VolumePath, sink: &mut dyn Write, watch: &dyn Watch) -> Result<(), Error> {
        super::transfer::download(self, volume, sink, watch)
    }

    fn copy(&self, from: &VolumePath, to: &VolumePath, watch: &dyn Watch) -> Result<(), Error> {
        super::transfer::copy(self, from, to, watch)
    }

    fn sweep(&self, pool: &PoolName) -> Result<usize, Error> {
        self.change(&format!("sweep {pool}"), |state| {
            Ok(std::mem::take(&mut state.members_mut(pool)?.remains))
        })
    }
}

impl Figures for Client {
    fn cluster(&self) -> Result<ClusterFigures, Error> {
        self.ask("tell its status", |state| Ok(state.cluster_figures()))
    }

    fn pool_figures(&self) -> Result<Vec<PoolFigures>, Error> {
        self.ask("tell the figures of its pools", |state| Ok(state.pool_figures()))
    }

    fn osds(&self) -> Result<Vec<Osd>, Error> {
        self.ask("list the OSDs", |state| Ok(state.osds()))
    }

    fn page(&self, page: Page) -> Result<String, Error> {
        self.ask("tell its status", |state| Ok(format!("{page:?}: {:?}\n", state.cluster_figures())))
    }
}

impl Storage for Client {
    fn abilities(&self) -> Abilities {
        Abilities { reach: Reach::EveryMachine, snapshots: SnapshotsOf::Any }
    }

    fn access(&self) -> Result<Access, Error> {
        self.ask("tell how guests reach it", |state| {
            let monitors = state.daemons.iter().map(|daemon| SocketAddr::new(daemon.address, 6789)).collect();
            let key = Key::new(b"memory".to_vec());
            Ok(Access::Ceph(CephClient { monitors, user: "memory".into(), key }))
        })
    }

    fn fence(&self) -> Option<&dyn Fence> {
        Some(self)
    }

    fn roster(&self) -> Option<&dyn crate::osd::Roster> {
        Some(&**self.cluster.members())
    }
}

impl State {
    fn cluster_figures(&self) -> ClusterFigures {
        let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
        let up_count = self.daemons.iter().filter(|daemon| daemon.is_up).count();
        let total_bytes = DEVICE_BYTES * u64::from(count(self.daemons.len()));
        let used_bytes: u64 = self.pool_figures().iter().map(|pool| pool.used_bytes).sum();
        let is_well = up_count == self.daemons.len() && !self.is_full;
        let groups: u32 = self.pools.values().map(|(pool, _)| pool.placement_group_count).sum();
        ClusterFigures {
            health: if is_well { Health::Ok } else { Health::Warn },
            checks: Vec::new(),
            osd_count: count(self.daemons.len()),
            osd_up_count: count(up_count),
            osd_in_count: count(self.daemons.len()),
            placement_group_count: groups,
            placement_group_clean_count: if is_well { groups } else { 0 },
            total_bytes,
            free_bytes: total_bytes.saturating_sub(used_bytes),
        }
    }

    fn pool_figures(&self) -> Vec<PoolFigures> {
        let figures = |(id, (pool, members)): (i64, &(Pool, super::Members))| {
            let kept = members.images.values().map(|image| image.now.bytes.len() as u64);
            let stored_bytes: u64 = kept.sum();
            PoolFigures {
                name: pool.name.clone(),
                id,
                stored_bytes,
                used_bytes: stored_bytes * u64::from(pool.replication.copies),
                free_bytes: if self.is_full { 0 } else { DEVICE_BYTES },
                used_part: if self.is_full { 1.0 } else { 0.0 },
                object_count: 0,
                object_degraded_count: 0,
                tally: Tally::default(),
            }
        };
        (1..).zip(self.pools.values()).map(figures).collect()
    }

    fn osds(&self) -> Vec<Osd> {
        let osd = |(id, daemon): (i32, &super::Daemon)| Osd {
            id,
            uuid: format!("00000000-0000-4000-8000-{id:012}"),
            up: daemon.is_up,
            r#in: true,
            address: daemon.address.to_string(),
            class: "ssd".into(),
            host: format!("hv{}", id + 1),
            figures: OsdFigures {
                weight: 1.0,
                reweight: 1.0,
                total_bytes: DEVICE_BYTES,
                ..OsdFigures::default()
            },
        };
        (0..).zip(&self.daemons).map(osd).collect()
    }
}
