//! A frame as bytes: two lengths, a JSON header and a raw body, both bounded.
//!
//! ```text
//! 0        4        8                8 + header         8 + header + body
//! +--------+--------+----------------+------------------+
//! | header | body   | header (JSON)  | body (raw bytes) |
//! | length | length |                |                  |
//! +--------+--------+----------------+------------------+
//! ```
//!
//! Lengths are big-endian. Bytes may arrive cut anywhere; a length beyond its bound is refused before anything of that
//! size is kept.

use crate::message::Header;

/// The longest header, in bytes.
pub const HEADER_BYTES_MAX: usize = 64 << 10;

/// The longest body, in bytes. More is sent as several frames.
pub const BODY_BYTES_MAX: usize = 256 << 10;

/// The bytes of the two lengths.
const PREFIX_BYTES: usize = 8;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub header: Header,
    /// What it carries; empty for most headers.
    pub body: Vec<u8>,
}

/// Why bytes are not a frame. Nothing that follows on the same stream can be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// The header is too long.
    #[error("a header of {bytes} bytes; {HEADER_BYTES_MAX} are allowed")]
    HeaderTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The body is too long.
    #[error("a body of {bytes} bytes; {BODY_BYTES_MAX} are allowed")]
    BodyTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The header is not one that is known.
    #[error("a header that cannot be understood: {why}")]
    UnknownHeader {
        /// What is wrong with it.
        why: String,
    },
}

impl From<Header> for Frame {
    fn from(header: Header) -> Self {
        Self { header, body: Vec::new() }
    }
}

impl Frame {
    /// The frame as bytes.
    ///
    /// # Errors
    /// [`BadFrame`] when a part is too long.
    pub fn encode(&self) -> Result<Vec<u8>, BadFrame> {
        encode(&self.header, &self.body)
    }
}

/// A frame of these parts as bytes.
pub(crate) fn encode(header: &Header, body: &[u8]) -> Result<Vec<u8>, BadFrame> {
    let header = serde_json::to_vec(header).expect("a header is plain data, with strings as its keys");
    let header_length = length(&header, HEADER_BYTES_MAX, |bytes| BadFrame::HeaderTooLong { bytes })?;
    let body_length = length(body, BODY_BYTES_MAX, |bytes| BadFrame::BodyTooLong { bytes })?;
    Ok([&header_length, &body_length, header.as_slice(), body].concat())
}

fn length(part: &[u8], bytes_max: usize, too_long: fn(usize) -> BadFrame) -> Result<[u8; 4], BadFrame> {
    let bounded = u32::try_from(part.len()).ok().filter(|_| part.len() <= bytes_max);
    bounded.map(u32::to_be_bytes).ok_or_else(|| too_long(part.len()))
}

/// Gathers bytes until they are frames. Keeps at most one frame and what was fed last.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// Adds bytes as they arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, or `None` until more bytes are fed.
    ///
    /// # Errors
    /// [`BadFrame`]; the stream cannot be used any further.
    pub fn take(&mut self) -> Result<Option<Frame>, BadFrame> {
        let rest = &self.bytes[self.taken..];
        let Some((prefix, rest)) = rest.split_at_checked(PREFIX_BYTES) else { return Ok(None) };
        let header_length = stated_length(&prefix[..4]);
        let body_length = stated_length(&prefix[4..]);
        if header_length > HEADER_BYTES_MAX {
            return Err(BadFrame::HeaderTooLong { bytes: header_length });
        }
        if body_length > BODY_BYTES_MAX {
            return Err(BadFrame::BodyTooLong { bytes: body_length });
        }
        let Some(frame) = rest.get(..header_length + body_length) else { return Ok(None) };
        let (header, body) = frame.split_at(header_length);
        let unknown = |error: serde_json::Error| BadFrame::UnknownHeader { why: error.to_string() };
        let frame = Frame { header: serde_json::from_slice(header).map_err(unknown)?, body: body.to_vec() };
        self.taken += PREFIX_BYTES + header_length + body_length;
        Ok(Some(frame))
    }
}

fn stated_length(bytes: &[u8]) -> usize {
    let length = u32::from_be_bytes(bytes.try_into().expect("a length has four bytes"));
    usize::try_from(length).expect("an address has at least 32 bits")
}

#[cfg(test)]
mod tests;
