//! The latest look at this machine's guests.
//!
//! Looks are taken apart from the loop, and those at the guests apart from those at the networks, so that a hypervisor or
//! a kernel that hangs holds nothing else up. Each look and each end of a
//! step takes a ticket from one counter: a look counts for a step only if it was begun after the step ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use host::clock::Clock;
use host::hypervisor::{self, Hypervisor, Witness};
use host::migration::{self, Migration};
use host::network::Network;
use logic::id::VmId;
use logic::network::{self, Networks, Wanted, system};
use logic::observed::{Activity, Guest, Guests};
use logic::time::BootTime;
use logic::vm::migrate::{Course, Seen, Sighting, Standing, Watched};

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

/// One look at the guest of a VM that is on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct MoveLook {
    /// Its place among looks and ends of steps.
    pub ticket: u64,
    /// What was seen; `None` where the hypervisor did not answer, and nothing may be concluded.
    pub seen: Option<Seen>,
}

/// Takes looks and keeps the latest.
#[derive(Debug)]
pub struct Sight {
    hypervisor: Arc<dyn Hypervisor>,
    migration: Arc<dyn Migration>,
    clock: Arc<dyn Clock>,
    tickets: AtomicU64,
    latest: Mutex<Look>,
    moves: Mutex<BTreeMap<VmId, MoveLook>>,
    network: Arc<dyn Network>,
    latest_of_networks: Mutex<NetworkLook>,
}

impl Sight {
    /// Nothing has been seen yet. Of the networks, only the `wanted` ones are of interest.
    pub fn new(
        hypervisor: Arc<dyn Hypervisor>,
        migration: Arc<dyn Migration>,
        clock: Arc<dyn Clock>,
        (network, wanted): (Arc<dyn Network>, Wanted),
    ) -> Self {
        let guests = Guests::Unknown { why: "the hypervisor has not been asked yet".into() };
        let begun = clock.now().boot;
        let latest = Mutex::new(Look { ticket: 0, begun, guests });
        let sighting = network::Sighting::Unknown { why: "the kernel has not been asked yet".into() };
        let networks = Networks { wanted, sighting, at: begun };
        let latest_of_networks = Mutex::new(NetworkLook { ticket: 0, networks });
        let (tickets, moves) = (AtomicU64::new(1), Mutex::default());
        Self { hypervisor, migration, clock, tickets, latest, moves, network, latest_of_networks }
    }

    /// The next ticket.
    pub fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::SeqCst)
    }

    /// Looks now, and keeps what is seen.
    pub fn look(&self) {
        let ticket = self.ticket();
        let begun = self.clock.now().boot;
        let answer = self.hypervisor.guests();
        let mut latest = self.latest.lock().expect("no look panics while it holds this");
        if latest.ticket < ticket {
            let guests = match answer {
                Ok(guests) => {
                    Guests::Seen(guests.into_iter().map(|guest| seen(guest, &latest, begun)).collect())
                }
                Err(error) => Guests::Unknown { why: error.to_string() },
            };
            *latest = Look { ticket, begun, guests };
        }
    }

    /// Looks at the networks now, and keeps what is seen. Nobody is asked where none are wanted.
    pub fn look_at_networks(&self) {
        let before = self.latest_of_networks();
        let wanted = before.networks.wanted.clone();
        if wanted.is_nothing() {
            return;
        }
        let (ticket, at) = (self.ticket(), self.clock.now().boot);
        let sighting = match self.network.observe() {
            Ok(seen) => network::Sighting::Seen(Arc::new(seen)),
            Err(error) => network::Sighting::Unknown { why: error.to_string() },
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

    /// Looks at one VM that is on its way, and keeps what is seen.
    pub fn look_at_move(&self, watched: &Watched) {
        let ticket = self.ticket();
        let Watched { vm, under, leaving } = *watched;
        let course = leaving.map(|incarnation| self.migration.course(vm, incarnation)).transpose();
        // The guest after its course: one that was gone before is still gone.
        let guest = self.migration.look(vm);
        let seen = match (guest, course) {
            (Ok(guest), Ok(course)) => {
                Some(Seen { under, guest: guest.map(sighted), course: course.map(coursed) })
            }
            _ => None,
        };
        let mut moves = self.moves.lock().expect("no look panics while it holds this");
        if moves.get(&vm).is_none_or(|latest| latest.ticket < ticket) {
            moves.insert(vm, MoveLook { ticket, seen });
        }
    }

    /// Forgets what was seen of all VMs but these.
    pub fn keep_moves(&self, watched: &[Watched]) {
        let mut moves = self.moves.lock().expect("no look panics while it holds this");
        moves.retain(|vm, _| watched.iter().any(|kept| kept.vm == *vm));
    }

    /// The latest looks at the VMs that are on their way.
    pub fn moves(&self) -> BTreeMap<VmId, MoveLook> {
        self.moves.lock().expect("no look panics while it holds this").clone()
    }
}

fn sighted(sighting: migration::Sighting) -> Sighting {
    let standing = match sighting.standing {
        migration::Standing::Running => Standing::Running,
        migration::Standing::Paused => Standing::Paused,
        migration::Standing::Leaving => Standing::Leaving,
        migration::Standing::Handing => Standing::Handing,
        migration::Standing::Stranded => Standing::Stranded,
        migration::Standing::Incoming => Standing::Incoming,
        migration::Standing::Drained => Standing::Drained,
        migration::Standing::Filling => Standing::Filling,
        migration::Standing::Torn => Standing::Torn,
    };
    Sighting { incarnation: sighting.incarnation, standing }
}

fn coursed(course: migration::Course) -> Course {
    match course {
        migration::Course::UnderWay(progress) => Course::UnderWay {
            total_mib: progress.memory_total_mib,
            remaining_mib: progress.memory_remaining_mib,
            pass: progress.pass,
            throttle_percent: progress.throttle_percent,
        },
        migration::Course::Moved => Course::Moved,
        migration::Course::Failed { why } => Course::Failed { why },
        migration::Course::Unknown => Course::Unknown,
    }
}

/// A guest that was seen by a look that began now, after the look `before`.
fn seen(guest: hypervisor::Guest, before: &Look, now: BootTime) -> (VmId, Guest) {
    let activity = match guest.activity {
        hypervisor::Activity::Running => Activity::Running,
        hypervisor::Activity::Paused => Activity::Paused,
    };
    let gone_since = match guest.process {
        Witness::There | Witness::Unknown => None,
        Witness::Gone => Some(gone_before(guest.vm, guest.incarnation, before).unwrap_or(now)),
    };
    let hypervisor::Guest { vm, name, incarnation, .. } = guest;
    (vm, Guest { name, activity, incarnation, gone_since })
}

/// Since when the process of this very guest has been gone, as far as the look tells.
fn gone_before(vm: VmId, incarnation: Option<u64>, look: &Look) -> Option<BootTime> {
    let Guests::Seen(guests) = &look.guests else { return None };
    guests.get(&vm).filter(|guest| guest.incarnation == incarnation)?.gone_since
}

#[cfg(test)]
mod tests;
