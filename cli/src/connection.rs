//! Which API a connection's name leads to: those that the user has added, and the local one, which is always there.
//!
//! The file is the one that the command line of PVC 1.0 keeps, so that its connections go on working. A name that is not
//! known is an error and never the local connection: a command must not reach another cluster than the one it was meant for.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};

use api::client::{Endpoint, Scheme, Trust};

mod local;
mod store;
mod yaml;

pub(crate) use store::{Entry, Remote};

/// The name of the connection to the cluster that this machine is a node of.
pub(crate) const LOCAL: &str = "local";

/// Where the local API's configuration is, in the order in which it is looked for.
const LOCAL_FILES: [&str; 2] = ["/etc/pvc/pvc.toml", "/etc/pvc/pvc.conf"];

/// Why a connection leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// A name that nobody has added.
    #[error(
        "There is no connection \"{name}\". There are: {known}. Add it with: pvc connection add {name} -a ADDRESS -k KEY"
    )]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A machine that is no node.
    #[error(
        "This machine has no local connection: there is neither {} nor {}. Add the cluster with: pvc connection add NAME -a ADDRESS -k KEY, and name it with: pvc -c NAME",
        LOCAL_FILES[0], LOCAL_FILES[1]
    )]
    NoLocal,
    /// A file that cannot be read, or cannot be written.
    #[error("{path} cannot be {verb}. {remedy}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        verb: &'static str,
        /// Why not.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A file that says something else than it should.
    #[error("{path} is not understood: {why}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// No place for the file.
    #[error("There is no place for connections: set HOME, or name a directory in PVC_CLIENT_DIR.")]
    NoDirectory,
}

/// The directory of the user's connections; `None` where there is no home.
pub(crate) fn directory() -> Option<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("PVC_CLIENT_DIR").or_else(|| Some(named("HOME")?.join(".config/pvc")))
}

/// The short host name of this machine, where the kernel tells it.
pub(crate) fn hostname() -> Option<String> {
    let name = std::fs::read_to_string(HOSTNAME_FILE).ok()?;
    Some(name.trim().split('.').next().unwrap_or_default().to_owned())
}

/// Where the kernel tells this machine's name.
pub(crate) const HOSTNAME_FILE: &str = "/proc/sys/kernel/hostname";

/// All connections.
#[derive(Debug)]
pub(crate) struct Connections {
    directory: Option<PathBuf>,
    entries: BTreeMap<String, Entry>,
}

impl Connections {
    /// Reads those that the user has added.
    pub(crate) fn load(directory: Option<&Path>) -> Result<Self, ConnectionError> {
        let entries = directory.map(store::load).transpose()?.unwrap_or_default();
        Ok(Self { directory: directory.map(Path::to_owned), entries })
    }

    /// The names and entries; the local one is there even if nobody has added it.
    pub(crate) fn entries(&self) -> BTreeMap<String, Entry> {
        let mut all = self.entries.clone();
        all.entry(LOCAL.into()).or_insert_with(Entry::local);
        all
    }

    /// Adds or replaces one, and remembers it.
    pub(crate) fn add(&mut self, name: &str, entry: Entry) -> Result<(), ConnectionError> {
        self.entries.insert(name.into(), entry);
        self.save()
    }

    /// Forgets one.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), ConnectionError> {
        self.entries.remove(name).ok_or_else(|| self.unknown(name))?;
        self.save()
    }

    /// Where the API of this name is.
    pub(crate) fn endpoint(&self, name: &str) -> Result<Endpoint, ConnectionError> {
        Ok(self.endpoints(name)?.swap_remove(0))
    }

    /// The same, and after it where else the same cluster may be asked. There is at least one.
    pub(crate) fn endpoints(&self, name: &str) -> Result<Vec<Endpoint>, ConnectionError> {
        match self.entries.get(name) {
            Some(Entry::Remote(remote)) => Ok(vec![Endpoint {
                scheme: if remote.scheme == "https" { Scheme::Https } else { Scheme::Http },
                host: remote.host.clone(),
                port: remote.port,
                token: remote.key(),
                trust: if remote.verifies() { Trust::System } else { Trust::Anyone },
            }]),
            Some(Entry::Local { cfgfile }) => local::endpoints(&candidates(cfgfile)),
            None if name == LOCAL => local::endpoints(&LOCAL_FILES.map(PathBuf::from)),
            None => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> ConnectionError {
        let known: Vec<String> = self.entries().into_keys().collect();
        ConnectionError::Unknown { name: name.into(), known: known.join(", ") }
    }

    fn save(&self) -> Result<(), ConnectionError> {
        store::save(self.directory.as_deref().ok_or(ConnectionError::NoDirectory)?, &self.entries)
    }
}

/// The files that a local entry may mean: the usual ones, unless it names one of its own.
fn candidates(cfgfile: &str) -> Vec<PathBuf> {
    let usual = cfgfile.is_empty() || LOCAL_FILES.contains(&cfgfile);
    if usual { LOCAL_FILES.map(PathBuf::from).into() } else { vec![cfgfile.into()] }
}

#[cfg(test)]
mod tests;
