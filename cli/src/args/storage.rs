//! The arguments of `pvc storage`.

use clap::{Args as Options, Subcommand};

use super::Below;

mod benchmark;
mod osd;
mod pool;
mod volume;

pub(crate) use benchmark::{BenchmarkCommand, BenchmarkRun};
pub(crate) use osd::{OsdAdd, OsdCommand, OsdReplace};
pub(crate) use pool::PoolCommand;
pub(crate) use volume::{SnapshotCommand, SnapshotList, VolumeCommand, VolumeList, VolumePlace};

// What can be asked of the storage.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum StorageCommand {
    /// Show how the storage stands, in its own words
    #[command(after_help = "Example:\n  pvc storage status")]
    Status,
    /// Show what of the storage is used, in its own words
    #[command(after_help = "Example:\n  pvc storage util")]
    Util,
    /// How fast the storage is
    Benchmark(Below<BenchmarkCommand>),
    /// Prepare a device of a node for the databases of its OSDs
    #[command(after_help = "Example:\n  pvc storage create-db-vg hv1 /dev/nvme0n1 --yes")]
    CreateDbVg(DbDevice),
    /// The devices that the storage keeps data on
    Osd(Below<OsdCommand>),
    /// Where volumes lie, and how often their data is kept
    Pool(Below<PoolCommand>),
    /// The disks of virtual machines
    Volume(Below<VolumeCommand>),
}

// A device that is to hold databases.
#[derive(Debug, Options)]
pub(crate) struct DbDevice {
    /// The node
    pub(crate) node: String,
    /// Its device: a path, or detect:NAME:SIZE:NUMBER
    pub(crate) device: String,
    #[command(flatten)]
    pub(crate) manner: TaskManner,
}

// How a change that takes long is asked for.
#[derive(Clone, Copy, Debug, Options)]
pub(crate) struct TaskManner {
    /// Wait until it is done; this is so without a word
    #[arg(long, overrides_with = "no_wait")]
    pub(crate) wait: bool,
    /// Do not wait: print the task that does it
    #[arg(long, overrides_with = "wait")]
    pub(crate) no_wait: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}
