//! The configuration as written, and its way to the one as meant.

use std::net::IpAddr;

use serde::Deserialize;
use toml::Table;

use super::network::{self, Nodes, RawNetworks, guest_link, trailing_number};
use super::{
    ApiConfig, Config, GuestKind, HypervisorConfig, LinkConfig, LogConfig, MoveSettings, StorageConfig,
    StoreUrl, Timers, Token,
};
use crate::id::NodeName;
use crate::limits::{KEEPALIVE_INTERVAL_DEFAULT, LIVE_MOVES_AT_ONCE_DEFAULT, SHUTDOWN_TIMEOUT_DEFAULT};
use crate::network::NetworkKind;
use crate::time::Span;

/// What is wrong with the configuration, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not TOML.
    #[error("line {line}: {why}")]
    Syntax {
        /// Where, counted from 1.
        line: usize,
        /// What is wrong, in the parser's words.
        why: String,
    },
    /// A key that nobody reads.
    #[error("the key \"{key}\" is not known{}", nearest.as_ref().map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default())]
    UnknownKey {
        /// The key with its section.
        key: String,
        /// The nearest key that is known.
        nearest: Option<String>,
    },
    /// A value that cannot be meant.
    #[error("the value of \"{key}\" is refused: {why}")]
    BadValue {
        /// The key with its section.
        key: String,
        /// What is wrong, and what would be right.
        why: String,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw {
    store: Option<String>,
    store_secret_file: Option<String>,
    cluster: Option<String>,
    node: Option<String>,
    node_id: Option<u32>,
    coordinators: Option<Vec<String>>,
    bridge_device: Option<String>,
    bridge_mtu: Option<u32>,
    network: RawNetworks,
    timer: RawTimers,
    migration: RawMigration,
    hypervisor: RawHypervisor,
    storage: Option<RawStorage>,
    api: RawApi,
    link: RawLink,
    log: RawLog,
    path: RawPath,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawTimers {
    keepalive_interval_ms: Option<u64>,
    vm_shutdown_timeout_s: Option<u64>,
    primary_silence_s: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawMigration {
    address: Option<String>,
    at_once_max: Option<u64>,
    bandwidth_max_mib: Option<u64>,
    post_copy: bool,
    emulated_short_pause: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawHypervisor {
    uri: Option<String>,
    kind: GuestKind,
    console_directory: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawApi {
    listen: Option<String>,
    tls_certificate_file: Option<String>,
    tls_key_file: Option<String>,
    token: Vec<Token>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawStorage {
    directory: Option<String>,
    ceph: Option<RawCeph>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawCeph {
    config: Option<String>,
    user: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawLink {
    listen: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawLog {
    directory: Option<String>,
    level: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawPath {
    run: Option<String>,
    identity: Option<String>,
}

/// Every key there is, by its section; what is not here is unknown.
const KNOWN: [(&str, &[&str]); 14] = [
    (
        "",
        &[
            "store",
            "store_secret_file",
            "cluster",
            "node",
            "node_id",
            "coordinators",
            "bridge_device",
            "bridge_mtu",
            "network",
            "timer",
            "migration",
            "hypervisor",
            "storage",
            "api",
            "link",
            "log",
            "path",
        ],
    ),
    ("timer", &["keepalive_interval_ms", "vm_shutdown_timeout_s", "primary_silence_s"]),
    ("migration", &["address", "at_once_max", "bandwidth_max_mib", "post_copy", "emulated_short_pause"]),
    ("hypervisor", &["uri", "kind", "console_directory"]),
    ("storage", &["directory", "ceph"]),
    ("storage.ceph", &["config", "user"]),
    ("api", &["listen", "tls_certificate_file", "tls_key_file", "token"]),
    ("link", &["listen"]),
    ("log", &["directory", "level"]),
    ("path", &["run", "identity"]),
    ("network", &["upstream", "cluster", "storage"]),
    ("network.upstream", network::KEYS),
    ("network.cluster", network::KEYS),
    ("network.storage", network::KEYS),
];

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Reads the text as written: valid TOML with known keys of the right types.
pub(super) fn read(text: &str) -> Result<Raw, ConfigError> {
    let table: Table = text.parse().map_err(|error| syntax(text, &error))?;
    for (section, keys) in KNOWN {
        let mut names = section.split('.').filter(|name| !name.is_empty());
        let part = names.try_fold(&table, |part, name| part.get(name)?.as_table());
        for key in part.into_iter().flat_map(Table::keys) {
            if !keys.contains(&key.as_str()) {
                return Err(unknown(section, key));
            }
        }
    }
    // The text is read again, and not the table, so that an error can tell its line.
    toml::from_str(text).map_err(|error| syntax(text, &error))
}

/// The error with its line number, but without the line itself: it may hold a token.
fn syntax(text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    ConfigError::Syntax { line: before.lines().count().max(1), why: error.message().trim().into() }
}

fn unknown(section: &str, key: &str) -> ConfigError {
    let path = |section: &str, key: &str| {
        if section.is_empty() { key.into() } else { format!("{section}.{key}") }
    };
    let near = |candidate: &str| strsim::damerau_levenshtein(candidate, key);
    let nearest = KNOWN
        .iter()
        .flat_map(|(known_section, keys)| keys.iter().map(move |known| (*known_section, *known)))
        .min_by_key(|(known_section, known)| (near(known), *known_section != section))
        .filter(|(_, known)| near(known) <= known.len().max(key.len()) / 2)
        .map(|(known_section, known)| path(known_section, known));
    ConfigError::UnknownKey { key: path(section, key), nearest }
}

impl Raw {
    /// Checks and completes it.
    pub(super) fn meant(self, hostname: &str) -> Result<Config, ConfigError> {
        let node = self.node.unwrap_or_else(|| hostname.split('.').next().unwrap_or_default().into());
        let node: NodeName = node.parse().map_err(|e| bad("node", &e))?;
        let level = self.log.level.unwrap_or_else(|| "info".into());
        if !LEVELS.contains(&level.as_str()) {
            return Err(bad("log.level", &format!("\"{level}\" is none of {}", LEVELS.join(", "))));
        }
        let store = store_url(self.store.as_deref().unwrap_or("sqlite:///var/lib/pvc/store.db"))?;
        if matches!(store, StoreUrl::ZooKeeper { .. }) && self.store_secret_file.is_none() {
            return Err(bad(
                "store_secret_file",
                &"ZooKeeper needs it: a file with the password that only root can read",
            ));
        }
        let storage = self.storage.map(|storage| storage.meant(&store)).transpose()?;
        let link = self.link.meant(&store)?;
        let coordinators = coordinators(self.coordinators, &node, &store)?;
        if self.node_id == Some(0) {
            return Err(bad("node_id", &"nodes are numbered from 1"));
        }
        let number = self.node_id.or_else(|| trailing_number(&node));
        let networks = self.network.meant(Nodes { own: &node, number, coordinators: &coordinators })?;
        // Where there is no cluster network of PVC's making, the address that the link listens at, if it is one.
        let on_cluster = networks.iter().find(|network| network.kind == NetworkKind::Cluster);
        let listens = link.listen.map(|listen| listen.ip()).filter(|address| !address.is_unspecified());
        let cluster_address = on_cluster.map(|network| network.address).or(listens);
        let guest_link = guest_link(self.bridge_device.as_deref(), self.bridge_mtu, &networks)?;
        Ok(Config {
            store,
            store_secret_file: self.store_secret_file,
            cluster: self.cluster.unwrap_or_else(|| "pvc".into()),
            node_id: number,
            guest_link,
            networks: networks.into(),
            coordinators,
            node,
            timers: self.timer.meant()?,
            moves: self.migration.meant(cluster_address)?,
            hypervisor: HypervisorConfig {
                uri: self.hypervisor.uri.unwrap_or_else(|| "qemu:///system".into()),
                kind: self.hypervisor.kind,
                console_directory: absolute(
                    "hypervisor.console_directory",
                    self.hypervisor.console_directory,
                    "/var/log/libvirt/qemu",
                )?,
            },
            storage,
            api: self.api.meant()?,
            link,
            log: LogConfig {
                directory: absolute("log.directory", self.log.directory, "/var/log/pvc")?,
                level,
            },
            run_directory: absolute("path.run", self.path.run, "/run/pvc")?,
            identity_directory: absolute("path.identity", self.path.identity, "/etc/pvc/identity")?,
        })
    }
}

impl RawTimers {
    fn meant(self) -> Result<Timers, ConfigError> {
        let keepalive_interval = self.keepalive_interval_ms.map_or(KEEPALIVE_INTERVAL_DEFAULT, Span);
        if !(100..=60_000).contains(&keepalive_interval.0) {
            return Err(bad("timer.keepalive_interval_ms", &"it must lie between 100 and 60000"));
        }
        let vm_shutdown_timeout = self.vm_shutdown_timeout_s.map_or(SHUTDOWN_TIMEOUT_DEFAULT, Span::seconds);
        if !(1_000..=86_400_000).contains(&vm_shutdown_timeout.0) {
            return Err(bad("timer.vm_shutdown_timeout_s", &"it must lie between 1 and 86400"));
        }
        let usual = Timers::usual_silence(keepalive_interval);
        let primary_silence_max = self.primary_silence_s.map_or(usual, Span::seconds);
        let shortest = Timers::shortest_silence(keepalive_interval);
        if !(shortest..=Span::seconds(3600)).contains(&primary_silence_max) {
            let least_s = shortest.0.div_ceil(1000);
            let why = format!("it must lie between {least_s} (12, and four keepalives) and 3600");
            return Err(bad("timer.primary_silence_s", &why));
        }
        Ok(Timers { keepalive_interval, vm_shutdown_timeout, primary_silence_max })
    }
}

impl RawMigration {
    /// Where no address is given, the usual one is meant.
    fn meant(self, usual: Option<IpAddr>) -> Result<MoveSettings, ConfigError> {
        let given = |text: &str| {
            text.parse::<IpAddr>().map_err(|_| {
                bad("migration.address", &format!("\"{text}\" is not an address such as 10.0.0.1"))
            })
        };
        let address = self.address.as_deref().map(given).transpose()?.or(usual);
        let at_once_max = match self.at_once_max.map(usize::try_from) {
            None => LIVE_MOVES_AT_ONCE_DEFAULT,
            Some(Ok(count)) if (1..=64).contains(&count) => count,
            Some(_) => return Err(bad("migration.at_once_max", &"it must lie between 1 and 64")),
        };
        if self.bandwidth_max_mib == Some(0) {
            return Err(bad("migration.bandwidth_max_mib", &"it must be at least 1, or not be there at all"));
        }
        Ok(MoveSettings {
            address,
            at_once_max,
            bandwidth_max_mib: self.bandwidth_max_mib,
            post_copy: self.post_copy,
            emulated_short_pause: self.emulated_short_pause,
            ..MoveSettings::default()
        })
    }
}

impl RawStorage {
    /// One kind, and not the other. A directory is reached by one machine alone.
    fn meant(self, store: &StoreUrl) -> Result<StorageConfig, ConfigError> {
        match (self.directory, self.ceph) {
            (Some(_), None) if matches!(store, StoreUrl::ZooKeeper { .. }) => Err(bad(
                "storage.directory",
                &"no other node could reach it, and ZooKeeper is for several: use [storage.ceph]",
            )),
            (Some(path), None) => {
                Ok(StorageConfig::Directory { path: absolute("storage.directory", Some(path), "")? })
            }
            (None, Some(ceph)) => Ok(StorageConfig::Ceph {
                file: absolute("storage.ceph.config", ceph.config, "/etc/ceph/ceph.conf")?,
                user: ceph.user.unwrap_or_else(|| "client.admin".into()),
            }),
            (Some(_), Some(_)) => Err(bad("storage", &"it is a directory or Ceph, and not both")),
            (None, None) => {
                Err(bad("storage", &"give directory = \"/var/lib/pvc/storage\", or a section [storage.ceph]"))
            }
        }
    }
}

impl RawApi {
    fn meant(self) -> Result<ApiConfig, ConfigError> {
        let listen = self.listen.as_deref().unwrap_or("127.0.0.1:7370");
        let listen: std::net::SocketAddr = listen.parse().map_err(|_| {
            bad("api.listen", &format!("\"{listen}\" is not an address and port such as 127.0.0.1:7370"))
        })?;
        if self.tls_certificate_file.is_some() != self.tls_key_file.is_some() {
            return Err(bad(
                "api.tls_certificate_file",
                &"TLS needs both tls_certificate_file and tls_key_file",
            ));
        }
        if self.token.iter().any(|token| token.token.is_empty()) {
            return Err(bad("api.token", &"a token must not be empty"));
        }
        if self.token.is_empty() && !listen.ip().is_loopback() {
            return Err(bad(
                "api.listen",
                &format!(
                    "{listen} can be reached from other machines, so at least one [[api.token]] is needed"
                ),
            ));
        }
        Ok(ApiConfig {
            listen,
            tls_certificate_file: self.tls_certificate_file,
            tls_key_file: self.tls_key_file,
            tokens: self.token,
        })
    }
}

impl RawLink {
    /// A node that has no others is not asked by any.
    fn meant(self, store: &StoreUrl) -> Result<LinkConfig, ConfigError> {
        let usual = match store {
            StoreUrl::Sqlite { .. } => "off",
            StoreUrl::ZooKeeper { .. } => "0.0.0.0:7380",
        };
        let listen = self.listen.as_deref().unwrap_or(usual);
        if listen == "off" {
            return Ok(LinkConfig { listen: None });
        }
        let address: Option<std::net::SocketAddr> = listen.parse().ok();
        // The others dial the port that their own file names: one that the kernel picks is found by nobody.
        let address = address.filter(|address| address.port() != 0).ok_or_else(|| {
            bad(
                "link.listen",
                &format!("\"{listen}\" is not an address and port such as 0.0.0.0:7380, nor \"off\""),
            )
        })?;
        Ok(LinkConfig { listen: Some(address) })
    }
}

fn store_url(url: &str) -> Result<StoreUrl, ConfigError> {
    if let Some(path) = url.strip_prefix("sqlite://") {
        return match path.starts_with('/') {
            true => Ok(StoreUrl::Sqlite { path: path.into() }),
            false => Err(bad(
                "store",
                &format!("\"{url}\" needs an absolute path: sqlite:///var/lib/pvc/store.db"),
            )),
        };
    }
    if let Some(servers) = url.strip_prefix("zookeeper://") {
        let servers: Vec<String> = servers.split(',').map(|server| server.trim().to_owned()).collect();
        if servers.iter().any(String::is_empty) {
            return Err(bad("store", &format!("\"{url}\" names no server: zookeeper://node1,node2,node3")));
        }
        return Ok(StoreUrl::ZooKeeper { servers });
    }
    Err(bad("store", &format!("\"{url}\" begins neither with sqlite:// nor with zookeeper://")))
}

/// The coordinators: this node where nobody says otherwise, which makes every node one.
fn coordinators(
    given: Option<Vec<String>>,
    own: &NodeName,
    store: &StoreUrl,
) -> Result<Vec<NodeName>, ConfigError> {
    let refused = |why: &dyn std::fmt::Display| bad("coordinators", why);
    let Some(given) = given else { return Ok(vec![own.clone()]) };
    let mut names: Vec<NodeName> = Vec::new();
    for name in given {
        let name: NodeName = name.parse().map_err(|error| refused(&error))?;
        if names.contains(&name) {
            return Err(refused(&format!("{name} is named twice")));
        }
        names.push(name);
    }
    if names.is_empty() {
        return Err(refused(&"at least one node must be named; three are usual"));
    }
    if matches!(store, StoreUrl::Sqlite { .. }) && names != std::slice::from_ref(own) {
        return Err(refused(&format!(
            "with sqlite this node, {own}, is the only one; several need zookeeper"
        )));
    }
    Ok(names)
}

fn absolute(key: &str, given: Option<String>, default: &str) -> Result<String, ConfigError> {
    let path = given.unwrap_or_else(|| default.into());
    if path.starts_with('/') {
        Ok(path)
    } else {
        Err(bad(key, &format!("\"{path}\" is not an absolute path")))
    }
}

pub(super) fn bad(key: &str, why: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::BadValue { key: key.to_owned(), why: why.to_string() }
}
