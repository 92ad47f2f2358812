//! Where clients are seen: those of this machine, by what librados and the kernel tell, and all of the user's, by what the
//! monitors tell.
//!
//! A client of Ceph is known by the address that it learned of its first connection, and keeps it. So what a machine has
//! to be blocked at is where its connection is seen, and where the kernel would let the next one come from.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use serde::Deserialize;
use serde_json::json;

use super::answers::{Addresses, address, parsed};
use super::rados::Failure;
use super::{Ceph, Outcome, Session, Subject};
use crate::storage::Error;

/// One of the sessions that a monitor has.
#[derive(Deserialize)]
struct MonitorSession {
    /// As whom it has been opened, such as `client.admin`.
    #[serde(default)]
    entity_name: String,
    #[serde(default)]
    addrs: Addresses,
}

/// The addresses of a user's sessions.
fn of_user(sessions: Vec<MonitorSession>, user: &str) -> BTreeSet<IpAddr> {
    let ours = sessions.into_iter().filter(|session| session.entity_name == user);
    let told = ours.flat_map(|session| session.addrs.addrvec).filter_map(|entry| address(&entry.addr));
    told.filter(|address| !address.is_unspecified()).collect()
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
    /// Each monitor tells of its own sessions only, so all are asked.
    pub(super) fn seen_clients(&self) -> Result<Vec<IpAddr>, Error> {
        let what = "tell where clients are";
        let monitors = self.at_fence(what, |session| {
            Ok(session.monitors()?.mons.into_iter().map(|monitor| monitor.name).collect::<Vec<_>>())
        })?;
        let user = self.inner.settings.user.clone();
        let told = self.of_all(&monitors, Subject::Monitor, move |session, name, _| {
            let question = json!({"prefix": "sessions", "format": "json"});
            let sessions = parsed(&session.cluster.ask_monitor_named(name, &question)?)?;
            Ok::<_, Failure>(of_user(sessions, &user))
        });
        let told: Vec<BTreeSet<IpAddr>> = told.into_iter().filter_map(|(_, seen)| seen).collect();
        if told.is_empty() {
            return Err(Error::silent(what, self.deadlines().osd));
        }
        let all: BTreeSet<IpAddr> = told.into_iter().flatten().collect();
        Ok(all.into_iter().collect())
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
        let seen = of_user(serde_json::from_str(text).unwrap(), "client.admin");
        assert_eq!(seen, ["10.0.0.1".parse().unwrap()].into());
    }

    #[test]
    fn the_kernel_tells_where_a_connection_would_come_from() {
        assert_eq!(source("127.0.0.1:6789".parse().unwrap()), "127.0.0.1".parse().ok());
    }
}
