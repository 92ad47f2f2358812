//! What only a real kernel can show: what its neighbours make of an announcement, and its own words.

use std::time::Duration;

use host::network::{Bridge, Error, Kernel, LinkName, LinkState, Network};

use crate::kernel::{Namespaces, ip};
use crate::on_a_thread;
use crate::world::{World, address, fleeting, name, wait};

/// Does something in a network of its own, whose one card is up.
fn with_a_link(work: impl FnOnce(&Namespaces, &Kernel, &LinkName) + Send + 'static) {
    on_a_thread(|| {
        let (world, network, link) = (Namespaces::new(), Namespaces::kernel(), name("ens4"));
        world.plug(&link);
        network.ensure_link(&link, 1500).unwrap();
        work(&world, &network, &link);
    });
}

#[test]
fn neighbours_that_knew_the_address_elsewhere_learn_where_it_is() {
    on_a_thread(|| {
        let world = Namespaces::new();
        let network = Namespaces::kernel();
        let port = name("ens4");
        world.plug(&port);
        let bridge = Bridge { name: name("brupstream"), mtu: 1500, ports: vec![port] };
        network.ensure_bridge(&bridge).unwrap();
        world.ip_next_door("address add 10.0.0.2/24 dev ens4");
        world.ip_next_door("address add fd00::2/64 dev ens4 nodad");
        let mac = network.observe().unwrap().link(&bridge.name).unwrap().mac.unwrap().to_string();
        for floating in ["10.0.0.10/32", "fd00::10/128"] {
            let floating = fleeting(&bridge.name, floating, 60);
            let ip = floating.ip;
            let known = || world.ip_next_door(&format!("neighbour show {ip}"));
            world
                .ip_next_door(&format!("neighbour replace {ip} lladdr 02:00:00:00:00:99 nud stale dev ens4"));
            assert!(known().contains("02:00:00:00:00:99"));
            network.ensure_address(&floating).unwrap();
            network.announce(&bridge.name, ip).unwrap();
            // A second one, as a role's would be: the first may come before the bridge forwards.
            wait(&world, "the neighbour has learned it", || {
                network.announce(&bridge.name, ip).unwrap();
                known().contains(&mac)
            });
        }
    });
}

#[test]
fn a_router_announces_itself_as_one() {
    with_a_link(|world, network, link| {
        world.ip_next_door("address add fd00::2/64 dev ens4 nodad");
        std::fs::write("/proc/sys/net/ipv6/conf/ens4/forwarding", "1").unwrap();
        let gateway = fleeting(link, "fd00::1/64", 60);
        network.ensure_address(&gateway).unwrap();
        world.ip_next_door("neighbour replace fd00::1 lladdr 02:00:00:00:00:99 nud stale dev ens4");
        wait(world, "the neighbour knows a router", || {
            network.announce(link, gateway.ip).unwrap();
            world.ip_next_door("neighbour show fd00::1").contains("router")
        });
    });
}

#[test]
fn a_link_without_ipv6_is_told_of_in_the_kernels_words() {
    with_a_link(|_, network, link| {
        std::fs::write("/proc/sys/net/ipv6/conf/ens4/disable_ipv6", "1").unwrap();
        let error = network.ensure_address(&address(link, "fd00::1/64")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("give fd00::1/64 to ens4") && text.contains("IPv6 is disabled"), "{text}");
        assert!(text.contains("disable_ipv6"), "{text}");
        network.ensure_address(&address(link, "10.0.0.1/24")).expect("IPv4 works");
    });
}

#[test]
fn an_address_of_the_kernel_itself_is_seen_and_left_alone() {
    with_a_link(|world, network, link| {
        let is_local = |text: &str| text.starts_with("fe80:") || text == "::1" || text == "127.0.0.1";
        wait(world, "the link has an address of its own", || {
            network.observe().unwrap().addresses.iter().any(|own| own.link == *link)
        });
        let own = network.observe().unwrap().addresses;
        assert!(own.iter().all(|address| is_local(&address.ip.to_string())), "{own:?}");
        assert_eq!(own.len(), 3);
        network.ensure_address(&address(link, "fd00::1/64")).unwrap();
        network.remove_address(link, "fd00::1".parse().unwrap()).unwrap();
        assert_eq!(network.observe().unwrap().addresses, own);
    });
}

#[test]
fn a_route_past_pvc_is_seen_beside_ours() {
    with_a_link(|_, network, link| {
        network.ensure_address(&address(link, "10.0.0.1/24")).unwrap();
        ip(&["route", "add", "default", "via", "10.0.0.253", "metric", "100"]);
        ip(&["route", "add", "default", "dev", "ens4", "metric", "200"]);
        network.ensure_default_route(link, "10.0.0.254".parse().unwrap()).unwrap();
        let seen = network.observe().unwrap().default_routes;
        let seen: Vec<_> = seen.iter().map(|route| (route.gateway.to_string(), route.metric)).collect();
        let expected = [("10.0.0.254", 0), ("10.0.0.253", 100), ("0.0.0.0", 200)];
        assert_eq!(seen, expected.map(|(gateway, metric)| (gateway.to_owned(), metric)));
    });
}

#[test]
fn a_link_that_cannot_have_the_mtu_is_refused() {
    on_a_thread(|| {
        let world = Namespaces::new();
        let network = Namespaces::kernel();
        let link = name("ens4");
        world.plug(&link);
        ip(&["link", "add", "link", "ens4", "name", "mac0", "type", "macvlan"]);
        let outcome = network.ensure_link(&name("mac0"), 9000);
        assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}");
    });
}

#[test]
fn a_hundred_links_are_seen_at_once() {
    on_a_thread(|| {
        let _world = Namespaces::new();
        let network = Namespaces::kernel();
        for number in 0..100 {
            let bridge = Bridge { name: name(&format!("br{number}")), mtu: 1500, ports: vec![] };
            network.ensure_bridge(&bridge).unwrap();
            network.ensure_address(&address(&bridge.name, &format!("10.0.{number}.1/24"))).unwrap();
        }
        let seen = network.observe().unwrap();
        assert_eq!(seen.links.len(), 101);
        assert_eq!(seen.addresses.iter().filter(|own| own.prefix_length == 24).count(), 100);
    });
}

#[test]
fn the_route_to_a_network_does_not_end_with_a_floating_address_of_it() {
    with_a_link(|world, network, link| {
        let floating = [fleeting(link, "10.0.0.10/24", 2), fleeting(link, "fd00::10/64", 2)];
        for own in ["10.0.0.1/24", "fd00::1/64"] {
            network.ensure_address(&address(link, own)).unwrap();
        }
        for one in floating.iter().chain(&floating) {
            network.ensure_address(one).unwrap();
        }
        let routes =
            || [ip(&["-4", "route", "show", "10.0.0.0/24"]), ip(&["-6", "route", "show", "fd00::/64"])];
        let lasting = |routes: &[String; 2]| {
            routes.iter().all(|route| route.contains("dev ens4") && !route.contains("expires"))
        };
        assert!(lasting(&routes()), "{:?}", routes());
        wait(world, "the floating ones have ended", || {
            let seen = network.observe().unwrap();
            floating.iter().all(|one| seen.address(link, one.ip).is_none())
        });
        assert!(lasting(&routes()), "{:?}", routes());
        assert!(routes()[0].contains("src 10.0.0.1 "), "{:?}", routes());
    });
}

#[test]
fn an_address_is_there_at_once_and_asks_nobody() {
    with_a_link(|world, network, link| {
        wait(world, "the link carries", || {
            network.observe().unwrap().link(link).unwrap().state == LinkState::Up
        });
        // Another one has it too, as while a role moves.
        world.ip_next_door("address add fd00::10/64 dev ens4 nodad");
        let floating = fleeting(link, "fd00::10/64", 60);
        network.ensure_address(&floating).unwrap();
        let shown = ip(&["-6", "address", "show", "dev", "ens4", "scope", "global"]);
        assert!(shown.contains("fd00::10/64") && shown.contains("deprecated"), "{shown}");
        assert!(!shown.contains("tentative") && !shown.contains("dadfailed"), "{shown}");
        std::net::UdpSocket::bind("[fd00::10]:0").expect("a server can listen on it at once");
    });
}

#[test]
fn several_daemons_that_do_the_same_at_once_do_it_once() {
    on_a_thread(|| {
        let world = Namespaces::new();
        let port = name("ens4");
        world.plug(&port);
        let bridge = Bridge { name: name("brcluster"), mtu: 9000, ports: vec![port.clone()] };
        let network = Namespaces::kernel();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    network.ensure_bridge(&bridge).unwrap();
                    network.ensure_address(&address(&bridge.name, "10.0.0.1/24")).unwrap();
                    network.ensure_default_route(&bridge.name, "10.0.0.254".parse().unwrap()).unwrap();
                });
            }
        });
        let seen = network.observe().unwrap();
        assert_eq!(seen.links.len(), 3);
        assert_eq!(seen.link(&bridge.name).unwrap().mtu, 9000);
        assert_eq!(seen.link(&port).unwrap().master, Some(bridge.name));
        assert_eq!(seen.default_routes.len(), 1);
    });
}

#[test]
fn a_call_without_time_left_is_silent_and_changes_nothing() {
    on_a_thread(|| {
        let _world = Namespaces::new();
        let hasty = Kernel::new(Duration::ZERO);
        let bridge = Bridge { name: name("br0"), mtu: 1500, ports: vec![] };
        let error = hasty.ensure_bridge(&bridge).unwrap_err();
        assert_eq!(error, Error::Silent { what: "make the bridge br0".into(), deadline_ms: 0 });
        assert!(matches!(hasty.observe(), Err(Error::Silent { .. })));
        assert_eq!(Namespaces::kernel().observe().unwrap().links.len(), 1);
    });
}
