//! The networks of a machine in memory: links and cables, addresses that end by themselves, and faults to order.
//!
//! [`Stack`] is the machine's part, as its kernel is: it lives on when every [`Connection`] to it is dropped, as the
//! kernel does when a daemon dies. It keeps a ledger of every address that truly came, went or was announced, for checks
//! that must not trust any record. It has no thread and no clock of its own: a lifetime ends when the given clock has
//! come there and somebody calls, or calls [`Stack::settle`]; the ledger names the moment itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use logic::time::{BootTime, Span};

use super::{
    Address, Counters, DefaultRoute, Lifetime, Link, LinkKind, LinkName, LinkState, MacAddress, Seen, Waker,
};
use crate::clock::Clock;
pub use crate::memory::Late;

mod call;
mod connection;
mod device;

use call::Call;
pub use connection::Connection;
use device::Device;

/// Why an address went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// It was taken away.
    Removed,
    /// Its lifetime ended.
    Expired,
    /// Its link went down, which takes the IPv6 addresses, or went away.
    LinkLost,
    /// The machine lost its power.
    PowerCut,
}

/// What happened to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// It came.
    Began,
    /// It was announced to everybody on the link.
    Announced,
    /// It went.
    Ended(End),
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// On which link.
    pub link: LinkName,
    /// Which address.
    pub ip: IpAddr,
    /// When.
    pub at: BootTime,
    /// What.
    pub happening: Happening,
}

/// How the stack answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Prompt,
    Hanging(Late),
}

/// An address as it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    prefix_length: u8,
    /// Until when it is preferred and until when it is valid; `None` is forever.
    until: Option<(BootTime, BootTime)>,
}

#[derive(Debug)]
struct State {
    devices: BTreeMap<LinkName, Device>,
    next_index: u32,
    addresses: BTreeMap<(LinkName, IpAddr), Held>,
    default_routes: Vec<DefaultRoute>,
    ledger: Vec<Entry>,
    manner: Manner,
    refusals: (u32, String),
    lost_answers: u32,
    lost_wakes: u32,
    late: Vec<Call>,
    watchers: BTreeMap<u64, Vec<Arc<dyn Waker>>>,
    connections: u64,
    calls: u64,
}

/// The networks of a machine in memory.
#[derive(Debug)]
pub struct Stack {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Stack {
    /// A machine with a loopback and nothing else.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let loopback: LinkName = "lo".parse().expect("this is a name");
        let state = State {
            devices: BTreeMap::from([(loopback, Device::loopback())]),
            next_index: 2,
            addresses: BTreeMap::new(),
            default_routes: Vec::new(),
            ledger: Vec::new(),
            manner: Manner::Prompt,
            refusals: (0, String::new()),
            lost_answers: 0,
            lost_wakes: 0,
            late: Vec::new(),
            watchers: BTreeMap::new(),
            connections: 0,
            calls: 0,
        };
        Arc::new(Self { clock, state: Mutex::new(state) })
    }

    /// Opens the networks. What watches through it does so until it is dropped.
    pub fn open(self: &Arc<Self>) -> Connection {
        let mut state = self.lock();
        state.connections += 1;
        Connection::new(Arc::clone(self), state.connections)
    }

    /// Puts in a network card with its cable. It is down, its MTU is 1500 and its speed 10 Gbit/s. Nothing happens when
    /// there is a link of this name.
    pub fn plug(&self, link: &LinkName, mac: MacAddress) {
        self.change(|state, _| {
            if !state.devices.contains_key(link) {
                let device = Device::card(state.index(), mac);
                state.devices.insert(link.clone(), device);
            }
        });
    }

    /// Takes a link out of the machine, with its addresses and routes.
    pub fn unplug(&self, link: &LinkName) {
        self.change(|state, now| state.unplug(link, now));
    }

    /// Pulls the cable of a network card; its link stays up without a carrier.
    pub fn pull_cable(&self, link: &LinkName) {
        self.change(|state, _| state.with(link, |device| device.has_cable = false));
    }

    /// Puts the cable in again.
    pub fn put_cable(&self, link: &LinkName) {
        self.change(|state, _| state.with(link, |device| device.has_cable = true));
    }

    /// Somebody takes a link down by hand, past PVC. Its IPv6 addresses and its routes go.
    pub fn take_down(&self, link: &LinkName) {
        self.change(|state, now| state.take_down(link, now));
    }

    /// Somebody gives an address to a link by hand, past PVC.
    pub fn give_by_hand(&self, address: &Address) {
        self.change(|state, now| state.give(address, now));
    }

    /// Somebody takes an address away by hand, past PVC. Nothing happens when it is not there.
    pub fn take_by_hand(&self, link: &LinkName, ip: IpAddr) {
        self.change(|state, now| state.end(link, ip, End::Removed, now));
    }

    /// Lets something come in and go out over a link: so many packets of so many bytes in all, each way.
    pub fn pass_traffic(&self, link: &LinkName, packets: u64, bytes: u64) {
        self.change(|state, _| {
            state.with(link, |device| {
                device.receive(packets, bytes);
                device.send(packets, bytes);
            });
        });
    }

    /// The next `count` changing calls are refused with this text.
    pub fn refuse(&self, count: u32, why: &str) {
        self.lock().refusals = (count, why.to_owned());
    }

    /// From now on every call goes unanswered, until [`Stack::heal`]. Lifetimes end all the same.
    pub fn hang(&self, late: Late) {
        self.lock().manner = Manner::Hanging(late);
    }

    /// Ends every fault. Calls that were made while it hung are performed now, or are lost, as was ordered.
    pub fn heal(&self) {
        self.change(|state, now| {
            state.manner = Manner::Prompt;
            state.refusals = (0, String::new());
            (state.lost_answers, state.lost_wakes) = (0, 0);
            for call in std::mem::take(&mut state.late) {
                // Whoever asked is no longer there to hear the answer.
                drop(state.apply(&call, now));
            }
        });
    }

    /// The next `count` changing calls take effect, but the answer is lost.
    pub fn lose_answers(&self, count: u32) {
        self.lock().lost_answers = count;
    }

    /// The next `count` changes wake nobody.
    pub fn lose_wakes(&self, count: u32) {
        self.lock().lost_wakes = count;
    }

    /// The machine loses its power and is started again: the network cards are left, all down, and nothing else.
    /// Faults end too.
    pub fn cut_power(&self) {
        self.lock().late.clear();
        self.heal();
        self.change(|state, now| {
            for (link, ip) in state.addresses.keys().cloned().collect::<Vec<_>>() {
                state.end(&link, ip, End::PowerCut, now);
            }
            state.default_routes.clear();
            state.devices.retain(|_, device| device.kind != LinkKind::Bridge);
            state.devices.values_mut().for_each(Device::reset);
        });
    }

    /// What truly is, whatever the stack answers.
    pub fn seen(&self) -> Seen {
        let now = self.clock.now().boot;
        let mut state = self.lock();
        state.settle(now);
        state.seen(now)
    }

    /// Everything that happened to addresses, in order.
    pub fn ledger(&self) -> Vec<Entry> {
        self.lock().ledger.clone()
    }

    /// What happened to addresses after the first `count` entries of the ledger.
    pub fn ledger_after(&self, count: usize) -> Vec<Entry> {
        self.lock().ledger.get(count..).unwrap_or_default().to_vec()
    }

    /// How many calls reached the stack.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// When the next address ends by itself.
    pub fn next_change(&self) -> Option<BootTime> {
        self.lock().addresses.values().filter_map(|held| held.until.map(|(_, valid)| valid)).min()
    }

    /// Lets every lifetime end that is due.
    pub fn settle(&self) {
        if self.next_change().is_some_and(|at| at <= self.clock.now().boot) {
            self.change(|_, _| ());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the stack")
    }

    /// Changes the stack now, and wakes who watches if something of a link or an address changed.
    fn change<T>(&self, change: impl FnOnce(&mut State, BootTime) -> T) -> T {
        let now = self.clock.now().boot;
        let mut state = self.lock();
        let before = state.visible();
        state.settle(now);
        let outcome = change(&mut state, now);
        let wakers = if before == state.visible() { Vec::new() } else { state.wakers() };
        // Woken without the lock: a waker may look at once.
        drop(state);
        wakers.iter().for_each(|waker| waker.wake());
        outcome
    }
}

impl State {
    fn index(&mut self) -> u32 {
        self.next_index += 1;
        self.next_index - 1
    }

    fn with(&mut self, link: &LinkName, change: impl FnOnce(&mut Device)) {
        if let Some(device) = self.devices.get_mut(link) {
            change(device);
        }
    }

    /// What a change of wakes: links, and addresses with the ends of their lifetimes.
    fn visible(&self) -> (Vec<Link>, BTreeMap<(LinkName, IpAddr), Held>) {
        (self.links(), self.addresses.clone())
    }

    fn links(&self) -> Vec<Link> {
        let link = |(name, device): (&LinkName, &Device)| device.link(name, self.link_state(name));
        let mut links: Vec<_> = self.devices.iter().map(link).collect();
        links.sort_by_key(|link| link.index);
        links
    }

    /// A bridge with ports carries something when one of them does.
    fn link_state(&self, link: &LinkName) -> LinkState {
        let Some(device) = self.devices.get(link).filter(|device| device.is_up) else {
            return LinkState::Down;
        };
        let ports = self.devices.iter().filter(|(_, other)| other.master.as_ref() == Some(link));
        let mut carrying = ports.map(|(port, _)| self.link_state(port) == LinkState::Up).peekable();
        let is_cut_off = carrying.peek().is_some() && !carrying.any(|carries| carries);
        if device.has_cable && !is_cut_off { LinkState::Up } else { LinkState::NoCarrier }
    }

    fn seen(&self, now: BootTime) -> Seen {
        let address = |((link, ip), held): (&(LinkName, IpAddr), &Held)| Address {
            link: link.clone(),
            ip: *ip,
            prefix_length: held.prefix_length,
            lifetime: held.lifetime(now),
        };
        let mut default_routes = self.default_routes.clone();
        default_routes.sort_by_key(|route| (route.gateway.is_ipv6(), route.metric));
        Seen { links: self.links(), addresses: self.addresses.iter().map(address).collect(), default_routes }
    }

    fn counters(&self) -> Vec<Counters> {
        let counted = self.links().into_iter().filter(|link| link.kind != LinkKind::Loopback);
        counted.map(|link| self.devices[&link.name].counters(link)).collect()
    }

    /// Lets every lifetime end whose time has come, each at its own time.
    fn settle(&mut self, now: BootTime) {
        let mut ends: Vec<_> = self
            .addresses
            .iter()
            .filter_map(|(key, held)| Some((held.until?.1, key.clone())))
            .filter(|(at, _)| *at <= now)
            .collect();
        ends.sort();
        for (at, (link, ip)) in ends {
            self.end(&link, ip, End::Expired, at);
        }
    }

    fn give(&mut self, address: &Address, now: BootTime) {
        let until = match address.lifetime {
            Lifetime::Forever => None,
            Lifetime::Seconds { valid, preferred } => {
                let after = |seconds: u32| now + Span::seconds(u64::from(seconds));
                Some((after(preferred), after(valid)))
            }
        };
        let held = Held { prefix_length: address.prefix_length, until };
        if self.addresses.insert((address.link.clone(), address.ip), held).is_none() {
            self.tell(&address.link, address.ip, Happening::Began, now);
        }
    }

    /// Ends an address; with the last one of its family, the routes over its link go too.
    fn end(&mut self, link: &LinkName, ip: IpAddr, end: End, at: BootTime) {
        if self.addresses.remove(&(link.clone(), ip)).is_none() {
            return;
        }
        self.tell(link, ip, Happening::Ended(end), at);
        let is_last =
            !self.addresses.keys().any(|(other, kept)| other == link && kept.is_ipv4() == ip.is_ipv4());
        if is_last && ip.is_ipv4() {
            self.default_routes.retain(|route| route.link != *link || route.gateway.is_ipv6());
        }
    }

    fn tell(&mut self, link: &LinkName, ip: IpAddr, happening: Happening, at: BootTime) {
        self.ledger.push(Entry { link: link.clone(), ip, at, happening });
    }

    fn take_down(&mut self, link: &LinkName, now: BootTime) {
        self.with(link, |device| device.is_up = false);
        self.default_routes.retain(|route| route.link != *link);
        self.end_all(link, |ip| ip.is_ipv6(), now);
    }

    fn unplug(&mut self, link: &LinkName, now: BootTime) {
        self.take_down(link, now);
        self.end_all(link, |_| true, now);
        self.devices.remove(link);
        for device in self.devices.values_mut().filter(|device| device.master.as_ref() == Some(link)) {
            device.master = None;
        }
    }

    fn end_all(&mut self, link: &LinkName, which: impl Fn(&IpAddr) -> bool, now: BootTime) {
        let of_link = self.addresses.keys().filter(|(other, ip)| other == link && which(ip));
        for (link, ip) in of_link.cloned().collect::<Vec<_>>() {
            self.end(&link, ip, End::LinkLost, now);
        }
    }

    /// Who is to be woken by a change; nobody while wakes are to be lost.
    fn wakers(&mut self) -> Vec<Arc<dyn Waker>> {
        if self.lost_wakes > 0 {
            self.lost_wakes -= 1;
            return Vec::new();
        }
        self.watchers.values().flatten().cloned().collect()
    }
}

impl Held {
    /// What is left of it, in whole seconds begun, as the kernel counts.
    fn lifetime(&self, now: BootTime) -> Lifetime {
        let left = |until: BootTime| u32::try_from((until - now).0.div_ceil(1000)).unwrap_or(u32::MAX);
        match self.until {
            None => Lifetime::Forever,
            Some((preferred, valid)) => Lifetime::Seconds { valid: left(valid), preferred: left(preferred) },
        }
    }
}

#[cfg(test)]
mod tests;
