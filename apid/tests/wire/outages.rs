//! The store is away at the start, goes away later, or loses a write in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apid::view::View;
use apid::{Api, routes};
use axum::http::StatusCode;
use store::memory::CommitFault;
use store::{Error, Store};

use super::desk::{Desk, TOKEN, UUID, api_over, send, tokens};

/// An API whose store can be opened only when the switch is on, and whose snapshots may be no older than said.
fn api(desk: &Desk, there: &Arc<AtomicBool>, age_max: Duration) -> Arc<Api> {
    let (base, _) = api_over(desk.store.clone(), tokens(&[TOKEN]), "/nonexistent".into());
    let (memory, there) = (desk.memory.clone(), Arc::clone(there));
    let open = move || {
        if !there.load(Ordering::SeqCst) {
            return Err(Error::Unreachable { backend: "memory".into(), why: "nobody listens there".into() });
        }
        Ok(Arc::new(memory.open()) as Arc<dyn Store>)
    };
    let base = Arc::into_inner(base).expect("nobody else has it yet");
    Arc::new(Api { view: View::open("memory", age_max, open), ..base })
}

fn asking(path: &str) -> axum::http::Request<axum::body::Body> {
    let request = axum::http::Request::builder().uri(format!("/api/v1{path}")).header("X-Api-Key", TOKEN);
    request.body(axum::body::Body::empty()).expect("a request")
}

async fn until(router: &axum::Router, path: &str, status: StatusCode) -> String {
    let ask = async {
        let mut pauses = tokio::time::interval(Duration::from_millis(50));
        loop {
            pauses.tick().await;
            let answer = send(router, asking(path)).await;
            if answer.status == status {
                return answer.text;
            }
        }
    };
    tokio::time::timeout(super::desk::PATIENCE, ask)
        .await
        .unwrap_or_else(|_| panic!("{path} never was {status}"))
}

#[tokio::test]
async fn a_store_that_is_away_at_the_start_is_named_with_the_reason_until_it_is_there() {
    let desk = Desk::new().await;
    let there = Arc::new(AtomicBool::new(false));
    let router = routes::router(&api(&desk, &there, Duration::from_secs(10)));
    assert_eq!(send(&router, asking("/")).await.status, StatusCode::OK);
    for path in ["/status", "/node", "/vm", "/vm/web1", "/tasks", "/status/primary_node"] {
        let answer = send(&router, asking(path)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        for word in ["memory", "nobody listens there", "pvc.toml"] {
            assert!(answer.message().contains(word), "{}", answer.text);
        }
    }
    there.store(true, Ordering::SeqCst);
    until(&router, "/status", StatusCode::OK).await;
}

#[tokio::test]
async fn a_store_that_goes_away_leaves_the_reads_and_refuses_the_writes() {
    let desk = Desk::new().await;
    desk.define("web1", UUID).await;
    desk.memory.set_reach(store::memory::Reach::Gone);
    assert_eq!(desk.get("/vm/web1").await.status, StatusCode::OK);
    assert_eq!(desk.get("/status").await.status, StatusCode::OK);
    let write = desk.ask("POST", "/vm/web1/state", &[("state", "start")]).await;
    assert_eq!(write.status, StatusCode::SERVICE_UNAVAILABLE, "{}", write.text);
    assert!(write.message().contains("Nothing was written"), "{}", write.text);
    // What is not in sight may be there: nobody can say that it is not.
    assert_eq!(desk.get("/vm/web2").await.status, StatusCode::SERVICE_UNAVAILABLE);
    desk.memory.set_reach(store::memory::Reach::There);
    assert_eq!(desk.get("/vm/web1/state").await.json()["state"], "stop");
    let write = desk.ask("POST", "/vm/web1/state", &[("state", "start")]).await;
    assert_eq!(write.status, StatusCode::OK, "{}", write.text);
}

#[tokio::test]
async fn a_sight_that_grows_too_old_is_not_shown_any_more() {
    let desk = Desk::new().await;
    let there = Arc::new(AtomicBool::new(true));
    let router = routes::router(&api(&desk, &there, Duration::from_secs(3)));
    until(&router, "/status", StatusCode::OK).await;
    desk.memory.set_reach(store::memory::Reach::Gone);
    let told = until(&router, "/status", StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(told.contains("has not answered for 3 s"), "{told}");
    desk.memory.set_reach(store::memory::Reach::There);
    until(&router, "/status", StatusCode::OK).await;
}

#[tokio::test]
async fn a_write_whose_outcome_is_unknown_is_found_out() {
    let desk = Desk::new().await;
    desk.define("web1", UUID).await;
    for (fault, tag) in [(CommitFault::UnknownLanded, "landed"), (CommitFault::UnknownLost, "lost")] {
        desk.memory.fail_next_commit(fault);
        let answer = desk.ask("POST", "/vm/web1/tags", &[("action", "add"), ("tag", tag)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    let tags = desk.get("/vm/web1/tags").await.json();
    assert_eq!(tags["tags"].as_array().unwrap().len(), 2);
}
