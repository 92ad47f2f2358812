//! Connections are added, listed without their keys, and forgotten.

use serde_json::Value;

use crate::bench::Bench;
use crate::server::Script;

#[test]
fn a_connection_is_added_used_and_removed() {
    let server = Script::default().recorded("GET /vm", "vm.json").serve();
    let bench = Bench::empty();
    let words = format!("connection add home -d Home -a 127.0.0.1 -p {} -k 1234", server.address.port());
    assert!(bench.run(&words).done().starts_with("Added connection \"home\"."));
    assert_eq!(bench.run("-c home vm list -f raw").done().lines().count(), 3);
    assert!(server.requests()[0].to_lowercase().contains("x-api-key: 1234\r\n"));
    assert_eq!(bench.run("connection list -f raw").done(), "home\nlocal\n");
    bench.run("connection remove home").done();
    assert_eq!(bench.run("connection list -f raw").done(), "local\n");
    let error = bench.run("connection remove home").failed();
    assert!(error.contains("There is no connection \"home\""), "{error}");
}

#[test]
fn keys_are_read_from_the_input_and_hidden_in_lists() {
    let bench = Bench::empty();
    bench.run_with_input("connection add work -a pvc.example.com -p 443 --ssl -k -", "1234\n").done();
    for format in ["pretty", "json", "json-pretty", "json-prometheus"] {
        let out = bench.run(&format!("connection list -f {format}")).done();
        assert!(out.contains("pvc.example.com") && !out.contains("1234"), "{out}");
    }
    let out = bench.run("connection list -k -f json").done();
    let list: Value = serde_json::from_str(&out).unwrap();
    let work = list.as_array().unwrap().iter().find(|entry| entry["name"] == "work").unwrap();
    assert_eq!(
        (&work["api_key"], &work["scheme"], &work["port"]),
        (&"1234".into(), &"https".into(), &443.into())
    );
}

#[test]
fn prometheus_gets_the_targets_as_it_discovers_them() {
    let bench = Bench::empty();
    bench.run("connection add home -d Home -a 10.0.0.1").done();
    let out = bench.run("connection list -f json-prometheus").done();
    let expected = serde_json::json!([{
        "targets": ["10.0.0.1:7370"],
        "labels": { "job": "pvc", "pvc_cluster_id": "home", "pvc_cluster_name": "home: Home" },
    }]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), expected);
}

#[test]
fn the_detail_asks_every_cluster_and_tells_which_does_not_answer() {
    let server = Script::default().recorded("GET /status", "status.json").serve();
    let bench = Bench::to(server.address);
    let out = bench.run("connection detail").done();
    assert!(out.lines().any(|line| line.starts_with("local ") && line.contains("no answer")), "{out}");
    assert!(
        out.lines().any(|line| line.starts_with("test ") && line.contains("65 %") && line.contains("pvchv1")),
        "{out}"
    );
    let list: Value = serde_json::from_str(&bench.run("connection detail -f json").done()).unwrap();
    assert_eq!(list[1]["status"]["cluster_name"], "pvc1");
    assert!(list[0]["error"].as_str().unwrap().contains("no local connection"), "{list}");
}
