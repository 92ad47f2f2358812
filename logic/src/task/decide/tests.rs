//! A task from claim to end, stage by stage.

use super::*;
use crate::observed::StageDone;
use crate::record::Record;
use crate::testing::{NOW, VM, at, cluster, hv1, observed};
use crate::time::{Span, WallTime};
use crate::vm::domain::disks::{Sharing, VolumeUse};

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
    TaskFact {
        state: TaskState::Running,
        stage: 0,
        message: String::new(),
        at: NOW.wall,
        failed: None,
        progress: None,
    }
}

#[test]
fn a_task_is_claimed_performed_and_ended() {
    let mut seen = observed(&[]);
    let claimed = ("Running 0 Attaching the device".to_owned(), "task-claimed");
    assert_eq!(decided(&with_task(None), &seen, NOW), Some(claimed));
    let began = with_task(Some(running()));
    assert_eq!(decided(&began, &seen, NOW), Some(("attach-device".into(), "task-stage")));
    seen.stages.insert(TASK, StageDone { stage: 0, failure: None, left: Left::Own, looked: None });
    assert_eq!(decided(&began, &seen, NOW), Some(("Success 1 The device is attached".into(), "task-done")));
    seen.stages.insert(TASK, StageDone::failed(0, "no such bus".into()));
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

mod storage {
    //! Tasks about the storage: their way back, their end, and who takes them over.

    use super::*;
    use crate::cluster::NodeEntry;
    use crate::id::NodeName;
    use crate::node::{Node, NodeStatus, Presence};
    use crate::observed::StepFailure;
    use crate::primary::Primary;
    use crate::storage::VolumePath;
    use crate::storage::record::{Looked, Shown, Volume, VolumeState};
    use crate::storage::work::StorageWork;
    use crate::testing::{BOOT, cluster_with_vm, fact};
    use crate::vm::{Phase, Power};

    fn path() -> VolumePath {
        "vms/web".parse().unwrap()
    }

    fn shown() -> Shown {
        Shown {
            size_bytes: 1 << 30,
            id: "1f".into(),
            object_size_bytes: 0,
            features: Vec::new(),
            clone_of: None,
            snapshots: Default::default(),
        }
    }

    /// The cluster with a volume that is being made by the task, whose fact is this one.
    fn making(fact: Option<TaskFact>) -> Cluster {
        let mut cluster = cluster();
        let volume = Volume {
            size_bytes: 1 << 30,
            state: VolumeState::Making,
            task: Some(TASK),
            created: NOW.wall,
            modified: NOW.wall,
            features: None,
            clone_of: None,
            snapshots: Default::default(),
        };
        cluster.volumes.insert(path(), at(volume).into());
        let work = Work::Storage(StorageWork::AddVolume { volume: path(), size_bytes: 1 << 30 });
        let task = Task { work, run_on: hv1(), asked: NOW.wall };
        cluster.tasks.insert(TASK, TaskEntry { task: at(task), fact: fact.map(at) }.into());
        cluster
    }

    /// What is done next: the step's name, or the fact that is written and how many records with it.
    fn next(fact: TaskFact, done: Option<StageDone>) -> String {
        let mut seen = observed(&[]);
        seen.stages.extend(done.map(|done| (TASK, done)));
        told(&making(Some(fact)), &seen)
    }

    fn told(cluster: &Cluster, seen: &Observed) -> String {
        let plan = decide(cluster, seen, TASK, NOW);
        let Some(step) = plan.steps.first() else { return String::new() };
        let Action::Record(records) = &step.action else { return step.action.name().into() };
        let fact = records.writes.iter().find_map(|write| match &write.value {
            Some(Record::TaskFact(fact)) => Some(fact.clone()),
            _ => None,
        });
        let volume = records.writes.iter().find(|write| write.record == RecordId::Volume(path()));
        let volume = volume.map(|write| match &write.value {
            Some(Record::Volume(volume)) => format!("{:?}", volume.state),
            _ => "gone".into(),
        });
        match fact {
            Some(fact) => format!("{:?} {} {volume:?}", fact.state, fact.stage),
            None => step.reason.name().into(),
        }
    }

    fn at_stage(stage: u32, failed: Option<u32>) -> TaskFact {
        let failed = failed.map(|stage| Failed { stage, why: "no room".into(), left: Left::Own });
        TaskFact { stage, failed, ..running() }
    }

    fn well(stage: u32) -> Option<StageDone> {
        Some(StageDone { stage, failure: None, left: Left::Own, looked: None })
    }

    fn badly(stage: u32) -> Option<StageDone> {
        Some(StageDone::failed(stage, "no room".into()))
    }

    fn saw(stage: u32, volume: Option<Shown>) -> Option<StageDone> {
        let volumes = volume.map(|shown| (path(), shown)).into_iter().collect();
        Some(StageDone {
            stage,
            failure: None,
            left: Left::Own,
            looked: Some(Looked { volumes, ..Looked::default() }),
        })
    }

    #[test]
    fn a_making_goes_stage_by_stage_and_ends_with_what_was_seen() {
        for (fact, done, expected) in [
            (at_stage(0, None), None, "expect-no-volume"),
            (at_stage(0, None), well(0), "Running 1 None"),
            (at_stage(1, None), well(0), "create-volume"),
            (at_stage(1, None), well(1), "Running 2 None"),
            (at_stage(2, None), None, "look-at-storage"),
            (at_stage(2, None), saw(2, Some(shown())), "Success 3 Some(\"Ready\")"),
            (at_stage(2, None), saw(2, None), "Failure 2 Some(\"gone\")"),
            (at_stage(2, None), badly(2), "Success 3 Some(\"Ready\")"),
        ] {
            assert_eq!(next(fact.clone(), done), expected, "{fact:?}");
        }
    }

    #[test]
    fn a_making_that_failed_is_undone_unless_what_is_there_was_there_before() {
        for (fact, done, expected) in [
            (at_stage(0, None), badly(0), "Running 1 None"),
            (at_stage(1, Some(0)), None, "look-at-storage"),
            (at_stage(1, Some(0)), saw(1, Some(shown())), "Failure 1 Some(\"gone\")"),
            (at_stage(1, None), badly(1), "Running 2 None"),
            (at_stage(2, Some(1)), None, "remove-volume"),
            (at_stage(2, Some(1)), well(2), "Running 3 None"),
            (at_stage(3, Some(1)), None, "look-at-storage"),
            (at_stage(3, Some(1)), saw(3, None), "Failure 3 Some(\"gone\")"),
            (
                at_stage(3, Some(1)),
                saw(3, Some(shown())),
                "Failure 3 Some(\"Broken { why: \\\"no room\\\" }\")",
            ),
            (at_stage(2, Some(1)), badly(2), "Running 3 None"),
        ] {
            assert_eq!(next(fact.clone(), done), expected, "{fact:?}");
        }
    }

    #[test]
    fn what_stood_in_the_way_of_a_making_is_not_undone_and_its_record_goes() {
        let refused = StageDone { left: Left::Strange, ..StageDone::failed(1, "it exists".into()) };
        assert_eq!(next(at_stage(1, None), Some(refused.clone())), "Running 2 None");
        let mut seen = observed(&[]);
        seen.stages.insert(TASK, refused);
        let step = decide(&making(Some(at_stage(1, None))), &seen, TASK, NOW).steps.remove(0);
        let Action::Record(records) = step.action else { panic!("{step:?}") };
        let written = records.writes.into_iter().find_map(|write| match write.value {
            Some(Record::TaskFact(fact)) => Some(fact),
            _ => None,
        });
        let fact = written.expect("the failure is written");
        assert_eq!(next(fact.clone(), None), "look-at-storage");
        assert_eq!(next(fact, saw(2, Some(shown()))), "Failure 2 Some(\"gone\")");
    }

    #[test]
    fn silence_fails_a_stage_only_after_the_patience_and_never_a_look() {
        let silent = |asked_ms: u64, fact: TaskFact| {
            let mut seen = observed(&[]);
            let failure = StepFailure {
                step: "create-volume",
                incarnation: 0,
                why: "it did not answer".into(),
                at: NOW.boot,
                in_a_row: 3,
                overtaken: false,
                silent: false,
            };
            seen.failures.insert(Resource::Task(TASK), failure);
            let at = WallTime(NOW.wall.0 - asked_ms);
            told(&making(Some(TaskFact { at, ..fact })), &seen)
        };
        assert_eq!(silent(STORAGE_PATIENCE.0, at_stage(1, None)), "create-volume");
        assert_eq!(silent(STORAGE_PATIENCE.0 + 1, at_stage(1, None)), "Running 2 None");
        assert_eq!(silent(STORAGE_PATIENCE.0 + 1, at_stage(2, None)), "look-at-storage");
        assert_eq!(silent(STORAGE_PATIENCE.0 + 1, at_stage(3, Some(1))), "look-at-storage");
    }

    #[test]
    fn the_primarys_worker_takes_over_from_a_node_that_is_gone_and_from_no_other() {
        let hv2: NodeName = "hv2".parse().unwrap();
        let seen = Observed { name: hv2.clone(), ..observed(&[]) };
        let mut cluster = making(None);
        let role = |node: NodeName| Some(at(Primary { node, term: 2, handover: None, former: None }));
        cluster.primary = role(hv1());
        assert_eq!(told(&cluster, &seen), "", "it does not hold the role");
        cluster.primary = role(hv2);
        assert_eq!(told(&cluster, &seen), "storage-task-taken-over");
        let step = decide(&cluster, &seen, TASK, NOW).steps.remove(0);
        let Action::Record(records) = step.action else { panic!("{step:?}") };
        let absent = Guard { record: RecordId::Presence(hv1()), expect: Expect::Absent };
        assert!(records.guards.contains(&absent), "{records:?}");
        let presence = Presence { boot: BOOT, restart_planned: None };
        cluster
            .nodes
            .insert(hv1(), NodeEntry { presence: Some(at(presence)), ..NodeEntry::default() }.into());
        assert_eq!(told(&cluster, &seen), "", "it is there");
    }

    #[test]
    fn what_has_begun_is_taken_over_only_from_a_node_that_was_fenced_or_removed() {
        let hv2: NodeName = "hv2".parse().unwrap();
        let seen = Observed { name: hv2.clone(), ..observed(&[]) };
        let mut cluster = making(Some(at_stage(1, None)));
        cluster.primary = Some(at(Primary { node: hv2, term: 2, handover: None, former: None }));
        let mut shown = |daemon: Option<DaemonState>| {
            let entry = daemon.map(|daemon| NodeEntry {
                node: Some(at(Node::default())),
                status: Some(at(NodeStatus { daemon, ..NodeStatus::default() })),
                ..NodeEntry::default()
            });
            cluster.nodes.insert(hv1(), entry.unwrap_or_default().into());
            told(&cluster, &seen)
        };
        for state in [DaemonState::Run, DaemonState::Stop, DaemonState::Shutdown] {
            assert_eq!(shown(Some(state)), "", "{state:?}: it may be late");
        }
        assert_eq!(shown(Some(DaemonState::Fenced)), "storage-task-taken-over");
        assert_eq!(shown(None), "storage-task-taken-over", "it was removed");
    }

    #[test]
    fn content_that_is_not_brought_is_waited_for_as_long_as_the_clock_can_tell() {
        let brought = |claimed: u64| {
            let mut cluster = making(Some(TaskFact { at: WallTime(claimed), ..at_stage(0, None) }));
            let format = crate::storage::Format::Raw;
            let work = Work::Storage(StorageWork::Upload { volume: path(), size_bytes: 1 << 20, format });
            let task = Task { work, run_on: hv1(), asked: NOW.wall };
            let entry = TaskEntry { task: at(task), ..(*cluster.tasks[&TASK]).clone() };
            cluster.tasks.insert(TASK, entry.into());
            told(&cluster, &observed(&[]))
        };
        assert_eq!(brought(NOW.wall.0), "", "it may still come");
        assert_ne!(brought(NOW.wall.0 - UPLOAD_PATIENCE.0), "");
        assert_ne!(brought(NOW.wall.0 + 10 * UPLOAD_PATIENCE.0), "", "the clock was set back");
    }

    #[test]
    fn four_go_on_at_once_and_the_others_wait_in_their_order() {
        let mut cluster = cluster();
        for number in 1..=7 {
            let volume: VolumePath = format!("vms/v{number}").parse().unwrap();
            let work = Work::Storage(StorageWork::ScanVolume { volume });
            let task = Task { work, run_on: hv1(), asked: WallTime(100 - u64::from(number)) };
            let fact = (number == 1).then(|| at(at_stage(0, None)));
            cluster.tasks.insert(TaskId(number), TaskEntry { task: at(task), fact }.into());
        }
        let plan = decide_all(&cluster, &observed(&[]), NOW);
        let resources: Vec<String> = plan.steps.iter().map(|step| step.resource.to_string()).collect();
        assert_eq!(resources, ["task:00000001", "task:00000005", "task:00000006", "task:00000007"]);
    }

    /// A VM whose guest is in this phase, and a task about its volumes at this stage.
    fn about_vm(work: StorageWork, phase: Phase, told: TaskFact) -> Cluster {
        let mut cluster = cluster_with_vm(Power::DisableNow, Some(fact(phase)));
        let task = Task { work: Work::Storage(work), run_on: hv1(), asked: NOW.wall };
        cluster.tasks.insert(TASK, TaskEntry { task: at(task), fact: Some(at(told)) }.into());
        cluster
    }

    fn removal() -> StorageWork {
        StorageWork::RemoveVm { vm: VM, name: "web1".parse().unwrap(), volumes: vec![path()] }
    }

    #[test]
    fn the_volumes_of_a_vm_are_removed_when_its_guest_is_down_and_not_before() {
        let seen = observed(&[]);
        for phase in [Phase::Running, Phase::Starting] {
            let cluster = about_vm(removal(), phase, at_stage(0, None));
            let plan = decide(&cluster, &seen, TASK, NOW);
            let given_up_at = NOW.boot + STORAGE_PATIENCE;
            assert_eq!((plan.steps.len(), plan.look_again), (0, Some(given_up_at)), "{phase:?}");
        }
        assert_eq!(told(&about_vm(removal(), Phase::Stopped, at_stage(0, None)), &seen), "Running 1 None");
        assert_eq!(told(&about_vm(removal(), Phase::Stopped, at_stage(1, None)), &seen), "remove-volume");
        let long_ago = TaskFact { at: WallTime(NOW.wall.0 - STORAGE_PATIENCE.0), ..at_stage(0, None) };
        let given_up = decided(&about_vm(removal(), Phase::Running, long_ago), &seen, NOW);
        assert_eq!(given_up, Some(("Running 1 Looking at what is there".into(), "task-stage-failed")));
        assert_eq!(
            told(&about_vm(removal(), Phase::Running, at_stage(1, Some(0))), &seen),
            "look-at-storage"
        );
    }

    #[test]
    fn the_locks_of_a_vm_that_was_started_meanwhile_are_its_own() {
        let work = StorageWork::FlushLocks { vm: VM, name: "web1".parse().unwrap(), volumes: vec![path()] };
        let seen = observed(&[]);
        for phase in [Phase::Running, Phase::Starting] {
            let decided = decide(&about_vm(work.clone(), phase, at_stage(0, None)), &seen, TASK, NOW);
            let Action::Record(records) = &decided.steps[0].action else { panic!("{decided:?}") };
            let Some(Record::TaskFact(fact)) = &records.writes[0].value else { panic!("{records:?}") };
            let why = &fact.failed.as_ref().expect("it failed").why;
            assert!(why.contains("was started on node \"hv1\" meanwhile"), "{why}");
        }
        let flush = decide(&about_vm(work, Phase::Stopped, at_stage(0, None)), &seen, TASK, NOW);
        assert_eq!(flush.steps[0].action.name(), "flush-locks");
        let guarded = flush.steps[0].guards.iter().any(|guard| guard.record == RecordId::VmFact(VM));
        assert!(guarded, "a start between the decision and the step makes the step stale");
    }

    #[test]
    fn what_a_vm_was_given_meanwhile_is_neither_removed_nor_renamed() {
        let pool = || "vms".parse().unwrap();
        let others = StorageWork::RemoveVolume { volume: "vms/other".parse().unwrap() };
        for (work, step) in [
            (StorageWork::RemoveVolume { volume: path() }, "remove-volume"),
            (StorageWork::RenameVolume { volume: path(), to: "new".parse().unwrap() }, "expect-no-volume"),
            (StorageWork::RemovePool { pool: pool(), volumes: vec![path()] }, "remove-volume"),
        ] {
            let mut cluster = about_vm(work, Phase::Stopped, at_stage(0, None));
            assert_eq!(told(&cluster, &observed(&[])), step, "nobody uses it");
            let mut entry = (**cluster.vms.get(&VM).unwrap()).clone();
            entry.vm.value.volumes =
                vec![VolumeUse { path: path(), dev: "sda".into(), sharing: Sharing::Alone }];
            cluster.vms.insert(VM, entry.into());
            let plan = decide(&cluster, &observed(&[]), TASK, NOW);
            let Action::Record(records) = &plan.steps[0].action else { panic!("{plan:?}") };
            let Some(Record::TaskFact(fact)) = &records.writes[0].value else { panic!("{records:?}") };
            let why = &fact.failed.as_ref().expect("it failed").why;
            assert!(why.contains("web1") && why.contains("meanwhile"), "{why}");
        }
        assert_eq!(
            told(&about_vm(others, Phase::Stopped, at_stage(0, None)), &observed(&[])),
            "remove-volume"
        );
    }

    #[test]
    fn a_disk_is_resized_by_the_node_that_its_guest_runs_on() {
        let work = StorageWork::ResizeVolume { volume: path(), size_bytes: 2 << 30, guest: Some(VM) };
        let cluster = about_vm(work, Phase::Running, at_stage(0, None));
        assert_eq!(told(&cluster, &observed(&[])), "resize-disk");
        let mut moved = cluster;
        let mut entry = (**moved.vms.get(&VM).unwrap()).clone();
        entry.fact.as_mut().unwrap().value.node = "hv2".parse().unwrap();
        moved.vms.insert(VM, entry.into());
        assert_eq!(told(&moved, &observed(&[])), "Running 1 None", "it has failed, and is looked at");
    }

    #[test]
    fn silence_does_not_end_the_wait_for_an_osd_that_may_have_taken_data() {
        use crate::storage::osd::work::{Care, OsdWork, Reach, Side};
        use crate::storage::osd::{OsdId, OsdUuid};
        let removal = OsdWork::Remove {
            node: hv1(),
            osd: OsdId(3),
            uuid: OsdUuid(uuid::Uuid::from_u128(1)),
            side: Side::In,
            care: Care::Safe,
            reach: Reach::There,
        };
        let silent = |stage: u32| {
            let long_ago =
                TaskFact { at: WallTime(NOW.wall.0 - STORAGE_PATIENCE.0 - 1), ..at_stage(stage, None) };
            let mut cluster = cluster();
            let task = Task { work: Work::Osd(removal.clone()), run_on: hv1(), asked: NOW.wall };
            cluster.tasks.insert(TASK, TaskEntry { task: at(task), fact: Some(at(long_ago)) }.into());
            let failure = StepFailure {
                step: "await-osd-safe",
                incarnation: 0,
                why: "it did not answer".into(),
                at: NOW.boot,
                in_a_row: 3,
                overtaken: false,
                silent: false,
            };
            let mut seen = observed(&[]);
            seen.failures.insert(Resource::Task(TASK), failure);
            told(&cluster, &seen)
        };
        assert_eq!(silent(0), "Running 1 None", "it is not put out");
        assert_eq!(silent(1), "await-osd-safe");
    }

    #[test]
    fn an_osd_that_could_not_be_put_in_is_let_go_with_the_tasks_failure() {
        use crate::storage::osd::record::{Osd, OsdState};
        use crate::storage::osd::work::OsdWork;
        use crate::storage::osd::{OsdId, OsdUuid};
        let osd = Osd {
            node: hv1(),
            device: "/dev/sdb".into(),
            db_device: None,
            uuid: OsdUuid(uuid::Uuid::from_u128(1)),
            is_split: false,
            volume: None,
            state: OsdState::Marking,
            task: Some(TASK),
        };
        let mut cluster = cluster();
        cluster.osds.insert(OsdId(3), at(osd).into());
        let task =
            Task { work: Work::Osd(OsdWork::MarkIn { osd: OsdId(3) }), run_on: hv1(), asked: NOW.wall };
        cluster.tasks.insert(TASK, TaskEntry { task: at(task), fact: Some(at(at_stage(0, None))) }.into());
        let mut seen = observed(&[]);
        seen.stages.extend(badly(0).map(|done| (TASK, done)));
        let step = decide(&cluster, &seen, TASK, NOW).steps.remove(0);
        let Action::Record(records) = step.action else { panic!("{step:?}") };
        let let_go = records.writes.iter().any(|write| {
            matches!(&write.value, Some(Record::Osd(osd)) if osd.task.is_none() && osd.state == OsdState::Ready)
        });
        assert!(let_go, "{records:?}");
        assert_eq!(told(&cluster, &seen), "Failure 0 None");
    }

    #[test]
    fn what_is_done_at_a_nodes_own_devices_is_done_by_no_other_node() {
        use crate::storage::osd::work::OsdWork;
        let hv2: NodeName = "hv2".parse().unwrap();
        let seen = Observed { name: hv2.clone(), ..observed(&[]) };
        for (work, taken) in [
            (OsdWork::AddDb { node: hv1(), device: "/dev/sdb".parse().unwrap() }, ""),
            (OsdWork::MarkOut { osd: crate::storage::osd::OsdId(3) }, "storage-task-taken-over"),
        ] {
            let mut cluster = cluster();
            cluster.primary = Some(at(Primary { node: hv2.clone(), term: 2, handover: None, former: None }));
            let task = Task { work: Work::Osd(work), run_on: hv1(), asked: NOW.wall };
            cluster.tasks.insert(TASK, TaskEntry { task: at(task), fact: None }.into());
            assert_eq!(told(&cluster, &seen), taken);
        }
    }
}

mod of_benchmarks {
    use super::*;
    use crate::plan::Step;
    use crate::storage::benchmark::{
        Benchmark, BenchmarkId, BenchmarkState, BenchmarkWish, TrialFigures, VOLUME, figures::IoFigures,
    };
    use crate::storage::record::Looked;
    use crate::time::BootTime;

    /// A benchmark at this stage, of which this is wished.
    fn at_stage(stage: u32, wish: BenchmarkWish) -> Cluster {
        let mut cluster = cluster();
        let volume = format!("vms/{VOLUME}").parse::<crate::storage::VolumePath>().unwrap();
        let benchmark = Benchmark {
            name: "first".parse().unwrap(),
            volume: volume.clone(),
            size_bytes: 64 << 30,
            task: TASK,
            asked: NOW.wall,
            state: BenchmarkState::Running,
            wish,
            results: Default::default(),
        };
        let plan = BenchmarkPlan {
            benchmark: BenchmarkId(1),
            name: benchmark.name.clone(),
            volume,
            size_bytes: 64 << 30,
        };
        cluster.benchmarks.insert(BenchmarkId(1), at(benchmark).into());
        let work = Work::Storage(StorageWork::Benchmark(plan));
        let task = Task { work, run_on: hv1(), asked: NOW.wall };
        let fact = Some(at(TaskFact { stage, ..running() }));
        cluster.tasks.insert(TASK, TaskEntry { task: at(task), fact }.into());
        cluster
    }

    fn step(cluster: &Cluster, seen: &Observed, now: Now) -> Step {
        decide(cluster, seen, TASK, now).steps.remove(0)
    }

    #[test]
    fn a_trial_begins_within_the_lease_and_may_outlive_it() {
        let seen = Observed { lease_until: Some(BootTime(123_456)), ..observed(&[]) };
        let first = step(&at_stage(2, BenchmarkWish::Made), &seen, NOW);
        let Action::Storage(Change::RunTrial(exercise)) = &first.action else { panic!("{first:?}") };
        assert_eq!((exercise.trial, exercise.begin_by), (Trial::SequentialWrite, seen.lease_until));
        assert_eq!(first.not_after, None);
        assert_eq!(exercise.region_bytes, 64 << 30);
        let made = step(&at_stage(1, BenchmarkWish::Made), &seen, NOW);
        assert_eq!((made.action.name(), made.not_after), ("create-plain-volume", seen.lease_until));
    }

    #[test]
    fn what_a_trial_has_measured_is_written_with_its_stage() {
        let mut seen = observed(&[]);
        let io = IoFigures { byte_count: 5 << 30, ..IoFigures::default() };
        let figures = TrialFigures { io, ..TrialFigures::default() };
        let looked = Some(Looked { measured: Some(Box::new(figures)), ..Looked::default() });
        seen.stages.insert(TASK, StageDone { stage: 2, failure: None, left: Left::Own, looked });
        let written = step(&at_stage(2, BenchmarkWish::Made), &seen, NOW);
        let Action::Record(records) = &written.action else { panic!("{written:?}") };
        let result = records.writes.iter().find_map(|write| match &write.value {
            Some(Record::Benchmark(benchmark)) => benchmark.results.get(&Trial::SequentialWrite).cloned(),
            _ => None,
        });
        assert_eq!(result.unwrap().figures.io.byte_count, 5 << 30);
        assert!(records.writes.iter().any(
            |write| matches!(&write.value, Some(Record::TaskFact(fact)) if fact.stage == 3 && fact.message.contains("seq_read"))
        ));
    }

    #[test]
    fn one_that_is_cancelled_goes_back_before_its_next_trial() {
        let seen = observed(&[]);
        let cancelled = at_stage(4, BenchmarkWish::Ended);
        assert_eq!(
            decided(&cancelled, &seen, NOW),
            Some(("Running 5 Undoing what was begun".to_owned(), "task-stage-failed"))
        );
        // While it clears up it is not asked again.
        let clearing = at_stage(10, BenchmarkWish::Ended);
        assert_eq!(decided(&clearing, &seen, NOW), Some(("clear-volume".to_owned(), "task-stage")));
    }

    #[test]
    fn a_volume_that_somebody_keeps_open_is_left_after_a_while() {
        let mut seen = observed(&[]);
        let failure = crate::observed::StepFailure {
            step: "clear-volume",
            incarnation: 0,
            why: "somebody has it open".into(),
            at: NOW.boot,
            in_a_row: 9,
            overtaken: false,
            silent: false,
        };
        seen.failures.insert(Resource::Task(TASK), failure);
        let mut cluster = at_stage(6, BenchmarkWish::Made);
        let mut entry = (**cluster.tasks.get(&TASK).unwrap()).clone();
        let failed = Some(Failed { stage: 5, why: "the lights went out".into(), left: Left::Own });
        entry.fact = Some(at(TaskFact { stage: 6, failed, ..running() }));
        cluster.tasks.insert(TASK, entry.into());
        assert_eq!(decided(&cluster, &seen, NOW).unwrap().0, "clear-volume");
        let later = Now { wall: WallTime(NOW.wall.0 + STORAGE_PATIENCE.0 + 1), ..NOW };
        let (what, reason) = decided(&cluster, &seen, later).unwrap();
        assert!(what.starts_with("Running 7"), "{what}");
        assert_eq!(reason, "task-stage-failed");
    }
}
