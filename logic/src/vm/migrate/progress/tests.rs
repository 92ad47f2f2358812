//! What is told of a move line by line: how far it is, in which words, how often, and how it ended.

use super::super::{FailedMove, Method, MoveId, Seen, Sighting, Standing};
use super::*;
use crate::node::place::tests::{add, name};
use crate::observed::Moving;
use crate::record::{Guard, Record};
use crate::task::Task;
use crate::testing::{NOW, VM, at, cluster_with_vm, fact, observed};
use crate::time::BootTime;
use crate::vm::{MigrationMethod, Phase, Power};

const TASK: TaskId = TaskId(7);
const LONG_AGO: BootTime = BootTime(NOW.boot.0 - 5_000);

fn word(stage: u32, message: &str) -> TaskFact {
    TaskFact {
        state: TaskState::Running,
        stage,
        message: message.into(),
        at: WallTime(NOW.wall.0 - 5_000),
        failed: None,
        progress: None,
    }
}

fn sending(stage: Stage, since: BootTime) -> Sending {
    Sending {
        id: MoveId { serial: 1, attempt: 1, incarnation: 1 },
        to: name("hv2"),
        home: None,
        away_since: 0,
        how: MigrationMethod::None,
        by: Method::PreCopy,
        stage,
        since,
        task: TASK,
    }
}

/// A VM of `hv1`, and the task of its move to `hv2` that was last told of like this.
fn cluster(sending: Option<Sending>, told: TaskFact) -> Cluster {
    let mut fact = fact(Phase::Running);
    fact.sending = sending;
    let mut cluster = cluster_with_vm(Power::Start, Some(fact));
    for node in ["hv1", "hv2", "hv3"] {
        add(&mut cluster, node, 0.0);
    }
    let work = Work::MoveVm { vm: VM, to: name("hv2") };
    let task = at(Task { work, run_on: name("hv1"), asked: NOW.wall });
    cluster.tasks.insert(TASK, TaskEntry { task, fact: Some(at(told)) }.into());
    cluster
}

fn change(cluster: &mut Cluster, change: impl FnOnce(&mut crate::cluster::VmEntry)) {
    let mut entry = (*cluster.vms[&VM]).clone();
    change(&mut entry);
    cluster.vms.insert(VM, entry.into());
}

fn sees(course: Option<Course>) -> Observed {
    let guest = Some(Sighting { incarnation: Some(1), standing: Standing::Leaving });
    let seen = Seen { under: None, guest, course };
    Observed { moving: Moving { seen: [(VM, seen)].into(), ..Moving::default() }, ..observed(&[]) }
}

fn sent(total_mib: u64, remaining_mib: u64) -> Option<Course> {
    Some(Course::UnderWay { total_mib, remaining_mib, pass: 1, throttle_percent: 0 })
}

/// What is told, and the name of the reason.
fn told(cluster: &Cluster, observed: &Observed) -> Option<(TaskFact, &'static str)> {
    let plan = decide(cluster, observed, NOW);
    assert!(plan.steps.len() <= 1, "{plan:?}");
    let step = plan.steps.into_iter().next()?;
    assert_eq!(step.resource, Resource::Task(TASK), "it stands in no move's way");
    let Action::Record(records) = step.action else { panic!("it writes") };
    let task = cluster.tasks[&TASK].task.expect();
    assert_eq!(records.guards, [Guard { record: RecordId::Task(TASK), expect: task }]);
    let [write] = &records.writes[..] else { panic!("{records:?}") };
    assert_eq!(write.expect, expect_of(cluster.tasks[&TASK].fact.as_ref()));
    let Some(Record::TaskFact(fact)) = write.value.clone() else { panic!("{write:?}") };
    Some((fact, step.reason.name()))
}

#[test]
fn how_far_a_move_is_is_told_in_percent_and_in_words() {
    use Stage::{Begun, Gone, Lost, Offered, Stranded, Torn, Vain};
    let kept = "Moving";
    for (stage, since, course, before, expected) in [
        (Begun, NOW.boot, sent(100, 40), 0, Some((60, "Sending the memory: 60 of 100 MiB are there"))),
        (Begun, NOW.boot, sent(300, 299), 0, Some((0, "Sending the memory: 1 of 300 MiB are there"))),
        // All of it there is not yet the VM there.
        (Begun, NOW.boot, sent(100, 0), 0, Some((99, "Sending the memory: 100 of 100 MiB are there"))),
        // What the guest wrote anew is sent again: that does not count back.
        (Begun, NOW.boot, sent(100, 90), 60, Some((60, "Sending the memory: 10 of 100 MiB are there"))),
        (Begun, NOW.boot, sent(100, 150), 60, Some((60, "Sending the memory: 0 of 100 MiB are there"))),
        (Begun, LONG_AGO, sent(0, 0), 3, None),
        (Begun, LONG_AGO, Some(Course::Unknown), 3, None),
        (Begun, LONG_AGO, None, 3, None),
        (Offered, LONG_AGO, None, 0, None),
        // What is over in a moment is not worth a word.
        (Gone, NOW.boot, None, 99, None),
        (Stranded, BootTime(NOW.boot.0 - 999), None, 99, None),
        (
            Gone,
            BootTime(NOW.boot.0 - 1_000),
            None,
            99,
            Some((99, "Waiting for node \"hv2\" to take the VM over")),
        ),
        (
            Stranded,
            LONG_AGO,
            None,
            80,
            Some((80, "The switch broke off; waiting for node \"hv2\" to say that it has nothing of the VM")),
        ),
        (Vain, LONG_AGO, None, 5, Some((5, "It writes faster than it can be sent; post-copy is next"))),
        (
            Torn,
            LONG_AGO,
            None,
            5,
            Some((5, "Post-copy broke off: half of it is on node \"hv2\"; trying to join the halves")),
        ),
        (
            Lost,
            LONG_AGO,
            None,
            5,
            Some((5, "Its memory is lost; waiting for node \"hv2\" to have ended its half")),
        ),
    ] {
        let cluster = cluster(Some(sending(stage, since)), word(before, kept));
        let expected = expected
            .map(|(percent, message)| (TaskFact { at: NOW.wall, ..word(percent, message) }, "move-progress"));
        assert_eq!(told(&cluster, &sees(course.clone())), expected, "{stage:?} {course:?}");
    }
}

#[test]
fn a_move_is_told_of_once_a_second_and_only_when_there_is_news() {
    let news = || sees(sent(100, 40));
    let begun = |told: TaskFact| cluster(Some(sending(Stage::Begun, NOW.boot)), told);
    for (ago, waits) in [(0, Some(1_000)), (400, Some(600)), (999, Some(1)), (1_000, None), (60_000, None)] {
        let cluster = begun(TaskFact { at: WallTime(NOW.wall.0 - ago), ..word(0, "") });
        let plan = decide(&cluster, &news(), NOW);
        assert_eq!(
            (plan.steps.len(), plan.look_again),
            (usize::from(waits.is_none()), waits.map(|span| NOW.boot + Span(span)),),
            "{ago} ms ago"
        );
    }
    // A wall clock that was put back holds nothing up.
    assert!(
        told(&begun(TaskFact { at: WallTime(NOW.wall.0 + 3_600_000), ..word(0, "") }), &news()).is_some()
    );
    let same = begun(word(60, "Sending the memory: 60 of 100 MiB are there"));
    let plan = decide(&same, &news(), NOW);
    assert_eq!((plan.steps.len(), plan.look_again), (0, None), "there is nothing new");
}

#[test]
fn the_end_of_a_move_is_told_with_where_the_vm_is_or_why_it_is_not_there() {
    let failed = |to: &str| FailedMove {
        serial: 1,
        attempts: 1,
        to: name(to),
        why: "the stream broke".into(),
        retry_at: NOW.boot,
        next: Method::PreCopy,
    };
    let over = || cluster(None, TaskFact { at: NOW.wall, ..word(60, "Sending the memory") });
    let mut arrived = over();
    change(&mut arrived, |entry| entry.vm.value.node = name("hv2"));
    let mut removed = over();
    removed.vms.remove(&VM);
    let mut broken = over();
    change(&mut broken, |entry| entry.fact.as_mut().unwrap().value.failed_move = Some(failed("hv2")));
    let mut before = over();
    change(&mut before, |entry| entry.fact.as_mut().unwrap().value.failed_move = Some(failed("hv3")));
    let mut silent = over();
    change(&mut silent, |entry| entry.fact = None);
    let again = Sending { task: TaskId(8), ..sending(Stage::Begun, NOW.boot) };
    let another = cluster(Some(again), word(60, "Sending the memory"));
    let given_up = "The move was given up, or the guest ended";
    for (cluster, state, percent, message) in [
        (arrived, TaskState::Success, 100, "The VM runs on node \"hv2\""),
        (removed, TaskState::Failure, 60, "The VM was removed"),
        (broken, TaskState::Failure, 60, "Node \"hv2\": the stream broke"),
        (before, TaskState::Failure, 60, given_up),
        (silent, TaskState::Failure, 60, given_up),
        (over(), TaskState::Failure, 60, given_up),
        (another, TaskState::Failure, 60, given_up),
    ] {
        let reason = if state == TaskState::Success { "task-done" } else { "task-failed" };
        let expected = TaskFact { state, at: NOW.wall, ..word(percent, message) };
        assert_eq!(told(&cluster, &sees(None)), Some((expected, reason)), "{message}");
    }
}

#[test]
fn nothing_is_told_of_what_is_anothers_or_not_begun_or_over() {
    let begun = || cluster(Some(sending(Stage::Begun, NOW.boot)), word(0, ""));
    let changed = |change: &dyn Fn(&mut TaskEntry)| {
        let mut cluster = begun();
        let mut entry = (*cluster.tasks[&TASK]).clone();
        change(&mut entry);
        cluster.tasks.insert(TASK, entry.into());
        told(&cluster, &sees(sent(100, 40)))
    };
    assert!(changed(&|_| {}).is_some());
    assert_eq!(changed(&|entry| entry.task.value.run_on = name("hv2")), None);
    assert_eq!(changed(&|entry| entry.fact = None), None);
    assert_eq!(changed(&|entry| entry.task.value.work = Work::DetachDevice { vm: VM, xml: "".into() }), None);
    for state in [TaskState::Success, TaskState::Failure] {
        assert_eq!(changed(&|entry| entry.fact.as_mut().unwrap().value.state = state), None);
    }
}
