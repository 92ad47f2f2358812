//! A network's addresses: which belong to it, which a machine may have, and the one of a numbered node.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The addresses that share their leading bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    base: IpAddr,
    length: u8,
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSubnet {
    /// It is not an address, a slash and a length.
    #[error("\"{text}\" is no network such as 10.0.0.0/24 or fd00::/64")]
    Form {
        /// What was given.
        text: String,
    },
    /// There is no room for two machines.
    #[error(
        "\"{text}\" has no room for two machines: its prefix is 8 to 30 bits long for IPv4, 16 to 126 for IPv6"
    )]
    Length {
        /// What was given.
        text: String,
    },
    /// It is an address within a network.
    #[error("\"{text}\" is an address within the network {network}; write {network}")]
    Host {
        /// What was given.
        text: String,
        /// The network it lies in.
        network: Subnet,
    },
}

impl Subnet {
    /// How many leading bits are shared.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Whether an address belongs to it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.base.is_ipv4() && masked(ip, self.length) == self.base
    }

    /// Whether an address belongs to both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.base) || other.contains(self.base)
    }

    /// Whether one machine may have this address: it belongs to the network, and names neither the network nor all of it.
    pub fn has_host(&self, ip: IpAddr) -> bool {
        let is_all =
            matches!(ip, IpAddr::V4(ip) if bits(ip.into()) | (u128::MAX << self.host_bits()) == u128::MAX);
        self.contains(ip) && ip != self.base && !is_all
    }

    /// The address of the machine with a number, counted from one; `None` where there is no room for so many.
    pub fn host(&self, number: u32) -> Option<IpAddr> {
        let ip = match self.base {
            IpAddr::V4(base) => Ipv4Addr::from_bits(base.to_bits().checked_add(number)?).into(),
            IpAddr::V6(base) => Ipv6Addr::from_bits(base.to_bits().checked_add(number.into())?).into(),
        };
        self.has_host(ip).then_some(ip)
    }

    fn host_bits(&self) -> u32 {
        let all = if self.base.is_ipv4() { 32 } else { 128 };
        all - u32::from(self.length)
    }
}

/// The address as a number; one of IPv4 in the last 32 bits.
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// The address with everything behind its prefix taken off. The length is at least one.
fn masked(ip: IpAddr, length: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or_default();
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or_default();
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    }
}

impl FromStr for Subnet {
    type Err = BadSubnet;

    fn from_str(text: &str) -> Result<Self, BadSubnet> {
        let form = || BadSubnet::Form { text: text.to_owned() };
        let (ip, length) = text.split_once('/').ok_or_else(form)?;
        let ip: IpAddr = ip.parse().map_err(|_| form())?;
        let length: u8 = length.parse().map_err(|_| form())?;
        let lengths = if ip.is_ipv4() { 8..=30 } else { 16..=126 };
        if !lengths.contains(&length) {
            return Err(BadSubnet::Length { text: text.to_owned() });
        }
        let network = Self { base: masked(ip, length), length };
        if network.base != ip {
            return Err(BadSubnet::Host { text: text.to_owned(), network });
        }
        Ok(network)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.length)
    }
}

#[cfg(test)]
mod tests;
