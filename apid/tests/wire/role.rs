//! The primary role is moved: what is answered, what is refused, and what the nodes show. The nodes exist in the records alone.

use axum::http::StatusCode;
use logic::node::{DaemonState, Node, Role};
use logic::primary::{Handover, Phase, Primary};
use logic::record::{Expect, Record, RecordId, Records};

use super::desk::{Desk, registration_of};

fn held(node: &str, handover: Option<Handover>) -> Records {
    let primary = Primary { node: node.parse().expect("a name"), term: 1, handover, former: None };
    Records::default().write(RecordId::Primary, Expect::Absent, primary.into())
}

/// Three nodes; `hv2` is a coordinator that runs and `hv3` a hypervisor.
async fn three(role: Records) -> Desk {
    let desk = Desk::new().await;
    desk.commit(registration_of("hv2", DaemonState::Run, 8192));
    let mut hypervisor = registration_of("hv3", DaemonState::Run, 8192);
    for write in &mut hypervisor.writes {
        if let Some(Record::Node(node)) = &mut write.value {
            *node = Node { role: Role::Hypervisor, ..node.clone() };
        }
    }
    desk.commit(hypervisor);
    desk.commit(role);
    desk.until("/node", |answer| answer.json().as_array().is_some_and(|nodes| nodes.len() == 3)).await;
    desk
}

async fn ask(desk: &Desk, node: &str, state: &str) -> (StatusCode, String) {
    let answer = desk.ask("POST", &format!("/node/{node}/coordinator-state"), &[("state", state)]).await;
    (answer.status, answer.message().to_owned())
}

async fn shown(desk: &Desk, node: &str) -> String {
    let answer = desk.get(&format!("/node/{node}/coordinator-state")).await.json();
    answer["coordinator_state"].as_str().expect("it is text").to_owned()
}

#[tokio::test]
async fn the_role_is_wished_elsewhere_and_what_is_so_already_is_told() {
    let desk = three(held("hv1", None)).await;
    for (node, state, part) in [
        ("hv1", "primary", "already in primary"),
        ("hv2", "secondary", "already in secondary"),
        ("hv2", "primary", "Setting node \"hv2\" in primary"),
        ("hv2", "primary", "taking the primary role already"),
        ("hv1", "secondary", "handing the primary role over already"),
        ("hv1", "primary", "called off"),
        ("hv1", "secondary", "Setting node \"hv1\" in secondary"),
    ] {
        let (status, message) = ask(&desk, node, state).await;
        assert_eq!(status, StatusCode::OK, "{message}");
        assert!(message.contains(part), "{node} {state}: {message}");
    }
}

#[tokio::test]
async fn each_state_of_a_handover_is_shown() {
    let handover = Handover { to: "hv2".parse().expect("a name"), phase: Phase::Yielded };
    let desk = three(held("hv1", Some(handover))).await;
    assert_eq!(shown(&desk, "hv1").await, "relinquish");
    assert_eq!(shown(&desk, "hv2").await, "takeover");
    assert_eq!(shown(&desk, "hv3").await, "client");
    assert_eq!(desk.get("/status/primary_node").await.json()["primary_node"], "hv1");
    let before = desk.memory.dump();
    let (status, message) = ask(&desk, "hv1", "primary").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(message.contains("just being taken by node \"hv2\""), "{message}");
    assert_eq!(desk.memory.dump(), before, "something was written");
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let desk = three(held("hv1", None)).await;
    desk.commit(registration_of("hv4", DaemonState::Stop, 8192));
    desk.until("/node", |answer| answer.json().as_array().is_some_and(|nodes| nodes.len() == 4)).await;
    let before = desk.memory.dump();
    for state in ["primary", "secondary"] {
        for (node, part) in [
            ("nope", "no node of that name"),
            ("no node", "no node of that name"),
            ("hv3", "only a coordinator"),
            ("hv4", "\"stop\""),
        ] {
            let (status, message) = ask(&desk, &node.replace(' ', "%20"), state).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{message}");
            assert!(message.contains(part), "{node} {state}: {message}");
        }
    }
    assert_eq!(ask(&desk, "hv1", "takeover").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(desk.memory.dump(), before, "something was written");
}
