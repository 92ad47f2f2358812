//! What is refused, and what a request that is accepted writes.

use super::*;
use crate::cluster::{NodeEntry, VmEntry};
use crate::id::SnapshotName;
use crate::node::{BootId, Presence};
use crate::primary::Primary;
use crate::record::Record;
use crate::storage::facts::{PoolFacts, StorageFacts};
use crate::storage::figures::PoolFigures;
use crate::storage::record::Snapshot;
use crate::storage::space::Insistence::{self, Careful, Forced};
use crate::storage::{Format, Replication, SnapshotPath, Tier};
use crate::testing::{NOW, VM, at, cluster_with_vm, fact, hv1};
use crate::vm::domain::disks::VolumeUse;
use crate::vm::{Phase, Power};

const GIB: u64 = 1 << 30;
const TASK: TaskId = TaskId(7);
const OTHER: TaskId = TaskId(9);

fn pool(state: PoolState) -> Pool {
    let replication = Replication { copies: 3, copies_min: 2 };
    Pool { replication, tier: Tier::Default, placement_groups: 64, state, task: None, bookings: 4 }
}

fn volume(state: VolumeState) -> Volume {
    let taken = Snapshot { size_bytes: GIB, taken: None };
    Volume {
        size_bytes: 2 * GIB,
        state,
        task: None,
        created: NOW.wall,
        modified: NOW.wall,
        features: None,
        clone_of: None,
        snapshots: [("before".parse().unwrap(), taken)].into(),
    }
}

fn path(text: &str) -> VolumePath {
    text.parse().unwrap()
}

/// A pool `vms` of 100 GiB, of which 20 are stored, with `web` of 2 GiB and its snapshot `before`; `fresh` without
/// snapshots; `clone`, which is one of `before`; `used`, which VM `web1` has; `busy`, and `broken`; a pool `full`, one that
/// is being removed, and one that is broken.
fn cluster() -> Cluster {
    let mut cluster = cluster_with_vm(Power::Start, Some(fact(Phase::Running)));
    let mut entry: VmEntry = (**cluster.vms.get(&VM).unwrap()).clone();
    entry.vm.value.volumes =
        vec![VolumeUse { path: path("vms/used"), dev: "vda".into(), sharing: Default::default() }];
    cluster.vms.insert(VM, entry.into());
    cluster.primary = Some(at(Primary { node: hv1(), term: 1, handover: None, former: None }));
    let mut figures = PoolFacts { at: NOW.wall, ..PoolFacts::default() };
    for (name, stored, free) in [("vms", 20, 80), ("full", 99, 1), ("going", 0, 9), ("bad", 0, 9)] {
        let name: PoolName = name.parse().unwrap();
        let sizes =
            PoolFigures { stored_bytes: stored * GIB, free_bytes: free * GIB, ..PoolFigures::empty(&name) };
        figures.pools.insert(name.clone(), sizes);
        cluster.pools.insert(name, at(pool(PoolState::Ready)).into());
    }
    cluster.pool_facts = Some(at(figures).into());
    cluster.storage_facts = Some(at(StorageFacts { at: NOW.wall, ..StorageFacts::default() }).into());
    let going = Pool { task: Some(OTHER), ..pool(PoolState::Removing) };
    cluster.pools.insert("going".parse().unwrap(), at(going).into());
    let bad = pool(PoolState::Broken { why: "the lights went out".into() });
    cluster.pools.insert("bad".parse().unwrap(), at(bad).into());
    let bare = Volume { snapshots: Default::default(), ..volume(VolumeState::Ready) };
    let clone = Volume { clone_of: Some("vms/web@before".parse().unwrap()), ..bare.clone() };
    let busy =
        Volume { task: Some(OTHER), state: VolumeState::Resizing { to_bytes: 3 * GIB }, ..bare.clone() };
    let broken = volume(VolumeState::Broken { why: "the lights went out".into() });
    for (name, volume) in [
        ("vms/web", volume(VolumeState::Ready)),
        ("vms/fresh", bare.clone()),
        ("vms/clone", clone),
        ("vms/used", bare.clone()),
        ("vms/busy", busy),
        ("vms/broken", broken),
        ("full/a", bare),
    ] {
        cluster.volumes.insert(path(name), at(volume).into());
    }
    cluster
}

fn on(cluster: &Cluster) -> Occasion<'_> {
    Occasion { cluster, task: TASK, now: NOW.wall }
}

fn refusal(accepted: Accepted) -> String {
    accepted.unwrap_err().to_string()
}

#[test]
fn a_pool_that_cannot_be_is_refused() {
    let cluster = cluster();
    let add = |name: &str, copies, copies_min, groups| {
        let replication = Replication { copies, copies_min };
        refusal(add_pool(on(&cluster), &name.parse().unwrap(), replication, Tier::Ssd, groups))
    };
    for (refused, part) in [
        (add("vms", 3, 2, 64), "A pool named \"vms\" exists already"),
        (add("going", 3, 2, 64), "being removed by task 00000009"),
        (add("new", 3, 4, 64), "3 copies, 4 of them needed"),
        (add("new", 3, 0, 64), "3 copies, 0 of them needed"),
        (add("new", 200, 2, 64), "200 copies"),
        (add("new", 3, 2, 0), "0 placement groups cannot be"),
        (add("new", 3, 2, 1 << 20), "1048576 placement groups cannot be"),
    ] {
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn a_pool_is_not_removed_or_changed_while_something_in_it_is_needed() {
    let mut cluster = cluster();
    let name = |name: &str| -> PoolName { name.parse().unwrap() };
    let groups = |pool, count| refusal(set_placement_groups(on(&cluster), &name(pool), count));
    assert!(groups("none", 64).contains("No pool named \"none\" is present"));
    assert!(groups("vms", 0).contains("0 placement groups"));
    assert!(groups("bad", 64).contains("the lights went out"));
    assert!(groups("going", 64).contains("being removed by task 00000009"));
    let remove = |cluster: &Cluster, pool| refusal(remove_pool(on(cluster), &name(pool)));
    assert!(remove(&cluster, "none").contains("No pool named"));
    assert!(remove(&cluster, "going").contains("task 00000009"));
    assert!(remove(&cluster, "vms").contains("\"vms/busy\" is being resized by task 00000009"));
    cluster.volumes.remove(&path("vms/busy"));
    assert!(remove(&cluster, "vms").contains("\"vms/used\" is used by VM \"web1\""));
    let clone = Volume { clone_of: Some("full/a@before".parse().unwrap()), ..volume(VolumeState::Ready) };
    cluster.volumes.insert(path("vms/elsewhere"), at(clone).into());
    assert!(remove(&cluster, "full").contains("vms/elsewhere"));
}

#[test]
fn a_pool_is_removed_with_its_volumes_clones_first_and_broken_ones_too() {
    let mut cluster = cluster();
    for gone in ["vms/busy", "vms/used"] {
        cluster.volumes.remove(&path(gone));
    }
    let (task, records) = remove_pool(on(&cluster), &"vms".parse().unwrap()).unwrap();
    let Work::Storage(StorageWork::RemovePool { volumes, .. }) = task.work else { panic!("{task:?}") };
    let order: Vec<String> = volumes.iter().map(ToString::to_string).collect();
    assert_eq!(order, ["vms/broken", "vms/clone", "vms/fresh", "vms/web"]);
    assert_eq!(records.guards.len(), 4, "nobody changes any of them meanwhile");
    assert!(remove_pool(on(&cluster), &"bad".parse().unwrap()).is_ok());
}

#[test]
fn a_volume_that_cannot_be_is_refused() {
    let cluster = cluster();
    let add = |name: &str, size_bytes, insistence: Insistence| {
        refusal(add_volume(on(&cluster), &path(name), size_bytes, insistence))
    };
    for (refused, part) in [
        (add("none/a", GIB, Careful), "No pool named \"none\""),
        (add("going/a", GIB, Careful), "Pool \"going\" is being removed by task 00000009"),
        (add("bad/a", GIB, Careful), "the lights went out"),
        (add("vms/web", GIB, Careful), "A volume named \"web\" exists already in pool \"vms\""),
        (add("vms/busy", GIB, Careful), "being resized by task 00000009"),
        (add("vms/new", 0, Careful), "The size is zero"),
        (add("vms/new", u64::MAX, Forced), "more than any volume can have"),
        (add("vms/new", 79 * GIB, Forced), "promised to volumes that are being made"),
        (add("vms/new", 80 * GIB, Forced), "80G free"),
        (add("vms/new", 60 * GIB, Careful), "beyond 80 %"),
        (add("full/new", GIB, Forced), "1024M free"),
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(add_volume(on(&cluster), &path("vms/new"), 59 * GIB, Careful).is_ok());
    assert!(add_volume(on(&cluster), &path("vms/new"), 60 * GIB, Forced).is_ok());
    assert_eq!(
        "x".repeat(64).parse::<crate::id::VolumeName>().unwrap_err().why,
        "it is longer than 63 characters"
    );
}

#[test]
fn room_that_nobody_knows_is_taken_only_by_force() {
    let mut cluster = cluster();
    let late = Occasion { now: WallTime(NOW.wall.0 + 200_000), ..on(&cluster) };
    let refused = refusal(add_volume(late, &path("vms/new"), GIB, Careful));
    assert!(refused.contains("is not known: nobody has measured it of late"), "{refused}");
    assert!(add_volume(late, &path("vms/new"), GIB, Forced).is_ok());
    cluster.storage_facts = None;
    assert!(refusal(add_volume(on(&cluster), &path("vms/new"), GIB, Careful)).contains("not measured yet"));
}

#[test]
fn a_change_of_a_volume_that_cannot_be_is_refused() {
    let cluster = cluster();
    let resize =
        |name: &str, size_bytes| refusal(resize_volume(on(&cluster), &path(name), size_bytes, Careful));
    let rename =
        |name: &str, to: &str| refusal(rename_volume(on(&cluster), &path(name), &to.parse().unwrap()));
    let clone =
        |name: &str, to| refusal(clone_volume(on(&cluster), &Source::Volume(path(name)), &path(to), Careful));
    let of_snapshot = |name: &str| {
        let source = Source::Snapshot(name.parse().unwrap());
        refusal(clone_volume(on(&cluster), &source, &path("vms/new"), Careful))
    };
    for (refused, part) in [
        (resize("vms/none", GIB), "No volume with name \"none\" is present in pool \"vms\""),
        (resize("vms/web", GIB), "cannot be made smaller"),
        (resize("vms/web", 0), "The size is zero"),
        (resize("vms/web", 90 * GIB), " free"),
        (
            resize("vms/busy", 9 * GIB),
            "being resized by task 00000009; wait for it, with: pvc cluster task 00000009",
        ),
        (resize("vms/broken", 9 * GIB), "Scan it, or remove it"),
        (rename("vms/web", "web"), "The new name is the old one"),
        (rename("vms/web", "fresh"), "A volume named \"fresh\" exists already"),
        (rename("vms/web", "busy"), "task 00000009"),
        (rename("vms/used", "new"), "used by VM \"web1\""),
        (rename("vms/none", "new"), "No volume with name"),
        (clone("vms/none", "vms/new"), "No volume with name"),
        (clone("vms/busy", "vms/new"), "being resized"),
        (clone("vms/web", "vms/fresh"), "A volume named \"fresh\" exists already"),
        (clone("vms/web", "vms/web"), "A volume named \"web\" exists already"),
        (clone("vms/web", "full/new"), " free"),
        (clone("vms/web", "none/new"), "No pool named"),
        (of_snapshot("vms/web@none"), "No snapshot with name \"none\" is present of volume \"vms/web\""),
        (refusal(remove_volume(on(&cluster), &path("vms/none"))), "No volume with name"),
        (refusal(remove_volume(on(&cluster), &path("vms/used"))), "used by VM \"web1\": remove the VM"),
        (refusal(remove_volume(on(&cluster), &path("vms/web"))), "depend on it (vms/clone)"),
        (refusal(remove_volume(on(&cluster), &path("vms/busy"))), "being resized"),
        (refusal(scan_volume(on(&cluster), &path("vms/busy"))), "being resized"),
        (refusal(scan_volume(on(&cluster), &path("vms/none"))), "No volume with name"),
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(remove_volume(on(&cluster), &path("vms/clone")).is_ok());
    for mend in [scan_volume, remove_volume] {
        assert!(mend(on(&cluster), &path("vms/broken")).is_ok());
    }
    assert!(
        resize_volume(on(&cluster), &path("vms/used"), 4 * GIB, Careful).is_ok(),
        "a VM may run meanwhile"
    );
}

#[test]
fn a_pool_is_filled_beyond_80_percent_by_growth_or_a_copy_only_by_force() {
    let mut cluster = cluster();
    // With 20 stored and one that is being added, 59 more make 80 of the 100.
    let whole =
        |size_bytes| Volume { size_bytes, snapshots: Default::default(), ..volume(VolumeState::Ready) };
    let snapshots = [59, 60, 79].map(|gib| {
        let name: SnapshotName = format!("s{gib}").parse().unwrap();
        (name, Snapshot { size_bytes: gib * GIB, taken: None })
    });
    let shown = Volume { size_bytes: 80 * GIB, snapshots: snapshots.into(), ..volume(VolumeState::Ready) };
    cluster.volumes.insert(path("vms/shown"), at(shown).into());
    for gib in [59, 60, 79] {
        cluster.volumes.insert(path(&format!("vms/v{gib}")), at(whole(gib * GIB)).into());
    }
    let resize = |gib: u64, insistence| {
        resize_volume(on(&cluster), &path("vms/web"), (2 + gib) * GIB, insistence).map(drop)
    };
    let copy = |source: Source, insistence| {
        clone_volume(on(&cluster), &source, &path("vms/new"), insistence).map(drop)
    };
    let of_volume = |gib: u64, insistence| copy(Source::Volume(path(&format!("vms/v{gib}"))), insistence);
    let of_snapshot = |gib: u64, insistence| {
        copy(Source::Snapshot(format!("vms/shown@s{gib}").parse().unwrap()), insistence)
    };
    type More<'a> = &'a dyn Fn(u64, Insistence) -> Result<(), Refusal>;
    let ways: [(&str, More<'_>); 3] =
        [("resize", &resize), ("copy", &of_volume), ("clone of a snapshot", &of_snapshot)];
    for (way, more) in ways {
        assert!(more(59, Careful).is_ok(), "{way}: to 80 % it is filled without a word");
        let refused = more(60, Careful).unwrap_err().to_string();
        assert!(refused.contains("beyond 80 %") && refused.contains("use force"), "{way}: {refused}");
        assert!(more(60, Forced).is_ok(), "{way}: the operator insists");
        let refused = more(79, Forced).unwrap_err().to_string();
        assert!(refused.contains("free"), "{way}: what is not there cannot be insisted on: {refused}");
    }
}

#[test]
fn an_upload_that_cannot_be_is_refused() {
    let cluster = cluster();
    let upload = |name: &str, size_bytes, format| {
        begin_upload(on(&cluster), &path(name), Content { size_bytes, format }, &hv1())
    };
    for (refused, part) in [
        (refusal(upload("vms/none", GIB, Format::Raw)), "No volume with name"),
        (refusal(upload("vms/fresh", 0, Format::Raw)), "The size is zero"),
        (refusal(upload("vms/fresh", 3 * GIB, Format::Raw)), "resize the volume first"),
        (refusal(upload("vms/web", GIB, Format::Raw)), "has snapshots (before)"),
        (refusal(upload("vms/used", GIB, Format::Raw)), "used by VM \"web1\": stop it first"),
        (refusal(upload("vms/busy", GIB, Format::Raw)), "being resized"),
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(upload("vms/fresh", 2 * GIB, Format::Raw).is_ok());
    assert!(upload("vms/fresh", 3 * GIB, Format::Qcow2).is_ok(), "what it holds is known when it has come");
}

#[test]
fn an_upload_is_taken_in_where_it_comes_and_by_the_primary_where_nobody_is_there() {
    let mut cluster = cluster();
    let hv2: NodeName = "hv2".parse().unwrap();
    let content = Content { size_bytes: GIB, format: Format::Raw };
    let taken_in_by =
        |cluster: &Cluster| begin_upload(on(cluster), &path("vms/fresh"), content, &hv2).unwrap().0.run_on;
    assert_eq!(taken_in_by(&cluster), hv1(), "it is not registered");
    cluster.nodes.insert(hv2.clone(), NodeEntry::default().into());
    assert_eq!(taken_in_by(&cluster), hv1(), "it is not there");
    let presence = Some(at(Presence { boot: BootId(uuid::Uuid::nil()), restart_planned: None }));
    cluster.nodes.insert(hv2.clone(), NodeEntry { presence, ..NodeEntry::default() }.into());
    assert_eq!(taken_in_by(&cluster), hv2);
}

#[test]
fn a_change_of_snapshots_that_cannot_be_is_refused() {
    let mut cluster = cluster();
    let mut two = volume(VolumeState::Ready);
    two.snapshots.insert("after".parse().unwrap(), Snapshot { size_bytes: GIB, taken: None });
    cluster.volumes.insert(path("vms/two"), at(two).into());
    let snapshot = |text: &str| -> SnapshotPath { text.parse().unwrap() };
    let rename =
        |name, to: &str| refusal(rename_snapshot(on(&cluster), &snapshot(name), &to.parse().unwrap()));
    for (refused, part) in [
        (refusal(add_snapshot(on(&cluster), &snapshot("vms/web@before"))), "A snapshot named \"before\""),
        (refusal(add_snapshot(on(&cluster), &snapshot("vms/none@a"))), "No volume with name"),
        (refusal(add_snapshot(on(&cluster), &snapshot("vms/busy@a"))), "being resized"),
        (rename("vms/web@none", "a"), "No snapshot with name \"none\""),
        (rename("vms/web@before", "before"), "The new name is the old one"),
        (rename("vms/two@before", "after"), "A snapshot named \"after\""),
        (refusal(remove_snapshot(on(&cluster), &snapshot("vms/web@before"))), "depend on it (vms/clone)"),
        (refusal(remove_snapshot(on(&cluster), &snapshot("vms/web@none"))), "No snapshot with name"),
        (refusal(roll_back(on(&cluster), &snapshot("vms/web@none"))), "No snapshot with name"),
        (refusal(roll_back(on(&cluster), &snapshot("vms/busy@a"))), "being resized"),
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    let free = rename_snapshot(on(&cluster), &snapshot("vms/web@before"), &"after".parse().unwrap());
    assert!(free.is_ok(), "the snapshots of another volume have names of their own");
    let mut used = volume(VolumeState::Ready);
    let name = |number: usize| -> SnapshotName { format!("s{number}").parse().unwrap() };
    let taken = Snapshot { size_bytes: GIB, taken: None };
    used.snapshots = (0..crate::limits::SNAPSHOTS_MAX).map(|number| (name(number), taken.clone())).collect();
    cluster.volumes.insert(path("vms/used"), at(used).into());
    assert!(refusal(add_snapshot(on(&cluster), &snapshot("vms/used@new"))).contains("at most 256"));
    assert!(
        refusal(roll_back(on(&cluster), &snapshot("vms/used@s1")))
            .contains("used by VM \"web1\": stop it first")
    );
}

#[test]
fn what_is_accepted_locks_the_volume_books_its_room_and_asks_the_primarys_worker() {
    let cluster = cluster();
    let (task, records) = add_volume(on(&cluster), &path("vms/new"), GIB, Careful).unwrap();
    assert_eq!((task.run_on, task.work.name()), (hv1(), "storage.volume_add"));
    let values: Vec<&Record> = records.writes.iter().filter_map(|write| write.value.as_ref()).collect();
    let [Record::Volume(made), Record::Pool(booked), Record::Task(_)] = values.as_slice() else {
        panic!("{values:?}");
    };
    assert_eq!((&made.state, made.task, made.size_bytes), (&VolumeState::Making, Some(TASK), GIB));
    assert_eq!(booked.bookings, 5, "two that are decided at once do not both find the room");
    assert_eq!(records.writes[0].expect, Expect::Absent);
    let (_, records) = roll_back(on(&cluster), &"vms/web@before".parse().unwrap()).unwrap();
    assert_eq!(
        records.guards[0].record,
        RecordId::Pool("vms".parse().unwrap()),
        "the pool is not being removed"
    );
    let vacant = Cluster { primary: None, ..cluster };
    assert!(refusal(scan_volume(on(&vacant), &path("vms/web"))).contains("Nobody holds the primary role"));
}

/// The cluster with VM `web1` as it is wished and told of, with these volumes.
fn with_vm(power: Power, told: Option<crate::vm::VmFact>, volumes: &[&str]) -> Cluster {
    let mut cluster = cluster();
    let mut entry: VmEntry = (**cluster.vms.get(&VM).unwrap()).clone();
    entry.vm.value.wish.power = power;
    entry.fact = told.map(at);
    entry.vm.value.volumes = volumes
        .iter()
        .map(|name| VolumeUse { path: path(name), dev: "vda".into(), sharing: Default::default() })
        .collect();
    cluster.vms.insert(VM, entry.into());
    cluster
}

#[test]
fn a_vm_is_removed_with_its_volumes_the_last_disks_first() {
    let cluster =
        with_vm(Power::Start, Some(fact(Phase::Running)), &["vms/used", "vms/strange", "vms/fresh"]);
    let (task, records) = remove_vm(on(&cluster), VM).unwrap();
    let volumes = vec![path("vms/fresh"), path("vms/used")];
    let work = StorageWork::RemoveVm { vm: VM, name: "web1".parse().unwrap(), volumes: volumes.clone() };
    assert_eq!(
        (task.work, task.run_on),
        (Work::Storage(work), hv1()),
        "what PVC does not know is not touched"
    );
    let locked = records.writes.iter().filter_map(|write| match (&write.record, &write.value) {
        (RecordId::Volume(path), Some(Record::Volume(volume))) => {
            assert_eq!((&volume.state, volume.task), (&VolumeState::Removing, Some(TASK)));
            Some(path.clone())
        }
        _ => None,
    });
    assert_eq!(locked.collect::<Vec<_>>(), volumes);
    let vm = crate::testing::written_vm(&records);
    assert_eq!((vm.wish.power, vm.wish.serial, vm.removal), (Power::DisableNow, 2, Some(TASK)));
    let pool = RecordId::Pool("vms".parse().unwrap());
    assert!(records.guards.iter().any(|guard| guard.record == pool), "its pool is not being removed");
    let bare = with_vm(Power::Stop, None, &[]);
    let (task, _) = remove_vm(on(&bare), VM).unwrap();
    assert!(matches!(task.work, Work::Storage(StorageWork::RemoveVm { volumes, .. }) if volumes.is_empty()));
}

#[test]
fn a_vm_is_not_removed_while_one_of_its_volumes_is_needed() {
    let removed = |cluster: &Cluster| refusal(remove_vm(on(cluster), VM));
    let with = |volumes: &[&str]| with_vm(Power::Stop, Some(fact(Phase::Stopped)), volumes);
    assert!(
        removed(&with(&["vms/used", "vms/busy"])).contains("\"vms/busy\" is being resized by task 00000009")
    );
    assert!(removed(&with(&["vms/used", "vms/web"])).contains("\"vms/web\" has clones"));
    let mut shared = with(&["vms/used"]);
    let other = crate::id::VmId(uuid::Uuid::from_u128(2));
    let mut entry: VmEntry = (**shared.vms.get(&VM).unwrap()).clone();
    entry.vm.value.name = "web2".parse().unwrap();
    shared.vms.insert(other, entry.into());
    assert!(removed(&shared).contains("used by VM \"web2\": take the volume from one of the two"));
    let mut going = with(&["vms/used"]);
    let mut entry: VmEntry = (**going.vms.get(&VM).unwrap()).clone();
    entry.vm.value.removal = Some(OTHER);
    going.vms.insert(VM, entry.into());
    assert!(removed(&going).contains("wait until it is removed"));
    going.vms.remove(&VM);
    assert!(matches!(remove_vm(on(&going), VM), Err(Refusal::VmUnknown { .. })));
}

#[test]
fn locks_are_flushed_of_a_vm_that_is_down_and_of_no_other() {
    let failed = crate::vm::Failure { reason: "it is locked".into(), attempts: 1, retry_at: NOW.boot };
    let failed = crate::vm::VmFact { failure: Some(failed), ..fact(Phase::Stopped) };
    let gone_on = crate::vm::VmFact { phase: Phase::Starting, ..failed.clone() };
    let (stopped, running) = (Some(fact(Phase::Stopped)), Some(fact(Phase::Running)));
    for (power, told, remedy) in [
        (Power::Stop, stopped.clone(), None),
        (Power::Stop, None, None),
        (Power::Disable, stopped.clone(), None),
        (Power::Start, Some(failed), None),
        (Power::Start, Some(gone_on), Some("its guest is not down yet")),
        (Power::Stop, running.clone(), Some("its guest is not down yet")),
        (Power::DisableNow, running.clone(), Some("its guest is not down yet")),
        (Power::Start, None, Some("stop it first")),
        (Power::Start, stopped.clone(), Some("stop it first")),
        (Power::Start, running.clone(), Some("stop it first")),
        (Power::Restart, running.clone(), Some("stop it first")),
    ] {
        let cluster = with_vm(power, told.clone(), &["vms/used", "vms/fresh"]);
        match (flush_locks(on(&cluster), VM), remedy) {
            (Ok((task, records)), None) => {
                let volumes = vec![path("vms/used"), path("vms/fresh")];
                let work = StorageWork::FlushLocks { vm: VM, name: "web1".parse().unwrap(), volumes };
                assert_eq!(task.work, Work::Storage(work));
                let guarded: Vec<_> = records.guards.iter().map(|guard| guard.record.clone()).collect();
                assert_eq!(guarded, [RecordId::Vm(VM), RecordId::VmFact(VM)], "it is not started meanwhile");
            }
            (Err(refusal), Some(remedy)) => {
                assert!(refusal.to_string().contains(remedy), "{power:?} {told:?}: {refusal}");
            }
            (other, _) => panic!("{power:?} {told:?}: {other:?}"),
        }
    }
    let bare = with_vm(Power::Stop, stopped, &[]);
    assert!(refusal(flush_locks(on(&bare), VM)).contains("has no volumes"));
    let nobody = crate::id::VmId(uuid::Uuid::from_u128(2));
    assert!(matches!(flush_locks(on(&bare), nobody), Err(Refusal::VmUnknown { .. })));
}
