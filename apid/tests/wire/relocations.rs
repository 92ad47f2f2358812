//! VMs change their node, and each can say why it is where it is: three nodes, of which two exist in the records alone.

use axum::http::StatusCode;
use logic::id::VmId;
use logic::node::DaemonState;
use logic::record::{Expect, Record, RecordId, Records};
use logic::task::{Task, TaskFact, TaskState, Work};
use logic::time::{BootTime, WallTime};
use logic::vm::{Failure, Phase, Vm, VmFact};
use serde_json::{Value, json};
use store::Store;

use super::desk::{Answer, BOOT, Desk, UUID, registration_of};

/// `hv1` has the VM `web1` of 512 MiB, `hv2` and `hv3` nothing; `hv3` has 16 GiB.
async fn three() -> Desk {
    let desk = Desk::new().await;
    desk.commit(registration_of("hv2", DaemonState::Run, 8192));
    desk.commit(registration_of("hv3", DaemonState::Run, 16384));
    desk.until("/node", |answer| answer.json().as_array().is_some_and(|nodes| nodes.len() == 3)).await;
    let document = super::desk::xml("web1", UUID);
    let defined = desk.ask("POST", "/vm", &[("xml", &document), ("node", "hv1")]).await;
    assert_eq!(defined.status, StatusCode::OK, "{}", defined.text);
    desk
}

/// The same, and the VM runs.
async fn running() -> Desk {
    let desk = three().await;
    done(&desk.ask("POST", "/vm/web1/state", &[("state", "start")]).await);
    desk.say(UUID, Phase::Running, 2);
    desk
}

#[track_caller]
fn done(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.message()
}

async fn whereabouts(desk: &Desk) -> (String, String, String) {
    let vm = desk.get("/vm/web1").await.json()[0].clone();
    let text = |field: &str| vm[field].as_str().expect("it is text").to_owned();
    (text("state"), text("node"), text("last_node"))
}

fn at(state: &str, node: &str, home: &str) -> (String, String, String) {
    (state.into(), node.into(), home.into())
}

/// The records of a running node of 8 GiB that differs by this.
fn other_node(node: &str, change: impl FnMut(&mut Record)) -> Records {
    let mut records = registration_of(node, DaemonState::Run, 8192);
    records.writes.iter_mut().filter_map(|write| write.value.as_mut()).for_each(change);
    records
}

/// Changes the VM's record as its node does.
fn rewrite(desk: &Desk, change: impl FnOnce(&mut Vm)) {
    let id: VmId = UUID.parse().expect("a UUID");
    let entry = desk.store.read(&store::key::path(&RecordId::Vm(id))).expect("the store answers");
    let entry = entry.expect("the VM is there");
    let record = store::records::decode(&RecordId::Vm(id), &entry.value).expect("it is a record");
    let Record::Vm(mut vm) = record else { panic!("it is no VM: {record:?}") };
    change(&mut vm);
    desk.commit(Records::default().write(RecordId::Vm(id), Expect::Version(entry.version), vm.into()));
}

#[tokio::test]
async fn a_vm_that_does_not_run_belongs_to_the_other_node_at_once() {
    let desk = three().await;
    let ask = async |parameters: &[(&str, &str)]| done(&desk.ask("POST", "/vm/web1/node", parameters).await);
    let told = ask(&[("action", "migrate"), ("node", "hv2")]).await;
    assert_eq!(told, "Migrating VM \"web1\" to node \"hv2\".");
    assert_eq!(whereabouts(&desk).await, at("stop", "hv2", "hv1"));
    assert_eq!(ask(&[("action", "unmigrate")]).await, "Unmigrating VM \"web1\" to node \"hv1\".");
    assert_eq!(whereabouts(&desk).await, at("stop", "hv1", ""));
    assert_eq!(ask(&[("action", "move")]).await, "Moving VM \"web1\" to node \"hv3\".");
    assert_eq!(whereabouts(&desk).await, at("stop", "hv3", ""));
    ask(&[("action", "migrate"), ("node", "hv1"), ("wait", "true")]).await;
    ask(&[("action", "migrate"), ("node", "hv2"), ("force", "true"), ("force_live", "false")]).await;
    assert_eq!(whereabouts(&desk).await, at("stop", "hv2", "hv3"));
    let told = ask(&[("action", "move"), ("node", "hv2"), ("wait", "true")]).await;
    assert_eq!(told, "VM \"web1\" settles on node \"hv2\", where it is.");
    assert_eq!(whereabouts(&desk).await, at("stop", "hv2", ""));
    let again = desk.ask("POST", "/vm/web1/node", &[("action", "move"), ("node", "hv2")]).await;
    refused(&again, 400, &["hv2", "there already"]);
}

#[tokio::test]
async fn a_vm_that_runs_is_handed_over_by_its_node_and_a_wait_sees_it() {
    let desk = running().await;
    done(&desk.ask("POST", "/vm/web1/node", &[("action", "migrate"), ("node", "hv2")]).await);
    assert_eq!(whereabouts(&desk).await, at("migrate", "hv1", ""));
    rewrite(&desk, |vm| {
        vm.node = "hv2".parse().expect("a name");
        vm.last_node = vm.transfer.take().expect("it was to move").home;
    });
    desk.until("/vm/web1/node", |answer| answer.json()["node"] == "hv2").await;
    assert_eq!(whereabouts(&desk).await, at("start", "hv2", "hv1"));
    let wait = [("action", "unmigrate"), ("wait", "true")];
    let (waited, ()) = tokio::join!(desk.ask("POST", "/vm/web1/node", &wait), async {
        desk.until("/vm/web1/state", |answer| answer.json()["state"] == "migrate").await;
        rewrite(&desk, |vm| {
            vm.node = "hv1".parse().expect("a name");
            vm.transfer = None;
        });
    });
    assert_eq!(done(&waited), "Unmigrating VM \"web1\" to node \"hv1\".");
}

#[tokio::test]
async fn a_move_is_a_task_that_tells_how_far_it_is() {
    let desk = running().await;
    done(&desk.ask("POST", "/vm/web1/node", &[("action", "move"), ("node", "hv2")]).await);
    // Its node writes the task with the move, and tells of it.
    let (vm, id) = (UUID.parse().expect("a UUID"), "0d11a78c".parse().expect("an id"));
    let work = Work::MoveVm { vm, to: "hv2".parse().expect("a name") };
    let task = Task { work, run_on: "hv1".parse().expect("a name"), asked: WallTime(1_000) };
    let told = |state, percent, message: &str| TaskFact {
        state,
        stage: percent,
        message: message.into(),
        at: WallTime(2_500),
        failed: None,
        progress: None,
    };
    let begun = told(TaskState::Running, 60, "Sending the memory: 60 of 100 MiB are there");
    let records = Records::default().write(RecordId::Task(id), Expect::Absent, task.into());
    desk.commit(records.write(RecordId::TaskFact(id), Expect::Absent, begun.into()));
    let shown = desk.until("/tasks/0d11a78c", |answer| answer.json()["state"] == "RUNNING").await.json();
    let expected = json!({
        "state": "RUNNING", "current": 60, "total": 100, "status": "Sending the memory: 60 of 100 MiB are there",
    });
    for (field, value) in expected.as_object().expect("it has fields") {
        assert_eq!(&shown[field], value, "{shown}");
    }
    let listed = desk.get("/tasks").await.json();
    let [active] = &listed["active"]["pvcworkerd@hv1"].as_array().expect("a list")[..] else {
        panic!("{listed}")
    };
    assert_eq!((&active["id"], &active["name"]), (&json!("0d11a78c"), &json!("vm.migrate")));
    assert_eq!(active["kwargs"], json!({"vm": UUID, "node": "hv2", "run_on": "hv1"}));
    assert_eq!(active["time_start"], 2.5);
    assert_eq!(listed["reserved"]["pvcworkerd@hv1"], json!([]), "it does not wait");

    let arrived = told(TaskState::Success, 100, "The VM runs on node \"hv2\"");
    desk.commit(Records::default().write(RecordId::TaskFact(id), Expect::Present, arrived.into()));
    let shown = desk.until("/tasks/0d11a78c", |answer| answer.json()["state"] == "SUCCESS").await.json();
    assert_eq!((&shown["current"], &shown["total"]), (&json!(100), &json!(100)));
    assert_eq!(shown["status"], "The VM runs on node \"hv2\"");
    assert_eq!(desk.get("/tasks").await.json()["active"]["pvcworkerd@hv1"], json!([]));
}

#[tokio::test]
async fn a_wait_for_a_vm_that_cannot_be_started_there_says_why() {
    let desk = running().await;
    let wait = [("action", "move"), ("node", "hv2"), ("wait", "true")];
    let (waited, ()) = tokio::join!(desk.ask("POST", "/vm/web1/node", &wait), async {
        desk.until("/vm/web1/state", |answer| answer.json()["state"] == "migrate").await;
        // It is handed over with the word that it is down; that alone does not end the wait.
        desk.say(UUID, Phase::Stopped, 2);
        rewrite(&desk, |vm| {
            vm.node = "hv2".parse().expect("a name");
            vm.transfer = None;
        });
        desk.until("/vm/web1/node", |answer| answer.json()["node"] == "hv2").await;
        let failure = Failure { reason: "no such bridge".into(), attempts: 1, retry_at: BootTime(1) };
        let word = VmFact::new("hv2".parse().expect("a name"), BOOT);
        desk.say_fact(UUID, VmFact { failure: Some(failure), ..word });
    });
    refused(&waited, 400, &["web1", "\"hv2\" now", "cannot be started there: no such bridge"]);
}

#[tokio::test]
async fn a_wait_for_a_move_that_is_given_up_says_where_the_vm_stayed() {
    let desk = running().await;
    let wait = [("action", "move"), ("node", "hv2"), ("wait", "true")];
    let (waited, ()) = tokio::join!(desk.ask("POST", "/vm/web1/node", &wait), async {
        desk.until("/vm/web1/state", |answer| answer.json()["state"] == "migrate").await;
        done(&desk.ask("POST", "/vm/web1/state", &[("state", "stop")]).await);
    });
    refused(&waited, 400, &["web1", "stayed on node \"hv1\"", "\"stop\""]);
}

#[track_caller]
fn refused(answer: &Answer, status: u16, names: &[&str]) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    let message = answer.message();
    for name in names {
        assert!(message.contains(name), "\"{message}\" does not name {name}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_reason_and_writes_nothing() {
    let desk = three().await;
    desk.commit(registration_of("hv4", DaemonState::Stop, 8192));
    desk.commit(registration_of("hv5", DaemonState::Run, 256));
    desk.commit(registration_of("hv6", DaemonState::Run, 8192));
    desk.commit(other_node("hv7", |record| {
        if let Record::Node(node) = record {
            node.cpu_count = 1;
        }
    }));
    desk.until("/node", |answer| answer.json().as_array().is_some_and(|nodes| nodes.len() == 7)).await;
    let limit = ("limit", "hv1,hv2,hv3,hv4,hv5,hv7");
    done(&desk.ask("POST", "/vm/web1/meta", &[limit]).await);
    let document = super::desk::xml("web1", UUID).replace("<vcpu>1<", "<vcpu>2<");
    done(&desk.ask("PUT", "/vm/web1", &[("xml", &document)]).await);
    let before = desk.memory.dump();
    for (parameters, names) in [
        (vec![], vec!["action", "required"]),
        (vec![("action", "teleport")], vec!["action", "teleport"]),
        (vec![("action", "move"), ("node", "nope")], vec!["nope", "invalid"]),
        (vec![("action", "move"), ("node", "hv4")], vec!["hv4", "daemon", "stop"]),
        (vec![("action", "migrate"), ("node", "hv6")], vec!["hv6", "limit"]),
        (vec![("action", "move"), ("node", "hv5")], vec!["hv5", "512 MiB", "256 MiB"]),
        (vec![("action", "move"), ("node", "hv7")], vec!["hv7", "2 vCPUs", "1 CPUs"]),
        (vec![("action", "move"), ("node", "hv1")], vec!["hv1", "there already"]),
        (vec![("action", "unmigrate")], vec!["web1", "has not been migrated"]),
        (vec![("action", "unmigrate"), ("node", "hv2")], vec!["node", "takes no node"]),
        (vec![("action", "move"), ("target", "hv2")], vec!["target"]),
    ] {
        refused(&desk.ask("POST", "/vm/web1/node", &parameters).await, 400, &names);
    }
    let nobody = desk.ask("POST", "/vm/nope/node", &[("action", "move")]).await;
    refused(&nobody, 400, &["VM not found."]);
    assert_eq!(desk.memory.dump(), before, "something was written");
    done(&desk.ask("POST", "/vm/web1/node", &[("action", "migrate"), ("node", "hv2")]).await);
    let again = desk.ask("POST", "/vm/web1/node", &[("action", "migrate"), ("node", "hv3")]).await;
    refused(&again, 400, &["migrated already", "force"]);
    done(&desk.ask("POST", "/vm/web1/meta", &[("limit", "hv2")]).await);
    refused(&desk.ask("POST", "/vm/web1/node", &[("action", "move")]).await, 400, &["No node", "hv1", "hv3"]);
}

#[tokio::test]
async fn a_vm_on_its_way_is_not_sent_elsewhere() {
    let desk = running().await;
    done(&desk.ask("POST", "/vm/web1/node", &[("action", "move"), ("node", "hv2")]).await);
    let before = desk.memory.dump();
    for action in ["move", "migrate"] {
        let again = desk.ask("POST", "/vm/web1/node", &[("action", action), ("node", "hv3")]).await;
        refused(&again, 400, &["\"migrate\"", "wait until it has moved"]);
    }
    assert_eq!(desk.memory.dump(), before);
    done(&desk.ask("POST", "/vm/web1/state", &[("state", "start")]).await);
    assert_eq!(whereabouts(&desk).await, at("start", "hv1", ""));
}

#[tokio::test]
async fn what_cannot_move_live_and_may_not_otherwise_is_refused_with_the_reason_and_writes_nothing() {
    let desk = running().await;
    rewrite(&desk, |vm| vm.bound = Some("a device of its machine is passed through to it".into()));
    let before = desk.memory.dump();
    for action in ["move", "migrate"] {
        let live = desk.ask("POST", "/vm/web1/node", &[("action", action), ("force_live", "true")]).await;
        refused(&live, 400, &["web1", "cannot move while it runs", "passed through", "--force-live"]);
    }
    assert_eq!(desk.memory.dump(), before, "something was written");
    done(&desk.ask("POST", "/vm/web1/meta", &[("migration_method", "live")]).await);
    let method = desk.ask("POST", "/vm/web1/node", &[("action", "move")]).await;
    refused(&method, 400, &["cannot move while it runs", "pvc vm meta web1 --method shutdown"]);
}

#[tokio::test]
async fn a_vm_that_may_move_only_live_is_shown_so_and_starting_it_gives_that_up() {
    let desk = running().await;
    rewrite(&desk, |vm| vm.bound = None);
    let live = [("action", "migrate"), ("node", "hv2"), ("force_live", "true")];
    done(&desk.ask("POST", "/vm/web1/node", &live).await);
    assert_eq!(whereabouts(&desk).await, at("migrate-live", "hv1", ""));
    done(&desk.ask("POST", "/vm/web1/state", &[("state", "start")]).await);
    assert_eq!(whereabouts(&desk).await, at("start", "hv1", ""));
}

#[tokio::test]
async fn many_that_move_at_once_do_not_pile_onto_one_node() {
    let desk = Desk::new().await;
    let names: Vec<String> = (0..8).map(|number| format!("vm{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let document = super::desk::xml(name, &format!("00000000-0000-4000-8000-{number:012}"));
        done(&desk.ask("POST", "/vm", &[("xml", &document), ("selector", "memprov")]).await);
    }
    for node in ["hv2", "hv3"] {
        desk.commit(registration_of(node, DaemonState::Run, 8192));
    }
    desk.until("/node", |answer| answer.json().as_array().is_some_and(|nodes| nodes.len() == 3)).await;
    let desk = &desk;
    let moves = names.iter().map(|name| async move {
        desk.ask("POST", &format!("/vm/{name}/node"), &[("action", "move"), ("node", "")]).await
    });
    for answer in futures::future::join_all(moves).await {
        // Who loses every race is told so, and nothing was written.
        assert!(matches!(answer.status, StatusCode::OK | StatusCode::CONFLICT), "{}", answer.text);
    }
    let count = async |node: &str| {
        let list = desk.get(&format!("/vm?node={node}")).await.json();
        list.as_array().map_or(0, Vec::len)
    };
    let (second, third) = (count("hv2").await, count("hv3").await);
    assert!(second + third >= 4 && second.abs_diff(third) <= 1, "{second} went to hv2, {third} to hv3");
}

#[tokio::test]
async fn a_vm_says_why_it_is_where_it_is_and_why_each_other_node_was_not_taken() {
    let desk = running().await;
    desk.commit(registration_of("hv4", DaemonState::Stop, 8192));
    desk.commit(other_node("hv5", |record| {
        if let Record::NodeStatus(status) = record {
            status.hypervisor_fault = Some("libvirtd has gone".into());
        }
    }));
    desk.until("/node", |answer| answer.json().as_array().is_some_and(|nodes| nodes.len() == 5)).await;
    let why = desk.get("/vm/web1/why").await;
    assert_eq!(why.status, StatusCode::OK, "{}", why.text);
    let why = why.json();
    assert_eq!(
        (&why["state"], &why["node"], &why["target"], &why["next"]),
        (&json!("start"), &json!("hv1"), &json!(""), &json!("hv3"))
    );
    let parts = |why: &Value, field: &str| {
        let nodes = why["nodes"].as_array().expect("a list").clone();
        nodes.into_iter().map(|node| node[field].clone()).collect::<Vec<_>>()
    };
    assert_eq!(parts(&why, "part"), ["owner", "open", "next", "barred", "barred"]);
    let scores = [json!(8192), json!(8192), json!(16384), Value::Null, Value::Null];
    assert_eq!(parts(&why, "score"), scores);
    assert_eq!(parts(&why, "barred"), ["", "", "", "not-running", "hypervisor"]);
    assert_eq!(parts(&why, "words")[3], "its daemon is in state \"stop\"");
    assert_eq!(parts(&why, "words")[4], "its hypervisor does not answer: libvirtd has gone");
    let reasons = why["reasons"].to_string();
    assert!(reasons.contains("at home on node") && reasons.contains("would go to \\\"hv3\\\""), "{reasons}");
    done(&desk.ask("POST", "/vm/web1/node", &[("action", "migrate"), ("node", "hv2")]).await);
    let why = desk.get(&format!("/vm/{UUID}/why")).await.json();
    assert_eq!((&why["state"], &why["target"]), (&json!("migrate"), &json!("hv2")));
    assert_eq!(parts(&why, "part"), ["owner", "target", "next", "barred", "barred"]);
    refused(&desk.get("/vm/nope/why").await, 404, &["VM not found."]);
    refused(&desk.get("/vm/web1/why?x=1").await, 400, &["takes none"]);
}
