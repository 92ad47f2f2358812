//! The node's side: a bounded number of connections, a thread for each, and each request given to an [`Answer`].

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::connection::{Broken, Connection};
use crate::frame::{BODY_BYTES_MAX, Frame};
use crate::message::{Header, Request, VERSIONS};
use crate::transport::{Hangup, Listener, Transport};

mod content;

use content::Content;
pub use content::WINDOW_BYTES;

/// How often a node says that it is there while it has nothing to send. Clients wait for three of these.
const BEAT: Duration = Duration::from_secs(5);

/// How long the accepting thread rests after the kernel refused it a connection, for want of handles or memory.
const REST: Duration = Duration::from_millis(200);

/// How many connections beyond the limit are told so at once; those beyond that are only hung up on.
const REFUSED_MAX: usize = 16;

/// How long one that is refused may take for its hello.
const REFUSED_HELLO: Duration = Duration::from_secs(1);

/// The bounds of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. One more is told so and hung up on.
    pub connections_max: usize,
    /// How long a client may take for its hello, and for proving who it is.
    pub hello: Duration,
    /// How long a client may rest between two requests.
    pub rest: Duration,
    /// How long a client may leave a frame unread.
    pub unread: Duration,
    /// How long answers may take to end when the server is stopped.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            hello: Duration::from_secs(5),
            rest: Duration::from_secs(60),
            unread: Duration::from_secs(30),
            stop: Duration::from_secs(2),
        }
    }
}

/// The client is gone, or the server is stopping: there is nobody to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client is gone or the server is stopping")]
pub struct Gone;

/// Why an answer ended before it was complete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// It will not be given; the client is told why.
    #[error("{why}")]
    Refused {
        /// For an operator.
        why: String,
    },
    /// Nobody is there to read it.
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// Where an answer is written.
pub trait Sink {
    /// Sends a part of the answer. Waits while the client does not read.
    ///
    /// # Errors
    /// [`Gone`]: stop answering.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Gone>;

    /// To be called at least every second while there is nothing to send.
    ///
    /// # Errors
    /// [`Gone`]: stop answering.
    fn rest(&mut self) -> Result<(), Gone>;
}

/// Who knows the answers.
pub trait Answer: Send + Sync + Debug {
    /// Answers one request. What is sent is the answer; returning completes it.
    ///
    /// # Errors
    /// [`Ended`] when it cannot be completed.
    fn answer(&self, request: &Request, sink: &mut dyn Sink) -> Result<(), Ended>;

    /// Takes in what a client brings. Its first read tells the client to begin; at its end the client is told that all of
    /// it has come. What is wrong afterwards is not told over this connection.
    ///
    /// # Errors
    /// [`Ended`] when it is not taken, or not all of it.
    fn take_in(&self, request: &Request, _content: &mut (dyn Read + Send)) -> Result<(), Ended> {
        Err(Ended::Refused { why: format!("{request:?} is not taken in here") })
    }
}

#[derive(Debug, Default)]
struct State {
    stopping: bool,
    accepted: u64,
    connections: BTreeMap<u64, Box<dyn Hangup>>,
}

#[derive(Debug)]
struct Shared {
    answer: Arc<dyn Answer>,
    limits: Limits,
    state: Mutex<State>,
    changed: Condvar,
}

/// A running server. Stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    listener: Arc<dyn Listener>,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to accept connections.
    pub fn start(listener: Arc<dyn Listener>, answer: Arc<dyn Answer>, limits: Limits) -> Self {
        let shared = Shared { answer, limits, state: Mutex::default(), changed: Condvar::new() };
        let shared = Arc::new(shared);
        let accept = {
            let (listener, shared) = (Arc::clone(&listener), Arc::clone(&shared));
            move || accept(&*listener, &shared)
        };
        let accepting = thread::Builder::new().name("link".into()).spawn(accept);
        let accepting = Some(accepting.expect("a daemon that starts has threads left"));
        Self { listener, shared, accepting }
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections.len()
    }

    /// Accepts no more, lets answers end for as long as the limits allow, hangs up on the others, and waits until all
    /// threads have ended.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        self.listener.close();
        // It panics only if the listener does, and then there is nothing left to stop.
        drop(accepting.join());
        self.shared.wait_for_connections(self.shared.limits.stop);
        self.shared.lock().connections.values().for_each(|hangup| hangup.hang_up());
        self.shared.wait_for_connections(self.shared.limits.stop);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the list of connections")
    }

    fn wait_for_connections(&self, wait_max: Duration) {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, wait_max, |state| !state.connections.is_empty());
        drop(waited.expect("nobody panics while holding the list of connections"));
    }

    fn stopping(&self) -> bool {
        self.lock().stopping
    }
}

/// A connection's place in the list; given back when its thread ends, also by a panic.
#[derive(Debug)]
struct Place {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.lock().connections.remove(&self.number);
        self.shared.changed.notify_all();
    }
}

fn accept(listener: &dyn Listener, shared: &Arc<Shared>) {
    loop {
        let accepted = listener.accept();
        let state = shared.lock();
        if state.stopping {
            return;
        }
        let count = state.connections.len();
        match accepted {
            Ok(transport) => {
                drop(state);
                match shared.limits.connections_max {
                    free if count < free => admit(transport, shared, converse),
                    taken if count < taken + REFUSED_MAX => admit(transport, shared, refuse),
                    _ => drop(transport),
                }
            }
            Err(_) => {
                let rested = shared.changed.wait_timeout_while(state, REST, |state| !state.stopping);
                drop(rested.expect("nobody panics while holding the list of connections"));
            }
        }
    }
}

/// What is done with a connection, on a thread of its own: whoever accepts waits for nobody.
type Conversation = fn(Connection, &Shared) -> Result<(), Broken>;

fn admit(transport: Box<dyn Transport>, shared: &Arc<Shared>, conversation: Conversation) {
    let Ok(hangup) = transport.hangup() else { return };
    let number = {
        let mut state = shared.lock();
        state.accepted += 1;
        let number = state.accepted;
        state.connections.insert(number, hangup);
        number
    };
    let place = Place { shared: Arc::clone(shared), number };
    let converse = move || {
        // A connection that breaks is its client's loss alone, who sees it too.
        if let Err(broken) = conversation(Connection::new(transport), &place.shared) {
            tracing::debug!(why = %broken, "a connection broke");
        }
        drop(place);
    };
    // Without a thread the connection and its place are dropped: the client sees it closed and tries again.
    drop(thread::Builder::new().name(format!("link-{number}")).spawn(converse));
}

/// Says why not, once it is known to whom.
fn refuse(mut connection: Connection, shared: &Shared) -> Result<(), Broken> {
    connection.receive(shared.limits.hello.min(REFUSED_HELLO))?;
    let text = "the node has as many connections as it can; try again later".into();
    connection.send(&Frame::from(Header::Error { text }), REFUSED_HELLO)
}

fn converse(mut connection: Connection, shared: &Shared) -> Result<(), Broken> {
    let limits = shared.limits;
    let header = connection.receive(limits.hello)?.header;
    let understood = matches!(header, Header::Hello { versions } if VERSIONS.common(versions).is_some());
    connection.send(&Frame::from(Header::Hello { versions: VERSIONS }), limits.unread)?;
    if !understood {
        return Ok(());
    }
    while !shared.stopping() {
        let Header::Request { request } = connection.receive(limits.rest)?.header else { return Ok(()) };
        let mut written = Written { connection: &mut connection, shared, last: None };
        if request.brings() {
            let mut content = Content::new(&mut written);
            let taken = shared.answer.take_in(&request, &mut content);
            let why = taken.err().map_or_else(|| "no more of it is wanted".into(), |ended| ended.to_string());
            // Whoever brings something has a connection for that alone.
            return content.refuse(why);
        }
        let last = match shared.answer.answer(&request, &mut written) {
            Ok(()) => Header::End,
            Err(Ended::Refused { why }) => Header::Error { text: bounded(why) },
            Err(Ended::Gone(Gone)) if shared.stopping() => {
                Header::Error { text: "the node's daemon is stopping".into() }
            }
            Err(Ended::Gone(Gone)) => return Ok(()),
        };
        connection.send(&Frame::from(last), limits.unread)?;
    }
    Ok(())
}

/// An error's text, cut to what fits into a header whatever characters are in it.
fn bounded(mut why: String) -> String {
    if why.len() > 4096 {
        why.truncate(why.floor_char_boundary(4096));
        why.push('…');
    }
    why
}

/// The sink of one answer.
struct Written<'a> {
    connection: &'a mut Connection,
    shared: &'a Shared,
    /// When the last frame was sent; the first shows that the node has begun to answer, even with nothing to say.
    last: Option<Instant>,
}

impl Written<'_> {
    fn frame(&mut self, frame: &Frame) -> Result<(), Gone> {
        self.last = Some(Instant::now());
        self.connection.send(frame, self.shared.limits.unread).map_err(|_| Gone)
    }

    fn wanted(&self) -> Result<(), Gone> {
        if self.shared.stopping() { Err(Gone) } else { Ok(()) }
    }
}

impl Sink for Written<'_> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        for part in bytes.chunks(BODY_BYTES_MAX) {
            self.wanted()?;
            self.frame(&Frame { header: Header::Data, body: part.to_vec() })?;
        }
        Ok(())
    }

    fn rest(&mut self) -> Result<(), Gone> {
        self.wanted()?;
        let recent = self.last.is_some_and(|last| last.elapsed() < BEAT);
        if recent { Ok(()) } else { self.frame(&Frame::from(Header::Beat)) }
    }
}
