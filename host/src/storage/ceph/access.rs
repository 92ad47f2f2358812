//! What guests need to be clients of this Ceph: the monitors from its own map, and the key from where librados has it.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::answers::part;
use super::rados::Failure;
use super::{Outcome, Session};
use crate::storage::{CephClient, Key};

/// `mon dump`: the monitors, each with its addresses by protocol.
#[derive(Debug, Deserialize)]
pub(super) struct Monitors {
    pub(super) mons: Vec<Monitor>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Monitor {
    #[serde(default)]
    pub(super) name: String,
    public_addrs: Addresses,
}

#[derive(Debug, Deserialize)]
struct Addresses {
    addrvec: Vec<Address>,
}

#[derive(Debug, Deserialize)]
struct Address {
    r#type: String,
    addr: String,
}

impl Monitor {
    /// Where a guest finds it: by the older protocol where it speaks that, because its port tells every librados which
    /// protocol is meant.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let all = &self.public_addrs.addrvec;
        all.iter().find(|at| at.r#type == "v1").or_else(|| all.first())?.addr.parse().ok()
    }
}

impl Session {
    /// The newest map of the monitors.
    pub(super) fn monitors(&self) -> Outcome<Monitors> {
        Ok(part(self.ask(json!({"prefix": "mon dump"}))?)?)
    }

    /// What guests need to be clients as this user.
    pub(super) fn access(&self, user: &str) -> Outcome<CephClient> {
        let monitors: Vec<SocketAddr> = self.monitors()?.mons.iter().filter_map(Monitor::address).collect();
        if monitors.is_empty() {
            return Err(Failure::new(libc::EPROTO, "its map names no monitor with an address").into());
        }
        Ok(CephClient { monitors, user: user.to_owned(), key: self.key(user)? })
    }

    /// The user's key: as it is set, from a file of its own, or from the first keyring that there is.
    fn key(&self, user: &str) -> Outcome<Key> {
        let none = |why: String| Failure::new(libc::ENOENT, why);
        let set = self.cluster.setting("key")?;
        let written = match set.trim() {
            "" => self.filed(user)?,
            set => set.to_owned(),
        };
        let bytes = BASE64_STANDARD
            .decode(written.trim())
            .map_err(|_| none(format!("the key of client.{user} is not written as Ceph writes keys")))?;
        Ok(Key::new(bytes))
    }

    fn filed(&self, user: &str) -> Outcome<String> {
        let file = self.cluster.setting("keyfile")?;
        if !file.is_empty() {
            let unread = |error| Failure::new(libc::ENOENT, format!("{file} cannot be read: {error}"));
            return Ok(std::fs::read_to_string(&file).map_err(unread)?);
        }
        let list = self.cluster.setting("keyring")?;
        let files =
            list.split(|c: char| matches!(c, ',' | ';') || c.is_whitespace()).filter(|f| !f.is_empty());
        let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
        let key = texts.into_iter().find_map(|text| key_in(&text, user));
        let none =
            || Failure::new(libc::ENOENT, format!("none of its keyrings has a key of client.{user}: {list}"));
        Ok(key.ok_or_else(none)?)
    }
}

/// The user's key in the text of a keyring.
fn key_in(keyring: &str, user: &str) -> Option<String> {
    let section = format!("[client.{user}]");
    let lines = keyring.lines().map(str::trim);
    let ours = lines.skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
    let mut pairs = ours.filter_map(|line| line.split_once('='));
    pairs.find(|(name, _)| name.trim() == "key").map(|(_, key)| key.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_the_section_of_its_user() {
        let keyring = "[mon.]\n\tkey = AAA=\n[client.admin]\n\tkey = BBB==\n\tcaps mon = \"allow *\"\n[client.pvc]\nkey=CCC\n";
        assert_eq!(key_in(keyring, "admin").as_deref(), Some("BBB=="));
        assert_eq!(key_in(keyring, "pvc").as_deref(), Some("CCC"));
        assert_eq!(key_in(keyring, "other"), None);
        assert_eq!(key_in("[client.pvc]\n[client.admin]\nkey = X\n", "pvc"), None);
    }

    #[test]
    fn a_monitor_is_found_by_the_protocol_that_its_port_tells() {
        let monitor = |vector: &str| -> Option<SocketAddr> {
            let text = format!("{{\"public_addrs\":{{\"addrvec\":[{vector}]}}}}");
            serde_json::from_str::<Monitor>(&text).unwrap().address()
        };
        let (v1, v2) = (
            "{\"type\":\"v1\",\"addr\":\"10.0.0.1:6789\",\"nonce\":0}",
            "{\"type\":\"v2\",\"addr\":\"[fd00::1]:3300\",\"nonce\":0}",
        );
        assert_eq!(monitor(&format!("{v2},{v1}")), "10.0.0.1:6789".parse().ok());
        assert_eq!(monitor(v2), "[fd00::1]:3300".parse().ok());
        assert_eq!(monitor(""), None);
    }
}
