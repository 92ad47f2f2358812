//! A step of a daemon: three events, and what may befall it in between.
//!
//! Its guards are checked, it acts, its end is reported. Anything may happen in between. A step of a daemon that was
//! killed after the check may still act, as a call that waits in libvirtd's socket does.

use std::fmt::Write as _;

use agent::perform::{Done, Job};
use agent::world::Fault;
use host::hypervisor::{self, Start};
use host::storage;
use logic::limits::CALL_LATE_MAX;
use logic::observed::Moved;
use logic::plan::{Action, Reason, Resource};
use logic::record::{Record, RecordId};
use logic::storage::change::Change;
use logic::time::{BootTime, Span};
use store::key::path;
use store::records::decode;

use super::{Event, Keepalives, World};
use crate::command::{Blow, Moment, Place};

/// How long a call waits for a hypervisor that does not answer.
const CALL_DEADLINE: Span = Span::seconds(5);

/// How far a copy is until it is over.
const HALF: Moved = Moved { done_bytes: 1 << 30, total_bytes: 2 << 30 };

/// A step on its way.
#[derive(Debug)]
pub(super) struct Work {
    /// Whose.
    pub(super) place: Place,
    /// Of which of its lives.
    pub(super) life: u64,
    /// The step.
    pub(super) job: Job,
    /// When the records were read that it was decided on.
    pub(super) decided: BootTime,
    /// When its guards were checked, and the call was sent.
    pub(super) sent: BootTime,
    /// What it tells the hypervisor to start, once that was sent.
    pub(super) start: Option<Start>,
}

impl World {
    pub(super) fn check(&mut self, mut work: Box<Work>) {
        if let Err(fault) = work.job.check() {
            let span = self.chance.to_report();
            return self.soon(span, Event::End(work, Err(fault)));
        }
        let judged = self.judge.checked(&work.job.step);
        self.judge_by(judged);
        if let Some(cluster) = self.operator.cluster() {
            let judged = self.fencer.checked(&work.place.node, &work.job.step, &cluster);
            self.judge_by(judged);
        }
        work.sent = self.now();
        if let Action::StartGuest { vm, name, incarnation } = &work.job.step.action {
            work.start = work.job.start_of(*vm, name, *incarnation).ok();
        }
        if let Action::Storage(Change::CopyVolume { .. }) = &work.job.step.action {
            // Of a copy that takes a while half is there until it is over.
            work.job.world.transfers.tell(&work.job.step.resource, HALF);
        }
        let struck = self.strike(&work, Moment::Checked);
        let span = match struck {
            Some((_, Blow::KillWaiting(span))) => span,
            _ => self.chance.to_act(&work.job.step.action),
        };
        self.soon(span, Event::Act(work));
        struck.into_iter().for_each(|(place, blow)| self.befall(&place, blow));
    }

    pub(super) fn act(&mut self, work: Box<Work>) {
        let before = self.memory.changes();
        let moved = work.job.world.transfers.latest();
        let outcome = work.job.act();
        moved.iter().for_each(|(resource, moved)| work.job.world.transfers.tell(resource, *moved));
        self.acted(&work, &outcome, before);
        let said_by_storage = match &outcome {
            Err(Fault::Storage(error) | Fault::Osd(host::osd::Error::Storage(error))) => Some(error),
            _ => None,
        };
        let is_refused = said_by_storage.is_some_and(|error| error.cause().is_some());
        let is_silent = said_by_storage.is_some_and(|error| matches!(error, storage::Error::Silent { .. }));
        // What was refused nobody asks for once more.
        if self.chance.twice() && !is_refused {
            self.act_again(&work.job, &outcome);
        }
        let mut span = self.chance.to_report();
        if is_silent {
            span = CALL_DEADLINE;
        }
        if matches!(outcome, Err(Fault::Hypervisor(hypervisor::Error::Silent { .. }))) {
            span = CALL_DEADLINE;
            self.judge.acted_unheard(&work.job.step);
        }
        let struck = self.strike(&work, Moment::Acted);
        self.soon(span, Event::End(work, outcome));
        struck.into_iter().for_each(|(place, blow)| self.befall(&place, blow));
    }

    /// A step is performed a second time. Whoever asked hears the first answer; and what was done is done once.
    fn act_again(&mut self, job: &Job, outcome: &Result<Done, Fault>) {
        self.counts.add("faults", "step-twice");
        // Each announcement carries the number of its own write.
        let compares = outcome.is_ok() && !matches!(job.step.action, Action::Announce(_));
        let before = compares.then(|| self.sum());
        drop(job.act());
        if before.is_some_and(|before| before != self.sum()) {
            let (step, resource) = (job.step.action.name(), &job.step.resource);
            let judged = Err(format!("{step} of {resource} changes more when it is done twice"));
            self.judge_by(judged);
        }
    }

    /// Whether the call of a daemon that is dead arrives all the same, however long it waited. Only one that sends a guest
    /// is performed soon or never, as the decisions about moves assume.
    pub(super) fn outlives(&mut self, work: &Work) -> bool {
        let sends = matches!(work.job.step.action, Action::SendGuest { .. });
        let too_late = sends && self.now() - work.sent >= CALL_LATE_MAX;
        !too_late
            && self.chance.outlives()
            && self.sites.get(&work.place.node).is_some_and(|site| !site.is_off)
    }

    /// The daemon is dead, and its call is performed all the same.
    pub(super) fn act_late(&mut self, work: &Work) {
        let Work { place, job, .. } = work;
        // A call of the storage, and a program on a machine's devices, end with the process that began them: there is no
        // other that performs them.
        let ends_with_it = matches!(
            job.step.action,
            Action::Record(_) | Action::Announce(_) | Action::Storage(_) | Action::Osd(_) | Action::Fence(_)
        );
        if ends_with_it {
            return;
        }
        self.counts.add("faults", "act-outlives-daemon");
        self.line(&format!(
            "{place} is dead, and its call arrives: step={} resource={} ",
            job.step.action.name(),
            job.step.resource
        ));
        let before = self.memory.changes();
        let outcome = match &work.start {
            Some(start) => {
                job.world.hypervisor.start(start).map(|()| Done::default()).map_err(Fault::Hypervisor)
            }
            None => job.act(),
        };
        self.judge.acted_unheard(&job.step);
        self.acted(work, &outcome, before);
    }

    /// A step has acted. `before` is how many changes the store had seen until then.
    fn acted(&mut self, work: &Work, outcome: &Result<Done, Fault>, before: u64) {
        let step = &work.job.step;
        self.counts.add(if outcome.is_ok() { "steps done" } else { "steps not done" }, step.action.name());
        if outcome.is_ok() || self.has_landed(&step.action, before) {
            let judged = self.judge.acted(step, self.now()).and_then(|()| self.placed(work));
            let judged = judged.and_then(|()| self.taken(&step.action));
            self.judge_by(judged);
        }
    }

    /// Whether a write landed although whoever wrote was not told so: the store changed, and has what was written.
    fn has_landed(&self, action: &Action, before: u64) -> bool {
        let Action::Record(records) = action else { return false };
        if self.memory.changes() == before {
            return false;
        }
        let values = self.memory.dump();
        records.writes.iter().all(|write| {
            let there = values.get(&path(&write.record));
            let there = there.and_then(|entry| decode(&write.record, &entry.value).ok());
            there == write.value
        })
    }

    /// What the step writes of VMs' places may be written.
    fn placed(&mut self, work: &Work) -> Result<(), String> {
        let Action::Record(records) = &work.job.step.action else { return Ok(()) };
        for write in &records.writes {
            if let (RecordId::Vm(id), Some(Record::Vm(vm))) = (&write.record, &write.value) {
                self.capacity.placed(self.operator.seen(), *id, vm, work.decided)?;
                if work.job.step.reason == Reason::Autostarts {
                    self.capacity.asked(*id, self.now());
                }
            }
        }
        Ok(())
    }

    /// The role that the step writes may be taken.
    fn taken(&self, action: &Action) -> Result<(), String> {
        let Action::Record(records) = action else { return Ok(()) };
        let before = self.operator.seen().primary.as_ref().map(|primary| &primary.value);
        let role = records.writes.iter().find_map(|write| match &write.value {
            Some(Record::Primary(role)) => Some(role),
            _ => None,
        });
        role.zip(before).map_or(Ok(()), |(role, before)| self.floating.taken(before, role))
    }

    pub(super) fn end(&mut self, work: &Work, outcome: Result<Done, Fault>) {
        let Work { place, job, .. } = work;
        let outcome = outcome.and_then(|done| job.world.within_lease(job.step.not_after).map(|()| done));
        self.counts.add("reasons", job.step.reason.name());
        let is_routine = job.step.resource == Resource::Heartbeat || job.step.reason.is_routine();
        if !is_routine || self.keepalives == Keepalives::Shown {
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
        job.world.transfers.end(&job.step.resource);
        if let Some(daemon) = self.daemons.get(place) {
            daemon.end(job, outcome);
        }
    }

    /// The blow that was ordered for this moment.
    fn strike(&mut self, work: &Work, moment: Moment) -> Option<(Place, Blow)> {
        let name = work.job.step.action.name();
        let ordered =
            |one: &super::Break| one.place == work.place && one.moment == moment && one.step == name;
        let found = self.breaks.iter().position(ordered)?;
        Some((work.place.clone(), self.breaks.remove(found).blow))
    }
}
