//! How often each order, step, reason, end of a step and state was met: what shows that a swarm did not idle.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by group and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    groups: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

impl Counts {
    /// One more.
    pub fn add(&mut self, group: &'static str, name: &str) {
        let names = self.groups.entry(group).or_default();
        match names.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(names.insert(name.to_owned(), 1)),
        }
    }

    /// How often.
    pub fn of(&self, group: &str, name: &str) -> u64 {
        self.groups.get(group).and_then(|names| names.get(name)).copied().unwrap_or_default()
    }

    /// All of a group.
    pub fn sum(&self, group: &str) -> u64 {
        self.groups.get(group).map_or(0, |names| names.values().sum())
    }

    /// Adds another's.
    pub fn merge(&mut self, other: &Counts) {
        for (group, names) in &other.groups {
            for (name, count) in names {
                *self.groups.entry(group).or_default().entry(name.clone()).or_default() += count;
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (group, names) in &self.groups {
            writeln!(f, "{group}")?;
            for (name, count) in names {
                writeln!(f, "  {name:<28} {count:>10}")?;
            }
        }
        Ok(())
    }
}
