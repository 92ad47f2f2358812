//! A link in memory: what it is made of, how it stands, and what went through it.

use crate::network::{Counters, Link, LinkKind, LinkName, LinkState, MacAddress};

/// The MTU of a link that nobody changed.
const MTU: u32 = 1500;
const LOOPBACK_MTU: u32 = 65_536;

/// What a new network card of today does.
const SPEED_MBIT: u32 = 10_000;

/// A link.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) index: u32,
    pub(super) mac: MacAddress,
    pub(super) mtu: u32,
    pub(super) is_up: bool,
    pub(super) has_cable: bool,
    pub(super) kind: LinkKind,
    pub(super) master: Option<LinkName>,
    received: (u64, u64),
    sent: (u64, u64),
}

impl Device {
    pub(super) fn loopback() -> Self {
        let made = Self::made(1, MacAddress([0; 6]), LinkKind::Loopback);
        Self { mtu: LOOPBACK_MTU, ..made }
    }

    pub(super) fn card(index: u32, mac: MacAddress) -> Self {
        Self::made(index, mac, LinkKind::Physical)
    }

    pub(super) fn bridge(index: u32, mac: MacAddress) -> Self {
        Self::made(index, mac, LinkKind::Bridge)
    }

    fn made(index: u32, mac: MacAddress, kind: LinkKind) -> Self {
        let nothing = (0, 0);
        Self {
            index,
            mac,
            mtu: MTU,
            is_up: false,
            has_cable: true,
            kind,
            master: None,
            received: nothing,
            sent: nothing,
        }
    }

    /// As after a start of the machine.
    pub(super) fn reset(&mut self) {
        let fresh = Self::made(self.index, self.mac, self.kind.clone());
        let mtu = if self.kind == LinkKind::Loopback { LOOPBACK_MTU } else { MTU };
        *self = Self { mtu, has_cable: self.has_cable, ..fresh };
    }

    pub(super) fn receive(&mut self, packets: u64, bytes: u64) {
        self.received = (self.received.0 + packets, self.received.1 + bytes);
    }

    pub(super) fn send(&mut self, packets: u64, bytes: u64) {
        self.sent = (self.sent.0 + packets, self.sent.1 + bytes);
    }

    pub(super) fn link(&self, name: &LinkName, state: LinkState) -> Link {
        Link {
            name: name.clone(),
            index: self.index,
            mac: Some(self.mac),
            mtu: self.mtu,
            state,
            kind: self.kind.clone(),
            master: self.master.clone(),
        }
    }

    pub(super) fn counters(&self, link: Link) -> Counters {
        Counters {
            link: link.name,
            kind: link.kind,
            state: link.state,
            speed_mbit: (link.state == LinkState::Up).then_some(SPEED_MBIT),
            rx_bytes: self.received.1,
            rx_packets: self.received.0,
            tx_bytes: self.sent.1,
            tx_packets: self.sent.0,
        }
    }
}
