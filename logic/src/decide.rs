//! What each daemon decides in one pass: the decisions on its nouns, put together.

use crate::cluster::Cluster;
use crate::limits::{OSD_START_BACKOFF_MAX, STEP_BACKOFF_FIRST, STEP_BACKOFF_MAX};
use crate::observed::{Life, Observed, StepFailure};
use crate::plan::{Action, Plan};
use crate::storage::osd::change::OsdChange;
use crate::time::{BootTime, Now, Span};
use crate::{fence, network, node, primary, storage, task, vm};

/// One daemon's decisions.
pub type Decide = fn(&Cluster, &Observed, Now) -> Plan;

/// The node daemon: its node, every VM that its node owns, those that move to it, and guests that are stale.
pub fn noded(cluster: &Cluster, observed: &Observed, now: Now) -> Plan {
    let mut plan = node::decide::decide(cluster, observed, now);
    plan.append(primary::decide::decide(cluster, observed, now));
    // The role is let go of to the end; nothing else is begun once the node is about to say its last word.
    if node::stop::is_closing(cluster, observed, now) {
        return held_back(plan, observed, now);
    }
    for id in cluster.vms.keys() {
        if let Some(end) = vm::stale::decide(cluster, observed, *id) {
            plan.steps.push(end);
            continue;
        }
        match vm::migrate::decide(cluster, observed, *id, now) {
            Some(moving) => plan.append(moving),
            None => plan.append(vm::decide::decide(cluster, observed, *id, now)),
        }
    }
    plan.append(vm::stale::decide_of_removed(cluster, observed));
    plan.steps.extend(network::system::decide(&observed.networks).steps);
    plan.append(vm::volumes::secret::decide(cluster, observed, now));
    plan.append(vm::migrate::tell(cluster, observed, now));
    plan.append(node::drain::decide(cluster, observed, now));
    plan.append(storage::measure::decide(cluster, observed));
    plan.append(fence::decide::decide(cluster, observed, now));
    plan.append(storage::osd::revive::decide(cluster, observed));
    held_back(plan, observed, now)
}

/// The worker daemon: the tasks that are meant for its node.
pub fn workerd(cluster: &Cluster, observed: &Observed, now: Now) -> Plan {
    // A stage that has begun is ended; the next one is for whoever comes after.
    let mut plan = Plan { ends: observed.life == Life::Stopping, ..Plan::default() };
    if plan.ends {
        return plan;
    }
    plan.append(task::decide::decide_all(cluster, observed, now));
    plan.append(storage::sweep::decide(cluster, observed));
    held_back(plan, observed, now)
}

/// Leaves out steps that failed just now, and asks to be called again when their wait is over.
fn held_back(mut plan: Plan, observed: &Observed, now: Now) -> Plan {
    let mut waits = Vec::new();
    plan.steps.retain(|step| {
        let failure =
            observed.failures.get(&step.resource).filter(|failure| failure.step == step.action.name());
        let due = failure.map_or(now.boot, |failure| due_at(failure, longest_wait(&step.action)));
        waits.extend((due > now.boot).then_some(due));
        due <= now.boot
    });
    for due in waits {
        plan.look_at(due);
    }
    plan
}

fn due_at(failure: &StepFailure, longest: Span) -> BootTime {
    let doubled = STEP_BACKOFF_FIRST.0 << failure.in_a_row.saturating_sub(1).min(16);
    failure.at + Span(doubled.min(longest.0))
}

/// Before a step that keeps failing is performed again.
fn longest_wait(action: &Action) -> Span {
    match action {
        Action::Osd(OsdChange::ReviveOsd { .. }) => OSD_START_BACKOFF_MAX,
        _ => STEP_BACKOFF_MAX,
    }
}

#[cfg(test)]
mod tests;
