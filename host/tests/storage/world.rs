//! The worlds under test: a storage, somebody who writes to its volumes past PVC, and what can befall it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use host::storage::{Cause, Error, Pool, Storage};
use logic::id::PoolName;
use logic::storage::{Replication, SnapshotPath, Tier, VolumePath};

/// A storage under test with the world around it.
pub(crate) trait World {
    /// A daemon's way to the storage.
    fn open(&self) -> Arc<dyn Storage>;
    /// The same with the deadlines of the product, for what is measured; others may have more patience.
    fn open_usual(&self) -> Arc<dyn Storage> {
        self.open()
    }
    /// A daemon's way to a storage that is not there.
    fn open_nothing(&self) -> Arc<dyn Storage>;
    /// How pools are replicated here.
    fn replication(&self) -> Replication;
    /// Somebody opens a volume for writing: on another machine where there is one.
    fn writer(&self, volume: &VolumePath) -> Box<dyn Writer>;
    /// What a transfer to this volume leaves in the pool when its daemon is killed.
    fn leave_remains(&self, volume: &VolumePath);
}

/// A storage that several machines reach.
pub(crate) trait Shared: World {
    /// A daemon's way with short deadlines, which are returned.
    fn open_hasty(&self) -> (Arc<dyn Storage>, Duration);
    /// Somebody opens a volume for writing on this machine, and not where the other writers are.
    fn writer_here(&self, volume: &VolumePath) -> Box<dyn Writer>;
    /// The address that writers are at, and one of the OSDs.
    fn address_of_writers(&self) -> IpAddr;
    /// Does something with the storage on the machine at that address, whose calls all come from there.
    fn at_the_writers(&self, act: &(dyn Fn(Arc<dyn Storage>) + Sync));
    /// For how many years from now on this address is blocked.
    fn years_blocked(&self, address: IpAddr) -> u64;
    /// What makes the storage answer nothing any more.
    fn hanging(&self) -> Box<dyn FnOnce() + Send>;
    /// One of its OSDs, and no other, does not answer any more; which.
    fn hold_osd(&self) -> i32;
    /// What leads the storage does not answer any more, and another must take its place.
    fn hold_leader(&self);
    /// All of it answers again.
    fn heal(&self);
    /// The pool takes nothing more.
    fn fill(&self, pool: &PoolName);
}

/// Somebody who has a volume open for writing.
pub(crate) trait Writer {
    /// Writes this byte over 4096 bytes at this place, and waits until it is safe, or refused.
    fn write(&mut self, offset: u64, byte: u8) -> Result<(), String>;
    /// Stands still, and notices nothing, until it goes on.
    fn hold(&mut self);
    /// Goes on where it stood.
    fn go_on(&mut self);
    /// Dies without closing it.
    fn die(self: Box<Self>);
}

/// How long anything may take before a law counts as broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// Waits until the condition holds.
pub(crate) fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Runs a law on a thread of its own, which may enter other namespaces, and fails as it does.
pub(crate) fn on_a_thread(law: impl FnOnce() + Send + 'static) {
    if let Err(failure) = std::thread::spawn(law).join() {
        std::panic::resume_unwind(failure);
    }
}

static POOLS: AtomicU32 = AtomicU32::new(0);

/// A pool that no other law knows, removed with what is in it when the law is over.
pub(crate) struct Home {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) pool: PoolName,
}

impl Home {
    pub(crate) fn of(world: &(impl World + ?Sized)) -> Self {
        Self::with(world, world.replication())
    }

    pub(crate) fn with(world: &(impl World + ?Sized), replication: Replication) -> Self {
        let storage = world.open();
        let pool = fresh_pool_name();
        storage.ensure_pool(&wanted(&pool, replication)).unwrap();
        Self { storage, pool }
    }

    /// A path in it.
    pub(crate) fn path(&self, volume: &str) -> VolumePath {
        VolumePath { pool: self.pool.clone(), volume: volume.parse().unwrap() }
    }

    /// A volume in it.
    pub(crate) fn volume(&self, name: &str) -> VolumePath {
        let path = self.path(name);
        self.storage.create(&path, crate::content::SIZE_BYTES).unwrap();
        path
    }

    /// The names of its volumes.
    pub(crate) fn names(&self) -> Vec<String> {
        self.storage.volumes(&self.pool).unwrap().iter().map(ToString::to_string).collect()
    }
}

pub(crate) fn fresh_pool_name() -> PoolName {
    format!("pool{}", POOLS.fetch_add(1, Ordering::Relaxed)).parse().unwrap()
}

pub(crate) fn wanted(pool: &PoolName, replication: Replication) -> Pool {
    Pool { name: pool.clone(), replication, tier: Tier::Default, placement_group_count: 8 }
}

pub(crate) fn snapshot(volume: &VolumePath, name: &str) -> SnapshotPath {
    volume.at(&name.parse().unwrap())
}

/// Of what kind a refusal is; it names what was asked, why, and what to do.
#[track_caller]
pub(crate) fn cause<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Cause {
    match outcome {
        Err(Error::Refused { what, cause, why, remedy }) => {
            assert!(!what.is_empty() && !why.is_empty() && !remedy.is_empty(), "{what}: {why}; {remedy}");
            cause
        }
        other => panic!("it was not refused: {other:?}"),
    }
}
