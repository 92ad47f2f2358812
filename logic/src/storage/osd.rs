//! OSDs: each keeps a part of the storage's data on a device of a node, or on a part of one.
//!
//! An OSD has two names: the number that people use, which a replacement inherits, and an identity of its own, which is
//! written on its device. What is done on a node is done by identity, so that no other OSD is ever touched.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::size;
use crate::id::BadId;
use crate::limits::{DETECTED_DEVICES_MAX, DETECTED_SIZE_TOLERANCE_PERCENT, DEVICE_NAME_LENGTH_MAX};

pub mod accept;
pub mod change;
pub mod end;
pub mod record;
mod refusal;
pub mod revive;
pub mod work;

pub use refusal::OsdRefusal;

/// An OSD's number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OsdId(pub u32);

impl FromStr for OsdId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad =
            || BadId { what: "OSD", text: text.chars().take(64).collect(), why: "it is a number, such as 3" };
        // Ceph's numbers are signed.
        let number: u32 = text.strip_prefix("osd.").unwrap_or(text).parse().map_err(|_| bad())?;
        if i32::try_from(number).is_err() {
            return Err(bad());
        }
        Ok(Self(number))
    }
}

impl fmt::Display for OsdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for OsdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "osd.{}", self.0)
    }
}

/// An OSD's identity, which its device bears.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OsdUuid(pub Uuid);

impl FromStr for OsdUuid {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        Uuid::parse_str(text).map(Self).map_err(|_| BadId {
            what: "OSD UUID",
            text: text.chars().take(64).collect(),
            why: "a UUID has 32 hexadecimal digits",
        })
    }
}

impl fmt::Display for OsdUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for OsdUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A device of a node as it was asked for: by its path, or by what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// Such as `/dev/sdb`.
    Path(String),
    /// The one of this place, counted from zero, among those whose name contains this text, whatever its case, and whose
    /// size is about this: written as `detect:NAME:SIZE:INDEX`.
    Detect {
        /// What its vendor, model or kind contains.
        name: String,
        /// How large it is, as it was written.
        size: String,
        /// The same in bytes.
        size_bytes: u64,
        /// Which of them.
        index: u32,
    },
}

impl DeviceChoice {
    /// Whether a device of this name and size is one of those that are looked for; only for [`DeviceChoice::Detect`].
    pub fn fits(&self, described: &str, device_bytes: u64) -> bool {
        let Self::Detect { name, size_bytes, .. } = self else { return false };
        let apart = u128::from(size_bytes.abs_diff(device_bytes)) * 100;
        let may_be_apart = u128::from(*size_bytes) * u128::from(DETECTED_SIZE_TOLERANCE_PERCENT);
        described.to_lowercase().contains(&name.to_lowercase()) && apart <= may_be_apart
    }
}

impl FromStr for DeviceChoice {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad =
            |why| BadId { what: "device", text: text.chars().take(DEVICE_NAME_LENGTH_MAX).collect(), why };
        if text.len() > DEVICE_NAME_LENGTH_MAX {
            return Err(bad("it is too long"));
        }
        let Some(rest) = text.strip_prefix("detect:") else {
            let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.:+@".contains(c));
            if !text.starts_with("/dev/")
                || !is_plain
                || text.split('/').skip(1).any(|part| ["", ".", ".."].contains(&part))
            {
                return Err(bad("give a path such as /dev/sdb, or detect:NAME:SIZE:INDEX"));
            }
            return Ok(Self::Path(text.to_owned()));
        };
        let parts: Vec<&str> = rest.split(':').collect();
        let [name, size, index] = parts[..] else {
            return Err(bad("it is written as detect:NAME:SIZE:INDEX, such as detect:INTEL:800G:0"));
        };
        let size_bytes = detected_size(size).ok_or_else(|| bad("its size is no size, such as 800G"))?;
        let index: u32 = index.parse().map_err(|_| bad("its index is a number, counted from 0"))?;
        if name.trim().is_empty() {
            return Err(bad("its name is empty"));
        }
        if index >= DETECTED_DEVICES_MAX {
            return Err(bad("its index is greater than any machine has devices"));
        }
        Ok(Self::Detect { name: name.to_owned(), size: size.to_owned(), size_bytes, index })
    }
}

/// The size of a device as its maker counts it: in powers of 1000.
fn detected_size(text: &str) -> Option<u64> {
    let binary = text.to_ascii_uppercase().contains('I');
    if binary {
        return size::parse(text).ok();
    }
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len()));
    let power = match unit.to_ascii_uppercase().trim_end_matches('B') {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        _ => return None,
    };
    let (whole, part) = number.trim().split_once('.').unwrap_or((number.trim(), ""));
    if part.len() > 3 || !part.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let thousandths: u64 = format!("{part:0<3}").parse().ok()?;
    let unit_bytes = 1000_u64.checked_pow(power)?;
    let whole_bytes = whole.parse::<u64>().ok()?.checked_mul(unit_bytes)?;
    let bytes = whole_bytes.checked_add(unit_bytes.checked_mul(thousandths)? / 1000)?;
    (bytes > 0).then_some(bytes)
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Detect { name, size, index, .. } => write!(f, "detect:{name}:{size}:{index}"),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> String {
        choice.to_string()
    }
}

/// How large the volume for an OSD's database is, on the node's device for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DbSize {
    /// Such a part of the OSD's own device, in parts of a million.
    Ratio(u32),
    /// So many bytes.
    Bytes(u64),
}

impl DbSize {
    /// The size for an OSD of this size, in whole MiB.
    pub fn of(self, osd_bytes: u64) -> u64 {
        let bytes = match self {
            Self::Ratio(ppm) => {
                u64::try_from(u128::from(osd_bytes) * u128::from(ppm) / 1_000_000).unwrap_or(u64::MAX)
            }
            Self::Bytes(bytes) => bytes,
        };
        (bytes >> 20).max(1) << 20
    }
}

/// A flag of the whole storage that an operator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OsdFlag {
    /// No OSD comes up.
    Noup,
    /// No OSD is called down.
    Nodown,
    /// No OSD that is down is put out.
    Noout,
    /// No OSD is put in by itself.
    Noin,
    /// Nothing is copied to where it is missing.
    Nobackfill,
    /// Nothing is moved to where it belongs.
    Norebalance,
    /// Nothing is recovered.
    Norecover,
    /// Nothing is checked.
    Noscrub,
    /// Nothing is checked thoroughly.
    NodeepScrub,
    /// Caches are not emptied.
    Notieragent,
    /// No snapshot that was removed is cleared away.
    Nosnaptrim,
    /// Neither reads nor writes are served.
    Pause,
}

impl OsdFlag {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Noup,
        Self::Nodown,
        Self::Noout,
        Self::Noin,
        Self::Nobackfill,
        Self::Norebalance,
        Self::Norecover,
        Self::Noscrub,
        Self::NodeepScrub,
        Self::Notieragent,
        Self::Nosnaptrim,
        Self::Pause,
    ];

    /// Its name, in Ceph's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Noup => "noup",
            Self::Nodown => "nodown",
            Self::Noout => "noout",
            Self::Noin => "noin",
            Self::Nobackfill => "nobackfill",
            Self::Norebalance => "norebalance",
            Self::Norecover => "norecover",
            Self::Noscrub => "noscrub",
            Self::NodeepScrub => "nodeep-scrub",
            Self::Notieragent => "notieragent",
            Self::Nosnaptrim => "nosnaptrim",
            Self::Pause => "pause",
        }
    }

    /// The names of all, for whoever gave another.
    pub fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl FromStr for OsdFlag {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::ALL.into_iter().find(|flag| flag.as_str() == text).ok_or_else(|| BadId {
            what: "OSD property",
            text: text.chars().take(64).collect(),
            why: "it is one of noup, nodown, noout, noin, nobackfill, norebalance, norecover, noscrub, nodeep-scrub, \
                  notieragent, nosnaptrim and pause",
        })
    }
}

/// How much an OSD counts in the placement rules, in millionths; Ceph's unit is the TiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Weight(pub u64);

impl Weight {
    /// The weight of this number; `None` of one below zero or beyond all use.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is checked to be between 0 and 100000"
    )]
    pub fn of(number: f64) -> Option<Self> {
        (0.0..=100_000.0).contains(&number).then(|| Self((number * 1e6).round() as u64))
    }

    /// As Ceph takes it.
    pub fn text(self) -> String {
        format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests;
