//! Bulk transfers in Ceph: pieces that are written at once, into an image of another name that then takes the place.
//!
//! What is brought fills an image beside the volume, which nobody sees; when it is whole the two change names. The image
//! stays open until then, so that others see that it is being filled; one that nobody has open was cut off, and is
//! swept. Pieces of zeroes are not written: a fresh image reads as zeroes.

use std::io::Write;
use std::sync::Arc;

use logic::id::PoolName;
use logic::storage::VolumePath;

use super::convert::Source;
use super::image::Image;
use super::rados::{Failure, PoolHandle};
use super::{Ceph, Outcome, Session};
use crate::storage::error::Refusal;
use crate::storage::transfer::{Meter, Pieces, Road, Store, Unmoved, announced, brought};
use crate::storage::{Cause, Error, Format, Transfers, Upload, Watch};

/// How many pieces are written at once: more than `rbd import`, which writes ten, because it has a cache besides. A disk that is
/// slow to answer is otherwise not kept busy.
const WRITERS: usize = 16;

/// What is being filled.
const FILLED: &str = ".upload.";
/// What is brought in another format, as it comes.
const BROUGHT: &str = ".source.";
/// What is being replaced.
const REPLACED: &str = ".replaced.";

/// Whether an image is one that transfers leave aside. A volume's name never begins so; what else begins with a dot is
/// somebody else's.
pub(super) fn is_staging(name: &str) -> bool {
    [FILLED, BROUGHT, REPLACED].iter().any(|kind| name.starts_with(kind))
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
            let why =
                format!("another transfer to {volume} is under way, or broke off less than a minute ago");
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

impl Store for Image {
    fn read_at(&self, offset: u64, piece: &mut [u8]) -> Result<(), i32> {
        self.read(offset, piece).map_err(|failure| failure.code)
    }

    fn write_at(&self, offset: u64, piece: &[u8]) -> Result<(), i32> {
        self.write(offset, piece).map_err(|failure| failure.code)
    }
}

impl Ceph {
    fn road<'a>(&'a self, what: &'a str) -> Road<'a> {
        let stall = self.deadlines().stall;
        let told = move |Unmoved { code, after }: Unmoved| {
            self.inner.told(what, after, Failure::new(code, "").into())
        };
        Road { what, stall, told: Box::new(told) }
    }

    /// Fills an image with the pieces that come.
    fn fill(
        &self,
        what: &str,
        image: &Arc<Image>,
        pieces: Pieces<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<(), Error> {
        let store: Arc<dyn Store> = image.clone();
        self.road(what).fill(&store, WRITERS, pieces, meter)?;
        drop(store);
        let image = Arc::clone(image);
        self.call(what, super::Subject::Look, self.deadlines().stall, move |_| Ok(image.flush()?))
    }

    fn bring(
        &self,
        what: &str,
        volume: &VolumePath,
        upload: Upload<'_>,
        watch: &dyn Watch,
    ) -> Result<(), Error> {
        let (format, bytes) = (upload.format, upload.size_bytes);
        let mut upload = upload;
        let fits = upload.announced();
        let filled = self.change(what, volume, move |session, volume| {
            let size_bytes = session.replaceable(volume)?;
            announced(fits, volume, size_bytes)?;
            session.stage(volume, FILLED, size_bytes)
        })?;
        let mut meter = Meter::new(what, watch, bytes);
        let mut pieces = brought(what, &mut upload);
        let outcome = match format {
            Format::Raw => self.fill(what, &filled.image, &mut pieces, &mut meter),
            _ => self.convert(what, volume, Source { format, bytes }, (&filled, &mut pieces, &mut meter)),
        };
        let kept = filled.clone();
        let outcome = outcome
            .and_then(|()| self.change(what, volume, move |session, volume| session.replace(volume, &kept)));
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
        let kept =
            self.change(what, volume, move |session, volume| session.stage(volume, BROUGHT, size_bytes))?;
        let outcome = self.fill(what, &kept.image, pieces, meter);
        let outcome = outcome.and_then(|()| {
            super::convert::convert(&self.inner.settings, what, volume, (&source, &kept, filled), meter)
        });
        self.clear(volume, kept, outcome)
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

    fn copy_whole(
        &self,
        what: &str,
        from: &VolumePath,
        to: &VolumePath,
        watch: &dyn Watch,
    ) -> Result<(), Error> {
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
            let road = self.road(what);
            let mut pieces = road.pieces_of(image, size_bytes);
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
        self.road(&what).drain(image, size_bytes, (sink, &mut meter))
    }

    fn copy(&self, from: &VolumePath, to: &VolumePath, watch: &dyn Watch) -> Result<(), Error> {
        self.copy_whole(&format!("copy {from} to {to}"), from, to, watch)
    }

    fn sweep(&self, pool: &PoolName) -> Result<usize, Error> {
        self.change_pool(&format!("sweep {pool}"), pool, |session, pool| session.sweep(pool))
    }
}
