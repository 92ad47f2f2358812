//! Runs that are kept, and a measurement that goes on.

use anyhow::anyhow;

use super::*;

#[test]
fn a_measurement_goes_on_after_the_last_whole_run() {
    let folder = tempfile::tempdir().unwrap();
    let on = json!({"cores": 2});
    let mut runs = Runs::resume(folder.path(), "x", &on).unwrap();
    runs.add("planned", Ok(json!({"total_ms": 5.0}))).unwrap();
    runs.add("planned", Err(anyhow!("it broke"))).unwrap();
    let mut file = OpenOptions::new().append(true).open(folder.path().join("x-runs.jsonl")).unwrap();
    write!(file, "{{\"kind\": \"planned\", \"tot").unwrap();
    let runs = Runs::resume(folder.path(), "x", &on).unwrap();
    assert_eq!((runs.count("planned"), runs.count("killed"), runs.failed("planned")), (2, 0, 1));
    assert_eq!(runs.values("planned", "total_ms"), [5.0, f64::INFINITY]);
}

#[test]
fn a_measurement_on_something_else_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut runs = Runs::resume(folder.path(), "x", &json!({"commit": "a"})).unwrap();
    runs.add("planned", Ok(json!({}))).unwrap();
    assert_eq!(Runs::resume(folder.path(), "x", &json!({"commit": "b"})).unwrap().count("planned"), 0);
}

#[test]
fn a_complete_measurement_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let on = json!({});
    let mut runs = Runs::resume(folder.path(), "x", &on).unwrap();
    runs.add("planned", Ok(json!({}))).unwrap();
    runs.finish().unwrap();
    assert_eq!(Runs::resume(folder.path(), "x", &on).unwrap().count("planned"), 0);
}

#[test]
fn only_what_lacks_is_run_and_a_run_that_fails_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut runs = Runs::resume(folder.path(), "x", &json!({})).unwrap();
    runs.add("killed", Ok(json!({}))).unwrap();
    let made = std::cell::Cell::new(0);
    let ready = || {
        made.set(made.get() + 1);
        Ok(())
    };
    runs.fill(("killed", 3), || Err(anyhow!("it broke")), ready).unwrap();
    assert_eq!((runs.total(), runs.failed("killed"), made.get()), (3, 2, 2));
}
