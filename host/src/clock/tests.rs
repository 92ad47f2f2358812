//! Tests of the clocks.

use super::*;

#[test]
fn the_boot_clock_is_the_kernels_uptime() {
    let before = SystemClock.now();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime_s: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let after = SystemClock.now();
    assert!(before.boot <= after.boot);
    // Two decimals are written, so that the file may be 10 ms behind.
    let (low, high) = (before.boot.0 as f64 / 1000.0 - 0.02, after.boot.0 as f64 / 1000.0 + 0.02);
    assert!((low..=high).contains(&uptime_s), "{uptime_s} is not between {low} and {high}");
}

#[test]
fn a_manual_clock_moves_only_when_it_is_moved() {
    let clock = ManualClock::new(Now { boot: BootTime(5), wall: WallTime(7) });
    assert_eq!(clock.now(), clock.now());
    clock.advance(Span(10));
    assert_eq!(clock.now(), Now { boot: BootTime(15), wall: WallTime(17) });
    clock.set(Now { boot: BootTime(1), wall: WallTime(2) });
    assert_eq!(clock.now(), Now { boot: BootTime(1), wall: WallTime(2) });
}
