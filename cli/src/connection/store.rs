//! The file with the user's connections: `pvc.json`, readable by the user alone because it holds keys.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{ConnectionError, LOCAL_FILES};

/// One connection as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Entry {
    /// The cluster that this machine is a node of.
    Local {
        /// The configuration file of its API.
        cfgfile: String,
    },
    /// A cluster elsewhere.
    Remote(Remote),
}

impl Entry {
    /// The one that is there without being added.
    pub(super) fn local() -> Self {
        Self::Local { cfgfile: LOCAL_FILES[0].into() }
    }
}

/// A cluster elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remote {
    /// What it is for.
    #[serde(default)]
    pub(crate) description: String,
    /// The host name or address.
    pub(crate) host: String,
    /// The port.
    #[serde(deserialize_with = "number_or_text")]
    pub(crate) port: u16,
    /// `http` or `https`.
    #[serde(default)]
    pub(crate) scheme: String,
    /// The key; `null` or empty where none is needed.
    #[serde(default)]
    pub(crate) api_key: Option<String>,
    /// Whether the certificate is checked; `null` where nothing was said, which means yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verify_ssl: Option<bool>,
}

impl Remote {
    /// The key, unless it is one of the words for none.
    pub(crate) fn key(&self) -> Option<String> {
        self.api_key.clone().filter(|key| !key.is_empty() && key != "N/A")
    }

    /// Whether the certificate is checked: as the entry says, else as `PVC_CLIENT_VERIFY_SSL` says, else yes.
    pub(super) fn verifies(&self) -> bool {
        let environment = || std::env::var("PVC_CLIENT_VERIFY_SSL").ok();
        let denies = |text: String| matches!(text.to_lowercase().as_str(), "0" | "false" | "no" | "off");
        self.verify_ssl.unwrap_or_else(|| !environment().is_some_and(denies))
    }
}

/// Earlier versions have written the port as a text at times.
fn number_or_text<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    let value = Value::deserialize(from)?;
    let number = match &value {
        Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| serde::de::Error::custom(format!("{value} is not a port")))
}

fn path(directory: &Path) -> PathBuf {
    directory.join("pvc.json")
}

/// Reads the file; one that is not there holds nothing.
pub(super) fn load(directory: &Path) -> Result<BTreeMap<String, Entry>, ConnectionError> {
    let path = path(directory);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => {
            let remedy = "Look at its owner and its permissions.";
            return Err(ConnectionError::File { path, verb: "read", source, remedy });
        }
    };
    serde_json::from_str(&text).map_err(|error| ConnectionError::Content {
        path,
        why: format!("{error}. Mend it, or move it away and add the connections anew"),
    })
}

/// Writes the file whole, so that another command sees the old one or the new one.
pub(super) fn save(directory: &Path, entries: &BTreeMap<String, Entry>) -> Result<(), ConnectionError> {
    let path = path(directory);
    let text = serde_json::to_string_pretty(entries).expect("connections are JSON");
    write(directory, &path, &text).map_err(|source| {
        let remedy =
            "Look at the owner and the permissions of the directory, or name another in PVC_CLIENT_DIR.";
        ConnectionError::File { path, verb: "written", source, remedy }
    })
}

fn write(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let new = directory.join(format!("pvc.json.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, path)
}
