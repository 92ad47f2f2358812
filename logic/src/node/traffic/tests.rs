//! Rates: bits are eight times the bytes and packets are packets, counters begin anew, and old samples are forgotten.

use super::*;

fn counted(count: u64) -> Counted {
    Counted {
        rx_bytes: 1000 * count,
        rx_packets: 10 * count,
        tx_bytes: 500 * count,
        tx_packets: 5 * count,
        speed_mbit: Some(1000),
        up: true,
    }
}

fn sample(count: u64) -> Sample {
    let cpu = CpuTime { busy: 25 * count, total: 100 * count };
    Sample { cpu, interfaces: [("ens4".to_owned(), counted(count))].into() }
}

fn window(samples: &[(u64, u64)]) -> Window {
    let mut window = Window::new(Span::seconds(5));
    for (second, count) in samples {
        window.add(BootTime(second * 1000), sample(*count));
    }
    window
}

fn ens4(window: &Window) -> Interface {
    window.interfaces()["ens4"]
}

#[test]
fn bits_are_eight_times_the_bytes_and_packets_are_counted_once() {
    let seen = ens4(&window(&[(0, 0), (1, 1), (2, 2)]));
    assert_eq!((seen.rx_bps, seen.tx_bps), (8000, 4000));
    assert_eq!((seen.rx_pps, seen.tx_pps), (10, 5));
    assert_eq!((seen.speed_mbit, seen.up), (Some(1000), true));
}

#[test]
fn one_sample_shows_the_interface_and_no_rates() {
    let window = window(&[(0, 7)]);
    assert_eq!(ens4(&window), Interface { speed_mbit: Some(1000), up: true, ..Interface::default() });
    assert!(window.cpu_percent().abs() < f64::EPSILON);
    assert!(Window::new(Span::seconds(5)).interfaces().is_empty());
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    // A burst in the first second, and then five quiet ones.
    let quiet: Vec<(u64, u64)> = (1..=6).map(|second| (second, 1_000_000)).collect();
    let samples = [vec![(0, 0)], quiet].concat();
    assert_eq!(ens4(&window(&samples)).rx_bps, 0);
    assert!(ens4(&window(&samples[..6])).rx_bps > 0);
}

#[test]
fn a_counter_that_begins_anew_counts_from_there() {
    let seen = ens4(&window(&[(0, 1_000_000), (1, 0), (2, 1), (3, 2)]));
    assert_eq!((seen.rx_bps, seen.rx_pps), (8000, 10));
}

#[test]
fn the_processors_work_in_percent_of_their_time() {
    assert!((window(&[(0, 0), (1, 1)]).cpu_percent() - 25.0).abs() < f64::EPSILON);
}
