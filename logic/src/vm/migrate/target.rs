//! What the node must do to which another node's VM moves while it runs, and about what a move has left behind.
//!
//! | the source's word | the guest here | what is done |
//! |---|---|---|
//! | `offered` | is not there, and a fault of this node that passes is in the way | nothing: the source has patience |
//! | `offered` | is not there otherwise | answered: `ready`, `busy` or `refused` |
//! | `offered` | is there, and stands still: an earlier move left it | discarded |
//! | `offered` | is there otherwise | answered: `refused` |
//! | `offered` | is torn | ended: an earlier move left it |
//! | `begun`, `vain` | anything | nothing |
//! | `stranded` | stands still | discarded |
//! | `stranded` | is not there, by a look that was begun after that word | answered: `clear` |
//! | `stranded` | runs, which by post-copy it does by itself | this node owns the VM from now on |
//! | `torn` | is not there, by a look that was begun after that word | answered: `clear` |
//! | `lost` | runs whole, by a look that was begun after that word | this node owns the VM from now on |
//! | `lost` | is there otherwise, by such a look | ended |
//! | `lost` | is not there, by such a look | answered: `clear` |
//! | `gone` | is torn | ended: the other half is gone |
//! | `gone` | is there, by a look from before that word | released; refused where it is not whole |
//! | `gone` | stands still and is whole | released |
//! | `gone` | runs | this node owns the VM from now on |
//! | `gone` | is not whole | discarded: the guest ended at the source |
//! | `gone` | is not there, by a look that was begun after that word | answered: `clear` |
//! | none to this node | stands still | discarded: a move left it |
//! | none to this node | is torn | ended: a move left it |
//! | none to this node | is not there, or runs | this node's last answer is taken back |
//!
//! A look from before the word *gone* may show a guest that is not whole and has been whole since: so nothing is
//! discarded on one. To release is harmless then, and must not wait: the guest stands still meanwhile.

use super::{Answer, Method, Reception, Seen, Sending, Stage, Standing, arriving};
use crate::cluster::{Cluster, VmEntry};
use crate::id::VmId;
use crate::node::place::{Home, place};
use crate::observed::{Life, Observed};
use crate::plan::{Action, MoveReason, Plan, Resource, Step};
use crate::record::{Guard, RecordId, Records, expect_of};
use crate::time::Now;
use crate::vm::domain::console_path;
use crate::vm::{Crashes, Phase, Vm, VmFact};

/// One VM that comes, and what is known of it.
struct Target<'a> {
    cluster: &'a Cluster,
    observed: &'a Observed,
    now: Now,
    id: VmId,
    entry: &'a VmEntry,
}

/// Decides about another node's VM. Empty for one that has nothing to do with this node.
pub(super) fn decide(cluster: &Cluster, observed: &Observed, id: VmId, now: Now) -> Plan {
    let mut plan = Plan::default();
    let Some(entry) = cluster.vms.get(&id) else { return plan };
    let target = Target { cluster, observed, now, id, entry };
    plan.steps.extend(match arriving(entry, &observed.name) {
        None => target.left_behind(),
        Some(sending) => match sending.stage {
            Stage::Offered => target.offered(sending),
            Stage::Begun | Stage::Vain => None,
            Stage::Stranded => target.stranded(sending),
            Stage::Gone => target.gone(sending),
            Stage::Torn => target.torn(sending),
            Stage::Lost => target.lost(sending),
        },
    });
    plan
}

impl Target<'_> {
    fn offered(&self, sending: &Sending) -> Option<Step> {
        let seen = self.seen().filter(|seen| self.is_fresh(seen))?;
        if let Some(Answer::Ready { .. } | Answer::Refused { .. }) = self.said(sending) {
            return None;
        }
        match seen.guest {
            Some(guest) => match (guest.incarnation, stands_still(guest.standing)) {
                (Some(incarnation), true) => Some(self.discard(incarnation, MoveReason::LeftBehind)),
                (Some(incarnation), false) if guest.standing == Standing::Torn => {
                    Some(self.stop(incarnation, MoveReason::LeftBehind))
                }
                _ => {
                    let why = "a guest of this UUID is there already; stop it there first".to_owned();
                    self.answer(sending, Answer::Refused { why })
                }
            },
            None if self.observed.life == Life::Stopping => None,
            None => self.answer(sending, self.verdict()?),
        }
    }

    /// Whether the VM may come; `None` while that is not known, because what is in the way passes.
    fn verdict(&self) -> Option<Answer> {
        let (vm, here) = (&self.entry.vm.value, &self.observed.name);
        let settings = &self.observed.moving.settings;
        let Some(address) = settings.address else {
            let why = "its configuration names no address on the cluster network".into();
            return Some(Answer::Refused { why });
        };
        match place(self.cluster, self.id, vm, Home::Counts).nodes.remove(here) {
            Some(Ok(_)) => {}
            Some(Err(bar)) if bar.passes() => return None,
            Some(Err(bar)) => return Some(Answer::Refused { why: bar.to_string() }),
            None => return Some(Answer::Refused { why: "it is not registered".into() }),
        }
        let expected = |(id, entry): &(&VmId, &std::sync::Arc<VmEntry>)| {
            let ready = |said: &Reception| {
                said.node == *here && matches!(said.answer, Answer::Ready { .. }) && **id != self.id
            };
            entry.reception.as_ref().is_some_and(|said| ready(&said.value)) && arriving(entry, here).is_some()
        };
        if self.cluster.vms.iter().filter(expected).count() >= settings.at_once_max {
            return Some(Answer::Busy);
        }
        let console_path = console_path(&self.observed.moving.console_directory, vm.name.as_str());
        Some(Answer::Ready { address, console_path })
    }

    fn stranded(&self, sending: &Sending) -> Option<Step> {
        let seen = self.seen()?;
        match self.standing(seen, sending) {
            Some(standing) if stands_still(standing) => {
                Some(self.discard(sending.id.incarnation, MoveReason::Withdrawn))
            }
            Some(Standing::Running) if sending.by == Method::PostCopy && self.is_fresh(seen) => {
                Some(self.take_over(sending))
            }
            None if self.is_fresh(seen) => self.answer(sending, Answer::Clear),
            Some(_) | None => None,
        }
    }

    /// The halves may be joined again, if there is one here.
    fn torn(&self, sending: &Sending) -> Option<Step> {
        let seen = self.seen().filter(|seen| self.is_fresh(seen))?;
        match self.standing(seen, sending) {
            None => self.answer(sending, Answer::Clear),
            Some(_) => None,
        }
    }

    /// The halves are not joined any more. One that has become whole in the last moment is none.
    fn lost(&self, sending: &Sending) -> Option<Step> {
        let seen = self.seen().filter(|seen| self.is_fresh(seen))?;
        match self.standing(seen, sending) {
            None => self.answer(sending, Answer::Clear),
            Some(Standing::Running) => Some(self.take_over(sending)),
            Some(_) => Some(self.stop(sending.id.incarnation, MoveReason::HalfEnded)),
        }
    }

    fn gone(&self, sending: &Sending) -> Option<Step> {
        let (seen, incarnation) = (self.seen()?, sending.id.incarnation);
        match (self.standing(seen, sending), self.is_fresh(seen)) {
            (Some(Standing::Running), true) => Some(self.take_over(sending)),
            (Some(Standing::Incoming), true) => Some(self.discard(incarnation, MoveReason::Withdrawn)),
            (Some(Standing::Torn), true) => Some(self.stop(incarnation, MoveReason::HalfEnded)),
            (Some(Standing::Filling | Standing::Torn), false) => None,
            (Some(_), false) | (Some(Standing::Paused | Standing::Stranded), true) => {
                Some(self.host(Action::ReleaseGuest { vm: self.id, incarnation }, MoveReason::Received))
            }
            (None, true) => self.answer(sending, Answer::Clear),
            (None, false)
            | (Some(Standing::Leaving | Standing::Handing | Standing::Drained | Standing::Filling), true) => {
                None
            }
        }
    }

    /// The guest runs here, and nowhere else any more.
    fn take_over(&self, sending: &Sending) -> Step {
        let (vm, observed) = (&self.entry.vm.value, self.observed);
        let before = &self.entry.fact.as_ref().expect("its source has said that it is gone").value;
        let owned = Vm {
            node: observed.name.clone(),
            last_node: sending.home.clone(),
            away_since: sending.away_since,
            transfer: None,
            ..vm.clone()
        };
        let word = VmFact {
            incarnation: sending.id.incarnation,
            phase: Phase::Running,
            wish_done: before.wish_done,
            crashes: Crashes { in_a_row: before.crashes.in_a_row, running_since: self.now.boot },
            ..VmFact::new(observed.name.clone(), observed.node.boot)
        };
        let records = Records::default()
            .write(RecordId::Vm(self.id), self.entry.vm.expect(), owned.into())
            .write(RecordId::VmFact(self.id), expect_of(self.entry.fact.as_ref()), word.into());
        let records = self.without_answer(records);
        self.write(records, MoveReason::Arrived)
    }

    /// No word speaks of a move to this node.
    fn left_behind(&self) -> Option<Step> {
        let mine = self.entry.reception.as_ref().is_some_and(|said| said.value.node == self.observed.name);
        let seen = self.seen()?;
        match seen.guest {
            Some(guest) if stands_still(guest.standing) => {
                Some(self.discard(guest.incarnation?, MoveReason::LeftBehind))
            }
            Some(guest) if guest.standing == Standing::Torn => {
                Some(self.stop(guest.incarnation?, MoveReason::LeftBehind))
            }
            _ if mine && self.is_fresh(seen) => {
                let records = Records::default()
                    .guard(RecordId::Vm(self.id), self.entry.vm.expect())
                    .guard(RecordId::VmFact(self.id), expect_of(self.entry.fact.as_ref()));
                Some(self.write(self.without_answer(records), MoveReason::AnswerOver))
            }
            _ => None,
        }
    }

    fn seen(&self) -> Option<&Seen> {
        self.observed.moving.seen.get(&self.id)
    }

    /// Whether a look was begun after the source's word.
    fn is_fresh(&self, seen: &Seen) -> bool {
        seen.under == self.entry.fact.as_ref().map(|fact| fact.version)
    }

    fn standing(&self, seen: &Seen, sending: &Sending) -> Option<Standing> {
        let guest = seen.guest.filter(|guest| guest.incarnation == Some(sending.id.incarnation));
        guest.map(|guest| guest.standing)
    }

    /// What this node has said of this very move.
    fn said(&self, sending: &Sending) -> Option<&Answer> {
        let said = self.entry.reception.as_ref().map(|said| &said.value)?;
        (said.node == self.observed.name && said.id == sending.id).then_some(&said.answer)
    }

    /// Says something, if it is new.
    fn answer(&self, sending: &Sending, answer: Answer) -> Option<Step> {
        if self.said(sending) == Some(&answer) {
            return None;
        }
        let reason = match &answer {
            Answer::Ready { .. } => MoveReason::Awaited,
            Answer::Busy => MoveReason::Queued,
            Answer::Refused { why } => MoveReason::Refused { why: why.clone() },
            Answer::Clear => MoveReason::Cleared,
        };
        let word = Reception { node: self.observed.name.clone(), id: sending.id, answer };
        let records = Records::default()
            .guard(RecordId::Vm(self.id), self.entry.vm.expect())
            .guard(RecordId::VmFact(self.id), expect_of(self.entry.fact.as_ref()))
            .write(RecordId::VmReception(self.id), expect_of(self.entry.reception.as_ref()), word.into());
        Some(self.write(records, reason))
    }

    fn without_answer(&self, records: Records) -> Records {
        match &self.entry.reception {
            Some(said) => records.delete(RecordId::VmReception(self.id), said.expect()),
            None => records,
        }
    }

    fn discard(&self, incarnation: u64, reason: MoveReason) -> Step {
        self.host(Action::DiscardGuest { vm: self.id, incarnation }, reason)
    }

    fn stop(&self, incarnation: u64, reason: MoveReason) -> Step {
        self.host(Action::StopGuest { vm: self.id, incarnation }, reason)
    }

    fn write(&self, records: Records, reason: MoveReason) -> Step {
        let action = Action::Record(Box::new(records));
        Step {
            resource: Resource::Vm(self.id),
            action,
            guards: Vec::new(),
            not_after: None,
            reason: reason.into(),
        }
    }

    /// An act on the guest: only while the wish and the source's word are as they were read, and the lease holds.
    fn host(&self, action: Action, reason: MoveReason) -> Step {
        let guards = vec![
            Guard { record: RecordId::Vm(self.id), expect: self.entry.vm.expect() },
            Guard { record: RecordId::VmFact(self.id), expect: expect_of(self.entry.fact.as_ref()) },
        ];
        let not_after = self.observed.lease_until;
        Step { resource: Resource::Vm(self.id), action, guards, not_after, reason: reason.into() }
    }
}

/// It does not run, and is not on its way from here.
fn stands_still(standing: Standing) -> bool {
    matches!(standing, Standing::Paused | Standing::Stranded | Standing::Incoming)
}
