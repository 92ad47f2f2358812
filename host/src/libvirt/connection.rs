//! The one connection to libvirt: a thread of its own opens it, and opens it anew whenever it is lost.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt::error::Error;

use super::Run;
use super::device::Names;
use super::events::{Bells, Subscription};
use crate::calls::left;

/// How long after a failed opening the next is tried.
const REOPEN_AFTER: Duration = Duration::from_millis(500);

/// A silent libvirt is given up after this many questions at this interval, in seconds.
const KEEPALIVE: (i32, u32) = (5, 3);

/// What is known of a running domain, read once per start and connection. The id that libvirt gives a domain is new
/// with every start, but only for as long as libvirt itself runs: so this is kept no longer than a connection.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The incarnation in PVC's mark.
    pub(super) incarnation: Option<u64>,
    /// The names in its document, once they were read.
    pub(super) names: Option<Arc<Names>>,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    number: u64,
    parts: Option<(Connect, Subscription)>,
    known: Mutex<HashMap<Run, Known>>,
}

impl Connection {
    pub(super) fn connect(&self) -> &Connect {
        &self.parts.as_ref().expect("only the end takes them").0
    }

    /// Whether it is still open, as far as this side knows; asks nobody.
    pub(super) fn is_open(&self) -> bool {
        self.connect().is_alive().unwrap_or(false)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn known(&self) -> MutexGuard<'_, HashMap<Run, Known>> {
        self.known.lock().expect("nobody panics while remembering a domain")
    }
}

impl Drop for Connection {
    /// Closing may hang, and whoever drops the last reference must not: it is left to a thread.
    fn drop(&mut self) {
        let Some((mut connect, subscription)) = self.parts.take() else { return };
        let close = move || {
            subscription.end(&connect);
            if let Err(error) = connect.close() {
                tracing::debug!(error = error.message(), "a connection to libvirt was not closed");
            }
        };
        if std::thread::Builder::new().name("libvirt-close".into()).spawn(close).is_err() {
            tracing::warn!("a connection to libvirt stays open: no thread is left to close it");
        }
    }
}

/// Where the connection stands.
#[derive(Debug)]
enum State {
    /// It is being opened, and how that ends is not known yet.
    Opening,
    /// It is open.
    Open(Arc<Connection>),
    /// It cannot be opened, as was seen last. It is tried again and again.
    Down(String),
    /// Nobody needs it any more.
    Ended,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoConnection {
    /// It was not known in time whether it opens.
    Late,
    /// It cannot be opened; libvirt's words.
    Down(String),
}

/// Keeps the connection open.
#[derive(Debug)]
pub(super) struct Keeper {
    uri: String,
    state: Mutex<State>,
    changed: Condvar,
    bells: Bells,
}

impl Keeper {
    /// Begins to open the connection, and returns at once.
    pub(super) fn start(uri: &str) -> Arc<Self> {
        super::events::prepare();
        let keeper = Arc::new(Self {
            uri: uri.into(),
            state: Mutex::new(State::Opening),
            changed: Condvar::new(),
            bells: Bells::default(),
        });
        let kept = Arc::clone(&keeper);
        let started = std::thread::Builder::new().name("libvirt-keeper".into()).spawn(move || kept.keep());
        started.expect("a process that starts has threads left");
        keeper
    }

    pub(super) fn bells(&self) -> &Bells {
        &self.bells
    }

    /// The open connection; waits for one that is being opened, no longer than `until`.
    pub(super) fn connection(&self, until: Instant) -> Result<Arc<Connection>, NoConnection> {
        let opening = |state: &mut State| matches!(state, State::Opening);
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), left(until), opening)
            .expect("nobody panics while holding the state");
        match &*state {
            State::Open(connection) => Ok(Arc::clone(connection)),
            State::Opening => Err(NoConnection::Late),
            State::Down(why) => Err(NoConnection::Down(why.clone())),
            State::Ended => Err(NoConnection::Down("it was closed".into())),
        }
    }

    /// The connection of this number is of no use any more: it is let go, and a new one is opened.
    pub(super) fn retire(&self, number: u64) {
        let mut state = self.lock();
        if !matches!(&*state, State::Open(connection) if connection.number == number) {
            return;
        }
        let retired = std::mem::replace(&mut *state, State::Opening);
        self.changed.notify_all();
        drop(state);
        drop(retired);
        tracing::warn!(uri = self.uri, "the connection to libvirt is lost; it is opened anew");
        self.bells.ring();
    }

    /// Lets the connection go for good.
    pub(super) fn end(&self) {
        let ended = std::mem::replace(&mut *self.lock(), State::Ended);
        self.changed.notify_all();
        drop(ended);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the state")
    }

    /// Opens the connection and watches over it until the end.
    fn keep(self: Arc<Self>) {
        for number in 1.. {
            let opened = open(&self.uri, &Arc::downgrade(&self), number);
            let rests = match opened {
                Ok(connection) => self.publish(State::Open(Arc::new(connection))),
                Err(error) => self.publish(State::Down(super::words(&error))),
            };
            match rests {
                Rests::Until(pause) => self.rest(pause),
                Rests::WhileOpen => self.rest_while_open(),
                Rests::Forever => return,
            }
        }
    }

    /// Publishes how an opening ended, unless nobody needs it any more.
    fn publish(&self, fresh: State) -> Rests {
        let mut state = self.lock();
        let rests = match (&*state, &fresh) {
            (State::Ended, _) => return Rests::Forever,
            (_, State::Open(_)) => Rests::WhileOpen,
            (State::Down(before), State::Down(why)) if before == why => Rests::Until(REOPEN_AFTER),
            (_, State::Down(why)) => {
                tracing::warn!(uri = self.uri, why, "libvirt is not reachable; it is tried again");
                Rests::Until(REOPEN_AFTER)
            }
            (_, State::Opening | State::Ended) => Rests::Until(REOPEN_AFTER),
        };
        // What was there before is dropped without the lock.
        let before = std::mem::replace(&mut *state, fresh);
        self.changed.notify_all();
        drop(state);
        drop(before);
        if rests == Rests::WhileOpen {
            tracing::info!(uri = self.uri, "libvirt is reachable");
            self.bells.ring();
        }
        rests
    }

    fn rest(&self, pause: Duration) {
        let going_on = |state: &mut State| !matches!(state, State::Ended);
        let rested = self.changed.wait_timeout_while(self.lock(), pause, going_on);
        drop(rested.expect("nobody panics while holding the state"));
    }

    fn rest_while_open(&self) {
        let open = |state: &mut State| matches!(state, State::Open(_));
        drop(self.changed.wait_while(self.lock(), open).expect("nobody panics while holding the state"));
    }
}

/// What the keeper does after an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rests {
    Until(Duration),
    WhileOpen,
    Forever,
}

/// Opens a connection and subscribes to its events.
fn open(uri: &str, keeper: &Weak<Keeper>, number: u64) -> Result<Connection, Error> {
    let mut connect = Connect::open(Some(uri))?;
    let subscription = Subscription::begin(&connect, keeper, number).and_then(|subscription| {
        // A driver in this process answers that it needs none, which is no error.
        match connect.set_keep_alive(KEEPALIVE.0, KEEPALIVE.1) {
            Ok(_) => Ok(subscription),
            Err(error) => {
                subscription.end(&connect);
                Err(error)
            }
        }
    });
    match subscription {
        Ok(subscription) => {
            Ok(Connection { number, parts: Some((connect, subscription)), known: Mutex::default() })
        }
        Err(error) => {
            let _ = connect.close();
            Err(error)
        }
    }
}
