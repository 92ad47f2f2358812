//! Moves between machines in memory: the network that joins them, in virtual time, with faults to order.
//!
//! A move goes through stages, each with its span: the target is reached, the memory is copied, the guest stands still
//! for the switch, and the source waits for the target's answer. A cable that is pulled and a hypervisor that hangs stop
//! it; after [`PATIENCE`] each side gives up for itself, as soon as it can. As with the real thing the source lets the
//! guest go on when it is not told that the target holds it, though it may.
//!
//! It has no thread and no timer: what is due happens when somebody calls, or calls [`ClusterNetwork::settle`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use logic::id::VmId;
use logic::time::{BootTime, Span};

use super::Machine;
use crate::clock::Clock;
use crate::hypervisor::Waker;
use crate::migration::{Convergence, Course, Departure, Method};

mod port;
mod process;
mod stage;

pub use port::Migrations;
use stage::{Leftover, Move};

/// How long a side waits for the other one, and for the network, before it gives a move up.
pub const PATIENCE: Span = Span::seconds(30);

/// How small a part of its memory a restless guest writes over and over.
const RESTLESS_PART: u64 = 16;

/// How long the stages take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// To reach the target and have it begin.
    pub reach: Span,
    /// From the guest's last moment on the source until the target holds it.
    pub switch: Span,
    /// From there until the source knows.
    pub answer: Span,
    /// After a switch to post-copy, until the last of the memory is there.
    pub fill: Span,
}

impl Default for Spans {
    /// What a quiet network of 10 Gbit/s takes.
    fn default() -> Self {
        Self { reach: Span(300), switch: Span(60), answer: Span(20), fill: Span::seconds(2) }
    }
}

/// What goes wrong with a move, at its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The target does not take the guest, with these words.
    Refused(String),
    /// The stream breaks in the middle of copying.
    StreamBreaks,
    /// The target cannot hold what it received: the guest stood still on the source, and goes on there.
    SwitchFails,
    /// The target holds the guest and the source is not told: the guest goes on on the source, and is paused on the
    /// target.
    AnswerLost,
    /// The source's hypervisor dies and is started again while the guest stands still: it is stranded there, and
    /// nothing is left on the target.
    StrandedBeforeSwitch,
    /// The same, when the target holds the guest already.
    StrandedAfterSwitch,
    /// By post-copy: the stream breaks while the memory follows.
    TornInTwo,
}

impl Fault {
    /// Whether it can befall a move of this method.
    fn befalls(&self, method: Method) -> bool {
        *self != Self::TornInTwo || method == Method::PostCopy
    }
}

#[derive(Debug)]
struct State {
    machines: BTreeMap<IpAddr, Arc<Machine>>,
    cuts: BTreeSet<(IpAddr, IpAddr)>,
    moves: BTreeMap<(IpAddr, VmId), Move>,
    leftovers: Vec<Leftover>,
    /// How moves ended, for the daemon that began them.
    ended: BTreeMap<(IpAddr, VmId), Ended>,
    faults: VecDeque<Fault>,
    spans: Spans,
    memory_mib: u64,
    bandwidth_mib: u64,
    busy: BTreeSet<VmId>,
    restless: BTreeSet<VmId>,
    daemons: u64,
}

/// How a move ended.
#[derive(Clone, Debug)]
struct Ended {
    daemon: u64,
    incarnation: u64,
    course: Course,
}

/// The network between machines in memory.
#[derive(Debug)]
pub struct ClusterNetwork {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl ClusterNetwork {
    /// A network without machines. Guests have 1 GiB to be copied, at 300 MiB/s.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State {
            machines: BTreeMap::new(),
            cuts: BTreeSet::new(),
            moves: BTreeMap::new(),
            leftovers: Vec::new(),
            ended: BTreeMap::new(),
            faults: VecDeque::new(),
            spans: Spans::default(),
            memory_mib: 1024,
            bandwidth_mib: 300,
            busy: BTreeSet::new(),
            restless: BTreeSet::new(),
            daemons: 0,
        };
        Arc::new(Self { clock, state: Mutex::new(state) })
    }

    /// Plugs a machine in.
    pub fn join(&self, address: IpAddr, machine: &Arc<Machine>) {
        self.lock().machines.insert(address, Arc::clone(machine));
    }

    /// A daemon's way to the moves from and to the machine at this address.
    pub fn open(self: &Arc<Self>, address: IpAddr) -> Migrations {
        let mut state = self.lock();
        state.daemons += 1;
        Migrations::new(Arc::clone(self), address, state.daemons)
    }

    /// How long the stages of moves that begin from now on take.
    pub fn set_spans(&self, spans: Spans) {
        self.lock().spans = spans;
    }

    /// How much memory guests have to be copied, in MiB, and how much the network carries per second.
    pub fn set_memory(&self, memory_mib: u64, bandwidth_mib: u64) {
        let mut state = self.lock();
        (state.memory_mib, state.bandwidth_mib) = (memory_mib, bandwidth_mib.max(1));
    }

    /// From now on this VM writes its memory faster than it can be sent. It is moved by a throttle or by post-copy, or
    /// not at all.
    pub fn set_busy(&self, vm: VmId) {
        self.lock().busy.insert(vm);
    }

    /// From now on this VM writes a little of its memory so fast that no throttle helps. It is moved by post-copy, or not
    /// at all.
    pub fn set_restless(&self, vm: VmId) {
        self.lock().restless.insert(vm);
    }

    /// The next move that it can befall suffers this fault; further ones are for those after it.
    pub fn order(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// Nothing goes between these two from now on.
    pub fn cut(&self, one: IpAddr, other: IpAddr) {
        self.change(|state, _| {
            state.cuts.insert(pair(one, other));
        });
    }

    /// It does again.
    pub fn heal(&self, one: IpAddr, other: IpAddr) {
        self.change(|state, _| {
            state.cuts.remove(&pair(one, other));
        });
    }

    /// Whether anything goes between these two.
    pub fn reaches(&self, one: IpAddr, other: IpAddr) -> bool {
        !self.lock().cuts.contains(&pair(one, other))
    }

    /// The streams of all moves break that are going on.
    pub fn break_streams(&self) {
        self.change(|state, tick| {
            let keys: Vec<_> = state.moves.keys().copied().collect();
            keys.into_iter().for_each(|key| state.part(key, "the stream broke", tick));
        });
    }

    /// Ends every cut, and forgets the faults that were ordered.
    pub fn heal_all(&self) {
        self.change(|state, _| {
            state.cuts.clear();
            state.faults.clear();
        });
    }

    /// When a move next changes something by itself.
    pub fn next_change(&self) -> Option<BootTime> {
        let state = self.lock();
        let moves = state.moves.iter().filter_map(|(key, a_move)| state.due(key, a_move));
        moves.chain(state.leftovers.iter().filter_map(|leftover| state.leftover_due(leftover))).min()
    }

    /// How many moves are going on.
    pub fn move_count(&self) -> usize {
        self.lock().moves.len()
    }

    /// Lets everything happen that is due, and every side notice what befell the other.
    pub fn settle(&self) {
        self.change(|_, _| ());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the network")
    }

    /// Changes something now; what was due before comes first, and what follows from it at once.
    fn change<T>(&self, change: impl FnOnce(&mut State, &mut Tick) -> T) -> T {
        let mut tick = Tick { now: self.clock.now().boot, wakers: Vec::new() };
        let mut state = self.lock();
        state.settle(&mut tick);
        let outcome = change(&mut state, &mut tick);
        state.settle(&mut tick);
        drop(state);
        // Woken without any lock: a waker may look at once.
        tick.wakers.iter().for_each(|waker| waker.wake());
        outcome
    }
}

/// One look at the clock, and who is to be woken for what happened at it.
struct Tick {
    now: BootTime,
    wakers: Vec<Arc<dyn Waker>>,
}

/// Two ends in the one order that both directions share.
fn pair(one: IpAddr, other: IpAddr) -> (IpAddr, IpAddr) {
    (one.min(other), one.max(other))
}

impl State {
    /// How much is sent per second for one, in MiB.
    fn bandwidth_of(&self, departure: &Departure) -> u64 {
        departure.bandwidth_max_mib.unwrap_or(u64::MAX).clamp(1, self.bandwidth_mib)
    }

    /// How long it takes to go through the memory that is written: all of it, unless the guest is restless.
    fn pass_span(&self, departure: &Departure) -> Span {
        let whole = self.memory_mib * 1000 / self.bandwidth_of(departure);
        Span(if self.restless.contains(&departure.vm) { whole / RESTLESS_PART } else { whole })
    }

    /// How long copying takes; `None` for ever.
    fn copy_span(&self, departure: &Departure) -> Option<Span> {
        let span = Span(self.memory_mib * 1000 / self.bandwidth_of(departure));
        if self.restless.contains(&departure.vm) {
            return None;
        }
        match (departure.method, self.busy.contains(&departure.vm), departure.convergence) {
            // It is kept from completing: only a switch ends it.
            (Method::PostCopy, ..) | (Method::PreCopy, true, Convergence::Unaided) => None,
            (Method::PreCopy, true, Convergence::Throttled) => Some(Span(span.0 * 4)),
            (Method::PreCopy, false, _) => Some(span),
        }
    }
}
