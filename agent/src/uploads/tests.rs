//! What is taken in, with a storage and a store in memory.

use std::net::{IpAddr, Ipv4Addr};

use host::clock::ManualClock;
use host::storage::memory;
use host::storage::{Pool, Pools as _, Volumes as _};
use link::server::Gone;
use logic::record::{Expect, RecordId, Records};
use logic::storage::{Replication, Tier};
use logic::task::Task;
use logic::time::WallTime;
use store::memory::Memory;
use store::mirror::Scope;
use store::records::commit_records;

use super::*;

const TASK: TaskId = TaskId(7);
const KIB: u64 = 1024;

/// Nobody reads what is answered.
struct Nobody;

impl Sink for Nobody {
    fn send(&mut self, _bytes: &[u8]) -> Result<(), Gone> {
        Err(Gone)
    }

    fn rest(&mut self) -> Result<(), Gone> {
        Err(Gone)
    }
}

fn path() -> VolumePath {
    "vms/web".parse().unwrap()
}

fn task(stage: u32) -> Records {
    let work = StorageWork::Upload { volume: path(), size_bytes: 256 * KIB, format: Format::Raw };
    let task = Task { work: Work::Storage(work), run_on: "hv1".parse().unwrap(), asked: WallTime(0) };
    let (state, message) = (TaskState::Running, String::new());
    let fact = TaskFact { state, stage, message, at: WallTime(0), failed: None, progress: None };
    Records::default().write(RecordId::Task(TASK), Expect::Absent, task.into()).write(
        RecordId::TaskFact(TASK),
        Expect::Absent,
        fact.into(),
    )
}

/// A storage with a volume of 1 MiB, and the worker of `hv1` with these records.
fn worker(records: &Records) -> (Arc<memory::Cluster>, Uploads) {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let cluster = memory::Cluster::new(&[address]);
    let client = cluster.open(address);
    let replication = Replication { copies: 1, copies_min: 1 };
    let name = "vms".parse().unwrap();
    client.ensure_pool(&Pool { name, replication, tier: Tier::Default, placement_group_count: 8 }).unwrap();
    client.create(&path(), 1024 * KIB).unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new(Arc::new(|| logic::time::BootTime(0))).open());
    commit_records(&*store, records).unwrap();
    let mirror = Arc::new(Mirror::new(Arc::clone(&store), Scope::WithoutDocuments));
    mirror.pump().unwrap();
    let ground = Ground {
        name: "hv1".parse().unwrap(),
        storage: Some(Arc::new(client)),
        store,
        clock: Arc::new(ManualClock::new(logic::time::Now::default())),
        mirror,
        transfers: Arc::default(),
        passes: Arc::default(),
    };
    (cluster, Uploads::new(ground))
}

fn bring(uploads: &Uploads, mut bytes: &[u8]) -> Result<(), Ended> {
    uploads.take_in(&Request::Upload { task: TASK.to_string() }, &mut bytes)
}

fn state(uploads: &Uploads) -> Option<Upload> {
    let snapshot = uploads.ground.mirror.snapshot().unwrap();
    uploads.latest(&snapshot.cluster).remove(&TASK)
}

#[test]
fn what_is_brought_for_a_task_lands_in_its_volume() {
    let (storage, uploads) = worker(&task(0));
    let bytes = vec![7; 256 << 10];
    bring(&uploads, &bytes).unwrap();
    assert_eq!(state(&uploads), Some(Upload::Landed));
    assert_eq!(storage.read(&path(), 0, 2), Some(vec![7, 7]));
    assert_eq!(storage.read(&path(), 256 << 10, 2), Some(vec![0, 0]), "zeroes behind it");
    let again = bring(&uploads, &bytes).unwrap_err().to_string();
    assert!(again.contains("was brought already"), "{again}");
}

#[test]
fn how_far_an_upload_is_is_told_until_it_has_ended() {
    let (_, uploads) = worker(&task(0));
    let transfers = Arc::clone(&uploads.ground.transfers);
    let still = Still { ground: &uploads.ground, task: TASK };
    assert_eq!(still.moved(64 * KIB, 256 * KIB), Onward::Yes);
    let moved = Moved { done_bytes: 64 * KIB, total_bytes: 256 * KIB };
    assert_eq!(transfers.latest().get(&Resource::Task(TASK)), Some(&moved));
    bring(&uploads, &vec![7; 256 << 10]).unwrap();
    assert!(transfers.latest().is_empty());
}

#[test]
fn what_breaks_off_or_is_too_much_leaves_the_volume_as_it_was() {
    for length in [100 << 10, 300 << 10] {
        let (storage, uploads) = worker(&task(0));
        let refused = bring(&uploads, &vec![7; length]).unwrap_err().to_string();
        assert!(refused.contains("announced"), "{refused}");
        assert!(matches!(state(&uploads), Some(Upload::Failed { .. })));
        assert_eq!(storage.read(&path(), 0, 2), Some(vec![0, 0]));
    }
}

#[test]
fn what_no_task_waits_for_is_refused_and_not_read() {
    // The content of this one has come, and its last stage looks.
    let (storage, uploads) = worker(&task(1));
    let refused = bring(&uploads, &[7; 4096]).unwrap_err().to_string();
    assert!(refused.contains("no upload that waits"), "{refused}");
    assert_eq!((state(&uploads), storage.read(&path(), 0, 1)), (None, Some(vec![0])));
    let other = uploads.take_in(&Request::Statistics, &mut [0; 8].as_slice()).unwrap_err();
    assert!(other.to_string().contains("brings nothing"));
    assert!(uploads.answer(&Request::Statistics, &mut Nobody).is_err());
}
