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

/// What is being read. Whoever holds it may wait for the store.
#[derive(Default)]
struct Work {
    watch: Option<Box<dyn Watch>>,
    builder: Builder,
    read: Read,
    revision: u64,
}

/// The versions that were read since the last snapshot.
#[derive(Default)]
struct Read {
    /// Everything was read: what is not here is not there.
    anew: bool,
    versions: Vec<(Key, Option<Version>)>,
}

/// What is shown, with the versions of it. Nobody waits for anything while holding it.
#[derive(Default)]
struct Shown {
    snapshot: Option<Snapshot>,
    versions: HashMap<Key, Version>,
}

/// The mirror.
pub struct Mirror {
    store: Arc<dyn Store>,
    ear: Arc<Ear>,
    work: Mutex<Work>,
    shown: Mutex<Shown>,
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
        Self { store, ear, work: Mutex::default(), shown: Mutex::default(), published: Condvar::new() }
    }

    /// Calls `callback` after each snapshot that differs from the one before. It must not block.
    pub fn on_change(&self, callback: impl Fn() + Send + Sync + 'static) {
        self.ear.wake.lock().expect("no callback is added by a panicking thread").push(Box::new(callback));
    }

    /// The latest snapshot; `None` before the first. It does not wait for the store.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.shown().snapshot.clone()
    }

    /// Whether the latest snapshot shows what a transaction left behind.
    pub fn shows(&self, committed: &Committed) -> bool {
        let shown = self.shown();
        shown.snapshot.is_some() && self.has(&shown, committed)
    }

    /// Whether the latest snapshot shows what a transaction that had ended at this moment left behind, or what others have
    /// made of it since: what they delete at once may never be seen.
    pub fn shows_since(&self, committed: &Committed, ended: Instant) -> bool {
        let shown = self.shown();
        let snapshot = shown.snapshot.as_ref();
        snapshot.is_some_and(|snapshot| snapshot.confirmed > ended || self.has(&shown, committed))
    }

    /// Waits until the mirror shows what a transaction that has been committed left behind, or what others have made of it
    /// since: they may have been so quick that it is never seen by itself. False when it did not within `most`.
    pub fn wait_shows(&self, committed: &Committed, most: Duration) -> bool {
        let asked = Instant::now();
        let hidden = |shown: &mut Shown| {
            let is_later = shown.snapshot.as_ref().map(|snapshot| snapshot.confirmed > asked);
            is_later.is_none_or(|is_later| !is_later && !self.has(shown, committed))
        };
        let waited = self.published.wait_timeout_while(self.shown(), most, hidden);
        !waited.expect("no thread panics while it builds").1.timed_out()
    }

    /// Waits for a snapshot that was confirmed after this call was made. False when none was within `most`.
    pub fn wait_confirmed(&self, most: Duration) -> bool {
        let asked = Instant::now();
        self.ear.dirty().asked = true;
        self.ear.ring();
        let old =
            |shown: &mut Shown| shown.snapshot.as_ref().is_none_or(|snapshot| snapshot.confirmed <= asked);
        let waited = self.published.wait_timeout_while(self.shown(), most, old);
        !waited.expect("no thread panics while it builds").1.timed_out()
    }

    fn has(&self, shown: &Shown, committed: &Committed) -> bool {
        committed.versions.iter().all(|(key, version)| match (version, shown.versions.get(key)) {
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
        let mut work = self.work.lock().expect("no thread panics while it reads");
        let outcome = self.rounds(&mut work);
        let changed = match &outcome {
            Ok(changed) => *changed,
            Err(_) => {
                self.ear.dirty().doubt = true;
                false
            }
        };
        drop(work);
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

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().expect("no thread panics while it shows")
    }

    /// Goes round until nothing is dirty, then publishes. Returns whether anything changed.
    fn rounds(&self, work: &mut Work) -> Result<bool, Error> {
        if work.watch.is_none() {
            work.watch = Some(self.store.watch(&Key::new(ROOT), self.ear.clone())?);
        }
        // What an earlier call has read and not shown is shown with this one.
        let mut changed = work.read.anew || !work.read.versions.is_empty();
        let mut confirmed = None;
        for _ in 0..ROUNDS_MAX {
            let began = Instant::now();
            let (keys, doubt) = self.ear.take();
            if doubt || keys.len() > DIRTY_MAX {
                self.read_everything(work)?;
                changed = true;
                confirmed = None;
                continue;
            }
            if let (true, Some(confirmed)) = (keys.is_empty(), confirmed) {
                if !self.store.session().connected {
                    return Ok(false);
                }
                self.publish(work, changed, confirmed);
                return Ok(changed);
            }
            // This also waits until everything that was committed before has been told; so without anything dirty it
            // shows that nothing is.
            let keys: Vec<Key> = keys.into_iter().collect();
            let entries = self.store.read_together(&keys)?;
            confirmed = Some(began);
            changed |= !keys.is_empty();
            for (key, entry) in keys.into_iter().zip(entries) {
                work.put(key, entry);
            }
        }
        Ok(false)
    }

    fn read_everything(&self, work: &mut Work) -> Result<(), Error> {
        let root = Key::new(ROOT);
        let mut entries = Vec::new();
        for name in self.store.children(&root)? {
            let below = root.child(&name);
            if self.ear.scope == Scope::Everything || below != documents() {
                entries.extend(self.store.subtree(&below)?);
            }
        }
        work.builder = Builder::default();
        work.read = Read { anew: true, versions: Vec::with_capacity(entries.len()) };
        for (key, entry) in entries {
            work.put(key, Some(entry));
        }
        Ok(())
    }

    fn publish(&self, work: &mut Work, changed: bool, confirmed: Instant) {
        let fresh = (changed || self.shown().snapshot.is_none()).then(|| work.snapshot(confirmed));
        let read = std::mem::take(&mut work.read);
        let mut shown = self.shown();
        if read.anew {
            shown.versions.clear();
        }
        for (key, version) in read.versions {
            match version {
                Some(version) => drop(shown.versions.insert(key, version)),
                None => drop(shown.versions.remove(&key)),
            }
        }
        match (fresh, &mut shown.snapshot) {
            (None, Some(snapshot)) => snapshot.confirmed = confirmed,
            (fresh, snapshot) => *snapshot = fresh,
        }
    }
}

impl Work {
    fn put(&mut self, key: Key, entry: Option<Entry>) {
        let Some(id) = record_at(&key) else { return };
        let record = entry
            .as_ref()
            .map(|entry| decode(&id, &entry.value).map(|value| Versioned { version: entry.version, value }));
        self.builder.put(&id, record);
        self.read.versions.push((key, entry.map(|entry| entry.version)));
    }

    fn snapshot(&mut self, confirmed: Instant) -> Snapshot {
        self.revision += 1;
        Snapshot {
            cluster: Arc::new(self.builder.cluster.clone()),
            revision: self.revision,
            confirmed,
            faults: self.builder.faults.values().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests;
