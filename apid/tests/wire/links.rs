//! Consoles and logs come from the nodes, within their deadline or not at all.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::StreamExt;
use tower::ServiceExt;

use super::desk::{Answer, Desk, PATIENCE, SILENCE, TOKEN, UUID};

fn follow(path: &str) -> Request<Body> {
    let request = Request::builder().uri(format!("/api/v1{path}")).header("X-Api-Key", TOKEN);
    request.body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn the_last_lines_come_as_json_without_a_line_break_at_the_end() {
    let desk = Desk::new().await;
    desk.define("web1", UUID).await;
    // A node that stands still for two seconds is asked again.
    let told = async |path: &str| desk.until(path, |answer| answer.status == StatusCode::OK).await.json();
    let answer = told("/vm/web1/console?lines=3").await;
    assert_eq!(answer, serde_json::json!({"name": "web1", "data": "line 0\nline 1\nline 2"}));
    let answer = told("/node/hv1/log?lines=1").await;
    assert_eq!(answer, serde_json::json!({"name": "hv1", "data": "line 0"}));
    let unasked = told("/vm/web1/console").await;
    assert_eq!(unasked["data"].as_str().unwrap().lines().count(), 10);
    assert_eq!(told("/vm/web1/console?lines=0").await["data"], "");
}

#[tokio::test]
async fn a_silent_node_is_given_two_seconds() {
    let desk = Desk::new().await;
    desk.define("silent", UUID).await;
    let begun = Instant::now();
    let answer = desk.get("/vm/silent/console").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
    assert!(answer.message().contains("hv1") && answer.message().contains("2000 ms"), "{}", answer.text);
    assert!(begun.elapsed() < SILENCE / 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_refusal_of_the_nodes_is_passed_on() {
    let desk = Desk::new().await;
    desk.define("none", UUID).await;
    let refused = |answer: &Answer| answer.message().contains("it never ran here");
    let answer = desk.until("/vm/none/console", refused).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_followed_stream_begins_at_once_and_ends_when_the_daemon_stops() {
    let desk = Desk::new().await;
    desk.define("web1", UUID).await;
    for path in ["/vm/web1/console?lines=2&follow=true", "/node/hv1/log?lines=2&follow=True"] {
        desk.stop.send_replace(false);
        let response = desk.router.clone().oneshot(follow(path)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        let mut stream = response.into_body().into_data_stream();
        let mut text = Vec::new();
        while text.len() < "line 0\nline 1\n".len() {
            let part = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap();
            text.extend_from_slice(&part.unwrap().unwrap());
        }
        assert_eq!(text, b"line 0\nline 1\n");
        desk.stop.send_replace(true);
        assert!(tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().is_none(), "the stream goes on");
    }
}

#[tokio::test]
async fn a_stream_that_nobody_reads_any_more_gives_its_place_back() {
    let desk = Desk::new().await;
    desk.define("web1", UUID).await;
    // More, one after the other, than may be followed at once.
    for _ in 0..70 {
        let begin = async {
            let mut pauses = tokio::time::interval(Duration::from_millis(10));
            loop {
                pauses.tick().await;
                let request = follow("/vm/web1/console?lines=1&follow=true");
                let response = desk.router.clone().oneshot(request).await.unwrap();
                if response.status() == StatusCode::OK {
                    return response;
                }
            }
        };
        let response = tokio::time::timeout(PATIENCE, begin).await.expect("a place becomes free");
        let mut stream = response.into_body().into_data_stream();
        assert_eq!(stream.next().await.unwrap().unwrap(), "line 0\n");
    }
}
