//! What the source does about a guest that goes by post-copy: when, and what becomes of the two halves when that breaks off.

use super::super::{Answer, Course, FailedMove, Method, Seen, Stage, Standing};
use super::{LookAt, Source, is_under_way};
use crate::limits::{
    FILL_SPAN_MAX, LIVE_ATTEMPTS_MAX, MEND_INTERVAL, MEND_SPAN_MAX, THROTTLE_MAX_PERCENT, VAIN_PASSES,
};
use crate::plan::{Action, MoveReason, Step};
use crate::vm::Power;

impl Source<'_> {
    /// Whether post-copy is to be tried, because pre-copy was in vain: each time that it is slowed down further, it has
    /// written more than half of what was sent, twice.
    pub(super) fn is_vain(&self, seen: &Seen, overdue: bool) -> bool {
        let Some(Course::UnderWay { pass, throttle_percent, .. }) = seen.course else { return false };
        let slowest = throttle_percent >= THROTTLE_MAX_PERCENT && pass > VAIN_PASSES;
        let allowed = self.observed.moving.settings.post_copy;
        allowed && self.sending.by == Method::PreCopy && (slowest || overdue)
    }

    /// As soon as something was sent: what is sent before the switch is sent slowly, and a guest that has become calm
    /// would start at the target by itself if all of it came to be there.
    pub(super) fn switch(&self, seen: &Seen) -> Option<Step> {
        let sent = matches!(seen.course, Some(Course::UnderWay { total_mib, .. }) if total_mib > 0);
        let incarnation = self.sending.id.incarnation;
        let action = Action::SwitchToPostCopy { vm: self.id, incarnation };
        sent.then(|| self.host(action, MoveReason::Switched))
    }

    /// It is not here any more.
    pub(super) fn left(&self, look_at: &mut LookAt<'_>) -> Option<Step> {
        if self.is_clear() {
            return Some(match self.sending.by {
                Method::PreCopy => self.over(MoveReason::Ended),
                Method::PostCopy => self.memory_lost(MoveReason::Ended),
            });
        }
        // The target may wait in vain for memory from a machine that went without a word.
        let due = self.sending.since + FILL_SPAN_MAX;
        match self.sending.by {
            Method::PreCopy => None,
            Method::PostCopy if due <= self.now.boot || !self.same_boot() => {
                Some(self.say(Stage::Lost, MoveReason::Lost))
            }
            Method::PostCopy => {
                look_at(due);
                None
            }
        }
    }

    /// Half of it is here: the other half was running.
    pub(super) fn torn(&self, look_at: &mut LookAt<'_>) -> Option<Step> {
        let seen = self.seen_since()?;
        let Some(standing) = self.standing(seen) else { return Some(self.gone()) };
        let due = self.sending.since + MEND_SPAN_MAX;
        let is_to_run = matches!(self.entry.vm.value.wish.power, Power::Start | Power::Restart);
        if standing == Standing::Drained {
            return None;
        }
        // Nor is a call that joins them waited for longer: with an emulated guest, QEMU may never answer it.
        if self.is_clear() || due <= self.now.boot || !self.same_boot() || !is_to_run {
            return Some(self.say(Stage::Lost, MoveReason::Lost));
        }
        look_at(due);
        if is_under_way(seen) {
            return None;
        }
        let Some(Answer::Ready { address, console_path }) = self.answer() else { return None };
        let incarnation = self.sending.id.incarnation;
        let mended = self.observed.moving.mends.get(&(self.id, incarnation));
        let again_at = mended.map_or(self.now.boot, |at| *at + MEND_INTERVAL);
        if again_at > self.now.boot || !self.target_is_there() {
            look_at(again_at.max(self.now.boot + MEND_INTERVAL));
            return None;
        }
        let action = Action::MendGuest {
            vm: self.id,
            incarnation,
            to: *address,
            console_path: console_path.clone(),
            bandwidth_max_mib: self.observed.moving.settings.share_mib(),
        };
        Some(self.host(action, MoveReason::Mended))
    }

    /// What is here is ended; the target sees to what it has.
    pub(super) fn lost(&self) -> Option<Step> {
        let seen = self.seen_since()?;
        let incarnation = self.sending.id.incarnation;
        match self.standing(seen) {
            Some(_) => Some(self.host(Action::StopGuest { vm: self.id, incarnation }, MoveReason::HalfEnded)),
            None => self.is_clear().then(|| self.memory_lost(MoveReason::MemoryLost)),
        }
    }

    /// The move is over, and nothing is left of the guest.
    fn memory_lost(&self, reason: MoveReason) -> Step {
        let (to, serial) = (self.sending.to.clone(), self.sending.id.serial);
        let why = "it broke off in the middle of post-copy: what the guest had in memory is lost".to_owned();
        let (attempts, retry_at) = (LIVE_ATTEMPTS_MAX, self.now.boot);
        let failed = FailedMove { serial, attempts, to, why, retry_at, next: Method::PreCopy };
        self.word(
            |fact| {
                fact.sending = None;
                fact.failed_move = Some(failed);
            },
            reason,
        )
    }

    /// Whether the moments in this node's word are of this boot's clock.
    fn same_boot(&self) -> bool {
        self.entry.fact.as_ref().is_some_and(|fact| fact.value.boot == self.observed.node.boot)
    }
}
