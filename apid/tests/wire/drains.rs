//! A node is emptied and filled: what is answered, and what the nodes show. Two of the three exist in the records alone.

use axum::http::StatusCode;
use logic::node::DaemonState;
use logic::record::{RecordId, Records};
use logic::vm::Phase;

use super::desk::{Desk, UUID, registration_of, xml};

async fn two() -> Desk {
    let desk = Desk::new().await;
    desk.commit(registration_of("hv2", DaemonState::Run, 8192));
    desk.until("/node", |answer| answer.json().as_array().is_some_and(|nodes| nodes.len() == 2)).await;
    desk
}

async fn shown(desk: &Desk) -> String {
    let answer = desk.get("/node/hv1/domain-state").await.json();
    answer["domain_state"].as_str().expect("it is text").to_owned()
}

#[tokio::test]
async fn a_node_without_vms_is_flushed_at_once_and_ready_again() {
    let desk = two().await;
    for (state, part, expected) in [
        ("flush", "Flushing node", "flushed"),
        ("flush", "flushed already", "flushed"),
        ("ready", "Restoring", "ready"),
        ("ready", "already", "ready"),
    ] {
        let answer = desk.ask("POST", "/node/hv1/domain-state", &[("state", state), ("wait", "true")]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert!(answer.message().contains(part), "{}", answer.text);
        assert_eq!(shown(&desk).await, expected);
        assert_eq!(desk.get("/node?limit=hv1").await.json()[0]["domain_state"], expected);
    }
}

#[tokio::test]
async fn what_cannot_be_wished_of_a_node_is_refused() {
    let desk = two().await;
    desk.commit(registration_of("hv3", DaemonState::Stop, 8192));
    desk.until("/node", |answer| answer.json().as_array().is_some_and(|nodes| nodes.len() == 3)).await;
    let before = desk.memory.dump();
    let ask = |node: &'static str, state: &'static str| {
        let desk = &desk;
        async move { desk.ask("POST", &format!("/node/{node}/domain-state"), &[("state", state)]).await }
    };
    let down = ask("hv3", "flush").await;
    assert_eq!(down.status, StatusCode::BAD_REQUEST, "{}", down.text);
    assert!(down.message().contains("\"stop\""), "{}", down.text);
    assert_eq!(ask("hv1", "flushed").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(ask("nope", "flush").await.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.memory.dump(), before, "something was written");
}

#[tokio::test]
async fn a_flush_is_wished_once_while_vms_leave_and_may_be_turned_round_meanwhile() {
    let desk = two().await;
    let defined = desk.ask("POST", "/vm", &[("xml", &xml("web1", UUID)), ("node", "hv1")]).await;
    assert_eq!(defined.status, StatusCode::OK, "{}", defined.text);
    desk.ask("POST", "/vm/web1/state", &[("state", "start")]).await;
    desk.say(UUID, Phase::Running, 2);
    let ask = async |state: &str| {
        let answer = desk.ask("POST", "/node/hv1/domain-state", &[("state", state)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.message()
    };
    // Nobody moves the VM here: what is asked comes in the middle of the flush.
    assert_eq!(ask("flush").await, "Flushing node \"hv1\" of its VMs.");
    assert_eq!(shown(&desk).await, "flush");
    let flushing = desk.memory.dump();
    assert_eq!(ask("flush").await, "Node \"hv1\" is flushed already, or being flushed.");
    assert_eq!(desk.memory.dump(), flushing, "a second flush is no second wish");
    assert!(ask("ready").await.starts_with("Restoring"));
    assert_eq!(shown(&desk).await, "ready");
    let readied = desk.memory.dump();
    assert_eq!(ask("ready").await, "Node \"hv1\" carries VMs already.");
    assert_eq!(desk.memory.dump(), readied, "nor is a second ready");
    assert_eq!(ask("flush").await, "Flushing node \"hv1\" of its VMs.");
    assert_eq!(shown(&desk).await, "flush");
}

/// The two of before, and `hv3`, whose daemon has stopped.
async fn three() -> Desk {
    let desk = two().await;
    desk.commit(registration_of("hv3", DaemonState::Stop, 8192));
    desk.commit(Records::default().remove(RecordId::Presence("hv3".parse().expect("a name"))));
    desk.until("/node", |answer| answer.json().as_array().is_some_and(|nodes| nodes.len() == 3)).await;
    desk
}

#[tokio::test]
async fn a_dry_run_tells_what_would_become_of_each_vm_and_changes_nothing() {
    let desk = two().await;
    desk.define("web1", UUID).await;
    let bound = "11111111-0667-4ad1-9c80-317fa3b1799d";
    desk.define("bound", bound).await;
    for vm in ["web1", "bound"] {
        desk.ask("POST", &format!("/vm/{vm}/node"), &[("action", "move"), ("node", "hv1")]).await;
        desk.ask("POST", &format!("/vm/{vm}/state"), &[("state", "start")]).await;
    }
    desk.ask("POST", "/vm/bound/meta", &[("limit", "hv1")]).await;
    let before = desk.memory.dump();
    let ask = [("state", "flush"), ("dry_run", "true")];
    let answer = desk.ask("POST", "/node/hv1/domain-state", &ask).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.message().contains("would move 1 VMs, shut down 1"), "{}", answer.text);
    let plan = answer.json()["plan"].clone();
    let of = |name: &str| {
        let all = plan.as_array().expect("it is a list");
        all.iter().find(|vm| vm["name"] == name).cloned().expect("it is there")
    };
    assert_eq!((&of("web1")["fate"], &of("web1")["to"]), (&"moves".into(), &"hv2".into()));
    assert_eq!((&of("bound")["fate"], &of("bound")["from"]), (&"parks".into(), &"hv1".into()));
    assert!(of("bound")["why"].as_str().is_some_and(|why| why.contains("not within the VM's node limit")));
    assert_eq!(desk.memory.dump(), before, "something was written");
    assert_eq!(shown(&desk).await, "ready");
    assert_eq!(desk.get("/vm/web1/node").await.json()["node"], "hv1");
    let done = desk.ask("POST", "/node/hv1/domain-state", &[("state", "ready")]).await;
    assert!(done.json().get("plan").is_none(), "only a dry run has a plan: {}", done.text);
}

#[tokio::test]
async fn a_dry_run_of_what_would_be_refused_is_refused() {
    let desk = three().await;
    let before = desk.memory.dump();
    let ask = [("state", "flush"), ("dry_run", "true")];
    let down = desk.ask("POST", "/node/hv3/domain-state", &ask).await;
    assert_eq!(down.status, StatusCode::BAD_REQUEST, "{}", down.text);
    assert_eq!(desk.ask("POST", "/node/nope/domain-state", &ask).await.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.memory.dump(), before, "something was written");
}

#[tokio::test]
async fn a_node_that_is_down_and_empty_is_removed_and_others_are_not() {
    let desk = three().await;
    let before = desk.memory.dump();
    for (node, said) in [("hv2", "stop its daemons first"), ("nope", "not found")] {
        let refused = desk.ask("DELETE", &format!("/node/{node}"), &[]).await;
        assert!(refused.status.is_client_error(), "{}", refused.text);
        assert!(refused.message().contains(said), "{}", refused.text);
    }
    assert_eq!(desk.memory.dump(), before, "something was written");
    let removed = desk.ask("DELETE", "/node/hv3", &[]).await;
    assert_eq!((removed.status, removed.message().as_str()), (StatusCode::OK, "Removed node \"hv3\"."));
    assert_eq!(desk.get("/node/hv3").await.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.ask("DELETE", "/node/hv3", &[]).await.status, StatusCode::NOT_FOUND);
    desk.commit(registration_of("hv3", DaemonState::Run, 4096));
    desk.until("/node/hv3", |answer| answer.status == StatusCode::OK).await;
}

#[tokio::test]
async fn a_node_that_holds_vms_is_not_removed_and_they_are_named() {
    let desk = Desk::new().await;
    desk.commit(registration_of("hv2", DaemonState::Run, 8192));
    desk.until("/node", |answer| answer.json().as_array().is_some_and(|nodes| nodes.len() == 2)).await;
    desk.define("web1", UUID).await;
    desk.ask("POST", "/vm/web1/node", &[("action", "move"), ("node", "hv2")]).await;
    desk.commit(Records::default().remove(RecordId::Presence("hv2".parse().expect("a name"))));
    desk.until("/node/hv2", |answer| answer.json()[0]["daemon_state"] == "dead").await;
    let before = desk.memory.dump();
    let refused = desk.ask("DELETE", "/node/hv2", &[]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.message().contains("web1"), "{}", refused.text);
    assert_eq!(desk.memory.dump(), before, "something was written");
    assert_eq!(desk.get("/node/hv2").await.status, StatusCode::OK);
}

#[tokio::test]
async fn ten_vms_defined_at_once_do_not_pile_onto_one_node() {
    let desk = two().await;
    let define = |number: u32| {
        let (name, uuid) = (format!("vm{number}"), format!("{number:08x}-0667-4ad1-9c80-317fa3b1799d"));
        let desk = &desk;
        async move { desk.define(&name, &uuid).await }
    };
    futures::future::join_all((0..10).map(define)).await;
    let vms = desk.get("/vm").await.json();
    let on = |node: &str| vms.as_array().map_or(0, |vms| vms.iter().filter(|vm| vm["node"] == node).count());
    assert_eq!((on("hv1"), on("hv2")), (5, 5), "{vms}");
}
