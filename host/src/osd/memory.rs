//! OSDs in memory: the members of a storage, and the devices of machines, with faults to order.
//!
//! [`Members`] is the storage's roster. A [`Machine`] has devices, and what it runs is up in the roster. A member that is
//! out has given its placement groups away by the next look at it, as long as others are up and in to take them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use logic::id::NodeName;
use logic::storage::osd::{OsdFlag, OsdId, OsdUuid, Weight};

use super::{Member, Roster, Safety, Standing};
use crate::storage::{Cause, Error as StorageError};

mod machine;

pub use machine::Machine;

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

    /// Gives a member's placement groups away, if anybody can take them.
    fn drain(&mut self, osd: OsdId) {
        let others = self.members.iter().any(|(id, entry)| *id != osd.0 && entry.is_up && entry.is_in);
        let is_stuck = self.is_stuck;
        if let Some(entry) = self.members.get_mut(&osd.0).filter(|entry| !entry.is_in && others && !is_stuck)
        {
            entry.group_count = 0;
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
