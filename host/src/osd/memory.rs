//! OSDs in memory: the members of a storage, and the devices of machines, with faults to order.
//!
//! [`Members`] is the storage's roster. A [`Machine`] has devices, and what it runs is up in the roster. Every member that
//! is up and in has a copy of everything, as soon as somebody has one who can give it. A member that is out has given its
//! placement groups away by the next look at it, as long as others are up and in to take them. What goes with data on it is
//! remembered as a [`Loss`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use logic::id::NodeName;
use logic::storage::osd::{OsdFlag, OsdId, OsdUuid, Weight};

use super::{Member, Roster, Safety, Standing};
use crate::storage::{Cause, Error as StorageError};

mod machine;

pub use machine::{Laid, Machine};

/// How many placement groups a member that is up and in keeps.
const GROUPS: u32 = 8;

/// A member as it truly is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its identity; `None` of one that was destroyed.
    pub uuid: Option<OsdUuid>,
    /// Whether it is up.
    pub is_up: bool,
    /// Whether data is placed on it.
    pub is_in: bool,
    /// Where it is in the placement rules, and with what weight.
    pub place: Option<(NodeName, Weight)>,
    /// How many placement groups it has a copy of.
    pub group_count: u32,
}

/// A member that was destroyed, forgotten or wiped while it had data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Its number.
    pub id: OsdId,
    /// Its identity.
    pub uuid: OsdUuid,
    /// Whether nobody else had a copy.
    pub was_last: bool,
}

#[derive(Debug, Default)]
struct World {
    members: BTreeMap<u32, Entry>,
    flags: BTreeSet<OsdFlag>,
    /// Whether data moves.
    is_stuck: bool,
    silent: bool,
    refusals: u32,
    lost_answers: u32,
    losses: Vec<Loss>,
    /// How often anything may have changed, here or on a machine's devices.
    changes: u64,
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

    /// The next calls that change something are refused.
    pub fn refuse(&self, count: u32) {
        self.lock().refusals = count;
    }

    /// The next calls that change something take effect, and nobody is told.
    pub fn lose_answers(&self, count: u32) {
        self.lock().lost_answers = count;
    }

    /// All that there is, destroyed ones among them, by number.
    pub fn entries(&self) -> BTreeMap<OsdId, Entry> {
        self.lock().members.iter().map(|(id, entry)| (OsdId(*id), entry.clone())).collect()
    }

    /// What went with data on it, since this was last asked.
    pub fn losses(&self) -> Vec<Loss> {
        std::mem::take(&mut self.lock().losses)
    }

    /// How often anything may have changed, also on the devices of the machines.
    pub fn changes(&self) -> u64 {
        self.lock().changes
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
            true => Err(StorageError::Silent { what: what.into(), waited_ms: 0 }),
            false => act(&mut world),
        }
    }

    /// Has it change something, unless it was ordered to refuse; whether that is told is another matter.
    fn tell<T>(
        &self,
        what: &str,
        act: impl FnOnce(&mut World) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.ask(what, |world| {
            world.changes += 1;
            if world.refusals > 0 {
                world.refusals -= 1;
                return Err(refused(what, Cause::Other, "it has a bad day".into()));
            }
            let told = act(world)?;
            world.spread();
            let is_lost = world.lost_answers > 0;
            world.lost_answers = world.lost_answers.saturating_sub(1);
            match is_lost {
                true => Err(StorageError::Silent { what: what.into(), waited_ms: 0 }),
                false => Ok(told),
            }
        })
    }

    fn change(&self, what: &str, osd: OsdId, act: impl FnOnce(&mut Entry)) -> Result<(), StorageError> {
        self.tell(what, |world| match world.members.get_mut(&osd.0) {
            Some(entry) => {
                act(entry);
                Ok(())
            }
            None => Err(refused(what, Cause::Absent, format!("there is no osd.{osd}"))),
        })
    }

    /// What the machine that runs it tells of a member.
    fn runs(&self, osd: OsdId, uuid: OsdUuid, is_up: bool) {
        let mut world = self.lock();
        world.changes += 1;
        if let Some(entry) = world.members.get_mut(&osd.0).filter(|entry| entry.uuid == Some(uuid)) {
            entry.is_up = is_up;
        }
        world.spread();
    }

    /// Something changed on a machine's devices; with an identity, what bore that OSD is empty now.
    fn devices_changed(&self, wiped: Option<OsdUuid>) {
        let mut world = self.lock();
        world.changes += 1;
        let is_wiped = |(_, entry): &(&u32, &Entry)| wiped.is_some() && entry.uuid == wiped;
        if let Some(id) = world.members.iter().find(is_wiped).map(|(id, _)| *id) {
            world.lose(OsdId(id));
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

    /// Gives everybody who is up and in a copy of everything, if somebody who is up has one, or nobody at all has data.
    fn spread(&mut self) {
        let holds = |entry: &Entry| entry.group_count > 0;
        let can_give = self.members.values().any(|entry| holds(entry) && entry.is_up);
        if can_give || !self.members.values().any(holds) {
            let takers = self.members.values_mut().filter(|entry| entry.is_up && entry.is_in);
            takers.for_each(|entry| entry.group_count = GROUPS);
        }
    }

    /// Gives a member's placement groups away, if others have them all.
    fn drain(&mut self, osd: OsdId) {
        self.spread();
        let takes = |entry: &Entry| entry.is_up && entry.is_in && entry.group_count > 0;
        let is_taken = self.members.iter().any(|(id, entry)| *id != osd.0 && takes(entry)) && !self.is_stuck;
        if let Some(entry) = self.members.get_mut(&osd.0).filter(|entry| !entry.is_in && is_taken) {
            entry.group_count = 0;
        }
    }

    /// What a member has is gone.
    fn lose(&mut self, osd: OsdId) {
        let was_last = self.members.iter().all(|(id, entry)| *id == osd.0 || entry.group_count == 0);
        let Some(entry) = self.members.get_mut(&osd.0) else { return };
        if let (Some(uuid), 1..) = (entry.uuid, entry.group_count) {
            self.losses.push(Loss { id: osd, uuid, was_last });
        }
        entry.group_count = 0;
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
        self.tell("register the OSD", |world| {
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
        self.change("put the OSD in", osd, |entry| entry.is_in = true)
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
        self.tell("destroy the OSD", |world| {
            world.must_be_down("destroy the OSD", osd)?;
            world.lose(osd);
            if let Some(entry) = world.members.get_mut(&osd.0) {
                entry.uuid = None;
            }
            Ok(())
        })
    }

    fn purge(&self, osd: OsdId) -> Result<(), StorageError> {
        self.tell("purge the OSD", |world| {
            world.must_be_down("purge the OSD", osd)?;
            world.lose(osd);
            world.members.remove(&osd.0);
            Ok(())
        })
    }

    fn set_flag(&self, flag: OsdFlag) -> Result<(), StorageError> {
        self.tell("set the flag", |world| {
            world.flags.insert(flag);
            Ok(())
        })
    }

    fn unset_flag(&self, flag: OsdFlag) -> Result<(), StorageError> {
        self.tell("unset the flag", |world| {
            world.flags.remove(&flag);
            Ok(())
        })
    }
}
