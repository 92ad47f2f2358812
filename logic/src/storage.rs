//! Pools, volumes and snapshots: where each lies, how often its data is kept, and on what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{BadId, PoolName, SnapshotName, VolumeName};

pub mod accept;
pub mod benchmark;
pub mod change;
pub mod end;
pub mod facts;
pub mod figures;
pub mod measure;
pub mod osd;
pub mod reason;
pub mod record;
mod refusal;
pub mod size;
pub mod space;
pub mod sweep;
pub mod work;

pub use refusal::StorageRefusal;

/// Where a volume lies, written as `pool/volume`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumePath {
    /// The pool.
    pub pool: PoolName,
    /// The volume in it.
    pub volume: VolumeName,
}

impl VolumePath {
    /// The volume of this name beside this one.
    pub fn beside(&self, volume: &VolumeName) -> Self {
        Self { pool: self.pool.clone(), volume: volume.clone() }
    }

    /// Its snapshot of this name.
    pub fn at(&self, snapshot: &SnapshotName) -> SnapshotPath {
        SnapshotPath { of: self.clone(), snapshot: snapshot.clone() }
    }
}

/// Where a snapshot lies, written as `pool/volume@snapshot`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotPath {
    /// The volume.
    pub of: VolumePath,
    /// Its snapshot.
    pub snapshot: SnapshotName,
}

fn parts<'a>(what: &'static str, text: &'a str, by: char) -> Result<(&'a str, &'a str), BadId> {
    text.split_once(by).ok_or_else(|| BadId {
        what,
        text: text.chars().take(200).collect(),
        why: "it is written as pool/volume, a snapshot as pool/volume@snapshot",
    })
}

impl FromStr for VolumePath {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let (pool, volume) = parts("volume", text, '/')?;
        Ok(Self { pool: pool.parse()?, volume: volume.parse()? })
    }
}

impl FromStr for SnapshotPath {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let (volume, snapshot) = parts("snapshot", text, '@')?;
        Ok(Self { of: volume.parse()?, snapshot: snapshot.parse()? })
    }
}

impl fmt::Display for VolumePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pool, self.volume)
    }
}

impl fmt::Display for SnapshotPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.of, self.snapshot)
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {
        $(impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(path: $name) -> String {
                path.to_string()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        })*
    };
}

as_text!(VolumePath, SnapshotPath);

/// How often a pool keeps its data, and how many of these copies there must be for a write to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replication {
    /// How many copies there shall be.
    pub copies: u8,
    /// With fewer of them nothing is written.
    pub copies_min: u8,
}

/// On what kind of device a pool keeps its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// On any.
    #[default]
    Default,
    /// On rotating disks.
    Hdd,
    /// On flash disks.
    Ssd,
    /// On flash disks behind PCI Express.
    Nvme,
}

impl Tier {
    /// Its name, which is also that of Ceph's device class; `default` for any.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Hdd => "hdd",
            Self::Ssd => "ssd",
            Self::Nvme => "nvme",
        }
    }
}

/// How a volume's bytes are kept in a file, or brought from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As they are.
    Raw,
    /// QEMU's format.
    Qcow2,
    /// QEMU's format before that.
    Qed,
    /// `VMware`'s.
    Vmdk,
    /// `VirtualBox`'s.
    Vdi,
    /// Microsoft's.
    Vpc,
}

impl Format {
    /// Its name, which is what `qemu-img` calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Qed => "qed",
            Self::Vmdk => "vmdk",
            Self::Vdi => "vdi",
            Self::Vpc => "vpc",
        }
    }

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Raw, Self::Qcow2, Self::Qed, Self::Vmdk, Self::Vdi, Self::Vpc];
        all.into_iter().find(|format| format.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_written() {
        let path: SnapshotPath = "vms/web_disk0@before".parse().unwrap();
        assert_eq!(path.to_string(), "vms/web_disk0@before");
        assert_eq!(path.of, "vms/web_disk0".parse().unwrap());
        assert_eq!(path.of.at(&path.snapshot), path);
        assert_eq!(path.of.beside(&"db".parse().unwrap()).to_string(), "vms/db");
        assert_eq!(serde_json::to_string(&path.of).unwrap(), "\"vms/web_disk0\"");
    }

    #[test]
    fn what_could_leave_its_pool_is_no_path() {
        for text in ["vms", "vms/", "/web", "vms/../etc", "vms/a/b", "vms/.hidden", "vms/a@b", "vms/a b"] {
            assert!(text.parse::<VolumePath>().is_err(), "{text}");
        }
        for text in ["vms/a", "vms/a@", "vms@a", "vms/a@b@c", "vms/a@../b"] {
            assert!(text.parse::<SnapshotPath>().is_err(), "{text}");
        }
    }
}
