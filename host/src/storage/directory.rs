//! Storage in a directory of one machine: a folder for each pool, a file for each volume, and `qemu-img` for the rest.
//!
//! | file | what it is |
//! |---|---|
//! | `POOL/.pool` | says that the folder is a pool |
//! | `POOL/VOLUME.qcow2` | a volume; its snapshots are in it |
//! | `POOL/VOLUME.raw` | a volume that was brought here as it is, or is measured: it has no snapshots |
//! | `POOL/.base/ID.qcow2` | what a snapshot showed when it was first cloned: clones keep only what differs |
//! | `POOL/.base/ID.of` | which snapshot that was |
//! | `POOL/.make.VOLUME`, `.part.VOLUME`, `.fill.VOLUME` | what is not whole yet |
//!
//! Whatever is made is made under another name, brought to the disk, and renamed; so what is there is whole, and a crash
//! leaves at most what is swept. Changes hold one lock on the whole directory, because two daemons share it; a transfer
//! holds it for its beginning and its end only, and a lock on its own file in between.
//!
//! Nobody but this machine reaches these volumes: no VM on them can run elsewhere, and there is nothing to fence.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use logic::id::PoolName;
use logic::storage::VolumePath;

use super::error::Refusal;
use super::{Abilities, Access, Cause, Error, Fence, Format, Reach, SnapshotsOf, Storage};
use crate::calls::{Calls, Late};

mod base;
mod figures;
mod image;
mod pools;
mod snapshots;
mod transfers;
mod trials;
mod volumes;

use image::Image;

/// How long calls may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Lists and figures.
    pub look: Duration,
    /// Changes.
    pub change: Duration,
    /// A transfer in which nothing moves.
    pub stall: Duration,
}

impl Default for Deadlines {
    /// 5 s for looks, 60 s for changes and for a transfer that stands still.
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { look: Duration::from_secs(5), change: minute, stall: minute }
    }
}

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Look,
    Change,
}

impl crate::calls::Subject for Subject {
    fn calls_max(&self) -> usize {
        match self {
            Self::Look => 8,
            Self::Change => 1,
        }
    }
}

/// Storage in a directory. Clones share their places in line.
#[derive(Clone, Debug)]
pub struct Directory {
    root: Arc<Path>,
    deadlines: Deadlines,
    calls: Calls<Subject>,
}

/// Why a call did not succeed.
#[derive(Debug)]
enum Trouble {
    Failed(io::Error),
    Refused(Refusal),
    /// As whoever was asked told it.
    Told(Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<nix::Error> for Trouble {
    fn from(error: nix::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

/// What a call comes to.
type Outcome<T = ()> = Result<T, Trouble>;

/// One call: the directory, what was asked of it, and how long a program may take for it.
#[derive(Clone, Debug)]
struct Desk {
    root: Arc<Path>,
    what: String,
    limit: Duration,
}

impl Directory {
    /// The storage in this directory, which must be there.
    pub fn open(root: &Path, deadlines: Deadlines) -> Self {
        Self { root: root.into(), deadlines, calls: Calls::default() }
    }

    fn look<T: Send + 'static>(
        &self,
        what: &str,
        act: impl FnOnce(&Desk) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.call(what, Subject::Look, self.deadlines.look, act)
    }

    /// A call that changes something: nobody else does meanwhile.
    fn change<T: Send + 'static>(
        &self,
        what: &str,
        act: impl FnOnce(&Desk) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.call(what, Subject::Change, self.deadlines.change, act)
    }

    fn call<T: Send + 'static>(
        &self,
        what: &str,
        subject: Subject,
        deadline: Duration,
        act: impl FnOnce(&Desk) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        let desk = self.desk(what);
        let outcome = self.calls.run(subject, Instant::now() + deadline, move |claim| {
            desk.check_root()?;
            let _lock = match subject {
                Subject::Look => None,
                Subject::Change => Some(desk.lock()?),
            };
            match claim.is_held() {
                true => act(&desk),
                false => Err(Error::silent(&desk.what, deadline).into()),
            }
        });
        match outcome {
            Ok(outcome) => outcome.map_err(|trouble| told(what, trouble)),
            Err(Late::InLine | Late::UnderWay) => Err(Error::silent(what, deadline)),
        }
    }

    fn desk(&self, what: &str) -> Desk {
        Desk { root: Arc::clone(&self.root), what: what.into(), limit: self.deadlines.change }
    }
}

/// What the caller is told of a trouble.
fn told(what: &str, trouble: Trouble) -> Error {
    match trouble {
        Trouble::Told(error) => error,
        Trouble::Refused(refusal) => Error::refused(what, refusal),
        Trouble::Failed(error) => Error::refused(what, failure(&error)),
    }
}

fn failure(error: &io::Error) -> Refusal {
    let (cause, remedy) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (Cause::Full, "remove what is not needed, or add space")
        }
        io::ErrorKind::NotFound => (Cause::Absent, "look at the list for what there is"),
        io::ErrorKind::AlreadyExists => (Cause::Exists, "take another name, or remove it first"),
        _ => (Cause::Other, "see the kernel's log"),
    };
    Refusal::new(cause, error.to_string(), remedy)
}

impl Desk {
    fn check_root(&self) -> Outcome {
        match self.root.is_dir() {
            true => Ok(()),
            false => Err(Trouble::Told(Error::Unreachable {
                why: format!("there is no directory {}", self.root.display()),
                remedy: "make it, or correct it in pvc.toml".into(),
            })),
        }
    }

    /// The lock on the whole directory, until it is dropped.
    fn lock(&self) -> Outcome<File> {
        let file = File::options().create(true).append(true).open(self.root.join(".lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// The folder of a pool that is there.
    fn folder(&self, pool: &PoolName) -> Outcome<PathBuf> {
        let folder = self.root.join(pool.as_str());
        match folder.join(".pool").exists() {
            true => Ok(folder),
            false => Err(Refusal::no_pool(pool).into()),
        }
    }

    /// A volume; `None` where there is none.
    fn seen(&self, volume: &VolumePath) -> Outcome<Option<Image>> {
        let folder = self.folder(&volume.pool)?;
        for format in [Format::Qcow2, Format::Raw] {
            let path = folder.join(format!("{}.{}", volume.volume, format.as_str()));
            match Image::read(&path, format) {
                Ok(image) => return Ok(Some(image)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn demand(&self, volume: &VolumePath) -> Outcome<Image> {
        self.seen(volume)?.ok_or_else(|| Refusal::absent(format!("volume {volume}")).into())
    }

    /// Refuses what somebody has open.
    fn idle(volume: &VolumePath, image: &Image) -> Outcome {
        match image.is_open()? {
            true => Err(Refusal::in_use(volume, "a process of this machine has it").into()),
            false => Ok(()),
        }
    }

    /// Runs `qemu-img`.
    fn qemu_img(&self, arguments: &[&str]) -> Outcome<String> {
        Ok(super::convert::run(&self.what, arguments, self.limit)?)
    }

    /// What was made takes its place, whole and for good.
    fn settle(&self, made: &Path, place: &Path, takes: Takes) -> Outcome {
        File::open(made)?.sync_all()?;
        match takes {
            Takes::Free => {
                use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
                renameat2(AT_FDCWD, made, AT_FDCWD, place, RenameFlags::RENAME_NOREPLACE)?;
            }
            Takes::Any => std::fs::rename(made, place)?,
        }
        self.sync_folder(place)
    }

    /// What happened to the names in a file's folder is on the disk.
    fn sync_folder(&self, file: &Path) -> Outcome {
        Ok(File::open(file.parent().unwrap_or(&self.root))?.sync_all()?)
    }
}

/// What a place must be for something to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// Free.
    Free,
    /// Free, or taken by what is replaced.
    Any,
}

/// A path as `qemu-img` takes it.
fn words(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Removes a file. Done if it is not there.
fn remove_file(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Storage for Directory {
    fn abilities(&self) -> Abilities {
        Abilities { reach: Reach::ThisMachine, snapshots: SnapshotsOf::Idle }
    }

    fn access(&self) -> Result<Access, Error> {
        Ok(Access::Files)
    }

    fn fence(&self) -> Option<&dyn Fence> {
        None
    }

    fn roster(&self) -> Option<&dyn crate::osd::Roster> {
        None
    }
}
