//! A node to talk to, and the roads that lead to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use link::client::{Client, Error, Patience};
use link::frame::BODY_BYTES_MAX;
use link::message::Request;
use link::server::{Answer, Ended, Limits, Server, Sink};
use link::transport::{TlsListener, listen_tls, listen_unix};

use crate::paper::Authority;

/// For how long a console has nothing to say.
pub(crate) const QUIET: Duration = Duration::from_secs(8);

/// A node whose log is `lines` lines long, whose consoles do not exist, and whose statistics go on and on.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) sent: AtomicUsize,
    /// Whether what is brought slowly waits.
    pub(crate) held: AtomicBool,
    ended: Mutex<usize>,
    changed: Condvar,
}

impl Node {
    pub(crate) fn wait_until_ended(&self, count: usize) {
        let ended = self.ended.lock().expect("no test panics while it counts");
        let wait = self.changed.wait_timeout_while(ended, Duration::from_secs(60), |ended| *ended < count);
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
                while begun.elapsed() < QUIET {
                    sink.rest()?;
                    thread::park_timeout(Duration::from_millis(10));
                }
                Ok(sink.send(b"at last")?)
            }
            Request::Console { name, .. } => Err(Ended::Refused { why: format!("{name} has no console") }),
            Request::Upload { .. } => Err(Ended::Refused { why: "it is brought, and not asked for".into() }),
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

    /// Takes all that is brought, and counts it; of what is called `little` only a part, and of `nothing` nothing. What is
    /// called `slow` is taken when the test says so.
    fn take_in(&self, request: &Request, content: &mut (dyn Read + Send)) -> Result<(), Ended> {
        let Request::Upload { task } = request else { panic!("nothing else is brought") };
        if task == "nothing" {
            return Err(Ended::Refused { why: "there is no such task".into() });
        }
        let mut part = vec![0; 100_000];
        loop {
            let count = content.read(&mut part);
            let count = count.map_err(|error| Ended::Refused { why: error.to_string() })?;
            let taken = self.sent.fetch_add(count, Ordering::SeqCst) + count;
            if count == 0 {
                *self.ended.lock().expect("no test panics while it counts") += 1;
                self.changed.notify_all();
                return Ok(());
            }
            if task == "little" && taken > 2 << 20 {
                return Err(Ended::Refused { why: "the volume is full".into() });
            }
            while task == "slow" && self.held.load(Ordering::SeqCst) {
                thread::park_timeout(Duration::from_millis(10));
            }
        }
    }
}

/// How a client gets to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Unix,
    Tls,
}

pub(crate) enum Place {
    Unix { _folder: tempfile::TempDir, path: PathBuf },
    Tls { authority: Box<Authority>, listener: Arc<TlsListener> },
}

impl Place {
    pub(crate) fn connect(&self, patience: Patience) -> Result<Client, Error> {
        match self {
            Self::Unix { path, .. } => Client::connect_unix(path, patience),
            Self::Tls { authority, listener } => {
                let address = listener.address().unwrap();
                Client::connect_tls(&[address], "hv2", &authority.identity("hv1"), patience)
            }
        }
    }
}

/// A node that listens; over TLS it is called hv2, and its clients hv1.
pub(crate) struct Stage {
    pub(crate) place: Place,
    pub(crate) node: Arc<Node>,
    pub(crate) server: Server,
}

pub(crate) fn stage(road: Road, limits: Limits) -> Stage {
    let node = Arc::new(Node::default());
    match road {
        Road::Unix => {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("link.sock");
            let listener = Arc::new(listen_unix(&path).unwrap());
            let server = Server::start(listener, node.clone(), limits);
            Stage { place: Place::Unix { _folder: folder, path }, node, server }
        }
        Road::Tls => {
            let authority = Box::new(Authority::new());
            let listener = listen_tls("127.0.0.1:0".parse().unwrap(), &authority.identity("hv2"));
            let listener = Arc::new(listener.unwrap());
            let server = Server::start(Arc::clone(&listener) as _, node.clone(), limits);
            Stage { place: Place::Tls { authority, listener }, node, server }
        }
    }
}

/// A plain stream to where the node listens.
pub(crate) trait Raw: Read + Write {}
impl<T: Read + Write> Raw for T {}

impl Stage {
    pub(crate) fn connect(&self, patience: Patience) -> Result<Client, Error> {
        self.place.connect(patience)
    }

    pub(crate) fn client(&self) -> Client {
        self.connect(Patience::default()).expect("a server that listens")
    }

    pub(crate) fn raw(&self) -> Box<dyn Raw> {
        let wait_max = Some(Duration::from_secs(60));
        match &self.place {
            Place::Unix { path, .. } => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(wait_max).unwrap();
                Box::new(stream)
            }
            Place::Tls { .. } => {
                let stream = TcpStream::connect(self.address()).unwrap();
                stream.set_read_timeout(wait_max).unwrap();
                Box::new(stream)
            }
        }
    }

    fn tls(&self) -> (&Authority, &TlsListener) {
        match &self.place {
            Place::Tls { authority, listener } => (authority, listener),
            Place::Unix { .. } => panic!("a unix socket has no authority"),
        }
    }

    pub(crate) fn authority(&self) -> &Authority {
        self.tls().0
    }

    pub(crate) fn listener(&self) -> &TlsListener {
        self.tls().1
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener().address().unwrap()
    }
}

pub(crate) fn console(name: &str) -> Request {
    Request::Console { vm: String::new(), name: name.into(), lines: 1, follow: false }
}

pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within 60 s");
        thread::yield_now();
    }
}
