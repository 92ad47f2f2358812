//! The API's side of a connection: one request at a time, its answer read part by part.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::connection::{Broken, Connection};
use crate::frame::{BadFrame, Frame};
use crate::message::{Header, Request, VERSIONS};
use crate::transport::{Hangup, Identity, Transport, connect_tls};

mod bringing;
mod trust;

pub use bringing::Bringing;

/// How long a client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection with its hello, and for the first frame of an answer.
    pub answer: Duration,
    /// For each frame after that. The node sends one at least every five seconds, if only to say that it is there.
    pub next: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { answer: Duration::from_secs(2), next: Duration::from_secs(15) }
    }
}

/// Why there is no answer, or no more of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody listens there.
    #[error("the node cannot be reached at {at}: {why}")]
    Unreachable {
        /// The address.
        at: String,
        /// What the kernel says.
        why: String,
    },
    /// It did not answer in time.
    #[error("the node did not answer within {wait_ms} ms")]
    Silent {
        /// How long it was given.
        wait_ms: u64,
    },
    /// It answered that it will not.
    #[error("{why}")]
    Refused {
        /// Its words.
        why: String,
    },
    /// It could not prove who it is, or does not believe who we are.
    #[error("the link to the node cannot be trusted: {why}")]
    Untrusted {
        /// Which of the two, and why.
        why: String,
    },
    /// It speaks another version.
    #[error("the node speaks versions {oldest} to {newest} of the link's protocol, and none of ours")]
    Version {
        /// Its oldest.
        oldest: u32,
        /// Its newest.
        newest: u32,
    },
    /// The connection ended in the middle.
    #[error("the connection to the node broke: {why}")]
    Broken {
        /// What was seen.
        why: String,
    },
}

/// A connection to a node.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    patience: Patience,
}

impl Client {
    /// Connects to the node on this machine.
    ///
    /// # Errors
    /// [`Error`]: nobody listens there, or what does is silent or speaks something else.
    pub fn connect_unix(path: &Path, patience: Patience) -> Result<Self, Error> {
        let unreachable = |error: std::io::Error| Error::Unreachable {
            at: path.display().to_string(),
            why: error.to_string(),
        };
        Self::over(Box::new(UnixStream::connect(path).map_err(unreachable)?), patience)
    }

    /// Connects to the node of this name on another machine, which has to prove that it is the one. Its addresses are
    /// tried in turn, all within the patience for an answer.
    ///
    /// # Errors
    /// [`Error`]: nobody listens there, one side does not believe the other, or what listens is silent or speaks
    /// something else.
    pub fn connect_tls(
        addresses: &[SocketAddr],
        node: &str,
        identity: &Identity,
        patience: Patience,
    ) -> Result<Self, Error> {
        let end = Instant::now() + patience.answer;
        let at = || match addresses {
            [] => node.to_owned(),
            [first, ..] => format!("{node} ({first})"),
        };
        let transport = connect_tls(addresses, node, identity, patience.answer).map_err(|error| {
            match Broken::from(error) {
                Broken::Late => Error::Silent { wait_ms: milliseconds(patience.answer) },
                Broken::Untrusted(error) => Error::Untrusted { why: trust::told(&error) },
                Broken::Io(error) => Error::Unreachable { at: at(), why: error.to_string() },
                other => Error::Unreachable { at: at(), why: other.to_string() },
            }
        })?;
        // A node that does not believe us says so after its own part of the handshake.
        Self::greet(transport, patience, end)
    }

    /// Greets the node at the other end of a stream.
    ///
    /// # Errors
    /// [`Error`]: it is silent, refuses, or speaks something else.
    pub fn over(transport: Box<dyn Transport>, patience: Patience) -> Result<Self, Error> {
        Self::greet(transport, patience, Instant::now() + patience.answer)
    }

    fn greet(transport: Box<dyn Transport>, patience: Patience, end: Instant) -> Result<Self, Error> {
        let mut client = Self { connection: Connection::new(transport), patience };
        client.send(Header::Hello { versions: VERSIONS })?;
        let hello = client.connection.receive(end.saturating_duration_since(Instant::now()));
        match hello.map_err(|broken| seen(broken, patience.answer))?.header {
            Header::Hello { versions } if VERSIONS.common(versions).is_some() => Ok(client),
            Header::Hello { versions } => {
                Err(Error::Version { oldest: versions.oldest, newest: versions.newest })
            }
            Header::Error { text } => Err(Error::Refused { why: text }),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks. The client is free for the next request when the answer has been read to its end.
    ///
    /// # Errors
    /// [`Error::Broken`] or [`Error::Silent`] when the request could not be sent.
    pub fn ask(&mut self, request: &Request) -> Result<Answer<'_>, Error> {
        self.send(Header::Request { request: request.clone() })?;
        let wait_max = self.patience.answer;
        Ok(Answer { client: self, wait_max, ended: false })
    }

    /// A way to end the connection from another thread, also while an answer is being read.
    ///
    /// # Errors
    /// [`Error::Broken`] when the connection is gone.
    pub fn hangup(&self) -> Result<Box<dyn Hangup>, Error> {
        self.connection.transport().hangup().map_err(|error| Error::Broken { why: error.to_string() })
    }

    fn send(&mut self, header: Header) -> Result<(), Error> {
        let wait_max = self.patience.answer;
        self.connection.send(&Frame::from(header), wait_max).map_err(|broken| seen(broken, wait_max))
    }

    fn receive(&mut self, wait_max: Duration) -> Result<Frame, Error> {
        self.connection.receive(wait_max).map_err(|broken| seen(broken, wait_max))
    }
}

/// An answer on its way.
#[derive(Debug)]
pub struct Answer<'a> {
    client: &'a mut Client,
    wait_max: Duration,
    ended: bool,
}

impl Answer<'_> {
    /// The next part of the answer; `None` when it is complete. Waits until the node sends one; as long as the node
    /// says that it is there, without end.
    ///
    /// # Errors
    /// [`Error`]: the answer ended before it was complete.
    pub fn part(&mut self) -> Result<Option<Vec<u8>>, Error> {
        while !self.ended {
            let frame = self.client.receive(self.wait_max)?;
            self.wait_max = self.client.patience.next;
            match frame.header {
                Header::Data => return Ok(Some(frame.body)),
                Header::Beat => {}
                Header::End => self.ended = true,
                Header::Error { text } => {
                    self.ended = true;
                    return Err(Error::Refused { why: text });
                }
                other => return Err(unexpected(&other)),
            }
        }
        Ok(None)
    }

    /// The whole answer, or as much of it as `bytes_max` allows.
    ///
    /// # Errors
    /// As [`Answer::part`]; and [`Error::Broken`] when it is longer.
    pub fn whole(mut self, bytes_max: usize) -> Result<Vec<u8>, Error> {
        let mut whole = Vec::new();
        while let Some(part) = self.part()? {
            whole.extend_from_slice(&part);
            if whole.len() > bytes_max {
                return Err(Error::Broken { why: format!("the answer is longer than {bytes_max} bytes") });
            }
        }
        Ok(whole)
    }
}

fn seen(broken: Broken, wait_max: Duration) -> Error {
    match broken {
        Broken::Late => Error::Silent { wait_ms: milliseconds(wait_max) },
        Broken::Untrusted(error) => Error::Untrusted { why: trust::told(&error) },
        Broken::Io(error) => Error::Broken { why: error.to_string() },
        Broken::BadFrame(BadFrame::BodyTooLong { bytes }) => {
            Error::Broken { why: format!("a frame of {bytes} bytes was announced") }
        }
        other => Error::Broken { why: other.to_string() },
    }
}

fn milliseconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

fn unexpected(header: &Header) -> Error {
    Error::Broken { why: format!("the node sent {header:?} out of turn") }
}
