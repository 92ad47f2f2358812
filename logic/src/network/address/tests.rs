//! Which addresses and gateways may be asked for, and what an address reaches.

use super::*;

fn address(ip: &str, prefix_length: u8) -> Address {
    let link = "br0".parse().unwrap();
    Address { link, ip: ip.parse().unwrap(), prefix_length, lifetime: Lifetime::Forever }
}

#[test]
fn what_no_machine_can_have_is_no_address() {
    for (ip, prefix_length) in [("10.0.0.1", 24), ("10.0.0.1", 32), ("fd00::1", 64), ("fe80::1", 128)] {
        address(ip, prefix_length).check().unwrap();
    }
    for (ip, prefix_length) in [
        ("0.0.0.0", 24),
        ("224.0.0.1", 24),
        ("255.255.255.255", 24),
        ("::", 64),
        ("ff02::1", 64),
        ("10.0.0.1", 0),
        ("10.0.0.1", 33),
        ("fd00::1", 129),
    ] {
        address(ip, prefix_length).check().unwrap_err();
    }
}

#[test]
fn a_lifetime_is_a_second_at_least_and_no_shorter_than_what_is_preferred_of_it() {
    let with = |valid, preferred| {
        let lifetime = Lifetime::Seconds { valid, preferred };
        Address { lifetime, ..address("10.0.0.1", 24) }.check()
    };
    assert_eq!(with(6, 0), Ok(()));
    assert_eq!(with(6, 6), Ok(()));
    assert!(with(0, 0).is_err());
    assert!(with(6, 7).is_err());
}

#[test]
fn an_address_reaches_its_own_network_and_no_other() {
    let reaches = |ip, length, other: &str| address(ip, length).reaches(other.parse().unwrap());
    assert!(reaches("10.0.0.1", 24, "10.0.0.254"));
    assert!(!reaches("10.0.0.1", 24, "10.0.1.1"));
    assert!(!reaches("10.0.0.1", 32, "10.0.0.2"));
    assert!(reaches("fd00::1", 64, "fd00::ffff"));
    assert!(!reaches("fd00::1", 64, "fd00:0:0:1::1"));
    assert!(!reaches("10.0.0.1", 24, "fd00::1"));
}

#[test]
fn a_gateway_is_another_machine() {
    check_gateway("10.0.0.1".parse().unwrap()).unwrap();
    check_gateway("fe80::1".parse().unwrap()).unwrap();
    for odd in ["0.0.0.0", "::", "127.0.0.1", "::1", "224.0.0.1"] {
        check_gateway(odd.parse().unwrap()).unwrap_err();
    }
}
