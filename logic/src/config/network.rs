//! The sections `[network.upstream]`, `[network.cluster]` and `[network.storage]`, from as written to as meant.

use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;

use super::ConfigError;
use super::raw::bad;
use crate::id::NodeName;
use crate::limits::{MTU_DEFAULT, MTU_MAX, MTU_MIN};
use crate::network::{GuestLink, LinkName, NetworkKind, Subnet, SystemNetwork, check_gateway};

/// The keys of each section.
pub(super) const KEYS: &[&str] = &["device", "mtu", "network", "address", "floating", "gateway"];

/// The sections as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawNetworks {
    upstream: Option<RawNetwork>,
    cluster: Option<RawNetwork>,
    storage: Option<RawNetwork>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawNetwork {
    device: Option<String>,
    mtu: Option<u32>,
    network: Option<String>,
    address: Option<String>,
    floating: Option<String>,
    gateway: Option<String>,
}

/// Who is who, for addresses that follow from a node's number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nodes<'a> {
    /// This node.
    pub(super) own: &'a NodeName,
    /// Its number.
    pub(super) number: Option<u32>,
    /// The coordinators.
    pub(super) coordinators: &'a [NodeName],
}

/// The number at the end of a node's name.
pub(super) fn trailing_number(name: &NodeName) -> Option<u32> {
    let name = name.as_str();
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    name[name.len() - digits..].parse().ok().filter(|number| *number > 0)
}

impl RawNetworks {
    pub(super) fn meant(self, nodes: Nodes<'_>) -> Result<Vec<SystemNetwork>, ConfigError> {
        let sections = [
            (NetworkKind::Upstream, self.upstream),
            (NetworkKind::Cluster, self.cluster),
            (NetworkKind::Storage, self.storage),
        ];
        let mut networks = Vec::new();
        for (kind, section) in sections {
            if let Some(section) = section {
                networks.push(Section { kind, nodes }.meant(section)?);
            }
        }
        share_bridges(&mut networks)?;
        check_together(&networks)?;
        Ok(networks)
    }
}

/// One section, while it is read.
#[derive(Clone, Copy, Debug)]
struct Section<'a> {
    kind: NetworkKind,
    nodes: Nodes<'a>,
}

impl Section<'_> {
    fn bad(&self, key: &str, why: impl std::fmt::Display) -> ConfigError {
        bad(&format!("network.{}.{key}", self.kind.as_str()), &why)
    }

    fn required<T: FromStr<Err: std::fmt::Display>>(
        &self,
        key: &str,
        text: Option<String>,
    ) -> Result<T, ConfigError> {
        let text = text.ok_or_else(|| self.bad(key, "it is required in this section"))?;
        text.parse().map_err(|error| self.bad(key, error))
    }

    fn meant(self, raw: RawNetwork) -> Result<SystemNetwork, ConfigError> {
        let device: LinkName = self.required("device", raw.device)?;
        check_card(&device).map_err(|why| self.bad("device", why))?;
        let mtu = raw.mtu.unwrap_or(MTU_DEFAULT);
        check_mtu(mtu).map_err(|why| self.bad("mtu", why))?;
        let subnet: Subnet = self.required("network", raw.network)?;
        let address = self.own_address(raw.address.as_deref().unwrap_or("by-id"), &subnet)?;
        let floating = raw.floating.map(|text| self.host("floating", &text, &subnet)).transpose()?;
        if let Some(floating) = floating {
            self.check_floating(floating, address, &subnet)?;
        }
        let gateway = raw.gateway.map(|text| self.host("gateway", &text, &subnet)).transpose()?;
        if let Some(gateway) = gateway {
            check_gateway(gateway).map_err(|why| self.bad("gateway", why))?;
            if gateway == address || Some(gateway) == floating {
                return Err(self.bad("gateway", format!("{gateway} is an address of this cluster's own")));
            }
        }
        Ok(SystemNetwork {
            kind: self.kind,
            device,
            bridge: self.kind.bridge(),
            mtu,
            subnet,
            address,
            floating,
            gateway,
        })
    }

    fn own_address(&self, text: &str, subnet: &Subnet) -> Result<IpAddr, ConfigError> {
        if text != "by-id" {
            return self.host("address", text, subnet);
        }
        let number = self.nodes.number.ok_or_else(|| {
            let why =
                format!("the name \"{}\" does not end in a number, so by-id needs node_id", self.nodes.own);
            self.bad("address", why)
        })?;
        subnet.host(number).ok_or_else(|| {
            self.bad(
                "address",
                format!("{subnet} has no room for node {number}; give an address, or a larger network"),
            )
        })
    }

    /// An address of one machine in the network, with or without the network's prefix.
    fn host(&self, key: &str, text: &str, subnet: &Subnet) -> Result<IpAddr, ConfigError> {
        let (ip, length) = match text.split_once('/') {
            Some((ip, length)) => (ip, Some(length)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| {
            let also = if key == "address" { ", nor by-id" } else { "" };
            self.bad(key, format!("\"{text}\" is no address such as {}{also}", example(subnet)))
        })?;
        if length.is_some_and(|length| length != subnet.length().to_string()) {
            return Err(self.bad(key, format!("\"{text}\" has another prefix than the network {subnet}")));
        }
        if !subnet.has_host(ip) {
            return Err(self.bad(key, format!("{ip} is no address of one machine in the network {subnet}")));
        }
        Ok(ip)
    }

    fn check_floating(&self, floating: IpAddr, own: IpAddr, subnet: &Subnet) -> Result<(), ConfigError> {
        if floating == own {
            return Err(
                self.bad("floating", format!("{floating} is this node's own address; choose one of its own"))
            );
        }
        let others = self.nodes.coordinators.iter().filter(|name| *name != self.nodes.own);
        for other in others {
            if trailing_number(other).and_then(|number| subnet.host(number)) == Some(floating) {
                return Err(
                    self.bad("floating", format!("{floating} is the address of {other} by its number"))
                );
            }
        }
        Ok(())
    }
}

fn check_card(device: &LinkName) -> Result<(), String> {
    let is_ours = NetworkKind::ALL.iter().any(|kind| kind.bridge() == *device);
    let why = || format!("{device} is the bridge that PVC makes; name the card below it");
    if is_ours { Err(why()) } else { Ok(()) }
}

fn check_mtu(mtu: u32) -> Result<(), String> {
    let why = || format!("it must lie between {MTU_MIN} and {MTU_MAX}, so that IPv6 works");
    if (MTU_MIN..=MTU_MAX).contains(&mtu) { Ok(()) } else { Err(why()) }
}

/// The device of guests' networks. Where it is that of one of the machine's own, it has the MTU of that.
pub(super) fn guest_link(
    device: Option<&str>,
    mtu: Option<u32>,
    networks: &[SystemNetwork],
) -> Result<Option<GuestLink>, ConfigError> {
    let Some(device) = device else {
        let alone = mtu.map(|_| bad("bridge_mtu", &"it is the MTU of bridge_device, which is not given"));
        return alone.map_or(Ok(None), Err);
    };
    let device: LinkName = device.parse().map_err(|error| bad("bridge_device", &error))?;
    check_card(&device).map_err(|why| bad("bridge_device", &why))?;
    let shared = networks.iter().find(|network| network.device == device);
    if let Some((network, mtu)) = shared.zip(mtu).filter(|(network, mtu)| network.mtu != *mtu) {
        let kind = network.kind.as_str();
        let why = format!(
            "{device} is also the device of the network {kind}, whose mtu is {}, not {mtu}; leave this out",
            network.mtu
        );
        return Err(bad("bridge_mtu", &why));
    }
    let mtu = mtu.or(shared.map(|network| network.mtu)).unwrap_or(MTU_DEFAULT);
    check_mtu(mtu).map_err(|why| bad("bridge_mtu", &why))?;
    Ok(Some(GuestLink { device, mtu }))
}

fn example(subnet: &Subnet) -> String {
    subnet.host(1).map_or_else(|| subnet.to_string(), |ip| ip.to_string())
}

/// Networks on one device are on one bridge: a device can be a port of one only.
fn share_bridges(networks: &mut [SystemNetwork]) -> Result<(), ConfigError> {
    let all = networks.to_vec();
    for network in networks {
        let alike = || all.iter().filter(|other| other.device == network.device);
        if let Some(other) = alike().find(|other| other.mtu != network.mtu) {
            let key = format!("network.{}.mtu", network.kind.as_str());
            let why = format!(
                "{} is also the device of the network {}, whose mtu is {}; give both the same",
                network.device,
                other.kind.as_str(),
                other.mtu
            );
            return Err(bad(&key, &why));
        }
        let cluster = alike().find(|other| other.kind == NetworkKind::Cluster);
        if let Some(first) = cluster.or_else(|| alike().next()) {
            network.bridge = first.kind.bridge();
        }
    }
    Ok(())
}

fn check_together(networks: &[SystemNetwork]) -> Result<(), ConfigError> {
    for (index, network) in networks.iter().enumerate() {
        for other in &networks[..index] {
            let (this, that) = (network.kind.as_str(), other.kind.as_str());
            if network.subnet.overlaps(&other.subnet) {
                let why = format!("{} overlaps with {}, the network {that}", network.subnet, other.subnet);
                return Err(bad(&format!("network.{this}.network"), &why));
            }
            let same_family = |(a, b): (IpAddr, IpAddr)| a.is_ipv4() == b.is_ipv4();
            if network.gateway.zip(other.gateway).is_some_and(same_family) {
                let why = format!("there is one default route, and the network {that} has a gateway already");
                return Err(bad(&format!("network.{this}.gateway"), &why));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
