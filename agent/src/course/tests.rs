//! What ends a trial: the operator's wish, and the end of the session.

use std::sync::Arc;

use host::clock::ManualClock;
use logic::id::TaskId;
use logic::record::{Expect, Records};
use logic::storage::benchmark::BenchmarkState;
use logic::time::{BootTime, Now, Span, WallTime};
use store::memory::{Memory, MemoryStore};
use store::records::commit_records;

use super::*;

const BENCHMARK: BenchmarkId = BenchmarkId(1);

/// A store with a benchmark of which this is wished, and the clock that its leases are measured by.
fn ground(wish: BenchmarkWish) -> (MemoryStore, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Now { boot: BootTime(1_000), wall: WallTime(0) }));
    let time = Arc::clone(&clock);
    let store = Memory::new(Arc::new(move || time.now().boot)).open();
    let benchmark = Benchmark {
        name: "first".parse().unwrap(),
        volume: "vms/pvcbenchmark".parse().unwrap(),
        size_bytes: 1 << 30,
        task: TaskId(7),
        asked: WallTime(0),
        state: BenchmarkState::Running,
        wish,
        results: Default::default(),
    };
    let records = Records::default().write(RecordId::Benchmark(BENCHMARK), Expect::Absent, benchmark.into());
    commit_records(&store, &records).unwrap();
    (store, clock)
}

#[test]
fn a_trial_goes_on_unless_its_end_is_wished() {
    for (wish, onward) in [(BenchmarkWish::Made, Onward::Yes), (BenchmarkWish::Ended, Onward::No)] {
        let (store, clock) = ground(wish);
        assert_eq!(Course::begin(&store, &*clock, BENCHMARK).moved(0, 1), onward, "{wish:?}");
    }
}

#[test]
fn a_trial_whose_record_is_not_there_goes_on() {
    let (store, clock) = ground(BenchmarkWish::Made);
    assert_eq!(Course::begin(&store, &*clock, BenchmarkId(2)).moved(0, 1), Onward::Yes);
}

#[test]
fn a_trial_ends_with_the_lease_and_what_it_has_measured_is_not_told() {
    let (store, clock) = ground(BenchmarkWish::Made);
    let course = Course::begin(&store, &*clock, BENCHMARK);
    assert_eq!(course.holds(), Ok(()));
    clock.advance(Span::seconds(60));
    assert_eq!(course.holds(), Err(Fault::LeaseOver));
    assert_eq!(course.moved(0, 1), Onward::No);
}
