//! Bringing something to a node: its bytes part by part, never more of them on their way than the node takes.

use super::{Client, Error, seen, unexpected};
use crate::frame::BODY_BYTES_MAX;
use crate::message::{Header, Request};
use crate::server::WINDOW_BYTES;

/// How many windows are on their way at once: while the node takes one, the next ones come.
const WINDOWS_MAX: u64 = 4;

/// Something on its way to a node.
#[derive(Debug)]
pub struct Bringing<'a> {
    client: &'a mut Client,
    sent_bytes: u64,
    taken_bytes: u64,
}

impl Client {
    /// Begins to bring what the request announces. Returns when the node is ready to take it.
    ///
    /// # Errors
    /// [`Error`]: the node will not take it, or cannot be asked.
    pub fn bring(&mut self, request: &Request) -> Result<Bringing<'_>, Error> {
        self.send(Header::Request { request: request.clone() })?;
        let mut bringing = Bringing { client: self, sent_bytes: 0, taken_bytes: 0 };
        bringing.hear()?;
        Ok(bringing)
    }
}

impl Bringing<'_> {
    /// Sends a part. Waits while the node has not taken enough of what was sent before.
    ///
    /// # Errors
    /// [`Error`]: the node takes no more, or is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for part in bytes.chunks(BODY_BYTES_MAX) {
            while self.sent_bytes - self.taken_bytes >= WINDOWS_MAX * WINDOW_BYTES {
                self.hear()?;
            }
            self.put(&Header::Data, part)?;
            self.sent_bytes += part.len() as u64;
        }
        Ok(())
    }

    /// Says that this was all, and waits until the node has it.
    ///
    /// # Errors
    /// [`Error`]: the node does not have all of it.
    pub fn end(mut self) -> Result<(), Error> {
        self.put(&Header::End, &[])?;
        while self.hear()? == Heard::More {}
        Ok(())
    }

    /// Says that the rest does not come.
    pub fn give_up(mut self, why: &str) {
        // Without it the node sees that the connection ends, which means the same.
        drop(self.put(&Header::Error { text: why.chars().take(1000).collect() }, &[]));
    }

    fn put(&mut self, header: &Header, body: &[u8]) -> Result<(), Error> {
        let wait_max = self.client.patience.next;
        let sent = self.client.connection.send_parts(header, body, wait_max);
        // A node that hangs up has said why before.
        sent.map_err(|broken| self.last_words().unwrap_or_else(|| seen(broken, wait_max)))
    }

    fn last_words(&mut self) -> Option<Error> {
        loop {
            match self.hear() {
                Ok(Heard::More) => {}
                Ok(Heard::All) => return None,
                Err(error) => return matches!(error, Error::Refused { .. }).then_some(error),
            }
        }
    }

    /// What the node says next.
    fn hear(&mut self) -> Result<Heard, Error> {
        match self.client.receive(self.client.patience.next)?.header {
            Header::Taken { bytes } => {
                self.taken_bytes = bytes.min(self.sent_bytes);
                Ok(Heard::More)
            }
            Header::Beat => Ok(Heard::More),
            Header::End => Ok(Heard::All),
            Header::Error { text } => Err(Error::Refused { why: text }),
            other => Err(unexpected(&other)),
        }
    }
}

/// What a node says of what it is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// It has not got all of it yet.
    More,
    /// It has.
    All,
}
