//! Uploads: what the API brings over the worker's own link goes straight into the storage, as fast as that takes it.
//!
//! The records say which task is for which volume; nothing else is believed of whoever brings. What has become of an
//! upload is told to the decisions, which end its task. It stays out of the process that sends the keepalive.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use host::clock::Clock;
use host::storage::{Onward, Storage, Watch};
use link::message::Request;
use link::server::{Answer, Ended, Sink};
use logic::cluster::Cluster;
use logic::id::{NodeName, TaskId};
use logic::observed::{Moved, Upload};
use logic::plan::Resource;
use logic::storage::work::StorageWork;
use logic::storage::{Format, VolumePath};
use logic::task::{TaskFact, TaskState, Work};
use store::Store;
use store::mirror::Mirror;

use crate::log::chain;
use crate::transfers::Transfers;
use crate::wake::Bell;

/// How long it is waited for a task that was written just now to be seen and claimed here.
const CLAIM_WAIT: Duration = Duration::from_secs(10);

/// How often that is looked for.
const CLAIM_INTERVAL: Duration = Duration::from_millis(50);

/// What uploads need of their machine.
#[derive(Clone, Debug)]
pub struct Ground {
    /// This node.
    pub name: NodeName,
    /// Where content goes.
    pub storage: Option<Arc<dyn Storage>>,
    /// Whose lease bounds what is done here.
    pub store: Arc<dyn Store>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The records.
    pub mirror: Arc<Mirror>,
    /// Where it is told how far an upload is.
    pub transfers: Arc<Transfers>,
    /// Rung when an upload begins or ends.
    pub passes: Arc<Bell>,
}

/// The uploads of this process.
#[derive(Debug)]
pub struct Uploads {
    ground: Ground,
    states: Mutex<BTreeMap<TaskId, Upload>>,
}

/// What is to be brought, as the records say.
struct Wanted {
    volume: VolumePath,
    size_bytes: u64,
    format: Format,
}

impl Uploads {
    /// None has begun yet.
    pub fn new(ground: Ground) -> Self {
        Self { ground, states: Mutex::default() }
    }

    /// How each stands whose task has not ended.
    pub fn latest(&self, cluster: &Cluster) -> BTreeMap<TaskId, Upload> {
        let mut states = self.states();
        states.retain(|task, upload| *upload == Upload::UnderWay || is_open(cluster, *task));
        states.clone()
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<TaskId, Upload>> {
        self.states.lock().expect("nobody panics while holding the uploads")
    }

    /// Waits until this worker has claimed the task, and says what it wants.
    fn wanted(&self, task: TaskId) -> Result<Wanted, Ended> {
        let end = Instant::now() + CLAIM_WAIT;
        loop {
            let snapshot = self.ground.mirror.snapshot();
            if let Some(wanted) = snapshot.and_then(|now| wanted(&now.cluster, &self.ground.name, task)) {
                return Ok(wanted);
            }
            if Instant::now() >= end {
                let why = format!("task {task} is no upload that waits for its content on this node");
                return Err(Ended::Refused { why });
            }
            thread::sleep(CLAIM_INTERVAL);
        }
    }

    /// An upload is brought once: what broke off has failed.
    fn begin(&self, task: TaskId) -> Result<(), Ended> {
        let mut states = self.states();
        if states.contains_key(&task) {
            return Err(Ended::Refused { why: format!("the content of task {task} was brought already") });
        }
        states.insert(task, Upload::UnderWay);
        drop(states);
        self.ground.passes.ring();
        Ok(())
    }

    fn end(&self, task: TaskId, state: Upload) {
        self.ground.transfers.end(&Resource::Task(task));
        self.states().insert(task, state);
        self.ground.passes.ring();
    }
}

impl Answer for Uploads {
    fn answer(&self, request: &Request, _sink: &mut dyn Sink) -> Result<(), Ended> {
        Err(Ended::Refused { why: format!("{request:?} is for the node's own daemon") })
    }

    fn take_in(&self, request: &Request, content: &mut (dyn Read + Send)) -> Result<(), Ended> {
        let Request::Upload { task } = request else {
            return Err(Ended::Refused { why: format!("{request:?} brings nothing") });
        };
        let task: TaskId = task.parse().map_err(|error| refused(&error))?;
        let storage = self.ground.storage.as_ref().ok_or_else(|| refused(&crate::world::Fault::NoStorage))?;
        let wanted = self.wanted(task)?;
        self.begin(task)?;
        tracing::info!(%task, volume = %wanted.volume, bytes = wanted.size_bytes, "an upload begins");
        let Wanted { volume, size_bytes, format } = wanted;
        let upload = host::storage::Upload { source: content, size_bytes, format };
        let brought = storage.upload(&volume, upload, &Still { ground: &self.ground, task });
        let state = match &brought {
            Ok(()) => Upload::Landed,
            Err(error) => Upload::Failed { why: chain(error) },
        };
        tracing::info!(%task, %volume, ?state, "an upload ended");
        self.end(task, state);
        brought.map_err(|error| refused(&error))
    }
}

/// Lets an upload go on as long as its task is this worker's, and its lease holds; and tells how far it is.
struct Still<'a> {
    ground: &'a Ground,
    task: TaskId,
}

impl Watch for Still<'_> {
    fn moved(&self, done_bytes: u64, total_bytes: u64) -> Onward {
        self.ground.transfers.tell(&Resource::Task(self.task), Moved { done_bytes, total_bytes });
        let lease = self.ground.store.session().until;
        let is_over = lease.is_some_and(|until| self.ground.clock.now().boot >= until);
        let snapshot = self.ground.mirror.snapshot();
        let is_ours =
            snapshot.is_some_and(|now| wanted(&now.cluster, &self.ground.name, self.task).is_some());
        if is_over || !is_ours { Onward::No } else { Onward::Yes }
    }
}

/// What a task of this node's wants to be brought now.
fn wanted(cluster: &Cluster, name: &NodeName, task: TaskId) -> Option<Wanted> {
    let entry = cluster.tasks.get(&task).filter(|entry| entry.task.value.run_on == *name)?;
    let Work::Storage(StorageWork::Upload { volume, size_bytes, format }) = &entry.task.value.work else {
        return None;
    };
    let waits = |fact: &TaskFact| fact.state == TaskState::Running && fact.stage == 0;
    let waits = entry.fact.as_ref().is_some_and(|fact| waits(&fact.value));
    waits.then(|| Wanted { volume: volume.clone(), size_bytes: *size_bytes, format: *format })
}

fn is_open(cluster: &Cluster, task: TaskId) -> bool {
    let fact = cluster.tasks.get(&task).map(|entry| entry.fact.as_ref());
    fact.is_some_and(|fact| fact.is_none_or(|fact| fact.value.state == TaskState::Running))
}

fn refused(error: &dyn std::error::Error) -> Ended {
    Ended::Refused { why: chain(error) }
}

#[cfg(test)]
mod tests;
