//! Answers have the shape of PVC 1.0.3's recorded ones: the same fields in the same order, of the same kinds; what we add
//! is listed here.

use logic::vm::Phase;
use serde_json::Value;

use super::desk::{Desk, UUID};
use super::storeroom::Storeroom;

/// Fields that PVC 1.0.3 did not have, by where they are.
const ADDED: &[(&str, &[&str])] = &[
    ("/node[0]", &["cpu_model", "cpu_utilization", "stale"]),
    ("/node/hv1[0]", &["cpu_model", "cpu_utilization", "stale"]),
    ("/storage/ceph/pool[0]", &["copies", "mincopies"]),
    ("/storage/ceph/pool/vms[0]", &["copies", "mincopies"]),
    ("/storage/ceph/volume[0]", &["size_bytes"]),
    ("/storage/ceph/volume/vms/vm0001_sda[0]", &["size_bytes"]),
];

/// Holds an answer against a recorded one. Lists are compared by their first members; maps with names of things as
/// their keys by the first; a null is of any kind.
fn alike(at: &str, ours: &Value, recorded: &Value) {
    match (ours, recorded) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Array(ours), Value::Array(recorded)) => {
            if let (Some(ours), Some(recorded)) = (ours.first(), recorded.first()) {
                alike(&format!("{at}[0]"), ours, recorded);
            }
        }
        (Value::Object(ours), Value::Object(recorded)) => {
            let names_things = ["node_health", "interfaces", "nodes", "vms", "osds", "data"];
            if names_things.iter().any(|name| at.ends_with(&format!(".{name}"))) {
                if let (Some(ours), Some(recorded)) = (ours.values().next(), recorded.values().next()) {
                    alike(&format!("{at}.*"), ours, recorded);
                }
                return;
            }
            let fields = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            let added = ADDED.iter().find(|(place, _)| *place == at).map_or(&[][..], |(_, added)| *added);
            let is_added = |name: &str| added.contains(&name);
            let known: Vec<_> = fields(ours).into_iter().filter(|name| !is_added(name)).collect();
            assert_eq!(known, fields(recorded), "the fields at {at}");
            for (name, value) in ours.iter().filter(|(name, _)| !is_added(name)) {
                alike(&format!("{at}.{name}"), value, &recorded[name]);
            }
        }
        _ => assert_eq!(kind(ours), kind(recorded), "the kind at {at}"),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// The order of fields, which a value does not keep, as the text has it.
fn order(text: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find("\":") {
        let begin = rest[..end].rfind('"').map_or(0, |at| at + 1);
        let field = rest[begin..end].to_owned();
        if !fields.contains(&field) {
            fields.push(field);
        }
        rest = &rest[end + 2..];
    }
    fields
}

#[tokio::test]
async fn answers_have_the_recorded_shapes() {
    let desk = Desk::new().await;
    desk.define("web1", UUID).await;
    desk.ask("POST", "/vm/web1/tags", &[("action", "add"), ("tag", "dev"), ("protected", "true")]).await;
    desk.say(UUID, Phase::Running, 1);
    for (path, recorded) in [
        ("/", include_str!("../../../api/fixtures/root.json")),
        ("/status", include_str!("../../../api/fixtures/status.json")),
        ("/status/primary_node", include_str!("../../../api/fixtures/status_primary_node.json")),
        ("/node", include_str!("../../../api/fixtures/node.json")),
        ("/node/hv1", include_str!("../../../api/fixtures/node.json")),
        ("/node/hv1/daemon-state", include_str!("../../../api/fixtures/node_daemon_state.json")),
        ("/node/hv1/coordinator-state", include_str!("../../../api/fixtures/node_coordinator_state.json")),
        ("/node/hv1/domain-state", include_str!("../../../api/fixtures/node_domain_state.json")),
        ("/node/hv1/log?lines=3", include_str!("../../../api/fixtures/node_log.json")),
        ("/vm", include_str!("../../../api/fixtures/vm.json")),
        ("/vm/web1", include_str!("../../../api/fixtures/vm.json")),
        ("/vm/web1/meta", include_str!("../../../api/fixtures/vm_meta.json")),
        ("/vm/web1/tags", include_str!("../../../api/fixtures/vm_tags.json")),
        ("/vm/web1/node", include_str!("../../../api/fixtures/vm_node.json")),
        ("/vm/web1/console?lines=3", include_str!("../../../api/fixtures/vm_console.json")),
        ("/tasks", include_str!("../../../api/fixtures/tasks.json")),
        ("/tasks/nope", include_str!("../../../api/fixtures/task_pending.json")),
    ] {
        let answer = desk.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let recorded_value: Value = serde_json::from_str(recorded).unwrap();
        alike(path, &answer.json(), &recorded_value);
        let (ours, theirs) = (order(&answer.text), order(recorded));
        let common: Vec<&String> = theirs.iter().filter(|field| ours.contains(field)).collect();
        let ours: Vec<&String> = ours.iter().filter(|field| theirs.contains(field)).collect();
        if path != "/status" {
            assert_eq!(ours, common, "the order of fields in {path}");
        }
    }
}

#[tokio::test]
async fn answers_about_storage_have_the_recorded_shapes() {
    let room = Storeroom::new().await;
    room.volume("vm0001_sda", "10G").await;
    room.snapshot("vm0001_sda", "snap1").await;
    for (path, recorded) in [
        ("/storage/ceph/status", include_str!("../../../api/fixtures/storage_status.json")),
        ("/storage/ceph/utilization", include_str!("../../../api/fixtures/storage_utilization.json")),
        ("/storage/ceph/osd", include_str!("../../../api/fixtures/storage_osd.json")),
        ("/storage/ceph/osd/0", include_str!("../../../api/fixtures/storage_osd.json")),
        ("/storage/ceph/osd/0/state", include_str!("../../../api/fixtures/storage_osd_0_state.json")),
        ("/storage/ceph/pool", include_str!("../../../api/fixtures/storage_pool.json")),
        ("/storage/ceph/pool/vms", include_str!("../../../api/fixtures/storage_pool.json")),
        ("/storage/ceph/volume", include_str!("../../../api/fixtures/storage_volume.json")),
        ("/storage/ceph/volume/vms/vm0001_sda", include_str!("../../../api/fixtures/storage_volume.json")),
        ("/storage/ceph/snapshot", include_str!("../../../api/fixtures/storage_snapshot.json")),
        (
            "/storage/ceph/snapshot/vms/vm0001_sda/snap1",
            include_str!("../../../api/fixtures/storage_snapshot.json"),
        ),
    ] {
        let answer = room.desk.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        alike(path, &answer.json(), &serde_json::from_str(recorded).unwrap());
        let ours: Vec<String> =
            order(&answer.text).into_iter().filter(|f| order(recorded).contains(f)).collect();
        let (known, all) = (order(recorded), order(&answer.text));
        let theirs: Vec<String> = known.into_iter().filter(|field| all.contains(field)).collect();
        assert_eq!(ours, theirs, "the order of fields in {path}");
    }
    let status = room.desk.get("/status").await.json();
    assert_eq!(
        (&status["pools"], &status["volumes"], &status["snapshots"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(status["osds"], serde_json::json!({"total": 2, "up,in": 2}));
    assert_eq!(status["resources"]["disk"]["total"], 3_145_728_000_u64);
}

#[tokio::test]
async fn a_vm_is_shown_as_it_was_defined_and_as_its_node_says() {
    let desk = Desk::new().await;
    desk.define("web1", UUID).await;
    let vm = desk.get("/vm/web1").await.json()[0].clone();
    for (field, value) in [
        ("name", "web1"),
        ("uuid", UUID),
        ("state", "stop"),
        ("node", "hv1"),
        ("last_node", ""),
        ("migrated", "no"),
        ("description", "A VM for tests"),
        ("vcpu_topology", "1/1/1"),
        ("type", "hvm"),
        ("arch", "x86_64"),
        ("machine", "pc-i440fx-2.7"),
        ("console", "pty"),
        ("emulator", "/usr/bin/kvm"),
    ] {
        assert_eq!(vm[field], value, "{field}");
    }
    assert_eq!((&vm["memory"], &vm["vcpu"]), (&512.into(), &1.into()));
    assert_eq!(vm["networks"][0]["vni"], "1000");
    assert_eq!(vm["networks"][0]["source"], "vmbr1000");
    assert_eq!(vm["disks"][0]["name"], "/var/lib/pvc/web1.img");
    assert_eq!(vm["features"], serde_json::json!(["acpi", "apic", "pae"]));
    assert_eq!(vm["controllers"][0], serde_json::json!({"type": "usb", "model": null}));
    assert_eq!(vm["memory_stats"]["rss"], 0);
    assert_eq!(vm["vnc"]["listen"], "None");

    desk.api.nodes.keep("hv1".parse().unwrap());
    desk.ask("POST", "/vm/web1/state", &[("state", "start")]).await;
    desk.say(UUID, Phase::Running, 2);
    let shown = desk.until("/vm/web1", |answer| answer.json()[0]["memory_stats"]["rss"] == 4242).await;
    let vm = shown.json()[0].clone();
    assert_eq!(vm["state"], "start");
    assert_eq!(vm["vcpu_stats"]["cpu_time"], 77);
    assert_eq!(vm["disks"][0]["rd_req"], 5);
    assert_eq!(vm["networks"][0]["rd_bytes"], 8);
    assert_eq!(vm["vnc"], serde_json::json!({"listen": "127.0.0.1", "port": "5900"}));
    let node = desk.get("/node/hv1").await.json()[0].clone();
    assert_eq!(node["running_domains"], serde_json::json!(["web1"]));
    assert_eq!((&node["vcpu"]["allocated"], &node["memory"]["allocated"]), (&1.into(), &512.into()));
    let status = desk.get("/status").await.json();
    assert_eq!(status["vms"], serde_json::json!({"total": 1, "start": 1}));
    assert_eq!(status["nodes"], serde_json::json!({"total": 1, "run,ready": 1}));
    assert_eq!(status["cluster_health"]["health"], 100);
    assert_eq!(status["primary_node"], "hv1");
}
