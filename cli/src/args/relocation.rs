//! The arguments of `pvc vm move`, `migrate` and `unmigrate`.

use clap::Args as Options;

// A VM that settles on another node.
#[derive(Debug, Options)]
pub(crate) struct Move {
    /// The VM, by name or UUID
    pub(crate) domain: String,
    /// The node; chosen by the VM's selector without it
    #[arg(short, long, value_name = "NODE")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

// A VM that goes to another node for a while.
#[derive(Debug, Options)]
pub(crate) struct Migrate {
    /// The VM, by name or UUID
    pub(crate) domain: String,
    /// The node; chosen by the VM's selector without it
    #[arg(short, long, value_name = "NODE")]
    pub(crate) target: Option<String>,
    /// Even if it was migrated already; its home stays what it was
    #[arg(short, long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

// A VM that goes home.
#[derive(Debug, Options)]
pub(crate) struct Unmigrate {
    /// The VM, by name or UUID
    pub(crate) domain: String,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

// How a VM gets there.
#[derive(Clone, Copy, Debug, Options)]
pub(crate) struct Manner {
    /// Wait until it is there
    #[arg(short, long)]
    pub(crate) wait: bool,
    /// Only while it runs: when that fails it stays, and is not shut down to be moved
    #[arg(long)]
    pub(crate) force_live: bool,
}
