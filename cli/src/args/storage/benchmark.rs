//! The arguments of `pvc storage benchmark`.

use clap::{Args as Options, Subcommand};

use super::TaskManner;
use crate::args::PlainFormat;

// What can be asked of benchmarks.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum BenchmarkCommand {
    /// Measure how fast a pool is written and read; this takes ten minutes
    #[command(after_help = "Examples:\n  pvc storage benchmark run vms --yes\n  \
        pvc storage benchmark run vms --name before-upgrade --size 16G --no-wait --yes")]
    Run(BenchmarkRun),
    /// Show what a benchmark has measured
    #[command(after_help = "Examples:\n  pvc storage benchmark info benchmark-1\n  \
        pvc storage benchmark info benchmark-1 -f json-pretty")]
    Info {
        /// The benchmark
        job: String,
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        format: PlainFormat,
    },
    /// List the benchmarks that are kept
    #[command(after_help = "Examples:\n  pvc storage benchmark list\n  pvc storage benchmark list -f json")]
    List {
        /// Only the one of this name
        job: Option<String>,
        /// How to print them
        #[arg(short, long, value_enum, default_value_t)]
        format: PlainFormat,
    },
    /// End a benchmark that goes on; what it has measured is lost
    #[command(after_help = "Example:\n  pvc storage benchmark cancel benchmark-1 --yes")]
    Cancel {
        /// The benchmark
        job: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

// A benchmark to be made.
#[derive(Debug, Options)]
pub(crate) struct BenchmarkRun {
    /// The pool
    pub(crate) pool: String,
    /// What it is to be called; without it, benchmark- and its number
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// How large the volume is that it writes to; a smaller one than 64G tells more of caches
    #[arg(long)]
    pub(crate) size: Option<String>,
    #[command(flatten)]
    pub(crate) manner: TaskManner,
}
