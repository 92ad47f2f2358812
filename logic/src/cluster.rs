//! The records as one value: what a decision sees of the cluster. Lookups only.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::fence::Block;
use crate::id::{NodeName, PoolName, TaskId, VmId, VmName};
use crate::node::drain::NodeWish;
use crate::node::{Node, NodeStatus, Presence};
use crate::primary::{Primary, PrimaryWish};
use crate::record::{Incarnations, NodeLedger, Versioned};
use crate::storage::VolumePath;
use crate::storage::benchmark::{Benchmark, BenchmarkId};
use crate::storage::facts::{OsdFacts, PoolFacts, StorageFacts};
use crate::storage::osd::OsdId;
use crate::storage::osd::record::{NodeDevices, Osd};
use crate::storage::record::{Pool, Volume};
use crate::task::{Task, TaskFact, TaskState};
use crate::time::WallTime;
use crate::vm::migrate::Reception;
use crate::vm::{Vm, VmFact};

pub mod accept;

/// The cluster's settings; their presence says that it is initialised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSettings {
    /// When it was initialised.
    pub initialised: WallTime,
}

/// Maintenance mode: nothing is fenced and health shows maintenance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Whether it is on.
    pub on: bool,
}

/// The key that signs session cookies, so that a login holds on every coordinator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiSecret {
    /// 32 random bytes in hexadecimal.
    pub key: String,
}

impl std::fmt::Debug for ApiSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiSecret(…)")
    }
}

/// Everything known of one node. Each part is one record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeEntry {
    /// Its registration.
    pub node: Option<Versioned<Node>>,
    /// Its latest facts.
    pub status: Option<Versioned<NodeStatus>>,
    /// Its session's mark.
    pub presence: Option<Versioned<Presence>>,
    /// Its placement ledger.
    pub ledger: Option<Versioned<NodeLedger>>,
    /// Whether it is to carry VMs.
    pub wish: Option<Versioned<NodeWish>>,
}

/// Everything known of one VM.
#[derive(Clone, Debug, PartialEq)]
pub struct VmEntry {
    /// What the operator wishes.
    pub vm: Versioned<Vm>,
    /// What its owner node says.
    pub fact: Option<Versioned<VmFact>>,
    /// What the node says to which it is to move while it runs.
    pub reception: Option<Versioned<Reception>>,
    /// The libvirt document, where this reader asked for documents.
    pub xml: Option<Versioned<Arc<str>>>,
}

/// Everything known of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskEntry {
    /// What was asked.
    pub task: Versioned<Task>,
    /// How far it is.
    pub fact: Option<Versioned<TaskFact>>,
}

impl TaskEntry {
    /// Whether the primary's worker takes it over when its node is gone.
    pub fn is_inherited(&self) -> bool {
        let runs = self.fact.as_ref().is_none_or(|fact| fact.value.state == TaskState::Running);
        runs && self.task.value.work.is_of_any_node()
    }
}

/// The cluster at one point in time. Cloning is cheap: the maps are persistent and share what did not change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// Present once initialised.
    pub settings: Option<Versioned<ClusterSettings>>,
    /// Absent means off.
    pub maintenance: Option<Versioned<Maintenance>>,
    /// The cookie key.
    pub api_secret: Option<Versioned<ApiSecret>>,
    /// The primary role.
    pub primary: Option<Versioned<Primary>>,
    /// What the operator wishes of it.
    pub primary_wish: Option<Versioned<PrimaryWish>>,
    /// Which incarnations are spent; absent while no VM was removed that had one.
    pub incarnations: Option<Versioned<Incarnations>>,
    /// All nodes.
    pub nodes: OrdMap<NodeName, Arc<NodeEntry>>,
    /// All VMs that have a wish record.
    pub vms: OrdMap<VmId, Arc<VmEntry>>,
    /// Which VM has a name. The version is that of the name's own record.
    pub vm_names: OrdMap<VmName, Versioned<VmId>>,
    /// All tasks.
    pub tasks: OrdMap<TaskId, Arc<TaskEntry>>,
    /// All pools.
    pub pools: OrdMap<PoolName, Arc<Versioned<Pool>>>,
    /// All volumes, with their snapshots.
    pub volumes: OrdMap<VolumePath, Arc<Versioned<Volume>>>,
    /// All OSDs that PVC has made.
    pub osds: OrdMap<OsdId, Arc<Versioned<Osd>>>,
    /// The nodes' devices, as far as OSDs are concerned.
    pub devices: OrdMap<NodeName, Arc<Versioned<NodeDevices>>>,
    /// The benchmarks that are kept, and the one that goes on.
    pub benchmarks: OrdMap<BenchmarkId, Arc<Versioned<Benchmark>>>,
    /// What the storage says of itself; `None` where there is no storage, or nobody has asked it yet.
    pub storage_facts: Option<Arc<Versioned<StorageFacts>>>,
    /// What it says of its pools.
    pub pool_facts: Option<Arc<Versioned<PoolFacts>>>,
    /// What it says of its OSDs.
    pub osd_facts: Option<Arc<Versioned<OsdFacts>>>,
    /// The blocks of nodes at the storage, those that were lifted included.
    pub fences: OrdMap<NodeName, Arc<Versioned<Block>>>,
}

impl Cluster {
    /// Whether maintenance mode is on.
    pub fn in_maintenance(&self) -> bool {
        self.maintenance.as_ref().is_some_and(|m| m.value.on)
    }

    /// Where the count of a VM's incarnations begins.
    pub fn incarnation_floor(&self) -> u64 {
        self.incarnations.as_ref().map_or(0, |incarnations| incarnations.value.floor)
    }

    /// A VM by its name or its UUID; a name wins where both would match.
    pub fn find_vm(&self, name_or_uuid: &str) -> Option<(VmId, &Arc<VmEntry>)> {
        let by_name =
            name_or_uuid.parse::<VmName>().ok().and_then(|name| self.vm_names.get(&name).map(|v| v.value));
        let id = by_name.or_else(|| name_or_uuid.parse::<VmId>().ok())?;
        self.vms.get(&id).map(|entry| (id, entry))
    }

    /// The volumes of a pool, by name.
    pub fn volumes_in<'a>(
        &'a self,
        pool: &'a PoolName,
    ) -> impl Iterator<Item = (&'a VolumePath, &'a Arc<Versioned<Volume>>)> {
        self.volumes.iter().filter(move |(path, _)| path.pool == *pool)
    }

    /// A node's registration.
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.get(name)?.node.as_ref().map(|n| &n.value)
    }

    /// A node's latest facts.
    pub fn status(&self, name: &NodeName) -> Option<&NodeStatus> {
        self.nodes.get(name)?.status.as_ref().map(|s| &s.value)
    }
}
