//! What this node must do about the primary role: its turn in the record, and its parts as they shall stand.
//!
//! Level-triggered: the tables are in [`super`]. Every write rests on the version of the record, so that of any number of
//! candidates one wins; the others find a record that asks nothing of them.

use super::part::{PARTS, Part, Stance, Stand, Standing, stance};
use super::reason::RoleReason;
use super::{Handover, Phase, Primary, gone, has_other_candidate, is_candidate};
use crate::cluster::Cluster;
use crate::id::NodeName;
use crate::limits::{HANDOVER_PHASE_MAX, HANDOVER_STOP_MAX, HANDOVER_TRY_MAX};
use crate::node::{DaemonState, Role};
use crate::observed::{Life, Observed};
use crate::plan::{Action, Plan, Reason, Resource, Step};
use crate::record::{Guard, RecordId, Records, Versioned, expect_of};
use crate::time::{BootTime, Now, Span};

/// How long something is waited for.
const WAITS: [Span; 3] = [HANDOVER_PHASE_MAX, HANDOVER_STOP_MAX, HANDOVER_TRY_MAX];

/// Decides about the role.
pub fn decide(cluster: &Cluster, observed: &Observed, now: Now) -> Plan {
    decide_on(PARTS, cluster, observed, now)
}

fn decide_on(parts: &[Part], cluster: &Cluster, observed: &Observed, now: Now) -> Plan {
    let mut plan = Plan::default();
    if cluster.settings.is_none() {
        return plan;
    }
    let turn = Turn::new(cluster, observed, now);
    let standing = turn.stand().together(parts);
    if let Some((primary, guard, reason)) = turn.next(&standing) {
        plan.steps.push(turn.record(primary, guard, reason));
    }
    standing.look_again.into_iter().for_each(|moment| plan.look_at(moment));
    plan.steps.extend(standing.steps);
    turn.silence_ends().into_iter().filter(|end| *end > now.boot).for_each(|end| plan.look_at(end));
    // Every wait of a handover ends.
    let since = observed.role_since.filter(|_| turn.is_moving());
    let begins = since.into_iter().chain(observed.stopping_since);
    for end in begins.flat_map(|begin| WAITS.map(|most| begin + most)).filter(|end| *end > now.boot) {
        plan.look_at(end);
    }
    plan
}

/// What is wrong with the parts of the role that no step can mend.
pub fn troubles(cluster: &Cluster, observed: &Observed, now: Now) -> Vec<String> {
    Turn::new(cluster, observed, now).stand().together(PARTS).troubles
}

/// Whether a node that is stopping is done with the role: it is another's, or nobody's to take, and nothing of it is here.
pub fn is_let_go(cluster: &Cluster, observed: &Observed, now: Now) -> bool {
    is_let_go_by(PARTS, cluster, observed, now)
}

fn is_let_go_by(parts: &[Part], cluster: &Cluster, observed: &Observed, now: Now) -> bool {
    let turn = Turn::new(cluster, observed, now);
    let stand = turn.stand();
    turn.stopping_for() >= HANDOVER_TRY_MAX
        || (stand.stance == Stance::Away && stand.together(parts).missing == 0)
}

/// One look at the role from one node.
struct Turn<'a> {
    cluster: &'a Cluster,
    observed: &'a Observed,
    now: Now,
    current: Option<&'a Versioned<Primary>>,
}

/// What is written next, what it rests on besides the record itself, and why.
type Next = (Primary, Option<Guard>, RoleReason);

impl<'a> Turn<'a> {
    fn new(cluster: &'a Cluster, observed: &'a Observed, now: Now) -> Self {
        Self { cluster, observed, now, current: cluster.primary.as_ref() }
    }

    fn me(&self) -> &NodeName {
        &self.observed.name
    }

    /// How long the record and the wish have been as they are, as far as this process has seen.
    fn waited(&self) -> Span {
        self.observed.role_since.map_or(Span(0), |since| self.now.boot - since)
    }

    fn stopping_for(&self) -> Span {
        self.observed.stopping_since.map_or(Span(0), |since| self.now.boot - since)
    }

    /// Whether somebody waits for something.
    fn is_moving(&self) -> bool {
        self.current.map(|current| &current.value).is_some_and(|current| {
            let is_gone = gone(self.cluster, &current.node).is_some();
            current.handover.is_some() || current.former.is_some() || is_gone || self.wish(current).is_some()
        })
    }

    fn stand(&self) -> Stand<'a> {
        let primary = self.current.map(|current| &current.value);
        let by_record = stance(primary, self.me(), self.observed.node.role);
        let stance = match by_record {
            // What is here from an earlier process is neither renewed nor taken away before it is known whose turn it is.
            Stance::Held | Stance::Quiet if !self.may_stand() => Stance::Ready,
            by_record => by_record,
        };
        let stance = if self.leaves() { Stance::Away } else { stance };
        Stand { stance, primary: self.current, observed: self.observed, now: self.now }
    }

    /// Whether this node may act in the role: it is present in this session, and its word in the records is not that it has
    /// stopped. Whoever takes the role from an absent or a stopped holder rests on these records.
    fn may_stand(&self) -> bool {
        let said = self.cluster.status(self.me()).map(|status| status.daemon);
        let said_so = matches!(said, Some(DaemonState::Init | DaemonState::Run | DaemonState::Shutdown));
        said_so && self.observed.announced.is_some()
    }

    /// Whether this node is stopping, and there is nobody to hand the role to, or no time.
    fn leaves(&self) -> bool {
        let leaves = self.observed.life != Life::Going;
        let is_impatient = self.observed.asked_again || self.stopping_for() >= HANDOVER_STOP_MAX;
        leaves && (is_impatient || !has_other_candidate(self.cluster, self.me()))
    }

    /// Whether this node can take the role.
    fn may_take(&self) -> bool {
        self.observed.life == Life::Going
            && self.observed.announced.is_some()
            && self.observed.node.role == Role::Coordinator
            && is_candidate(self.cluster, self.me())
    }

    fn next(&self, standing: &Standing) -> Option<Next> {
        let Some(current) = self.current.map(|current| &current.value) else {
            let taken = Primary::held(self.me().clone(), 1);
            return self.may_take().then(|| (taken, None, RoleReason::Vacant { node: self.me().clone() }));
        };
        let is_to_me = current.handover.as_ref().is_some_and(|handover| handover.to == *self.me());
        if current.node == *self.me() {
            self.as_holder(current, standing)
        } else if is_to_me {
            self.as_successor(current, standing)
        } else if current.former.as_ref() == Some(self.me()) {
            let is_over = standing.missing == 0 || self.waited() >= HANDOVER_PHASE_MAX;
            let alone = Primary { former: None, ..current.clone() };
            is_over.then_some((alone, None, RoleReason::LetGo { node: current.node.clone() }))
        } else {
            self.as_bystander(current)
        }
    }

    fn as_holder(&self, current: &Primary, standing: &Standing) -> Option<Next> {
        let back = || Primary {
            former: current.former.clone(),
            ..Primary::held(current.node.clone(), current.term + 1)
        };
        if let Some(Handover { to, phase }) = &current.handover {
            if !is_candidate(self.cluster, to) || self.waited() >= HANDOVER_TRY_MAX {
                return Some((back(), None, RoleReason::TakenBack { node: to.clone() }));
            }
            let is_quiet = standing.missing == 0 || self.waited() >= HANDOVER_PHASE_MAX;
            let yielded = Handover { to: to.clone(), phase: Phase::Yielded };
            let yields = *phase == Phase::Claimed && is_quiet;
            let yielded = Primary { handover: Some(yielded), ..current.clone() };
            return yields.then_some((yielded, None, RoleReason::Yielded { node: to.clone() }));
        }
        if let Some(former) = &current.former {
            let is_over = gone(self.cluster, former).is_some() || self.waited() >= HANDOVER_TRY_MAX;
            let alone = Primary { former: None, ..current.clone() };
            return is_over.then_some((alone, None, RoleReason::FormerGone { node: former.clone() }));
        }
        // A wish that nobody comes forward for is void: nobody is to come forward much later.
        let wish = self.wish(current)?;
        let can_come = match &wish.to {
            Some(to) => is_candidate(self.cluster, to),
            None => has_other_candidate(self.cluster, self.me()),
        };
        let is_void = !can_come || self.waited() >= HANDOVER_PHASE_MAX;
        is_void.then(|| (back(), None, RoleReason::WishVoid))
    }

    fn as_successor(&self, current: &Primary, standing: &Standing) -> Option<Next> {
        if !self.may_take() {
            return None;
        }
        let me = self.me().clone();
        let taken = Primary::held(me.clone(), current.term + 1);
        if let Some(guard) = gone(self.cluster, &current.node) {
            return Some((taken, Some(guard), RoleReason::HolderGone { node: current.node.clone() }));
        }
        let from = current.node.clone();
        match current.handover.as_ref()?.phase {
            Phase::Claimed => {
                let yielded = Handover { to: me, phase: Phase::Yielded };
                let yielded = Primary { handover: Some(yielded), ..current.clone() };
                let is_late = self.waited() >= HANDOVER_PHASE_MAX;
                is_late.then_some((yielded, None, RoleReason::HolderHangs { node: from }))
            }
            Phase::Yielded => {
                let is_here = standing.missing == 0 || self.waited() >= HANDOVER_PHASE_MAX;
                let taken = Primary { former: Some(from.clone()), ..taken };
                is_here.then_some((taken, None, RoleReason::TakenOver { node: from }))
            }
        }
    }

    fn as_bystander(&self, current: &Primary) -> Option<Next> {
        if !self.may_take() {
            return None;
        }
        let others_turn = |other: &NodeName| {
            other != self.me() && is_candidate(self.cluster, other) && self.waited() < HANDOVER_PHASE_MAX
        };
        if let Some(guard) = gone(self.cluster, &current.node) {
            let is_anothers = current.handover.as_ref().is_some_and(|handover| others_turn(&handover.to));
            let taken = Primary::held(self.me().clone(), current.term + 1);
            return (!is_anothers)
                .then(|| (taken, Some(guard), RoleReason::HolderGone { node: current.node.clone() }));
        }
        if let Some(guard) = self.silent(current) {
            // It may wake up: then it lets go of whatever is left.
            let former = Some(current.node.clone());
            let taken = Primary { former, ..Primary::held(self.me().clone(), current.term + 1) };
            return Some((taken, Some(guard), RoleReason::HolderSilent { node: current.node.clone() }));
        }
        if current.handover.is_some() || current.former.is_some() {
            return None;
        }
        let wish = self.wish(current);
        let leaves =
            self.cluster.status(&current.node).is_some_and(|status| status.daemon == DaemonState::Shutdown);
        let is_mine = match wish {
            Some(wish) => wish.to.as_ref().is_none_or(|to| !others_turn(to) && (to == self.me() || leaves)),
            None => leaves,
        };
        let claim = Handover { to: self.me().clone(), phase: Phase::Claimed };
        let claimed = Primary { handover: Some(claim), ..current.clone() };
        is_mine.then(|| (claimed, None, RoleReason::Claimed { node: current.node.clone() }))
    }

    /// When the holder will have been silent for too long, if it stays so.
    fn silence_ends(&self) -> Option<BootTime> {
        let holder = &self.current?.value.node;
        let since = self.observed.holder_since.filter(|_| holder != self.me())?;
        Some(since + self.observed.timers.primary_silence_max)
    }

    /// What shows that the holder hangs, if something does: its status record is what it was long ago. Whoever takes the
    /// role rests on that. A handover that goes on has patience of its own, and comes first.
    fn silent(&self, current: &Primary) -> Option<Guard> {
        let is_over = self.silence_ends()? <= self.now.boot;
        let goes_on = current.handover.is_some() && self.waited() < HANDOVER_TRY_MAX;
        let status = self.cluster.nodes.get(&current.node)?.status.as_ref()?;
        let guard = Guard { record: RecordId::NodeStatus(current.node.clone()), expect: status.expect() };
        (is_over && !goes_on).then_some(guard)
    }

    /// The wish, while it is good.
    fn wish(&self, current: &Primary) -> Option<&super::PrimaryWish> {
        let wish = self.cluster.primary_wish.as_ref().map(|wish| &wish.value);
        wish.filter(|wish| wish.term == current.term && wish.to.as_ref() != Some(&current.node))
    }

    fn record(&self, primary: Primary, guard: Option<Guard>, reason: RoleReason) -> Step {
        let mut records =
            Records::default().write(RecordId::Primary, expect_of(self.current), primary.into());
        records.guards.extend(guard);
        let action = Action::Record(Box::new(records));
        Step {
            resource: Resource::Primary,
            action,
            guards: Vec::new(),
            not_after: None,
            reason: Reason::Role(reason),
        }
    }
}

#[cfg(test)]
mod tests;
