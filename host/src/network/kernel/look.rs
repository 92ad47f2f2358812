//! What the kernel tells of links, addresses and routes, in our own terms.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, Stats64,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteNextHop, RouteType,
};

use crate::network::frame::Forwarding;
use crate::network::{
    Address, Counters, DefaultRoute, Lifetime, Link, LinkKind, LinkName, LinkState, MacAddress, Seen,
};

/// The lifetime that means none.
pub(super) const FOREVER: u32 = u32::MAX;

/// A link, with what only this adapter wants to know of it.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) link: Link,
    /// Whether the next address of a network stays when its first one goes.
    pub(super) promotes_secondaries: bool,
    /// Whether the machine is a router for who is at this link.
    pub(super) forwarding: Forwarding,
    statistics: Stats64,
}

/// What one look found.
#[derive(Clone, Debug)]
pub(super) struct Look {
    devices: Vec<Device>,
    addresses: Vec<Address>,
    default_routes: Vec<DefaultRoute>,
}

impl Look {
    pub(super) fn new(links: &[LinkMessage], addresses: &[AddressMessage], routes: &[RouteMessage]) -> Self {
        let names: BTreeMap<u32, LinkName> =
            links.iter().filter_map(|link| Some((link.header.index, name(link)?))).collect();
        let mut devices: Vec<_> = links.iter().filter_map(|link| device(link, &names)).collect();
        devices.sort_by_key(|device| device.link.index);
        let mut addresses: Vec<_> = addresses.iter().filter_map(|message| address(message, &names)).collect();
        addresses.sort();
        let mut default_routes: Vec<_> = routes.iter().flat_map(|route| defaults(route, &names)).collect();
        default_routes.sort_by_key(|route| (route.gateway.is_ipv6(), route.metric));
        Self { devices, addresses, default_routes }
    }

    pub(super) fn device(&self, name: &LinkName) -> Option<&Device> {
        self.devices.iter().find(|device| device.link.name == *name)
    }

    pub(super) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    pub(super) fn default_routes(&self) -> &[DefaultRoute] {
        &self.default_routes
    }

    pub(super) fn seen(self) -> Seen {
        let links = self.devices.into_iter().map(|device| device.link).collect();
        Seen { links, addresses: self.addresses, default_routes: self.default_routes }
    }

    /// The counters, with the speeds by link's index.
    pub(super) fn counters(&self, speeds: &BTreeMap<u32, u32>) -> Vec<Counters> {
        let counted = self.devices.iter().filter(|device| device.link.kind != LinkKind::Loopback);
        let counters = |Device { link, statistics, .. }: &Device| Counters {
            link: link.name.clone(),
            kind: link.kind.clone(),
            state: link.state,
            speed_mbit: speeds.get(&link.index).copied(),
            rx_bytes: statistics.rx_bytes,
            rx_packets: statistics.rx_packets,
            tx_bytes: statistics.tx_bytes,
            tx_packets: statistics.tx_packets,
        };
        counted.map(counters).collect()
    }
}

fn name(message: &LinkMessage) -> Option<LinkName> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => name.parse().ok(),
        _ => None,
    })
}

fn device(message: &LinkMessage, names: &BTreeMap<u32, LinkName>) -> Option<Device> {
    let flags = message.header.flags;
    let state = match (flags.contains(LinkFlags::Up), flags.contains(LinkFlags::LowerUp)) {
        (false, _) => LinkState::Down,
        (true, false) => LinkState::NoCarrier,
        (true, true) => LinkState::Up,
    };
    let kind = if flags.contains(LinkFlags::Loopback) { LinkKind::Loopback } else { LinkKind::Physical };
    let index = message.header.index;
    let mut device = Device {
        link: Link { name: names.get(&index)?.clone(), index, mac: None, mtu: 0, state, kind, master: None },
        promotes_secondaries: false,
        forwarding: Forwarding::Host,
        statistics: Stats64::default(),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Address(bytes) => device.link.mac = bytes[..].try_into().ok().map(MacAddress),
            LinkAttribute::Mtu(mtu) => device.link.mtu = *mtu,
            LinkAttribute::Controller(master) => device.link.master = names.get(master).cloned(),
            LinkAttribute::Stats64(statistics) => device.statistics = *statistics,
            LinkAttribute::LinkInfo(infos) => infos.iter().for_each(|part| device.learn(part)),
            LinkAttribute::AfSpecUnspec(families) => families.iter().for_each(|part| device.settle(part)),
            _ => {}
        }
    }
    Some(device)
}

impl Device {
    /// Takes in what it is made of.
    fn learn(&mut self, part: &LinkInfo) {
        let LinkInfo::Kind(kind) = part else { return };
        self.link.kind = match kind {
            InfoKind::Bridge => LinkKind::Bridge,
            InfoKind::Vlan => LinkKind::Vlan,
            InfoKind::Vxlan => LinkKind::Vxlan,
            InfoKind::Veth => LinkKind::Veth,
            InfoKind::Tun => LinkKind::Tap,
            other => LinkKind::Other(other.to_string()),
        };
    }

    /// Takes in how it is set.
    fn settle(&mut self, part: &AfSpecUnspec) {
        match part {
            AfSpecUnspec::Inet(settings) => {
                self.promotes_secondaries = settings
                    .iter()
                    .any(|part| matches!(part, AfSpecInet::DevConf(conf) if conf.promote_secondaries != 0));
            }
            AfSpecUnspec::Inet6(settings) => {
                let forwards =
                    |part: &AfSpecInet6| matches!(part, AfSpecInet6::DevConf(conf) if conf.forwarding != 0);
                if settings.iter().any(forwards) {
                    self.forwarding = Forwarding::Router;
                }
            }
            _ => {}
        }
    }
}

fn address(message: &AddressMessage, names: &BTreeMap<u32, LinkName>) -> Option<Address> {
    let (mut own, mut peer, mut lifetime) = (None, None, Lifetime::Forever);
    for attribute in &message.attributes {
        match attribute {
            // Where both are told, the other one is the far end of a line between two.
            AddressAttribute::Local(ip) => own = Some(*ip),
            AddressAttribute::Address(ip) => peer = Some(*ip),
            AddressAttribute::CacheInfo(left) if left.ifa_valid != FOREVER => {
                lifetime = Lifetime::Seconds { valid: left.ifa_valid, preferred: left.ifa_preferred };
            }
            _ => {}
        }
    }
    let link = names.get(&message.header.index)?.clone();
    Some(Address { link, ip: own.or(peer)?, prefix_length: message.header.prefix_len, lifetime })
}

/// The default routes of a message of the main table: one per gateway.
fn defaults(message: &RouteMessage, names: &BTreeMap<u32, LinkName>) -> Vec<DefaultRoute> {
    let header = &message.header;
    let is_default = header.destination_prefix_length == 0
        && header.table == RouteHeader::RT_TABLE_MAIN
        && header.kind == RouteType::Unicast;
    let no_gateway: IpAddr = match header.address_family {
        AddressFamily::Inet if is_default => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 if is_default => Ipv6Addr::UNSPECIFIED.into(),
        _ => return Vec::new(),
    };
    let metric = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Priority(metric) => Some(*metric),
        _ => None,
    });
    let route = |index: u32, attributes: &[RouteAttribute]| {
        let gateway = attributes.iter().find_map(gateway).unwrap_or(no_gateway);
        Some(DefaultRoute { link: names.get(&index)?.clone(), gateway, metric: metric.unwrap_or_default() })
    };
    let over = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    });
    let single = over.and_then(|index| route(index, &message.attributes));
    let hops = message.attributes.iter().filter_map(|attribute| match attribute {
        RouteAttribute::MultiPath(hops) => Some(hops),
        _ => None,
    });
    let several = hops.flatten().filter_map(|hop: &RouteNextHop| route(hop.interface_index, &hop.attributes));
    single.into_iter().chain(several).collect()
}

fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(ip)) => Some((*ip).into()),
        RouteAttribute::Gateway(RouteAddress::Inet6(ip)) => Some((*ip).into()),
        _ => None,
    }
}
