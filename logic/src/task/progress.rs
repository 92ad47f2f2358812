//! How far a transfer is, told with its task: in percent, and about once a second at the most, whatever it moves meanwhile.
//!
//! It is told beside the step that moves, which it neither waits for nor holds up; and it leaves alone when the stage was
//! begun, so that a transfer that is begun again and again does not go on for ever.

use super::{Progress, TaskFact};
use crate::cluster::TaskEntry;
use crate::id::TaskId;
use crate::limits::PROGRESS_INTERVAL;
use crate::observed::{Moved, Observed};
use crate::plan::{Action, Plan, Reason, Resource, Step};
use crate::record::{RecordId, Records, expect_of};
use crate::time::{Now, Span, WallTime};

/// Tells how far the transfer of a task's stage is, if one is under way here and it has come further.
pub(super) fn tell(entry: &TaskEntry, id: TaskId, stage: &str, observed: &Observed, now: Now) -> Plan {
    let mut plan = Plan::default();
    let moved = observed.transfers.get(&Resource::Task(id));
    let (Some(moved), Some(known)) = (moved, entry.fact.as_ref()) else { return plan };
    let fact = &known.value;
    let told_at = fact.progress.map_or(fact.at, |progress| progress.at);
    let again_at = WallTime(told_at.0.saturating_add(PROGRESS_INTERVAL.0));
    // A wall clock that was put back holds nothing up.
    if told_at <= now.wall && now.wall < again_at {
        plan.look_at(now.boot + Span(again_at.0 - now.wall.0));
        return plan;
    }
    let percent = percent(*moved);
    if fact.progress.is_some_and(|progress| progress.percent == percent) {
        plan.look_at(now.boot + PROGRESS_INTERVAL);
        return plan;
    }
    let message = format!("{stage}: {} of {} MiB", moved.done_bytes >> 20, moved.total_bytes >> 20);
    let progress = Some(Progress { percent, at: now.wall });
    let further = TaskFact { message, progress, ..fact.clone() };
    let records = Records::default().guard(RecordId::Task(id), entry.task.expect()).write(
        RecordId::TaskFact(id),
        expect_of(entry.fact.as_ref()),
        further.into(),
    );
    plan.steps.push(Step {
        resource: Resource::Telling(id),
        action: Action::Record(Box::new(records)),
        guards: Vec::new(),
        not_after: None,
        reason: Reason::TaskProgress,
    });
    plan
}

fn percent(moved: Moved) -> u32 {
    let done = u128::from(moved.done_bytes.min(moved.total_bytes)) * 100;
    u32::try_from(done / u128::from(moved.total_bytes.max(1))).unwrap_or_default().min(99)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::VolumePath;
    use crate::storage::work::StorageWork;
    use crate::task::{Task, TaskState, Work};
    use crate::testing::{NOW, at, hv1, observed};

    const TASK: TaskId = TaskId(7);

    fn copying(progress: Option<Progress>) -> TaskEntry {
        let path = |name: &str| -> VolumePath { name.parse().unwrap() };
        let work = Work::Storage(StorageWork::CopyVolume { from: path("vms/a"), to: path("vms/b") });
        let task = Task { work, run_on: hv1(), asked: NOW.wall };
        let message = "Copying the volume".to_owned();
        let fact =
            TaskFact { state: TaskState::Running, stage: 1, message, at: NOW.wall, failed: None, progress };
        TaskEntry { task: at(task), fact: Some(at(fact)) }
    }

    /// What is told so many ms later, as percent and message.
    fn told(entry: &TaskEntry, done: u64, later_ms: u64) -> Option<(u32, String, (u32, u32))> {
        let mut seen = observed(&[]);
        let moved = Moved { done_bytes: done << 20, total_bytes: 2048 << 20 };
        seen.transfers.insert(Resource::Task(TASK), moved);
        let now = Now { wall: WallTime(NOW.wall.0 + later_ms), boot: NOW.boot + Span(later_ms) };
        let plan = tell(entry, TASK, "Copying the volume", &seen, now);
        assert!(plan.steps.len() == 1 || plan.look_again.is_some(), "nobody looks again");
        let step = plan.steps.into_iter().next()?;
        assert_eq!(step.resource, Resource::Telling(TASK), "it holds the transfer up");
        let Action::Record(records) = step.action else { panic!("it writes") };
        let Some(crate::record::Record::TaskFact(fact)) = records.writes[0].value.clone() else { panic!() };
        assert_eq!(fact.at, NOW.wall, "the stage was begun when it was begun");
        let course = fact.course(&entry.task.value.work);
        fact.progress.map(|progress| (progress.percent, fact.message, course))
    }

    #[test]
    fn a_transfer_is_told_of_in_percent_once_a_second_when_it_has_come_further() {
        let fresh = copying(None);
        assert_eq!(told(&fresh, 512, 500), None, "what is over in a moment is not worth a word");
        let message = "Copying the volume: 512 of 2048 MiB".to_owned();
        assert_eq!(told(&fresh, 512, 1000), Some((25, message, (25, 100))));
        let before = copying(Some(Progress { percent: 25, at: WallTime(NOW.wall.0 + 1000) }));
        assert_eq!(told(&before, 1024, 1900), None, "it was told just now");
        assert_eq!(told(&before, 520, 5000), None, "it has not come further");
        assert_eq!(told(&before, 1024, 2000).map(|told| told.0), Some(50));
        assert_eq!(told(&before, 2048, 2000).map(|told| told.0), Some(99), "it is whole when its stage ends");
        let ahead = copying(Some(Progress { percent: 25, at: WallTime(NOW.wall.0 + 1_000_000) }));
        assert_eq!(told(&ahead, 1024, 2000).map(|told| told.0), Some(50), "the clock was put back");
    }

    #[test]
    fn what_moves_nothing_here_is_not_told_of() {
        let plan = tell(&copying(None), TASK, "Copying the volume", &observed(&[]), NOW);
        assert_eq!((plan.steps.len(), plan.look_again), (0, None));
    }
}
