//! The laws that every machine's networks keep.

use std::net::IpAddr;
use std::time::Duration;

use host::network::{Address, Bridge, Error, Lifetime, LinkKind, LinkName, LinkState, Network, Seen};

use crate::world::{Bell, Heard, How, World, address, fleeting, name, wait};

/// How much earlier the kernel may end a lifetime: it counts in ticks.
const EARLY: Duration = Duration::from_millis(100);

/// How much later, on a busy machine; an idle one takes up to a second.
const LATE: Duration = Duration::from_secs(60);

/// Puts in a card and brings it up.
fn card(world: &dyn World, network: &dyn Network, text: &str) -> LinkName {
    let link = name(text);
    world.plug(&link);
    network.ensure_link(&link, 1500).unwrap();
    wait(world, "the card carries", || state(&look(network), &link) == LinkState::Up);
    link
}

fn look(network: &dyn Network) -> Seen {
    network.observe().unwrap()
}

fn state(seen: &Seen, link: &LinkName) -> LinkState {
    seen.link(link).unwrap().state
}

/// The addresses of a link but those that the kernel gives itself.
fn addresses(network: &dyn Network, link: &LinkName) -> Vec<Address> {
    let is_own = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let of_link = |address: &Address| address.link == *link && !is_own(address.ip);
    look(network).addresses.into_iter().filter(of_link).collect()
}

/// What was refused, why, and what to do.
fn refusal(outcome: Result<(), Error>) -> (String, String, String) {
    match outcome {
        Err(Error::Refused { what, why, remedy }) => (what, why, remedy),
        other => panic!("it was not refused: {other:?}"),
    }
}

pub(crate) fn links_are_seen_as_they_are(world: &dyn World) {
    let network = world.open();
    let (first, second) = (name("ens4"), name("ens5"));
    world.plug(&first);
    world.plug(&second);
    let seen = look(&*network);
    assert_eq!(seen.links.len(), 3);
    assert_eq!(seen.link(&name("lo")).unwrap().kind, LinkKind::Loopback);
    for link in [&first, &second] {
        let link = seen.link(link).unwrap();
        assert_eq!((link.mtu, link.state, &link.master), (1500, LinkState::Down, &None));
        assert_eq!(link.kind, world.kind_of_cards());
        assert!(link.mac.is_some());
    }
    let (first, second) = (seen.link(&first).unwrap(), seen.link(&second).unwrap());
    assert!(first.index != second.index && first.mac != second.mac);
    assert_eq!(seen.default_routes, []);
}

pub(crate) fn a_link_is_brought_up_with_its_mtu(world: &dyn World) {
    let network = world.open();
    let link = name("ens4");
    world.plug(&link);
    for mtu in [9000, 9000, 1400] {
        network.ensure_link(&link, mtu).unwrap();
        assert_eq!(look(&*network).link(&link).unwrap().mtu, mtu);
        assert_ne!(state(&look(&*network), &link), LinkState::Down);
    }
    world.take_down(&link);
    network.ensure_link(&link, 1400).unwrap();
    wait(world, "the link carries", || state(&look(&*network), &link) == LinkState::Up);
    world.pull_cable(&link);
    wait(world, "the link lost its carrier", || state(&look(&*network), &link) == LinkState::NoCarrier);
}

pub(crate) fn a_bridge_is_made_once_with_its_ports(world: &dyn World) {
    let network = world.open();
    let (first, second) = (name("ens4"), name("ens5"));
    world.plug(&first);
    world.plug(&second);
    let bridge = Bridge { name: name("brcluster"), mtu: 1500, ports: vec![first.clone()] };
    network.ensure_bridge(&bridge).unwrap();
    for link in [&bridge.name, &first] {
        wait(world, "the bridge and its port carry", || state(&look(&*network), link) == LinkState::Up);
    }
    let once = look(&*network);
    network.ensure_bridge(&bridge).unwrap();
    assert_eq!(look(&*network).links, once.links, "once more changes nothing");
    let made = once.link(&bridge.name).unwrap();
    assert_eq!((&made.kind, made.mtu), (&LinkKind::Bridge, 1500));
    assert_eq!(once.link(&first).unwrap().master, Some(bridge.name.clone()));
    assert_ne!(state(&once, &first), LinkState::Down);
    assert_eq!(once.link(&second).unwrap().master, None);
    let other = Bridge { ports: vec![second.clone()], ..bridge.clone() };
    network.ensure_bridge(&other).unwrap();
    let both = look(&*network);
    for port in [&first, &second] {
        assert_eq!(both.link(port).unwrap().master, Some(bridge.name.clone()), "no port is put out");
    }
    world.pull_cable(&first);
    world.pull_cable(&second);
    wait(world, "it lost its carrier", || state(&look(&*network), &bridge.name) == LinkState::NoCarrier);
    let alone = Bridge { name: name("br0"), mtu: 1500, ports: vec![] };
    network.ensure_bridge(&alone).unwrap();
    assert_eq!(state(&look(&*network), &alone.name), LinkState::Up, "it carries what is inside");
}

pub(crate) fn a_bridge_keeps_its_mtu_and_its_hardware_address(world: &dyn World) {
    let network = world.open();
    let ports: Vec<_> = ["ens4", "ens5", "ens6", "ens7"].map(|text| card(world, &*network, text)).into();
    let bridge = Bridge { name: name("brcluster"), mtu: 1500, ports: ports[..1].to_vec() };
    network.ensure_bridge(&bridge).unwrap();
    let mac = look(&*network).link(&ports[0]).unwrap().mac;
    network.ensure_link(&ports[2], 1400).unwrap();
    network.ensure_bridge(&Bridge { ports: ports[1..].to_vec(), ..bridge.clone() }).unwrap();
    let seen = look(&*network);
    let made = seen.link(&bridge.name).unwrap();
    assert_eq!(made.mac, mac, "it stays that of the first port, whichever is the lowest");
    assert_eq!(made.mtu, 1500, "a smaller port does not change it");
    assert_eq!(seen.link(&ports[2]).unwrap().mtu, 1400, "nor is the port's changed");
    network.ensure_bridge(&Bridge { mtu: 9000, ports: vec![], ..bridge.clone() }).unwrap();
    assert_eq!(look(&*network).link(&bridge.name).unwrap().mtu, 9000);
}

pub(crate) fn a_port_that_cannot_join_keeps_no_other_from_it(world: &dyn World) {
    let network = world.open();
    let (mine, taken) = (card(world, &*network, "ens4"), card(world, &*network, "ens5"));
    let other = Bridge { name: name("other"), mtu: 1500, ports: vec![taken.clone()] };
    network.ensure_bridge(&other).unwrap();
    let bridge =
        Bridge { name: name("brcluster"), mtu: 1500, ports: vec![name("ens9"), taken.clone(), mine.clone()] };
    let (what, why, _) = refusal(network.ensure_bridge(&bridge));
    assert_eq!(what, "make ens9 a port of the bridge brcluster");
    assert_eq!(why, "there is no link ens9");
    let seen = look(&*network);
    assert_eq!(seen.link(&mine).unwrap().master, Some(bridge.name.clone()));
    assert_eq!(seen.link(&taken).unwrap().master, Some(other.name));
    let (what, why, remedy) =
        refusal(network.ensure_bridge(&Bridge { ports: vec![taken], ..bridge.clone() }));
    assert_eq!(what, "make ens5 a port of the bridge brcluster");
    assert_eq!(why, "ens5 is a port of other");
    assert!(remedy.contains("ip link set ens5 nomaster"), "{remedy}");
    refusal(network.ensure_bridge(&Bridge { ports: vec![name("lo")], ..bridge }));
}

pub(crate) fn what_is_no_bridge_is_not_made_one(world: &dyn World) {
    let network = world.open();
    let link = card(world, &*network, "ens4");
    let before = look(&*network).links;
    let (what, why, _) = refusal(network.ensure_bridge(&Bridge { name: link, mtu: 1400, ports: vec![] }));
    assert_eq!((&what[..], &why[..]), ("make the bridge ens4", "ens4 exists and is no bridge"));
    assert_eq!(look(&*network).links, before);
}

pub(crate) fn an_address_is_given_once_and_taken_once(world: &dyn World) {
    let network = world.open();
    let link = card(world, &*network, "ens4");
    let given = [address(&link, "10.0.0.1/24"), address(&link, "10.0.0.2/24"), address(&link, "fd00::1/64")];
    for one in given.iter().chain(&given) {
        network.ensure_address(one).unwrap();
        assert_eq!(look(&*network).address(&link, one.ip), Some(one));
    }
    assert_eq!(addresses(&*network, &link), given);
    for one in given.iter().chain(&given) {
        network.remove_address(&link, one.ip).expect("what is not there is taken");
        assert_eq!(look(&*network).address(&link, one.ip), None);
    }
    assert_eq!(addresses(&*network, &link), []);
    network.remove_address(&name("ens9"), given[0].ip).expect("nor is it where no link is");
}

pub(crate) fn an_address_has_one_prefix_on_its_link(world: &dyn World) {
    let network = world.open();
    let link = card(world, &*network, "ens4");
    for text in ["10.0.0.1/24", "10.0.0.1/16", "10.0.0.1/32", "10.0.0.1/24"] {
        network.ensure_address(&address(&link, text)).unwrap();
        assert_eq!(addresses(&*network, &link), [address(&link, text)]);
    }
    network.remove_address(&link, "10.0.0.1".parse().unwrap()).unwrap();
    for text in ["fd00::1/64", "fd00::1/48", "fd00::1/128"] {
        network.ensure_address(&address(&link, text)).unwrap();
        assert_eq!(addresses(&*network, &link), [address(&link, text)]);
    }
}

pub(crate) fn what_cannot_be_is_refused_with_what_why_and_what_to_do(world: &dyn World) {
    let network = world.open();
    let (link, missing) = (card(world, &*network, "ens4"), name("ens9"));
    let gateway = "10.0.0.254".parse().unwrap();
    // What the kernel gives the link by itself may come meanwhile.
    let seen = || (look(&*network).links, addresses(&*network, &link), look(&*network).default_routes);
    let before = seen();
    let refused = [
        network.ensure_link(&missing, 1500),
        network.ensure_link(&link, 1279),
        network.ensure_bridge(&Bridge { name: name("br0"), mtu: 70_000, ports: vec![] }),
        network.ensure_address(&address(&missing, "10.0.0.1/24")),
        network.ensure_address(&address(&link, "224.0.0.1/24")),
        network.ensure_address(&address(&link, "10.0.0.1/33")),
        network.ensure_address(&fleeting(&link, "10.0.0.1/24", 0)),
        network.ensure_default_route(&missing, gateway),
        network.ensure_default_route(&link, "0.0.0.0".parse().unwrap()),
        network.announce(&missing, gateway),
    ];
    for outcome in refused {
        let text = outcome.clone().unwrap_err().to_string();
        let (what, why, remedy) = refusal(outcome);
        assert_eq!(text, format!("the network refused to {what}: {why}; {remedy}"));
        assert!(what.contains("ens") || what.contains("br0"), "{text}");
        assert!(!why.is_empty() && !remedy.is_empty(), "{text}");
    }
    assert_eq!(seen(), before, "and nothing came of it");
}

pub(crate) fn an_address_ends_by_itself_unless_it_is_given_again(world: &dyn World) {
    let network = world.open();
    let link = card(world, &*network, "ens4");
    let own = address(&link, "10.0.0.1/24");
    network.ensure_address(&own).unwrap();
    let floating = [fleeting(&link, "10.0.0.10/24", 3), fleeting(&link, "fd00::10/64", 3)];
    let lifetime = Duration::from_secs(3);
    let give = || floating.iter().for_each(|one| network.ensure_address(one).unwrap());
    let mut given_at = world.elapsed();
    give();
    wait(world, "both are seen with their lifetimes", || {
        let seen = look(&*network);
        let are_seen = floating.iter().all(|one| {
            let Some(seen) = seen.address(&link, one.ip) else { return false };
            let Lifetime::Seconds { valid, preferred } = seen.lifetime else {
                panic!("{} stays for good", one.ip);
            };
            assert!(valid <= 3 && preferred == 0, "{valid} {preferred}");
            true
        });
        if !are_seen {
            // Whoever stood still for so long has to give them again.
            assert!(world.elapsed() + EARLY >= given_at + lifetime, "one of them has ended too early");
            given_at = world.elapsed();
            give();
        }
        are_seen
    });
    // Given again and again, it outlives its first lifetime.
    let second_life = given_at + Duration::from_secs(5);
    wait(world, "it is given for a while", || {
        let count = addresses(&*network, &link).len();
        let is_due = world.elapsed() + EARLY >= given_at + lifetime;
        assert!(count == 3 || is_due, "it ended although it was given again");
        given_at = world.elapsed();
        give();
        given_at >= second_life
    });
    wait(world, "both have ended", || addresses(&*network, &link) == [own.clone()]);
    let lived = world.elapsed() - given_at;
    assert!(lived + EARLY >= lifetime && lived <= lifetime + LATE, "it lived for {lived:?}");
}

pub(crate) fn an_address_with_a_lifetime_becomes_one_for_good(world: &dyn World) {
    let network = world.open();
    let link = card(world, &*network, "ens4");
    for text in ["10.0.0.10/24", "fd00::10/64"] {
        network.ensure_address(&fleeting(&link, text, 1)).unwrap();
        network.ensure_address(&address(&link, text)).unwrap();
        let until = world.elapsed() + Duration::from_millis(2500);
        wait(world, "the lifetime has passed", || world.elapsed() >= until);
        let ip = address(&link, text).ip;
        assert_eq!(look(&*network).address(&link, ip), Some(&address(&link, text)));
        network.ensure_address(&fleeting(&link, text, 100)).unwrap();
        assert_ne!(look(&*network).address(&link, ip), Some(&address(&link, text)), "and back");
    }
}

pub(crate) fn an_address_that_goes_takes_no_other_of_its_network_along(world: &dyn World) {
    let network = world.open();
    let link = card(world, &*network, "ens4");
    // The first of a network is the one that the kernel hangs the others on.
    network.ensure_address(&fleeting(&link, "10.0.0.10/24", 1)).unwrap();
    network.ensure_address(&fleeting(&link, "fd00::10/64", 1)).unwrap();
    let own = [address(&link, "10.0.0.1/24"), address(&link, "fd00::1/64")];
    own.iter().for_each(|one| network.ensure_address(one).unwrap());
    network.ensure_default_route(&link, "10.0.0.254".parse().unwrap()).unwrap();
    network.ensure_default_route(&link, "fd00::254".parse().unwrap()).unwrap();
    wait(world, "the first ones have ended", || addresses(&*network, &link).len() <= 2);
    assert_eq!(addresses(&*network, &link), own);
    assert_eq!(look(&*network).default_routes.len(), 2);
    let next = address(&link, "10.0.0.11/24");
    network.ensure_address(&next).unwrap();
    network.remove_address(&link, own[0].ip).unwrap();
    assert_eq!(addresses(&*network, &link), [next, own[1].clone()]);
    assert_eq!(look(&*network).default_routes.len(), 2);
}

pub(crate) fn a_default_route_leads_to_one_gateway_for_each_family(world: &dyn World) {
    let network = world.open();
    let (first, second) = (card(world, &*network, "ens4"), card(world, &*network, "ens5"));
    for one in [
        address(&first, "10.0.0.1/24"),
        address(&first, "fd00::1/64"),
        address(&second, "10.0.1.1/24"),
        address(&second, "fd00:0:0:1::1/64"),
    ] {
        network.ensure_address(&one).unwrap();
    }
    let routes = || {
        let routes = look(&*network).default_routes.into_iter();
        routes.map(|route| (route.link, route.gateway.to_string())).collect::<Vec<_>>()
    };
    let ensure = |link: &LinkName, gateway: &str| {
        network.ensure_default_route(link, gateway.parse().unwrap()).unwrap();
    };
    for (link, v4, v6) in [
        (&first, "10.0.0.254", "fd00::254"),
        (&first, "10.0.0.254", "fd00::254"),
        (&first, "10.0.0.253", "fe80::253"),
        (&second, "10.0.1.254", "fd00:0:0:1::254"),
    ] {
        ensure(link, v4);
        ensure(link, v6);
        assert_eq!(routes(), [(link.clone(), v4.to_owned()), (link.clone(), v6.to_owned())]);
    }
}

pub(crate) fn a_gateway_that_is_not_reached_is_refused(world: &dyn World) {
    let network = world.open();
    let link = card(world, &*network, "ens4");
    network.ensure_address(&address(&link, "10.0.0.1/24")).unwrap();
    for gateway in ["10.0.1.254", "fd00::254"] {
        let (what, _, remedy) = refusal(network.ensure_default_route(&link, gateway.parse().unwrap()));
        assert_eq!(what, format!("make {gateway} on ens4 the default gateway"));
        assert!(remedy.contains("gateway"), "{remedy}");
    }
    world.take_down(&link);
    refusal(network.ensure_default_route(&link, "10.0.0.254".parse().unwrap()));
    assert_eq!(look(&*network).default_routes, []);
}

pub(crate) fn the_last_ipv4_address_of_a_link_takes_its_routes_along(world: &dyn World) {
    let network = world.open();
    let link = card(world, &*network, "ens4");
    let given = [address(&link, "10.0.0.1/24"), address(&link, "fd00::1/64")];
    let gateways: [IpAddr; 2] = ["10.0.0.254".parse().unwrap(), "fd00::254".parse().unwrap()];
    for (one, gateway) in given.iter().zip(gateways) {
        network.ensure_address(one).unwrap();
        network.ensure_default_route(&link, gateway).unwrap();
    }
    given.iter().for_each(|one| network.remove_address(&link, one.ip).unwrap());
    let left: Vec<_> = look(&*network).default_routes.into_iter().map(|route| route.gateway).collect();
    assert_eq!(left, gateways[1..], "an IPv6 link always has an address of its own");
}

pub(crate) fn a_link_that_goes_down_loses_its_routes_and_its_ipv6_addresses(world: &dyn World) {
    let network = world.open();
    let link = card(world, &*network, "ens4");
    let (v4, v6) = (address(&link, "10.0.0.1/24"), address(&link, "fd00::1/64"));
    let ensure = || {
        network.ensure_link(&link, 1500).unwrap();
        network.ensure_address(&v4).unwrap();
        network.ensure_address(&v6).unwrap();
        network.ensure_default_route(&link, "10.0.0.254".parse().unwrap()).unwrap();
        network.ensure_default_route(&link, "fd00::254".parse().unwrap()).unwrap();
    };
    ensure();
    world.take_down(&link);
    assert_eq!(addresses(&*network, &link), std::slice::from_ref(&v4));
    assert_eq!(look(&*network).default_routes, []);
    ensure();
    assert_eq!(addresses(&*network, &link), [v4.clone(), v6.clone()]);
    assert_eq!(look(&*network).default_routes.len(), 2, "and all of it is mended by the same calls");
}

pub(crate) fn an_announcement_reaches_the_neighbours(world: &dyn World) {
    let network = world.open();
    let port = card(world, &*network, "ens4");
    let bridge = Bridge { name: name("brupstream"), mtu: 1500, ports: vec![port.clone()] };
    network.ensure_bridge(&bridge).unwrap();
    wait(world, "the bridge carries", || state(&look(&*network), &bridge.name) == LinkState::Up);
    let direct = card(world, &*network, "ens5");
    for (from, at) in [(&bridge.name, &port), (&direct, &direct)] {
        let mac = look(&*network).link(from).unwrap().mac.unwrap();
        let (v4, v6) = (fleeting(from, "10.0.0.10/32", 60), fleeting(from, "fd00::10/128", 60));
        for (floating, ways) in [(v4, vec![How::Request, How::Reply]), (v6, vec![How::Advertisement])] {
            network.ensure_address(&floating).unwrap();
            let ip = floating.ip;
            network.announce(from, ip).unwrap();
            let expected: Vec<_> = ways.iter().map(|how| Heard { ip, mac, how: *how }).collect();
            let mut heard = Vec::new();
            wait(world, "the neighbour has heard it", || {
                heard.extend(world.heard(at));
                heard.len() >= expected.len()
            });
            assert_eq!(heard, expected);
            network.remove_address(from, ip).unwrap();
        }
    }
}

pub(crate) fn an_address_that_is_not_there_is_not_announced(world: &dyn World) {
    let network = world.open();
    let (link, other) = (card(world, &*network, "ens4"), card(world, &*network, "ens5"));
    let floating = address(&link, "10.0.0.10/24");
    let (what, why, _) = refusal(network.announce(&link, floating.ip));
    assert_eq!((&what[..], &why[..]), ("announce 10.0.0.10 on ens4", "ens4 does not have it"));
    network.ensure_address(&floating).unwrap();
    refusal(network.announce(&other, floating.ip));
    world.take_down(&link);
    assert_eq!(refusal(network.announce(&link, floating.ip)).1, "ens4 is down");
    assert!(world.heard(&link).is_empty() && world.heard(&other).is_empty());
}

pub(crate) fn an_announcement_that_nobody_can_hear_is_refused(world: &dyn World) {
    let network = world.open();
    let link = card(world, &*network, "ens4");
    let floating = address(&link, "10.0.0.10/24");
    network.ensure_address(&floating).unwrap();
    world.pull_cable(&link);
    wait(world, "the carrier is lost", || state(&look(&*network), &link) == LinkState::NoCarrier);
    assert_eq!(refusal(network.announce(&link, floating.ip)).1, "ens4 has no carrier");
    assert_eq!(world.heard(&link), []);
}

pub(crate) fn counters_count_what_is_sent(world: &dyn World) {
    let network = world.open();
    let link = card(world, &*network, "ens4");
    let floating = address(&link, "10.0.0.10/24");
    network.ensure_address(&floating).unwrap();
    let count = || {
        let all = network.counters().unwrap();
        assert_eq!(all.iter().map(|counters| &counters.link).collect::<Vec<_>>(), [&link]);
        all.into_iter().next().unwrap()
    };
    let before = count();
    assert_eq!((before.state, before.speed_mbit), (LinkState::Up, Some(10_000)));
    assert_eq!(before.kind, world.kind_of_cards());
    network.announce(&link, floating.ip).unwrap();
    let after = count();
    assert!(after.tx_packets >= before.tx_packets + 2, "{before:?} {after:?}");
    assert!(after.tx_bytes >= before.tx_bytes + 84, "{before:?} {after:?}");
}

pub(crate) fn changes_wake_who_watches(world: &dyn World) {
    let network = world.open();
    let (first, second) = (Bell::of(&*network), Bell::of(&*network));
    let link = name("ens4");
    first.rings_when(world, "a card is put in", || world.plug(&link));
    second.rings_when(world, "it is brought up", || network.ensure_link(&link, 1500).unwrap());
    for text in ["10.0.0.1/24", "fd00::1/64"] {
        let given = address(&link, text);
        first.rings_when(world, "an address is given", || world.give_by_hand(&given));
        second.rings_when(world, "an address is taken", || world.take_by_hand(&given));
        let give = || network.ensure_address(&fleeting(&link, text, 5)).unwrap();
        second.rings_when(world, "an address is given for a while", give);
        let mut before = first.silence();
        // Whoever stood still for so long has missed its end.
        while addresses(&*network, &link).is_empty() {
            give();
            before = first.silence();
        }
        first.rings_beyond(world, "an address ends by itself", before);
        wait(world, "it has ended", || addresses(&*network, &link).is_empty());
    }
    second.rings_when(world, "a cable is pulled", || world.pull_cable(&link));
    second.rings_when(world, "a link is taken down", || world.take_down(&link));
}

pub(crate) fn what_was_made_outlives_who_made_it(world: &dyn World) {
    let network = world.open();
    let port = card(world, &*network, "ens4");
    let bridge = Bridge { name: name("brupstream"), mtu: 1500, ports: vec![port] };
    let own = address(&bridge.name, "10.0.0.1/24");
    let gateway = "10.0.0.254".parse().unwrap();
    network.ensure_bridge(&bridge).unwrap();
    network.ensure_address(&own).unwrap();
    network.ensure_default_route(&bridge.name, gateway).unwrap();
    wait(world, "the bridge carries", || state(&look(&*network), &bridge.name) == LinkState::Up);
    let made = (look(&*network).links, addresses(&*network, &bridge.name), look(&*network).default_routes);
    drop(network);
    let next = world.open();
    let found = (look(&*next).links, addresses(&*next, &bridge.name), look(&*next).default_routes);
    assert_eq!(found, made);
    next.ensure_bridge(&bridge).unwrap();
    next.ensure_address(&own).unwrap();
    next.ensure_default_route(&bridge.name, gateway).unwrap();
    assert_eq!(look(&*next).links, made.0, "and is found to be right");
}
