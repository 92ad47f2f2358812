//! The devices of a machine in memory, and the OSDs that they bear.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use logic::storage::osd::change::Preparation;
use logic::storage::osd::record::{Borne, LogicalVolume};
use logic::storage::osd::{DeviceChoice, OsdId, OsdUuid};

use super::Members;
use crate::osd::{Devices, Error, Member, Occasion};

/// What bears an OSD.
#[derive(Clone, Debug)]
struct Bearing {
    id: OsdId,
    borne: Borne,
    /// Whether it was laid out to its end.
    is_whole: bool,
}

#[derive(Clone, Debug, Default)]
struct Disk {
    described: String,
    size_bytes: u64,
    /// What else is on it.
    content: Option<String>,
}

#[derive(Debug, Default)]
struct Inside {
    disks: BTreeMap<String, Disk>,
    bearings: BTreeMap<OsdUuid, Bearing>,
    /// OSDs that a device bears, and of which the machine has forgotten that it does.
    forgotten: BTreeMap<OsdUuid, Bearing>,
    running: BTreeSet<OsdUuid>,
    db_device: Option<String>,
    /// OSDs of which a wipe failed.
    unwiped: BTreeSet<OsdUuid>,
    failures: u32,
    breaks: u32,
}

/// An OSD as a machine's devices truly bear it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Laid {
    /// The number that it was laid out with.
    pub id: OsdId,
    /// What bears it.
    pub borne: Borne,
    /// Whether it was laid out to its end.
    pub is_whole: bool,
    /// Whether it runs.
    pub is_running: bool,
    /// What else is on the device.
    pub beside: Option<String>,
}

/// The devices of a machine in memory.
#[derive(Debug)]
pub struct Machine {
    members: Arc<Members>,
    inside: Mutex<Inside>,
}

impl Machine {
    /// A machine without devices, whose OSDs are members here.
    pub fn new(members: &Arc<Members>) -> Arc<Self> {
        Arc::new(Self { members: Arc::clone(members), inside: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("nobody panics while holding a machine's devices")
    }

    /// It has an empty device at this path.
    pub fn add_device(&self, path: &str, described: &str, size_bytes: u64) {
        let disk = Disk { described: described.into(), size_bytes, content: None };
        self.lock().disks.insert(path.into(), disk);
    }

    /// Something is on a device.
    pub fn fill_device(&self, path: &str, content: &str) {
        if let Some(disk) = self.lock().disks.get_mut(path) {
            disk.content = Some(content.into());
        }
    }

    /// A device is gone, and what it bore with it.
    pub fn lose_device(&self, path: &str) {
        let mut inside = self.lock();
        inside.disks.remove(path);
        let lost: Vec<OsdUuid> =
            inside.bearings.iter().filter(|(_, b)| b.borne.device == path).map(|(o, _)| *o).collect();
        for osd in lost {
            inside.running.remove(&osd);
            if let Some(bearing) = inside.bearings.get(&osd) {
                self.members.runs(bearing.id, osd, false);
            }
        }
    }

    /// The next calls that change something fail before they begin.
    pub fn fail(&self, count: u32) {
        self.lock().failures = count;
    }

    /// The next OSDs that are laid out are left half done.
    pub fn break_layouts(&self, count: u32) {
        self.lock().breaks = count;
    }

    /// What was laid out is as if that had been broken off.
    pub fn forget_layout(&self, osd: OsdUuid) {
        if let Some(bearing) = self.lock().bearings.get_mut(&osd) {
            bearing.is_whole = false;
        }
    }

    /// It is built anew: nothing runs, and it knows nothing of what its devices bear.
    pub fn rebuild(&self) {
        let mut inside = self.lock();
        let known = std::mem::take(&mut inside.bearings);
        for (osd, bearing) in &known {
            self.members.runs(bearing.id, *osd, false);
        }
        inside.forgotten.extend(known);
        inside.running.clear();
        inside.db_device = None;
    }

    /// It has no power: nothing of what it runs is up, until [`Machine::switch_on`].
    pub fn switch_off(&self) {
        self.tell_of_runs(false);
    }

    /// It has power again, and runs what it ran.
    pub fn switch_on(&self) {
        self.tell_of_runs(true);
    }

    fn tell_of_runs(&self, are_up: bool) {
        let inside = self.lock();
        for (osd, bearing) in inside.bearings.iter().filter(|(osd, _)| inside.running.contains(osd)) {
            self.members.runs(bearing.id, *osd, are_up);
        }
    }

    /// The OSDs that its devices bear and that it knows of.
    pub fn laid(&self) -> BTreeMap<OsdUuid, Laid> {
        let inside = self.lock();
        let laid = |(osd, bearing): (&OsdUuid, &Bearing)| {
            let beside = inside.disks.get(&bearing.borne.device).and_then(|disk| disk.content.clone());
            let (borne, is_running) = (bearing.borne.clone(), inside.running.contains(osd));
            (*osd, Laid { id: bearing.id, borne, is_whole: bearing.is_whole, is_running, beside })
        };
        inside.bearings.iter().map(laid).collect()
    }

    /// The OSDs that a wipe was to take away, and failed.
    pub fn unwiped(&self) -> BTreeSet<OsdUuid> {
        self.lock().unwiped.clone()
    }

    /// Whether any OSD lies on this device.
    pub fn is_borne(&self, path: &str) -> bool {
        let inside = self.lock();
        inside.bearings.values().chain(inside.forgotten.values()).any(|bearing| bearing.borne.device == path)
    }

    /// All that it runs ends, as when its power goes.
    pub fn halt(&self) {
        let mut inside = self.lock();
        for osd in std::mem::take(&mut inside.running) {
            if let Some(bearing) = inside.bearings.get(&osd) {
                self.members.runs(bearing.id, osd, false);
            }
        }
    }

    /// What it runs.
    pub fn running(&self) -> Vec<OsdUuid> {
        self.lock().running.iter().copied().collect()
    }

    /// The OSDs that its devices bear, half done ones among them.
    pub fn bears(&self) -> Vec<OsdUuid> {
        self.lock().bearings.keys().copied().collect()
    }
}

impl Inside {
    fn change(&mut self, what: &str) -> Result<(), Error> {
        if self.failures == 0 {
            return Ok(());
        }
        self.failures -= 1;
        Err(Error::failed(what, "so it was ordered"))
    }

    fn resolve(&self, choice: &DeviceChoice) -> Result<String, Error> {
        let path = match choice {
            DeviceChoice::Path(path) => self.disks.contains_key(path).then(|| path.clone()),
            DeviceChoice::Detect { index, .. } => {
                let fits = |(path, disk): (&String, &Disk)| {
                    choice.fits(&disk.described, disk.size_bytes).then(|| path.clone())
                };
                let index = usize::try_from(*index).unwrap_or(usize::MAX);
                self.disks.iter().filter_map(fits).nth(index)
            }
        };
        path.ok_or_else(|| Error::refused(format!("there is no {choice}"), "see lsblk"))
    }

    fn must_be_empty(&self, path: &str) -> Result<(), Error> {
        let content = self.disks.get(path).and_then(|disk| disk.content.clone());
        let osd =
            self.bearings.iter().chain(&self.forgotten).find(|(_, bearing)| bearing.borne.device == path);
        match content.or_else(|| osd.map(|(osd, _)| format!("OSD {osd}"))) {
            Some(content) => {
                Err(Error::refused(format!("{path} holds data: {content}"), "take another device"))
            }
            None => Ok(()),
        }
    }
}

impl Devices for Machine {
    fn empty(&self, device: &DeviceChoice) -> Result<String, Error> {
        let inside = self.lock();
        let path = inside.resolve(device)?;
        inside.must_be_empty(&path)?;
        Ok(path)
    }

    fn bearing(&self, device: &DeviceChoice, osd: OsdUuid) -> Result<String, Error> {
        let inside = self.lock();
        let path = inside.resolve(device)?;
        let bearing = inside.bearings.get(&osd).or_else(|| inside.forgotten.get(&osd));
        match bearing.is_some_and(|bearing| bearing.borne.device == path) {
            true => Ok(path),
            false => Err(Error::refused(
                format!("{path} does not bear OSD {osd}"),
                "give the device that it was on",
            )),
        }
    }

    fn prepare(&self, member: &Member, preparation: &Preparation) -> Result<(), Error> {
        let mut inside = self.lock();
        inside.change("lay out the OSD")?;
        if inside.bearings.get(&member.uuid).is_some_and(|bearing| bearing.is_whole) {
            return Ok(());
        }
        let path = inside.resolve(&preparation.device)?;
        let is_shared = |bearing: &Bearing| bearing.borne.device == path && bearing.borne.is_split;
        if !inside.bearings.contains_key(&member.uuid) && !inside.bearings.values().any(is_shared) {
            inside.must_be_empty(&path)?;
        }
        if preparation.db.is_some() && inside.db_device.is_none() {
            return Err(Error::refused("the node has no device for databases of OSDs", "make one"));
        }
        let volume =
            LogicalVolume { group: format!("ceph-{path}"), name: format!("osd-block-{}", member.uuid) };
        let borne = Borne {
            device: path,
            db_device: preparation.db.and(inside.db_device.clone()),
            is_split: preparation.parts > 1,
            volume: Some(volume),
        };
        let is_whole = inside.breaks == 0;
        inside.breaks = inside.breaks.saturating_sub(1);
        inside.bearings.insert(member.uuid, Bearing { id: member.id, borne, is_whole });
        self.members.devices_changed(None);
        match is_whole {
            true => Ok(()),
            false => Err(Error::failed("lay out the OSD", "it was killed half way")),
        }
    }

    fn restore(&self, member: &Member, device: &DeviceChoice) -> Result<(), Error> {
        self.bearing(device, member.uuid)?;
        let mut inside = self.lock();
        inside.change("restore the OSD")?;
        if let Some(bearing) = inside.forgotten.remove(&member.uuid) {
            inside.bearings.insert(member.uuid, bearing);
        }
        Ok(())
    }

    fn start(&self, osd: OsdUuid, _occasion: Occasion) -> Result<(), Error> {
        let mut inside = self.lock();
        inside.change("start the OSD")?;
        let Some(bearing) = inside.bearings.get(&osd).filter(|bearing| bearing.is_whole).cloned() else {
            return Err(Error::refused(
                format!("this node bears no OSD {osd}"),
                "if its device is here, it can be taken over",
            ));
        };
        inside.running.insert(osd);
        self.members.runs(bearing.id, osd, true);
        Ok(())
    }

    fn stop(&self, osd: OsdUuid) -> Result<(), Error> {
        let mut inside = self.lock();
        inside.change("stop the OSD")?;
        inside.running.remove(&osd);
        if let Some(bearing) = inside.bearings.get(&osd) {
            self.members.runs(bearing.id, osd, false);
        }
        Ok(())
    }

    fn wipe(&self, osd: OsdUuid) -> Result<(), Error> {
        let mut inside = self.lock();
        if let Err(error) = inside.change("wipe the OSD") {
            inside.unwiped.insert(osd);
            return Err(error);
        }
        if inside.running.contains(&osd) {
            return Err(Error::refused(format!("OSD {osd} runs"), "stop it first"));
        }
        if inside.bearings.remove(&osd).is_some() {
            self.members.devices_changed(Some(osd));
        }
        Ok(())
    }

    fn ensure_db(&self, device: &DeviceChoice) -> Result<(), Error> {
        let mut inside = self.lock();
        inside.change("make the device for databases")?;
        let path = inside.resolve(device)?;
        match inside.db_device.clone() {
            Some(there) if there == path => Ok(()),
            Some(there) => Err(Error::refused(format!("the node has {there}"), "a node has one such device")),
            None => {
                inside.must_be_empty(&path)?;
                if let Some(disk) = inside.disks.get_mut(&path) {
                    disk.content = Some("databases of OSDs".into());
                }
                inside.db_device = Some(path);
                Ok(())
            }
        }
    }

    fn borne(&self, osd: OsdUuid) -> Result<Option<(OsdId, Borne)>, Error> {
        let inside = self.lock();
        Ok(inside.bearings.get(&osd).map(|bearing| (bearing.id, bearing.borne.clone())))
    }

    fn db_device(&self) -> Result<Option<String>, Error> {
        Ok(self.lock().db_device.clone())
    }
}
