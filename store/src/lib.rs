//! The cluster's shared memory: one port, three backends behind it, and a mirror in front of it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`key`] | paths as a type, and the path of every record |
//! | [`transaction`] | guarded changes, and what became of them |
//! | [`lock`] | read, write and exclusive locks with a term |
//! | [`session`] | the lease under which this process may act |
//! | [`records`] | records to bytes and back |
//! | [`schema`] | numbered changes of what is recorded |
//! | [`mirror`] | a local copy, kept fresh, published as a `Cluster` |
//! | [`memory`] | the backend in memory, with faults: what the simulator lives on |
//! | [`sqlite`] | the backend for one machine |
//! | [`zookeeper`] | the backend for a cluster |
//!
//! Contains no decision: which record is written when is said in `logic`.

use std::fmt::Debug;
use std::sync::Arc;

use logic::record::Version;

pub mod key;
pub mod lock;
pub mod memory;
pub mod mirror;
pub mod records;
pub mod schema;
pub mod session;
pub mod sqlite;
pub mod transaction;
pub mod zookeeper;

mod open;

pub use key::Key;
pub use lock::{Lock, LockRequest};
pub use open::{Secret, open};
pub use session::Session;
pub use transaction::{CommitError, Committed, Guard, Op, Transaction};

/// Why the store did not answer. A refused guard is not among these: see [`CommitError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The backend cannot be reached, or did not answer within the deadline of the call.
    #[error("the store {backend} is not reachable: {why}")]
    Unreachable {
        /// Which backend, as it is configured.
        backend: String,
        /// What was seen.
        why: String,
    },
    /// The session is over: everything present is gone, and nothing more may be written under it.
    #[error("the session with the store is over")]
    SessionOver,
    /// The key or value cannot be stored.
    #[error("{0}")]
    Refused(#[from] transaction::Oversize),
    /// The backend refused the credentials.
    #[error("the store {backend} refused the credentials; check store_secret_file")]
    Unauthorised {
        /// Which backend.
        backend: String,
    },
    /// The store's address is not one.
    #[error("the store's address cannot be used: {why}")]
    Address {
        /// What is wrong with it.
        why: String,
    },
    /// There is no usable secret.
    #[error("the store's secret cannot be used: {why}")]
    Secret {
        /// What is wrong with it, and with which file.
        why: String,
    },
    /// Somebody else holds the lock.
    #[error("the lock {key} was not free within {waited_ms} ms")]
    Busy {
        /// Which.
        key: Key,
        /// How long was waited.
        waited_ms: u64,
    },
    /// What was read cannot be understood.
    #[error("the store holds something unreadable at {key}: {why}")]
    Corrupt {
        /// Where.
        key: Key,
        /// Why.
        why: String,
    },
}

/// One value as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Changes with every write.
    pub version: Version,
    /// The bytes, at most `VALUE_BYTES_MAX`.
    pub value: Arc<[u8]>,
}

/// What is told of changes: the keys that may have changed, or that anything may have.
pub trait Sink: Send + Sync + Debug {
    /// Something at or below these keys may have changed. An event carries no content and may be late, never lost
    /// without [`Sink::doubt`].
    fn changed(&self, keys: &[Key]);
    /// Events may have been lost (a reconnect, an overflow): everything must be read again.
    fn doubt(&self);
}

/// Keeps a watch alive; dropping it ends the watch.
pub trait Watch: Send + Sync + Debug {}

/// The cluster's shared memory. Every call is bounded by the backend's deadline and blocks no longer.
pub trait Store: Send + Sync + Debug {
    /// The value at a key, as new as any write that anybody saw acknowledged before this call.
    fn read(&self, key: &Key) -> Result<Option<Entry>, Error>;

    /// Several values, all as they were at one point in time not before this call, in the order asked. The sinks of
    /// this process have been told of everything up to that point when this returns; so reading nothing is the way
    /// to wait for that.
    fn read_together(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, Error>;

    /// The names directly below a key, sorted; empty where the key does not exist.
    fn children(&self, key: &Key) -> Result<Vec<String>, Error>;

    /// Everything at and below a key, sorted by key. Pipelined; not one point in time by itself.
    fn subtree(&self, key: &Key) -> Result<Vec<(Key, Entry)>, Error>;

    /// Performs a guarded transaction whole or not at all.
    fn commit(&self, transaction: &Transaction) -> Result<Committed, CommitError>;

    /// Moves a key and everything below it in one transaction, under guards. Refused with its size beyond the limit.
    fn rename(&self, from: &Key, to: &Key, guards: &[Guard]) -> Result<Committed, CommitError>;

    /// Waits for a lock, first come first served, at most as long as the request says.
    fn lock(&self, request: &LockRequest) -> Result<Box<dyn Lock>, Error>;

    /// Sets a value that lives as long as this process's session. Replaces a stale one of its own.
    fn announce(&self, key: &Key, value: &[u8]) -> Result<Version, Error>;

    /// The session as this process may rely on it now.
    fn session(&self) -> Session;

    /// Tells `sink` of changes at and below a key from now on. Read after this returns, never before.
    fn watch(&self, key: &Key, sink: Arc<dyn Sink>) -> Result<Box<dyn Watch>, Error>;
}
