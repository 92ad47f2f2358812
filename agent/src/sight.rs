//! The latest look at this machine's guests.
//!
//! Looks are taken apart from the loop, so that a hypervisor that hangs holds nothing up. Each look and each end of a
//! step takes a ticket from one counter: a look counts for a step only if it was begun after the step ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use host::clock::Clock;
use host::hypervisor::{self, Hypervisor};
use logic::observed::{Activity, Guest, Guests};
use logic::time::BootTime;

/// One look.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Its place among looks and ends of steps.
    pub ticket: u64,
    /// When it was begun.
    pub begun: BootTime,
    /// The guests.
    pub guests: Guests,
}

/// Takes looks and keeps the latest.
#[derive(Debug)]
pub struct Sight {
    hypervisor: Arc<dyn Hypervisor>,
    clock: Arc<dyn Clock>,
    tickets: AtomicU64,
    latest: Mutex<Look>,
}

impl Sight {
    /// Nothing has been seen yet.
    pub fn new(hypervisor: Arc<dyn Hypervisor>, clock: Arc<dyn Clock>) -> Self {
        let guests = Guests::Unknown { why: "the hypervisor has not been asked yet".into() };
        let begun = clock.now().boot;
        let latest = Mutex::new(Look { ticket: 0, begun, guests });
        Self { hypervisor, clock, tickets: AtomicU64::new(1), latest }
    }

    /// The next ticket.
    pub fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::SeqCst)
    }

    /// Looks now, and keeps what is seen.
    pub fn look(&self) {
        let ticket = self.ticket();
        let begun = self.clock.now().boot;
        let guests = match self.hypervisor.guests() {
            Ok(guests) => Guests::Seen(guests.into_iter().map(seen).collect()),
            Err(error) => Guests::Unknown { why: error.to_string() },
        };
        let look = Look { ticket, begun, guests };
        let mut latest = self.latest.lock().expect("no look panics while it holds this");
        if latest.ticket < ticket {
            *latest = look;
        }
    }

    /// The latest look.
    pub fn latest(&self) -> Look {
        self.latest.lock().expect("no look panics while it holds this").clone()
    }
}

fn seen(guest: hypervisor::Guest) -> (logic::id::VmId, Guest) {
    let activity = match guest.activity {
        hypervisor::Activity::Running => Activity::Running,
        hypervisor::Activity::Paused => Activity::Paused,
    };
    (guest.vm, Guest { name: guest.name, activity, incarnation: guest.incarnation })
}
