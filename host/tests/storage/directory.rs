//! A directory as a world, in a temporary folder.

use std::path::Path;
use std::sync::Arc;

use host::storage::directory::{Deadlines, Directory};
use host::storage::{Cause, Format, Location, Storage, Volumes as _};
use logic::storage::{Replication, VolumePath};
use tempfile::TempDir;

use crate::content::{SIZE_BYTES, Unwatched, assert_same, content, download, upload};
use crate::world::{World, Writer, cause, snapshot};
use crate::writer::QemuIo;

struct OnDisk {
    folder: TempDir,
}

/// An empty directory.
pub(crate) fn world() -> Box<dyn World> {
    Box::new(OnDisk { folder: tempfile::tempdir().unwrap() })
}

impl OnDisk {
    fn directory(&self) -> Directory {
        Directory::open(self.folder.path(), Deadlines::default())
    }
}

impl World for OnDisk {
    fn open(&self) -> Arc<dyn Storage> {
        Arc::new(self.directory())
    }

    fn open_nothing(&self) -> Arc<dyn Storage> {
        Arc::new(Directory::open(Path::new("/nonexistent"), Deadlines::default()))
    }

    fn replication(&self) -> Replication {
        Replication { copies: 1, copies_min: 1 }
    }

    fn writer(&self, volume: &VolumePath) -> Box<dyn Writer> {
        let seen = self.directory().volume(volume).unwrap().unwrap();
        let Location::File { path, format } = seen.location else { panic!("it is in a file") };
        Box::new(QemuIo::open(&[], format.as_str(), path.to_str().unwrap()))
    }

    fn leave_remains(&self, volume: &VolumePath) {
        let folder = self.folder.path().join(volume.pool.as_str());
        for kind in ["part", "fill", "make"] {
            std::fs::write(folder.join(format!(".{kind}.{}", volume.volume)), "half").unwrap();
        }
    }
}

#[test]
fn a_raw_file_that_is_put_there_is_a_volume_without_snapshots() {
    let world = OnDisk { folder: tempfile::tempdir().unwrap() };
    let home = crate::world::Home::of(&world);
    let before = content(1, SIZE_BYTES);
    let path = world.folder.path().join(home.pool.as_str()).join("web_disk0.raw");
    std::fs::write(&path, &before).unwrap();
    let (volume, copy) = (home.path("web_disk0"), home.path("copy"));
    assert_eq!(home.names(), ["web_disk0"]);
    let seen = home.storage.volume(&volume).unwrap().unwrap();
    assert_eq!((seen.size_bytes, seen.location), (SIZE_BYTES, Location::File { path, format: Format::Raw }));
    assert_same(&download(&*home.storage, &volume), &before);
    assert_eq!(cause(home.storage.take(&snapshot(&volume, "before"))), Cause::Unfit);
    assert_eq!(cause(home.storage.create(&volume, 2 * SIZE_BYTES)), Cause::Exists);
    home.storage.copy(&volume, &copy, &Unwatched).unwrap();
    home.storage.take(&snapshot(&copy, "before")).unwrap();
    assert_same(&download(&*home.storage, &copy), &before);
    upload(&*home.storage, &volume, &content(2, SIZE_BYTES)).unwrap();
    home.storage.resize(&volume, 2 * SIZE_BYTES).unwrap();
    assert_same(&download(&*home.storage, &volume)[..before.len()], &content(2, SIZE_BYTES));
    home.storage.rename(&volume, &"db_disk0".parse().unwrap()).unwrap();
    home.storage.remove(&home.path("db_disk0")).unwrap();
    assert_eq!(home.names(), ["copy"]);
}

#[test]
fn a_damaged_file_is_told_of_and_harms_no_other() {
    let world = OnDisk { folder: tempfile::tempdir().unwrap() };
    let home = crate::world::Home::of(&world);
    home.volume("web_disk0");
    let path = world.folder.path().join(home.pool.as_str()).join("db_disk0.qcow2");
    for damaged in [&b""[..], b"QFI\xfb\0\0\0\x03", &[0xff; 4096]] {
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(home.names(), ["db_disk0", "web_disk0"]);
        assert_eq!(cause(home.storage.volume(&home.path("db_disk0"))), Cause::Other);
        assert!(home.storage.volume(&home.path("web_disk0")).unwrap().is_some());
    }
}
