//! One pass of a daemon: take the snapshot, take the latest look, decide, hand the steps to the pool.
//!
//! Start-up, a change, a lost watch and a timer all go through [`Agent::pass`]; it does not know why it was called.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use host::machine::Machine;
use host::storage::{Reach, Storage};
use logic::cluster::Cluster;
use logic::config::{MoveSettings, Timers};
use logic::decide::Decide;
use logic::id::VmId;
use logic::limits::STEPS_IN_FLIGHT_MAX;
use logic::observed::{Fencing, Life, Moving, Observed, Secret, StorageSight};
use logic::plan::{Plan, Resource};
use logic::time::BootTime;
use store::mirror::Mirror;

use crate::gauge::Gauge;
use crate::measure::Meter;
use crate::memory::{Ended, Facts, Memory};
use crate::perform::Job;
use crate::sight::{MoveLook, Sight};
use crate::uploads::Uploads;
use crate::world::World;

/// Where steps are performed: on threads in production, in virtual time in the simulator. Each step that ends is put
/// into the daemon's [`Inbox`].
pub trait Pool: Send + Sync + std::fmt::Debug {
    /// Takes a step. Never blocks and never refuses: the number of steps in flight is bounded by who submits.
    fn submit(&self, job: Job);
}

/// Steps that ended since the last pass.
#[derive(Debug, Default)]
pub struct Inbox {
    ended: Mutex<VecDeque<Ended>>,
}

impl Inbox {
    /// Puts a step that ended.
    pub fn put(&self, ended: Ended) {
        self.ended.lock().expect("nobody panics while holding the inbox").push_back(ended);
    }

    fn take(&self) -> VecDeque<Ended> {
        std::mem::take(&mut *self.ended.lock().expect("nobody panics while holding the inbox"))
    }
}

/// What a daemon is made of.
#[derive(Debug)]
pub struct Parts {
    /// What its steps act on.
    pub world: Arc<World>,
    /// The records.
    pub mirror: Arc<Mirror>,
    /// The machine's guests.
    pub sight: Arc<Sight>,
    /// How busy the machine is.
    pub gauge: Arc<Gauge>,
    /// What is brought to it.
    pub uploads: Arc<Uploads>,
    /// The storage, measured.
    pub meter: Arc<Meter>,
    /// The machine itself.
    pub machine: Arc<dyn Machine>,
    /// Its timers.
    pub timers: Timers,
    /// How VMs come and leave while they run.
    pub moves: MoveSettings,
    /// Its decisions.
    pub decide: Decide,
    /// Where steps are performed.
    pub pool: Arc<dyn Pool>,
    /// Where they come back.
    pub inbox: Arc<Inbox>,
}

/// One daemon.
#[derive(Debug)]
pub struct Agent {
    parts: Parts,
    memory: Memory,
    life: Life,
    stopping_since: Option<BootTime>,
    asked_again: bool,
}

/// What a pass came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// When to pass again at the latest, if nothing wakes the loop before.
    pub next: Option<BootTime>,
    /// How many steps were submitted.
    pub submitted: usize,
    /// Whether the daemon was asked to stop and has nothing left to do.
    pub stopped: bool,
}

impl Agent {
    /// A daemon that has done nothing yet.
    pub fn new(parts: Parts) -> Self {
        Self { parts, memory: Memory::default(), life: Life::Going, stopping_since: None, asked_again: false }
    }

    /// From now on the daemon is stopping; asked a second time, it waits for nothing that may take long.
    pub fn stop(&mut self) {
        self.asked_again = self.life == Life::Stopping;
        self.life = Life::Stopping;
        self.stopping_since.get_or_insert(self.parts.world.clock.now().boot);
    }

    /// One pass.
    pub fn pass(&mut self) -> Passed {
        let now = self.parts.world.clock.now();
        let session = self.parts.world.store.session();
        for ended in self.parts.inbox.take() {
            crate::log::step_ended(&ended);
            self.memory.note(&ended);
        }
        let look = self.parts.sight.latest();
        let Some(snapshot) = self.parts.mirror.snapshot() else {
            return Passed { next: None, submitted: 0, stopped: self.life == Life::Stopping };
        };
        let (network_look, moves) = (self.parts.sight.latest_of_networks(), self.parts.sight.moves());
        let keepalive_interval = self.parts.timers.keepalive_interval;
        let ticket_of = |resource: &Resource, facts: Facts| match (resource, facts) {
            // What is in the records alone waits for no look with its next turn.
            (resource, _) if resource.is_of_records() => u64::MAX,
            (resource, _) if resource.is_of_networks() => network_look.ticket,
            // A VM that is not looked at is decided about by nobody.
            (Resource::Vm(vm), Facts::Move) => moves.get(vm).map_or(look.ticket, |look| look.ticket),
            _ => look.ticket,
        };
        self.memory.settle(ticket_of, |committed, ended| self.parts.mirror.shows_since(committed, ended));
        let observed = Observed {
            name: self.parts.world.name.clone(),
            node: self.parts.machine.node(),
            timers: self.parts.timers,
            guests: look.guests,
            guests_at: look.begun,
            gauged: self.parts.gauge.latest(),
            networks: network_look.networks.clone(),
            failures: self.memory.failures.clone(),
            presses: self.memory.presses.clone(),
            taken: self.memory.taken.clone(),
            stages: self.memory.stages.clone(),
            uploads: self.parts.uploads.latest(&snapshot.cluster),
            transfers: self.parts.world.transfers.latest(),
            measured: self.parts.meter.latest(),
            revived: self.memory.revived.clone(),
            swept: self.memory.swept.clone(),
            announced: self
                .memory
                .announced
                .clone()
                .filter(|(epoch, _)| *epoch == session.epoch)
                .map(|(_, p)| p),
            keepalives: self.memory.keepalives,
            keepalive_at: self.memory.keepalive_at,
            lease_until: session.until,
            moving: self.moving(moves),
            life: self.life,
            stopping_since: self.stopping_since,
            role_since: Some(self.memory.role_since(&snapshot.cluster, now.boot)),
            holder_since: self.memory.holder_since(&snapshot.cluster, keepalive_interval, now.boot),
            announcements: self.memory.announcements(&network_look),
            asked_again: self.asked_again,
            under_way: self.memory.under_way(),
            storage: self.storage(&snapshot.cluster),
            fencing: self.fencing(&snapshot.cluster, now.boot),
        };
        let plan = (self.parts.decide)(&snapshot.cluster, &observed, now);
        let (next, ends) = (plan.look_again, plan.ends);
        let submitted = self.submit(plan);
        let stopped = self.life == Life::Stopping && ends && self.memory.in_flight() == 0;
        Passed { next, submitted, stopped }
    }

    /// What is known of the VMs that come and leave.
    fn moving(&self, moves: BTreeMap<VmId, MoveLook>) -> Moving {
        Moving {
            settings: self.parts.moves,
            console_directory: self.parts.world.guests.console_directory.clone(),
            seen: moves.into_iter().filter_map(|(vm, look)| Some((vm, look.seen?))).collect(),
            unsent: self.memory.unsent.clone(),
            allowed: self.memory.allowed.clone(),
            aborts: self.memory.aborts.clone(),
            mends: self.memory.mends.clone(),
        }
    }

    /// What is known of the storage, if there is one.
    fn storage(&mut self, cluster: &Cluster) -> Option<StorageSight> {
        self.memory.keep_looks(cluster);
        let storage = self.parts.world.storage.as_ref()?;
        let secret = match storage.abilities().reach {
            Reach::ThisMachine => Secret::NotNeeded,
            Reach::EveryMachine => Secret::Needed { kept_at: self.memory.secret_kept_at },
        };
        Some(StorageSight { looks: self.memory.volume_looks.clone(), secret })
    }

    /// What is known of blocks of nodes at the storage.
    fn fencing(&mut self, cluster: &Cluster, now: BootTime) -> Fencing {
        match self.parts.world.storage.as_deref().and_then(Storage::fence) {
            Some(_) => {
                let (name, meter) = (&self.parts.world.name, &self.parts.meter);
                let fencing = self.memory.fencing(cluster, name, meter.sight(), now);
                Fencing { silent: meter.silent(), ..fencing }
            }
            None => Fencing::default(),
        }
    }

    /// Hands over what fits: one step per resource, and a bound on all of them that the heartbeat is not counted in.
    fn submit(&mut self, plan: Plan) -> usize {
        let mut submitted = 0;
        for step in plan.steps {
            let full = self.memory.in_flight() >= STEPS_IN_FLIGHT_MAX && step.resource != Resource::Heartbeat;
            if full || !self.memory.take(&step.resource) {
                continue;
            }
            let job = Job { step: Arc::new(step), world: Arc::clone(&self.parts.world) };
            crate::log::step_begins(&job.step);
            self.parts.pool.submit(job);
            submitted += 1;
        }
        submitted
    }
}
