//! Client and server over real sockets: answers, refusals, back-pressure, deadlines, bounds and stopping.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use link::client::{Client, Error, Patience};
use link::frame::{BODY_BYTES_MAX, Frame};
use link::message::{Header, Request, VERSIONS, Versions};
use link::server::{Answer, Ended, Limits, Server, Sink};
use link::transport::listen_unix;

/// A node whose log is `lines` lines long, whose consoles do not exist, and whose statistics go on and on.
#[derive(Debug, Default)]
struct Node {
    sent: AtomicUsize,
    ended: Mutex<usize>,
    changed: Condvar,
}

impl Node {
    fn wait_until_ended(&self, count: usize) {
        let ended = self.ended.lock().expect("no test panics while it counts");
        let wait = self.changed.wait_timeout_while(ended, Duration::from_secs(10), |ended| *ended < count);
        assert!(!wait.expect("no test panics while it counts").1.timed_out(), "an answer did not end");
    }
}

impl Answer for Node {
    fn answer(&self, request: &Request, sink: &mut dyn Sink) -> Result<(), Ended> {
        let outcome = match request {
            Request::Log { lines, .. } => {
                let line = vec![b'x'; 1000];
                (0..*lines).try_for_each(|_| {
                    sink.send(&line)?;
                    self.sent.fetch_add(line.len(), Ordering::SeqCst);
                    Ok(())
                })
            }
            Request::Console { name, .. } if name == "large" => {
                Ok(sink.send(&vec![7; 3 * BODY_BYTES_MAX + 1])?)
            }
            Request::Console { name, follow: true, .. } if name == "quiet" => {
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(600) {
                    sink.rest()?;
                    thread::park_timeout(Duration::from_millis(10));
                }
                Ok(sink.send(b"at last")?)
            }
            Request::Console { name, .. } => Err(Ended::Refused { why: format!("{name} has no console") }),
            Request::Statistics => loop {
                thread::park_timeout(Duration::from_millis(10));
                let sent = if self.sent.fetch_add(1, Ordering::SeqCst) == 0 {
                    sink.send(b"{}")
                } else {
                    sink.rest()
                };
                if let Err(gone) = sent {
                    break Err(gone.into());
                }
            },
        };
        *self.ended.lock().expect("no test panics while it counts") += 1;
        self.changed.notify_all();
        outcome
    }
}

struct Stage {
    _folder: tempfile::TempDir,
    path: PathBuf,
    node: Arc<Node>,
    server: Server,
}

fn stage(limits: Limits) -> Stage {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("link.sock");
    let node = Arc::new(Node::default());
    let server = Server::start(
        Arc::new(listen_unix(&path).expect("a socket in a folder of our own")),
        node.clone(),
        limits,
    );
    Stage { _folder: folder, path, node, server }
}

impl Stage {
    fn client(&self) -> Client {
        Client::connect_unix(&self.path, Patience::default()).expect("a server that listens")
    }
}

fn console(name: &str) -> Request {
    Request::Console { vm: String::new(), name: name.into(), lines: 1, follow: false }
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within 10 s");
        thread::yield_now();
    }
}

#[test]
fn one_connection_carries_one_answer_after_another() {
    let stage = stage(Limits::default());
    let mut client = stage.client();
    for lines in [0, 3, 1] {
        let answer = client.ask(&Request::Log { lines, follow: false }).unwrap();
        assert_eq!(answer.whole(1 << 20).unwrap().len(), 1000 * lines as usize);
    }
}

#[test]
fn a_refusal_reaches_the_client_in_its_own_words_and_the_connection_lives_on() {
    let stage = stage(Limits::default());
    let mut client = stage.client();
    let refused = client.ask(&console("web1")).unwrap().part();
    assert_eq!(refused, Err(Error::Refused { why: "web1 has no console".into() }));
    assert_eq!(client.ask(&console("large")).unwrap().whole(1 << 20).unwrap().len(), 3 * BODY_BYTES_MAX + 1);
}

#[test]
fn an_answer_beyond_what_the_client_keeps_is_an_error_and_not_a_cut() {
    let stage = stage(Limits::default());
    let mut client = stage.client();
    let error = client.ask(&console("large")).unwrap().whole(1000).unwrap_err();
    assert_eq!(error.to_string(), "the connection to the node broke: the answer is longer than 1000 bytes");
}

#[test]
fn a_client_that_does_not_read_holds_the_node_back_and_then_loses_its_answer() {
    let unread = Duration::from_millis(300);
    let stage = stage(Limits { unread, ..Limits::default() });
    let mut client = stage.client();
    let mut answer = client.ask(&Request::Log { lines: 100_000, follow: false }).unwrap();
    stage.node.wait_until_ended(1);
    let sent = stage.node.sent.load(Ordering::SeqCst);
    assert!(sent < 8 << 20, "{sent} bytes were sent to a client that read none");
    let broken = loop {
        match answer.part() {
            Ok(part) => assert!(part.is_some(), "the answer was not completed"),
            Err(error) => break error,
        }
    };
    assert!(matches!(broken, Error::Broken { .. }), "{broken}");
}

#[test]
fn a_node_that_has_nothing_to_say_yet_is_not_taken_for_a_silent_one() {
    let stage = stage(Limits::default());
    let patience = Patience { answer: Duration::from_millis(300), ..Patience::default() };
    let mut client = Client::connect_unix(&stage.path, patience).unwrap();
    let quiet = Request::Console { vm: String::new(), name: "quiet".into(), lines: 1, follow: true };
    assert_eq!(client.ask(&quiet).unwrap().whole(100).unwrap(), b"at last");
}

#[test]
fn a_silent_node_is_given_up_in_time() {
    let (here, there) = UnixStream::pair().unwrap();
    let patience = Patience { answer: Duration::from_millis(100), next: Duration::from_millis(100) };
    let begun = Instant::now();
    assert_eq!(Client::over(Box::new(here), patience).unwrap_err(), Error::Silent { wait_ms: 100 });
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(there);
}

#[test]
fn a_node_that_sends_byte_by_byte_does_not_stretch_the_deadline() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let patience = Patience { answer: Duration::from_millis(200), next: Duration::from_millis(200) };
    let trickle = thread::spawn(move || {
        let hello = Frame::from(Header::Hello { versions: VERSIONS }).encode().unwrap();
        for byte in hello {
            thread::park_timeout(Duration::from_millis(50));
            if there.write_all(&[byte]).is_err() {
                return;
            }
        }
    });
    assert_eq!(Client::over(Box::new(here), patience).unwrap_err(), Error::Silent { wait_ms: 200 });
    trickle.join().unwrap();
}

#[test]
fn a_node_of_another_version_is_named_as_such() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let versions = Versions { oldest: 7, newest: 9 };
    there.write_all(&Frame::from(Header::Hello { versions }).encode().unwrap()).unwrap();
    let error = Client::over(Box::new(here), Patience::default()).unwrap_err();
    assert_eq!(error, Error::Version { oldest: 7, newest: 9 });
}

#[test]
fn nobody_at_the_path_is_unreachable_with_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nobody.sock");
    let error = Client::connect_unix(&path, Patience::default()).unwrap_err();
    assert!(matches!(&error, Error::Unreachable { at, .. } if at.ends_with("nobody.sock")), "{error}");
}

#[test]
fn garbage_ends_its_own_connection_and_no_other() {
    let stage = stage(Limits::default());
    let mut raw = UnixStream::connect(&stage.path).unwrap();
    raw.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    raw.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // The server may hang up before it has read all of it, which the kernel reports as a reset.
    drop(raw.read_to_end(&mut Vec::new()));
    wait_until("the connection is given up", || stage.server.connections() == 0);
    assert_eq!(
        stage.client().ask(&Request::Log { lines: 1, follow: false }).unwrap().whole(1 << 20).unwrap().len(),
        1000
    );
}

#[test]
fn a_client_that_says_nothing_is_hung_up_on() {
    let stage = stage(Limits { hello: Duration::from_millis(100), ..Limits::default() });
    let mut raw = UnixStream::connect(&stage.path).unwrap();
    raw.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(raw.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn one_connection_too_many_is_told_so() {
    let stage = stage(Limits { connections_max: 2, ..Limits::default() });
    let (_first, second) = (stage.client(), stage.client());
    let refused = Client::connect_unix(&stage.path, Patience::default()).unwrap_err();
    assert!(matches!(&refused, Error::Refused { why } if why.contains("as many connections")), "{refused}");
    drop(second);
    wait_until("a place is free", || stage.server.connections() == 1);
    stage.client();
}

#[test]
fn a_subscription_ends_when_its_client_hangs_up_from_another_thread() {
    let stage = stage(Limits::default());
    let mut client = stage.client();
    let hangup = client.hangup().unwrap();
    let mut answer = client.ask(&Request::Statistics).unwrap();
    assert_eq!(answer.part().unwrap().as_deref(), Some(&b"{}"[..]));
    let hanging_up = thread::spawn(move || hangup.hang_up());
    assert!(matches!(answer.part(), Err(Error::Broken { .. })));
    hanging_up.join().unwrap();
}

#[test]
fn a_stopping_server_ends_its_subscriptions_and_says_so() {
    let stage = stage(Limits::default());
    let mut client = stage.client();
    let mut answer = client.ask(&Request::Statistics).unwrap();
    assert!(answer.part().unwrap().is_some());
    let begun = Instant::now();
    stage.server.stop();
    assert!(begun.elapsed() < Duration::from_secs(2), "an answer that asks is told at once");
    let refused = answer.part().unwrap_err();
    assert_eq!(refused, Error::Refused { why: "the node's daemon is stopping".into() });
    assert!(matches!(Client::connect_unix(&stage.path, Patience::default()), Err(Error::Unreachable { .. })));
}

#[test]
fn a_stopping_server_hangs_up_on_clients_that_rest() {
    let stage = stage(Limits { stop: Duration::from_millis(100), ..Limits::default() });
    let _resting = stage.client();
    let begun = Instant::now();
    stage.server.stop();
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_socket_file_that_a_dead_process_left_is_replaced_and_a_living_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("link.sock");
    drop(listen_unix(&path).unwrap());
    assert!(path.exists());
    let living = listen_unix(&path).unwrap();
    assert_eq!(listen_unix(&path).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    drop(living);
}
