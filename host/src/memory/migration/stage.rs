//! The stages of a move, what ends each, and what is left where when one breaks.

use std::net::IpAddr;

use logic::id::VmId;
use logic::time::{BootTime, Span};

use super::super::Manner;
use super::{Ended, Fault, PATIENCE, State, Tick, pair};
use crate::migration::{Convergence, Course, Departure, Progress, Standing};

/// Where a move stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The target is being reached, and has nothing yet.
    Reaching,
    /// The memory is being copied while the guest runs.
    Copying,
    /// The guest stands still, and the target was not told to take over yet.
    Switching,
    /// The target was told, and sees to it as soon as it can: whatever becomes of the network by then.
    Told,
    /// The target holds it, and the source does not know yet.
    Answering,
    /// By post-copy: it runs on the target, and its memory follows.
    Filling,
    /// It broke while the source's hypervisor hung, which has yet to notice.
    Broken {
        /// Why.
        why: String,
    },
}

/// A move that is going on.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) departure: Departure,
    pub(super) daemon: u64,
    pub(super) stage: Stage,
    pub(super) began: BootTime,
    pub(super) stage_ends: Option<BootTime>,
    pub(super) copy_span: Span,
    /// How long it takes to send all of the memory once.
    pub(super) pass_span: Span,
    pub(super) blocked_since: Option<BootTime>,
    pub(super) fault: Option<Fault>,
}

/// What a move that broke has left on its target, until the hypervisor there notices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leftover {
    pub(super) at: IpAddr,
    pub(super) vm: VmId,
    pub(super) incarnation: u64,
    pub(super) due: BootTime,
}

/// What is in the way of a move.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Obstacle {
    Nothing,
    /// Nothing gets through, and nobody knows why.
    Silence,
    /// It cannot go on.
    End(String),
}

/// A move, by its source and its VM.
type Key = (IpAddr, VmId);

impl Move {
    /// As QEMU slows a guest down: from the third pass on, and more every second.
    fn throttle_percent(&self, pass: u64) -> u64 {
        match (self.departure.convergence, pass) {
            (Convergence::Unaided, _) | (_, 0..=2) => 0,
            (Convergence::Throttled, pass) => (20 + (pass - 3) / 2 * 10).min(99),
        }
    }

    pub(super) fn progress(&self, memory_mib: u64, now: BootTime) -> Progress {
        let elapsed = now - self.began;
        let mut progress = Progress { elapsed_ms: elapsed.0, ..Progress::default() };
        if self.stage != Stage::Reaching {
            let span = self.copy_span.0.max(1);
            let left = match (&self.stage, self.stage_ends) {
                (Stage::Copying, Some(ends)) => memory_mib * (ends - now).0.min(span) / span,
                (Stage::Copying, None) => memory_mib / 2,
                _ => 0,
            };
            progress.memory_total_mib = memory_mib;
            progress.memory_remaining_mib = left;
            progress.memory_sent_mib = memory_mib * elapsed.0.min(span) / span;
            progress.pass = 1 + elapsed.0 / self.pass_span.0.max(1).min(span);
            if self.stage == Stage::Copying && self.stage_ends.is_none() {
                progress.throttle_percent = self.throttle_percent(progress.pass);
            }
        }
        progress
    }
}

impl State {
    /// When something of this move is due; a moment long past for at once.
    pub(super) fn due(&self, key: &Key, a_move: &Move) -> Option<BootTime> {
        if let Stage::Broken { .. } = a_move.stage {
            let source = self.machines.get(&key.0)?;
            return (source.lock().manner == Manner::Prompt).then(BootTime::default);
        }
        match (self.obstacle(key, a_move), a_move.blocked_since) {
            (Obstacle::End(_), _) | (Obstacle::Silence, None) | (Obstacle::Nothing, Some(_)) => {
                Some(BootTime::default())
            }
            (Obstacle::Silence, Some(since)) => Some(since + PATIENCE),
            (Obstacle::Nothing, None) => a_move.stage_ends,
        }
    }

    /// When a leftover goes; `None` while the hypervisor there cannot see to it.
    pub(super) fn leftover_due(&self, leftover: &Leftover) -> Option<BootTime> {
        let machine = self.machines.get(&leftover.at)?;
        (machine.lock().manner == Manner::Prompt).then_some(leftover.due)
    }

    /// Lets everything happen that is due, in the order of the times.
    pub(super) fn settle(&mut self, tick: &mut Tick) {
        for machine in self.machines.values() {
            tick.wakers.extend(machine.settle_quietly());
        }
        loop {
            let due = |(key, a_move)| self.due(key, a_move).map(|at| (at, *key));
            let next = self.moves.iter().filter_map(due).filter(|(at, _)| *at <= tick.now).min();
            let Some((_, key)) = next else { break };
            self.advance(key, tick);
        }
        let leftovers = std::mem::take(&mut self.leftovers);
        for leftover in leftovers {
            if self.leftover_due(&leftover).is_none_or(|due| due > tick.now) {
                self.leftovers.push(leftover);
                continue;
            }
            self.on(leftover.at, tick, |machine, now| {
                match machine.standing(leftover.vm, leftover.incarnation) {
                    Some(Standing::Incoming) => machine.clear(leftover.vm, leftover.incarnation, now),
                    Some(Standing::Filling) => {
                        machine.set_standing(leftover.vm, leftover.incarnation, Standing::Torn, now);
                    }
                    _ => (),
                }
            });
        }
    }

    /// Does something to a machine.
    pub(super) fn on<T>(
        &self,
        at: IpAddr,
        tick: &mut Tick,
        change: impl FnOnce(&mut super::super::State, BootTime) -> T,
    ) -> Option<T> {
        let machine = self.machines.get(&at)?;
        let (outcome, wakers) = machine.change_quietly(change);
        tick.wakers.extend(wakers);
        Some(outcome)
    }

    fn obstacle(&self, key: &Key, a_move: &Move) -> Obstacle {
        let Departure { vm, incarnation, to, .. } = a_move.departure;
        let (Some(source), Some(target)) = (self.machines.get(&key.0), self.machines.get(&to)) else {
            return Obstacle::End(format!("unable to connect to {to}: no route to host"));
        };
        let (from, gone) = {
            let source = source.lock();
            (source.manner.clone(), source.standing(vm, incarnation).is_none())
        };
        let (there, standing) = {
            let target = target.lock();
            (target.manner.clone(), target.standing(vm, incarnation))
        };
        let is_there = match a_move.stage {
            Stage::Reaching | Stage::Broken { .. } => true,
            Stage::Copying | Stage::Switching | Stage::Told => standing == Some(Standing::Incoming),
            Stage::Answering => standing.is_some(),
            Stage::Filling => standing == Some(Standing::Filling),
        };
        // Copying is between the guests' own processes. What was told to the target is there.
        let needs_network = a_move.stage != Stage::Told;
        let needs_source = !matches!(a_move.stage, Stage::Copying | Stage::Told);
        let needs_target = !matches!(a_move.stage, Stage::Copying | Stage::Switching | Stage::Answering);
        match (from, there) {
            _ if gone => Obstacle::End("the guest has ended".into()),
            (Manner::Unreachable(_), _) => Obstacle::End("the hypervisor of the source died".into()),
            _ if needs_network && self.cuts.contains(&pair(key.0, to)) => Obstacle::Silence,
            _ if !is_there => Obstacle::End("the target has lost the guest".into()),
            (_, Manner::Unreachable(_)) => Obstacle::End("the hypervisor of the target is gone".into()),
            (Manner::Hanging(_), _) if needs_source => Obstacle::Silence,
            (_, Manner::Hanging(_)) if needs_target => Obstacle::Silence,
            _ => Obstacle::Nothing,
        }
    }

    /// Does what is due for one move.
    fn advance(&mut self, key: Key, tick: &mut Tick) {
        let a_move = self.moves[&key].clone();
        if let Stage::Broken { why } = a_move.stage {
            self.give_up(key, why, tick);
            return;
        }
        let obstacle = self.obstacle(&key, &a_move);
        let held = self.moves.get_mut(&key).expect("it was cloned above");
        match (obstacle, a_move.blocked_since) {
            (Obstacle::End(why), _) => self.part(key, &why, tick),
            (Obstacle::Silence, None) => held.blocked_since = Some(tick.now),
            (Obstacle::Silence, Some(_)) => {
                self.part(key, "the other side was silent for too long: connection closed", tick);
            }
            (Obstacle::Nothing, Some(since)) => {
                // What stood still has lost that time.
                held.stage_ends = held.stage_ends.map(|ends| ends + (tick.now - since));
                held.blocked_since = None;
            }
            (Obstacle::Nothing, None) => self.next_stage(key, &a_move, tick),
        }
    }

    fn next_stage(&mut self, key: Key, a_move: &Move, tick: &mut Tick) {
        let Departure { vm, incarnation, to, .. } = a_move.departure;
        let spans = self.spans;
        match (&a_move.stage, &a_move.fault) {
            (Stage::Reaching, Some(Fault::Refused(why))) => self.part(key, why, tick),
            (Stage::Reaching, fault) => {
                let like = self.machines[&key.0].lock().guests[&vm].clone();
                let received = self.on(to, tick, |target, now| target.receive(vm, &like, now));
                if let Some(Err(why)) = received {
                    self.part(key, &why, tick);
                    return;
                }
                let span = match fault {
                    Some(Fault::StreamBreaks) => Some(Span(a_move.copy_span.0 / 2)),
                    _ => self.copy_span(&a_move.departure),
                };
                self.enter(key, Stage::Copying, span, tick);
            }
            (Stage::Copying, Some(Fault::StreamBreaks)) => self.part(key, "the stream broke", tick),
            (Stage::Copying, _) => {
                self.on(key.0, tick, |source, now| {
                    source.set_standing(vm, incarnation, Standing::Handing, now)
                });
                self.enter(key, Stage::Switching, Some(spans.switch), tick);
            }
            (Stage::Switching, Some(Fault::SwitchFails)) => {
                self.part(key, "the target could not take over", tick);
            }
            (Stage::Switching, Some(Fault::StrandedBeforeSwitch)) => self.strand(key, tick),
            (Stage::Switching, _) => self.enter(key, Stage::Told, Some(Span(0)), tick),
            (Stage::Told, _) => {
                self.bring_time_left(key, to, tick);
                self.on(to, tick, |target, now| target.set_standing(vm, incarnation, Standing::Paused, now));
                self.enter(key, Stage::Answering, Some(spans.answer), tick);
            }
            (Stage::Answering, Some(Fault::AnswerLost)) => {
                self.part(key, "the target's answer was lost", tick);
            }
            (Stage::Answering, Some(Fault::StrandedAfterSwitch)) => self.strand(key, tick),
            (Stage::Answering, _) => self.finish(key, tick),
            (Stage::Filling, Some(Fault::TornInTwo)) => {
                self.part(key, "the stream broke, and half of the memory is there", tick);
            }
            (Stage::Filling, _) => {
                self.on(to, tick, |target, now| target.set_standing(vm, incarnation, Standing::Running, now));
                self.finish(key, tick);
            }
            (Stage::Broken { .. }, _) => (),
        }
    }

    /// What the guest has before it goes with its memory.
    pub(super) fn bring_time_left(&self, key: Key, to: IpAddr, tick: &mut Tick) {
        let left = self.on(key.0, tick, |source, _| source.time_left(key.1)).flatten();
        self.on(to, tick, |target, _| target.set_time_left(key.1, left));
    }

    pub(super) fn enter(&mut self, key: Key, stage: Stage, span: Option<Span>, tick: &Tick) {
        let a_move = self.moves.get_mut(&key).expect("only a move that is going on enters a stage");
        a_move.stage = stage;
        a_move.stage_ends = span.map(|span| tick.now + span);
    }

    /// The guest is on the target.
    fn finish(&mut self, key: Key, tick: &mut Tick) {
        let Departure { vm, incarnation, .. } = self.moves[&key].departure;
        self.on(key.0, tick, |source, now| source.leave(vm, incarnation, now));
        self.end(key, Course::Moved, tick);
    }

    /// The source's hypervisor dies in the switch and comes again.
    fn strand(&mut self, key: Key, tick: &mut Tick) {
        let Departure { vm, incarnation, .. } = self.moves[&key].departure;
        self.leave_to_target(key, tick.now);
        self.on(key.0, tick, |source, now| source.set_standing(vm, incarnation, Standing::Stranded, now));
        self.end(key, Course::Unknown, tick);
    }

    /// A move breaks: each side is left to itself, and sees to what it has as soon as it can.
    pub(super) fn part(&mut self, key: Key, why: &str, tick: &mut Tick) {
        let a_move = &self.moves[&key];
        // A side that hears nothing waits for as long as the other one did, and no longer.
        let silent = self.cuts.contains(&pair(key.0, a_move.departure.to));
        let waits_from = a_move.blocked_since.unwrap_or(tick.now);
        self.leave_to_target(key, if silent { waits_from + PATIENCE } else { tick.now });
        self.give_up(key, why.to_owned(), tick);
    }

    fn leave_to_target(&mut self, key: Key, due: BootTime) {
        let Departure { vm, incarnation, to, .. } = self.moves[&key].departure;
        self.leftovers.push(Leftover { at: to, vm, incarnation, due });
    }

    /// The source sees to what it has, unless it hangs.
    fn give_up(&mut self, key: Key, why: String, tick: &mut Tick) {
        let Departure { vm, incarnation, .. } = self.moves[&key].departure;
        let manner = self.machines.get(&key.0).map(|source| source.lock().manner.clone());
        if let Some(Manner::Hanging(_)) = manner {
            self.enter(key, Stage::Broken { why }, None, tick);
            return;
        }
        let died = matches!(manner, Some(Manner::Unreachable(_)));
        self.on(key.0, tick, |source, now| {
            let standing = match source.standing(vm, incarnation) {
                Some(Standing::Handing) if died => Standing::Stranded,
                Some(Standing::Leaving | Standing::Handing) => Standing::Running,
                Some(Standing::Drained) => Standing::Torn,
                Some(other) => other,
                None => return,
            };
            source.set_standing(vm, incarnation, standing, now);
        });
        self.end(key, if died { Course::Unknown } else { Course::Failed { why } }, tick);
    }

    /// A move is over.
    fn end(&mut self, key: Key, course: Course, tick: &mut Tick) {
        let Some(a_move) = self.moves.remove(&key) else { return };
        let ended = Ended { daemon: a_move.daemon, incarnation: a_move.departure.incarnation, course };
        self.ended.insert(key, ended);
        if let Some(machine) = self.machines.get(&key.0) {
            tick.wakers.extend(machine.lock().wakers());
        }
    }
}
