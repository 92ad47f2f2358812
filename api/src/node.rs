//! A node, its three states, and its log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A node with everything that is known about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Node {
    /// Its short host name.
    pub name: String,
    /// `run`, `init`, `shutdown`, `stop`, `dead` or `fenced`.
    pub daemon_state: String,
    /// `primary`, `secondary`, `takeover`, `relinquish`, or `client` for a node that is no coordinator.
    pub coordinator_state: String,
    /// `ready`, `flush`, `flushed`, `unflush` or `fence-flush`.
    pub domain_state: String,
    /// The version that it runs.
    pub pvc_version: String,
    /// How many processors it has.
    pub cpu_count: u64,
    /// Its kernel's release.
    pub kernel: String,
    /// Its operating system.
    pub os: String,
    /// Its architecture.
    pub arch: String,
    /// Its health in percent.
    pub health: i32,
    /// The names of the checks that run on it.
    pub health_plugins: Vec<String>,
    /// What each check found last.
    pub health_details: Vec<HealthDetail>,
    /// Its load average over one minute.
    pub load: f64,
    /// How many VMs run on it.
    pub domains_count: u64,
    /// The names of the VMs that run on it.
    pub running_domains: Vec<String>,
    /// Its processors.
    pub vcpu: NodeVcpu,
    /// Its memory.
    pub memory: NodeMemory,
    /// Its network interfaces, by name.
    pub interfaces: BTreeMap<String, Interface>,
    /// The name of its processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_model: Option<String>,
    /// How much of its processors' time was work over one keepalive, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_utilization: Option<f64>,
    /// What of all this is old: `guests` where its hypervisor did not answer, `machine` where load and traffic could not
    /// be read, `keepalive` where its daemon does not tell anything any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<Vec<String>>,
}

/// What one check found last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HealthDetail {
    /// The check's name.
    pub name: String,
    /// When it ran, in seconds since 1970.
    pub last_run: i64,
    /// By how many percent it lowers the node's health.
    pub health_delta: i32,
    /// What it found.
    pub message: String,
    /// Whatever else it tells.
    pub data: Value,
}

/// A node's processors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodeVcpu {
    /// How many there are.
    pub total: u64,
    /// How many the running VMs have.
    pub allocated: u64,
}

/// A node's memory, in MB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodeMemory {
    /// What there is.
    pub total: u64,
    /// What the VMs that run here have.
    pub allocated: u64,
    /// What the VMs that belong here have, running or not.
    pub provisioned: u64,
    /// What is in use.
    pub used: u64,
    /// What the kernel calls available.
    pub free: u64,
}

/// A network interface; rates are averages over one keepalive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Interface {
    /// Bits received per second.
    pub rx_bps: u64,
    /// Packets received per second.
    pub rx_pps: u64,
    /// Bits sent per second.
    pub tx_bps: u64,
    /// Packets sent per second.
    pub tx_pps: u64,
    /// Bits received and sent per second.
    pub total_bps: u64,
    /// Packets received and sent per second.
    pub total_pps: u64,
    /// Bits per second that the link can carry.
    pub link_speed: u64,
    /// `up` or `down`.
    pub state: String,
}

/// The state of a node's daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodeDaemonState {
    /// The node.
    pub name: String,
    /// The state.
    pub daemon_state: String,
}

/// A node's part among the coordinators.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodeCoordinatorState {
    /// The node.
    pub name: String,
    /// The state.
    pub coordinator_state: String,
}

/// Whether a node accepts VMs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodeDomainState {
    /// The node.
    pub name: String,
    /// The state.
    pub domain_state: String,
}

/// The last lines of a node's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodeLog {
    /// The node.
    pub name: String,
    /// The lines, without a line break after the last.
    pub data: String,
}

/// What a wish about a node's VMs came to, or would come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodeDuty {
    /// In a sentence.
    pub message: String,
    /// What would be done, VM by VM and in this order; only where nothing was to be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Vec<NodePlanVm>>,
}

/// What would become of one VM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodePlanVm {
    /// Its name.
    pub name: String,
    /// Its id.
    pub uuid: String,
    /// Where it is.
    pub from: String,
    /// `moves`, `parks` (is shut down, and runs again when its node is ready), `starts`, or `stays`.
    pub fate: String,
    /// Where it goes; empty where it goes nowhere.
    pub to: String,
    /// How it moves: `none` (live, else by shutdown), `live` or `shutdown`; empty where it does not.
    pub method: String,
    /// Why it cannot move; empty where it does.
    pub why: String,
}
