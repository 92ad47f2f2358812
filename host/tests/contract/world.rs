//! The worlds under test: a hypervisor, what can be done to its guests past it, and what can befall it.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use host::clock::ManualClock;
use host::hypervisor::{Activity, Hypervisor, Waker};
use host::memory::{Late, Machine};
use logic::id::VmId;
use logic::time::{BootTime, Now, Span};
use uuid::Uuid;

use crate::guest::Guest;
use crate::lab::Lab;

/// What is truly so, past the port.
pub(crate) trait Insight {
    /// The size that a running guest sees of its disk with this target device.
    fn disk_size_bytes(&self, guest: &Guest, target: &str) -> u64;
    /// The value of a secret, as it is truly kept.
    fn secret(&self, id: Uuid) -> Option<Vec<u8>>;
    /// Somebody takes a secret away.
    fn forget_secret(&self, id: Uuid);
    /// A guest's process dies, and the hypervisor goes on answering and does not notice.
    fn crash_unseen(&self, guest: &Guest);
}

/// A hypervisor under test with the world around it.
pub(crate) trait World: Insight {
    /// A daemon's way to the hypervisor.
    fn open(&self) -> Arc<dyn Hypervisor>;
    /// The same with short deadlines, which are returned.
    fn open_hasty(&self) -> (Arc<dyn Hypervisor>, Duration);
    /// Somebody starts a guest past PVC.
    fn start_by_hand(&self, guest: &Guest);
    /// Somebody stops a guest past PVC.
    fn stop_by_hand(&self, vm: VmId);
    /// Somebody pauses a guest, or lets it go on.
    fn set_activity(&self, vm: VmId, activity: Activity);
    /// A guest's process dies.
    fn crash(&self, guest: &Guest);
    /// The hypervisor answers nothing any more.
    fn hang(&self);
    /// The hypervisor dies; its guests live on.
    fn cut(&self);
    /// It answers again, or is started again.
    fn heal(&self);
    /// Lets a little time go by.
    fn pass_time(&self);
}

/// How long anything may take before a law counts as broken.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until the condition holds.
pub(crate) fn wait(world: &dyn World, what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        world.pass_time();
    }
}

/// Counts how often the hypervisor woke somebody.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<u64>,
    changed: Condvar,
}

impl Bell {
    /// A bell that the hypervisor rings.
    pub(crate) fn of(hypervisor: &dyn Hypervisor) -> Arc<Self> {
        let bell = Arc::new(Self::default());
        hypervisor.watch(bell.clone());
        bell
    }

    /// Performs `act` once nothing rings any more, and waits until the bell is rung.
    pub(crate) fn rings_when(&self, what: &str, act: impl FnOnce()) {
        let count = || *self.rung.lock().unwrap();
        while self.rings_after(count(), Duration::from_millis(150)) {}
        let before = count();
        act();
        assert!(self.rings_after(before, PATIENCE), "nobody was woken: {what}");
    }

    /// Whether it is rung more often than `before`, within this time.
    fn rings_after(&self, before: u64, time: Duration) -> bool {
        let rung = self.rung.lock().unwrap();
        let silent = |rung: &mut u64| *rung == before;
        let (rung, _) = self.changed.wait_timeout_while(rung, time, silent).unwrap();
        *rung > before
    }
}

impl Waker for Bell {
    fn wake(&self) {
        *self.rung.lock().unwrap() += 1;
        self.changed.notify_all();
    }
}

/// The machine in memory.
pub(crate) fn memory() -> Box<dyn World> {
    let clock = Arc::new(ManualClock::new(Now { boot: BootTime(1000), ..Now::default() }));
    Box::new(InMemory { machine: Machine::new(clock.clone()), clock })
}

struct InMemory {
    machine: Arc<Machine>,
    clock: Arc<ManualClock>,
}

impl Insight for InMemory {
    fn disk_size_bytes(&self, guest: &Guest, target: &str) -> u64 {
        assert_eq!(target, "sdb", "the world in memory knows disks by their sources");
        self.machine.disk_size_bytes(guest.vm, &crate::guest::spare()).unwrap()
    }

    fn secret(&self, id: Uuid) -> Option<Vec<u8>> {
        self.machine.secret(id)
    }

    fn forget_secret(&self, id: Uuid) {
        self.machine.forget_secret(id);
    }

    fn crash_unseen(&self, guest: &Guest) {
        self.machine.crash_unseen(guest.vm);
    }
}

impl World for InMemory {
    fn open(&self) -> Arc<dyn Hypervisor> {
        Arc::new(self.machine.open())
    }

    fn open_hasty(&self) -> (Arc<dyn Hypervisor>, Duration) {
        (self.open(), Duration::ZERO)
    }

    fn start_by_hand(&self, guest: &Guest) {
        self.machine.start_by_hand(guest.vm, guest.name);
    }

    fn stop_by_hand(&self, vm: VmId) {
        self.machine.stop_by_hand(vm);
    }

    fn set_activity(&self, vm: VmId, activity: Activity) {
        self.machine.set_activity(vm, activity);
    }

    fn crash(&self, guest: &Guest) {
        self.machine.crash(guest.vm);
    }

    fn hang(&self) {
        self.machine.hang(Late::Performed);
    }

    fn cut(&self) {
        self.machine.cut("connection refused");
    }

    fn heal(&self) {
        self.machine.heal();
    }

    fn pass_time(&self) {
        self.clock.advance(Span(100));
        self.machine.settle();
    }
}

/// A real libvirt in namespaces of its own.
pub(crate) fn libvirt() -> Box<dyn World> {
    Box::new(Lab::start())
}
