//! Benchmarks: that one becomes a task, what is shown of it, how it is ended, and what is refused.

use axum::http::StatusCode;
use logic::record::{Expect, RecordId, Records};
use logic::storage::benchmark::figures::{DaemonFigures, IoFigures, Latency, MachineFigures, Way};
use logic::storage::benchmark::{
    Benchmark, BenchmarkId, BenchmarkState, BenchmarkWish, Trial, TrialFigures, TrialResult,
};
use logic::time::WallTime;
use serde_json::json;

use super::storeroom::{GIB, Mood, Storeroom};

const PATH: &str = "/storage/ceph/benchmark";

#[tokio::test]
async fn a_benchmark_is_a_task_that_goes_on_until_it_ends_or_is_cancelled() {
    let room = Storeroom::new().await;
    let none = room.desk.get(PATH).await;
    assert_eq!((none.status, none.message()), (StatusCode::NOT_FOUND, "Benchmark not found.".to_owned()));
    room.feel(Mood::Idle);
    let asked = [("pool", "vms"), ("name", "first"), ("size", "16G")];
    let accepted = room.desk.ask("POST", PATH, &asked).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", accepted.text);
    let task = accepted.json();
    assert_eq!((&task["task_name"], &task["run_on"]), (&json!("storage.benchmark"), &json!("hv1")));
    let id = task["task_id"].as_str().unwrap();
    assert_eq!(accepted.headers["location"], format!("/api/v1/tasks/{id}"));
    let status = room.desk.get(&format!("/tasks/{id}")).await.json();
    assert_eq!((&status["state"], &status["total"]), (&json!("PENDING"), &json!(12)));

    let shown = room.desk.ask("GET", PATH, &[("job", "first")]).await.json();
    assert_eq!(shown.as_array().unwrap().len(), 1);
    let first = &shown[0];
    assert_eq!((&first["id"], &first["job"], &first["test_format"]), (&json!(1), &json!("first"), &json!(2)));
    assert_eq!(first["benchmark_result"], "Running");
    assert_eq!((&first["pool"], &first["task"]), (&json!("vms"), &json!(id)));
    assert_eq!(first["size_bytes"], 16 * GIB);

    let second = room.desk.ask("POST", PATH, &[("pool", "vms")]).await;
    assert_eq!(second.status, StatusCode::BAD_REQUEST, "{}", second.text);
    assert!(second.message().contains("\"first\" of pool \"vms\" goes on"), "{}", second.text);
    assert!(second.message().contains(id), "{}", second.text);
    // Its volume is nobody else's, and is not listed.
    assert_eq!(room.desk.get("/storage/ceph/volume").await.status, StatusCode::NOT_FOUND);
    let removed = room.desk.ask("DELETE", "/storage/ceph/volume/vms/pvcbenchmark", &[]).await;
    assert!(removed.message().contains("in use by a benchmark"), "{}", removed.text);

    let cancelled = room.desk.ask("DELETE", PATH, &[("job", "first")]).await;
    assert_eq!(cancelled.status, StatusCode::OK, "{}", cancelled.text);
    let cluster = room.desk.api.view.cluster().await.unwrap();
    assert_eq!(cluster.benchmarks[&BenchmarkId(1)].value.wish, BenchmarkWish::Ended);

    room.feel(Mood::Failing("the lights went out".into()));
    let ended = |cluster: &std::sync::Arc<logic::cluster::Cluster>| {
        let one = &cluster.benchmarks[&BenchmarkId(1)].value;
        (one.state != BenchmarkState::Running).then_some(())
    };
    room.desk.api.view.wait_for(std::time::Duration::from_secs(30), ended).await.expect("it ends");
    let failed = &room.desk.ask("GET", PATH, &[("job", "first")]).await.json()[0];
    assert_eq!((&failed["benchmark_result"], &failed["state"]), (&json!({}), &json!("failed")));
    assert_eq!(failed["failed_reason"], "the lights went out");
    let over = room.desk.ask("DELETE", PATH, &[("job", "first")]).await;
    assert_eq!(over.status, StatusCode::BAD_REQUEST, "{}", over.text);
    assert!(over.message().contains("has ended already"), "{}", over.text);
    let again = room.desk.ask("POST", PATH, &[("pool", "vms"), ("name", "first")]).await;
    assert!(again.message().contains("exists already"), "{}", again.text);
}

fn figures() -> TrialFigures {
    TrialFigures {
        io: IoFigures {
            way: Way::Client,
            span_ms: 60_000,
            byte_count: 6 << 30,
            piece_count: 1536,
            bytes_per_s: 107_374_182.4,
            pieces_per_s: 25.6,
            latency: Latency {
                min_ns: 1e6,
                mean_ns: 2.5e9,
                max_ns: 4e9,
                deviation_ns: 1e8,
                percentiles: vec![(50.0, 2.4e9), (99.9, 3.9e9)],
            },
            user_percent: 1.5,
            system_percent: 2.5,
        },
        machine: MachineFigures {
            processor_count: 4,
            load: 1.25,
            processors_percent: 42.0,
            osds: Some(DaemonFigures { count: 2, percent: 130.0 }),
            monitors: None,
            memory_total_mib: 16_384,
            memory_used_mib: 4_096,
            received_bytes_per_s: Some(1e8),
            sent_bytes_per_s: None,
        },
    }
}

#[tokio::test]
async fn what_was_measured_is_told_as_fio_tells_it() {
    let room = Storeroom::new().await;
    let result = TrialResult { node: "hv1".parse().unwrap(), region_bytes: 6 * GIB, figures: figures() };
    let done = Benchmark {
        name: "first".parse().unwrap(),
        volume: "vms/pvcbenchmark".parse().unwrap(),
        size_bytes: 64 * GIB,
        task: logic::id::TaskId(7),
        asked: WallTime(1_795_168_800_000),
        state: BenchmarkState::Done,
        wish: BenchmarkWish::Made,
        results: Trial::ALL.iter().map(|trial| (*trial, result.clone())).collect(),
    };
    let id = RecordId::Benchmark(BenchmarkId(1));
    room.desk.commit(Records::default().write(id, Expect::Absent, done.into()));
    let shown = &room.desk.ask("GET", PATH, &[("job", "first")]).await.json()[0];
    let tests = shown["benchmark_result"].as_object().unwrap();
    let mut names: Vec<&str> = tests.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "rand_read_4K",
        "rand_read_4K_lowdepth",
        "rand_read_4M",
        "rand_write_4K",
        "rand_write_4K_lowdepth",
        "rand_write_4M",
        "seq_read",
        "seq_write",
    ];
    assert_eq!(names, expected);
    let write = &tests["seq_write"];
    assert_eq!((&write["node"], &write["access"]), (&json!("hv1"), &json!("client")));
    let job = &write["jobs"][0];
    assert_eq!(
        job["job options"],
        json!({"rw": "write", "bs": "4194304", "iodepth": "64", "size": "6442450944"})
    );
    assert_eq!(job["read"]["total_ios"], 0);
    let side = &job["write"];
    assert_eq!((&side["bw_bytes"], &side["bw"]), (&json!(107_374_182), &json!(104_857)));
    assert_eq!(
        (&side["iops"], &side["runtime"], &side["total_ios"]),
        (&json!(25.6), &json!(60_000), &json!(1536))
    );
    assert_eq!(side["lat_ns"], json!({"min": 1e6, "max": 4e9, "mean": 2.5e9, "stddev": 1e8}));
    assert_eq!(side["clat_ns"]["percentile"], json!({"50.000000": 2.4e9, "99.900000": 3.9e9}));
    let resources = &write["resources"];
    assert_eq!((&resources["osd_count"], &resources["osd_cpu_percent"]), (&json!(2), &json!(130.0)));
    assert_eq!((&resources["mon_count"], &resources["cpu_percent"]), (&json!(0), &json!(42.0)));
    assert_eq!(resources["network_rx_bytes"], json!(1e8));
    assert!(resources.get("network_tx_bytes").is_none(), "{resources}");
    assert_eq!(tests["rand_read_4K_lowdepth"]["jobs"][0]["job options"]["iodepth"], "1");
}

/// A method, names and values, the status, and words of the answer.
type Case = (&'static str, &'static [(&'static str, &'static str)], u16, &'static str);

#[tokio::test]
async fn what_cannot_be_measured_is_refused_and_nothing_is_written() {
    let room = Storeroom::new().await;
    let before = room.recorded().await;
    let cases: [Case; 10] = [
        ("POST", &[], 400, "pool"),
        ("POST", &[("pool", "nope")], 400, "Pool not found."),
        ("POST", &[("pool", "../etc")], 400, "pool name"),
        ("POST", &[("pool", "vms"), ("name", "a b")], 400, "benchmark name"),
        ("POST", &[("pool", "vms"), ("size", "many")], 400, "size"),
        ("POST", &[("pool", "vms"), ("size", "1M")], 400, "too small"),
        ("POST", &[("pool", "vms"), ("size", "900G")], 400, "has not the room for it"),
        ("POST", &[("pool", "vms"), ("colour", "red")], 400, "colour"),
        ("GET", &[("job", "nope")], 404, "Benchmark not found."),
        ("DELETE", &[("job", "nope")], 404, "Benchmark not found."),
    ];
    for (method, parameters, status, words) in cases {
        let answer = room.desk.ask(method, PATH, parameters).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {parameters:?}: {}", answer.text);
        assert!(answer.text.contains(words), "{method} {parameters:?}: {}", answer.text);
    }
    assert_eq!(room.recorded().await, before);
}
