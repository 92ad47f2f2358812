//! The laws of bulk transfers.

use std::io::Cursor;

use host::storage::{Cause, Format, Upload};

use crate::content::{
    BreaksOff, SIZE_BYTES, Unwatched, Watcher, assert_same, content, download, padded, upload, upload_from,
};
use crate::world::{Home, World, cause};

pub(crate) fn an_upload_is_the_whole_content(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &*home.storage;
    let volume = home.volume("web_disk0");
    for content in [content(1, SIZE_BYTES), content(2, 3_000_001), content(3, 1)] {
        upload(storage, &volume, &content).unwrap();
        assert_same(&download(storage, &volume), &padded(content, SIZE_BYTES));
        assert_eq!(home.names(), ["web_disk0"]);
        assert_eq!(storage.volume(&volume).unwrap().unwrap().size_bytes, SIZE_BYTES);
    }
}

pub(crate) fn an_upload_that_fails_leaves_everything_as_it_was(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &*home.storage;
    let volume = home.volume("web_disk0");
    let before = padded(content(1, SIZE_BYTES), SIZE_BYTES);
    upload(storage, &volume, &before).unwrap();
    let other = content(2, SIZE_BYTES);
    let size_bytes = other.len() as u64;

    let half = || other[..other.len() / 2].to_vec();
    let outcome = upload_from(storage, &volume, &mut BreaksOff(Cursor::new(half())), size_bytes);
    assert_eq!(cause(outcome), Cause::Content);
    assert_eq!(cause(upload_from(storage, &volume, &mut Cursor::new(half()), size_bytes)), Cause::Content);
    assert_eq!(cause(upload_from(storage, &volume, &mut &*other, size_bytes - 1)), Cause::Content);
    let larger = padded(other.clone(), SIZE_BYTES + 1);
    assert_eq!(cause(upload(storage, &volume, &larger)), Cause::Content);
    assert_eq!(cause(upload(storage, &volume, b"")), Cause::Unfit);
    assert_eq!(cause(upload(storage, &home.path("none"), &other)), Cause::Absent);

    assert_same(&download(storage, &volume), &before);
    assert_eq!(home.names(), ["web_disk0"]);
    assert_eq!(storage.sweep(&home.pool).unwrap(), 0, "nothing was left over");
    upload(storage, &volume, &other).unwrap();
    assert_same(&download(storage, &volume), &other);
}

pub(crate) fn an_upload_is_watched_and_can_be_ended(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &*home.storage;
    let volume = home.volume("web_disk0");
    let content = content(1, SIZE_BYTES);
    let offer = |watcher: &Watcher| {
        let upload = Upload { source: &mut &*content, size_bytes: SIZE_BYTES, format: Format::Raw };
        storage.upload(&volume, upload, watcher)
    };
    let ends = Watcher { end_after_bytes: Some(SIZE_BYTES / 2), ..Watcher::default() };
    assert_eq!(cause(offer(&ends)), Cause::Ended);
    assert!(ends.told.lock().unwrap().last().unwrap().0 < SIZE_BYTES, "it was ended on its way");
    assert_same(&download(storage, &volume), &padded(vec![], SIZE_BYTES));
    assert_eq!(storage.sweep(&home.pool).unwrap(), 0, "nothing was left over");

    let watcher = Watcher::default();
    offer(&watcher).unwrap();
    let told = watcher.told.into_inner().unwrap();
    assert!(told.len() > 1 && told.is_sorted(), "{told:?}");
    assert!(told.iter().all(|(_, total)| *total == SIZE_BYTES), "{told:?}");
    assert_eq!(told.last().unwrap().0, SIZE_BYTES);
    let ends = Watcher { end_after_bytes: Some(1), ..Watcher::default() };
    let mut sink = Vec::new();
    assert_eq!(cause(storage.download(&volume, &mut sink, &ends)), Cause::Ended);
}

pub(crate) fn a_copy_is_whole_and_apart(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &*home.storage;
    let (golden, web, db) = (home.volume("golden"), home.path("web_disk0"), home.volume("db_disk0"));
    let before = padded(content(1, SIZE_BYTES), SIZE_BYTES);
    upload(storage, &golden, &before).unwrap();
    let ends = Watcher { end_after_bytes: Some(1), ..Watcher::default() };
    assert_eq!(cause(storage.copy(&golden, &web, &ends)), Cause::Ended);
    assert_eq!(home.names(), ["db_disk0", "golden"]);
    storage.copy(&golden, &web, &Unwatched).unwrap();
    assert_eq!(cause(storage.copy(&golden, &db, &Unwatched)), Cause::Exists);
    assert_eq!(cause(storage.copy(&home.path("none"), &home.path("new"), &Unwatched)), Cause::Absent);
    upload(storage, &golden, &content(2, SIZE_BYTES)).unwrap();
    assert_same(&download(storage, &web), &before);
    assert_eq!(storage.volume(&web).unwrap().unwrap().clone_of, None);
    storage.remove(&golden).unwrap();
    assert_same(&download(storage, &web), &before);
    assert_eq!(storage.sweep(&home.pool).unwrap(), 0, "nothing was left over");
}

pub(crate) fn what_was_cut_off_is_swept_and_never_seen(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &*home.storage;
    let volume = home.volume("web_disk0");
    let before = padded(content(1, SIZE_BYTES), SIZE_BYTES);
    upload(storage, &volume, &before).unwrap();
    world.leave_remains(&volume);
    assert_eq!(home.names(), ["web_disk0"], "what is not whole is not seen");
    assert_same(&download(storage, &volume), &before);
    assert_eq!(storage.sweep(&home.pool).unwrap(), 1);
    assert_eq!(storage.sweep(&home.pool).unwrap(), 0);
    world.leave_remains(&volume);
    upload(storage, &volume, &content(2, SIZE_BYTES)).unwrap();
    storage.sweep(&home.pool).unwrap();
    assert_same(&download(storage, &volume), &content(2, SIZE_BYTES));
    storage.remove(&volume).unwrap();
    storage.remove_pool(&home.pool).unwrap();
}
