//! The lab's three networks: their names, devices and addresses, and what `pvc.toml` says of them.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// The part of an address that stands for the switch, which is the upstream network's gateway.
const SWITCH: u8 = 254;

/// The part of an address that stands for whichever node is primary.
const FLOATING: u8 = 250;

/// What is added to a node's number for its power controller.
const CONTROLLER: u8 = 100;

/// One of the networks between the machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// To the world.
    Upstream,
    /// Between the nodes.
    Cluster,
    /// To the disks.
    Storage,
}

impl Network {
    /// All of them, in the order of the machines' devices.
    pub const ALL: [Self; 3] = [Self::Upstream, Self::Cluster, Self::Storage];

    /// Its name, which its bridge in the switch has too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Cluster => "cluster",
            Self::Storage => "storage",
        }
    }

    /// The network of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|network| network.name() == name)
    }

    /// Which of them it is, counted from 1.
    fn number(self) -> u8 {
        match self {
            Self::Upstream => 1,
            Self::Cluster => 2,
            Self::Storage => 3,
        }
    }

    /// The machines' device on it.
    pub fn device(self) -> String {
        format!("eth{}", self.number() - 1)
    }

    /// The bridge that PVC makes on that device.
    pub fn bridge(self) -> String {
        format!("br{}", self.name())
    }

    /// The switch's port for a node.
    pub fn port(self, node: u8) -> String {
        format!("n{node}-{}", self.name())
    }

    /// A node's hardware address on it.
    pub fn hardware(self, node: u8) -> String {
        format!("02:70:76:63:{:02x}:{node:02x}", self.number())
    }

    /// The greatest packet.
    pub fn mtu(self) -> u16 {
        match self {
            Self::Upstream => 1500,
            Self::Cluster | Self::Storage => 9000,
        }
    }

    /// A node's address.
    pub fn address(self, node: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.number(), 0, node)
    }

    /// The primary's.
    pub fn floating(self) -> Ipv4Addr {
        self.address(FLOATING)
    }

    /// The switch's.
    pub fn switch(self) -> Ipv4Addr {
        self.address(SWITCH)
    }
}

/// Where a node's power controller answers: beside the nodes on the upstream network.
pub fn controller(node: u8) -> Ipv4Addr {
    Network::Upstream.address(CONTROLLER + node)
}

/// What `pvc.toml` says of the networks, the same on every node.
pub fn settings() -> String {
    let section = |network: Network| {
        let Network::Upstream = network else { return text(network, "") };
        text(network, &format!("gateway = \"{}\"\n", network.switch()))
    };
    Network::ALL.map(section).join("\n")
}

fn text(network: Network, more: &str) -> String {
    format!(
        "[network.{}]\ndevice = \"{}\"\nmtu = {}\nnetwork = \"{}/24\"\naddress = \"by-id\"\nfloating = \"{}\"\n{more}",
        network.name(),
        network.device(),
        network.mtu(),
        network.address(0),
        network.floating()
    )
}

#[cfg(test)]
mod tests;
