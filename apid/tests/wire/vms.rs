//! What an operator does with VMs, and what becomes of it.

use axum::http::StatusCode;
use logic::record::{Expect, RecordId, Records};
use logic::task::{TaskFact, TaskState};
use logic::time::WallTime;
use logic::vm::Phase;
use serde_json::{Value, json};

use super::desk::{Answer, Desk, UUID, xml};

const UUIDS: [&str; 4] = [
    UUID,
    "23b8c1e9-3924-46de-beb1-3b9046685257",
    "17fc695a-07a0-4a6e-8822-e8f36c031199",
    "9a1de644-815e-46d1-bb8f-aa1837f8a88b",
];

#[track_caller]
fn done(answer: Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.message()
}

fn names(answer: &Answer) -> Vec<String> {
    if answer.status == StatusCode::NOT_FOUND {
        return Vec::new();
    }
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let mut names: Vec<String> = {
        let list = answer.json();
        let name = |vm: &Value| vm["name"].as_str().expect("a VM has a name").to_owned();
        list.as_array().expect("a list").iter().map(name).collect()
    };
    names.sort();
    names
}

async fn four() -> Desk {
    let desk = Desk::new().await;
    for (name, uuid) in ["web1", "web10", "db", "mail"].into_iter().zip(UUIDS) {
        desk.define(name, uuid).await;
    }
    done(desk.ask("POST", "/vm/db/state", &[("state", "start")]).await);
    done(desk.ask("POST", "/vm/mail/tags", &[("action", "add"), ("tag", "prod")]).await);
    desk
}

#[tokio::test]
async fn the_list_is_filtered_as_it_is_asked() {
    let desk = four().await;
    for (query, expected) in [
        ("", vec!["db", "mail", "web1", "web10"]),
        ("limit=web1", vec!["web1", "web10"]),
        ("limit=^web1$", vec!["web1"]),
        ("limit=1$", vec!["web1"]),
        ("limit=web|^db", vec!["db", "web1", "web10"]),
        ("limit=.ai", vec!["mail"]),
        ("limit=23b8c1e9", vec!["web10"]),
        ("limit=", vec!["db", "mail", "web1", "web10"]),
        ("limit=nothing", vec![]),
        ("node=hv1", vec!["db", "mail", "web1", "web10"]),
        ("node=hv1&negate=true", vec![]),
        ("state=start", vec!["db"]),
        ("state=stop&limit=web", vec!["web1", "web10"]),
        ("state=start&negate=True", vec!["mail", "web1", "web10"]),
        ("state=start&negate=false", vec!["db"]),
        ("tag=prod", vec!["mail"]),
        ("tag=prod&negate=1", vec!["db", "web1", "web10"]),
        ("tag=pro", vec![]),
        ("tag=prod&state=stop", vec!["mail"]),
        ("tag=prod&state=start", vec![]),
        ("negate=true", vec!["db", "mail", "web1", "web10"]),
    ] {
        let query = query.replace('^', "%5E").replace('|', "%7C");
        let answer = desk.get(&format!("/vm?{query}")).await;
        assert_eq!(names(&answer), expected, "{query}");
    }
}

#[tokio::test]
async fn nodes_are_filtered_as_they_are_asked_for() {
    let desk = Desk::new().await;
    for (query, count) in [
        ("limit=hv", 1),
        ("limit=v1", 0),
        ("daemon_state=run", 1),
        ("daemon_state=dead", 0),
        ("coordinator_state=primary&domain_state=ready", 1),
        ("coordinator_state=secondary", 0),
    ] {
        assert_eq!(names(&desk.get(&format!("/node?{query}")).await).len(), count, "{query}");
    }
}

#[tokio::test]
async fn one_vm_is_found_by_its_exact_name_or_its_uuid() {
    let desk = four().await;
    for path in ["/vm/web1", &format!("/vm/{UUID}"), &format!("/vm/{}", UUID.to_uppercase())] {
        let answer = desk.get(path).await.json();
        assert_eq!(
            (answer.as_array().unwrap().len(), &answer[0]["name"]),
            (1, &Value::from("web1")),
            "{path}"
        );
    }
    assert_eq!(desk.get("/vm/web").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn parameters_come_in_the_query_a_form_or_json_alike() {
    let desk = four().await;
    let tags = async |name: &str| {
        let tags = desk.get(&format!("/vm/{name}/tags")).await.json();
        tags["tags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tag| tag["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let request = |uri: &str, kind: &str, body: String| {
        let request = axum::http::Request::builder().method("POST").uri(format!("/api/v1{uri}"));
        let request = request.header("X-Api-Key", super::desk::TOKEN).header("Content-Type", kind);
        request.body(body.into()).unwrap()
    };
    let form = "application/x-www-form-urlencoded";
    done(desk.send(request("/vm/web1/tags?action=add&tag=query", form, String::new())).await);
    done(desk.send(request("/vm/web1/tags", form, "action=add&tag=form".into())).await);
    done(desk.send(request("/vm/web1/tags?action=add", form, "tag=both".into())).await);
    let body = json!({"action": "add", "tag": "json", "protected": true}).to_string();
    done(desk.send(request("/vm/web1/tags", "application/json; charset=utf-8", body)).await);
    assert_eq!(tags("web1").await, ["both", "form", "json", "query"]);
}

#[tokio::test]
async fn a_vm_is_defined_with_everything_that_is_said_of_it() {
    let desk = Desk::new().await;
    let document = xml("web1", UUID);
    let answer = desk
        .ask(
            "POST",
            "/vm",
            &[
                ("xml", &document),
                ("node", "hv1"),
                ("limit", "hv1"),
                ("selector", "memprov"),
                ("autostart", "True"),
                ("migration_method", "live"),
                ("migration_max_downtime", "500"),
                ("user_tags", "dev"),
                ("user_tags", "test"),
                ("protected_tags", "kept"),
            ],
        )
        .await;
    let told = done(answer);
    assert!(told.contains("web1") && told.contains(UUID), "{told}");
    let vm = desk.get("/vm/web1").await.json()[0].clone();
    assert_eq!(vm["node_limit"], json!(["hv1"]));
    assert_eq!(vm["node_selector"], "memprov");
    assert_eq!(vm["node_autostart"], true);
    assert_eq!(vm["migration_method"], "live");
    assert_eq!(vm["migration_max_downtime"], 500);
    assert_eq!(vm["tags"][1], json!({"name": "kept", "type": "user", "protected": true}));
    assert_eq!(vm["tags"].as_array().unwrap().len(), 3);
    assert_eq!(vm["xml"], document);
    let meta = desk.get("/vm/web1/meta").await.json();
    assert_eq!(meta["node_autostart"], "True");
}

#[tokio::test]
async fn meta_changes_what_is_given_and_leaves_the_rest() {
    let desk = four().await;
    done(
        desk.ask("POST", "/vm/web1/meta", &[("limit", "hv1"), ("selector", "load"), ("profile", "small")])
            .await,
    );
    done(desk.ask("POST", "/vm/web1/meta", &[("autostart", "true")]).await);
    let meta = desk.get("/vm/web1/meta").await.json();
    assert_eq!((&meta["node_limit"], &meta["node_selector"]), (&json!(["hv1"]), &json!("load")));
    assert_eq!((&meta["node_autostart"], &meta["migration_max_downtime"]), (&json!("True"), &json!(300)));
    assert_eq!(desk.get("/vm/web1").await.json()[0]["profile"], "small");
    done(desk.ask("POST", "/vm/web1/meta", &[("limit", ""), ("selector", "none"), ("profile", "")]).await);
    let vm = desk.get("/vm/web1").await.json()[0].clone();
    assert_eq!(
        (&vm["node_limit"], &vm["node_selector"], &vm["profile"]),
        (&Value::Null, &Value::Null, &json!(""))
    );
    done(desk.ask("POST", "/vm/web1/meta", &[]).await);
}

#[tokio::test]
async fn a_protected_tag_stays() {
    let desk = four().await;
    done(
        desk.ask("POST", "/vm/web1/tags", &[("action", "add"), ("tag", "kept"), ("protected", "true")]).await,
    );
    let remove = desk.ask("POST", "/vm/web1/tags", &[("action", "remove"), ("tag", "kept")]).await;
    assert_eq!(remove.status, StatusCode::BAD_REQUEST);
    assert!(remove.message().contains("protected"));
    let again = desk.ask("POST", "/vm/web1/tags", &[("action", "add"), ("tag", "kept")]).await;
    assert!(again.message().contains("already"));
    done(desk.ask("POST", "/vm/mail/tags", &[("action", "remove"), ("tag", "prod")]).await);
    assert_eq!(desk.get("/vm/mail/tags").await.json()["tags"], json!([]));
}

#[tokio::test]
async fn a_new_document_is_shown_at_once_and_restarts_a_running_vm_when_asked() {
    let desk = four().await;
    let document = xml("db", UUIDS[2]).replace("512", "1024");
    desk.say(UUIDS[2], Phase::Running, 2);
    done(desk.ask("PUT", "/vm/db", &[("xml", &document)]).await);
    let vm = desk.get("/vm/db").await.json()[0].clone();
    assert_eq!((&vm["memory"], &vm["state"], &vm["xml"]), (&json!(1024), &json!("start"), &json!(document)));
    done(desk.ask("PUT", "/vm/db", &[("xml", &document), ("restart", "True")]).await);
    assert_eq!(desk.get("/vm/db/state").await.json()["state"], "restart");
}

#[tokio::test]
async fn a_vm_that_is_down_is_renamed_with_its_document() {
    let desk = four().await;
    done(desk.ask("POST", "/vm/web1/rename", &[("new_name", "front")]).await);
    assert_eq!(desk.get("/vm/web1").await.status, StatusCode::NOT_FOUND);
    let vm = desk.get("/vm/front").await.json()[0].clone();
    assert_eq!(vm["uuid"], UUID);
    assert!(vm["xml"].as_str().unwrap().contains("<name>front</name>"));
    let taken = desk.ask("POST", "/vm/front/rename", &[("new_name", "db")]).await;
    assert_eq!(taken.status, StatusCode::BAD_REQUEST);
    assert!(taken.message().contains("exists already"));
    desk.say(UUIDS[2], Phase::Running, 2);
    let running = desk.ask("POST", "/vm/db/rename", &[("new_name", "database")]).await;
    assert!(running.message().contains("stop it"), "{}", running.text);
}

#[tokio::test]
async fn power_is_wished_within_its_preconditions() {
    let desk = four().await;
    let wish = async |name: &str, state: &str, force: &str| {
        desk.ask("POST", &format!("/vm/{name}/state"), &[("state", state), ("force", force)]).await
    };
    let state = async |name: &str| desk.get(&format!("/vm/{name}/state")).await.json()["state"].clone();
    for refused in [wish("web1", "shutdown", "false").await, wish("web1", "restart", "false").await] {
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.message().contains("state \"stop\""), "{}", refused.text);
    }
    done(wish("web1", "disable", "false").await);
    desk.say(UUID, Phase::Stopped, 2);
    desk.until("/vm/web1/state", |answer| answer.json()["state"] == "disable").await;
    assert!(wish("web1", "start", "false").await.message().contains("force"));
    done(wish("web1", "start", "true").await);
    assert_eq!(state("web1").await, "start");
    desk.say(UUID, Phase::Running, 3);
    done(wish("web1", "shutdown", "false").await);
    assert_eq!(state("web1").await, "shutdown");
    done(wish("web1", "stop", "false").await);
    assert_eq!(state("web1").await, "stop");
}

#[tokio::test]
async fn who_waits_is_answered_when_it_is_so_or_cannot_be() {
    let desk = four().await;
    let wait = desk.ask("POST", "/vm/db/state", &[("state", "shutdown"), ("wait", "true")]);
    desk.say(UUIDS[2], Phase::Running, 2);
    let fulfil = async {
        desk.until("/vm/db/state", |answer| answer.json()["state"] == "shutdown").await;
        desk.say(UUIDS[2], Phase::Stopped, 3);
    };
    let (answer, ()) = tokio::join!(wait, fulfil);
    done(answer);
    assert_eq!(desk.get("/vm/db/state").await.json()["state"], "stop");
}

#[tokio::test]
async fn who_waits_is_told_when_the_daemon_stops() {
    let desk = four().await;
    desk.say(UUIDS[2], Phase::Running, 2);
    let wait = desk.ask("POST", "/vm/db/state", &[("state", "shutdown"), ("wait", "true")]);
    let stop = async {
        desk.until("/vm/db/state", |answer| answer.json()["state"] == "shutdown").await;
        desk.stop.send_replace(true);
    };
    let (answer, ()) = tokio::join!(wait, stop);
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
    assert!(answer.message().contains("stopping") && answer.message().contains("wish stands"));
}

#[tokio::test]
async fn a_vm_that_is_down_goes_at_once_and_one_that_runs_when_its_node_has_ended_it() {
    let desk = four().await;
    done(desk.ask("DELETE", "/vm/web1", &[("delete_disks", "false")]).await);
    assert_eq!(desk.get("/vm/web1").await.status, StatusCode::NOT_FOUND);
    desk.define("web1", UUID).await;
    desk.say(UUIDS[2], Phase::Running, 2);
    let end = async {
        desk.until("/vm/db/state", |answer| answer.json()["state"] == "delete").await;
        let id = UUIDS[2].parse().unwrap();
        let gone = [RecordId::Vm(id), RecordId::VmFact(id), RecordId::VmXml(id)];
        let records = gone.into_iter().fold(Records::default(), Records::remove);
        desk.commit(records.remove(RecordId::VmName("db".parse().unwrap())));
    };
    let (answer, ()) = tokio::join!(desk.ask("DELETE", "/vm/db", &[("delete_disks", "true")]), end);
    assert!(done(answer).contains("Removed"));
    assert_eq!(names(&desk.get("/vm").await), ["mail", "web1", "web10"]);
}

#[tokio::test]
async fn the_volumes_of_a_vm_are_not_forgotten_silently() {
    let desk = Desk::new().await;
    let disk =
        "<disk type='network'><source protocol='rbd' name='vms/a'/><target dev='sdb' bus='scsi'/></disk>";
    let document = xml("web1", UUID).replace("<devices>", &format!("<devices>{disk}"));
    done(desk.ask("POST", "/vm", &[("xml", &document)]).await);
    let told = done(desk.ask("DELETE", "/vm/web1", &[("delete_disks", "true")]).await);
    assert!(told.contains("Not known to PVC, and so not deleted: vms/a."), "{told}");
    assert_eq!(desk.get("/vm/web1").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_device_is_attached_by_a_task_that_can_be_followed() {
    let desk = four().await;
    let device = ("xml", "<disk type='file'><source file='/a'/><target dev='sdb'/></disk>");
    let down = desk.ask("POST", "/vm/web1/device", &[device]).await;
    assert_eq!(down.status, StatusCode::BAD_REQUEST);
    desk.say(UUIDS[2], Phase::Running, 2);
    let malformed = desk.ask("POST", "/vm/db/device", &[("xml", "<disk")]).await;
    assert_eq!(malformed.status, StatusCode::BAD_REQUEST);
    let accepted = desk.ask("POST", "/vm/db/device", &[device]).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", accepted.text);
    let task = accepted.json();
    let id = task["task_id"].as_str().unwrap();
    assert!(id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!((&task["task_name"], &task["run_on"]), (&json!("vm.attach_device"), &json!("hv1")));
    assert_eq!(accepted.headers["location"], format!("/api/v1/tasks/{id}"));
    let path = format!("/tasks/{id}");
    assert_eq!(desk.get(&path).await.json()["state"], "PENDING");
    let listed = desk.get("/tasks").await.json();
    assert_eq!(listed["reserved"]["pvcworkerd@hv1"][0]["id"], id);
    assert_eq!(listed["active"]["pvcworkerd@hv1"], json!([]));
    assert_eq!(listed["reserved"]["pvcworkerd@hv1"][0]["kwargs"]["run_on"], "hv1");

    let fact = |state, stage, message: &str| TaskFact {
        state,
        stage,
        message: message.into(),
        at: WallTime(1_000),
        failed: None,
        progress: None,
    };
    let id_typed = id.parse().unwrap();
    let running = fact(TaskState::Running, 0, "Attaching the device");
    desk.commit(Records::default().write(RecordId::TaskFact(id_typed), Expect::Absent, running.into()));
    let shown = desk.until(&path, |answer| answer.json()["state"] == "RUNNING").await.json();
    assert_eq!((&shown["current"], &shown["total"]), (&json!(0), &json!(1)));
    let ended = fact(TaskState::Success, 1, "The device is attached");
    desk.commit(Records::default().write(RecordId::TaskFact(id_typed), Expect::Present, ended.into()));
    let shown = desk.until(&path, |answer| answer.json()["state"] == "SUCCESS").await.json();
    assert_eq!((&shown["current"], &shown["status"]), (&json!(1), &json!("The device is attached")));
    assert_eq!(desk.get("/tasks").await.json()["active"]["pvcworkerd@hv1"], json!([]));
}

#[tokio::test]
async fn maintenance_mode_is_shown_as_health() {
    let desk = Desk::new().await;
    assert!(done(desk.ask("POST", "/status", &[("state", "true")]).await).contains("maintenance"));
    let status = desk.get("/status").await.json();
    assert_eq!((&status["maintenance"], &status["cluster_health"]["health"]), (&json!("true"), &json!(-1)));
    assert_eq!(status["cluster_health"]["messages"][0]["id"], "MAINTENANCE");
    done(desk.ask("POST", "/status", &[("state", "true")]).await);
    done(desk.ask("POST", "/status", &[("state", "false")]).await);
    let status = desk.get("/status").await.json();
    assert_eq!((&status["maintenance"], &status["cluster_health"]["health"]), (&json!("false"), &json!(100)));
}

#[tokio::test]
async fn a_dead_node_lowers_the_health_and_is_named() {
    let desk = Desk::new().await;
    desk.commit(Records::default().remove(RecordId::Presence("hv1".parse().unwrap())));
    desk.until("/node/hv1/daemon-state", |answer| answer.json()["daemon_state"] == "dead").await;
    let status = desk.get("/status").await.json();
    assert_eq!(status["cluster_health"]["health"], 50);
    assert_eq!(status["cluster_health"]["messages"][0]["id"], "DEAD_NODE_HV1");
    assert_eq!(status["nodes"], json!({"total": 1, "dead,ready": 1}));
    assert_eq!(status["node_health"]["hv1"]["health"], 0);
    let metrics = desk.get("/metrics/health").await;
    assert!(metrics.text.contains("pvc_cluster_health 50\n"), "{}", metrics.text);
    assert!(metrics.text.contains("pvc_node_daemon_states{state=\"dead\"} 1\n"), "{}", metrics.text);
    let kind = metrics.headers["content-type"].to_str().unwrap();
    assert_eq!(kind, "text/plain; charset=utf-8");
}
