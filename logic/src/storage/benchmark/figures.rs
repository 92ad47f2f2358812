//! What a trial measures: of the storage, and of the machine that made it.

use serde::{Deserialize, Serialize};

/// What a trial measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialFigures {
    /// Of the storage.
    pub io: IoFigures,
    /// Of the machine that made it, over the same time and that before it.
    pub machine: MachineFigures,
}

/// How the volume was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// As a client of the storage, as guests do.
    #[default]
    Client,
    /// As a file, past the kernel's cache.
    Direct,
    /// As a file through the kernel's cache, because its file system has no other way: what is read may come from memory.
    Cached,
}

/// What was measured of the storage. All of it is of the trial's one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IoFigures {
    /// How the volume was reached.
    pub way: Way,
    /// For how long it was measured, in ms.
    pub span_ms: u64,
    /// How much was moved.
    pub byte_count: u64,
    /// In how many pieces.
    pub piece_count: u64,
    /// How much was moved per second, in bytes.
    pub bytes_per_s: f64,
    /// How many pieces per second.
    pub pieces_per_s: f64,
    /// From the order of a piece to its end, in ns.
    pub latency: Latency,
    /// What the program that moved them took of one processor for itself, in percent.
    pub user_percent: f64,
    /// What the kernel took of one for it.
    pub system_percent: f64,
}

/// How long pieces took, in ns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The shortest.
    pub min_ns: f64,
    /// The mean.
    pub mean_ns: f64,
    /// The longest.
    pub max_ns: f64,
    /// The standard deviation.
    pub deviation_ns: f64,
    /// So long or shorter took each of this part of all pieces, in percent.
    pub percentiles: Vec<(f64, f64)>,
}

/// What was measured of the machine. What it does beside the trial is in it as well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MachineFigures {
    /// How many processors it has.
    pub processor_count: u32,
    /// Its load over the last minute, at the end.
    pub load: f64,
    /// How busy its processors were together, in percent of all.
    pub processors_percent: f64,
    /// What its OSDs took; none where no such process runs on it.
    pub osds: Option<DaemonFigures>,
    /// What its monitors took; none where no such process runs on it.
    pub monitors: Option<DaemonFigures>,
    /// Its memory, in MiB.
    pub memory_total_mib: u64,
    /// What of that was in use at the end.
    pub memory_used_mib: u64,
    /// What its network cards took in, in bytes per second; none where the kernel does not tell.
    pub received_bytes_per_s: Option<f64>,
    /// What they sent.
    pub sent_bytes_per_s: Option<f64>,
}

/// What the processes of one kind took on one machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DaemonFigures {
    /// How many run on it.
    pub count: u32,
    /// What they took together, in percent of one processor.
    pub percent: f64,
}
