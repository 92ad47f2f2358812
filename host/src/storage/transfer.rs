//! What all transfers have in common: pieces, progress, and what is said when too much or too little comes.

use logic::storage::VolumePath;

use super::error::Refusal;
use super::{Cause, Error, Format, Onward, Upload, Watch};

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
