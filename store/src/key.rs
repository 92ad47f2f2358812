//! Paths in the store, as a type; every path is made here.

use std::fmt;
use std::sync::Arc;

/// A path such as `/pvc/vms/…`: begins with `/`, has no empty part and does not end in `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// A key from a path that this module or a test wrote.
    ///
    /// # Panics
    /// When the path is not one; paths are never made of unchecked input.
    pub fn new(path: &str) -> Self {
        assert!(path.starts_with('/') && !path.ends_with('/') && !path.contains("//"), "not a path: {path}");
        Self(path.into())
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key one step below, by its name.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self::new(&format!("{}/{name}", self.0))
    }

    /// Whether `other` is this key or lies below it.
    pub fn covers(&self, other: &Key) -> bool {
        other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
