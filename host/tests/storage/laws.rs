//! The laws of pools, volumes, snapshots and figures.

use host::storage::{Abilities, Cause, Error, Health, Page, SnapshotsOf};
use logic::storage::Replication;

use crate::content::{SIZE_BYTES, assert_same, content, download, padded, upload};
use crate::world::{Home, World, cause, fresh_pool_name, snapshot, wait, wanted};

pub(crate) fn a_pool_is_made_once_and_removed_when_it_is_empty(world: &(impl World + ?Sized)) {
    let storage = world.open();
    let pool = wanted(&fresh_pool_name(), world.replication());
    storage.ensure_pool(&pool).unwrap();
    storage.ensure_pool(&pool).unwrap();
    let seen = storage.pools().unwrap();
    let same: Vec<_> = seen.iter().filter(|seen| seen.name == pool.name).collect();
    assert_eq!(same.len(), 1);
    assert_eq!((same[0].replication, same[0].tier), (pool.replication, pool.tier));
    let Replication { copies, copies_min } = pool.replication;
    let other = wanted(&pool.name, Replication { copies: copies + 1, copies_min });
    assert!(matches!(cause(storage.ensure_pool(&other)), Cause::Exists | Cause::Unfit));
    let absurd = wanted(&fresh_pool_name(), Replication { copies: 0, copies_min: 0 });
    assert_eq!(cause(storage.ensure_pool(&absurd)), Cause::Unfit);

    let home = Home { storage: storage.clone(), pool: pool.name.clone() };
    let volume = home.volume("web_disk0");
    assert_eq!(cause(storage.remove_pool(&pool.name)), Cause::Holds);
    storage.remove(&volume).unwrap();
    storage.remove_pool(&pool.name).unwrap();
    storage.remove_pool(&pool.name).unwrap();
    assert!(storage.pools().unwrap().iter().all(|seen| seen.name != pool.name));
}

pub(crate) fn a_pool_that_is_not_there_is_named(world: &(impl World + ?Sized)) {
    let home = Home { storage: world.open(), pool: fresh_pool_name() };
    let storage = &home.storage;
    let volume = home.path("web_disk0");
    assert_eq!(cause(storage.volumes(&home.pool)), Cause::Absent);
    assert_eq!(cause(storage.volume(&volume)), Cause::Absent);
    assert_eq!(cause(storage.create(&volume, SIZE_BYTES)), Cause::Absent);
    assert_eq!(cause(storage.resize(&volume, SIZE_BYTES)), Cause::Absent);
    assert_eq!(cause(storage.snapshots(&volume)), Cause::Absent);
    assert_eq!(cause(upload(&**storage, &volume, b"text")), Cause::Absent);
    assert_eq!(cause(storage.sweep(&home.pool)), Cause::Absent);
    let text = storage.create(&volume, SIZE_BYTES).unwrap_err().to_string();
    assert!(text.contains(home.pool.as_str()) && text.contains("pvc storage pool add"), "{text}");
}

pub(crate) fn a_pool_that_another_makes_anew_is_the_new_one(world: &(impl World + ?Sized)) {
    let (home, other) = (Home::of(world), world.open());
    let volume = home.volume("web_disk0");
    for round in 0..3 {
        assert!(other.volume(&volume).unwrap().is_some(), "in round {round} it is not seen");
        other.users(&volume).unwrap();
        other.resize(&volume, SIZE_BYTES * 2).unwrap();
        home.storage.remove(&volume).unwrap();
        home.storage.remove_pool(&home.pool).unwrap();
        home.storage.ensure_pool(&wanted(&home.pool, world.replication())).unwrap();
        home.volume("web_disk0");
    }
}

pub(crate) fn a_volume_is_made_once_with_its_size(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    let (web, db) = (home.path("web_disk0"), home.path("db.disk0"));
    assert_eq!(storage.volume(&web).unwrap(), None);
    assert_eq!(cause(storage.create(&web, 0)), Cause::Unfit);
    for _ in 0..2 {
        storage.create(&web, SIZE_BYTES).unwrap();
        storage.create(&db, 2 * SIZE_BYTES).unwrap();
        assert_eq!(home.names(), ["db.disk0", "web_disk0"]);
    }
    assert_eq!(cause(storage.create(&web, 2 * SIZE_BYTES)), Cause::Exists);
    let seen = storage.volume(&web).unwrap().unwrap();
    assert_eq!((&seen.path, seen.size_bytes, seen.snapshot_count), (&web, SIZE_BYTES, 0));
    assert_eq!(seen.clone_of, None);
    assert_same(&download(&**storage, &web), &padded(vec![], SIZE_BYTES));
}

pub(crate) fn a_volume_grows_and_never_shrinks(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    let volume = home.volume("web_disk0");
    let before = content(1, SIZE_BYTES);
    upload(&**storage, &volume, &before).unwrap();
    for _ in 0..2 {
        storage.resize(&volume, SIZE_BYTES + (4 << 20)).unwrap();
    }
    assert_eq!(cause(storage.resize(&volume, SIZE_BYTES)), Cause::Shrinks);
    assert_eq!(cause(storage.resize(&home.path("none"), SIZE_BYTES)), Cause::Absent);
    assert_same(&download(&**storage, &volume), &padded(before, SIZE_BYTES + (4 << 20)));
}

pub(crate) fn a_volume_is_renamed_and_none_is_overwritten(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    let (web, db) = (home.volume("web_disk0"), home.volume("db_disk0"));
    let (web_content, db_content) = (content(1, 1 << 20), content(2, 1 << 20));
    upload(&**storage, &web, &web_content).unwrap();
    upload(&**storage, &db, &db_content).unwrap();
    assert_eq!(cause(storage.rename(&web, &db.volume)), Cause::Exists);
    let new = home.path("www_disk0");
    for _ in 0..2 {
        storage.rename(&web, &new.volume).unwrap();
        assert_eq!(home.names(), ["db_disk0", "www_disk0"]);
    }
    storage.rename(&new, &new.volume).unwrap();
    assert_eq!(cause(storage.rename(&web, &"other".parse().unwrap())), Cause::Absent);
    assert_same(&download(&**storage, &new), &padded(web_content, SIZE_BYTES));
    assert_same(&download(&**storage, &db), &padded(db_content, SIZE_BYTES));
}

pub(crate) fn a_volume_is_removed_after_its_snapshots(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    let volume = home.volume("web_disk0");
    let before = snapshot(&volume, "before");
    storage.take(&before).unwrap();
    assert_eq!(cause(storage.remove(&volume)), Cause::Holds);
    assert_eq!(cause(upload(&**storage, &volume, b"text")), Cause::Holds);
    for _ in 0..2 {
        storage.remove_snapshot(&before).unwrap();
    }
    for _ in 0..2 {
        storage.remove(&volume).unwrap();
        assert!(home.names().is_empty());
    }
    storage.remove_snapshot(&before).unwrap();
}

pub(crate) fn a_volume_that_is_open_is_left_to_whom_it_serves(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    let volume = home.volume("web_disk0");
    let before = snapshot(&volume, "before");
    storage.take(&before).unwrap();
    assert_eq!(storage.users(&volume).unwrap(), (vec![], vec![]));
    let mut writer = world.writer(&volume);
    writer.write(0, 7).unwrap();
    assert_eq!(storage.users(&volume).unwrap().0.len(), 1);
    assert_eq!(cause(storage.rename(&volume, &"other".parse().unwrap())), Cause::InUse);
    assert_eq!(cause(storage.roll_back(&before)), Cause::InUse);
    let outcome = storage.take(&snapshot(&volume, "during"));
    match storage.abilities() {
        Abilities { snapshots: SnapshotsOf::Any, .. } => {
            outcome.unwrap();
            storage.remove_snapshot(&snapshot(&volume, "during")).unwrap();
        }
        Abilities { snapshots: SnapshotsOf::Idle, .. } => assert_eq!(cause(outcome), Cause::InUse),
    }
    writer.write(4096, 8).unwrap();
    drop(writer);
    wait("nobody has it open", || storage.users(&volume).unwrap().0.is_empty());
    storage.remove_snapshot(&before).unwrap();
    let writer = world.writer(&volume);
    wait("somebody has it open", || !storage.users(&volume).unwrap().0.is_empty());
    assert_eq!(cause(storage.remove(&volume)), Cause::InUse);
    assert_eq!(cause(upload(&**storage, &volume, b"text")), Cause::InUse);
    drop(writer);
    wait("nobody has it open", || storage.users(&volume).unwrap().0.is_empty());
    let kept = download(&**storage, &volume);
    assert_eq!((kept[0], kept[4096], kept[8192]), (7, 8, 0));
    storage.remove(&volume).unwrap();
}

pub(crate) fn snapshots_are_listed_as_they_were_taken(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    let volume = home.volume("web_disk0");
    let list = || {
        let seen = storage.snapshots(&volume).unwrap();
        seen.iter().map(|seen| (seen.name.to_string(), seen.size_bytes)).collect::<Vec<_>>()
    };
    let pair = |name: &str, size_bytes| (name.to_owned(), size_bytes);
    for _ in 0..2 {
        storage.take(&snapshot(&volume, "second")).unwrap();
    }
    storage.resize(&volume, 2 * SIZE_BYTES).unwrap();
    storage.take(&snapshot(&volume, "first")).unwrap();
    assert_eq!(list(), [pair("second", SIZE_BYTES), pair("first", 2 * SIZE_BYTES)]);
    assert_eq!(storage.volume(&volume).unwrap().unwrap().snapshot_count, 2);
    let second = snapshot(&volume, "second");
    assert_eq!(cause(storage.rename_snapshot(&second, &"first".parse().unwrap())), Cause::Exists);
    for _ in 0..2 {
        storage.rename_snapshot(&second, &"oldest".parse().unwrap()).unwrap();
    }
    assert_eq!(cause(storage.rename_snapshot(&second, &"other".parse().unwrap())), Cause::Absent);
    assert_eq!(list()[0].0, "oldest");
    assert_eq!(cause(storage.roll_back(&second)), Cause::Absent);
    assert_eq!(cause(storage.take(&snapshot(&home.path("none"), "s"))), Cause::Absent);
    storage.remove_snapshot(&snapshot(&volume, "oldest")).unwrap();
    assert_eq!(list(), [pair("first", 2 * SIZE_BYTES)]);
}

pub(crate) fn a_snapshot_keeps_what_was_there(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    let volume = home.volume("web_disk0");
    let before = padded(content(3, SIZE_BYTES), SIZE_BYTES);
    upload(&**storage, &volume, &before).unwrap();
    let saved = snapshot(&volume, "before");
    storage.take(&saved).unwrap();
    for byte in [1, 2] {
        let mut writer = world.writer(&volume);
        writer.write(1 << 20, byte).unwrap();
        drop(writer);
        wait("nobody has it open", || storage.users(&volume).unwrap().0.is_empty());
        assert_eq!(download(&**storage, &volume)[1 << 20], byte);
        storage.roll_back(&saved).unwrap();
        assert_same(&download(&**storage, &volume), &before);
    }
    storage.resize(&volume, 2 * SIZE_BYTES).unwrap();
    storage.roll_back(&saved).unwrap();
    assert_eq!(storage.volume(&volume).unwrap().unwrap().size_bytes, SIZE_BYTES);
}

pub(crate) fn a_clone_goes_its_own_way_and_keeps_its_snapshot(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    let (golden, web, db) = (home.volume("golden"), home.path("web_disk0"), home.volume("db_disk0"));
    let before = padded(content(4, SIZE_BYTES), SIZE_BYTES);
    upload(&**storage, &golden, &before).unwrap();
    let released = snapshot(&golden, "released");
    assert_eq!(cause(storage.clone_volume(&released, &web)), Cause::Absent);
    storage.take(&released).unwrap();
    for _ in 0..2 {
        storage.clone_volume(&released, &web).unwrap();
    }
    assert_eq!(cause(storage.clone_volume(&released, &db)), Cause::Exists);
    let seen = storage.volume(&web).unwrap().unwrap();
    assert_eq!((seen.size_bytes, seen.clone_of.as_ref()), (SIZE_BYTES, Some(&released)));
    assert_same(&download(&**storage, &web), &before);
    let mut writer = world.writer(&web);
    writer.write(0, 9).unwrap();
    drop(writer);
    wait("nobody has it open", || storage.users(&web).unwrap().0.is_empty());
    assert_same(&download(&**storage, &golden), &before);
    assert_eq!(download(&**storage, &web)[0], 9);
    assert_eq!(cause(storage.remove_snapshot(&released)), Cause::Cloned);
    let text = storage.remove_snapshot(&released).unwrap_err().to_string();
    assert!(text.contains("web_disk0"), "{text}");
    storage.remove(&web).unwrap();
    storage.remove_snapshot(&released).unwrap();
    assert_same(&download(&**storage, &golden), &before);
}

pub(crate) fn a_clone_knows_its_snapshot_by_its_present_name(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    let (golden, web) = (home.volume("golden"), home.path("web_disk0"));
    let released = snapshot(&golden, "released");
    storage.take(&released).unwrap();
    storage.clone_volume(&released, &web).unwrap();
    storage.rename_snapshot(&released, &"r1".parse().unwrap()).unwrap();
    storage.rename(&golden, &"platinum".parse().unwrap()).unwrap();
    let now = snapshot(&home.path("platinum"), "r1");
    assert_eq!(storage.volume(&web).unwrap().unwrap().clone_of.as_ref(), Some(&now));
    assert_eq!(cause(storage.remove_snapshot(&now)), Cause::Cloned);
    storage.clone_volume(&now, &web).unwrap();
    storage.remove(&web).unwrap();
    storage.remove_snapshot(&now).unwrap();
}

pub(crate) fn a_volume_that_two_make_at_once_is_one(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let others = [world.open(), world.open()];
    for name in ["a", "b", "c"] {
        let volume = home.path(name);
        std::thread::scope(|scope| {
            for storage in &others {
                scope.spawn(|| storage.create(&volume, SIZE_BYTES).unwrap());
            }
        });
        upload(&*home.storage, &volume, b"kept").unwrap();
        std::thread::scope(|scope| {
            for storage in &others {
                scope.spawn(|| storage.create(&volume, SIZE_BYTES).unwrap());
            }
        });
        assert_eq!(&download(&*home.storage, &volume)[..4], b"kept");
    }
    assert_eq!(home.names(), ["a", "b", "c"]);
}

pub(crate) fn figures_tell_of_every_pool(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &home.storage;
    upload(&**storage, &home.volume("web_disk0"), &content(5, SIZE_BYTES)).unwrap();
    let mut ours = None;
    wait("the figures show what was written", || {
        let all = storage.pool_figures().unwrap();
        ours = all.into_iter().find(|pool| pool.name == home.pool);
        ours.as_ref().is_some_and(|pool| pool.stored_bytes >= SIZE_BYTES / 2)
    });
    let ours = ours.unwrap();
    assert!(ours.used_bytes >= ours.stored_bytes && ours.free_bytes > 0, "{ours:?}");
    assert!((0.0..=1.0).contains(&ours.used_part), "{ours:?}");
    // An OSD that is late is called down for a moment.
    wait("all OSDs are up", || storage.osds().unwrap().iter().all(|osd| osd.up));
    let cluster = storage.cluster().unwrap();
    assert!(cluster.total_bytes >= cluster.free_bytes && cluster.free_bytes > 0, "{cluster:?}");
    assert_ne!(cluster.health, Health::Err, "{cluster:?}");
    let osds = storage.osds().unwrap();
    assert_eq!(osds.len(), usize::try_from(cluster.osd_count).unwrap());
    assert!(osds.iter().all(|osd| osd.r#in && !osd.host.is_empty()), "{osds:?}");
    for page in [Page::Status, Page::Utilization] {
        assert!(storage.page(page).unwrap().lines().count() > 0);
    }
}

pub(crate) fn a_storage_that_is_not_there_is_said_to_be(world: &(impl World + ?Sized)) {
    let storage = world.open_nothing();
    let error = storage.pools().unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("; "), "what to do is said: {error}");
}
