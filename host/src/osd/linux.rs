//! OSDs on the devices of a Linux machine: on logical volumes where the kernel maps devices, and on plain ones elsewhere.
//!
//! Of each OSD there is a note, which is written before its device is touched and removed when that is empty again. What a
//! killed call left is known by it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use logic::storage::osd::change::Preparation;
use logic::storage::osd::record::Borne;
use logic::storage::osd::{DeviceChoice, OsdId, OsdUuid};

use super::{Devices, Error, Member, Occasion};
use crate::command::{self, Finished};

mod block;
mod daemon;
mod lvm;
mod note;
mod partition;
mod store;

use block::Device;
use note::{Layout, Note, Notes};

/// How long a program may take: laying out a large device takes a while.
const LIMIT: Duration = Duration::from_secs(300);

/// Where things are on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// PVC's notes of its OSDs, such as `/var/lib/pvc/osd`.
    pub notes: PathBuf,
    /// The OSDs' own folders, such as `/var/lib/ceph/osd`.
    pub stores: PathBuf,
    /// Where a running OSD's process id is kept, such as `/run/ceph`.
    pub run: PathBuf,
    /// Ceph's configuration file.
    pub config: PathBuf,
}

impl Places {
    /// Where they are on every machine, with this configuration file.
    pub fn usual(config: &Path) -> Self {
        Self {
            notes: "/var/lib/pvc/osd".into(),
            stores: "/var/lib/ceph/osd".into(),
            run: "/run/ceph".into(),
            config: config.into(),
        }
    }
}

/// The programs of a machine; a test plays them.
pub trait Programs: Send + Sync + std::fmt::Debug {
    /// Runs a program to its end.
    ///
    /// # Errors
    /// It cannot be started, or does not end in time.
    fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<Finished, command::Error>;
}

/// The machine's own.
#[derive(Clone, Copy, Debug)]
struct Own;

impl Programs for Own {
    fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<Finished, command::Error> {
        command::run(program, arguments, limit)
    }
}

/// What a machine has of what OSDs can be laid on and run by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Abilities {
    /// Whether the kernel maps devices, so that there are logical volumes.
    maps_devices: bool,
    /// Whether systemd runs the machine.
    has_systemd: bool,
}

impl Abilities {
    fn of_this_machine() -> Self {
        Self {
            maps_devices: Path::new("/dev/mapper/control").exists(),
            has_systemd: Path::new("/run/systemd/system").exists(),
        }
    }
}

/// The OSDs of this machine.
#[derive(Clone, Debug)]
pub struct Linux {
    places: Places,
    programs: Arc<dyn Programs>,
    abilities: Abilities,
}

impl Linux {
    /// The machine that this runs on.
    pub fn open(places: Places) -> Self {
        Self { places, programs: Arc::new(Own), abilities: Abilities::of_this_machine() }
    }

    fn notes(&self) -> Notes {
        Notes::of(&self.places.notes)
    }

    /// Runs a program, which must end well; says what it said.
    fn told(&self, what: &str, program: &str, arguments: &[&str]) -> Result<String, Error> {
        let failed = |why: String| Error::failed(what, why);
        let done = self.programs.run(program, arguments, LIMIT).map_err(|error| failed(error.to_string()))?;
        match done.code {
            Some(0) => Ok(done.output),
            code => {
                let said = [done.errors.trim(), done.output.trim()].into_iter().find(|said| !said.is_empty());
                let end: Vec<&str> = said.unwrap_or("it says nothing").lines().rev().take(5).collect();
                let end: Vec<&str> = end.into_iter().rev().collect();
                let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
                Err(failed(format!("{program} ended with {code}: {}", end.join(" / "))))
            }
        }
    }

    /// The folder of an OSD.
    fn store(&self, id: OsdId) -> PathBuf {
        self.places.stores.join(format!("ceph-{id}"))
    }

    /// The device that is meant.
    fn resolve(&self, choice: &DeviceChoice) -> Result<Device, Error> {
        let DeviceChoice::Detect { index, .. } = choice else {
            return Device::at(Path::new(&choice.to_string()));
        };
        let listed = self.told("list the devices", "lsblk", block::LIST)?;
        let fitting: Vec<String> = block::listed(&listed)?
            .into_iter()
            .filter(|device| choice.fits(&device.described(), device.size_bytes))
            .map(|device| device.path)
            .collect();
        let chosen = usize::try_from(*index).ok().and_then(|index| fitting.get(index));
        match chosen {
            Some(path) => Device::at(Path::new(path)),
            None => {
                let why = format!("{} devices of this machine fit \"{choice}\"", fitting.len());
                Err(Error::refused(why, "see lsblk for their models and sizes; the index is counted from 0"))
            }
        }
    }

    /// What is on a device, if anything.
    fn content(&self, device: &Device) -> Result<Option<String>, Error> {
        if let Some(found) = device.content()? {
            return Ok(Some(found));
        }
        let path = device.text();
        let what = format!("look at {path}");
        let done = self.programs.run("blkid", &["-p", "-o", "export", &path], LIMIT);
        let done = done.map_err(|error| Error::failed(&what, error))?;
        match done.code {
            Some(2) => Ok(None),
            Some(0) => Ok(block::signature(&done.output).or_else(|| Some("what blkid knows".into()))),
            _ => Ok(Some("more than one kind of content, or some that cannot be read".into())),
        }
    }

    fn must_be_empty(&self, device: &Device) -> Result<(), Error> {
        match self.content(device)? {
            None => Ok(()),
            Some(content) => Err(Error::refused(
                format!("{} holds data: {content}", device.text()),
                "take another device; if nobody needs what is on it, wipe it by hand with \"wipefs -a\" first",
            )),
        }
    }

    /// The note of an OSD that is to be prepared. Without one from an earlier call, the device must be empty, or be split
    /// among this OSD and others that it bears already.
    fn noted(&self, member: &Member, preparation: &Preparation) -> Result<Note, Error> {
        let notes = self.notes();
        if let Some(note) = notes.read(member.uuid)? {
            return Ok(Note { id: member.id, ..note });
        }
        let device = self.resolve(&preparation.device)?;
        let path = device.text();
        let is_shared =
            |note: &Note| note.device == path && note.parts > 1 && note.parts == preparation.parts;
        if !notes.all()?.iter().any(is_shared) {
            self.must_be_empty(&device)?;
        }
        let layout = if self.abilities.maps_devices { Layout::Lvm } else { Layout::Raw };
        let db_device = notes.db()?.map(|db| db.device);
        if preparation.db.is_some() && db_device.is_none() {
            let why = "the node has no device for databases of OSDs";
            return Err(Error::refused(why, "make one with \"pvc storage osd create-db-vg\""));
        }
        let note = Note {
            uuid: member.uuid,
            id: member.id,
            device: path,
            part: preparation.part,
            parts: preparation.parts,
            db_device: preparation.db.and(db_device),
            layout,
        };
        notes.write(&note)?;
        Ok(note)
    }
}

impl Devices for Linux {
    fn empty(&self, device: &DeviceChoice) -> Result<String, Error> {
        let device = self.resolve(device)?;
        self.must_be_empty(&device)?;
        Ok(device.text())
    }

    fn bearing(&self, device: &DeviceChoice, osd: OsdUuid) -> Result<String, Error> {
        let device = self.resolve(device)?;
        match self.borne_by(&device, osd)? {
            Some(_) => Ok(device.text()),
            None => Err(Error::refused(
                format!("{} does not bear OSD {osd}", device.text()),
                "give the device that the OSD was on; a device without it can replace it",
            )),
        }
    }

    fn prepare(&self, member: &Member, preparation: &Preparation) -> Result<(), Error> {
        let note = self.noted(member, preparation)?;
        self.lay_out(&note, member, preparation.db)
    }

    fn restore(&self, member: &Member, device: &DeviceChoice) -> Result<(), Error> {
        let device = self.resolve(device)?;
        let Some((layout, parts)) = self.borne_by(&device, member.uuid)? else {
            return self.bearing(&DeviceChoice::Path(device.text()), member.uuid).map(drop);
        };
        let note = Note {
            uuid: member.uuid,
            id: member.id,
            device: device.text(),
            part: 0,
            parts,
            db_device: None,
            layout,
        };
        self.notes().write(&note)?;
        match layout {
            Layout::Raw => self.restore_raw(&note, member),
            Layout::Lvm => Ok(()),
        }
    }

    fn start(&self, osd: OsdUuid, occasion: Occasion) -> Result<(), Error> {
        match self.notes().read(osd)? {
            Some(_) if occasion == Occasion::Boot && self.abilities.has_systemd => Ok(()),
            Some(note) => self.start_noted(&note),
            None => Err(Error::refused(
                format!("this node bears no OSD {osd}"),
                "if its device is here, \"pvc storage osd refresh\" takes it over",
            )),
        }
    }

    fn stop(&self, osd: OsdUuid) -> Result<(), Error> {
        self.notes().read(osd)?.map_or(Ok(()), |note| self.stop_noted(&note))
    }

    fn wipe(&self, osd: OsdUuid) -> Result<(), Error> {
        let Some(note) = self.notes().read(osd)? else { return Ok(()) };
        if self.runs(&note)? {
            let why = format!("osd.{} runs on this node", note.id);
            return Err(Error::refused(why, "its device is wiped when it is stopped"));
        }
        match note.layout {
            Layout::Raw => self.wipe_raw(&note)?,
            Layout::Lvm => self.wipe_lvm(&note)?,
        }
        self.notes().remove(osd)
    }

    fn ensure_db(&self, device: &DeviceChoice) -> Result<(), Error> {
        let device = self.resolve(device)?;
        match self.notes().db()? {
            Some(db) if db.device == device.text() => {}
            Some(db) => {
                let why = format!("this node has {} for databases of OSDs", db.device);
                return Err(Error::refused(why, "a node has one such device"));
            }
            None => {
                self.must_be_empty(&device)?;
                self.notes().write_db(&note::Db { device: device.text() })?;
            }
        }
        if self.abilities.maps_devices { self.ensure_db_group(&device) } else { self.ensure_table(&device) }
    }

    fn borne(&self, osd: OsdUuid) -> Result<Option<(OsdId, Borne)>, Error> {
        let Some(note) = self.notes().read(osd)? else { return Ok(None) };
        let volume = match note.layout {
            Layout::Lvm => self.volume(osd)?,
            Layout::Raw => None,
        };
        let is_split = note.parts > 1;
        Ok(Some((note.id, Borne { device: note.device, db_device: note.db_device, is_split, volume })))
    }

    fn db_device(&self) -> Result<Option<String>, Error> {
        Ok(self.notes().db()?.map(|db| db.device))
    }
}

impl Linux {
    /// How a device bears an OSD, and of how many parts it has; `None` where it does not.
    fn borne_by(&self, device: &Device, osd: OsdUuid) -> Result<Option<(Layout, u32)>, Error> {
        if device.label()? == Some(osd) {
            return Ok(Some((Layout::Raw, 1)));
        }
        let parts = self.parts(device)?;
        if parts.iter().any(|part| part.name == osd.to_string()) {
            return Ok(Some((Layout::Raw, u32::try_from(parts.len()).unwrap_or(u32::MAX))));
        }
        if self.abilities.maps_devices {
            return Ok(self.lvm_parts(device, osd)?.map(|parts| (Layout::Lvm, parts)));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
