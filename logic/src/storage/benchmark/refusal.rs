//! Why a request about benchmarks is refused, and what to do about it.

use super::super::size::shown;
use crate::id::{BenchmarkName, PoolName, TaskId};

/// The answer "no" to a request about benchmarks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each is its sentence, and its fields are what it names")]
pub enum BenchmarkRefusal {
    #[error("No benchmark with name \"{name}\" is known. See: pvc storage benchmark list")]
    Unknown { name: String },
    #[error("A benchmark named \"{name}\" exists already. Choose another name.")]
    Exists { name: BenchmarkName },
    #[error(
        "Benchmark \"{name}\" of pool \"{pool}\" goes on, and two at once would measure each other: wait for task {task}, \
         with: pvc cluster task {task}"
    )]
    UnderWay { name: BenchmarkName, pool: PoolName, task: TaskId },
    #[error("Benchmark \"{name}\" has ended already.")]
    Over { name: BenchmarkName },
    #[error(
        "A volume of {} is too small for a benchmark: give {} or more.", shown(*size_bytes), shown(*min_bytes)
    )]
    TooSmall { size_bytes: u64, min_bytes: u64 },
    #[error(
        "A benchmark writes to a volume of {} of its own, and pool \"{pool}\" has not the room for it: {} of it are free, \
         {} are stored{}, and it is not filled beyond 80 % for this. Ask for a smaller volume, add space, or measure \
         another pool.", shown(*size_bytes), shown(*free_bytes), shown(*stored_bytes), pending(*pending_bytes)
    )]
    NoRoom { pool: PoolName, size_bytes: u64, pending_bytes: u64, stored_bytes: u64, free_bytes: u64 },
    #[error(
        "A benchmark writes to a volume of {} of its own, and how much room there is in pool \"{pool}\" is not known: \
         {why}. Try again when it is.", shown(*size_bytes)
    )]
    RoomUnknown { pool: PoolName, size_bytes: u64, why: String },
}

fn pending(bytes: u64) -> String {
    match bytes {
        0 => String::new(),
        bytes => format!(", {} are promised to volumes that are being made", shown(bytes)),
    }
}
