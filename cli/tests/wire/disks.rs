//! Volumes of VMs: the document that is sent, and what is attached and detached while a VM runs.

use crate::bench::Bench;
use crate::server::Script;

const ACCEPTED: &str = r#"{"task_id": "0000000a", "task_name": "vm.attach_device", "run_on": "hv1"}"#;
const DONE: &str =
    r#"{"id": "0000000a", "state": "SUCCESS", "status": "The device is attached", "current": 1, "total": 1}"#;
const ELEMENT: &str = "<disk type='network' device='disk'><driver name='qemu' type='raw' discard='unmap'/>\
    <source protocol='rbd' name='vms/data'/><target dev='sdb' bus='scsi'/></disk>";

fn document(disks: &str) -> String {
    format!(
        "<domain>\n  <devices>\n    <disk type='network'><source protocol='rbd' name='vms/root'/><target dev='sda'/></disk>\n{disks}  </devices>\n</domain>\n"
    )
}

fn vm(state: &str, disks: &str) -> String {
    let xml = serde_json::to_string(&document(disks)).unwrap();
    let more = if disks.is_empty() {
        ""
    } else {
        r#", {"name": "vms/data", "dev": "sdb", "bus": "scsi", "type": "rbd"}"#
    };
    format!(
        r#"[{{"name": "web1", "state": "{state}", "xml": {xml}, "disks": [{{"name": "vms/root", "dev": "sda", "bus": "scsi", "type": "rbd"}}{more}]}}]"#
    )
}

fn body(document: &str) -> String {
    format!("{{\"xml\":{}}}", serde_json::Value::String(document.into()))
}

#[test]
fn a_volume_is_added_to_the_document_and_to_the_vm_that_runs() {
    let with = document(&format!("    {ELEMENT}\n"));
    for (state, live) in [("start", true), ("stop", false)] {
        let server = Script::default()
            .answer("GET /vm/web1", "200 OK", vm(state, ""))
            .answer(
                "GET /storage/ceph/volume/vms/data",
                "200 OK",
                r#"[{"name": "data", "pool": "vms", "stats": {}}]"#,
            )
            .done("PUT /vm/web1?restart=false", "Modified.")
            .answer(&format!("POST /vm/web1/device?xml={}", escaped(ELEMENT)), "202 Accepted", ACCEPTED)
            .answer("GET /tasks/0000000a", "200 OK", DONE)
            .serve();
        let told = Bench::to(server.address).run("vm volume add web1 vms/data -y").done();
        assert_eq!(told.contains("The device is attached"), live, "{told}");
        let asked = server.asked();
        assert_eq!(asked[2], format!("PUT /vm/web1?restart=false\n{}", body(&with)));
        assert_eq!(asked.len(), if live { 5 } else { 3 }, "{asked:?}");
    }
}

#[test]
fn a_volume_is_taken_from_the_document_alone_where_that_is_wished() {
    let server = Script::default()
        .answer("GET /vm/web1", "200 OK", vm("stop", &format!("    {ELEMENT}\n")))
        .done("PUT /vm/web1?restart=false", "Modified.")
        .serve();
    let bench = Bench::to(server.address);
    for name in ["vms/data", "sdb"] {
        let told = bench.run(&format!("vm volume remove web1 {name} --no-live -R -y")).done();
        assert!(told.contains("Modified."), "{told}");
    }
    let asked = server.asked();
    assert_eq!(asked[1], format!("PUT /vm/web1?restart=false\n{}", body(&document(""))));
    assert_eq!(asked[3], asked[1]);
    let error = bench.run("vm volume remove web1 vms/other -y").failed();
    assert!(error.contains("has no volume \"vms/other\""), "{error}");
    let error = bench.run("vm volume add web1 vms/data -y").failed();
    assert!(error.contains("has vms/data already, as its disk sdb"), "{error}");
}

#[test]
fn the_volumes_of_a_vm_are_listed() {
    let server =
        Script::default().answer("GET /vm/web1", "200 OK", vm("stop", &format!("    {ELEMENT}\n"))).serve();
    let bench = Bench::to(server.address);
    assert_eq!(bench.run("vm volume get web1 -f raw").done(), "vms/root\nvms/data\n");
    let table = bench.run("vm volume get web1").done();
    assert!(table.contains("vms/data") && table.contains("sdb"), "{table}");
}

#[test]
fn locks_are_flushed_by_a_task() {
    let server = Script::default()
        .answer("POST /vm/web1/locks", "202 Accepted", ACCEPTED)
        .answer("GET /tasks/0000000a", "200 OK", DONE.replace("The device is attached", "Flushed locks"))
        .serve();
    let bench = Bench::to(server.address);
    assert!(bench.run("vm flush-locks web1").done().contains("Flushed locks"));
    assert!(bench.run("vm flush-locks web1 --no-wait").done().contains("Task 0000000a"));
}

/// As part of an address.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
