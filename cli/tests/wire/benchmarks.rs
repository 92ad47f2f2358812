//! Benchmarks at the command line: consent, waiting, and what is shown of them in each format.

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::server::Script;

const PATH: &str = "/storage/ceph/benchmark";
const ACCEPTED: &str = r#"{"task_id": "1a2b3c4d", "task_name": "storage.benchmark", "run_on": "hv1"}"#;

fn benchmarks() -> Value {
    let side = json!({"io_bytes": 1, "bw_bytes": 104_857_600, "bw": 102_400, "iops": 25.0, "total_ios": 9});
    json!([{
        "id": 1,
        "job": "first",
        "test_format": 2,
        "benchmark_result": {"seq_write": {"jobs": [{"jobname": "seq_write", "write": side}], "node": "hv1"}},
        "pool": "vms",
        "size_bytes": 68_719_476_736_u64,
        "state": "done",
        "failed_reason": "",
        "task": "1a2b3c4d",
        "begin_timestamp": "Fri Nov 20 10:00:00 2026"
    }])
}

#[test]
fn a_benchmark_needs_consent_and_is_watched_to_its_end() {
    let question = format!("POST {PATH}?pool=vms&name=first&size=16G");
    let script = Script::default().answer(&question, "202 Accepted", ACCEPTED);
    let running = r#"{"state": "RUNNING", "current": 2, "total": 12, "status": "Measuring"}"#;
    let ended = r#"{"state": "SUCCESS", "current": 12, "total": 12, "status": "Measured pool \"vms\"."}"#;
    let script = script.answer("GET /tasks/1a2b3c4d", "200 OK", running);
    let server = script.answer("GET /tasks/1a2b3c4d", "200 OK", ended).serve();
    let bench = Bench::to(server.address);
    let words = "storage benchmark run vms --name first --size 16G";
    let refused = bench.run(words).failed();
    assert!(refused.contains("--yes") && refused.contains("full speed"), "{refused}");
    assert_eq!(bench.run(&format!("{words} -y")).done(), "Measured pool \"vms\".\n");
    let told = bench.run(&format!("{words} -y --no-wait")).done();
    assert!(told.contains("1a2b3c4d") && told.contains("pvc cluster task"), "{told}");
}

#[test]
fn benchmarks_are_shown_in_each_format() {
    let text = benchmarks().to_string();
    let script = Script::default().answer(&format!("GET {PATH}"), "200 OK", text.clone());
    let server = script.answer(&format!("GET {PATH}?job=first"), "200 OK", text).serve();
    let bench = Bench::to(server.address);
    for words in ["storage benchmark list", "storage benchmark list first"] {
        let table = bench.run(words).done();
        assert!(table.contains("first") && table.contains("100.0 MiB"), "{table}");
        for format in ["json", "json-pretty"] {
            let printed = bench.run(&format!("{words} -f {format}")).done();
            assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), benchmarks());
        }
    }
    let details = bench.run("storage benchmark info first").done();
    assert!(details.contains("Sequential write, 4 MiB") && details.contains("64.0 GiB"), "{details}");
    for format in ["json", "json-pretty"] {
        let printed = bench.run(&format!("storage benchmark info first -f {format}")).done();
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), benchmarks()[0]);
    }
}

#[test]
fn one_that_goes_on_is_ended_with_consent() {
    let question = format!("DELETE {PATH}?job=first");
    let server = Script::default().done(&question, "It is being cancelled.").serve();
    let bench = Bench::to(server.address);
    let refused = bench.run("storage benchmark cancel first").failed();
    assert!(refused.contains("--yes") && refused.contains("lose"), "{refused}");
    assert_eq!(bench.run("storage benchmark cancel first -y").done(), "It is being cancelled.\n");
    assert_eq!(server.asked(), [question]);
}

#[test]
fn none_and_one_that_is_not_there_are_failures_that_tell_so() {
    let none = r#"{"message": "Benchmark not found."}"#;
    let unknown = r#"{"message": "Benchmark not found. There is no \"x\"."}"#;
    let script = Script::default().answer(&format!("GET {PATH}"), "404 Not Found", none);
    let server = script.answer(&format!("GET {PATH}?job=x"), "404 Not Found", unknown).serve();
    let bench = Bench::to(server.address);
    assert!(bench.run("storage benchmark list").failed().contains("pvc storage benchmark run"));
    for words in ["storage benchmark list x", "storage benchmark info x"] {
        let error = bench.run(words).failed();
        assert!(error.contains("There is no \"x\""), "{error}");
    }
}
