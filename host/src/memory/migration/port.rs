//! The port to moves, for a daemon on one machine of a network in memory.

use std::net::IpAddr;
use std::sync::Arc;

use logic::id::VmId;
use logic::time::Span;

use super::super::Manner;
use super::super::connection::silent;
use super::stage::{Move, Stage};
use super::{ClusterNetwork, Ended, Fault, State, Tick, pair};
use crate::hypervisor::Error;
use crate::migration::{Change, Course, Departure, Method, Migration, Sighting, Standing};

/// A daemon's way to the moves from and to one machine. A new one remembers nothing of how earlier moves ended.
#[derive(Debug)]
pub struct Migrations {
    network: Arc<ClusterNetwork>,
    address: IpAddr,
    daemon: u64,
}

impl Migrations {
    pub(super) fn new(network: Arc<ClusterNetwork>, address: IpAddr, daemon: u64) -> Self {
        Self { network, address, daemon }
    }

    /// Calls the hypervisor of this machine, if it answers.
    fn call<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut State, &mut Tick) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.network.change(|state, tick| {
            state
                .on(self.address, tick, |machine, _| {
                    machine.calls += 1;
                    machine.answers(call)
                })
                .unwrap_or_else(|| Err(silent(call)))?;
            act(state, tick)
        })
    }

    /// The same for a call that changes something: its answer can be lost.
    fn tell<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut State, &mut Tick) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.call(call, |state, tick| {
            let outcome = act(state, tick);
            let lost = state.on(self.address, tick, |machine, _| {
                let lost = machine.lost_answers > 0;
                machine.lost_answers = machine.lost_answers.saturating_sub(1);
                lost
            });
            if lost == Some(true) { Err(silent(call)) } else { outcome }
        })
    }

    fn standing(&self, state: &State, vm: VmId, incarnation: u64) -> Option<Standing> {
        state.machines.get(&self.address)?.lock().standing(vm, incarnation)
    }

    /// Changes how an incarnation stands here; `None` where it is not.
    fn change_standing(
        &self,
        call: &'static str,
        vm: VmId,
        incarnation: u64,
        change: fn(Standing) -> Result<Change, &'static str>,
    ) -> Result<Option<()>, Error> {
        self.tell(call, |state, tick| {
            let Some(standing) = self.standing(state, vm, incarnation) else { return Ok(None) };
            match change(standing).map_err(|why| Error::Refused { call, vm, why: why.into() })? {
                Change::None => (),
                Change::Resume => {
                    let runs = Standing::Running;
                    state.on(self.address, tick, |here, now| here.set_standing(vm, incarnation, runs, now));
                }
                Change::End => {
                    state.on(self.address, tick, |here, now| here.clear(vm, incarnation, now));
                    state.leftovers.retain(|leftover| (leftover.at, leftover.vm) != (self.address, vm));
                }
            }
            Ok(Some(()))
        })
    }

    fn begin_here(&self, state: &mut State, tick: &mut Tick, departure: &Departure) -> Result<(), String> {
        let Departure { vm, incarnation, to, .. } = *departure;
        let key = (self.address, vm);
        match self.standing(state, vm, incarnation) {
            None => return Err(format!("incarnation {incarnation} is not here")),
            Some(Standing::Leaving | Standing::Handing) => return Ok(()),
            Some(Standing::Running) if to == self.address => {
                return Err("it cannot be sent to the machine that it is on".into());
            }
            Some(Standing::Running) => (),
            Some(other) => return Err(format!("it is {other:?} and not running")),
        }
        let fits = state.faults.iter().position(|fault| fault.befalls(departure.method));
        let fault = fits.and_then(|place| state.faults.remove(place));
        let copy_span =
            state.copy_span(departure).unwrap_or(Span(state.memory_mib * 1000 / state.bandwidth_mib));
        let a_move = Move {
            departure: departure.clone(),
            daemon: self.daemon,
            stage: Stage::Reaching,
            began: tick.now,
            stage_ends: Some(tick.now + state.spans.reach),
            copy_span,
            pass_span: state.pass_span(departure),
            blocked_since: None,
            fault,
        };
        state.moves.insert(key, a_move);
        state.ended.remove(&key);
        state.on(self.address, tick, |here, now| here.set_standing(vm, incarnation, Standing::Leaving, now));
        Ok(())
    }

    fn mend_here(&self, state: &mut State, tick: &mut Tick, departure: &Departure) -> Result<(), String> {
        let Departure { vm, incarnation, to, .. } = *departure;
        match self.standing(state, vm, incarnation) {
            Some(Standing::Torn) => (),
            Some(Standing::Drained) => return Ok(()),
            Some(_) => return Err("it is whole".into()),
            None => return Err(format!("incarnation {incarnation} is not here")),
        }
        let key = (self.address, vm);
        let (reaches, there) = (!state.cuts.contains(&pair(self.address, to)), state.machines.get(&to));
        let torn = there.is_some_and(|machine| {
            let machine = machine.lock();
            machine.manner == Manner::Prompt && machine.standing(vm, incarnation) == Some(Standing::Torn)
        });
        if !reaches || !torn {
            let why = "the target cannot be reached, or does not know that they are apart".into();
            let ended = Ended { daemon: self.daemon, incarnation, course: Course::Failed { why } };
            state.ended.insert(key, ended);
            return Ok(());
        }
        let fill = state.spans.fill;
        let a_move = Move {
            departure: departure.clone(),
            daemon: self.daemon,
            stage: Stage::Filling,
            began: tick.now,
            stage_ends: Some(tick.now + fill),
            copy_span: fill,
            pass_span: fill,
            blocked_since: None,
            fault: None,
        };
        state.moves.insert(key, a_move);
        state.ended.remove(&key);
        state.on(self.address, tick, |here, now| here.set_standing(vm, incarnation, Standing::Drained, now));
        state.on(to, tick, |there, now| there.set_standing(vm, incarnation, Standing::Filling, now));
        Ok(())
    }

    fn switch_here(
        &self,
        state: &mut State,
        tick: &mut Tick,
        vm: VmId,
        incarnation: u64,
    ) -> Result<(), String> {
        match self.standing(state, vm, incarnation) {
            None => return Err(format!("incarnation {incarnation} is not here")),
            Some(Standing::Drained) => return Ok(()),
            Some(_) => (),
        }
        let key = (self.address, vm);
        let a_move = state.moves.get(&key).ok_or("it is going nowhere")?;
        if a_move.departure.method != Method::PostCopy || a_move.stage != Stage::Copying {
            return Err("post-copy was not prepared, or nothing was sent yet".into());
        }
        let (to, mut fill) = (a_move.departure.to, state.spans.fill);
        if a_move.fault == Some(Fault::TornInTwo) {
            fill = Span(fill.0 / 2);
        }
        state.on(self.address, tick, |here, now| here.set_standing(vm, incarnation, Standing::Drained, now));
        state.bring_time_left(key, to, tick);
        state.on(to, tick, |there, now| there.set_standing(vm, incarnation, Standing::Filling, now));
        state.enter(key, Stage::Filling, Some(fill), tick);
        Ok(())
    }
}

impl Migration for Migrations {
    fn begin(&self, departure: &Departure) -> Result<(), Error> {
        let call = "send away";
        self.tell(call, |state, tick| {
            let begun = self.begin_here(state, tick, departure);
            begun.map_err(|why| Error::Refused { call, vm: departure.vm, why })
        })
    }

    fn course(&self, vm: VmId, incarnation: u64) -> Result<Course, Error> {
        let key = (self.address, vm);
        let seen = {
            self.network.settle();
            let state = self.network.lock();
            let ended = state.ended.get(&key).cloned();
            ended.filter(|ended| ended.daemon == self.daemon && ended.incarnation == incarnation)
        };
        // What this process saw itself it knows without asking.
        if let Some(ended) = seen
            && ended.course != Course::Unknown
        {
            return Ok(ended.course);
        }
        self.call("follow the move of", |state, tick| {
            let a_move = state.moves.get(&key).filter(|a_move| a_move.departure.incarnation == incarnation);
            Ok(match a_move {
                Some(a_move) => Course::UnderWay(a_move.progress(state.memory_mib, tick.now)),
                None => Course::Unknown,
            })
        })
    }

    fn abort(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        let call = "abort the move of";
        self.tell(call, |state, tick| {
            let key = (self.address, vm);
            let a_move = state.moves.get(&key).filter(|a_move| a_move.departure.incarnation == incarnation);
            match a_move.map(|a_move| &a_move.stage) {
                Some(Stage::Reaching | Stage::Copying | Stage::Switching | Stage::Told) => {
                    state.part(key, "it was aborted", tick);
                    Ok(())
                }
                Some(Stage::Filling) => {
                    Err(Error::Refused { call, vm, why: "it runs on the target already".into() })
                }
                // Too late, or done.
                Some(Stage::Answering | Stage::Broken { .. }) | None => Ok(()),
            }
        })
    }

    fn allow_downtime(&self, vm: VmId, incarnation: u64, downtime_max_ms: u64) -> Result<(), Error> {
        self.tell("lengthen the pause of", |state, _| {
            let moves = state.moves.get_mut(&(self.address, vm));
            if let Some(a_move) = moves.filter(|a_move| a_move.departure.incarnation == incarnation) {
                a_move.departure.downtime_max_ms = downtime_max_ms;
            }
            Ok(())
        })
    }

    fn switch_to_post_copy(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        let call = "switch to post-copy";
        self.tell(call, |state, tick| {
            let switched = self.switch_here(state, tick, vm, incarnation);
            switched.map_err(|why| Error::Refused { call, vm, why })
        })
    }

    fn mend(&self, departure: &Departure) -> Result<(), Error> {
        let call = "mend";
        self.tell(call, |state, tick| {
            let begun = self.mend_here(state, tick, departure);
            begun.map_err(|why| Error::Refused { call, vm: departure.vm, why })
        })
    }

    fn look(&self, vm: VmId) -> Result<Option<Sighting>, Error> {
        self.call("look at", |state, _| {
            let Some(machine) = state.machines.get(&self.address) else { return Ok(None) };
            let here = machine.lock();
            let guest = here.guests.get(&vm);
            Ok(guest.map(|guest| Sighting { incarnation: guest.incarnation, standing: guest.standing }))
        })
    }

    fn release(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        let call = "release";
        let released = self.change_standing(call, vm, incarnation, Standing::on_release)?;
        let why = || format!("incarnation {incarnation} is not here");
        released.ok_or_else(|| Error::Refused { call, vm, why: why() })
    }

    fn discard(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        let discarded = self.change_standing("discard", vm, incarnation, Standing::on_discard);
        discarded.map(drop)
    }
}

impl Drop for Migrations {
    /// What the daemon knew dies with it; its moves do not.
    fn drop(&mut self) {
        self.network.lock().ended.retain(|_, ended| ended.daemon != self.daemon);
    }
}
