//! What must never happen, and what must come true once the faults are over. Read from the world: what the operator
//! asked, which steps acted, and which guests truly began and ended; never from what the records say.

use std::collections::{BTreeMap, BTreeSet};

use host::hypervisor::Activity;
use host::memory::{End, Entry, Happening, Machine};
use logic::id::{NodeName, VmId};
use logic::plan::{Action, Reason, Step};
use logic::record::{Record, RecordId};
use logic::time::BootTime;
use logic::vm::Phase;
use logic::vm::accept::PowerRequest;

use crate::command::{Ask, Manner};
use crate::invariants::role::Role;

pub mod capacity;
pub mod fence;
pub mod floating;
pub mod osds;
pub mod role;
pub mod storage;

/// What the operator wishes of a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wished {
    /// To run.
    Running,
    /// Not to run.
    Down,
    /// Not to be.
    Gone,
}

/// Remembers what the world did, and says when it did wrong.
#[derive(Debug, Default)]
pub struct Judge {
    wishes: BTreeMap<VmId, Wished>,
    /// When a wish last came that ends the guest which runs.
    ends_wished_at: BTreeMap<VmId, BootTime>,
    /// When each incarnation was taken.
    taken: BTreeMap<(VmId, u64), BootTime>,
    begun: BTreeSet<(VmId, u64)>,
    /// Where each VM's guest runs, and as which incarnation.
    live: BTreeMap<VmId, (NodeName, Option<u64>)>,
    /// Guests that run beside: a call began them after a later incarnation was taken, or before that was known to it.
    stale: BTreeMap<(NodeName, VmId), u64>,
    /// Incarnations that their source has let go, and that have not gone on anywhere.
    handed: BTreeMap<VmId, Option<u64>>,
    by_hand: BTreeSet<(NodeName, VmId)>,
    role: Role,
    /// A flush was asked for at some time, so that VMs may leave their nodes and go home.
    drains: bool,
    /// VMs of which a start was made whose caller could not know what became of it.
    uncertain: BTreeSet<VmId>,
    /// The incarnations of these starts: the calls were performed when nobody waited for them any more.
    unheard: BTreeSet<(VmId, u64)>,
    /// Incarnations that post-copy tore in two.
    torn: BTreeSet<(VmId, u64)>,
    /// Guests that were cut off from their volumes.
    cut_off: BTreeSet<(VmId, u64)>,
}

impl Judge {
    /// The operator's request was done.
    pub fn asked(&mut self, ask: &Ask, vm: Option<VmId>, at: BootTime) {
        self.drains |= matches!(ask, Ask::Flush { .. });
        let Some(vm) = vm else { return };
        match ask {
            Ask::Define { .. } => drop(self.wishes.insert(vm, Wished::Down)),
            Ask::Power { request: PowerRequest::Start, .. } => drop(self.wishes.insert(vm, Wished::Running)),
            Ask::Power { request: PowerRequest::Restart, .. } => {
                self.wishes.insert(vm, Wished::Running);
                self.ends_wished_at.insert(vm, at);
            }
            Ask::Power { .. } => {
                self.wishes.insert(vm, Wished::Down);
                self.ends_wished_at.insert(vm, at);
            }
            // What is to move only live is not to end for it.
            Ask::Move { manner: Manner::Live, .. }
            | Ask::Migrate { manner: Manner::Live, .. }
            | Ask::Unmigrate { manner: Manner::Live, .. } => {}
            Ask::Move { .. } | Ask::Migrate { .. } | Ask::Unmigrate { .. } => {
                self.ends_wished_at.insert(vm, at);
            }
            Ask::Remove { .. } | Ask::RemoveWithVolumes { .. } => {
                self.wishes.insert(vm, Wished::Gone);
                self.ends_wished_at.insert(vm, at);
            }
            _ => {}
        }
    }

    /// Whether the operator's request was done is not known: what it now wishes is taken from `wish`.
    pub fn learn(&mut self, vm: VmId, wish: Wished, at: BootTime) {
        self.wishes.insert(vm, wish);
        self.ends_wished_at.insert(vm, at);
    }

    /// Somebody ends a guest past PVC.
    pub fn ended_by_hand(&mut self, node: &NodeName, vm: VmId) {
        self.by_hand.insert((node.clone(), vm));
    }

    /// A guest has volumes, and is blocked at the storage: it never writes again, and may be ended.
    pub fn cut_off(&mut self, vm: VmId, incarnation: u64) {
        self.cut_off.insert((vm, incarnation));
    }

    /// A step's guards were found to hold.
    ///
    /// # Errors
    /// When it is a start, and its wish was taken back before.
    pub fn checked(&self, step: &Step) -> Result<(), String> {
        let Action::StartGuest { vm, incarnation, .. } = &step.action else { return Ok(()) };
        match self.wishes.get(vm) {
            Some(Wished::Running) => Ok(()),
            wish => {
                Err(format!("{vm}: the start of incarnation {incarnation} goes on though {wish:?} is wished"))
            }
        }
    }

    /// A step has acted, and whoever asked for it does not hear how.
    pub fn acted_unheard(&mut self, step: &Step) {
        if let Action::StartGuest { vm, incarnation, .. } = step.action {
            self.uncertain.insert(vm);
            self.unheard.insert((vm, incarnation));
        }
    }

    /// A step has acted, with success.
    ///
    /// # Errors
    /// What was wrong about it.
    pub fn acted(&mut self, step: &Step, at: BootTime) -> Result<(), String> {
        let Action::Record(records) = &step.action else { return Ok(()) };
        for write in &records.writes {
            match &write.value {
                Some(Record::Primary(primary)) => self.role.written(primary)?,
                Some(Record::VmFact(fact)) if fact.phase == Phase::Starting => {
                    let RecordId::VmFact(vm) = write.record else { continue };
                    if self.wishes.get(&vm) != Some(&Wished::Running) {
                        return Err(format!(
                            "{vm}: incarnation {} is taken though nobody wishes it to run",
                            fact.incarnation
                        ));
                    }
                    if self.taken.insert((vm, fact.incarnation), at).is_some() {
                        return Err(format!("{vm}: incarnation {} is taken twice", fact.incarnation));
                    }
                }
                Some(Record::Vm(_))
                    if matches!(
                        step.reason,
                        Reason::Drained { .. } | Reason::Parked | Reason::CalledHome { .. }
                    ) =>
                {
                    if !self.drains {
                        return Err("a VM leaves its node though no operator asked for a flush".into());
                    }
                    if let RecordId::Vm(vm) = write.record {
                        self.ends_wished_at.insert(vm, at);
                    }
                }
                Some(Record::Vm(_)) if step.reason == Reason::Autostarts => {
                    if let RecordId::Vm(vm) = write.record {
                        self.wishes.insert(vm, Wished::Running);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A guest began or ended.
    ///
    /// # Errors
    /// What was wrong about it.
    pub fn happened(&mut self, node: &NodeName, entry: &Entry) -> Result<(), String> {
        let vm = entry.vm;
        match entry.happening {
            Happening::Began => {
                // What somebody starts by hand is not PVC's doing, wherever it is.
                let Some(incarnation) = entry.incarnation else { return Ok(()) };
                self.begins(node, vm, incarnation)?;
                if !self.begun.insert((vm, incarnation)) {
                    return Err(format!("{vm}: incarnation {incarnation} began twice"));
                }
                if !self.taken.contains_key(&(vm, incarnation)) {
                    return Err(format!("{vm}: incarnation {incarnation} began and was never taken"));
                }
                Ok(())
            }
            Happening::Arrived | Happening::Resumed => {
                self.handed.remove(&vm);
                match self.live.insert(vm, (node.clone(), entry.incarnation)) {
                    Some((other, _)) if other != *node => {
                        Err(format!("{vm} goes on on {node} while it runs on {other}"))
                    }
                    _ => Ok(()),
                }
            }
            Happening::Halted => {
                self.stands_still(node, vm);
                Ok(())
            }
            Happening::Left if self.stale.contains_key(&(node.clone(), vm)) => {
                Err(format!("{vm}: a guest that is stale was moved away from {node}"))
            }
            // By post-copy it runs on the other one already.
            Happening::Left if self.live.contains_key(&vm) => Ok(()),
            Happening::Left => {
                self.handed.insert(vm, entry.incarnation);
                Ok(())
            }
            Happening::Torn => {
                self.torn.extend(entry.incarnation.map(|incarnation| (vm, incarnation)));
                Ok(())
            }
            // Its CPUs do not run, before and after.
            Happening::Ended(End::Discarded) if self.handed.get(&vm) == Some(&entry.incarnation) => {
                Err(format!("{vm} was discarded on {node}, and was nowhere else"))
            }
            Happening::Received | Happening::Ended(End::Discarded) => Ok(()),
            Happening::Ended(end) => {
                let was_stale = self.stale.remove(&(node.clone(), vm)).is_some();
                if entry.incarnation.is_some() && !was_stale {
                    self.stands_still(node, vm);
                    self.handed.remove(&vm);
                }
                let by_hand = self.by_hand.remove(&(node.clone(), vm));
                match (end, entry.incarnation) {
                    (End::Stopped, _) if by_hand => Ok(()),
                    (End::Stopped, None) => {
                        Err(format!("{vm}: a guest that PVC did not start was ended by it"))
                    }
                    (End::Stopped | End::PoweredOff, Some(incarnation)) => self.may_end(vm, incarnation),
                    _ => Ok(()),
                }
            }
        }
    }

    /// A guest begins. No other of its VM runs, unless the older of the two was begun by a call that arrived too late to
    /// be known of, or to be held up: that one must be ended, and until then both may write.
    fn begins(&mut self, node: &NodeName, vm: VmId, incarnation: u64) -> Result<(), String> {
        let is_over = self.is_unheard_of(vm, incarnation);
        if is_over && self.taken.range((vm, incarnation + 1)..=(vm, u64::MAX)).next().is_some() {
            self.stale.insert((node.clone(), vm), incarnation);
            return Ok(());
        }
        match self.live.insert(vm, (node.clone(), Some(incarnation))) {
            None => Ok(()),
            Some((other, Some(older))) if older < incarnation && self.is_unheard_of(vm, older) => {
                self.stale.insert((other, vm), older);
                Ok(())
            }
            Some((other, _)) => Err(format!("{vm} began on {node} while it runs on {other}")),
        }
    }

    /// Whether nobody waited any more when this incarnation's start was performed.
    fn is_unheard_of(&self, vm: VmId, incarnation: u64) -> bool {
        self.unheard.contains(&(vm, incarnation))
    }

    /// A VM's guest does not run on this node any more. What runs on another one goes on.
    fn stands_still(&mut self, node: &NodeName, vm: VmId) {
        if self.live.get(&vm).is_some_and(|(at, _)| at == node) {
            self.live.remove(&vm);
        }
    }

    /// A guest may be brought down when that was wished since its incarnation was taken; or when a newer one was taken
    /// because nobody could know that it had been started.
    fn may_end(&self, vm: VmId, incarnation: u64) -> Result<(), String> {
        let taken_at = self.taken.get(&(vm, incarnation)).copied().unwrap_or_default();
        let wished = self.ends_wished_at.get(&vm).is_some_and(|at| *at >= taken_at);
        let stale = self.uncertain.contains(&vm)
            && self.taken.range((vm, incarnation + 1)..=(vm, u64::MAX)).next().is_some();
        // What was torn may have been joined just before it was ended: its node could not know.
        if wished
            || stale
            || self.torn.contains(&(vm, incarnation))
            || self.cut_off.contains(&(vm, incarnation))
        {
            return Ok(());
        }
        Err(format!("{vm}: incarnation {incarnation} was brought down though nobody wished it"))
    }

    /// Whether every wish has come true; of those that are parked, none may run.
    ///
    /// # Errors
    /// The first that has not.
    pub fn fulfilled<'a>(
        &self,
        machines: impl Iterator<Item = &'a Machine>,
        parked: &BTreeSet<VmId>,
    ) -> Result<(), String> {
        let guests: Vec<_> = machines.flat_map(Machine::guests).collect();
        if let Some(still) = guests.iter().find(|guest| guest.activity == Activity::Paused) {
            return Err(format!("{} has a guest that stands still", still.vm));
        }
        let running: BTreeMap<VmId, u32> = guests.iter().fold(BTreeMap::new(), |mut all, guest| {
            *all.entry(guest.vm).or_default() += 1;
            all
        });
        for (vm, wish) in &self.wishes {
            let count = running.get(vm).copied().unwrap_or_default();
            let expected = u32::from(*wish == Wished::Running && !parked.contains(vm));
            if count != expected {
                return Err(format!("{vm} is wished {wish:?} and has {count} guests"));
            }
        }
        match running.keys().find(|vm| !self.wishes.contains_key(vm)) {
            Some(vm) => Err(format!("{vm} runs and was never defined")),
            None => Ok(()),
        }
    }

    /// The VMs that are to exist.
    pub fn defined(&self) -> BTreeSet<VmId> {
        self.wishes.iter().filter(|(_, wish)| **wish != Wished::Gone).map(|(vm, _)| *vm).collect()
    }

    /// What is wished of a VM.
    pub fn wish(&self, vm: VmId) -> Option<Wished> {
        self.wishes.get(&vm).copied()
    }
}
