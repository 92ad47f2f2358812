//! Whatever is sent, the answer is not a defect, and every refusal is a message.

use axum::body::Body;
use axum::http::Request;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use super::desk::{Desk, TOKEN, UUID, xml};

/// A request as it is made up.
#[derive(Clone, Debug)]
struct MadeUp {
    method: &'static str,
    path: String,
    query: String,
    kind: &'static str,
    body: Vec<u8>,
}

const KINDS: [&str; 5] = [
    "application/x-www-form-urlencoded",
    "application/json",
    "text/plain",
    "",
    "application/json; charset=utf-8",
];

const NAMES: [&str; 16] = [
    "limit",
    "node",
    "state",
    "tag",
    "negate",
    "xml",
    "force",
    "wait",
    "action",
    "protected",
    "lines",
    "new_name",
    "selector",
    "autostart",
    "overwrite",
    "migration_max_downtime",
];

/// Every path and method of the document, with its parts to be filled in.
fn operations() -> Vec<(&'static str, String)> {
    let document: Value = serde_json::from_str(&apid::document::text()).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("there are paths");
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flat_map(|methods| methods.keys());
        methods.map(|method| (&*method.to_ascii_uppercase().leak(), path.clone()))
    });
    operations.collect()
}

fn value() -> impl Strategy<Value = String> {
    let words = [
        "",
        "true",
        "start",
        "stop",
        "add",
        "web1",
        "hv1",
        "-1",
        "99999999999",
        "(",
        "None",
        "\0",
        "é",
        "a,b",
    ];
    prop_oneof![
        3 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => Just(xml("web1", UUID)),
        1 => Just("<domain><name>a</name></domain>".to_owned()),
        2 => any::<String>(),
    ]
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        9 => proptest::sample::select(NAMES.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    vec((name, value()), 0..4)
}

fn form(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn json(pairs: Vec<(String, String)>) -> Vec<u8> {
    let members = pairs.into_iter().map(|(name, value)| (name, Value::String(value)));
    Value::Object(members.collect()).to_string().into_bytes()
}

fn request() -> impl Strategy<Value = MadeUp> {
    let operation = proptest::sample::select(operations());
    let parts = vec(prop_oneof![3 => Just("web1".to_owned()), 1 => Just("hv1".to_owned()), 2 => value()], 4);
    let body = prop_oneof![
        2 => Just(Vec::new()),
        3 => pairs().prop_map(|pairs| form(&pairs).into_bytes()),
        3 => pairs().prop_map(json),
        1 => vec(any::<u8>(), 0..200),
    ];
    let kind = proptest::sample::select(KINDS.to_vec());
    (operation, parts, pairs(), kind, body).prop_map(|((method, path), parts, query, kind, body)| {
        let mut parts = parts.into_iter();
        let fill = |part: &str| match part.starts_with('{') {
            true => form_urlencoded::byte_serialize(parts.next().unwrap_or_default().as_bytes()).collect(),
            false => part.to_owned(),
        };
        let path = path.split('/').map(fill).collect::<Vec<String>>().join("/");
        MadeUp { method, path, query: form(&query), kind, body }
    })
}

#[test]
fn no_request_meets_a_defect_and_every_refusal_is_a_message() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let desk = runtime.block_on(async {
        let desk = Desk::new().await;
        desk.define("web1", UUID).await;
        desk
    });
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&request(), |made_up| {
        let MadeUp { method, path, query, kind, body } = made_up;
        // Followed streams do not end, and waits are long: both have tests of their own.
        prop_assume!(!query.contains("wait") && !String::from_utf8_lossy(&body).contains("wait"));
        let request =
            Request::builder().method(method).uri(format!("{path}?{query}")).header("X-Api-Key", TOKEN);
        let request = if kind.is_empty() { request } else { request.header("Content-Type", kind) };
        let Ok(request) = request.body(Body::from(body)) else { return Ok(()) };
        let answer = runtime.block_on(async {
            // An earlier request may have removed or renamed it; where it is still there this is refused.
            desk.ask("POST", "/vm", &[("xml", &xml("web1", UUID))]).await;
            desk.send(request).await
        });
        prop_assert_ne!(answer.status.as_u16(), 500, "{}", answer.text);
        if answer.status.is_client_error() || answer.status.is_server_error() {
            let told: Value = serde_json::from_str(&answer.text).unwrap_or_default();
            prop_assert!(api::message_text(&told).is_some_and(|text| !text.is_empty()), "{}", answer.text);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
