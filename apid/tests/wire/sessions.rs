//! Who may ask: exact tokens and sessions, on every coordinator.

use std::sync::Arc;

use apid::routes;
use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::desk::{Answer, Desk, TOKEN, api_over, send, tokens};

fn asking(path: &str, header: (&str, &str)) -> Request<Body> {
    let request = Request::builder().uri(format!("/api/v1{path}"));
    request.header(header.0, header.1).body(Body::empty()).expect("a request")
}

fn login(token: &str) -> Request<Body> {
    let request = Request::builder().method("POST").uri("/api/v1/login");
    let form = request.header("Content-Type", "application/x-www-form-urlencoded");
    form.body(format!("token={token}").into()).expect("a request")
}

fn cookie(answer: &Answer) -> String {
    let line = answer.headers["set-cookie"].to_str().expect("the line is text");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/api/v1", "Max-Age="] {
        assert!(line.contains(part), "{line}");
    }
    line.split(';').next().expect("a cookie has a value").to_owned()
}

#[tokio::test]
async fn only_an_exact_token_opens_the_api() {
    let desk = Desk::new().await;
    assert_eq!(desk.send(asking("/node", ("X-Api-Key", TOKEN))).await.status, StatusCode::OK);
    assert_eq!(desk.send(asking("/node", ("X-Api-Key", "another"))).await.status, StatusCode::OK);
    let longer = format!("{TOKEN}x");
    for wrong in ["", "o", &TOKEN[1..], &TOKEN[..TOKEN.len() - 1], &longer, "OPEN-SESAME-0123456789", "nope"]
    {
        let answer = desk.send(asking("/node", ("X-Api-Key", wrong))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert_eq!(answer.message(), "X-Api-Key Authentication failed.");
    }
    let none = desk.send(asking("/node", ("Accept", "*/*"))).await;
    assert_eq!(
        (none.status, none.message().as_str()),
        (StatusCode::UNAUTHORIZED, "X-Api-Key Authentication required.")
    );
    for path in ["/vm", "/status", "/tasks", "/network", "/node/hv1/log"] {
        let none = desk.send(asking(path, ("Accept", "*/*"))).await;
        assert_eq!(none.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn the_greeting_the_primarys_name_and_the_documentation_need_no_token() {
    let desk = Desk::new().await;
    for path in ["", "/", "/status/primary_node", "/openapi.json", "/doc/"] {
        let answer = desk.send(asking(path, ("Accept", "*/*"))).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_session_stands_for_its_token_on_every_coordinator() {
    let desk = Desk::new().await;
    let begun = desk.send(login(TOKEN)).await;
    assert_eq!(begun.status, StatusCode::OK, "{}", begun.text);
    let session = cookie(&begun);
    assert!(!session.contains(TOKEN));
    assert_eq!(desk.send(asking("/node", ("Cookie", &session))).await.status, StatusCode::OK);

    let other = |words: &[&str]| {
        let store = Arc::new(desk.memory.open());
        routes::router(&api_over(store, tokens(words), "/nonexistent".into()).0)
    };
    let coordinator = other(&["another", TOKEN]);
    assert_eq!(send(&coordinator, asking("/node", ("Cookie", &session))).await.status, StatusCode::OK);
    let after_removal = other(&["another"]);
    let answer = send(&after_removal, asking("/node", ("Cookie", &session))).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_that_was_tampered_with_opens_nothing() {
    let desk = Desk::new().await;
    let session = cookie(&desk.send(login(TOKEN)).await);
    let (name, value) = session.split_once('=').unwrap();
    let parts: Vec<&str> = value.split('.').collect();
    let later = format!("{}.{}.{}", parts[0].parse::<u64>().unwrap() + 60, parts[1], parts[2]);
    let last = if value.ends_with('0') { '1' } else { '0' };
    let flipped = format!("{}{last}", &value[..value.len() - 1]);
    let short = format!("{}.{}.", parts[0], parts[1]);
    for wrong in [&later, &flipped, &short, &format!("{value}.x"), "", "..", &format!("{value}0")] {
        let answer = desk.send(asking("/node", ("Cookie", &format!("{name}={wrong}")))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    let other_cookie = desk.send(asking("/node", ("Cookie", &format!("other={value}")))).await;
    assert_eq!(other_cookie.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_wrong_empty_or_partial_token_does_not_log_in() {
    let desk = Desk::new().await;
    for wrong in ["", "o", &TOKEN[..5], "nope"] {
        let answer = desk.send(login(wrong)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    let request = Request::builder().method("POST").uri("/api/v1/login").body(Body::empty()).unwrap();
    assert_eq!(desk.send(request).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn logging_out_takes_the_cookie_back() {
    let desk = Desk::new().await;
    let request = Request::builder().method("POST").uri("/api/v1/logout").body(Body::empty()).unwrap();
    let answer = desk.send(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(cookie(&answer), "pvc_session=");
}

#[tokio::test]
async fn without_tokens_nobody_has_to_show_one() {
    let desk = Desk::new().await;
    let (api, _stop) = api_over(Arc::new(desk.memory.open()), tokens(&[]), "/nonexistent".into());
    let router = routes::router(&api);
    assert_eq!(send(&router, asking("/node", ("Accept", "*/*"))).await.status, StatusCode::OK);
    let answer = send(&router, login("")).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(answer.headers["location"], "/api/v1/");
}
