//! The machine's own networks: how they shall be, what is seen of them, and what must be done about the difference.
//!
//! | name | bridge | what for |
//! |---|---|---|
//! | upstream | `brupstream` | the world: the API, the default route, routes to clients' networks |
//! | cluster | `brcluster` | the nodes among themselves: the store, migrations, tunnels |
//! | storage | `brstorage` | Ceph |
//!
//! Networks whose device is the same share one bridge: that of the cluster where it is among them, else of upstream.

use std::net::IpAddr;
use std::sync::Arc;

use crate::time::BootTime;

mod address;
mod change;
mod link;
mod subnet;
pub mod system;

pub use address::{Address, DefaultRoute, Lifetime, check_gateway, metric};
pub use change::{Change, lifetime};
pub use link::{Bridge, InvalidName, Link, LinkKind, LinkName, LinkState, MacAddress};
pub use subnet::{BadSubnet, Subnet};

/// What the bridges of guests' networks are called, before the network's number.
pub const GUEST_BRIDGE_PREFIX: &str = "vmbr";

/// Which of the machine's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkKind {
    /// Towards the world.
    Upstream,
    /// The nodes among themselves.
    Cluster,
    /// Towards the disks.
    Storage,
}

impl NetworkKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Upstream, Self::Cluster, Self::Storage];

    /// Its name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Cluster => "cluster",
            Self::Storage => "storage",
        }
    }

    /// The bridge of a device that this network alone uses.
    pub fn bridge(self) -> LinkName {
        format!("br{}", self.as_str()).parse().expect("each of the three is a name of a link")
    }
}

/// One of the machine's networks, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemNetwork {
    /// Which.
    pub kind: NetworkKind,
    /// The network card, or what passes for it.
    pub device: LinkName,
    /// The bridge on it, which has the addresses.
    pub bridge: LinkName,
    /// In bytes, of the device and of the bridge.
    pub mtu: u32,
    /// The addresses that are reached without a gateway.
    pub subnet: Subnet,
    /// This node's own.
    pub address: IpAddr,
    /// The one that moves with the primary role.
    pub floating: Option<IpAddr>,
    /// The default route.
    pub gateway: Option<IpAddr>,
}

/// The device below the bridges of guests' networks: it carries them, and has no address itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestLink {
    /// The network card, or what passes for it.
    pub device: LinkName,
    /// In bytes.
    pub mtu: u32,
}

/// What is configured of the machine's networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its own; none on a machine whose networks are somebody else's.
    pub own: Arc<[SystemNetwork]>,
    /// What carries its guests'.
    pub guests: Option<GuestLink>,
}

impl Wanted {
    /// Whether nothing of the machine is to be touched.
    pub fn is_nothing(&self) -> bool {
        self.own.is_empty() && self.guests.is_none()
    }
}

/// What the machine's networks are now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Every link, by index: the loopback, the physical ones, and those made by software.
    pub links: Vec<Link>,
    /// Every address of every link, by link and address; those that the kernel gave itself included.
    pub addresses: Vec<Address>,
    /// The default routes of the main table, IPv4 before IPv6, the preferred ones first.
    pub default_routes: Vec<DefaultRoute>,
}

impl Seen {
    /// The link of this name.
    pub fn link(&self, name: &LinkName) -> Option<&Link> {
        self.links.iter().find(|link| link.name == *name)
    }

    /// This address on this link, with its prefix and what is left of its lifetime.
    pub fn address(&self, link: &LinkName, ip: IpAddr) -> Option<&Address> {
        self.addresses.iter().find(|address| address.link == *link && address.ip == ip)
    }
}

/// What the kernel says of the machine's networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// It answered: these exist, and no others.
    Seen(Arc<Seen>),
    /// It did not answer: nothing may be concluded.
    Unknown {
        /// Why.
        why: String,
    },
}

/// The machine's networks as they shall be, and as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks {
    /// How they shall be.
    pub wanted: Wanted,
    /// What there is.
    pub sighting: Sighting,
    /// When it was looked at.
    pub at: BootTime,
}

impl Networks {
    /// Nothing is configured, so that nothing is looked at.
    pub fn none() -> Self {
        Self { wanted: Wanted::default(), sighting: Sighting::Seen(Arc::default()), at: BootTime(0) }
    }

    /// What there is, where the kernel says.
    pub fn seen(&self) -> Option<&Seen> {
        match &self.sighting {
            Sighting::Seen(seen) => Some(seen),
            Sighting::Unknown { .. } => None,
        }
    }
}
