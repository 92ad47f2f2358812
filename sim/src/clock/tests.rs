//! What a machine's clocks show, and when they will show it.

use super::*;

fn world() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Now { boot: BootTime(1_000_000), wall: WallTime(5_000_000) }))
}

#[test]
fn a_clock_that_drifts_shows_a_moment_no_later_than_it_is_said_to() {
    let world = world();
    for drift_ppm in [-999, -3, 0, 7, 1000] {
        let clock = LocalClock::new(&world);
        clock.set_drift(drift_ppm);
        for ahead in [1, 2, 999, 1_000, 4_999, 123_457] {
            let local = clock.now().boot + Span(ahead);
            let due = clock.world_time(local);
            let probe = Arc::new(ManualClock::new(world.now()));
            let same = LocalClock { world: Arc::clone(&probe), setting: Mutex::new(*clock.setting()) };
            probe.advance(Span((due - probe.now().boot).0 - 1));
            assert!(same.now().boot < local, "{drift_ppm} {ahead}");
            probe.advance(Span(1));
            assert!(same.now().boot >= local, "{drift_ppm} {ahead}");
        }
    }
}

#[test]
fn a_boot_begins_the_boot_clock_anew_and_leaves_the_wall_clock() {
    let world = world();
    let clock = LocalClock::new(&world);
    clock.step_wall(-3_600_000);
    world.advance(Span::seconds(40));
    clock.reboot();
    assert_eq!(clock.now(), Now { boot: UP, wall: WallTime(5_000_000 + 40_000 - 3_600_000) });
    world.advance(Span::seconds(5));
    assert_eq!(clock.now().boot, UP + Span::seconds(5));
}
