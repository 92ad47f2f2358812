//! The API's own document: every request that the command makes in these tests is one that the API knows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    })
}

/// What is wrong with a request, head and body, by the document: its route, or the names of its parameters.
pub(crate) fn finding(request: &str) -> Option<String> {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut words = head.lines().next().unwrap().split(' ');
    let (method, target) = (words.next().unwrap().to_lowercase(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let paths = document()["paths"].as_object().unwrap();
    // A route that names its parts goes before one with a part to be filled in.
    let fitting =
        paths.keys().find(|known| *known == path).or_else(|| paths.keys().find(|known| fits(known, path)));
    let Some(operation) = fitting.and_then(|known| paths[known].get(&method)) else {
        return Some(format!("the API has no {method} {path}"));
    };
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let known: BTreeMap<&str, &Value> = parameters
        .filter(|parameter| parameter["in"] == "query")
        .filter_map(|parameter| Some((parameter["name"].as_str()?, &parameter["schema"])))
        .collect();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let long: BTreeMap<String, String> = serde_json::from_str(body).unwrap_or_default();
    for (name, value) in pairs.chain(long.iter().map(|(name, value)| (name.as_str(), value.as_str()))) {
        match known.get(name) {
            None => return Some(format!("{method} {path} has no parameter {name}")),
            Some(schema) if !allows(schema, value) => {
                return Some(format!("{method} {path}: the parameter {name} cannot be {value}"));
            }
            Some(_) => {}
        }
    }
    None
}

/// Whether a schema has this among its choices.
fn allows(schema: &Value, value: &str) -> bool {
    let choices = schema["enum"].as_array();
    let is_bool = schema["type"] == "boolean";
    choices.is_none_or(|choices| choices.iter().any(|choice| choice == value))
        && (!is_bool || matches!(value.to_lowercase().as_str(), "true" | "false"))
}

fn fits(known: &str, path: &str) -> bool {
    let (known, path): (Vec<&str>, Vec<&str>) = (known.split('/').collect(), path.split('/').collect());
    let matches =
        |(known, part): (&&str, &&str)| known == part || (known.starts_with('{') && !part.is_empty());
    known.len() == path.len() && known.iter().zip(&path).all(matches)
}

#[test]
fn what_the_api_does_not_know_is_found() {
    let finding = |line: &str, body: &str| finding(&format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n{body}"));
    assert_eq!(finding("GET /api/v1/vm?limit=a&tag=b", ""), None);
    assert_eq!(finding("POST /api/v1/vm?node=a", r#"{"xml": "<domain/>"}"#), None);
    assert_eq!(finding("GET /api/v1/vm?colour=a", "").unwrap(), "get /api/v1/vm has no parameter colour");
    assert_eq!(
        finding("POST /api/v1/vm/a/rename?new_name=b", r#"{"yes": "1"}"#).unwrap(),
        "post /api/v1/vm/a/rename has no parameter yes"
    );
    let wrong = "post /api/v1/vm/a/state: the parameter state cannot be up";
    assert_eq!(finding("POST /api/v1/vm/a/state?state=up&force=true", "").unwrap(), wrong);
    assert_eq!(finding("GET /api/v1/vms", "").unwrap(), "the API has no get /api/v1/vms");
    assert_eq!(finding("DELETE /api/v1/node", "").unwrap(), "the API has no delete /api/v1/node");
}
