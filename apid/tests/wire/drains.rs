//! A node is emptied and filled: what is answered, and what the nodes show. Two of the three exist in the records alone.

use axum::http::StatusCode;
use logic::node::DaemonState;

use super::desk::{Desk, registration_of};

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
    let ask = |node: &'static str, state: &'static str| {
        let desk = &desk;
        async move { desk.ask("POST", &format!("/node/{node}/domain-state"), &[("state", state)]).await }
    };
    let down = ask("hv3", "flush").await;
    assert_eq!(down.status, StatusCode::BAD_REQUEST, "{}", down.text);
    assert!(down.message().contains("\"stop\""), "{}", down.text);
    assert_eq!(ask("hv1", "flushed").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(ask("nope", "flush").await.status, StatusCode::NOT_FOUND);
}
