//! Tests of the client against a server that says what the test has told it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;
use crate::{Message, Vm};

/// Answers one connection per text, and hands over what was asked, head and body.
fn serve(answers: Vec<String>) -> (Endpoint, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let answer = |text: String| {
            let (stream, _) = listener.accept().unwrap();
            let asked = read_request(&stream);
            (&stream).write_all(text.as_bytes()).unwrap();
            asked
        };
        answers.into_iter().map(answer).collect()
    });
    let token = Some("secret".to_owned());
    (Endpoint { host: "127.0.0.1".into(), port, token, ..Endpoint::default() }, server)
}

fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the request ends in its head: {head}");
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Asks a server that gives this one answer.
fn asked_of(status: &str, body: &str) -> Result<Answer, Error> {
    let (endpoint, server) = serve(vec![answer(status, body)]);
    let outcome = Client::new(endpoint).unwrap().ask(&Request::post(&["vm"]));
    server.join().unwrap();
    outcome
}

#[test]
fn key_path_and_parameters_arrive_escaped() {
    let (endpoint, server) = serve(vec![answer("200 OK", "[]")]);
    let request = Request::get(&["vm", "a b/ü"])
        .with("limit", "^x&y=z")
        .with_some("tag", None::<&str>)
        .with("tag", "1");
    let vms: Vec<Vm> = Client::new(endpoint).unwrap().read(&request).unwrap();
    assert_eq!(vms, []);
    let asked = &server.join().unwrap()[0];
    assert!(
        asked.starts_with("GET /api/v1/vm/a%20b%2F%C3%BC?limit=%5Ex%26y%3Dz&tag=1 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(asked.to_lowercase().contains("x-api-key: secret\r\n"), "{asked}");
}

#[test]
fn a_long_parameter_travels_as_a_json_body_beside_the_short_ones() {
    let (endpoint, server) = serve(vec![answer("200 OK", r#"{"message": "Added."}"#)]);
    let request = Request::post(&["vm"]).with("node", "hv1").with_long("xml", "<domain a=\"b\"/>\n");
    let done = Client::new(endpoint).unwrap().ask(&request).unwrap();
    assert_eq!((done.status(), done.message().as_str()), (200, "Added."));
    let asked = &server.join().unwrap()[0];
    assert!(asked.starts_with("POST /api/v1/vm?node=hv1 "), "{asked}");
    assert!(asked.ends_with(r#"{"xml":"<domain a=\"b\"/>\n"}"#), "{asked}");
}

#[test]
fn an_address_and_an_answer_may_be_larger_than_the_buffers() {
    let long = "x".repeat(3 * BUFFER_BYTES);
    let (endpoint, server) = serve(vec![answer("200 OK", &format!("{{\"message\": \"{long}\"}}"))]);
    let request = Request::get(&["vm"]).with("limit", &long);
    let done = Client::new(endpoint).unwrap().ask(&request).unwrap();
    assert_eq!(done.message(), long);
    assert!(server.join().unwrap()[0].starts_with(&format!("GET /api/v1/vm?limit={long} HTTP/1.1\r\n")));
}

#[test]
fn refusals_carry_the_words_of_the_api_and_the_status() {
    let error =
        asked_of("400 Bad Request", r#"{"message": {"state": "missing", "node": "unknown"}}"#).unwrap_err();
    assert_eq!((error.status(), error.to_string().as_str()), (Some(400), "node: unknown\nstate: missing"));
    let error = asked_of("404 Not Found", r#"{"message": "VM not found."}"#).unwrap_err();
    assert_eq!((error.status(), error.to_string().as_str()), (Some(404), "VM not found."));
    assert!(error.asked().unwrap().starts_with("POST http://127.0.0.1:"));
}

#[test]
fn a_wrong_key_is_told_from_a_missing_one() {
    let error = asked_of("401 UNAUTHORIZED", r#"{"message": "Unauthorized"}"#).unwrap_err().to_string();
    assert!(
        error.contains("does not accept this connection's key (Unauthorized). Give it one of the keys"),
        "{error}"
    );
    let (endpoint, server) = serve(vec![answer("401 UNAUTHORIZED", "")]);
    let client = Client::new(Endpoint { token: None, ..endpoint }).unwrap();
    let error = client.ask(&Request::get(&[])).unwrap_err().to_string();
    assert!(error.contains("(status 401). It has no key yet"), "{error}");
    assert!(!server.join().unwrap()[0].to_lowercase().contains("x-api-key"));
}

#[test]
fn an_answer_that_is_not_of_pvc_is_called_so() {
    for (status, body) in [("200 OK", "<html>"), ("404 Not Found", "<html>"), ("302 Found", "")] {
        let outcome = asked_of(status, body).and_then(|answer| answer.parse::<Message>());
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("something that PVC does not say"), "{status}: {error}");
    }
}

#[test]
fn reads_are_tried_again_while_the_api_is_not_ready_and_writes_are_not() {
    let not_ready = || answer("503 Service Unavailable", r#"{"message": "The store is away."}"#);
    let (endpoint, server) = serve(vec![not_ready(), not_ready(), answer("200 OK", r#"{"message": "up"}"#)]);
    let client = Client::new(endpoint).unwrap();
    assert_eq!(client.ask(&Request::get(&[])).unwrap().message(), "up");
    assert_eq!(server.join().unwrap().len(), 3);
    let error = asked_of("503 Service Unavailable", r#"{"message": "The store is away."}"#).unwrap_err();
    assert_eq!((error.status(), error.to_string().as_str()), (Some(503), "The store is away."));
}

#[test]
fn nobody_there_is_explained() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = Endpoint { host: "127.0.0.1".into(), port, ..Endpoint::default() };
    let error = Client::new(endpoint.clone()).unwrap().ask(&Request::get(&["node"])).unwrap_err().to_string();
    let expected = format!(
        "GET http://127.0.0.1:{port}/api/v1/node got no answer: the connection was refused. Look whether"
    );
    assert!(error.starts_with(&expected), "{error}");
    let unknown = Endpoint { host: "no-such-host.invalid".into(), ..endpoint };
    let error = Client::new(unknown).unwrap().ask(&Request::post(&["node"])).unwrap_err().to_string();
    assert!(error.contains("got no answer: "), "{error}");
}

#[test]
fn a_stream_is_read_as_it_arrives() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (read_first, first_was_read) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let asked = read_request(&stream);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}4\r\none\n\r\n").as_bytes()).unwrap();
        // The second part is sent only once the first has been read on the other side.
        first_was_read.recv().unwrap();
        stream.write_all(b"4\r\ntwo\n\r\n0\r\n\r\n").unwrap();
        asked
    });
    let endpoint = Endpoint { host: "127.0.0.1".into(), port, ..Endpoint::default() };
    let request = Request::get(&["vm", "hello", "console"]).with("follow", "true");
    let mut stream = Client::new(endpoint).unwrap().follow(&request).unwrap();
    let mut first = [0; 4];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"one\n");
    read_first.send(()).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "two\n");
    assert!(server.join().unwrap().starts_with("GET /api/v1/vm/hello/console?follow=true "));
}

#[test]
fn a_file_is_sent_as_a_part_of_a_form_once_the_api_wants_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0);
        }
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        let length = head.to_lowercase();
        let length = length.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap();
        let mut body = vec![0; length.trim().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer("200 OK", r#"{"message": "Uploaded."}"#).as_bytes()).unwrap();
        (head, String::from_utf8(body).unwrap())
    });
    let endpoint = Endpoint { host: "127.0.0.1".into(), port, ..Endpoint::default() };
    let request = Request::post(&["storage", "ceph", "volume", "vms", "a", "upload"]).with("file_size", "5");
    let done = Client::new(endpoint).unwrap().upload(&request, 5, &mut &b"hello"[..]).unwrap();
    assert_eq!(done.message(), "Uploaded.");
    let (head, body) = server.join().unwrap();
    assert!(head.starts_with("POST /api/v1/storage/ceph/volume/vms/a/upload?file_size=5 "), "{head}");
    assert!(head.to_lowercase().contains("expect: 100-continue\r\n"), "{head}");
    let boundary = head.split("boundary=").nth(1).unwrap().lines().next().unwrap();
    assert!(body.starts_with(&format!("--{boundary}\r\n")), "{body}");
    assert!(body.ends_with(&format!("\r\n\r\nhello\r\n--{boundary}--\r\n")), "{body}");
    assert!(body.contains("name=\"file\""), "{body}");
}

#[test]
fn a_file_that_is_not_wanted_is_not_sent() {
    let text = r#"{"message": "Volume not found."}"#;
    let (endpoint, server) = serve_head(answer("404 Not Found", text));
    let mut source = std::io::repeat(0);
    let request = Request::post(&["storage"]);
    let refused = Client::new(endpoint).unwrap().upload(&request, 1 << 40, &mut source).unwrap_err();
    assert_eq!((refused.status(), refused.to_string().as_str()), (Some(404), "Volume not found."));
    server.join().unwrap();
}

/// Answers one request as soon as its head is there.
fn serve_head(text: String) -> (Endpoint, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0);
        }
        stream.write_all(text.as_bytes()).unwrap();
    });
    (Endpoint { host: "127.0.0.1".into(), port, ..Endpoint::default() }, server)
}

#[test]
fn a_refused_stream_is_a_refusal() {
    let (endpoint, server) = serve(vec![answer("404 Not Found", r#"{"message": "VM not found."}"#)]);
    let outcome = Client::new(endpoint).unwrap().follow(&Request::get(&["vm", "x", "console"]));
    assert_eq!(outcome.err().unwrap().to_string(), "VM not found.");
    server.join().unwrap();
}

#[test]
fn addresses_of_either_family_are_written_as_addresses() {
    let endpoint =
        |host: &str, scheme| Endpoint { scheme, host: host.into(), port: 7370, ..Endpoint::default() };
    assert_eq!(endpoint("::1", Scheme::Http).to_string(), "http://[::1]:7370");
    assert_eq!(endpoint("pvc.example", Scheme::Https).to_string(), "https://pvc.example:7370");
    let secret = Endpoint { token: Some("secret".into()), ..endpoint("a", Scheme::Http) };
    assert!(!format!("{secret:?}").contains("secret"));
}
