//! What the server in memory knows: the values, who watches them, the sessions, the locks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use logic::record::{Expect, Version};
use logic::time::BootTime;

use super::LEASE;
use super::faults::{CommitFault, Election, LeaderLoss, Reach, Sessions};
use crate::lock::LockKind;
use crate::transaction::{Committed, Transaction};
use crate::{CommitError, Entry, Key, Op, Sink};

/// Sinks, each with the keys that it is told of.
pub(super) type Told = Vec<(Arc<dyn Sink>, Vec<Key>)>;

/// Tells them. Without any lock: a sink may ask at once.
pub(super) fn tell(told: Told) {
    for (sink, keys) in told {
        sink.changed(&keys);
    }
}

pub(super) struct Value {
    pub(super) entry: Entry,
    owner: Option<u64>,
}

/// Who watches what.
pub(super) struct Watcher {
    pub(super) client: Arc<str>,
    pub(super) root: Key,
    pub(super) sink: Weak<dyn Sink>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) values: BTreeMap<Key, Value>,
    versions: u64,
    /// Grows with every change of a value, its end included.
    pub(super) changes: u64,
    pub(super) sessions: BTreeMap<u64, BootTime>,
    pub(super) session_ids: u64,
    pub(super) watchers: Vec<Watcher>,
    pub(super) locks: BTreeMap<Key, BTreeMap<u64, LockKind>>,
    pub(super) terms: BTreeMap<Key, u64>,
    pub(super) reach: Reach,
    /// The clients that are cut off.
    pub(super) cut: BTreeSet<Arc<str>>,
    pub(super) election: Option<Election>,
    pub(super) leader_loss: Option<LeaderLoss>,
    pub(super) commit_fault: Option<CommitFault>,
}

impl State {
    /// Why a client's call is not answered, if it is not. An election that is over ends here.
    pub(super) fn silence(&mut self, client: &str, now: BootTime) -> Option<&'static str> {
        if let Some(election) = self.election {
            if now < election.until {
                return Some("it elects a leader");
            }
            self.election = None;
            if election.sessions == Sessions::Kept {
                self.sessions.values_mut().for_each(|session| *session = now + LEASE);
            }
        }
        match self.reach {
            Reach::Gone => Some("it was made so"),
            Reach::There => self.cut.contains(client).then_some("this client is cut off"),
        }
    }

    /// Ends the sessions whose lease is over. While a leader is elected, nobody counts.
    pub(super) fn expire(&mut self, now: BootTime) -> Told {
        if self.election.is_some() {
            return Told::new();
        }
        let over: Vec<u64> =
            self.sessions.iter().filter(|(_, until)| **until <= now).map(|(session, _)| *session).collect();
        over.into_iter().flat_map(|session| self.end_session(session)).collect()
    }

    pub(super) fn end_session(&mut self, session: u64) -> Told {
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
            self.remove(key);
        }
        self.told(&gone)
    }

    /// The sinks that hear of something: all of them, or those of one client.
    pub(super) fn sinks(&self, client: Option<&str>) -> Vec<Arc<dyn Sink>> {
        let theirs = |watcher: &&Watcher| client.is_none_or(|client| *watcher.client == *client);
        self.watchers.iter().filter(theirs).filter_map(|watcher| watcher.sink.upgrade()).collect()
    }

    pub(super) fn told(&self, keys: &[Key]) -> Told {
        let watched = |root: &Key| keys.iter().filter(|key| root.covers(key)).cloned().collect::<Vec<_>>();
        let reached = self.watchers.iter().filter(|watcher| !self.cut.contains(&watcher.client));
        let watches = reached.filter_map(|watcher| Some((watcher.sink.upgrade()?, watched(&watcher.root))));
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

    pub(super) fn check(&self, transaction: &Transaction) -> Result<(), CommitError> {
        let guards = transaction.guards.iter().map(|guard| (&guard.key, guard.expect));
        let ops = transaction.ops.iter().map(|op| (&op.key, op.expect));
        match guards.chain(ops).find(|(key, expect)| !self.holds(key, *expect)) {
            Some((key, _)) => Err(CommitError::Conflict { key: key.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn apply(&mut self, ops: &[Op]) -> Committed {
        let mut committed = Committed::default();
        for op in ops {
            let version = match &op.value {
                Some(value) => Some(self.set(&op.key, value, None)),
                None => {
                    self.remove(&op.key);
                    None
                }
            };
            committed.versions.push((op.key.clone(), version));
        }
        committed
    }

    pub(super) fn set(&mut self, key: &Key, value: &[u8], owner: Option<u64>) -> Version {
        self.versions += 1;
        self.changes += 1;
        let version = Version(self.versions);
        self.values.insert(key.clone(), Value { entry: Entry { version, value: value.into() }, owner });
        version
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.changes += u64::from(self.values.remove(key).is_some());
    }
}
