//! The order in which a daemon starts and stops, and the loop in between.
//!
//! | start | stop |
//! |---|---|
//! | signals, configuration, log | the node's final word is written: the heartbeat ends last |
//! | the machine's networks | |
//! | the store, the mirror | what the node serves is closed |
//! | the hypervisor, the observer, the threads for steps | the session with the store ends with the process |
//! | what the node serves | |
//! | the loop, and with it the heartbeat | |

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use host::clock::{Clock, SystemClock};
use host::hypervisor::Hypervisor;
use host::libvirt::migration::{Migrations, Processes, Road};
use host::libvirt::{Deadlines, Libvirt};
use host::machine::{Linux, Machine, accelerator};
use host::migration::Migration;
use host::network::{Kernel, Network};
use host::notify::Notify;
use host::osd::Devices;
use host::osd::linux::{self, Places};
use host::signals::{self, Asked};
use host::storage::Storage;
use host::storage::ceph::{self, Ceph};
use host::storage::directory::{self, Directory};
use logic::config::{Config, GuestKind, MoveSettings, StorageConfig};
use logic::decide::{self, Decide};
use logic::limits::{PASS_INTERVAL_MAX, STOP_PATIENCE};
use logic::time::BootTime;
use store::mirror::{Mirror, Scope};
use store::{Store, schema};

use crate::agent::{Agent, Inbox, Parts};
use crate::gauge::{Cards, Gauge};
use crate::measure::Meter;
use crate::moves::Lookout;
use crate::networks;
use crate::output::Output;
use crate::sight::Sight;
use crate::threads::{Bells, Threads};
use crate::uploads::{Ground, Uploads};
use crate::wake::Bell;
use crate::world::{GuestSettings, World};

mod served;

use served::{Served, serve_node, serve_worker};

/// How long a daemon that was asked to stop may take for its last words.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// How often it is read how busy the machine is.
const GAUGE_INTERVAL: Duration = Duration::from_secs(1);

/// How long the kernel may take to tell its counters.
const GAUGE_DEADLINE: Duration = Duration::from_secs(2);
/// How long the kernel may take for one call about networks; more than a second means that something hangs.
const NETWORK_DEADLINE: Duration = Duration::from_secs(2);

/// Which daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `pvcnoded`.
    Noded,
    /// `pvcworkerd`.
    Workerd,
}

impl Role {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Noded => "pvcnoded",
            Self::Workerd => "pvcworkerd",
        }
    }

    /// How long it may wait for what is under way when it is asked to stop.
    fn patience(self) -> Duration {
        match self {
            Self::Noded => Duration::from_millis(STOP_PATIENCE.0),
            Self::Workerd => Duration::ZERO,
        }
    }

    fn decide(self) -> Decide {
        match self {
            Self::Noded => decide::noded,
            Self::Workerd => decide::workerd,
        }
    }
}

/// Runs a daemon until it is asked to stop.
///
/// # Errors
/// What keeps it from starting: its configuration, its log, its store, its socket.
pub fn run(role: Role, config_file: &Path) -> Result<()> {
    let heap_is_shared = host::heap::share();
    let passes = Arc::new(Bell::default());
    let stopping = Arc::new(AtomicUsize::new(0));
    let (asked_passes, asked_stop, output) = (Arc::clone(&passes), Arc::clone(&stopping), Output::default());
    let reopened = output.clone();
    signals::listen(move |asked| match asked {
        Asked::Reopen => reopened.reopen(),
        Asked::Stop => {
            asked_stop.fetch_add(1, Ordering::SeqCst);
            asked_passes.ring();
        }
    })
    .context("signals cannot be received")?;
    let config = read_config(config_file)?;
    output.open(&config.log, role.name())?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), node = %config.node, "{} starts", role.name());
    if !heap_is_shared {
        tracing::debug!("the heap is not shared among threads; more memory is taken");
    }
    let daemon = Daemon::assemble(role, &config, passes)?;
    daemon.go_round(&stopping);
    tracing::info!("{} has stopped", role.name());
    Ok(())
}

pub(crate) fn read_config(path: &Path) -> Result<Config> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration {} cannot be read", path.display()))?;
    Config::parse(&text, &host::machine::hostname())
        .with_context(|| format!("the configuration {}", path.display()))
}

/// A daemon with its threads running, and its loop not yet.
#[derive(Debug)]
struct Daemon {
    agent: Agent,
    clock: Arc<dyn Clock>,
    passes: Arc<Bell>,
    notify: Notify,
    served: Served,
    patience: Duration,
}

impl Daemon {
    fn assemble(role: Role, config: &Config, passes: Arc<Bell>) -> Result<Self> {
        let network: Arc<dyn Network> = Arc::new(Kernel::new(NETWORK_DEADLINE));
        if role == Role::Noded {
            networks::make(&*network, &config.wanted_networks());
        }
        let store = store_of(config)?;
        let mirror = Arc::new(Mirror::new(Arc::clone(&store), Scope::WithoutDocuments));
        let bells = Bells { passes: Arc::clone(&passes), ..Bells::default() };
        for bell in [&bells.passes, &bells.moves] {
            let changed = Arc::clone(bell);
            mirror.on_change(move || changed.ring());
        }
        mirror.spawn();
        let machine: Arc<dyn Machine> = Arc::new(Linux::read(env!("CARGO_PKG_VERSION"), config.role())?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (hypervisor, migration) = guests_of(config);
        let gauge = gauge(role, config, &machine, &clock);
        for bell in [&bells.looks, &bells.moves] {
            hypervisor.watch(Arc::clone(bell) as _);
        }
        let wanted = (Arc::clone(&network), config.wanted_networks());
        let (hands, eyes) = (Arc::clone(&hypervisor), Arc::clone(&migration));
        let sight = Arc::new(Sight::new(hands, eyes, Arc::clone(&clock), wanted));
        observe(("observer", Sight::look), &sight, &bells.looks, &passes);
        if role == Role::Noded && !config.networks.is_empty() {
            network.watch(Arc::clone(&bells.networks) as _);
            observe(("network-observer", Sight::look_at_networks), &sight, &bells.networks, &passes);
        }
        let (storage, meter) = storage_and_meter(config, &clock);
        if role == Role::Noded {
            let (name, mirror, sight) = (config.node.clone(), Arc::clone(&mirror), Arc::clone(&sight));
            Lookout::new(name, Arc::clone(&mirror), sight, &bells).keep();
            meter.keep(config.node.clone(), Arc::clone(&mirror), Arc::clone(&passes));
        }
        let inbox = Arc::new(Inbox::default());
        let pool = Threads::start(&inbox, &sight, &bells);
        let world = Arc::new(World {
            name: config.node.clone(),
            store,
            hypervisor,
            migration,
            network,
            storage,
            devices: devices_of(config),
            transfers: Arc::default(),
            clock: Arc::clone(&clock),
            pause: Arc::new(host::osd::ByTheClock),
            guests: guests(config),
        });
        let uploads = Arc::new(uploads(&world, &mirror, &passes));
        let served = match role {
            Role::Noded => serve_node(config, &world)?,
            Role::Workerd => serve_worker(config, Arc::clone(&uploads))?,
        };
        let parts = Parts {
            moves: MoveSettings { emulated: world.guests.kind == "qemu", ..config.moves },
            world,
            mirror,
            sight,
            gauge,
            uploads,
            meter,
            machine,
            timers: config.timers,
            decide: role.decide(),
            pool: Arc::new(pool),
            inbox,
        };
        let (agent, notify, patience) = (Agent::new(parts), Notify::from_environment(), role.patience());
        Ok(Self { agent, clock, passes, notify, served, patience })
    }

    /// The loop. Once it is asked to stop it goes on until the last word is written, or the deadline is over: that of the
    /// waiting for what is under way, and then that of the last word. Asked again, it only has the latter.
    fn go_round(mut self, stopping: &AtomicUsize) {
        let longest = Duration::from_millis(PASS_INTERVAL_MAX.0);
        let longest = self.notify.watchdog().map_or(longest, |watchdog| longest.min(watchdog / 2));
        let (mut heard, mut stop_by) = (0, None);
        self.notify.ready();
        loop {
            let asked = stopping.load(Ordering::SeqCst).min(2);
            if asked > heard {
                tracing::info!("asked to stop");
                self.notify.stopping();
                (heard..asked).for_each(|_| self.agent.stop());
                let patience = if asked == 1 { self.patience } else { Duration::ZERO };
                stop_by = Some(Instant::now() + patience + STOP_DEADLINE);
                heard = asked;
            }
            let passed = self.agent.pass();
            self.notify.alive();
            if passed.stopped {
                break;
            }
            if stop_by.is_some_and(|end| Instant::now() >= end) {
                tracing::warn!("the last word could not be written in time");
                break;
            }
            self.passes.wait(self.until(passed.next).min(longest));
        }
        self.served.stop();
    }

    fn until(&self, next: Option<BootTime>) -> Duration {
        let now = self.clock.now().boot;
        next.map_or(Duration::MAX, |next| Duration::from_millis((next - now).0))
    }
}

/// The guests of this machine, and their ways from and to others: with the certificates that libvirt has of its own.
fn guests_of(config: &Config) -> (Arc<dyn Hypervisor>, Arc<dyn Migration>) {
    let libvirt = Libvirt::open(&config.hypervisor.uri, Deadlines::default());
    let migrations = Migrations::new(&libvirt, Road::default(), Processes::default());
    (Arc::new(libvirt), Arc::new(migrations))
}

/// The storage, as it is configured. It is not reached here: each call tells whether it answers.
fn storage_of(config: &Config) -> Option<Arc<dyn Storage>> {
    Some(match config.storage.as_ref()? {
        StorageConfig::Directory { path } => {
            Arc::new(Directory::open(Path::new(path), directory::Deadlines::default()))
        }
        StorageConfig::Ceph { file, user } => Arc::new(Ceph::open(ceph::Settings::usual(file, user))),
    })
}

/// The cluster's records, at the schema of this version.
fn store_of(config: &Config) -> Result<Arc<dyn Store>> {
    let file = config.store_secret_file.as_deref();
    let secret = file.map(|file| store::Secret::read(Path::new(file))).transpose()?;
    let store = store::open(&config.store, secret)?;
    schema::ensure(&*store, schema::CHANGES)?;
    Ok(store)
}

/// What is brought to this process.
fn uploads(world: &World, mirror: &Arc<Mirror>, passes: &Arc<Bell>) -> Uploads {
    Uploads::new(Ground {
        name: world.name.clone(),
        storage: world.storage.clone(),
        store: Arc::clone(&world.store),
        clock: Arc::clone(&world.clock),
        mirror: Arc::clone(mirror),
        transfers: Arc::clone(&world.transfers),
        passes: Arc::clone(passes),
    })
}

/// The storage, and what measures it.
fn storage_and_meter(config: &Config, clock: &Arc<dyn Clock>) -> (Option<Arc<dyn Storage>>, Arc<Meter>) {
    let storage = storage_of(config);
    (storage.clone(), Arc::new(Meter::new(storage, Arc::clone(clock))))
}

/// The OSDs on the machine's devices.
fn devices_of(config: &Config) -> Arc<dyn Devices> {
    let file = match &config.storage {
        Some(StorageConfig::Ceph { file, .. }) => file.as_str(),
        _ => "/etc/ceph/ceph.conf",
    };
    Arc::new(linux::Linux::open(Places::usual(Path::new(file))))
}

/// Looks at a part of the machine on a thread of its own, whenever something woke it and from time to time.
fn observe((name, look): (&str, fn(&Sight)), sight: &Arc<Sight>, looks: &Arc<Bell>, passes: &Arc<Bell>) {
    let (sight, looks, passes) = (Arc::clone(sight), Arc::clone(looks), Arc::clone(passes));
    let observe = move || loop {
        look(&sight);
        passes.ring();
        looks.wait(Duration::from_millis(PASS_INTERVAL_MAX.0));
    };
    thread::Builder::new().name(name.into()).spawn(observe).expect("a daemon that starts has threads left");
}

/// Reads how busy the machine is, on a thread of its own. Only the node's own daemon tells it to anybody.
fn gauge(role: Role, config: &Config, machine: &Arc<dyn Machine>, clock: &Arc<dyn Clock>) -> Arc<Gauge> {
    let network: Arc<dyn Network> = Arc::new(Kernel::new(GAUGE_DEADLINE));
    let named = config.networks.iter().map(|network| network.device.clone());
    let carrier = config.guest_link.iter().map(|link| link.device.clone());
    let cards = Cards { network, named: named.chain(carrier).collect() };
    let window = config.timers.keepalive_interval;
    let gauge = Arc::new(Gauge::new(Arc::clone(machine), Some(cards), Arc::clone(clock), window));
    if role == Role::Noded {
        let sampled = Arc::clone(&gauge);
        let sample = move || loop {
            sampled.sample();
            thread::sleep(GAUGE_INTERVAL);
        };
        thread::Builder::new()
            .name("gauge".into())
            .spawn(sample)
            .expect("a daemon that starts has threads left");
    }
    gauge
}

fn guests(config: &Config) -> GuestSettings {
    let kind = match config.hypervisor.kind {
        GuestKind::Auto => accelerator(),
        GuestKind::Kvm => "kvm",
        GuestKind::Qemu => "qemu",
    };
    tracing::info!(kind, "guests run with this accelerator");
    GuestSettings { kind, console_directory: config.hypervisor.console_directory.clone() }
}
