//! How fast each link is, as its driver tells by way of the kernel's ethtool interface.

use std::collections::BTreeMap;

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NLA_F_NESTED, NLA_TYPE_MASK, Nla, NlasIterator, Parseable,
    ParseableParametrized,
};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use nix::errno::Errno;

use super::ask::{Conversation, Failure};

/// The command that lists the modes of all links.
const LIST_MODES: u8 = 4;
const VERSION: u8 = 1;

/// The attributes of an answer, and of its header.
const HEADER: u16 = 1;
const SPEED: u16 = 5;
const HEADER_INDEX: u16 = 1;

/// What a driver says that does not know.
const UNKNOWN: u32 = u32::MAX;

/// The speed in Mbit/s by link's index; of those whose drivers know one.
pub(super) fn speeds(conversation: &mut Conversation) -> Result<BTreeMap<u32, u32>, Failure> {
    let family = match family(conversation) {
        // A kernel without it has no speeds.
        Err(failure) if failure.errno() == Some(Errno::ENOENT) => return Ok(BTreeMap::new()),
        family => family?,
    };
    let header = DefaultNla::new(HEADER | NLA_F_NESTED, Vec::new());
    let mut request = GenlMessage::from_payload(Modes(vec![header]));
    request.set_resolved_family_id(family);
    let answers = conversation.dump(&request)?;
    Ok(answers.iter().filter_map(|answer| answer.payload.speed()).collect())
}

/// The number that the kernel gave to ethtool since it runs.
fn family(conversation: &mut Conversation) -> Result<u16, Failure> {
    let name = GenlCtrlAttrs::FamilyName(Modes::family_name().to_owned());
    let request = GenlMessage::from_payload(GenlCtrl { cmd: GenlCtrlCmd::GetFamily, nlas: vec![name] });
    let answers = conversation.request(&request, 0)?;
    let id = answers.iter().flat_map(|answer| &answer.payload.nlas).find_map(|attribute| match attribute {
        GenlCtrlAttrs::FamilyId(id) => Some(*id),
        _ => None,
    });
    id.ok_or_else(|| Failure::Garbled("ethtool has no number".into()))
}

/// A request for the modes of links, or what is told of one.
#[derive(Clone, Debug)]
struct Modes(Vec<DefaultNla>);

impl Modes {
    /// The link's index and its speed.
    fn speed(&self) -> Option<(u32, u32)> {
        let header = value(&self.0, HEADER)?;
        let index = NlasIterator::new(&header[..]).flatten().find(|part| part.kind() == HEADER_INDEX)?;
        let speed = number(&value(&self.0, SPEED)?)?;
        (speed != UNKNOWN && speed != 0).then_some((number(index.value())?, speed))
    }
}

fn value(attributes: &[DefaultNla], kind: u16) -> Option<Vec<u8>> {
    let attribute = attributes.iter().find(|part| part.kind() & NLA_TYPE_MASK == kind)?;
    let mut value = vec![0; attribute.value_len()];
    attribute.emit_value(&mut value);
    Some(value)
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

impl GenlFamily for Modes {
    fn family_name() -> &'static str {
        "ethtool"
    }

    fn command(&self) -> u8 {
        LIST_MODES
    }

    fn version(&self) -> u8 {
        VERSION
    }
}

impl Emitable for Modes {
    fn buffer_len(&self) -> usize {
        self.0.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.0.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Modes {
    fn parse_with_param(bytes: &[u8], _: GenlHeader) -> Result<Self, DecodeError> {
        let attributes: Result<_, _> =
            NlasIterator::new(bytes).map(|part| DefaultNla::parse(&part?)).collect();
        attributes.map(Self)
    }
}
