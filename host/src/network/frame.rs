//! The frames that tell a network where an address is: gratuitous ARP (RFC 5227) and neighbour advertisements (RFC 4861).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::MacAddress;

const BROADCAST: [u8; 6] = [0xff; 6];

/// Where Ethernet carries what is for all IPv6 nodes.
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];

/// Ethernet, IPv4, and how long their addresses are.
const ARP_OF_ETHERNET_AND_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const ARP_REQUEST: [u8; 2] = [0, 1];
const ARP_REPLY: [u8; 2] = [0, 2];

const ICMPV6: u8 = 58;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const OPTION_TARGET_MAC: [u8; 2] = [2, 1];

/// What a neighbour advertisement says in its first octet of flags.
const FLAG_ROUTER: u8 = 0x80;
const FLAG_OVERRIDE: u8 = 0x20;

/// Where the checksum stands in an ICMPv6 message.
const CHECKSUM: std::ops::Range<usize> = 2..4;

/// Whether a machine forwards what is not for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forwarding {
    /// It does: whoever used it as a router must go on to.
    Router,
    /// It does not.
    Host,
}

/// The frames that say that `ip` is at `mac`.
///
/// For IPv4 a request and a reply: some systems learn from the one only, some from the other. An advertisement that
/// does not say "router" of one would make every host forget it as its router.
pub(super) fn announcements(ip: IpAddr, mac: MacAddress, forwarding: Forwarding) -> Vec<Vec<u8>> {
    match ip {
        IpAddr::V4(ip) => vec![arp(ARP_REQUEST, ip, mac, [0; 6]), arp(ARP_REPLY, ip, mac, mac.0)],
        IpAddr::V6(ip) => vec![advertisement(ip, mac, forwarding)],
    }
}

fn arp(operation: [u8; 2], ip: Ipv4Addr, mac: MacAddress, target: [u8; 6]) -> Vec<u8> {
    let mut frame = ethernet(BROADCAST, mac, ETHERTYPE_ARP);
    frame.extend(ARP_OF_ETHERNET_AND_IPV4);
    frame.extend(operation);
    frame.extend(mac.0);
    frame.extend(ip.octets());
    frame.extend(target);
    frame.extend(ip.octets());
    frame
}

fn advertisement(ip: Ipv6Addr, mac: MacAddress, forwarding: Forwarding) -> Vec<u8> {
    let flags = match forwarding {
        Forwarding::Router => FLAG_ROUTER | FLAG_OVERRIDE,
        Forwarding::Host => FLAG_OVERRIDE,
    };
    let mut message = vec![NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    message.extend(ip.octets());
    message.extend(OPTION_TARGET_MAC);
    message.extend(mac.0);
    let length = u8::try_from(message.len()).expect("the message has 32 bytes");
    let sum = checksum(ip, length, &message);
    message[CHECKSUM].copy_from_slice(&sum.to_be_bytes());

    let mut frame = ethernet(ALL_NODES_MAC, mac, ETHERTYPE_IPV6);
    // Version 6, length, next header, and the hop limit that proves that no router passed it on.
    frame.extend([0x60, 0, 0, 0, 0, length, ICMPV6, 255]);
    frame.extend(ip.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(message);
    frame
}

fn ethernet(to: [u8; 6], from: MacAddress, kind: [u8; 2]) -> Vec<u8> {
    [&to[..], &from.0, &kind].concat()
}

/// The one's complement sum over the pseudo header and a message of even length.
fn checksum(from: Ipv6Addr, length: u8, message: &[u8]) -> u16 {
    let pseudo = [&from.octets()[..], &ALL_NODES.octets(), &[0, 0, 0, length, 0, 0, 0, ICMPV6]].concat();
    let words = pseudo.chunks_exact(2).chain(message.chunks_exact(2));
    let mut sum: u32 = words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("it was folded to sixteen bits")
}

#[cfg(test)]
mod tests;
