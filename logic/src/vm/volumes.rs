//! A VM's volumes: which VMs have one, and whether a start may use them.
//!
//! A start looks at the VM's volumes first. What nobody else may have open (see [`Sharing`]):
//!
//! | the storage shows | what is done |
//! |---|---|
//! | the volume is not there | the start fails, and names it |
//! | somebody has it open, here or elsewhere | the start fails, and names who and where |
//! | it is open by a client of the VM's own former guest, which this node saw and knows to be gone | as if it were not |
//! | it is open by a client at an address that is blocked at the storage, as is proven | as if it were not |
//! | a lock of nobody who has it open, or of a client that counts as gone, held at this node's address | it is broken |
//! | the same, held at an address that is blocked, as is proven | it is broken |
//! | the same, held at an address that is blocked, which is not proven | the start fails, and is tried again |
//! | the same, held elsewhere | the start fails, and names the holder: the operator may know that they are gone |
//!
//! Proven means that every OSD keeps to the block ([`crate::fence`]): that the map has it is not enough, and what is done
//! rests on the record of the proof.
//!
//! Ceph tells of a dead client for half a minute, as if it had the volume open. So that a guest which crashed need not wait
//! for that, its clients are noted while it runs: when the hypervisor knows the guest no more, they are dead.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::Vm;
use super::domain::disks::Sharing;
use crate::cluster::Cluster;
use crate::fence::proof_of_address;
use crate::id::{VmId, VmName};
use crate::limits::VOLUMES_LOOK_AGE_MAX;
use crate::record::Guard;
use crate::storage::VolumePath;
use crate::time::BootTime;

pub mod secret;

/// Where somebody is who has a volume open, or holds a lock on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On this node.
    Here,
    /// At this address.
    Elsewhere(IpAddr),
    /// At this address, which is blocked at the storage: nothing that comes from there is written.
    Blocked(IpAddr),
}

/// Somebody who has a volume open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Who, in the storage's words.
    pub who: String,
    /// Where.
    pub place: Place,
}

/// A lock on a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldLock {
    /// The volume.
    pub volume: VolumePath,
    /// Who holds it, in the storage's words.
    pub holder: String,
    /// Its name among the locks on the volume.
    pub cookie: String,
    /// Where the holder is.
    pub place: Place,
}

/// What the storage shows of one volume; without clients and locks where it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenVolume {
    /// The volume.
    pub path: VolumePath,
    /// Whether it is there.
    pub presence: Presence,
    /// Who has it open. The dead are among them for half a minute.
    pub clients: Vec<Client>,
    /// The locks on it. They outlive their holders.
    pub locks: Vec<HeldLock>,
}

/// Whether a volume is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    There,
    /// It is not.
    Missing,
}

/// When a VM's volumes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// Before its guest is started.
    Start,
    /// While its guest runs, to note its clients.
    Run,
    /// No look, but the moment at which locks of the dead were broken.
    Break,
}

/// One look at a VM's volumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// For which incarnation.
    pub incarnation: u64,
    /// When.
    pub at: BootTime,
    /// What was seen; nothing where the storage did not tell.
    pub volumes: Vec<SeenVolume>,
}

/// The latest looks at VMs' volumes, by VM and occasion.
pub type Looks = BTreeMap<(VmId, Occasion), Look>;

/// What is to be done about a VM's volumes before its guest is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are to be looked at.
    Look,
    /// These locks are of the dead, and are to be broken.
    Break(Vec<HeldLock>),
    /// The start cannot be, and why.
    Bar(String),
    /// Nothing is in the way.
    Clear,
}

/// The VMs whose documents name this volume, whether they run or not.
pub fn users_of(cluster: &Cluster, volume: &VolumePath) -> Vec<VmName> {
    let users = cluster.vms.values().filter(|entry| entry.vm.value.uses(volume));
    users.map(|entry| entry.vm.value.name.clone()).collect()
}

/// What is to be done about a VM's volumes before this incarnation of its guest is started. No guest of the VM is here.
pub fn verdict(
    cluster: &Cluster,
    (id, vm): (VmId, &Vm),
    incarnation: u64,
    looks: &Looks,
    now: BootTime,
) -> Verdict {
    if vm.volumes.is_empty() {
        return Verdict::Clear;
    }
    let fresh = |look: &&Look| look.incarnation == incarnation && now - look.at < VOLUMES_LOOK_AGE_MAX;
    let latest = |occasion| looks.get(&(id, occasion));
    let Some(look) = latest(Occasion::Start).filter(fresh) else { return Verdict::Look };
    let gone = latest(Occasion::Run)
        .filter(|run| run.incarnation < incarnation)
        .map(clients_here)
        .unwrap_or_default();
    let mut broken = Vec::new();
    for used in &vm.volumes {
        let Some(seen) = look.volumes.iter().find(|seen| seen.path == used.path) else {
            return Verdict::Look;
        };
        if seen.presence == Presence::Missing {
            return Verdict::Bar(format!(
                "its volume {} does not exist: make it with \"pvc storage volume add\", or take it out of the VM with \
                 \"pvc vm volume remove\"",
                used.path
            ));
        }
        if used.sharing == Sharing::Alone {
            let proven = |at: IpAddr| proof_of_address(cluster, at, &seen.path.pool).is_some();
            match judged(seen, &gone, vm, &proven) {
                Ok(locks) => broken.extend(locks),
                Err(why) => return Verdict::Bar(why),
            }
        }
    }
    let tried = latest(Occasion::Break).is_some_and(|tried| tried.incarnation == incarnation);
    match broken.first() {
        None => Verdict::Clear,
        Some(lock) if tried => Verdict::Bar(format!(
            "the lock of {} on its volume {} was broken, and is there again; see \"pvc storage status\"",
            lock.holder, lock.volume
        )),
        Some(_) => Verdict::Break(broken),
    }
}

/// What proves that those write no more who are blocked in the latest look before a start.
pub fn proofs(cluster: &Cluster, id: VmId, looks: &Looks) -> Vec<Guard> {
    let seen = looks.get(&(id, Occasion::Start)).into_iter().flat_map(|look| &look.volumes);
    let mut guards: Vec<Guard> = Vec::new();
    for volume in seen {
        let clients = volume.clients.iter().map(|client| client.place);
        for place in clients.chain(volume.locks.iter().map(|lock| lock.place)) {
            let Place::Blocked(at) = place else { continue };
            let proof = proof_of_address(cluster, at, &volume.path.pool);
            guards.extend(proof.filter(|proof| !guards.contains(proof)));
        }
    }
    guards
}

/// The clients at this node in a look.
pub(super) fn clients_here(look: &Look) -> BTreeSet<&str> {
    let clients = look.volumes.iter().flat_map(|volume| &volume.clients);
    clients.filter(|client| client.place == Place::Here).map(|client| client.who.as_str()).collect()
}

/// The locks of the dead on a volume that nobody else may have open. The error is why it cannot be used.
fn judged(
    seen: &SeenVolume,
    gone: &BTreeSet<&str>,
    vm: &Vm,
    proven: &dyn Fn(IpAddr) -> bool,
) -> Result<Vec<HeldLock>, String> {
    let path = &seen.path;
    let is_fenced = |place: Place| matches!(place, Place::Blocked(at) if proven(at));
    let lives = |client: &&Client| !gone.contains(client.who.as_str()) && !is_fenced(client.place);
    let alive: Vec<&Client> = seen.clients.iter().filter(lives).collect();
    if let Some(client) = alive.first() {
        let who = &client.who;
        return Err(match client.place {
            Place::Here => format!(
                "its volume {path} is open on this node already, by {who}. The storage tells of one that died for half a \
                 minute; it is tried again"
            ),
            Place::Blocked(at) => format!(
                "its volume {path} is open at {at}, by {who}, who is blocked at the storage; that every OSD keeps to it is \
                 not proven. It is tried again"
            ),
            Place::Elsewhere(at) => format!(
                "its volume {path} is open at {at}, by {who}. The storage tells of one that died for half a minute; it is \
                 tried again"
            ),
        });
    }
    let is_foreign = |lock: &&HeldLock| lock.place != Place::Here && !is_fenced(lock.place);
    match seen.locks.iter().find(is_foreign) {
        Some(HeldLock { holder, place: Place::Elsewhere(at), .. }) => Err(format!(
            "its volume {path} is locked by {holder} at {at}, who has it open no more. If that machine is known to write no \
             more, release the lock with \"pvc vm flush-locks {}\"",
            vm.name
        )),
        Some(HeldLock { holder, place: Place::Blocked(at), .. }) => Err(format!(
            "its volume {path} is locked by {holder} at {at}, which is blocked at the storage; that every OSD keeps to it is \
             not proven. It is tried again; if that machine is known to write no more, release the lock with \"pvc vm \
             flush-locks {}\"",
            vm.name
        )),
        _ => Ok(seen.locks.clone()),
    }
}

#[cfg(test)]
mod tests;
