//! A node is one machine of the cluster; this holds its records and the states an operator reads.
//!
//! | daemon state | meaning |
//! |---|---|
//! | `init` | the daemon has started and registered, but observed nothing yet |
//! | `run` | the daemon observes and acts |
//! | `shutdown` | the daemon is stopping on purpose |
//! | `stop` | the daemon has stopped on purpose |
//! | `dead` | the daemon should run, but its session with the store is gone (derived, never written) |
//! | `fenced` | the node was cut off, with proof, and somebody recorded so; what ran there may run elsewhere |

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::cluster::NodeEntry;
use crate::id::{NodeName, VmId};
use crate::time::{BootTime, WallTime};
use traffic::Interface;

pub mod accept;
pub mod decide;
pub mod drain;
pub mod place;
pub mod stop;
pub mod traffic;

/// A machine's boot: a new one each time it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub Uuid);

/// A node's part in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It may be primary. What was registered before there were roles is one.
    #[default]
    Coordinator,
    /// It runs VMs and is never primary.
    Hypervisor,
}

/// A node's registration, written when its daemon starts and whenever it differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The boot it registered in.
    pub boot: BootId,
    /// Its part in the cluster.
    #[serde(default)]
    pub role: Role,
    /// PVC's version there.
    pub version: String,
    /// Logical CPUs.
    pub cpu_count: u32,
    /// The processors' name, as the kernel tells it; empty where it does not.
    #[serde(default)]
    pub cpu_model: String,
    /// Memory in MiB.
    pub memory_total_mib: u64,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -o`.
    pub os: String,
    /// `uname -m`.
    pub arch: String,
    /// The addresses that it speaks to the storage from, of this boot: what must be blocked there to fence it. None of them
    /// is floating.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub storage_addresses: BTreeSet<IpAddr>,
}

/// The daemon's own word about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DaemonState {
    /// Registered, nothing observed yet.
    #[default]
    Init,
    /// Observes and acts.
    Run,
    /// Stopping on purpose.
    Shutdown,
    /// Stopped on purpose.
    Stop,
    /// Its session is gone though it should run. Derived.
    Dead,
    /// It was cut off from what it could write to, and somebody recorded so.
    Fenced,
}

impl DaemonState {
    /// The state as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Run => "run",
            Self::Shutdown => "shutdown",
            Self::Stop => "stop",
            Self::Dead => "dead",
            Self::Fenced => "fenced",
        }
    }
}

/// Facts that are sent although they are old: what they came from has not answered for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stale {
    /// Which guests run: the hypervisor has not answered.
    Guests,
    /// Load, memory and traffic: the machine was not read.
    Machine,
}

impl Stale {
    /// The facts as the API names them.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guests => "guests",
            Self::Machine => "machine",
        }
    }
}

/// A guest that runs here although PVC did not start it. Reported and left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// Its UUID.
    pub vm: VmId,
    /// Its name at the hypervisor.
    pub name: String,
}

/// A node's facts, renewed with each keepalive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The daemon's state.
    pub daemon: DaemonState,
    /// Counts keepalives since the daemon started.
    pub sequence: u64,
    /// When, by the node's wall clock. Shown only.
    pub at: WallTime,
    /// When, by the node's boot clock. Only that node compares it.
    pub at_boot: BootTime,
    /// The boot that clock belongs to.
    pub boot: BootId,
    /// Load average over one minute.
    pub load: f64,
    /// How much of the processors' time was work, in percent, over the last keepalive.
    #[serde(default)]
    pub cpu_percent: f64,
    /// Memory in use, in MiB.
    pub memory_used_mib: u64,
    /// Memory the kernel could still give, in MiB.
    pub memory_free_mib: u64,
    /// Guests of ours that run here.
    pub running: Vec<VmId>,
    /// Guests that are not ours.
    pub foreign: Vec<Foreign>,
    /// Why the hypervisor does not answer; `None` when it does.
    pub hypervisor_fault: Option<String>,
    /// How busy the network interfaces were over the last keepalive, by name.
    #[serde(default)]
    pub interfaces: BTreeMap<String, Interface>,
    /// Which of these facts are old.
    #[serde(default)]
    pub stale: Vec<Stale>,
    /// What is wrong with the machine's networks.
    #[serde(default)]
    pub network_faults: Vec<String>,
    /// The links of its that VMs may be attached to and that carry nothing now; `vmbr` stands for the bridges of all guests'
    /// networks.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub dead_links: BTreeSet<String>,
    /// What it says of itself at the storage.
    #[serde(default)]
    pub storage: crate::fence::Word,
}

/// A daemon's mark, gone with its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The boot it runs in.
    pub boot: BootId,
    /// The daemon said it would be back within `PLANNED_RESTART`; kept as the wall-clock moment it said so.
    pub restart_planned: Option<WallTime>,
}

/// The state to show for a node: its own word, unless it should run and its session is gone.
pub fn shown_daemon_state(entry: &NodeEntry) -> DaemonState {
    let Some(status) = &entry.status else {
        return DaemonState::Init;
    };
    match (status.value.daemon, &entry.presence) {
        (DaemonState::Run | DaemonState::Init, None) => DaemonState::Dead,
        (said, _) => said,
    }
}

/// What a node commits to its VMs, from the records: names of nodes are compared, nothing is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commitment {
    /// Memory of the VMs that run here, in MiB.
    pub memory_allocated_mib: u64,
    /// Memory of all VMs whose node this is, in MiB.
    pub memory_provisioned_mib: u64,
    /// vCPUs of the VMs that run here.
    pub vcpus_allocated: u32,
}

/// Sums what every node's VMs take, in one walk over the cluster.
pub fn commitments(cluster: &crate::cluster::Cluster) -> BTreeMap<NodeName, Commitment> {
    let mut sums = BTreeMap::<NodeName, Commitment>::new();
    for entry in cluster.vms.values() {
        let vm = &entry.vm.value;
        let sum = sums.entry(vm.node.clone()).or_default();
        sum.memory_provisioned_mib += vm.memory_mib;
        if entry.fact.as_ref().is_some_and(|fact| fact.value.runs()) {
            sum.memory_allocated_mib += vm.memory_mib;
            sum.vcpus_allocated += vm.vcpus;
        }
    }
    sums
}
