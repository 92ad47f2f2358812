//! What must be done so that the machine's networks are as they are configured: wanted and seen in, steps out.
//!
//! | wanted | done when | waits for |
//! |---|---|---|
//! | the device | it is up and has the MTU | the device |
//! | the bridge | it is up, has the MTU, and the device is its port | the device as it shall be |
//! | this node's address | the bridge has it, with its prefix, for ever | the bridge |
//! | the default route | the preferred one of its family leads to the gateway over the bridge | the address |
//! | the device of guests' networks | it is up and has its MTU; nothing more where a network above is on it | the device |
//!
//! What no step can mend (a device that is not there, a name that something else has) is told as a trouble, and asked of
//! nobody. Nothing is ever taken away: what was made stays when a daemon ends or a section of the configuration goes.

use std::collections::BTreeSet;

use super::{
    Address, Bridge, Change, DefaultRoute, GUEST_BRIDGE_PREFIX, GuestLink, Lifetime, Link, LinkKind,
    LinkName, LinkState, Networks, Seen, Sighting, SystemNetwork, metric,
};
use crate::plan::{Action, Reason, Resource, Step};

/// What must be done, and what is wrong that no step can mend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// What must be done now. What rests on it follows when it is seen to be done.
    pub steps: Vec<Step>,
    /// What is wrong, each with what to do about it.
    pub troubles: Vec<String>,
}

/// Compares what is wanted with what is seen.
pub fn decide(networks: &Networks) -> Outlook {
    let mut outlook = Outlook::default();
    if networks.wanted.is_nothing() {
        return outlook;
    }
    let seen = match &networks.sighting {
        Sighting::Seen(seen) => seen,
        Sighting::Unknown { why } => {
            outlook.troubles.push(format!("the machine's networks are not seen: {why}"));
            return outlook;
        }
    };
    for (index, network) in networks.wanted.own.iter().enumerate() {
        let is_first = !networks.wanted.own[..index].iter().any(|other| other.device == network.device);
        if is_first {
            outlook.link(network, seen);
        }
        outlook.address(network, seen);
    }
    if let Some(link) = &networks.wanted.guests {
        let is_own = networks.wanted.own.iter().any(|network| network.device == link.device);
        if !is_own {
            outlook.guest_link(link, seen);
        }
    }
    outlook
}

/// The links that guests may be attached to and that carry nothing now: bridges, and the devices below them. The prefix of
/// their names stands for the bridges of all guests' networks. Where nothing is seen, none carries anything.
pub fn dead_links(networks: &Networks) -> BTreeSet<String> {
    let mut dead = BTreeSet::new();
    let link = |name: &LinkName| networks.seen().and_then(|seen| seen.link(name));
    let carrying = |name: &LinkName| link(name).filter(|link| link.state == LinkState::Up);
    for SystemNetwork { device, bridge, .. } in networks.wanted.own.iter() {
        let card = carrying(device);
        if card.is_none() {
            dead.insert(device.to_string());
        }
        let is_port = card.is_some_and(|card| card.master.as_ref() == Some(bridge));
        let is_bridge = |link: &Link| link.kind == LinkKind::Bridge && link.state != LinkState::Down;
        if !is_port || !link(bridge).is_some_and(is_bridge) {
            dead.insert(bridge.to_string());
        }
    }
    if let Some(GuestLink { device, .. }) = &networks.wanted.guests
        && carrying(device).is_none()
    {
        dead.extend([device.to_string(), GUEST_BRIDGE_PREFIX.to_owned()]);
    }
    dead
}

impl Outlook {
    fn step(&mut self, resource: Resource, change: Change, reason: Reason) {
        let action = Action::Network(change);
        self.steps.push(Step { resource, action, guards: Vec::new(), not_after: None, reason });
    }

    fn trouble(&mut self, network: &SystemNetwork, what: &str) {
        self.troubles.push(format!("the network {}: {what}", network.kind.as_str()));
    }

    /// The device and the bridge on it.
    fn link(&mut self, network: &SystemNetwork, seen: &Seen) {
        let SystemNetwork { device: name, bridge, mtu, .. } = network;
        let Some(device) = seen.link(name) else {
            return self.trouble(
                network,
                &format!("there is no {name}; plug it in, or correct its name in pvc.toml"),
            );
        };
        if let Some(other) = device.master.as_ref().filter(|master| *master != bridge) {
            let remedy = format!("take it out with: ip link set {name} nomaster");
            return self.trouble(network, &format!("{name} is a port of {other}; {remedy}"));
        }
        let own = seen.link(bridge);
        if own.is_some_and(|own| own.kind != LinkKind::Bridge) {
            return self.trouble(network, &format!("{bridge} exists and is no bridge; rename it"));
        }
        if device.state == LinkState::NoCarrier {
            self.trouble(network, &format!("{name} has no carrier; see to its cable and its switch"));
        }
        if let Some(address) = strayed(network, seen) {
            let remedy = format!(
                "take it away with: ip address del {}/{} dev {name}",
                address.ip, address.prefix_length
            );
            self.trouble(network, &format!("{} is on {name}, past its bridge; {remedy}", address.ip));
        }
        if !is_up(device, *mtu) {
            let change = Change::EnsureLink { link: name.clone(), mtu: *mtu };
            self.step(Resource::Link(name.clone()), change, Reason::LinkDiffers);
        } else if device.master.is_none() || !own.is_some_and(|own| is_up(own, *mtu)) {
            let wanted = Bridge { name: bridge.clone(), mtu: *mtu, ports: vec![name.clone()] };
            self.step(Resource::Link(bridge.clone()), Change::EnsureBridge(wanted), Reason::BridgeDiffers);
        }
    }

    /// The device that carries the guests' networks.
    fn guest_link(&mut self, link: &GuestLink, seen: &Seen) {
        let GuestLink { device: name, mtu } = link;
        let Some(device) = seen.link(name) else {
            self.troubles.push(format!(
                "bridge_device: there is no {name}; plug it in, or correct its name in pvc.toml"
            ));
            return;
        };
        if device.state == LinkState::NoCarrier {
            self.troubles
                .push(format!("bridge_device: {name} has no carrier; see to its cable and its switch"));
        }
        if !is_up(device, *mtu) {
            let change = Change::EnsureLink { link: name.clone(), mtu: *mtu };
            self.step(Resource::Link(name.clone()), change, Reason::LinkDiffers);
        }
    }

    /// This node's address, and the default route.
    fn address(&mut self, network: &SystemNetwork, seen: &Seen) {
        let SystemNetwork { bridge, subnet, address: ip, .. } = network;
        let Some(own) = seen.link(bridge).filter(|own| own.kind == LinkKind::Bridge) else { return };
        let is_wanted = |address: &Address| {
            address.prefix_length == subnet.length() && address.lifetime == Lifetime::Forever
        };
        if !seen.address(bridge, *ip).is_some_and(is_wanted) {
            let change = hold(bridge, *ip, subnet.length());
            return self.step(Resource::Address(bridge.clone(), *ip), change, Reason::AddressMissing);
        }
        let Some(gateway) = network.gateway else { return };
        let route = DefaultRoute { link: bridge.clone(), gateway, metric: metric(gateway) };
        if own.state != LinkState::Down && !seen.default_routes.contains(&route) {
            let change = Change::EnsureDefaultRoute { link: bridge.clone(), gateway };
            self.step(Resource::Route(bridge.clone()), change, Reason::RouteMissing);
        }
    }
}

fn hold(link: &LinkName, ip: std::net::IpAddr, prefix_length: u8) -> Change {
    Change::EnsureAddress { link: link.clone(), ip, prefix_length, until: None }
}

fn is_up(link: &Link, mtu: u32) -> bool {
    link.mtu == mtu && link.state != LinkState::Down
}

/// An address of the network that the device has itself: its route would compete with that of the bridge.
fn strayed<'a>(network: &SystemNetwork, seen: &'a Seen) -> Option<&'a Address> {
    seen.addresses
        .iter()
        .find(|address| address.link == network.device && network.subnet.contains(address.ip))
}

#[cfg(test)]
mod tests;
