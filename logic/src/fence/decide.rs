//! What the holder of the primary role does about blocks: the table of [`super`], one record and one step at a time.
//!
//! | the record says | the last step under this record | what is done |
//! |---|---|---|
//! | wanted, laid, confirmed; there is a ground to lift it | anything | lifting is recorded |
//! | wanted | none, or it failed | the addresses are blocked |
//! | wanted | blocked them | laid is recorded |
//! | laid | none, or some OSDs do not keep to it | the OSDs are asked, again after a moment; who lags is recorded |
//! | laid | all OSDs keep to it | confirmed is recorded |
//! | confirmed | all OSDs kept to it, a minute ago | they are asked again |
//! | laid, confirmed | it is gone | wanted is recorded |
//! | lifting | none, or it failed | the addresses are unblocked |
//! | lifting | unblocked them | lifted is recorded |
//! | lifted, and the node finds itself blocked in a later map | anything | lifting is recorded |
//!
//! A step that fails is made again. Nothing is given up: a node that should be fenced stays so until there is a ground.

use super::{Act, Block, Change, Ground, Outcome, Stage, reason::FenceReason};
use crate::cluster::Cluster;
use crate::id::NodeName;
use crate::limits::{CONFIRM_INTERVAL, FENCE_WATCH_INTERVAL};
use crate::observed::Observed;
use crate::plan::{Action, Plan, Reason, Resource, Step};
use crate::record::{Guard, RecordId, Records, Versioned};
use crate::time::{BootTime, Now};

/// Decides about all blocks. Empty for whoever does not hold the role, and where the storage has no fence.
pub fn decide(cluster: &Cluster, observed: &Observed, now: Now) -> Plan {
    let mut plan = Plan::default();
    let Some(primary) = cluster.primary.as_ref().filter(|primary| primary.value.node == observed.name) else {
        return plan;
    };
    if !observed.fencing.has_fence {
        return plan;
    }
    let role = Guard { record: RecordId::Primary, expect: primary.expect() };
    for (node, current) in &cluster.fences {
        let case = Case { cluster, observed, now, node, current, role: role.clone() };
        match case.next() {
            Next::Record(stage, ground, reason) => plan.steps.push(case.record(stage, ground, reason)),
            Next::Act(act, reason) => plan.steps.push(case.act(act, reason)),
            Next::Later(moment) => plan.look_at(moment),
            Next::Nothing => {}
        }
    }
    plan
}

/// One node's block: what the table is entered with.
struct Case<'a> {
    cluster: &'a Cluster,
    observed: &'a Observed,
    now: Now,
    node: &'a NodeName,
    current: &'a Versioned<Block>,
    role: Guard,
}

/// What is to be done about it.
enum Next {
    /// Its record says this from now on, resting on a record that is the ground for it.
    Record(Stage, Option<Guard>, FenceReason),
    /// This.
    Act(Act, FenceReason),
    /// Nothing before this moment.
    Later(BootTime),
    /// Nothing.
    Nothing,
}

impl Case<'_> {
    fn next(&self) -> Next {
        let block = &self.current.value;
        if let Some((ground, rests_on)) = self.ground() {
            let reason = match ground {
                Ground::Rebooted => FenceReason::Rebooted,
                Ground::Obeyed => FenceReason::Obeyed,
            };
            return Next::Record(Stage::Lifting { ground }, Some(rests_on), reason);
        }
        let told = self.observed.fencing.told.get(self.node);
        let told = told.filter(|told| told.under == self.current.version);
        let outcome = told.map(|told| &told.outcome);
        match (&block.stage, outcome) {
            (Stage::Wanted, Some(Outcome::Laid { epoch })) => {
                let laid = Stage::Laid { epoch: *epoch, awaited: Vec::new() };
                Next::Record(laid, None, FenceReason::Laid { epoch: *epoch })
            }
            (Stage::Wanted, _) => Next::Act(Act::BlockNode, FenceReason::Asked),
            (Stage::Laid { .. } | Stage::Confirmed { .. }, Some(Outcome::Gone)) => {
                Next::Record(Stage::Wanted, None, FenceReason::Gone)
            }
            (Stage::Laid { epoch, .. }, Some(Outcome::Everywhere { unproven, .. })) => {
                let confirmed = Stage::Confirmed { epoch: *epoch, unproven: unproven.clone() };
                Next::Record(confirmed, None, FenceReason::Confirmed)
            }
            (Stage::Laid { epoch, awaited }, Some(Outcome::Awaited { osds })) if osds != awaited => {
                let laid = Stage::Laid { epoch: *epoch, awaited: osds.clone() };
                Next::Record(laid, None, FenceReason::Awaited { osds: osds.clone() })
            }
            (Stage::Laid { epoch, .. }, _) => {
                let act = Next::Act(Act::ConfirmBlock { epoch: *epoch }, FenceReason::Unconfirmed);
                self.not_before(told.map(|told| told.at + CONFIRM_INTERVAL), act)
            }
            (Stage::Confirmed { epoch, unproven }, Some(Outcome::Everywhere { unproven: now, .. }))
                if now != unproven =>
            {
                // A pool was made, or set, to keep one copy.
                let confirmed = Stage::Confirmed { epoch: *epoch, unproven: now.clone() };
                Next::Record(confirmed, None, FenceReason::Confirmed)
            }
            (Stage::Confirmed { epoch, .. }, _) => {
                let act = Next::Act(Act::ConfirmBlock { epoch: *epoch }, FenceReason::Watched);
                self.not_before(told.map(|told| told.at + FENCE_WATCH_INTERVAL), act)
            }
            (Stage::Lifting { ground }, Some(Outcome::Free { epoch })) => {
                Next::Record(Stage::Lifted { ground: *ground, epoch: *epoch }, None, FenceReason::Lifted)
            }
            (Stage::Lifting { .. }, _) => Next::Act(Act::UnblockNode, FenceReason::Lifting),
            (Stage::Lifted { ground, epoch }, _) => match self.is_left_over(*epoch) {
                true => Next::Record(Stage::Lifting { ground: *ground }, None, FenceReason::LeftOver),
                false => Next::Nothing,
            },
        }
    }

    fn not_before(&self, moment: Option<BootTime>, next: Next) -> Next {
        match moment.filter(|moment| *moment > self.now.boot) {
            Some(moment) => Next::Later(moment),
            None => next,
        }
    }

    /// Why the block may be lifted now, and the record that says so.
    fn ground(&self) -> Option<(Ground, Guard)> {
        let block = &self.current.value;
        if matches!(block.stage, Stage::Lifting { .. } | Stage::Lifted { .. }) {
            return None;
        }
        let entry = self.cluster.nodes.get(self.node)?;
        let registered = entry.node.as_ref()?;
        if registered.value.boot != block.boot {
            let record = RecordId::Node(self.node.clone());
            return Some((Ground::Rebooted, Guard { record, expect: registered.expect() }));
        }
        let status = entry.status.as_ref().filter(|status| status.value.boot == block.boot)?;
        let obeys = status.value.storage.obeyed == Some(block.number);
        let record = RecordId::NodeStatus(self.node.clone());
        obeys.then(|| (Ground::Obeyed, Guard { record, expect: status.expect() }))
    }

    /// Whether the node finds itself blocked although it was unblocked in the map of this epoch.
    fn is_left_over(&self, epoch: u64) -> bool {
        let word = self.cluster.status(self.node).map(|status| &status.storage);
        word.is_some_and(|word| {
            let ours = word.blocked.iter().any(|address| self.current.value.addresses.contains(address));
            ours && word.epoch > epoch
        })
    }

    fn record(&self, stage: Stage, ground: Option<Guard>, reason: FenceReason) -> Step {
        let block = Block { stage, ..self.current.value.clone() };
        let mut records =
            Records::default().write(RecordId::Fence(self.node.clone()), self.current.expect(), block.into());
        records.guards.push(self.role.clone());
        records.guards.extend(ground);
        self.step(Action::Record(Box::new(records)), Vec::new(), reason)
    }

    /// An act at the storage: only while the record and the role are as they were read, and the lease holds.
    fn act(&self, act: Act, reason: FenceReason) -> Step {
        let block = Guard { record: RecordId::Fence(self.node.clone()), expect: self.current.expect() };
        let addresses = self.current.value.addresses.iter().copied().collect();
        let change = Change { node: self.node.clone(), under: self.current.version, addresses, act };
        self.step(Action::Fence(change), vec![block, self.role.clone()], reason)
    }

    fn step(&self, action: Action, guards: Vec<Guard>, reason: FenceReason) -> Step {
        let not_after = match action {
            Action::Record(_) => None,
            _ => self.observed.lease_until,
        };
        let resource = Resource::Fence(self.node.clone());
        Step { resource, action, guards, not_after, reason: Reason::Fence(reason) }
    }
}
