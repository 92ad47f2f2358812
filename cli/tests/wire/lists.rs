//! Lists and single things, in each of their formats.

use serde_json::Value;

use crate::bench::Bench;
use crate::server::{Script, recorded};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn vms_are_listed_in_each_format() {
    let server = Script::default().recorded("GET /vm", "vm.json").serve();
    let bench = Bench::to(server.address);
    let golden = include_str!("../../golden/vm-list.txt");
    assert_eq!(bench.run("vm list").done(), golden);
    assert_eq!(bench.run("vm list -f pretty").done(), golden);
    assert_eq!(bench.run("vm list -f raw").done(), "vm0001\nvm0002\nvm0005\n");
    let compact = bench.run("vm list -f json").done();
    assert_eq!((compact.lines().count(), json(&compact)), (1, json(&recorded("vm.json"))));
    assert!(compact.starts_with(r#"[{"name":"vm0002","uuid":"#), "the order of the fields is the API's");
    let pretty = bench.run("vm list -f json-pretty").done();
    assert!(pretty.starts_with("[\n  {\n    \"name\": \"vm0002\",\n"));
    assert_eq!(json(&pretty), json(&recorded("vm.json")));
    assert_eq!(server.asked(), ["GET /vm"; 5]);
    assert!(server.requests()[0].to_lowercase().contains("x-api-key: secret\r\n"));
}

#[test]
fn filters_become_the_parameters_of_the_contract() {
    let question = "GET /vm?limit=%5Eweb&node=hv1&state=start&tag=prod&negate=true";
    let nodes = "GET /node?limit=hv&daemon_state=run&coordinator_state=primary&domain_state=ready";
    let server = Script::default().recorded(question, "vm.json").recorded(nodes, "node.json").serve();
    let bench = Bench::to(server.address);
    bench.run("vm list ^web -t hv1 -s start -g prod -n -f raw").done();
    assert_eq!(bench.run("node list hv -ds run -cs primary -vs ready -f raw").done(), "pvchv1\n");
    assert_eq!(server.asked(), [question, nodes]);
}

#[test]
fn one_vm_is_an_object_and_not_a_list() {
    let vms: Vec<Value> = serde_json::from_str(&recorded("vm.json")).unwrap();
    let one = Value::Array(vec![vms[2].clone()]).to_string();
    let server = Script::default().answer("GET /vm/vm0001", "200 OK", one).serve();
    let bench = Bench::to(server.address);
    assert_eq!(bench.run("vm info vm0001").done(), include_str!("../../golden/vm-info.txt"));
    assert_eq!(bench.run("vm info vm0001 -f long").done(), include_str!("../../golden/vm-info-long.txt"));
    assert_eq!(json(&bench.run("vm info vm0001 -f json").done()), vms[2]);
    assert_eq!(json(&bench.run("vm info vm0001 -f json-pretty").done()), vms[2]);
    assert_eq!(bench.run("vm dump vm0001").done(), "<domain …>\n");
    assert_eq!(bench.run("vm dump vm0001 -f out.xml").done(), "");
    assert_eq!(std::fs::read_to_string(bench.path().join("out.xml")).unwrap(), "<domain …>");
}

#[test]
fn one_node_is_this_machine_unless_another_is_named() {
    let here = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let here = here.trim().split('.').next().unwrap().to_owned();
    let script = Script::default().recorded(&format!("GET /node/{here}"), "node.json");
    let server = script.recorded("GET /node/pvchv1", "node.json").serve();
    let bench = Bench::to(server.address);
    assert_eq!(bench.run("node info pvchv1").done(), include_str!("../../golden/node-info.txt"));
    assert_eq!(bench.run("node info").done(), include_str!("../../golden/node-info.txt"));
    assert_eq!(json(&bench.run("node info pvchv1 -f json").done())["name"], "pvchv1");
}

#[test]
fn the_status_has_a_short_form_and_json() {
    let server = Script::default().recorded("GET /status", "status.json").serve();
    let bench = Bench::to(server.address);
    assert_eq!(bench.run("cluster status").done(), include_str!("../../golden/cluster-status.txt"));
    assert_eq!(
        bench.run("cluster status -f short").done(),
        include_str!("../../golden/cluster-status-short.txt")
    );
    assert_eq!(json(&bench.run("cluster status -f json").done()), json(&recorded("status.json")));
}

#[test]
fn tags_and_tasks_are_listed() {
    let script = Script::default().recorded("GET /vm/vm0001/tags", "vm_tags.json");
    let server = script.recorded("GET /tasks", "tasks.json").serve();
    let bench = Bench::to(server.address);
    assert_eq!(bench.run("vm tag get vm0001").done(), include_str!("../../golden/vm-tags.txt"));
    assert_eq!(bench.run("vm tag get vm0001 -f raw").done(), "backup\ndev\n");
    assert_eq!(json(&bench.run("vm tag get vm0001 -f json").done()), json(&recorded("vm_tags.json")));
    assert_eq!(bench.run("cluster task").done(), "ID  Name  State  Worker  Arguments\n");
    assert_eq!(bench.run("cluster task -f raw").done(), "");
    assert_eq!(json(&bench.run("cluster task -f json").done()), json(&recorded("tasks.json")));
}

#[test]
fn colours_are_for_terminals_and_for_those_who_insist() {
    let server = Script::default().recorded("GET /vm", "vm.json").serve();
    let bench = Bench::to(server.address);
    let coloured = |text: &str| text.contains("\u{1b}[32mstart");
    assert!(!coloured(&bench.run("vm list").done()));
    assert!(coloured(&bench.run("--colour vm list").done()));
    let seen = bench.at_a_terminal("-q vm list", "");
    assert!(seen.code == 0 && coloured(&seen.out), "{seen:?}");
    let seen = bench.at_a_terminal("-q vm list | cat", "");
    assert!(seen.code == 0 && !coloured(&seen.out), "{seen:?}");
    let output = bench.command("--colour vm list").env("NO_COLOR", "1").output().unwrap();
    assert!(coloured(&String::from_utf8(output.stdout).unwrap()), "an option is said later than a variable");
}
