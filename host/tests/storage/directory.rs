//! A directory as a world, in a temporary folder.

use std::path::Path;
use std::sync::Arc;

use host::storage::directory::{Deadlines, Directory};
use host::storage::{Location, Storage, Volumes as _};
use logic::storage::{Replication, VolumePath};
use tempfile::TempDir;

use crate::world::{World, Writer};
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
