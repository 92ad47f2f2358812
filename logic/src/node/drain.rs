//! Emptying a node for service, and filling it again: what an operator wishes of a node, and what follows for its VMs.
//!
//! | the node | the VM | what is done |
//! |---|---|---|
//! | is to be flushed | is to run, and another node can take it | it moves there, and has its home here |
//! | is to be flushed | is to run, and another could take it but for a fault that passes | nothing until that has passed |
//! | is to be flushed | is to run, and no other can take it | it is shut down, and marked to run again |
//! | is to be flushed | is to run, to move only live, and cannot | nothing: it is told why |
//! | is to be flushed | is to run, to move only live, and failed to just now | nothing, until it is tried again |
//! | is to be flushed | is not to run | nothing |
//! | is to be flushed, and the primary role is on its way from or to it | anything | nothing yet |
//! | carries VMs again | is marked to run again | it is to run |
//! | carries VMs again | left its home here before | it goes home, by its own node's doing |
//! | carries VMs again | left its home here before, and cannot move as it is to | nothing, as when it is flushed |
//! | carries VMs again | left its home here before, and a fault that passes is in the way | nothing until that has passed |
//! | carries VMs again | left its home here before, and there is no room | it stays until the next time |
//!
//! The order is that of the VMs' ids, and few are under way at once. Turned round in the middle, nothing is undone: what
//! is under way arrives, and the new wish is followed from there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::place::{Home, Placement, Promises, bump_ledger, place_among};
use super::stop::is_patient;
use super::{DaemonState, shown_daemon_state};
use crate::cluster::{Cluster, NodeEntry, VmEntry};
use crate::id::{NodeName, VmId};
use crate::limits::{LIVE_DRAIN_RETRY, MOVES_AT_ONCE_MAX};
use crate::observed::{Life, Observed};
use crate::plan::{Action, Plan, Reason, Resource, Step};
use crate::primary::Primary;
use crate::record::{RecordId, Records, expect_of};
use crate::refusal::Refusal;
use crate::time::{BootTime, Now, WallTime};
use crate::vm::{MigrationMethod, Power, Transfer, Vm, Wish};

mod foresight;

pub use foresight::{Fate, Foreseen, foresee};

/// Whether a node is to carry VMs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duty {
    /// It is.
    Ready,
    /// It is to be emptied.
    Flushed,
}

/// What an operator wishes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeWish {
    /// Whether it is to carry VMs.
    pub duty: Duty,
    /// Grows by one with each wish.
    pub serial: u64,
    /// When it was wished. Shown only.
    pub at: WallTime,
}

/// What is shown of a node's service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DomainState {
    /// It carries VMs.
    Ready,
    /// VMs are leaving it.
    Flush,
    /// No VM runs on it.
    Flushed,
    /// VMs are coming home to it.
    Unflush,
}

impl DomainState {
    /// The state as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Flush => "flush",
            Self::Flushed => "flushed",
            Self::Unflush => "unflush",
        }
    }
}

/// The service states of all nodes, in one walk over the VMs.
pub fn domain_states(cluster: &Cluster) -> BTreeMap<NodeName, DomainState> {
    let still = |(name, entry): (&NodeName, &Arc<NodeEntry>)| {
        (name.clone(), if is_drained(entry) { DomainState::Flushed } else { DomainState::Ready })
    };
    let mut states: BTreeMap<NodeName, DomainState> = cluster.nodes.iter().map(still).collect();
    for entry in cluster.vms.values() {
        let vm = &entry.vm.value;
        match states.get_mut(&vm.node) {
            Some(state @ DomainState::Flushed) if runs(entry) => *state = DomainState::Flush,
            Some(state @ DomainState::Ready) if vm.parked => *state = DomainState::Unflush,
            _ => {}
        }
        if let Some(state @ DomainState::Ready) =
            called_home(cluster, vm).and_then(|home| states.get_mut(home))
        {
            *state = DomainState::Unflush;
        }
    }
    states
}

/// Asks a node to be emptied, or to carry VMs again. `None` when that is wished already.
///
/// # Errors
/// [`Refusal`] when there is no such node, or it is to be emptied and its daemon does not run.
pub fn wish_duty(
    cluster: &Cluster,
    node: &NodeName,
    duty: Duty,
    now: WallTime,
) -> Result<Option<Records>, Refusal> {
    let unknown = || Refusal::NodeUnknown { node: node.to_string() };
    let entry = cluster.nodes.get(node).filter(|entry| entry.node.is_some()).ok_or_else(unknown)?;
    let state = shown_daemon_state(entry);
    if is_drained(entry) == (duty == Duty::Flushed) {
        return Ok(None);
    }
    if duty == Duty::Flushed && state != DaemonState::Run {
        return Err(Refusal::NodeDown { node: node.clone(), state });
    }
    let wish = NodeWish { duty, serial: wish_serial(cluster, node) + 1, at: now };
    let id = RecordId::NodeWish(node.clone());
    Ok(Some(Records::default().write(id, expect_of(entry.wish.as_ref()), wish.into())))
}

/// Whether a node is to carry no VMs.
pub fn is_drained(entry: &NodeEntry) -> bool {
    entry.wish.as_ref().is_some_and(|wish| wish.value.duty == Duty::Flushed)
}

/// The serial of the last wish about a node; zero before the first.
pub fn wish_serial(cluster: &Cluster, node: &NodeName) -> u64 {
    let wish = cluster.nodes.get(node).and_then(|entry| entry.wish.as_ref());
    wish.map_or(0, |wish| wish.value.serial)
}

/// Decides about this node's VMs: those that leave it because it is flushed, and those that go home to another.
pub fn decide(cluster: &Cluster, observed: &Observed, now: Now) -> Plan {
    let mut plan = Plan::default();
    let own = || cluster.vms.iter().filter(|(_, entry)| entry.vm.value.node == observed.name);
    let drained = cluster.nodes.get(&observed.name).is_some_and(|entry| is_drained(entry));
    // A flush goes on while the node stops, for as long as it is waited for; a node that goes down is not filled.
    if observed.life == Life::Stopping && !(drained && is_patient(observed, now)) {
        return plan;
    }
    // Both take the node's network and its attention; the role moves within seconds, and goes first.
    if drained && is_handing_over(cluster, &observed.name) {
        return plan;
    }
    let leaves = |entry: &VmEntry| is_on_its_way(entry) || (entry.vm.value.parked && runs(entry));
    let mut under_way = own().filter(|(_, entry)| leaves(entry)).count();
    // What is decided for one VM counts for the next. Nothing is counted where there is nothing to decide.
    let mut promises = None;
    for (id, entry) in own().filter(|(_, entry)| settled(entry)) {
        if under_way >= MOVES_AT_ONCE_MAX {
            break;
        }
        if !drained && !entry.vm.value.parked && called_home(cluster, &entry.vm.value).is_none() {
            continue;
        }
        if let Some(again_at) = retry_at(entry, observed).filter(|at| *at > now.boot) {
            plan.look_at(again_at);
            continue;
        }
        let promises = promises.get_or_insert_with(|| Promises::of(cluster));
        let case = Case { cluster, promises, id: *id, entry, now };
        let step = match drained {
            true if is_to_run(entry) && entry.vm.value.way(None).is_err() => None,
            true if is_to_run(entry) => case.leave(),
            _ => case.go_home().or_else(|| (!drained && entry.vm.value.parked).then(|| case.unpark())),
        };
        let Some(step) = step else { continue };
        under_way += 1;
        if let Reason::Drained { to } | Reason::CalledHome { to } = &step.reason {
            promises.move_to(cluster, *id, entry, to);
        }
        plan.steps.push(step);
    }
    plan
}

/// One VM that may have to move.
struct Case<'a> {
    cluster: &'a Cluster,
    promises: &'a Promises,
    id: VmId,
    entry: &'a VmEntry,
    now: Now,
}

impl Case<'_> {
    /// Its node is flushed.
    fn leave(&self) -> Option<Step> {
        let vm = &self.entry.vm.value;
        let placement = self.place();
        let Some(to) = placement.chosen.clone() else {
            let parked = Vm { wish: self.wish(Power::Shutdown), parked: true, ..vm.clone() };
            // A guest that runs is not shut down for what may have passed in a moment.
            let parks = !placement.may_pass();
            return parks.then(|| self.write(Records::default(), parked, Reason::Parked));
        };
        let home = vm.last_node.clone().unwrap_or_else(|| vm.node.clone());
        let away_since = wish_serial(self.cluster, &home);
        let reason = Reason::Drained { to: to.clone() };
        Some(self.transfer(Some(home).filter(|home| *home != to), away_since, to, reason))
    }

    /// Its node carries VMs again.
    fn unpark(&self) -> Step {
        let runs = Vm { wish: self.wish(Power::Start), parked: false, ..self.entry.vm.value.clone() };
        self.write(Records::default(), runs, Reason::Unparked)
    }

    /// Its home carries VMs again, if it is away from home and was called.
    fn go_home(&self) -> Option<Step> {
        let vm = &self.entry.vm.value;
        let to = called_home(self.cluster, vm)?.clone();
        let up =
            self.cluster.nodes.get(&to).is_some_and(|entry| shown_daemon_state(entry) == DaemonState::Run);
        if !up {
            return None;
        }
        match self.place().nodes.get(&to) {
            Some(Ok(_)) => {}
            Some(Err(bar)) if bar.passes() => return None,
            _ => {
                let stays = Vm { away_since: wish_serial(self.cluster, &to), ..vm.clone() };
                return Some(self.write(Records::default(), stays, Reason::HomeBarred { to }));
            }
        }
        let reason = Reason::CalledHome { to: to.clone() };
        if is_to_run(self.entry) && vm.way(None).is_err() {
            return None;
        }
        if is_to_run(self.entry) {
            return Some(self.transfer(None, 0, to, reason));
        }
        let home = Vm { node: to.clone(), last_node: None, ..vm.clone() };
        Some(self.write(bump_ledger(self.cluster, &to, Records::default()), home, reason))
    }

    fn place(&self) -> Placement {
        place_among(self.cluster, self.promises, (self.id, &self.entry.vm.value), Home::Barred)
    }

    fn transfer(&self, home: Option<NodeName>, away_since: u64, to: NodeName, reason: Reason) -> Step {
        let vm = &self.entry.vm.value;
        let records = bump_ledger(self.cluster, &to, Records::default());
        let how = vm.way(None).unwrap_or_default();
        let transfer = Some(Transfer { to, home, how, away_since });
        self.write(records, Vm { wish: self.wish(vm.wish.power), transfer, ..vm.clone() }, reason)
    }

    fn wish(&self, power: Power) -> Wish {
        Wish { power, serial: self.entry.vm.value.wish.serial + 1, at: self.now.wall }
    }

    fn write(&self, records: Records, vm: Vm, reason: Reason) -> Step {
        let records = records.guard(RecordId::VmFact(self.id), expect_of(self.entry.fact.as_ref())).write(
            RecordId::Vm(self.id),
            self.entry.vm.expect(),
            vm.into(),
        );
        let action = Action::Record(Box::new(records));
        Step { resource: Resource::Vm(self.id), action, guards: Vec::new(), not_after: None, reason }
    }
}

/// When a VM that is to move only live, and failed to, is tried again.
fn retry_at(entry: &VmEntry, observed: &Observed) -> Option<BootTime> {
    let fact = entry.fact.as_ref().map(|fact| &fact.value)?;
    let failed = fact.failed_move.as_ref().filter(|_| fact.boot == observed.node.boot)?;
    (entry.vm.value.way(None) == Ok(MigrationMethod::Live)).then_some(failed.retry_at + LIVE_DRAIN_RETRY)
}

fn is_on_its_way(entry: &VmEntry) -> bool {
    entry.vm.value.transfer.is_some() || entry.fact.as_ref().is_some_and(|fact| fact.value.sending.is_some())
}

/// Whether the primary role is on its way from this node, or to it.
fn is_handing_over(cluster: &Cluster, node: &NodeName) -> bool {
    cluster.primary.as_ref().is_some_and(|primary| {
        let Primary { node: holder, handover, former, .. } = &primary.value;
        let to = handover.as_ref().map(|handover| &handover.to);
        (to.is_some() && holder == node) || to == Some(node) || former.as_ref() == Some(node)
    })
}

fn runs(entry: &VmEntry) -> bool {
    is_to_run(entry) || entry.fact.as_ref().is_some_and(|fact| fact.value.runs())
}

fn is_to_run(entry: &VmEntry) -> bool {
    matches!(entry.vm.value.wish.power, Power::Start | Power::Restart)
}

/// Nothing is under way for it: its wish is fulfilled, or could not be.
fn settled(entry: &VmEntry) -> bool {
    let vm = &entry.vm.value;
    let done = |fact: &crate::vm::VmFact| {
        fact.node == vm.node && fact.wish_done >= vm.wish.serial && fact.stopping.is_none()
    };
    !is_on_its_way(entry) && entry.fact.as_ref().is_some_and(|fact| done(&fact.value))
}

/// The home that calls a VM back: it carries VMs again, and has been asked to since the VM left.
fn called_home<'a>(cluster: &Cluster, vm: &'a Vm) -> Option<&'a NodeName> {
    let home = vm.last_node.as_ref().filter(|home| **home != vm.node)?;
    let entry = cluster.nodes.get(home)?;
    (!is_drained(entry) && wish_serial(cluster, home) > vm.away_since).then_some(home)
}

#[cfg(test)]
pub(crate) mod tests;
