//! The backend for a cluster: ZooKeeper 3.8, reached by an asynchronous client on a thread of its own.
//!
//! A record is a node's data; a node without data is a place on the way to others and counts as missing. A record's
//! version is the number of the transaction that wrote it, which never repeats. What ZooKeeper itself can check in a
//! transaction is a node's data version, so a commit first reads which data versions stand for the versions it was
//! given, and then lets the servers check those. The connection, and what a session is, is in `link`.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use logic::record::Version;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use zookeeper_client::{Client, Error as ZkError};

use crate::lock::{Lock, LockRequest};
use crate::open::Secret;
use crate::transaction::{Committed, Guard, Transaction, renaming};
use crate::{CommitError, Entry, Error, Key, Session, Sink, Store, Watch};

mod address;
mod announce;
mod commit;
mod ear;
mod line;
mod link;
mod plan;
mod read;

use address::Address;
use link::{Link, is_passing};

/// How long a call takes at the most.
const CALL_DEADLINE: Duration = Duration::from_secs(5);

/// The same for reading a whole tree, which may be some hundred MB of documents.
const TREE_DEADLINE: Duration = Duration::from_secs(30);

/// How long opening takes at the most: servers that have just started elect their leader first.
const OPEN_DEADLINE: Duration = Duration::from_secs(15);

/// How long to wait before a request whose connection went away is sent again.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// A session with a ZooKeeper ensemble.
#[derive(Clone)]
pub struct ZooKeeper {
    inner: Arc<Inner>,
}

/// Ends the session, and its thread, when the last user is gone.
struct Inner {
    link: Arc<Link>,
    runtime: Handle,
    close: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for ZooKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ZooKeeper({})", self.inner.link.address.name)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.close.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl ZooKeeper {
    /// Connects and begins a session. The last of `servers` may carry settings behind a question mark: `tls_ca`,
    /// `tls_certificate` and `tls_key` (PEM files), and `session_timeout_ms`.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Unreachable`] when no server answers, [`Error::Unauthorised`] when the records
    /// there are under another secret.
    pub fn open(servers: &[String], secret: &Secret) -> Result<Self, Error> {
        let (ask, asked) = mpsc::unbounded_channel();
        let link = Arc::new(Link::new(Address::parse(servers)?, secret, ask));
        if link.address.is_overheard() {
            tracing::warn!(store = %link.address.name, "the secret crosses the network unencrypted; set tls_ca");
        }
        let (close, closed) = oneshot::channel();
        let (opened, opening) = std::sync::mpsc::channel();
        let served = Arc::clone(&link);
        let serve = move || {
            let runtime = Builder::new_current_thread().enable_time().build();
            let runtime = runtime.expect("the machine has file descriptors left");
            runtime.block_on(serve(served, asked, &opened, closed));
        };
        let thread = std::thread::Builder::new().name("zookeeper".into()).spawn(serve);
        let thread = thread.expect("the machine has threads left");
        let runtime = opening.recv().expect("the thread says how it went")?;
        Ok(Self { inner: Arc::new(Inner { link, runtime, close: Some(close), thread: Some(thread) }) })
    }

    fn link(&self) -> &Link {
        &self.inner.link
    }

    /// Runs some work to its end on this thread; `None` when it took longer than it may.
    fn run<T>(&self, most: Duration, work: impl Future<Output = T>) -> Option<T> {
        self.inner.runtime.block_on(async { timeout(most, work).await.ok() })
    }

    fn late(&self, most: Duration) -> Error {
        self.link().unreachable(format!("no answer within {} s", most.as_secs()))
    }

    /// Asks until there is an answer; what is asked must do no harm when it is done twice.
    fn ask<T>(
        &self,
        most: Duration,
        question: impl AsyncFn(&Client) -> Result<T, ZkError>,
    ) -> Result<T, Error> {
        self.run(most, self.link().ask(question)).ok_or_else(|| self.late(most))?
    }
}

impl Link {
    async fn ask<T>(&self, question: impl AsyncFn(&Client) -> Result<T, ZkError>) -> Result<T, Error> {
        loop {
            let connected = self.connected().await;
            match question(&connected.client).await {
                Err(error) if is_passing(&error) => {
                    drop(connected);
                    sleep(RETRY_INTERVAL).await;
                }
                told => return told.map_err(|error| self.told(&error)),
            }
        }
    }
}

/// What the thread does: opens the session, tells how that went, and keeps it until it is closed.
async fn serve(
    link: Arc<Link>,
    asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    opened: &std::sync::mpsc::Sender<Result<Handle, Error>>,
    closed: oneshot::Receiver<()>,
) {
    let opening = timeout(OPEN_DEADLINE, link.open()).await;
    let late = || link.unreachable(format!("no session within {} s", OPEN_DEADLINE.as_secs()));
    match opening.unwrap_or_else(|_| Err(late())) {
        Err(error) => {
            link.close().await;
            let _ = opened.send(Err(error));
        }
        Ok((client, watcher)) => {
            let keeper = tokio::spawn(Arc::clone(&link).keep(client, watcher, asked));
            let _ = opened.send(Ok(Handle::current()));
            let _ = closed.await;
            keeper.abort();
            let _ = keeper.await;
            link.close().await;
        }
    }
}

impl Store for ZooKeeper {
    fn read(&self, key: &Key) -> Result<Option<Entry>, Error> {
        self.ask(CALL_DEADLINE, async |client| read::one(client, key).await)
    }

    fn read_together(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, Error> {
        self.ask(CALL_DEADLINE, async |client| {
            let entries = read::together(client, keys).await?;
            self.link().heard().await;
            Ok(entries)
        })
    }

    fn children(&self, key: &Key) -> Result<Vec<String>, Error> {
        self.ask(CALL_DEADLINE, async |client| read::children(client, key).await)
    }

    fn subtree(&self, key: &Key) -> Result<Vec<(Key, Entry)>, Error> {
        self.ask(TREE_DEADLINE, async |client| read::subtree(client, key).await)
    }

    fn commit(&self, transaction: &Transaction) -> Result<Committed, CommitError> {
        transaction.check_size().map_err(Error::from)?;
        let in_flight = Cell::new(false);
        let outcome = self.run(CALL_DEADLINE, self.link().commit(transaction, &in_flight));
        outcome.unwrap_or_else(|| match in_flight.get() {
            true => Err(CommitError::Unknown),
            false => Err(self.late(CALL_DEADLINE).into()),
        })
    }

    fn rename(&self, from: &Key, to: &Key, guards: &[Guard]) -> Result<Committed, CommitError> {
        let transaction = renaming(&self.subtree(from)?, from, to, guards);
        self.commit(&transaction)
    }

    fn lock(&self, request: &LockRequest) -> Result<Box<dyn Lock>, Error> {
        line::wait(self, request)
    }

    fn announce(&self, key: &Key, value: &[u8]) -> Result<Version, Error> {
        let announced = self.run(CALL_DEADLINE, self.link().announce(key, value));
        announced.ok_or_else(|| self.late(CALL_DEADLINE))?
    }

    fn session(&self) -> Session {
        self.link().session()
    }

    fn watch(&self, key: &Key, sink: Arc<dyn Sink>) -> Result<Box<dyn Watch>, Error> {
        self.link().sinks.add(key, &sink);
        Ok(Box::new(ZooKeeperWatch { _sink: sink, _store: self.clone() }))
    }
}

/// The servers are asked to tell of everything from the session's beginning; a watch only says who listens.
#[derive(Debug)]
struct ZooKeeperWatch {
    _sink: Arc<dyn Sink>,
    _store: ZooKeeper,
}

impl Watch for ZooKeeperWatch {}
