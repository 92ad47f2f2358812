//! What this node's worker must do about one task.
//!
//! | the task | what is done |
//! |---|---|
//! | is for another node that is there, or is a move and has not ended | nothing |
//! | is about storage, for a node that is gone, and this one holds the primary role | it is taken over, if it has not begun there, or what has cannot take effect any more |
//! | has no fact | it is claimed, if not too many are under way |
//! | runs, its stage has not ended here | the stage is performed; a stage may be repeated |
//! | is to remove or rename volumes, and a VM was given one meanwhile | it fails |
//! | runs, its stage moves much and has come further | that is recorded, about once a second |
//! | runs, its stage ended well | the next stage, or the end, is recorded |
//! | runs, its stage failed, or the storage was silent for too long | the failure is recorded: what it left is undone |
//! | ended long ago | it is deleted |
//!
//! The end is written together with the records of what the task was about: see [`crate::storage::end`].

use super::progress::tell;
use super::{Failed, Left, Part, Stage, Task, TaskFact, TaskState, Work};
use crate::cluster::{Cluster, TaskEntry};
use crate::id::{NodeName, TaskId, VmId};
use crate::limits::{STORAGE_PATIENCE, STORAGE_TASKS_AT_ONCE_MAX, TASK_KEPT, UPLOAD_PATIENCE};
use crate::node::{DaemonState, shown_daemon_state};
use crate::observed::{Observed, StageDone, Upload};
use crate::plan::{Action, Plan, Reason, Resource, Step};
use crate::record::{Expect, Guard, RecordId, Records, expect_of};
use crate::storage::accept::still_unused;
use crate::storage::benchmark::{self, BenchmarkPlan, Trial};
use crate::storage::change::Change;
use crate::storage::end::{End, Finished, ended, passed};
use crate::storage::osd::change::OsdChange;
use crate::storage::osd::end::{OsdsFinished, osds_ended};
use crate::storage::reason::StorageReason;
use crate::storage::record::Looked;
use crate::storage::work::StorageWork;
use crate::time::{Now, Span, WallTime};

/// Decides about all tasks.
pub fn decide_all(cluster: &Cluster, observed: &Observed, now: Now) -> Plan {
    let mut plan = Plan::default();
    let waiting = waiting(cluster, observed);
    for id in cluster.tasks.keys() {
        if !waiting.contains(id) {
            plan.append(decide(cluster, observed, *id, now));
        }
    }
    plan
}

/// The tasks about storage that wait until others have ended: the youngest, as far as there are too many.
fn waiting(cluster: &Cluster, observed: &Observed) -> Vec<TaskId> {
    let mut asked: Vec<(WallTime, TaskId)> = Vec::new();
    let mut running = 0;
    for (id, entry) in &cluster.tasks {
        let task = &entry.task.value;
        if task.run_on != observed.name || !takes_a_place(&task.work) {
            continue;
        }
        match entry.fact.as_ref().map(|fact| fact.value.state) {
            None => asked.push((task.asked, *id)),
            Some(TaskState::Running) => running += 1,
            Some(_) => {}
        }
    }
    asked.sort_unstable();
    let places = STORAGE_TASKS_AT_ONCE_MAX.saturating_sub(running);
    asked.into_iter().skip(places).map(|(_, id)| id).collect()
}

/// Whether a task is counted among those of which only some go on at once. An upload waits for its content, and the link
/// bounds how many there are.
fn takes_a_place(work: &Work) -> bool {
    use crate::storage::work::StorageWork::Upload;
    matches!(work, Work::Storage(storage) if !matches!(storage, Upload { .. }))
}

/// Decides about one task.
pub fn decide(cluster: &Cluster, observed: &Observed, id: TaskId, now: Now) -> Plan {
    let mut plan = Plan::default();
    let Some(entry) = cluster.tasks.get(&id) else { return plan };
    let task = &entry.task.value;
    let ended = entry.fact.as_ref().filter(|fact| fact.value.state != TaskState::Running);
    if task.run_on != observed.name {
        plan.steps.extend(take_over(cluster, observed, id));
        return plan;
    }
    if let Some(fact) = ended {
        let gone_at = fact.value.at.0.saturating_add(TASK_KEPT.0);
        if gone_at <= now.wall.0 {
            plan.steps.push(forget(entry, id));
        } else {
            plan.look_at(now.boot + Span(gone_at - now.wall.0));
        }
        return plan;
    }
    if matches!(task.work, Work::MoveVm { .. }) {
        return plan;
    }
    let desk = Desk { cluster, observed, entry, id, now };
    match entry.fact.as_ref().map(|fact| &fact.value) {
        None => plan.steps.push(desk.record(running(task, 0, now), Reason::TaskClaimed, Records::default())),
        Some(fact) => desk.go_on(fact, &mut plan),
    }
    plan
}

/// The task at a stage; at the end of its stages it has succeeded.
fn running(task: &Task, stage: u32, now: Now) -> TaskFact {
    let next = nth(task.work.forward(), stage);
    let state = if next.is_some() { TaskState::Running } else { TaskState::Success };
    let message = next.map_or_else(|| task.work.done(), |stage| stage.text);
    TaskFact { state, stage, message, at: now.wall, failed: None, progress: None }
}

fn nth(stages: Vec<Stage>, index: u32) -> Option<Stage> {
    usize::try_from(index).ok().and_then(|index| stages.into_iter().nth(index))
}

/// The stages that a task is at, and which of them is next.
fn course(task: &Task, fact: &TaskFact) -> (Vec<Stage>, u32) {
    match &fact.failed {
        None => (task.work.forward(), fact.stage),
        // The stage that failed was one of the others: those that undo come after it.
        Some(failed) => (task.work.back(failed), fact.stage.saturating_sub(failed.stage + 1)),
    }
}

/// One task that is this worker's.
struct Desk<'a> {
    cluster: &'a Cluster,
    observed: &'a Observed,
    entry: &'a TaskEntry,
    id: TaskId,
    now: Now,
}

impl Desk<'_> {
    fn go_on(&self, fact: &TaskFact, plan: &mut Plan) {
        let (stages, index) = course(&self.entry.task.value, fact);
        let count = u32::try_from(stages.len()).unwrap_or(u32::MAX);
        let (is_last, stage) = (index + 1 >= count, nth(stages, index));
        let Some(Stage { part, text }) = stage else {
            return plan.steps.push(self.end(fact, None));
        };
        let done = match &part {
            Part::Step(action) => match self.hindrance(action) {
                Some(why) => Some(StageDone::failed(fact.stage, why)),
                None => {
                    let performed = self.performed(fact, is_last || waits_to_hear(action));
                    performed.or_else(|| self.overtaken(fact).filter(|_| !is_last))
                }
            },
            Part::Trial(_) => match self.cancelled() {
                Some(why) => Some(StageDone::failed(fact.stage, why)),
                None => self.performed(fact, is_last),
            },
            Part::Down(vm) => self.down(*vm, fact, plan),
            Part::Content => self.brought(fact, plan),
        };
        if done.is_none() {
            plan.append(tell(self.entry, self.id, &text, self.observed, self.now));
        }
        plan.steps.extend(match (done, part) {
            (None, Part::Step(action)) => Some(self.perform(fact, action)),
            (None, Part::Trial(trial)) => self.run(fact, trial),
            (None, Part::Content | Part::Down(_)) => None,
            (Some(done), part) => Some(match done.failure {
                Some(why) => self.fail(fact, (why, done.left), is_last),
                None if is_last => self.end(fact, done.looked),
                None => self.next(fact, self.measured(&part, done.looked)),
            }),
        });
    }

    /// How the stage's step ended, if it has. A storage that is silent for too long has failed it, unless there is
    /// nothing to do but to look.
    fn performed(&self, fact: &TaskFact, is_look: bool) -> Option<StageDone> {
        if let Some(done) = self.observed.stages.get(&self.id).filter(|done| done.stage == fact.stage) {
            return Some(done.clone());
        }
        let is_over = self.now.wall.0 > fact.at.0.saturating_add(STORAGE_PATIENCE.0);
        let failure =
            self.observed.failures.get(&Resource::Task(self.id)).filter(|failure| !failure.overtaken);
        let work = &self.entry.task.value.work;
        // What others may have been given is looked after for as long as it takes; a benchmark's volume is nobody's.
        let may_be_left = fact.failed.is_none() || self.benchmark().is_some();
        let gives_up = is_over && !is_look && may_be_left;
        let why = failure.filter(|_| gives_up && matches!(work, Work::Storage(_) | Work::Osd(_)))?;
        Some(StageDone::failed(fact.stage, why.why.clone()))
    }

    /// Why a step about a VM's volumes cannot be made any more, because of what became of the VM meanwhile.
    fn hindrance(&self, action: &Action) -> Option<String> {
        let runs = |vm: &VmId| {
            let entry = self.cluster.vms.get(vm)?;
            let fact = &entry.fact.as_ref().filter(|fact| fact.value.runs())?.value;
            Some((&entry.vm.value.name, &fact.node))
        };
        match action {
            Action::FlushLocks { .. } => {
                let Work::Storage(StorageWork::FlushLocks { vm, .. }) = &self.entry.task.value.work else {
                    return None;
                };
                runs(vm).map(|(name, node)| {
                    format!("VM \"{name}\" was started on node \"{node}\" meanwhile: its locks are its own")
                })
            }
            Action::ResizeDisk { vm, volume, .. } => {
                runs(vm).filter(|(_, node)| **node != self.observed.name).map(|(name, node)| {
                    format!("VM \"{name}\" has moved to node \"{node}\" meanwhile; resize {volume} again")
                })
            }
            _ => None,
        }
    }

    /// A failure, where what the task is to take away has come into use since it was accepted.
    fn overtaken(&self, fact: &TaskFact) -> Option<StageDone> {
        let Work::Storage(work) = &self.entry.task.value.work else { return None };
        let refusal = still_unused(self.cluster, work).err().filter(|_| fact.failed.is_none())?;
        Some(StageDone::failed(fact.stage, refusal.to_string()))
    }

    /// What the task measures, if it is a benchmark.
    fn benchmark(&self) -> Option<&BenchmarkPlan> {
        match &self.entry.task.value.work {
            Work::Storage(StorageWork::Benchmark(plan)) => Some(plan),
            _ => None,
        }
    }

    /// Why a benchmark does not go on, where it was cancelled.
    fn cancelled(&self) -> Option<String> {
        self.benchmark()?.hindrance(self.cluster)
    }

    /// A trial of a benchmark. It takes longer than any lease: it has to begin within this one, and is ended with those
    /// that come after.
    fn run(&self, fact: &TaskFact, trial: Trial) -> Option<Step> {
        let exercise = self.benchmark()?.exercise(self.cluster, trial, self.observed.lease_until);
        let action = Action::Storage(Change::RunTrial(exercise));
        Some(Step { not_after: None, ..self.perform(fact, action) })
    }

    /// What is written of a trial that was made.
    fn measured(&self, part: &Part, looked: Option<Looked>) -> Records {
        let figures = looked.and_then(|looked| looked.measured);
        match (self.benchmark(), part, figures) {
            (Some(plan), Part::Trial(trial), Some(figures)) => {
                benchmark::passed(self.cluster, plan, (*trial, &figures), &self.observed.name)
            }
            _ => Records::default(),
        }
    }

    /// Whether a VM's node has said that its guest is down; a failure if it does not for too long.
    fn down(&self, vm: VmId, fact: &TaskFact, plan: &mut Plan) -> Option<StageDone> {
        let entry = self.cluster.vms.get(&vm);
        let running = entry.and_then(|entry| entry.fact.as_ref()).filter(|fact| fact.value.runs());
        let given_up_at = fact.at.0.saturating_add(STORAGE_PATIENCE.0);
        let failure = match running {
            None => None,
            Some(_) if self.now.wall.0 < given_up_at => {
                plan.look_at(self.now.boot + Span(given_up_at - self.now.wall.0));
                return None;
            }
            Some(running) => Some(format!(
                "its guest is not down, or its node \"{}\" does not say so; see that node, and remove the VM again",
                running.value.node
            )),
        };
        Some(StageDone { stage: fact.stage, failure, left: Left::Own, looked: None })
    }

    /// How the content that is brought has fared, if that is known.
    fn brought(&self, fact: &TaskFact, plan: &mut Plan) -> Option<StageDone> {
        let failure = match self.observed.uploads.get(&self.id) {
            Some(Upload::UnderWay) => return None,
            Some(Upload::Landed) => None,
            Some(Upload::Failed { why }) => Some(why.clone()),
            None => {
                let given_up_at = fact.at.0.saturating_add(UPLOAD_PATIENCE.0);
                let left = given_up_at.saturating_sub(self.now.wall.0);
                // Much more than there was in all: the clock was set back, and says nothing.
                if (1..=2 * UPLOAD_PATIENCE.0).contains(&left) {
                    plan.look_at(self.now.boot + Span(left));
                    return None;
                }
                Some("nothing is brought any more; begin the upload again".into())
            }
        };
        Some(StageDone { stage: fact.stage, failure, left: Left::Own, looked: None })
    }

    fn perform(&self, fact: &TaskFact, action: Action) -> Step {
        let mut guards = vec![
            Guard { record: RecordId::Task(self.id), expect: self.entry.task.expect() },
            Guard { record: RecordId::TaskFact(self.id), expect: expect_of(self.entry.fact.as_ref()) },
        ];
        // The locks of one that is started in between are its own.
        if let Work::Storage(StorageWork::FlushLocks { vm, .. }) = &self.entry.task.value.work {
            let fact = self.cluster.vms.get(vm).and_then(|entry| entry.fact.as_ref());
            guards.push(Guard { record: RecordId::VmFact(*vm), expect: expect_of(fact) });
        }
        // What another machine would do as well must have ended when others take this one for dead.
        let is_of_any_node = self.entry.task.value.work.is_of_any_node();
        let not_after = self.observed.lease_until.filter(|_| is_of_any_node);
        let reason = Reason::TaskStage { stage: fact.stage };
        Step { resource: Resource::Task(self.id), action, guards, not_after, reason }
    }

    /// The next stage of the same course, and what else is written of the one that has passed.
    fn next(&self, fact: &TaskFact, measured: Records) -> Step {
        let task = &self.entry.task.value;
        let stage = fact.stage + 1;
        let next = TaskFact { stage, progress: None, ..fact.clone() };
        let (stages, index) = course(task, &next);
        let message = nth(stages, index).map_or_else(|| task.work.done(), |stage| stage.text);
        let more = match (&task.work, &fact.failed) {
            (Work::Storage(work), None) => passed(self.cluster, work, fact.stage),
            _ => Records::default(),
        };
        self.record(
            TaskFact { message, at: self.now.wall, ..next },
            Reason::TaskStageDone,
            more.and(measured),
        )
    }

    /// A stage failed. What it left is undone and looked at, where the work has a way back.
    fn fail(&self, fact: &TaskFact, (why, left): (String, Left), is_last: bool) -> Step {
        let task = &self.entry.task.value;
        let (stage, at) = (fact.stage + 1, self.now.wall);
        match &fact.failed {
            None if is_last && task.work.looks() => self.end(fact, None),
            None => {
                let failed = Failed { stage: fact.stage, why, left };
                // What has no way back has ended, and lets go of what it held.
                let Some(first) = task.work.back(&failed).into_iter().next() else {
                    return self.end(&TaskFact { failed: Some(failed), ..fact.clone() }, None);
                };
                let (message, failed) = (first.text, Some(failed));
                let undone = TaskFact { stage, message, at, failed, progress: None, ..fact.clone() };
                self.record(undone, Reason::TaskStageFailed, Records::default())
            }
            Some(_) if is_last => self.end(fact, None),
            Some(failed) => {
                let why = format!("{}; what was begun could not be undone: {why}", failed.why);
                let failed = Some(Failed { why, ..failed.clone() });
                self.record(
                    TaskFact { stage, at, failed, ..fact.clone() },
                    Reason::TaskStageFailed,
                    Records::default(),
                )
            }
        }
    }

    /// All stages have ended.
    fn end(&self, fact: &TaskFact, looked: Option<Looked>) -> Step {
        let task = &self.entry.task.value;
        let End { failure, records } = match &task.work {
            Work::Storage(work) => ended(Finished {
                cluster: self.cluster,
                task: self.id,
                work,
                failed: fact.failed.as_ref(),
                looked: looked.as_ref(),
                now: self.now.wall,
            }),
            Work::Osd(work) => osds_ended(OsdsFinished {
                cluster: self.cluster,
                task: self.id,
                work,
                failed: fact.failed.as_ref(),
                looked: looked.as_ref().map(|looked| &looked.osds),
            }),
            _ => End { failure: fact.failed.as_ref().map(|failed| failed.why.clone()), ..End::default() },
        };
        let (state, reason) = match failure {
            None => (TaskState::Success, Reason::TaskDone),
            Some(_) => (TaskState::Failure, Reason::TaskFailed),
        };
        let stage = if failure.is_none() { task.work.total() } else { fact.stage };
        let message = failure.unwrap_or_else(|| task.work.done());
        let (at, failed) = (self.now.wall, fact.failed.clone());
        let over = TaskFact { state, stage, message, at, failed, progress: None };
        self.record(over, reason, records)
    }

    fn record(&self, fact: TaskFact, reason: Reason, more: Records) -> Step {
        let Self { entry, id, .. } = self;
        let records = more.guard(RecordId::Task(*id), entry.task.expect()).write(
            RecordId::TaskFact(*id),
            expect_of(entry.fact.as_ref()),
            fact.into(),
        );
        write(*id, records, reason)
    }
}

/// Whether a stage does nothing but wait for the storage's word on an OSD, which may have taken data meanwhile.
fn waits_to_hear(action: &Action) -> bool {
    matches!(action, Action::Osd(OsdChange::AwaitOsdUp { .. } | OsdChange::AwaitOsdSafe { .. }))
}

/// The primary's worker takes work about the storage from a node that is gone. It rests on the node's absence and on the
/// role's record, so that no two take it.
///
/// That a node is gone proves nothing about what its worker has begun: a call that is late would remove by its name what has
/// been renamed to it meanwhile. So what has begun is taken from a node only that was fenced, or that the operator has
/// removed; otherwise it waits for its node.
fn take_over(cluster: &Cluster, observed: &Observed, id: TaskId) -> Option<Step> {
    let entry = cluster.tasks.get(&id)?;
    let primary = cluster.primary.as_ref().filter(|primary| primary.value.node == observed.name)?;
    let from = &entry.task.value.run_on;
    let is_there = cluster.nodes.get(from).is_some_and(|node| node.presence.is_some());
    let has_begun = entry.fact.is_some();
    if is_there || !entry.is_inherited() || (has_begun && !is_over(cluster, from)) {
        return None;
    }
    let taken = Task { run_on: observed.name.clone(), ..entry.task.value.clone() };
    let records = Records::default()
        .guard(RecordId::Presence(from.clone()), Expect::Absent)
        .guard(RecordId::Primary, primary.expect())
        .write(RecordId::Task(id), entry.task.expect(), taken.into());
    Some(write(id, records, Reason::Storage(StorageReason::TaskTakenOver { from: from.clone() })))
}

/// Whether nothing that a node has begun can take effect any more: it was cut off, or the operator says that it is no more.
fn is_over(cluster: &Cluster, node: &NodeName) -> bool {
    cluster.nodes.get(node).is_none_or(|entry| match &entry.node {
        Some(_) => shown_daemon_state(entry) == DaemonState::Fenced,
        None => true,
    })
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
