//! What a transaction becomes in ZooKeeper's terms, given what was seen of its nodes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use logic::record::{Expect, Version};

use super::link::DELETIONS;
use super::read::to_data;
use crate::Key;
use crate::transaction::{Op, Oversize, Transaction};

/// What was seen of a node that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The number of the transaction that last wrote it.
    pub(super) version: Version,
    /// What the servers check.
    pub(super) data_version: i32,
    /// Whether it holds a value, or is only a place on the way to others.
    pub(super) value: Holds,
    /// How many nodes are directly below it.
    pub(super) children: usize,
}

/// Whether a node holds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// It does.
    Value,
    /// It only leads to others.
    Nothing,
}

/// One operation of a multi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The node has this data version.
    Check(Key, i32),
    /// The node is made.
    Create(Key, Vec<u8>),
    /// The node is written, if it has this data version.
    Set(Key, Vec<u8>, i32),
    /// The node is removed, if it has this data version.
    Delete(Key, i32),
}

/// The steps of a transaction, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// At least one of them is a [`Step::Set`] if the transaction writes a value: ZooKeeper 3.8 does not tell the
    /// number of a transaction that only creates (ZOOKEEPER-4667).
    pub(super) steps: Vec<Step>,
}

/// What is around a request and each of its steps on the wire, an access list included.
const STEP_BYTES: usize = 96;

/// A request beyond 1 MiB is a dropped connection; this leaves room for what the servers add.
const REQUEST_BYTES_MAX: usize = 1_000_000;

/// The key one step up; `None` directly below the root of all.
fn parent(key: &Key) -> Option<Key> {
    let (parent, _) = key.as_str().rsplit_once('/')?;
    (!parent.is_empty()).then(|| Key::new(parent))
}

/// The keys above a key, the nearest first.
fn above(key: &Key) -> impl Iterator<Item = Key> {
    std::iter::successors(parent(key), parent)
}

/// Every node that a plan for this transaction looks at.
pub(super) fn nodes(transaction: &Transaction) -> BTreeSet<Key> {
    let guards = transaction.guards.iter().map(|guard| &guard.key);
    let keys: BTreeSet<Key> = guards.chain(transaction.ops.iter().map(|op| &op.key)).cloned().collect();
    let around: BTreeSet<Key> = keys.iter().flat_map(above).collect();
    keys.into_iter().chain(around).collect()
}

/// What was seen; a node that is not here does not exist.
pub(super) type Nodes = BTreeMap<Key, Seen>;

fn holds(seen: Option<&Seen>, expect: Expect) -> bool {
    let value = seen.filter(|seen| seen.value == Holds::Value);
    match expect {
        Expect::Absent => value.is_none(),
        Expect::Present => value.is_some(),
        Expect::Version(version) => value.is_some_and(|seen| seen.version == version),
    }
}

/// The plan, or the first key that is not as expected. `deletions` is the data version of their counter.
pub(super) fn plan(transaction: &Transaction, nodes: &Nodes, deletions: i32) -> Result<Plan, Key> {
    let guards = transaction.guards.iter().map(|guard| (&guard.key, guard.expect));
    let ops = transaction.ops.iter().map(|op| (&op.key, op.expect));
    if let Some((key, _)) = guards.clone().chain(ops).find(|(key, expect)| !holds(nodes.get(key), *expect)) {
        return Err(key.clone());
    }
    let mut draft = Draft { nodes, plan: Plan::default(), made: BTreeSet::new(), gone: BTreeSet::new() };
    let idle = transaction.ops.iter().filter(|op| op.value.is_none() && !is_there(nodes, &op.key));
    let checked: BTreeSet<&Key> = guards.map(|(key, _)| key).chain(idle.map(|op| &op.key)).collect();
    draft.check(&checked);
    draft.write(&transaction.ops);
    draft.delete(&transaction.ops);
    Ok(draft.finish(deletions))
}

fn is_there(nodes: &Nodes, key: &Key) -> bool {
    nodes.get(key).is_some_and(|seen| seen.value == Holds::Value)
}

struct Draft<'a> {
    nodes: &'a Nodes,
    plan: Plan,
    made: BTreeSet<Key>,
    gone: BTreeSet<Key>,
}

impl Draft<'_> {
    /// Guards. That a node is missing is proved by making and removing it, or the highest one above it that is
    /// missing too.
    fn check(&mut self, keys: &BTreeSet<&Key>) {
        let mut missing = BTreeSet::new();
        for key in keys {
            match self.nodes.get(key) {
                Some(seen) => self.plan.steps.push(Step::Check((*key).clone(), seen.data_version)),
                None => drop(missing.insert(self.missing_above(key).last().unwrap_or((*key).clone()))),
            }
        }
        for key in missing {
            self.plan.steps.push(Step::Create(key.clone(), Vec::new()));
            self.plan.steps.push(Step::Delete(key, 0));
        }
    }

    /// The keys above that do not exist yet, the nearest first.
    fn missing_above(&self, key: &Key) -> impl Iterator<Item = Key> {
        above(key).take_while(|key| !self.nodes.contains_key(key) && !self.made.contains(key))
    }

    /// Values, each after what it lies below.
    fn write(&mut self, ops: &[Op]) {
        let values = ops.iter().filter_map(|op| Some((&op.key, op.value.as_deref()?)));
        for (key, value) in values.collect::<BTreeMap<_, _>>() {
            let data = to_data(value).into_owned();
            if let Some(seen) = self.nodes.get(key) {
                self.plan.steps.push(Step::Set(key.clone(), data, seen.data_version));
                continue;
            }
            let mut places: Vec<Key> = self.missing_above(key).collect();
            places.reverse();
            self.made.extend(places.iter().chain([key]).cloned());
            self.plan.steps.extend(places.into_iter().map(|place| Step::Create(place, Vec::new())));
            self.plan.steps.push(Step::Create(key.clone(), data));
        }
    }

    /// Deletions, each after what lies below it. One with something left below it becomes a place; places above that
    /// lead nowhere any more go with it.
    fn delete(&mut self, ops: &[Op]) {
        let written: BTreeSet<&Key> = ops.iter().map(|op| &op.key).collect();
        let deleted = ops.iter().filter(|op| op.value.is_none() && is_there(self.nodes, &op.key));
        let deleted: BTreeSet<&Key> = deleted.map(|op| &op.key).collect();
        for key in deleted.into_iter().rev() {
            let seen = self.nodes[key];
            if self.below(key, &seen) > 0 {
                self.plan.steps.push(Step::Set(key.clone(), Vec::new(), seen.data_version));
                continue;
            }
            self.remove(key.clone(), &seen);
            for place in above(key) {
                let Some(seen) = self.nodes.get(&place).copied() else { break };
                let leads_on = seen.value == Holds::Value || self.below(&place, &seen) > 0;
                if leads_on || written.contains(&place) || parent(&place).is_none_or(|p| parent(&p).is_none())
                {
                    break;
                }
                self.remove(place, &seen);
            }
        }
    }

    fn remove(&mut self, key: Key, seen: &Seen) {
        self.plan.steps.push(Step::Delete(key.clone(), seen.data_version));
        self.gone.insert(key);
    }

    /// How many nodes will be directly below.
    fn below(&self, key: &Key, seen: &Seen) -> usize {
        let directly =
            |keys: &BTreeSet<Key>| keys.iter().filter(|other| parent(other).as_ref() == Some(key)).count();
        (seen.children + directly(&self.made)).saturating_sub(directly(&self.gone))
    }

    /// Whoever relies on a data version checks that nothing was deleted since it was read, and whoever deletes says so.
    fn finish(mut self, deletions: i32) -> Plan {
        let steps = &mut self.plan.steps;
        let relies = |step: &Step| !matches!(step, Step::Create(..));
        let relied = steps.iter().any(relies);
        if !steps.iter().any(|step| matches!(step, Step::Set(..))) {
            let value = |step: &Step| matches!(step, Step::Create(_, data) if !data.is_empty());
            if let Some(last) = steps.iter().rposition(value)
                && let Step::Create(key, data) = &mut steps[last]
            {
                let set = Step::Set(key.clone(), std::mem::take(data), 0);
                steps.insert(last + 1, set);
            }
        }
        if relied {
            let counter = Key::new(DELETIONS);
            let step = match self.gone.is_empty() {
                true => Step::Check(counter, deletions),
                false => Step::Set(counter, Vec::new(), deletions),
            };
            steps.push(step);
        }
        self.plan
    }
}

impl Plan {
    /// Refuses what the servers would drop the connection for.
    ///
    /// # Errors
    /// With the size of the whole request.
    pub(super) fn check_size(&self) -> Result<(), Oversize> {
        let size = |step: &Step| match step {
            Step::Check(key, _) | Step::Delete(key, _) => STEP_BYTES + key.as_str().len(),
            Step::Create(key, data) | Step::Set(key, data, _) => STEP_BYTES + key.as_str().len() + data.len(),
        };
        let bytes = self.steps.iter().map(size).sum();
        if bytes <= REQUEST_BYTES_MAX {
            return Ok(());
        }
        let what = "the transaction with what ZooKeeper needs around it".into();
        Err(Oversize { what, bytes, bytes_max: REQUEST_BYTES_MAX })
    }
}

#[cfg(test)]
mod tests;
