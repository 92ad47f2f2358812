//! The networks are made from nothing, in one go, and what fails does not keep the rest from being made.

use host::clock::{Clock, ManualClock};
use host::network::memory::Stack;
use host::network::{LinkState, MacAddress};
use logic::config::Config;

use super::*;

const TEXT: &str = "[network.upstream]\ndevice = 'ens4'\nmtu = 1400\nnetwork = '10.0.0.0/24'\ngateway = '10.0.0.254'\n\
    [network.cluster]\ndevice = 'ens5'\nnetwork = '10.1.0.0/24'\n";

fn wanted() -> Wanted {
    Config::parse(TEXT, "hv3").unwrap().wanted_networks()
}

fn machine(cards: &[&str]) -> Arc<Stack> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let stack = Stack::new(clock);
    for (number, card) in (1..).zip(cards) {
        stack.plug(&card.parse().unwrap(), MacAddress([2, 0, 0, 0, 0, number]));
    }
    stack
}

#[test]
fn everything_is_made_from_nothing_and_nothing_is_done_the_second_time() {
    let stack = machine(&["ens4", "ens5"]);
    make(&stack.open(), &wanted());
    let seen = stack.seen();
    let bridge = seen.link(&"brupstream".parse().unwrap()).unwrap();
    assert_eq!((bridge.mtu, bridge.state), (1400, LinkState::Up));
    for (link, ip) in [("brupstream", "10.0.0.3"), ("brcluster", "10.1.0.3")] {
        assert!(seen.address(&link.parse().unwrap(), ip.parse().unwrap()).is_some(), "{ip}");
    }
    assert_eq!(seen.default_routes.len(), 1);
    let before = stack.calls();
    make(&stack.open(), &wanted());
    assert_eq!(stack.calls(), before + 1, "it looks once and finds nothing to do");
}

#[test]
fn a_card_that_is_missing_keeps_no_other_network_from_being_made() {
    let stack = machine(&["ens5"]);
    make(&stack.open(), &wanted());
    let seen = stack.seen();
    assert!(seen.link(&"brupstream".parse().unwrap()).is_none());
    assert!(seen.address(&"brcluster".parse().unwrap(), "10.1.0.3".parse().unwrap()).is_some());
}

#[test]
fn a_refusal_is_not_asked_for_again_before_the_store_is_opened() {
    let stack = machine(&["ens4", "ens5"]);
    stack.refuse(1, "no");
    make(&stack.open(), &wanted());
    assert!(stack.seen().link(&"brcluster".parse().unwrap()).is_some());
    assert!(stack.seen().link(&"brupstream".parse().unwrap()).is_none());
}

#[test]
fn nobody_is_asked_where_nothing_is_configured() {
    let stack = machine(&["ens4"]);
    let none = Wanted::default();
    make(&stack.open(), &none);
    assert_eq!(stack.calls(), 0);
}

#[test]
fn the_device_of_the_guests_networks_comes_up_without_a_bridge() {
    let stack = machine(&["ens6"]);
    let config = Config::parse("bridge_device = 'ens6'\nbridge_mtu = 9000", "hv3").unwrap();
    make(&stack.open(), &config.wanted_networks());
    let seen = stack.seen();
    let card = seen.link(&"ens6".parse().unwrap()).unwrap();
    assert_eq!((card.state, card.mtu, &card.master), (LinkState::Up, 9000, &None));
    assert_eq!(seen.links.len(), 2, "the card and the loopback: {:?}", seen.links);
}
