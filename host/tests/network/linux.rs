//! What only a real kernel can show: what its neighbours make of an announcement, and its own words.

use host::network::{Bridge, Error, Network};

use crate::kernel::{Namespaces, ip};
use crate::on_a_thread;
use crate::world::{World, address, fleeting, name, wait};

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
    on_a_thread(|| {
        let world = Namespaces::new();
        let network = Namespaces::kernel();
        let link = name("ens4");
        world.plug(&link);
        network.ensure_link(&link, 1500).unwrap();
        world.ip_next_door("address add fd00::2/64 dev ens4 nodad");
        std::fs::write("/proc/sys/net/ipv6/conf/ens4/forwarding", "1").unwrap();
        let gateway = fleeting(&link, "fd00::1/64", 60);
        network.ensure_address(&gateway).unwrap();
        world.ip_next_door("neighbour replace fd00::1 lladdr 02:00:00:00:00:99 nud stale dev ens4");
        wait(&world, "the neighbour knows a router", || {
            network.announce(&link, gateway.ip).unwrap();
            world.ip_next_door("neighbour show fd00::1").contains("router")
        });
    });
}

#[test]
fn a_link_without_ipv6_is_told_of_in_the_kernels_words() {
    on_a_thread(|| {
        let world = Namespaces::new();
        let network = Namespaces::kernel();
        let link = name("ens4");
        world.plug(&link);
        network.ensure_link(&link, 1500).unwrap();
        std::fs::write("/proc/sys/net/ipv6/conf/ens4/disable_ipv6", "1").unwrap();
        let error = network.ensure_address(&address(&link, "fd00::1/64")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("give fd00::1/64 to ens4") && text.contains("IPv6 is disabled"), "{text}");
        assert!(text.contains("disable_ipv6"), "{text}");
        network.ensure_address(&address(&link, "10.0.0.1/24")).expect("IPv4 works");
    });
}

#[test]
fn an_address_of_the_kernel_itself_is_seen_and_left_alone() {
    on_a_thread(|| {
        let world = Namespaces::new();
        let network = Namespaces::kernel();
        let link = name("ens4");
        world.plug(&link);
        network.ensure_link(&link, 1500).unwrap();
        let is_local = |text: &str| text.starts_with("fe80:") || text == "::1" || text == "127.0.0.1";
        wait(&world, "the link has an address of its own", || {
            network.observe().unwrap().addresses.iter().any(|own| own.link == link)
        });
        let own = network.observe().unwrap().addresses;
        assert!(own.iter().all(|address| is_local(&address.ip.to_string())), "{own:?}");
        assert_eq!(own.len(), 3);
        network.ensure_address(&address(&link, "fd00::1/64")).unwrap();
        network.remove_address(&link, "fd00::1".parse().unwrap()).unwrap();
        assert_eq!(network.observe().unwrap().addresses, own);
    });
}

#[test]
fn a_route_past_pvc_is_seen_beside_ours() {
    on_a_thread(|| {
        let world = Namespaces::new();
        let network = Namespaces::kernel();
        let link = name("ens4");
        world.plug(&link);
        network.ensure_link(&link, 1500).unwrap();
        network.ensure_address(&address(&link, "10.0.0.1/24")).unwrap();
        ip(&["route", "add", "default", "via", "10.0.0.253", "metric", "100"]);
        ip(&["route", "add", "default", "dev", "ens4", "metric", "200"]);
        network.ensure_default_route(&link, "10.0.0.254".parse().unwrap()).unwrap();
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
