//! Links: their names and hardware addresses, what is known of each, and what a bridge shall be.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::limits::LINK_NAME_BYTES_MAX;

/// The name of a link, such as `ens4` or `brcluster`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LinkName(String);

/// A name that no link can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a link: 1 to 15 bytes without space, slash or colon")]
pub struct InvalidName(String);

impl LinkName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = InvalidName;

    /// What the kernel takes for a name.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_odd = |c: char| c.is_whitespace() || matches!(c, '/' | ':' | '\0');
        let is_name = (1..=LINK_NAME_BYTES_MAX).contains(&text.len())
            && !matches!(text, "." | "..")
            && !text.contains(is_odd);
        if is_name { Ok(Self(text.to_owned())) } else { Err(InvalidName(text.to_owned())) }
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hardware address of Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// What a link is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// The machine itself.
    Loopback,
    /// Hardware, or what passes for it.
    Physical,
    /// A bridge made by software.
    Bridge,
    /// One VLAN of another link.
    Vlan,
    /// A tunnel to other machines.
    Vxlan,
    /// One end of a cable between two namespaces.
    Veth,
    /// One end of a cable to a guest.
    Tap,
    /// Anything else, by the kernel's name for it.
    Other(String),
}

/// Whether a link carries anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It was not brought up.
    Down,
    /// It was brought up, and there is nobody at the other end.
    NoCarrier,
    /// It was brought up and carries.
    Up,
}

/// A link as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: LinkName,
    /// Its number, unique for as long as the machine runs.
    pub index: u32,
    /// Its hardware address, where it is one of Ethernet.
    pub mac: Option<MacAddress>,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether it carries anything.
    pub state: LinkState,
    /// What it is made of.
    pub kind: LinkKind,
    /// The bridge or bond that it is a port of.
    pub master: Option<LinkName>,
}

/// What a bridge shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bridge {
    /// Its name. A new bridge takes the hardware address of its first port for good: one that changed with every guest's
    /// coming would lose the peers each time.
    pub name: LinkName,
    /// Its MTU in bytes, whatever its ports' are.
    pub mtu: u32,
    /// Links that shall be ports of it.
    pub ports: Vec<LinkName>,
}

#[cfg(test)]
mod tests;
