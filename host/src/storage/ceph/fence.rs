//! The fence in Ceph: addresses on the blocklist, and the word of every OSD that it keeps to it.
//!
//! An address is blocked with port and nonce zero, which means every client that is or will be there; a list of the
//! clients that are there now would let the next one in. The entry lives ten years: one that expires is a second
//! writer. What the monitors took does not yet bind an OSD that has not heard of it, so each is asked for its map; one
//! that lags is told to fetch it, because maps spread by the OSDs' own talk, which takes seconds where there is none.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::answers::{OsdStatus, parsed, part, whole};
use super::rados::Failure;
use super::{Ceph, Outcome, Session, Subject};
use crate::calls::Claim;
use crate::storage::error::Refusal;
use crate::storage::fence::checked;
use crate::storage::{Awaited, Blockade, Blocked, Cause, Confirmation, Error, Fence};

/// What the daemons are set to: whose setting, which, and its value. A monitor that leads is missed after two leases.
/// The OSDs need what our own connection has: one that goes on waiting for a monitor that is gone confirms nothing. With
/// Ceph's defaults a confirmation took 31 s after the loss of the leading monitor, with these 3 s.
const SETTINGS: [(&str, &str, &str); 5] = [
    ("mon", "mon_lease", "1"),
    ("mon", "mon_election_timeout", "1"),
    ("osd", "mon_client_ping_interval", "1"),
    ("osd", "mon_client_ping_timeout", "2"),
    ("osd", "mon_client_hunt_interval", "1"),
];

/// A line of `config dump`.
#[derive(Deserialize)]
struct Setting {
    section: String,
    name: String,
    value: String,
}

/// Whether two values are the same number: Ceph writes `1` and `1.000000`.
fn same(one: &str, other: &str) -> bool {
    one == other
        || matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(one), Ok(other)) if one.to_bits() == other.to_bits())
}

impl Session {
    /// Sets what is not set so; gives the monitors by name, and the OSDs that are up.
    fn make_ready(&self) -> Outcome<(Vec<String>, Vec<i32>)> {
        let set: Vec<Setting> = part(self.ask(json!({"prefix": "config dump"}))?)?;
        for (section, name, value) in SETTINGS {
            let is_set =
                |known: &Setting| known.section == section && known.name == name && same(&known.value, value);
            if !set.iter().any(is_set) {
                self.tell(&json!({"prefix": "config set", "who": section, "name": name, "value": value}))?;
            }
        }
        let monitors = self.monitors()?.mons.into_iter().map(|monitor| monitor.name).collect();
        Ok((monitors, self.map()?.up()))
    }

    fn block(&self, addresses: &[IpAddr], expiry: Duration) -> Outcome<Blockade> {
        checked(addresses)?;
        for address in addresses {
            self.tell(&json!({
                "prefix": "osd blocklist", "blocklistop": "add",
                "addr": whole(*address), "expire": expiry.as_secs_f64(),
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

    fn unblock(&self, addresses: &[IpAddr]) -> Outcome<u64> {
        for address in addresses {
            let remove = json!({"prefix": "osd blocklist", "blocklistop": "rm", "addr": whole(*address)});
            self.tell(&remove)?;
        }
        Ok(self.map()?.epoch)
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

/// What an OSD or a monitor is set to otherwise than it should be.
fn strays(
    section: &str,
    who: &str,
    ask: impl Fn(&Value) -> Result<Vec<u8>, Failure>,
) -> Result<Vec<String>, Failure> {
    let mut strays = Vec::new();
    for (_, name, wanted) in SETTINGS.iter().filter(|(of, ..)| *of == section) {
        let answer: Value = parsed(&ask(&json!({"prefix": "config get", "var": name, "format": "json"}))?)?;
        let value = answer[name].as_str().unwrap_or_default();
        if !same(value, wanted) {
            strays.push(format!("{who} has {name} {value} and not {wanted}"));
        }
    }
    Ok(strays)
}

impl Ceph {
    /// Asks all these daemons something at once; one that is late or fails has no answer.
    pub(super) fn of_all<K: Clone + Send + Sync + 'static, T: Send + 'static>(
        &self,
        daemons: &[K],
        subject: fn(K) -> Subject,
        question: impl Fn(&Session, &K, &Claim) -> Result<T, Failure> + Clone + Send + Sync + 'static,
    ) -> Vec<(K, Option<T>)> {
        let until = Instant::now() + self.deadlines().osd;
        let ask = |daemon: K| {
            let (inner, question) = (Arc::clone(&self.inner), question.clone());
            let answer = self.inner.calls.run(subject(daemon.clone()), until, move |claim| {
                let session = Session { cluster: inner.connected().ok()? };
                question(&session, &daemon, claim).ok()
            });
            answer.ok().flatten()
        };
        let ask = &ask;
        std::thread::scope(|scope| {
            let begin = |daemon: &K| {
                let daemon = daemon.clone();
                (daemon.clone(), scope.spawn(move || ask(daemon)))
            };
            let asked: Vec<_> = daemons.iter().map(begin).collect();
            asked.into_iter().map(|(daemon, thread)| (daemon, thread.join().ok().flatten())).collect()
        })
    }

    pub(super) fn at_fence<T: Send + 'static>(
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
    fn ensure_ready(&self) -> Result<Vec<String>, Error> {
        let (monitors, up) = self.at_fence("be ready for a fence", Session::make_ready)?;
        let of_monitors = self.of_all(&monitors, Subject::Monitor, |session, name, _| {
            strays("mon", &format!("mon.{name}"), |question| {
                session.cluster.ask_monitor_named(name, question)
            })
        });
        let of_osds = self.of_all(&up, Subject::Osd, |session, osd, _| {
            strays("osd", &format!("osd.{osd}"), |question| session.cluster.ask_osd(*osd, question))
        });
        let of_monitors = of_monitors.into_iter().map(|(name, strays)| (format!("mon.{name}"), strays));
        let of_osds = of_osds.into_iter().map(|(osd, strays)| (format!("osd.{osd}"), strays));
        let words = |(who, strays): (String, Option<Vec<String>>)| {
            strays.unwrap_or_else(|| vec![format!("{who} did not say what it is set to")])
        };
        Ok(of_monitors.chain(of_osds).flat_map(words).collect())
    }

    fn block(&self, addresses: &[IpAddr]) -> Result<Blockade, Error> {
        let (mine, expiry) = (addresses.to_vec(), self.inner.settings.block_expiry);
        self.at_fence(&format!("block {}", listed(addresses)), move |session| session.block(&mine, expiry))
    }

    fn confirmation(&self, blockade: &Blockade) -> Result<Confirmation, Error> {
        let what = format!("tell how far the blockade of {} has come", listed(&blockade.addresses));
        let wanted = blockade.clone();
        let map = self.at_fence(&what, move |session| {
            checked(&wanted.addresses)?;
            let map = session.map()?;
            if map.epoch < wanted.epoch {
                let why = format!("the monitor's map is of epoch {}, before the blockade", map.epoch);
                return Err(Refusal::new(Cause::Other, why, "ask again").into());
            }
            let blocked = map.blocked();
            match wanted.addresses.iter().find(|address| !blocked.contains(address)) {
                Some(free) => {
                    let why = format!("{free} is not blocked");
                    Err(Refusal::new(Cause::Absent, why, "block it again").into())
                }
                None => Ok(map),
            }
        })?;
        let wanted = blockade.epoch;
        let epochs = self.of_all(&map.up(), Subject::Osd, move |session, osd, claim| {
            session.epoch_of(*osd, wanted, claim)
        });
        let late = epochs.into_iter().filter(|(_, epoch)| epoch.is_none_or(|epoch| epoch < wanted));
        let awaited: Vec<_> = late.map(|(osd, epoch)| Awaited { osd, epoch }).collect();
        if !awaited.is_empty() {
            return Ok(Confirmation::Awaited(awaited));
        }
        let single = map.pools.iter().filter(|pool| pool.size < 2);
        let unproven = single.filter_map(|pool| pool.name.parse().ok()).collect();
        Ok(Confirmation::Everywhere { epoch: map.epoch, unproven })
    }

    fn unblock(&self, addresses: &[IpAddr]) -> Result<u64, Error> {
        let mine = addresses.to_vec();
        self.at_fence(&format!("unblock {}", listed(addresses)), move |session| session.unblock(&mine))
    }

    fn blocked(&self) -> Result<Blocked, Error> {
        self.at_fence("list the blocked addresses", |session| {
            let map = session.map()?;
            Ok(Blocked { epoch: map.epoch, addresses: map.blocked() })
        })
    }

    fn own_addresses(&self) -> Result<Vec<IpAddr>, Error> {
        self.at_fence("tell this machine's addresses", |session| session.own_addresses())
    }

    fn clients(&self) -> Result<Vec<IpAddr>, Error> {
        self.seen_clients()
    }
}
