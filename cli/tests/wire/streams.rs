//! Logs: their end as text, and what is added as it is added.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use crate::bench::Bench;
use crate::server::{Script, read_request};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn the_end_of_a_log_is_printed_as_text() {
    let script = Script::default().recorded("GET /vm/vm0001/console?lines=1000", "vm_console.json");
    let script = script.recorded("GET /vm/vm0001/console?lines=5", "vm_console.json");
    let server = script.recorded("GET /node/pvchv1/log?lines=3", "node_log.json").serve();
    let bench = Bench::to(server.address);
    let out = bench.run("vm log vm0001").done();
    assert!(out.starts_with("[   95.752305] systemd[1]") && out.ends_with("unit 99 on vm0001.\n"), "{out}");
    assert_eq!(bench.run("vm log vm0001 -l 5").done(), out);
    assert_eq!(bench.run("node log pvchv1 -l 3").done().lines().count(), 5);
}

#[test]
fn a_log_is_followed_as_it_grows() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bench = Bench::to(listener.local_addr().unwrap());
    let (go_on, was_read) = mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let asked = read_request(&mut BufReader::new(&stream)).unwrap();
        stream.write_all(format!("{HEAD}4\r\none\n\r\n").as_bytes()).unwrap();
        // What follows is sent only after the first line was seen on the command's output.
        was_read.recv_timeout(Duration::from_secs(120)).unwrap();
        stream.write_all(b"3\r\ntwo\r\n1\r\n\n\r\n0\r\n\r\n").unwrap();
        asked
    });
    let mut child = bench.command("vm log -f web1").spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(out.next().unwrap().unwrap(), "one");
    go_on.send(()).unwrap();
    assert_eq!(out.next().unwrap().unwrap(), "two");
    assert!(out.next().is_none());
    let finished = child.wait_with_output().unwrap();
    assert_eq!(finished.status.code(), Some(0));
    assert_eq!(String::from_utf8(finished.stderr).unwrap(), "The API has ended the stream.\n");
    let asked = server.join().unwrap();
    assert!(asked.starts_with("GET /api/v1/vm/web1/console?lines=10&follow=true HTTP/1.1\r\n"), "{asked}");
}

#[test]
fn a_follower_whose_reader_has_seen_enough_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bench = Bench::to(listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut BufReader::new(&stream)).unwrap();
        stream.write_all(HEAD.as_bytes()).unwrap();
        // It goes on until the command has gone away.
        while stream.write_all(b"4\r\none\n\r\n").is_ok() {}
    });
    let mut child = bench.command("node log -f hv1").spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    server.join().unwrap();
}

#[test]
fn a_stream_that_breaks_off_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bench = Bench::to(listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut BufReader::new(&stream)).unwrap();
        stream.write_all(format!("{HEAD}4\r\none\n\r\n9\r\ncut").as_bytes()).unwrap();
    });
    let finished = bench.run("vm log -f web1");
    server.join().unwrap();
    assert_eq!(finished.code, 1);
    assert!(finished.out.starts_with("one\n"), "{finished:?}");
    assert!(finished.err.contains("The stream from the API broke off."), "{finished:?}");
}
