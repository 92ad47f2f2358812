//! Whatever is wrong with a request, it gets a 4xx that names the thing and the remedy, and nothing is half-written.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use logic::limits::XML_BYTES_MAX;

use super::desk::{Answer, Desk, TOKEN, UUID, xml};

const OTHER_UUID: &str = "23b8c1e9-3924-46de-beb1-3b9046685257";

#[track_caller]
fn refused(answer: &Answer, status: u16, names: &[&str]) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/json");
    let message = answer.message();
    for name in names {
        assert!(message.contains(name), "\"{message}\" does not name {name}");
    }
}

async fn json(desk: &Desk, method: &str, path: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(format!("/api/v1{path}")).header("X-Api-Key", TOKEN);
    desk.send(
        request.header("Content-Type", "application/json").body(body.to_owned().into()).expect("a request"),
    )
    .await
}

#[tokio::test]
async fn a_bad_document_is_refused_with_its_fault_and_writes_nothing() {
    let desk = Desk::new().await;
    desk.define("web1", UUID).await;
    let before = desk.memory.dump();
    let good = xml("web2", OTHER_UUID);
    let cases = [
        ("<domain".to_owned(), vec!["XML", "well-formed"]),
        ("no XML at all".into(), vec!["XML", "well-formed"]),
        (String::new(), vec!["XML"]),
        ("<network/>".into(), vec!["<network>", "<domain>"]),
        (good.replace("<name>web2</name>", ""), vec!["<name>", "missing"]),
        (good.replace(&format!("<uuid>{OTHER_UUID}</uuid>"), ""), vec!["<uuid>", "missing"]),
        (good.replace(OTHER_UUID, "12345"), vec!["<uuid>", "12345"]),
        (good.replace("web2", "a/b"), vec!["<name>", "a/b"]),
        (good.replace("web2", "web1"), vec!["web1", "exists already", "another name"]),
        (good.replace(OTHER_UUID, UUID), vec![UUID, "exists already", "another UUID"]),
        (good.replace("512", "9000"), vec!["9000", "memory", "hv1", "8192"]),
        (good.replace("<vcpu>1<", "<vcpu>5<"), vec!["5", "vCPU", "hv1"]),
        (good.replace("<vcpu>1<", "<vcpu>many<"), vec!["<vcpu>", "many"]),
        (good.replace("A VM for tests", &"x".repeat(XML_BYTES_MAX)), vec!["bytes", "262144"]),
    ];
    for (document, names) in cases {
        refused(&desk.ask("POST", "/vm", &[("xml", &document)]).await, 400, &names);
        refused(&desk.ask("POST", "/vm/web9", &[("xml", &document)]).await, 400, &names);
    }
    let modified = |document: String| {
        let desk = &desk;
        async move { desk.ask("PUT", "/vm/web1", &[("xml", &document)]).await }
    };
    refused(&modified(good.clone()).await, 400, &["uuid", OTHER_UUID, UUID]);
    refused(&modified(good.replace(OTHER_UUID, UUID)).await, 400, &["name", "web2", "rename"]);
    refused(&modified("<domain".into()).await, 400, &["XML"]);
    assert_eq!(desk.memory.dump(), before, "something was written");
}

#[tokio::test]
async fn an_unknown_vm_or_node_is_told_so_everywhere() {
    let desk = Desk::new().await;
    for (method, path, status) in [
        ("GET", "/vm/nope", 404),
        ("GET", "/vm/nope/meta", 404),
        ("GET", "/vm/nope/tags", 404),
        ("GET", "/vm/nope/state", 404),
        ("GET", "/vm/nope/node", 404),
        ("GET", "/vm/nope/console", 404),
        ("GET", "/vm/..%2F..%2Fetc", 404),
        ("GET", "/vm/bdd640fb-0667-4ad1-9c80-000000000000", 404),
        ("DELETE", "/vm/nope", 404),
        ("POST", "/vm/nope/meta", 404),
    ] {
        refused(&desk.ask(method, path, &[]).await, status, &["VM not found."]);
    }
    let document = xml("nope", UUID);
    for (method, path, parameters, status) in [
        ("PUT", "/vm/nope", vec![("xml", document.as_str())], 404),
        ("POST", "/vm/nope/tags", vec![("action", "add"), ("tag", "a")], 404),
        ("POST", "/vm/nope/state", vec![("state", "start")], 400),
        ("POST", "/vm/nope/rename", vec![("new_name", "b")], 400),
        ("POST", "/vm/nope/device", vec![("xml", "<disk/>")], 400),
        ("DELETE", "/vm/nope/device", vec![("xml", "<disk/>")], 400),
    ] {
        refused(&desk.ask(method, path, &parameters).await, status, &["VM not found."]);
    }
    for path in ["/node/nope", "/node/nope/daemon-state", "/node/nope/log", "/node/a%20b/domain-state"] {
        refused(&desk.get(path).await, 404, &["Node not found."]);
    }
    refused(&desk.get("/vm?node=nope").await, 400, &["nope", "invalid"]);
    let define = desk.ask("POST", "/vm", &[("xml", &xml("a", UUID)), ("node", "nope")]).await;
    refused(&define, 400, &["nope", "invalid"]);
}

#[tokio::test]
async fn an_unknown_parameter_is_named_with_the_nearest_known_one() {
    let desk = Desk::new().await;
    desk.define("web1", UUID).await;
    refused(&desk.get("/vm?limt=a").await, 400, &["limt", "limit"]);
    refused(&desk.get("/node?deamon_state=run").await, 400, &["deamon_state", "daemon_state"]);
    refused(&desk.get("/vm/web1?x=1").await, 400, &["x", "takes none"]);
    refused(&desk.get("/?x=1").await, 400, &["x"]);
    let form = desk.ask("POST", "/vm/web1/state", &[("state", "start"), ("forse", "true")]).await;
    refused(&form, 400, &["forse", "force"]);
    let body = json(&desk, "POST", "/vm/web1/state", r#"{"state": "start", "wiat": true}"#).await;
    refused(&body, 400, &["wiat", "wait"]);
    assert_eq!(desk.get("/vm/web1/state").await.json()["state"], "stop");
}

#[tokio::test]
async fn a_missing_or_wrong_value_is_told_by_its_parameter() {
    let desk = Desk::new().await;
    desk.define("web1", UUID).await;
    let of = |answer: Answer, name: &str| answer.json()["message"][name].as_str().map(str::to_owned).unwrap();
    let missing = desk.ask("POST", "/vm/web1/state", &[]).await;
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
    assert!(of(missing, "state").contains("required"));
    let wrong = of(desk.ask("POST", "/vm/web1/state", &[("state", "fly")]).await, "state");
    assert!(wrong.contains("fly") && wrong.contains("shutdown"), "{wrong}");
    let twice = desk.ask("POST", "/vm/web1/state", &[("state", "start"), ("state", "stop")]).await;
    assert!(of(twice, "state").contains("2 times"));
    let flag = desk.ask("POST", "/vm/web1/state", &[("state", "start"), ("force", "perhaps")]).await;
    assert!(of(flag, "force").contains("perhaps"));
    let number = desk.ask("POST", "/vm/web1/meta", &[("migration_max_downtime", "soon")]).await;
    assert!(of(number, "migration_max_downtime").contains("soon"));
    assert!(of(desk.get("/vm/web1/console?lines=-1").await, "lines").contains("-1"));
    assert!(of(desk.get("/vm?limit=(").await, "limit").contains("regular expression"));
    assert!(of(desk.ask("POST", "/vm", &[]).await, "xml").contains("required"));
    let confirmation = desk.ask("POST", "/initialize", &[("overwrite", "true")]).await;
    assert!(of(confirmation, "yes-i-really-mean-it").contains("required"));
    let denied = desk.ask("POST", "/initialize", &[("yes-i-really-mean-it", "no")]).await;
    assert!(of(denied, "yes-i-really-mean-it").contains("confirm"));
    refused(&desk.get("/vm?state=bogus").await, 400, &["VM state \"bogus\" is not valid."]);
    refused(&desk.ask("POST", "/status", &[("state", "maybe")]).await, 400, &["maybe", "true", "false"]);
    assert_eq!(desk.get("/vm/web1/state").await.json()["state"], "stop");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_the_reason() {
    let desk = Desk::new().await;
    refused(&json(&desk, "POST", "/vm", "{\"xml\": ").await, 400, &["JSON"]);
    refused(&json(&desk, "POST", "/vm", "[1]").await, 400, &["JSON object"]);
    refused(&json(&desk, "POST", "/vm", r#"{"xml": {"a": 1}}"#).await, 400, &["xml", "text"]);
    let request = |kind: Option<&str>, body: Vec<u8>| {
        let request = Request::builder().method("POST").uri("/api/v1/vm").header("X-Api-Key", TOKEN);
        let request = if let Some(kind) = kind { request.header("Content-Type", kind) } else { request };
        desk.send(request.body(Body::from(body)).unwrap())
    };
    refused(&request(Some("text/xml"), b"<domain/>".to_vec()).await, 400, &["text/xml", "application/json"]);
    refused(&request(None, b"<domain/>".to_vec()).await, 400, &["Content-Type"]);
    let form = Some("application/x-www-form-urlencoded");
    refused(&request(form, b"xml=%ff%fe".to_vec()).await, 400, &["xml", "UTF-8"]);
    let mut long = b"xml=".to_vec();
    long.resize(apid::parameters::BODY_BYTES_MAX + 1, b'x');
    refused(&request(form, long).await, 413, &["longer", "XML"]);
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let desk = Desk::new().await;
    refused(&desk.get("/nothing/here").await, 404, &["/api/v1/nothing/here", "/api/v1/doc/"]);
    refused(&desk.ask("POST", "/tasks", &[]).await, 405, &["not allowed"]);
    refused(&desk.get("/vm/web1/device").await, 405, &["not allowed"]);
    for (method, path) in [
        ("GET", "/network"),
        ("POST", "/provisioner/create"),
        ("PUT", "/provisioner/script/a"),
        ("PATCH", "/vm/web1/snapshot/receive/block"),
        ("DELETE", "/faults"),
    ] {
        refused(&desk.ask(method, path, &[]).await, 501, &["does not exist in this version"]);
    }
}

#[tokio::test]
async fn nothing_is_defined_before_the_cluster_is_initialised() {
    let desk = Desk::bare();
    refused(&desk.get("/status").await, 400, &["not initialised", "pvc cluster init"]);
    refused(&desk.ask("POST", "/vm", &[("xml", &xml("a", UUID))]).await, 400, &["not initialised"]);
    refused(&desk.ask("POST", "/status", &[("state", "true")]).await, 400, &["not initialised"]);
    refused(&desk.ask("POST", "/login", &[("token", TOKEN)]).await, 400, &["not initialised"]);
    refused(&desk.get("/node").await, 404, &["Node not found."]);
    assert!(desk.memory.dump().is_empty());
}

#[tokio::test]
async fn a_cluster_is_initialised_once_unless_it_is_to_be_overwritten() {
    let desk = Desk::new().await;
    desk.define("web1", UUID).await;
    let yes = ("yes-i-really-mean-it", "yes");
    refused(&desk.ask("POST", "/initialize", &[yes]).await, 400, &["already initialised", "overwrite"]);
    assert_eq!(desk.get("/vm/web1").await.status, StatusCode::OK);
    let anew = desk.ask("POST", "/initialize", &[yes, ("overwrite", "True")]).await;
    assert_eq!(anew.status, StatusCode::OK, "{}", anew.text);
    refused(&desk.get("/vm").await, 404, &["VM not found."]);
}
