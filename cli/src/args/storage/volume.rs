//! The arguments of `pvc storage volume` and of its snapshots.

use std::path::PathBuf;

use clap::{Args as Options, Subcommand};

use crate::args::{Below, TableFormat};

// What can be asked of volumes.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum VolumeCommand {
    /// Make an empty volume
    #[command(after_help = "Examples:\n  pvc storage volume add vms web1_data 20G\n  \
        pvc storage volume add vms web1_data 1.5T --force")]
    Add {
        #[command(flatten)]
        place: VolumePlace,
        /// Its size, such as 20G, 512M or 1.5T; a number alone is bytes
        size: String,
        /// Even if the pool is then more than 80 % full
        #[arg(short, long)]
        force: bool,
    },
    /// Fill a volume from an image file of this machine
    #[command(after_help = "Examples:\n  pvc storage volume upload vms web1_data disk.raw\n  \
        pvc storage volume upload vms web1_data debian.qcow2 --format qcow2")]
    Upload {
        #[command(flatten)]
        place: VolumePlace,
        /// The file
        image_file: PathBuf,
        /// What it is: raw, qcow2, vmdk, qed, vdi or vpc
        #[arg(short, long, default_value = "raw")]
        format: String,
    },
    /// Remove a volume with its snapshots
    #[command(after_help = "Example:\n  pvc storage volume remove vms web1_data --yes")]
    Remove {
        #[command(flatten)]
        place: VolumePlace,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Make a volume larger; a running VM sees it
    #[command(after_help = "Example:\n  pvc storage volume resize vms web1_data 40G --yes")]
    Resize {
        #[command(flatten)]
        place: VolumePlace,
        /// Its new size, such as 40G
        size: String,
        /// Even if the pool is then more than 80 % full
        #[arg(short, long)]
        force: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Give a volume another name
    #[command(after_help = "Example:\n  pvc storage volume rename vms web1_data web1_logs --yes")]
    Rename {
        #[command(flatten)]
        place: VolumePlace,
        /// Its new name
        new_name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Make a new volume with the content of another
    #[command(after_help = "Examples:\n  pvc storage volume clone vms golden_sda web2_sda\n  \
        pvc storage volume clone vms golden_sda web2_sda --snapshot v1")]
    Clone {
        #[command(flatten)]
        place: VolumePlace,
        /// The new volume's name
        new_name: String,
        /// Take the content of this snapshot, and keep only what differs from it; without it all is copied
        #[arg(short, long, value_name = "NAME")]
        snapshot: Option<String>,
        /// Even if the pool is then more than 80 % full
        #[arg(short, long)]
        force: bool,
    },
    /// List the volumes
    #[command(after_help = "Examples:\n  pvc storage volume list\n  \
        pvc storage volume list ^web1_ --pool vms -f json")]
    List(VolumeList),
    /// What volumes were at some time
    Snapshot(Below<SnapshotCommand>),
}

// Where a volume lies.
#[derive(Clone, Debug, Options)]
pub(crate) struct VolumePlace {
    /// The pool
    pub(crate) pool: String,
    /// The volume
    pub(crate) name: String,
}

// Which volumes to list, and how.
#[derive(Debug, Options)]
pub(crate) struct VolumeList {
    /// Only those whose name this regular expression is found in
    pub(crate) limit: Option<String>,
    /// Only those in this pool
    #[arg(short, long)]
    pub(crate) pool: Option<String>,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) format: TableFormat,
}

// What can be asked of snapshots.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum SnapshotCommand {
    /// Take a snapshot of a volume
    #[command(after_help = "Example:\n  pvc storage volume snapshot add vms web1_data before-upgrade")]
    Add {
        /// The pool
        pool: String,
        /// The volume
        volume: String,
        /// The snapshot's name
        name: String,
    },
    /// Give a snapshot another name
    #[command(after_help = "Example:\n  pvc storage volume snapshot rename vms web1_data old older")]
    Rename {
        /// The pool
        pool: String,
        /// The volume
        volume: String,
        /// The snapshot
        name: String,
        /// Its new name
        new_name: String,
    },
    /// Remove a snapshot
    #[command(after_help = "Example:\n  pvc storage volume snapshot remove vms web1_data old --yes")]
    Remove {
        /// The pool
        pool: String,
        /// The volume
        volume: String,
        /// The snapshot
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Bring a volume back to a snapshot; what was written since is lost
    #[command(after_help = "Example:\n  pvc storage volume snapshot rollback vms web1_data old --yes")]
    Rollback {
        /// The pool
        pool: String,
        /// The volume
        volume: String,
        /// The snapshot
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// List the snapshots
    #[command(after_help = "Examples:\n  pvc storage volume snapshot list\n  \
        pvc storage volume snapshot list before --pool vms --volume web1_data")]
    List(SnapshotList),
}

// Which snapshots to list, and how.
#[derive(Debug, Options)]
pub(crate) struct SnapshotList {
    /// Only those whose name this regular expression is found in
    pub(crate) limit: Option<String>,
    /// Only those in this pool
    #[arg(short, long)]
    pub(crate) pool: Option<String>,
    /// Only those of this volume
    #[arg(short = 'o', long)]
    pub(crate) volume: Option<String>,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) format: TableFormat,
}
