//! The arguments of `pvc cluster`.

use clap::{Subcommand, ValueEnum};

use super::{PlainFormat, StatusFormat, TableFormat};

// What can be asked of the cluster.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum ClusterCommand {
    /// Show the cluster's health and contents
    #[command(after_help = "Examples:\n  pvc cluster status\n  pvc cluster status -f json")]
    Status {
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        format: StatusFormat,
    },
    /// Show the health of the cluster and of each node, with every reason that lowers it
    #[command(after_help = "Examples:\n  pvc cluster health\n  pvc cluster health -f json")]
    Health {
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        format: PlainFormat,
    },
    /// Make the first records of a new cluster
    #[command(after_help = "Example:\n  pvc cluster init --yes")]
    Init {
        /// Begin anew even if there are records: everything that the cluster knows is lost
        #[arg(short, long)]
        overwrite: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Switch maintenance mode, in which no node is fenced and no health is reported
    #[command(after_help = "Examples:\n  pvc cluster maintenance on\n  pvc cluster maintenance off")]
    Maintenance {
        /// The mode
        #[arg(value_enum)]
        state: Maintenance,
    },
    /// List the tasks, or watch one until it ends
    #[command(after_help = "Examples:\n  pvc cluster task\n  pvc cluster task 1a2b3c4d --no-wait -f json")]
    Task {
        /// The task's id; all tasks without it
        task_id: Option<String>,
        /// Watch the task until it ends (as without any option)
        #[arg(long, overrides_with = "no_wait")]
        wait: bool,
        /// Show how far the task has come, and no more
        #[arg(long, overrides_with = "wait")]
        no_wait: bool,
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        format: TableFormat,
    },
}

/// Whether maintenance mode is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Maintenance {
    /// Nothing is fenced, nothing is reported
    On,
    /// As usual
    Off,
}
