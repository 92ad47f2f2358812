//! What this node must do about one VM that it owns.
//!
//! | the wish | the guest | what is done |
//! |---|---|---|
//! | anything | is not PVC's | said so in the record, and left alone |
//! | anything | carries an older mark than the record | ended: it is stale |
//! | anything | has volumes, and its node is blocked at the storage | ended: it never writes again |
//! | anything | is told of by the hypervisor, and its process has been gone for a while | ended there, and then not there |
//! | run | runs | recorded as running |
//! | run | is not there, and its node is blocked at the storage, or is to be | the start fails |
//! | run | is not there, and ran before | a new incarnation is taken; at once, or after a wait if it keeps crashing |
//! | run | is not there | a new incarnation is taken, its volumes are looked at, then the guest is started with it, once |
//! | run | is not there, and whether it was started is not known | a new incarnation is taken |
//! | shut down, restart, disable | runs | the shutdown is recorded, the power button pressed, again from time to time; ended when overdue |
//! | restart | the one that was to go is gone | as for run |
//! | stop | runs | ended |
//! | any but run | is not there | recorded as stopped |
//! | stopped, to start with its node | is not there, and the node was started anew | the wish becomes to run |
//! | remove | is not there | all of the VM's records are deleted |
//! | to be handed over live | runs | the other node is asked to take it: from there on see [`super::migrate`] |
//! | to be handed over, live in vain or not at all | runs | as for shut down |
//! | to be handed over only live, and that failed | runs | the move is given up |
//! | to be handed over | is not there | it belongs to the other node from now on |
//! | to be handed over, and the other node is not up | anything | the move is given up |
//! | anything, and the node it belonged to has not said that it is down | anything | nothing |
//!
//! Whatever the wish changes to in the middle, the table is entered anew: nothing remembers the way here but the
//! record. When the hypervisor does not answer, nothing is concluded and nothing done.

use super::accept::removal;
use super::migrate::{leaving, offer};
use super::{Crashes, Failure, Meta, MigrationMethod, Phase, Power, Stopping, Transfer, Vm, VmFact, Wish};
use crate::cluster::{Cluster, VmEntry};
use crate::fence::own;
use crate::id::{NodeName, VmId};
use crate::limits::{CRASH_CALM, LIVE_ATTEMPTS_MAX, PROCESS_GONE_PATIENCE, SHUTDOWN_PRESS_INTERVAL};
use crate::node::{BootId, DaemonState, shown_daemon_state};
use crate::observed::{Guest, Guests, Observed};
use crate::plan::{Action, MoveReason, Plan, Reason, Resource, Step};
use crate::record::{Guard, RecordId, Records, expect_of};
use crate::time::{BootTime, Now};

mod tries;
mod volumes;

use tries::crash_wait;

/// One VM, its record's word and its guest: what the table is entered with.
struct Case<'a> {
    cluster: &'a Cluster,
    observed: &'a Observed,
    now: Now,
    id: VmId,
    entry: &'a VmEntry,
    fact: VmFact,
}

/// Decides about one VM. Empty for a VM that another node owns, and while it moves.
pub fn decide(cluster: &Cluster, observed: &Observed, id: VmId, now: Now) -> Plan {
    let mut plan = Plan::default();
    let Some(entry) = cluster.vms.get(&id) else { return plan };
    let elsewhere = entry.vm.value.node != observed.name || leaving(entry, &observed.name).is_some();
    if elsewhere || matches!(observed.guests, Guests::Unknown { .. }) {
        return plan;
    }
    let Some(fact) = word(cluster, entry, observed) else { return plan };
    let case = Case { cluster, observed, now, id, entry, fact };
    plan.steps.extend(case.step(&mut |moment| plan.look_again = sooner(plan.look_again, moment)));
    plan
}

/// The last word about the VM, as this node may go on from it; `None` when the node it belonged to has not said that its
/// guest is down, so that it may still run there.
fn word(cluster: &Cluster, entry: &VmEntry, observed: &Observed) -> Option<VmFact> {
    let unspoken = VmFact::new(observed.name.clone(), observed.node.boot);
    let Some(fact) = entry.fact.as_ref().map(|fact| &fact.value) else {
        // An earlier VM may have had this UUID: whatever carries a mark of its is stale.
        return Some(VmFact { incarnation: cluster.incarnation_floor(), ..unspoken });
    };
    match (fact.node == observed.name, fact.runs()) {
        (true, _) => Some(of_this_boot(fact, observed.node.boot)),
        (false, true) => None,
        // The count of incarnations goes on, whoever counts.
        (false, false) => {
            Some(VmFact { incarnation: fact.incarnation, wish_done: fact.wish_done, ..unspoken })
        }
    }
}

/// The word without the moments that another boot's clock showed: they may lie days ahead of this one's. The waits and
/// the crashes that they belong to ended with that boot.
fn of_this_boot(fact: &VmFact, boot: BootId) -> VmFact {
    if fact.boot == boot {
        return fact.clone();
    }
    let failure = fact.failure.clone().map(|failure| Failure { retry_at: BootTime::default(), ..failure });
    let stopping = fact.stopping.map(|stopping| Stopping { since: BootTime::default(), ..stopping });
    VmFact { failure, stopping, crashes: Crashes::default(), ..fact.clone() }
}

fn sooner(current: Option<BootTime>, moment: BootTime) -> Option<BootTime> {
    Some(current.map_or(moment, |at| at.min(moment)))
}

/// Told when to look again.
type LookAt<'a> = dyn FnMut(BootTime) + 'a;

impl Case<'_> {
    fn step(&self, look_at: &mut LookAt<'_>) -> Option<Step> {
        let guest = self.observed.guest(self.id);
        let Some(guest) = guest else { return self.absent(look_at) };
        match guest.incarnation {
            None if self.fact.foreign => None,
            None => self.record(self.displaced(), Reason::StartedBehindOurBack),
            Some(running) if running < self.fact.incarnation => self.host(
                Action::StopGuest { vm: self.id, incarnation: running },
                Reason::StaleGuest { incarnation: running },
            ),
            Some(running) if self.is_cut_off() => self.end_cut_off(running),
            Some(running) if self.is_proven_gone(guest, look_at) => self.host(
                Action::StopGuest { vm: self.id, incarnation: running },
                Reason::ProcessGone { incarnation: running },
            ),
            Some(running) => self.present(running, look_at),
        }
    }

    /// Whether the guest is as good as crashed: the hypervisor tells of it, and has had the time to notice that its process
    /// is gone. One look proves nothing, as it may be the one in between.
    fn is_proven_gone(&self, guest: &Guest, look_at: &mut LookAt<'_>) -> bool {
        let Some(since) = guest.gone_since else { return false };
        let due = since + PROCESS_GONE_PATIENCE;
        if due > self.now.boot {
            look_at(due);
        }
        self.observed.guests_at >= due
    }

    /// A stranger has the VM's place: nothing of ours runs, and what was taken for a start is not used any more.
    fn displaced(&self) -> VmFact {
        VmFact { foreign: true, phase: Phase::Stopped, stopping: None, ..self.fact.clone() }
    }

    /// Nothing of the VM runs here.
    fn absent(&self, look_at: &mut LookAt<'_>) -> Option<Step> {
        if self.fact.foreign {
            return self.record(VmFact { foreign: false, ..self.fact.clone() }, Reason::StrangerGone);
        }
        match self.wish().power {
            Power::Start | Power::Restart if self.leaving().is_some() => self.hand_over(),
            Power::Start | Power::Restart => self.bring_up(look_at),
            Power::Remove => {
                let records = removal(self.cluster, self.id, self.entry);
                Some(self.write(records, Reason::Removed))
            }
            Power::Shutdown | Power::Stop if self.entry.vm.value.meta.node_autostart && !self.same_boot() => {
                self.autostart()
            }
            Power::Shutdown | Power::Stop | Power::Disable | Power::DisableNow => {
                let down = VmFact {
                    boot: self.observed.node.boot,
                    phase: Phase::Stopped,
                    wish_done: self.wish().serial,
                    stopping: None,
                    failure: None,
                    crashes: Crashes::default(),
                    ..self.fact.clone()
                };
                self.record(down, Reason::Down)
            }
        }
    }

    /// Where the VM goes, if it is to leave this node.
    fn leaving(&self) -> Option<&Transfer> {
        self.entry.vm.value.transfer.as_ref()
    }

    /// Whether the node that a VM is to go to can take it over.
    fn is_up(&self, node: &NodeName) -> bool {
        let entry = self.cluster.nodes.get(node);
        entry.is_some_and(|entry| shown_daemon_state(entry) == DaemonState::Run) && !self.is_fenced(node)
    }

    /// Nothing of the VM runs here, and it is to go elsewhere: this node's word that it is down, and the new owner, in
    /// one write.
    fn hand_over(&self) -> Option<Step> {
        let Transfer { to, home, away_since, .. } = self.leaving()?;
        if !self.is_up(to) {
            return self.give_up(Reason::MoveGivenUp { to: to.clone() });
        }
        let vm = &self.entry.vm.value;
        let (node, last_node, away_since) = (to.clone(), home.clone(), *away_since);
        let moved = Vm { node, last_node, away_since, transfer: None, ..vm.clone() };
        let boot = self.observed.node.boot;
        let word = VmFact { boot, phase: Phase::Stopped, stopping: None, failure: None, ..self.fact.clone() };
        let records = Records::default()
            .write(RecordId::Vm(self.id), self.entry.vm.expect(), moved.into())
            .write(RecordId::VmFact(self.id), expect_of(self.entry.fact.as_ref()), word.into());
        Some(self.write(records, Reason::HandedOver { to: to.clone() }))
    }

    /// The VM stays.
    fn give_up(&self, reason: Reason) -> Option<Step> {
        let stays = Vm { transfer: None, ..self.entry.vm.value.clone() };
        let records = Records::default()
            .guard(RecordId::VmFact(self.id), expect_of(self.entry.fact.as_ref()))
            .write(RecordId::Vm(self.id), self.entry.vm.expect(), stays.into());
        Some(self.write(records, reason))
    }

    /// Whether the record's boot-clock moments are of this boot.
    fn same_boot(&self) -> bool {
        self.fact.boot == self.observed.node.boot
    }

    /// The node came up anew and the VM is to start with it: the wish becomes to run, and the mark is used up.
    fn autostart(&self) -> Option<Step> {
        let vm = &self.entry.vm.value;
        let wish = Wish { power: Power::Start, serial: vm.wish.serial + 1, at: self.now.wall };
        let meta = Meta { node_autostart: false, ..vm.meta.clone() };
        let records = Records::default()
            .guard(RecordId::VmFact(self.id), expect_of(self.entry.fact.as_ref()))
            .write(RecordId::Vm(self.id), self.entry.vm.expect(), Vm { wish, meta, ..vm.clone() }.into());
        Some(self.write(records, Reason::Autostarts))
    }

    /// It should run and does not.
    fn bring_up(&self, look_at: &mut LookAt<'_>) -> Option<Step> {
        let fact = &self.fact;
        let new_wish = fact.wish_done < self.wish().serial;
        if let Some(why) = own::bar(self.cluster, self.observed) {
            return self.barred(&why);
        }
        match fact.phase {
            Phase::Running => self.after_end(),
            Phase::Starting if fact.stopping.is_some_and(|gone| gone.incarnation >= fact.incarnation) => {
                self.take(Crashes::default(), Reason::RestartGoesOn)
            }
            Phase::Stopped => match &fact.failure {
                Some(failure) if self.same_boot() && !new_wish && failure.retry_at > self.now.boot => {
                    look_at(failure.retry_at);
                    None
                }
                Some(_) => self.take(fact.crashes, Reason::FailureOver),
                None => self.take(fact.crashes, Reason::Wished),
            },
            Phase::Starting => {
                if let Some(failure) = self.start_failure() {
                    let reason = Reason::StartFailed { attempts: self.attempts() + 1 };
                    return self.record(self.start_failed(failure), reason);
                }
                if self.observed.taken.get(&self.id) != Some(&fact.incarnation) {
                    let incarnation = fact.incarnation;
                    return self.take(fact.crashes, Reason::StartUncertain { incarnation });
                }
                let calm_at = crash_wait(fact.crashes).map(|wait| fact.crashes.running_since + wait);
                let waits = |moment: &BootTime| *moment > self.now.boot && !new_wish && self.same_boot();
                if let Some(moment) = calm_at.filter(waits) {
                    look_at(moment);
                    return None;
                }
                self.start_on_volumes()
            }
        }
    }

    /// The guest was running and has gone: by a wish that brought it down, or by itself.
    fn after_end(&self) -> Option<Step> {
        let fact = &self.fact;
        if !self.same_boot() {
            return self.take(Crashes::default(), Reason::NodeRebooted);
        }
        if fact.stopping.is_some() {
            return self.take(Crashes::default(), Reason::RestartGoesOn);
        }
        let ran = self.now.boot - fact.crashes.running_since;
        let in_a_row = if ran < CRASH_CALM { fact.crashes.in_a_row + 1 } else { 1 };
        let crashes = Crashes { in_a_row, running_since: self.now.boot };
        self.take(crashes, Reason::Crashed { times: in_a_row })
    }

    /// Takes the next incarnation, before anything is started with it.
    /// It is later than a restart that was wished, so that restart is done with it.
    fn take(&self, crashes: Crashes, reason: Reason) -> Option<Step> {
        let Wish { power, serial, .. } = self.wish();
        let gone = Stopping { serial, incarnation: self.fact.incarnation, since: self.now.boot };
        let taken = VmFact {
            stopping: if power == Power::Restart { Some(gone) } else { self.fact.stopping },
            boot: self.observed.node.boot,
            phase: Phase::Starting,
            failed_move: None,
            incarnation: self.fact.incarnation + 1,
            crashes,
            ..self.fact.clone()
        };
        self.record(taken, reason)
    }

    /// A guest of ours runs here with the given mark.
    fn present(&self, running: u64, look_at: &mut LookAt<'_>) -> Option<Step> {
        let pending = self.fact.wish_done < self.wish().serial;
        match self.wish().power {
            Power::Start | Power::Restart if let Some(transfer) = self.leaving() => {
                match self.way(transfer, running) {
                    Way::Stay(reason) => self.give_up(reason),
                    Way::Shutdown => self.shut_down(running, look_at),
                    Way::Live if !self.is_settled(running) => self.settle_running(running),
                    Way::Live => {
                        offer(self.cluster, self.observed, (self.id, &self.fact), transfer, self.now)
                    }
                    Way::LiveLater(moment) => {
                        look_at(moment);
                        None
                    }
                }
            }
            Power::Start => self.settle_running(running),
            Power::Restart if !pending => self.settle_running(running),
            Power::Restart => {
                match self.fact.stopping.filter(|stopping| stopping.serial == self.wish().serial) {
                    Some(stopping) if stopping.incarnation < running => self.settle_running(running),
                    _ => self.shut_down(running, look_at),
                }
            }
            Power::Shutdown | Power::Disable => self.shut_down(running, look_at),
            Power::Stop | Power::DisableNow | Power::Remove => {
                self.host(Action::StopGuest { vm: self.id, incarnation: running }, Reason::StopWished)
            }
        }
    }

    /// How a VM that runs gets to the node that it is to go to.
    fn way(&self, transfer: &Transfer, running: u64) -> Way {
        let (wish, to) = (self.wish().serial, transfer.to.clone());
        if !self.is_up(&to) || to == self.observed.name {
            return Way::Stay(Reason::MoveGivenUp { to });
        }
        let stopping = |stopping: Stopping| (stopping.serial, stopping.incarnation) == (wish, running);
        let failed = self.fact.failed_move.as_ref().filter(|failed| failed.serial == wish);
        match (transfer.how, failed) {
            (MigrationMethod::Shutdown, _) => Way::Shutdown,
            (MigrationMethod::None, _) if self.fact.stopping.is_some_and(stopping) => Way::Shutdown,
            (how, Some(failed)) if failed.attempts >= LIVE_ATTEMPTS_MAX => match how {
                MigrationMethod::Live => Way::Stay(MoveReason::OnlyLive.into()),
                MigrationMethod::None | MigrationMethod::Shutdown => Way::Shutdown,
            },
            (_, Some(failed)) if self.same_boot() && failed.retry_at > self.now.boot => {
                Way::LiveLater(failed.retry_at)
            }
            _ => Way::Live,
        }
    }

    /// Whether the record says that this incarnation runs, and of nothing else.
    fn is_settled(&self, running: u64) -> bool {
        let fact = &self.fact;
        fact.phase == Phase::Running
            && fact.incarnation == running
            && fact.stopping.is_none()
            && !fact.foreign
            && self.same_boot()
    }

    /// It should run and does: the record must say so.
    fn settle_running(&self, running: u64) -> Option<Step> {
        let fact = &self.fact;
        if self.is_settled(running) && fact.wish_done == self.wish().serial {
            return self.note_clients(running);
        }
        let reason = match fact.phase {
            Phase::Running if fact.stopping.is_some() && fact.incarnation == running => {
                Reason::ShutdownAborted
            }
            Phase::Starting if fact.incarnation == running => Reason::Started,
            _ => Reason::Adopted { incarnation: running },
        };
        let running_since = match fact.phase {
            Phase::Running if fact.incarnation == running && self.same_boot() => fact.crashes.running_since,
            _ => self.now.boot,
        };
        let record = VmFact {
            boot: self.observed.node.boot,
            phase: Phase::Running,
            incarnation: running,
            wish_done: self.wish().serial,
            stopping: None,
            failure: None,
            foreign: false,
            crashes: Crashes { running_since, ..fact.crashes },
            ..fact.clone()
        };
        self.record(record, reason)
    }

    /// It should go by its own means.
    fn shut_down(&self, running: u64, look_at: &mut LookAt<'_>) -> Option<Step> {
        let serial = self.wish().serial;
        let begun = self
            .fact
            .stopping
            .filter(|stopping| (stopping.serial, stopping.incarnation) == (serial, running));
        let Some(stopping) = begun else {
            let stopping = Some(Stopping { serial, incarnation: running, since: self.now.boot });
            let boot = self.observed.node.boot;
            let record =
                VmFact { boot, phase: Phase::Running, incarnation: running, stopping, ..self.fact.clone() };
            return self.record(record, Reason::ShutdownBegins);
        };
        let deadline = stopping.since + self.observed.timers.vm_shutdown_timeout;
        if deadline <= self.now.boot {
            return self
                .host(Action::StopGuest { vm: self.id, incarnation: running }, Reason::ShutdownOverdue);
        }
        look_at(deadline);
        let pressed =
            self.observed.presses.get(&(self.id, running)).filter(|pressed| **pressed >= stopping.since);
        let press_at = pressed.map_or(self.now.boot, |pressed| *pressed + SHUTDOWN_PRESS_INTERVAL);
        if press_at > self.now.boot {
            look_at(press_at);
            return None;
        }
        self.host(Action::PressPower { vm: self.id, incarnation: running }, Reason::ShutdownPressed)
    }

    fn wish(&self) -> Wish {
        self.entry.vm.value.wish
    }

    /// Writes this node's word, if it says anything new.
    fn record(&self, fact: VmFact, reason: Reason) -> Option<Step> {
        let current = self.entry.fact.as_ref();
        if current.is_some_and(|current| current.value == fact) {
            return None;
        }
        let records = Records::default().guard(RecordId::Vm(self.id), self.entry.vm.expect()).write(
            RecordId::VmFact(self.id),
            expect_of(current),
            fact.into(),
        );
        Some(self.write(records, reason))
    }

    fn write(&self, records: Records, reason: Reason) -> Step {
        let action = Action::Record(Box::new(records));
        Step { resource: Resource::Vm(self.id), action, guards: Vec::new(), not_after: None, reason }
    }

    /// An act on the guest: only while wish and word are as they were read, and the lease holds.
    fn host(&self, action: Action, reason: Reason) -> Option<Step> {
        let guards = vec![
            Guard { record: RecordId::Vm(self.id), expect: self.entry.vm.expect() },
            Guard { record: RecordId::VmFact(self.id), expect: expect_of(self.entry.fact.as_ref()) },
        ];
        let not_after = self.observed.lease_until;
        Some(Step { resource: Resource::Vm(self.id), action, guards, not_after, reason })
    }
}

/// How a VM that runs leaves its node.
enum Way {
    /// While it runs.
    Live,
    /// The same, but not before this moment.
    LiveLater(BootTime),
    /// Shut down here and started there.
    Shutdown,
    /// Not at all.
    Stay(Reason),
}

#[cfg(test)]
mod tests;
