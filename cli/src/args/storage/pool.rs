//! The arguments of `pvc storage pool`.

use clap::{Args as Options, Subcommand, ValueEnum};

use crate::args::TableFormat;

// What can be asked of pools.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum PoolCommand {
    /// Make a pool
    #[command(after_help = "Examples:\n  pvc storage pool add vms 128\n  \
        pvc storage pool add fast 64 --tier nvme --replcfg copies=3,mincopies=2")]
    Add(PoolAdd),
    /// Remove a pool and ALL VOLUMES in it
    #[command(after_help = "Example:\n  pvc storage pool remove old --yes")]
    Remove {
        /// The pool
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Give a pool another number of placement groups
    #[command(after_help = "Example:\n  pvc storage pool set-pgs vms 256 --yes")]
    SetPgs {
        /// The pool
        name: String,
        /// How many
        pgs: u32,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// List the pools
    #[command(after_help = "Examples:\n  pvc storage pool list\n  pvc storage pool list -f raw")]
    List {
        /// Only those whose name matches this regular expression
        limit: Option<String>,
        /// How to print them
        #[arg(short, long, value_enum, default_value_t)]
        format: TableFormat,
    },
}

// A pool to be made.
#[derive(Debug, Options)]
pub(crate) struct PoolAdd {
    /// Its name
    pub(crate) name: String,
    /// How many placement groups it has
    pub(crate) pgs: u32,
    /// On what kind of device it lies
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) tier: Tier,
    /// How often its data is kept, and with how many of these copies it is still written
    #[arg(long, value_name = "CONFIG", default_value = "copies=3,mincopies=2")]
    pub(crate) replcfg: String,
}

/// On what kind of device a pool lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// On any
    #[default]
    Default,
    /// On rotating disks
    Hdd,
    /// On flash disks
    Ssd,
    /// On flash disks behind PCI Express
    Nvme,
}

impl Tier {
    /// Its name in the contract.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Hdd => "hdd",
            Self::Ssd => "ssd",
            Self::Nvme => "nvme",
        }
    }
}
