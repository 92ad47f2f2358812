//! What a move does to the simulated processes of one machine, each with its line in the ledger.

use logic::id::VmId;
use logic::time::{BootTime, Span};

use super::super::{End, Entry, Happening, Process, State};
use crate::migration::Standing;

impl State {
    /// How an incarnation stands here, if its process is there.
    pub(super) fn standing(&self, vm: VmId, incarnation: u64) -> Option<Standing> {
        let guest = self.guests.get(&vm).filter(|guest| guest.incarnation == Some(incarnation))?;
        (!guest.is_gone).then_some(guest.standing)
    }

    /// A process begins that receives a guest like this one. The error is the target's refusal.
    pub(super) fn receive(&mut self, vm: VmId, like: &Process, at: BootTime) -> Result<(), String> {
        if self.guests.contains_key(&vm) {
            return Err(format!("the target has a guest of {vm} already"));
        }
        if self.guests.values().any(|guest| guest.name == like.name) {
            return Err(format!("the target has a guest of the name {} already", like.name));
        }
        let process = Process { standing: Standing::Incoming, ends_at: None, ends_in: None, ..like.clone() };
        self.guests.insert(vm, process);
        self.note(vm, like.incarnation, at, Happening::Received);
        Ok(())
    }

    /// An incarnation stands otherwise from now on. Whether its CPUs stop or go on by that is noted.
    pub(super) fn set_standing(&mut self, vm: VmId, incarnation: u64, standing: Standing, now: BootTime) {
        let found = self.guests.get_mut(&vm).filter(|guest| guest.incarnation == Some(incarnation));
        let Some(guest) = found else { return };
        let ran = guest.runs();
        let tears = standing == Standing::Torn && guest.standing != Standing::Torn;
        guest.standing = standing;
        match (ran, guest.runs()) {
            (true, false) => {
                guest.ends_in = guest.ends_at.take().map(|at| at - now);
                self.note(vm, Some(incarnation), now, Happening::Halted);
            }
            (false, true) => {
                guest.ends_at = guest.ends_in.take().map(|span| now + span);
                let ran_here = self.has_run(vm, incarnation);
                let happening = if ran_here { Happening::Resumed } else { Happening::Arrived };
                self.note(vm, Some(incarnation), now, happening);
            }
            _ => (),
        }
        if tears {
            self.note(vm, Some(incarnation), now, Happening::Torn);
        }
    }

    /// What a guest that stands still has before it, by its memory: its power button may have been pressed.
    pub(super) fn time_left(&self, vm: VmId) -> Option<Span> {
        self.guests.get(&vm)?.ends_in
    }

    /// The same for a guest that was received, whose memory is that of the other.
    pub(super) fn set_time_left(&mut self, vm: VmId, left: Option<Span>) {
        if let Some(guest) = self.guests.get_mut(&vm) {
            guest.ends_in = left;
        }
    }

    /// Whether this process has run here: whether the last that began did so by itself, or has arrived.
    fn has_run(&self, vm: VmId, incarnation: u64) -> bool {
        let of_it = self.ledger.iter().rev().filter(|e| e.vm == vm && e.incarnation == Some(incarnation));
        let mut telling = of_it
            .filter(|e| !matches!(e.happening, Happening::Halted | Happening::Resumed | Happening::Torn));
        telling.next().is_none_or(|entry| entry.happening != Happening::Received)
    }

    /// The process of a guest that is elsewhere ends.
    pub(super) fn leave(&mut self, vm: VmId, incarnation: u64, now: BootTime) {
        if self.standing(vm, incarnation).is_some() {
            self.guests.remove(&vm);
            self.note(vm, Some(incarnation), now, Happening::Left);
        }
    }

    /// What a move has left here ends.
    pub(super) fn clear(&mut self, vm: VmId, incarnation: u64, now: BootTime) {
        if self.standing(vm, incarnation).is_some() {
            self.end(vm, End::Discarded, now);
        }
    }

    fn note(&mut self, vm: VmId, incarnation: Option<u64>, at: BootTime, happening: Happening) {
        self.ledger.push(Entry { vm, incarnation, at, happening });
    }
}
