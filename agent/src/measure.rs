//! The storage, measured: from time to time, by the daemon of the node that holds the primary role, on a thread of its own;
//! and what it shows of its own node, by the daemon of each.
//!
//! A storage that hangs holds up this thread alone, for as long as its calls may take; what was measured before stays, with
//! its time and with why it is old.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use host::clock::Clock;
use host::storage::{Blocked, Error, Page, Storage};
use logic::cluster::Cluster;
use logic::fence::Sight;
use logic::id::NodeName;
use logic::limits::{CLIENT_ADDRESSES_MAX, FACTS_INTERVAL, FENCE_WATCH_INTERVAL};
use logic::storage::facts::{FenceFacts, Trouble};
use logic::storage::measure::{Measured, Measurement};
use logic::time::BootTime;
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
    /// What is shown of this node.
    sight: Option<Sight>,
    /// Why it was not shown when the storage was last asked.
    silent: Option<String>,
    /// How the storage stands to a fence, and when that was asked.
    fence: Option<(FenceFacts, BootTime)>,
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

    /// What the storage showed of this node, when it last did.
    pub fn sight(&self) -> Option<Sight> {
        self.lock().sight.clone()
    }

    /// Why the storage showed nothing of this node when it was last asked; `None` where it did.
    pub fn silent(&self) -> Option<String> {
        self.lock().silent.clone()
    }

    /// Looks where the storage sees this node, and what is blocked there. Says whether that is anything new; a storage that
    /// does not answer shows nothing new.
    pub fn look(&self) -> bool {
        let Some(fence) = self.storage.as_deref().and_then(Storage::fence) else { return false };
        let sight = match (fence.own_addresses(), fence.blocked()) {
            (Ok(own), Ok(Blocked { epoch, addresses })) => {
                Sight { own: own.into_iter().collect(), blocked: addresses.into_iter().collect(), epoch }
            }
            (own, blocked) => {
                let error = own.err().or(blocked.err()).map(|error| error.to_string());
                tracing::debug!(error, "the storage does not show where it sees this node");
                self.lock().silent = error;
                return false;
            }
        };
        let mut latest = self.lock();
        latest.silent = None;
        // Every change of the storage has an epoch: by itself it is no news.
        let same = |old: &Sight| (&old.own, &old.blocked) == (&sight.own, &sight.blocked);
        let is_news = !latest.sight.as_ref().is_some_and(same);
        latest.sight = Some(sight);
        is_news
    }

    /// Measures now, and keeps what is measured. From time to time the storage's fence is made ready.
    pub fn measure(&self) {
        let Some(storage) = &self.storage else { return };
        let at = self.clock.now().wall;
        let outcome = measured(&**storage);
        if outcome.is_ok() {
            self.look_at_fence(&**storage);
        }
        let mut latest = self.lock();
        match outcome {
            Ok(take) => {
                let Take { figures, pools, osds, status, utilization } = take;
                let fence = latest.fence.as_ref().map(|(fence, _)| fence.clone());
                latest.measured.latest =
                    Some(Measurement { at, figures, pools, osds, status, utilization, fence });
                latest.measured.trouble = None;
            }
            Err(error) => {
                let why = error.to_string();
                let since = latest.measured.trouble.as_ref().map_or(at, |trouble| trouble.since);
                latest.measured.trouble = Some(Trouble { since, why });
            }
        }
    }

    /// Looks on a thread of its own from now on, and measures as long as this node holds the role; rings after each time.
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
                if this.look() {
                    passes.ring();
                }
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

    /// Makes the fence ready, and asks from where clients are at the storage: once a minute, and sooner while its daemons
    /// are not set so yet.
    fn look_at_fence(&self, storage: &dyn Storage) {
        let Some(fence) = storage.fence() else { return };
        let now = self.clock.now().boot;
        let is_well = |(known, at): &(FenceFacts, BootTime)| {
            known.strays.is_empty() && now - *at < FENCE_WATCH_INTERVAL
        };
        if self.lock().fence.as_ref().is_some_and(is_well) {
            return;
        }
        let (strays, clients) = match (fence.ensure_ready(), fence.clients()) {
            (Ok(strays), Ok(clients)) => (strays, clients.into_iter().take(CLIENT_ADDRESSES_MAX).collect()),
            (strays, clients) => {
                let error = strays.err().or(clients.err()).map(|error| error.to_string());
                tracing::warn!(error, "how the storage stands to a fence is not known now");
                return;
            }
        };
        self.lock().fence = Some((FenceFacts { clients, strays }, now));
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

#[cfg(test)]
mod tests;
