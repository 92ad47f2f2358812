//! The storage, measured: from time to time, by the daemon of the node that holds the primary role, on a thread of its own.
//!
//! A storage that hangs holds up this thread alone, for as long as its calls may take; what was measured before stays, with
//! its time and with why it is old.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use host::clock::Clock;
use host::storage::{Error, Page, Storage};
use logic::cluster::Cluster;
use logic::id::NodeName;
use logic::limits::FACTS_INTERVAL;
use logic::storage::facts::Trouble;
use logic::storage::measure::{Measured, Measurement};
use store::mirror::Mirror;

use crate::wake::Bell;

/// Measures, and keeps what was measured last.
#[derive(Debug)]
pub struct Meter {
    storage: Option<Arc<dyn Storage>>,
    clock: Arc<dyn Clock>,
    latest: Mutex<Latest>,
}

#[derive(Debug, Default)]
struct Latest {
    measured: Measured,
    /// The fence was made ready by this process.
    is_ready: bool,
}

impl Meter {
    /// One that has measured nothing yet.
    pub fn new(storage: Option<Arc<dyn Storage>>, clock: Arc<dyn Clock>) -> Self {
        Self { storage, clock, latest: Mutex::default() }
    }

    /// What was measured last.
    pub fn latest(&self) -> Measured {
        self.lock().measured.clone()
    }

    /// Measures now, and keeps what is measured. The first time that the storage answers, its fence is made ready.
    pub fn measure(&self) {
        let Some(storage) = &self.storage else { return };
        let at = self.clock.now().wall;
        let outcome = measured(&**storage);
        let mut latest = self.lock();
        match outcome {
            Ok(take) => {
                let Take { figures, pools, osds, status, utilization } = take;
                latest.measured.latest = Some(Measurement { at, figures, pools, osds, status, utilization });
                latest.measured.trouble = None;
                let is_first = !std::mem::replace(&mut latest.is_ready, true);
                drop(latest);
                if is_first {
                    self.make_ready(&**storage);
                }
            }
            Err(error) => {
                let why = error.to_string();
                let since = latest.measured.trouble.as_ref().map_or(at, |trouble| trouble.since);
                latest.measured.trouble = Some(Trouble { since, why });
            }
        }
    }

    /// Measures on a thread of its own from now on, as long as this node holds the role, and rings after each time.
    ///
    /// # Panics
    /// When the process has no thread left.
    pub fn keep(self: &Arc<Self>, name: NodeName, mirror: Arc<Mirror>, passes: Arc<Bell>) {
        if self.storage.is_none() {
            return;
        }
        let this = Arc::clone(self);
        let measure = move || {
            loop {
                if mirror.snapshot().is_some_and(|snapshot| measures(&snapshot.cluster, &name)) {
                    this.measure();
                    passes.ring();
                }
                thread::sleep(Duration::from_millis(FACTS_INTERVAL.0));
            }
        };
        let thread = thread::Builder::new().name("meter".into()).spawn(measure);
        thread.expect("a daemon that starts has threads left");
    }

    fn make_ready(&self, storage: &dyn Storage) {
        match storage.fence().map(host::storage::Fence::ensure_ready) {
            None => {}
            Some(Ok(others)) => {
                others.iter().for_each(|other| tracing::warn!("a fence may take long: {other}"));
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "the storage's fence is not made ready yet");
                self.lock().is_ready = false;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Latest> {
        self.latest.lock().expect("nobody panics while holding what was measured")
    }
}

/// Whether a node measures: the one that holds the role.
pub fn measures(cluster: &Cluster, name: &NodeName) -> bool {
    cluster.primary.as_ref().is_some_and(|primary| primary.value.node == *name)
}

struct Take {
    figures: host::storage::ClusterFigures,
    pools: Vec<host::storage::PoolFigures>,
    osds: Vec<host::storage::Osd>,
    status: String,
    utilization: String,
}

fn measured(storage: &dyn Storage) -> Result<Take, Error> {
    Ok(Take {
        figures: storage.cluster()?,
        pools: storage.pool_figures()?,
        osds: storage.osds()?,
        status: storage.page(Page::Status)?,
        utilization: storage.page(Page::Utilization)?,
    })
}
