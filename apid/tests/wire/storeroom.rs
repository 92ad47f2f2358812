//! A desk with storage: facts about it, and a worker by rote that makes the records what the tasks ask for, fails them, or
//! lets them wait.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apid::Api;
use logic::cluster::Cluster;
use logic::id::TaskId;
use logic::primary::Primary;
use logic::record::{Expect, RecordId, Records, expect_of};
use logic::storage::VolumePath;
use logic::storage::end::{Finished, ended};
use logic::storage::facts::{OsdFacts, PoolFacts, StorageFacts};
use logic::storage::figures::{
    ClusterFigures, Health, Osd as Measured, OsdFigures, PoolFigures, Rates, Tally,
};
use logic::storage::osd::end::{OsdsFinished, osds_ended};
use logic::storage::osd::record::{Osd, OsdState};
use logic::storage::osd::{OsdId, OsdUuid};
use logic::storage::record::{Looked, Shown, Volume};
use logic::storage::work::StorageWork;
use logic::task::{Failed, TaskFact, TaskState, Work};
use logic::time::WallTime;
use store::memory::MemoryStore;
use store::records::commit_records;
use tokio::task::JoinHandle;

use super::desk::{Desk, TOKEN, Uploads, api_over, tokens};

pub(crate) const GIB: u64 = 1 << 30;

/// How often the worker looks whether something was brought.
const LOOK: Duration = Duration::from_millis(50);

/// What becomes of the next tasks.
#[derive(Clone, Debug, Default)]
pub(crate) enum Mood {
    /// They are done.
    #[default]
    Willing,
    /// They fail for this reason.
    Failing(String),
    /// Nothing is done about them.
    Idle,
}

/// A desk with storage, and its worker.
pub(crate) struct Storeroom {
    pub(crate) desk: Desk,
    mood: Arc<Mutex<Mood>>,
    worker: JoinHandle<()>,
}

impl Drop for Storeroom {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Storeroom {
    /// A storage of 1000 GiB, with the pool `vms` of which nothing is used.
    pub(crate) async fn new() -> Self {
        let desk = Desk::new().await;
        let primary = Primary { node: "hv1".parse().unwrap(), term: 1, handover: None, former: None };
        desk.commit(Records::default().write(RecordId::Primary, Expect::Absent, primary.into()));
        desk.commit(facts(now()));
        let mood = Arc::new(Mutex::new(Mood::Willing));
        let worker = tokio::spawn(work(
            Arc::clone(&desk.api),
            Arc::clone(&desk.store),
            Arc::clone(&mood),
            Arc::clone(&desk.uploads),
        ));
        let room = Self { desk, mood, worker };
        let pool = [("pool", "vms"), ("pgs", "128"), ("replcfg", "copies=3,mincopies=2")];
        let made = room.desk.ask("POST", "/storage/ceph/pool", &pool).await;
        assert_eq!(made.status, 200, "{}", made.text);
        room
    }

    pub(crate) fn feel(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Makes a volume in the pool `vms`, and expects that it is made.
    pub(crate) async fn volume(&self, name: &str, size: &str) {
        let volume = [("pool", "vms"), ("volume", name), ("size", size)];
        let made = self.desk.ask("POST", "/storage/ceph/volume", &volume).await;
        assert_eq!(made.status, 200, "{}", made.text);
    }

    /// Takes a snapshot, and expects that it is taken.
    pub(crate) async fn snapshot(&self, volume: &str, name: &str) {
        let taken = self.desk.ask("POST", &format!("/storage/ceph/snapshot/vms/{volume}/{name}"), &[]).await;
        assert_eq!(taken.status, 200, "{}", taken.text);
    }

    /// Everything that is recorded of pools and volumes, to see that nothing of it changes.
    pub(crate) async fn recorded(&self) -> String {
        let cluster = self.desk.api.view.cluster().await.unwrap();
        let devices = (&cluster.osds, &cluster.devices);
        format!("{:?} {:?} {devices:?} {:?}", cluster.pools, cluster.volumes, cluster.tasks.len())
    }

    /// The same API with other settings.
    pub(crate) fn with_settings(&self, change: impl Fn(&mut apid::Settings)) -> axum::Router {
        let (mut api, _stop) = api_over(self.desk.store.clone(), tokens(&[TOKEN]), self.desk.socket.clone());
        change(&mut Arc::get_mut(&mut api).expect("nobody else has it yet").settings);
        apid::routes::router(&api)
    }
}

pub(crate) fn now() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    WallTime(u64::try_from(since.as_millis()).unwrap())
}

/// What is measured: 1000 GiB that are free.
pub(crate) fn facts(at: WallTime) -> Records {
    let figures = ClusterFigures {
        health: Health::Ok,
        checks: Vec::new(),
        osd_count: 0,
        osd_up_count: 0,
        osd_in_count: 0,
        placement_group_count: 128,
        placement_group_clean_count: 128,
        total_bytes: 3000 * GIB,
        free_bytes: 3000 * GIB,
    };
    let storage = StorageFacts {
        at,
        trouble: None,
        figures: Some(figures),
        status: "  cluster:\n    health: HEALTH_OK".into(),
        utilization: "--- RAW STORAGE ---".into(),
        fence: None,
    };
    let vms = PoolFigures {
        id: 2,
        free_bytes: 1000 * GIB,
        object_count: 7,
        tally: Tally {
            clone_count: 2,
            copy_count: 21,
            read_count: 1,
            read_bytes: 2,
            write_count: 3,
            write_bytes: 4,
            ..Tally::default()
        },
        ..PoolFigures::empty(&"vms".parse().unwrap())
    };
    // The second one is not one that PVC has made.
    let osds = BTreeMap::from([(0, measured(0, "hv1")), (7, measured(7, "elsewhere"))]);
    let pools = PoolFacts { at, pools: BTreeMap::from([(vms.name.clone(), vms)]) };
    Records::default()
        .write(RecordId::StorageFacts, Expect::Absent, storage.into())
        .write(RecordId::PoolFacts, Expect::Absent, pools.into())
        .write(RecordId::OsdFacts, Expect::Absent, OsdFacts { at, osds }.into())
        .write(RecordId::Osd(OsdId(0)), Expect::Absent, osd().into())
}

/// OSD 0, as it is recorded.
fn osd() -> Osd {
    Osd {
        node: "hv1".parse().unwrap(),
        device: "/dev/sdb".into(),
        db_device: None,
        uuid: OsdUuid("f42d47cc-00d4-4f59-b427-3ca3287d06ca".parse().unwrap()),
        is_split: false,
        volume: None,
        state: OsdState::Ready,
        task: None,
    }
}

/// An OSD, as it is measured.
fn measured(id: i32, host: &str) -> Measured {
    Measured {
        id,
        uuid: "436d76e2-b83c-4e0b-a037-e5edb8db0672".into(),
        up: true,
        r#in: true,
        address: "10.3.0.1".into(),
        class: "ssd".into(),
        host: host.into(),
        figures: OsdFigures {
            weight: 1.746,
            reweight: 0.75,
            total_bytes: 1000 * GIB,
            used_bytes: 310 * GIB,
            data_bytes: 300 * GIB,
            keys_bytes: GIB,
            own_bytes: 9 * GIB,
            free_bytes: 690 * GIB,
            utilization_percent: 31.5,
            variance: 1.02,
            placement_group_count: 129,
            commit_latency_ms: 1,
            rates: Rates { read_count: 3, read_bytes: 14_541, write_count: 12, write_bytes: 90_112 },
        },
    }
}

/// Ends tasks as they come.
async fn work(api: Arc<Api>, store: Arc<MemoryStore>, mood: Arc<Mutex<Mood>>, uploads: Arc<Uploads>) {
    let mut pauses = tokio::time::interval(Duration::from_millis(5));
    loop {
        pauses.tick().await;
        let brought = uploads.taken.lock().unwrap().clone();
        let open = |cluster: &Arc<Cluster>| {
            let id = cluster.tasks.iter().find(|(id, entry)| {
                let may_end = match &entry.task.value.work {
                    Work::Storage(StorageWork::Upload { .. }) => brought.contains_key(&id.to_string()),
                    // What needs a node's devices is begun here, and not done.
                    Work::Osd(work) => work.node().is_none(),
                    _ => true,
                };
                entry.fact.is_none() && may_end
            });
            id.map(|(id, _)| (Arc::clone(cluster), *id))
        };
        let Some((cluster, id)) = api.view.wait_for(LOOK, open).await else { continue };
        let mood = mood.lock().unwrap().clone();
        let broken = brought.get(&id.to_string()).and_then(|brought| brought.clone().err());
        let failure = match (mood, broken) {
            (Mood::Idle, _) => continue,
            (_, Some(why)) => Some(Failed { stage: 0, why, left: Default::default() }),
            (Mood::Willing, None) => None,
            (Mood::Failing(why), None) => Some(Failed { stage: 1, why, left: Default::default() }),
        };
        // A task that others have changed meanwhile is looked at again.
        drop(commit_records(&*store, &end(&cluster, id, failure)));
    }
}

fn end(cluster: &Cluster, id: TaskId, failed: Option<Failed>) -> Records {
    let entry = &cluster.tasks[&id];
    let (task, failure) = (id, failed.as_ref());
    let end = match &entry.task.value.work {
        Work::Storage(work) => {
            let looked = look(cluster, work, failed.is_none());
            ended(Finished { cluster, task, work, failed: failure, looked: Some(&looked), now: now() })
        }
        Work::Osd(work) => osds_ended(OsdsFinished { cluster, task, work, failed: failure, looked: None }),
        other => panic!("only storage is worked on here, and not {other:?}"),
    };
    let state = if end.failure.is_some() { TaskState::Failure } else { TaskState::Success };
    let message = end.failure.unwrap_or_else(|| entry.task.value.work.done());
    let fact =
        TaskFact { state, stage: entry.task.value.work.total(), message, at: now(), failed, progress: None };
    end.records.write(RecordId::TaskFact(id), expect_of(entry.fact.as_ref()), fact.into())
}

fn shown(volume: &Volume) -> Shown {
    Shown {
        size_bytes: volume.size_bytes,
        id: "5e1f00000000".into(),
        object_size_bytes: 4 << 20,
        features: vec!["layering".into(), "exclusive-lock".into()],
        clone_of: volume.clone_of.clone(),
        snapshots: volume.snapshots.iter().map(|(name, s)| (name.clone(), s.size_bytes)).collect(),
    }
}

/// What the storage shows when the work is done, or when nothing of it is.
fn look(cluster: &Cluster, work: &StorageWork, is_done: bool) -> Looked {
    let mut looked = Looked::default();
    let known = |path: &VolumePath| cluster.volumes.get(path).map(|volume| &volume.value);
    for path in work.volumes() {
        let there = known(&path).filter(|volume| volume.is_there());
        looked.volumes.extend(there.map(|volume| (path.clone(), shown(volume))));
    }
    let pool_is_there = match work {
        StorageWork::AddPool { .. } => is_done,
        StorageWork::RemovePool { .. } => !is_done,
        _ => true,
    };
    looked.pools.extend(work.pool().filter(|_| pool_is_there).map(|pool| (pool.clone(), 128)));
    if !is_done {
        return looked;
    }
    match work {
        StorageWork::AddVolume { volume, .. } => {
            looked.volumes.insert(volume.clone(), shown(known(volume).unwrap()));
        }
        StorageWork::CopyVolume { to, .. } | StorageWork::CloneVolume { to, .. } => {
            looked.volumes.insert(to.clone(), shown(known(to).unwrap()));
        }
        StorageWork::ResizeVolume { volume, size_bytes, .. } => {
            looked.volumes.get_mut(volume).unwrap().size_bytes = *size_bytes;
        }
        StorageWork::RenameVolume { volume, to } => {
            let moved = looked.volumes.remove(volume).unwrap();
            looked.volumes.insert(volume.beside(to), moved);
        }
        StorageWork::RenameVm { volumes, .. } => {
            for (volume, to) in volumes {
                let moved = looked.volumes.remove(volume).unwrap();
                looked.volumes.insert(volume.beside(to), moved);
            }
        }
        StorageWork::RemoveVolume { volume } => drop(looked.volumes.remove(volume)),
        StorageWork::RemovePool { .. } => looked.volumes.clear(),
        StorageWork::AddSnapshot { snapshot } => {
            let volume = looked.volumes.get_mut(&snapshot.of).unwrap();
            volume.snapshots.insert(snapshot.snapshot.clone(), volume.size_bytes);
        }
        StorageWork::RenameSnapshot { snapshot, to } => {
            let volume = looked.volumes.get_mut(&snapshot.of).unwrap();
            let size_bytes = volume.snapshots.remove(&snapshot.snapshot).unwrap();
            volume.snapshots.insert(to.clone(), size_bytes);
        }
        StorageWork::RemoveSnapshot { snapshot } => {
            looked.volumes.get_mut(&snapshot.of).unwrap().snapshots.remove(&snapshot.snapshot);
        }
        _ => {}
    }
    looked
}
