//! Names and numbers as types, so that one is never taken for another.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits::NAME_LENGTH_MAX;

/// Why a text is not the id it was meant to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} \"{text}\" is not valid: {why}")]
pub struct BadId {
    /// The kind of id, as an operator calls it.
    pub what: &'static str,
    /// The text that was given.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Checks a name that becomes part of a key, a file name and a host name.
fn check_name(what: &'static str, also: &str, text: &str) -> Result<(), BadId> {
    let bad = |why| Err(BadId { what, text: text.chars().take(NAME_LENGTH_MAX + 1).collect(), why });
    if text.is_empty() {
        return bad("it is empty");
    }
    if text.len() > NAME_LENGTH_MAX {
        return bad("it is longer than 63 characters");
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c)) {
        return bad("it has a character that is not allowed there; use letters, digits, '-', '_' and '.'");
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return bad("it must begin with a letter or a digit");
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $also:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                check_name($what, $also, text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// A node's short host name.
    NodeName,
    "node name",
    "-_."
);
name_type!(
    /// A VM's name, unique in the cluster.
    VmName,
    "VM name",
    "-_."
);
name_type!(
    /// A tag on a VM; `:` may part a tag from its argument.
    Tag,
    "tag",
    "-_.:"
);

name_type!(
    /// A storage pool's name.
    PoolName,
    "pool name",
    "-_."
);
name_type!(
    /// A volume's name, unique in its pool.
    VolumeName,
    "volume name",
    "-_."
);
name_type!(
    /// A snapshot's name, unique among those of its volume.
    SnapshotName,
    "snapshot name",
    "-_."
);
name_type!(
    /// A benchmark's name.
    BenchmarkName,
    "benchmark name",
    "-_."
);

/// A VM's identity: the UUID of its libvirt document.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VmId(pub Uuid);

impl FromStr for VmId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        Uuid::parse_str(text).map(Self).map_err(|_| BadId {
            what: "VM UUID",
            text: text.chars().take(NAME_LENGTH_MAX + 1).collect(),
            why: "a UUID has 32 hexadecimal digits",
        })
    }
}

impl fmt::Display for VmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for VmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A task's id: eight hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(pub u32);

impl FromStr for TaskId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId {
            what: "task id",
            text: text.chars().take(NAME_LENGTH_MAX + 1).collect(),
            why: "it has eight hexadecimal digits",
        };
        if text.len() != 8 {
            return Err(bad());
        }
        u32::from_str_radix(text, 16).map(Self).map_err(|_| bad())
    }
}

impl TryFrom<String> for TaskId {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.to_string()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
