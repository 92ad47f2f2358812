//! Addresses with their lifetimes, and default routes.

use std::net::IpAddr;

use serde::Serialize;

use super::LinkName;

/// How long the kernel keeps an address by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Lifetime {
    /// Until it is taken away.
    Forever,
    /// In whole seconds, which is what the kernel counts in; it may take up to one more to notice.
    Seconds {
        /// After which the address is gone. At least one.
        valid: u32,
        /// After which no new connection begins from it unless it is asked for by name; zero means from the start.
        preferred: u32,
    },
}

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Address {
    /// The link.
    pub link: LinkName,
    /// The address.
    pub ip: IpAddr,
    /// How many leading bits name its network.
    pub prefix_length: u8,
    /// How long it stays.
    pub lifetime: Lifetime,
}

impl Address {
    /// Whether a link may be asked to have it. The error is for the operator.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), &'static str> {
        let (bits, is_broadcast) = match self.ip {
            IpAddr::V4(ip) => (32, ip.is_broadcast()),
            IpAddr::V6(_) => (128, false),
        };
        if self.ip.is_unspecified() || self.ip.is_multicast() || is_broadcast {
            return Err("it is no address of one machine");
        }
        if !(1..=bits).contains(&self.prefix_length) {
            return Err("the prefix is 1 to 32 bits long for IPv4, and 1 to 128 for IPv6");
        }
        match self.lifetime {
            Lifetime::Seconds { valid: 0, .. } => Err("a lifetime is at least one second"),
            Lifetime::Seconds { valid, preferred } if preferred > valid => {
                Err("it cannot be preferred for longer than it is valid")
            }
            _ => Ok(()),
        }
    }

    /// Whether `other` is of the network of this address.
    pub fn reaches(&self, other: IpAddr) -> bool {
        let length = u32::from(self.prefix_length);
        match (self.ip, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= length
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= length
            }
            _ => false,
        }
    }
}

/// A route for everything that has no better one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// The link it leads over.
    pub link: LinkName,
    /// The gateway; `0.0.0.0` or `::` where it needs none.
    pub gateway: IpAddr,
    /// The lower, the more it is preferred.
    pub metric: u32,
}

/// The metric of the default routes that are made here: the most preferred one of each family.
pub fn metric(gateway: IpAddr) -> u32 {
    match gateway {
        IpAddr::V4(_) => 0,
        // For IPv6 zero means another number, 1024, which is also that of routes from advertisements.
        IpAddr::V6(_) => 1,
    }
}

/// Whether a default route may lead to it. The error is for the operator.
///
/// # Errors
/// What is wrong with it.
pub fn check_gateway(gateway: IpAddr) -> Result<(), &'static str> {
    if gateway.is_unspecified() || gateway.is_multicast() || gateway.is_loopback() {
        return Err("it is no address of one other machine");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
