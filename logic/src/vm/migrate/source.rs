//! What the node must do from which a VM moves while it runs.
//!
//! | its word | the guest here | besides | what is done |
//! |---|---|---|---|
//! | none | runs | a live move is wished | the target is asked: `offered` |
//! | `offered` | is not there | | the move is over |
//! | `offered` | is there | it is no longer wished | the move is over |
//! | `offered` | is there | the target is not up, refuses, or does not answer in time | the move fails |
//! | `offered` | is there | the target is ready | `begun` is said |
//! | `begun` | not looked at yet | this process said so and has not sent it | it is sent |
//! | `begun` | runs, its move goes on | it is no longer wished, nobody is at the target, or it takes too long | the move is aborted |
//! | `begun` | runs, its memory was gone through a few times | it is allowed a longer pause | it may stand still for as long |
//! | `begun` | runs, its move is over | | the move fails |
//! | `begun` | runs, nothing is known of its move | for as long as a call may be late | the move fails |
//! | `begun` | runs, its move goes on by pre-copy | it is slowed down as far as can be, and post-copy is allowed | `vain` is said |
//! | `begun` | runs, its move goes on by post-copy | something was sent | it is switched |
//! | `begun` | is drained: it runs at the target | | nothing: there is no way back |
//! | `begun` | is torn | | `torn` is said |
//! | `begun` | stands still, nobody carries the switch on | | `stranded` is said |
//! | `begun` | is not there | | `gone` is said |
//! | `stranded` | stands still | the target is clear | it goes on here |
//! | `stranded` | runs | | the move fails |
//! | `stranded` | is not there | | `gone` is said: the target may hold it |
//! | `gone` | anything | the target is clear | the move is over: the guest ended |
//! | `gone` | anything | it went by post-copy, and is not taken over for long | `lost` is said |
//! | `vain` | runs, its move goes on | | the move is aborted |
//! | `vain` | anything else | | as for `begun`; what fails is tried again by post-copy |
//! | `torn` | is torn | the target is up | its halves are joined, again and again |
//! | `torn` | is drained again | | nothing |
//! | `torn` | is not there | | `gone` is said |
//! | `torn` | is torn | the target is clear, or it took too long, or it is not to run | `lost` is said |
//! | `lost` | is there | | ended |
//! | `lost` | is not there | the target is clear | the move is over: its memory is lost |
//!
//! Everything else waits. A move that fails is tried again a few times, where that can help; then the VM is shut down to
//! be moved, unless it is to move only live: then it stays.

use super::{Answer, Course, FailedMove, Method, MoveId, Reception, Seen, Sending, Stage, Standing};
use crate::cluster::{Cluster, VmEntry};
use crate::id::{NodeName, TaskId, VmId};
use crate::limits::{
    ABORT_INTERVAL, CALL_LATE_MAX, DOWNTIME_ANY_MS, DOWNTIME_FIRST_MS, DOWNTIME_FIRST_PASSES,
    LIVE_ATTEMPTS_MAX, LIVE_RETRY, MOVE_SPAN_MAX, OFFER_PATIENCE, REASON_BYTES_MAX,
};
use crate::node::{DaemonState, shown_daemon_state};
use crate::observed::Observed;
use crate::plan::{Action, MoveReason, Plan, Resource, Step};
use crate::record::{Expect, Guard, RecordId, Records, Versioned, expect_of};
use crate::task::{Task, TaskFact, TaskState, Work};
use crate::time::{BootTime, Now};
use crate::vm::{Transfer, VmFact};

mod halves;

/// One VM that leaves, and what is known of it.
struct Source<'a> {
    cluster: &'a Cluster,
    observed: &'a Observed,
    now: Now,
    id: VmId,
    entry: &'a VmEntry,
    sending: &'a Sending,
}

/// Told when to look again.
type LookAt<'a> = dyn FnMut(BootTime) + 'a;

/// Asks the target of a transfer to take the VM, whose guest runs here as `fact` says. `None` while too many others are
/// on their way from here, or while a failed move waits for its next attempt.
pub(crate) fn offer(
    cluster: &Cluster,
    observed: &Observed,
    (id, fact): (VmId, &VmFact),
    transfer: &Transfer,
    now: Now,
) -> Option<Step> {
    let entry = cluster.vms.get(&id)?;
    let leaving =
        cluster.vms.values().filter(|other| super::leaving(other, &observed.name).is_some()).count();
    if leaving >= observed.moving.settings.at_once_max || transfer.to == observed.name {
        return None;
    }
    let serial = entry.vm.value.wish.serial;
    let before = fact.failed_move.as_ref().filter(|failed| failed.serial == serial);
    let attempt = before.map_or(0, |failed| failed.attempts) + 1;
    let task = task_id(cluster, id, serial, attempt);
    let sending = Sending {
        id: MoveId { serial, attempt, incarnation: fact.incarnation },
        to: transfer.to.clone(),
        home: transfer.home.clone(),
        away_since: transfer.away_since,
        how: transfer.how,
        by: before.map_or(Method::PreCopy, |failed| failed.next),
        stage: Stage::Offered,
        since: now.boot,
        task,
    };
    let work = Work::MoveVm { vm: id, to: transfer.to.clone() };
    let asked = Task { work, run_on: observed.name.clone(), asked: now.wall };
    let message = format!("Asking node \"{}\" to take the VM", transfer.to);
    let told =
        TaskFact { state: TaskState::Running, stage: 0, message, at: now.wall, failed: None, progress: None };
    let word = VmFact { sending: Some(sending), wish_done: serial, ..fact.clone() };
    let records = Records::default()
        .guard(RecordId::Vm(id), entry.vm.expect())
        .write(RecordId::VmFact(id), expect_of(entry.fact.as_ref()), word.into())
        .write(RecordId::Task(task), Expect::Absent, asked.into())
        .write(RecordId::TaskFact(task), Expect::Absent, told.into());
    Some(write(id, records, MoveReason::Offered { to: transfer.to.clone() }))
}

/// A number that no task has, and that is the same whoever asks: derived from the move.
fn task_id(cluster: &Cluster, vm: VmId, serial: u64, attempt: u32) -> TaskId {
    let numbers = vm.0.as_bytes().iter().copied().chain(serial.to_be_bytes()).chain(attempt.to_be_bytes());
    // FNV-1a: any spread will do.
    let hash = numbers.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let mut id = TaskId(hash);
    while cluster.tasks.contains_key(&id) {
        id = TaskId(id.0.wrapping_add(1));
    }
    id
}

/// Decides about a VM that leaves.
pub(super) fn decide(cluster: &Cluster, observed: &Observed, id: VmId, sending: &Sending, now: Now) -> Plan {
    let mut plan = Plan::default();
    let Some(entry) = cluster.vms.get(&id) else { return plan };
    let source = Source { cluster, observed, now, id, entry, sending };
    let mut looks = Vec::new();
    plan.steps.extend(source.step(&mut |moment| looks.push(moment)));
    looks.into_iter().for_each(|moment| plan.look_at(moment));
    plan
}

impl Source<'_> {
    fn step(&self, look_at: &mut LookAt<'_>) -> Option<Step> {
        match self.sending.stage {
            Stage::Offered => self.offered(look_at),
            Stage::Begun if self.is_unsent() => self.send(),
            Stage::Begun | Stage::Vain => self.begun(look_at),
            Stage::Stranded => self.stranded(),
            Stage::Gone => self.left(look_at),
            Stage::Torn => self.torn(look_at),
            Stage::Lost => self.lost(),
        }
    }

    fn offered(&self, look_at: &mut LookAt<'_>) -> Option<Step> {
        let seen = self.seen()?;
        if self.standing(seen).is_none() || !self.is_wished() {
            return Some(self.over(MoveReason::TakenBack));
        }
        if !self.target_is_up() {
            return Some(self.fail("its daemon does not run", Again::Never));
        }
        match self.answer() {
            Some(Answer::Ready { .. }) => Some(self.say(Stage::Begun, MoveReason::Begins)),
            Some(Answer::Refused { why }) => Some(self.fail(why, Again::Never)),
            Some(Answer::Busy) => None,
            Some(Answer::Clear) | None => {
                let deadline = self.sending.since + OFFER_PATIENCE;
                if deadline <= self.now.boot {
                    return Some(self.fail("it did not answer in time", Again::Later));
                }
                look_at(deadline);
                None
            }
        }
    }

    /// Whether this very process said that it is begun, and has not sent it yet. Of another one's word nobody knows.
    fn is_unsent(&self) -> bool {
        self.observed.moving.unsent.get(&self.id) == Some(&self.sending.id)
    }

    /// It is begun, and nothing was sent: the wish is checked once more, with all guards.
    fn send(&self) -> Option<Step> {
        if !self.is_wished() {
            return Some(self.over(MoveReason::TakenBack));
        }
        let Some(Answer::Ready { address, console_path }) = self.answer() else {
            return Some(self.fail("it took its word back", Again::Later));
        };
        if !self.target_is_up() {
            return Some(self.fail("its daemon does not run", Again::Never));
        }
        let action = Action::SendGuest {
            vm: self.id,
            incarnation: self.sending.id.incarnation,
            to: *address,
            console_path: console_path.clone(),
            downtime_max_ms: self.downtime_first_ms(),
            bandwidth_max_mib: self.observed.moving.settings.share_mib(),
            method: self.sending.by,
        };
        let to = self.sending.to.clone();
        let reason = match self.sending.by {
            Method::PreCopy => MoveReason::Sent { to },
            Method::PostCopy => MoveReason::SentByPostCopy { to },
        };
        Some(self.host(action, reason))
    }

    fn begun(&self, look_at: &mut LookAt<'_>) -> Option<Step> {
        let seen = self.seen_since()?;
        match self.standing(seen) {
            None => Some(self.gone()),
            Some(Standing::Leaving | Standing::Handing) => self.under_way(seen, look_at),
            Some(Standing::Running | Standing::Paused) => self.broken(seen, look_at),
            Some(Standing::Stranded) if is_under_way(seen) => None,
            Some(Standing::Stranded) => Some(self.say(Stage::Stranded, MoveReason::Stranded)),
            Some(Standing::Torn) if is_under_way(seen) => None,
            Some(Standing::Torn) => Some(self.say(Stage::Torn, MoveReason::Torn)),
            Some(Standing::Incoming | Standing::Drained | Standing::Filling) => None,
        }
    }

    /// It is on its way.
    fn under_way(&self, seen: &Seen, look_at: &mut LookAt<'_>) -> Option<Step> {
        let overdue_at = self.sending.since + MOVE_SPAN_MAX;
        let stays = self.sending.stage == Stage::Begun && self.is_wished() && self.target_is_there();
        let overdue = overdue_at <= self.now.boot;
        if stays && self.is_vain(seen, overdue) {
            return Some(self.say(Stage::Vain, MoveReason::Vain));
        }
        if stays && !overdue {
            look_at(overdue_at);
            return match self.sending.by {
                Method::PreCopy => self.slow(seen),
                Method::PostCopy => self.switch(seen),
            };
        }
        let incarnation = self.sending.id.incarnation;
        if let Some(asked) = self.observed.moving.aborts.get(&(self.id, incarnation)) {
            let again_at = *asked + ABORT_INTERVAL;
            if *asked >= self.sending.since && again_at > self.now.boot {
                look_at(again_at);
                return None;
            }
        }
        let reason = match self.sending.stage {
            Stage::Vain => MoveReason::Vain,
            _ => MoveReason::Aborted,
        };
        Some(self.host(Action::AbortMove { vm: self.id, incarnation }, reason))
    }

    /// The hypervisor hands the guest over as soon as it expects the pause to be short enough: so the first limit is
    /// much shorter than what is allowed, and the whole of it is only for a guest that goes on writing.
    fn slow(&self, seen: &Seen) -> Option<Step> {
        let Some(Course::UnderWay { pass, .. }) = seen.course else { return None };
        let incarnation = self.sending.id.incarnation;
        let allowed = self.observed.moving.allowed.get(&(self.id, incarnation));
        let downtime_max_ms = self.downtime_max_ms();
        let done = downtime_max_ms <= self.downtime_first_ms()
            || allowed.is_some_and(|at| *at >= self.sending.since);
        if pass <= DOWNTIME_FIRST_PASSES || done {
            return None;
        }
        let action = Action::AllowDowntime { vm: self.id, incarnation, downtime_max_ms };
        Some(self.host(action, MoveReason::Slow { pass }))
    }

    /// An emulated guest must be handed over before its memory is gone through a third time: what it writes over and over
    /// is not sent again then. So it may stand still for any time, and does so for about as long as its memory takes.
    fn downtime_first_ms(&self) -> u64 {
        let settings = &self.observed.moving.settings;
        match settings.emulated && !settings.emulated_short_pause {
            true => DOWNTIME_ANY_MS,
            false => self.downtime_max_ms().min(DOWNTIME_FIRST_MS),
        }
    }

    fn downtime_max_ms(&self) -> u64 {
        u64::from(self.entry.vm.value.meta.migration_max_downtime_ms)
    }

    /// It is here and goes nowhere.
    fn broken(&self, seen: &Seen, look_at: &mut LookAt<'_>) -> Option<Step> {
        if let Some(why) = self.refused_to_send() {
            return Some(self.fail(why, Again::Never));
        }
        match &seen.course {
            Some(Course::UnderWay { .. }) => None,
            Some(Course::Failed { why }) => Some(self.fail(why, Again::Later)),
            // Whoever sent it may have died just now, and the call may be late.
            Some(Course::Unknown | Course::Moved) | None => {
                let known_at = self.sending.since + CALL_LATE_MAX;
                if known_at <= self.now.boot {
                    return Some(self.fail("nobody saw how it ended", Again::Later));
                }
                look_at(known_at);
                None
            }
        }
    }

    /// Why the hypervisor refused to send it, if it did.
    fn refused_to_send(&self) -> Option<&str> {
        let failure = self.observed.failures.get(&Resource::Vm(self.id))?;
        let ours = failure.step == "send-guest" && failure.incarnation == self.sending.id.incarnation;
        ours.then_some(failure.why.as_str())
    }

    fn stranded(&self) -> Option<Step> {
        let seen = self.seen_since()?;
        match self.standing(seen) {
            None => Some(self.gone()),
            Some(Standing::Running) => Some(self.fail("the switch broke off", Again::Later)),
            Some(Standing::Stranded | Standing::Paused) if self.is_clear() => {
                let incarnation = self.sending.id.incarnation;
                Some(self.host(Action::ReleaseGuest { vm: self.id, incarnation }, MoveReason::Unwound))
            }
            Some(_) => None,
        }
    }

    fn gone(&self) -> Step {
        self.say(Stage::Gone, MoveReason::Gone { to: self.sending.to.clone() })
    }

    /// The latest look, if the hypervisor answered it.
    fn seen(&self) -> Option<&Seen> {
        self.observed.moving.seen.get(&self.id)
    }

    /// The latest look, if it was begun after this word was said.
    fn seen_since(&self) -> Option<&Seen> {
        self.seen().filter(|seen| seen.under == self.entry.fact.as_ref().map(|fact| fact.version))
    }

    /// How the incarnation that moves stands here; `None` where it is not.
    fn standing(&self, seen: &Seen) -> Option<Standing> {
        let guest = seen.guest.filter(|guest| guest.incarnation == Some(self.sending.id.incarnation));
        guest.map(|guest| guest.standing)
    }

    /// Whether it is still to move. Any other wish takes the transfer away.
    fn is_wished(&self) -> bool {
        self.entry.vm.value.transfer.is_some()
    }

    fn target_is_up(&self) -> bool {
        is_up(self.cluster, &self.sending.to)
    }

    /// Whether the target can still take what is on its way. A node that is stopping waits for what comes to it.
    fn target_is_there(&self) -> bool {
        let entry = self.cluster.nodes.get(&self.sending.to);
        entry.is_some_and(|entry| {
            matches!(shown_daemon_state(entry), DaemonState::Run | DaemonState::Shutdown)
        })
    }

    fn reception(&self) -> Option<&Versioned<Reception>> {
        let ours = |said: &&Versioned<Reception>| {
            said.value.node == self.sending.to && said.value.id == self.sending.id
        };
        self.entry.reception.as_ref().filter(ours)
    }

    fn answer(&self) -> Option<&Answer> {
        self.reception().map(|said| &said.value.answer)
    }

    fn is_clear(&self) -> bool {
        self.answer() == Some(&Answer::Clear)
    }

    /// Says how far it is.
    fn say(&self, stage: Stage, reason: MoveReason) -> Step {
        let sending = Sending { stage, since: self.now.boot, ..self.sending.clone() };
        self.word(|fact| fact.sending = Some(sending), reason)
    }

    /// The move is over, and nothing is known against another.
    fn over(&self, reason: MoveReason) -> Step {
        self.word(
            |fact| {
                fact.sending = None;
                fact.failed_move = None;
            },
            reason,
        )
    }

    /// The move has failed: the guest runs here, and nothing of it will run elsewhere.
    fn fail(&self, why: &str, again: Again) -> Step {
        if !self.is_wished() {
            return self.over(MoveReason::TakenBack);
        }
        let vain = self.sending.stage == Stage::Vain;
        let attempts = match again {
            // Post-copy is tried once at least.
            Again::Later if vain => self.sending.id.attempt.min(LIVE_ATTEMPTS_MAX - 1),
            Again::Later => self.sending.id.attempt,
            Again::Never => LIVE_ATTEMPTS_MAX,
        };
        let next = if vain { Method::PostCopy } else { self.sending.by };
        let why = if vain { "it writes faster than it can be sent; post-copy is next" } else { why };
        let mut why = why.to_owned();
        why.truncate(why.floor_char_boundary(REASON_BYTES_MAX));
        let (to, serial, retry_at) =
            (self.sending.to.clone(), self.sending.id.serial, self.now.boot + LIVE_RETRY);
        let reason = MoveReason::Failed { to: to.clone(), why: why.clone() };
        let failed = FailedMove { serial, attempts, to, why, retry_at, next };
        self.word(
            |fact| {
                fact.sending = None;
                fact.failed_move = Some(failed);
            },
            reason,
        )
    }

    fn word(&self, change: impl FnOnce(&mut VmFact), reason: MoveReason) -> Step {
        let current = self.entry.fact.as_ref();
        let mut fact = current.expect("a VM that leaves has its node's word").value.clone();
        change(&mut fact);
        let records = Records::default()
            .guard(RecordId::Vm(self.id), self.entry.vm.expect())
            .guard(RecordId::VmReception(self.id), expect_of(self.entry.reception.as_ref()))
            .write(RecordId::VmFact(self.id), expect_of(current), fact.into());
        write(self.id, records, reason)
    }

    /// An act on the guest: only while the wish and both words are as they were read, and the lease holds.
    fn host(&self, action: Action, reason: MoveReason) -> Step {
        let guards = vec![
            Guard { record: RecordId::Vm(self.id), expect: self.entry.vm.expect() },
            Guard { record: RecordId::VmFact(self.id), expect: expect_of(self.entry.fact.as_ref()) },
            Guard {
                record: RecordId::VmReception(self.id),
                expect: expect_of(self.entry.reception.as_ref()),
            },
        ];
        let not_after = self.observed.lease_until;
        Step { resource: Resource::Vm(self.id), action, guards, not_after, reason: reason.into() }
    }
}

/// Whether another attempt may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// It may.
    Later,
    /// It would be refused again.
    Never,
}

fn is_under_way(seen: &Seen) -> bool {
    matches!(seen.course, Some(Course::UnderWay { .. }))
}

/// Whether the daemon of a node runs.
fn is_up(cluster: &Cluster, node: &NodeName) -> bool {
    cluster.nodes.get(node).is_some_and(|entry| shown_daemon_state(entry) == DaemonState::Run)
}

fn write(id: VmId, records: Records, reason: MoveReason) -> Step {
    let action = Action::Record(Box::new(records));
    Step { resource: Resource::Vm(id), action, guards: Vec::new(), not_after: None, reason: reason.into() }
}
