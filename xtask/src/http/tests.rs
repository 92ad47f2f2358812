//! The small client against answers as servers write them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::{Answer, Connection, encoded, once};

fn answered_with(text: &'static str) -> Answer {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let answer = once(&address, "secret", "GET", "/x").unwrap();
    let request = thread.join().unwrap();
    assert!(
        request.starts_with("GET /x HTTP/1.1\r\n") && request.contains("X-Api-Key: secret\r\n"),
        "{request}"
    );
    answer
}

#[test]
fn an_answer_with_a_length_is_read_to_its_end() {
    let answer = answered_with("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello, and more");
    assert_eq!(answer, Answer { status: 404, body: "hello".into() });
}

#[test]
fn an_answer_in_chunks_is_put_together() {
    let answer = answered_with(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    assert_eq!(answer, Answer { status: 200, body: "abcde".into() });
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let error = Connection::open("127.0.0.1:1", "").unwrap_err();
    assert!(format!("{error:#}").contains("127.0.0.1:1"));
}

#[test]
fn a_form_holds_markup_safely() {
    assert_eq!(encoded("<a b='1'/>"), "%3Ca%20b%3D%271%27%2F%3E");
}
