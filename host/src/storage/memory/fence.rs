//! The fence of the storage in memory: a map that spreads to the OSDs that hear of it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Client, Cluster, Opened, State, Written};
use crate::storage::error::Refusal;
use crate::storage::fence::checked;
use crate::storage::{Awaited, Blockade, Blocked, Cause, Confirmation, Error, Fence};

impl Cluster {
    /// The OSD neither answers nor takes writes until it is let go.
    pub fn hold_osd(&self, osd: usize) {
        self.lock().daemons[osd].is_held = true;
    }

    /// No new map comes to the OSD until it is let go; it goes on with the old one.
    pub fn cut_off_osd(&self, osd: usize) {
        self.lock().daemons[osd].is_cut_off = true;
    }

    /// The OSD is well again.
    pub fn let_osd_go(&self, osd: usize) {
        let mut state = self.lock();
        state.daemons[osd].is_held = false;
        state.daemons[osd].is_cut_off = false;
        state.daemons[osd].is_up = true;
        state.spread();
    }

    /// Somebody blocks an address past everybody who asks for leave.
    pub fn block_by_hand(&self, address: IpAddr) {
        let mut state = self.lock();
        state.blocked.insert(address);
        state.epoch += 1;
        state.spread();
    }

    /// Somebody unblocks an address past everybody.
    pub fn unblock_by_hand(&self, address: IpAddr) {
        self.lock().unblock(&[address]);
    }

    /// The addresses that are truly blocked everywhere: no OSD that is up takes writes from there.
    pub fn blocked_everywhere(&self) -> BTreeSet<IpAddr> {
        let state = self.lock();
        let mut up = state.daemons.iter().filter(|daemon| daemon.is_up);
        let first = up.next().map_or_else(|| state.blocked.clone(), |daemon| daemon.blocked.clone());
        up.fold(first, |all, daemon| all.intersection(&daemon.blocked).copied().collect())
    }

    /// The addresses that the newest map has blocked.
    pub fn blocked(&self) -> BTreeSet<IpAddr> {
        self.lock().blocked.clone()
    }

    /// Who has volumes open and lives, by address.
    pub fn addresses_of_the_living(&self) -> BTreeSet<IpAddr> {
        self.lock().openings.values().filter(|one| one.is_alive).map(|one| one.address).collect()
    }

    /// The storage calls the OSD down, as it does with one that it hears nothing of.
    pub fn call_down_osd(&self, osd: usize) {
        let mut state = self.lock();
        state.daemons[osd].is_up = false;
        state.epoch += 1;
        state.spread();
    }
}

impl State {
    /// Every OSD that can hears of the newest map.
    fn spread(&mut self) {
        for daemon in self.daemons.iter_mut().filter(|daemon| !daemon.is_held && !daemon.is_cut_off) {
            daemon.epoch = self.epoch;
            daemon.blocked.clone_from(&self.blocked);
        }
    }

    /// The OSDs that keep the copies of what is in this pool: the first that are up.
    fn acting(&self, copies: usize) -> impl Iterator<Item = &super::Daemon> {
        self.daemons.iter().filter(|daemon| daemon.is_up).take(copies)
    }

    pub(super) fn write(&mut self, opened: Opened, offset: usize, bytes: &[u8]) -> Written {
        let Some(opening) = self.openings.get(&opened).cloned() else { return Written::Blocked };
        let Some((pool, _)) = self.pools.get(&opening.volume.pool) else { return Written::Waits };
        let needed = usize::from(pool.replication.copies_min);
        let acting: Vec<_> = self.acting(usize::from(pool.replication.copies)).collect();
        if acting.iter().any(|daemon| !daemon.is_held && daemon.blocked.contains(&opening.address)) {
            return Written::Blocked;
        }
        if self.is_full || acting.len() < needed || acting.iter().any(|daemon| daemon.is_held) {
            return Written::Waits;
        }
        match self.image_mut(&opening.volume) {
            Ok(image) => {
                image.now.write(offset, bytes);
                Written::Landed
            }
            Err(_) => Written::Waits,
        }
    }

    /// As in Ceph, an OSD that was called down comes up again by itself, with the newest map: one that stands still, or hears of
    /// no map, does not before it is let go.
    fn unblock(&mut self, addresses: &[IpAddr]) -> u64 {
        self.blocked.retain(|address| !addresses.contains(address));
        self.epoch += 1;
        let theirs = self.daemons.iter_mut().filter(|daemon| addresses.contains(&daemon.address));
        for daemon in theirs.filter(|daemon| !daemon.is_held && !daemon.is_cut_off) {
            daemon.is_up = true;
        }
        self.spread();
        self.epoch
    }

    fn confirmation(&self, blockade: &Blockade) -> Result<Confirmation, Refusal> {
        checked(&blockade.addresses)?;
        if let Some(free) = blockade.addresses.iter().find(|address| !self.blocked.contains(address)) {
            return Err(Refusal::new(Cause::Absent, format!("{free} is not blocked"), "block it again"));
        }
        let is_behind = |daemon: &super::Daemon| daemon.is_held || daemon.epoch < blockade.epoch;
        let awaited: Vec<_> = (0..)
            .zip(&self.daemons)
            .filter(|(_, daemon)| daemon.is_up && is_behind(daemon))
            .map(|(osd, daemon)| Awaited { osd, epoch: (!daemon.is_held).then_some(daemon.epoch) })
            .collect();
        if !awaited.is_empty() {
            return Ok(Confirmation::Awaited(awaited));
        }
        let single = self.pools.values().filter(|(pool, _)| pool.replication.copies < 2);
        let unproven = single.map(|(pool, _)| pool.name.clone()).collect();
        Ok(Confirmation::Everywhere { epoch: self.epoch, unproven })
    }
}

impl Fence for Client {
    fn ensure_ready(&self) -> Result<Vec<String>, Error> {
        self.ask("be ready for a fence", |_| Ok(Vec::new()))
    }

    fn block(&self, addresses: &[IpAddr]) -> Result<Blockade, Error> {
        self.tell("block addresses", |state| {
            checked(addresses)?;
            let before = state.blocked.len();
            state.blocked.extend(addresses);
            let mut is_new = state.blocked.len() > before;
            for daemon in &mut state.daemons {
                if daemon.is_up && addresses.contains(&daemon.address) {
                    daemon.is_up = false;
                    is_new = true;
                }
            }
            if is_new {
                state.epoch += 1;
                state.spread();
            }
            Ok(Blockade { addresses: addresses.to_vec(), epoch: state.epoch })
        })
    }

    fn confirmation(&self, blockade: &Blockade) -> Result<Confirmation, Error> {
        self.ask("tell how far a blockade has come", |state| state.confirmation(blockade))
    }

    fn unblock(&self, addresses: &[IpAddr]) -> Result<u64, Error> {
        self.tell("unblock addresses", |state| Ok(state.unblock(addresses)))
    }

    fn blocked(&self) -> Result<Blocked, Error> {
        self.ask("list the blocked addresses", |state| {
            Ok(Blocked { epoch: state.epoch, addresses: state.blocked.iter().copied().collect() })
        })
    }

    fn own_addresses(&self) -> Result<Vec<IpAddr>, Error> {
        self.ask("tell this machine's addresses", |_| Ok(vec![self.address()]))
    }

    fn clients(&self) -> Result<Vec<IpAddr>, Error> {
        self.ask("tell where clients are", |state| {
            let alive = state.openings.values().filter(|opening| opening.is_alive);
            let writers = alive.map(|opening| opening.address);
            let seen: BTreeSet<_> = writers.chain(state.connected.iter().copied()).collect();
            Ok(seen.into_iter().collect())
        })
    }
}
