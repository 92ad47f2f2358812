//! What is refused, and what a request that is accepted writes.

use super::*;
use crate::cluster::Cluster;
use crate::id::TaskId;
use crate::node::Presence;
use crate::primary::Primary;
use crate::record::Record;
use crate::storage::facts::OsdFacts;
use crate::testing::{BOOT, NOW, at, cluster, hv1};

const TASK: TaskId = TaskId(7);
const OTHER: TaskId = TaskId(9);

pub(crate) fn uuid(number: u128) -> OsdUuid {
    OsdUuid(uuid::Uuid::from_u128(number))
}

pub(crate) fn osd(node: &NodeName, device: &str) -> Osd {
    Osd {
        node: node.clone(),
        device: device.into(),
        db_device: None,
        uuid: uuid(1),
        is_split: false,
        volume: None,
        state: OsdState::Ready,
        task: None,
    }
}

/// `hv1` with OSD 0 on `/dev/sdb`, OSD 1 on `/dev/sdc` that another task has, and OSD 5, which PVC has not made; `hv2`,
/// which is gone, with OSD 2.
fn grown() -> Cluster {
    let mut cluster = cluster();
    let mut entry = (**cluster.nodes.get(&hv1()).unwrap()).clone();
    entry.presence = Some(at(Presence { boot: BOOT, restart_planned: None }));
    cluster.nodes.insert(hv1(), entry.clone().into());
    entry.presence = None;
    let hv2: NodeName = "hv2".parse().unwrap();
    cluster.nodes.insert(hv2.clone(), entry.into());
    cluster.primary = Some(at(Primary { node: hv1(), term: 1, handover: None, former: None }));
    cluster.osds.insert(OsdId(0), at(osd(&hv1(), "/dev/sdb")).into());
    let busy = Osd { task: Some(OTHER), state: OsdState::Removing, ..osd(&hv1(), "/dev/sdc") };
    cluster.osds.insert(OsdId(1), at(busy).into());
    cluster.osds.insert(OsdId(2), at(osd(&hv2, "/dev/sdb")).into());
    let told = crate::storage::figures::Osd {
        id: 5,
        uuid: String::new(),
        up: true,
        r#in: false,
        address: String::new(),
        class: String::new(),
        host: String::new(),
        figures: Default::default(),
    };
    let osds = [(0, crate::storage::figures::Osd { id: 0, ..told.clone() }), (5, told)].into();
    cluster.osd_facts = Some(at(OsdFacts { at: NOW.wall, osds }).into());
    cluster
}

fn on(cluster: &Cluster) -> Occasion<'_> {
    Occasion { cluster, task: TASK, now: NOW.wall }
}

fn request(device: &str, count: u128) -> AddOsd {
    AddOsd {
        node: hv1(),
        device: device.parse().unwrap(),
        weight: Weight::of(1.0).unwrap(),
        db: None,
        osds: (10..10 + count).map(uuid).collect(),
    }
}

fn said(accepted: Accepted) -> String {
    accepted.expect_err("it is refused").to_string()
}

#[test]
fn an_addition_holds_the_nodes_devices_and_runs_there() {
    let cluster = grown();
    let (task, records) = add(on(&cluster), request("/dev/sdd", 2)).unwrap();
    assert_eq!(task.run_on, hv1());
    let Work::Osd(work) = &task.work else { panic!("{:?}", task.work) };
    assert_eq!((work.name(), work.forward().len()), ("osd.add", 10));
    let held = NodeDevices { db_device: None, task: Some((TASK, "adding OSDs".into())) };
    let (write, begun) = (&records.writes[0], &records.writes[1]);
    assert_eq!(
        (&write.record, &write.value),
        (&RecordId::NodeDevices(hv1()), &Some(Record::NodeDevices(held.clone())))
    );
    assert_eq!(begun.record, RecordId::Task(TASK));
    let mut cluster = cluster;
    cluster.devices.insert(hv1(), at(held).into());
    assert!(said(add(on(&cluster), request("/dev/sde", 1))).contains("adding OSDs"));
    assert!(said(remove(on(&cluster), OsdId(0), Care::Forced)).contains("adding OSDs"));
}

#[test]
fn what_cannot_be_added_is_refused_with_the_reason() {
    let cluster = grown();
    assert!(said(add(on(&cluster), request("/dev/sdb", 1))).contains("bears OSD 0 already"));
    assert!(said(add(on(&cluster), request("/dev/sdd", 0))).contains("1 to 16"));
    assert!(said(add(on(&cluster), request("/dev/sdd", 17))).contains("1 to 16"));
    let db = AddOsd { db: Some(DbSize::Bytes(1 << 30)), ..request("/dev/sdd", 1) };
    assert!(said(add(on(&cluster), db)).contains("create-db-vg"));
    for (node, why) in [("hv2", "dead"), ("hv9", "hv9")] {
        let elsewhere = AddOsd { node: node.parse().unwrap(), ..request("/dev/sdd", 1) };
        assert!(said(add(on(&cluster), elsewhere)).contains(why));
    }
}

#[test]
fn the_size_of_a_database_is_a_ratio_or_a_size_and_not_both() {
    assert_eq!(db_size(None, None).unwrap(), None);
    assert_eq!(db_size(Some(0.05), None).unwrap(), Some(DbSize::Ratio(50_000)));
    assert_eq!(db_size(None, Some("20G")).unwrap(), Some(DbSize::Bytes(20 << 30)));
    assert!(db_size(Some(0.05), Some("20G")).unwrap_err().to_string().contains("not as both"));
    for ratio in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(db_size(Some(ratio), None).is_err(), "{ratio}");
    }
    assert!(db_size(None, Some("0")).is_err() && weight(-1.0).is_err());
}

#[test]
fn an_osd_in_a_tasks_hands_is_left_alone() {
    let cluster = grown();
    for refused in [
        remove(on(&cluster), OsdId(1), Care::Safe),
        remove(on(&cluster), OsdId(1), Care::Forced),
        refresh(on(&cluster), OsdId(1), "/dev/sdc".parse().unwrap()),
        mark_out(on(&cluster), OsdId(1)),
    ] {
        assert!(said(refused).contains("being removed by task 00000009"));
    }
}

#[test]
fn one_that_pvc_has_not_made_is_put_in_and_out_and_nothing_else() {
    let cluster = grown();
    assert_eq!(mark_in(on(&cluster), OsdId(5)).unwrap().1.writes.len(), 1);
    assert!(said(remove(on(&cluster), OsdId(5), Care::Forced)).contains("not one that PVC has made"));
    assert!(said(mark_in(on(&cluster), OsdId(6))).contains("No OSD with ID \"6\""));
}

#[test]
fn without_its_node_an_osd_is_removed_by_force_alone_and_that_says_what_it_skips() {
    let mut cluster = grown();
    assert!(said(remove(on(&cluster), OsdId(2), Care::Safe)).contains("use force"));
    let (task, _) = remove(on(&cluster), OsdId(2), Care::Forced).unwrap();
    assert_eq!(task.run_on, hv1(), "the primary does it");
    let done = task.work.done();
    assert!(done.contains("not waited") && done.contains("still holds its data"), "{done}");
    let names: Vec<&str> = task
        .work
        .forward()
        .iter()
        .map(|stage| match &stage.part {
            crate::task::Part::Step(action) => action.name(),
            _ => "content",
        })
        .collect();
    assert_eq!(names, ["mark-osd-out", "purge-osd", "look-at-osds"]);
    // A task that its node took with it is forgotten.
    let lost = task_of("hv2", OTHER);
    cluster.tasks.insert(OTHER, lost.into());
    let held =
        Osd { task: Some(OTHER), state: OsdState::Removing, ..osd(&"hv2".parse().unwrap(), "/dev/sdb") };
    cluster.osds.insert(OsdId(2), at(held).into());
    let (_, records) = remove(on(&cluster), OsdId(2), Care::Forced).unwrap();
    assert!(
        records.writes.iter().any(|write| write.record == RecordId::Task(OTHER) && write.value.is_none())
    );
}

fn task_of(node: &str, id: TaskId) -> crate::cluster::TaskEntry {
    let node: NodeName = node.parse().unwrap();
    let work = OsdWork::AddDb { node: node.clone(), device: "/dev/sdx".parse().unwrap() };
    let task = Task { work: Work::Osd(work), run_on: node, asked: NOW.wall };
    let _named = id;
    crate::cluster::TaskEntry { task: at(task), fact: None }
}

#[test]
fn a_removal_waits_until_it_is_safe_and_no_stage_says_otherwise() {
    let cluster = grown();
    let names = |care: Care| -> Vec<&'static str> {
        let (task, _) = remove(on(&cluster), OsdId(0), care).unwrap();
        let name = |stage: crate::task::Stage| match stage.part {
            crate::task::Part::Step(action) => action.name(),
            _ => "content",
        };
        task.work.forward().into_iter().map(name).collect()
    };
    let safe = ["mark-osd-out", "await-osd-safe", "stop-osd", "purge-osd", "wipe-osd", "look-at-osds"];
    assert_eq!(names(Care::Safe), safe);
    assert_eq!(names(Care::Forced), [&safe[..1], &safe[2..]].concat());
}

#[test]
fn a_replacement_names_the_device_that_is_recorded_or_none() {
    let cluster = grown();
    let request = |old_device: Option<&str>| ReplaceOsd {
        osd: OsdId(0),
        device: "/dev/sdd".parse().unwrap(),
        old_device: old_device.map(str::to_owned),
        weight: Weight::of(1.0).unwrap(),
        db: None,
        new: uuid(20),
    };
    assert!(said(replace(on(&cluster), request(Some("/dev/sdz")))).contains("not on \"/dev/sdz\""));
    let (task, records) = replace(on(&cluster), request(Some("/dev/sdb"))).unwrap();
    assert_eq!(task.work.name(), "osd.replace");
    let held = records.writes.iter().any(|write| match &write.value {
        Some(Record::Osd(osd)) => osd.state == OsdState::Replacing && osd.task == Some(TASK),
        _ => false,
    });
    assert!(held);
}
