//! The networks of a machine in memory, as one daemon has them open.

use std::net::IpAddr;
use std::sync::Arc;

use logic::time::BootTime;

use super::call::Call;
use super::{Late, Manner, Stack, State};
use crate::network::{Address, Bridge, Counters, Error, LinkName, Network, Seen, Waker, words};

/// The deadline that an unanswered call is said to have had.
const DEADLINE_MS: u64 = 5000;

/// A daemon's way to the networks of a [`Stack`].
#[derive(Debug)]
pub struct Connection {
    stack: Arc<Stack>,
    number: u64,
}

impl Connection {
    pub(super) fn new(stack: Arc<Stack>, number: u64) -> Self {
        Self { stack, number }
    }

    fn ask<T>(&self, what: &str, answer: impl FnOnce(&State, BootTime) -> T) -> Result<T, Error> {
        self.stack.change(|state, now| {
            state.calls += 1;
            if let Manner::Hanging(_) = state.manner { Err(silent(what)) } else { Ok(answer(state, now)) }
        })
    }

    fn tell(&self, call: Call) -> Result<(), Error> {
        self.stack.change(|state, now| {
            state.calls += 1;
            let what = call.what();
            if let Manner::Hanging(late) = state.manner {
                if late == Late::Performed {
                    state.late.push(call);
                }
                return Err(silent(&what));
            }
            let outcome = state.apply(&call, now);
            if state.lost_answers > 0 {
                state.lost_answers -= 1;
                return Err(silent(&what));
            }
            outcome
        })
    }
}

fn silent(what: &str) -> Error {
    Error::Silent { what: what.to_owned(), deadline_ms: DEADLINE_MS }
}

impl Network for Connection {
    fn observe(&self) -> Result<Seen, Error> {
        self.ask(words::OBSERVE, State::seen)
    }

    fn ensure_link(&self, link: &LinkName, mtu: u32) -> Result<(), Error> {
        self.tell(Call::Link(link.clone(), mtu))
    }

    fn ensure_bridge(&self, bridge: &Bridge) -> Result<(), Error> {
        self.tell(Call::Bridge(bridge.clone()))
    }

    fn ensure_address(&self, address: &Address) -> Result<(), Error> {
        self.tell(Call::Address(address.clone()))
    }

    fn remove_address(&self, link: &LinkName, ip: IpAddr) -> Result<(), Error> {
        self.tell(Call::Removal(link.clone(), ip))
    }

    fn ensure_default_route(&self, link: &LinkName, gateway: IpAddr) -> Result<(), Error> {
        self.tell(Call::DefaultRoute(link.clone(), gateway))
    }

    fn announce(&self, link: &LinkName, ip: IpAddr) -> Result<(), Error> {
        self.tell(Call::Announcement(link.clone(), ip))
    }

    fn counters(&self) -> Result<Vec<Counters>, Error> {
        self.ask(words::COUNT, |state, _| state.counters())
    }

    fn watch(&self, waker: Arc<dyn Waker>) {
        self.stack.lock().watchers.entry(self.number).or_default().push(waker);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stack.lock().watchers.remove(&self.number);
    }
}
