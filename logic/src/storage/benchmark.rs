//! Benchmarks of pools: eight trials one after another, on a volume of their own that is there for nothing else.
//!
//! | trial | what is done | at once |
//! |---|---|---|
//! | `seq_write`, `seq_read` | pieces of 4 MiB, one behind the other | 64 |
//! | `rand_write_4M`, `rand_read_4M` | pieces of 4 MiB, anywhere | 64 |
//! | `rand_write_4K`, `rand_read_4K` | pieces of 4 KiB, anywhere | 64 |
//! | `rand_write_4K_lowdepth`, `rand_read_4K_lowdepth` | pieces of 4 KiB, anywhere | 1 |
//!
//! The first one writes, and what it has written is all that the others touch: a storage answers from nothing what was
//! never written, and would seem faster than it is.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::VolumePath;
use crate::cluster::Cluster;
use crate::id::{BadId, BenchmarkName, NodeName, TaskId};
use crate::limits::{BENCHMARK_PIECE_BYTES_MAX, BENCHMARK_PIECE_BYTES_MIN, BENCHMARK_RAMP, BENCHMARK_SPAN};
use crate::time::{BootTime, Span, WallTime};

pub mod accept;
pub mod figures;
mod records;
mod refusal;

pub use figures::TrialFigures;
pub use records::{ended, passed};
pub use refusal::BenchmarkRefusal;

/// The volume that benchmarks write to, whatever the pool.
pub const VOLUME: &str = "pvcbenchmark";

/// Which benchmark: they are counted, and the newest has the greatest number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BenchmarkId(pub u64);

impl FromStr for BenchmarkId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        text.parse().map(Self).map_err(|_| BadId {
            what: "benchmark",
            text: text.chars().take(64).collect(),
            why: "it is a number, such as 3",
        })
    }
}

impl fmt::Display for BenchmarkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for BenchmarkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "benchmark.{}", self.0)
    }
}

/// One of the eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Trial {
    /// Large pieces are written one behind the other.
    #[serde(rename = "seq_write")]
    SequentialWrite,
    /// Large pieces are read one behind the other.
    #[serde(rename = "seq_read")]
    SequentialRead,
    /// Large pieces are written anywhere.
    #[serde(rename = "rand_write_4M")]
    LargeWrite,
    /// Large pieces are read anywhere.
    #[serde(rename = "rand_read_4M")]
    LargeRead,
    /// Small pieces are written anywhere, many at once.
    #[serde(rename = "rand_write_4K")]
    SmallWrite,
    /// Small pieces are read anywhere, many at once.
    #[serde(rename = "rand_read_4K")]
    SmallRead,
    /// Small pieces are written anywhere, one after the other.
    #[serde(rename = "rand_write_4K_lowdepth")]
    SingleWrite,
    /// Small pieces are read anywhere, one after the other.
    #[serde(rename = "rand_read_4K_lowdepth")]
    SingleRead,
}

/// Whether a trial writes or reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It writes.
    Write,
    /// It reads.
    Read,
}

/// In which order a trial goes through the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the beginning to the end.
    Sequential,
    /// In none.
    Random,
}

impl Trial {
    /// All, in the order in which they are made. The first one writes what the others read.
    pub const ALL: [Self; 8] = [
        Self::SequentialWrite,
        Self::SequentialRead,
        Self::LargeWrite,
        Self::LargeRead,
        Self::SmallWrite,
        Self::SmallRead,
        Self::SingleWrite,
        Self::SingleRead,
    ];

    /// The name that results know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::SequentialWrite => "seq_write",
            Self::SequentialRead => "seq_read",
            Self::LargeWrite => "rand_write_4M",
            Self::LargeRead => "rand_read_4M",
            Self::SmallWrite => "rand_write_4K",
            Self::SmallRead => "rand_read_4K",
            Self::SingleWrite => "rand_write_4K_lowdepth",
            Self::SingleRead => "rand_read_4K_lowdepth",
        }
    }

    /// Whether it writes or reads.
    pub fn direction(self) -> Direction {
        match self {
            Self::SequentialWrite | Self::LargeWrite | Self::SmallWrite | Self::SingleWrite => {
                Direction::Write
            }
            Self::SequentialRead | Self::LargeRead | Self::SmallRead | Self::SingleRead => Direction::Read,
        }
    }

    /// In which order it goes through the volume.
    pub fn order(self) -> Order {
        match self {
            Self::SequentialWrite | Self::SequentialRead => Order::Sequential,
            _ => Order::Random,
        }
    }

    /// How much is written or read in one piece, in bytes.
    pub fn piece_bytes(self) -> u64 {
        match self {
            Self::SequentialWrite | Self::SequentialRead | Self::LargeWrite | Self::LargeRead => {
                BENCHMARK_PIECE_BYTES_MAX
            }
            Self::SmallWrite | Self::SmallRead | Self::SingleWrite | Self::SingleRead => {
                BENCHMARK_PIECE_BYTES_MIN
            }
        }
    }

    /// How many pieces are under way at once.
    pub fn depth(self) -> u32 {
        match self {
            Self::SingleWrite | Self::SingleRead => 1,
            _ => 64,
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.direction() {
            Direction::Write => "writing",
            Direction::Read => "reading",
        };
        let order = match self.order() {
            Order::Sequential => "one behind the other",
            Order::Random => "anywhere",
        };
        let piece = if self.piece_bytes() == BENCHMARK_PIECE_BYTES_MAX { "4 MiB" } else { "4 KiB" };
        write!(f, "{verb} {piece} {order}, {} at once", self.depth())
    }
}

/// A trial as it is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exercise {
    /// For which benchmark.
    pub benchmark: BenchmarkId,
    /// With which volume. What is in it is lost.
    pub volume: VolumePath,
    /// Which trial.
    pub trial: Trial,
    /// How much of the volume is touched, from its beginning on.
    pub region_bytes: u64,
    /// For how long it goes on before it is measured.
    pub ramp: Span,
    /// For how long it is measured.
    pub span: Span,
    /// It begins by then, or not at all: afterwards others may have taken this node for dead, and the name of the volume
    /// may be that of another. It goes on for longer than that.
    pub begin_by: Option<BootTime>,
}

/// How a benchmark stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum BenchmarkState {
    /// It goes on.
    Running,
    /// All trials were made.
    Done,
    /// It was not made to its end.
    Failed {
        /// Why.
        why: String,
    },
}

/// What the operator wishes of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BenchmarkWish {
    /// That it is made.
    Made,
    /// That it ends.
    Ended,
}

/// A benchmark. Written with its task and with a wish for its end by the API, and by the worker after each trial and with
/// the task's end. It stays when the task is forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// Its name, unique among those that are kept.
    pub name: BenchmarkName,
    /// The volume that it writes to.
    pub volume: VolumePath,
    /// How large that is.
    pub size_bytes: u64,
    /// The task that makes it.
    pub task: TaskId,
    /// When it was asked for.
    pub asked: WallTime,
    /// How it stands.
    pub state: BenchmarkState,
    /// What is wished of it.
    pub wish: BenchmarkWish,
    /// What has been measured so far.
    pub results: BTreeMap<Trial, TrialResult>,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialResult {
    /// The node that made it.
    pub node: NodeName,
    /// How much of the volume was touched.
    pub region_bytes: u64,
    /// What was measured.
    pub figures: TrialFigures,
}

/// Where a benchmark's task makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchmarkPlan {
    /// Which benchmark.
    pub benchmark: BenchmarkId,
    /// Its name.
    pub name: BenchmarkName,
    /// The volume.
    pub volume: VolumePath,
    /// How large it is made.
    pub size_bytes: u64,
}

impl BenchmarkPlan {
    /// A trial as it is to be made now.
    pub fn exercise(&self, cluster: &Cluster, trial: Trial, begin_by: Option<BootTime>) -> Exercise {
        Exercise {
            benchmark: self.benchmark,
            volume: self.volume.clone(),
            trial,
            region_bytes: self.region_bytes(cluster, trial),
            ramp: BENCHMARK_RAMP,
            span: BENCHMARK_SPAN,
            begin_by,
        }
    }

    /// How much of the volume a trial touches: what the first one has written, in whole large pieces, and one at least.
    fn region_bytes(&self, cluster: &Cluster, trial: Trial) -> u64 {
        let whole = self.size_bytes - self.size_bytes % BENCHMARK_PIECE_BYTES_MAX;
        if trial == Trial::SequentialWrite {
            return whole.max(BENCHMARK_PIECE_BYTES_MAX);
        }
        let written = cluster
            .benchmarks
            .get(&self.benchmark)
            .and_then(|benchmark| benchmark.value.results.get(&Trial::SequentialWrite))
            .map_or(0, |result| result.figures.io.byte_count);
        (written - written % BENCHMARK_PIECE_BYTES_MAX)
            .clamp(BENCHMARK_PIECE_BYTES_MAX, whole.max(BENCHMARK_PIECE_BYTES_MAX))
    }

    /// Why it is not to go on, where the operator has wished its end.
    pub fn hindrance(&self, cluster: &Cluster) -> Option<String> {
        let benchmark = cluster.benchmarks.get(&self.benchmark)?;
        (benchmark.value.wish == BenchmarkWish::Ended).then(|| "it was cancelled by the operator".into())
    }
}

#[cfg(test)]
mod tests;
