//! Bulk transfers in a directory: a file aside is filled, converted where needed, and renamed into place.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use logic::id::PoolName;
use logic::storage::VolumePath;
use uuid::Uuid;

use super::image::Image;
use super::{Desk, Directory, Outcome, Takes, remove_file, told, words};
use crate::storage::convert::{checked, run_while};
use crate::storage::error::Refusal;
use crate::storage::transfer::{Meter, Road, Store, Unmoved, announced, brought};
use crate::storage::{Cause, Error, Format, Transfers, Upload, Watch};

/// How many pieces are written at once.
const WRITERS: usize = 2;

/// What is brought, as it comes; locked as long as it comes.
const BROUGHT: &str = ".part.";
/// What is made of it.
const FILLED: &str = ".fill.";
/// What a call makes, under the lock on the directory.
const MADE: &str = ".make.";

impl Store for File {
    fn read_at(&self, offset: u64, piece: &mut [u8]) -> Result<(), i32> {
        self.read_exact_at(piece, offset).map_err(|error| error.raw_os_error().unwrap_or(nix::libc::EIO))
    }

    fn write_at(&self, offset: u64, piece: &[u8]) -> Result<(), i32> {
        self.write_all_at(piece, offset).map_err(|error| error.raw_os_error().unwrap_or(nix::libc::EIO))
    }
}

/// A transfer under way.
#[derive(Clone, Debug)]
struct Staging {
    /// Locked for as long as the transfer goes on.
    part: Arc<File>,
    part_path: PathBuf,
    filled_path: PathBuf,
    /// The volume that it is for or from: its size and its format.
    size_bytes: u64,
    format: Format,
    /// The volume's file.
    place: PathBuf,
}

impl Staging {
    /// How long a conversion of it may take, if the disk moves a few MiB a second.
    fn limit(&self, stall: Duration) -> Duration {
        stall + Duration::from_millis(self.size_bytes >> 12)
    }
}

impl Desk {
    /// Begins a transfer under this name; one that was cut off is begun anew.
    fn stage(&self, pool: &PoolName, name: &str, image: &Image) -> Outcome<Staging> {
        let folder = self.folder(pool)?;
        let part_path = folder.join(format!("{BROUGHT}{name}"));
        let filled_path = folder.join(format!("{FILLED}{name}"));
        let part = File::options()
            .read(true)
            .append(false)
            .create(true)
            .truncate(false)
            .write(true)
            .open(&part_path)?;
        match part.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why = format!("another transfer to {pool}/{name} is under way");
                return Err(Refusal::new(Cause::InUse, why, "wait for its end").into());
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        part.set_len(0)?;
        remove_file(&filled_path)?;
        let Image { path, format, size_bytes, .. } = image;
        Ok(Staging {
            part: Arc::new(part),
            part_path,
            filled_path,
            size_bytes: *size_bytes,
            format: *format,
            place: path.clone(),
        })
    }

    /// A volume whose content may be replaced.
    fn replaceable(&self, volume: &VolumePath) -> Outcome<Image> {
        let image = self.demand(volume)?;
        Self::idle(volume, &image)?;
        match image.snapshots().len() {
            0 => Ok(image),
            count => Err(Refusal::has_snapshots(volume, count).into()),
        }
    }

    /// What was filled takes the volume's place.
    fn replace(&self, volume: &VolumePath, staging: &Staging) -> Outcome {
        let image = self.replaceable(volume)?;
        let made = match staging.filled_path.exists() {
            true => &staging.filled_path,
            false => &staging.part_path,
        };
        let size = image.size_bytes.to_string();
        self.qemu_img(&["resize", "-q", "-f", image.format.as_str(), words(made), &size])?;
        self.settle(made, &image.path, Takes::Any)
    }

    /// What a transfer made aside is gone.
    fn clear(&self, staging: &Staging) -> Outcome {
        remove_file(&staging.filled_path)?;
        remove_file(&staging.part_path)?;
        Ok(())
    }

    pub(super) fn sweep(&self, pool: &PoolName) -> Outcome<usize> {
        let folder = self.folder(pool)?;
        let mut swept = BTreeSet::new();
        for name in Self::names(&folder)? {
            // The directory is locked: nobody is making anything now.
            if let Some(volume) = name.strip_prefix(MADE) {
                remove_file(&folder.join(&name))?;
                swept.insert(volume.to_owned());
            }
            let Some(volume) = name.strip_prefix(BROUGHT).or_else(|| name.strip_prefix(FILLED)) else {
                continue;
            };
            let part = folder.join(format!("{BROUGHT}{volume}"));
            let is_under_way = File::open(&part).is_ok_and(|part| part.try_lock().is_err());
            if !is_under_way {
                remove_file(&folder.join(format!("{FILLED}{volume}")))?;
                remove_file(&part)?;
                swept.insert(volume.to_owned());
            }
        }
        Ok(swept.len())
    }
}

impl Directory {
    fn road<'a>(&'a self, what: &'a str) -> Road<'a> {
        let told = move |unmoved: Unmoved| told(what, std::io::Error::from_raw_os_error(unmoved.code).into());
        Road { what, stall: self.deadlines.stall, told: Box::new(told) }
    }

    /// Converts one file into another of the wanted format, in as much time as its size needs.
    fn convert(
        &self,
        what: &str,
        staging: &Staging,
        from: (Format, &Path),
        to: (Format, &Path),
        meter: &Meter<'_>,
    ) -> Result<(), Error> {
        let limit = staging.limit(self.deadlines.stall);
        let words = ["convert", "-f", from.0.as_str(), "-O", to.0.as_str(), words(from.1), words(to.1)];
        run_while(what, &words, limit, &mut || meter.goes_on()).map(drop)
    }

    fn fill(
        &self,
        what: &str,
        volume: &VolumePath,
        staging: &Staging,
        (mut upload, watch): (Upload<'_>, &dyn Watch),
    ) -> Result<(), Error> {
        let (format, size_bytes) = (upload.format, upload.size_bytes);
        let mut meter = Meter::new(what, watch, size_bytes);
        let store: Arc<dyn Store> = staging.part.clone();
        let mut pieces = brought(what, &mut upload);
        self.road(what).fill(&store, WRITERS, &mut pieces, &mut meter)?;
        // Zeroes at its end were left out. QEMU sees sectors.
        let whole = size_bytes.next_multiple_of(512);
        staging.part.set_len(whole).map_err(|error| told(what, error.into()))?;
        if format != Format::Raw {
            checked(what, format, words(&staging.part_path), (volume, staging.size_bytes))?;
        }
        // QEMU's own format is converted into itself: what is brought may hold snapshots and features of its own.
        if (format, staging.format) == (Format::Raw, Format::Raw) {
            return Ok(());
        }
        let (from, to) =
            ((format, staging.part_path.as_path()), (staging.format, staging.filled_path.as_path()));
        self.convert(what, staging, from, to, &meter)
    }

    /// Clears a transfer away, and passes on what came before.
    fn end(&self, staging: Staging, outcome: Result<(), Error>) -> Result<(), Error> {
        let cleared = self.change("clear a transfer away", move |desk| desk.clear(&staging));
        if let Err(error) = cleared {
            tracing::warn!(%error, "what a transfer left is left for the next sweep");
        }
        outcome
    }

    fn bring(&self, volume: &VolumePath, upload: Upload<'_>, watch: &dyn Watch) -> Result<(), Error> {
        let what = format!("upload to {volume}");
        let (fits, path) = (upload.announced(), volume.clone());
        let staging = self.change(&what, move |desk| {
            let image = desk.replaceable(&path)?;
            announced(fits, &path, image.size_bytes)?;
            desk.stage(&path.pool, path.volume.as_str(), &image)
        })?;
        let (kept, path) = (staging.clone(), volume.clone());
        let outcome = self
            .fill(&what, volume, &staging, (upload, watch))
            .and_then(|()| self.change(&what, move |desk| desk.replace(&path, &kept)));
        self.end(staging, outcome)
    }

    fn pass_on(&self, volume: &VolumePath, sink: &mut dyn Write, watch: &dyn Watch) -> Result<(), Error> {
        let what = format!("download {volume}");
        let path = volume.clone();
        let staging = self.change(&what, move |desk| {
            let image = desk.demand(&path)?;
            Desk::idle(&path, &image)?;
            desk.stage(&path.pool, &Uuid::new_v4().to_string(), &image)
        })?;
        let mut meter = Meter::new(&what, watch, staging.size_bytes);
        let (from, to) =
            ((staging.format, staging.place.as_path()), (Format::Raw, staging.filled_path.as_path()));
        let outcome = self.convert(&what, &staging, from, to, &meter).and_then(|()| {
            let raw = File::open(&staging.filled_path).map_err(|error| told(&what, error.into()))?;
            self.road(&what).drain(raw, staging.size_bytes, (sink, &mut meter))
        });
        self.end(staging, outcome)
    }

    fn copy_whole(&self, from: &VolumePath, to: &VolumePath, watch: &dyn Watch) -> Result<(), Error> {
        let what = format!("copy {from} to {to}");
        let (source, target) = (from.clone(), to.clone());
        let staging = self.change(&what, move |desk| {
            let image = desk.demand(&source)?;
            Desk::idle(&source, &image)?;
            match desk.seen(&target)? {
                Some(_) => Err(Refusal::exists(&target).into()),
                None => desk.stage(&target.pool, target.volume.as_str(), &image),
            }
        })?;
        let mut meter = Meter::new(&what, watch, staging.size_bytes);
        let length = usize::try_from(staging.size_bytes).unwrap_or(usize::MAX);
        let (kept, target) = (staging.clone(), to.clone());
        let (source, filled) = ((staging.format, staging.place.as_path()), staging.filled_path.as_path());
        let outcome = meter
            .add(0)
            .and_then(|()| self.convert(&what, &staging, source, (Format::Qcow2, filled), &meter))
            .and_then(|()| meter.add(length))
            .and_then(|()| {
                self.change(&what, move |desk| match desk.seen(&target)? {
                    Some(_) => Err(Refusal::exists(&target).into()),
                    None => {
                        let place = desk.folder(&target.pool)?.join(format!("{}.qcow2", target.volume));
                        desk.settle(&kept.filled_path, &place, Takes::Free)
                    }
                })
            });
        self.end(staging, outcome)
    }
}

impl Transfers for Directory {
    fn upload(&self, volume: &VolumePath, upload: Upload<'_>, watch: &dyn Watch) -> Result<(), Error> {
        self.bring(volume, upload, watch)
    }

    fn download(&self, volume: &VolumePath, sink: &mut dyn Write, watch: &dyn Watch) -> Result<(), Error> {
        self.pass_on(volume, sink, watch)
    }

    fn copy(&self, from: &VolumePath, to: &VolumePath, watch: &dyn Watch) -> Result<(), Error> {
        self.copy_whole(from, to, watch)
    }

    fn sweep(&self, pool: &PoolName) -> Result<usize, Error> {
        let pool = pool.clone();
        self.change(&format!("sweep {pool}"), move |desk| desk.sweep(&pool))
    }
}
