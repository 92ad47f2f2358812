//! The fence in Ceph: addresses on the blocklist, and the word of every OSD that it keeps to it.
//!
//! An address is blocked with port and nonce zero, which means every client that is or will be there; a list of the
//! clients that are there now would let the next one in. The entry lives ten years: one that expires is a second
//! writer. What the monitors took does not yet bind an OSD that has not heard of it, so each is asked for its map; one
//! that lags is told to fetch it, because maps spread by the OSDs' own talk, which takes seconds where there is none.

use std::net::IpAddr;
use std::time::Instant;

use serde_json::json;

use super::answers::{OsdStatus, parsed, whole};
use super::rados::Failure;
use super::{Ceph, Outcome, Session, Subject};
use crate::calls::Claim;
use crate::storage::error::Refusal;
use crate::storage::{Awaited, Blockade, Cause, Confirmation, Error, Fence};

/// How long an address stays blocked, in seconds: ten years.
const EXPIRY_SECONDS: f64 = 315_360_000.0;

impl Session {
    fn block(&self, addresses: &[IpAddr]) -> Outcome<Blockade> {
        for address in addresses {
            self.tell(&json!({
                "prefix": "osd blocklist", "blocklistop": "add",
                "addr": whole(*address), "expire": EXPIRY_SECONDS,
            }))?;
        }
        let map = self.map()?;
        let theirs: Vec<String> = map
            .osds
            .iter()
            .filter(|osd| osd.up == 1 && osd.addresses().any(|address| addresses.contains(&address)))
            .map(|osd| osd.osd.to_string())
            .collect();
        if theirs.is_empty() {
            return Ok(Blockade { addresses: addresses.to_vec(), epoch: map.epoch });
        }
        self.tell(&json!({"prefix": "osd down", "ids": theirs}))?;
        Ok(Blockade { addresses: addresses.to_vec(), epoch: self.map()?.epoch })
    }

    fn unblock(&self, addresses: &[IpAddr]) -> Outcome {
        for address in addresses {
            let remove = json!({"prefix": "osd blocklist", "blocklistop": "rm", "addr": whole(*address)});
            self.tell(&remove)?;
        }
        Ok(())
    }

    /// The map of one OSD; if it lags, once more after it was told to fetch the newest.
    fn epoch_of(&self, osd: i32, wanted: u64, claim: &Claim) -> Result<u64, Failure> {
        let status = || {
            let answer = self.cluster.ask_osd(osd, &json!({"prefix": "status", "format": "json"}))?;
            parsed::<OsdStatus>(&answer).map(|status| status.newest_map)
        };
        let epoch = status()?;
        if epoch >= wanted || !claim.is_held() {
            return Ok(epoch);
        }
        self.cluster.ask_osd(osd, &json!({"prefix": "get_latest_osdmap"}))?;
        status()
    }
}

impl Ceph {
    /// Asks all these OSDs at once for the epoch of their maps.
    fn epochs(&self, osds: &[i32], wanted: u64) -> Vec<Awaited> {
        let until = Instant::now() + self.deadlines().osd;
        let ask = |osd: i32| {
            let inner = std::sync::Arc::clone(&self.inner);
            let answer = self.inner.calls.run(Subject::Osd(osd), until, move |claim| {
                let cluster = inner.connected().ok()?;
                Session { cluster }.epoch_of(osd, wanted, claim).ok()
            });
            Awaited { osd, epoch: answer.ok().flatten() }
        };
        std::thread::scope(|scope| {
            let asked: Vec<_> = osds.iter().map(|osd| (*osd, scope.spawn(move || ask(*osd)))).collect();
            let answer = |(osd, thread): (i32, std::thread::ScopedJoinHandle<'_, Awaited>)| {
                thread.join().unwrap_or(Awaited { osd, epoch: None })
            };
            asked.into_iter().map(answer).collect()
        })
    }

    fn at_fence<T: Send + 'static>(
        &self,
        what: &str,
        act: impl FnOnce(&Session) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.call(what, Subject::Fence, self.deadlines().look, act)
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Fence for Ceph {
    fn block(&self, addresses: &[IpAddr]) -> Result<Blockade, Error> {
        let mine = addresses.to_vec();
        self.at_fence(&format!("block {}", listed(addresses)), move |session| session.block(&mine))
    }

    fn confirmation(&self, blockade: &Blockade) -> Result<Confirmation, Error> {
        let what = format!("tell how far the blockade of {} has come", listed(&blockade.addresses));
        let wanted = blockade.clone();
        let map = self.at_fence(&what, move |session| {
            let map = session.map()?;
            let blocked = map.blocked();
            match wanted.addresses.iter().find(|address| !blocked.contains(address)) {
                Some(free) => {
                    let why = format!("{free} is not blocked");
                    Err(Refusal::new(Cause::Absent, why, "block it again").into())
                }
                None => Ok(map),
            }
        })?;
        let up: Vec<i32> = map.osds.iter().filter(|osd| osd.up == 1).map(|osd| osd.osd).collect();
        let mut awaited = self.epochs(&up, blockade.epoch);
        awaited.retain(|osd| osd.epoch.is_none_or(|epoch| epoch < blockade.epoch));
        if !awaited.is_empty() {
            return Ok(Confirmation::Awaited(awaited));
        }
        let single = map.pools.iter().filter(|pool| pool.size < 2);
        let unproven = single.filter_map(|pool| pool.name.parse().ok()).collect();
        Ok(Confirmation::Everywhere { epoch: map.epoch, unproven })
    }

    fn unblock(&self, addresses: &[IpAddr]) -> Result<(), Error> {
        let mine = addresses.to_vec();
        self.at_fence(&format!("unblock {}", listed(addresses)), move |session| session.unblock(&mine))
    }

    fn blocked(&self) -> Result<Vec<IpAddr>, Error> {
        self.at_fence("list the blocked addresses", |session| Ok(session.map()?.blocked()))
    }
}
