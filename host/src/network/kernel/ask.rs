//! One conversation with the kernel over a netlink socket: a request, its answers, and the kernel's own words where it
//! refuses.

use std::fmt::Debug;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
    NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable, NlasIterator,
};
use netlink_sys::protocols::{NETLINK_GENERIC, NETLINK_ROUTE};
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The bytes of a message's header, which a refusal repeats before it says more.
const HEADER_BYTES: usize = 16;

/// The attribute of a refusal that holds the kernel's words.
const WORDS: u16 = 1;

/// Why a request was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The deadline passed.
    #[error("the deadline has passed")]
    Late,
    /// The kernel refused.
    #[error("{}{}", errno.desc(), if words.is_empty() { String::new() } else { format!(" ({words})") })]
    Refused { errno: Errno, words: String },
    /// A system call on the way there failed.
    #[error("{}", errno.desc())]
    System { errno: Errno },
    /// The kernel said what nobody understands.
    #[error("the kernel's answer was not understood: {0}")]
    Garbled(String),
}

impl Failure {
    pub(super) fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } | Self::System { errno } => Some(*errno),
            Self::Late | Self::Garbled(_) => None,
        }
    }

    /// What to do about it, for the operator.
    pub(super) fn remedy(&self) -> &'static str {
        match self.errno() {
            Some(Errno::EPERM) => "run the daemon as root, or with CAP_NET_ADMIN and CAP_NET_RAW",
            Some(Errno::EACCES) => "see whether IPv6 is switched off there, by disable_ipv6",
            Some(Errno::ENODEV | Errno::ENXIO) => "correct the name in pvc.toml, or plug it in",
            Some(Errno::ENETUNREACH | Errno::EHOSTUNREACH) => {
                "give the link an address in the gateway's network, or correct the gateway in pvc.toml"
            }
            Some(Errno::ENETDOWN) => "bring the link up first",
            Some(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT) => "load the module of the kernel that it needs",
            Some(Errno::EBUSY) => "see with `ip -d link` what uses it",
            Some(Errno::EINVAL | Errno::ERANGE) => "correct the value in pvc.toml",
            _ => "see the kernel's log",
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Errno::from_raw(error.raw_os_error().unwrap_or_default()).into()
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::System { errno }
    }
}

/// A socket to one part of the kernel, until a deadline.
#[derive(Debug)]
pub(super) struct Conversation {
    socket: Socket,
    until: Instant,
    sequence_number: u32,
}

impl Conversation {
    /// About links, addresses and routes.
    pub(super) fn open_route(until: Instant) -> Result<Self, Failure> {
        Self::open(NETLINK_ROUTE, until)
    }

    /// About what has no protocol of its own.
    pub(super) fn open_generic(until: Instant) -> Result<Self, Failure> {
        Self::open(NETLINK_GENERIC, until)
    }

    fn open(protocol: isize, until: Instant) -> Result<Self, Failure> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // A refusal says why in words, and repeats the header of the request only.
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        Ok(Self { socket, until, sequence_number: 0 })
    }

    /// Asks for a whole table, and again where it changed while it was read.
    pub(super) fn dump<M>(&mut self, request: &M) -> Result<Vec<M>, Failure>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Clone + Debug,
    {
        loop {
            let (answers, interrupted) = self.ask(request, NLM_F_DUMP)?;
            if !interrupted {
                return Ok(answers);
            }
        }
    }

    /// Asks for one thing, or for a change.
    pub(super) fn request<M>(&mut self, request: &M, flags: u16) -> Result<Vec<M>, Failure>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Clone + Debug,
    {
        Ok(self.ask(request, NLM_F_ACK | flags)?.0)
    }

    /// The answers, and whether what was read changed meanwhile.
    fn ask<M>(&mut self, request: &M, flags: u16) -> Result<(Vec<M>, bool), Failure>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Clone + Debug,
    {
        // Whoever asked may have been told that this is late: then nothing more may happen.
        if Instant::now() >= self.until {
            return Err(Failure::Late);
        }
        self.sequence_number += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence_number;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request.clone()));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        self.answers()
    }

    fn answers<M: NetlinkDeserializable>(&mut self) -> Result<(Vec<M>, bool), Failure> {
        let mut answers = Vec::new();
        let mut interrupted = false;
        loop {
            self.wait()?;
            let (datagram, _) = self.socket.recv_from_full()?;
            for bytes in messages(&datagram)? {
                let Some(message) = parse::<M>(bytes)? else { continue };
                let (header, payload) = message.into_parts();
                if header.sequence_number != self.sequence_number {
                    continue;
                }
                interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
                match payload {
                    NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                    NetlinkPayload::Error(error) => {
                        return refusal(&error, header.flags).map_or(Ok((answers, interrupted)), Err);
                    }
                    NetlinkPayload::Done(done) if done.code < 0 => {
                        let errno = Errno::from_raw(-done.code);
                        return Err(Failure::Refused { errno, words: String::new() });
                    }
                    NetlinkPayload::Done(_) => return Ok((answers, interrupted)),
                    _ => {}
                }
            }
        }
    }

    /// Waits for an answer until the deadline.
    fn wait(&self) -> Result<(), Failure> {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Late);
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut sockets = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut sockets, timeout) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// The messages of a datagram, each with its header.
fn messages(datagram: &[u8]) -> Result<Vec<&[u8]>, Failure> {
    let mut messages = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let length = rest.first_chunk().map_or(0, |length| u32::from_ne_bytes(*length) as usize);
        if length < HEADER_BYTES || length > rest.len() {
            return Err(Failure::Garbled(format!("a message of {length} bytes in {}", rest.len())));
        }
        messages.push(&rest[..length]);
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    Ok(messages)
}

/// A message; `None` where it tells of something that this library does not understand, which is then as if unseen: one
/// odd device must not hide all others.
fn parse<M: NetlinkDeserializable>(bytes: &[u8]) -> Result<Option<NetlinkMessage<M>>, Failure> {
    match NetlinkMessage::deserialize(bytes) {
        Ok(message) => Ok(Some(message)),
        Err(error) if is_about_the_conversation(bytes) => Err(Failure::Garbled(error.to_string())),
        Err(error) => {
            tracing::warn!(%error, "something that the kernel tells of the networks is not understood");
            Ok(None)
        }
    }
}

/// Whether a message is one that ends or refuses a request; those of a protocol have higher numbers.
fn is_about_the_conversation(bytes: &[u8]) -> bool {
    bytes.get(4..6).is_none_or(|kind| u16::from_ne_bytes([kind[0], kind[1]]) < 16)
}

/// What an acknowledgement refuses; `None` where it does not.
fn refusal(error: &ErrorMessage, flags: u16) -> Option<Failure> {
    let errno = Errno::from_raw(-error.code?.get());
    let more = error.header.get(HEADER_BYTES..).filter(|_| flags & NLM_F_ACK_TLVS != 0).unwrap_or_default();
    let words = NlasIterator::new(more).flatten().find(|attribute| attribute.kind() == WORDS);
    let words = words.map_or_else(String::new, |attribute| {
        String::from_utf8_lossy(attribute.value()).trim_end_matches(['\0', '.']).to_owned()
    });
    Some(Failure::Refused { errno, words })
}

#[cfg(test)]
mod tests;
