//! Tests of the types against real answers of PVC 1.0.3.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;

/// Reads a recorded answer, writes it again, and expects the same text: nothing lost, nothing added, the same order.
#[track_caller]
fn survives<T: Serialize + DeserializeOwned>(answer: &str) {
    let expected = compact(answer);
    let value: T = serde_json::from_str(answer).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), expected);
}

/// The same JSON without the white space between its parts, its fields in their order.
fn compact(answer: &str) -> String {
    let mut out = String::new();
    let mut in_text = false;
    let mut escaped = false;
    for c in answer.chars() {
        if in_text || !c.is_whitespace() {
            out.push(c);
        }
        in_text ^= c == '"' && !escaped;
        escaped = in_text && c == '\\' && !escaped;
    }
    out
}

#[test]
fn recorded_answers_survive_reading_and_writing() {
    survives::<Message>(include_str!("../fixtures/root.json"));
    survives::<ClusterStatus>(include_str!("../fixtures/status.json"));
    survives::<PrimaryNode>(include_str!("../fixtures/status_primary_node.json"));
    survives::<Vec<Fault>>(include_str!("../fixtures/fault.json"));
    survives::<Vec<Node>>(include_str!("../fixtures/node.json"));
    survives::<NodeDaemonState>(include_str!("../fixtures/node_daemon_state.json"));
    survives::<NodeCoordinatorState>(include_str!("../fixtures/node_coordinator_state.json"));
    survives::<NodeDomainState>(include_str!("../fixtures/node_domain_state.json"));
    survives::<NodeLog>(include_str!("../fixtures/node_log.json"));
    survives::<TaskList>(include_str!("../fixtures/tasks.json"));
    survives::<TaskStatus>(include_str!("../fixtures/task_pending.json"));
    survives::<Vec<Vm>>(include_str!("../fixtures/vm.json"));
    survives::<VmMetadata>(include_str!("../fixtures/vm_meta.json"));
    survives::<VmTags>(include_str!("../fixtures/vm_tags.json"));
    survives::<VmNode>(include_str!("../fixtures/vm_node.json"));
    survives::<VmLog>(include_str!("../fixtures/vm_console.json"));
}

#[test]
fn recorded_answers_about_storage_survive_reading_and_writing() {
    survives::<StorageText>(include_str!("../fixtures/storage_status.json"));
    survives::<StorageText>(include_str!("../fixtures/storage_utilization.json"));
    survives::<Vec<Pool>>(include_str!("../fixtures/storage_pool.json"));
    survives::<Vec<Volume>>(include_str!("../fixtures/storage_volume.json"));
    survives::<Vec<VolumeSnapshot>>(include_str!("../fixtures/storage_snapshot.json"));
    survives::<Vec<Osd>>(include_str!("../fixtures/storage_osd.json"));
    survives::<OsdState>(include_str!("../fixtures/storage_osd_0_state.json"));
}

#[test]
fn unknown_and_missing_fields_do_not_break_a_client() {
    let vm: Vm = serde_json::from_str(r#"{"name": "a", "colour": "blue", "memory": 512}"#).unwrap();
    assert_eq!((vm.name.as_str(), vm.memory, vm.vcpu), ("a", 512, 0));
    let status: ClusterStatus =
        serde_json::from_str(r#"{"nodes": {"total": 2, "run,ready": 1, "dead,flushed": 1}}"#).unwrap();
    assert_eq!((status.nodes.total, status.nodes.by_state["dead,flushed"]), (2, 1));
    serde_json::from_str::<Node>("{}").unwrap();
}

#[test]
fn both_kinds_of_message_become_text() {
    let text = |json: &str| message_text(&serde_json::from_str::<Value>(json).unwrap());
    assert_eq!(text(r#"{"message": "VM not found."}"#).as_deref(), Some("VM not found."));
    assert_eq!(
        text(r#"{"message": {"xml": "missing", "node": "unknown"}}"#).as_deref(),
        Some("node: unknown\nxml: missing")
    );
    assert_eq!(text("[]"), None);
}
