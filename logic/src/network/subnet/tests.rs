//! What is a network, and which addresses machines may have in it.

use super::*;

fn subnet(text: &str) -> Subnet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_network_is_written_with_its_first_address_and_its_length() {
    for text in ["10.0.0.0/24", "10.100.0.0/16", "192.168.1.128/30", "fd00::/64", "10.0.0.0/8"] {
        assert_eq!(subnet(text).to_string(), text);
    }
    for (text, part) in [
        ("10.0.0.0", "no network"),
        ("10.0.0/24", "no network"),
        ("10.0.0.0/x", "no network"),
        ("10.0.0.0/31", "no room"),
        ("0.0.0.0/0", "no room"),
        ("fd00::/127", "no room"),
        ("10.0.0.7/24", "write 10.0.0.0/24"),
        ("fd00::1/64", "write fd00::/64"),
    ] {
        let error = text.parse::<Subnet>().unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(text), "{error}");
    }
}

#[test]
fn a_machine_has_neither_the_first_address_nor_the_last_of_ipv4() {
    let net = subnet("10.0.0.0/24");
    assert!(net.has_host(ip("10.0.0.1")) && net.has_host(ip("10.0.0.254")));
    for odd in ["10.0.0.0", "10.0.0.255", "10.0.1.1", "fd00::1"] {
        assert!(!net.has_host(ip(odd)), "{odd}");
    }
    let net = subnet("fd00::/64");
    assert!(net.has_host(ip("fd00::1")) && net.has_host(ip("fd00::ffff:ffff:ffff:ffff")));
    assert!(!net.has_host(ip("fd00::")) && !net.has_host(ip("fd00:0:0:1::1")));
}

#[test]
fn a_node_is_the_address_of_its_number_where_there_is_room() {
    assert_eq!(subnet("10.0.0.0/24").host(1), Some(ip("10.0.0.1")));
    assert_eq!(subnet("10.0.0.0/16").host(300), Some(ip("10.0.1.44")));
    assert_eq!(subnet("fd00::/64").host(17), Some(ip("fd00::11")));
    for number in [0, 255, 256, u32::MAX] {
        assert_eq!(subnet("10.0.0.0/24").host(number), None);
    }
    assert_eq!(subnet("255.255.255.0/24").host(u32::MAX), None);
}

#[test]
fn networks_overlap_when_one_lies_within_the_other() {
    assert!(subnet("10.0.0.0/16").overlaps(&subnet("10.0.3.0/24")));
    assert!(subnet("10.0.3.0/24").overlaps(&subnet("10.0.0.0/16")));
    assert!(!subnet("10.0.3.0/24").overlaps(&subnet("10.0.4.0/24")));
    assert!(!subnet("10.0.0.0/8").overlaps(&subnet("fd00::/64")));
}
