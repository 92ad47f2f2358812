//! What all transfers have in common: pieces, progress, and what is said when too much or too little comes.

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use logic::storage::VolumePath;

use super::error::Refusal;
use super::{Cause, Error, Format, Onward, Upload, Watch};

/// How much is moved at once: an object of Ceph's.
pub(super) const PIECE_BYTES: usize = 4 << 20;

/// How far a transfer is.
pub(super) struct Meter<'a> {
    what: &'a str,
    watch: &'a dyn Watch,
    moved_bytes: u64,
    total_bytes: u64,
}

impl<'a> Meter<'a> {
    pub(super) fn new(what: &'a str, watch: &'a dyn Watch, total_bytes: u64) -> Self {
        Self { what, watch, moved_bytes: 0, total_bytes }
    }

    pub(super) fn moved_bytes(&self) -> u64 {
        self.moved_bytes
    }

    /// So much more was moved. The error is that it shall end here.
    pub(super) fn add(&mut self, count: usize) -> Result<(), Error> {
        self.moved_bytes += count as u64;
        match self.watch.moved(self.moved_bytes, self.total_bytes) {
            Onward::Yes => Ok(()),
            Onward::No => Err(Error::refused(self.what, Refusal::ended())),
        }
    }

    /// Whether it shall go on, while something is done that moves nothing by itself.
    pub(super) fn goes_on(&self) -> bool {
        self.watch.moved(self.moved_bytes, self.total_bytes) == Onward::Yes
    }

    /// The sink does not take it.
    pub(super) fn sink_failed(&self, error: &std::io::Error) -> Error {
        let why = format!("what was read could not be passed on: {error}");
        Error::refused(self.what, Refusal::new(Cause::Ended, why, "begin it again"))
    }
}

/// What was said of an upload before its first byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    pub(super) size_bytes: u64,
    pub(super) format: Format,
}

impl Upload<'_> {
    pub(super) fn announced(&self) -> Announced {
        Announced { size_bytes: self.size_bytes, format: self.format }
    }
}

/// Whether what was announced fits into the volume. Other formats say only inside how large they are.
pub(super) fn announced(upload: Announced, volume: &VolumePath, size_bytes: u64) -> Result<(), Refusal> {
    match upload.format {
        Format::Raw if upload.size_bytes > size_bytes => Err(Refusal::too_large(volume, size_bytes)),
        _ if upload.size_bytes == 0 => Err(Refusal::empty()),
        _ => Ok(()),
    }
}

/// Whether a piece is nothing but zeroes. Compared in blocks, because this is quick without optimisation too.
pub(super) fn is_zero(piece: &[u8]) -> bool {
    const ZEROES: [u8; 4096] = [0; 4096];
    piece.chunks(ZEROES.len()).all(|block| *block == ZEROES[..block.len()])
}

/// Reads the next piece of what is brought: full, unless it is the last; zero at the end. The error is that it breaks
/// off, or is more than was announced.
pub(super) fn read_piece(
    what: &str,
    upload: &mut Upload<'_>,
    piece: &mut [u8],
    came_bytes: u64,
) -> Result<usize, Error> {
    let mut count = 0;
    while count < piece.len() {
        match upload.source.read(&mut piece[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                let why = format!("what was brought broke off: {error}");
                return Err(Error::refused(what, Refusal::new(Cause::Content, why, "upload it again")));
            }
        }
    }
    let came_bytes = came_bytes + count as u64;
    if came_bytes > upload.size_bytes {
        return Err(Error::refused(what, Refusal::too_long(upload.size_bytes)));
    }
    if count < piece.len() && came_bytes < upload.size_bytes {
        return Err(Error::refused(what, Refusal::too_short(came_bytes, upload.size_bytes)));
    }
    Ok(count)
}

/// The pieces of what is brought.
pub(super) fn brought<'a>(
    what: &'a str,
    upload: &'a mut Upload<'_>,
) -> impl FnMut() -> Result<Option<Vec<u8>>, Error> {
    let mut came_bytes = 0;
    move || {
        let mut piece = vec![0; PIECE_BYTES];
        let count = read_piece(what, upload, &mut piece, came_bytes)?;
        came_bytes += count as u64;
        piece.truncate(count);
        Ok((count > 0).then_some(piece))
    }
}

/// Something that pieces are read from and written to; many at once. The error is a number, as in `errno.h`.
pub(super) trait Store: Send + Sync + 'static {
    /// Fills the piece from there on.
    fn read_at(&self, offset: u64, piece: &mut [u8]) -> Result<(), i32>;
    /// Writes all of the piece there.
    fn write_at(&self, offset: u64, piece: &[u8]) -> Result<(), i32>;
}

/// A piece that was not moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unmoved {
    /// Why, as in `errno.h`.
    pub(super) code: i32,
    /// After how long that was said.
    pub(super) after: Duration,
}

/// Moves a piece.
fn moved<T>(act: impl FnOnce() -> Result<T, i32>) -> Result<T, Unmoved> {
    let began = Instant::now();
    act().map_err(|code| Unmoved { code, after: began.elapsed() })
}

/// Where pieces come from: the next, or none at the end.
pub(super) type Pieces<'a> = &'a mut dyn FnMut() -> Result<Option<Vec<u8>>, Error>;

/// How a transfer goes: for how long nothing may move, and what is said when it fails.
pub(super) struct Road<'a> {
    pub(super) what: &'a str,
    pub(super) stall: Duration,
    /// What the caller is told of a piece that was not moved.
    pub(super) told: Box<dyn Fn(Unmoved) -> Error + 'a>,
}

impl Road<'_> {
    /// Writes the pieces that come, so many at once; zeroes are left out, for what is filled is fresh. When this
    /// returns, nothing is written any more, unless the store hangs.
    pub(super) fn fill(
        &self,
        store: &Arc<dyn Store>,
        writers: usize,
        pieces: Pieces<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<(), Error> {
        let mut writers = Writers::of(store, writers);
        let outcome = self.pump(&mut writers, pieces, meter);
        writers.end(self.stall);
        outcome
    }

    fn pump(&self, writers: &mut Writers, pieces: Pieces<'_>, meter: &mut Meter<'_>) -> Result<(), Error> {
        let mut offset = 0;
        let written = |writers: &mut Writers, meter: &mut Meter<'_>| match writers.written(self.stall) {
            Some(Ok(count)) => meter.add(count),
            Some(Err(unmoved)) => Err((self.told)(unmoved)),
            None => Err(Error::silent(self.what, self.stall)),
        };
        while let Some(piece) = pieces()? {
            let length = piece.len();
            if is_zero(&piece) {
                meter.add(length)?;
            } else {
                writers.hand(offset, piece);
            }
            offset += length as u64;
            while writers.under_way >= writers.count {
                written(writers, meter)?;
            }
        }
        while writers.under_way > 0 {
            written(writers, meter)?;
        }
        Ok(())
    }

    /// The pieces of a store, read ahead.
    pub(super) fn pieces_of(
        &self,
        store: impl Store,
        size_bytes: u64,
    ) -> impl FnMut() -> Result<Option<Vec<u8>>, Error> {
        let pieces = reader(store, size_bytes);
        move || match pieces.recv_timeout(self.stall) {
            Ok(piece) => piece.map(Some).map_err(&self.told),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(Error::silent(self.what, self.stall)),
        }
    }

    /// Passes a store on.
    pub(super) fn drain(
        &self,
        store: impl Store,
        size_bytes: u64,
        (sink, meter): (&mut dyn Write, &mut Meter<'_>),
    ) -> Result<(), Error> {
        let mut pieces = self.pieces_of(store, size_bytes);
        while let Some(piece) = pieces()? {
            sink.write_all(&piece).map_err(|error| meter.sink_failed(&error))?;
            meter.add(piece.len())?;
        }
        Ok(())
    }
}

/// Writes pieces on threads of its own, some at once.
struct Writers {
    jobs: Option<Sender<(u64, Vec<u8>)>>,
    results: Receiver<Result<usize, Unmoved>>,
    under_way: usize,
    count: usize,
}

impl Writers {
    fn of(store: &Arc<dyn Store>, count: usize) -> Self {
        let (jobs, taken) = channel::<(u64, Vec<u8>)>();
        let (done, results) = channel();
        let taken = Arc::new(Mutex::new(taken));
        for _ in 0..count {
            let (store, taken, done) = (Arc::clone(store), Arc::clone(&taken), done.clone());
            let write = move || {
                loop {
                    let job = taken.lock().ok().and_then(|taken| taken.recv().ok());
                    let Some((offset, piece)) = job else { return };
                    let outcome = moved(|| store.write_at(offset, &piece).map(|()| piece.len()));
                    if done.send(outcome).is_err() {
                        return;
                    }
                }
            };
            let _ = std::thread::Builder::new().name("storage-write".into()).spawn(write);
        }
        Self { jobs: Some(jobs), results, under_way: 0, count }
    }

    /// Hands a piece to a writer. What no writer takes is noticed as a stall.
    fn hand(&mut self, offset: u64, piece: Vec<u8>) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send((offset, piece));
            self.under_way += 1;
        }
    }

    /// Waits for the next piece that is written; `None` when it takes too long.
    fn written(&mut self, stall: Duration) -> Option<Result<usize, Unmoved>> {
        let outcome = self.results.recv_timeout(stall).ok()?;
        self.under_way -= 1;
        Some(outcome)
    }

    /// Waits until all writers have gone, and let go of the store.
    fn end(mut self, stall: Duration) {
        self.jobs = None;
        while self.results.recv_timeout(stall).is_ok() {}
    }
}

/// Reads a store piece by piece, some ahead.
fn reader(store: impl Store, size_bytes: u64) -> Receiver<Result<Vec<u8>, Unmoved>> {
    let (sender, pieces) = sync_channel(2);
    let read = move || {
        let mut offset = 0;
        while offset < size_bytes {
            let length = usize::try_from(size_bytes - offset).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let mut piece = vec![0; length];
            let outcome = moved(|| store.read_at(offset, &mut piece)).map(|()| piece);
            if sender.send(outcome).is_err() {
                return;
            }
            offset += length as u64;
        }
    };
    let _ = std::thread::Builder::new().name("storage-read".into()).spawn(read);
    pieces
}
