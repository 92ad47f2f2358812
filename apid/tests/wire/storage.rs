//! Pools, volumes and snapshots come, change and go: what is answered, and what is shown afterwards.

use std::time::Duration;

use axum::http::StatusCode;
use logic::record::{Expect, RecordId, Records};
use logic::storage::facts::{StorageFacts, Trouble};
use logic::time::WallTime;
use serde_json::{Value, json};

use super::desk::{Answer, TOKEN, send};
use super::storeroom::{GIB, Mood, Storeroom, now};

const VOLUME: &str = "/storage/ceph/volume/vms/web_sda";
const SNAPSHOT: &str = "/storage/ceph/snapshot/vms/web_sda/before";
const FORCE: (&str, &str) = ("force", "true");

/// Method, path and parameters.
type Request = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

#[track_caller]
fn told(answer: &Answer, words: &[&str]) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let message = answer.message();
    assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
}

#[tokio::test]
async fn what_lies_above_storage_is_empty() {
    let room = Storeroom::new().await;
    for path in ["/storage", "/storage/ceph"] {
        let answer = room.desk.get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "null"));
    }
}

#[tokio::test]
async fn a_pool_comes_is_changed_and_goes_with_its_volumes() {
    let room = Storeroom::new().await;
    let fast = [("pgs", "64"), ("replcfg", "copies=2,mincopies=1"), ("tier", "nvme")];
    told(&room.desk.ask("POST", "/storage/ceph/pool/fast", &fast).await, &["fast"]);
    let pools = room.desk.get("/storage/ceph/pool").await.json();
    assert_eq!(pools.as_array().unwrap().len(), 2);
    let fast = &room.desk.get("/storage/ceph/pool/fast").await.json()[0];
    assert_eq!(
        (&fast["tier"], &fast["pgs"], &fast["volume_count"]),
        (&json!("nvme"), &json!("64"), &json!(0))
    );
    assert!(fast["stale"].as_str().unwrap().contains("not been measured"), "{fast}");
    told(&room.desk.ask("PUT", "/storage/ceph/pool/vms", &[("pgs", "256")]).await, &["vms", "256"]);
    room.volume("web_sda", "10G").await;
    let vms = &room.desk.get("/storage/ceph/pool?limit=v").await.json()[0];
    assert_eq!((&vms["name"], &vms["pgs"], &vms["volume_count"]), (&json!("vms"), &json!("256"), &json!(1)));
    assert_eq!(vms["stats"]["free_bytes"], json!(1000 * GIB));
    assert_eq!(
        (&vms["stats"]["num_object_copies"], &vms["stats"]["num_object_clones"]),
        (&json!(21), &json!(2))
    );
    assert_eq!((&vms["stats"]["read_ops"], &vms["stats"]["write_bytes"]), (&json!(1), &json!(4)));
    let yes = [("yes-i-really-mean-it", "yes")];
    told(&room.desk.ask("DELETE", "/storage/ceph/pool/vms", &yes).await, &["vms"]);
    assert_eq!(room.desk.get("/storage/ceph/volume").await.message(), "Volume not found.");
    assert_eq!(room.desk.get("/storage/ceph/pool/vms").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_volume_comes_grows_is_renamed_and_goes() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "10G").await;
    let one = &room.desk.get(VOLUME).await.json()[0];
    assert_eq!((&one["stats"]["size"], &one["size_bytes"]), (&json!("10G"), &json!(10 * GIB)));
    assert_eq!((&one["stats"]["objects"], &one["stats"]["order"]), (&json!(2560), &json!(22)));
    assert_eq!(one["stats"]["block_name_prefix"], "rbd_data.5e1f00000000");
    assert!(one.get("state").is_none(), "{one}");
    told(&room.desk.ask("PUT", VOLUME, &[("new_size", "20G")]).await, &["web_sda", "to 20G"]);
    told(&room.desk.ask("POST", &format!("{VOLUME}/scan"), &[]).await, &["web_sda"]);
    assert_eq!(room.desk.get(VOLUME).await.json()[0]["size_bytes"], json!(20 * GIB));
    told(&room.desk.ask("PUT", VOLUME, &[("new_name", "web_sdb")]).await, &["web_sdb"]);
    assert_eq!(room.desk.get(VOLUME).await.status, StatusCode::NOT_FOUND);
    told(&room.desk.ask("DELETE", "/storage/ceph/volume/vms/web_sdb", &[]).await, &["web_sdb"]);
    assert_eq!(room.desk.get("/storage/ceph/volume").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn force_fills_a_pool_beyond_80_percent_whatever_fills_it() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "10G").await;
    room.volume("large", "790G").await;
    room.snapshot("large", "before").await;
    told(
        &room.desk.ask("PUT", "/storage/ceph/volume/vms/large", &[("new_size", "900G")]).await,
        &["to 900G"],
    );
    room.snapshot("large", "after").await;
    let clone = "/storage/ceph/volume/vms/large/clone";
    let requests: [Request; 5] = [
        ("POST", "/storage/ceph/volume", &[("pool", "vms"), ("volume", "added"), ("size", "900G")]),
        ("POST", "/storage/ceph/volume/vms/named", &[("size", "900G")]),
        ("PUT", VOLUME, &[("new_size", "910G")]),
        ("POST", clone, &[("new_volume", "copy")]),
        ("POST", clone, &[("new_volume", "thin"), ("snapshot", "after")]),
    ];
    for (method, path, parameters) in requests {
        let refused = room.desk.ask(method, path, parameters).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{method} {path}: {}", refused.text);
        let message = refused.message();
        assert!(message.contains("80 %") && message.contains("use force"), "{method} {path}: {message}");
        let forced = room.desk.ask(method, path, &[parameters, &[FORCE]].concat()).await;
        assert_eq!(forced.status, StatusCode::OK, "{method} {path}: {}", forced.text);
    }
    let small = [("new_volume", "earlier"), ("snapshot", "before")];
    told(&room.desk.ask("POST", clone, &small).await, &["earlier"]);
}

#[tokio::test]
async fn a_snapshot_comes_is_renamed_rolled_back_to_and_goes() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "10G").await;
    let named = [("pool", "vms"), ("volume", "web_sda"), ("snapshot", "before")];
    told(&room.desk.ask("POST", "/storage/ceph/snapshot", &named).await, &["before"]);
    let one = &room.desk.get(SNAPSHOT).await.json()[0];
    assert_eq!(
        (&one["pool"], &one["volume"], &one["snapshot"]),
        (&json!("vms"), &json!("web_sda"), &json!("before"))
    );
    assert_eq!(one["stats"]["size"], json!(10 * GIB));
    assert_eq!(room.desk.get(VOLUME).await.json()[0]["stats"]["snapshot_count"], 1);
    told(&room.desk.ask("POST", &format!("{SNAPSHOT}/rollback"), &[]).await, &["before"]);
    told(&room.desk.ask("PUT", SNAPSHOT, &[("new_name", "after")]).await, &["after"]);
    assert_eq!(room.desk.get(SNAPSHOT).await.status, StatusCode::NOT_FOUND);
    told(&room.desk.ask("DELETE", "/storage/ceph/snapshot/vms/web_sda/after", &[]).await, &["after"]);
    assert_eq!(room.desk.get("/storage/ceph/snapshot").await.message(), "Snapshot not found.");
}

#[tokio::test]
async fn a_clone_is_a_whole_copy_unless_a_snapshot_is_named() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "10G").await;
    room.snapshot("web_sda", "before").await;
    told(&room.desk.ask("POST", &format!("{VOLUME}/clone"), &[("new_volume", "copy")]).await, &["copy"]);
    let copy = &room.desk.get("/storage/ceph/volume/vms/copy").await.json()[0];
    assert!(copy.get("parent").is_none(), "{copy}");
    let linked = [("new_volume", "thin"), ("snapshot", "before")];
    told(&room.desk.ask("POST", &format!("{VOLUME}/clone"), &linked).await, &["thin"]);
    let thin = &room.desk.get("/storage/ceph/volume/vms/thin").await.json()[0];
    assert_eq!(thin["parent"], "vms/web_sda@before");
    let refused = room.desk.ask("DELETE", SNAPSHOT, &[]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.message().contains("vms/thin"), "{}", refused.text);
}

#[tokio::test]
async fn lists_are_limited_as_the_contract_says() {
    let room = Storeroom::new().await;
    for name in ["web_sda", "web_sdb", "db_sda"] {
        room.volume(name, "1G").await;
    }
    room.snapshot("web_sda", "one").await;
    room.snapshot("db_sda", "one").await;
    room.snapshot("db_sda", "two").await;
    let names = async |path: &str, field: &str| -> Vec<String> {
        let answer = room.desk.get(path).await;
        let list: Vec<Value> = serde_json::from_str(&answer.text).unwrap_or_default();
        list.iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/storage/ceph/volume", "name").await, ["db_sda", "web_sda", "web_sdb"]);
    assert_eq!(names("/storage/ceph/volume?limit=sda", "name").await, ["db_sda", "web_sda"]);
    assert_eq!(names("/storage/ceph/volume?limit=%5Eweb&pool=vms", "name").await, ["web_sda", "web_sdb"]);
    assert_eq!(names("/storage/ceph/volume?limit=b%24", "name").await, ["web_sdb"]);
    assert_eq!(names("/storage/ceph/snapshot?volume=db_sda", "snapshot").await, ["one", "two"]);
    assert_eq!(names("/storage/ceph/snapshot?limit=n&pool=vms", "volume").await, ["db_sda", "web_sda"]);
    for path in [
        "/storage/ceph/volume?pool=other",
        "/storage/ceph/snapshot?limit=three",
        "/storage/ceph/pool?limit=ms",
    ] {
        let answer = room.desk.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_change_that_fails_is_refused_with_its_reason_and_leaves_nothing() {
    let room = Storeroom::new().await;
    room.feel(Mood::Failing("the storage is full".into()));
    let volume = [("pool", "vms"), ("volume", "web_sda"), ("size", "10G")];
    let answer = room.desk.ask("POST", "/storage/ceph/volume", &volume).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.message().contains("the storage is full"), "{}", answer.text);
    assert_eq!(room.desk.get(VOLUME).await.status, StatusCode::NOT_FOUND);
    room.feel(Mood::Willing);
    room.volume("web_sda", "10G").await;
}

#[tokio::test]
async fn a_change_that_takes_long_goes_on_as_a_task_and_bars_others_until_then() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "10G").await;
    room.feel(Mood::Idle);
    let router = room.with_settings(|settings| settings.task_wait = Duration::from_millis(100));
    let request = |method: &str, path: &str| {
        let request = axum::http::Request::builder().method(method).uri(format!("/api/v1{path}"));
        send(&router, request.header("X-Api-Key", TOKEN).body(axum::body::Body::empty()).unwrap())
    };
    let answer = request("PUT", &format!("{VOLUME}?new_size=20G")).await;
    told(&answer, &["goes on", "hv1", "pvc cluster task"]);
    let shown = &room.desk.until(VOLUME, |answer| answer.json()[0].get("state").is_some()).await.json()[0];
    assert_eq!((&shown["state"], &shown["size_bytes"]), (&json!("resizing"), &json!(10 * GIB)));
    let task = shown["task"].as_str().unwrap().to_owned();
    assert!(answer.message().contains(&task), "{}", answer.text);
    for (method, path) in [
        ("PUT", format!("{VOLUME}?new_name=other")),
        ("DELETE", VOLUME.to_owned()),
        ("POST", format!("{VOLUME}/clone?new_volume=other")),
        ("POST", SNAPSHOT.to_owned()),
        ("DELETE", "/storage/ceph/pool/vms?yes-i-really-mean-it=1".to_owned()),
    ] {
        let refused = request(method, &path).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}: {}", refused.text);
        assert!(
            refused.message().contains("being resized") && refused.message().contains(&task),
            "{}",
            refused.text
        );
    }
    let tasks = room.desk.get("/tasks").await.json();
    assert_eq!(tasks["reserved"]["pvcworkerd@hv1"][0]["name"], "storage.volume_resize");
    room.feel(Mood::Willing);
    room.desk.until(VOLUME, |answer| answer.json()[0]["size_bytes"] == json!(20 * GIB)).await;
}

#[tokio::test]
async fn what_is_being_made_is_not_shown() {
    let room = Storeroom::new().await;
    room.feel(Mood::Idle);
    let router = room.with_settings(|settings| settings.task_wait = Duration::from_millis(50));
    let path = "/api/v1/storage/ceph/volume/vms/web_sda?size=10G";
    let request = axum::http::Request::builder().method("POST").uri(path).header("X-Api-Key", TOKEN);
    told(&send(&router, request.body(axum::body::Body::empty()).unwrap()).await, &["goes on"]);
    assert_eq!(room.desk.get(VOLUME).await.status, StatusCode::NOT_FOUND);
    assert_eq!(room.desk.get("/storage/ceph/volume").await.status, StatusCode::NOT_FOUND);
    assert_eq!(room.desk.get("/storage/ceph/pool/vms").await.json()[0]["volume_count"], 0);
}

#[tokio::test]
async fn the_storages_own_words_are_shown_and_marked_when_they_are_old() {
    let room = Storeroom::new().await;
    let status = room.desk.get("/storage/ceph/status").await.json();
    assert_eq!((&status["type"], &status["primary_node"]), (&json!("status"), &json!("hv1")));
    assert!(status["ceph_data"].as_str().unwrap().contains("HEALTH_OK") && status.get("stale").is_none());
    let utilization = room.desk.get("/storage/ceph/utilization").await.json();
    assert_eq!(
        (&utilization["type"], &utilization["ceph_data"]),
        (&json!("utilization"), &json!("--- RAW STORAGE ---"))
    );
    let cluster = room.desk.api.view.cluster().await.unwrap();
    let known = cluster.storage_facts.as_ref().unwrap();
    let trouble = Trouble { since: WallTime(1_795_168_845_000), why: "no monitor answers".into() };
    let silent =
        StorageFacts { at: WallTime(1_795_168_800_000), trouble: Some(trouble), ..known.value.clone() };
    room.desk.commit(Records::default().write(RecordId::StorageFacts, known.expect(), silent.into()));
    let old = |answer: &Answer| {
        answer.json()["stale"].as_str().is_some_and(|why| why.contains("no monitor answers"))
    };
    let status = room.desk.until("/storage/ceph/status", old).await.json();
    let when = "measured at Fri Nov 20 10:00:00 2026, asked in vain since Fri Nov 20 10:00:45 2026: no";
    assert!(status["stale"].as_str().unwrap().contains(when), "{status}");
    let pool = &room.desk.get("/storage/ceph/pool/vms").await.json()[0];
    assert!(pool["stale"].as_str().unwrap().contains("no monitor answers"), "{pool}");
    let asked = [("pool", "vms"), ("volume", "web_sda"), ("size", "10G")];
    let refused = room.desk.ask("POST", "/storage/ceph/volume", &asked).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.message().contains("no monitor answers"), "{}", refused.text);
    let forced = [("pool", "vms"), ("volume", "web_sda"), ("size", "10G"), ("force", "true")];
    told(&room.desk.ask("POST", "/storage/ceph/volume", &forced).await, &["web_sda"]);
}

#[tokio::test]
async fn a_storage_that_was_never_measured_is_told_from_none() {
    let desk = super::desk::Desk::new().await;
    let answer = desk.get("/storage/ceph/status").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let trouble = Some(Trouble { since: now(), why: "there is no directory".into() });
    let silent = StorageFacts { trouble, ..StorageFacts::default() };
    desk.commit(Records::default().write(RecordId::StorageFacts, Expect::Absent, silent.into()));
    let told = |answer: &Answer| {
        let text = answer.message();
        text.contains("never measured, asked in vain since") && text.contains(": there is no directory")
    };
    assert_eq!(desk.until("/storage/ceph/status", told).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let volume = [("pool", "vms"), ("volume", "a"), ("size", "1G"), ("force", "true")];
    assert_eq!(desk.ask("POST", "/storage/ceph/volume", &volume).await.status, StatusCode::BAD_REQUEST);
    let room = Storeroom::new().await;
    let router = room.with_settings(|settings| settings.storage = apid::Storage::None);
    for (method, path) in [
        ("GET", "/status"),
        ("GET", "/utilization"),
        ("POST", "/volume/vms/a?size=1G"),
        ("POST", "/pool/b?pgs=1&replcfg=copies=1,mincopies=1"),
    ] {
        let uri = format!("/api/v1/storage/ceph{path}");
        let request = axum::http::Request::builder().method(method).uri(uri).header("X-Api-Key", TOKEN);
        let answer = send(&router, request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        assert!(answer.message().contains("[storage]"), "{}", answer.text);
    }
}

#[tokio::test]
async fn two_who_ask_for_the_same_name_at_once_do_not_both_get_it() {
    let room = Storeroom::new().await;
    let volume = [("pool", "vms"), ("volume", "web_sda"), ("size", "10G")];
    let (one, two) = tokio::join!(
        room.desk.ask("POST", "/storage/ceph/volume", &volume),
        room.desk.ask("POST", "/storage/ceph/volume", &volume)
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{} {}", one.text, two.text);
}

#[tokio::test]
async fn a_vm_is_renamed_with_the_volumes_that_are_called_after_it() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "10G").await;
    room.volume("shared", "1G").await;
    let disk = |name: &str| {
        format!(
            "<disk type='network'><source protocol='rbd' name='vms/{name}'/><target dev='vd{}'/></disk>",
            &name[..1]
        )
    };
    let devices = format!("<devices>{}{}", disk("web_sda"), disk("shared"));
    let xml = super::desk::xml("web", "bdd640fb-0667-4ad1-9c80-317fa3b1799d").replace("<devices>", &devices);
    assert_eq!(room.desk.ask("POST", "/vm", &[("xml", &xml)]).await.status, StatusCode::OK);
    room.feel(Mood::Failing("the lights went out".into()));
    let failed = room.desk.ask("POST", "/vm/web/rename", &[("new_name", "db")]).await;
    assert_eq!(failed.status, StatusCode::BAD_REQUEST);
    assert!(failed.message().contains("VM \"web\" is not renamed: the lights went out"), "{}", failed.text);
    assert_eq!(room.desk.get("/vm/db").await.status, StatusCode::NOT_FOUND);
    room.feel(Mood::Willing);
    let renamed = room.desk.ask("POST", "/vm/web/rename", &[("new_name", "db")]).await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.text);
    assert_eq!(renamed.message(), "Successfully renamed VM \"web\" to \"db\".");
    let vm = room.desk.get("/vm/db").await.json();
    let text = vm.to_string();
    assert!(
        text.contains("vms/db_sda") && text.contains("vms/shared") && !text.contains("web_sda"),
        "{text}"
    );
    assert_eq!(room.desk.get("/storage/ceph/volume/vms/db_sda").await.status, StatusCode::OK);
    assert_eq!(room.desk.get("/storage/ceph/volume/vms/web_sda").await.status, StatusCode::NOT_FOUND);
}
