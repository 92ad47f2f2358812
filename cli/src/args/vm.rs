//! The arguments of `pvc vm`.

use std::fmt;
use std::path::PathBuf;

use clap::{ArgGroup, Args as Options, Subcommand, ValueEnum};

use super::disk::DiskCommand;
use super::relocation::{Migrate, Move, Unmigrate};
use super::{Below, DetailFormat, PlainFormat, TableFormat};

// What can be asked of VMs.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum VmCommand {
    /// List the VMs
    #[command(after_help = "Examples:\n  pvc vm list\n  pvc vm list --state start --negate\n  \
        pvc vm list '^web' -f json")]
    List(VmList),
    /// Show one VM
    #[command(after_help = "Examples:\n  pvc vm info web1\n  pvc vm info web1 -f long")]
    Info {
        /// The VM, by name or UUID
        domain: String,
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        format: DetailFormat,
    },
    /// Define a VM from a libvirt document
    #[command(after_help = "Examples:\n  pvc vm define web1.xml\n  \
        pvc vm define web1.xml --target hv1 --autostart --tag web\n  virsh dumpxml web1 | pvc vm define -")]
    Define(VmDefine),
    /// Change how a VM is placed and moved
    #[command(after_help = "Examples:\n  pvc vm meta web1 --autostart --limit hv1,hv2\n  \
        pvc vm meta web1 --limit ''")]
    Meta(VmMeta),
    /// Change the libvirt document of a VM
    #[command(after_help = "Examples:\n  pvc vm modify web1 --editor\n  \
        pvc vm modify web1 web1.xml --restart --yes")]
    Modify(VmModify),
    /// Give a VM another name
    #[command(after_help = "Example:\n  pvc vm rename web1 web2")]
    Rename {
        /// The VM, by name or UUID
        domain: String,
        /// Its new name
        new_name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Stop a VM and forget it, but keep its disks
    #[command(after_help = "Example:\n  pvc vm undefine web1")]
    Undefine(Target),
    /// Stop a VM, forget it, and delete its disks
    #[command(after_help = "Example:\n  pvc vm remove web1")]
    Remove(Target),
    /// Start a VM
    #[command(after_help = "Examples:\n  pvc vm start web1\n  pvc vm start web1 --force")]
    Start {
        /// The VM, by name or UUID
        domain: String,
        /// Even if it is disabled
        #[arg(long)]
        force: bool,
    },
    /// Shut a VM down and start it again
    #[command(after_help = "Example:\n  pvc vm restart web1 --wait --yes")]
    Restart(GentleTarget),
    /// Ask a VM to shut down
    #[command(after_help = "Example:\n  pvc vm shutdown web1 --wait")]
    Shutdown(GentleTarget),
    /// Stop a VM at once, as if its power were cut
    #[command(after_help = "Example:\n  pvc vm stop web1 --yes")]
    Stop(ForcedTarget),
    /// Shut a VM down, and keep it from being started
    #[command(after_help = "Examples:\n  pvc vm disable web1\n  pvc vm disable web1 --force --yes")]
    Disable(ForcedTarget),
    /// Settle a VM on another node
    ///
    /// One that runs moves by its method; one that does not run belongs to the other node at once. One that was migrated,
    /// and is moved to the node that it is on, settles there: its home is forgotten.
    #[command(after_help = "Examples:\n  pvc vm move web1\n  pvc vm move web1 --target hv2 --wait")]
    Move(Move),
    /// Bring a VM to another node for a while
    ///
    /// It moves as with move, but its home stays where it was: unmigrate brings it back.
    #[command(after_help = "Examples:\n  pvc vm migrate web1 --wait\n  pvc vm migrate web1 --target hv2\n  \
        pvc vm migrate web1 --target hv3 --force")]
    Migrate(Migrate),
    /// Bring a VM that was migrated back to its home
    #[command(after_help = "Example:\n  pvc vm unmigrate web1 --wait")]
    Unmigrate(Unmigrate),
    /// Tell why a VM is where it is, and why each other node was not taken
    #[command(after_help = "Examples:\n  pvc vm why web1\n  pvc vm why web1 -f json")]
    Why {
        /// The VM, by name or UUID
        domain: String,
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        format: PlainFormat,
    },
    /// Release the locks that are left on the volumes of a VM that is down
    ///
    /// Only when whoever holds them is known to write no more: a start on the same node releases its own by itself.
    #[command(after_help = "Example:\n  pvc vm flush-locks web1")]
    FlushLocks {
        /// The VM, by name or UUID
        domain: String,
        /// Wait until it is done; this is so without a word
        #[arg(long, overrides_with = "no_wait")]
        wait: bool,
        /// Do not wait: print the task that does it
        #[arg(long, overrides_with = "wait")]
        no_wait: bool,
    },
    /// Tags of a VM
    Tag(Below<TagCommand>),
    /// Volumes of a VM
    Volume(Below<DiskCommand>),
    /// Show what a VM has written to its console
    #[command(after_help = "Examples:\n  pvc vm log web1 -l 50\n  pvc vm log web1 --follow")]
    Log {
        /// The VM, by name or UUID
        domain: String,
        /// How many lines of the past; 1000 without it, 10 with --follow
        #[arg(short, long, value_name = "N")]
        lines: Option<u32>,
        /// Go on printing what is added
        #[arg(short, long)]
        follow: bool,
    },
    /// Print the libvirt document of a VM
    #[command(after_help = "Examples:\n  pvc vm dump web1\n  pvc vm dump web1 -f web1.xml")]
    Dump {
        /// The VM, by name or UUID
        domain: String,
        /// Write it to this file
        #[arg(short, long)]
        file: Option<PathBuf>,
    },
}

// A VM, and consent.
#[derive(Debug, Options)]
pub(crate) struct Target {
    /// The VM, by name or UUID
    pub(crate) domain: String,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

// A VM that may take its time.
#[derive(Debug, Options)]
pub(crate) struct GentleTarget {
    /// The VM, by name or UUID
    pub(crate) domain: String,
    /// Wait until it is done
    #[arg(short, long)]
    pub(crate) wait: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

// A VM that may be forced.
#[derive(Debug, Options)]
pub(crate) struct ForcedTarget {
    /// The VM, by name or UUID
    pub(crate) domain: String,
    /// Whatever its state is, and at once
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

// Which VMs to list, and how.
#[derive(Debug, Default, Options)]
pub(crate) struct VmList {
    /// Only those whose name or UUID matches this regular expression
    pub(crate) limit: Option<String>,
    /// Only those that belong to this node
    #[arg(short, long, value_name = "NODE")]
    pub(crate) target: Option<String>,
    /// Only those in this state
    #[arg(short, long)]
    pub(crate) state: Option<String>,
    /// Only those with this tag
    #[arg(short = 'g', long)]
    pub(crate) tag: Option<String>,
    /// Turn node, state and tag round: only those that do not match
    #[arg(short, long)]
    pub(crate) negate: bool,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) format: TableFormat,
}

// A VM as it is defined.
#[derive(Debug, Options)]
pub(crate) struct VmDefine {
    /// The file with the libvirt document; "-" is the input
    #[arg(value_name = "VMCONFIG")]
    pub(crate) document: PathBuf,
    /// The node it belongs to; chosen without it
    #[arg(short, long, value_name = "NODE")]
    pub(crate) target: Option<String>,
    /// The nodes it may run on, separated by commas
    #[arg(short, long, value_name = "NODES")]
    pub(crate) limit: Option<String>,
    /// How a node is chosen for it
    #[arg(short = 's', long, value_enum, default_value_t)]
    pub(crate) node_selector: Selector,
    #[command(flatten)]
    pub(crate) autostart: Autostart,
    /// How it is moved to another node
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) method: MigrationMethod,
    /// How long it may stand still while it is moved, in milliseconds
    #[arg(short = 'd', long, value_name = "MS", default_value_t = 300)]
    pub(crate) max_downtime: u32,
    /// A tag; may be repeated
    #[arg(short = 'g', long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// A tag that cannot be removed; may be repeated
    #[arg(short = 'G', long, value_name = "TAG")]
    pub(crate) protected_tag: Vec<String>,
}

// Whether a VM starts with its node.
#[derive(Clone, Copy, Debug, Default, Options)]
pub(crate) struct Autostart {
    /// Start it when its node next becomes ready
    #[arg(short, long, overrides_with = "no_autostart")]
    pub(crate) autostart: bool,
    /// Leave it as it is when its node becomes ready
    #[arg(short = 'A', long, overrides_with = "autostart")]
    pub(crate) no_autostart: bool,
}

impl Autostart {
    /// As the API reads it; `None` where nothing was said.
    pub(crate) fn parameter(self) -> Option<&'static str> {
        match (self.autostart, self.no_autostart) {
            (true, _) => Some("true"),
            (_, true) => Some("false"),
            _ => None,
        }
    }
}

// What to change of how a VM is placed and moved. What is not named stays as it is.
#[derive(Debug, Options)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["limit", "node_selector", "autostart", "no_autostart", "method", "max_downtime", "profile"]))]
pub(crate) struct VmMeta {
    /// The VM, by name or UUID
    pub(crate) domain: String,
    /// The nodes it may run on, separated by commas; '' for all
    #[arg(short, long, value_name = "NODES")]
    pub(crate) limit: Option<String>,
    /// How a node is chosen for it
    #[arg(short = 's', long, value_enum)]
    pub(crate) node_selector: Option<Selector>,
    #[command(flatten)]
    pub(crate) autostart: Autostart,
    /// How it is moved to another node
    #[arg(short, long, value_enum)]
    pub(crate) method: Option<MigrationMethod>,
    /// How long it may stand still while it is moved, in milliseconds
    #[arg(short = 'd', long, value_name = "MS")]
    pub(crate) max_downtime: Option<u32>,
    /// The profile that it was made with
    #[arg(short, long)]
    pub(crate) profile: Option<String>,
}

// How to change the libvirt document of a VM.
#[derive(Debug, Options)]
#[command(group = ArgGroup::new("source").required(true).args(["document", "editor"]))]
pub(crate) struct VmModify {
    /// The VM, by name or UUID
    pub(crate) domain: String,
    /// The file with the new document; "-" is the input
    #[arg(value_name = "CFGFILE")]
    pub(crate) document: Option<PathBuf>,
    /// Change the present document in the editor that the variable EDITOR names
    #[arg(short, long)]
    pub(crate) editor: bool,
    /// Restart the VM afterwards, so that the change takes effect
    #[arg(short, long)]
    pub(crate) restart: bool,
    /// Do not ask whether the difference is right
    #[arg(short = 'd', long)]
    pub(crate) confirm_diff: bool,
    /// Do not ask before the restart
    #[arg(short, long)]
    pub(crate) confirm_restart: bool,
    /// Do not ask at all
    #[arg(short, long)]
    pub(crate) yes: bool,
}

// What can be done with the tags of a VM.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum TagCommand {
    /// List the tags of a VM
    #[command(after_help = "Example:\n  pvc vm tag get web1 -f raw")]
    Get {
        /// The VM, by name or UUID
        domain: String,
        /// How to print them
        #[arg(short, long, value_enum, default_value_t)]
        format: TableFormat,
    },
    /// Add a tag to a VM
    #[command(after_help = "Example:\n  pvc vm tag add web1 production")]
    Add {
        /// The VM, by name or UUID
        domain: String,
        /// The tag
        tag: String,
        /// Keep it from being removed
        #[arg(short, long)]
        protected: bool,
    },
    /// Remove a tag from a VM
    #[command(after_help = "Example:\n  pvc vm tag remove web1 production")]
    Remove {
        /// The VM, by name or UUID
        domain: String,
        /// The tag
        tag: String,
    },
}

/// How a node is chosen for a VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Selector {
    /// The most free memory
    Mem,
    /// The most memory that no VM could claim
    Memprov,
    /// The lowest load
    Load,
    /// The fewest virtual processors
    Vcpus,
    /// The fewest VMs
    Vms,
    /// As the cluster chooses
    #[default]
    None,
}

/// How a VM is moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum MigrationMethod {
    /// As the cluster does it
    #[default]
    None,
    /// Only while it runs
    Live,
    /// Only by a shutdown
    Shutdown,
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mem => "mem",
            Self::Memprov => "memprov",
            Self::Load => "load",
            Self::Vcpus => "vcpus",
            Self::Vms => "vms",
            Self::None => "none",
        })
    }
}

impl fmt::Display for MigrationMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Live => "live",
            Self::Shutdown => "shutdown",
        })
    }
}
