//! OSDs: what is shown of them, and that what changes them becomes a task or is done at once.

use axum::http::StatusCode;
use serde_json::json;

use super::storeroom::{Mood, Storeroom};

/// Names and values.
type Parameters = &'static [(&'static str, &'static str)];

#[tokio::test]
async fn those_of_pvc_and_others_are_shown() {
    let room = Storeroom::new().await;
    let all = room.desk.get("/storage/ceph/osd").await.json();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let zero = &all[0];
    assert_eq!(
        (&zero["id"], &zero["node"], &zero["device"]),
        (&json!("0"), &json!("hv1"), &json!("/dev/sdb"))
    );
    assert_eq!(zero["fsid"], "f42d47cc-00d4-4f59-b427-3ca3287d06ca");
    let stats = &zero["stats"];
    assert_eq!(
        (&stats["used"], &stats["avail"], &stats["kb"]),
        (&json!("310G"), &json!("690G"), &json!(1_048_576_000))
    );
    assert_eq!(
        (&stats["state"], &stats["class"], &stats["weight"]),
        (&json!("exists,up"), &json!("ssd"), &json!(1.746))
    );
    let parts =
        ["kb_used_data", "kb_used_omap", "kb_used_meta"].map(|part| stats[part].as_u64().unwrap() >> 20);
    assert_eq!(parts, [300, 1, 9]);
    assert_eq!((&stats["wr_ops"], &stats["wr_data"]), (&json!("12"), &json!("88.0k")));
    assert_eq!((&stats["rd_ops"], &stats["rd_data"]), (&json!("3"), &json!("14.2k")));
    let seven = &room.desk.get("/storage/ceph/osd/7").await.json()[0];
    assert_eq!((&seven["node"], &seven["device"]), (&json!("elsewhere"), &json!("")));
    let limited = room.desk.get("/storage/ceph/osd?limit=7").await.json();
    assert_eq!(limited.as_array().unwrap().len(), 1);
    let state = room.desk.get("/storage/ceph/osd/0/state").await.json();
    assert_eq!(state, json!({"id": "0", "in": 1, "up": 1}));
}

#[tokio::test]
async fn what_takes_long_is_a_task_that_bars_others() {
    let cases: [(&str, &str, Parameters, &str); 5] = [
        (
            "POST",
            "/osd",
            &[("node", "hv1"), ("device", "/dev/sdc"), ("weight", "1.0"), ("osd_count", "2")],
            "osd",
        ),
        ("POST", "/osddb", &[("node", "hv1"), ("device", "detect:INTEL:800G:0")], "osd"),
        ("POST", "/osd/0", &[("new_device", "/dev/sdc"), ("yes-i-really-mean-it", "yes")], "osd"),
        ("PUT", "/osd/0", &[("device", "/dev/sdc")], "osd"),
        ("DELETE", "/osd/0", &[("force", "true"), ("yes-i-really-mean-it", "yes")], "osd"),
    ];
    for (method, path, parameters, name) in cases {
        let room = Storeroom::new().await;
        let path = format!("/storage/ceph{path}");
        let accepted = room.desk.ask(method, &path, parameters).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{path}: {}", accepted.text);
        let task = accepted.json();
        assert!(task["task_name"].as_str().unwrap().contains(name), "{task}");
        assert_eq!(task["run_on"], "hv1");
        let id = task["task_id"].as_str().unwrap();
        assert_eq!(accepted.headers["location"], format!("/api/v1/tasks/{id}"));
        let refused = room.desk.ask(method, &path, parameters).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}: {}", refused.text);
        assert!(refused.message().contains(id), "{path}: {}", refused.text);
    }
}

#[tokio::test]
async fn osds_go_in_and_out_and_properties_are_set_at_once() {
    let room = Storeroom::new().await;
    for (path, parameters, word) in
        [("/osd/0/state", ("state", "out"), "out"), ("/osd/7/state", ("state", "in"), "in")]
    {
        let done = room.desk.ask("POST", &format!("/storage/ceph{path}"), &[parameters]).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text);
        assert!(done.message().contains(word), "{}", done.text);
    }
    for action in ["set", "unset"] {
        let option = [("option", "noout"), ("action", action)];
        let done = room.desk.ask("POST", "/storage/ceph/option", &option).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text);
        assert!(done.message().contains("noout"), "{}", done.text);
    }
    room.feel(Mood::Failing("no monitor answers".into()));
    let failed = room.desk.ask("POST", "/storage/ceph/osd/0/state", &[("state", "in")]).await;
    assert_eq!(failed.status, StatusCode::BAD_REQUEST);
    assert!(failed.message().contains("no monitor answers"), "{}", failed.text);
}
