//! A defect of a handler costs one answer and not the daemon.

use axum::body::Body;
use axum::routing::get;
use tower::ServiceExt;

use super::*;

async fn broken() -> Response {
    panic!("a defect")
}

#[tokio::test]
async fn a_panic_becomes_a_message() {
    let router: Router = Router::new().route("/", get(broken)).layer(CatchPanicLayer::custom(defect));
    let request = || Request::builder().uri("/").body(Body::empty()).unwrap();
    for _ in 0..2 {
        let answer = router.clone().oneshot(request()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 16).await.unwrap();
        let message: Message = serde_json::from_slice(&bytes).unwrap();
        assert!(message.message.contains("defect") && !message.message.contains("a defect\""), "{message:?}");
    }
}

#[tokio::test]
async fn a_refusal_without_json_becomes_json() {
    let plain = get(async || (StatusCode::NOT_FOUND, "plain"));
    let router: Router = Router::new().route("/", plain).layer(from_fn(as_json));
    for (method, status) in [("GET", StatusCode::NOT_FOUND), ("POST", StatusCode::METHOD_NOT_ALLOWED)] {
        let request = Request::builder().method(method).uri("/").body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()[CONTENT_TYPE]),
            (status, &"application/json".parse().unwrap())
        );
        assert_eq!(answer.headers().contains_key("allow"), status == StatusCode::METHOD_NOT_ALLOWED);
    }
}
