//! The figures of the storage's measurement.

use anyhow::anyhow;

use super::*;

#[test]
fn ours_is_compared_with_theirs_turn_by_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut runs = Runs::resume(folder.path(), "storage", &json!({})).unwrap();
    for (ours, theirs) in [(1.0, 50.0), (2.0, 20.0), (1.0, 30.0)] {
        runs.add("reads", Ok(json!({ "status_by_api_ms": ours, "status_by_ceph_ms": theirs }))).unwrap();
    }
    assert_eq!(times(&runs, "reads", "status", "by_api"), [50.0, 10.0, 30.0]);
    let figures = figures(&runs);
    let figure = figures.iter().find(|figure| figure.name == "status_by_api_times_p50").unwrap();
    assert_eq!((figure.value, figure.is_reached()), (30.0, true));
}

#[test]
fn a_turn_that_failed_was_not_faster_and_an_upload_that_failed_had_no_speed() {
    let folder = tempfile::tempdir().unwrap();
    let mut runs = Runs::resume(folder.path(), "storage", &json!({})).unwrap();
    runs.add("reads", Err(anyhow!("refused"))).unwrap();
    runs.add("raw", Err(anyhow!("broken off"))).unwrap();
    assert_eq!(times(&runs, "reads", "status", "by_api"), [0.0]);
    let missed: Vec<String> =
        figures(&runs).into_iter().filter(|figure| !figure.is_reached()).map(|figure| figure.name).collect();
    for name in ["status_by_api_times_p50", "status_by_pvc_times_p50", "upload_raw_share_percent_p50"] {
        assert!(missed.iter().any(|missed| missed == name), "{missed:?}");
    }
}
