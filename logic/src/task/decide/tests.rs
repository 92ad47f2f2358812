//! A task from claim to end, stage by stage.

use super::*;
use crate::observed::StageDone;
use crate::record::Record;
use crate::testing::{NOW, VM, at, cluster, hv1, observed};
use crate::time::{Span, WallTime};

const TASK: TaskId = TaskId(7);

fn with_task(fact: Option<TaskFact>) -> Cluster {
    let mut cluster = cluster();
    let work = Work::AttachDevice { vm: VM, xml: "<disk/>".into() };
    let task = Task { work, run_on: hv1(), asked: NOW.wall };
    cluster.tasks.insert(TASK, TaskEntry { task: at(task), fact: fact.map(at) }.into());
    cluster
}

fn decided(cluster: &Cluster, seen: &Observed, now: Now) -> Option<(String, &'static str)> {
    let plan = decide(cluster, seen, TASK, now);
    plan.steps.first().map(|step| {
        let what = match &step.action {
            Action::Record(records) => match &records.writes[0].value {
                Some(Record::TaskFact(fact)) => format!("{:?} {} {}", fact.state, fact.stage, fact.message),
                _ => "delete".into(),
            },
            action => action.name().into(),
        };
        (what, step.reason.name())
    })
}

fn running() -> TaskFact {
    TaskFact { state: TaskState::Running, stage: 0, message: String::new(), at: NOW.wall, failed: None }
}

#[test]
fn a_task_is_claimed_performed_and_ended() {
    let mut seen = observed(&[]);
    let claimed = ("Running 0 Attaching the device".to_owned(), "task-claimed");
    assert_eq!(decided(&with_task(None), &seen, NOW), Some(claimed));
    let began = with_task(Some(running()));
    assert_eq!(decided(&began, &seen, NOW), Some(("attach-device".into(), "task-stage")));
    seen.stages.insert(TASK, StageDone { stage: 0, failure: None, looked: None });
    assert_eq!(decided(&began, &seen, NOW), Some(("Success 1 The device is attached".into(), "task-done")));
    seen.stages.insert(TASK, StageDone { stage: 0, failure: Some("no such bus".into()), looked: None });
    assert_eq!(decided(&began, &seen, NOW), Some(("Failure 0 no such bus".into(), "task-failed")));
}

#[test]
fn a_task_for_another_node_is_left_to_it() {
    let seen = Observed { name: "hv2".parse().unwrap(), ..observed(&[]) };
    assert_eq!(decided(&with_task(None), &seen, NOW), None);
}

#[test]
fn an_ended_task_is_kept_for_a_while_and_then_forgotten() {
    let ended = with_task(Some(TaskFact { state: TaskState::Success, ..running() }));
    let plan = decide(&ended, &observed(&[]), TASK, NOW);
    assert_eq!((plan.steps.len(), plan.look_again), (0, Some(NOW.boot + Span(TASK_KEPT.0))));
    let later = Now { wall: WallTime(NOW.wall.0 + TASK_KEPT.0), ..NOW };
    assert_eq!(decided(&ended, &observed(&[]), later), Some(("delete".into(), "task-old")));
}
