//! What goes wrong with real ZooKeeper servers and the way to them, and what the store makes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use logic::cluster::Maintenance;
use logic::record::{Expect, NodeLedger, RecordId, Records};
use logic::time::BootTime;
use nix::time::{ClockId, clock_gettime};
use store::lock::{LockKind, LockRequest};
use store::mirror::{Mirror, Scope};
use store::records::commit_records;
use store::sqlite::Sqlite;
use store::{CommitError, Error, Guard, Key, Store, Transaction};

use crate::backend::{Backend, opened};
use crate::cable::Cable;
use crate::laws::{PATIENCE, eventually, key, op, put, value, write};
use crate::servers::{Extra, Servers};

/// A session through a cable.
fn through(cable: &Cable, timeout_ms: u32) -> Arc<dyn Store> {
    opened(&[cable.address()], timeout_ms)
}

fn mirrored(store: &Arc<dyn Store>) -> Arc<Mirror> {
    let mirror = Arc::new(Mirror::new(Arc::clone(store), Scope::Everything));
    mirror.spawn();
    assert!(mirror.wait_confirmed(PATIENCE));
    mirror
}

fn boot_now() -> BootTime {
    let time = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap());
    BootTime(time.as_millis().try_into().unwrap())
}

fn maintenance(expect: Expect) -> Records {
    Records::default().write(RecordId::Maintenance, expect, Maintenance { on: true }.into())
}

#[test]
fn a_link_cut_for_less_than_the_session_costs_neither_session_nor_writes_nor_changes() {
    let servers = Servers::start(1);
    let cable = Cable::to(servers.addresses());
    // A third of it is left when the cut is noticed.
    let (near, far) = (through(&cable, 15_000), servers.open());
    near.announce(&key("here"), b"1").unwrap();
    let mirror = mirrored(&near);
    let epoch = near.session().epoch;
    cable.pull();
    let told = commit_records(&*far, &maintenance(Expect::Absent)).unwrap();
    let ledger = RecordId::NodeLedger("node1".parse().unwrap());
    let records = Records::default().write(ledger, Expect::Absent, NodeLedger { placements: 1 }.into());
    // It waits for some seconds at most: where the way back takes longer than that, the cable is pulled once more.
    let mut written = Err(CommitError::Unknown);
    for _ in 0..3 {
        cable.pull();
        eventually("the cut is noticed", || !near.session().connected);
        let is_asked = AtomicBool::new(false);
        written = thread::scope(|scope| {
            let written = scope.spawn(|| {
                is_asked.store(true, Ordering::SeqCst);
                commit_records(&*near, &records)
            });
            eventually("a write is asked for", || is_asked.load(Ordering::SeqCst));
            cable.plug();
            written.join().unwrap()
        });
        if !matches!(written, Err(CommitError::Failed(Error::Unreachable { .. }))) {
            break;
        }
        eventually("the way back is found", || near.session().connected);
    }
    let written = written.unwrap();
    assert!(mirror.wait_shows(&written, PATIENCE), "{written:?} is seen in {:?}", mirror.snapshot());
    assert!(mirror.wait_shows(&told, PATIENCE), "what changed during the cut is seen after it");
    let expect = Expect::Version(told.versions[0].1.unwrap());
    let later = commit_records(&*far, &maintenance(expect)).unwrap();
    assert!(mirror.wait_shows(&later, PATIENCE), "the watch is set again after a reconnect");
    assert_eq!(near.session().epoch, epoch);
    assert_eq!(value(&*far, "here").as_deref(), Some("1"));
}

#[test]
fn a_link_cut_for_more_than_the_session_ends_the_lease_before_anybody_takes_us_for_dead() {
    let servers = Servers::start(1);
    let cable = Cable::to(servers.addresses());
    let (near, far) = (through(&cable, 6_000), servers.open());
    near.announce(&key("here"), b"1").unwrap();
    let held = near.lock(&request(LockKind::Exclusive, PATIENCE)).unwrap();
    let mirror = mirrored(&near);
    let epoch = near.session().epoch;
    cable.pull();
    eventually("the announcement is gone", || value(&*far, "here").is_none());
    let gone = boot_now();
    let session = near.session();
    assert!(session.until.unwrap() <= gone && !session.connected, "{session:?}, gone at {gone:?}");
    let next = far.lock(&request(LockKind::Exclusive, PATIENCE)).unwrap();
    assert!(next.term() > held.term());
    let told = commit_records(&*far, &maintenance(Expect::Absent)).unwrap();
    cable.plug();
    eventually("there is a new session", || near.session().connected);
    assert_ne!(near.session().epoch, epoch);
    assert_eq!(value(&*far, "here"), None, "what was announced under the old session does not come back");
    let guarded = |guard: Guard, name| Transaction {
        guards: vec![guard],
        ..write(vec![op(name, Expect::Absent, "x")])
    };
    let stale = near.commit(&guarded(held.guard(), "stale"));
    assert_eq!(stale, Err(CommitError::Conflict { key: held.guard().key }));
    far.commit(&guarded(next.guard(), "new")).unwrap();
    assert!(mirror.wait_shows(&told, PATIENCE));
    near.announce(&key("here"), b"2").unwrap();
    assert_eq!(value(&*far, "here").as_deref(), Some("2"));
}

#[test]
fn a_server_that_is_cut_off_from_its_leader_does_not_extend_the_lease_though_it_answers() {
    let mut cables: Vec<(usize, Cable)> = Vec::new();
    let servers = Servers::start_with(3, &Extra::default(), |from, port| {
        let cable = Cable::to(vec![format!("127.0.0.1:{port}")]);
        let port = cable.port();
        cables.push((from, cable));
        port
    });
    let follower = servers.follower();
    let mut others = servers.addresses();
    let near = opened(&[others.remove(follower)], 6_000);
    let far = opened(&others, 6_000);
    near.announce(&key("here"), b"1").unwrap();
    eventually("the lease runs", || near.session().connected);
    cables.iter().filter(|(from, _)| *from == follower).for_each(|(_, cable)| cable.pull());
    eventually("the announcement is gone", || value(&*far, "here").is_none());
    let gone = boot_now();
    let session = near.session();
    assert!(session.until.unwrap() <= gone && !session.connected, "{session:?}, gone at {gone:?}");
}

#[test]
fn a_session_outlives_an_outage_of_all_servers_and_so_does_what_it_announced() {
    let mut servers = Servers::start(3);
    let store = servers.open_for(6_000);
    let announced = store.announce(&key("here"), b"1").unwrap();
    put(&*store, "a", "1");
    let mirror = mirrored(&store);
    let epoch = store.session().epoch;
    servers.kill_all();
    let began = Instant::now();
    eventually("the outage is noticed", || !store.session().connected);
    let refused = store.commit(&write(vec![op("b", Expect::Absent, "1")]));
    assert!(matches!(refused, Err(CommitError::Failed(store::Error::Unreachable { .. }))), "{refused:?}");
    // The client gives up on its own after 1.4 times the session of 6 s.
    eventually("the outage is a long one", || began.elapsed() > Duration::from_secs(10));
    servers.run_all();
    eventually("the session is taken up again", || store.session().connected);
    assert_eq!(store.session().epoch, epoch);
    assert_eq!(store.read(&key("here")).unwrap().unwrap().version, announced);
    assert_eq!(value(&*store, "b"), None, "what was refused did not land later");
    put(&*store, "a", "2");
    let told = commit_records(&*servers.open(), &maintenance(Expect::Absent)).unwrap();
    assert!(mirror.wait_shows(&told, PATIENCE));
}

#[test]
fn when_the_leader_is_killed_no_increment_is_lost_and_sessions_go_on() {
    let mut servers = Servers::start(3);
    let stores: Vec<_> = (0..8).map(|_| servers.open()).collect();
    let ledger = RecordId::NodeLedger("node1".parse().unwrap());
    let first = Records::default().write(ledger, Expect::Absent, NodeLedger::default().into());
    commit_records(&*stores[0], &first).unwrap();
    stores[0].announce(&key("here"), b"1").unwrap();
    let epochs: Vec<_> = stores.iter().map(|store| store.session().epoch).collect();
    let (certain, possible) = (AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    match increment(&**store) {
                        Ok(()) => certain.fetch_add(1, Ordering::SeqCst),
                        Err(CommitError::Unknown) => possible.fetch_add(1, Ordering::SeqCst),
                        // What was not answered in time was not written: it is tried again.
                        Err(
                            CommitError::Conflict { .. } | CommitError::Failed(Error::Unreachable { .. }),
                        ) => 0,
                        Err(error) => panic!("{error}"),
                    };
                }
            });
        }
        let grows_by = |most: u64| {
            let before = certain.load(Ordering::SeqCst);
            eventually("writes go on", || certain.load(Ordering::SeqCst) >= before + most);
        };
        grows_by(20);
        servers.kill_leader();
        grows_by(20);
        done.store(true, Ordering::SeqCst);
    });
    let (certain, possible) = (certain.into_inner(), possible.into_inner());
    let counted = placements(&*stores[0]).unwrap().1;
    assert!((certain..=certain + possible).contains(&counted), "{counted}: {certain} and maybe {possible}");
    assert_eq!(stores.iter().map(|store| store.session().epoch).collect::<Vec<_>>(), epochs);
    assert_eq!(value(&*stores[7], "here").as_deref(), Some("1"));
}

fn placements(store: &dyn Store) -> Result<(Expect, u64), Error> {
    let ledger = RecordId::NodeLedger("node1".parse().unwrap());
    let entry = store.read(&store::key::path(&ledger))?.unwrap();
    let document: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
    Ok((Expect::Version(entry.version), document["placements"].as_u64().unwrap()))
}

fn increment(store: &dyn Store) -> Result<(), CommitError> {
    let ledger = RecordId::NodeLedger("node1".parse().unwrap());
    let (expect, placements) = placements(store)?;
    let next = NodeLedger { placements: placements + 1 };
    commit_records(store, &Records::default().write(ledger, expect, next.into())).map(drop)
}

#[test]
fn two_keys_written_together_are_never_seen_apart_across_reconnects() {
    let servers = Servers::start(3);
    let cable = Cable::to(servers.addresses());
    let (writer, reader) = (servers.open(), through(&cable, 20_000));
    let pair = ["node1", "node2"].map(|name| RecordId::NodeLedger(name.parse().unwrap()));
    let both = |expects: [Expect; 2], placements| {
        let value = || NodeLedger { placements }.into();
        let records = Records::default().write(pair[0].clone(), expects[0], value());
        let committed =
            commit_records(&*writer, &records.write(pair[1].clone(), expects[1], value())).unwrap();
        [0, 1].map(|which: usize| Expect::Version(committed.versions[which].1.unwrap()))
    };
    let mut expects = both([Expect::Absent, Expect::Absent], 0);
    let mirror = mirrored(&reader);
    let done = AtomicBool::new(false);
    let seen = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let keys = pair.each_ref().map(store::key::path);
            let placements = |entry: &Option<store::Entry>| {
                let document: serde_json::Value =
                    serde_json::from_slice(&entry.as_ref().unwrap().value).unwrap();
                document["placements"].as_u64()
            };
            while !done.load(Ordering::SeqCst) {
                let entries = reader.read_together(&keys).unwrap();
                assert_eq!(placements(&entries[0]), placements(&entries[1]));
                let cluster = mirror.snapshot().unwrap().cluster;
                let ledgers: Vec<_> =
                    cluster.nodes.values().map(|node| node.ledger.as_ref().unwrap().value).collect();
                assert_eq!(ledgers[0], ledgers[1]);
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        for number in 1..=300 {
            expects = both(expects, number);
            if number % 30 == 0 {
                let before = seen.load(Ordering::SeqCst);
                cable.jerk();
                eventually("the reader reads again", || seen.load(Ordering::SeqCst) >= before + 3);
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    let last = logic::record::NodeLedger { placements: 300 };
    eventually("the mirror shows the last", || {
        let cluster = mirror.snapshot().unwrap().cluster;
        cluster.nodes.values().all(|node| node.ledger.as_ref().unwrap().value == last)
    });
}

fn request(kind: LockKind, wait: Duration) -> LockRequest {
    LockRequest { key: Key::new("/pvc/locks/test"), kind, owner: "test".into(), wait }
}

/// `in_line` tells how many hold the lock or wait for it.
fn they_get_it_in_the_order_they_came(stores: &[Arc<dyn Store>], in_line: impl Fn() -> usize) {
    let held = stores[0].lock(&request(LockKind::Exclusive, PATIENCE)).unwrap();
    let order = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate().skip(1) {
            let order = &order;
            scope.spawn(move || {
                let held = store.lock(&request(LockKind::Write, PATIENCE)).unwrap();
                order.lock().unwrap().push((number, held.term()));
            });
            eventually("the next one stands in line", || in_line() == number + 1);
        }
        drop(held);
    });
    let order = order.into_inner().unwrap();
    assert!(order.iter().map(|(number, _)| *number).eq(1..stores.len()), "{order:?}");
    assert!(order.is_sorted_by_key(|(_, term)| *term));
}

#[test]
fn those_who_wait_for_a_lock_get_it_in_the_order_they_came_on_zookeeper() {
    let servers = Servers::start(1);
    let stores: Vec<_> = (0..6).map(|_| servers.open()).collect();
    let line = Key::new("/pvc/locks/test");
    they_get_it_in_the_order_they_came(&stores, || stores[0].children(&line).unwrap().len());
}

#[test]
fn those_who_wait_for_a_lock_get_it_in_the_order_they_came_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let stores: Vec<Arc<dyn Store>> =
        (0..6).map(|_| Arc::new(Sqlite::open(&file).unwrap()) as Arc<dyn Store>).collect();
    let lines = rusqlite::Connection::open(&file).unwrap();
    they_get_it_in_the_order_they_came(&stores, || {
        lines.query_row("SELECT count(*) FROM locks", [], |row| row.get(0)).unwrap()
    });
}

#[test]
fn who_gives_up_waiting_leaves_the_line() {
    let servers = Servers::start(1);
    let (one, two) = (servers.open(), servers.open());
    let held = one.lock(&request(LockKind::Read, PATIENCE)).unwrap();
    let busy = two.lock(&request(LockKind::Write, Duration::from_millis(100)));
    assert!(matches!(busy, Err(store::Error::Busy { waited_ms: 100, .. })), "{busy:?}");
    let shared = two.lock(&request(LockKind::Read, Duration::ZERO));
    assert!(shared.is_ok(), "nobody who waits is left in between: {shared:?}");
    drop((held, shared));
    assert!(one.children(&Key::new("/pvc/locks/test")).unwrap().is_empty());
}

#[test]
fn a_request_beyond_what_the_servers_take_is_refused_and_the_connection_stays() {
    let servers = Servers::start(1);
    let store = servers.open();
    let epoch = store.session().epoch;
    // What is kept of them is not too much, and what is sent for them is.
    let small = |number: u32| op(&format!("small{number}"), Expect::Absent, "x".repeat(250));
    let ask = |count: u32| {
        let mut told = Err(CommitError::Unknown);
        // A server that is busy with other things may not answer in time.
        eventually("it is answered", || {
            told = store.commit(&write((0..count).map(small).collect()));
            !matches!(told, Err(CommitError::Failed(Error::Unreachable { .. })))
        });
        told
    };
    let error = ask(3_300).unwrap_err().to_string();
    assert!(error.contains("the store takes 1000000"), "{error}");
    ask(2_200).unwrap();
    assert_eq!(store.children(&Key::new("/pvc/test")).unwrap().len(), 2_200);
    let session = store.session();
    assert!(session.connected && session.epoch == epoch, "{session:?}");
}
