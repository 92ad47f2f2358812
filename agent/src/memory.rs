//! What a daemon remembers between passes: which steps are in flight, and how the last ones ended.
//!
//! A resource is free again only when the next look at the machine was begun after its step ended and the mirror shows
//! what the step wrote; otherwise the next pass would decide on facts from before the step.

use std::collections::{BTreeMap, BTreeSet};

use logic::id::{TaskId, VmId};
use logic::node::Presence;
use logic::observed::{StageDone, StepFailure};
use logic::plan::{Action, Reason, Resource, Step};
use logic::record::{Record, Records};
use logic::time::{BootTime, Span};
use logic::vm::Phase;
use store::{CommitError, Committed};

use crate::perform::Done;
use crate::world::Fault;

/// A step that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The step.
    pub step: std::sync::Arc<Step>,
    /// How.
    pub outcome: Result<Done, Fault>,
    /// When.
    pub at: BootTime,
    /// How long it took.
    pub took: Span,
    /// Its place among looks and ends, taken when it ended.
    pub ticket: u64,
}

/// A resource whose step ended, until facts from after that are in.
#[derive(Clone, Debug)]
struct Settling {
    ticket: u64,
    committed: Option<Committed>,
}

/// The memory of one daemon.
#[derive(Debug, Default)]
pub struct Memory {
    in_flight: BTreeSet<Resource>,
    settling: BTreeMap<Resource, Settling>,
    /// Steps that failed, until one on the same resource succeeds.
    pub failures: BTreeMap<Resource, StepFailure>,
    /// When a guest's power button was last pressed.
    pub presses: BTreeMap<(VmId, u64), BootTime>,
    /// Incarnations that were taken and not used yet.
    pub taken: BTreeMap<VmId, u64>,
    /// Stages of tasks that ended.
    pub stages: BTreeMap<TaskId, StageDone>,
    /// What was announced in the session of the given epoch.
    pub announced: Option<(u64, Presence)>,
    /// Keepalives sent.
    pub keepalives: u64,
    /// When the last one was sent.
    pub keepalive_at: Option<BootTime>,
}

impl Memory {
    /// How many steps are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Takes a resource for a step. False when one is in flight on it or its facts are not in yet.
    pub fn take(&mut self, resource: &Resource) -> bool {
        if self.settling.contains_key(resource) {
            return false;
        }
        self.in_flight.insert(resource.clone())
    }

    /// Frees the resources whose facts are in: seen by a look begun later, and shown by the mirror.
    /// `look_ticket` is that of the latest look at what the resource is part of.
    pub fn settle(&mut self, look_ticket: impl Fn(&Resource) -> u64, shows: impl Fn(&Committed) -> bool) {
        self.settling.retain(|resource, settling| {
            let seen =
                look_ticket(resource) > settling.ticket && settling.committed.as_ref().is_none_or(&shows);
            !seen
        });
    }

    /// Remembers how a step ended. `epoch` is the store's session under which it ran.
    pub fn note(&mut self, ended: &Ended, epoch: u64) {
        let Ended { step, outcome, at, ticket, .. } = ended;
        self.in_flight.remove(&step.resource);
        if let Action::StartGuest { vm, .. } = &step.action {
            self.taken.remove(vm);
        }
        let committed = outcome.as_ref().ok().and_then(|done| done.committed.clone());
        self.settling.insert(step.resource.clone(), Settling { ticket: *ticket, committed });
        match outcome {
            Ok(_) => self.note_success(step, *at, epoch),
            Err(fault) => self.note_fault(step, fault, *at),
        }
    }

    fn note_success(&mut self, step: &Step, at: BootTime, epoch: u64) {
        self.failures.remove(&step.resource);
        match (&step.action, &step.resource) {
            (Action::Announce(presence), _) => self.announced = Some((epoch, (**presence).clone())),
            (Action::PressPower { vm, incarnation }, _) => {
                self.presses.retain(|(pressed, _), _| pressed != vm);
                self.presses.insert((*vm, *incarnation), at);
            }
            (Action::Record(_), Resource::Heartbeat) => {
                self.keepalives += 1;
                self.keepalive_at = Some(at);
            }
            (Action::Record(records), Resource::Vm(vm)) => {
                self.taken.extend(taken(records).map(|taken| (*vm, taken)))
            }
            (Action::Record(_), Resource::Task(task)) => drop(self.stages.remove(task)),
            (_, Resource::Task(task)) => self.note_stage(*task, step, None),
            _ => {}
        }
    }

    fn note_fault(&mut self, step: &Step, fault: &Fault, at: BootTime) {
        if let (Resource::Task(task), Fault::Hypervisor(host::hypervisor::Error::Refused { .. })) =
            (&step.resource, fault)
        {
            self.note_stage(*task, step, Some(fault.to_string()));
            return;
        }
        let before = self.failures.get(&step.resource).map_or(0, |failure| failure.in_a_row);
        let incarnation = match &step.action {
            Action::StartGuest { incarnation, .. } if !is_stale(fault) => *incarnation,
            _ => 0,
        };
        let failure = StepFailure {
            step: step.action.name(),
            incarnation,
            why: fault.to_string(),
            at,
            in_a_row: before + 1,
        };
        self.failures.insert(step.resource.clone(), failure);
    }

    fn note_stage(&mut self, task: TaskId, step: &Step, failure: Option<String>) {
        if let Reason::TaskStage { stage } = step.reason {
            self.stages.insert(task, StageDone { stage, failure });
        }
    }
}

/// The incarnation that a write of a VM's fact takes, if it takes one.
fn taken(records: &Records) -> Option<u64> {
    records.writes.iter().find_map(|write| match &write.value {
        Some(Record::VmFact(fact)) if fact.phase == Phase::Starting => Some(fact.incarnation),
        _ => None,
    })
}

/// Whether the step was only overtaken: by a newer wish, or by the end of the lease. Nothing failed then.
fn is_stale(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Stale { .. }
            | Fault::LeaseOver
            | Fault::Store(_)
            | Fault::Commit(CommitError::Conflict { .. })
    )
}
