//! A worker that dies before or after any step of a benchmark: the next one makes it to its end, and nothing is left.

use sim::command::Command;
use sim::world::chance::Chance;
use sim::world::{Keepalives, World};

use logic::config::Timers;
use logic::time::Span;

/// The steps of a benchmark.
const STEPS: [&str; 5] =
    ["expect-no-volume", "create-plain-volume", "run-trial", "clear-volume", "look-at-storage"];

fn order(world: &mut World, text: &str) {
    let command: Command = text.parse().expect(text);
    world.order(&command);
}

/// What the operator was shown last of a benchmark and its volume, with one break of the worker in it.
fn shown(broken: &str, orders: &[&str]) -> Vec<String> {
    let node = "hv1".parse().expect("a name");
    let mut world = World::new(&[node], Timers::default(), Keepalives::Hidden, Chance::Fixed);
    order(&mut world, "run noded@hv1");
    order(&mut world, "run workerd@hv1");
    world.run_until(Span::seconds(1));
    order(&mut world, "init");
    world.run_until(Span::seconds(10));
    order(&mut world, "pool-add vms");
    world.run_until(Span::seconds(20));
    order(&mut world, broken);
    for text in orders {
        order(&mut world, text);
        world.run_until(Span(world.age().0 + 600));
    }
    world.run_until(Span::seconds(40));
    // As an init system would.
    order(&mut world, "run workerd@hv1");
    world.run_until(Span::seconds(90));
    assert_eq!(world.violation(), None);
    assert!(world.log().contains("workerd@hv1 is killed"), "{broken:?} never came:\n{}", world.log());
    let last = |of: &str| {
        let lines = world.log().lines().filter_map(|line| Some(line.split_once(" api ")?.1.to_owned()));
        lines.rev().find(|line| line.starts_with(of)).unwrap_or_default()
    };
    vec![last("benchmark first"), last("volume vms/pvcbenchmark")]
}

#[test]
fn a_worker_killed_at_any_step_is_succeeded_and_the_benchmark_is_made() {
    for step in STEPS {
        for moment in ["checked", "acted"] {
            let broken = format!("break workerd@hv1 {moment} {step} kill");
            let shown = shown(&broken, &["benchmark vms first"]);
            let expected = ["benchmark first is done, 8 measured", "volume vms/pvcbenchmark is gone"];
            assert_eq!(shown, expected, "{broken}");
        }
    }
}

#[test]
fn a_worker_killed_as_it_clears_up_after_a_cancellation_leaves_nothing() {
    for step in ["clear-volume", "look-at-storage"] {
        for moment in ["checked", "acted"] {
            let broken = format!("break workerd@hv1 {moment} {step} kill");
            let shown = shown(&broken, &["benchmark vms first", "benchmark-cancel first"]);
            assert!(
                shown[0].starts_with("benchmark first is failed: it was cancelled by the operator"),
                "{shown:?}"
            );
            assert_eq!(shown[1], "volume vms/pvcbenchmark is gone", "{broken}");
        }
    }
}
