//! How far the moves from this node are, told as tasks: about once a second, and beside the moves themselves, so that
//! no move waits for what is told of it.
//!
//! | the task | the move | what is told |
//! |---|---|---|
//! | runs | goes on | how much of the memory is there |
//! | runs | is over, and the VM is where it was to go | success |
//! | runs | is over, and the VM is not there | why it failed |

use super::{Course, Sending, Stage, leaving};
use crate::cluster::{Cluster, TaskEntry};
use crate::id::{NodeName, TaskId, VmId};
use crate::limits::PROGRESS_INTERVAL;
use crate::observed::Observed;
use crate::plan::{Action, MoveReason, Plan, Reason, Resource, Step};
use crate::record::{RecordId, Records, expect_of};
use crate::task::{TaskFact, TaskState, Work};
use crate::time::{Now, Span, WallTime};

/// Decides what is told of the moves from this node.
pub fn decide(cluster: &Cluster, observed: &Observed, now: Now) -> Plan {
    let mut plan = Plan::default();
    for (id, entry) in &cluster.tasks {
        let task = &entry.task.value;
        let (Work::MoveVm { vm, to }, true) = (&task.work, task.run_on == observed.name) else { continue };
        let Some(told) = entry.fact.as_ref().map(|fact| &fact.value) else { continue };
        if told.state != TaskState::Running {
            continue;
        }
        let sending = cluster.vms.get(vm).and_then(|entry| leaving(entry, &observed.name));
        match sending.filter(|sending| sending.task == *id) {
            None => plan.steps.push(ended(cluster, (*id, entry), (*vm, to), now)),
            Some(sending) => {
                let news = under_way(observed, *vm, sending, told, now);
                if news.stage == told.stage && news.message == told.message {
                    continue;
                }
                let again_at = WallTime(told.at.0.saturating_add(PROGRESS_INTERVAL.0));
                // A wall clock that was put back holds nothing up.
                if told.at <= now.wall && now.wall < again_at {
                    plan.look_at(now.boot + Span(again_at.0 - now.wall.0));
                    continue;
                }
                plan.steps.push(tell(*id, entry, news, MoveReason::Progress.into()));
            }
        }
    }
    plan
}

fn under_way(observed: &Observed, vm: VmId, sending: &Sending, told: &TaskFact, now: Now) -> TaskFact {
    let course = observed.moving.seen.get(&vm).and_then(|seen| seen.course.as_ref());
    let (percent, message) = match (sending.stage, course) {
        (Stage::Begun, Some(Course::UnderWay { total_mib, remaining_mib, .. })) if *total_mib > 0 => {
            let there = total_mib.saturating_sub(*remaining_mib);
            let percent = u32::try_from(there * 100 / total_mib).unwrap_or_default().min(99);
            (percent, format!("Sending the memory: {there} of {total_mib} MiB are there"))
        }
        // What is over in a moment is not worth a word.
        _ if now.boot < sending.since + PROGRESS_INTERVAL => (told.stage, told.message.clone()),
        (Stage::Begun | Stage::Offered, _) => (told.stage, told.message.clone()),
        (Stage::Stranded, _) => {
            let wait = "The switch broke off; waiting for node";
            (told.stage, format!("{wait} \"{}\" to say that it has nothing of the VM", sending.to))
        }
        (Stage::Vain, _) => (told.stage, "It writes faster than it can be sent; post-copy is next".into()),
        (Stage::Torn, _) => (
            told.stage,
            format!(
                "Post-copy broke off: half of it is on node \"{}\"; trying to join the halves",
                sending.to
            ),
        ),
        (Stage::Lost, _) => (
            told.stage,
            format!("Its memory is lost; waiting for node \"{}\" to have ended its half", sending.to),
        ),
        (Stage::Gone, _) => (told.stage, format!("Waiting for node \"{}\" to take the VM over", sending.to)),
    };
    TaskFact {
        state: TaskState::Running,
        stage: percent.max(told.stage),
        message,
        at: now.wall,
        failed: None,
        progress: None,
    }
}

fn ended(cluster: &Cluster, (id, task): (TaskId, &TaskEntry), (vm, to): (VmId, &NodeName), now: Now) -> Step {
    let stage = task.fact.as_ref().map_or(0, |fact| fact.value.stage);
    let entry = cluster.vms.get(&vm);
    let failed = |message: String| TaskFact {
        state: TaskState::Failure,
        stage,
        message,
        at: now.wall,
        failed: None,
        progress: None,
    };
    let told = match entry.map(|entry| (&entry.vm.value, entry.fact.as_ref())) {
        None => failed("The VM was removed".into()),
        Some((vm, _)) if vm.node == *to => TaskFact {
            state: TaskState::Success,
            stage: task.task.value.work.total(),
            message: task.task.value.work.done(),
            at: now.wall,
            failed: None,
            progress: None,
        },
        Some((_, fact)) => match fact.and_then(|fact| fact.value.failed_move.as_ref()) {
            Some(why) if why.to == *to => failed(format!("Node \"{to}\": {}", why.why)),
            _ => failed("The move was given up, or the guest ended".into()),
        },
    };
    let reason = if told.state == TaskState::Success { Reason::TaskDone } else { Reason::TaskFailed };
    tell(id, task, told, reason)
}

fn tell(id: TaskId, entry: &TaskEntry, fact: TaskFact, reason: Reason) -> Step {
    let records = Records::default().guard(RecordId::Task(id), entry.task.expect()).write(
        RecordId::TaskFact(id),
        expect_of(entry.fact.as_ref()),
        fact.into(),
    );
    let action = Action::Record(Box::new(records));
    Step { resource: Resource::Task(id), action, guards: Vec::new(), not_after: None, reason }
}

#[cfg(test)]
mod tests;
