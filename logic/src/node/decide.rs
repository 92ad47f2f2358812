//! What this node must do about itself: be announced, be registered, send its keepalive.
//!
//! The heartbeat begins last, once the node is registered, and ends last: the final status says `stop`.

use super::stop::{self, Awaited};
use super::{DaemonState, NodeStatus, Presence, Stale};
use crate::cluster::{Cluster, NodeEntry};
use crate::fence::own;
use crate::id::VmId;
use crate::limits::STALE_AFTER;
use crate::observed::{Guests, Life, Observed};
use crate::plan::{Action, Plan, Reason, Resource, Step};
use crate::primary;
use crate::record::{Expect, Record, RecordId, Records, expect_of};
use crate::time::{BootTime, Now};

/// Decides about this node.
pub fn decide(cluster: &Cluster, observed: &Observed, now: Now) -> Plan {
    let mut plan = Plan::default();
    let vacant = NodeEntry::default();
    let entry = cluster.nodes.get(&observed.name).map_or(&vacant, AsRef::as_ref);
    if observed.life == Life::Going {
        plan.steps.extend(announce(observed).or_else(|| register(entry, observed)));
    }
    plan.append(keepalive((cluster, entry), observed, now));
    plan
}

/// The session's mark, once per session.
fn announce(observed: &Observed) -> Option<Step> {
    let presence = Presence { boot: observed.node.boot, restart_planned: None };
    if observed.announced.as_ref() == Some(&presence) {
        return None;
    }
    Some(step(Resource::Node, Action::Announce(Box::new(presence)), Reason::SessionBegan))
}

/// The registration, whenever it differs from what the machine is.
fn register(entry: &NodeEntry, observed: &Observed) -> Option<Step> {
    let current = entry.node.as_ref();
    let node = own::registration(current.map(|current| &current.value), observed);
    let reason = match current {
        Some(current) if current.value == node => return None,
        Some(current) if current.value.boot == observed.node.boot => Reason::NodeChanged,
        _ => Reason::NodeStarts,
    };
    let id = RecordId::Node(observed.name.clone());
    Some(record(Resource::Node, id, expect_of(current), node.into(), reason))
}

/// The status record: when it is due, and once more when the daemon's state changes.
fn keepalive((cluster, entry): (&Cluster, &NodeEntry), observed: &Observed, now: Now) -> Plan {
    let mut plan = Plan::default();
    let awaited = stop::awaited(cluster, observed, now);
    // A registration that is not up to date holds nothing up: a daemon that stops brings it up to date no more. What it
    // has of the primary role it lets go of all the same: with its end its presence is gone, and the role is taken.
    if entry.node.as_ref().is_none_or(|node| node.value.boot != observed.node.boot) {
        plan.ends = observed.life == Life::Stopping && awaited != Some(Awaited::Handover);
        return plan;
    }
    let daemon = state(entry, observed, awaited);
    let current = entry.status.as_ref();
    let said =
        current.filter(|status| status.value.boot == observed.node.boot).map(|status| status.value.daemon);
    let due_at = observed.keepalive_at.map_or(now.boot, |sent| sent + observed.timers.keepalive_interval);
    if observed.life == Life::Stopping && said == Some(DaemonState::Stop) {
        plan.ends = true;
        return plan;
    }
    if let Some(end) = stop::patience_ends(observed).filter(|end| *end > now.boot) {
        plan.look_at(end);
    }
    let changed = said != Some(daemon);
    if due_at > now.boot && !changed {
        plan.look_at(due_at);
        return plan;
    }
    let status = NodeStatus {
        daemon,
        sequence: observed.keepalives + 1,
        at: now.wall,
        at_boot: now.boot,
        boot: observed.node.boot,
        load: observed.gauged.load.load,
        cpu_percent: observed.gauged.cpu_percent,
        memory_used_mib: observed.gauged.load.memory_used_mib,
        memory_free_mib: observed.gauged.load.memory_free_mib,
        running: running(observed),
        foreign: observed.foreign(),
        hypervisor_fault: match &observed.guests {
            Guests::Seen(_) => None,
            Guests::Unknown { why } => Some(why.clone()),
        },
        interfaces: observed.gauged.interfaces.clone(),
        stale: stale(observed, now),
        network_faults: network_faults(cluster, observed, now),
        dead_links: crate::network::system::dead_links(&observed.networks),
        storage: own::word(cluster, observed),
    };
    let reason = match (observed.life, awaited) {
        (Life::Stopping, Some(what)) => Reason::StopAwaits { what },
        (Life::Stopping, None) => Reason::NodeStops,
        (Life::Going, _) => Reason::KeepaliveDue,
    };
    let id = RecordId::NodeStatus(observed.name.clone());
    plan.steps.push(record(Resource::Heartbeat, id, expect_of(current), status.into(), reason));
    plan
}

/// The daemon's word about itself: `init` until the first look at the guests; `shutdown` before `stop`, for as long as
/// something is waited for.
fn state(entry: &NodeEntry, observed: &Observed, awaited: Option<Awaited>) -> DaemonState {
    let said = entry.status.as_ref().filter(|status| status.value.boot == observed.node.boot);
    match (observed.life, said.map(|status| status.value.daemon)) {
        (Life::Stopping, Some(DaemonState::Stop)) => DaemonState::Stop,
        (Life::Stopping, Some(DaemonState::Shutdown)) if awaited.is_none() => DaemonState::Stop,
        (Life::Stopping, _) => DaemonState::Shutdown,
        (Life::Going, _) if observed.keepalives == 0 => DaemonState::Init,
        (Life::Going, _) => DaemonState::Run,
    }
}

/// The facts that are old. The keepalive waits for none of them.
fn stale(observed: &Observed, now: Now) -> Vec<Stale> {
    let old = |at: Option<BootTime>| at.is_none_or(|at| now.boot - at > STALE_AFTER);
    let guests = old(Some(observed.guests_at)).then_some(Stale::Guests);
    guests.into_iter().chain(old(observed.gauged.at).then_some(Stale::Machine)).collect()
}

/// What no step can mend, and the steps that failed.
fn network_faults(cluster: &Cluster, observed: &Observed, now: Now) -> Vec<String> {
    let failed = observed
        .failures
        .iter()
        .filter(|(resource, failure)| resource.is_of_networks() && !failure.overtaken);
    let mut faults = crate::network::system::decide(&observed.networks).troubles;
    faults.extend(primary::decide::troubles(cluster, observed, now));
    faults.extend(failed.map(|(_, failure)| failure.why.clone()));
    faults
}

fn running(observed: &Observed) -> Vec<VmId> {
    let Guests::Seen(guests) = &observed.guests else { return Vec::new() };
    guests.iter().filter(|(_, guest)| guest.incarnation.is_some()).map(|(vm, _)| *vm).collect()
}

fn record(resource: Resource, id: RecordId, expect: Expect, value: Record, reason: Reason) -> Step {
    step(resource, Action::Record(Box::new(Records::default().write(id, expect, value))), reason)
}

fn step(resource: Resource, action: Action, reason: Reason) -> Step {
    Step { resource, action, guards: Vec::new(), not_after: None, reason }
}

#[cfg(test)]
mod tests;
