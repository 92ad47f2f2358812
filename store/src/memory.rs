//! The backend in memory: what the simulator lives on. Deterministic, without threads; time is given, faults are ordered.
//!
//! A [`Memory`] is the server; each [`MemoryStore`] opened from it is one process's session. Locks here never wait:
//! a caller that cannot have one now is told so, since nobody else could run meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use logic::record::Version;
use logic::time::{BootTime, Span};

use crate::lock::{Lock, LockKind, LockRequest};
use crate::session::PATIENCE;
use crate::transaction::{Committed, Guard, Transaction};
use crate::{CommitError, Entry, Error, Key, Session, Sink, Store, Watch};

mod faults;
mod lock;
mod state;

use faults::Election;
pub use faults::{CommitFault, Reach, Sessions};
use lock::MemoryLock;
use state::{State, Told, Watcher, tell};

/// What tells the time.
pub type Time = Arc<dyn Fn() -> BootTime + Send + Sync>;

/// How long a session lives without contact.
pub const LEASE: Span = Span(6_000);

/// A client of the server: what cuts it off, and whose clock its lease is measured by. Several sessions may share one.
#[derive(Clone)]
pub struct Client {
    /// Its name.
    pub name: Arc<str>,
    /// The clock of its machine.
    pub time: Time,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.name)
    }
}

/// The server in memory.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
    time: Time,
    patience: Duration,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    /// An empty one.
    pub fn new(time: Time) -> Self {
        Self { state: Arc::default(), time, patience: Duration::ZERO }
    }

    /// One on this process's own clock, for tests that wait for real.
    pub fn on_real_time() -> Self {
        let began = std::time::Instant::now();
        let now = move || BootTime(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        Self { patience: PATIENCE, ..Self::new(Arc::new(now)) }
    }

    /// Opens a session, of a client that has no name and the server's clock.
    pub fn open(&self) -> MemoryStore {
        self.open_as(Client { name: "".into(), time: Arc::clone(&self.time) })
    }

    /// Opens a session of a client. It begins with the first call that is answered.
    pub fn open_as(&self, client: Client) -> MemoryStore {
        let (session, until_ms) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let store = MemoryStore { memory: self.clone(), client, session, until_ms };
        drop(store.reach());
        store
    }

    /// Every value, for those who check the whole.
    pub fn dump(&self) -> BTreeMap<Key, Entry> {
        self.lock().values.iter().map(|(key, value)| (key.clone(), value.entry.clone())).collect()
    }

    /// How many changes the values have seen: where it is the same, so is everything.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    fn now(&self) -> BootTime {
        (self.time)()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it changes the state")
    }
}

/// One process's session with the server in memory.
#[derive(Clone)]
pub struct MemoryStore {
    memory: Memory,
    client: Client,
    session: Arc<AtomicU64>,
    /// When its lease is over, by the client's clock: counted from the last call that was answered.
    until_ms: Arc<AtomicU64>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({})", self.session.load(Ordering::SeqCst))
    }
}

impl MemoryStore {
    /// Ends the session as a process does that dies without a word: its presence stays until the lease is over.
    pub fn abandon(self) {
        drop(self);
    }

    /// Ends the session at once, as a clean close does.
    pub fn close(self) {
        let id = self.session.load(Ordering::SeqCst);
        let mut state = self.memory.lock();
        // Of a client that is cut off nobody hears the farewell.
        let told = if state.cut.contains(&self.client.name) { Told::new() } else { state.end_session(id) };
        drop(state);
        tell(told);
    }

    fn renew(&self, state: &mut State) {
        let now = self.memory.now();
        self.until_ms.store(((self.client.time)() + LEASE).0, Ordering::SeqCst);
        let id = self.session.load(Ordering::SeqCst);
        if let Some(until) = state.sessions.get_mut(&id) {
            *until = now + LEASE;
            return;
        }
        state.session_ids += 1;
        let id = state.session_ids;
        state.sessions.insert(id, now + LEASE);
        self.session.store(id, Ordering::SeqCst);
    }

    /// The state, after the sessions whose lease is over have ended and this one is renewed.
    fn reach(&self) -> Result<MutexGuard<'_, State>, Error> {
        let now = self.memory.now();
        let mut state = self.memory.lock();
        let silence = state.silence(&self.client.name, now);
        let told = state.expire(now);
        if let Some(why) = silence {
            drop(state);
            tell(told);
            return Err(Error::Unreachable { backend: "memory".into(), why: why.into() });
        }
        self.renew(&mut state);
        if told.is_empty() {
            return Ok(state);
        }
        drop(state);
        tell(told);
        Ok(self.memory.lock())
    }
}

impl Store for MemoryStore {
    fn read(&self, key: &Key) -> Result<Option<Entry>, Error> {
        Ok(self.reach()?.values.get(key).map(|value| value.entry.clone()))
    }

    fn read_together(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, Error> {
        let state = self.reach()?;
        Ok(keys.iter().map(|key| state.values.get(key).map(|value| value.entry.clone())).collect())
    }

    fn children(&self, key: &Key) -> Result<Vec<String>, Error> {
        let state = self.reach()?;
        let below = format!("{key}/");
        let names = state.values.keys().filter_map(|key| key.as_str().strip_prefix(&below));
        let names: BTreeSet<&str> = names.filter_map(|rest| rest.split('/').next()).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn subtree(&self, key: &Key) -> Result<Vec<(Key, Entry)>, Error> {
        let state = self.reach()?;
        let covered = state.values.iter().filter(|(other, _)| key.covers(other));
        Ok(covered.map(|(key, value)| (key.clone(), value.entry.clone())).collect())
    }

    fn commit(&self, transaction: &Transaction) -> Result<Committed, CommitError> {
        transaction.check_size().map_err(Error::from)?;
        let mut state = self.reach()?;
        let mut fault = state.commit_fault.take();
        if let Some(loss) = state.leader_loss.take() {
            fault = Some(loss.commit);
            state.election =
                Some(Election { until: self.memory.now() + loss.span, sessions: Sessions::Kept });
        }
        if fault == Some(CommitFault::UnknownLost) {
            return Err(CommitError::Unknown);
        }
        state.check(transaction)?;
        let committed = state.apply(&transaction.ops);
        let keys: Vec<Key> = transaction.ops.iter().map(|op| op.key.clone()).collect();
        let told = state.told(&keys);
        drop(state);
        tell(told);
        if fault == Some(CommitFault::UnknownLanded) {
            return Err(CommitError::Unknown);
        }
        Ok(committed)
    }

    fn rename(&self, from: &Key, to: &Key, guards: &[Guard]) -> Result<Committed, CommitError> {
        let transaction = crate::transaction::renaming(&self.subtree(from)?, from, to, guards);
        self.commit(&transaction)
    }

    fn lock(&self, request: &LockRequest) -> Result<Box<dyn Lock>, Error> {
        let mut state = self.reach()?;
        let session = self.session.load(Ordering::SeqCst);
        let holders = state.locks.entry(request.key.clone()).or_default();
        let free = match request.kind {
            LockKind::Read => holders.values().all(|kind| *kind == LockKind::Read),
            LockKind::Write | LockKind::Exclusive => holders.is_empty(),
        };
        if !free {
            return Err(Error::Busy { key: request.key.clone(), waited_ms: 0 });
        }
        holders.insert(session, request.kind);
        let term = state.terms.entry(request.key.clone()).or_default();
        *term += 1;
        let term = *term;
        let mark = request.key.child(&format!("holder-{term:010}"));
        let version = state.set(&mark, request.owner.as_bytes(), Some(session));
        Ok(Box::new(MemoryLock {
            store: self.clone(),
            key: request.key.clone(),
            mark,
            version,
            term,
            session,
        }))
    }

    fn announce(&self, key: &Key, value: &[u8]) -> Result<Version, Error> {
        let mut state = self.reach()?;
        let session = self.session.load(Ordering::SeqCst);
        let version = state.set(key, value, Some(session));
        let told = state.told(std::slice::from_ref(key));
        drop(state);
        tell(told);
        Ok(version)
    }

    fn session(&self) -> Session {
        let connected = self.reach().is_ok();
        let epoch = self.session.load(Ordering::SeqCst);
        let until = Some(BootTime(self.until_ms.load(Ordering::SeqCst)));
        Session { epoch, until, connected, patience: self.memory.patience }
    }

    fn watch(&self, key: &Key, sink: Arc<dyn Sink>) -> Result<Box<dyn Watch>, Error> {
        let mut state = self.reach()?;
        state.watchers.retain(|watcher| watcher.sink.strong_count() > 0);
        let (client, root) = (Arc::clone(&self.client.name), key.clone());
        state.watchers.push(Watcher { client, root, sink: Arc::downgrade(&sink) });
        Ok(Box::new(MemoryWatch { _sink: sink }))
    }
}

#[derive(Debug)]
struct MemoryWatch {
    _sink: Arc<dyn Sink>,
}

impl Watch for MemoryWatch {}

#[cfg(test)]
mod tests;
