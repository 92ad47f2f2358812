//! A machine in memory: guests that outlive the daemon, a hypervisor to reach them by, and faults to order.
//!
//! [`Machine`] is the world: its simulated QEMU processes live on when every [`Connection`] to it is dropped, as real
//! ones do when a daemon dies. It keeps a ledger of what truly began and ended, for checks that must not trust any
//! record. It has no thread and no clock of its own: a guest that obeys its power button ends when the given clock has
//! come there and somebody calls, or calls [`Machine::settle`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use logic::id::VmId;
use logic::node::traffic::CpuTime;
use logic::node::{BootId, Node, Role};
use logic::observed::Load;
use logic::time::{BootTime, Span};
use uuid::Uuid;

use crate::clock::Clock;
use crate::device::Device;
use crate::hypervisor::{Activity, Guest, Waker, Witness};
use crate::migration::Standing;

mod call;
mod connection;
pub mod migration;

use call::Call;
pub use connection::Connection;

/// What a guest does when its power button is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerButton {
    /// It ends after this span.
    Obeyed {
        /// How long it takes.
        after: Span,
    },
    /// Nothing: it has no operating system, or one that is stuck.
    Ignored,
}

/// What becomes of changing calls that reach a hypervisor while it hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// They are performed, in order, when it is healed: as a stopped libvirtd does with what waits in its socket.
    Performed,
    /// They are lost.
    Lost,
}

/// Why a guest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// It was stopped by a call.
    Stopped,
    /// It obeyed its power button.
    PoweredOff,
    /// It crashed.
    Crashed,
    /// The machine lost its power.
    PowerCut,
    /// It did not run, and was cleared away: what a move that failed had left.
    Discarded,
}

/// What happened to a guest. Its CPUs run from `Began`, `Arrived` and `Resumed` on, until `Halted`, `Left` or `Ended`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// A QEMU process began, and its CPUs run.
    Began,
    /// It ended.
    Ended(End),
    /// A QEMU process began that receives a guest from another machine. Its CPUs do not run.
    Received,
    /// A guest that was received runs here from now on.
    Arrived,
    /// Its CPUs stopped, to be handed over to another machine or because half of its memory is lost.
    Halted,
    /// Its CPUs go on on the machine that they had stopped on.
    Resumed,
    /// The process ended because its guest is on another machine.
    Left,
    /// Half of its memory is on another machine, and nothing goes between the two.
    Torn,
}

/// One line of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which VM.
    pub vm: VmId,
    /// Which incarnation; `None` for a guest that PVC did not start.
    pub incarnation: Option<u64>,
    /// When.
    pub at: BootTime,
    /// What.
    pub happening: Happening,
}

/// How the hypervisor answers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Manner {
    Prompt,
    Hanging(Late),
    Unreachable(String),
}

/// A simulated QEMU process.
#[derive(Clone, Debug)]
struct Process {
    name: String,
    standing: Standing,
    incarnation: Option<u64>,
    devices: BTreeSet<Device>,
    /// It has died, and the hypervisor has not noticed.
    is_gone: bool,
    /// Its disks that have a source, by that.
    disks: BTreeMap<String, Disk>,
    ends_at: Option<BootTime>,
    /// How long after its CPUs go on it ends by itself: while they stand still for a move, its time does too.
    ends_in: Option<Span>,
}

/// A disk of a guest, as the guest sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Disk {
    target: String,
    size_bytes: u64,
}

#[derive(Debug)]
struct State {
    guests: BTreeMap<VmId, Process>,
    buttons: BTreeMap<VmId, PowerButton>,
    button: PowerButton,
    ledger: Vec<Entry>,
    manner: Manner,
    refusals: (u32, String),
    lost_answers: u32,
    lost_wakes: u32,
    late: Vec<Call>,
    watchers: BTreeMap<u64, Vec<Arc<dyn Waker>>>,
    connections: u64,
    calls: u64,
    node: Node,
    load: Load,
    secrets: BTreeMap<Uuid, Vec<u8>>,
}

/// A machine in memory.
#[derive(Debug)]
pub struct Machine {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Machine {
    /// A machine with 8 GiB of memory and 4 CPUs, without guests; guests obey their power button after 2 s.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let node = Node {
            boot: BootId(Uuid::from_u128(1)),
            role: Role::Coordinator,
            version: "0".into(),
            cpu_count: 4,
            memory_total_mib: 8192,
            kernel: "6.1.0".into(),
            os: "GNU/Linux".into(),
            arch: "x86_64".into(),
            ..Node::default()
        };
        let state = State {
            guests: BTreeMap::new(),
            buttons: BTreeMap::new(),
            button: PowerButton::Obeyed { after: Span::seconds(2) },
            ledger: Vec::new(),
            manner: Manner::Prompt,
            refusals: (0, String::new()),
            lost_answers: 0,
            lost_wakes: 0,
            late: Vec::new(),
            watchers: BTreeMap::new(),
            connections: 0,
            calls: 0,
            node,
            load: Load { load: 0.0, memory_used_mib: 512, memory_free_mib: 7680 },
            secrets: BTreeMap::new(),
        };
        Arc::new(Self { clock, state: Mutex::new(state) })
    }

    /// Opens the hypervisor. What watches through it does so until it is dropped.
    pub fn open(self: &Arc<Self>) -> Connection {
        let mut state = self.lock();
        state.connections += 1;
        Connection::new(Arc::clone(self), state.connections)
    }

    /// The next `count` starts are refused with this text.
    pub fn refuse_starts(&self, count: u32, why: &str) {
        self.lock().refusals = (count, why.to_owned());
    }

    /// From now on every call goes unanswered, until [`Machine::heal`].
    pub fn hang(&self, late: Late) {
        self.lock().manner = Manner::Hanging(late);
    }

    /// From now on the hypervisor cannot be reached, until [`Machine::heal`]. Guests go on.
    pub fn cut(&self, why: &str) {
        self.change(|state, _| state.manner = Manner::Unreachable(why.to_owned()));
    }

    /// Ends every fault of the hypervisor. Calls that were made while it hung are performed now, or are lost, as was
    /// ordered.
    pub fn heal(&self) {
        self.change(|state, now| {
            // Whoever begins anew looks at each process.
            let began_anew = matches!(state.manner, Manner::Unreachable(_));
            state.manner = Manner::Prompt;
            state.refusals = (0, String::new());
            (state.lost_answers, state.lost_wakes) = (0, 0);
            if began_anew {
                state.guests.retain(|_, guest| !guest.is_gone);
            }
            for call in std::mem::take(&mut state.late) {
                // Whoever asked is no longer there to hear the answer.
                drop(state.apply(&call, now));
            }
        });
    }

    /// The next `count` changing calls take effect, but the answer is lost.
    pub fn lose_answers(&self, count: u32) {
        self.lock().lost_answers = count;
    }

    /// The next `count` changes wake nobody.
    pub fn lose_wakes(&self, count: u32) {
        self.lock().lost_wakes = count;
    }

    /// A guest's QEMU process dies. Nothing happens when there is none.
    pub fn crash(&self, vm: VmId) {
        self.change(|state, now| state.end(vm, End::Crashed, now));
    }

    /// A guest's QEMU process dies, and the hypervisor does not notice: it goes on telling of the guest, and wakes nobody.
    /// As [`Machine::crash`] for a guest that PVC did not start, that stands still, or is on its way.
    pub fn crash_unseen(&self, vm: VmId) {
        self.settle();
        let now = self.clock.now().boot;
        let mut state = self.lock();
        let whole = |guest: &&mut Process| {
            guest.incarnation.is_some() && !guest.is_gone && guest.standing == Standing::Running
        };
        let Some(guest) = state.guests.get_mut(&vm).filter(whole) else {
            drop(state);
            return self.crash(vm);
        };
        (guest.is_gone, guest.ends_at, guest.ends_in) = (true, None, None);
        let (incarnation, happening) = (guest.incarnation, Happening::Ended(End::Crashed));
        state.ledger.push(Entry { vm, incarnation, at: now, happening });
    }

    /// A guest's CPUs stop, or go on again.
    pub fn set_activity(&self, vm: VmId, activity: Activity) {
        self.change(|state, _| {
            if let Some(guest) = state.guests.get_mut(&vm) {
                guest.standing = match (guest.standing, activity) {
                    (Standing::Running | Standing::Paused, Activity::Running) => Standing::Running,
                    (Standing::Running | Standing::Paused, Activity::Paused) => Standing::Paused,
                    (on_its_way, _) => on_its_way,
                };
            }
        });
    }

    /// What one VM does from now on when its power button is pressed.
    pub fn set_power_button(&self, vm: VmId, button: PowerButton) {
        self.lock().buttons.insert(vm, button);
    }

    /// What every other VM does when its power button is pressed.
    pub fn set_power_buttons(&self, button: PowerButton) {
        self.lock().button = button;
    }

    /// Somebody stops a guest by hand, past PVC. Nothing happens when there is none.
    pub fn stop_by_hand(&self, vm: VmId) {
        self.change(|state, now| state.end(vm, End::Stopped, now));
    }

    /// Somebody starts a guest by hand, past PVC. Nothing happens when the VM has a guest.
    pub fn start_by_hand(&self, vm: VmId, name: &str) {
        self.change(|state, now| {
            if !state.guests.contains_key(&vm) {
                state.begin(vm, name.to_owned(), None, BTreeSet::new(), now);
            }
        });
    }

    /// The machine loses its power and is started again: no guest is left and the boot is a new one. Faults end too.
    pub fn cut_power(&self) {
        self.lock().late.clear();
        self.heal();
        self.change(|state, now| {
            for vm in state.guests.keys().copied().collect::<Vec<_>>() {
                state.end(vm, End::PowerCut, now);
            }
            state.node.boot = BootId(Uuid::from_u128(state.node.boot.0.as_u128() + 1));
        });
    }

    /// What this machine says of itself from now on.
    pub fn set_node(&self, node: Node) {
        self.lock().node = node;
    }

    /// Its load from now on.
    pub fn set_load(&self, load: Load) {
        self.lock().load = load;
    }

    /// The guests that truly exist, whatever the hypervisor answers.
    pub fn guests(&self) -> Vec<Guest> {
        let mut state = self.lock();
        state.settle(self.clock.now().boot);
        state.guests().into_iter().filter(|guest| guest.process != Witness::Gone).collect()
    }

    /// The size that a guest sees of the disk with this source; zero as long as it has not grown.
    pub fn disk_size_bytes(&self, vm: VmId, source: &str) -> Option<u64> {
        Some(self.lock().guests.get(&vm)?.disks.get(source)?.size_bytes)
    }

    /// The value of a secret.
    pub fn secret(&self, id: Uuid) -> Option<Vec<u8>> {
        self.lock().secrets.get(&id).cloned()
    }

    /// Somebody takes a secret away by hand, past PVC.
    pub fn forget_secret(&self, id: Uuid) {
        self.lock().secrets.remove(&id);
    }

    /// Everything that began and ended, in order.
    pub fn ledger(&self) -> Vec<Entry> {
        self.lock().ledger.clone()
    }

    /// What began and ended after the first `count` entries of the ledger.
    pub fn ledger_after(&self, count: usize) -> Vec<Entry> {
        self.lock().ledger.get(count..).unwrap_or_default().to_vec()
    }

    /// How many calls reached the hypervisor.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// When the next guest ends by itself.
    pub fn next_change(&self) -> Option<BootTime> {
        self.lock().guests.values().filter_map(|guest| guest.ends_at).min()
    }

    /// Lets everything happen that is due.
    pub fn settle(&self) {
        self.settle_quietly().iter().for_each(|waker| waker.wake());
    }

    /// The same, but who is to be woken is left to the caller. Nothing is compared where nothing is due.
    fn settle_quietly(&self) -> Vec<Arc<dyn Waker>> {
        let now = self.clock.now().boot;
        let is_due = self.lock().guests.values().any(|guest| guest.ends_at.is_some_and(|at| at <= now));
        if is_due { self.change_quietly(|_, _| ()).1 } else { Vec::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the machine")
    }

    /// Changes the machine now, and wakes who watches if something of it can be seen.
    fn change<T>(&self, change: impl FnOnce(&mut State, BootTime) -> T) -> T {
        let (outcome, wakers) = self.change_quietly(change);
        // Woken without any lock: a waker may look at once.
        wakers.iter().for_each(|waker| waker.wake());
        outcome
    }

    /// The same, but who is to be woken is left to the caller, who may hold a lock.
    fn change_quietly<T>(&self, change: impl FnOnce(&mut State, BootTime) -> T) -> (T, Vec<Arc<dyn Waker>>) {
        let now = self.clock.now().boot;
        let mut state = self.lock();
        let before = (state.guests(), state.manner.clone());
        state.settle(now);
        let outcome = change(&mut state, now);
        let wakers =
            if before == (state.guests(), state.manner.clone()) { Vec::new() } else { state.wakers() };
        (outcome, wakers)
    }
}

impl Process {
    /// Whether its CPUs run.
    fn runs(&self) -> bool {
        matches!(self.standing, Standing::Running | Standing::Leaving | Standing::Filling)
    }

    /// Whether a move of it is going on.
    fn is_on_its_way(&self) -> bool {
        !matches!(self.standing, Standing::Running | Standing::Paused | Standing::Stranded | Standing::Torn)
    }
}

impl crate::machine::Machine for Machine {
    fn node(&self) -> Node {
        self.lock().node.clone()
    }

    fn load(&self) -> Load {
        self.lock().load
    }

    fn cpu_time(&self) -> CpuTime {
        CpuTime::default()
    }
}

impl State {
    fn guests(&self) -> Vec<Guest> {
        let guest = |(vm, process): (&VmId, &Process)| Guest {
            vm: *vm,
            name: process.name.clone(),
            activity: if process.runs() { Activity::Running } else { Activity::Paused },
            incarnation: process.incarnation,
            process: if process.is_gone { Witness::Gone } else { Witness::There },
        };
        self.guests.iter().map(guest).collect()
    }

    /// Lets every guest end whose time has come, each at its own time.
    fn settle(&mut self, now: BootTime) {
        let due = |(vm, guest): (&VmId, &Process)| guest.ends_at.filter(|at| *at <= now).map(|at| (at, *vm));
        let mut ends: Vec<_> = self.guests.iter().filter_map(due).collect();
        ends.sort_unstable();
        for (at, vm) in ends {
            self.end(vm, End::PoweredOff, at);
        }
    }

    fn begin(
        &mut self,
        vm: VmId,
        name: String,
        incarnation: Option<u64>,
        devices: BTreeSet<Device>,
        at: BootTime,
    ) {
        let standing = Standing::Running;
        let disks = BTreeMap::new();
        let (is_gone, ends_at, ends_in) = (false, None, None);
        let process = Process { name, standing, incarnation, devices, is_gone, disks, ends_at, ends_in };
        self.guests.insert(vm, process);
        self.ledger.push(Entry { vm, incarnation, at, happening: Happening::Began });
    }

    fn end(&mut self, vm: VmId, end: End, at: BootTime) {
        if let Some(guest) = self.guests.remove(&vm).filter(|guest| !guest.is_gone) {
            let happening = Happening::Ended(end);
            self.ledger.push(Entry { vm, incarnation: guest.incarnation, at, happening });
        }
    }

    /// Who is to be woken by a change; nobody while wakes are to be lost.
    fn wakers(&mut self) -> Vec<Arc<dyn Waker>> {
        if self.lost_wakes > 0 {
            self.lost_wakes -= 1;
            return Vec::new();
        }
        self.watchers.values().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
