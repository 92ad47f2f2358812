//! The cluster's status, and its faults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The whole cluster on one page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ClusterStatus {
    /// Its name.
    pub cluster_name: String,
    /// Its health, with a line for everything that lowers it.
    pub cluster_health: ClusterHealth,
    /// Each node's health, by the node's name.
    pub node_health: BTreeMap<String, NodeHealth>,
    /// Whether maintenance mode is on, as the text `true` or `false`.
    pub maintenance: String,
    /// The primary coordinator's name, or `none`.
    pub primary_node: String,
    /// The version that the primary runs.
    pub pvc_version: String,
    /// The floating address of the upstream network, with its prefix length.
    pub upstream_ip: String,
    /// How many nodes there are, in all and by `daemon state,domain state`.
    pub nodes: StateCounts,
    /// How many VMs there are, in all and by state.
    pub vms: StateCounts,
    /// How many networks there are.
    pub networks: u64,
    /// How many OSDs there are, in all and by `up,in`.
    pub osds: StateCounts,
    /// How many pools there are.
    pub pools: u64,
    /// How many volumes there are.
    pub volumes: u64,
    /// How many snapshots of volumes there are.
    pub snapshots: u64,
    /// What all nodes have together, and how much of it is in use.
    pub resources: Resources,
    /// The nodes, VMs, OSDs and faults one by one, in short.
    pub detail: ClusterDetail,
}

/// A health with its causes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ClusterHealth {
    /// Percent; -1 while maintenance mode is on.
    pub health: i32,
    /// One for everything that lowers it.
    pub messages: Vec<HealthMessage>,
}

/// One thing that lowers the cluster's health.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HealthMessage {
    /// The fault's id.
    pub id: String,
    /// By how many percent it lowers the health.
    pub health_delta: i32,
    /// What is wrong.
    pub text: String,
}

/// One node's health.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodeHealth {
    /// Percent.
    pub health: i32,
    /// One line for everything that lowers it.
    pub messages: Vec<String>,
}

/// How many of a kind there are, in all and by state; a state that nothing is in is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StateCounts {
    /// In all.
    pub total: u64,
    /// By state.
    #[serde(flatten)]
    pub by_state: BTreeMap<String, u64>,
}

/// What all nodes have together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Resources {
    /// Memory.
    pub memory: MemoryResource,
    /// Processors.
    pub cpu: CpuResource,
    /// Storage.
    pub disk: DiskResource,
}

/// The memory of all nodes, in MB.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MemoryResource {
    /// What there is.
    pub total: u64,
    /// What the kernels call available.
    pub free: u64,
    /// What is in use.
    pub used: u64,
    /// What the running VMs have.
    pub allocated: u64,
    /// What all VMs would have if all ran.
    pub provisioned: u64,
    /// Used of total, in percent.
    pub utilization: f64,
}

/// The processors of all nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CpuResource {
    /// How many there are.
    pub total: u64,
    /// The sum of the nodes' load averages.
    pub load: f64,
    /// How many the running VMs have.
    pub allocated: u64,
    /// Load of total, in percent.
    pub utilization: f64,
}

/// The storage, in KB.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct DiskResource {
    /// What there is.
    pub total: u64,
    /// What is in use.
    pub used: u64,
    /// What is free.
    pub free: u64,
    /// Used of total, in percent.
    pub utilization: f64,
}

/// The cluster's things one by one, in short.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ClusterDetail {
    /// The nodes.
    pub node: Vec<NodeSummary>,
    /// The VMs.
    pub vm: Vec<VmSummary>,
    /// The OSDs.
    pub osd: Vec<OsdSummary>,
    /// The faults.
    pub faults: Vec<Fault>,
}

/// A node in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodeSummary {
    /// Its name.
    pub name: String,
    /// The state of its daemon.
    pub daemon_state: String,
    /// Whether it accepts VMs.
    pub domain_state: String,
}

/// A VM in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VmSummary {
    /// Its id.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
}

/// An OSD in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct OsdSummary {
    /// Its number.
    pub id: String,
    /// `up` or `down`.
    pub up: String,
    /// `in` or `out`.
    #[serde(rename = "in")]
    pub in_: String,
}

/// Something that is wrong with the cluster, remembered until it is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Fault {
    /// Its id.
    pub id: String,
    /// When it was last seen, as `YYYY-MM-DD HH:MM:SS`.
    pub last_reported: String,
    /// When it was first seen.
    pub first_reported: String,
    /// When somebody took note of it; empty while nobody has.
    pub acknowledged_at: String,
    /// `new` or `ack`.
    pub status: String,
    /// By how many percent it lowers the health.
    pub health_delta: i32,
    /// What is wrong.
    pub message: String,
}

/// Which coordinator is primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PrimaryNode {
    /// Its name.
    pub primary_node: String,
}
