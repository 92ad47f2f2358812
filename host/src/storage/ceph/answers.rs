//! What Ceph answers, as JSON: the parts of it that are read, and the addresses in it.

use std::net::IpAddr;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::rados::Failure;

/// An answer, or a failure that says it was none.
pub(super) fn parsed<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(answer)
        .map_err(|error| Failure::new(libc::EPROTO, format!("its answer is not what it should be: {error}")))
}

/// A part of an answer.
pub(super) fn part<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer)
        .map_err(|error| Failure::new(libc::EPROTO, format!("its answer is not what it should be: {error}")))
}

/// The address in a text such as `10.0.2.1:6800/123`, `v2:[2001:db8::1]:0/0`, `[v2:10.0.2.1:0/7,v1:10.0.2.1:0/7]`: those of one
/// client differ in their protocols alone.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    if let Some(list) = text.strip_prefix('[').filter(|list| list.starts_with('v')) {
        return list.trim_end_matches(']').split(',').find_map(address);
    }
    let text = ["v1:", "v2:", "any:"].iter().fold(text, |text, kind| text.strip_prefix(kind).unwrap_or(text));
    let host = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => text.rsplit_once(':').map_or(text, |(host, _)| host),
    };
    host.parse().ok()
}

/// What blocks a whole address: port and nonce zero, so that later clients are meant too.
pub(super) fn whole(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}:0/0"),
        IpAddr::V6(address) => format!("[{address}]:0/0"),
    }
}

/// `osd dump`: the map.
#[derive(Debug, Deserialize)]
pub(super) struct Map {
    pub(super) epoch: u64,
    pub(super) pools: Vec<PoolEntry>,
    pub(super) osds: Vec<OsdEntry>,
    #[serde(default, alias = "blacklist")]
    pub(super) blocklist: std::collections::BTreeMap<String, Value>,
}

impl Map {
    /// The addresses that are blocked whole.
    pub(super) fn blocked(&self) -> Vec<IpAddr> {
        self.blocklist
            .keys()
            .filter(|entry| entry.ends_with(":0/0"))
            .filter_map(|entry| address(entry))
            .collect()
    }

    /// The OSDs that it calls up.
    pub(super) fn up(&self) -> Vec<i32> {
        self.osds.iter().filter(|osd| osd.up == 1).map(|osd| osd.osd).collect()
    }

    pub(super) fn pool(&self, name: &str) -> Option<&PoolEntry> {
        self.pools.iter().find(|pool| pool.name == name)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct PoolEntry {
    #[serde(rename = "pool_name")]
    pub(super) name: String,
    pub(super) size: u8,
    pub(super) min_size: u8,
    pub(super) crush_rule: i64,
    pub(super) pg_num: u32,
    /// The number of placement groups that it is on its way to.
    #[serde(default)]
    pub(super) pg_num_target: Option<u32>,
    #[serde(default)]
    pub(super) application_metadata: std::collections::BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OsdEntry {
    pub(super) osd: i32,
    #[serde(default)]
    pub(super) uuid: String,
    pub(super) up: u8,
    pub(super) r#in: u8,
    #[serde(default)]
    pub(super) public_addrs: Addresses,
    #[serde(default)]
    pub(super) cluster_addrs: Addresses,
}

impl OsdEntry {
    /// Where it is, for its clients and for other OSDs.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let entries = self.public_addrs.addrvec.iter().chain(&self.cluster_addrs.addrvec);
        entries.filter_map(|entry| address(&entry.addr))
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Addresses {
    #[serde(default)]
    pub(super) addrvec: Vec<AddressEntry>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AddressEntry {
    pub(super) addr: String,
}

/// `osd crush rule dump`.
#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    #[serde(rename = "rule_id")]
    pub(super) id: i64,
    #[serde(rename = "rule_name")]
    pub(super) name: String,
}

/// `status` of an OSD.
#[derive(Debug, Deserialize)]
pub(super) struct OsdStatus {
    pub(super) newest_map: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_way_that_ceph_writes_them() {
        let v4: IpAddr = "10.0.2.1".parse().unwrap();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        for text in ["10.0.2.1:0/0", "10.0.2.1:6800/123", "v1:10.0.2.1:6801/9", "10.0.2.1"] {
            assert_eq!(address(text), Some(v4), "{text}");
        }
        for text in ["[2001:db8::1]:0/0", "v2:[2001:db8::1]:6800/123"] {
            assert_eq!(address(text), Some(v6), "{text}");
        }
        for (text, at) in
            [("[v2:10.0.2.1:0/7,v1:10.0.2.1:0/7]", v4), ("[v2:[2001:db8::1]:0/7,v1:[2001:db8::1]:0/7]", v6)]
        {
            assert_eq!(address(text), Some(at), "{text}");
        }
        assert_eq!(address("-"), None);
        assert_eq!(address("[v2:-]"), None);
        assert_eq!(address(&whole(v6)), Some(v6));
        assert_eq!(whole(v4), "10.0.2.1:0/0");
    }

    #[test]
    fn only_whole_addresses_count_as_blocked() {
        let text =
            r#"{"epoch":7,"pools":[],"osds":[],"blocklist":{"10.0.2.1:0/0":"2036","10.0.2.2:0/77":"2026"}}"#;
        let map: Map = parsed(text.as_bytes()).unwrap();
        assert_eq!(map.blocked(), ["10.0.2.1".parse::<IpAddr>().unwrap()]);
    }
}
