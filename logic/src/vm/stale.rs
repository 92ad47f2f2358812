//! What this node must do about guests of PVC's that it has no business with: a start that came late, after its VM had
//! gone elsewhere, or a process that was forgotten.
//!
//! | the VM | the guest here | what is done |
//! |---|---|---|
//! | another node's, or on its way from here | runs, and is older than the incarnation that the record names | ended |
//! | another node's, and said to be down; nothing moves | runs, as the very incarnation that is said to be down | ended |
//! | not there any more | is older than every incarnation that is not spent | ended |
//! | anything else | anything | nothing: see [`super::decide`] and [`super::migrate`] |
//!
//! What is older than the record stays so whatever happens next: a VM's incarnations only grow, and go on growing when
//! it is removed and defined anew, because the floor does. So it makes no difference how old this node's records are,
//! how old its look at the guests is, or what moves meanwhile: what arrives here by a move carries the number that the
//! record names, or a later one, and is never older. Where the numbers are equal the records' versions decide, which are
//! checked once more: a VM that is said to be down takes a new number before it runs again.
//!
//! Guests that stand still are left to [`super::migrate`], which alone knows whether they arrive.

use crate::cluster::{Cluster, VmEntry};
use crate::id::VmId;
use crate::observed::{Activity, Guests, Observed};
use crate::plan::{Action, Plan, Reason, Resource, Step};
use crate::record::{Expect, Guard, RecordId, expect_of};
use crate::vm::migrate::{is_moving, leaving};
use crate::vm::{Phase, VmFact};

/// The end of a guest of this VM that runs here and must not; `None` where there is none. It comes before anything else
/// that is done about the VM here.
pub fn decide(cluster: &Cluster, observed: &Observed, id: VmId) -> Option<Step> {
    let entry = cluster.vms.get(&id)?;
    let is_mine = entry.vm.value.node == observed.name && leaving(entry, &observed.name).is_none();
    let guest = observed.guest(id).filter(|guest| !is_mine && guest.activity == Activity::Running)?;
    let incarnation = guest.incarnation?;
    let fact = entry.fact.as_ref().map(|fact| &fact.value);
    let current = fact.map_or(cluster.incarnation_floor(), |fact| fact.incarnation);
    let is_older = incarnation < current;
    let is_down = fact.is_some_and(|fact| fact.incarnation == incarnation && is_down(fact));
    if !is_older && (!is_down || is_moving(entry, &observed.name)) {
        return None;
    }
    let reason = Reason::GuestElsewhere { incarnation, node: entry.vm.value.node.clone() };
    Some(end(observed, id, incarnation, (guards(id, entry), reason)))
}

/// The ends of all guests here whose VMs were removed, and whose incarnations are spent.
pub fn decide_of_removed(cluster: &Cluster, observed: &Observed) -> Plan {
    let mut plan = Plan::default();
    let Guests::Seen(guests) = &observed.guests else { return plan };
    let floor = cluster.incarnation_floor();
    for (id, guest) in guests.iter().filter(|(id, _)| !cluster.vms.contains_key(*id)) {
        let Some(incarnation) = guest.incarnation.filter(|incarnation| *incarnation < floor) else {
            continue;
        };
        let guards = vec![Guard { record: RecordId::Vm(*id), expect: Expect::Absent }];
        plan.steps.push(end(observed, *id, incarnation, (guards, Reason::GuestOfRemoved { incarnation })));
    }
    plan
}

/// Whether the last word about a VM is that it does not run, and nothing is on its way.
fn is_down(fact: &VmFact) -> bool {
    fact.phase == Phase::Stopped && fact.sending.is_none()
}

fn guards(id: VmId, entry: &VmEntry) -> Vec<Guard> {
    vec![
        Guard { record: RecordId::Vm(id), expect: entry.vm.expect() },
        Guard { record: RecordId::VmFact(id), expect: expect_of(entry.fact.as_ref()) },
    ]
}

fn end(observed: &Observed, vm: VmId, incarnation: u64, (guards, reason): (Vec<Guard>, Reason)) -> Step {
    let action = Action::StopGuest { vm, incarnation };
    Step { resource: Resource::Vm(vm), action, guards, not_after: observed.lease_until, reason }
}

#[cfg(test)]
mod tests;
