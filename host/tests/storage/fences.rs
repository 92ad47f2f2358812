//! The laws of a storage that several machines reach: fences, locks of the dead, and what hangs.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use host::storage::{Blockade, Cause, Confirmation, Error, Fence, Lock, Storage};
use logic::storage::{Replication, VolumePath};

use crate::content::{Acts, SIZE_BYTES, Unwatched, content, download, upload, upload_from};
use crate::world::{Home, PATIENCE, Shared, Writer, cause, snapshot, wait};

fn fence(storage: &dyn Storage) -> &dyn Fence {
    storage.fence().unwrap()
}

pub(crate) fn who_is_blocked_writes_no_more_nor_does_who_comes_later(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let fence = fence(&*home.storage);
    let volume = home.volume("web_disk0");
    let mut writer = world.writer(&volume);
    writer.write(0, 1).unwrap();
    let addresses = [world.address_of_writers()];
    let blockade = fence.block(&addresses).unwrap();
    let mut last = None;
    wait("the blockade has come everywhere", || {
        last = fence.confirmation(&blockade).ok();
        matches!(last, Some(Confirmation::Everywhere { .. }))
    });
    let Some(Confirmation::Everywhere { epoch, unproven }) = last else { unreachable!() };
    assert!(epoch >= blockade.epoch && !unproven.contains(&home.pool), "{epoch} {unproven:?}");
    let before = download(&*home.storage, &volume);
    writer.write(0, 2).unwrap_err();
    // The volume is open to others at once: it must not wait for the blocked writer's watch to end.
    let db = home.volume("db_disk0");
    let later = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.writer(&db).write(0, 3)));
    assert!(!matches!(later, Ok(Ok(()))), "a client that came later wrote");
    assert_eq!(download(&*home.storage, &db)[0], 0);
    assert_eq!(download(&*home.storage, &volume), before);
    assert!(world.years_blocked(addresses[0]) >= 9, "an entry that expires is a second writer");
    drop(writer);
    fence.unblock(&addresses).unwrap();
    wait("its address writes again", || {
        let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.writer(&db).write(0, 4)));
        matches!(again, Ok(Ok(())))
    });
}

/// A writer that was stopped while it had a volume open, whose machine was blocked then, and whose volume another took over.
pub(crate) struct TakenOver {
    pub(crate) volume: VolumePath,
    pub(crate) blockade: Blockade,
    /// It stands still, and knows nothing of all this.
    pub(crate) old: Box<dyn Writer>,
    pub(crate) new: Box<dyn Writer>,
}

/// The old writer has written 1 at the beginning, and the new one 2 over it.
pub(crate) fn take_over(world: &(impl Shared + ?Sized), home: &Home) -> TakenOver {
    let (storage, volume) = (&home.storage, home.volume("web_disk0"));
    let mut old = world.writer(&volume);
    old.write(0, 1).unwrap();
    old.hold();
    let (_, locks) = storage.users(&volume).unwrap();
    assert_eq!(locks.len(), 1, "{locks:?}");
    let blockade = fence(&**storage).block(&[world.address_of_writers()]).unwrap();
    wait("the blockade has come everywhere", || {
        let told = fence(&**storage).confirmation(&blockade);
        !matches!(told, Ok(Confirmation::Awaited(_)) | Err(Error::Silent { .. }))
    });
    wait("its lock is broken", || storage.break_lock(&volume, &locks[0]).is_ok());
    let mut new = world.writer_here(&volume);
    new.write(0, 2).unwrap();
    TakenOver { volume, blockade, old, new }
}

pub(crate) fn who_was_stopped_and_blocked_writes_nothing_over_its_successor(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let TakenOver { volume, blockade, mut old, mut new } = take_over(world, &home);
    wait("it is confirmed, and proves something for the pool", || {
        let told = fence(&*home.storage).confirmation(&blockade);
        matches!(&told, Ok(Confirmation::Everywhere { unproven, .. }) if !unproven.contains(&home.pool))
    });
    old.go_on();
    let refused = old.write(0, 3).unwrap_err();
    let landed = download(&*home.storage, &volume);
    assert_eq!(landed[0], 2, "what the successor wrote was lost: {refused}");
    new.write(4096, 4).unwrap();
    old.write(4096, 5).unwrap_err();
    let landed = download(&*home.storage, &volume);
    assert_eq!((landed[0], landed[4096]), (2, 4));
    old.die();
    fence(&*home.storage).unblock(&blockade.addresses).unwrap();
}

pub(crate) fn a_blockade_is_laid_once_and_taken_once(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let fence = fence(&*home.storage);
    let addresses = ["203.0.113.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
    let first = fence.block(&addresses).unwrap();
    let second = fence.block(&addresses).unwrap();
    assert!(second.epoch >= first.epoch);
    let told = fence.blocked().unwrap();
    assert!(told.epoch >= second.epoch && addresses.iter().all(|address| told.addresses.contains(address)));
    wait("the blockade has come everywhere", || {
        matches!(fence.confirmation(&first), Ok(Confirmation::Everywhere { .. }))
    });
    for _ in 0..2 {
        assert!(fence.unblock(&addresses).unwrap() > second.epoch);
    }
    assert!(!addresses.iter().any(|address| fence.blocked().unwrap().addresses.contains(address)));
    assert_eq!(cause(fence.confirmation(&first)), Cause::Absent);
}

pub(crate) fn an_osd_that_is_held_back_gives_no_confirmation(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let fence = fence(&*home.storage);
    let osd = world.hold_osd();
    let addresses = ["203.0.113.8".parse().unwrap()];
    let blockade = fence.block(&addresses).unwrap();
    let Confirmation::Awaited(awaited) = fence.confirmation(&blockade).unwrap() else {
        panic!("an OSD that does not answer confirmed a blockade");
    };
    assert!(awaited.iter().any(|awaited| awaited.osd == osd && awaited.epoch.is_none()), "{awaited:?}");
    world.heal();
    wait("it confirms when it goes on", || {
        matches!(fence.confirmation(&blockade), Ok(Confirmation::Everywhere { .. }))
    });
    fence.unblock(&addresses).unwrap();
}

pub(crate) fn one_copy_proves_nothing(world: &(impl Shared + ?Sized)) {
    let home = Home::with(world, Replication { copies: 1, copies_min: 1 });
    let fence = fence(&*home.storage);
    let addresses = ["203.0.113.9".parse().unwrap()];
    let blockade = fence.block(&addresses).unwrap();
    wait("the blockade has come everywhere and proves nothing for the pool", || {
        let seen = fence.confirmation(&blockade);
        matches!(&seen, Ok(Confirmation::Everywhere { unproven, .. }) if unproven.contains(&home.pool))
    });
    fence.unblock(&addresses).unwrap();
}

pub(crate) fn a_dead_writers_lock_is_broken_and_the_next_one_writes(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    let volume = home.volume("web_disk0");
    let mut writer = world.writer(&volume);
    writer.write(0, 1).unwrap();
    let (users, locks) = storage.users(&volume).unwrap();
    assert_eq!((users.len(), locks.len()), (1, 1), "{users:?} {locks:?}");
    assert_eq!(users[0].address, Some(world.address_of_writers()));
    assert_eq!((&locks[0].holder, locks[0].address), (&users[0].who, users[0].address));
    writer.die();
    assert_eq!(storage.users(&volume).unwrap().1, locks, "a lock outlives its holder");
    for _ in 0..2 {
        wait("its lock is broken", || storage.break_lock(&volume, &locks[0]).is_ok());
    }
    assert_eq!(storage.users(&volume).unwrap().1, []);
    world.writer(&volume).write(0, 2).unwrap();
    wait("nobody has it open", || storage.users(&volume).unwrap().0.is_empty());
    assert_eq!(download(&**storage, &volume)[0], 2);
}

/// Something that is to be changed, on any thread.
type Change<'a> = &'a (dyn Fn() -> Result<(), Error> + Sync);

pub(crate) fn a_storage_that_hangs_costs_no_more_than_the_deadline(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let volume = home.volume("web_disk0");
    let [removed, renamed, golden] = ["old_disk0", "named_disk0", "golden"].map(|name| home.volume(name));
    let released = snapshot(&golden, "released");
    home.storage.take(&released).unwrap();
    let (hasty, deadline) = world.open_hasty();
    wait("it is reached", || hasty.volume(&volume).is_ok());
    world.hanging()();
    // librados gives up by itself later than that, and what is stopped never answers: the rest is for a machine that does
    // other things too.
    let bound = deadline + Duration::from_secs(15);
    let silent = |what: &str, act: &dyn Fn() -> Result<(), Error>| {
        let began = Instant::now();
        let error = act().unwrap_err();
        let took = began.elapsed();
        assert!(took < bound, "{what} took {took:?}");
        let Error::Silent { waited_ms, .. } = error else { panic!("{what}: {error}") };
        assert!(u128::from(waited_ms) <= took.as_millis(), "{what} took {took:?}: {error}");
    };
    // One that has never been connected finds nobody, or is late as the others are.
    let (fresh, _) = world.open_hasty();
    let began = Instant::now();
    let error = fresh.pools().unwrap_err();
    assert!(matches!(error, Error::Silent { .. } | Error::Unreachable { .. }), "{error}");
    assert!(began.elapsed() < bound, "to connect took {:?}", began.elapsed());
    for _ in 0..3 {
        silent("pools", &|| hasty.pools().map(drop));
        silent("cluster", &|| hasty.cluster().map(drop));
        silent("volume", &|| hasty.volume(&volume).map(drop));
        silent("create", &|| hasty.create(&home.path("db_disk0"), SIZE_BYTES));
        silent("upload", &|| upload(&*hasty, &volume, &content(1, SIZE_BYTES)));
        silent("block", &|| fence(&*hasty).block(&["203.0.113.10".parse().unwrap()]).map(drop));
    }
    let changes: [(&str, Change<'_>); 6] = [
        ("remove", &|| hasty.remove(&removed)),
        ("rename", &|| hasty.rename(&renamed, &"other_disk0".parse().unwrap())),
        ("take", &|| hasty.take(&snapshot(&golden, "during"))),
        ("clone", &|| hasty.clone_volume(&released, &home.path("clone"))),
        ("copy", &|| hasty.copy(&golden, &home.path("copy"), &Unwatched)),
        ("break a lock", &|| hasty.break_lock(&home.path("locked"), &nobodys())),
    ];
    std::thread::scope(|scope| {
        for (what, act) in changes {
            scope.spawn(move || silent(what, act));
        }
    });
    world.heal();
    wait("it answers again", || hasty.volume(&volume).is_ok() && hasty.pools().is_ok());
    wait("it is reached", || fresh.volume(&volume).is_ok());
    wait("it changes again", || hasty.resize(&volume, 2 * SIZE_BYTES).is_ok());
    wait("no blockade is left", || fence(&*hasty).unblock(&["203.0.113.10".parse().unwrap()]).is_ok());
}

/// A lock that nobody holds.
fn nobodys() -> Lock {
    Lock { holder: "client.4711".into(), cookie: "auto 4711".into(), address: None }
}

pub(crate) fn a_full_storage_says_so_in_time(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let volume = home.volume("web_disk0");
    let golden = home.volume("golden");
    upload(&*home.storage, &golden, &content(2, SIZE_BYTES)).unwrap();
    let released = snapshot(&golden, "released");
    home.storage.take(&released).unwrap();
    world.fill(&home.pool);
    let began = Instant::now();
    assert_eq!(cause(upload(&*home.storage, &volume, &content(1, SIZE_BYTES))), Cause::Full);
    assert_eq!(cause(home.storage.create(&home.path("db_disk0"), SIZE_BYTES)), Cause::Full);
    assert_eq!(cause(home.storage.copy(&golden, &home.path("copy"), &Unwatched)), Cause::Full);
    assert_eq!(cause(home.storage.clone_volume(&released, &home.path("clone"))), Cause::Full);
    // What notes alone are written for may find its place all the same.
    for outcome in
        [home.storage.resize(&golden, 64 * SIZE_BYTES), home.storage.take(&snapshot(&golden, "during"))]
    {
        assert!(matches!(outcome, Ok(()) | Err(Error::Refused { cause: Cause::Full, .. })), "{outcome:?}");
    }
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(home.names(), ["golden", "web_disk0"]);
    home.storage.remove(&volume).unwrap();
}

pub(crate) fn the_osds_at_a_blocked_address_are_called_down(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let fence = fence(&*home.storage);
    let theirs = world.address_of_writers();
    let down = || {
        let osds = home.storage.osds().unwrap();
        osds.into_iter().filter(|osd| !osd.up).map(|osd| osd.address).collect::<Vec<_>>()
    };
    wait("all OSDs are up", || down().is_empty());
    // One that goes on comes up again at once, whatever it may do then.
    world.hold_osd();
    fence.block(&[theirs]).unwrap();
    assert_eq!(down(), [theirs.to_string()]);
    fence.unblock(&[theirs]).unwrap();
    world.heal();
    wait("it is up again", || down().is_empty());
}

pub(crate) fn a_blocked_machine_is_told_so_and_can_unblock_itself(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let volume = home.volume("web_disk0");
    let address = world.address_of_writers();
    world.at_the_writers(&|theirs| {
        theirs.volume(&volume).unwrap();
        fence(&*home.storage).block(&[address]).unwrap();
        wait(
            "it is told",
            || matches!(theirs.volume(&volume), Err(error) if error.cause() == Some(Cause::Blocked)),
        );
        assert!(theirs.pools().unwrap().iter().any(|pool| pool.name == home.pool));
        assert!(fence(&*theirs).blocked().unwrap().addresses.contains(&address));
        fence(&*theirs).unblock(&[address]).unwrap();
        wait("it is served again", || theirs.volume(&volume).is_ok());
    });
}

pub(crate) fn each_machine_tells_where_its_clients_are_and_all_are_seen(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let volume = home.volume("web_disk0");
    let theirs = world.address_of_writers();
    let own = fence(&*home.storage).own_addresses().unwrap();
    assert!(!own.is_empty() && !own.contains(&theirs), "{own:?}");
    let seen = || fence(&*home.storage).clients().unwrap();
    assert!(own.iter().all(|address| seen().contains(address)), "{:?}", seen());
    world.at_the_writers(&|storage| assert_eq!(fence(&*storage).own_addresses().unwrap(), [theirs]));
    let mut writer = world.writer(&volume);
    writer.write(0, 1).unwrap();
    wait("the writer is seen", || seen().contains(&theirs));
    assert!(seen().is_sorted(), "{:?}", seen());
    drop(writer);
}

pub(crate) fn an_upload_that_stands_still_is_given_up(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let (hasty, deadline) = world.open_hasty();
    let (volume, size_bytes) = (home.path("web_disk0"), 8 * SIZE_BYTES);
    home.storage.create(&volume, size_bytes).unwrap();
    upload(&*home.storage, &volume, b"before").unwrap();
    wait("it is reached", || hasty.volume(&volume).is_ok());
    let source = std::io::Cursor::new(content(1, size_bytes));
    let mut source = Acts { source, at_bytes: 2 * SIZE_BYTES, act: Some(world.hanging()) };
    let began = Instant::now();
    let error = upload_from(&*hasty, &volume, &mut source, size_bytes).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    // Until it moves no more, until what is under way is given up, and until nothing can be cleared away.
    assert!(began.elapsed() < 4 * deadline + Duration::from_secs(60), "{:?}", began.elapsed());
    world.heal();
    wait("what was brought is gone", || home.storage.sweep(&home.pool).is_ok_and(|count| count == 0));
    assert_eq!(home.names(), ["web_disk0"]);
    assert_eq!(&download(&*home.storage, &volume)[..8], b"before\0\0");
    wait("the next upload succeeds", || upload(&*hasty, &volume, b"after").is_ok());
}

pub(crate) fn placement_groups_are_given(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    for _ in 0..2 {
        storage.set_placement_groups(&home.pool, 16).unwrap();
    }
    let seen = storage.pools().unwrap().into_iter().find(|pool| pool.name == home.pool).unwrap();
    assert_eq!(seen.placement_group_count, 16);
    let none = crate::world::fresh_pool_name();
    assert_eq!(cause(storage.set_placement_groups(&none, 16)), Cause::Absent);
}

/// How long a fence may take, on a busy machine: three times the design's two seconds. A machine that stands still makes it
/// late once, and what is wrong makes it late each time: so the best of several counts.
const PROOF: Duration = Duration::from_secs(6);

/// How long it may take when what leads the storage was lost just before, on a busy machine.
const PROOF_WITHOUT_LEADER: Duration = Duration::from_secs(12);

pub(crate) fn a_fence_is_quick(world: &(impl Shared + ?Sized)) {
    let storage = world.open_usual();
    let fence = fence(&*storage);
    let addresses = ["203.0.113.11".parse().unwrap()];
    assert_quick(PROOF, || {
        wait("the storage is reached", || storage.pools().is_ok());
        let took = laid_everywhere(fence, &addresses);
        wait("it is unblocked", || fence.unblock(&addresses).is_ok());
        took
    });
}

/// Fails unless one of several tries takes less than this.
fn assert_quick(bound: Duration, mut attempt: impl FnMut() -> Duration) {
    let mut took = Vec::new();
    while took.last().is_none_or(|last| *last >= bound) {
        assert!(took.len() < 4, "{took:?}");
        took.push(attempt());
    }
}

/// How long it takes to lay a blockade and see that it has come everywhere.
fn laid_everywhere(fence: &dyn Fence, addresses: &[IpAddr]) -> Duration {
    let began = Instant::now();
    let mut blockade = None;
    wait("the blockade is laid", || {
        blockade = fence.block(addresses).ok();
        blockade.is_some()
    });
    wait("the blockade has come everywhere", || {
        let told = blockade.as_ref().map(|blockade| fence.confirmation(blockade));
        matches!(told, Some(Ok(Confirmation::Everywhere { .. })))
    });
    began.elapsed()
}

pub(crate) fn a_fence_outlives_the_leader_of_the_storage(world: &(impl Shared + ?Sized)) {
    let storage = world.open_usual();
    let fence = fence(&*storage);
    let addresses = ["203.0.113.12".parse().unwrap()];
    assert_quick(PROOF_WITHOUT_LEADER, || {
        for _ in 0..2 {
            // It answers, and all of its leaders may be lost: the one that was held before is back.
            wait("all of it is ready for a fence", || {
                fence.ensure_ready().is_ok_and(|strays| strays.is_empty())
            });
        }
        world.hold_leader();
        let took = laid_everywhere(fence, &addresses);
        world.heal();
        wait("it is unblocked", || fence.unblock(&addresses).is_ok());
        took
    });
}

pub(crate) fn a_blockade_of_nothing_is_refused(world: &(impl Shared + ?Sized)) {
    let home = Home::of(world);
    let fence = fence(&*home.storage);
    assert_eq!(cause(fence.block(&[])), Cause::Unfit);
    for odd in ["0.0.0.0", "127.0.0.1", "::1"] {
        assert_eq!(cause(fence.block(&[odd.parse().unwrap()])), Cause::Unfit, "{odd}");
    }
    let nothing = Blockade { addresses: vec![], epoch: 1 };
    assert_eq!(cause(fence.confirmation(&nothing)), Cause::Unfit);
}
