//! The port to the machine's own networks: its links, addresses and default routes, and what can be made of them.
//!
//! Everything is made so and left so: each call says what shall be true, is done at once where it is true already, and
//! nothing is taken back when a daemon ends. What is seen and what is made have the same types.

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;

pub use crate::hypervisor::Waker;

mod frame;
mod kernel;
mod link;
pub mod memory;

pub use kernel::Kernel;
pub use link::Counters;
pub use logic::network::{
    Address, Bridge, DefaultRoute, InvalidName, Lifetime, Link, LinkKind, LinkName, LinkState, MacAddress,
    Seen,
};

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There was no answer within the deadline of the call. It may still take effect.
    #[error("the network did not answer within {deadline_ms} ms to {what}; see the kernel's log")]
    Silent {
        /// What was asked, as what follows "to".
        what: String,
        /// How long it was given.
        deadline_ms: u64,
    },
    /// It was refused.
    #[error("the network refused to {what}: {why}; {remedy}")]
    Refused {
        /// What was asked, as what follows "to".
        what: String,
        /// Why, in the kernel's own words where it has some.
        why: String,
        /// What to do.
        remedy: String,
    },
}

impl Error {
    fn refused(what: &str, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Refused { what: what.to_owned(), why: why.into(), remedy: remedy.into() }
    }

    fn absent(what: &str, link: &LinkName) -> Self {
        Self::refused(what, format!("there is no link {link}"), "correct its name in pvc.toml, or plug it in")
    }
}

/// The networks of this machine. Every call returns within the adapter's deadline.
pub trait Network: Send + Sync + Debug {
    /// The links, addresses and default routes.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    fn observe(&self) -> Result<Seen, Error>;

    /// The link is up and has this MTU, in bytes.
    ///
    /// # Errors
    /// There is no such link, or it cannot have this MTU.
    fn ensure_link(&self, link: &LinkName, mtu: u32) -> Result<(), Error>;

    /// The bridge exists, is up, has its MTU, and these ports belong to it and are up. Other ports of it are left
    /// alone, and so is the MTU of every port. One port that cannot join does not keep the others from it.
    ///
    /// # Errors
    /// The name belongs to a link that is no bridge, or a port is missing, or belongs to something else.
    fn ensure_bridge(&self, bridge: &Bridge) -> Result<(), Error>;

    /// The link has this address with this prefix and, from now on, this lifetime. No other machine is asked whether
    /// it has the address too: a floating address moves while both have it.
    ///
    /// # Errors
    /// There is no such link, or it cannot have the address.
    fn ensure_address(&self, address: &Address) -> Result<(), Error>;

    /// The link does not have this address, with whatever prefix. Others of its network stay. Done where there is no
    /// such link.
    ///
    /// # Errors
    /// Where the kernel refuses.
    fn remove_address(&self, link: &LinkName, ip: IpAddr) -> Result<(), Error>;

    /// What is for nowhere else goes to this gateway over this link. A default route of the gateway's family with the
    /// same metric is replaced.
    ///
    /// # Errors
    /// There is no such link, it is down, or it does not reach the gateway.
    fn ensure_default_route(&self, link: &LinkName, gateway: IpAddr) -> Result<(), Error>;

    /// Tells everybody on the link that this address is here: by ARP, as a request and as a reply, or by an unsolicited
    /// neighbour advertisement that overrides what they knew.
    ///
    /// # Errors
    /// The link does not have the address, or carries nothing: then nobody could hear it.
    fn announce(&self, link: &LinkName, ip: IpAddr) -> Result<(), Error>;

    /// The counters of all links but the loopback, by index.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    fn counters(&self) -> Result<Vec<Counters>, Error>;

    /// Wakes `waker` whenever a link or an address comes, goes or changes; the end of a lifetime included.
    fn watch(&self, waker: Arc<dyn Waker>);
}

/// What was asked, in words that follow "to".
mod words {
    use std::net::IpAddr;

    use super::{Address, Bridge, LinkName};

    pub(super) const OBSERVE: &str = "list the links, addresses and routes";
    pub(super) const COUNT: &str = "read the counters of the links";

    pub(super) fn link(link: &LinkName, mtu: u32) -> String {
        format!("bring up {link} with an MTU of {mtu} bytes")
    }

    pub(super) fn bridge(bridge: &Bridge) -> String {
        format!("make the bridge {}", bridge.name)
    }

    pub(super) fn port(bridge: &Bridge, port: &LinkName) -> String {
        format!("make {port} a port of the bridge {}", bridge.name)
    }

    pub(super) fn address(address: &Address) -> String {
        format!("give {}/{} to {}", address.ip, address.prefix_length, address.link)
    }

    pub(super) fn removal(link: &LinkName, ip: IpAddr) -> String {
        format!("take {ip} from {link}")
    }

    pub(super) fn route(link: &LinkName, gateway: IpAddr) -> String {
        format!("make {gateway} on {link} the default gateway")
    }

    pub(super) fn announcement(link: &LinkName, ip: IpAddr) -> String {
        format!("announce {ip} on {link}")
    }
}
