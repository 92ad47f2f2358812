//! Where clients are seen: those of this machine, by what librados and the kernel tell, and all of the user's, by what the
//! monitors and the OSDs tell.
//!
//! A client of Ceph is known by the address that it learned of its first connection, and keeps it. So what a machine has
//! to be blocked at is where its connection is seen, and where the kernel would let the next one come from.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use serde::Deserialize;
use serde_json::json;

use super::answers::{AddressEntry, Addresses, address, parsed};
use super::{Ceph, Outcome, Session, Subject};
use crate::storage::Error;

/// One of the sessions that a monitor has.
#[derive(Deserialize)]
struct MonitorSession {
    /// Who has opened it: `client.` and the client's number in the cluster.
    #[serde(default)]
    name: String,
    /// As whom it has been opened, such as `client.admin`.
    #[serde(default)]
    entity_name: String,
    #[serde(default)]
    addrs: Addresses,
}

/// One of the watches that an OSD holds; whoever has a volume open watches its header.
#[derive(Deserialize)]
struct Watch {
    entity_name: Watcher,
    #[serde(rename = "entity_addr_t")]
    seen_at: AddressEntry,
}

/// Who watches. An OSD does not tell as which user.
#[derive(Deserialize)]
struct Watcher {
    #[serde(rename = "num")]
    number: u64,
}

/// The addresses of a user's clients: those of its sessions, and those at which OSDs see the clients of these sessions.
fn of_user(sessions: &[MonitorSession], watches: &[Watch], user: &str) -> BTreeSet<IpAddr> {
    let ours: Vec<_> = sessions.iter().filter(|session| session.entity_name == user).collect();
    let numbers: BTreeSet<u64> = ours.iter().filter_map(|session| session.number()).collect();
    let of_sessions = ours.iter().flat_map(|session| &session.addrs.addrvec);
    let watches = watches.iter().filter(|watch| numbers.contains(&watch.entity_name.number));
    let told =
        of_sessions.chain(watches.map(|watch| &watch.seen_at)).filter_map(|entry| address(&entry.addr));
    told.filter(|address| !address.is_unspecified()).collect()
}

impl MonitorSession {
    fn number(&self) -> Option<u64> {
        self.name.strip_prefix("client.")?.parse().ok()
    }
}

/// The address that the kernel would let a connection to there come from. Nothing is sent.
fn source(to: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

impl Session {
    pub(super) fn own_addresses(&self) -> Outcome<Vec<IpAddr>> {
        let seen = address(&self.cluster.own_address()?);
        let monitors = self.monitors()?.mons;
        let sources = monitors.iter().filter_map(|monitor| source(monitor.address()?));
        let real = |address: &IpAddr| !address.is_unspecified() && !address.is_loopback();
        let all: BTreeSet<IpAddr> = sources.chain(seen).filter(real).collect();
        Ok(all.into_iter().collect())
    }
}

impl Ceph {
    /// Each monitor tells of its own sessions only, and each OSD of what it holds, so all are asked.
    pub(super) fn seen_clients(&self) -> Result<Vec<IpAddr>, Error> {
        let what = "tell where clients are";
        let (monitors, up) = self.at_fence(what, |session| {
            let monitors: Vec<_> = session.monitors()?.mons.into_iter().map(|monitor| monitor.name).collect();
            Ok((monitors, session.map()?.up()))
        })?;
        let sessions = self.of_all(&monitors, Subject::Monitor, |session, name, _| {
            let question = json!({"prefix": "sessions", "format": "json"});
            parsed::<Vec<MonitorSession>>(&session.cluster.ask_monitor_named(name, &question)?)
        });
        let sessions: Vec<_> = sessions.into_iter().filter_map(|(_, told)| told).collect();
        if sessions.is_empty() {
            return Err(Error::silent(what, self.deadlines().osd));
        }
        let watches = self.of_all(&up, Subject::Osd, |session, osd, _| {
            let question = json!({"prefix": "dump_watchers", "format": "json"});
            parsed::<Vec<Watch>>(&session.cluster.ask_osd(*osd, &question)?)
        });
        let sessions: Vec<_> = sessions.into_iter().flatten().collect();
        let watches: Vec<_> = watches.into_iter().filter_map(|(_, told)| told).flatten().collect();
        Ok(of_user(&sessions, &watches, &self.inner.settings.user).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sessions_of_the_user_are_told_each_address_once() {
        let text = r#"[
            {"name":"client.4129","entity_name":"client.admin","addrs":{"addrvec":[{"type":"v1","addr":"10.0.0.1:0","nonce":7}]}},
            {"name":"client.4130","entity_name":"client.admin","addrs":{"addrvec":[{"type":"any","addr":"10.0.0.1:0","nonce":8}]}},
            {"name":"osd.1","entity_name":"osd.1","addrs":{"addrvec":[{"type":"v2","addr":"10.0.0.2:6800","nonce":9}]}},
            {"name":"client.?","entity_name":"client.admin","addrs":{"addrvec":[{"type":"none","addr":":/0","nonce":0}]}}
        ]"#;
        let sessions: Vec<MonitorSession> = serde_json::from_str(text).unwrap();
        assert_eq!(of_user(&sessions, &[], "client.admin"), ["10.0.0.1".parse().unwrap()].into());
    }

    #[test]
    fn an_osd_tells_where_it_sees_the_clients_of_the_user() {
        let sessions = r#"[
            {"name":"client.4129","entity_name":"client.admin","addrs":{"addrvec":[{"type":"any","addr":"10.0.0.1:0","nonce":7}]}},
            {"name":"client.4130","entity_name":"client.other","addrs":{"addrvec":[{"type":"any","addr":"10.0.0.3:0","nonce":8}]}}
        ]"#;
        let watches = r#"[
            {"namespace":"","object":"rbd_header.102d","entity_name":{"type":"client","num":4129},"cookie":1,"timeout":30,
             "entity_addr_t":{"type":"any","addr":"10.0.0.2:0","nonce":7}},
            {"namespace":"","object":"rbd_header.102e","entity_name":{"type":"client","num":4130},"cookie":2,"timeout":30,
             "entity_addr_t":{"type":"any","addr":"10.0.0.4:0","nonce":8}}
        ]"#;
        let (sessions, watches): (Vec<MonitorSession>, Vec<Watch>) =
            (serde_json::from_str(sessions).unwrap(), serde_json::from_str(watches).unwrap());
        let seen: Vec<String> =
            of_user(&sessions, &watches, "client.admin").iter().map(ToString::to_string).collect();
        assert_eq!(seen, ["10.0.0.1", "10.0.0.2"]);
    }

    #[test]
    fn the_kernel_tells_where_a_connection_would_come_from() {
        assert_eq!(source("127.0.0.1:6789".parse().unwrap()), "127.0.0.1".parse().ok());
    }
}
