//! The arguments of `pvc vm volume`.

use clap::{Args as Options, Subcommand, ValueEnum};

use super::TableFormat;

// What can be done with the volumes of a VM.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum DiskCommand {
    /// List the volumes of a VM
    #[command(after_help = "Example:\n  pvc vm volume get web1")]
    Get {
        /// The VM, by name or UUID
        domain: String,
        /// How to print them
        #[arg(short, long, value_enum, default_value_t)]
        format: TableFormat,
    },
    /// Add a volume to a VM
    ///
    /// It becomes a disk in the VM's document. While the VM runs it is attached at once, unless told otherwise.
    #[command(after_help = "Examples:\n  pvc vm volume add web1 vms/web1_data\n  \
        pvc vm volume add web1 vms/web1_data --disk-id sdc --bus scsi --no-live\n  \
        pvc vm volume add web1 /srv/iso/debian.iso --type file --bus ide")]
    Add(AddDisk),
    /// Remove a volume from a VM
    ///
    /// The volume itself is kept. While the VM runs it is detached at once, unless told otherwise.
    #[command(after_help = "Examples:\n  pvc vm volume remove web1 vms/web1_data\n  \
        pvc vm volume remove web1 sdc --no-live")]
    Remove(RemoveDisk),
}

// A volume that a VM gets.
#[derive(Debug, Options)]
pub(crate) struct AddDisk {
    /// The VM, by name or UUID
    pub(crate) domain: String,
    /// The volume, as POOL/VOLUME; of the type file, the path on the VM's node
    pub(crate) volume: String,
    /// The disk's name in the VM, such as sdb; the next one that is free without it
    #[arg(short, long, value_name = "ID")]
    pub(crate) disk_id: Option<String>,
    /// The bus that the disk is on
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) bus: Bus,
    /// Where the volume lies
    #[arg(short = 't', long = "type", value_enum, default_value_t)]
    pub(crate) kind: DiskKind,
    #[command(flatten)]
    pub(crate) effect: Effect,
}

// A volume that a VM loses.
#[derive(Debug, Options)]
pub(crate) struct RemoveDisk {
    /// The VM, by name or UUID
    pub(crate) domain: String,
    /// The volume, as POOL/VOLUME, or the file, or the disk's name in the VM
    pub(crate) volume: String,
    #[command(flatten)]
    pub(crate) effect: Effect,
}

// When a change of a VM that runs takes effect.
#[derive(Clone, Copy, Debug, Options)]
pub(crate) struct Effect {
    /// At once, in the running VM; this is the default
    #[arg(short, long, overrides_with = "no_live")]
    pub(crate) live: bool,
    /// At the next start
    #[arg(short = 'L', long, overrides_with = "live")]
    pub(crate) no_live: bool,
    /// By a restart, now
    #[arg(short, long, overrides_with = "no_restart")]
    pub(crate) restart: bool,
    /// Do not restart it, and do not ask
    #[arg(short = 'R', long, overrides_with = "restart")]
    pub(crate) no_restart: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// The bus that a disk is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bus {
    /// SCSI
    #[default]
    Scsi,
    /// IDE; not while the VM runs
    Ide,
    /// USB
    Usb,
    /// Virtio
    Virtio,
}

impl Bus {
    /// As libvirt names it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Scsi => "scsi",
            Self::Ide => "ide",
            Self::Usb => "usb",
            Self::Virtio => "virtio",
        }
    }

    /// How the names of disks on it begin.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Scsi | Self::Usb => "sd",
            Self::Ide => "hd",
            Self::Virtio => "vd",
        }
    }
}

/// Where a volume lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiskKind {
    /// In the cluster's storage
    #[default]
    Rbd,
    /// In a file of the VM's node
    File,
}
