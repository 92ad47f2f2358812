//! One process of PVC's in virtual time: the production loop, with the world in the place of its threads.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::agent::{Agent, Inbox, Parts, Passed, Pool};
use agent::gauge::Gauge;
use agent::measure::{Meter, measures};
use agent::memory::Ended;
use agent::perform::Job;
use agent::sight::Sight;
use agent::uploads::Uploads;
use agent::world::GuestSettings;
use host::clock::Clock;
use host::hypervisor::{Hypervisor, Waker};
use host::memory::Machine;
use host::memory::migration::ClusterNetwork;
use host::migration::Migration;
use host::network::Network;
use host::network::memory::Stack;
use host::osd::Pause;
use host::storage::Storage;
use logic::config::{MoveSettings, Timers};
use logic::decide;
use logic::id::NodeName;
use logic::network::{SystemNetwork, Wanted};
use logic::time::{BootTime, Span};
use logic::vm::migrate::watched;
use store::key::ROOT;
use store::memory::MemoryStore;
use store::mirror::{Mirror, Scope};
use store::{Key, Sink, Store as _, Watch};

use crate::command::{Kind, Place};

/// What a daemon's threads do besides steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chore {
    /// Bring the mirror up to date.
    Pump,
    /// Look at the machine.
    Look,
    /// Look at the guests that are on their way.
    LookAtMoves,
    /// Look at its networks.
    LookAtNetworks,
    /// Measure the storage.
    Measure,
    /// Pass.
    Pass,
}

/// What a daemon is made of.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The clock of its machine.
    pub clock: Arc<dyn Clock>,
    /// Its session with the store.
    pub store: MemoryStore,
    /// Its machine.
    pub machine: Arc<Machine>,
    /// The network that joins the machines: what a guest moves over, and who can be asked whether it is there.
    pub network: Arc<ClusterNetwork>,
    /// Its machine's address on it.
    pub address: IpAddr,
    /// The storage that all machines reach.
    pub storage: Arc<host::storage::memory::Cluster>,
    /// The OSDs on the machine's devices.
    pub devices: Arc<host::osd::memory::Machine>,
    /// Its networks.
    pub stack: Arc<Stack>,
    /// As they are configured.
    pub networks: Arc<[SystemNetwork]>,
    /// Its timers.
    pub timers: Timers,
}

/// Rung when a chore may be due.
#[derive(Debug, Default)]
struct Bells {
    any: AtomicBool,
    pump: AtomicBool,
    look: AtomicBool,
    look_at_moves: AtomicBool,
    look_at_networks: AtomicBool,
    measure: AtomicBool,
    pass: AtomicBool,
}

impl Bells {
    fn of(&self, chore: Chore) -> &AtomicBool {
        match chore {
            Chore::Pump => &self.pump,
            Chore::Look => &self.look,
            Chore::LookAtMoves => &self.look_at_moves,
            Chore::LookAtNetworks => &self.look_at_networks,
            Chore::Measure => &self.measure,
            Chore::Pass => &self.pass,
        }
    }

    fn ring(&self, chore: Chore) {
        self.of(chore).store(true, Ordering::SeqCst);
        self.any.store(true, Ordering::SeqCst);
    }
}

impl Sink for Bells {
    fn changed(&self, _keys: &[Key]) {
        self.ring(Chore::Pump);
    }

    fn doubt(&self) {
        self.ring(Chore::Pump);
    }
}

impl Waker for Bells {
    fn wake(&self) {
        self.ring(Chore::Look);
        self.ring(Chore::LookAtMoves);
    }
}

/// Rung when something of the networks changed.
#[derive(Debug)]
struct NetworkBell(Arc<Bells>);

impl Waker for NetworkBell {
    fn wake(&self) {
        self.0.ring(Chore::LookAtNetworks);
    }
}

/// Steps that were submitted and not taken up yet.
#[derive(Debug, Default)]
struct Queue(Mutex<Vec<Job>>);

impl Pool for Queue {
    fn submit(&self, job: Job) {
        self.0.lock().expect("nobody panics while submitting").push(job);
    }
}

/// A step takes no time while it acts: what waits in it for the storage has waited long enough at once.
#[derive(Debug)]
struct NoTime;

impl Pause for NoTime {
    fn pause(&self, _time: Duration) -> bool {
        true
    }
}

/// One process.
#[derive(Debug)]
pub struct Daemon {
    /// Tells it from earlier processes of the same place.
    pub life: u64,
    /// Until when it stands still.
    pub stalled_until: Option<BootTime>,
    /// Until when its loop hangs, and nothing else of it.
    pub hangs_until: Option<BootTime>,
    /// When it last knew all that the store has, in the world's time.
    pub heard_at: BootTime,
    /// When each chore is due.
    pub due: BTreeMap<Chore, BootTime>,
    name: NodeName,
    kind: Kind,
    agent: Agent,
    mirror: Arc<Mirror>,
    sight: Arc<Sight>,
    gauge: Arc<Gauge>,
    meter: Arc<Meter>,
    inbox: Arc<Inbox>,
    queue: Arc<Queue>,
    bells: Arc<Bells>,
    store: MemoryStore,
    watch: Option<Box<dyn Watch>>,
}

impl Daemon {
    /// Starts one.
    pub fn start(place: &Place, life: u64, ground: Ground) -> Self {
        let (store, clock) = (ground.store.clone(), Arc::clone(&ground.clock));
        let hypervisor: Arc<dyn Hypervisor> = Arc::new(ground.machine.open());
        let network: Arc<dyn Network> = Arc::new(ground.stack.open());
        let bells = bells(place, &ground, &network);
        hypervisor.watch(Arc::clone(&bells) as _);
        let mirror = Arc::new(Mirror::new(Arc::new(store.clone()), Scope::WithoutDocuments));
        let on_change = Arc::clone(&bells);
        mirror.on_change(move || {
            on_change.ring(Chore::Pass);
            on_change.ring(Chore::LookAtMoves);
        });
        let migration: Arc<dyn Migration> = Arc::new(ground.network.open(ground.address));
        let window = ground.timers.keepalive_interval;
        let gauge = Arc::new(Gauge::new(Arc::clone(&ground.machine) as _, None, Arc::clone(&clock), window));
        let sight = Arc::new(sight(&ground, &hypervisor, &migration, &network));
        let storage: Arc<dyn Storage> = Arc::new(ground.storage.open(ground.address));
        let meter = meter(place, &storage, &clock);
        let uploads = uploads(&ground, &storage, &mirror, &place.node);
        let (inbox, queue) = (Arc::new(Inbox::default()), Arc::new(Queue::default()));
        let guests = GuestSettings { kind: "qemu", console_directory: "/var/log/pvc/consoles".into() };
        let world = agent::world::World {
            name: place.node.clone(),
            store: Arc::new(store.clone()),
            hypervisor,
            migration,
            network,
            storage: Some(Arc::clone(&storage)),
            devices: Arc::clone(&ground.devices) as _,
            transfers: Arc::default(),
            clock,
            pause: Arc::new(NoTime),
            guests,
        };
        let agent = Agent::new(Parts {
            world: Arc::new(world),
            mirror: Arc::clone(&mirror),
            sight: Arc::clone(&sight),
            gauge: Arc::clone(&gauge),
            uploads: Arc::new(uploads),
            meter: Arc::clone(&meter),
            machine: Arc::clone(&ground.machine) as _,
            timers: ground.timers,
            moves: MoveSettings { address: Some(ground.address), post_copy: true, ..MoveSettings::default() },
            decide: decisions(place.kind),
            pool: Arc::clone(&queue) as _,
            inbox: Arc::clone(&inbox),
        });
        [Chore::Pump, Chore::Look, Chore::Measure].into_iter().for_each(|chore| bells.ring(chore));
        let (due, stalled_until, heard_at) = (BTreeMap::new(), None, BootTime::default());
        Self {
            life,
            stalled_until,
            hangs_until: None,
            heard_at,
            due,
            name: place.node.clone(),
            kind: place.kind,
            agent,
            mirror,
            sight,
            gauge,
            meter,
            inbox,
            queue,
            bells,
            store,
            watch: None,
        }
    }

    /// From now on it is stopping.
    pub fn stop(&mut self) {
        self.agent.stop();
        self.ring(Chore::Pass);
    }

    /// Its process ends in good order, and its session with it.
    pub fn close(self) {
        self.store.close();
    }

    /// Asks for a chore.
    pub fn ring(&self, chore: Chore) {
        self.bells.ring(chore);
    }

    /// Whether any chore was asked for since the last time this was called.
    pub fn was_rung(&self) -> bool {
        self.bells.any.swap(false, Ordering::SeqCst)
    }

    /// Whether a chore was asked for since the last time this was called.
    pub fn heard(&self, chore: Chore) -> bool {
        self.bells.of(chore).swap(false, Ordering::SeqCst)
    }

    /// Brings the mirror up to date, at this moment of the world's time. False when the store did not answer.
    pub fn pump(&mut self, now: BootTime) -> bool {
        if self.watch.is_none() {
            self.watch = self.store.watch(&Key::new(ROOT), Arc::clone(&self.bells) as _).ok();
        }
        let answered = self.mirror.pump().is_ok();
        if answered {
            self.heard_at = now;
        }
        answered
    }

    /// Looks at the machine.
    pub fn look(&self) {
        self.sight.look();
        self.gauge.sample();
        self.ring(Chore::Pass);
    }

    /// Looks at the machine's networks.
    pub fn look_at_networks(&self) {
        self.sight.look_at_networks();
        self.ring(Chore::Pass);
    }

    /// Looks where the storage sees its node, and measures the storage, if this daemon does that.
    pub fn measure(&self) {
        if self.kind == Kind::Noded && self.meter.look() {
            self.ring(Chore::Pass);
        }
        if self.kind == Kind::Noded
            && self.mirror.snapshot().is_some_and(|snapshot| measures(&snapshot.cluster, &self.name))
        {
            self.meter.measure();
            self.ring(Chore::Pass);
        }
    }

    /// Looks at the guests that are on their way. False when there is none.
    pub fn look_at_moves(&self) -> bool {
        let Some(snapshot) = self.mirror.snapshot() else { return false };
        let watched = watched(&snapshot.cluster, &self.name, &self.sight.latest().guests);
        self.sight.keep_moves(&watched);
        watched.iter().for_each(|one| self.sight.look_at_move(one));
        if !watched.is_empty() {
            self.ring(Chore::Pass);
        }
        !watched.is_empty()
    }

    /// Passes, and gives what it submitted.
    pub fn pass(&mut self) -> (Passed, Vec<Job>) {
        let passed = self.agent.pass();
        (passed, std::mem::take(&mut *self.queue.0.lock().expect("nobody panics while submitting")))
    }

    /// Reports the end of a step.
    pub fn end(&self, job: &Job, outcome: Result<agent::perform::Done, agent::world::Fault>) {
        let at = job.world.clock.now().boot;
        let (step, ticket) = (Arc::clone(&job.step), self.sight.ticket());
        self.inbox.put(Ended { step, outcome, at, took: Span::default(), ticket });
        self.ring(match job.step.resource.is_of_networks() {
            true => Chore::LookAtNetworks,
            false => Chore::Look,
        });
        self.ring(Chore::LookAtMoves);
        self.ring(Chore::Pass);
    }
}

/// What it decides.
fn decisions(kind: Kind) -> decide::Decide {
    match kind {
        Kind::Noded => decide::noded,
        Kind::Workerd => decide::workerd,
    }
}

/// What wakes it: also what happens to the machine's networks, where it sees to them.
fn bells(place: &Place, ground: &Ground, network: &Arc<dyn Network>) -> Arc<Bells> {
    let bells = Arc::new(Bells::default());
    if place.kind == Kind::Noded && !ground.networks.is_empty() {
        network.watch(Arc::new(NetworkBell(Arc::clone(&bells))));
        bells.ring(Chore::LookAtNetworks);
    }
    bells
}

/// What measures the storage. It looks before the node is registered, so that this is done once.
fn meter(place: &Place, storage: &Arc<dyn Storage>, clock: &Arc<dyn Clock>) -> Arc<Meter> {
    let meter = Arc::new(Meter::new(Some(Arc::clone(storage)), Arc::clone(clock)));
    if place.kind == Kind::Noded {
        meter.look();
    }
    meter
}

/// What is brought to it: nothing here, and so every upload fails.
fn uploads(ground: &Ground, storage: &Arc<dyn Storage>, mirror: &Arc<Mirror>, node: &NodeName) -> Uploads {
    Uploads::new(agent::uploads::Ground {
        name: node.clone(),
        storage: Some(Arc::clone(storage)),
        store: Arc::new(ground.store.clone()),
        clock: Arc::clone(&ground.clock),
        mirror: Arc::clone(mirror),
        transfers: Arc::default(),
        passes: Arc::default(),
    })
}

/// What it sees of its machine.
fn sight(
    ground: &Ground,
    hypervisor: &Arc<dyn Hypervisor>,
    migration: &Arc<dyn Migration>,
    network: &Arc<dyn Network>,
) -> Sight {
    let own = Arc::clone(&ground.networks);
    let wanted = (Arc::clone(network), Wanted { own, guests: None });
    Sight::new(Arc::clone(hypervisor), Arc::clone(migration), Arc::clone(&ground.clock), wanted)
}
