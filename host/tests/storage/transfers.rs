//! The laws of bulk transfers.

use std::io::Cursor;

use host::storage::{Cause, Error, Format, Onward, Storage, Upload, Watch};
use logic::storage::VolumePath;

use crate::content::{
    Acts, BreaksOff, SIZE_BYTES, Unwatched, Watcher, assert_same, content, download, padded, upload,
    upload_from,
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
    let (volume, size_bytes) = (home.path("web_disk0"), 6 * SIZE_BYTES);
    storage.create(&volume, size_bytes).unwrap();
    let content = content(1, size_bytes);
    let offer = |watcher: &Watcher| {
        let upload = Upload { source: &mut &*content, size_bytes, format: Format::Raw };
        storage.upload(&volume, upload, watcher)
    };
    let ends = Watcher { end_after_bytes: Some(1), ..Watcher::default() };
    assert_eq!(cause(offer(&ends)), Cause::Ended);
    assert!(ends.told.lock().unwrap().last().unwrap().0 < size_bytes, "it was ended on its way");
    assert_same(&download(storage, &volume), &padded(vec![], size_bytes));
    assert_eq!(storage.sweep(&home.pool).unwrap(), 0, "nothing was left over");

    let watcher = Watcher::default();
    offer(&watcher).unwrap();
    let told = watcher.told.into_inner().unwrap();
    assert!(told.len() > 1 && told.is_sorted(), "{told:?}");
    assert!(told.iter().all(|(_, total)| *total == size_bytes), "{told:?}");
    assert_eq!(told.last().unwrap().0, size_bytes);
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

pub(crate) fn a_sweep_leaves_what_is_under_way(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &*home.storage;
    let (volume, size_bytes) = (home.path("web_disk0"), 4 * SIZE_BYTES);
    storage.create(&volume, size_bytes).unwrap();
    let wanted = content(1, size_bytes);
    let (other, pool) = (world.open(), home.pool.clone());
    let (swept, told) = std::sync::mpsc::channel();
    let act = move || swept.send(other.sweep(&pool)).unwrap();
    let source = Cursor::new(wanted.clone());
    let mut source = Acts { source, at_bytes: size_bytes / 2, act: Some(Box::new(act)) };
    upload_from(storage, &volume, &mut source, size_bytes).unwrap();
    assert_eq!(told.try_recv().unwrap().unwrap(), 0);
    assert_same(&download(storage, &volume), &wanted);
}

/// Makes an image of this format out of raw bytes, by `qemu-img`.
fn converted(format: Format, content: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (raw, made) = (folder.path().join("raw"), folder.path().join("made"));
    std::fs::write(&raw, content).unwrap();
    let paths = [raw.to_str().unwrap(), made.to_str().unwrap()];
    qemu_img(&["convert", "-f", "raw", "-O", format.as_str(), paths[0], paths[1]]);
    std::fs::read(made).unwrap()
}

fn qemu_img(arguments: &[&str]) {
    let done = host::command::run("qemu-img", arguments, std::time::Duration::from_secs(60)).unwrap();
    assert_eq!(done.code, Some(0), "{}", done.errors);
}

fn upload_image(
    storage: &dyn Storage,
    volume: &VolumePath,
    (format, image): (Format, &[u8]),
) -> Result<(), Error> {
    let upload = Upload { source: &mut &*image, size_bytes: image.len() as u64, format };
    storage.upload(volume, upload, &Unwatched)
}

pub(crate) fn other_formats_are_converted(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &*home.storage;
    let volume = home.volume("web_disk0");
    // A VPC has whole cylinders, so it may say that it is a little larger than what it was made of.
    let content = content(1, SIZE_BYTES / 2);
    for format in [Format::Qcow2, Format::Qed, Format::Vmdk, Format::Vdi, Format::Vpc] {
        upload(storage, &volume, &crate::content::content(7, SIZE_BYTES)).unwrap();
        upload_image(storage, &volume, (format, &converted(format, &content))).unwrap();
        assert_same(&download(storage, &volume), &padded(content.clone(), SIZE_BYTES));
    }
    let larger = crate::content::content(1, 2 * SIZE_BYTES);
    for format in [Format::Qcow2, Format::Qed, Format::Vmdk, Format::Vdi, Format::Vpc] {
        let larger = converted(format, &larger);
        assert_eq!(cause(upload_image(storage, &volume, (format, &larger))), Cause::Content, "{format:?}");
        // It is not what it is said to be.
        assert_eq!(cause(upload_image(storage, &volume, (format, &content))), Cause::Content, "{format:?}");
    }
    assert_same(&download(storage, &volume), &padded(content, SIZE_BYTES));
    assert_eq!(home.names(), ["web_disk0"]);
    assert_eq!(storage.sweep(&home.pool).unwrap(), 0, "nothing was left over");
}

pub(crate) fn snapshots_in_what_is_brought_are_left_out(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &*home.storage;
    let volume = home.volume("web_disk0");
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let content = content(1, SIZE_BYTES);
    std::fs::write(&image, converted(Format::Qcow2, &content)).unwrap();
    qemu_img(&["snapshot", "-c", "theirs", image.to_str().unwrap()]);
    upload_image(storage, &volume, (Format::Qcow2, &std::fs::read(&image).unwrap())).unwrap();
    assert_same(&download(storage, &volume), &content);
    assert_eq!(storage.snapshots(&volume).unwrap(), []);
    storage.remove(&volume).unwrap();
}

pub(crate) fn a_conversion_can_be_ended(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &*home.storage;
    let volume = home.volume("web_disk0");
    let image = converted(Format::Qcow2, &content(1, SIZE_BYTES));
    // All of it has come when the whole is told of for the second time: it is being converted then.
    let watcher = EndsAfter { whole: std::sync::atomic::AtomicU32::new(0) };
    let upload = Upload { source: &mut &*image, size_bytes: image.len() as u64, format: Format::Qcow2 };
    assert_eq!(cause(storage.upload(&volume, upload, &watcher)), Cause::Ended);
    assert_same(&download(storage, &volume), &padded(vec![], SIZE_BYTES));
    assert_eq!(storage.sweep(&home.pool).unwrap(), 0, "nothing was left over");
}

/// Ends a transfer when it is told for the second time that all of it has come.
struct EndsAfter {
    whole: std::sync::atomic::AtomicU32,
}

impl Watch for EndsAfter {
    fn moved(&self, done_bytes: u64, total_bytes: u64) -> Onward {
        let whole = u32::from(done_bytes == total_bytes);
        match self.whole.fetch_add(whole, std::sync::atomic::Ordering::SeqCst) + whole {
            2.. => Onward::No,
            _ => Onward::Yes,
        }
    }
}

pub(crate) fn an_image_that_names_other_files_is_refused(world: &(impl World + ?Sized)) {
    let home = Home::of(world);
    let storage = &*home.storage;
    let volume = home.volume("web_disk0");
    let folder = tempfile::tempdir().unwrap();
    let [secret, image] = ["secret", "image"].map(|name| folder.path().join(name).display().to_string());
    std::fs::write(&secret, content(1, 1 << 20)).unwrap();
    let backed = |format: Format| {
        qemu_img(&["create", "-f", format.as_str(), "-b", &secret, "-F", "raw", &image]);
        (format, std::fs::read(&image).unwrap())
    };
    let descriptor = format!(
        "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\
         RW 2048 FLAT \"{secret}\" 0\n"
    );
    let descriptor = (Format::Vmdk, descriptor.into_bytes());
    for (format, image) in [backed(Format::Qcow2), backed(Format::Qed), descriptor] {
        assert_eq!(cause(upload_image(storage, &volume, (format, &image))), Cause::Content);
        assert_same(&download(storage, &volume), &padded(vec![], SIZE_BYTES));
    }
    assert_eq!(storage.sweep(&home.pool).unwrap(), 0, "nothing was left over");
}
