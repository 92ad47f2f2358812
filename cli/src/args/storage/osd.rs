//! The arguments of `pvc storage osd`.

use clap::{Args as Options, Subcommand};

use super::{DbDevice, TaskManner};
use crate::args::TableFormat;

// What can be asked of OSDs.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum OsdCommand {
    /// List the OSDs
    #[command(after_help = "Examples:\n  pvc storage osd list\n  pvc storage osd list -f json")]
    List {
        /// Only those whose number matches this regular expression
        limit: Option<String>,
        /// How to print them
        #[arg(short, long, value_enum, default_value_t)]
        format: TableFormat,
    },
    /// Prepare a device of a node for the databases of its OSDs
    #[command(after_help = "Example:\n  pvc storage osd create-db-vg hv1 /dev/nvme0n1 --yes")]
    CreateDbVg(DbDevice),
    /// Make a device of a node an OSD, or several; what is on it is lost
    #[command(after_help = "Examples:\n  pvc storage osd add hv1 /dev/sdb --yes\n  \
        pvc storage osd add hv1 /dev/nvme1n1 --osd-count 2 --no-wait --yes\n  \
        pvc storage osd add hv1 detect:INTEL:800GB:0 --ext-db-ratio 0.05 --yes")]
    Add(OsdAdd),
    /// Put another device in the place of an OSD's, which keeps its number
    #[command(after_help = "Example:\n  pvc storage osd replace 3 /dev/sdd --yes")]
    Replace(OsdReplace),
    /// Take in an OSD that is on a device already, after its node was installed anew
    #[command(after_help = "Example:\n  pvc storage osd refresh 3 /dev/sdd --yes")]
    Refresh {
        /// The OSD's number
        osdid: String,
        /// Its device: a path, or detect:NAME:SIZE:NUMBER
        device: String,
        #[command(flatten)]
        manner: TaskManner,
    },
    /// Remove an OSD; what is on its device is lost
    #[command(after_help = "Examples:\n  pvc storage osd remove 3\n  \
        pvc storage osd remove 3 --force --no-wait --yes")]
    Remove {
        /// The OSD's number
        osdid: String,
        /// Even where a step fails, or its device is gone
        #[arg(short, long)]
        force: bool,
        #[command(flatten)]
        manner: TaskManner,
    },
    /// Let data be placed on an OSD
    #[command(after_help = "Example:\n  pvc storage osd in 3")]
    In {
        /// The OSD's number
        osdid: String,
    },
    /// Let no data be placed on an OSD; what is there goes elsewhere
    #[command(after_help = "Example:\n  pvc storage osd out 3")]
    Out {
        /// The OSD's number
        osdid: String,
    },
    /// Set a property of all OSDs, such as noout
    #[command(after_help = "Example:\n  pvc storage osd set noout")]
    Set {
        /// The property: noup, nodown, noout, noin, nobackfill, norebalance, norecover, noscrub, nodeep-scrub,
        /// notieragent, nosnaptrim, pause
        osd_property: String,
    },
    /// Take back a property of all OSDs
    #[command(after_help = "Example:\n  pvc storage osd unset noout")]
    Unset {
        /// The property, as for: pvc storage osd set
        osd_property: String,
    },
}

// A device that is to become an OSD.
#[derive(Debug, Options)]
pub(crate) struct OsdAdd {
    /// The node
    pub(crate) node: String,
    /// Its device: a path, or detect:NAME:SIZE:NUMBER
    pub(crate) device: String,
    /// Its weight in the placement rules, beside the others
    #[arg(short, long, default_value = "1.0")]
    pub(crate) weight: String,
    /// How large its database on the node's database device is, as a part of it such as 0.05
    #[arg(short = 'r', long, value_name = "RATIO", conflicts_with = "ext_db_size")]
    pub(crate) ext_db_ratio: Option<String>,
    /// How large its database on the node's database device is, such as 60G
    #[arg(short = 's', long, value_name = "SIZE")]
    pub(crate) ext_db_size: Option<String>,
    /// How many OSDs share the device
    #[arg(short = 'c', long, value_name = "N")]
    pub(crate) osd_count: Option<u32>,
    #[command(flatten)]
    pub(crate) manner: TaskManner,
}

// A device that takes the place of another.
#[derive(Debug, Options)]
pub(crate) struct OsdReplace {
    /// The OSD's number
    pub(crate) osdid: String,
    /// The new device: a path, or detect:NAME:SIZE:NUMBER
    pub(crate) new_device: String,
    /// The old device, to be sure: refused when the OSD is on another one
    #[arg(short, long, value_name = "DEVICE")]
    pub(crate) old_device: Option<String>,
    /// Its weight in the placement rules; as before without it
    #[arg(short, long)]
    pub(crate) weight: Option<String>,
    /// How large its database on the node's database device is, as a part of it; without it, it lies with the data
    #[arg(short = 'r', long, value_name = "RATIO", conflicts_with = "ext_db_size")]
    pub(crate) ext_db_ratio: Option<String>,
    /// How large its database on the node's database device is, such as 60G; without it, it lies with the data
    #[arg(short = 's', long, value_name = "SIZE")]
    pub(crate) ext_db_size: Option<String>,
    #[command(flatten)]
    pub(crate) manner: TaskManner,
}
