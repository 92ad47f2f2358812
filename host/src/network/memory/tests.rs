//! What only networks in memory can be made to do: refuse, hang, lose an answer or a wake; and their ledger.

use std::sync::atomic::{AtomicU32, Ordering};

use logic::time::Now;

use super::*;
use crate::clock::ManualClock;
use crate::network::{Bridge, Error, Network};

const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

/// A machine whose one card is up, at ten seconds after its start.
fn machine() -> (Arc<ManualClock>, Arc<Stack>, Connection) {
    let clock = Arc::new(ManualClock::new(Now { boot: BootTime(10_000), ..Now::default() }));
    let stack = Stack::new(clock.clone());
    stack.plug(&name("ens4"), MAC);
    let connection = stack.open();
    connection.ensure_link(&name("ens4"), 1500).unwrap();
    (clock, stack, connection)
}

fn floating() -> Address {
    let lifetime = Lifetime::Seconds { valid: 6, preferred: 0 };
    Address { link: name("ens4"), ip: "10.0.0.10".parse().unwrap(), prefix_length: 32, lifetime }
}

fn happenings(stack: &Stack) -> Vec<(u64, Happening)> {
    stack.ledger().iter().map(|entry| (entry.at.0, entry.happening)).collect()
}

fn is_silent(outcome: &Result<(), Error>) -> bool {
    matches!(outcome, Err(Error::Silent { .. }))
}

#[test]
fn the_ledger_names_the_moment_a_lifetime_ended_however_late_anybody_looks() {
    let (clock, stack, network) = machine();
    network.ensure_address(&floating()).unwrap();
    network.announce(&floating().link, floating().ip).unwrap();
    assert_eq!(stack.next_change(), Some(BootTime(16_000)));
    clock.advance(Span::seconds(100));
    assert_eq!(stack.seen().addresses, []);
    let expected = [
        (10_000, Happening::Began),
        (10_000, Happening::Announced),
        (16_000, Happening::Ended(End::Expired)),
    ];
    assert_eq!(happenings(&stack), expected);
    assert_eq!(stack.next_change(), None);
}

#[test]
fn what_is_left_of_a_lifetime_is_counted_in_seconds_begun() {
    let (clock, stack, network) = machine();
    network.ensure_address(&floating()).unwrap();
    for (after, valid) in [(1, 6), (999, 5), (1000, 4), (3999, 1)] {
        clock.advance(Span(after));
        let left = stack.seen().addresses[0].lifetime;
        assert_eq!(left, Lifetime::Seconds { valid, preferred: 0 });
    }
}

#[test]
fn a_refusal_is_for_so_many_calls_and_changes_nothing() {
    let (_, stack, network) = machine();
    stack.refuse(1, "Operation not permitted");
    let error = network.ensure_address(&floating()).unwrap_err().to_string();
    assert!(error.contains("give 10.0.0.10/32 to ens4: Operation not permitted"), "{error}");
    assert_eq!(stack.seen().addresses, []);
    network.ensure_address(&floating()).unwrap();
}

#[test]
fn lifetimes_end_while_the_stack_hangs() {
    let (clock, stack, network) = machine();
    network.ensure_address(&floating()).unwrap();
    stack.hang(Late::Lost);
    assert!(is_silent(&network.ensure_address(&floating())));
    assert!(matches!(network.observe(), Err(Error::Silent { .. })));
    clock.advance(Span::seconds(6));
    assert_eq!(stack.seen().addresses, []);
    stack.heal();
    assert_eq!(stack.seen().addresses, [], "and what was asked meanwhile is lost");
}

#[test]
fn a_call_that_is_performed_late_begins_its_lifetime_then() {
    let (clock, stack, network) = machine();
    stack.hang(Late::Performed);
    assert!(is_silent(&network.ensure_address(&floating())));
    clock.advance(Span::seconds(30));
    stack.heal();
    assert_eq!(stack.next_change(), Some(BootTime(46_000)));
    assert_eq!(happenings(&stack), [(40_000, Happening::Began)]);
}

#[test]
fn a_lost_answer_was_a_done_deed() {
    let (_, stack, network) = machine();
    stack.lose_answers(1);
    assert!(is_silent(&network.ensure_address(&floating())));
    assert_eq!(stack.seen().addresses, [floating()]);
    network.ensure_address(&floating()).unwrap();
}

#[derive(Debug, Default)]
struct Count(AtomicU32);

impl Waker for Count {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_lost_wake_wakes_nobody_and_a_dropped_connection_is_not_woken() {
    let (clock, stack, network) = machine();
    let count = Arc::new(Count::default());
    network.watch(count.clone());
    let woken = || count.0.load(Ordering::SeqCst);
    network.ensure_address(&floating()).unwrap();
    network.ensure_link(&name("ens4"), 1500).unwrap();
    assert_eq!(woken(), 1, "nothing changed by the second");
    stack.lose_wakes(1);
    clock.advance(Span::seconds(6));
    stack.settle();
    assert_eq!((woken(), stack.seen().addresses.len()), (1, 0));
    drop(network);
    stack.give_by_hand(&floating());
    assert_eq!(woken(), 1);
}

#[test]
fn power_lost_leaves_the_cards_and_nothing_else() {
    let (_, stack, network) = machine();
    let bridge = Bridge { name: name("br0"), mtu: 9000, ports: vec![name("ens4")] };
    network.ensure_bridge(&bridge).unwrap();
    network.ensure_address(&floating()).unwrap();
    stack.hang(Late::Performed);
    assert!(is_silent(&network.announce(&name("ens4"), floating().ip)));
    stack.cut_power();
    let seen = stack.seen();
    assert_eq!(seen.links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>(), ["lo", "ens4"]);
    let card = seen.link(&name("ens4")).unwrap();
    assert_eq!((card.state, card.mtu, card.mac, &card.master), (LinkState::Down, 1500, Some(MAC), &None));
    assert_eq!((seen.addresses, seen.default_routes), (vec![], vec![]));
    assert_eq!(happenings(&stack)[1..], [(10_000, Happening::Ended(End::PowerCut))]);
}

#[test]
fn a_card_that_is_taken_out_takes_its_addresses_and_frees_its_ports() {
    let (_, stack, network) = machine();
    network.ensure_address(&floating()).unwrap();
    network.ensure_bridge(&Bridge { name: name("br0"), mtu: 1500, ports: vec![name("ens4")] }).unwrap();
    stack.unplug(&name("br0"));
    assert_eq!(stack.seen().link(&name("ens4")).unwrap().master, None);
    stack.unplug(&name("ens4"));
    assert_eq!(stack.seen().links.len(), 1);
    assert_eq!(happenings(&stack).last().unwrap().1, Happening::Ended(End::LinkLost));
}

#[test]
fn traffic_is_counted_both_ways() {
    let (_, stack, network) = machine();
    stack.pass_traffic(&name("ens4"), 3, 300);
    let counters = &network.counters().unwrap()[0];
    assert_eq!((counters.rx_packets, counters.rx_bytes), (3, 300));
    assert_eq!((counters.tx_packets, counters.tx_bytes), (3, 300));
}

#[test]
fn a_dead_machine_still_answers_what_is_truly_there() {
    let (_, stack, network) = machine();
    network.ensure_address(&floating()).unwrap();
    let calls = stack.calls();
    stack.hang(Late::Lost);
    assert_eq!(stack.seen().addresses, [floating()]);
    assert!(network.counters().is_err());
    assert_eq!(stack.calls(), calls + 1, "only calls through a connection are counted");
}
