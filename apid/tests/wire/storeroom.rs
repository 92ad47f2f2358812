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
use logic::storage::figures::{ClusterFigures, Health, PoolFigures, Rates};
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
        format!("{:?} {:?} {:?}", cluster.pools, cluster.volumes, cluster.tasks.len())
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
    };
    let vms = PoolFigures {
        id: 2,
        free_bytes: 1000 * GIB,
        object_count: 7,
        rates: Rates { read_count: 1, read_bytes: 2, write_count: 3, write_bytes: 4 },
        ..PoolFigures::empty(&"vms".parse().unwrap())
    };
    let pools = PoolFacts { at, pools: BTreeMap::from([(vms.name.clone(), vms)]) };
    Records::default()
        .write(RecordId::StorageFacts, Expect::Absent, storage.into())
        .write(RecordId::PoolFacts, Expect::Absent, pools.into())
        .write(RecordId::OsdFacts, Expect::Absent, OsdFacts { at, osds: BTreeMap::new() }.into())
}

/// Ends tasks as they come.
async fn work(api: Arc<Api>, store: Arc<MemoryStore>, mood: Arc<Mutex<Mood>>, uploads: Arc<Uploads>) {
    let mut pauses = tokio::time::interval(Duration::from_millis(5));
    loop {
        pauses.tick().await;
        let brought = uploads.taken.lock().unwrap().clone();
        let open = |cluster: &Arc<Cluster>| {
            let id = cluster.tasks.iter().find(|(id, entry)| {
                let waits = matches!(entry.task.value.work, Work::Storage(StorageWork::Upload { .. }));
                entry.fact.is_none() && (!waits || brought.contains_key(&id.to_string()))
            });
            id.map(|(id, _)| (Arc::clone(cluster), *id))
        };
        let Some((cluster, id)) = api.view.wait_for(LOOK, open).await else { continue };
        let mood = mood.lock().unwrap().clone();
        let broken = brought.get(&id.to_string()).and_then(|brought| brought.clone().err());
        let failure = match (mood, broken) {
            (Mood::Idle, _) => continue,
            (_, Some(why)) => Some(Failed { stage: 0, why }),
            (Mood::Willing, None) => None,
            (Mood::Failing(why), None) => Some(Failed { stage: 1, why }),
        };
        // A task that others have changed meanwhile is looked at again.
        drop(commit_records(&*store, &end(&cluster, id, failure)));
    }
}

fn end(cluster: &Cluster, id: TaskId, failed: Option<Failed>) -> Records {
    let entry = &cluster.tasks[&id];
    let Work::Storage(work) = &entry.task.value.work else { panic!("only storage is worked on here") };
    let looked = look(cluster, work, failed.is_none());
    let finished =
        Finished { cluster, task: id, work, failed: failed.as_ref(), looked: Some(&looked), now: now() };
    let end = ended(finished);
    let state = if end.failure.is_some() { TaskState::Failure } else { TaskState::Success };
    let message = end.failure.unwrap_or_else(|| work.done());
    let fact = TaskFact { state, stage: entry.task.value.work.total(), message, at: now(), failed };
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
        StorageWork::ResizeVolume { volume, size_bytes } => {
            looked.volumes.get_mut(volume).unwrap().size_bytes = *size_bytes;
        }
        StorageWork::RenameVolume { volume, to } => {
            let moved = looked.volumes.remove(volume).unwrap();
            looked.volumes.insert(volume.beside(to), moved);
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
