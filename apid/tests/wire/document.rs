//! The OpenAPI document is the committed one, and its page needs nothing from elsewhere.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::Value;

use super::desk::Desk;

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found.insert(reference.clone());
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(members) => members.iter().for_each(|member| references(member, found)),
        _ => {}
    }
}

#[test]
fn the_committed_document_is_the_handlers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == apid::document::text(),
        "docs/openapi.json differs from the handlers: run `cargo run -p apid -- openapi > docs/openapi.json` and read what changed"
    );
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document: Value = serde_json::from_str(&apid::document::text()).unwrap();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_operation_has_its_own_id_and_a_summary() {
    let document: Value = serde_json::from_str(&apid::document::text()).unwrap();
    let mut ids = BTreeSet::new();
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            assert!(
                operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()),
                "{method} {path}"
            );
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
            assert!(ids.insert(id.to_owned()), "the id {id} is there twice");
        }
    }
    assert!(operations >= 160, "{operations} operations: the contract has more");
}

#[tokio::test]
async fn the_page_and_all_that_it_loads_come_from_here() {
    let desk = Desk::new().await;
    let document = desk.get("/openapi.json").await;
    assert_eq!(document.json()["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    let page = desk.get("/doc/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    let mut loaded = 0;
    for attribute in ["src=\"", "href=\""] {
        for part in page.text.split(attribute).skip(1) {
            let target = part.split('"').next().unwrap();
            assert!(!target.contains("//"), "{target} comes from elsewhere");
            if target.ends_with(".png") {
                continue;
            }
            let answer = desk.get(&format!("/doc/{}", target.trim_start_matches("./"))).await;
            assert_eq!(answer.status, StatusCode::OK, "{target}");
            loaded += 1;
        }
    }
    assert!(loaded >= 4, "the page loads {loaded} files");
    let config = desk.get("/doc/swagger-initializer.js").await.text;
    assert!(config.contains("/api/v1/openapi.json"), "{config}");
    assert_eq!(desk.get("/doc/nothing.js").await.status, StatusCode::NOT_FOUND);
}
