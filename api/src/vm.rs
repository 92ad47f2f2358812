//! A VM, and the parts of it that can be asked for alone.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A VM with everything that is known about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Vm {
    /// Its name.
    pub name: String,
    /// Its id.
    pub uuid: String,
    /// `start`, `stop`, `shutdown`, `restart`, `disable`, `fail`, `migrate`, `migrate-live`, `unmigrate`, `provision`,
    /// `import`, `restore` or `mirror`.
    pub state: String,
    /// The node it belongs to.
    pub node: String,
    /// The node it will go back to; empty when it is at home.
    pub last_node: String,
    /// `no`, or `from` and the node it will go back to.
    pub migrated: String,
    /// Why it failed, or why its last move did while it runs; empty when neither has.
    pub failed_reason: String,
    /// The nodes it may run on; `null` when it may run on all.
    pub node_limit: Option<Vec<String>>,
    /// How a node is chosen for it: `mem`, `memprov`, `load`, `vcpus`, `vms` or `none`.
    pub node_selector: Option<String>,
    /// Whether it is started when its node next becomes ready.
    pub node_autostart: bool,
    /// How it is moved: `live`, `shutdown` or `none`.
    pub migration_method: Option<String>,
    /// How long it may stand still while it is moved, in milliseconds.
    pub migration_max_downtime: u64,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its snapshots, newest first.
    pub snapshots: Vec<Snapshot>,
    /// What it is for.
    pub description: String,
    /// The provisioner's profile that it was made with.
    pub profile: String,
    /// Its memory in MB.
    pub memory: u64,
    /// How it uses its memory; zeros while it does not run.
    pub memory_stats: MemoryStats,
    /// How many processors it has.
    pub vcpu: u64,
    /// Sockets, cores and threads, as `1/2/1`.
    pub vcpu_topology: String,
    /// How it uses its processors; zeros while it does not run.
    pub vcpu_stats: VcpuStats,
    /// Its network interfaces.
    pub networks: Vec<Network>,
    /// libvirt's kind of guest, such as `hvm`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Its architecture.
    pub arch: String,
    /// Its machine type.
    pub machine: String,
    /// Its console device, such as `pty`.
    pub console: Option<String>,
    /// Where its screen can be seen.
    pub vnc: Vnc,
    /// The emulator's path.
    pub emulator: Option<String>,
    /// The machine's features, such as `acpi`.
    pub features: Vec<String>,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// Its controllers.
    pub controllers: Vec<Controller>,
    /// Its libvirt document.
    pub xml: String,
}

/// A tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// Who made it: `user`, or a part of PVC.
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it is kept from being removed.
    pub protected: bool,
}

/// A snapshot of a VM: its disks and its libvirt document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// When it was taken, in seconds since 1970, with fractions, as text.
    pub timestamp: String,
    /// How many seconds ago that was.
    pub age: i64,
    /// How the libvirt document has changed since, as a unified diff.
    pub xml_diff_lines: Vec<String>,
    /// The snapshots of its disks, as `pool/volume@snapshot`.
    pub rbd_snapshots: Vec<String>,
}

/// How a guest uses its memory, in KiB where it is a size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MemoryStats {
    /// What the balloon leaves to it.
    pub actual: u64,
    /// What was swapped in.
    pub swap_in: u64,
    /// What was swapped out.
    pub swap_out: u64,
    /// How many page faults needed a disk.
    pub major_fault: u64,
    /// How many page faults needed none.
    pub minor_fault: u64,
    /// What the guest leaves unused.
    pub unused: u64,
    /// What the guest sees.
    pub available: u64,
    /// What the guest could use without swapping.
    pub usable: u64,
    /// When the guest told this, in seconds since 1970.
    pub last_update: u64,
    /// What the guest uses as disk cache.
    pub disk_caches: u64,
    /// How many huge pages the guest got.
    pub hugetlb_pgalloc: u64,
    /// How many huge pages the guest did not get.
    pub hugetlb_pgfail: u64,
    /// What the emulator's process holds.
    pub rss: u64,
}

/// How a guest uses its processors, in nanoseconds since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VcpuStats {
    /// In all.
    pub cpu_time: u64,
    /// In user mode.
    pub user_time: u64,
    /// In the kernel.
    pub system_time: u64,
}

/// A network interface of a VM; counters are zeros while it does not run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Network {
    /// `bridge`, `direct` or `hostdev`.
    #[serde(rename = "type")]
    pub type_: String,
    /// The network's number, or a name such as `cluster`.
    pub vni: String,
    /// Its MAC address.
    pub mac: String,
    /// The bridge or device behind it.
    pub source: String,
    /// The device that the guest sees, such as `virtio`.
    pub model: Option<String>,
    /// Bytes received.
    pub rd_bytes: u64,
    /// Packets received.
    pub rd_packets: u64,
    /// Packets that could not be received.
    pub rd_errors: u64,
    /// Packets that were dropped on the way in.
    pub rd_drops: u64,
    /// Bytes sent.
    pub wr_bytes: u64,
    /// Packets sent.
    pub wr_packets: u64,
    /// Packets that could not be sent.
    pub wr_errors: u64,
    /// Packets that were dropped on the way out.
    pub wr_drops: u64,
}

/// Where a VM's screen can be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Vnc {
    /// The address, or `None`.
    pub listen: String,
    /// The port, or `None`.
    pub port: String,
}

/// A disk of a VM; counters are zeros while it does not run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Disk {
    /// `rbd` or `file`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `pool/volume`, or the file's path.
    pub name: String,
    /// The device that the guest sees, such as `sda`.
    pub dev: String,
    /// The bus it is on, such as `scsi`.
    pub bus: String,
    /// How many times it was read.
    pub rd_req: u64,
    /// Bytes read.
    pub rd_bytes: u64,
    /// How many times it was written.
    pub wr_req: u64,
    /// Bytes written.
    pub wr_bytes: u64,
}

/// A controller of a VM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Controller {
    /// Such as `usb`, `pci` or `scsi`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Such as `virtio-scsi`; `null` when the document names none.
    pub model: Option<String>,
}

/// How a VM is placed and moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VmMetadata {
    /// The VM.
    pub name: String,
    /// The nodes it may run on; `null` when it may run on all.
    pub node_limit: Option<Vec<String>>,
    /// How a node is chosen for it.
    pub node_selector: Option<String>,
    /// Whether it is started when its node next becomes ready, as the text `True` or `False`.
    pub node_autostart: String,
    /// How it is moved.
    pub migration_method: Option<String>,
    /// How long it may stand still while it is moved, in milliseconds.
    pub migration_max_downtime: u64,
}

/// A VM's tags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VmTags {
    /// The VM.
    pub name: String,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A VM's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VmState {
    /// The VM.
    pub name: String,
    /// The state.
    pub state: String,
}

/// Where a VM is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VmNode {
    /// The VM.
    pub name: String,
    /// The node it belongs to.
    pub node: String,
    /// The node it will go back to; empty when it is at home.
    pub last_node: String,
}

/// Why a VM is where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VmWhy {
    /// The VM.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Why it failed; empty when it has not.
    pub failed_reason: String,
    /// The node it belongs to.
    pub node: String,
    /// The node it will go back to; empty when it is at home.
    pub last_node: String,
    /// The node that it is on its way to; empty when it is on none.
    pub target: String,
    /// The node that a move would bring it to now, when none is named; empty when no other can take it.
    pub next: String,
    /// How a node is chosen for it.
    pub node_selector: Option<String>,
    /// The nodes it may run on; `null` when it may run on all.
    pub node_limit: Option<Vec<String>>,
    /// The reasons, a sentence each.
    pub reasons: Vec<String>,
    /// What each node is to it, by name.
    pub nodes: Vec<WhyNode>,
}

/// What one node is to a VM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct WhyNode {
    /// The node.
    pub name: String,
    /// `owner`, `target`, `next`, `open` or `barred`.
    pub part: String,
    /// Its score by the VM's selector, greater is better; `null` when it is barred.
    pub score: Option<i64>,
    /// What bars it: `blocked`, `outside-limit`, `not-running`, `draining`, `memory`, `vcpus`, `hypervisor`, `network` or
    /// `storage`; empty when nothing does.
    pub barred: String,
    /// The same in words, and what follows from it.
    pub words: String,
}

/// The last lines of a VM's console.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VmLog {
    /// The VM.
    pub name: String,
    /// The lines, without a line break after the last.
    pub data: String,
}
