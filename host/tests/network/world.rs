//! The worlds under test: a machine's networks, the other ends of its cables, and what befalls both past PVC.

use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use host::network::{Address, Lifetime, LinkKind, LinkName, MacAddress, Network, Waker};

/// Networks under test with the world around them.
pub(crate) trait World {
    /// A daemon's way to the networks.
    fn open(&self) -> Arc<dyn Network>;
    /// Puts in a network card whose cable ends at a neighbour's. It is down.
    fn plug(&self, link: &LinkName);
    /// What such a card is made of, as far as this world has them.
    fn kind_of_cards(&self) -> LinkKind;
    /// The cable of a card is pulled.
    fn pull_cable(&self, link: &LinkName);
    /// Somebody takes a link down past PVC.
    fn take_down(&self, link: &LinkName);
    /// Somebody gives an address to a link past PVC.
    fn give_by_hand(&self, address: &Address);
    /// Somebody takes an address from a link past PVC.
    fn take_by_hand(&self, address: &Address);
    /// What the neighbour at the other end of a cable has heard announced since it was last asked.
    fn heard(&self, link: &LinkName) -> Vec<Heard>;
    /// Lets a little time go by.
    fn pass_time(&self);
    /// How much time has gone by.
    fn elapsed(&self) -> Duration;
}

/// How an address was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// By a gratuitous ARP request.
    Request,
    /// By a gratuitous ARP reply.
    Reply,
    /// By an unsolicited neighbour advertisement that overrides.
    Advertisement,
}

/// An announcement as a neighbour heard it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) ip: IpAddr,
    pub(crate) mac: MacAddress,
    pub(crate) how: How,
}

/// How long anything may take before a law counts as broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until the condition holds.
pub(crate) fn wait(world: &dyn World, what: &str, mut holds: impl FnMut() -> bool) {
    let until = world.elapsed() + PATIENCE;
    while !holds() {
        assert!(world.elapsed() < until, "waited in vain: {what}");
        world.pass_time();
    }
}

pub(crate) fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

/// An address for good, written as `10.0.0.1/24`.
pub(crate) fn address(link: &LinkName, text: &str) -> Address {
    let (ip, prefix_length) = text.split_once('/').unwrap();
    Address {
        link: link.clone(),
        ip: ip.parse().unwrap(),
        prefix_length: prefix_length.parse().unwrap(),
        lifetime: Lifetime::Forever,
    }
}

/// The same for so many seconds, never preferred.
pub(crate) fn fleeting(link: &LinkName, text: &str, valid: u32) -> Address {
    Address { lifetime: Lifetime::Seconds { valid, preferred: 0 }, ..address(link, text) }
}

/// Counts how often the networks woke somebody.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<u64>,
    changed: Condvar,
}

impl Bell {
    /// A bell that the networks ring.
    pub(crate) fn of(network: &dyn Network) -> Arc<Self> {
        let bell = Arc::new(Self::default());
        network.watch(bell.clone());
        bell
    }

    /// Performs `act` once nothing rings any more, and lets time go by until the bell is rung.
    pub(crate) fn rings_when(&self, world: &dyn World, what: &str, act: impl FnOnce()) {
        let before = self.silence();
        act();
        self.rings_beyond(world, what, before);
    }

    /// Waits until nothing rings any more; how often it was rung by then.
    pub(crate) fn silence(&self) -> u64 {
        while self.rings_after(self.count(), Duration::from_millis(300)) {}
        self.count()
    }

    /// Lets time go by until it is rung more often than `before`.
    pub(crate) fn rings_beyond(&self, world: &dyn World, what: &str, before: u64) {
        wait(world, &format!("somebody is woken: {what}"), || self.count() > before);
    }

    fn count(&self) -> u64 {
        *self.rung.lock().unwrap()
    }

    /// Whether it is rung more often than `before`, within this time.
    fn rings_after(&self, before: u64, time: Duration) -> bool {
        let rung = self.rung.lock().unwrap();
        let silent = |rung: &mut u64| *rung == before;
        let (rung, _) = self.changed.wait_timeout_while(rung, time, silent).unwrap();
        *rung > before
    }
}

impl Waker for Bell {
    fn wake(&self) {
        *self.rung.lock().unwrap() += 1;
        self.changed.notify_all();
    }
}
