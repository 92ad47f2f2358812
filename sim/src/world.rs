//! Machines, daemons and the operator, and the order in which things happen: one queue of events in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent::perform::Done;
use agent::world::Fault;
use host::clock::{Clock as _, ManualClock};
use host::storage;
use logic::config::Timers;
use logic::id::{NodeName, VmId};
use logic::limits::{FACTS_INTERVAL, MOVES_LOOK_INTERVAL, PASS_INTERVAL_MAX};
use logic::plan::Resource;
use logic::time::{BootTime, Now, Span, WallTime};
use store::memory::Memory;

use crate::command::{Blow, Kind, Moment, Place};
use crate::counts::Counts;
use crate::daemon::{Chore, Daemon, Ground};
use crate::invariants::Judge;
use crate::invariants::capacity::Capacity;
use crate::invariants::fence::Fencer;
use crate::invariants::floating::Floating;
use crate::invariants::osds::Stock;
use crate::invariants::storage::Keeper;
use crate::operator::Operator;
use crate::world::chance::Chance;
use crate::world::holds::Holds;
use crate::world::nets::Nets;
use crate::world::site::{Site, Wires};
use crate::world::work::Work;

pub mod chance;
mod holds;
mod machines;
mod nets;
mod orders;
pub mod rest;
pub mod site;
mod watch;
mod work;

/// When the world begins.
pub const BEGIN: BootTime = BootTime(1_000_000);

/// When it begins on the wall: the first of January 2026.
const BEGIN_WALL: WallTime = WallTime(1_767_225_600_000);

/// How long a daemon waits before it asks a store again that did not answer.
const STORE_RETRY: Span = Span(200);

/// How often the mirror is confirmed when nothing changes.
const CONFIRM: Span = Span::seconds(1);

/// What will happen.
#[derive(Debug)]
enum Event {
    Chore(Place, u64, Chore),
    Check(Box<Work>),
    Act(Box<Work>),
    End(Box<Work>, Result<Done, Fault>),
}

/// Whether the keepalives' steps are written to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keepalives {
    /// They are.
    Shown,
    /// They are not: they would drown the rest.
    #[default]
    Hidden,
}

/// What befalls a daemon at a moment of a step.
#[derive(Clone, Debug)]
struct Break {
    place: Place,
    moment: Moment,
    step: String,
    blow: Blow,
}

/// The world.
#[derive(Debug)]
pub struct World {
    clock: Arc<ManualClock>,
    memory: Memory,
    sites: BTreeMap<NodeName, Site>,
    wires: Wires,
    nets: Nets,
    /// What every machine reaches.
    storage: Arc<storage::memory::Cluster>,
    /// The OSDs on each machine's devices.
    devices: BTreeMap<NodeName, Arc<host::osd::memory::Machine>>,
    holds: Holds,
    daemons: BTreeMap<Place, Daemon>,
    events: BTreeMap<(BootTime, u64), Event>,
    number: u64,
    operator: Operator,
    /// The end of a request is not known yet.
    is_unsure: bool,
    /// How many changes the store had seen when the operator last looked.
    shown_changes: u64,
    breaks: Vec<Break>,
    chance: Chance,
    timers: Timers,
    keepalives: Keepalives,
    names: BTreeMap<VmId, String>,
    last_work: BootTime,
    judge: Judge,
    capacity: Capacity,
    floating: Floating,
    keeper: Keeper,
    stock: Stock,
    fencer: Fencer,
    /// How many calls the storage had when it was last looked at.
    storage_calls: u64,
    /// The primary whose loop goes on hanging though the faults have ended.
    hung: Option<Place>,
    log: String,
    violation: Option<String>,
    /// What was met so far.
    pub counts: Counts,
}

impl World {
    /// Machines that are switched on, without daemons; an empty store.
    pub fn new(nodes: &[NodeName], timers: Timers, keepalives: Keepalives, chance: Chance) -> Self {
        let clock = Arc::new(ManualClock::new(Now { boot: BEGIN, wall: BEGIN_WALL }));
        let time = Arc::clone(&clock);
        let memory = Memory::new(Arc::new(move || time.now().boot));
        let operator = Operator::new(&memory, &clock);
        let sites: BTreeMap<_, _> =
            (1..).zip(nodes).map(|(number, name)| (name.clone(), Site::new(&clock, name, number))).collect();
        let wires = Wires::new(&clock, &sites);
        let addresses: Vec<_> = sites.values().map(|site| site.address).collect();
        let storage = storage::memory::Cluster::new(&addresses);
        let machine = |name: &NodeName| (name.clone(), host::osd::memory::Machine::new(storage.members()));
        Self {
            nets: Nets::none(&sites),
            devices: nodes.iter().map(machine).collect(),
            holds: Holds::new(&storage),
            storage,
            clock,
            memory,
            sites,
            wires,
            daemons: BTreeMap::new(),
            events: BTreeMap::new(),
            number: 0,
            operator,
            is_unsure: false,
            shown_changes: 0,
            breaks: Vec::new(),
            chance,
            timers,
            keepalives,
            names: BTreeMap::new(),
            last_work: BEGIN,
            judge: Judge::default(),
            capacity: Capacity::default(),
            floating: Floating::default(),
            keeper: Keeper::default(),
            stock: Stock::default(),
            fencer: Fencer::default(),
            storage_calls: 0,
            hung: None,
            log: String::new(),
            violation: None,
            counts: Counts::default(),
        }
    }

    /// Everything that was worth a line.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// What happened that must not.
    pub fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// How long the world has lasted.
    pub fn age(&self) -> Span {
        self.now() - BEGIN
    }

    /// Lets time pass until a moment, and everything happen that is due by then.
    pub fn run_until(&mut self, age: Span) {
        let end = BEGIN + age;
        while self.violation.is_none() {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let change = self.next_change();
            let Some(next) = event.into_iter().chain(change).min().filter(|next| *next <= end) else { break };
            self.advance(next);
            if change == Some(next) {
                self.sites.values().for_each(|site| site.machine.settle());
                self.wires.network().settle();
                self.nets.settle();
                self.holds.settle(next);
            } else if let Some((_, event)) = self.events.pop_first() {
                self.happen(event);
            }
            self.aftermath();
        }
        self.advance(end);
    }

    /// When something next changes that no daemon does.
    fn next_change(&self) -> Option<BootTime> {
        let machines = self.sites.values().filter_map(Site::next_change);
        let networks =
            self.wires.network().next_change().into_iter().chain(self.nets.next_change(&self.sites));
        machines.chain(networks).chain(self.holds.next_change()).min()
    }

    fn now(&self) -> BootTime {
        self.clock.now().boot
    }

    fn advance(&self, to: BootTime) {
        self.clock.advance(to - self.now());
    }

    fn happen(&mut self, event: Event) {
        let (place, life) = match &event {
            Event::Chore(place, life, _) => (place, *life),
            Event::Check(work) | Event::Act(work) | Event::End(work, _) => (&work.place, work.life),
        };
        let now = self.now();
        let daemon = self.daemons.get(place).filter(|daemon| daemon.life == life);
        let hangs = daemon.filter(|_| matches!(event, Event::Chore(_, _, Chore::Pass)));
        let hangs_until = hangs.and_then(|daemon| daemon.hangs_until);
        let stalled_until = daemon.and_then(|daemon| daemon.stalled_until).max(hangs_until);
        let stalled_until = stalled_until.filter(|until| *until > now);
        match (event, daemon.is_some(), stalled_until) {
            (event, true, Some(until)) => self.at(until, event),
            (Event::Chore(place, _, chore), true, None) => self.chore(&place, chore, now),
            (Event::Check(work), true, None) => self.check(work),
            (Event::Act(work), true, None) => self.act(work),
            (Event::Act(work), false, _) if self.outlives(&work) => self.act_late(&work),
            (Event::End(work, outcome), true, None) => self.end(&work, outcome),
            (_, false, _) => {}
        }
    }

    fn at(&mut self, moment: BootTime, event: Event) {
        self.number += 1;
        self.events.insert((moment, self.number), event);
    }

    fn soon(&mut self, span: Span, event: Event) {
        self.at(self.now() + span, event);
    }

    /// A chore that came due; one that was put off or done in the meantime is left.
    fn chore(&mut self, place: &Place, chore: Chore, now: BootTime) {
        let late = self.sites.get(&place.node).map_or(Span::default(), |site| site.late);
        let Some(daemon) = self.daemons.get_mut(place) else { return };
        if daemon.due.get(&chore).is_none_or(|due| *due > now) {
            return;
        }
        daemon.due.remove(&chore);
        match chore {
            Chore::Pump => {
                let again = if daemon.pump(now) { CONFIRM.max(late) } else { STORE_RETRY };
                self.due(place, chore, now + again);
            }
            Chore::Look => {
                daemon.look();
                self.due(place, chore, now + PASS_INTERVAL_MAX);
            }
            Chore::LookAtMoves => {
                let again = if daemon.look_at_moves() { MOVES_LOOK_INTERVAL } else { PASS_INTERVAL_MAX };
                self.due(place, chore, now + again);
            }
            Chore::LookAtNetworks => {
                daemon.look_at_networks();
                self.due(place, chore, now + PASS_INTERVAL_MAX);
            }
            Chore::Measure => {
                daemon.measure();
                self.due(place, chore, now + FACTS_INTERVAL);
            }
            Chore::Pass => self.pass(place, now),
        }
    }

    /// Sets when a chore is due, unless it is due earlier.
    fn due(&mut self, place: &Place, chore: Chore, at: BootTime) {
        let Some(daemon) = self.daemons.get_mut(place) else { return };
        if daemon.due.get(&chore).is_none_or(|due| *due > at) {
            daemon.due.insert(chore, at);
            let life = daemon.life;
            self.at(at, Event::Chore(place.clone(), life, chore));
        }
    }

    fn pass(&mut self, place: &Place, now: BootTime) {
        let Some(daemon) = self.daemons.get_mut(place) else { return };
        let (passed, jobs) = daemon.pass();
        let (life, decided) = (daemon.life, daemon.heard_at);
        if passed.stopped {
            self.line(&format!("{place} has stopped"));
            if let Some(daemon) = self.daemons.remove(place) {
                daemon.close();
            }
            return;
        }
        for job in jobs {
            if job.step.resource != Resource::Heartbeat && !job.step.reason.is_routine() {
                self.last_work = now;
            }
            let span = self.chance.to_check();
            self.soon(
                span,
                Event::Check(Box::new(Work {
                    place: place.clone(),
                    life,
                    job,
                    decided,
                    sent: now,
                    start: None,
                })),
            );
        }
        let latest = now + PASS_INTERVAL_MAX;
        let clock = self.sites.get(&place.node).map(|site| &site.clock);
        let next = passed.next.and_then(|next| Some(clock?.world_time(next)));
        self.due(place, Chore::Pass, next.map_or(latest, |next| next.min(latest).max(now + Span(1))));
    }

    /// Something befalls a daemon.
    fn befall(&mut self, place: &Place, blow: Blow) {
        match blow {
            Blow::Kill | Blow::KillWaiting(_) => {
                let Some(daemon) = self.daemons.remove(place) else { return };
                if daemon.stalled_until.is_some_and(|until| until > self.now()) {
                    // What it was about to call while it stood still it has not called, and never will.
                    let is_its = |work: &Work| work.place == *place && work.life == daemon.life;
                    self.events.retain(|_, event| !matches!(event, Event::Act(work) if is_its(work)));
                }
                self.line(&format!("{place} is killed"));
            }
            Blow::Hang(span) => {
                let until = self.now() + span;
                if let Some(daemon) = self.daemons.get_mut(place) {
                    daemon.hangs_until = Some(until);
                    self.line(&format!("{place} hangs, and its session goes on"));
                }
            }
            Blow::Stall(span) => {
                let until = self.now() + span;
                if let Some(daemon) = self.daemons.get_mut(place) {
                    daemon.stalled_until = Some(until);
                    self.line(&format!("{place} stands still"));
                }
            }
        }
    }

    fn run(&mut self, place: &Place) {
        let Some(site) = self.sites.get(&place.node).filter(|site| !site.is_off) else { return };
        if self.daemons.contains_key(place) {
            return;
        }
        self.number += 1;
        let ground = Ground {
            clock: Arc::clone(&site.clock) as _,
            store: self.memory.open_as(site.client.clone()),
            machine: Arc::clone(&site.machine),
            network: Arc::clone(self.wires.network()),
            address: site.address,
            storage: Arc::clone(&self.storage),
            devices: Arc::clone(&self.devices[&place.node]),
            stack: self.nets.stack(&place.node),
            networks: self.nets.wanted(&place.node),
            timers: self.timers,
        };
        self.daemons.insert(place.clone(), Daemon::start(place, self.number, ground));
    }

    fn places(&self) -> Vec<Place> {
        self.sites.keys().flat_map(places_of).collect()
    }
}

/// The daemons of a node.
fn places_of(node: &NodeName) -> [Place; 2] {
    [Kind::Noded, Kind::Workerd].map(|kind| Place { kind, node: node.clone() })
}
