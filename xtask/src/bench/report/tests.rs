//! Reports: percentiles, aims, and what a failed run becomes.

use super::*;

fn figure(value: f64, aim: Aim) -> Figure {
    Figure { name: "get_ms_p50".into(), value, aim, original: None }
}

#[test]
fn a_percentile_is_a_value_that_was_measured() {
    let values = [5.0, 1.0, 4.0, 2.0, 3.0];
    assert_eq!((percentile(&values, 0.5), percentile(&values, 0.99)), (3.0, 5.0));
    assert_eq!(percentile(&[7.0], 0.5), 7.0);
    assert_eq!(percentile(&[], 0.5), f64::INFINITY);
}

#[test]
fn a_failed_run_misses_every_aim() {
    assert!(figure(20.0, Aim::AtMost(20.0)).is_reached());
    assert!(!figure(20.1, Aim::AtMost(20.0)).is_reached());
    assert!(!figure(49.0, Aim::AtLeast(50.0)).is_reached());
    assert!(!figure(f64::INFINITY, Aim::AtMost(20.0)).is_reached());
    assert!(!figure(f64::INFINITY, Aim::AtLeast(50.0)).is_reached());
}

#[test]
fn the_line_names_what_was_missed() {
    let figures = vec![figure(f64::INFINITY, Aim::AtMost(1.0))];
    let report = Report { bench: "api", on: json!({"cores": 2}), runs: 3, figures };
    let line: Value = serde_json::from_str(&report.line()).unwrap();
    assert_eq!(line["missed"], json!(["get_ms_p50"]));
    assert_eq!((line["figures"]["get_ms_p50"].is_null(), &line["aims"]["get_ms_p50"]), (true, &json!(1.0)));
    assert!(report.table().contains("MISSED"));
}

#[test]
fn the_aim_of_percentiles_is_that_of_the_99th() {
    let [p50, p99] = Figure::percentiles("lost", &[1.0, 2.0, 9.0], Aim::AtMost(2.0));
    assert_eq!((p50.name.as_str(), p50.value, p50.aim), ("lost_p50", 2.0, Aim::None));
    assert_eq!((p99.name.as_str(), p99.value, p99.is_reached()), ("lost_p99", 9.0, false));
}
