//! The laws that every backend keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use logic::cluster::Maintenance;
use logic::limits::{TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX};
use logic::record::{Expect, RecordId, Records, Version};
use store::lock::{LockKind, LockRequest};
use store::mirror::{Mirror, Scope};
use store::records::commit_records;
use store::schema::{self, Change};
use store::{CommitError, Error, Guard, Key, Op, Sink, Store, Transaction};

use crate::backend::Backend;

pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn key(name: &str) -> Key {
    Key::new(&format!("/pvc/test/{name}"))
}

pub(crate) fn op(name: &str, expect: Expect, value: impl Into<Vec<u8>>) -> Op {
    Op { key: key(name), expect, value: Some(value.into()) }
}

pub(crate) fn write(ops: Vec<Op>) -> Transaction {
    Transaction { guards: Vec::new(), ops }
}

pub(crate) fn put(store: &dyn Store, name: &str, value: &str) -> Version {
    let expect =
        store.read(&key(name)).unwrap().map_or(Expect::Absent, |entry| Expect::Version(entry.version));
    let committed = store.commit(&write(vec![op(name, expect, value)])).unwrap();
    committed.versions[0].1.unwrap()
}

pub(crate) fn value(store: &dyn Store, name: &str) -> Option<String> {
    store.read(&key(name)).unwrap().map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
}

/// Asks again and again until it is so.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

pub(crate) fn what_is_written_is_read_with_a_new_version_each_time(backend: &dyn Backend) {
    let (one, two) = (backend.open(), backend.open());
    assert_eq!(one.read(&key("a")).unwrap(), None);
    let first = put(&*one, "a", "1");
    let second = put(&*one, "a", "2");
    assert_ne!(first, second);
    let entry = two.read(&key("a")).unwrap().unwrap();
    assert_eq!((&*entry.value, entry.version), (b"2".as_slice(), second));
    assert_eq!(two.read_together(&[key("a"), key("b")]).unwrap(), [Some(entry), None]);
}

pub(crate) fn a_guard_that_fails_changes_nothing_and_is_named(backend: &dyn Backend) {
    let store = backend.open();
    let version = put(&*store, "a", "1");
    let stale = Expect::Version(Version(version.0 + 1_000));
    for (guard, named) in [
        (Guard { key: key("a"), expect: stale }, "a"),
        (Guard { key: key("a"), expect: Expect::Absent }, "a"),
        (Guard { key: key("none"), expect: Expect::Present }, "none"),
    ] {
        let transaction = Transaction { guards: vec![guard], ops: vec![op("b", Expect::Absent, "x")] };
        assert_eq!(store.commit(&transaction), Err(CommitError::Conflict { key: key(named) }));
    }
    for (second, named) in [(op("a", stale, "2"), "a"), (op("none", Expect::Present, "2"), "none")] {
        let transaction = write(vec![op("b", Expect::Absent, "x"), second]);
        assert_eq!(store.commit(&transaction), Err(CommitError::Conflict { key: key(named) }));
    }
    assert_eq!((value(&*store, "a").as_deref(), value(&*store, "b")), (Some("1"), None));
}

pub(crate) fn a_key_made_anew_never_has_an_old_version(backend: &dyn Backend) {
    let store = backend.open();
    let old = put(&*store, "a", "1");
    let delete = Op { key: key("a"), expect: Expect::Version(old), value: None };
    store.commit(&write(vec![delete])).unwrap();
    let new = put(&*store, "a", "1");
    assert_ne!(old, new);
    let stale = store.commit(&write(vec![op("a", Expect::Version(old), "2")]));
    assert_eq!(stale, Err(CommitError::Conflict { key: key("a") }));
}

pub(crate) fn eight_writers_lose_no_increment(backend: &dyn Backend) {
    put(&*backend.open(), "n", "0");
    let stores: Vec<_> = (0..8).map(|_| backend.open()).collect();
    thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| {
                for _ in 0..25 {
                    while !increment(&**store) {}
                }
            });
        }
    });
    assert_eq!(value(&*stores[0], "n").as_deref(), Some("200"));
}

/// One try; false when somebody else was faster.
fn increment(store: &dyn Store) -> bool {
    let entry = store.read(&key("n")).unwrap().unwrap();
    let number: u32 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
    match store.commit(&write(vec![op("n", Expect::Version(entry.version), (number + 1).to_string())])) {
        Ok(_) => true,
        Err(CommitError::Conflict { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn two_keys_written_together_are_never_seen_apart(backend: &dyn Backend) {
    let (writer, reader) = (backend.open(), backend.open());
    writer.commit(&write(vec![op("l", Expect::Absent, "0"), op("r", Expect::Absent, "0")])).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=200 {
                let expect = |name| Expect::Version(writer.read(&key(name)).unwrap().unwrap().version);
                let both =
                    vec![op("l", expect("l"), number.to_string()), op("r", expect("r"), number.to_string())];
                writer.commit(&write(both)).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut seen = 0;
        while !done.load(Ordering::SeqCst) || seen == 0 {
            let both = reader.read_together(&[key("r"), key("l")]).unwrap();
            let values: Vec<_> = both.into_iter().map(|entry| entry.unwrap().value).collect();
            assert_eq!(values[0], values[1]);
            seen += 1;
        }
    });
}

pub(crate) fn names_below_a_key_are_listed_sorted_and_once(backend: &dyn Backend) {
    let store = backend.open();
    for name in ["tree", "tree/b", "tree/b/x", "tree/a", "tree0"] {
        put(&*store, name, name);
    }
    assert_eq!(store.children(&key("tree")).unwrap(), ["a", "b"]);
    assert_eq!(store.children(&key("none")).unwrap(), Vec::<String>::new());
    let subtree: Vec<_> = store.subtree(&key("tree")).unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(subtree, [key("tree"), key("tree/a"), key("tree/b"), key("tree/b/x")]);
}

pub(crate) fn a_subtree_is_renamed_whole_or_not_at_all(backend: &dyn Backend) {
    let store = backend.open();
    for name in ["old", "old/a", "old/a/b", "guard"] {
        put(&*store, name, name);
    }
    let refused = [Guard { key: key("guard"), expect: Expect::Absent }];
    assert_eq!(
        store.rename(&key("old"), &key("new"), &refused),
        Err(CommitError::Conflict { key: key("guard") })
    );
    assert!(store.rename(&key("none"), &key("new"), &[]).is_err());
    store.rename(&key("old"), &key("new"), &[]).unwrap();
    assert_eq!(value(&*store, "new/a/b").as_deref(), Some("old/a/b"));
    assert!(store.subtree(&key("old")).unwrap().is_empty());
    for number in 0..3 {
        let large = "x".repeat(VALUE_BYTES_MAX - 100);
        put(&*store, &format!("new/large{number}"), &large);
    }
    let error = store.rename(&key("new"), &key("other"), &[]).unwrap_err().to_string();
    assert!(error.contains("bytes; the store takes 921600"), "{error}");
    assert_eq!(value(&*store, "new").as_deref(), Some("old"));
}

pub(crate) fn what_is_too_large_is_refused_with_its_size(backend: &dyn Backend) {
    let store = backend.open();
    let large = "x".repeat(VALUE_BYTES_MAX + 1);
    let error = store.commit(&write(vec![op("a", Expect::Absent, large)])).unwrap_err().to_string();
    assert_eq!(error, "/pvc/test/a has 524289 bytes; the store takes 524288");
    let part = "x".repeat(VALUE_BYTES_MAX);
    let two = vec![op("a", Expect::Absent, part.clone()), op("b", Expect::Absent, part)];
    let error = store.commit(&write(two)).unwrap_err().to_string();
    assert!(error.contains(&format!("the store takes {TRANSACTION_BYTES_MAX}")), "{error}");
    assert_eq!(value(&*store, "a"), None);
}

pub(crate) fn what_was_announced_ends_with_its_session(backend: &dyn Backend) {
    let (one, two) = (backend.open(), backend.open());
    one.announce(&key("here"), b"1").unwrap();
    assert_eq!(value(&*two, "here").as_deref(), Some("1"));
    drop(one);
    eventually("the announcement is gone", || value(&*two, "here").is_none());
}

pub(crate) fn a_stale_announcement_of_ones_own_is_replaced(backend: &dyn Backend) {
    let (old, new) = (backend.open(), backend.open());
    let first = old.announce(&key("here"), b"old").unwrap();
    let second = new.announce(&key("here"), b"new").unwrap();
    assert_ne!(first, second);
    drop(old);
    assert_eq!(value(&*new, "here").as_deref(), Some("new"));
    eventually("its lease runs", || {
        let session = new.session();
        session.connected && session.until.is_some()
    });
}

pub(crate) fn a_change_by_one_is_told_to_another(backend: &dyn Backend) {
    #[derive(Debug, Default)]
    struct Heard(std::sync::Mutex<Vec<Key>>);
    impl Sink for Heard {
        fn changed(&self, keys: &[Key]) {
            self.0.lock().unwrap().extend(keys.iter().cloned());
        }
        fn doubt(&self) {}
    }
    let (writer, watcher) = (backend.open(), backend.open());
    let heard = Arc::new(Heard::default());
    let watch = watcher.watch(&key("seen"), heard.clone()).unwrap();
    put(&*writer, "unseen", "1");
    put(&*writer, "seen/deep/down", "1");
    eventually("the change is told", || heard.0.lock().unwrap().contains(&key("seen/deep/down")));
    assert!(!heard.0.lock().unwrap().contains(&key("unseen")));
    drop(watch);
}

fn request(kind: LockKind, wait: Duration) -> LockRequest {
    LockRequest { key: Key::new("/pvc/locks/test"), kind, owner: "test".into(), wait }
}

pub(crate) fn locks_share_and_exclude_and_their_terms_grow(backend: &dyn Backend) {
    let (one, two) = (backend.open(), backend.open());
    let now = Duration::ZERO;
    let read_one = one.lock(&request(LockKind::Read, now)).unwrap();
    let read_two = two.lock(&request(LockKind::Read, now)).unwrap();
    let busy = two.lock(&request(LockKind::Write, now));
    assert!(matches!(busy, Err(Error::Busy { .. })), "{busy:?}");
    let term = read_two.term();
    drop((read_one, read_two, busy));
    let written = two.lock(&request(LockKind::Write, PATIENCE)).unwrap();
    assert!(written.term() > term);
    for kind in [LockKind::Read, LockKind::Write, LockKind::Exclusive] {
        assert!(matches!(one.lock(&request(kind, now)), Err(Error::Busy { .. })));
    }
}

pub(crate) fn a_released_lock_no_longer_guards(backend: &dyn Backend) {
    let store = backend.open();
    let held = store.lock(&request(LockKind::Exclusive, PATIENCE)).unwrap();
    let guard = held.guard();
    let guarded =
        |name| Transaction { guards: vec![guard.clone()], ops: vec![op(name, Expect::Absent, "x")] };
    store.commit(&guarded("a")).unwrap();
    drop(held);
    assert!(matches!(store.commit(&guarded("b")), Err(CommitError::Conflict { .. })));
}

pub(crate) fn records_are_committed_and_mirrored(backend: &dyn Backend) {
    let (writer, reader) = (backend.open(), backend.open());
    let mirror = Arc::new(Mirror::new(reader, Scope::Everything));
    mirror.spawn();
    let records =
        Records::default().write(RecordId::Maintenance, Expect::Absent, Maintenance { on: true }.into());
    let committed = commit_records(&*writer, &records).unwrap();
    assert!(mirror.wait_shows(&committed, PATIENCE));
    assert!(mirror.snapshot().unwrap().cluster.in_maintenance());
    assert!(mirror.wait_confirmed(PATIENCE));
}

/// One more in the value of a key.
fn one_more(store: &dyn Store, name: &str) -> Result<Vec<Op>, Error> {
    let entry = store.read(&key(name))?;
    let before: u32 =
        entry.as_ref().map_or(0, |entry| String::from_utf8_lossy(&entry.value).parse().unwrap());
    let expect = entry.map_or(Expect::Absent, |entry| Expect::Version(entry.version));
    Ok(vec![op(name, expect, (before + 1).to_string())])
}

pub(crate) fn a_change_of_the_records_is_made_once_however_many_try(backend: &dyn Backend) {
    let changes = [
        Change { what: "counts a", plan: |store| one_more(store, "a") },
        Change { what: "counts b", plan: |store| one_more(store, "b") },
    ];
    let sessions: Vec<_> = (0..4).map(|_| backend.open()).collect();
    thread::scope(|scope| {
        for store in &sessions {
            scope.spawn(|| {
                // In memory nobody waits for a lock, so that one that is busy is asked for again.
                eventually("every change is made", || schema::ensure(&**store, &changes).is_ok());
            });
        }
    });
    let store = &*sessions[0];
    assert_eq!((value(store, "a").as_deref(), value(store, "b").as_deref()), (Some("1"), Some("1")));
    assert_eq!(schema::ensure(store, &changes).unwrap(), 2);
    assert_eq!(schema::ensure(store, &changes[..1]).unwrap(), 2, "an older program goes on");
}

pub(crate) fn a_change_that_fails_is_made_the_next_time_and_those_before_it_stay(backend: &dyn Backend) {
    let store = backend.open();
    let counts = Change { what: "counts a", plan: |store| one_more(store, "a") };
    let fails = Change { what: "fails", plan: |_| Ok(vec![op("b", Expect::Present, "1")]) };
    let error = schema::ensure(&*store, &[counts, fails]).unwrap_err();
    assert!(error.to_string().contains("change 2"), "{error}");
    let mended = Change { what: "counts b", plan: |store| one_more(store, "b") };
    assert_eq!(schema::ensure(&*store, &[counts, mended]).unwrap(), 2);
    assert_eq!((value(&*store, "a").as_deref(), value(&*store, "b").as_deref()), (Some("1"), Some("1")));
}
