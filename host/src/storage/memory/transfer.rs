//! Bulk transfers of the storage in memory: in pieces, so that they can be watched, ended and cut off.

use std::io::{Read as _, Write};

use logic::storage::VolumePath;

use super::{Client, Content, State};
use crate::storage::error::Refusal;
use crate::storage::transfer::{Meter, announced, read_piece};
use crate::storage::{Cause, Error, Format, Upload, Volumes as _, Watch};

/// How much is moved at once.
const PIECE_BYTES: usize = 64 << 10;

/// A transfer under way: cut off, it leaves something behind.
struct Staging<'a> {
    client: &'a Client,
    volume: &'a VolumePath,
    what: String,
    content: Content,
}

impl Staging<'_> {
    /// Takes the next piece in, unless the transfer is cut off here.
    fn take_in(&mut self, piece: &[u8]) -> Result<(), Error> {
        let offset = self.content.bytes.len();
        let until = (offset + piece.len()) as u64;
        self.client.look(&self.what, |state| {
            state.room(&self.volume.pool)?;
            match state.transfers_break_after_bytes {
                Some(bytes) if until > bytes => {
                    state.members_mut(&self.volume.pool)?.remains += 1;
                    Err(Refusal::new(Cause::Other, "the transfer was cut off", "begin it again"))
                }
                _ => Ok(()),
            }
        })?;
        self.content.write(offset, piece);
        Ok(())
    }
}

pub(super) fn upload(
    client: &Client,
    volume: &VolumePath,
    mut upload: Upload<'_>,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let what = format!("upload to {volume}");
    let size_bytes = client.change(&what, |state| {
        if upload.format != Format::Raw {
            let why = "this storage takes raw bytes alone";
            return Err(Refusal::new(Cause::Unfit, why, "convert it first"));
        }
        let size_bytes = may_be_replaced(state, volume)?;
        announced(upload.announced(), volume, size_bytes)?;
        Ok(size_bytes)
    })?;
    let mut meter = Meter::new(&what, watch, upload.size_bytes);
    let content = Content { size_bytes, bytes: Vec::new() };
    let mut staging = Staging { client, volume, what: what.clone(), content };
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = read_piece(&what, &mut upload, &mut piece, meter.moved_bytes())?;
        if count == 0 {
            break;
        }
        staging.take_in(&piece[..count])?;
        meter.add(count)?;
    }
    let content = staging.content;
    client.change(&what, |state| {
        may_be_replaced(state, volume)?;
        let image = state.image_mut(volume)?;
        image.now = content;
        image.clone_of = None;
        Ok(())
    })
}

pub(super) fn download(
    client: &Client,
    volume: &VolumePath,
    sink: &mut dyn Write,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let what = format!("download {volume}");
    let content = client.look(&what, |state| Ok(state.image(volume)?.now.clone()))?;
    let mut meter = Meter::new(&what, watch, content.size_bytes);
    let mut rest = content.bytes.as_slice().chain(std::io::repeat(0)).take(content.size_bytes);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = rest.read(&mut piece).expect("memory can be read");
        if count == 0 {
            return Ok(());
        }
        sink.write_all(&piece[..count]).map_err(|error| meter.sink_failed(&error))?;
        meter.add(count)?;
    }
}

pub(super) fn copy(
    client: &Client,
    from: &VolumePath,
    to: &VolumePath,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let what = format!("copy {from} to {to}");
    let content = client.change(&what, |state| {
        let content = state.image(from)?.now.clone();
        if state.is_there(to)? { Err(Refusal::exists(to)) } else { Ok(content) }
    })?;
    let mut meter = Meter::new(&what, watch, content.size_bytes);
    let fresh = Content { size_bytes: content.size_bytes, bytes: Vec::new() };
    let mut staging = Staging { client, volume: to, what: what.clone(), content: fresh };
    for piece in content.bytes.chunks(PIECE_BYTES) {
        staging.take_in(piece)?;
        meter.add(piece.len())?;
    }
    let copied = staging.content;
    client.change(&what, |state| match state.is_there(to)? {
        true => Err(Refusal::exists(to)),
        false => state.insert(to, copied, None),
    })?;
    client.volume(to).map(drop)
}

fn may_be_replaced(state: &State, volume: &VolumePath) -> Result<u64, Refusal> {
    let image = state.image(volume)?;
    state.idle(volume)?;
    match image.snapshots.len() {
        0 => Ok(image.now.size_bytes),
        count => Err(Refusal::has_snapshots(volume, count)),
    }
}
