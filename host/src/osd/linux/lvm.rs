//! OSDs on logical volumes, laid out so that Ceph's own `ceph-volume` knows and activates them: by their tags.
//!
//! No machine of this project's tests maps devices. What is asked of LVM and `ceph-volume`, and how their answers are read,
//! is tested with answers that were written by hand; the programs themselves were never run by these tests.

use std::path::Path;

use logic::storage::osd::OsdUuid;
use logic::storage::osd::record::LogicalVolume;

use super::Linux;
use super::block::Device;
use super::note::Note;
use crate::osd::Error;

/// The group of the volumes for databases.
const DB_GROUP: &str = "osd-db";

/// How `lvs` is asked for all volumes.
const VOLUMES: &[&str] = &[
    "--noheadings",
    "--separator",
    ";",
    "--options",
    "vg_name,lv_name,lv_uuid,lv_size,lv_tags",
    "--units",
    "b",
    "--nosuffix",
];

/// A logical volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    group: String,
    name: String,
    uuid: String,
    size_bytes: u64,
    tags: Vec<String>,
}

impl Volume {
    fn path(&self) -> String {
        format!("/dev/{}/{}", self.group, self.name)
    }

    /// Whether it is an OSD's: by its name where PVC made it, by its tags where `ceph-volume` did.
    fn is_of(&self, osd: OsdUuid, kind: &str) -> bool {
        let is_tagged = |tag: &str| self.tags.iter().any(|own| own == tag);
        self.name == volume_name(osd, kind)
            || is_tagged(&format!("ceph.osd_fsid={osd}")) && is_tagged(&format!("ceph.type={kind}"))
    }
}

fn volume_name(osd: OsdUuid, kind: &str) -> String {
    format!("osd-{kind}-{osd}")
}

/// The volumes in what `lvs` says.
fn volumes(text: &str) -> Vec<Volume> {
    let volume = |line: &str| {
        let [group, name, uuid, size, tags] = line.trim().split(';').collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Volume {
            group: group.into(),
            name: name.into(),
            uuid: uuid.into(),
            size_bytes: size.parse().ok()?,
            tags: tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        })
    };
    text.lines().filter_map(volume).collect()
}

impl Linux {
    fn volumes(&self) -> Result<Vec<Volume>, Error> {
        Ok(volumes(&self.told("list the logical volumes", "lvs", VOLUMES)?))
    }

    fn volume_of(&self, osd: OsdUuid, kind: &str) -> Result<Option<Volume>, Error> {
        Ok(self.volumes()?.into_iter().find(|volume| volume.is_of(osd, kind)))
    }

    /// The logical volume that bears an OSD.
    pub(super) fn volume(&self, osd: OsdUuid) -> Result<Option<LogicalVolume>, Error> {
        let volume = self.volume_of(osd, "block")?;
        Ok(volume.map(|volume| LogicalVolume { group: volume.group, name: volume.name }))
    }

    /// The group that a device is in; `None` where it is in none.
    fn group_of(&self, device: &str) -> Result<Option<String>, Error> {
        let words = ["--noheadings", "--separator", ";", "--options", "pv_name,vg_name"];
        let told = self.told("list the physical volumes", "pvs", &words)?;
        let mut pairs = told.lines().filter_map(|line| line.trim().split_once(';'));
        let group = pairs.find(|(name, _)| *name == device).map(|(_, group)| group.to_owned());
        Ok(group.filter(|group| !group.is_empty()))
    }

    /// How many volumes of OSDs share the device with this one; `None` where it is not there.
    pub(super) fn lvm_parts(&self, device: &Device, osd: OsdUuid) -> Result<Option<u32>, Error> {
        let Some(group) = self.group_of(&device.text())? else { return Ok(None) };
        let volumes: Vec<Volume> =
            self.volumes()?.into_iter().filter(|volume| volume.group == group).collect();
        let is_there = volumes.iter().any(|volume| volume.is_of(osd, "block"));
        Ok(is_there.then(|| u32::try_from(volumes.len()).unwrap_or(u32::MAX)))
    }

    /// The device's part for an OSD, as a logical volume.
    pub(super) fn ensure_volume(&self, note: &Note) -> Result<Device, Error> {
        let what = format!("make a logical volume on {}", note.device);
        if let Some(volume) = self.volume_of(note.uuid, "block")? {
            return Device::at(Path::new(&volume.path()));
        }
        let group = match self.group_of(&note.device)? {
            Some(group) => group,
            None => {
                let group = format!("ceph-{}", note.uuid);
                self.told(&what, "vgcreate", &["--yes", &group, &note.device])?;
                group
            }
        };
        // Of what is left, each of those that are still to come has the same share.
        let share = format!("{}%FREE", 100 / note.parts.saturating_sub(note.part).max(1));
        let name = volume_name(note.uuid, "block");
        self.told(&what, "lvcreate", &["--yes", "--name", &name, "--extents", &share, &group])?;
        Device::at(Path::new(&format!("/dev/{group}/{name}")))
    }

    /// The logical volume for an OSD's database.
    pub(super) fn ensure_db_volume(&self, osd: OsdUuid, size_bytes: u64) -> Result<Device, Error> {
        let name = volume_name(osd, "db");
        if self.volume_of(osd, "db")?.is_none() {
            let what = "make a logical volume for the OSD's database";
            let size = format!("{size_bytes}b");
            self.told(what, "lvcreate", &["--yes", "--name", &name, "--size", &size, DB_GROUP])?;
        }
        Device::at(Path::new(&format!("/dev/{DB_GROUP}/{name}")))
    }

    /// The group for databases is on this device.
    pub(super) fn ensure_db_group(&self, device: &Device) -> Result<(), Error> {
        let path = device.text();
        match self.group_of(&path)? {
            Some(group) if group == DB_GROUP => Ok(()),
            Some(group) => {
                Err(Error::refused(format!("{path} is in the volume group {group}"), "take another device"))
            }
            None => {
                self.told("make the group for databases", "vgcreate", &["--yes", DB_GROUP, &path]).map(drop)
            }
        }
    }

    /// The volumes bear the tags by which `ceph-volume` knows them.
    pub(super) fn tag(&self, note: &Note) -> Result<(), Error> {
        let config = self.places.config.display().to_string();
        let fsid =
            self.told("read Ceph's configuration", "ceph-conf", &["-c", &config, "--lookup", "fsid"])?;
        let all = self.volumes()?;
        let of = |kind: &str| all.iter().find(|volume| volume.is_of(note.uuid, kind));
        let Some(block) = of("block") else {
            return Err(Error::failed("tag the logical volume", "it is not there"));
        };
        let mut tags = vec![
            "ceph.cluster_name=ceph".to_owned(),
            format!("ceph.cluster_fsid={}", fsid.trim()),
            format!("ceph.osd_id={}", note.id),
            format!("ceph.osd_fsid={}", note.uuid),
            format!("ceph.block_device={}", block.path()),
            format!("ceph.block_uuid={}", block.uuid),
            "ceph.crush_device_class=None".to_owned(),
            "ceph.encrypted=0".to_owned(),
            "ceph.vdo=0".to_owned(),
        ];
        if let Some(db) = of("db") {
            tags.extend([format!("ceph.db_device={}", db.path()), format!("ceph.db_uuid={}", db.uuid)]);
        }
        for (volume, kind) in [(Some(block), "block"), (of("db"), "db")] {
            let Some(volume) = volume else { continue };
            let mut words: Vec<String> =
                tags.iter().flat_map(|tag| ["--addtag".to_owned(), tag.clone()]).collect();
            words.extend(["--addtag".to_owned(), format!("ceph.type={kind}"), volume.path()]);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.told("tag the logical volume", "lvchange", &words)?;
        }
        Ok(())
    }

    /// Has `ceph-volume` make the OSD's folder, and start it where systemd runs the machine, then and after each boot.
    pub(super) fn activate(&self, note: &Note) -> Result<(), Error> {
        let (id, uuid) = (note.id.to_string(), note.uuid.to_string());
        let mut words = vec!["lvm", "activate", "--bluestore", &id, &uuid];
        if !self.abilities.has_systemd {
            words.push("--no-systemd");
        }
        self.told(&format!("activate osd.{id}"), "ceph-volume", &words).map(drop)
    }

    pub(super) fn wipe_lvm(&self, note: &Note) -> Result<(), Error> {
        let store = self.store(note.id);
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let store = store.display().to_string();
        if mounts.lines().any(|line| line.split(' ').nth(1) == Some(&store)) {
            self.told("unmount the OSD's folder", "umount", &[&store])?;
        }
        let what = format!("wipe osd.{}", note.id);
        for kind in ["block", "db"] {
            if let Some(volume) = self.volume_of(note.uuid, kind)? {
                self.told(&what, "lvremove", &["--yes", &volume.path()])?;
            }
        }
        // Its group goes with its last volume, if it was made for OSDs.
        if let Some(group) = self.group_of(&note.device)?.filter(|group| group.starts_with("ceph-"))
            && !self.volumes()?.iter().any(|volume| volume.group == group)
        {
            self.told(&what, "vgremove", &["--yes", &group])?;
        }
        if Path::new(&note.device).exists() && self.group_of(&note.device)?.is_none() {
            self.told(&what, "pvremove", &["--yes", "--force", &note.device])?;
        }
        match std::fs::remove_dir_all(&store) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::failed(what, error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn volumes_are_known_by_name_or_by_the_tags_of_ceph_volume() {
        let osd: OsdUuid = "2b9adeb7-4225-43cb-a47e-ade0729b7005".parse().unwrap();
        let text = "  ceph-a;osd-block-2b9adeb7-4225-43cb-a47e-ade0729b7005;AbC-1;1073741824;\n  \
                    ceph-b;osd-block-other;DeF-2;5;ceph.type=block,ceph.osd_fsid=2b9adeb7-4225-43cb-a47e-ade0729b7005\n  \
                    vg;root;GhI-3;7;\n";
        let volumes = volumes(text);
        assert_eq!(volumes.len(), 3);
        assert_eq!(volumes[0].size_bytes, 1 << 30);
        assert!(volumes[0].is_of(osd, "block") && volumes[1].is_of(osd, "block"));
        assert!(!volumes[2].is_of(osd, "block") && !volumes[1].is_of(osd, "db"));
        assert_eq!(volumes[1].path(), "/dev/ceph-b/osd-block-other");
    }
}
