//! What the records become at the end, by what was seen.

use super::*;
use crate::id::VolumeName;
use crate::record::Record;
use crate::storage::work::StorageWork;
use crate::testing::{NOW, at, cluster};

const TASK: TaskId = TaskId(7);

fn path(text: &str) -> VolumePath {
    text.parse().unwrap()
}

fn shown(snapshots: &[&str]) -> Shown {
    Shown {
        size_bytes: 2 << 30,
        id: "1f".into(),
        object_size_bytes: 4 << 20,
        features: vec!["layering".into()],
        clone_of: None,
        snapshots: snapshots.iter().map(|name| (name.parse().unwrap(), 1 << 30)).collect(),
    }
}

fn volume(state: VolumeState, task: Option<TaskId>) -> Volume {
    let taken = Snapshot { size_bytes: 1 << 30, taken: Some(WallTime(5)) };
    Volume {
        size_bytes: 1 << 30,
        state,
        task,
        created: WallTime(1),
        modified: WallTime(2),
        features: None,
        clone_of: None,
        snapshots: [("old".parse().unwrap(), taken)].into(),
    }
}

/// The end of a task, with these volumes in the records and these at the storage: `None` where the look was refused.
fn end(
    work: &StorageWork,
    recorded: Vec<(&str, Volume)>,
    failed: Option<u32>,
    there: Option<Vec<(&str, Shown)>>,
) -> (Option<String>, Vec<(String, Option<Volume>)>) {
    let mut cluster = cluster();
    for (name, volume) in recorded {
        cluster.volumes.insert(path(name), at(volume).into());
    }
    let failed = failed.map(|stage| Failed { stage, why: "it had a bad day".into(), left: Left::Own });
    let looked = there.map(|there| Looked {
        volumes: there.into_iter().map(|(name, shown)| (path(name), shown)).collect(),
        ..Looked::default()
    });
    let (failed, looked) = (failed.as_ref(), looked.as_ref());
    let finished = Finished { cluster: &cluster, task: TASK, work, failed, looked, now: NOW.wall };
    let End { failure, records } = ended(finished);
    let written = records.writes.into_iter().map(|write| {
        let volume = write.value.map(|value| match value {
            Record::Volume(volume) => volume,
            other => panic!("{other:?}"),
        });
        let RecordId::Volume(path) = write.record else { panic!("{:?}", write.record) };
        (path.to_string(), volume)
    });
    (failure, written.collect())
}

#[test]
fn a_removal_that_failed_half_way_tells_which_snapshots_are_left() {
    let work = StorageWork::RemoveVolume { volume: path("vms/web") };
    let recorded = || vec![("vms/web", volume(VolumeState::Removing, Some(TASK)))];
    let (failure, written) = end(&work, recorded(), Some(0), Some(vec![("vms/web", shown(&[]))]));
    let left = written[0].1.clone().unwrap();
    assert_eq!(
        (failure.as_deref(), &left.state, left.task),
        (Some("it had a bad day"), &VolumeState::Ready, None)
    );
    assert!(left.snapshots.is_empty());
    assert_eq!(end(&work, recorded(), None, Some(vec![])), (None, vec![("vms/web".into(), None)]));
    let (failure, written) = end(&work, recorded(), None, Some(vec![("vms/web", shown(&[]))]));
    assert!(failure.is_some() && written[0].1.is_some(), "it is there again");
}

#[test]
fn a_renamed_volume_has_the_name_that_is_there_and_its_clones_follow() {
    let to: VolumeName = "shop".parse().unwrap();
    let work = StorageWork::RenameVolume { volume: path("vms/web"), to };
    let clone = Volume { clone_of: Some("vms/web@old".parse().unwrap()), ..volume(VolumeState::Ready, None) };
    let recorded = || {
        let awaited = VolumeState::Awaited { from: "web".parse().unwrap() };
        vec![
            ("vms/web", volume(VolumeState::Renaming { to: "shop".parse().unwrap() }, Some(TASK))),
            ("vms/shop", volume(awaited, Some(TASK))),
            ("vms/clone", clone.clone()),
        ]
    };
    for failed in [None, Some(1)] {
        let (failure, written) = end(&work, recorded(), failed, Some(vec![("vms/shop", shown(&["old"]))]));
        assert_eq!(failure, None, "what took effect has succeeded, whoever was told so");
        assert_eq!((written[0].0.as_str(), written[1].clone()), ("vms/shop", ("vms/web".into(), None)));
        let shop = written[0].1.clone().unwrap();
        assert_eq!((shop.created, shop.state, shop.task), (WallTime(1), VolumeState::Ready, None));
        let old = shop.snapshots.values().next().unwrap();
        assert_eq!(old.taken, Some(WallTime(5)), "it knows when its snapshot was taken");
        let follows = written[2].1.clone().unwrap().clone_of.unwrap();
        assert_eq!((written[2].0.as_str(), follows.to_string()), ("vms/clone", "vms/shop@old".into()));
    }
    let (failure, written) = end(&work, recorded(), Some(1), Some(vec![("vms/web", shown(&["old"]))]));
    assert_eq!(failure.as_deref(), Some("it had a bad day"));
    assert_eq!((written[0].0.as_str(), written[1].clone()), ("vms/web", ("vms/shop".into(), None)));
    assert_eq!(written.len(), 2, "its clones stay as they are");
    let (failure, written) = end(&work, recorded(), Some(1), None);
    assert_eq!(failure.as_deref(), Some("it had a bad day"));
    assert_eq!([written[0].0.as_str(), written[1].0.as_str()], ["vms/web", "vms/shop"]);
    for (name, written) in written {
        let state = written.unwrap().state;
        assert!(
            matches!(state, VolumeState::Broken { .. }),
            "which name it has is not known: {name} is {state:?}"
        );
    }
}

/// Somebody may have made another volume of the old name at the storage, or of the new one, while the task was under way.
#[test]
fn of_two_volumes_with_both_names_the_renamed_one_is_the_one_that_the_storage_calls_as_before() {
    let work = StorageWork::RenameVolume { volume: path("vms/web"), to: "shop".parse().unwrap() };
    let stranger = || Shown { id: "2a".into(), ..shown(&[]) };
    let ending = |id: &str, failed, there| {
        let features = VolumeFeatures { id: id.into(), ..VolumeFeatures::default() };
        let renaming = VolumeState::Renaming { to: "shop".parse().unwrap() };
        let web = Volume { features: Some(features), ..volume(renaming, Some(TASK)) };
        let shop = volume(VolumeState::Awaited { from: "web".parse().unwrap() }, Some(TASK));
        let (failure, written) = end(&work, vec![("vms/web", web), ("vms/shop", shop)], failed, Some(there));
        let kept = written[0].1.as_ref().unwrap();
        let features = kept.features.as_ref().unwrap();
        assert_eq!((&kept.state, written[1].1.as_ref()), (&VolumeState::Ready, None));
        (failure.is_some(), written[0].0.clone(), features.id.clone())
    };
    let moved = || vec![("vms/web", stranger()), ("vms/shop", shown(&["old"]))];
    let stayed = || vec![("vms/web", shown(&["old"])), ("vms/shop", stranger())];
    for failed in [None, Some(1)] {
        assert_eq!(ending("1f", failed, moved()), (false, "vms/shop".into(), "1f".into()));
        assert_eq!(ending("1f", failed, stayed()), (true, "vms/web".into(), "1f".into()));
    }
    // A storage without names of its own: what was done is believed.
    assert_eq!(ending("", None, moved()), (false, "vms/shop".into(), "1f".into()));
    assert_eq!(ending("", Some(1), stayed()), (true, "vms/web".into(), "1f".into()));
}

#[test]
fn a_scan_mends_what_is_broken_and_forgets_what_is_gone() {
    let work = StorageWork::ScanVolume { volume: path("vms/web") };
    let recorded = || vec![("vms/web", volume(VolumeState::Scanning, Some(TASK)))];
    let (failure, written) = end(&work, recorded(), None, Some(vec![("vms/web", shown(&["old", "new"]))]));
    let scanned = written[0].1.clone().unwrap();
    assert_eq!((failure, scanned.size_bytes, scanned.snapshots.len()), (None, 2 << 30, 2));
    assert_eq!((scanned.state, scanned.modified), (VolumeState::Ready, WallTime(2)));
    let (failure, written) = end(&work, recorded(), None, Some(vec![]));
    assert!(failure.unwrap().contains("is forgotten"));
    assert_eq!(written, vec![("vms/web".into(), None)]);
}

#[test]
fn a_snapshot_is_recorded_with_its_time_and_a_renamed_one_keeps_it() {
    let work = StorageWork::AddSnapshot { snapshot: "vms/web@new".parse().unwrap() };
    let recorded = || vec![("vms/web", volume(VolumeState::Snapshotting, Some(TASK)))];
    let (_, written) = end(&work, recorded(), None, Some(vec![("vms/web", shown(&["old", "new"]))]));
    let times: Vec<_> = written[0].1.clone().unwrap().snapshots.into_values().map(|one| one.taken).collect();
    assert_eq!(times, [Some(NOW.wall), Some(WallTime(5))], "of new, and of old");
    let to = "older".parse().unwrap();
    let work = StorageWork::RenameSnapshot { snapshot: "vms/web@old".parse().unwrap(), to };
    let (_, written) = end(&work, recorded(), None, Some(vec![("vms/web", shown(&["older"]))]));
    let renamed = written[0].1.clone().unwrap().snapshots;
    assert_eq!(renamed.values().next().unwrap().taken, Some(WallTime(5)));
}

#[test]
fn what_another_task_has_is_not_written_and_a_refused_look_leaves_what_was_known() {
    let work = StorageWork::ScanVolume { volume: path("vms/web") };
    let others = vec![("vms/web", volume(VolumeState::Uploading, Some(TaskId(9))))];
    assert_eq!(end(&work, others, None, Some(vec![])), (None, vec![]));
    let recorded = vec![("vms/web", volume(VolumeState::Scanning, Some(TASK)))];
    let (failure, written) = end(&work, recorded, None, None);
    assert_eq!((failure, written[0].1.clone().unwrap().state), (None, VolumeState::Ready));
}

#[test]
fn a_pools_removal_forgets_each_volume_as_it_goes_and_keeps_the_others_when_it_fails() {
    let work = StorageWork::RemovePool {
        pool: "vms".parse().unwrap(),
        volumes: vec![path("vms/a"), path("vms/b"), path("vms/c")],
    };
    let mut records = cluster();
    records.volumes.insert(path("vms/b"), at(volume(VolumeState::Ready, None)).into());
    let passed_b = passed(&records, &work, 1);
    assert_eq!(passed_b.writes[0].record, RecordId::Volume(path("vms/b")));
    assert_eq!(passed(&records, &work, 3), Records::default(), "the pool itself goes with the end");
    let ready = |name| (name, volume(VolumeState::Ready, None));
    let there = vec![("vms/c", shown(&[]))];
    let (failure, written) = end(&work, vec![ready("vms/b"), ready("vms/c")], Some(1), Some(there));
    assert_eq!(failure.as_deref(), Some("it had a bad day"));
    assert_eq!(written[0], ("vms/b".into(), None), "it was gone after all");
    let kept = written[1].1.clone().unwrap();
    assert!(kept.snapshots.is_empty() && kept.state == VolumeState::Ready, "its snapshots are gone already");
}

mod of_a_vm {
    //! A VM that goes with its volumes: the volumes' records first, the VM's at the end, or not at all.

    use super::*;
    use crate::testing::{VM, cluster_with_vm, fact, written_vm};
    use crate::vm::{Phase, Power};

    fn work() -> StorageWork {
        let volumes = vec![path("vms/b"), path("vms/a")];
        StorageWork::RemoveVm { vm: VM, name: "web1".parse().unwrap(), volumes }
    }

    /// The cluster with the VM that this task removes, and these of its volumes.
    fn going(task: TaskId, volumes: &[&str]) -> Cluster {
        let mut cluster = cluster_with_vm(Power::DisableNow, Some(fact(Phase::Stopped)));
        let mut entry = (**cluster.vms.get(&VM).unwrap()).clone();
        entry.vm.value.removal = Some(task);
        cluster.vms.insert(VM, entry.into());
        for name in volumes {
            cluster.volumes.insert(path(name), at(volume(VolumeState::Removing, Some(TASK))).into());
        }
        cluster
    }

    fn ends(cluster: &Cluster, failed: Option<&str>, there: &[&str]) -> End {
        let failed = failed.map(|why| Failed { stage: 1, why: why.into(), left: Left::Own });
        let volumes = there.iter().map(|name| (path(name), shown(&[]))).collect();
        let looked = Looked { volumes, ..Looked::default() };
        let (failed, looked) = (failed.as_ref(), Some(&looked));
        ended(Finished { cluster, task: TASK, work: &work(), failed, looked, now: NOW.wall })
    }

    fn deletes(end: &End, record: &RecordId) -> bool {
        end.records.writes.iter().any(|write| write.record == *record && write.value.is_none())
    }

    #[test]
    fn each_volumes_record_goes_when_its_stage_has_passed_and_none_with_the_guests_end() {
        let cluster = going(TASK, &["vms/a", "vms/b"]);
        assert_eq!(passed(&cluster, &work(), 0), Records::default());
        for (stage, name) in [(1, "vms/b"), (2, "vms/a")] {
            let records = passed(&cluster, &work(), stage);
            let gone: Vec<_> =
                records.writes.iter().map(|write| (&write.record, write.value.is_none())).collect();
            assert_eq!(gone, [(&RecordId::Volume(path(name)), true)]);
        }
        assert_eq!(passed(&cluster, &work(), 3), Records::default());
    }

    #[test]
    fn the_vm_goes_when_all_of_its_volumes_are_gone() {
        let end = ends(&going(TASK, &[]), None, &[]);
        assert_eq!(end.failure, None);
        assert!(deletes(&end, &RecordId::Vm(VM)) && deletes(&end, &RecordId::VmFact(VM)));
        let name = RecordId::VmName("web1".parse().unwrap());
        assert!(deletes(&end, &name), "its name is free again");
        let anothers = ends(&going(TaskId(9), &[]), None, &[]);
        assert!(!deletes(&anothers, &RecordId::Vm(VM)), "another task removes it");
    }

    #[test]
    fn a_vm_of_which_a_volume_is_left_stays_and_tells_which() {
        let end = ends(&going(TASK, &["vms/a"]), Some("somebody has it open"), &["vms/a"]);
        let told = end.failure.clone().unwrap();
        assert!(told.contains("\"web1\" is stopped and not removed: somebody has it open"), "{told}");
        assert!(told.contains("Of its volumes vms/a is left"), "{told}");
        assert_eq!(written_vm(&end.records).removal, None);
        assert!(!deletes(&end, &RecordId::Vm(VM)) && !deletes(&end, &RecordId::Volume(path("vms/a"))));
        let again = ends(&going(TASK, &["vms/a"]), None, &["vms/a"]);
        assert!(again.failure.clone().unwrap().contains("is there again"), "{again:?}");
        assert!(!deletes(&again, &RecordId::Vm(VM)), "somebody made it anew");
        let none = ends(&going(TASK, &["vms/a"]), Some("its guest is not down"), &[]);
        assert!(none.failure.unwrap().contains("nothing is left"));
    }
}

#[test]
fn what_was_done_and_could_not_be_looked_at_is_recorded_as_it_was_done() {
    let snapshot =
        |name: &str| -> crate::storage::SnapshotPath { format!("vms/web@{name}").parse().unwrap() };
    let recorded = |state: VolumeState| vec![("vms/web", volume(state, Some(TASK)))];
    let ended = |work: StorageWork, state: VolumeState| {
        let (_, written) = end(&work, recorded(state), None, None);
        let known = written[0].1.clone().unwrap();
        assert_eq!((&known.state, known.task), (&VolumeState::Ready, None));
        (known.size_bytes >> 30, known.snapshots.keys().map(ToString::to_string).collect::<Vec<_>>())
    };
    let old = || vec!["old".to_owned()];
    let resize = || StorageWork::ResizeVolume { volume: path("vms/web"), size_bytes: 9 << 30, guest: None };
    let resizing = || VolumeState::Resizing { to_bytes: 9 << 30 };
    let before = ended(StorageWork::ScanVolume { volume: path("vms/web") }, VolumeState::Scanning);
    assert_eq!(before.1, old());
    assert_eq!(ended(resize(), resizing()), (9, old()));
    let (_, written) = end(&resize(), recorded(resizing()), Some(0), None);
    let VolumeState::Broken { why } = written[0].1.clone().unwrap().state else { panic!("{written:?}") };
    assert!(why.contains("a bad day") && why.contains("scan it"), "what it is like is not known: {why}");
    let taken = StorageWork::AddSnapshot { snapshot: snapshot("new") };
    assert_eq!(ended(taken, VolumeState::Snapshotting).1, ["new", "old"]);
    let renamed = StorageWork::RenameSnapshot { snapshot: snapshot("old"), to: "older".parse().unwrap() };
    assert_eq!(ended(renamed, VolumeState::Snapshotting).1, ["older"]);
    let removed = StorageWork::RemoveSnapshot { snapshot: snapshot("old") };
    assert!(ended(removed, VolumeState::Snapshotting).1.is_empty());
    let rolled = StorageWork::RollBack { snapshot: snapshot("old") };
    assert_eq!(ended(rolled, VolumeState::RollingBack), before);
}
