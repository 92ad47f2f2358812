//! Sampling a machine in memory, with its traffic.

use host::clock::ManualClock;
use host::memory::Late;
use host::network::{Bridge, MacAddress, memory};
use logic::time::{BootTime, Now};

use super::*;

fn gauge() -> (Gauge, Arc<memory::Stack>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Now { boot: BootTime(1000), ..Now::default() }));
    let cables = memory::Stack::new(Arc::clone(&clock) as _);
    let machine = host::memory::Machine::new(Arc::clone(&clock) as _);
    let network: Arc<dyn Network> = Arc::new(cables.open());
    let cards = Cards { network, named: [link("br0")].into() };
    let gauge = Gauge::new(machine, Some(cards), Arc::clone(&clock) as _, Span::seconds(5));
    (gauge, cables, clock)
}

fn link(name: &str) -> LinkName {
    name.parse().expect("it is a name")
}

fn ens4() -> LinkName {
    link("ens4")
}

#[test]
fn traffic_is_shown_as_its_average_over_the_samples() {
    let (gauge, cables, clock) = gauge();
    assert_eq!(gauge.latest(), Gauged::default(), "nothing was read yet");
    cables.plug(&ens4(), MacAddress([2, 0, 0, 0, 0, 1]));
    cables.open().ensure_link(&ens4(), 1500).expect("it is plugged in");
    gauge.sample();
    clock.advance(Span::seconds(2));
    cables.pass_traffic(&ens4(), 10, 2000);
    gauge.sample();
    let seen = gauge.latest();
    assert_eq!(seen.at, Some(BootTime(3000)));
    assert_eq!(seen.load.memory_used_mib, 512);
    let names: Vec<&String> = seen.interfaces.keys().collect();
    assert_eq!(names, ["ens4"], "neither the loopback nor what is made by software");
    let ens4 = seen.interfaces["ens4"];
    assert!(ens4.up);
    assert_eq!((ens4.rx_bps.max(ens4.tx_bps), ens4.rx_pps.max(ens4.tx_pps)), (8000, 5));
}

#[test]
fn a_network_that_does_not_answer_holds_up_neither_load_nor_memory() {
    let (gauge, cables, clock) = gauge();
    cables.plug(&ens4(), MacAddress([2, 0, 0, 0, 0, 1]));
    gauge.sample();
    cables.hang(Late::Lost);
    clock.advance(Span::seconds(1));
    gauge.sample();
    let seen = gauge.latest();
    assert_eq!((seen.interfaces.len(), seen.load.memory_free_mib), (1, 7680), "the interface is as it was");
    assert_eq!(seen.at, Some(BootTime(2000)));
}

#[test]
fn of_what_is_made_by_software_only_what_is_configured_is_shown() {
    let (gauge, cables, _) = gauge();
    for name in ["br0", "br1"] {
        let bridge = Bridge { name: link(name), mtu: 1500, ports: Vec::new() };
        cables.open().ensure_bridge(&bridge).expect("nothing is in the way");
    }
    gauge.sample();
    let seen = gauge.latest().interfaces;
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["br0"]);
}
