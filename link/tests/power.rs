//! A machine that loses its power says nothing more: a node that answers it gives it up although it had little to say.
//!
//! It takes as long as the kernel is told to wait, and needs root for a network of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use link::client::{Client, Patience};
use link::message::Request;
use link::server::{Answer, Ended, Limits, Server, Sink};
use link::transport::listen_tls;
use nix::sched::{CloneFlags, unshare};

use crate::paper::Authority;

#[path = "conversation/paper.rs"]
mod paper;

/// One that has something to say once, and is there from then on.
#[derive(Debug)]
struct Quiet;

impl Answer for Quiet {
    fn answer(&self, _: &Request, sink: &mut dyn Sink) -> Result<(), Ended> {
        sink.send(b"once")?;
        loop {
            sink.rest()?;
            thread::park_timeout(Duration::from_millis(50));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the test's own network is made and broken by hand")]
fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output();
    let done = done.expect("ip, of the Debian package iproute2, is there");
    assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_client_whose_machine_lost_its_power_is_given_up() {
    // The network is this thread's, and that of the threads and programs which it starts.
    unshare(CloneFlags::CLONE_NEWNET).expect("the tests run as root");
    ip("link set lo up");
    ip("addr add 10.9.9.1/32 dev lo");
    ip("addr add 10.9.9.2/32 dev lo");
    ip("route replace local 10.9.9.1 dev lo table local src 10.9.9.2");
    let authority = Authority::new();
    let listener = Arc::new(listen_tls("10.9.9.1:0".parse().unwrap(), &authority.identity("hv2")).unwrap());
    let address = listener.address().unwrap();
    let server = Server::start(listener, Arc::new(Quiet), Limits::default());
    let mut client =
        Client::connect_tls(&[address], "hv2", &authority.identity("hv1"), Patience::default()).unwrap();
    let mut answer = client.ask(&Request::Statistics).unwrap();
    assert_eq!(answer.part().unwrap().as_deref(), Some(&b"once"[..]));
    // From here on, nothing that is sent to the client arrives, and nobody says so.
    ip("addr del 10.9.9.2/32 dev lo");
    ip("route add blackhole 10.9.9.2/32");
    let begun = Instant::now();
    assert_eq!(server.connections(), 1);
    while server.connections() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(180), "it is kept for more than three minutes");
        thread::park_timeout(Duration::from_millis(50));
    }
}
