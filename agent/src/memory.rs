//! What a daemon remembers between passes: which steps are in flight, and how the last ones ended.
//!
//! A resource is free again only when the next look at the machine was begun after its step ended and the mirror shows
//! what the step wrote; otherwise the next pass would decide on facts from before the step.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use logic::cluster::Cluster;
use logic::fence::{Sight, standing};
use logic::id::{NodeName, PoolName, TaskId, VmId};
use logic::network::{Change, LinkName};
use logic::node::Presence;
use logic::observed::{Fencing, StageDone, StepFailure, Told};
use logic::plan::{Action, Reason, Resource, Step};
use logic::record::{Record, Records, Version};
use logic::storage::osd::OsdUuid;
use logic::storage::osd::change::OsdChange;
use logic::task::Left;
use logic::time::{BootTime, Span};
use logic::vm::Phase;
use logic::vm::migrate::{MoveId, Stage};
use logic::vm::volumes::{Look, Looks, Occasion};
use store::{CommitError, Committed};

use crate::perform::Done;
use crate::sight::NetworkLook;
use crate::world::Fault;

/// Versions of the primary role and of the wish about it.
type Seen = (Option<Version>, Option<Version>);

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
    facts: Facts,
    /// When its end was noted: not before.
    noted: Instant,
}

/// Which facts the next decision about a resource rests on, besides the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facts {
    /// The look at the whole machine.
    Machine,
    /// The look at the VM, which is on its way.
    Move,
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
    /// Moves that were said to be begun and were not sent yet.
    pub unsent: BTreeMap<VmId, MoveId>,
    /// When an incarnation that moves was last allowed a longer pause.
    pub allowed: BTreeMap<(VmId, u64), BootTime>,
    /// When an incarnation's move was last aborted.
    pub aborts: BTreeMap<(VmId, u64), BootTime>,
    /// When the halves of an incarnation were last tried to be joined.
    pub mends: BTreeMap<(VmId, u64), BootTime>,
    /// Stages of tasks that ended.
    pub stages: BTreeMap<TaskId, StageDone>,
    /// OSDs that were seen to.
    pub revived: BTreeSet<OsdUuid>,
    /// Pools that were swept.
    pub swept: BTreeSet<PoolName>,
    /// What was announced in the session of the given epoch.
    pub announced: Option<(u64, Presence)>,
    /// Keepalives sent.
    pub keepalives: u64,
    /// Addresses that were announced, each with the occasion and the ticket of the step.
    announcements: BTreeMap<(LinkName, IpAddr), (u64, u64)>,
    /// How the primary role and the wish about it were last seen, and since when.
    role: Option<(Seen, BootTime)>,
    /// The latest looks at VMs' volumes.
    pub volume_looks: Looks,
    /// When the key to the guests' volumes was last brought to the hypervisor.
    pub secret_kept_at: Option<BootTime>,
    /// What the latest step about each node's block came to.
    pub told: BTreeMap<NodeName, Told>,
    /// The number of the block of this node that stands, and since when it was seen to.
    blocked: Option<(u64, BootTime)>,
    /// The term of the role and the version of its holder's status record, and since when they are so.
    holder: Option<((u64, Version), BootTime)>,
    /// When the last one was sent.
    pub keepalive_at: Option<BootTime>,
}

impl Memory {
    /// How many steps are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// How many of them are no keepalives.
    pub fn under_way(&self) -> usize {
        self.in_flight.iter().filter(|resource| **resource != Resource::Heartbeat).count()
    }

    /// Takes a resource for a step. False when one is in flight on it or its facts are not in yet.
    pub fn take(&mut self, resource: &Resource) -> bool {
        if self.settling.contains_key(resource) {
            return false;
        }
        self.in_flight.insert(resource.clone())
    }

    /// Frees the resources whose facts are in: seen by a look begun later, and shown by the mirror.
    /// `look_ticket` is that of the latest look at what the next decision about the resource rests on.
    pub fn settle(
        &mut self,
        look_ticket: impl Fn(&Resource, Facts) -> u64,
        shows: impl Fn(&Committed, Instant) -> bool,
    ) {
        self.settling.retain(|resource, settling| {
            let ticket = look_ticket(resource, settling.facts);
            let seen = ticket > settling.ticket
                && settling.committed.as_ref().is_none_or(|committed| shows(committed, settling.noted));
            !seen
        });
    }

    /// Since when the primary role and the wish about it have been as they are.
    pub fn role_since(&mut self, cluster: &Cluster, now: BootTime) -> BootTime {
        let role = cluster.primary.as_ref().map(|primary| primary.version);
        let seen = (role, cluster.primary_wish.as_ref().map(|wish| wish.version));
        let since = self.role.filter(|(before, _)| *before == seen).map_or(now, |(_, since)| since);
        self.role = Some((seen, since));
        since
    }

    /// Since when the holder of the primary role has not renewed its status record. While this node's own keepalives are
    /// late nothing is known of it: the time that a store was away for all counts against nobody.
    pub fn holder_since(
        &mut self,
        cluster: &Cluster,
        keepalive_interval: Span,
        now: BootTime,
    ) -> Option<BootTime> {
        let is_heard = self.keepalive_at.is_some_and(|sent| (now - sent).0 <= keepalive_interval.0 * 2);
        let said = cluster.primary.as_ref().filter(|_| is_heard).and_then(|role| {
            let status = cluster.nodes.get(&role.value.node)?.status.as_ref()?;
            Some((role.value.term, status.version))
        });
        let before = self.holder.take();
        let since = before.filter(|(before, _)| Some(*before) == said).map_or(now, |(_, since)| since);
        self.holder = said.map(|said| (said, since));
        self.holder.map(|(_, since)| since)
    }

    /// The announcements of addresses that are still there. One that went meanwhile must be announced anew; a look from
    /// before the announcement says nothing about that.
    pub fn announcements(&mut self, look: &NetworkLook) -> BTreeMap<(LinkName, IpAddr), u64> {
        if let Some(seen) = look.networks.seen() {
            self.announcements.retain(|(link, ip), (_, ticket)| {
                look.ticket <= *ticket || seen.address(link, *ip).is_some()
            });
        }
        self.announcements.iter().map(|(key, (occasion, _))| (key.clone(), *occasion)).collect()
    }

    /// What is known of blocks at a storage that has a fence, where `sight` is what it shows of this node.
    pub fn fencing(
        &mut self,
        cluster: &Cluster,
        name: &NodeName,
        sight: Option<Sight>,
        now: BootTime,
    ) -> Fencing {
        let number = standing(cluster, name).map(|block| block.number);
        let before = self.blocked.take().filter(|(seen, _)| Some(*seen) == number);
        self.blocked = number.map(|number| before.unwrap_or((number, now)));
        self.told.retain(|node, _| cluster.fences.contains_key(node));
        let since = self.blocked.map(|(_, since)| since);
        Fencing { has_fence: true, sight, since, told: self.told.clone(), ..Fencing::default() }
    }

    /// Forgets the looks at the volumes of VMs that are no more.
    pub fn keep_looks(&mut self, cluster: &Cluster) {
        self.volume_looks.retain(|(vm, _), _| cluster.vms.contains_key(vm));
    }

    /// Remembers how a step ended.
    pub fn note(&mut self, ended: &Ended) {
        let Ended { step, outcome, at, ticket, .. } = ended;
        self.in_flight.remove(&step.resource);
        if let Action::StartGuest { vm, .. } = &step.action {
            self.taken.remove(vm);
        }
        if let Action::SendGuest { vm, .. } = &step.action
            && !matches!(outcome, Err(Fault::Stale { .. }))
        {
            self.unsent.remove(vm);
        }
        if let Action::StartGuest { vm, .. } | Action::BreakLocks { vm, .. } = &step.action {
            self.volume_looks.remove(&(*vm, Occasion::Start));
        }
        let committed = outcome.as_ref().ok().and_then(|done| done.committed.clone());
        let settling = Settling { ticket: *ticket, committed, facts: facts(step), noted: Instant::now() };
        self.settling.insert(step.resource.clone(), settling);
        match outcome {
            Ok(done) => self.note_success(step, (*at, *ticket), done),
            Err(fault) => self.note_fault(step, fault, *at),
        }
    }

    fn note_success(&mut self, step: &Step, (at, ticket): (BootTime, u64), done: &Done) {
        self.failures.remove(&step.resource);
        match (&step.action, &step.resource) {
            (Action::Announce(presence), _) => {
                self.announced = done.announced_in.map(|epoch| (epoch, (**presence).clone()));
            }
            (Action::Network(Change::AnnounceAddress { link, ip, occasion }), _) => {
                self.announcements.insert((link.clone(), *ip), (*occasion, ticket));
            }
            (Action::PressPower { vm, incarnation }, _) => {
                self.presses.retain(|(pressed, _), _| pressed != vm);
                self.presses.insert((*vm, *incarnation), at);
            }
            (Action::Record(_), Resource::Heartbeat) => {
                self.keepalives += 1;
                self.keepalive_at = Some(at);
            }
            (Action::Record(records), Resource::Vm(vm)) => {
                self.taken.extend(taken(records).map(|taken| (*vm, taken)));
                self.unsent.extend(begun(records).map(|begun| (*vm, begun)));
            }
            (Action::AllowDowntime { vm, incarnation, .. }, _) => {
                self.allowed.retain(|(allowed, _), _| allowed != vm);
                self.allowed.insert((*vm, *incarnation), at);
            }
            (Action::AbortMove { vm, incarnation }, _) => {
                self.aborts.retain(|(aborted, _), _| aborted != vm);
                self.aborts.insert((*vm, *incarnation), at);
            }
            (Action::LookAtVolumes { vm, incarnation, occasion, .. }, _) => {
                let volumes = done.volumes.clone().unwrap_or_default();
                let look = Look { incarnation: *incarnation, at, volumes };
                self.volume_looks.insert((*vm, *occasion), look);
            }
            // It came from another node, as another client than when it was here last, if it was.
            (Action::ReleaseGuest { vm, .. }, _) => drop(self.volume_looks.remove(&(*vm, Occasion::Run))),
            (Action::BreakLocks { vm, incarnation, .. }, _) => {
                let broken = Look { incarnation: *incarnation, at, volumes: Vec::new() };
                self.volume_looks.insert((*vm, Occasion::Break), broken);
            }
            (Action::Osd(OsdChange::ReviveOsd { osd }), _) => drop(self.revived.insert(*osd)),
            (Action::EnsureSecret, _) => self.secret_kept_at = Some(at),
            (Action::Fence(change), _) => {
                let told = done.fenced.clone().map(|outcome| Told { under: change.under, at, outcome });
                self.told.extend(told.map(|told| (change.node.clone(), told)));
            }
            (Action::MendGuest { vm, incarnation, .. }, _) => {
                self.mends.retain(|(mended, _), _| mended != vm);
                self.mends.insert((*vm, *incarnation), at);
            }
            (Action::Record(_), Resource::Task(task)) => drop(self.stages.remove(task)),
            (_, Resource::Pool(pool)) => drop(self.swept.insert(pool.clone())),
            (_, Resource::Task(task)) => {
                let looked = done.looked.clone();
                self.note_stage(*task, step, |stage| StageDone {
                    stage,
                    failure: None,
                    left: Left::Own,
                    looked,
                });
            }
            _ => {}
        }
    }

    fn note_fault(&mut self, step: &Step, fault: &Fault, at: BootTime) {
        if let (Resource::Task(task), true) = (&step.resource, is_refusal(fault)) {
            let (failure, left) = (Some(fault.to_string()), left_by(fault));
            self.note_stage(*task, step, |stage| StageDone { stage, failure, left, looked: None });
            return;
        }
        let before = self.failures.get(&step.resource).map_or(0, |failure| failure.in_a_row);
        let incarnation = match &step.action {
            Action::StartGuest { incarnation, .. } if !is_stale(fault) => *incarnation,
            Action::SendGuest { incarnation, .. } if is_refusal(fault) => *incarnation,
            Action::LookAtVolumes { vm, incarnation, occasion: Occasion::Run, .. } if !is_stale(fault) => {
                // Who it is at the storage is not known then, and not asked again and again.
                let look = Look { incarnation: *incarnation, at, volumes: Vec::new() };
                self.volume_looks.insert((*vm, Occasion::Run), look);
                0
            }
            Action::LookAtVolumes { incarnation, .. } | Action::BreakLocks { incarnation, .. }
                if !is_stale(fault) =>
            {
                *incarnation
            }
            _ => 0,
        };
        let failure = StepFailure {
            step: step.action.name(),
            incarnation,
            why: fault.to_string(),
            at,
            in_a_row: before + 1,
            overtaken: is_stale(fault),
            silent: is_silence(fault),
        };
        self.failures.insert(step.resource.clone(), failure);
    }

    fn note_stage(&mut self, task: TaskId, step: &Step, done: impl FnOnce(u32) -> StageDone) {
        if let Reason::TaskStage { stage } = step.reason {
            self.stages.insert(task, done(stage));
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

/// The move that a write of a VM's fact says is begun, if it does.
fn begun(records: &Records) -> Option<MoveId> {
    records.writes.iter().find_map(|write| match &write.value {
        Some(Record::VmFact(fact)) => {
            fact.sending.as_ref().filter(|sending| sending.stage == Stage::Begun).map(|sending| sending.id)
        }
        _ => None,
    })
}

/// What the next decision rests on after this step. A VM that has a new owner, or does not move any more, is its owner's
/// affair, who looks at the whole machine.
fn facts(step: &Step) -> Facts {
    let moves = |record: &Option<Record>| match record {
        Some(Record::VmFact(fact)) => fact.sending.is_some(),
        Some(Record::Vm(_)) => false,
        _ => true,
    };
    match (&step.resource, &step.action) {
        (Resource::Vm(_), Action::Record(records))
            if records.writes.iter().all(|write| moves(&write.value)) =>
        {
            Facts::Move
        }
        (
            Resource::Vm(_),
            Action::SendGuest { .. }
            | Action::AllowDowntime { .. }
            | Action::AbortMove { .. }
            | Action::SwitchToPostCopy { .. }
            | Action::MendGuest { .. }
            | Action::ReleaseGuest { .. }
            | Action::DiscardGuest { .. },
        ) => Facts::Move,
        _ => Facts::Machine,
    }
}

fn is_refusal(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Hypervisor(host::hypervisor::Error::Refused { .. })
            | Fault::Storage(host::storage::Error::Refused { .. })
            | Fault::Osd(
                host::osd::Error::Refused { .. }
                    | host::osd::Error::Failed { .. }
                    | host::osd::Error::Storage(host::storage::Error::Refused { .. })
            )
            | Fault::NoOsds
            | Fault::NoStorage
            | Fault::Document(_)
    )
}

/// Whose is what is there after this fault: what a call refuses because something else is there is not the caller's, nor is
/// what comes to be there after one that made nothing.
fn left_by(fault: &Fault) -> Left {
    use host::storage::Cause::{Exists, Unmade};
    match fault {
        Fault::Storage(error) if matches!(error.cause(), Some(Exists | Unmade)) => Left::Strange,
        _ => Left::Own,
    }
}

/// Whether the hypervisor did not answer.
fn is_silence(fault: &Fault) -> bool {
    use host::hypervisor::Error::{Silent, Unreachable};
    matches!(fault, Fault::Hypervisor(Silent { .. } | Unreachable { .. }))
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

#[cfg(test)]
mod tests;
