//! Files that fill volumes: whole ones arrive to the byte, and of broken ones nothing is kept.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use futures::StreamExt;

use super::desk::{Answer, Desk, PATIENCE, TOKEN};
use super::storeroom::Storeroom;

const PATH: &str = "/api/v1/storage/ceph/volume/vms/web_sda/upload";
const FORM: &str = "multipart/form-data; boundary=XYZ";

/// Query, Content-Type, length, body, and a word of the answer.
type Case<'a> = (&'a str, &'a str, Option<usize>, &'a [u8], &'a str);

fn form(file: &[u8]) -> Vec<u8> {
    let head = "--XYZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    [head.as_bytes(), file, b"\r\n--XYZ--\r\n"].concat()
}

fn request(query: &str, kind: &str, length: Option<usize>, body: Body) -> Request<Body> {
    let request = Request::builder().method("POST").uri(format!("{PATH}?{query}"));
    let request = request.header("X-Api-Key", TOKEN).header("Content-Type", kind);
    let request = match length {
        Some(length) => request.header("Content-Length", length),
        None => request,
    };
    request.body(body).expect("a request")
}

async fn upload(desk: &Desk, query: &str, file: &[u8]) -> Answer {
    let body = form(file);
    desk.send(request(query, FORM, Some(body.len()), body.into())).await
}

/// What the worker was brought last.
fn brought(desk: &Desk) -> Vec<Vec<u8>> {
    let taken = desk.uploads.taken.lock().expect("no test panics while it takes");
    taken.values().filter_map(|taken| taken.clone().ok()).collect()
}

async fn ready(desk: &Desk) {
    let is_ready = |answer: &Answer| answer.json()[0].get("state").is_none();
    desk.until("/storage/ceph/volume/vms/web_sda", is_ready).await;
}

#[tokio::test]
async fn a_file_arrives_whole_as_a_form_and_as_a_body() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "10M").await;
    let file: Vec<u8> = (0..3_000_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let size = format!("image_format=raw&file_size={}", file.len());
    for query in ["image_format=raw", &size] {
        let done = upload(&room.desk, query, &file).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text);
        assert!(done.message().contains("web_sda"), "{}", done.text);
    }
    let alone =
        request("image_format=qcow2", "application/octet-stream", Some(file.len()), file.clone().into());
    assert_eq!(room.desk.send(alone).await.status, StatusCode::OK);
    let all = brought(&room.desk);
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|brought| *brought == file));
    ready(&room.desk).await;
}

#[tokio::test]
async fn a_bad_upload_is_refused_and_leaves_the_volume_as_it_was() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "1M").await;
    room.volume("held_sda", "1M").await;
    room.snapshot("held_sda", "one").await;
    let four = form(b"four");
    let cases: [Case<'_>; 12] = [
        ("", FORM, Some(four.len()), &four, "image_format"),
        ("image_format=iso", FORM, Some(four.len()), &four, "iso"),
        ("image_format=raw&file_size=0", FORM, Some(four.len()), &four, "zero"),
        ("image_format=raw&file_size=x", FORM, Some(four.len()), &four, "file_size"),
        ("image_format=raw&file_size=3", FORM, Some(four.len()), &four, "More comes"),
        ("image_format=raw&file_size=5000", FORM, Some(four.len()), &four, "broke off"),
        ("image_format=raw&file_size=2000000", FORM, Some(four.len()), &four, "resize the volume"),
        ("image_format=raw", FORM, None, &four, "file_size"),
        ("image_format=raw", "text/plain", Some(4), b"four", "text/plain"),
        ("image_format=raw", "multipart/form-data", Some(4), b"four", "boundary"),
        ("image_format=raw", FORM, Some(4), b"four", "broke off"),
        ("image_format=raw&size=4", FORM, Some(four.len()), &four, "not known"),
    ];
    for (query, kind, length, body, word) in cases {
        let parts: Vec<Result<Bytes, std::io::Error>> =
            body.chunks(3).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
        let body = Body::from_stream(futures::stream::iter(parts));
        let refused = room.desk.send(request(query, kind, length, body)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}: {}", refused.text);
        assert!(refused.message().contains(word), "{query}: {}", refused.text);
    }
    ready(&room.desk).await;
    assert!(brought(&room.desk).is_empty());
    for (path, status, word) in [
        ("vms/nope", 404, "Volume not found."),
        ("nope/web_sda", 404, "Pool not found."),
        ("vms/held_sda", 400, "snapshots"),
    ] {
        let uri = format!("/api/v1/storage/ceph/volume/{path}/upload?image_format=raw&file_size=4");
        let asked = Request::builder().method("POST").uri(uri).header("X-Api-Key", TOKEN);
        let asked = asked.header("Content-Type", FORM).body(Body::from(four.clone())).unwrap();
        let refused = room.desk.send(asked).await;
        assert_eq!(refused.status.as_u16(), status, "{}", refused.text);
        assert!(refused.message().contains(word), "{}", refused.text);
    }
}

#[tokio::test]
async fn what_the_storage_does_not_take_is_told_in_its_words() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "10M").await;
    let mut file = b"FULL".to_vec();
    file.resize(6_000_000, b'x');
    let refused = upload(&room.desk, "image_format=raw", &file).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    assert!(refused.message().contains("the storage is full"), "{}", refused.text);
    ready(&room.desk).await;
}

#[tokio::test]
async fn a_sender_is_held_back_by_the_storage_and_nothing_is_gathered_in_between() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "1G").await;
    room.desk.uploads.held.store(true, Ordering::SeqCst);
    let (sender, parts) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let total: usize = 200 << 20;
    let stream = futures::stream::unfold(parts, async |mut parts| Some((parts.recv().await?, parts)));
    let asked = request(
        "image_format=raw",
        "application/octet-stream",
        Some(total),
        Body::from_stream(stream.boxed()),
    );
    let router = room.desk.router.clone();
    let answered = tokio::spawn(async move { super::desk::send(&router, asked).await });
    let part = Bytes::from(vec![7; 1 << 20]);
    let mut sent = 0;
    // It goes on for as long as somebody takes it, and not beyond what is on its way.
    while tokio::time::timeout(Duration::from_millis(500), sender.send(Ok(part.clone()))).await.is_ok() {
        sent += 1;
        assert!(sent < 32, "{sent} MiB were taken from the sender, and the storage has taken none");
    }
    assert!(room.desk.uploads.count.load(Ordering::SeqCst) < 1 << 20);
    room.desk.uploads.held.store(false, Ordering::SeqCst);
    while sent < 200 {
        sender.send(Ok(part.clone())).await.unwrap();
        sent += 1;
    }
    drop(sender);
    let answer = tokio::time::timeout(PATIENCE, answered).await.unwrap().unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(brought(&room.desk)[0].len(), total);
}

#[tokio::test]
async fn an_upload_whose_sender_goes_away_is_given_up() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "1G").await;
    let (sender, parts) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let stream = futures::stream::unfold(parts, async |mut parts| Some((parts.recv().await?, parts)));
    let asked = request(
        "image_format=raw",
        "application/octet-stream",
        Some(5 << 20),
        Body::from_stream(stream.boxed()),
    );
    let router = room.desk.router.clone();
    let answered = tokio::spawn(async move { super::desk::send(&router, asked).await });
    sender.send(Ok(Bytes::from(vec![7; 1 << 20]))).await.unwrap();
    let shown =
        room.desk.until("/storage/ceph/volume/vms/web_sda", |a| a.json()[0].get("state").is_some()).await;
    assert_eq!(shown.json()[0]["state"], "uploading");
    let is_taken = |_: &Answer| room.desk.uploads.count.load(Ordering::SeqCst) > 0;
    room.desk.until("/storage/ceph/volume/vms/web_sda", is_taken).await;
    // As a server drops what it does for a client that hung up.
    answered.abort();
    drop(sender);
    ready(&room.desk).await;
    assert!(brought(&room.desk).is_empty());
}

#[tokio::test]
async fn a_worker_that_is_away_is_told_of() {
    let room = Storeroom::new().await;
    room.volume("web_sda", "10M").await;
    std::fs::remove_file(&room.desk.socket).unwrap();
    let refused = upload(&room.desk, "image_format=raw", b"four").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text);
    assert!(refused.message().contains("pvcworkerd"), "{}", refused.text);
}
