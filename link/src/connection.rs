//! One end of a connection: frames out, frames in, each wait with an end.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::frame::{BadFrame, Decoder, Frame, encode};
use crate::message::Header;
use crate::transport::Transport;

/// How much is read at once, in bytes: as much as the last read has shown to be worth it. Whoever is brought much would
/// otherwise be woken for every small part of it, and who is not needs no room for more.
const READ_BYTES: usize = 32 << 10;
const READ_BYTES_MAX: usize = 256 << 10;

/// Why a frame could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("nothing came in time")]
    Late,
    #[error("the other side hung up")]
    HungUp,
    #[error("the stream failed")]
    Io(#[source] io::Error),
    #[error("what came cannot be understood: {0}")]
    BadFrame(BadFrame),
    #[error("one side does not believe the other: {0}")]
    Untrusted(rustls::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Late,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
                Self::HungUp
            }
            io::ErrorKind::InvalidData => match error.downcast() {
                Ok(error) => Self::Untrusted(error),
                Err(error) => Self::Io(error),
            },
            _ => Self::Io(error),
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Box<dyn Transport>,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(transport: Box<dyn Transport>) -> Self {
        Self { transport, decoder: Decoder::default(), buffer: vec![0; READ_BYTES] }
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// Sends one frame. Blocks while the other side does not read, for at most `wait_max` without progress.
    pub(crate) fn send(&mut self, frame: &Frame, wait_max: Duration) -> Result<(), Broken> {
        self.send_parts(&frame.header, &frame.body, wait_max)
    }

    /// Sends one frame of these parts, as [`Connection::send`].
    pub(crate) fn send_parts(
        &mut self,
        header: &Header,
        body: &[u8],
        wait_max: Duration,
    ) -> Result<(), Broken> {
        let bytes = encode(header, body).map_err(Broken::BadFrame)?;
        self.transport.bound_writes(wait_max)?;
        self.transport.write_all(&bytes)?;
        Ok(self.transport.flush()?)
    }

    /// The next frame. The whole of it must be there within `wait_max`.
    pub(crate) fn receive(&mut self, wait_max: Duration) -> Result<Frame, Broken> {
        let end = Instant::now() + wait_max;
        loop {
            if let Some(frame) = self.decoder.take().map_err(Broken::BadFrame)? {
                return Ok(frame);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Broken::Late);
            }
            self.transport.bound_reads(left)?;
            match self.transport.read(&mut self.buffer) {
                Ok(0) => return Err(Broken::HungUp),
                Ok(count) => {
                    self.decoder.feed(&self.buffer[..count]);
                    if count == self.buffer.len() && count < READ_BYTES_MAX {
                        self.buffer.resize(2 * count, 0);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
