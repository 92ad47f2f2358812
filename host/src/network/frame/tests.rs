//! The frames, byte for byte.

use super::*;

const MAC: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 0x0a]);

fn hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_ipv4_address_is_announced_by_a_request_and_a_reply() {
    let frames = announcements("10.0.0.10".parse().unwrap(), MAC, Forwarding::Host);
    let common = "ffffffffffff02000000000a0806000108000604";
    assert_eq!(
        frames.iter().map(|frame| hex(frame)).collect::<Vec<_>>(),
        [
            format!("{common}000102000000000a0a00000a0000000000000a00000a"),
            format!("{common}000202000000000a0a00000a02000000000a0a00000a"),
        ]
    );
}

#[test]
fn an_ipv6_address_is_announced_by_an_advertisement_that_overrides() {
    let ip: Ipv6Addr = "fd00::10".parse().unwrap();
    let frames = announcements(IpAddr::V6(ip), MAC, Forwarding::Host);
    let [frame] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(frame.len(), 86);
    let text = hex(frame);
    assert!(text.starts_with("33330000000102000000000a86dd6000000000203aff"), "{text}");
    assert_eq!(frame[54], 136);
    assert_eq!(frame[58], 0x20, "override, and not a router");
    assert!(text.ends_with("fd000000000000000000000000000010020102000000000a"), "{text}");
    assert_eq!(checksum(ip, 32, &frame[54..]), 0, "a sum over a message with its checksum is nothing");
}

#[test]
fn a_router_says_that_it_is_one() {
    let frames = announcements("fd00::1".parse().unwrap(), MAC, Forwarding::Router);
    assert_eq!(frames[0][58], 0xa0);
}
