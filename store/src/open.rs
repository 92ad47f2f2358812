//! Opens the backend that the configuration names, with the secret it needs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use logic::config::StoreUrl;

use crate::sqlite::Sqlite;
use crate::zookeeper::ZooKeeper;
use crate::{Error, Store};

/// The password of the store. Its text never appears in logs or errors.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A secret from its text; white space around it does not count.
    ///
    /// # Errors
    /// [`Error::Secret`] when nothing is left.
    pub fn new(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "" => Err(Error::Secret { why: "it is empty".into() }),
            text => Ok(Self(text.to_owned())),
        }
    }

    /// Reads `store_secret_file`.
    ///
    /// # Errors
    /// [`Error::Secret`] names the file and what is wrong with it.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let told = |why: &dyn fmt::Display| Error::Secret { why: format!("{}: {why}", file.display()) };
        let text = std::fs::read_to_string(file).map_err(|error| told(&error))?;
        Self::new(&text).map_err(|_| told(&"it is empty"))
    }

    /// The text, for the backend that shows it to its server.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// Opens the store and begins a session with it.
///
/// # Errors
/// [`Error::Unreachable`] when it cannot be used, [`Error::Unauthorised`] when it refuses the secret,
/// [`Error::Secret`] when it needs one and none was given.
pub fn open(url: &StoreUrl, secret: Option<Secret>) -> Result<Arc<dyn Store>, Error> {
    match (url, secret) {
        (StoreUrl::Sqlite { path }, _) => Ok(Arc::new(Sqlite::open(Path::new(path))?)),
        (StoreUrl::ZooKeeper { .. }, None) => {
            Err(Error::Secret { why: "ZooKeeper needs store_secret_file".into() })
        }
        (StoreUrl::ZooKeeper { servers }, Some(secret)) => Ok(Arc::new(ZooKeeper::open(servers, &secret)?)),
    }
}
