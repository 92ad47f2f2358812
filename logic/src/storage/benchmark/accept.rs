//! Whether a benchmark may begin now, or be ended, and the records that this writes.
//!
//! Benchmarks are counted, and each takes the number behind the newest. So of two that are asked for at once both want the
//! same record, only one gets it, and the other is decided anew and sees that one goes on.

use super::{Benchmark, BenchmarkId, BenchmarkPlan, BenchmarkRefusal, BenchmarkState, BenchmarkWish, VOLUME};
use crate::cluster::Cluster;
use crate::id::{BenchmarkName, PoolName};
use crate::limits::{BENCHMARK_BYTES_MIN, BENCHMARKS_KEPT_MAX, VOLUME_BYTES_MAX};
use crate::record::{Expect, RecordId, Records, Versioned};
use crate::refusal::Refusal;
use crate::storage::accept::{Accepted, Occasion};
use crate::storage::record::VolumeState;
use crate::storage::space::{self, Insistence};
use crate::storage::work::StorageWork;
use crate::storage::{StorageRefusal, VolumePath};

/// What is to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchmarkRequest {
    /// Which pool.
    pub pool: PoolName,
    /// What it is to be called; by its number where nobody says.
    pub name: Option<BenchmarkName>,
    /// How large the volume is that it writes to.
    pub size_bytes: u64,
}

/// Begins a benchmark.
///
/// # Errors
/// Another one goes on, its name is taken, there is no such pool, too little room in it, or its volume is there already.
pub fn begin(on: Occasion<'_>, request: &BenchmarkRequest) -> Accepted {
    let BenchmarkRequest { pool, size_bytes, .. } = request;
    let volume = VolumePath { pool: pool.clone(), volume: volume_name() };
    on.ready_pool(pool)?;
    alone(on.cluster)?;
    let benchmark = next(on.cluster);
    let name = match &request.name {
        Some(name) => name.clone(),
        None => format!("benchmark-{benchmark}").parse()?,
    };
    if find(on.cluster, &name).is_some() {
        return Err(refused(BenchmarkRefusal::Exists { name }));
    }
    on.free_name(&volume)?;
    size(*size_bytes)?;
    room(on, pool, *size_bytes)?;
    let made = on.fresh(*size_bytes, VolumeState::Benchmarking);
    let record = Benchmark {
        name: name.clone(),
        volume: volume.clone(),
        size_bytes: *size_bytes,
        task: on.task,
        asked: on.now,
        state: BenchmarkState::Running,
        wish: BenchmarkWish::Made,
        results: Default::default(),
    };
    let records = Records::default()
        .write(RecordId::Benchmark(benchmark), Expect::Absent, record.into())
        .write(RecordId::Volume(volume.clone()), Expect::Absent, made.into())
        .and(old(on.cluster));
    let records = on.book(records, pool)?;
    let plan = BenchmarkPlan { benchmark, name, volume, size_bytes: *size_bytes };
    on.begin(StorageWork::Benchmark(plan), records)
}

/// Wishes the end of a benchmark that goes on. Its worker ends it, and takes its volume away.
///
/// # Errors
/// There is no such benchmark, or it has ended.
pub fn cancel(cluster: &Cluster, name: &str) -> Result<Records, Refusal> {
    let unknown = || refused(BenchmarkRefusal::Unknown { name: name.chars().take(80).collect() });
    let known: BenchmarkName = name.parse().map_err(|_| unknown())?;
    let (id, benchmark) = find(cluster, &known).ok_or_else(unknown)?;
    if benchmark.value.state != BenchmarkState::Running {
        return Err(refused(BenchmarkRefusal::Over { name: known }));
    }
    let ended = Benchmark { wish: BenchmarkWish::Ended, ..benchmark.value.clone() };
    Ok(Records::default().write(RecordId::Benchmark(id), benchmark.expect(), ended.into()))
}

/// The benchmark of this name.
pub fn find<'a>(
    cluster: &'a Cluster,
    name: &BenchmarkName,
) -> Option<(BenchmarkId, &'a Versioned<Benchmark>)> {
    let found = cluster.benchmarks.iter().find(|(_, benchmark)| benchmark.value.name == *name);
    found.map(|(id, benchmark)| (*id, &**benchmark))
}

fn refused(refusal: BenchmarkRefusal) -> Refusal {
    StorageRefusal::from(refusal).into()
}

fn volume_name() -> crate::id::VolumeName {
    VOLUME.parse().expect("it is written here, and is a name")
}

/// The number behind the newest, which is never forgotten before an older one.
fn next(cluster: &Cluster) -> BenchmarkId {
    BenchmarkId(cluster.benchmarks.get_max().map_or(1, |(newest, _)| newest.0 + 1))
}

/// Two at once would measure each other.
fn alone(cluster: &Cluster) -> Result<(), Refusal> {
    let goes_on = cluster.benchmarks.values().find(|one| one.value.state == BenchmarkState::Running);
    match goes_on.map(|one| &one.value) {
        None => Ok(()),
        Some(Benchmark { name, volume, task, .. }) => {
            let (name, pool) = (name.clone(), volume.pool.clone());
            Err(refused(BenchmarkRefusal::UnderWay { name, pool, task: *task }))
        }
    }
}

fn size(size_bytes: u64) -> Result<(), Refusal> {
    match size_bytes {
        0..BENCHMARK_BYTES_MIN => {
            Err(refused(BenchmarkRefusal::TooSmall { size_bytes, min_bytes: BENCHMARK_BYTES_MIN }))
        }
        BENCHMARK_BYTES_MIN..=VOLUME_BYTES_MAX => Ok(()),
        _ => Err(StorageRefusal::SizeTooLarge { size_bytes }.into()),
    }
}

/// There is room, also for what guests write meanwhile: nobody can insist here.
fn room(on: Occasion<'_>, pool: &PoolName, size_bytes: u64) -> Result<(), Refusal> {
    let pool = pool.clone();
    Err(refused(match space::check(on.cluster, &pool, size_bytes, Insistence::Careful, on.now) {
        Ok(()) => return Ok(()),
        Err(
            StorageRefusal::NoRoom { pending_bytes, figures, .. }
            | StorageRefusal::TooFull { pending_bytes, figures, .. },
        ) => {
            let (stored_bytes, free_bytes) = (figures.stored_bytes, figures.free_bytes);
            BenchmarkRefusal::NoRoom { pool, size_bytes, pending_bytes, stored_bytes, free_bytes }
        }
        Err(StorageRefusal::RoomUnknown { why, .. }) => {
            BenchmarkRefusal::RoomUnknown { pool, size_bytes, why }
        }
        Err(other) => return Err(other.into()),
    }))
}

/// Forgets the oldest, as far as there are more than are kept with the one that begins.
fn old(cluster: &Cluster) -> Records {
    let too_many = (cluster.benchmarks.len() + 1).saturating_sub(BENCHMARKS_KEPT_MAX);
    cluster.benchmarks.iter().take(too_many).fold(Records::default(), |records, (id, benchmark)| {
        records.delete(RecordId::Benchmark(*id), benchmark.expect())
    })
}
