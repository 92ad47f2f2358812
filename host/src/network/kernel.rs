//! The networks of a Linux machine, by netlink and raw sockets.
//!
//! It speaks to the network namespace of the threads that call it, which is one and the same for all. Each call has
//! netlink sockets of its own: nothing is left of one that came too late, and none needs to be opened anew.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::link::check_mtu;
use super::{Address, Bridge, Counters, Error, LinkName, Network, Seen, Waker, words};
use logic::network::{check_gateway, metric};

mod ask;
mod change;
mod events;
mod lane;
mod look;
mod send;
mod speed;

use ask::{Conversation, Failure};
use change::Change;
use events::Events;
use lane::{Lane, Late};
use send::Sender;

/// How many calls may be under way at once, those that hang in the kernel included.
const CALLS_MAX: usize = 8;

/// The kernel of this machine.
#[derive(Debug)]
pub struct Kernel {
    deadline: Duration,
    lane: Lane,
    events: Events,
    sender: Sender,
}

impl Kernel {
    /// The kernel, with a deadline for each call.
    pub fn new(deadline: Duration) -> Self {
        Self { deadline, lane: Lane::new(CALLS_MAX), events: Events::default(), sender: Sender::default() }
    }

    /// Performs a call on a thread of its own: a kernel whose lock is held by a broken driver hangs its caller.
    fn call<T: Send + 'static>(
        &self,
        what: &str,
        act: impl FnOnce(&mut Call) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let until = Instant::now() + self.deadline;
        let deadline_ms = u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX);
        let mut call = Call { what: what.to_owned(), until, deadline_ms };
        let silent = call.silent();
        self.lane.run(until, move || act(&mut call)).unwrap_or_else(|Late| Err(silent))
    }
}

impl Network for Kernel {
    fn observe(&self) -> Result<Seen, Error> {
        self.call(words::OBSERVE, |call| Ok(call.route()?.look()?.seen()))
    }

    fn ensure_link(&self, link: &LinkName, mtu: u32) -> Result<(), Error> {
        let what = words::link(link, mtu);
        check_mtu(&what, mtu)?;
        let link = link.clone();
        self.call(&what, move |call| call.route()?.ensure_link(&link, mtu))
    }

    fn ensure_bridge(&self, bridge: &Bridge) -> Result<(), Error> {
        let what = words::bridge(bridge);
        check_mtu(&what, bridge.mtu)?;
        let bridge = bridge.clone();
        self.call(&what, move |call| call.route()?.ensure_bridge(&bridge))
    }

    fn ensure_address(&self, address: &Address) -> Result<(), Error> {
        let what = words::address(address);
        address.check().map_err(|why| Error::refused(&what, why, "correct the address in pvc.toml"))?;
        let address = address.clone();
        self.call(&what, move |call| call.route()?.ensure_address(&address))
    }

    fn remove_address(&self, link: &LinkName, ip: IpAddr) -> Result<(), Error> {
        let link = link.clone();
        self.call(&words::removal(&link, ip), move |call| call.route()?.remove_address(&link, ip))
    }

    fn ensure_default_route(&self, link: &LinkName, gateway: IpAddr) -> Result<(), Error> {
        let what = words::route(link, gateway);
        check_gateway(gateway)
            .map_err(|why| Error::refused(&what, why, "correct the gateway in pvc.toml"))?;
        let link = link.clone();
        self.call(&what, move |call| call.route()?.ensure_default_route(&link, gateway, metric(gateway)))
    }

    fn announce(&self, link: &LinkName, ip: IpAddr) -> Result<(), Error> {
        let (link, sender) = (link.clone(), self.sender.clone());
        self.call(&words::announcement(&link, ip), move |call| {
            let frames = call.route()?.announcements(&link, ip)?;
            sender.send(&link, &frames).map_err(|failure| call.refused(failure))
        })
    }

    fn counters(&self) -> Result<Vec<Counters>, Error> {
        self.call(words::COUNT, |call| {
            let links = call.route()?.look()?;
            let mut generic =
                Conversation::open_generic(call.until).map_err(|failure| call.refused(failure))?;
            let speeds = speed::speeds(&mut generic).map_err(|failure| call.refused(failure))?;
            Ok(links.counters(&speeds))
        })
    }

    fn watch(&self, waker: Arc<dyn Waker>) {
        self.events.watch(waker);
    }
}

/// A call under way: what it is about, and when it ends.
#[derive(Clone, Debug)]
struct Call {
    what: String,
    until: Instant,
    deadline_ms: u64,
}

impl Call {
    /// A conversation about links, addresses and routes.
    fn route(&self) -> Result<Change, Error> {
        let conversation = Conversation::open_route(self.until).map_err(|failure| self.refused(failure))?;
        Ok(Change::new(self.clone(), conversation))
    }

    fn silent(&self) -> Error {
        Error::Silent { what: self.what.clone(), deadline_ms: self.deadline_ms }
    }

    fn refused(&self, failure: Failure) -> Error {
        if matches!(failure, Failure::Late) {
            return self.silent();
        }
        Error::refused(&self.what, failure.to_string(), failure.remedy())
    }
}
