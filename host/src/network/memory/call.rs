//! The changing calls as values, so that one can be performed later than it was made, and what each does.

use std::net::IpAddr;

use logic::network::{check_gateway, metric};
use logic::time::BootTime;

use super::device::Device;
use super::{End, Happening, State};
use crate::network::frame::{Forwarding, announcements};
use crate::network::link::{check_carries, check_mtu};
use crate::network::{Address, Bridge, DefaultRoute, Error, LinkKind, LinkName, MacAddress, words};

/// The beginning of the hardware addresses that bridges without ports are given.
const MAC_OF_BRIDGES: [u8; 2] = [0x02, 0xbb];

/// A call that changes something.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Link(LinkName, u32),
    Bridge(Bridge),
    Address(Address),
    Removal(LinkName, IpAddr),
    DefaultRoute(LinkName, IpAddr),
    Announcement(LinkName, IpAddr),
}

impl Call {
    /// What is asked, in words that follow "to".
    pub(super) fn what(&self) -> String {
        match self {
            Self::Link(link, mtu) => words::link(link, *mtu),
            Self::Bridge(bridge) => words::bridge(bridge),
            Self::Address(address) => words::address(address),
            Self::Removal(link, ip) => words::removal(link, *ip),
            Self::DefaultRoute(link, gateway) => words::route(link, *gateway),
            Self::Announcement(link, ip) => words::announcement(link, *ip),
        }
    }
}

impl State {
    /// Performs a call.
    pub(super) fn apply(&mut self, call: &Call, now: BootTime) -> Result<(), Error> {
        let what = &call.what();
        if self.refusals.0 > 0 {
            self.refusals.0 -= 1;
            return Err(Error::refused(what, self.refusals.1.clone(), "see the kernel's log"));
        }
        match call {
            Call::Link(link, mtu) => self.ensure_link(what, link, *mtu),
            Call::Bridge(bridge) => self.ensure_bridge(what, bridge),
            Call::Address(address) => self.ensure_address(what, address, now),
            Call::Removal(link, ip) => {
                self.end(link, *ip, End::Removed, now);
                Ok(())
            }
            Call::DefaultRoute(link, gateway) => self.ensure_default_route(what, link, *gateway),
            Call::Announcement(link, ip) => self.announce(what, link, *ip, now),
        }
    }

    fn ensure_link(&mut self, what: &str, link: &LinkName, mtu: u32) -> Result<(), Error> {
        check_mtu(what, mtu)?;
        let device = self.devices.get_mut(link).ok_or_else(|| Error::absent(what, link))?;
        device.mtu = mtu;
        device.is_up = true;
        Ok(())
    }

    fn ensure_bridge(&mut self, what: &str, bridge: &Bridge) -> Result<(), Error> {
        check_mtu(what, bridge.mtu)?;
        if !self.devices.contains_key(&bridge.name) {
            let index = self.index();
            let first = bridge.ports.first().and_then(|port| self.devices.get(port));
            let mac = first.map_or_else(|| mac_of_bridge(index), |port| port.mac);
            self.devices.insert(bridge.name.clone(), Device::bridge(index, mac));
        }
        let own = self.devices.get_mut(&bridge.name).ok_or_else(|| Error::absent(what, &bridge.name))?;
        if own.kind != LinkKind::Bridge {
            let why = format!("{} exists and is no bridge", bridge.name);
            return Err(Error::refused(what, why, "rename one of the two"));
        }
        own.mtu = bridge.mtu;
        own.is_up = true;
        let joined: Vec<_> = bridge.ports.iter().map(|port| self.join(bridge, port)).collect();
        joined.into_iter().collect()
    }

    fn join(&mut self, bridge: &Bridge, port: &LinkName) -> Result<(), Error> {
        let what = &words::port(bridge, port);
        let device = self.devices.get_mut(port).ok_or_else(|| Error::absent(what, port))?;
        if matches!(device.kind, LinkKind::Loopback | LinkKind::Bridge) {
            return Err(Error::refused(what, format!("{port} cannot be a port"), "name another port"));
        }
        if let Some(master) = device.master.as_ref().filter(|master| **master != bridge.name) {
            let why = format!("{port} is a port of {master}");
            let remedy = format!("take it out with `ip link set {port} nomaster`, or name another port");
            return Err(Error::refused(what, why, remedy));
        }
        device.master = Some(bridge.name.clone());
        device.is_up = true;
        Ok(())
    }

    fn ensure_address(&mut self, what: &str, address: &Address, now: BootTime) -> Result<(), Error> {
        address.check().map_err(|why| Error::refused(what, why, "correct the address in pvc.toml"))?;
        if !self.devices.contains_key(&address.link) {
            return Err(Error::absent(what, &address.link));
        }
        self.give(address, now);
        Ok(())
    }

    fn ensure_default_route(&mut self, what: &str, link: &LinkName, gateway: IpAddr) -> Result<(), Error> {
        check_gateway(gateway).map_err(|why| Error::refused(what, why, "correct the gateway in pvc.toml"))?;
        let device = self.devices.get(link).ok_or_else(|| Error::absent(what, link))?;
        if !device.is_up {
            return Err(Error::refused(what, format!("{link} is down"), "bring the link up first"));
        }
        if !self.reaches(link, gateway) {
            let why = format!("{link} does not reach it");
            let remedy =
                "give the link an address in the gateway's network, or correct the gateway in pvc.toml";
            return Err(Error::refused(what, why, remedy));
        }
        let metric = metric(gateway);
        self.default_routes
            .retain(|route| route.metric != metric || route.gateway.is_ipv4() != gateway.is_ipv4());
        self.default_routes.push(DefaultRoute { link: link.clone(), gateway, metric });
        Ok(())
    }

    /// Whether a machine at this address is on the link: one of a network that the link has an address of, or of the
    /// link itself.
    fn reaches(&self, link: &LinkName, other: IpAddr) -> bool {
        let is_local = matches!(other, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let of_link = self.addresses.iter().filter(|((holder, _), _)| holder == link);
        let mut addresses = of_link.map(|((_, ip), held)| Address {
            link: link.clone(),
            ip: *ip,
            prefix_length: held.prefix_length,
            lifetime: super::Lifetime::Forever,
        });
        is_local || addresses.any(|address| address.reaches(other))
    }

    fn announce(&mut self, what: &str, link: &LinkName, ip: IpAddr, now: BootTime) -> Result<(), Error> {
        let mac = self.devices.get(link).ok_or_else(|| Error::absent(what, link))?.mac;
        if !self.addresses.contains_key(&(link.clone(), ip)) {
            let why = format!("{link} does not have it");
            return Err(Error::refused(what, why, "give it the address first"));
        }
        check_carries(what, link, self.link_state(link))?;
        for frame in announcements(ip, mac, Forwarding::Host) {
            let ports: Vec<_> = self.ports(link);
            for device in ports.iter().chain([link]) {
                self.with(device, |device| device.send(1, frame.len() as u64));
            }
        }
        self.tell(link, ip, Happening::Announced, now);
        Ok(())
    }

    fn ports(&self, bridge: &LinkName) -> Vec<LinkName> {
        let ports = self.devices.iter().filter(|(_, device)| device.master.as_ref() == Some(bridge));
        ports.map(|(name, _)| name.clone()).collect()
    }
}

fn mac_of_bridge(index: u32) -> MacAddress {
    let [a, b, c, d] = index.to_be_bytes();
    let [first, second] = MAC_OF_BRIDGES;
    MacAddress([first, second, a, b, c, d])
}
