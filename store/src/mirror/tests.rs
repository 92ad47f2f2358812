//! The mirror over the store in memory: fresh, whole, and back after doubt.

use std::sync::atomic::{AtomicUsize, Ordering};

use logic::cluster::{ApiSecret, Maintenance};
use logic::record::{Expect, RecordId, Records};

use super::*;
use crate::memory::{Memory, Reach};
use crate::records::commit_records;

fn mirrored() -> (Memory, Arc<dyn Store>, Mirror) {
    let memory = Memory::on_real_time();
    let store: Arc<dyn Store> = Arc::new(memory.open());
    let mirror = Mirror::new(Arc::new(memory.open()), Scope::WithoutDocuments);
    (memory, store, mirror)
}

fn maintenance(store: &dyn Store, expect: Expect, on: bool) -> Committed {
    let records = Records::default().write(RecordId::Maintenance, expect, Maintenance { on }.into());
    commit_records(store, &records).unwrap()
}

fn on(mirror: &Mirror) -> bool {
    mirror.snapshot().unwrap().cluster.in_maintenance()
}

#[test]
fn nothing_is_published_before_the_first_read_and_everything_after() {
    let (_memory, store, mirror) = mirrored();
    maintenance(&*store, Expect::Absent, true);
    assert!(mirror.snapshot().is_none());
    mirror.pump().unwrap();
    assert!(on(&mirror));
}

#[test]
fn a_change_is_shown_by_the_next_round_and_told_once() {
    let (_memory, store, mirror) = mirrored();
    mirror.pump().unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    mirror.on_change(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let committed = maintenance(&*store, Expect::Absent, true);
    assert!(!mirror.shows(&committed));
    mirror.pump().unwrap();
    mirror.pump().unwrap();
    assert!(mirror.shows(&committed) && on(&mirror));
    assert_eq!(told.load(Ordering::SeqCst), 1);
}

#[test]
fn after_an_outage_everything_is_read_anew() {
    let (memory, store, mirror) = mirrored();
    let first = maintenance(&*store, Expect::Absent, false);
    mirror.pump().unwrap();
    memory.set_reach(Reach::Gone);
    let confirmed = mirror.snapshot().unwrap().confirmed;
    assert!(mirror.pump().is_err() && !on(&mirror), "the old snapshot stands");
    assert_eq!(mirror.snapshot().unwrap().confirmed, confirmed, "and is not taken for the latest");
    memory.set_reach(Reach::There);
    let version = first.versions[0].1.unwrap();
    maintenance(&*store, Expect::Version(version), true);
    mirror.pump().unwrap();
    assert!(on(&mirror));
}

#[test]
fn a_record_that_cannot_be_read_is_left_out_and_told() {
    let (_memory, store, mirror) = mirrored();
    let key = crate::key::path(&RecordId::Maintenance);
    let op = crate::Op { key, expect: Expect::Absent, value: Some(b"{\"schema\":9}".to_vec()) };
    store.commit(&crate::Transaction { guards: Vec::new(), ops: vec![op] }).unwrap();
    let secret = ApiSecret { key: "k".into() };
    commit_records(&*store, &Records::default().write(RecordId::ApiSecret, Expect::Absent, secret.into()))
        .unwrap();
    mirror.pump().unwrap();
    let snapshot = mirror.snapshot().unwrap();
    assert!(snapshot.faults[0].contains("its schema is 9"), "{:?}", snapshot.faults);
    assert!(snapshot.cluster.api_secret.is_some());
}

#[test]
fn a_deletion_is_shown_too() {
    let (_memory, store, mirror) = mirrored();
    maintenance(&*store, Expect::Absent, true);
    mirror.pump().unwrap();
    let gone = commit_records(&*store, &Records::default().remove(RecordId::Maintenance)).unwrap();
    assert!(!mirror.shows(&gone));
    mirror.pump().unwrap();
    assert!(mirror.shows(&gone) && !on(&mirror));
}

#[test]
fn what_others_have_deleted_before_it_was_seen_is_not_waited_for() {
    let (_memory, store, mirror) = mirrored();
    mirror.pump().unwrap();
    let made = maintenance(&*store, Expect::Absent, true);
    commit_records(&*store, &Records::default().remove(RecordId::Maintenance)).unwrap();
    assert!(!mirror.wait_shows(&made, Duration::ZERO), "nothing was read since");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| mirror.wait_shows(&made, Duration::from_secs(30)));
        while !waiting.is_finished() {
            mirror.pump().unwrap();
        }
        assert!(waiting.join().unwrap());
    });
    assert!(!on(&mirror));
}

/// A store that answers while its gate is open.
#[derive(Debug)]
struct Slow {
    within: Arc<dyn Store>,
    is_shut: Arc<(Mutex<bool>, Condvar)>,
    asked: std::sync::mpsc::Sender<()>,
}

impl Slow {
    fn wait(&self) {
        self.asked.send(()).unwrap();
        let (is_shut, opened) = &*self.is_shut;
        drop(opened.wait_while(is_shut.lock().unwrap(), |is_shut| *is_shut).unwrap());
    }
}

impl Store for Slow {
    fn read(&self, key: &Key) -> Result<Option<Entry>, Error> {
        self.within.read(key)
    }
    fn read_together(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, Error> {
        self.wait();
        self.within.read_together(keys)
    }
    fn children(&self, key: &Key) -> Result<Vec<String>, Error> {
        self.within.children(key)
    }
    fn subtree(&self, key: &Key) -> Result<Vec<(Key, Entry)>, Error> {
        self.within.subtree(key)
    }
    fn commit(&self, transaction: &crate::Transaction) -> Result<Committed, crate::CommitError> {
        self.within.commit(transaction)
    }
    fn rename(&self, from: &Key, to: &Key, guards: &[crate::Guard]) -> Result<Committed, crate::CommitError> {
        self.within.rename(from, to, guards)
    }
    fn lock(&self, request: &crate::LockRequest) -> Result<Box<dyn crate::Lock>, Error> {
        self.within.lock(request)
    }
    fn announce(&self, key: &Key, value: &[u8]) -> Result<Version, Error> {
        self.within.announce(key, value)
    }
    fn session(&self) -> crate::Session {
        self.within.session()
    }
    fn watch(&self, key: &Key, sink: Arc<dyn Sink>) -> Result<Box<dyn Watch>, Error> {
        self.within.watch(key, sink)
    }
}

#[test]
fn whoever_asks_for_the_snapshot_does_not_wait_for_the_store() {
    let memory = Memory::on_real_time();
    let store: Arc<dyn Store> = Arc::new(memory.open());
    let first = maintenance(&*store, Expect::Absent, true);
    let (asked, is_asked) = std::sync::mpsc::channel();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let slow = Slow { within: Arc::new(memory.open()), is_shut: Arc::clone(&gate), asked };
    let mirror = Mirror::new(Arc::new(slow), Scope::WithoutDocuments);
    mirror.pump().unwrap();
    while is_asked.try_recv().is_ok() {}
    *gate.0.lock().unwrap() = true;
    let second = maintenance(&*store, Expect::Version(first.versions[0].1.unwrap()), false);
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| mirror.pump().unwrap());
        is_asked.recv().unwrap();
        assert!(on(&mirror) && mirror.shows(&first) && !mirror.shows(&second), "while the store is asked");
        *gate.0.lock().unwrap() = false;
        gate.1.notify_all();
        reads.join().unwrap();
    });
    assert!(!on(&mirror) && mirror.shows(&second));
}
