//! The latest look at this machine's guests.
//!
//! Looks are taken apart from the loop, and those at the guests apart from those at the networks, so that a hypervisor or
//! a kernel that hangs holds nothing else up. Each look and each end of a
//! step takes a ticket from one counter: a look counts for a step only if it was begun after the step ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use host::clock::Clock;
use host::hypervisor::{self, Hypervisor};
use host::network::Network;
use logic::network::{Networks, Sighting, SystemNetwork, system};
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

/// One look at the machine's networks.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkLook {
    /// Its place among looks and ends of steps.
    pub ticket: u64,
    /// The networks.
    pub networks: Networks,
}

/// Takes looks and keeps the latest.
#[derive(Debug)]
pub struct Sight {
    hypervisor: Arc<dyn Hypervisor>,
    clock: Arc<dyn Clock>,
    tickets: AtomicU64,
    latest: Mutex<Look>,
    network: Arc<dyn Network>,
    latest_of_networks: Mutex<NetworkLook>,
}

impl Sight {
    /// Nothing has been seen yet. Of the networks, only the `wanted` ones are of interest.
    pub fn new(
        hypervisor: Arc<dyn Hypervisor>,
        clock: Arc<dyn Clock>,
        (network, wanted): (Arc<dyn Network>, Arc<[SystemNetwork]>),
    ) -> Self {
        let guests = Guests::Unknown { why: "the hypervisor has not been asked yet".into() };
        let begun = clock.now().boot;
        let latest = Mutex::new(Look { ticket: 0, begun, guests });
        let sighting = Sighting::Unknown { why: "the kernel has not been asked yet".into() };
        let networks = Networks { wanted, sighting, at: begun };
        let latest_of_networks = Mutex::new(NetworkLook { ticket: 0, networks });
        let tickets = AtomicU64::new(1);
        Self { hypervisor, clock, tickets, latest, network, latest_of_networks }
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

    /// Looks at the networks now, and keeps what is seen. Nobody is asked where none are wanted.
    pub fn look_at_networks(&self) {
        let before = self.latest_of_networks();
        let wanted = before.networks.wanted.clone();
        if wanted.is_empty() {
            return;
        }
        let (ticket, at) = (self.ticket(), self.clock.now().boot);
        let sighting = match self.network.observe() {
            Ok(seen) => Sighting::Seen(Arc::new(seen)),
            Err(error) => Sighting::Unknown { why: error.to_string() },
        };
        let look = NetworkLook { ticket, networks: Networks { wanted, sighting, at } };
        let known = system::decide(&before.networks).troubles;
        for trouble in system::decide(&look.networks).troubles {
            if !known.contains(&trouble) {
                tracing::warn!("{trouble}");
            }
        }
        let mut latest = self.latest_of_networks.lock().expect("no look panics while it holds this");
        if latest.ticket < ticket {
            *latest = look;
        }
    }

    /// The latest look at the networks.
    pub fn latest_of_networks(&self) -> NetworkLook {
        self.latest_of_networks.lock().expect("no look panics while it holds this").clone()
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
