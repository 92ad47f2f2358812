//! Machines, daemons and the operator, and the order in which things happen: one queue of events in virtual time.
//!
//! A step is three events: its guards are checked, it acts, its end is reported. Anything may happen in between. A step
//! of a daemon that was killed after the check may still act, as a call that waits in libvirtd's socket does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use agent::perform::{Done, Job};
use agent::world::Fault;
use host::clock::{Clock as _, ManualClock};
use host::hypervisor;
use host::memory::{Happening, Machine};
use logic::config::Timers;
use logic::id::{NodeName, VmId};
use logic::limits::PASS_INTERVAL_MAX;
use logic::node::{BootId, Node};
use logic::plan::{Action, Resource};
use logic::time::{BootTime, Now, Span, WallTime};
use store::memory::Memory;
use uuid::Uuid;

use crate::command::{Blow, Kind, Moment, Place};
use crate::counts::Counts;
use crate::daemon::{Chore, Daemon, Ground};
use crate::invariants::Judge;
use crate::operator::Operator;
use crate::world::chance::Chance;
use crate::world::nets::Nets;

pub mod chance;
mod nets;
mod orders;
mod rest;

/// When the world begins, on every boot clock.
pub const BEGIN: BootTime = BootTime(1_000_000);

/// When it begins on the wall: the first of January 2026.
const BEGIN_WALL: WallTime = WallTime(1_767_225_600_000);

/// How long a daemon waits before it asks a store again that did not answer.
const STORE_RETRY: Span = Span(200);

/// How often the mirror is confirmed when nothing changes.
const CONFIRM: Span = Span::seconds(1);

/// How long a call waits for a hypervisor that does not answer.
const CALL_DEADLINE: Span = Span::seconds(5);

/// What will happen.
#[derive(Debug)]
enum Event {
    Chore(Place, u64, Chore),
    Check(Place, u64, Job),
    Act(Place, u64, Job),
    End(Place, u64, Job, Result<Done, Fault>),
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
    machines: BTreeMap<NodeName, Arc<Machine>>,
    nets: Nets,
    written: BTreeMap<NodeName, usize>,
    daemons: BTreeMap<Place, Daemon>,
    events: BTreeMap<(BootTime, u64), Event>,
    number: u64,
    operator: Operator,
    breaks: Vec<Break>,
    chance: Chance,
    timers: Timers,
    keepalives: Keepalives,
    names: BTreeMap<VmId, String>,
    last_work: BootTime,
    judge: Judge,
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
        let machines =
            (1..).zip(nodes).map(|(number, name)| (name.clone(), machine(&clock, number))).collect();
        Self {
            nets: Nets::none(nodes, &clock),
            clock,
            memory,
            machines,
            written: BTreeMap::new(),
            daemons: BTreeMap::new(),
            events: BTreeMap::new(),
            number: 0,
            operator,
            breaks: Vec::new(),
            chance,
            timers,
            keepalives,
            names: BTreeMap::new(),
            last_work: BEGIN,
            judge: Judge::default(),
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
            let change = self.machines.values().filter_map(|machine| machine.next_change()).min();
            let change = change.into_iter().chain(self.nets.next_change()).min();
            let Some(next) = event.into_iter().chain(change).min().filter(|next| *next <= end) else { break };
            self.advance(next);
            if change == Some(next) {
                self.machines.values().for_each(|machine| machine.settle());
                self.nets.settle();
            } else if let Some((_, event)) = self.events.pop_first() {
                self.happen(event);
            }
            self.aftermath();
        }
        self.advance(end);
    }

    fn now(&self) -> BootTime {
        self.clock.now().boot
    }

    fn advance(&self, to: BootTime) {
        self.clock.advance(to - self.now());
    }

    fn happen(&mut self, event: Event) {
        let (place, life) = match &event {
            Event::Chore(place, life, _)
            | Event::Check(place, life, _)
            | Event::Act(place, life, _)
            | Event::End(place, life, ..) => (place.clone(), *life),
        };
        let now = self.now();
        let daemon = self.daemons.get(&place).filter(|daemon| daemon.life == life);
        let stalled_until = daemon.and_then(|daemon| daemon.stalled_until).filter(|until| *until > now);
        match (event, daemon.is_some(), stalled_until) {
            (event, true, Some(until)) => self.at(until, event),
            (Event::Chore(_, _, chore), true, None) => self.chore(&place, chore, now),
            (Event::Check(_, _, job), true, None) => self.check(place, life, job),
            (Event::Act(_, _, job), true, None) => self.act(place, life, job),
            (Event::Act(_, _, job), false, _) if self.chance.outlives() => self.act_late(&place, &job),
            (Event::End(_, _, job, outcome), true, None) => self.end(&place, &job, outcome),
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
        let Some(daemon) = self.daemons.get_mut(place) else { return };
        if daemon.due.get(&chore).is_none_or(|due| *due > now) {
            return;
        }
        daemon.due.remove(&chore);
        match chore {
            Chore::Pump => {
                let again = if daemon.pump() { CONFIRM } else { STORE_RETRY };
                self.due(place, chore, now + again);
            }
            Chore::Look => {
                daemon.look();
                self.due(place, chore, now + PASS_INTERVAL_MAX);
            }
            Chore::LookAtNetworks => {
                daemon.look_at_networks();
                self.due(place, chore, now + PASS_INTERVAL_MAX);
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
        let life = daemon.life;
        if passed.stopped {
            self.line(&format!("{place} has stopped"));
            if let Some(daemon) = self.daemons.remove(place) {
                daemon.close();
            }
            return;
        }
        for job in jobs {
            if job.step.resource != Resource::Heartbeat {
                self.last_work = now;
            }
            let span = self.chance.to_check();
            self.soon(span, Event::Check(place.clone(), life, job));
        }
        let latest = now + PASS_INTERVAL_MAX;
        self.due(place, Chore::Pass, passed.next.map_or(latest, |next| next.min(latest).max(now + Span(1))));
    }

    fn check(&mut self, place: Place, life: u64, job: Job) {
        if let Err(fault) = job.check() {
            let span = self.chance.to_report();
            return self.soon(span, Event::End(place, life, job, Err(fault)));
        }
        let judged = self.judge.checked(&job.step);
        self.judge_by(judged);
        let span = self.chance.to_act(&job.step.action);
        let struck = self.strike(&place, Moment::Checked, &job);
        self.soon(span, Event::Act(place, life, job));
        struck.into_iter().for_each(|(place, blow)| self.befall(&place, blow));
    }

    fn act(&mut self, place: Place, life: u64, job: Job) {
        let outcome = job.act();
        self.acted(&job, &outcome);
        if self.chance.twice() {
            self.counts.add("faults", "step-twice");
            // Whoever asked hears the first answer.
            drop(job.act());
        }
        let mut span = self.chance.to_report();
        if matches!(outcome, Err(Fault::Hypervisor(hypervisor::Error::Silent { .. }))) {
            span = CALL_DEADLINE;
            self.judge.acted_unheard(&job.step);
        }
        let struck = self.strike(&place, Moment::Acted, &job);
        self.soon(span, Event::End(place, life, job, outcome));
        struck.into_iter().for_each(|(place, blow)| self.befall(&place, blow));
    }

    /// The daemon is dead, and its call is performed all the same.
    fn act_late(&mut self, place: &Place, job: &Job) {
        if matches!(job.step.action, Action::Record(_) | Action::Announce(_)) {
            return;
        }
        self.counts.add("faults", "act-outlives-daemon");
        self.line(&format!(
            "{place} is dead, and its call arrives: step={} resource={} ",
            job.step.action.name(),
            job.step.resource
        ));
        let outcome = job.act();
        self.judge.acted_unheard(&job.step);
        self.acted(job, &outcome);
    }

    fn acted(&mut self, job: &Job, outcome: &Result<Done, Fault>) {
        self.counts
            .add(if outcome.is_ok() { "steps done" } else { "steps not done" }, job.step.action.name());
        if outcome.is_ok() {
            let judged = self.judge.acted(&job.step, self.now());
            self.judge_by(judged);
        }
    }

    fn end(&mut self, place: &Place, job: &Job, outcome: Result<Done, Fault>) {
        let outcome = outcome.and_then(|done| job.world.within_lease(job.step.not_after).map(|()| done));
        self.counts.add("reasons", job.step.reason.name());
        if job.step.resource != Resource::Heartbeat || self.keepalives == Keepalives::Shown {
            let (step, reason) = (job.step.action.name(), &job.step.reason);
            let mut line = format!(
                "{place} step={step} resource={} reason={} : {reason}",
                job.step.resource,
                reason.name()
            );
            if let Err(fault) = &outcome {
                let _infallible = write!(line, "; not done: {}", agent::log::chain(fault));
            }
            self.line(&line);
        }
        if let Some(daemon) = self.daemons.get(place) {
            daemon.end(job, outcome);
        }
    }

    /// The blow that was ordered for this moment.
    fn strike(&mut self, place: &Place, moment: Moment, job: &Job) -> Option<(Place, Blow)> {
        let name = job.step.action.name();
        let ordered = |one: &Break| one.place == *place && one.moment == moment && one.step == name;
        let found = self.breaks.iter().position(ordered)?;
        Some((place.clone(), self.breaks.remove(found).blow))
    }

    /// Something befalls a daemon.
    fn befall(&mut self, place: &Place, blow: Blow) {
        match blow {
            Blow::Kill => {
                if self.daemons.remove(place).is_some() {
                    self.line(&format!("{place} is killed"));
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
        let Some(machine) = self.machines.get(&place.node) else { return };
        if self.daemons.contains_key(place) {
            return;
        }
        self.number += 1;
        let ground = Ground {
            clock: Arc::clone(&self.clock),
            memory: self.memory.clone(),
            machine: Arc::clone(machine),
            stack: self.nets.stack(&place.node),
            networks: self.nets.wanted(&place.node),
            timers: self.timers,
        };
        self.daemons.insert(place.clone(), Daemon::start(place, self.number, &ground));
    }

    /// What every event leaves to do: chores that were rung for, lines, judgement.
    fn aftermath(&mut self) {
        let places: Vec<Place> = self.daemons.keys().cloned().collect();
        for place in &places {
            for chore in [Chore::Pump, Chore::Look, Chore::LookAtNetworks, Chore::Pass] {
                if self.daemons.get(place).is_some_and(|daemon| daemon.heard(chore)) {
                    let at = self.now() + self.chance.to_wake();
                    self.due(place, chore, at);
                }
            }
        }
        self.write_ledgers();
        for line in self.nets.news() {
            self.line(&line);
        }
        for (node, state) in self.operator.service_changes() {
            self.counts.add("services", state);
            self.line(&format!("api node {node} is {state}"));
        }
        for (name, state, node) in self.operator.changes() {
            self.counts.add("states", state);
            let node = node.map_or(String::new(), |node| format!(", on {node}"));
            self.line(&format!("api {name} is {state}{node}"));
        }
    }

    fn write_ledgers(&mut self) {
        let machines: Vec<_> =
            self.machines.iter().map(|(node, machine)| (node.clone(), Arc::clone(machine))).collect();
        for (node, machine) in machines {
            let ledger = machine.ledger();
            let written = self.written.insert(node.clone(), ledger.len()).unwrap_or_default();
            for entry in &ledger[written..] {
                let mark =
                    entry.incarnation.map_or("not PVC's".to_owned(), |mark| format!("incarnation {mark}"));
                let what = match entry.happening {
                    Happening::Began => "began".to_owned(),
                    Happening::Ended(end) => format!("ended: {end:?}"),
                    Happening::Received => "is received".to_owned(),
                    Happening::Arrived => "arrived".to_owned(),
                    Happening::Halted => "stands still".to_owned(),
                    Happening::Resumed => "goes on".to_owned(),
                    Happening::Left => "left".to_owned(),
                };
                self.line(&format!("{node} the guest of {} ({mark}) {what}", entry.vm));
                let judged = self.judge.happened(&node, entry);
                self.judge_by(judged);
            }
        }
    }

    fn judge_by(&mut self, judged: Result<(), String>) {
        if let Err(why) = judged {
            let why = self.named(&why);
            self.line(&format!("VIOLATION {why}"));
            self.violation.get_or_insert(why);
        }
    }

    fn line(&mut self, text: &str) {
        let age = self.age().0;
        let text = self.named(text);
        let _infallible = writeln!(self.log, "{:>5}.{:03} {text}", age / 1000, age % 1000);
    }

    /// VMs by their names.
    fn named(&self, text: &str) -> String {
        let name = |text: String, (id, name): (&VmId, &String)| text.replace(&id.to_string(), name);
        self.names.iter().fold(text.to_owned(), name)
    }

    fn places(&self) -> Vec<Place> {
        let both =
            |node: &NodeName| [Kind::Noded, Kind::Workerd].map(|kind| Place { kind, node: node.clone() });
        self.machines.keys().flat_map(both).collect()
    }
}

/// A machine whose boots are its own.
fn machine(clock: &Arc<ManualClock>, number: u128) -> Arc<Machine> {
    let machine = Machine::new(Arc::clone(clock) as _);
    let node = host::machine::Machine::node(&*machine);
    let boot = BootId(Uuid::from_u128(number << 64));
    machine.set_node(Node { boot, ..node });
    machine
}
