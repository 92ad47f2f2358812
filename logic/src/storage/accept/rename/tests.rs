//! A VM and its volumes get another name together, or none of them does.

use std::collections::BTreeMap;

use super::*;
use crate::cluster::{Cluster, VmEntry};
use crate::id::TaskId;
use crate::primary::Primary;
use crate::record::Record;
use crate::storage::change::Change;
use crate::storage::end::{End, Finished, ended};
use crate::storage::record::{Looked, Pool, PoolState, Shown, Volume};
use crate::storage::{Replication, Tier};
use crate::task::{Failed, Left, Part, Task, Work};
use crate::testing::{NOW, VM, at, cluster_with_vm, fact, hv1, xml};
use crate::vm::accept::{Restart, modify, undefine};
use crate::vm::domain::disks::VolumeUse;
use crate::vm::{Phase, Power};

const TASK: TaskId = TaskId(7);

fn path(text: &str) -> VolumePath {
    text.parse().unwrap()
}

fn on(cluster: &Cluster) -> Occasion<'_> {
    Occasion { cluster, task: TASK, now: NOW.wall }
}

fn volume() -> Volume {
    Volume { task: None, ..on(&Cluster::default()).fresh(1 << 30, VolumeState::Ready) }
}

fn document(names: &[&str]) -> String {
    let disks: String = names
        .iter()
        .zip('a'..)
        .map(|(name, letter)| {
            format!(
                "<disk type='network'><source protocol='rbd' name='{name}'/><target dev='sd{letter}'/></disk>"
            )
        })
        .collect();
    xml("web1").replace("</domain>", &format!("<devices>{disks}</devices></domain>"))
}

/// VM `web1`, which is down and has `web1_sda`, `web1`, `data`, `web10_sda` and `web1_strange`, which PVC does not know.
fn cluster() -> Cluster {
    let mut cluster = cluster_with_vm(Power::Stop, Some(fact(Phase::Stopped)));
    cluster.primary = Some(at(Primary { node: hv1(), term: 1, handover: None, former: None }));
    let replication = Replication { copies: 3, copies_min: 2 };
    let state = PoolState::Ready;
    let pool = Pool { replication, tier: Tier::Default, placement_groups: 8, state, task: None, bookings: 0 };
    cluster.pools.insert("vms".parse().unwrap(), at(pool).into());
    let known = ["vms/web1_sda", "vms/web1", "vms/data", "vms/web10_sda"];
    for name in known {
        cluster.volumes.insert(path(name), at(volume()).into());
    }
    let all = [&known[..], &["vms/web1_strange"]].concat();
    let uses =
        all.iter().map(|name| VolumeUse { path: path(name), dev: "sda".into(), sharing: Default::default() });
    alter(&mut cluster, |entry| {
        entry.vm.value.volumes = uses.collect();
        entry.xml = Some(at(document(&all).into()));
    });
    cluster
}

fn alter(cluster: &mut Cluster, alter: impl FnOnce(&mut VmEntry)) {
    let mut entry: VmEntry = (*cluster.vms[&VM]).clone();
    alter(&mut entry);
    cluster.vms.insert(VM, entry.into());
}

/// The cluster once a request was accepted.
fn written(cluster: &Cluster, records: &Records) -> Cluster {
    let mut next = cluster.clone();
    for write in &records.writes {
        match (&write.record, &write.value) {
            (RecordId::Vm(_), Some(Record::Vm(vm))) => alter(&mut next, |entry| entry.vm = at(vm.clone())),
            (RecordId::Volume(path), Some(Record::Volume(volume))) => {
                next.volumes.insert(path.clone(), at(volume.clone()).into());
            }
            (RecordId::Volume(path), None) => drop(next.volumes.remove(path)),
            (RecordId::VmName(name), Some(_)) => drop(next.vm_names.insert(name.clone(), at(VM))),
            (RecordId::VmName(name), None) => drop(next.vm_names.remove(name)),
            (RecordId::VmXml(_), Some(Record::VmXml(xml))) => {
                alter(&mut next, |entry| entry.xml = Some(at(xml.xml.clone())));
            }
            _ => {}
        }
    }
    next
}

fn accepted() -> (Cluster, Task) {
    let cluster = cluster();
    let (task, records) = rename_vm(on(&cluster), VM, "db1").unwrap();
    (written(&cluster, &records), task)
}

/// The end of the task, with what is at the storage then.
fn end(cluster: &Cluster, task: &Task, failed: Option<u32>, there: &[&str]) -> (Option<String>, Cluster) {
    let Work::Storage(work) = &task.work else { panic!("{task:?}") };
    let shown = Shown {
        size_bytes: 1 << 30,
        id: "1f".into(),
        object_size_bytes: 4 << 20,
        features: Vec::new(),
        clone_of: None,
        snapshots: [("before".parse().unwrap(), 1 << 30)].into(),
    };
    let volumes: BTreeMap<_, _> = there.iter().map(|name| (path(name), shown.clone())).collect();
    let looked = Looked { volumes, ..Looked::default() };
    let failed = failed.map(|stage| Failed { stage, why: "it had a bad day".into(), left: Left::Own });
    let (failed, looked) = (failed.as_ref(), Some(&looked));
    let End { failure, records } =
        ended(Finished { cluster, task: TASK, work, failed, looked, now: NOW.wall });
    (failure, written(cluster, &records))
}

fn stages(stages: &[crate::task::Stage]) -> Vec<String> {
    let told = |stage: &crate::task::Stage| match &stage.part {
        Part::Step(crate::plan::Action::Storage(change)) => match change {
            Change::ExpectNoVolume { volume } => format!("no {volume}"),
            Change::RenameVolume { volume, to } => format!("{volume} to {to}"),
            other => other.name().to_owned(),
        },
        other => panic!("{other:?}"),
    };
    stages.iter().map(told).collect()
}

#[test]
fn those_that_are_called_after_the_vm_are_renamed_and_their_way_back_is_the_same() {
    let (_, task) = accepted();
    let forward =
        ["no vms/db1_sda", "no vms/db1", "vms/web1_sda to db1_sda", "vms/web1 to db1", "look-at-storage"];
    assert_eq!(stages(&task.work.forward()), forward);
    let back = |stage, left| stages(&task.work.back(&Failed { stage, why: String::new(), left }));
    for looked in [0, 1] {
        assert_eq!(back(looked, Left::Own), ["look-at-storage"], "nothing had begun at {looked}");
    }
    assert_eq!(back(2, Left::Own), ["vms/db1_sda to web1_sda", "look-at-storage"]);
    assert_eq!(back(3, Left::Strange), ["vms/db1_sda to web1_sda", "look-at-storage"]);
    assert_eq!(back(3, Left::Own), ["vms/db1 to web1", "vms/db1_sda to web1_sda", "look-at-storage"]);
}

#[test]
fn while_it_goes_on_the_vm_is_called_as_before_and_is_the_tasks() {
    let (cluster, _) = accepted();
    let entry = &cluster.vms[&VM];
    assert_eq!(entry.vm.value.name.as_str(), "web1");
    assert!(
        cluster.vm_names.contains_key(&"db1".parse::<VmName>().unwrap()),
        "somebody else may take the name"
    );
    let barred = [
        modify(&cluster, VM, &document(&[]), Restart::No, NOW.wall).unwrap_err(),
        undefine(&cluster, VM, NOW.wall).unwrap_err(),
        crate::vm::accept::rename(&cluster, VM, "x").unwrap_err(),
        crate::vm::accept::wish_power(
            &cluster,
            VM,
            crate::vm::accept::PowerRequest::Start,
            crate::vm::accept::Force::No,
            NOW.wall,
        )
        .unwrap_err(),
        super::super::remove_vm(on(&cluster), VM).unwrap_err(),
    ];
    for refusal in barred {
        assert!(refusal.to_string().contains("being renamed by task 00000007"), "{refusal}");
    }
}

#[test]
fn at_the_end_the_document_and_the_list_follow_and_snapshots_are_there() {
    let (cluster, task) = accepted();
    let (failure, cluster) = end(&cluster, &task, None, &["vms/db1_sda", "vms/db1"]);
    assert_eq!(failure, None);
    let entry = &cluster.vms[&VM];
    let names: Vec<String> = entry.vm.value.volumes.iter().map(|used| used.path.to_string()).collect();
    assert_eq!(names, ["vms/db1_sda", "vms/db1", "vms/data", "vms/web10_sda", "vms/web1_strange"]);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let expected = document(&names).replace("<name>web1</name>", "<name>db1</name>");
    assert_eq!(&*entry.xml.as_ref().unwrap().value, expected);
    assert_eq!((entry.vm.value.name.as_str(), entry.vm.value.renaming), ("db1", None));
    assert!(!cluster.vm_names.contains_key(&"web1".parse::<VmName>().unwrap()));
    let renamed = &cluster.volumes[&path("vms/db1_sda")].value;
    assert_eq!((&renamed.state, renamed.task, renamed.snapshots.len()), (&VolumeState::Ready, None, 1));
    assert!(!cluster.volumes.contains_key(&path("vms/web1_sda")));
}

#[test]
fn one_that_failed_leaves_all_as_it_was() {
    let (accepted, task) = accepted();
    let (failure, cluster) = end(&accepted, &task, Some(3), &["vms/web1_sda", "vms/web1"]);
    let failure = failure.unwrap();
    assert!(failure.contains("it had a bad day") && failure.contains("all of its volumes have"), "{failure}");
    let entry = &cluster.vms[&VM];
    let before = &super::tests::cluster();
    assert_eq!(entry.vm.value, before.vms[&VM].vm.value);
    assert_eq!(entry.xml, before.vms[&VM].xml);
    assert!(!cluster.vm_names.contains_key(&"db1".parse::<VmName>().unwrap()) && cluster.vm_names.len() == 1);
    assert!(!cluster.volumes.contains_key(&path("vms/db1")));
    assert_eq!(cluster.volumes[&path("vms/web1")].value.state, VolumeState::Ready);
}

#[test]
fn one_that_could_not_be_undone_is_told_and_the_document_follows_what_is_there() {
    let (accepted, task) = accepted();
    let (failure, cluster) = end(&accepted, &task, Some(3), &["vms/db1_sda", "vms/web1"]);
    let failure = failure.unwrap();
    assert!(failure.contains("vms/db1_sda kept their new names"), "{failure}");
    let entry = &cluster.vms[&VM];
    assert_eq!((entry.vm.value.name.as_str(), entry.vm.value.renaming), ("web1", None));
    assert!(entry.vm.value.uses(&path("vms/db1_sda")) && entry.vm.value.uses(&path("vms/web1")));
    let xml = &entry.xml.as_ref().unwrap().value;
    assert!(xml.contains("name='vms/db1_sda'") && xml.contains("<name>web1</name>"), "{xml}");
}

#[test]
fn what_is_in_the_way_of_one_is_in_the_way_of_all() {
    let refused = |alter: &dyn Fn(&mut Cluster)| {
        let mut cluster = cluster();
        alter(&mut cluster);
        rename_vm(on(&cluster), VM, "db1").unwrap_err().to_string()
    };
    let put = |cluster: &mut Cluster, name: &str, volume: Volume| {
        cluster.volumes.insert(path(name), at(volume).into());
    };
    let taken = refused(&|cluster| put(cluster, "vms/db1", volume()));
    assert!(taken.contains("\"db1\" exists already"), "{taken}");
    let busy = refused(&|cluster| {
        put(cluster, "vms/web1", Volume { task: Some(TaskId(9)), state: VolumeState::Copying, ..volume() });
    });
    assert!(busy.contains("being copied by task 00000009"), "{busy}");
    let broken = VolumeState::Broken { why: "the lights went out".into() };
    let broken = refused(&|cluster| put(cluster, "vms/web1", Volume { state: broken.clone(), ..volume() }));
    assert!(broken.contains("the lights went out"), "{broken}");
    let shared = refused(&|cluster| {
        let mut other: VmEntry = (*cluster.vms[&VM]).clone();
        other.vm.value.name = "other".parse().unwrap();
        cluster.vms.insert(VmId(uuid::Uuid::from_u128(5)), other.into());
    });
    assert!(shared.contains("is used by VM \"other\""), "{shared}");
    let runs = refused(&|cluster| alter(cluster, |entry| entry.fact = Some(at(fact(Phase::Running)))));
    assert!(runs.contains("not down yet"), "{runs}");
    let same = rename_vm(on(&cluster()), VM, "web1").unwrap_err().to_string();
    assert!(same.contains("exists already"), "{same}");
}
