//! A storage in memory that several machines reach, with faults to order.
//!
//! [`Cluster`] is the world: its volumes, and its OSDs with the map that each has heard of. A [`Client`] is one
//! machine's way to it. Whoever has a volume open writes through [`Cluster::write`], as a guest would: the write lands
//! when every OSD that keeps a copy answers and none of them knows that the writer is blocked. So a blockade that has
//! not reached an OSD lets writes through, as it does in Ceph, and checks can look at what truly landed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use logic::id::{PoolName, SnapshotName, VolumeName};
use logic::storage::{SnapshotPath, VolumePath};

use super::{Lock, Pool};
use crate::osd::memory::Members as Osds;

mod client;
mod fence;
mod state;
mod transfer;
mod trials;

pub use client::Client;

/// How the storage answers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Manner {
    Prompt,
    Hanging,
    Unreachable(String),
}

/// One version of a volume's content. Zeroes at its end are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    size_bytes: u64,
    bytes: Vec<u8>,
}

impl Content {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
    }

    fn read(&self, offset: usize, count: usize) -> Vec<u8> {
        let mut read = vec![0; count];
        let kept = self.bytes.get(offset..).unwrap_or_default();
        let both = kept.len().min(count);
        read[..both].copy_from_slice(&kept[..both]);
        read
    }
}

#[derive(Clone, Debug, Default)]
struct Image {
    id: u64,
    now: Content,
    snapshots: Vec<(SnapshotName, Content)>,
    clone_of: Option<SnapshotPath>,
    locks: Vec<Lock>,
}

#[derive(Debug, Default)]
struct Members {
    images: BTreeMap<VolumeName, Image>,
    /// What transfers that were cut off left: nobody sees it, but it is there.
    remains: usize,
}

/// One OSD: the last map that it has heard of, and how it is.
#[derive(Clone, Debug)]
struct Daemon {
    address: IpAddr,
    is_up: bool,
    /// It neither answers nor takes writes.
    is_held: bool,
    /// It answers, but no new map comes to it.
    is_cut_off: bool,
    epoch: u64,
    blocked: BTreeSet<IpAddr>,
}

/// Somebody who has a volume open.
#[derive(Clone, Debug)]
struct Opening {
    volume: VolumePath,
    address: IpAddr,
    is_alive: bool,
}

/// Names an opening of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opened(u64);

/// A volume that is truly there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number, which it keeps under every name.
    pub id: u64,
    /// What it holds.
    pub size_bytes: u64,
    /// Its snapshots with their sizes.
    pub snapshots: BTreeMap<SnapshotName, u64>,
    /// The snapshot that it is a clone of.
    pub clone_of: Option<SnapshotPath>,
}

/// All that is truly there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The pools.
    pub pools: BTreeSet<PoolName>,
    /// Their volumes.
    pub volumes: BTreeMap<VolumePath, Kept>,
}

/// What became of a guest's write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It landed on every copy.
    Landed,
    /// The storage refused it, because the writer is blocked. It never will be taken.
    Blocked,
    /// It waits, as long as the storage does.
    Waits,
}

#[derive(Debug)]
struct State {
    pools: BTreeMap<PoolName, (Pool, Members)>,
    openings: BTreeMap<Opened, Opening>,
    daemons: Vec<Daemon>,
    epoch: u64,
    blocked: BTreeSet<IpAddr>,
    /// The machines that have opened a way to it.
    connected: BTreeSet<IpAddr>,
    manner: Manner,
    is_full: bool,
    refusals: (u32, String),
    lost_answers: u32,
    transfers_break_after_bytes: Option<u64>,
    numbers: u64,
    calls: u64,
}

/// A storage in memory.
#[derive(Debug)]
pub struct Cluster {
    state: Mutex<State>,
    members: Arc<Osds>,
}

impl Cluster {
    /// A storage with one OSD at each of these addresses, without pools.
    pub fn new(osd_addresses: &[IpAddr]) -> Arc<Self> {
        let daemon = |address: &IpAddr| Daemon {
            address: *address,
            is_up: true,
            is_held: false,
            is_cut_off: false,
            epoch: 1,
            blocked: BTreeSet::new(),
        };
        let state = State {
            pools: BTreeMap::new(),
            openings: BTreeMap::new(),
            daemons: osd_addresses.iter().map(daemon).collect(),
            epoch: 1,
            blocked: BTreeSet::new(),
            connected: BTreeSet::new(),
            manner: Manner::Prompt,
            is_full: false,
            refusals: (0, String::new()),
            lost_answers: 0,
            transfers_break_after_bytes: None,
            numbers: 0,
            calls: 0,
        };
        Arc::new(Self { state: Mutex::new(state), members: Osds::new() })
    }

    /// The way to it of the machine at this address.
    pub fn open(self: &Arc<Self>, address: IpAddr) -> Client {
        self.lock().connected.insert(address);
        Client::new(Arc::clone(self), address)
    }

    /// The OSDs that machines add to it and remove from it; those that it began with are not among them.
    pub fn members(&self) -> &Arc<Osds> {
        &self.members
    }

    /// It answers nothing any more. Nothing is performed late.
    pub fn hang(&self) {
        self.members.silence();
        self.lock().manner = Manner::Hanging;
    }

    /// There is no way to it.
    pub fn cut(&self, why: &str) {
        self.members.silence();
        self.lock().manner = Manner::Unreachable(why.into());
    }

    /// It answers again.
    pub fn heal(&self) {
        self.members.heal();
        self.lock().manner = Manner::Prompt;
    }

    /// The next calls that change something are refused.
    pub fn refuse(&self, count: u32, why: &str) {
        self.members.refuse(count);
        self.lock().refusals = (count, why.into());
    }

    /// The next calls that change something take effect, and nobody is told.
    pub fn lose_answers(&self, count: u32) {
        self.members.lose_answers(count);
        self.lock().lost_answers = count;
    }

    /// There is no room any more.
    pub fn fill(&self) {
        self.lock().is_full = true;
    }

    /// There is room again.
    pub fn make_room(&self) {
        self.lock().is_full = false;
    }

    /// Every transfer is cut off after so many bytes, as if its daemon had died; `None` for none.
    pub fn break_transfers_after(&self, bytes: Option<u64>) {
        self.lock().transfers_break_after_bytes = bytes;
    }

    /// How many calls were made of it.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Somebody at this address opens a volume to write to it. Nothing keeps two from doing so.
    pub fn open_volume(&self, volume: &VolumePath, address: IpAddr) -> Option<Opened> {
        let mut state = self.lock();
        let opened = Opened(state.number());
        let lock = Lock {
            holder: format!("client.{}", opened.0),
            cookie: format!("auto {}", opened.0),
            address: Some(address),
        };
        state.image_mut(volume).ok()?.locks = vec![lock];
        let opening = Opening { volume: volume.clone(), address, is_alive: true };
        state.openings.insert(opened, opening);
        Some(opened)
    }

    /// Whoever opened it closes it.
    pub fn close(&self, opened: Opened) {
        let mut state = self.lock();
        if let Some(opening) = state.openings.remove(&opened) {
            let holder = format!("client.{}", opened.0);
            if let Ok(image) = state.image_mut(&opening.volume) {
                image.locks.retain(|lock| lock.holder != holder);
            }
        }
    }

    /// Whoever opened it dies. They are told of until [`Cluster::forget_the_dead`], and the lock stays behind them.
    pub fn kill(&self, opened: Opened) {
        if let Some(opening) = self.lock().openings.get_mut(&opened) {
            opening.is_alive = false;
        }
    }

    /// One who died is told of no more.
    pub fn forget(&self, opened: Opened) {
        self.lock().openings.remove(&opened);
    }

    /// Those who died are told of no more.
    pub fn forget_the_dead(&self) {
        self.lock().openings.retain(|_, opening| opening.is_alive);
    }

    /// Whoever opened a volume writes to it.
    pub fn write(&self, opened: Opened, offset: usize, bytes: &[u8]) -> Written {
        self.lock().write(opened, offset, bytes)
    }

    /// What a volume truly contains.
    pub fn read(&self, volume: &VolumePath, offset: usize, count: usize) -> Option<Vec<u8>> {
        self.lock().image(volume).ok().map(|image| image.now.read(offset, count))
    }

    /// What it truly has, whether it answers or not.
    pub fn contents(&self) -> Contents {
        let state = self.lock();
        let mut contents = Contents { pools: state.pools.keys().cloned().collect(), ..Contents::default() };
        for (pool, (_, members)) in &state.pools {
            for (name, image) in &members.images {
                let path = VolumePath { pool: pool.clone(), volume: name.clone() };
                let snapshots = image.snapshots.iter().map(|(name, then)| (name.clone(), then.size_bytes));
                let kept = Kept {
                    id: image.id,
                    size_bytes: image.now.size_bytes,
                    snapshots: snapshots.collect(),
                    clone_of: image.clone_of.clone(),
                };
                contents.volumes.insert(path, kept);
            }
        }
        contents
    }

    /// Somebody makes a volume past everybody who asks for leave. False when there is one, or no such pool.
    pub fn make_by_hand(&self, volume: &VolumePath, size_bytes: u64) -> bool {
        let mut state = self.lock();
        let is_free = state.is_there(volume).is_ok_and(|is_there| !is_there);
        is_free && state.insert(volume, Content { size_bytes, bytes: Vec::new() }, None).is_ok()
    }

    /// Somebody removes a volume with its snapshots, past everybody.
    pub fn remove_by_hand(&self, volume: &VolumePath) {
        if let Some((_, members)) = self.lock().pools.get_mut(&volume.pool) {
            members.images.remove(&volume.volume);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the storage")
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}
