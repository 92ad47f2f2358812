//! The lab's addresses.

use std::collections::BTreeSet;

use super::*;

#[test]
fn no_two_things_have_the_same_address() {
    let mut seen = BTreeSet::new();
    for network in Network::ALL {
        let nodes = (1..=crate::rack::NODES_MAX).map(|node| network.address(node));
        for address in nodes.chain([network.floating(), network.switch()]) {
            assert!(seen.insert(address), "{address} is there twice");
        }
    }
    for node in 1..=crate::rack::NODES_MAX {
        assert!(seen.insert(controller(node)), "the controller of node {node} has another's address");
    }
}

#[test]
fn a_port_has_a_name_that_the_kernel_takes() {
    for network in Network::ALL {
        assert!(network.port(crate::rack::NODES_MAX).len() < 16);
        assert!(network.bridge().len() < 16);
    }
}

#[test]
fn a_network_is_found_by_its_name() {
    for network in Network::ALL {
        assert_eq!(Network::named(network.name()), Some(network));
    }
    assert_eq!(Network::named("downstream"), None);
}

#[test]
fn only_the_upstream_network_has_a_gateway() {
    let settings = settings();
    assert_eq!(settings.matches("gateway").count(), 1);
    assert!(settings.contains("[network.upstream]") && settings.contains("gateway = \"10.1.0.254\""));
}
