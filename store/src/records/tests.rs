//! Records survive the way to bytes and back, and what cannot be read is named.

use logic::cluster::{Maintenance, Primary};

use super::*;

#[test]
fn a_record_comes_back_as_it_went() {
    let record: Record = Primary { node: "hv1".parse().unwrap(), term: 3 }.into();
    let bytes = encode(&RecordId::Primary, &record);
    assert_eq!(decode(&RecordId::Primary, &bytes).unwrap(), record);
}

#[test]
fn what_cannot_be_read_is_named() {
    for (text, part) in [
        ("{", "EOF"),
        ("{}", "no schema"),
        ("{\"schema\": 2}", "its schema is 2"),
        ("{\"schema\": 1}", "missing field"),
    ] {
        let error = decode(&RecordId::Maintenance, text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("/pvc/maintenance") && error.contains(part), "{error}");
    }
}

#[test]
fn fields_of_a_newer_version_are_left_aside() {
    let bytes = br#"{"schema":1,"txn":"x","on":true,"since":5}"#;
    assert_eq!(decode(&RecordId::Maintenance, bytes).unwrap(), Maintenance { on: true }.into());
}

#[test]
fn every_record_has_a_key_of_its_own_and_is_found_by_it() {
    let vm = logic::id::VmId(Uuid::nil());
    let node: logic::id::NodeName = "hv1".parse().unwrap();
    let task = logic::id::TaskId(1);
    let ids = [
        RecordId::Cluster,
        RecordId::Maintenance,
        RecordId::ApiSecret,
        RecordId::Primary,
        RecordId::Node(node.clone()),
        RecordId::NodeStatus(node.clone()),
        RecordId::NodeLedger(node.clone()),
        RecordId::Presence(node),
        RecordId::Vm(vm),
        RecordId::VmFact(vm),
        RecordId::VmXml(vm),
        RecordId::VmName("web1".parse().unwrap()),
        RecordId::Task(task),
        RecordId::TaskFact(task),
    ];
    for id in ids {
        assert_eq!(crate::key::record_at(&path(&id)), Some(id));
    }
    for stray in ["/pvc", "/pvc/vms", "/pvc/vms/x", "/pvc/vms/x/y/z", "/other/cluster"] {
        assert_eq!(crate::key::record_at(&Key::new(stray)), None);
    }
}
