//! OSDs in memory: the members of a storage, and the devices of machines, with faults to order.
//!
//! [`Members`] is the storage's roster. A [`Machine`] has devices, and what it runs is up in the roster. A member that is
//! out gives its placement groups away with each look at it, as long as others are up and in to take them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use logic::id::NodeName;
use logic::storage::osd::change::Preparation;
use logic::storage::osd::record::{Borne, LogicalVolume};
use logic::storage::osd::{DeviceChoice, OsdFlag, OsdId, OsdUuid, Weight};

use super::{Devices, Error, Member, Roster, Safety, Standing};
use crate::storage::{Cause, Error as StorageError};

/// How many placement groups a member that is up and in keeps.
const GROUPS: u32 = 8;

#[derive(Clone, Debug)]
struct Entry {
    /// `None` of one that was destroyed.
    uuid: Option<OsdUuid>,
    is_up: bool,
    is_in: bool,
    place: Option<(NodeName, Weight)>,
    group_count: u32,
}

#[derive(Debug, Default)]
struct World {
    members: BTreeMap<u32, Entry>,
    flags: BTreeSet<OsdFlag>,
    /// Whether data moves.
    is_stuck: bool,
    silent: bool,
}

/// The members of a storage in memory.
#[derive(Debug, Default)]
pub struct Members {
    world: Mutex<World>,
}

impl Members {
    /// Nobody yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("nobody panics while holding the roster")
    }

    /// Data moves no more.
    pub fn stick(&self) {
        self.lock().is_stuck = true;
    }

    /// Data moves again.
    pub fn unstick(&self) {
        self.lock().is_stuck = false;
    }

    /// It answers nothing until [`Members::heal`].
    pub fn silence(&self) {
        self.lock().silent = true;
    }

    /// It answers again.
    pub fn heal(&self) {
        self.lock().silent = false;
    }

    /// The flags that are set.
    pub fn flags(&self) -> Vec<OsdFlag> {
        self.lock().flags.iter().copied().collect()
    }

    /// Where a member is in the placement rules, and with what weight.
    pub fn place_of(&self, osd: OsdId) -> Option<(NodeName, Weight)> {
        self.lock().members.get(&osd.0)?.place.clone()
    }

    fn ask<T>(
        &self,
        what: &str,
        act: impl FnOnce(&mut World) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut world = self.lock();
        match world.silent {
            true => Err(StorageError::Silent { what: what.into(), deadline_ms: 0 }),
            false => act(&mut world),
        }
    }

    fn change(&self, what: &str, osd: OsdId, act: impl FnOnce(&mut Entry)) -> Result<(), StorageError> {
        self.ask(what, |world| match world.members.get_mut(&osd.0) {
            Some(entry) => {
                act(entry);
                Ok(())
            }
            None => Err(refused(what, Cause::Absent, format!("there is no osd.{osd}"))),
        })
    }

    /// What the machine that runs it tells of a member.
    fn runs(&self, osd: OsdId, uuid: OsdUuid, is_up: bool) {
        if let Some(entry) = self.lock().members.get_mut(&osd.0).filter(|entry| entry.uuid == Some(uuid)) {
            entry.is_up = is_up;
            if is_up && entry.is_in {
                entry.group_count = GROUPS;
            }
        }
    }
}

fn refused(what: &str, cause: Cause, why: String) -> StorageError {
    StorageError::Refused { what: what.into(), cause, why, remedy: "see the list of OSDs".into() }
}

impl World {
    fn must_be_down(&self, what: &str, osd: OsdId) -> Result<(), StorageError> {
        match self.members.get(&osd.0).is_some_and(|entry| entry.is_up) {
            true => Err(refused(what, Cause::InUse, format!("osd.{osd} is up"))),
            false => Ok(()),
        }
    }

    /// Gives some of a member's placement groups away, if anybody can take them.
    fn drain(&mut self, osd: OsdId) {
        let others = self.members.iter().any(|(id, entry)| *id != osd.0 && entry.is_up && entry.is_in);
        let is_stuck = self.is_stuck;
        if let Some(entry) = self.members.get_mut(&osd.0).filter(|entry| !entry.is_in && others && !is_stuck)
        {
            entry.group_count = entry.group_count.saturating_sub(3);
        }
    }
}

impl Roster for Members {
    fn members(&self) -> Result<Vec<(OsdId, OsdUuid)>, StorageError> {
        self.ask("list the OSDs", |world| {
            let known = world.members.iter().filter_map(|(id, entry)| Some((OsdId(*id), entry.uuid?)));
            Ok(known.collect())
        })
    }

    fn register(&self, osd: OsdUuid, replaces: Option<OsdId>) -> Result<Member, StorageError> {
        self.ask("register the OSD", |world| {
            let there = world.members.iter().find(|(_, entry)| entry.uuid == Some(osd)).map(|(id, _)| *id);
            let id = match (there, replaces) {
                (Some(id), _) => id,
                (None, Some(old)) => match world.members.get_mut(&old.0) {
                    Some(entry) if entry.uuid.is_none() => {
                        entry.uuid = Some(osd);
                        old.0
                    }
                    _ => {
                        let why = format!("osd.{old} is not destroyed");
                        return Err(refused("register the OSD", Cause::Exists, why));
                    }
                },
                (None, None) => {
                    let id = (0..).find(|id| !world.members.contains_key(id)).expect("numbers do not end");
                    let entry =
                        Entry { uuid: Some(osd), is_up: false, is_in: true, place: None, group_count: 0 };
                    world.members.insert(id, entry);
                    id
                }
            };
            Ok(Member { id: OsdId(id), uuid: osd, keyring: format!("[osd.{id}]\n\tkey = of {osd}\n") })
        })
    }

    fn place(&self, osd: OsdId, node: &NodeName, weight: Weight) -> Result<(), StorageError> {
        self.change("place the OSD", osd, |entry| entry.place = Some((node.clone(), weight)))
    }

    fn mark_in(&self, osd: OsdId) -> Result<(), StorageError> {
        self.change("put the OSD in", osd, |entry| {
            entry.is_in = true;
            if entry.is_up {
                entry.group_count = GROUPS;
            }
        })
    }

    fn mark_out(&self, osd: OsdId) -> Result<(), StorageError> {
        self.change("put the OSD out", osd, |entry| entry.is_in = false)
    }

    fn standing(&self, osd: OsdId) -> Result<Option<Standing>, StorageError> {
        self.ask("tell of the OSD", |world| {
            world.drain(osd);
            Ok(world.members.get(&osd.0).map(|entry| Standing {
                is_up: entry.is_up,
                is_in: entry.is_in,
                safety: match entry.group_count {
                    0 => Safety::Safe,
                    count => Safety::Unsafe { why: format!("{count} placement groups are on it") },
                },
                placement_group_count: entry.group_count,
                astray_count: 0,
            }))
        })
    }

    fn destroy(&self, osd: OsdId) -> Result<(), StorageError> {
        self.ask("destroy the OSD", |world| {
            world.must_be_down("destroy the OSD", osd)?;
            if let Some(entry) = world.members.get_mut(&osd.0) {
                entry.uuid = None;
                entry.group_count = 0;
            }
            Ok(())
        })
    }

    fn purge(&self, osd: OsdId) -> Result<(), StorageError> {
        self.ask("purge the OSD", |world| {
            world.must_be_down("purge the OSD", osd)?;
            world.members.remove(&osd.0);
            Ok(())
        })
    }

    fn set_flag(&self, flag: OsdFlag) -> Result<(), StorageError> {
        self.ask("set the flag", |world| {
            world.flags.insert(flag);
            Ok(())
        })
    }

    fn unset_flag(&self, flag: OsdFlag) -> Result<(), StorageError> {
        self.ask("unset the flag", |world| {
            world.flags.remove(&flag);
            Ok(())
        })
    }
}

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
    failures: u32,
    breaks: u32,
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

    fn start(&self, osd: OsdUuid) -> Result<(), Error> {
        let mut inside = self.lock();
        inside.change("start the OSD")?;
        let Some(bearing) = inside.bearings.get(&osd).filter(|bearing| bearing.is_whole).cloned() else {
            return Err(Error::refused(format!("this node bears no OSD {osd}"), "see where its device is"));
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
        inside.change("wipe the OSD")?;
        if inside.running.contains(&osd) {
            return Err(Error::refused(format!("OSD {osd} runs"), "stop it first"));
        }
        inside.bearings.remove(&osd);
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
