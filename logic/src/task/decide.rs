//! What this node's worker must do about one task.
//!
//! | the task | what is done |
//! |---|---|
//! | is for another node, or is a move and has not ended | nothing |
//! | has no fact | it is claimed |
//! | runs, its stage has not ended here | the stage is performed; a stage may be repeated |
//! | runs, its stage ended well | the next stage, or success, is recorded |
//! | runs, its stage failed | the failure is recorded |
//! | ended long ago | it is deleted |

use super::{Task, TaskFact, TaskState, Work};
use crate::cluster::{Cluster, TaskEntry};
use crate::id::TaskId;
use crate::limits::TASK_KEPT;
use crate::observed::Observed;
use crate::plan::{Action, Plan, Reason, Resource, Step};
use crate::record::{Guard, RecordId, Records, expect_of};
use crate::time::Now;

/// Decides about one task.
pub fn decide(cluster: &Cluster, observed: &Observed, id: TaskId, now: Now) -> Plan {
    let mut plan = Plan::default();
    let Some(entry) = cluster.tasks.get(&id).filter(|entry| entry.task.value.run_on == observed.name) else {
        return plan;
    };
    let task = &entry.task.value;
    let is_over = entry.fact.as_ref().is_some_and(|fact| fact.value.state != TaskState::Running);
    if matches!(task.work, Work::MoveVm { .. }) && !is_over {
        return plan;
    }
    let Some(fact) = entry.fact.as_ref().map(|fact| &fact.value) else {
        let claimed = running(task, 0, now);
        plan.steps.push(record(entry, id, claimed, Reason::TaskClaimed));
        return plan;
    };
    if fact.state != TaskState::Running {
        let gone_at = fact.at.0.saturating_add(TASK_KEPT.0);
        if gone_at <= now.wall.0 {
            plan.steps.push(forget(entry, id));
        } else {
            plan.look_at(now.boot + crate::time::Span(gone_at - now.wall.0));
        }
        return plan;
    }
    let ended = observed.stages.get(&id).filter(|done| done.stage == fact.stage);
    plan.steps.extend(match ended.map(|done| &done.failure) {
        None => perform(entry, id, fact),
        Some(Some(why)) => {
            let failed =
                TaskFact { state: TaskState::Failure, message: why.clone(), at: now.wall, ..fact.clone() };
            Some(record(entry, id, failed, Reason::TaskFailed))
        }
        Some(None) => Some(record(entry, id, running(task, fact.stage + 1, now), Reason::TaskDone)),
    });
    plan
}

/// The task at a stage; at the end of its stages it has succeeded.
fn running(task: &Task, stage: u32, now: Now) -> TaskFact {
    let stages = task.work.stages();
    let next = usize::try_from(stage).ok().and_then(|index| stages.get(index));
    let state = if next.is_some() { TaskState::Running } else { TaskState::Success };
    let message = next.map_or_else(|| task.work.done(), |stage| (*stage).to_owned());
    TaskFact { state, stage, message, at: now.wall }
}

fn perform(entry: &TaskEntry, id: TaskId, fact: &TaskFact) -> Option<Step> {
    let action = match entry.task.value.work.clone() {
        Work::AttachDevice { vm, xml } => Action::AttachDevice { vm, xml },
        Work::DetachDevice { vm, xml } => Action::DetachDevice { vm, xml },
        Work::MoveVm { .. } => return None,
    };
    let guards = vec![Guard { record: RecordId::TaskFact(id), expect: expect_of(entry.fact.as_ref()) }];
    let reason = Reason::TaskStage { stage: fact.stage };
    Some(Step { resource: Resource::Task(id), action, guards, not_after: None, reason })
}

fn record(entry: &TaskEntry, id: TaskId, fact: TaskFact, reason: Reason) -> Step {
    let records = Records::default().guard(RecordId::Task(id), entry.task.expect()).write(
        RecordId::TaskFact(id),
        expect_of(entry.fact.as_ref()),
        fact.into(),
    );
    write(id, records, reason)
}

fn forget(entry: &TaskEntry, id: TaskId) -> Step {
    let records = Records::default()
        .delete(RecordId::TaskFact(id), expect_of(entry.fact.as_ref()))
        .delete(RecordId::Task(id), entry.task.expect());
    write(id, records, Reason::TaskOld)
}

fn write(id: TaskId, records: Records, reason: Reason) -> Step {
    let action = Action::Record(Box::new(records));
    Step { resource: Resource::Task(id), action, guards: Vec::new(), not_after: None, reason }
}

#[cfg(test)]
mod tests;
