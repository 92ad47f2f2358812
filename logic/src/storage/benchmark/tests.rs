//! What a benchmark touches, when one may begin, and what is left of it.

use super::accept::{BenchmarkRequest, begin, cancel, find};
use super::*;
use crate::id::PoolName;
use crate::limits::{BENCHMARK_BYTES_MIN, BENCHMARKS_KEPT_MAX};
use crate::primary::Primary;
use crate::record::{Expect, Record, RecordId, Records, Version};
use crate::storage::accept::Occasion;
use crate::storage::end::{End, Finished};
use crate::storage::facts::{PoolFacts, StorageFacts};
use crate::storage::figures::PoolFigures;
use crate::storage::record::{Looked, Pool, PoolState, Shown, Volume, VolumeState};
use crate::storage::work::StorageWork;
use crate::storage::{Replication, Tier};
use crate::task::{Failed, Work};
use crate::testing::{NOW, at, cluster, hv1};

const GIB: u64 = 1 << 30;
const TASK: TaskId = TaskId(7);

fn path() -> VolumePath {
    "vms/pvcbenchmark".parse().unwrap()
}

/// A pool `vms` with so much that is stored and free, in GiB.
fn with_pool(stored: u64, free: u64) -> Cluster {
    let mut cluster = cluster();
    let name: PoolName = "vms".parse().unwrap();
    let pool = Pool {
        replication: Replication { copies: 3, copies_min: 2 },
        tier: Tier::Default,
        placement_groups: 64,
        state: PoolState::Ready,
        task: None,
        bookings: 4,
    };
    let figures =
        PoolFigures { stored_bytes: stored * GIB, free_bytes: free * GIB, ..PoolFigures::empty(&name) };
    let pools = [(name.clone(), figures)].into();
    cluster.pool_facts = Some(at(PoolFacts { at: NOW.wall, pools }).into());
    cluster.storage_facts = Some(at(StorageFacts { at: NOW.wall, ..StorageFacts::default() }).into());
    cluster.pools.insert(name, at(pool).into());
    cluster.primary = Some(at(Primary { node: hv1(), term: 1, handover: None, former: None }));
    cluster
}

fn benchmark(name: &str, state: BenchmarkState) -> Benchmark {
    Benchmark {
        name: name.parse().unwrap(),
        volume: path(),
        size_bytes: 64 * GIB,
        task: TASK,
        asked: NOW.wall,
        state,
        wish: BenchmarkWish::Made,
        results: BTreeMap::new(),
    }
}

fn request(name: Option<&str>, size_bytes: u64) -> BenchmarkRequest {
    let name = name.map(|name| name.parse().unwrap());
    BenchmarkRequest { pool: "vms".parse().unwrap(), name, size_bytes }
}

fn asked(cluster: &Cluster, request: &BenchmarkRequest) -> Result<(Work, Records), String> {
    let on = Occasion { cluster, task: TASK, now: NOW.wall };
    let accepted = begin(on, request).map_err(|refusal| refusal.to_string())?;
    Ok((accepted.0.work, accepted.1))
}

#[track_caller]
fn refused(cluster: &Cluster, request: &BenchmarkRequest, words: &str) {
    let why = asked(cluster, request).unwrap_err();
    assert!(why.contains(words), "{why}");
}

#[test]
fn a_benchmark_takes_the_next_number_a_volume_and_room() {
    let mut cluster = with_pool(100, 900);
    for number in [3, 4] {
        let old = benchmark(&format!("old-{number}"), BenchmarkState::Done);
        cluster.benchmarks.insert(BenchmarkId(number), at(old).into());
    }
    let (work, records) = asked(&cluster, &request(None, 64 * GIB)).unwrap();
    let Work::Storage(StorageWork::Benchmark(plan)) = work else { panic!("{work:?}") };
    assert_eq!((plan.benchmark, plan.name.as_str()), (BenchmarkId(5), "benchmark-5"));
    let written = |id: &RecordId| records.writes.iter().find(|write| write.record == *id).unwrap();
    let record = written(&RecordId::Benchmark(BenchmarkId(5)));
    assert_eq!(record.expect, Expect::Absent, "two at once get it only once");
    let volume = written(&RecordId::Volume(path()));
    assert!(matches!(
        &volume.value,
        Some(Record::Volume(Volume { state: VolumeState::Benchmarking, task: Some(TASK), .. }))
    ));
    assert!(
        matches!(&written(&RecordId::Pool("vms".parse().unwrap())).value, Some(Record::Pool(pool)) if pool.bookings == 5)
    );
}

#[test]
fn one_goes_on_at_a_time_and_a_name_is_used_once() {
    let mut cluster = with_pool(100, 900);
    cluster.benchmarks.insert(BenchmarkId(1), at(benchmark("first", BenchmarkState::Done)).into());
    refused(&cluster, &request(Some("first"), 64 * GIB), "exists already");
    assert!(asked(&cluster, &request(Some("second"), 64 * GIB)).is_ok());
    cluster.benchmarks.insert(BenchmarkId(2), at(benchmark("second", BenchmarkState::Running)).into());
    refused(&cluster, &request(Some("third"), 64 * GIB), "\"second\" of pool \"vms\" goes on");
    let other = BenchmarkRequest { pool: "other".parse().unwrap(), ..request(None, 64 * GIB) };
    refused(&cluster, &other, "No pool named \"other\"");
}

#[test]
fn what_has_no_room_or_makes_no_sense_is_refused() {
    let size = |size_bytes| request(None, size_bytes);
    refused(&with_pool(20, 60), &size(64 * GIB), "64G of its own");
    refused(&with_pool(20, 60), &size(64 * GIB), "60G of it are free");
    refused(&with_pool(20, 70), &size(64 * GIB), "not filled beyond 80 %");
    assert!(asked(&with_pool(20, 70), &size(GIB)).is_ok());
    refused(&with_pool(20, 70), &size(0), "too small");
    refused(&with_pool(20, 70), &size(BENCHMARK_BYTES_MIN - 512), "256M or more");
    refused(&with_pool(20, 70), &size(u64::MAX), "more than any volume");
    let unmeasured = Cluster { pool_facts: None, storage_facts: None, ..with_pool(20, 70) };
    refused(&unmeasured, &size(GIB), "is not known");
    let mut left = with_pool(0, 900);
    let broken = Volume {
        size_bytes: GIB,
        state: VolumeState::Broken { why: "x".into() },
        task: None,
        created: NOW.wall,
        modified: NOW.wall,
        features: None,
        clone_of: None,
        snapshots: Default::default(),
    };
    left.volumes.insert(path(), at(broken).into());
    refused(&left, &size(GIB), "\"pvcbenchmark\" exists already");
}

#[test]
fn only_so_many_are_kept_and_the_oldest_goes() {
    let mut cluster = with_pool(100, 900);
    for number in 1..=BENCHMARKS_KEPT_MAX as u64 {
        let old = benchmark(&format!("old-{number}"), BenchmarkState::Done);
        cluster.benchmarks.insert(BenchmarkId(number), at(old).into());
    }
    let (_, records) = asked(&cluster, &request(None, 64 * GIB)).unwrap();
    let gone: Vec<_> = records.writes.iter().filter(|write| write.value.is_none()).collect();
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].record, RecordId::Benchmark(BenchmarkId(1)));
}

#[test]
fn one_that_goes_on_can_be_cancelled() {
    let mut cluster = with_pool(100, 900);
    cluster.benchmarks.insert(BenchmarkId(1), at(benchmark("first", BenchmarkState::Done)).into());
    cluster.benchmarks.insert(BenchmarkId(2), at(benchmark("second", BenchmarkState::Running)).into());
    let why = |name| cancel(&cluster, name).unwrap_err().to_string();
    assert!(why("first").contains("has ended already"));
    assert!(why("third").contains("No benchmark with name \"third\""));
    assert!(why("../etc").contains("No benchmark with name"));
    let records = cancel(&cluster, "second").unwrap();
    assert_eq!(records.writes[0].expect, Expect::Version(Version(1)));
    let Some(Record::Benchmark(ended)) = &records.writes[0].value else { panic!("{records:?}") };
    assert_eq!((ended.wish, &ended.state), (BenchmarkWish::Ended, &BenchmarkState::Running));
    let mut cancelled = cluster.clone();
    cancelled.benchmarks.insert(BenchmarkId(2), at(ended.clone()).into());
    assert!(plan(2).hindrance(&cancelled).unwrap().contains("cancelled"));
    assert_eq!(plan(2).hindrance(&cluster), None);
    assert_eq!(find(&cluster, &"second".parse().unwrap()).unwrap().0, BenchmarkId(2));
}

fn plan(number: u64) -> BenchmarkPlan {
    BenchmarkPlan {
        benchmark: BenchmarkId(number),
        name: "second".parse().unwrap(),
        volume: path(),
        size_bytes: 64 * GIB,
    }
}

fn result(byte_count: u64) -> TrialResult {
    let io = figures::IoFigures { byte_count, ..figures::IoFigures::default() };
    TrialResult { node: hv1(), region_bytes: GIB, figures: TrialFigures { io, ..TrialFigures::default() } }
}

#[test]
fn only_what_the_first_trial_has_written_is_touched_by_the_others() {
    let region = |written: Option<u64>, trial| {
        let mut cluster = cluster();
        let mut running = benchmark("second", BenchmarkState::Running);
        running.results.extend(written.map(|written| (Trial::SequentialWrite, result(written))));
        cluster.benchmarks.insert(BenchmarkId(2), at(running).into());
        plan(2).exercise(&cluster, trial, None).region_bytes
    };
    assert_eq!(region(None, Trial::SequentialWrite), 64 * GIB);
    assert_eq!(region(Some(GIB), Trial::SequentialWrite), 64 * GIB);
    assert_eq!(region(Some(GIB + 5), Trial::SmallRead), GIB);
    assert_eq!(region(Some(500 * GIB), Trial::LargeRead), 64 * GIB);
    assert_eq!(region(Some(5), Trial::SmallWrite), BENCHMARK_PIECE_BYTES_MAX);
    assert_eq!(region(None, Trial::SmallWrite), BENCHMARK_PIECE_BYTES_MAX);
}

#[test]
fn the_first_trial_writes_one_behind_the_other_and_each_is_made_once() {
    assert_eq!(Trial::ALL[0], Trial::SequentialWrite);
    let mut names: Vec<&str> = Trial::ALL.iter().map(|trial| trial.name()).collect();
    for (trial, name) in Trial::ALL.iter().zip(&names) {
        assert_eq!(serde_json::to_string(trial).unwrap(), format!("\"{name}\""));
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Trial::ALL.len());
    assert_eq!(Trial::SingleRead.to_string(), "reading 4 KiB anywhere, 1 at once");
}

/// What is written with the end of a benchmark's task, of which so many trials were made: of its own record, of its
/// volume, and why it has failed.
fn end(
    made: usize,
    failed: Option<u32>,
    there: Option<&[VolumePath]>,
) -> (BenchmarkState, Option<Option<VolumeState>>, Option<String>) {
    let mut cluster = with_pool(100, 900);
    let mut running = benchmark("second", BenchmarkState::Running);
    running.results.extend(Trial::ALL.iter().take(made).map(|trial| (*trial, result(GIB))));
    cluster.benchmarks.insert(BenchmarkId(2), at(running).into());
    let volume = Volume {
        size_bytes: 64 * GIB,
        state: VolumeState::Benchmarking,
        task: Some(TASK),
        created: NOW.wall,
        modified: NOW.wall,
        features: None,
        clone_of: None,
        snapshots: Default::default(),
    };
    cluster.volumes.insert(path(), at(volume).into());
    let shown = Shown {
        size_bytes: 64 * GIB,
        id: "1f".into(),
        object_size_bytes: 4 << 20,
        features: Vec::new(),
        clone_of: None,
        snapshots: Default::default(),
    };
    let looked = there.map(|there| Looked {
        volumes: there.iter().map(|path| (path.clone(), shown.clone())).collect(),
        ..Looked::default()
    });
    let failed =
        failed.map(|stage| Failed { stage, why: "the lights went out".into(), left: Default::default() });
    let work = StorageWork::Benchmark(plan(2));
    let (failed, looked) = (failed.as_ref(), looked.as_ref());
    let finished = Finished { cluster: &cluster, task: TASK, work: &work, failed, looked, now: NOW.wall };
    let End { failure, records } = crate::storage::end::ended(finished);
    let mut state = None;
    let mut volume = None;
    for write in records.writes {
        match (write.record, write.value) {
            (RecordId::Benchmark(_), Some(Record::Benchmark(written))) => state = Some(written.state),
            (RecordId::Volume(_), None) => volume = Some(None),
            (RecordId::Volume(_), Some(Record::Volume(written))) => volume = Some(Some(written.state)),
            other => panic!("{other:?}"),
        }
    }
    (state.unwrap(), volume, failure)
}

#[test]
fn nothing_is_left_but_the_results_and_what_is_left_is_said() {
    let out = "the lights went out".to_owned();
    let lost = BenchmarkState::Failed { why: out.clone() };
    assert_eq!(end(8, None, Some(&[])), (BenchmarkState::Done, Some(None), None));
    assert_eq!(end(3, Some(5), Some(&[])), (lost.clone(), Some(None), Some(out.clone())));
    // What was there before it began is not its own.
    assert_eq!(end(0, Some(0), Some(&[path()])), (lost.clone(), Some(None), Some(out.clone())));
    let broken = |why: &str| Some(Some(VolumeState::Broken { why: why.into() }));
    assert_eq!(end(3, Some(5), Some(&[path()])), (lost.clone(), broken(&out), Some(out.clone())));
    assert_eq!(end(3, Some(5), None), (lost, broken(&out), Some(out.clone())));
    // All is measured, and the volume could not be removed: the results stand.
    assert_eq!(end(8, Some(10), Some(&[path()])), (BenchmarkState::Done, broken(&out), Some(out)));
    let left = "vms/pvcbenchmark was left by its benchmark";
    assert_eq!(end(8, None, Some(&[path()])), (BenchmarkState::Done, broken(left), Some(left.into())));
}

#[test]
fn a_trial_that_was_made_is_kept_with_its_node() {
    let mut cluster = cluster();
    cluster.benchmarks.insert(BenchmarkId(2), at(benchmark("second", BenchmarkState::Running)).into());
    let records = passed(&cluster, &plan(2), (Trial::SequentialWrite, &result(GIB).figures), &hv1());
    let Some(Record::Benchmark(written)) = &records.writes[0].value else { panic!("{records:?}") };
    let kept = &written.results[&Trial::SequentialWrite];
    assert_eq!((&kept.node, kept.region_bytes, kept.figures.io.byte_count), (&hv1(), 64 * GIB, GIB));
}
