//! The networks of a machine in memory as a world, with a clock that goes only when time is let go by.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use host::clock::{Clock, ManualClock};
use host::network::memory::{Happening, Stack};
use host::network::{Address, LinkKind, LinkName, MacAddress, Network};
use logic::time::{BootTime, Now, Span};

use crate::world::{Heard, How, World};

/// A machine in memory without cards.
pub(crate) fn world() -> Box<dyn World> {
    let clock = Arc::new(ManualClock::new(Now { boot: BootTime(1000), ..Now::default() }));
    Box::new(InMemory { stack: Stack::new(clock.clone()), clock, heard: RefCell::default() })
}

struct InMemory {
    stack: Arc<Stack>,
    clock: Arc<ManualClock>,
    /// How much of the ledger each neighbour has been asked about.
    heard: RefCell<BTreeMap<LinkName, usize>>,
}

impl World for InMemory {
    fn open(&self) -> Arc<dyn Network> {
        Arc::new(self.stack.open())
    }

    fn plug(&self, link: &LinkName) {
        let number = u8::try_from(self.stack.seen().links.len()).unwrap();
        self.stack.plug(link, MacAddress([0x02, 0, 0, 0, 0, number]));
    }

    fn kind_of_cards(&self) -> LinkKind {
        LinkKind::Physical
    }

    fn pull_cable(&self, link: &LinkName) {
        self.stack.pull_cable(link);
    }

    fn take_down(&self, link: &LinkName) {
        self.stack.take_down(link);
    }

    fn give_by_hand(&self, address: &Address) {
        self.stack.give_by_hand(address);
    }

    fn take_by_hand(&self, address: &Address) {
        self.stack.take_by_hand(&address.link, address.ip);
    }

    fn heard(&self, link: &LinkName) -> Vec<Heard> {
        let seen = self.stack.seen();
        // What a bridge announces is heard by who is at its ports.
        let speaks = |other: &LinkName| {
            other == link || seen.link(link).is_some_and(|port| port.master.as_ref() == Some(other))
        };
        let ledger = self.stack.ledger();
        let from = self.heard.borrow_mut().insert(link.clone(), ledger.len()).unwrap_or_default();
        let announced = ledger[from..]
            .iter()
            .filter(|entry| entry.happening == Happening::Announced && speaks(&entry.link));
        let heard = |ip: IpAddr, mac: MacAddress| {
            let ways: &[How] = if ip.is_ipv4() { &[How::Request, How::Reply] } else { &[How::Advertisement] };
            ways.iter().map(move |how| Heard { ip, mac, how: *how }).collect::<Vec<_>>()
        };
        announced.flat_map(|entry| heard(entry.ip, seen.link(&entry.link).unwrap().mac.unwrap())).collect()
    }

    fn pass_time(&self) {
        self.clock.advance(Span(20));
        self.stack.settle();
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.clock.now().boot.0)
    }
}
