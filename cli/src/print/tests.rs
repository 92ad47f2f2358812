//! Tests of what is printed: recorded answers in, recorded pages out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use api::client::{Endpoint, Scheme};
use api::{
    Benchmark, BenchmarkJob, BenchmarkLatency, BenchmarkPercentiles, BenchmarkResources, BenchmarkResult,
    BenchmarkSide, BenchmarkTest, ClusterStatus, Node, Osd, Pool, StorageText, TaskList, TaskStatus, Vm,
    VmTags, Volume, VolumeSnapshot,
};
use serde::de::DeserializeOwned;

use super::connection::{Keys, Shown};
use super::paint::{Paint, Tone};
use super::table::{Cell, Table};
use super::vm::Depth;
use super::*;

fn recorded<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/fixtures").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Compares with the page of that name in `golden/`. `UPDATE=1` writes the page, to be reviewed like code.
#[track_caller]
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "golden/{name} differs:\n{}", diff::unified(&expected, text, Paint::Plain));
}

#[test]
fn vms_are_listed_by_name() {
    golden("vm-list.txt", &vm::list(&recorded::<Vec<Vm>>("vm.json"), Paint::Plain));
}

#[test]
fn a_vm_is_shown_short_and_long() {
    let vms: Vec<Vm> = recorded("vm.json");
    let one = vms.iter().find(|vm| vm.name == "vm0001").unwrap();
    golden("vm-info.txt", &vm::details(one, Depth::Short, Paint::Plain));
    golden("vm-info-long.txt", &vm::details(one, Depth::Long, Paint::Plain));
}

#[test]
fn a_failed_vm_with_nothing_says_why() {
    let failed = Vm {
        name: "broken".into(),
        uuid: "9a1de644-815e-46d1-bb8f-aa1837f8a88b".into(),
        state: "fail".into(),
        failed_reason: "The disk vms/broken_sda is not there.".into(),
        node: "hv1".into(),
        migrated: "no".into(),
        vcpu_topology: "1/1/1".into(),
        ..Vm::default()
    };
    golden("vm-info-failed.txt", &vm::details(&failed, Depth::Long, Paint::Plain));
    golden("vm-list-colour.txt", &vm::list(&[failed], Paint::Colour));
}

#[test]
fn tags_are_listed() {
    golden("vm-tags.txt", &vm::tags(&recorded::<VmTags>("vm_tags.json").tags, Paint::Plain));
}

#[test]
fn nodes_are_listed_by_name_and_shown_short_and_long() {
    let mut nodes: Vec<Node> = recorded("node.json");
    golden("node-info.txt", &node::details(&nodes[0], Depth::Short, Paint::Plain));
    golden("node-info-long.txt", &node::details(&nodes[0], Depth::Long, Paint::Plain));
    nodes.push(Node {
        name: "pvchv0".into(),
        daemon_state: "dead".into(),
        coordinator_state: "client".into(),
        domain_state: "flushed".into(),
        health: 50,
        ..Node::default()
    });
    golden("node-list.txt", &node::list(&nodes, Paint::Plain));
}

#[test]
fn the_status_is_a_page_or_a_few_lines() {
    let mut status: ClusterStatus = recorded("status.json");
    golden("cluster-status.txt", &cluster::status(&status, Paint::Plain));
    golden("cluster-status-short.txt", &cluster::short(&status, Paint::Plain));
    status.maintenance = "true".into();
    assert!(cluster::short(&status, Paint::Plain).starts_with("Health:        maintenance mode\n"));
}

#[test]
fn tasks_are_listed_and_shown() {
    let tasks: TaskList = serde_json::from_str(
        r#"{"scheduled": null, "reserved": {"pvcworkerd@hv1": [{"id": "0a0a0a0a", "name": "storage.benchmark"}]},
            "active": {"pvcworkerd@hv2": [{"id": "1b1b1b1b", "name": "vm.flush_locks", "args": ["web1"], "kwargs": {"run_on": "hv2"}}]}}"#,
    )
    .unwrap();
    golden("task-list.txt", &task::list(&tasks, Paint::Plain));
    assert_eq!(task::ids(&tasks), ["1b1b1b1b", "0a0a0a0a"]);
    assert!(task::ids(&recorded::<TaskList>("tasks.json")).is_empty());
    let running =
        TaskStatus { state: "RUNNING".into(), current: 3, total: 10, status: "Copying".into(), result: None };
    assert_eq!(
        task::status("1b1b1b1b", &running, Paint::Plain),
        "1b1b1b1b RUNNING [#########.....................] 3/10 Copying\n"
    );
    let pending: TaskStatus = recorded("task_pending.json");
    assert!(task::status("x", &pending, Paint::Plain).contains("PENDING [....."));
}

#[test]
fn keys_are_shown_only_when_asked_for() {
    let endpoint = Endpoint {
        scheme: Scheme::Https,
        host: "pvc.example.com".into(),
        port: 443,
        token: Some("secret".into()),
        ..Endpoint::default()
    };
    let shown = |description: &str, endpoint| Shown { description: description.into(), endpoint };
    let connections = BTreeMap::from([
        ("work".to_owned(), shown("At work", Ok(endpoint))),
        ("local".to_owned(), shown("This machine's own cluster", Err("no".into()))),
    ]);
    golden("connection-list.txt", &connection::list(&connections, Keys::Hidden, Paint::Plain));
    assert!(connection::list(&connections, Keys::Shown, Paint::Plain).contains("secret"));
    let answers = [Err("no".to_owned()), Ok(recorded::<ClusterStatus>("status.json"))];
    let rows: Vec<_> =
        connections.into_iter().zip(answers).map(|((name, shown), a)| (name, shown, a)).collect();
    golden("connection-detail.txt", &connection::detail(&rows, Paint::Plain));
}

#[test]
fn columns_stand_below_each_other_whatever_the_colours_and_letters() {
    let mut table = Table::new(&["Name", "#Size", "Last"]);
    table.row(vec!["ü".into(), "7".into(), Cell::toned("x", Tone::Good)]);
    table.row(vec![Cell::toned("longer", Tone::Bad), "1234567".into(), "".into()]);
    assert_eq!(table.render(Paint::Plain), "Name       Size  Last\nü             7  x\nlonger  1234567\n");
    let colours = table.render(Paint::Colour);
    let plain = ["\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[0m"]
        .iter()
        .fold(colours, |text, code| text.replace(code, ""));
    let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
    assert_eq!(trimmed.join("\n") + "\n", table.render(Paint::Plain));
}

#[test]
fn json_keeps_the_order_and_every_letter() {
    let text = r#" { "b" : [ 1 , -2.5e3, true ] , "a" : { } , "text" : "a \"b\" \\ {x: [1, 2]} ü" , "none" : [ ] , "n" : null } "#;
    let compact = r#"{"b":[1,-2.5e3,true],"a":{},"text":"a \"b\" \\ {x: [1, 2]} ü","none":[],"n":null}"#;
    assert_eq!(json::compact(text), compact);
    let pretty = json::pretty(text);
    assert_eq!(
        pretty,
        "{\n  \"b\": [\n    1,\n    -2.5e3,\n    true\n  ],\n  \"a\": {},\n  \"text\": \"a \\\"b\\\" \\\\ {x: [1, 2]} ü\",\n  \
         \"none\": [],\n  \"n\": null\n}"
    );
    assert_eq!(json::compact(&pretty), compact);
}

#[test]
fn every_recorded_answer_is_the_same_json_in_both_forms() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/fixtures");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json::compact(&text)).unwrap(), value);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json::pretty(&text)).unwrap(), value);
        count += 1;
    }
    assert!(count > 10, "the recorded answers were not found");
}

#[test]
fn a_difference_shows_three_lines_around_each_change() {
    let before = "a\nb\nc\nd\ne\nf\ng\n";
    let after = "a\nb\nc\nd\nE\nf\ng\n";
    let text = diff::unified(before, after, Paint::Plain);
    assert_eq!(text, "--- current\n+++ new\n@@ -2,6 +2,6 @@\n b\n c\n d\n-e\n+E\n f\n g\n");
    assert!(diff::unified(before, after, Paint::Colour).contains("\x1b[31m-e\x1b[0m\n\x1b[32m+E\x1b[0m\n"));
    assert_eq!(diff::unified(before, before, Paint::Plain), "");
}

#[test]
fn a_bar_is_never_longer_than_itself() {
    assert_eq!(progress::bar(0, 0).len(), 32);
    assert_eq!(progress::bar(5, 1), format!("[{}]", "#".repeat(30)));
}

#[test]
fn storage_is_shown_in_its_own_words_with_what_is_old() {
    let mut status: StorageText = recorded("storage_status.json");
    golden("storage-status.txt", &storage::text(&status, Paint::Plain));
    status.stale = Some("the storage has not answered since 10:00".into());
    golden("storage-status-old.txt", &storage::text(&status, Paint::Plain));
    golden("storage-util.txt", &storage::text(&recorded("storage_utilization.json"), Paint::Plain));
}

#[test]
fn osds_pools_volumes_and_snapshots_are_listed() {
    let mut osds: Vec<Osd> = recorded("storage_osd.json");
    osds[1].state = Some("removing".into());
    osds[1].task = Some("1a2b3c4d".into());
    osds[1].stats.up = 0;
    golden("storage-osd-list.txt", &storage::osds(&osds, Paint::Plain));
    let mut pools: Vec<Pool> = recorded("storage_pool.json");
    pools.push(Pool { name: "fast".into(), state: Some("making".into()), ..pools[0].clone() });
    pools[0].stale = Some("the storage does not answer".into());
    golden("storage-pool-list.txt", &storage::pools(&pools, Paint::Plain));
    let mut volumes: Vec<Volume> = recorded("storage_volume.json");
    volumes[1].parent = Some("vms/golden@one".into());
    volumes[1].state = Some("resizing".into());
    volumes[1].task = Some("1a2b3c4d".into());
    golden("storage-volume-list.txt", &storage::volumes(&volumes, Paint::Plain));
    let snapshots: Vec<VolumeSnapshot> = recorded("storage_snapshot.json");
    golden("storage-snapshot-list.txt", &storage::snapshots(&snapshots, Paint::Plain));
}

/// A benchmark whose tests differ by their place.
fn benchmark(state: &str, result: BenchmarkResult) -> Benchmark {
    Benchmark {
        id: 3,
        job: "before-upgrade".into(),
        test_format: 2,
        benchmark_result: result,
        pool: "vms".into(),
        size_bytes: 64 << 30,
        state: state.into(),
        failed_reason: String::new(),
        task: "1a2b3c4d".into(),
        begin_timestamp: "Fri Nov 20 10:00:00 2026".into(),
    }
}

fn tests() -> BTreeMap<String, BenchmarkTest> {
    let names = [
        "seq_write",
        "seq_read",
        "rand_write_4M",
        "rand_read_4M",
        "rand_write_4K",
        "rand_read_4K",
        "rand_write_4K_lowdepth",
        "rand_read_4K_lowdepth",
    ];
    let test = |(place, name): (u32, &str)| {
        let factor = f64::from(place);
        let percentile = [("95.000000".to_owned(), 9e6 * factor), ("99.000000".to_owned(), 9.9e6 * factor)];
        let side = BenchmarkSide {
            bw_bytes: 100_000_000 * u64::from(place),
            iops: 25.25 * factor,
            total_ios: 7,
            lat_ns: BenchmarkLatency { mean: 5e5 * factor, max: 3e8 * factor, ..BenchmarkLatency::default() },
            clat_ns: BenchmarkPercentiles { percentile: percentile.into() },
            ..BenchmarkSide::default()
        };
        let job = match name.contains("write") {
            true => BenchmarkJob { write: side, ..BenchmarkJob::default() },
            false => BenchmarkJob { read: side, ..BenchmarkJob::default() },
        };
        let resources = BenchmarkResources {
            cpu_count: 4,
            cpu_percent: 10.0 * factor,
            load: factor,
            osd_count: 2,
            osd_cpu_percent: 20.0 * factor,
            memory_total: 16_384,
            memory_used: 4_096,
            network_rx_bytes: Some(1e6 * factor),
            ..BenchmarkResources::default()
        };
        let access = if place == 8 { "cached" } else { "client" };
        let test = BenchmarkTest {
            jobs: vec![job],
            node: "hv1".into(),
            access: access.into(),
            region_bytes: 6 << 30,
            resources,
        };
        (name.to_owned(), test)
    };
    (1..).zip(names).map(test).collect()
}

#[test]
fn benchmarks_are_shown_with_what_they_have_measured() {
    let done = benchmark("done", BenchmarkResult::Tests(tests()));
    let running = Benchmark {
        id: 4,
        job: "now".into(),
        ..benchmark("running", BenchmarkResult::Word("Running".into()))
    };
    let failed = Benchmark {
        id: 5,
        job: "never".into(),
        failed_reason: "it was cancelled by the operator".into(),
        ..benchmark("failed", BenchmarkResult::default())
    };
    golden("storage-benchmark-info.txt", &super::benchmark::details(&done, Paint::Plain));
    golden("storage-benchmark-info-running.txt", &super::benchmark::details(&running, Paint::Plain));
    golden("storage-benchmark-info-failed.txt", &super::benchmark::details(&failed, Paint::Plain));
    golden("storage-benchmark-list.txt", &super::benchmark::list(&[done, running, failed], Paint::Plain));
}
