//! `/etc/pvc/pvc.toml` as text to value, in two stages: as written, then as meant.
//!
//! Everything that can have a default has one; an unknown key is an error that names the nearest known one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Deserialize;

use crate::id::NodeName;
use crate::limits::{
    KEEPALIVE_INTERVAL_DEFAULT, LIVE_MOVES_AT_ONCE_DEFAULT, PRIMARY_SILENCE_DEFAULT,
    PRIMARY_SILENCE_KEEPALIVES, PRIMARY_SILENCE_MIN, SHUTDOWN_TIMEOUT_DEFAULT,
};
use crate::network::{GuestLink, SystemNetwork, Wanted};
use crate::node::Role;
use crate::time::Span;

mod network;
mod raw;

pub use raw::ConfigError;

/// Where the cluster's records are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A file on this one machine.
    Sqlite {
        /// Its absolute path.
        path: String,
    },
    /// A ZooKeeper ensemble.
    ZooKeeper {
        /// Host names or addresses, each with or without a port.
        servers: Vec<String>,
    },
}

/// Which accelerator guests run with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuestKind {
    /// `kvm` where the CPU and the kernel have it, else `qemu`.
    #[default]
    Auto,
    /// Hardware virtualisation.
    Kvm,
    /// Emulation.
    Qemu,
}

/// One token that opens the API.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The secret.
    pub token: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?}, …)", self.description)
    }
}

/// The timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Between two keepalives.
    pub keepalive_interval: Span,
    /// How long a guest may take to shut down before it is stopped.
    pub vm_shutdown_timeout: Span,
    /// How long the holder of the primary role may say nothing, while its session lives, before another one takes it.
    pub primary_silence_max: Span,
}

/// How VMs move while they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveSettings {
    /// This node's address on the cluster network: where the hypervisors of others reach this one. `None` where it has
    /// none, so that nothing comes here live.
    pub address: Option<IpAddr>,
    /// How many leave this node at once, and how many come to it.
    pub at_once_max: usize,
    /// How much all that leave may send together per second, in MiB: each may send its share. `None` for as much as
    /// the network carries.
    pub bandwidth_max_mib: Option<u64>,
    /// Whether a guest that writes faster than it can be sent may go on at the target before its memory is there. If a
    /// machine or the network fails then, what it had in memory is lost.
    pub post_copy: bool,
    /// Whether guests are emulated here, without KVM: QEMU's emulator, before its version 9.0, loses track of what a guest
    /// writes over and over while it is sent.
    pub emulated: bool,
    /// Whether an emulated guest stands still only for as short as any other all the same.
    pub emulated_short_pause: bool,
}

impl MoveSettings {
    /// How much one that leaves may send per second, in MiB.
    pub fn share_mib(&self) -> Option<u64> {
        let at_once_max = u64::try_from(self.at_once_max).unwrap_or(u64::MAX).max(1);
        self.bandwidth_max_mib.map(|whole| (whole / at_once_max).max(1))
    }
}

impl Default for MoveSettings {
    fn default() -> Self {
        Self {
            address: None,
            at_once_max: LIVE_MOVES_AT_ONCE_DEFAULT,
            bandwidth_max_mib: None,
            post_copy: false,
            emulated: false,
            emulated_short_pause: false,
        }
    }
}

/// The hypervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HypervisorConfig {
    /// libvirt's URI.
    pub uri: String,
    /// Which accelerator.
    pub kind: GuestKind,
    /// Where the guests' console logs are kept.
    pub console_directory: String,
}

/// The REST daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// PEM file of the certificate chain; TLS is on when this and the key are given.
    pub tls_certificate_file: Option<String>,
    /// PEM file of the key.
    pub tls_key_file: Option<String>,
    /// The tokens; none means that nobody has to show one, which only a loopback address may allow.
    pub tokens: Vec<Token>,
}

/// The storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageConfig {
    /// A directory of this machine.
    Directory {
        /// Its absolute path.
        path: String,
    },
    /// A Ceph cluster.
    Ceph {
        /// Ceph's configuration file, which also names the keyring.
        file: String,
        /// The user, such as `client.admin`.
        user: String,
    },
}

/// The link: what the nodes' daemons are asked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// Where this node listens for the others, with mutual TLS; `None` where only this machine is served. The same port
    /// is dialled on the others.
    pub listen: Option<SocketAddr>,
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Where each daemon keeps its file.
    pub directory: String,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}

/// The configuration as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the records are.
    pub store: StoreUrl,
    /// File that holds the store's password; needed by ZooKeeper.
    pub store_secret_file: Option<String>,
    /// The cluster's name, as it is shown.
    pub cluster: String,
    /// This node.
    pub node: NodeName,
    /// Its number, for addresses that follow from it; `None` where its name has none and none is given.
    pub node_id: Option<u32>,
    /// The nodes that may be primary. This one alone where none are named.
    pub coordinators: Vec<NodeName>,
    /// The machine's own networks; none where they are somebody else's.
    pub networks: Arc<[SystemNetwork]>,
    /// The device below the bridges of guests' networks.
    pub guest_link: Option<GuestLink>,
    /// The timers.
    pub timers: Timers,
    /// How VMs move while they run.
    pub moves: MoveSettings,
    /// The hypervisor.
    pub hypervisor: HypervisorConfig,
    /// The storage; `None` where there is none.
    pub storage: Option<StorageConfig>,
    /// The REST daemon.
    pub api: ApiConfig,
    /// The link.
    pub link: LinkConfig,
    /// Logging.
    pub log: LogConfig,
    /// Where sockets live.
    pub run_directory: String,
    /// Where this node's key and certificates lie.
    pub identity_directory: String,
}

impl Config {
    /// Reads the text of `pvc.toml`. `hostname` is this machine's, used where the file names no node.
    ///
    /// # Errors
    /// [`ConfigError`] names the key, what is wrong with it, and the nearest known key or the valid values.
    pub fn parse(text: &str, hostname: &str) -> Result<Self, ConfigError> {
        raw::read(text)?.meant(hostname)
    }

    /// How the machine's networks shall be.
    pub fn wanted_networks(&self) -> Wanted {
        Wanted { own: Arc::clone(&self.networks), guests: self.guest_link.clone() }
    }

    /// This node's part in the cluster.
    pub fn role(&self) -> Role {
        if self.coordinators.contains(&self.node) { Role::Coordinator } else { Role::Hypervisor }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            keepalive_interval: KEEPALIVE_INTERVAL_DEFAULT,
            vm_shutdown_timeout: SHUTDOWN_TIMEOUT_DEFAULT,
            primary_silence_max: Self::usual_silence(KEEPALIVE_INTERVAL_DEFAULT),
        }
    }
}

impl Timers {
    /// How long the holder of the primary role may say nothing where that is not configured.
    pub fn usual_silence(keepalive_interval: Span) -> Span {
        Self::shortest_silence(keepalive_interval).max(PRIMARY_SILENCE_DEFAULT)
    }

    /// How long it may say nothing at least.
    fn shortest_silence(keepalive_interval: Span) -> Span {
        Span(keepalive_interval.0 * PRIMARY_SILENCE_KEEPALIVES).max(PRIMARY_SILENCE_MIN)
    }
}

#[cfg(test)]
mod tests;
