//! The faults that can be ordered of the server in memory.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use logic::record::Expect;

use super::*;
use crate::Op;

#[derive(Debug, Default)]
struct Ear {
    keys: Mutex<Vec<Key>>,
    doubts: AtomicU64,
}

impl Sink for Ear {
    fn changed(&self, keys: &[Key]) {
        self.keys.lock().unwrap().extend(keys.iter().cloned());
    }

    fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::SeqCst);
    }
}

struct Bench {
    memory: Memory,
    now_ms: Arc<AtomicU64>,
}

fn bench() -> Bench {
    let now_ms = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&now_ms);
    Bench { memory: Memory::new(Arc::new(move || BootTime(clock.load(Ordering::SeqCst)))), now_ms }
}

impl Bench {
    fn client(&self, name: &str) -> MemoryStore {
        let clock = Arc::clone(&self.now_ms);
        let time: Time = Arc::new(move || BootTime(clock.load(Ordering::SeqCst) + 500_000));
        self.memory.open_as(Client { name: name.into(), time })
    }

    fn pass(&self, span_ms: u64) {
        self.now_ms.fetch_add(span_ms, Ordering::SeqCst);
    }
}

fn write(key: &Key) -> Transaction {
    let op = Op { key: key.clone(), expect: Expect::Absent, value: Some(b"x".to_vec()) };
    Transaction { ops: vec![op], ..Transaction::default() }
}

#[test]
fn a_client_that_is_cut_off_hears_nothing_and_then_doubts_everything() {
    let bench = bench();
    let (near, far) = (bench.client("near"), bench.client("far"));
    let (ear, key) = (Arc::new(Ear::default()), Key::new("/pvc/x"));
    let _watch = far.watch(&Key::new("/pvc"), Arc::clone(&ear) as _).unwrap();
    far.announce(&Key::new("/pvc/far"), b"here").unwrap();
    bench.memory.set_reach_of("far", Reach::Gone);
    near.commit(&write(&key)).unwrap();
    assert!(far.read(&key).is_err() && near.read(&key).is_ok());
    bench.pass(LEASE.0);
    assert_eq!(near.read(&Key::new("/pvc/far")).unwrap(), None, "its session is over");
    assert_eq!(ear.keys.lock().unwrap().iter().filter(|heard| **heard == key).count(), 0);
    bench.memory.set_reach_of("far", Reach::There);
    assert_eq!(ear.doubts.load(Ordering::SeqCst), 1);
    assert!(far.read(&key).unwrap().is_some());
}

#[test]
fn a_lease_is_counted_by_the_clock_of_its_client_from_the_last_answer() {
    let bench = bench();
    let store = bench.client("one");
    assert_eq!(store.session().until, Some(BootTime(501_000) + LEASE));
    bench.memory.set_reach_of("one", Reach::Gone);
    bench.pass(2_000);
    let session = store.session();
    assert_eq!((session.until, session.connected), (Some(BootTime(501_000) + LEASE), false));
}

#[test]
fn sessions_live_through_an_election_or_are_lost_in_it() {
    for (sessions, kept) in [(Sessions::Kept, true), (Sessions::Lost, false)] {
        let bench = bench();
        let (one, other) = (bench.client("one"), bench.client("other"));
        let mark = Key::new("/pvc/mark");
        one.announce(&mark, b"here").unwrap();
        bench.memory.elect(Span(9_000), sessions);
        bench.pass(8_999);
        assert!(other.read(&mark).is_err(), "nobody is answered");
        bench.pass(1);
        assert_eq!(other.read(&mark).unwrap().is_some(), kept);
        bench.pass(LEASE.0 - 1);
        assert_eq!(other.read(&mark).unwrap().is_some(), kept, "it has its whole time again");
        bench.pass(1);
        assert_eq!(other.read(&mark).unwrap(), None, "its process never came back");
    }
}

#[test]
fn a_leader_that_dies_takes_the_answer_to_a_commit_with_it() {
    for (fault, landed) in [(CommitFault::UnknownLanded, true), (CommitFault::UnknownLost, false)] {
        let bench = bench();
        let (store, key) = (bench.client("one"), Key::new("/pvc/x"));
        bench.memory.lose_leader(Span(4_000), fault);
        assert!(matches!(store.commit(&write(&key)), Err(CommitError::Unknown)));
        assert!(store.read(&key).is_err());
        bench.pass(4_000);
        assert_eq!(store.read(&key).unwrap().is_some(), landed);
    }
}
