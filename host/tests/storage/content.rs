//! What the laws bring into volumes, and the ways in which it comes or breaks off.

use std::io::{self, Read};
use std::sync::Mutex;

use host::storage::{Error, Format, Onward, Storage, Upload, Watch};
use logic::storage::VolumePath;

/// The size of most volumes of the laws.
pub(crate) const SIZE_BYTES: u64 = 4 << 20;

/// Bytes that differ from place to place and from seed to seed, with wide gaps of zeroes.
pub(crate) fn content(seed: u64, size_bytes: u64) -> Vec<u8> {
    let piece = |place: u64| {
        let is_gap = (place >> 15) % 3 == seed % 3;
        let mixed = (place ^ (seed << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if is_gap { [0; 8] } else { mixed.to_be_bytes() }
    };
    let mut content: Vec<u8> = (0..size_bytes.div_ceil(8)).flat_map(piece).collect();
    content.truncate(usize::try_from(size_bytes).unwrap());
    content
}

/// The same, with zeroes up to the size of a volume.
pub(crate) fn padded(mut content: Vec<u8>, size_bytes: u64) -> Vec<u8> {
    content.resize(usize::try_from(size_bytes).unwrap(), 0);
    content
}

/// Nobody watches.
pub(crate) struct Unwatched;

impl Watch for Unwatched {
    fn moved(&self, _: u64, _: u64) -> Onward {
        Onward::Yes
    }
}

/// Writes down what was told, and ends the transfer after so many bytes.
#[derive(Default)]
pub(crate) struct Watcher {
    pub(crate) told: Mutex<Vec<(u64, u64)>>,
    pub(crate) end_after_bytes: Option<u64>,
}

impl Watch for Watcher {
    fn moved(&self, done_bytes: u64, total_bytes: u64) -> Onward {
        self.told.lock().unwrap().push((done_bytes, total_bytes));
        match self.end_after_bytes {
            Some(end) if done_bytes >= end => Onward::No,
            _ => Onward::Yes,
        }
    }
}

/// Gives what it has and then breaks off.
pub(crate) struct BreaksOff(pub(crate) io::Cursor<Vec<u8>>);

impl Read for BreaksOff {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::Error::new(io::ErrorKind::ConnectionReset, "the cable was pulled")),
            count => Ok(count),
        }
    }
}

/// Does something when so much of it was read.
pub(crate) struct Acts {
    pub(crate) source: io::Cursor<Vec<u8>>,
    pub(crate) at_bytes: u64,
    pub(crate) act: Option<Box<dyn FnOnce() + Send>>,
}

impl Read for Acts {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.source.position() >= self.at_bytes {
            self.act.take().into_iter().for_each(|act| act());
        }
        self.source.read(into)
    }
}

pub(crate) fn upload_from(
    storage: &dyn Storage,
    volume: &VolumePath,
    source: &mut (dyn Read + Send),
    size_bytes: u64,
) -> Result<(), Error> {
    storage.upload(volume, Upload { source, size_bytes, format: Format::Raw }, &Unwatched)
}

pub(crate) fn upload(storage: &dyn Storage, volume: &VolumePath, content: &[u8]) -> Result<(), Error> {
    upload_from(storage, volume, &mut &*content, content.len() as u64)
}

pub(crate) fn download(storage: &dyn Storage, volume: &VolumePath) -> Vec<u8> {
    let mut content = Vec::new();
    storage.download(volume, &mut content, &Unwatched).unwrap();
    content
}

/// Fails without printing megabytes.
#[track_caller]
pub(crate) fn assert_same(found: &[u8], wanted: &[u8]) {
    assert_eq!(found.len(), wanted.len(), "another size");
    // The whole is compared at once, because this is quick without optimisation too.
    if found != wanted {
        let differs = found.iter().zip(wanted).position(|(found, wanted)| found != wanted);
        panic!("it differs from byte {differs:?} on");
    }
}
