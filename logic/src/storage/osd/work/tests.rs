//! What is undone, by the stage that failed.

use super::*;

fn names(stages: Vec<Stage>) -> Vec<&'static str> {
    let name = |stage: Stage| match stage.part {
        Part::Step(action) => action.name(),
        _ => "content",
    };
    stages.into_iter().map(name).collect()
}

fn uuid(number: u128) -> OsdUuid {
    OsdUuid(uuid::Uuid::from_u128(number))
}

fn back_from(work: &OsdWork, failed: &str) -> Vec<&'static str> {
    let index = names(work.forward()).into_iter().position(|name| name == failed).expect(failed);
    let mut back = names(work.back(u32::try_from(index).unwrap()));
    assert_eq!(back.pop(), Some("look-at-osds"));
    back
}

fn removal(side: Side, care: Care) -> OsdWork {
    let node = "hv1".parse().unwrap();
    OsdWork::Remove { node, osd: OsdId(3), uuid: uuid(1), side, care, reach: Reach::There }
}

#[test]
fn a_removal_that_fails_before_the_purge_leaves_the_osd_as_it_was() {
    let work = removal(Side::In, Care::Safe);
    assert_eq!(back_from(&work, "mark-osd-out"), ["mark-osd-in"]);
    assert_eq!(back_from(&work, "await-osd-safe"), ["mark-osd-in"]);
    assert_eq!(back_from(&work, "stop-osd"), ["start-osd", "mark-osd-in"]);
    assert!(back_from(&work, "purge-osd").is_empty() && back_from(&work, "wipe-osd").is_empty());
    assert!(back_from(&removal(Side::Out, Care::Safe), "await-osd-safe").is_empty(), "it was out before");
}

#[test]
fn an_addition_undoes_what_was_not_seen_up_but_nothing_of_a_device_that_was_not_empty() {
    let work = OsdWork::Add {
        node: "hv1".parse().unwrap(),
        device: "/dev/sdd".parse().unwrap(),
        weight: Weight::of(1.0).unwrap(),
        db: None,
        osds: vec![uuid(1), uuid(2)],
    };
    assert!(back_from(&work, "expect-empty-device").is_empty());
    let one = ["stop-osd", "purge-osd", "wipe-osd"];
    for failed in ["prepare-osd", "place-osd", "start-osd", "await-osd-up"] {
        assert_eq!(back_from(&work, failed), [one, one].concat());
    }
    let second =
        names(work.forward()).into_iter().enumerate().filter(|(_, name)| *name == "prepare-osd").nth(1);
    let back = work.back(u32::try_from(second.unwrap().0).unwrap());
    assert_eq!(names(back.clone()), [&one[..], &["look-at-osds"]].concat());
    let Part::Step(Action::Osd(OsdChange::StopOsd { osd })) = &back[0].part else { panic!("{back:?}") };
    assert_eq!(*osd, uuid(2), "the first is up, and data may lie on it");
    assert!(back_from(&work, "look-at-osds").is_empty(), "all of them are up");
}

#[test]
fn an_osd_is_empty_before_it_is_stopped_and_forgotten_before_its_device_is_wiped() {
    let safe = ["mark-osd-out", "await-osd-safe", "stop-osd", "purge-osd", "wipe-osd", "look-at-osds"];
    assert_eq!(names(removal(Side::In, Care::Safe).forward()), safe);
    let forced = ["mark-osd-out", "stop-osd", "purge-osd", "wipe-osd", "look-at-osds"];
    assert_eq!(names(removal(Side::In, Care::Forced).forward()), forced);
}

#[test]
fn a_replacement_keeps_the_number_once_the_old_one_is_destroyed() {
    let work = OsdWork::Replace {
        node: "hv1".parse().unwrap(),
        osd: OsdId(3),
        old: uuid(1),
        old_device: "/dev/sdb".into(),
        side: Side::In,
        new: uuid(2),
        device: "/dev/sdd".parse().unwrap(),
        weight: Weight::of(1.0).unwrap(),
        db: None,
    };
    assert!(back_from(&work, "expect-empty-device").is_empty());
    assert_eq!(back_from(&work, "await-osd-safe"), ["mark-osd-in"]);
    for failed in ["prepare-osd", "place-osd", "await-osd-up"] {
        assert_eq!(back_from(&work, failed), ["stop-osd", "destroy-osd", "wipe-osd"]);
    }
    let last = u32::try_from(names(work.forward()).len() - 2).unwrap();
    assert_eq!(names(work.back(last)), ["look-at-osds"], "the new one is up when it cannot be put in");
    let same = OsdWork::Replace {
        node: "hv1".parse().unwrap(),
        osd: OsdId(3),
        old: uuid(1),
        old_device: "/dev/sdb".into(),
        side: Side::In,
        new: uuid(2),
        device: "/dev/sdb".parse().unwrap(),
        weight: Weight::of(1.0).unwrap(),
        db: None,
    };
    assert_eq!(names(same.forward())[0], "expect-osd-on-device", "it is wiped when the old one is gone");
}
