//! What can be changed of the machine's networks. Each says what shall be true, and is done where it is true already.

use std::net::IpAddr;

use serde::Serialize;

use super::{Bridge, Lifetime, LinkName};
use crate::time::BootTime;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The link is up and has this MTU.
    EnsureLink {
        /// The link.
        link: LinkName,
        /// In bytes.
        mtu: u32,
    },
    /// The bridge is there, up, with its MTU and these ports.
    EnsureBridge(Bridge),
    /// The link has this address.
    EnsureAddress {
        /// The link.
        link: LinkName,
        /// The address.
        ip: IpAddr,
        /// How many leading bits name its network.
        prefix_length: u8,
        /// When the kernel is to take it away by itself; `None` is never.
        until: Option<BootTime>,
    },
    /// What is for nowhere else goes to this gateway.
    EnsureDefaultRoute {
        /// Over this link.
        link: LinkName,
        /// To this machine.
        gateway: IpAddr,
    },
    /// The link does not have this address.
    RemoveAddress {
        /// The link.
        link: LinkName,
        /// The address.
        ip: IpAddr,
    },
    /// Everybody on the link is told that this address is here.
    AnnounceAddress {
        /// The link.
        link: LinkName,
        /// The address.
        ip: IpAddr,
        /// What for: a later one has a greater number.
        occasion: u64,
    },
}

impl Change {
    /// Its name, as it stands in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::EnsureLink { .. } => "ensure-link",
            Self::EnsureBridge(_) => "ensure-bridge",
            Self::EnsureAddress { .. } => "ensure-address",
            Self::EnsureDefaultRoute { .. } => "ensure-default-route",
            Self::RemoveAddress { .. } => "remove-address",
            Self::AnnounceAddress { .. } => "announce-address",
        }
    }
}

/// What is left now of an address that ends at a moment, in the whole seconds that the kernel counts in, rounded down;
/// `None` where less than one is left. No new connection begins from such an address unless it is asked for by name.
pub fn lifetime(until: Option<BootTime>, now: BootTime) -> Option<Lifetime> {
    let Some(until) = until else { return Some(Lifetime::Forever) };
    let valid = u32::try_from((until - now).0 / 1000).unwrap_or(u32::MAX);
    (valid > 0).then_some(Lifetime::Seconds { valid, preferred: 0 })
}
