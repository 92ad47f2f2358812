//! The daemon's door: TLS, the end of it with open streams, and an address that is taken.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::client::{Client, Endpoint, Request, Scheme, Trust};
use apid::serve::{Door, Error, stop_signal};
use axum::Router;
use axum::routing::get;
use logic::config::ApiConfig;

fn config(folder: Option<&Path>) -> ApiConfig {
    let file =
        |name: &str| folder.map(|folder| folder.join(name).to_str().expect("the path is text").to_owned());
    ApiConfig {
        listen: "127.0.0.1:0".parse().expect("an address"),
        tls_certificate_file: file("certificate.pem"),
        tls_key_file: file("key.pem"),
        tokens: Vec::new(),
    }
}

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the door is open");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("the bound is not zero");
    stream
}

fn asked(address: SocketAddr, scheme: Scheme) -> Result<String, String> {
    let endpoint = Endpoint {
        scheme,
        host: "127.0.0.1".into(),
        port: address.port(),
        token: None,
        trust: Trust::Anyone,
    };
    let client = Client::new(endpoint).map_err(|error| error.to_string())?;
    let answer = client.ask(&Request::get(&["hello"]));
    answer.map(|answer| answer.text().to_owned()).map_err(|error| error.to_string())
}

fn router() -> Router {
    Router::new().route("/api/v1/hello", get(async || "\"hello\""))
}

/// Writes a certificate for 127.0.0.1 and its key, as PEM files.
fn certify(folder: &Path) {
    let made =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be made");
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).expect("the folder can be written");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())
        .expect("the folder can be written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_and_its_key_turn_tls_on_and_can_be_renewed() {
    // Another test of this process may have installed it.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let door = Door::open(&config(Some(folder.path()))).await.unwrap();
    let (address, tls) = (door.address().unwrap(), door.tls().unwrap());
    let (stop, stopping) = stop_signal();
    let serving = tokio::spawn(door.serve(router(), stopping));
    let ask = move |scheme| tokio::task::spawn_blocking(move || asked(address, scheme));
    assert_eq!(ask(Scheme::Https).await.unwrap().unwrap(), "\"hello\"");
    assert!(ask(Scheme::Http).await.unwrap().is_err());
    certify(folder.path());
    tls.renew().await.unwrap();
    assert_eq!(ask(Scheme::Https).await.unwrap().unwrap(), "\"hello\"");
    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    assert!(matches!(tls.renew().await, Err(Error::Certificate { .. })));
    assert_eq!(ask(Scheme::Https).await.unwrap().unwrap(), "\"hello\"", "the old certificate stays");
    stop.send_replace(true);
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Door::open(&config(Some(folder.path()))).await.unwrap_err();
    assert!(error.to_string().contains("certificate.pem"), "{error}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let error = Door::open(&ApiConfig { listen, ..config(None) }).await.unwrap_err();
    assert!(
        error.to_string().contains(&listen.to_string()) && error.to_string().contains("api.listen"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_ends_within_seconds_though_streams_and_idle_connections_are_open() {
    let door = Door::open(&config(None)).await.unwrap();
    let address = door.address().unwrap();
    let (stop, stopping) = stop_signal();
    let (parts, received) = tokio::sync::mpsc::channel(1);
    let stream = {
        let received = Arc::new(std::sync::Mutex::new(Some((received, stopping.clone()))));
        get(move || {
            let (parts, stopping) = received.lock().unwrap().take().unwrap();
            async move { apid::answer::Lines::<String>::Followed { parts, stopping } }
        })
    };
    let serving = tokio::spawn(door.serve(Router::new().route("/stream", stream), stopping));
    parts.send("first\n".into()).await.unwrap();
    let open = tokio::task::spawn_blocking(move || {
        let idle = connected(address);
        let mut stream = connected(address);
        stream.write_all(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut text = String::new();
        while !text.contains("first") {
            let mut bytes = [0; 512];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "it ended early: {text}");
            text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        (idle, stream)
    });
    let (_idle, mut stream) = open.await.unwrap();
    let begun = Instant::now();
    stop.send_replace(true);
    tokio::time::timeout(Duration::from_secs(60), serving).await.expect("the daemon ends").unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    let rest = tokio::task::spawn_blocking(move || {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).map(|_| rest)
    });
    let rest = rest.await.unwrap().unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the stream was cut and not ended: {rest:?}");
}
