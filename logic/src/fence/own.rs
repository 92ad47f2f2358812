//! What a node does about itself at the storage: the addresses that it registers, and what it owes when it is blocked.
//!
//! | the node | what it does |
//! |---|---|
//! | is seen at addresses | registers them; within one boot none is taken back, because a client keeps the one it has learned |
//! | is seen at a floating address | does not register it: it is another node's tomorrow |
//! | is blocked, or is to be | starts no VM, and takes none |
//! | is blocked in this boot | ends its guests that have volumes: they never write again |
//! | is blocked, and nothing here can write any more | says so: that is its own word |
//!
//! Its own word is given late enough for a call to the hypervisor that was under way to be over, and not while this node's
//! worker has a task in its hands, or a guest is here of which it is not known whether it writes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Block, Sight, Stage, Word, standing};
use crate::cluster::{Cluster, VmEntry};
use crate::id::VmId;
use crate::limits::{CALL_LATE_MAX, STORAGE_ADDRESSES_MAX};
use crate::node::Node;
use crate::observed::{Guest, Guests, Observed};
use crate::task::TaskState;

/// The node as it is to be registered.
pub fn registration(registered: Option<&Node>, observed: &Observed) -> Node {
    let node = observed.node.clone();
    let known = registered.map(|node| node.storage_addresses.clone()).unwrap_or_default();
    let Some(sight) = &observed.fencing.sight else {
        // Nothing is known of this boot yet: what is blocked too much harms nobody, and what is blocked too little may.
        return Node { storage_addresses: known, ..node };
    };
    let same_boot = registered.is_some_and(|registered| registered.boot == node.boot);
    let mut addresses = if same_boot { known } else { BTreeSet::new() };
    for address in sight.own.iter().filter(|address| !is_floating(observed, **address)) {
        if addresses.len() < STORAGE_ADDRESSES_MAX {
            addresses.insert(*address);
        }
    }
    Node { storage_addresses: addresses, ..node }
}

/// Whether an address moves with the primary role.
fn is_floating(observed: &Observed, address: IpAddr) -> bool {
    observed.networks.wanted.own.iter().any(|network| network.floating == Some(address))
}

/// Why no VM is started here, if so: this node is blocked at the storage, or may be.
pub fn bar(cluster: &Cluster, observed: &Observed) -> Option<String> {
    let blocked = blocked(cluster, observed);
    if standing(cluster, &observed.name).is_none() && blocked.is_empty() {
        return None;
    }
    Some("this node is blocked at the storage, and starts no VM until it is unblocked; see \"pvc cluster status\"".into())
}

/// The addresses of its own that this node finds blocked, and that were not unblocked since it looked.
fn blocked(cluster: &Cluster, observed: &Observed) -> Vec<IpAddr> {
    let outdated = |sight: &&Sight| {
        cluster.fences.get(&observed.name).is_some_and(|block| block.value.outdates(sight.epoch))
    };
    let sight = observed.fencing.sight.iter().filter(|sight| !outdated(sight));
    sight.flat_map(|sight| sight.own.intersection(&sight.blocked).copied()).collect()
}

/// The block of this very boot, if it is there: whoever had a volume open here writes no more, and never will.
fn cut<'a>(cluster: &'a Cluster, observed: &Observed) -> Option<&'a Block> {
    let block = standing(cluster, &observed.name).filter(|block| block.boot == observed.node.boot)?;
    let is_there = match block.stage {
        Stage::Laid { .. } | Stage::Confirmed { .. } => true,
        Stage::Wanted => blocked(cluster, observed).iter().any(|address| block.addresses.contains(address)),
        Stage::Lifting { .. } | Stage::Lifted { .. } => false,
    };
    is_there.then_some(block)
}

/// Whether a VM's guest here is cut off from its volumes for good.
pub fn is_cut_off(cluster: &Cluster, observed: &Observed, entry: &VmEntry) -> bool {
    !entry.vm.value.volumes.is_empty() && cut(cluster, observed).is_some()
}

/// What this node says of itself at the storage.
pub fn word(cluster: &Cluster, observed: &Observed) -> Word {
    let epoch = observed.fencing.sight.as_ref().map_or(0, |sight| sight.epoch);
    let silent = observed.fencing.silent.clone();
    Word { blocked: blocked(cluster, observed), epoch, obeyed: obeyed(cluster, observed), silent }
}

/// The number of the block that this node has obeyed.
fn obeyed(cluster: &Cluster, observed: &Observed) -> Option<u64> {
    let block = cut(cluster, observed)?;
    // A start that was on its way when the block came has been seen by then.
    let settled = observed.fencing.since? + CALL_LATE_MAX;
    let Guests::Seen(guests) = &observed.guests else { return None };
    let writes = |(id, guest): (&VmId, &Guest)| {
        let volumes = cluster.vms.get(id).map(|entry| !entry.vm.value.volumes.is_empty());
        guest.incarnation.is_none() || volumes.unwrap_or(true)
    };
    let works = cluster.tasks.values().any(|entry| {
        let runs = entry.fact.as_ref().is_some_and(|fact| fact.value.state == TaskState::Running);
        runs && entry.task.value.run_on == observed.name
    });
    let is_done = observed.guests_at >= settled && !guests.iter().any(writes) && !works;
    is_done.then_some(block.number)
}
