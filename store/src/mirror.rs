//! A local copy of the records, kept fresh by watches and published as a `Cluster`.
//!
//! Watch first, then read. Events only mark keys dirty; the dirty ones are read together at one point in time; what
//! arrives meanwhile goes round again; a snapshot is published only when nothing is dirty. After any doubt everything
//! is read anew. So two records that are always written together are never seen apart.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use logic::cluster::Cluster;
use logic::record::{Version, Versioned};

use crate::key::{ROOT, documents, record_at};
use crate::records::decode;
use crate::{Committed, Entry, Error, Key, Sink, Store, Watch};

mod build;

use build::Builder;

/// What a mirror holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every record but the libvirt documents.
    WithoutDocuments,
    /// Every record.
    Everything,
}

/// The records as they were at one point in time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The records as one value.
    pub cluster: Arc<Cluster>,
    /// Grows with every change.
    pub revision: u64,
    /// Until when this is known to be the latest.
    pub confirmed: Instant,
    /// Records that cannot be read and are left out, each with its reason.
    pub faults: Vec<String>,
}

/// Beyond this many dirty keys everything is read anew: that is cheaper, and one request stays small.
const DIRTY_MAX: usize = 256;

/// How often a snapshot is confirmed when nothing changes.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(1);

/// How long to wait before a read that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// How many rounds one pump goes at the most while changes keep arriving.
const ROUNDS_MAX: usize = 64;

#[derive(Debug)]
struct Dirty {
    keys: BTreeSet<Key>,
    doubt: bool,
    asked: bool,
}

type Callback = Box<dyn Fn() + Send + Sync>;

/// Where the store tells of changes.
struct Ear {
    scope: Scope,
    dirty: Mutex<Dirty>,
    rung: Condvar,
    wake: Mutex<Vec<Callback>>,
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ear({:?})", self.dirty)
    }
}

impl Ear {
    fn dirty(&self) -> MutexGuard<'_, Dirty> {
        self.dirty.lock().expect("no thread panics while it marks keys")
    }

    fn ring(&self) {
        self.rung.notify_all();
    }

    /// What is dirty, and whether everything is in doubt; from now on nothing is.
    fn take(&self) -> (BTreeSet<Key>, bool) {
        let Dirty { keys, doubt, .. } = std::mem::replace(
            &mut *self.dirty(),
            Dirty { keys: BTreeSet::new(), doubt: false, asked: false },
        );
        (keys, doubt)
    }
}

impl Sink for Ear {
    fn changed(&self, keys: &[Key]) {
        let within = |key: &&Key| self.scope == Scope::Everything || !documents().covers(key);
        self.dirty().keys.extend(keys.iter().filter(within).cloned());
        self.ring();
    }

    fn doubt(&self) {
        self.dirty().doubt = true;
        self.ring();
    }
}

#[derive(Default)]
struct State {
    watch: Option<Box<dyn Watch>>,
    builder: Builder,
    versions: HashMap<Key, Version>,
    revision: u64,
    published: Option<Snapshot>,
}

/// The mirror.
pub struct Mirror {
    store: Arc<dyn Store>,
    ear: Arc<Ear>,
    state: Mutex<State>,
    published: Condvar,
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mirror({:?})", self.ear.scope)
    }
}

impl Mirror {
    /// A mirror that has read nothing yet.
    pub fn new(store: Arc<dyn Store>, scope: Scope) -> Self {
        let dirty = Mutex::new(Dirty { keys: BTreeSet::new(), doubt: true, asked: false });
        let ear = Arc::new(Ear { scope, dirty, rung: Condvar::new(), wake: Mutex::default() });
        Self { store, ear, state: Mutex::default(), published: Condvar::new() }
    }

    /// Calls `callback` after each snapshot that differs from the one before. It must not block.
    pub fn on_change(&self, callback: impl Fn() + Send + Sync + 'static) {
        self.ear.wake.lock().expect("no callback is added by a panicking thread").push(Box::new(callback));
    }

    /// The latest snapshot; `None` before the first.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.state().published.clone()
    }

    /// Whether the latest snapshot shows what a transaction left behind.
    pub fn shows(&self, committed: &Committed) -> bool {
        let state = self.state();
        state.published.is_some() && self.shown(&state, committed)
    }

    /// Whether the latest snapshot shows what a transaction that had ended at this moment left behind, or what others have
    /// made of it since: what they delete at once may never be seen.
    pub fn shows_since(&self, committed: &Committed, ended: Instant) -> bool {
        let state = self.state();
        state
            .published
            .as_ref()
            .is_some_and(|snapshot| snapshot.confirmed > ended || self.shown(&state, committed))
    }

    /// Waits until the mirror shows what a transaction that has been committed left behind, or what others have made of it
    /// since: they may have been so quick that it is never seen by itself. False when it did not within `most`.
    pub fn wait_shows(&self, committed: &Committed, most: Duration) -> bool {
        let asked = Instant::now();
        let hidden = |state: &mut State| {
            let is_later = state.published.as_ref().map(|snapshot| snapshot.confirmed > asked);
            is_later.is_none_or(|is_later| !is_later && !self.shown(state, committed))
        };
        let waited = self.published.wait_timeout_while(self.state(), most, hidden);
        !waited.expect("no thread panics while it builds").1.timed_out()
    }

    /// Waits for a snapshot that was confirmed after this call was made. False when none was within `most`.
    pub fn wait_confirmed(&self, most: Duration) -> bool {
        let asked = Instant::now();
        self.ear.dirty().asked = true;
        self.ear.ring();
        let old =
            |state: &mut State| state.published.as_ref().is_none_or(|snapshot| snapshot.confirmed <= asked);
        let waited = self.published.wait_timeout_while(self.state(), most, old);
        !waited.expect("no thread panics while it builds").1.timed_out()
    }

    fn shown(&self, state: &State, committed: &Committed) -> bool {
        committed.versions.iter().all(|(key, version)| match (version, state.versions.get(key)) {
            _ if self.ear.scope == Scope::WithoutDocuments && documents().covers(key) => true,
            (Some(written), Some(mirrored)) => mirrored >= written,
            (Some(_), None) => false,
            (None, mirrored) => mirrored.is_none(),
        })
    }

    /// Brings the copy up to date and publishes it. Never waits for a change.
    ///
    /// # Errors
    /// What kept the store from answering; the next call reads everything anew.
    pub fn pump(&self) -> Result<(), Error> {
        let mut state = self.state();
        let outcome = self.rounds(&mut state);
        let changed = match &outcome {
            Ok(changed) => *changed,
            Err(_) => {
                self.ear.dirty().doubt = true;
                false
            }
        };
        drop(state);
        self.published.notify_all();
        if changed {
            for callback in &*self.ear.wake.lock().expect("no callback panics") {
                callback();
            }
        }
        outcome.map(|_| ())
    }

    /// Keeps the mirror fresh on a thread of its own, for as long as the process lives.
    pub fn spawn(self: &Arc<Self>) {
        let mirror = Arc::clone(self);
        let keep_fresh = move || {
            loop {
                match mirror.pump() {
                    Ok(()) => mirror.wait_for_change(CONFIRM_INTERVAL),
                    Err(error) => {
                        tracing::warn!(%error, "the records could not be read; trying again");
                        std::thread::sleep(RETRY_INTERVAL);
                    }
                }
            }
        };
        std::thread::Builder::new()
            .name("mirror".into())
            .spawn(keep_fresh)
            .expect("the machine has threads left");
    }

    fn wait_for_change(&self, most: Duration) {
        let clean = |dirty: &mut Dirty| dirty.keys.is_empty() && !dirty.doubt && !dirty.asked;
        let waited = self.ear.rung.wait_timeout_while(self.ear.dirty(), most, clean);
        drop(waited.expect("no thread panics while it marks keys"));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it builds")
    }

    /// Goes round until nothing is dirty, then publishes. Returns whether anything changed.
    fn rounds(&self, state: &mut State) -> Result<bool, Error> {
        if state.watch.is_none() {
            state.watch = Some(self.store.watch(&Key::new(ROOT), self.ear.clone())?);
        }
        let mut changed = false;
        let mut confirmed = None;
        for _ in 0..ROUNDS_MAX {
            let began = Instant::now();
            let (keys, doubt) = self.ear.take();
            if doubt || keys.len() > DIRTY_MAX {
                self.read_everything(state)?;
                changed = true;
                confirmed = None;
                continue;
            }
            if let (true, Some(confirmed)) = (keys.is_empty(), confirmed) {
                if !self.store.session().connected {
                    return Ok(false);
                }
                state.publish(changed, confirmed);
                return Ok(changed);
            }
            // This also waits until everything that was committed before has been told; so without anything dirty it
            // shows that nothing is.
            let keys: Vec<Key> = keys.into_iter().collect();
            let entries = self.store.read_together(&keys)?;
            confirmed = Some(began);
            changed |= !keys.is_empty();
            for (key, entry) in keys.into_iter().zip(entries) {
                state.put(key, entry);
            }
        }
        Ok(false)
    }

    fn read_everything(&self, state: &mut State) -> Result<(), Error> {
        let root = Key::new(ROOT);
        let mut entries = Vec::new();
        for name in self.store.children(&root)? {
            let below = root.child(&name);
            if self.ear.scope == Scope::Everything || below != documents() {
                entries.extend(self.store.subtree(&below)?);
            }
        }
        state.builder = Builder::default();
        state.versions = HashMap::with_capacity(entries.len());
        for (key, entry) in entries {
            state.put(key, Some(entry));
        }
        Ok(())
    }
}

impl State {
    fn put(&mut self, key: Key, entry: Option<Entry>) {
        let Some(id) = record_at(&key) else { return };
        let record = entry
            .as_ref()
            .map(|entry| decode(&id, &entry.value).map(|value| Versioned { version: entry.version, value }));
        self.builder.put(&id, record);
        match entry {
            Some(entry) => drop(self.versions.insert(key, entry.version)),
            None => drop(self.versions.remove(&key)),
        }
    }

    fn publish(&mut self, changed: bool, confirmed: Instant) {
        match &mut self.published {
            Some(snapshot) if !changed => snapshot.confirmed = confirmed,
            _ => {
                self.revision += 1;
                self.published = Some(Snapshot {
                    cluster: Arc::new(self.builder.cluster.clone()),
                    revision: self.revision,
                    confirmed,
                    faults: self.builder.faults.values().cloned().collect(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
