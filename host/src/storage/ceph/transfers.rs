//! Bulk transfers in Ceph: pieces that are written at once, into an image of another name that then takes the place.
//!
//! What is brought fills an image beside the volume, which nobody sees; when it is whole the two change names. The image
//! stays open until then, so that others see that it is being filled; one that nobody has open was cut off, and is
//! swept. Pieces of zeroes are not written: a fresh image reads as zeroes.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logic::id::PoolName;
use logic::storage::VolumePath;

use super::convert::Source;
use super::image::Image;
use super::rados::{Failure, PoolHandle};
use super::{Ceph, Outcome, Session};
use crate::storage::error::Refusal;
use crate::storage::transfer::{Meter, announced, is_zero, read_piece};
use crate::storage::{Cause, Error, Format, Transfers, Upload, Watch};

/// How much is moved at once: an object.
const PIECE_BYTES: usize = 4 << 20;

/// How many pieces are written at once.
const WRITERS: usize = 8;

/// What is being filled.
const FILLED: &str = ".upload.";
/// What is brought in another format, as it comes.
const BROUGHT: &str = ".source.";
/// What is being replaced.
const REPLACED: &str = ".replaced.";

/// Whether an image is one that transfers leave aside. A volume's name never begins so.
pub(super) fn is_staging(name: &str) -> bool {
    name.starts_with('.')
}

fn beside(kind: &str, volume: &VolumePath) -> String {
    format!("{kind}{}", volume.volume)
}

/// An image that is being filled.
#[derive(Clone, Debug)]
pub(super) struct Staging {
    pub(super) pool: Arc<PoolHandle>,
    pub(super) name: String,
    pub(super) image: Arc<Image>,
    pub(super) size_bytes: u64,
}

impl Session {
    /// A fresh image aside. One that was cut off is removed; one that somebody has open is left to them.
    fn stage(&self, volume: &VolumePath, kind: &str, size_bytes: u64) -> Outcome<Staging> {
        let pool = self.pool(&volume.pool)?;
        let name = beside(kind, volume);
        if !self.discard(&pool, &name)? {
            let why = format!("another transfer to {volume} is under way, or broke off less than a minute ago");
            return Err(Refusal::new(Cause::InUse, why, "wait for its end").into());
        }
        pool.create(&name, size_bytes)?;
        let image = Arc::new(pool.open(&name)?);
        Ok(Staging { pool, name, image, size_bytes })
    }

    /// Removes an image aside. Done if it is not there; not done if somebody has it open.
    fn discard(&self, pool: &Arc<PoolHandle>, name: &str) -> Outcome<bool> {
        match pool.look(name, None) {
            Ok(image) if !image.watchers()?.is_empty() => return Ok(false),
            Ok(_) => {}
            Err(failure) if failure.code == libc::ENOENT => {}
            Err(failure) => return Err(failure.into()),
        }
        match pool.remove(name) {
            Err(failure) if failure.code != libc::ENOENT => Err(failure.into()),
            _ => Ok(true),
        }
    }

    /// The size of a volume whose content may be replaced.
    fn replaceable(&self, volume: &VolumePath) -> Outcome<u64> {
        let image = self.demand(volume)?;
        Self::idle(volume, &image)?;
        match image.snapshots()?.len() {
            0 => Ok(image.sizes()?.0),
            count => Err(Refusal::has_snapshots(volume, count).into()),
        }
    }

    /// What was filled takes the volume's place.
    fn replace(&self, volume: &VolumePath, filled: &Staging) -> Outcome {
        let size_bytes = self.replaceable(volume)?;
        if size_bytes > filled.size_bytes {
            filled.image.grow(size_bytes)?;
        }
        let (pool, name) = (&filled.pool, volume.volume.as_str());
        let replaced = beside(REPLACED, volume);
        pool.rename(name, &replaced)?;
        if let Err(failure) = pool.rename(&filled.name, name) {
            pool.rename(&replaced, name)?;
            return Err(failure.into());
        }
        if let Err(failure) = pool.remove(&replaced) {
            tracing::warn!(%volume, ?failure, "what was replaced is left for the next sweep");
        }
        Ok(())
    }

    fn sweep(&self, pool: &PoolName) -> Outcome<usize> {
        let handle = self.pool(pool)?;
        let mut count = 0;
        let images = handle.images()?;
        for name in images.iter().filter_map(|image| image.strip_prefix(REPLACED)) {
            count += usize::from(self.finish(&handle, name, &images)?);
        }
        for name in handle.images()?.iter().filter(|name| is_staging(name)) {
            if !name.starts_with(REPLACED) && self.discard(&handle, name)? {
                count += 1;
            }
        }
        Ok(count)
    }

    /// Finishes a replacement that was cut off between its steps; says whether it was.
    fn finish(&self, pool: &Arc<PoolHandle>, name: &str, images: &[String]) -> Outcome<bool> {
        let (filled, replaced) = (format!("{FILLED}{name}"), format!("{REPLACED}{name}"));
        let has = |wanted: &str| images.iter().any(|image| image == wanted);
        if has(&filled) && !pool.look(&filled, None)?.watchers()?.is_empty() {
            return Ok(false);
        }
        if !has(name) && has(&filled) {
            pool.rename(&filled, name)?;
        } else if !has(name) {
            pool.rename(&replaced, name)?;
            return Ok(true);
        }
        pool.remove(&replaced)?;
        Ok(true)
    }
}

/// Writes pieces on threads of its own, some at once.
struct Writers {
    jobs: Option<Sender<(u64, Vec<u8>)>>,
    results: Receiver<(usize, Result<(), Failure>)>,
    under_way: usize,
}

impl Writers {
    fn of(image: &Arc<Image>) -> Self {
        let (jobs, taken) = channel::<(u64, Vec<u8>)>();
        let (done, results) = channel();
        let taken = Arc::new(Mutex::new(taken));
        for _ in 0..WRITERS {
            let (image, taken, done) = (Arc::clone(image), Arc::clone(&taken), done.clone());
            let write = move || {
                loop {
                    let job = taken.lock().ok().and_then(|taken| taken.recv().ok());
                    let Some((offset, piece)) = job else { return };
                    let outcome = image.write(offset, &piece);
                    if done.send((piece.len(), outcome)).is_err() {
                        return;
                    }
                }
            };
            let _ = std::thread::Builder::new().name("ceph-write".into()).spawn(write);
        }
        Self { jobs: Some(jobs), results, under_way: 0 }
    }

    /// Hands a piece to a writer.
    fn hand(&mut self, offset: u64, piece: Vec<u8>) {
        if let Some(jobs) = &self.jobs
            && jobs.send((offset, piece)).is_ok()
        {
            self.under_way += 1;
        }
    }

    /// Waits for the next piece that is written.
    fn written(&mut self, stall: Duration) -> Result<usize, Failure> {
        let late = |_| Failure::new(libc::ETIMEDOUT, "");
        let (count, outcome) = self.results.recv_timeout(stall).map_err(late)?;
        self.under_way -= 1;
        outcome.map(|()| count)
    }

    /// Waits until all writers have gone, and let go of the image.
    fn end(mut self, stall: Duration) {
        self.jobs = None;
        while self.results.recv_timeout(stall).is_ok() {}
    }
}

/// Reads an image piece by piece, some ahead.
fn reader(image: Image, size_bytes: u64) -> Receiver<Result<Vec<u8>, Failure>> {
    let (sender, pieces) = sync_channel(2);
    let read = move || {
        let mut offset = 0;
        while offset < size_bytes {
            let length = usize::try_from(size_bytes - offset).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let mut piece = vec![0; length];
            let outcome = image.read(offset, &mut piece).map(|()| piece);
            if sender.send(outcome).is_err() {
                return;
            }
            offset += length as u64;
        }
    };
    let _ = std::thread::Builder::new().name("ceph-read".into()).spawn(read);
    pieces
}

/// Where pieces come from: the next, or none at the end.
type Pieces<'a> = &'a mut dyn FnMut() -> Result<Option<Vec<u8>>, Error>;

impl Ceph {
    fn failed(&self, what: &str, failure: Failure) -> Error {
        self.inner.told(what, self.deadlines().stall, failure.into())
    }

    /// Fills an image with the pieces that come.
    fn fill(&self, what: &str, image: &Arc<Image>, pieces: Pieces<'_>, meter: &mut Meter<'_>) -> Result<(), Error> {
        let mut writers = Writers::of(image);
        let outcome = self.pump(what, &mut writers, pieces, meter);
        writers.end(self.deadlines().stall);
        outcome?;
        let image = Arc::clone(image);
        self.call(what, super::Subject::Look, self.deadlines().stall, move |_| Ok(image.flush()?))
    }

    fn pump(
        &self,
        what: &str,
        writers: &mut Writers,
        pieces: Pieces<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<(), Error> {
        let stall = self.deadlines().stall;
        let mut offset = 0;
        let written = |writers: &mut Writers, meter: &mut Meter<'_>| {
            meter.add(writers.written(stall).map_err(|failure| self.failed(what, failure))?)
        };
        while let Some(piece) = pieces()? {
            let length = piece.len();
            if is_zero(&piece) {
                meter.add(length)?;
            } else {
                writers.hand(offset, piece);
            }
            offset += length as u64;
            while writers.under_way >= WRITERS {
                written(writers, meter)?;
            }
        }
        while writers.under_way > 0 {
            written(writers, meter)?;
        }
        Ok(())
    }

    fn pieces_of<'a>(
        &'a self,
        what: &'a str,
        image: Image,
        size_bytes: u64,
    ) -> impl FnMut() -> Result<Option<Vec<u8>>, Error> + use<'a> {
        let pieces = reader(image, size_bytes);
        move || match pieces.recv_timeout(self.deadlines().stall) {
            Ok(piece) => piece.map(Some).map_err(|failure| self.failed(what, failure)),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Ok(None),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(Error::silent(what, self.deadlines().stall)),
        }
    }

    fn bring(&self, what: &str, volume: &VolumePath, upload: Upload<'_>, watch: &dyn Watch) -> Result<(), Error> {
        let (format, bytes) = (upload.format, upload.size_bytes);
        let mut upload = upload;
        let fits = upload.announced();
        let filled = self.change(what, volume, move |session, volume| {
            let size_bytes = session.replaceable(volume)?;
            announced(fits, volume, size_bytes)?;
            session.stage(volume, FILLED, size_bytes)
        })?;
        let mut meter = Meter::new(what, watch, bytes);
        let mut came_bytes = 0;
        let mut pieces = || {
            let mut piece = vec![0; PIECE_BYTES];
            let count = read_piece(what, &mut upload, &mut piece, came_bytes)?;
            came_bytes += count as u64;
            piece.truncate(count);
            Ok((count > 0).then_some(piece))
        };
        let outcome = match format {
            Format::Raw => self.fill(what, &filled.image, &mut pieces, &mut meter),
            _ => self.convert(what, volume, Source { format, bytes }, (&filled, &mut pieces, &mut meter)),
        };
        let kept = filled.clone();
        let outcome = outcome.and_then(|()| {
            self.change(what, volume, move |session, volume| session.replace(volume, &kept))
        });
        self.clear(volume, filled, outcome)
    }

    /// Brings another format in as it is, and has it converted.
    fn convert(
        &self,
        what: &str,
        volume: &VolumePath,
        source: Source,
        (filled, pieces, meter): (&Staging, Pieces<'_>, &mut Meter<'_>),
    ) -> Result<(), Error> {
        // QEMU sees sectors; what is brought is not changed by zeroes behind it.
        let size_bytes = source.bytes.next_multiple_of(512);
        let brought =
            self.change(what, volume, move |session, volume| session.stage(volume, BROUGHT, size_bytes))?;
        let outcome = self.fill(what, &brought.image, pieces, meter);
        let outcome = outcome
            .and_then(|()| super::convert::convert(&self.inner.settings, what, volume, (&source, &brought, filled)));
        self.clear(volume, brought, outcome)
    }

    /// Closes an image aside and, unless it took the volume's place, removes it; passes on what came before.
    fn clear(&self, volume: &VolumePath, staging: Staging, outcome: Result<(), Error>) -> Result<(), Error> {
        let cleared = self.change("clear a transfer away", volume, move |session, _| {
            let Staging { pool, name, image, .. } = staging;
            drop(image);
            session.discard(&pool, &name)
        });
        if let Err(error) = cleared {
            tracing::warn!(%volume, %error, "what a transfer left is left for the next sweep");
        }
        outcome
    }

    fn copy_whole(&self, what: &str, from: &VolumePath, to: &VolumePath, watch: &dyn Watch) -> Result<(), Error> {
        let source = from.clone();
        let (filled, image) = self.change(what, to, move |session, to| {
            let image = session.demand(&source)?;
            if session.seen(to)?.is_some() {
                return Err(Refusal::exists(to).into());
            }
            Ok((session.stage(to, FILLED, image.sizes()?.0)?, image))
        })?;
        let size_bytes = filled.size_bytes;
        let mut meter = Meter::new(what, watch, size_bytes);
        let outcome = {
            let mut pieces = self.pieces_of(what, image, size_bytes);
            self.fill(what, &filled.image, &mut pieces, &mut meter)
        };
        let kept = filled.clone();
        let outcome = outcome.and_then(|()| {
            self.change(what, to, move |_, to| match kept.pool.rename(&kept.name, to.volume.as_str()) {
                Err(failure) if failure.code == libc::EEXIST => Err(Refusal::exists(to).into()),
                outcome => Ok(outcome?),
            })
        });
        self.clear(to, filled, outcome)
    }
}

impl Transfers for Ceph {
    fn upload(&self, volume: &VolumePath, upload: Upload<'_>, watch: &dyn Watch) -> Result<(), Error> {
        self.bring(&format!("upload to {volume}"), volume, upload, watch)
    }

    fn download(&self, volume: &VolumePath, sink: &mut dyn Write, watch: &dyn Watch) -> Result<(), Error> {
        let what = format!("download {volume}");
        let path = volume.clone();
        let (image, size_bytes) = self.look(&what, move |session| {
            let image = session.demand(&path)?;
            let size_bytes = image.sizes()?.0;
            Ok((image, size_bytes))
        })?;
        let mut meter = Meter::new(&what, watch, size_bytes);
        let mut pieces = self.pieces_of(&what, image, size_bytes);
        while let Some(piece) = pieces()? {
            sink.write_all(&piece).map_err(|error| meter.sink_failed(&error))?;
            meter.add(piece.len())?;
        }
        Ok(())
    }

    fn copy(&self, from: &VolumePath, to: &VolumePath, watch: &dyn Watch) -> Result<(), Error> {
        self.copy_whole(&format!("copy {from} to {to}"), from, to, watch)
    }

    fn sweep(&self, pool: &PoolName) -> Result<usize, Error> {
        self.change_pool(&format!("sweep {pool}"), pool, |session, pool| session.sweep(pool))
    }
}
