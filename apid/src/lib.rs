//! The REST daemon: the HTTP contract of PVC, answered from the mirror of the store and the nodes' links.
//!
//! | module | what it holds |
//! |---|---|
//! | [`routes`] | every route in one table, and what lies around them all |
//! | [`handlers`] | one function per route: read, accept, commit, convert |
//! | [`unbuilt`] | the routes of the contract that nothing is behind yet |
//! | [`parameters`] | query, form or JSON body as one struct |
//! | [`answer`], [`error`] | what is answered |
//! | [`auth`] | tokens and sessions |
//! | [`view`] | the snapshot that is answered from, and writes |
//! | [`nodes`] | consoles, logs and statistics from the nodes |
//! | [`convert`] | records to what travels over HTTP |
//! | [`document`] | the OpenAPI document and its page |
//! | [`serve`] | listening, TLS, and the end of it |
//! | [`logfile`], [`notify`] | the daemon's log, and its word to systemd |
//!
//! It can write wishes and read facts; it cannot touch a machine.

use std::sync::Arc;
use std::time::Duration;

use logic::cluster::Cluster;
use logic::config::Config;
use logic::network::NetworkKind;
use tokio::sync::watch;

pub mod answer;
pub mod auth;
pub mod convert;
pub mod document;
pub mod error;
pub mod handlers;
pub mod logfile;
pub mod nodes;
pub mod notify;
pub mod parameters;
pub mod routes;
pub mod serve;
pub mod unbuilt;
pub mod view;

/// Where the API lies on its host.
pub const BASE: &str = "/api/v1";

/// What the configuration says that answers depend on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster's name.
    pub cluster: String,
    /// The floating address of the upstream network with its prefix; empty where there is none.
    pub upstream_ip: String,
    /// How long a guest may take to shut down.
    pub vm_shutdown_timeout: Duration,
    /// Whether the API is reached over TLS only.
    pub transport: Transport,
    /// Whether there is storage.
    pub storage: Storage,
    /// How long an answer waits for the end of a change of the storage.
    pub task_wait: Duration,
}

/// Whether a cluster has storage of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// It is configured.
    Configured,
    /// Nothing is said of it.
    None,
}

/// How long an answer waits for the end of a change: less than clients wait for an answer.
const TASK_WAIT: Duration = Duration::from_secs(30);

/// What requests travel over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Plain HTTP.
    Plain,
    /// TLS.
    Tls,
}

fn upstream_ip(config: &Config) -> Option<String> {
    let upstream = config.networks.iter().find(|network| network.kind == NetworkKind::Upstream)?;
    Some(format!("{}/{}", upstream.floating?, upstream.subnet.length()))
}

impl Settings {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            cluster: config.cluster.clone(),
            upstream_ip: upstream_ip(config).unwrap_or_default(),
            vm_shutdown_timeout: Duration::from_millis(config.timers.vm_shutdown_timeout.0),
            transport: match &config.api.tls_certificate_file {
                Some(_) => Transport::Tls,
                None => Transport::Plain,
            },
            storage: if config.storage.is_some() { Storage::Configured } else { Storage::None },
            task_wait: TASK_WAIT,
        }
    }

    /// Checks that there is storage.
    ///
    /// # Errors
    /// There is none, and what to do.
    pub fn check_storage(&self) -> Result<(), error::ApiError> {
        match self.storage {
            Storage::Configured => Ok(()),
            Storage::None => Err(error::ApiError::refused(
                "This cluster has no storage: say in the section [storage] of pvc.toml where it is, on every node, and \
                 start the daemons anew.",
            )),
        }
    }
}

/// Everything that the handlers share.
#[derive(Debug)]
pub struct Api {
    /// The cluster's records.
    pub view: Arc<view::View>,
    /// The nodes.
    pub nodes: Arc<nodes::Nodes>,
    /// Who may ask.
    pub tokens: auth::Tokens,
    /// The documents, as they were read.
    pub shapes: Arc<convert::shape::Shapes>,
    /// The configuration.
    pub settings: Settings,
    /// Becomes true when the daemon stops: open streams then end.
    pub stopping: watch::Receiver<bool>,
}

impl Api {
    /// Waits until the records show something; `None` when they did not within `most`, or the daemon stops first.
    pub async fn wait_for<T>(&self, most: Duration, find: impl Fn(&Arc<Cluster>) -> Option<T>) -> Option<T> {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            found = self.view.wait_for(most, find) => found,
            _ = stopping.wait_for(|stopping| *stopping) => None,
        }
    }
}
