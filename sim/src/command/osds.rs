//! Orders about OSDs: what is asked of them, and what befalls the devices that bear them.

use std::fmt;

use anyhow::Result;
use logic::id::NodeName;
use logic::storage::osd::work::Care;
use logic::storage::osd::{DeviceChoice, OsdFlag, OsdId};

/// What an operator asks of OSDs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the commands of `pvc` are")]
pub enum OsdAsk {
    Add { node: NodeName, device: DeviceChoice, count: u32 },
    Replace { osd: OsdId, device: DeviceChoice },
    Refresh { osd: OsdId, device: DeviceChoice },
    Remove { osd: OsdId, care: Care },
    AddDb { node: NodeName, device: DeviceChoice },
    MarkIn { osd: OsdId },
    MarkOut { osd: OsdId },
    SetFlag { flag: OsdFlag },
    UnsetFlag { flag: OsdFlag },
}

/// What befalls a machine's devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It has an empty one more.
    New(String),
    /// Somebody puts something on one.
    Filled(String),
    /// One is gone, with what it bore.
    Lost(String),
    /// All OSDs that the machine runs end, as when its power goes.
    Halted,
    /// The machine is built anew: it knows nothing of what its devices bear.
    Rebuilt,
    /// The next changes of them fail.
    Fails(u32),
}

/// What is asked of OSDs by some words; `None` when they are about something else.
pub(super) fn parse_ask(words: &[&str]) -> Result<Option<OsdAsk>> {
    Ok(Some(match *words {
        ["osd-add", node, device, count] => {
            OsdAsk::Add { node: node.parse()?, device: device.parse()?, count: count.parse()? }
        }
        ["osd-replace", osd, device] => OsdAsk::Replace { osd: osd.parse()?, device: device.parse()? },
        ["osd-refresh", osd, device] => OsdAsk::Refresh { osd: osd.parse()?, device: device.parse()? },
        ["osd-remove", osd, ref force @ ..] => {
            let care = if *force == ["force"] { Care::Forced } else { Care::Safe };
            OsdAsk::Remove { osd: osd.parse()?, care }
        }
        ["osd-db", node, device] => OsdAsk::AddDb { node: node.parse()?, device: device.parse()? },
        ["osd-in", osd] => OsdAsk::MarkIn { osd: osd.parse()? },
        ["osd-out", osd] => OsdAsk::MarkOut { osd: osd.parse()? },
        ["osd-set", flag] => OsdAsk::SetFlag { flag: flag.parse()? },
        ["osd-unset", flag] => OsdAsk::UnsetFlag { flag: flag.parse()? },
        _ => return Ok(None),
    }))
}

/// What befalls devices by some words; `None` when they are about something else.
pub(super) fn parse_fate(words: &[&str]) -> Result<Option<(NodeName, Fate)>> {
    let (node, fate) = match *words {
        ["device", node, "new", path] => (node, Fate::New(path.into())),
        ["device", node, "filled", path] => (node, Fate::Filled(path.into())),
        ["device", node, "lost", path] => (node, Fate::Lost(path.into())),
        ["device", node, "halted"] => (node, Fate::Halted),
        ["device", node, "rebuilt"] => (node, Fate::Rebuilt),
        ["device", node, "fails", count] => (node, Fate::Fails(count.parse()?)),
        _ => return Ok(None),
    };
    Ok(Some((node.parse()?, fate)))
}

impl fmt::Display for OsdAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { node, device, count } => write!(f, "osd-add {node} {device} {count}"),
            Self::Replace { osd, device } => write!(f, "osd-replace {osd} {device}"),
            Self::Refresh { osd, device } => write!(f, "osd-refresh {osd} {device}"),
            Self::Remove { osd, care: Care::Safe } => write!(f, "osd-remove {osd}"),
            Self::Remove { osd, care: Care::Forced } => write!(f, "osd-remove {osd} force"),
            Self::AddDb { node, device } => write!(f, "osd-db {node} {device}"),
            Self::MarkIn { osd } => write!(f, "osd-in {osd}"),
            Self::MarkOut { osd } => write!(f, "osd-out {osd}"),
            Self::SetFlag { flag } => write!(f, "osd-set {}", flag.as_str()),
            Self::UnsetFlag { flag } => write!(f, "osd-unset {}", flag.as_str()),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(path) => write!(f, "new {path}"),
            Self::Filled(path) => write!(f, "filled {path}"),
            Self::Lost(path) => write!(f, "lost {path}"),
            Self::Halted => write!(f, "halted"),
            Self::Rebuilt => write!(f, "rebuilt"),
            Self::Fails(count) => write!(f, "fails {count}"),
        }
    }
}
