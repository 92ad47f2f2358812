//! The store of an OSD: Ceph lays it out on a device, a partition or a logical volume, and its folder leads there.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use logic::storage::osd::DbSize;

use super::Linux;
use super::block::Device;
use super::note::{Layout, Note};
use crate::osd::{Error, Member};

/// Kept free at a device's beginning and end when it is split: for the table, and so that parts begin at whole MiB.
const TABLE_MIB: u64 = 2;

fn io(what: &Path) -> impl Fn(std::io::Error) -> Error {
    let what = format!("write {}", what.display());
    move |error| Error::failed(&what, error)
}

/// A link of this name to this device, whatever was there before.
fn link(folder: &Path, name: &str, device: &Device) -> Result<(), Error> {
    let place = folder.join(name);
    let _none = fs::remove_file(&place);
    symlink(device.path(), &place).map_err(io(&place))
}

impl Linux {
    /// The device, or the part of it, that bears the OSD.
    fn block_of(&self, note: &Note) -> Result<Device, Error> {
        let device = Device::at(Path::new(&note.device))?;
        match note.layout {
            Layout::Lvm => self.ensure_volume(note),
            Layout::Raw if note.parts == 1 => Ok(device),
            Layout::Raw => {
                let size_mib = (device.size_bytes() >> 20).saturating_sub(TABLE_MIB) / u64::from(note.parts);
                self.ensure_part(&device, &note.uuid.to_string(), size_mib)
            }
        }
    }

    /// What its database lies on, if not on the same.
    fn db_of(&self, note: &Note, block: &Device, size: Option<DbSize>) -> Result<Option<Device>, Error> {
        let (Some(size), Some(device)) = (size, &note.db_device) else { return Ok(None) };
        let size_bytes = size.of(block.size_bytes());
        let db = match note.layout {
            Layout::Lvm => self.ensure_db_volume(note.uuid, size_bytes)?,
            Layout::Raw => {
                self.ensure_part(&Device::at(Path::new(device))?, &note.uuid.to_string(), size_bytes >> 20)?
            }
        };
        Ok(Some(db))
    }

    pub(super) fn lay_out(&self, note: &Note, member: &Member, db: Option<DbSize>) -> Result<(), Error> {
        self.notes().write(note)?;
        let block = self.block_of(note)?;
        let db = self.db_of(note, &block, db)?;
        let store = self.store(note.id);
        if !self.is_laid_out(&store, &block, member)? {
            // A whole device that bears neither this OSD nor nothing was given to somebody else meanwhile.
            if note.layout == Layout::Raw && note.parts == 1 && block.label()? != Some(note.uuid) {
                self.must_be_empty(&block)?;
            }
            let _none = fs::remove_dir_all(&store);
            fs::create_dir_all(&store).map_err(io(&store))?;
            for device in [Some(&block), db.as_ref()].into_iter().flatten() {
                device.clear()?;
            }
            link(&store, "block", &block)?;
            self.keep_keyring(&store, member)?;
            self.make(note, db.as_ref())?;
        }
        self.keep_keyring(&store, member)?;
        self.belong(&store, &[Some(&block), db.as_ref()])?;
        match note.layout {
            Layout::Lvm => self.tag(note),
            Layout::Raw => Ok(()),
        }
    }

    /// Whether a device bears an OSD that was laid out to its end.
    fn is_laid_out(&self, store: &Path, block: &Device, member: &Member) -> Result<bool, Error> {
        Ok(store.join("ready").exists() && block.label()? == Some(member.uuid))
    }

    /// What the OSD proves itself with, where it looks for it.
    fn keep_keyring(&self, store: &Path, member: &Member) -> Result<(), Error> {
        let path = store.join("keyring");
        fs::write(&path, &member.keyring).map_err(io(&path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(io(&path))
    }

    /// Has Ceph lay out an empty OSD.
    fn make(&self, note: &Note, db: Option<&Device>) -> Result<(), Error> {
        let (id, uuid, store) = (note.id.to_string(), note.uuid.to_string(), self.store(note.id));
        let (store, config) = (store.display().to_string(), self.places.config.display().to_string());
        let mut words =
            vec!["--conf", &config, "--mkfs", "--id", &id, "--osd-uuid", &uuid, "--osd-data", &store];
        // What the configuration says of keys is the clients'.
        let keyring = format!("{store}/keyring");
        words.extend(["--osd-objectstore", "bluestore", "--keyring", &keyring]);
        let db = db.map(Device::text);
        if let Some(db) = &db {
            words.extend(["--bluestore-block-db-path", db]);
        }
        self.told(&format!("lay out osd.{id} on {}", note.device), "ceph-osd", &words).map(drop)
    }

    /// Ceph's own user owns what its daemon writes to, where systemd runs that as this user.
    fn belong(&self, store: &Path, devices: &[Option<&Device>]) -> Result<(), Error> {
        if !self.abilities.has_systemd {
            return Ok(());
        }
        let store = store.display().to_string();
        self.told("give the OSD its folder", "chown", &["-R", "ceph:ceph", &store])?;
        for device in devices.iter().flatten() {
            self.told("give the OSD its device", "chown", &["ceph:ceph", &device.text()])?;
        }
        Ok(())
    }

    pub(super) fn restore_raw(&self, note: &Note, member: &Member) -> Result<(), Error> {
        let device = Device::at(Path::new(&note.device))?;
        let name = note.uuid.to_string();
        let block = if note.parts == 1 { Some(device.clone()) } else { self.part(&device, &name)? };
        let block = match block {
            Some(block) if block.label()? == Some(note.uuid) => block,
            Some(_) if note.parts == 1 => self.part(&device, &name)?.unwrap_or(device),
            _ => device,
        };
        let store = self.store(note.id);
        fs::create_dir_all(&store).map_err(io(&store))?;
        let (dev, folder) = (block.text(), store.display().to_string());
        let words = ["prime-osd-dir", "--no-mon-config", "--dev", &dev, "--path", &folder];
        self.told(&format!("read osd.{} from {dev}", note.id), "ceph-bluestore-tool", &words)?;
        link(&store, "block", &block)?;
        let db = self.notes().db()?;
        let db = db.map(|db| Device::at(Path::new(&db.device))).transpose()?;
        let db = db.map(|db| self.part(&db, &name)).transpose()?.flatten();
        if let Some(db) = &db {
            link(&store, "block.db", db)?;
            self.notes()
                .write(&Note { db_device: self.notes().db()?.map(|db| db.device), ..note.clone() })?;
        }
        self.keep_keyring(&store, member)?;
        self.belong(&store, &[Some(&block), db.as_ref()])
    }

    /// The OSD's folder leads to what bears it. Devices may have other names since the machine was started anew.
    pub(super) fn find(&self, note: &Note) -> Result<(), Error> {
        let store = self.store(note.id);
        let leads = |name: &str| {
            Device::at(&store.join(name)).and_then(|device| device.label()).ok().flatten() == Some(note.uuid)
        };
        let has_db = note.db_device.is_some();
        if leads("block") && (!has_db || leads("block.db")) {
            return Ok(());
        }
        let lost = || {
            let why = format!("no device of this node bears osd.{} ({}) any more", note.id, note.uuid);
            Error::refused(why, "see lsblk for its devices; an OSD that is lost can be replaced")
        };
        let mut found = [None, None];
        let listed = self.told("list the devices", "lsblk", super::block::LIST)?;
        for device in super::block::listed(&listed)? {
            // One that goes meanwhile bears nothing.
            let Ok(device) = Device::at(Path::new(&device.path)) else { continue };
            if let Some(block) = self.borne_on(&device, note)? {
                found[usize::from(block.bears_database()?)].get_or_insert((device, block));
            }
        }
        let [data, db] = found;
        let (device, block) = data.ok_or_else(lost)?;
        link(&store, "block", &block)?;
        let mut found = Note { device: device.text(), ..note.clone() };
        if has_db {
            let (device, block) = db.ok_or_else(lost)?;
            link(&store, "block.db", &block)?;
            found.db_device = Some(device.text());
        }
        self.notes().write(&found)
    }

    /// What of a device is an OSD's: all of it, or a partition.
    fn borne_on(&self, device: &Device, note: &Note) -> Result<Option<Device>, Error> {
        match device.label() {
            Ok(Some(osd)) if osd == note.uuid => Ok(Some(device.clone())),
            _ => self.part(device, &note.uuid.to_string()),
        }
    }

    pub(super) fn wipe_raw(&self, note: &Note) -> Result<(), Error> {
        let name = note.uuid.to_string();
        // A device that is gone bears nothing any more.
        if let Ok(device) = Device::at(Path::new(&note.device)) {
            if note.parts == 1 {
                // What bears another OSD by now, or anything else, is left alone.
                if device.label()? == Some(note.uuid) {
                    device.clear()?;
                }
            } else {
                self.remove_part(&device, &name)?;
                self.drop_table(&device)?;
            }
        }
        if let Some(Ok(db)) = note.db_device.as_ref().map(|path| Device::at(Path::new(path))) {
            self.remove_part(&db, &name)?;
        }
        let store = self.store(note.id);
        match fs::remove_dir_all(&store) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&store)(error)),
            _ => Ok(()),
        }
    }
}
