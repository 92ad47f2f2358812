//! How guests reach volumes: by files of this machine, or as clients of Ceph.

use std::fmt;
use std::net::SocketAddr;

/// What a machine's guests need to reach the volumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: a volume's location names its file.
    Files,
    /// To be clients of Ceph.
    Ceph(CephClient),
}

/// How one becomes a client of Ceph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CephClient {
    /// The monitors, as the newest map of them has it.
    pub monitors: Vec<SocketAddr>,
    /// As whom, without `client.`.
    pub user: String,
    /// Their key.
    pub key: Key,
}

/// A key that opens Ceph. It is not told in texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// A key of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Its bytes, for whoever hands it to the hypervisor.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}
