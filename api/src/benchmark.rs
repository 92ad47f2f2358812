//! Benchmarks of storage: how each stands, and what its tests came to, in the words of fio.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A benchmark.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Benchmark {
    /// Its number: the newest has the greatest.
    pub id: u64,
    /// Its name.
    pub job: String,
    /// Which form the results have: 2.
    pub test_format: u64,
    /// `Running` while it goes on, the tests by their names when it has ended, none of them when it has failed.
    pub benchmark_result: BenchmarkResult,
    /// The pool that it is of.
    pub pool: String,
    /// How large the volume is that it writes to.
    pub size_bytes: u64,
    /// `running`, `done` or `failed`.
    pub state: String,
    /// Why it has failed; empty unless it has.
    pub failed_reason: String,
    /// The task that makes it, or did.
    pub task: String,
    /// When it was asked for.
    pub begin_timestamp: String,
}

/// What came of a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum BenchmarkResult {
    /// `Running`.
    Word(String),
    /// Its tests by their names.
    Tests(BTreeMap<String, BenchmarkTest>),
}

impl Default for BenchmarkResult {
    fn default() -> Self {
        Self::Tests(BTreeMap::new())
    }
}

/// A test of a benchmark.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BenchmarkTest {
    /// What fio reports: one job.
    pub jobs: Vec<BenchmarkJob>,
    /// The node that made it.
    pub node: String,
    /// How that reached the volume: `client` of the storage, `direct` as a file, or `cached` as one.
    pub access: String,
    /// How much of the volume was touched, in bytes.
    pub region_bytes: u64,
    /// What the node did meanwhile, because of it and besides.
    pub resources: BenchmarkResources,
}

/// A job of fio's, as it reports it; what it did in the other direction is zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BenchmarkJob {
    /// Its name, which is the test's.
    pub jobname: String,
    /// How it was asked for.
    #[serde(rename = "job options")]
    pub options: BTreeMap<String, String>,
    /// What was read.
    pub read: BenchmarkSide,
    /// What was written.
    pub write: BenchmarkSide,
    /// What fio took of one processor for itself, in percent.
    pub usr_cpu: f64,
    /// What the kernel took of one for it, in percent.
    pub sys_cpu: f64,
}

/// What was done in one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BenchmarkSide {
    /// How many bytes.
    pub io_bytes: u64,
    /// Bytes per second.
    pub bw_bytes: u64,
    /// KiB per second.
    pub bw: u64,
    /// Pieces per second.
    pub iops: f64,
    /// For how long, in ms.
    pub runtime: u64,
    /// How many pieces.
    pub total_ios: u64,
    /// How long each took, from its order to its end.
    pub lat_ns: BenchmarkLatency,
    /// The same from when it was handed over.
    pub clat_ns: BenchmarkPercentiles,
}

/// How long pieces took, in ns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BenchmarkLatency {
    /// The shortest.
    pub min: f64,
    /// The longest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub stddev: f64,
}

/// How long most pieces took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BenchmarkPercentiles {
    /// By the part of all pieces in percent, such as `99.000000`, how long each of them took at most, in ns.
    pub percentile: BTreeMap<String, f64>,
}

/// What the node that made a test did meanwhile. OSDs and monitors on other nodes are not in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BenchmarkResources {
    /// How many processors it has.
    pub cpu_count: u64,
    /// How busy they were together, in percent of all.
    pub cpu_percent: f64,
    /// Its load over the last minute of the test.
    pub load: f64,
    /// How many OSDs run on it.
    pub osd_count: u64,
    /// What they took, in percent of one processor.
    pub osd_cpu_percent: f64,
    /// How many monitors run on it.
    pub mon_count: u64,
    /// What they took, in percent of one processor.
    pub mon_cpu_percent: f64,
    /// Its memory, in MiB.
    pub memory_total: u64,
    /// What of that was in use, in MiB.
    pub memory_used: u64,
    /// What its network cards took in, in bytes per second; only where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_rx_bytes: Option<f64>,
    /// What they sent, in bytes per second; only where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_tx_bytes: Option<f64>,
}
