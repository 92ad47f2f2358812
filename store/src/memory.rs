//! The backend in memory, with faults: what the simulator lives on. Deterministic, without threads; time is given.
//!
//! A [`Memory`] is the server; each [`MemoryStore`] opened from it is one process's session. Locks here never wait:
//! a caller that cannot have one now is told so, since nobody else could run meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use logic::record::{Expect, Version};
use logic::time::{BootTime, Span};

use crate::lock::{Lock, LockKind, LockRequest};
use crate::transaction::{Committed, Guard, Transaction};
use crate::{CommitError, Entry, Error, Key, Op, Session, Sink, Store, Watch};

/// What tells the time.
pub type Time = Arc<dyn Fn() -> BootTime + Send + Sync>;

/// How long a session lives without contact.
pub const LEASE: Span = Span(6_000);

/// Whether the server can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// It answers.
    #[default]
    There,
    /// No call is answered.
    Gone,
}

/// How a commit is to go wrong next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// It lands, but its caller is not told.
    UnknownLanded,
    /// It does not land, and its caller is not told.
    UnknownLost,
}

struct Value {
    entry: Entry,
    owner: Option<u64>,
}

#[derive(Default)]
struct State {
    values: BTreeMap<Key, Value>,
    versions: u64,
    sessions: BTreeMap<u64, BootTime>,
    session_ids: u64,
    watches: Vec<(u64, Key, Weak<dyn Sink>)>,
    locks: BTreeMap<Key, BTreeMap<u64, LockKind>>,
    terms: BTreeMap<Key, u64>,
    reach: Reach,
    commit_fault: Option<CommitFault>,
}

/// The server in memory.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
    time: Time,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    /// An empty one.
    pub fn new(time: Time) -> Self {
        Self { state: Arc::default(), time }
    }

    /// One on this process's own clock, for tests that wait for real.
    pub fn on_real_time() -> Self {
        let began = std::time::Instant::now();
        let now = move || BootTime(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        Self::new(Arc::new(now))
    }

    /// Opens a session.
    pub fn open(&self) -> MemoryStore {
        let store = MemoryStore { memory: self.clone(), session: Arc::new(AtomicU64::new(0)) };
        store.renew(&mut self.lock());
        store
    }

    /// Whether calls are answered, from now on until told otherwise.
    pub fn set_reach(&self, reach: Reach) {
        let mut state = self.lock();
        state.reach = reach;
        if reach == Reach::There {
            let sinks = state.sinks_of_all();
            drop(state);
            sinks.iter().for_each(|sink| sink.doubt());
        }
    }

    /// The next commit goes wrong like this.
    pub fn fail_next_commit(&self, fault: CommitFault) {
        self.lock().commit_fault = Some(fault);
    }

    /// Every value, for those who check the whole.
    pub fn dump(&self) -> BTreeMap<Key, Entry> {
        self.lock().values.iter().map(|(key, value)| (key.clone(), value.entry.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it changes the state")
    }
}

/// One process's session with the server in memory.
#[derive(Clone)]
pub struct MemoryStore {
    memory: Memory,
    session: Arc<AtomicU64>,
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
        let told = state.end_session(id);
        drop(state);
        tell(told);
    }

    fn renew(&self, state: &mut State) {
        let now = (self.memory.time)();
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
        let mut state = self.memory.lock();
        let told = state.expire((self.memory.time)());
        if state.reach == Reach::Gone {
            drop(state);
            tell(told);
            return Err(Error::Unreachable { backend: "memory".into(), why: "it was made so".into() });
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

type Told = Vec<(Arc<dyn Sink>, Vec<Key>)>;

fn tell(told: Told) {
    for (sink, keys) in told {
        sink.changed(&keys);
    }
}

impl State {
    fn expire(&mut self, now: BootTime) -> Told {
        let over: Vec<u64> =
            self.sessions.iter().filter(|(_, until)| **until <= now).map(|(session, _)| *session).collect();
        over.into_iter().flat_map(|session| self.end_session(session)).collect()
    }

    fn end_session(&mut self, session: u64) -> Told {
        self.sessions.remove(&session);
        for holders in self.locks.values_mut() {
            holders.remove(&session);
        }
        let gone: Vec<Key> = self
            .values
            .iter()
            .filter(|(_, value)| value.owner == Some(session))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &gone {
            self.values.remove(key);
        }
        self.told(&gone)
    }

    fn sinks_of_all(&self) -> Vec<Arc<dyn Sink>> {
        self.watches.iter().filter_map(|(_, _, sink)| sink.upgrade()).collect()
    }

    fn told(&self, keys: &[Key]) -> Told {
        let watched = |root: &Key| keys.iter().filter(|key| root.covers(key)).cloned().collect::<Vec<_>>();
        let watches =
            self.watches.iter().filter_map(|(_, root, sink)| Some((sink.upgrade()?, watched(root))));
        watches.filter(|(_, keys)| !keys.is_empty()).collect()
    }

    fn holds(&self, key: &Key, expect: Expect) -> bool {
        let entry = self.values.get(key).map(|value| &value.entry);
        match expect {
            Expect::Absent => entry.is_none(),
            Expect::Present => entry.is_some(),
            Expect::Version(version) => entry.is_some_and(|entry| entry.version == version),
        }
    }

    fn check(&self, transaction: &Transaction) -> Result<(), CommitError> {
        let guards = transaction.guards.iter().map(|guard| (&guard.key, guard.expect));
        let ops = transaction.ops.iter().map(|op| (&op.key, op.expect));
        match guards.chain(ops).find(|(key, expect)| !self.holds(key, *expect)) {
            Some((key, _)) => Err(CommitError::Conflict { key: key.clone() }),
            None => Ok(()),
        }
    }

    fn apply(&mut self, ops: &[Op]) -> Committed {
        let mut committed = Committed::default();
        for op in ops {
            let version = match &op.value {
                Some(value) => Some(self.set(&op.key, value, None)),
                None => {
                    self.values.remove(&op.key);
                    None
                }
            };
            committed.versions.push((op.key.clone(), version));
        }
        committed
    }

    fn set(&mut self, key: &Key, value: &[u8], owner: Option<u64>) -> Version {
        self.versions += 1;
        let version = Version(self.versions);
        self.values.insert(key.clone(), Value { entry: Entry { version, value: value.into() }, owner });
        version
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
        let fault = state.commit_fault.take();
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
        let state = self.memory.lock();
        let epoch = self.session.load(Ordering::SeqCst);
        Session { epoch, until: Some(state.sessions.get(&epoch).copied().unwrap_or_default()), connected }
    }

    fn watch(&self, key: &Key, sink: Arc<dyn Sink>) -> Result<Box<dyn Watch>, Error> {
        let mut state = self.reach()?;
        state.watches.retain(|(_, _, sink)| sink.strong_count() > 0);
        state.watches.push((self.session.load(Ordering::SeqCst), key.clone(), Arc::downgrade(&sink)));
        Ok(Box::new(MemoryWatch { _sink: sink }))
    }
}

#[derive(Debug)]
struct MemoryWatch {
    _sink: Arc<dyn Sink>,
}

impl Watch for MemoryWatch {}

#[derive(Debug)]
struct MemoryLock {
    store: MemoryStore,
    key: Key,
    mark: Key,
    version: Version,
    term: u64,
    session: u64,
}

impl Lock for MemoryLock {
    fn term(&self) -> u64 {
        self.term
    }

    fn guard(&self) -> Guard {
        Guard { key: self.mark.clone(), expect: Expect::Version(self.version) }
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut state = self.store.memory.lock();
        state.values.remove(&self.mark);
        if let Some(holders) = state.locks.get_mut(&self.key) {
            holders.remove(&self.session);
        }
    }
}
