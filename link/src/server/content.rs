//! What a client brings, as a stream to read: with each window that was taken the client is told so, and sends on.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::{Shared, Written};
use crate::connection::{Broken, Connection};
use crate::frame::Frame;
use crate::message::Header;

/// How many bytes are taken before the client is told so.
pub const WINDOW_BYTES: u64 = 1 << 20;

/// How long what still comes is read and forgotten after it was refused, so that the client reads why.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How long each wait for a frame takes at most, so that a stop is seen.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What is left of the bytes that are on their way.
pub(super) struct Content<'a> {
    connection: &'a mut Connection,
    shared: &'a Shared,
    part: Vec<u8>,
    at: usize,
    taken_bytes: u64,
    told_bytes: Option<u64>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Coming,
    /// All of it has come.
    Whole,
    /// The rest does not come.
    Lost,
}

impl<'a> Content<'a> {
    pub(super) fn new(written: &'a mut Written<'_>) -> Self {
        let Written { connection, shared, .. } = written;
        let state = State::Coming;
        Self { connection, shared, part: Vec::new(), at: 0, taken_bytes: 0, told_bytes: None, state }
    }

    /// Tells the client why it is not taken, and reads on for a moment.
    pub(super) fn refuse(self, why: String) -> Result<(), Broken> {
        if self.state != State::Coming {
            return Ok(());
        }
        let frame = Frame::from(Header::Error { text: super::bounded(why) });
        self.connection.send(&frame, self.shared.limits.unread)?;
        let end = Instant::now() + DRAIN_MAX;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            match self.connection.receive(left)?.header {
                Header::End | Header::Error { .. } => break,
                _ => {}
            }
        }
        Ok(())
    }

    fn tell(&mut self) -> io::Result<()> {
        let is_due = self.told_bytes.is_none_or(|told| self.taken_bytes >= told + WINDOW_BYTES);
        if is_due {
            self.told_bytes = Some(self.taken_bytes);
            self.say(Header::Taken { bytes: self.taken_bytes })?;
        }
        Ok(())
    }

    fn say(&mut self, header: Header) -> io::Result<()> {
        let sent = self.connection.send(&Frame::from(header), self.shared.limits.unread);
        sent.map_err(|broken| self.lost(&broken.to_string()))
    }

    fn lost(&mut self, why: &str) -> io::Error {
        self.state = State::Lost;
        io::Error::new(io::ErrorKind::UnexpectedEof, format!("the rest does not come: {why}"))
    }

    /// The next frame with bytes in it; false at the end of all.
    fn next(&mut self) -> io::Result<bool> {
        let begun = Instant::now();
        loop {
            if self.shared.stopping() {
                return Err(self.lost("the node's daemon is stopping"));
            }
            let frame = match self.connection.receive(LOOK_INTERVAL) {
                Ok(frame) => frame,
                Err(Broken::Late) if begun.elapsed() < self.shared.limits.rest => continue,
                Err(broken) => return Err(self.lost(&broken.to_string())),
            };
            match frame.header {
                Header::Data if frame.body.is_empty() => {}
                Header::Data => {
                    (self.part, self.at) = (frame.body, 0);
                    return Ok(true);
                }
                Header::Beat => {}
                Header::End => {
                    self.state = State::Whole;
                    self.say(Header::End)?;
                    return Ok(false);
                }
                Header::Error { text } => return Err(self.lost(&text)),
                other => return Err(self.lost(&format!("{other:?} came out of turn"))),
            }
        }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state {
            State::Coming => {}
            State::Whole => return Ok(0),
            State::Lost => return Err(self.lost("it broke off")),
        }
        if self.at == self.part.len() {
            self.tell()?;
            if !self.next()? {
                return Ok(0);
            }
        }
        let count = buffer.len().min(self.part.len() - self.at);
        buffer[..count].copy_from_slice(&self.part[self.at..self.at + count]);
        self.at += count;
        self.taken_bytes += count as u64;
        Ok(count)
    }
}
