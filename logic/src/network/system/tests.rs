//! Wanted against seen: each thing is made once what it rests on is there, and what nobody can make is told.

use std::sync::Arc;

use super::*;
use crate::network::{NetworkKind, Wanted};
use crate::time::BootTime;

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

fn upstream() -> SystemNetwork {
    SystemNetwork {
        kind: NetworkKind::Upstream,
        device: name("ens4"),
        bridge: name("brupstream"),
        mtu: 9000,
        subnet: "10.0.0.0/24".parse().unwrap(),
        address: "10.0.0.1".parse().unwrap(),
        floating: Some("10.0.0.10".parse().unwrap()),
        gateway: Some("10.0.0.254".parse().unwrap()),
    }
}

fn link(text: &str, kind: LinkKind) -> Link {
    Link { name: name(text), index: 2, mac: None, mtu: 9000, state: LinkState::Up, kind, master: None }
}

fn address(link: &str, prefix_length: u8, lifetime: Lifetime) -> Address {
    Address { link: name(link), ip: "10.0.0.1".parse().unwrap(), prefix_length, lifetime }
}

/// Everything as it shall be.
fn whole() -> Seen {
    let device = Link { master: Some(name("brupstream")), ..link("ens4", LinkKind::Physical) };
    Seen {
        links: vec![device, link("brupstream", LinkKind::Bridge)],
        addresses: vec![address("brupstream", 24, Lifetime::Forever)],
        default_routes: vec![DefaultRoute {
            link: name("brupstream"),
            gateway: "10.0.0.254".parse().unwrap(),
            metric: 0,
        }],
    }
}

fn own<const N: usize>(networks: [SystemNetwork; N]) -> Wanted {
    Wanted { own: Arc::new(networks), guests: None }
}

fn outlook(seen: Seen) -> Outlook {
    decide(&Networks { wanted: own([upstream()]), sighting: Sighting::Seen(Arc::new(seen)), at: BootTime(0) })
}

fn steps(seen: Seen) -> Vec<&'static str> {
    let outlook = outlook(seen);
    assert_eq!(outlook.troubles, Vec::<String>::new());
    outlook.steps.iter().map(|step| step.action.name()).collect()
}

fn trouble(seen: Seen) -> String {
    outlook(seen).troubles.join("; ")
}

#[test]
fn what_is_as_it_shall_be_is_left_alone() {
    assert_eq!(steps(whole()), Vec::<&str>::new());
    assert_eq!(decide(&Networks::none()), Outlook::default());
}

#[test]
fn each_thing_is_made_once_what_it_rests_on_is_there() {
    let card = Link { state: LinkState::Down, mtu: 1500, ..link("ens4", LinkKind::Physical) };
    let mut seen = Seen { links: vec![card], ..Seen::default() };
    assert_eq!(steps(seen.clone()), ["ensure-link"]);
    seen.links = vec![link("ens4", LinkKind::Physical)];
    assert_eq!(steps(seen.clone()), ["ensure-bridge"]);
    seen.links = whole().links;
    assert_eq!(steps(seen.clone()), ["ensure-address"]);
    seen.addresses = whole().addresses;
    assert_eq!(steps(seen), ["ensure-default-route"]);
}

#[test]
fn what_drifts_is_mended() {
    let mtu = |at: usize| {
        let mut seen = whole();
        seen.links[at].mtu = 1500;
        steps(seen)
    };
    assert_eq!((mtu(0), mtu(1)), (vec!["ensure-link"], vec!["ensure-bridge"]));
    let mut out = whole();
    out.links[0].master = None;
    assert_eq!(steps(out), ["ensure-bridge"]);
    for odd in [
        address("brupstream", 32, Lifetime::Forever),
        address("brupstream", 24, Lifetime::Seconds { valid: 5, preferred: 5 }),
    ] {
        assert_eq!(steps(Seen { addresses: vec![odd], ..whole() }), ["ensure-address"]);
    }
    let mut elsewhere = whole();
    elsewhere.default_routes[0].gateway = "10.0.0.253".parse().unwrap();
    assert_eq!(steps(elsewhere), ["ensure-default-route"]);
}

#[test]
fn what_no_step_can_mend_is_told_and_asked_of_nobody() {
    assert!(trouble(Seen::default()).contains("there is no ens4"));
    assert_eq!(outlook(Seen::default()).steps, Vec::new());
    let mut taken = whole();
    taken.links[0].master = Some(name("br0"));
    assert!(trouble(taken).contains("ip link set ens4 nomaster"));
    let mut no_bridge = whole();
    no_bridge.links[1].kind = LinkKind::Physical;
    assert!(trouble(no_bridge).contains("no bridge; rename it"));
    let mut unplugged = whole();
    unplugged.links[0].state = LinkState::NoCarrier;
    assert!(trouble(unplugged).contains("no carrier"));
    let mut strayed = whole();
    strayed.addresses.push(address("ens4", 24, Lifetime::Forever));
    assert!(trouble(strayed).contains("ip address del 10.0.0.1/24 dev ens4"));
    let unknown = Sighting::Unknown { why: "hung".into() };
    let silent = decide(&Networks { wanted: own([upstream()]), sighting: unknown, at: BootTime(0) });
    assert_eq!((silent.steps, silent.troubles.len()), (Vec::new(), 1));
}

#[test]
fn networks_of_one_device_make_its_bridge_once() {
    let storage = SystemNetwork {
        kind: NetworkKind::Storage,
        subnet: "10.1.0.0/24".parse().unwrap(),
        address: "10.1.0.1".parse().unwrap(),
        gateway: None,
        ..upstream()
    };
    let card = Seen { links: vec![link("ens4", LinkKind::Physical)], ..Seen::default() };
    let both = |seen| {
        decide(&Networks {
            wanted: own([upstream(), storage.clone()]),
            sighting: Sighting::Seen(Arc::new(seen)),
            at: BootTime(0),
        })
    };
    assert_eq!(both(card).steps.len(), 1);
    assert_eq!(both(Seen { addresses: Vec::new(), ..whole() }).steps.len(), 2);
}

#[test]
fn the_device_of_the_guests_networks_is_brought_up_with_its_mtu() {
    let carried = |device: &str, links: Vec<Link>| {
        let guests = Some(GuestLink { device: name(device), mtu: 1500 });
        let seen = Seen { links, ..Seen::default() };
        let wanted = Wanted { guests, ..Wanted::default() };
        decide(&Networks { wanted, sighting: Sighting::Seen(Arc::new(seen)), at: BootTime(0) })
    };
    let down = Link { state: LinkState::Down, ..link("ens6", LinkKind::Physical) };
    let asked = carried("ens6", vec![down]);
    let change = Change::EnsureLink { link: name("ens6"), mtu: 1500 };
    assert_eq!(asked.steps.iter().map(|step| &step.action).collect::<Vec<_>>(), [&Action::Network(change)]);
    let up = Link { mtu: 1500, ..link("ens6", LinkKind::Physical) };
    assert_eq!(carried("ens6", vec![up.clone()]), Outlook::default());
    let cut = Link { state: LinkState::NoCarrier, ..up };
    assert!(carried("ens6", vec![cut]).troubles[0].contains("ens6 has no carrier"));
    assert!(carried("ens6", Vec::new()).troubles[0].contains("bridge_device: there is no ens6"));
}

#[test]
fn a_device_that_carries_both_is_left_to_the_machines_own_network() {
    let wanted = Wanted { guests: Some(GuestLink { device: name("ens4"), mtu: 9000 }), ..own([upstream()]) };
    let sighting = Sighting::Seen(Arc::new(whole()));
    assert_eq!(decide(&Networks { wanted, sighting, at: BootTime(0) }), Outlook::default());
}

#[test]
fn links_that_guests_may_be_attached_to_are_told_when_they_carry_nothing() {
    let dead = |links: Vec<Link>, guests: Option<&str>| {
        let guests = guests.map(|device| GuestLink { device: name(device), mtu: 1500 });
        let wanted = Wanted { guests, ..own([upstream()]) };
        let sighting = Sighting::Seen(Arc::new(Seen { links, ..Seen::default() }));
        let dead = dead_links(&Networks { wanted, sighting, at: BootTime(0) });
        dead.into_iter().collect::<Vec<_>>().join(" ")
    };
    let card = |state| Link { state, master: Some(name("brupstream")), ..link("ens4", LinkKind::Physical) };
    let bridge = |state| Link { state, ..link("brupstream", LinkKind::Bridge) };
    let up = || vec![card(LinkState::Up), bridge(LinkState::Up)];
    assert_eq!(dead(up(), None), "");
    assert_eq!(dead(Vec::new(), None), "brupstream ens4");
    assert_eq!(dead(vec![card(LinkState::NoCarrier), bridge(LinkState::NoCarrier)], None), "brupstream ens4");
    assert_eq!(dead(vec![card(LinkState::Up), bridge(LinkState::Down)], None), "brupstream");
    assert_eq!(dead(vec![card(LinkState::Up), link("brupstream", LinkKind::Physical)], None), "brupstream");
    let elsewhere = Link { master: Some(name("bond0")), ..card(LinkState::Up) };
    assert_eq!(dead(vec![elsewhere, bridge(LinkState::Up)], None), "brupstream");
    let with_second = |state| [up(), vec![Link { state, ..link("ens6", LinkKind::Physical) }]].concat();
    assert_eq!(dead(with_second(LinkState::Up), Some("ens6")), "");
    assert_eq!(dead(with_second(LinkState::NoCarrier), Some("ens6")), "ens6 vmbr");
    assert_eq!(dead(up(), Some("ens6")), "ens6 vmbr");
    let unknown = Sighting::Unknown { why: "hung".into() };
    let blind = Networks { wanted: own([upstream()]), sighting: unknown, at: BootTime(0) };
    assert_eq!(dead_links(&blind).len(), 2);
    assert!(dead_links(&Networks::none()).is_empty());
}
