//! What is asked of the kernel so that a link, an address or a route is as it shall be; nothing where it is so already.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{DefaultNla, Emitable, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressHeaderFlags, AddressMessage, AddressScope,
    CacheInfo,
};
use netlink_packet_route::link::{AfSpecUnspec, InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use nix::errno::Errno;

use super::Call;
use super::ask::{Conversation, Failure};
use super::look::{Device, FOREVER, Look};
use crate::network::link::check_carries;
use crate::network::{
    Address, Bridge, DefaultRoute, Error, Lifetime, Link, LinkKind, LinkName, LinkState, frame, words,
};

/// The kernel's number of the setting that keeps the other addresses of a network when its first one goes.
const PROMOTE_SECONDARIES: u16 = 20;

/// Where a link's settings for IPv4 stand among its attributes.
const SETTINGS: u16 = 1;

/// A call that changes something, and its way to the kernel.
#[derive(Debug)]
pub(super) struct Change {
    call: Call,
    conversation: Conversation,
}

impl Change {
    pub(super) fn new(call: Call, conversation: Conversation) -> Self {
        Self { call, conversation }
    }

    pub(super) fn look(&mut self) -> Result<Look, Error> {
        let links = self.dump(Message::GetLink(LinkMessage::default()))?;
        let addresses = self.dump(Message::GetAddress(AddressMessage::default()))?;
        let routes = self.dump(Message::GetRoute(RouteMessage::default()))?;
        let links: Vec<_> = links.into_iter().filter_map(link_told).collect();
        let addresses: Vec<_> = addresses.into_iter().filter_map(address_told).collect();
        let routes: Vec<_> = routes.into_iter().filter_map(route_told).collect();
        Ok(Look::new(&links, &addresses, &routes))
    }

    pub(super) fn ensure_link(&mut self, link: &LinkName, mtu: u32) -> Result<(), Error> {
        let found = self.find(link)?.link;
        self.ensure_mtu(&found, mtu)?;
        self.ensure_up(&found)
    }

    pub(super) fn ensure_bridge(&mut self, bridge: &Bridge) -> Result<(), Error> {
        let mut look = self.look()?;
        if look.device(&bridge.name).is_none() {
            self.make_bridge(bridge, &look)?;
            look = self.look()?;
        }
        let Some(Device { link: own, .. }) = look.device(&bridge.name).cloned() else {
            return Err(Error::absent(&self.call.what, &bridge.name));
        };
        if own.kind != LinkKind::Bridge {
            let why = format!("{} exists and is no bridge", own.name);
            return Err(Error::refused(&self.call.what, why, "rename one of the two"));
        }
        self.ensure_mtu(&own, bridge.mtu)?;
        self.ensure_up(&own)?;
        let joined: Vec<_> =
            bridge.ports.iter().map(|port| self.ensure_port(&look, bridge, &own, port)).collect();
        joined.into_iter().collect()
    }

    pub(super) fn ensure_address(&mut self, address: &Address) -> Result<(), Error> {
        let look = self.look()?;
        let Some(device) = look.device(&address.link) else {
            return Err(Error::absent(&self.call.what, &address.link));
        };
        let index = device.link.index;
        if address.ip.is_ipv4() && !device.promotes_secondaries {
            self.promote_secondaries(index)?;
        }
        let on_link = look.addresses().iter().filter(|a| a.link == address.link && a.ip == address.ip);
        let (same, others): (Vec<_>, Vec<_>) =
            on_link.partition(|found| found.prefix_length == address.prefix_length);
        let is_there = same.iter().any(|found| *found == address && address.lifetime == Lifetime::Forever);
        // For IPv6 an address is one address, whatever its prefix: the old one must go first.
        if address.ip.is_ipv6() {
            self.remove(index, &others)?;
        }
        if !is_there {
            self.tell(&Message::NewAddress(rendered(index, address)), NLM_F_CREATE | NLM_F_REPLACE)?;
        }
        if address.ip.is_ipv4() { self.remove(index, &others) } else { Ok(()) }
    }

    pub(super) fn remove_address(&mut self, link: &LinkName, ip: IpAddr) -> Result<(), Error> {
        let look = self.look()?;
        let Some(device) = look.device(link) else { return Ok(()) };
        let index = device.link.index;
        // One that was given past PVC may stand before others of its network.
        let has_others = look.addresses().iter().any(|a| a.link == *link && a.ip.is_ipv4() && a.ip != ip);
        if ip.is_ipv4() && has_others && !device.promotes_secondaries {
            self.promote_secondaries(index)?;
        }
        let found: Vec<_> = look.addresses().iter().filter(|a| a.link == *link && a.ip == ip).collect();
        self.remove(index, &found)
    }

    pub(super) fn ensure_default_route(
        &mut self,
        link: &LinkName,
        gateway: IpAddr,
        metric: u32,
    ) -> Result<(), Error> {
        let look = self.look()?;
        let Some(device) = look.device(link) else { return Err(Error::absent(&self.call.what, link)) };
        let rivals: Vec<_> = look
            .default_routes()
            .iter()
            .filter(|route| route.metric == metric && route.gateway.is_ipv4() == gateway.is_ipv4())
            .collect();
        let wanted = DefaultRoute { link: link.clone(), gateway, metric };
        if rivals == [&wanted] {
            return Ok(());
        }
        let route = Message::NewRoute(default_route(device.link.index, gateway, metric));
        self.tell(&route, NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// The frames that announce an address of a link; refused where it does not have it or cannot carry them.
    pub(super) fn announcements(&mut self, link: &LinkName, ip: IpAddr) -> Result<Vec<Vec<u8>>, Error> {
        let look = self.look()?;
        let what = &self.call.what;
        let Some(device) = look.device(link) else { return Err(Error::absent(what, link)) };
        if !look.addresses().iter().any(|address| address.link == *link && address.ip == ip) {
            let why = format!("{link} does not have it");
            return Err(Error::refused(what, why, "give it the address first"));
        }
        check_carries(what, link, device.link.state)?;
        let Some(mac) = device.link.mac else {
            return Err(Error::refused(what, format!("{link} is not Ethernet"), "use a link of Ethernet"));
        };
        Ok(frame::announcements(ip, mac, device.forwarding))
    }

    fn find(&mut self, link: &LinkName) -> Result<Device, Error> {
        let found = self.look()?.device(link).cloned();
        found.ok_or_else(|| Error::absent(&self.call.what, link))
    }

    fn ensure_mtu(&mut self, link: &Link, mtu: u32) -> Result<(), Error> {
        if link.mtu == mtu {
            return Ok(());
        }
        let mut message = about(link.index);
        message.attributes.push(LinkAttribute::Mtu(mtu));
        self.tell(&Message::SetLink(message), 0)
    }

    fn ensure_up(&mut self, link: &Link) -> Result<(), Error> {
        if link.state != LinkState::Down {
            return Ok(());
        }
        let mut message = about(link.index);
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.tell(&Message::SetLink(message), 0)
    }

    /// Makes the bridge one byte smaller than it shall be: the MTU must be changed once, or the kernel goes on to take
    /// it from the ports.
    fn make_bridge(&mut self, bridge: &Bridge, look: &Look) -> Result<(), Error> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(bridge.name.to_string()));
        message.attributes.push(LinkAttribute::Mtu(bridge.mtu - 1));
        message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
        let first = bridge.ports.first().and_then(|port| look.device(port)?.link.mac);
        message.attributes.extend(first.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
        match self.conversation.request(&Message::NewLink(message), NLM_F_CREATE | NLM_F_EXCL) {
            // Somebody else made it meanwhile.
            Err(failure) if failure.errno() == Some(Errno::EEXIST) => Ok(()),
            outcome => self.told(outcome),
        }
    }

    fn ensure_port(
        &mut self,
        look: &Look,
        bridge: &Bridge,
        own: &Link,
        port: &LinkName,
    ) -> Result<(), Error> {
        let what = words::port(bridge, port);
        let before = std::mem::replace(&mut self.call.what, what);
        let outcome = self.join(look, own, port);
        self.call.what = before;
        outcome
    }

    fn join(&mut self, look: &Look, bridge: &Link, port: &LinkName) -> Result<(), Error> {
        let what = &self.call.what;
        let Some(Device { link, .. }) = look.device(port) else { return Err(Error::absent(what, port)) };
        match &link.master {
            Some(master) if *master == bridge.name => {}
            Some(master) => {
                let why = format!("{port} is a port of {master}");
                let remedy = format!("take it out with `ip link set {port} nomaster`, or name another port");
                return Err(Error::refused(what, why, remedy));
            }
            None => {
                let mut message = about(link.index);
                message.attributes.push(LinkAttribute::Controller(bridge.index));
                self.tell(&Message::SetLink(message), 0)?;
            }
        }
        self.ensure_up(link)
    }

    /// The kernel takes all other addresses of a network with the one that came first, unless this is set.
    fn promote_secondaries(&mut self, index: u32) -> Result<(), Error> {
        let setting = DefaultNla::new(PROMOTE_SECONDARIES, 1_u32.to_ne_bytes().to_vec());
        let settings = DefaultNla::new(SETTINGS, emitted(&setting));
        let family = DefaultNla::new(u16::from(u8::from(AddressFamily::Inet)), emitted(&settings));
        let mut message = about(index);
        message.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Other(family)]));
        self.tell(&Message::SetLink(message), 0)
    }

    fn remove(&mut self, index: u32, addresses: &[&Address]) -> Result<(), Error> {
        for address in addresses {
            match self.conversation.request(&Message::DelAddress(rendered(index, address)), 0) {
                // It went meanwhile, or its link did.
                Err(failure) if matches!(failure.errno(), Some(Errno::EADDRNOTAVAIL | Errno::ENODEV)) => {}
                outcome => self.told(outcome)?,
            }
        }
        Ok(())
    }

    fn dump(&mut self, request: Message) -> Result<Vec<Message>, Error> {
        let outcome = self.conversation.dump(&request);
        outcome.map_err(|failure| self.call.refused(failure))
    }

    fn tell(&mut self, message: &Message, flags: u16) -> Result<(), Error> {
        let outcome = self.conversation.request(message, flags);
        self.told(outcome)
    }

    fn told(&self, outcome: Result<Vec<Message>, Failure>) -> Result<(), Error> {
        outcome.map(drop).map_err(|failure| self.call.refused(failure))
    }
}

fn link_told(message: Message) -> Option<LinkMessage> {
    if let Message::NewLink(link) = message { Some(link) } else { None }
}

fn address_told(message: Message) -> Option<AddressMessage> {
    if let Message::NewAddress(address) = message { Some(address) } else { None }
}

fn route_told(message: Message) -> Option<RouteMessage> {
    if let Message::NewRoute(route) = message { Some(route) } else { None }
}

fn about(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

fn emitted(attribute: &DefaultNla) -> Vec<u8> {
    let mut bytes = vec![0; attribute.buffer_len()];
    attribute.emit(&mut bytes);
    bytes
}

/// An address as the kernel wants it. It is not looked for at others first: while a floating address moves, two have
/// it, and a node that starts must have its own at once.
fn rendered(index: u32, address: &Address) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header = AddressHeader {
        family: family(address.ip),
        prefix_len: address.prefix_length,
        flags: AddressHeaderFlags::Nodad,
        scope: AddressScope::Universe,
        index,
    };
    let (valid, preferred) = match address.lifetime {
        Lifetime::Forever => (FOREVER, FOREVER),
        Lifetime::Seconds { valid, preferred } => (valid, preferred),
    };
    let mut lifetime = CacheInfo::default();
    lifetime.ifa_valid = valid;
    lifetime.ifa_preferred = preferred;
    message.attributes = vec![
        AddressAttribute::Local(address.ip),
        AddressAttribute::Address(address.ip),
        AddressAttribute::Flags(AddressFlags::Nodad),
        AddressAttribute::CacheInfo(lifetime),
    ];
    message.attributes.extend(broadcast(address).map(AddressAttribute::Broadcast));
    message
}

/// The address of all in an IPv4 network that is large enough to have one.
fn broadcast(address: &Address) -> Option<Ipv4Addr> {
    match address.ip {
        IpAddr::V4(ip) if address.prefix_length < 31 => {
            Some(Ipv4Addr::from_bits(ip.to_bits() | (u32::MAX >> address.prefix_length)))
        }
        _ => None,
    }
}

fn default_route(index: u32, gateway: IpAddr, metric: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(gateway),
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::Static,
        scope: RouteScope::Universe,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    message.attributes = vec![
        RouteAttribute::Gateway(gateway.into()),
        RouteAttribute::Oif(index),
        RouteAttribute::Priority(metric),
    ];
    message
}

fn family(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
