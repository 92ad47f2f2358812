//! The arguments of `pvc node`.

use clap::{Args as Options, Subcommand};

use super::{DetailFormat, PlainFormat, TableFormat};

// What can be asked of nodes.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum NodeCommand {
    /// List the nodes
    #[command(after_help = "Examples:\n  pvc node list\n  pvc node list --domain-state ready -f raw")]
    List(NodeList),
    /// Show one node
    #[command(after_help = "Examples:\n  pvc node info\n  pvc node info hv2 -f long")]
    Info {
        /// The node; without it, this machine
        node: Option<String>,
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        format: DetailFormat,
    },
    /// Empty a node: its VMs move to others, or are shut down where none can take them
    #[command(after_help = "Examples:\n  pvc node flush hv2 --dry-run\n  pvc node flush hv2 --wait")]
    Flush(NodeDuty),
    /// Let a node carry VMs again, and call those home that left it
    #[command(after_help = "Examples:\n  pvc node ready hv2 --dry-run\n  pvc node ready hv2 --wait")]
    Ready(NodeDuty),
    /// Make a node the primary coordinator
    #[command(after_help = "Examples:\n  pvc node primary hv2\n  pvc node primary hv2 --wait")]
    Primary(NodePart),
    /// Let another node be the primary coordinator
    #[command(after_help = "Examples:\n  pvc node secondary hv1\n  pvc node secondary hv1 --wait")]
    Secondary(NodePart),
    /// Tell by the exit code whether a node is the primary coordinator: 0 if it is, 1 if it is not
    #[command(after_help = "Examples:\n  pvc node is-primary\n  pvc node is-primary hv2")]
    IsPrimary {
        /// The node; without it, this machine
        node: Option<String>,
    },
    /// Forget a node that leaves for good: it must be down and hold no VMs
    #[command(after_help = "Examples:\n  pvc node remove hv3\n  pvc node remove hv3 --yes")]
    Remove {
        /// The node
        node: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Show the log of a node's daemons
    #[command(after_help = "Examples:\n  pvc node log hv2 -l 50\n  pvc node log hv2 --follow")]
    Log {
        /// The node; without it, this machine
        node: Option<String>,
        /// How many lines of the past; 1000 without it, 10 with --follow
        #[arg(short, long, value_name = "N")]
        lines: Option<u32>,
        /// Go on printing what is added
        #[arg(short, long)]
        follow: bool,
    },
}

// A node that is to be primary, or not.
#[derive(Debug, Options)]
pub(crate) struct NodePart {
    /// The node; without it, this machine
    pub(crate) node: Option<String>,
    /// Wait until the role has moved
    #[arg(short, long, overrides_with = "no_wait")]
    pub(crate) wait: bool,
    /// Do not wait; this is so without a word
    #[arg(long, overrides_with = "wait")]
    pub(crate) no_wait: bool,
}

// A node that is to be emptied or filled.
#[derive(Debug, Options)]
pub(crate) struct NodeDuty {
    /// The node; without it, this machine
    pub(crate) node: Option<String>,
    /// Wait until it is done
    #[arg(short, long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
    /// Change nothing: tell what would become of each VM, and why what cannot move cannot
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How to print what would become of the VMs
    #[arg(short, long, value_enum, default_value_t, requires = "dry_run")]
    pub(crate) format: PlainFormat,
}

// Which nodes to list, and how.
#[derive(Debug, Default, Options)]
pub(crate) struct NodeList {
    /// Only those whose name matches this regular expression
    pub(crate) limit: Option<String>,
    /// Only those whose daemon is in this state, such as run (also: -ds)
    #[arg(long, value_name = "STATE")]
    pub(crate) daemon_state: Option<String>,
    /// Only those with this part among the coordinators, such as primary (also: -cs)
    #[arg(long, value_name = "STATE")]
    pub(crate) coordinator_state: Option<String>,
    /// Only those that accept VMs or not, such as ready (also: -vs)
    #[arg(long, value_name = "STATE")]
    pub(crate) domain_state: Option<String>,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) format: TableFormat,
}
