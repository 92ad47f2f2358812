//! What the records tell at the end of a task: what is there.

use super::*;
use crate::record::{Record, RecordId};
use crate::storage::osd::Weight;
use crate::storage::osd::record::Borne;
use crate::storage::osd::work::{Care, Reach, Side};
use crate::testing::{at, cluster, hv1};

const TASK: TaskId = TaskId(7);

fn uuid(number: u128) -> OsdUuid {
    OsdUuid(uuid::Uuid::from_u128(number))
}

fn borne(device: &str) -> Borne {
    Borne { device: device.into(), db_device: None, is_split: false, volume: None }
}

fn held(state: OsdState) -> Osd {
    Osd {
        node: hv1(),
        device: "/dev/sdb".into(),
        db_device: None,
        uuid: uuid(1),
        is_split: false,
        volume: None,
        state,
        task: Some(TASK),
    }
}

fn looked(shown: &[(u128, u32, Option<Borne>, bool)]) -> OsdsLooked {
    let osds = shown.iter().map(|(identity, id, borne, is_known)| {
        (uuid(*identity), OsdShown { id: OsdId(*id), borne: borne.clone(), is_known: *is_known })
    });
    OsdsLooked { osds: osds.collect(), db_device: None }
}

fn end(
    work: &OsdWork,
    state: OsdState,
    failure: Option<&str>,
    looked: Option<&OsdsLooked>,
) -> (End, Option<Osd>, bool) {
    let mut cluster = cluster();
    cluster.osds.insert(OsdId(3), at(held(state)).into());
    let busy = NodeDevices { db_device: None, task: Some((TASK, "doing so".into())) };
    cluster.devices.insert(hv1(), at(busy).into());
    let failed = failure.map(|why| Failed { stage: 1, why: why.into(), left: Default::default() });
    let end =
        osds_ended(OsdsFinished { cluster: &cluster, task: TASK, work, failed: failed.as_ref(), looked });
    let freed =
        end.records.writes.iter().any(
            |write| matches!(&write.value, Some(Record::NodeDevices(devices)) if devices.task.is_none()),
        );
    assert!(freed || work.node().is_none(), "the node's devices are kept");
    let osd = end.records.writes.iter().find_map(|write| match (&write.record, &write.value) {
        (RecordId::Osd(_), Some(Record::Osd(osd))) => Some(osd.clone()),
        _ => None,
    });
    let is_gone = end.records.writes.iter().any(|w| w.record == RecordId::Osd(OsdId(3)) && w.value.is_none());
    (end, osd, is_gone)
}

fn removal() -> OsdWork {
    let (side, care, reach) = (Side::In, Care::Safe, Reach::There);
    OsdWork::Remove { node: hv1(), osd: OsdId(3), uuid: uuid(1), side, care, reach }
}

#[test]
fn a_removed_osd_is_forgotten_only_when_the_storage_has_forgotten_it() {
    let (end_, _, is_gone) = end(&removal(), OsdState::Removing, None, Some(&looked(&[])));
    assert!(is_gone && end_.failure.is_none());
    let there = looked(&[(1, 3, Some(borne("/dev/sdb")), true)]);
    let (end_, osd, is_gone) = end(&removal(), OsdState::Removing, Some("it is not safe"), Some(&there));
    assert!(!is_gone && end_.failure.as_deref() == Some("it is not safe"));
    assert_eq!(osd, Some(Osd { task: None, state: OsdState::Ready, ..held(OsdState::Ready) }));
    let purged = looked(&[(1, 3, Some(borne("/dev/sdb")), false)]);
    let (end_, _, is_gone) = end(&removal(), OsdState::Removing, Some("the device failed"), Some(&purged));
    assert!(is_gone && end_.failure.is_some(), "the storage has forgotten it, and its device was not wiped");
    let (_, osd, _) = end(&removal(), OsdState::Removing, Some("silent"), None);
    assert_eq!(osd.unwrap().task, None, "without a look it stays");
}

#[test]
fn an_added_osd_is_recorded_with_what_bears_it() {
    let work = OsdWork::Add {
        node: hv1(),
        device: "/dev/sdd".parse().unwrap(),
        weight: Weight::of(1.0).unwrap(),
        db: None,
        osds: vec![uuid(5)],
    };
    let (end_, osd, _) =
        end(&work, OsdState::Ready, None, Some(&looked(&[(5, 4, Some(borne("/dev/sdd")), true)])));
    let osd = osd.unwrap();
    assert_eq!(
        (end_.failure, osd.device.as_str(), osd.uuid, osd.state),
        (None, "/dev/sdd", uuid(5), OsdState::Ready)
    );
    let (end_, osd, _) = end(&work, OsdState::Ready, Some("no"), Some(&looked(&[])));
    assert_eq!((osd, end_.failure.as_deref()), (None, Some("no")), "nothing is left over");
    let (_, osd, _) = end(&work, OsdState::Ready, Some("no"), Some(&looked(&[(5, 4, None, true)])));
    assert!(matches!(osd.unwrap().state, OsdState::Destroyed { .. }), "what could not be undone is told");
}

#[test]
fn a_replacement_is_what_the_number_stands_for_by_then() {
    let work = OsdWork::Replace {
        node: hv1(),
        osd: OsdId(3),
        old: uuid(1),
        old_device: "/dev/sdb".into(),
        side: Side::In,
        new: uuid(2),
        device: "/dev/sdd".parse().unwrap(),
        weight: Weight::of(1.0).unwrap(),
        db: None,
    };
    let new = looked(&[(2, 3, Some(borne("/dev/sdd")), true)]);
    let (_, osd, _) = end(&work, OsdState::Replacing, None, Some(&new));
    let osd = osd.unwrap();
    assert_eq!((osd.uuid, osd.device.as_str(), osd.task), (uuid(2), "/dev/sdd", None));
    let old = looked(&[(1, 3, Some(borne("/dev/sdb")), true)]);
    let (_, osd, _) = end(&work, OsdState::Replacing, Some("not empty"), Some(&old));
    assert_eq!(osd.unwrap().uuid, uuid(1));
    let (_, osd, _) = end(&work, OsdState::Replacing, Some("broken"), Some(&looked(&[])));
    assert_eq!(osd.unwrap().state, OsdState::Destroyed { why: "broken".into() });
}

#[test]
fn a_refresh_from_a_wrong_device_leaves_the_osd_as_it_was() {
    let work =
        OsdWork::Refresh { node: hv1(), osd: OsdId(3), uuid: uuid(1), device: "/dev/sdx".parse().unwrap() };
    let (_, osd, _) = end(&work, OsdState::Refreshing, Some("wrong"), Some(&looked(&[(1, 3, None, true)])));
    assert_eq!(osd, Some(Osd { task: None, ..held(OsdState::Ready) }));
}

#[test]
fn who_puts_an_osd_in_from_elsewhere_concludes_nothing_about_its_device() {
    let work = OsdWork::MarkIn { osd: OsdId(3) };
    let (_, osd, _) = end(&work, OsdState::Marking, None, None);
    assert_eq!(osd, Some(Osd { task: None, ..held(OsdState::Ready) }));
}
