//! What travels over HTTP: the answers of the REST API as types, and a blocking client that asks for them.
//!
//! The shapes are a promise to every client of PVC 1.0: names, order and types are those of its answers, its oddities
//! included. Reading is lenient, so that a client survives fields that a newer or older API adds or leaves out; writing is exact.

mod benchmark;
pub mod client;
mod cluster;
mod error;
mod node;
mod storage;
mod task;
mod vm;

pub use benchmark::{
    Benchmark, BenchmarkJob, BenchmarkLatency, BenchmarkPercentiles, BenchmarkResources, BenchmarkResult,
    BenchmarkSide, BenchmarkTest,
};
pub use cluster::{
    ClusterDetail, ClusterHealth, ClusterStatus, CpuResource, DiskResource, Fault, HealthMessage,
    MemoryResource, NodeHealth, NodeSummary, OsdSummary, PrimaryNode, Resources, StateCounts, VmSummary,
};
pub use error::{Message, ParameterMessage, message_text};
pub use node::{
    HealthDetail, Interface, Node, NodeCoordinatorState, NodeDaemonState, NodeDomainState, NodeDuty, NodeLog,
    NodeMemory, NodePlanVm, NodeVcpu,
};
pub use storage::{
    Osd, OsdState, OsdStats, Pool, PoolStats, StorageText, Volume, VolumeSize, VolumeSnapshot, VolumeStats,
};
pub use task::{Task, TaskList, TaskRef, TaskStatus};
pub use vm::{
    Controller, Disk, MemoryStats, Network, Snapshot, Tag, VcpuStats, Vm, VmLog, VmMetadata, VmNode, VmState,
    VmTags, VmWhy, Vnc, WhyNode,
};

#[cfg(test)]
mod tests;
