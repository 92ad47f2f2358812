//! The disks of a document that are volumes of PVC's storage: which, and how a hypervisor is told where they are.
//!
//! A document names them as `<disk type='network'><source protocol='rbd' name='pool/volume'/>`, whatever the storage is.
//! What a start or an attachment needs besides is written in when it is needed, from what the node knows then: the
//! monitors, the user and the secret for Ceph; the path and the format for a directory. So a document outlives changes
//! of monitors, and serves both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;

use roxmltree::Node as Element;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::render::{Splice, escape, insert_first, spliced};
use super::{Disk, DomainError, child, with_root};
use crate::storage::VolumePath;

/// Whether others may have a volume open at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// They may not.
    #[default]
    Alone,
    /// The document declares it to be shared, or to be only read.
    Shared,
}

/// A volume that a VM's document names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeUse {
    /// The volume.
    pub path: VolumePath,
    /// The disk's target: `sda`.
    pub dev: String,
    /// Whether others may have it open, too.
    #[serde(default)]
    pub sharing: Sharing,
}

/// How guests reach volumes in Ceph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CephAccess {
    /// The monitors.
    pub monitors: Vec<SocketAddr>,
    /// The user, without `client.`.
    pub user: String,
    /// The secret at libvirt that holds the user's key.
    pub secret: Uuid,
}

/// A volume in a file of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeFile {
    /// Its path.
    pub path: String,
    /// `qcow2` or `raw`.
    pub format: &'static str,
}

/// Where this node finds the volumes of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sources {
    /// All in one Ceph.
    Ceph(CephAccess),
    /// Each in a file.
    Files(BTreeMap<VolumePath, VolumeFile>),
}

/// The volumes among a document's disks.
pub(super) fn volumes(disks: &[Disk]) -> Result<Vec<VolumeUse>, DomainError> {
    let mut seen = BTreeSet::new();
    let mut volumes = Vec::new();
    for disk in disks.iter().filter(|disk| disk.kind == "rbd") {
        let bad = |why: String| DomainError::BadVolume {
            dev: disk.dev.clone(),
            name: disk.name.chars().take(80).collect(),
            why,
        };
        let path: VolumePath = disk.name.parse().map_err(|error: crate::id::BadId| bad(error.why.into()))?;
        if !seen.insert(path.clone()) {
            return Err(bad("another disk of this VM is the same volume".into()));
        }
        volumes.push(VolumeUse { path, dev: disk.dev.clone(), sharing: disk.sharing });
    }
    Ok(volumes)
}

/// The volumes that a document, or the element of one device, names. What cannot be a volume is left out.
///
/// # Errors
/// [`DomainError`] when the text cannot be read.
pub fn named(xml: &str) -> Result<Vec<VolumePath>, DomainError> {
    with_root(xml, |root| Ok(rbd_disks(root).filter_map(|disk| disk.volume()).collect()))
}

/// The element of one device, with where this node finds its volume. Nothing is changed in one that names none.
///
/// # Errors
/// [`DomainError`] when the text cannot be read, or its volume is not among the sources.
pub fn render_device(xml: &str, sources: &Sources) -> Result<String, DomainError> {
    with_root(xml, |root| Ok(spliced(xml, splices(xml, root, sources)?)))
}

/// What has to change so that disks name their volumes as those are called now.
pub(super) fn moved(root: Element<'_, '_>, moved: &BTreeMap<VolumePath, VolumePath>) -> Vec<Splice> {
    let splice = |disk: RbdDisk<'_, '_>| {
        let to = moved.get(&disk.volume()?)?;
        let range = disk.source.attribute_node("name")?.range_value();
        Some(Splice { range, text: escape(&to.to_string()) })
    };
    rbd_disks(root).filter_map(splice).collect()
}

/// What has to change so that each volume below this element is found.
pub(super) fn splices(
    xml: &str,
    root: Element<'_, '_>,
    sources: &Sources,
) -> Result<Vec<Splice>, DomainError> {
    let mut splices = Vec::new();
    for disk in rbd_disks(root) {
        match sources {
            Sources::Ceph(access) => disk.in_ceph(xml, access, &mut splices),
            Sources::Files(files) => {
                let file = disk.volume().and_then(|volume| files.get(&volume));
                let file = file.ok_or_else(|| DomainError::BadVolume {
                    dev: super::attribute(child(disk.disk, "target"), "dev"),
                    name: disk.name().to_owned(),
                    why: "this node does not find it".into(),
                })?;
                disk.in_file(xml, file, &mut splices);
            }
        }
    }
    Ok(splices)
}

/// A disk that is an RBD image, with its source.
struct RbdDisk<'a, 'i> {
    disk: Element<'a, 'i>,
    source: Element<'a, 'i>,
}

fn rbd_disks<'a, 'i>(root: Element<'a, 'i>) -> impl Iterator<Item = RbdDisk<'a, 'i>> {
    let disks = root
        .descendants()
        .filter(|element| element.has_tag_name("disk") && element.attribute("type") == Some("network"));
    disks.filter_map(|disk| {
        let source = child(disk, "source").filter(|source| source.attribute("protocol") == Some("rbd"))?;
        Some(RbdDisk { disk, source })
    })
}

impl<'a, 'i> RbdDisk<'a, 'i> {
    fn name(&self) -> &'a str {
        self.source.attribute("name").unwrap_or_default()
    }

    fn volume(&self) -> Option<VolumePath> {
        self.name().parse().ok()
    }

    /// The monitors, the user and the secret take the place of those that were written. A cache of its own would only
    /// cost time, and bar moves while the guest runs: where nobody asks for one, there is none.
    fn in_ceph(&self, xml: &str, access: &CephAccess, splices: &mut Vec<Splice>) {
        let hosts: String = access
            .monitors
            .iter()
            .map(|at| format!("<host name='{}' port='{}'/>", at.ip(), at.port()))
            .collect();
        let auth = format!(
            "<auth username='{}'><secret type='ceph' uuid='{}'/></auth>",
            escape(&access.user),
            access.secret
        );
        for written in self.source.children().filter(|c| c.has_tag_name("host") || c.has_tag_name("auth")) {
            splices.push(Splice { range: written.range(), text: String::new() });
        }
        splices.extend(self.without_auth());
        splices.push(insert_first(xml, self.source, &format!("{hosts}{auth}")));
        splices.extend(self.driver(xml, &[("type", "raw"), ("cache", "none"), ("discard", "unmap")]));
    }

    /// The file takes the place of the image: another kind of disk, another source, and the format of the file.
    fn in_file(&self, xml: &str, file: &VolumeFile, splices: &mut Vec<Splice>) {
        if let Some(kind) = self.disk.attribute_node("type") {
            splices.push(Splice { range: kind.range_value(), text: "file".into() });
        }
        let source = format!("<source file='{}'/>", escape(&file.path));
        splices.push(Splice { range: self.source.range(), text: source });
        splices.extend(self.without_auth());
        let written = child(self.disk, "driver").and_then(|driver| driver.attribute_node("type"));
        splices.extend(written.map(|kind| Splice { range: kind.range_value(), text: file.format.into() }));
        splices.extend(self.driver(xml, &[("type", file.format), ("discard", "unmap")]));
    }

    /// Older documents have the user beside the source.
    fn without_auth(&self) -> Option<Splice> {
        child(self.disk, "auth").map(|auth| Splice { range: auth.range(), text: String::new() })
    }

    /// Adds to the disk's driver what is not said there.
    fn driver(&self, xml: &str, wanted: &[(&str, &str)]) -> Option<Splice> {
        let driver = child(self.disk, "driver");
        let is_said = |name: &str| driver.is_some_and(|driver| driver.has_attribute(name));
        let missing: String = [&[("name", "qemu")], wanted]
            .concat()
            .iter()
            .filter(|(name, _)| !is_said(name))
            .map(|(name, value)| format!(" {name}='{value}'"))
            .collect();
        match driver {
            None => Some(insert_first(xml, self.disk, &format!("<driver{missing}/>"))),
            Some(_) if missing.is_empty() => None,
            Some(driver) => {
                let at = driver.range().start + "<driver".len();
                Some(Splice { range: Range { start: at, end: at }, text: missing })
            }
        }
    }
}

#[cfg(test)]
mod tests;
