//! A worker that dies before or after any step of any work about OSDs: the next one finishes what it has begun.

use sim::command::Command;
use sim::world::chance::Chance;
use sim::world::{Keepalives, World};

use logic::config::Timers;
use logic::time::Span;

/// The steps of a life of OSDs, from a device for databases to a removal, and to a machine that is built anew.
const STEPS: [&str; 16] = [
    "ensure-osd-db",
    "expect-empty-device",
    "prepare-osd",
    "place-osd",
    "start-osd",
    "await-osd-up",
    "look-at-osds",
    "mark-osd-out",
    "await-osd-safe",
    "stop-osd",
    "destroy-osd",
    "wipe-osd",
    "mark-osd-in",
    "purge-osd",
    "expect-osd-on-device",
    "restore-osd",
];

/// The orders of that life, each given time enough to be finished by a worker that is started again.
const LIFE: [&str; 8] = [
    "osd-db hv1 /dev/sda",
    "osd-add hv1 /dev/sdb 2",
    "osd-add hv1 /dev/sdc 1",
    "osd-replace 2 /dev/sdd",
    "osd-remove 2",
    "device hv1 rebuilt",
    "osd-refresh 0 /dev/sdb",
    "osd-refresh 1 /dev/sdb",
];

fn order(world: &mut World, text: &str) {
    let command: Command = text.parse().expect(text);
    world.order(&command);
}

/// What the operator was shown of OSDs and devices, with one break of the worker in between.
fn shown(broken: Option<&str>) -> Vec<String> {
    let node = "hv1".parse().expect("a name");
    let mut world = World::new(&[node], Timers::default(), Keepalives::Hidden, Chance::Fixed);
    for device in ["a", "b", "c", "d"] {
        order(&mut world, &format!("device hv1 new /dev/sd{device}"));
    }
    order(&mut world, "run noded@hv1");
    order(&mut world, "run workerd@hv1");
    world.run_until(Span::seconds(1));
    order(&mut world, "init");
    if let Some(broken) = broken {
        order(&mut world, broken);
    }
    let mut at = 10;
    for text in LIFE {
        world.run_until(Span::seconds(at));
        order(&mut world, text);
        world.run_until(Span::seconds(at + 20));
        // As an init system would.
        order(&mut world, "run workerd@hv1");
        at += 60;
    }
    world.run_until(Span::seconds(at));
    assert_eq!(world.violation(), None);
    if broken.is_some() {
        assert!(world.log().contains("workerd@hv1 is killed"), "{broken:?} never came:\n{}", world.log());
    }
    // What failed is as it was before, and the records alone would not tell.
    let ended = |how: &str| world.log().lines().filter(|line| line.contains(how)).count();
    let asked = LIFE.iter().filter(|text| text.starts_with("osd-")).count();
    let ends = (ended("reason=task-done"), ended("reason=task-failed"));
    assert_eq!(ends, (asked, 0), "{broken:?}:\n{}", world.log());
    let is_about = |line: &&str| line.contains(" api osd ") || line.contains(" api devices ");
    let lines =
        world.log().lines().filter(is_about).filter_map(|line| Some(line.split_once(" api ")?.1.to_owned()));
    lines.collect()
}

#[test]
fn a_worker_killed_at_any_step_is_succeeded_and_the_records_tell_the_same() {
    let undisturbed = shown(None);
    assert!(undisturbed.contains(&"osd 2 is ready, hv1 /dev/sdd".to_owned()), "{undisturbed:#?}");
    assert!(undisturbed.contains(&"osd 2 is gone".to_owned()), "{undisturbed:#?}");
    for step in STEPS {
        for moment in ["checked", "acted"] {
            let broken = format!("break workerd@hv1 {moment} {step} kill");
            assert_eq!(shown(Some(&broken)), undisturbed, "{broken}");
        }
    }
}
