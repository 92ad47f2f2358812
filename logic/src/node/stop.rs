//! What a node that is asked to stop waits for before it says its last word, and for how long.
//!
//! | what is under way | it is waited for until |
//! |---|---|
//! | the node has the primary role, or something of it | it is another's, or nobody takes it for a while: see `primary` |
//! | the node is being flushed | no VM is left that could leave it; the flush goes on |
//! | the node is being filled again | those on their way home have arrived; the others set out when it runs again |
//! | a VM is on its way from here, or to here | it has arrived, or stays |
//! | a step | it has ended; no new one is begun once the rest is done |
//!
//! Meanwhile the node says `shutdown`, so that nothing new is placed on it, and its keepalive goes on. All waiting ends
//! after `STOP_PATIENCE`, and at once when the daemon is asked to stop a second time.

use std::fmt;

use serde::Serialize;

use super::drain::{Duty, Fate, foresee, is_drained};
use super::place::places;
use crate::cluster::Cluster;
use crate::limits::STOP_PATIENCE;
use crate::observed::{Life, Observed};
use crate::primary::decide::is_let_go;
use crate::time::{BootTime, Now};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awaited {
    /// The primary role: it goes to another node.
    Handover,
    /// The flush of the node.
    Flush,
    /// VMs on their way.
    Moves,
    /// Steps that were begun.
    Steps,
}

/// What a node that stops waits for; `None` when it may say its last word, or does not stop at all.
pub fn awaited(cluster: &Cluster, observed: &Observed, now: Now) -> Option<Awaited> {
    if observed.life != Life::Stopping {
        return None;
    }
    let waits = is_patient(observed, now);
    let vms = || cluster.vms.values().map(|entry| (entry, &entry.vm.value));
    let on_its_way = || {
        vms().any(|(entry, _)| places(entry).count() > 1 && places(entry).any(|node| *node == observed.name))
    };
    if waits && !is_let_go(cluster, observed, now) {
        Some(Awaited::Handover)
    } else if waits && is_flushing(cluster, observed) {
        Some(Awaited::Flush)
    } else if waits && on_its_way() {
        Some(Awaited::Moves)
    } else {
        (observed.under_way > 0).then_some(Awaited::Steps)
    }
}

/// Whether a node that stops begins nothing new: all that it waits for are the ends of steps, if anything.
pub fn is_closing(cluster: &Cluster, observed: &Observed, now: Now) -> bool {
    observed.life == Life::Stopping && matches!(awaited(cluster, observed, now), None | Some(Awaited::Steps))
}

/// Whether a node that stops still waits for what may take long.
pub fn is_patient(observed: &Observed, now: Now) -> bool {
    !observed.asked_again && patience_ends(observed).is_none_or(|end| now.boot < end)
}

/// When the waiting is over.
pub fn patience_ends(observed: &Observed) -> Option<BootTime> {
    observed.stopping_since.map(|since| since + STOP_PATIENCE)
}

/// Whether a VM is left that a flush would still move or park.
fn is_flushing(cluster: &Cluster, observed: &Observed) -> bool {
    let node = &observed.name;
    let drained = cluster.nodes.get(node).is_some_and(|entry| is_drained(entry));
    let leaves = |fate: &Fate| !matches!(fate, Fate::Stays { .. });
    let runs = || {
        let own = cluster.vms.values().filter(|entry| entry.vm.value.node == *node && entry.vm.value.parked);
        own.filter_map(|entry| entry.fact.as_ref()).any(|fact| fact.value.runs())
    };
    drained && (runs() || foresee(cluster, node, Duty::Flushed).iter().any(|one| leaves(&one.fate)))
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handover => "another node to take the primary role",
            Self::Flush => "the flush of the node",
            Self::Moves => "VMs that are on their way",
            Self::Steps => "steps that have begun",
        })
    }
}

#[cfg(test)]
mod tests;
