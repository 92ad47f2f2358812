//! What the store holds: ids of records, their versions, and writes guarded by the versions they were decided on.
//!
//! Decisions name records by [`RecordId`]; only the store knows their paths.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cluster::{ApiSecret, ClusterSettings, Maintenance};
use crate::fence::Block;
use crate::id::{NodeName, PoolName, TaskId, VmId, VmName};
use crate::node::drain::NodeWish;
use crate::node::{Node, NodeStatus, Presence};
use crate::primary::{Primary, PrimaryWish};
use crate::storage::VolumePath;
use crate::storage::benchmark::{Benchmark, BenchmarkId};
use crate::storage::facts::{OsdFacts, PoolFacts, StorageFacts};
use crate::storage::osd::OsdId;
use crate::storage::osd::record::{NodeDevices, Osd};
use crate::storage::record::{Pool, Volume};
use crate::task::{Task, TaskFact};
use crate::vm::migrate::Reception;
use crate::vm::{Vm, VmFact};

/// Which record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordId {
    /// The cluster's settings; present once it is initialised. Written by the API.
    Cluster,
    /// Whether maintenance mode is on. Written by the API.
    Maintenance,
    /// The key that signs the API's cookies. Written once by the API.
    ApiSecret,
    /// Who holds the primary role, with its term. Written by the holder and its successor.
    Primary,
    /// Who is to hold the primary role. Written by the API.
    PrimaryWish,
    /// A node's registration. Written by that node.
    Node(NodeName),
    /// Lives as long as the node daemon's session with the store. Written by that node.
    Presence(NodeName),
    /// A node's facts, renewed with every keepalive. Written by that node.
    NodeStatus(NodeName),
    /// A counter that every placement on the node checks and bumps, so that two deciders cannot overbook it together.
    NodeLedger(NodeName),
    /// Whether a node is to carry VMs. Written by the API.
    NodeWish(NodeName),
    /// What the operator wishes of a VM. Written by the API.
    Vm(VmId),
    /// What its owner node says of a VM. Written by that node.
    VmFact(VmId),
    /// What the node says to which a VM is to move while it runs. Written by that node.
    VmReception(VmId),
    /// A VM's libvirt document, kept apart because it is bulky. Written by the API.
    VmXml(VmId),
    /// Which incarnations are never taken again, whatever VM is defined. Written with the removal of a VM.
    Incarnations,
    /// Which VM has a name: what makes names unique. Written with the VM.
    VmName(VmName),
    /// A task as asked. Written by the API.
    Task(TaskId),
    /// How far a task is. Written by the worker that claimed it.
    TaskFact(TaskId),
    /// A pool. Written by the API with the task that changes it, and by the worker with that task's end.
    Pool(PoolName),
    /// A volume with its snapshots. Written as a pool is.
    Volume(VolumePath),
    /// An OSD. Written by the API with the task that changes it, and by the worker with a task's end.
    Osd(OsdId),
    /// A node's devices, as far as OSDs are concerned. Written as an OSD is.
    NodeDevices(NodeName),
    /// A benchmark. Written by the API with its task, and by the worker with what was measured.
    Benchmark(BenchmarkId),
    /// What the storage says of itself. Written by the primary's node daemon.
    StorageFacts,
    /// What it says of its pools. Written by the primary's node daemon.
    PoolFacts,
    /// What it says of its OSDs. Written by the primary's node daemon.
    OsdFacts,
    /// The block of a node at the storage. Written by whoever asks for it, and then by the primary's node daemon.
    Fence(NodeName),
}

/// The value of a record.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each variant holds the record its id names")]
pub enum Record {
    Cluster(ClusterSettings),
    Maintenance(Maintenance),
    ApiSecret(ApiSecret),
    Primary(Primary),
    PrimaryWish(PrimaryWish),
    Node(Node),
    Presence(Presence),
    NodeStatus(NodeStatus),
    NodeLedger(NodeLedger),
    NodeWish(NodeWish),
    Vm(Vm),
    VmFact(VmFact),
    VmReception(Reception),
    VmXml(VmXml),
    VmName(VmNameOwner),
    Incarnations(Incarnations),
    Task(Task),
    TaskFact(TaskFact),
    Pool(Pool),
    Volume(Volume),
    Osd(Osd),
    NodeDevices(NodeDevices),
    Benchmark(Benchmark),
    StorageFacts(StorageFacts),
    PoolFacts(PoolFacts),
    OsdFacts(OsdFacts),
    Fence(Block),
}

/// A node's ledger: how many placements were decided on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLedger {
    /// Bumped with each placement.
    pub placements: u64,
}

/// What is left of the VMs that were removed: a VM may be defined anew with the UUID of an earlier one, of which a start
/// may still be on its way. One number for all of them does not grow with their count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incarnations {
    /// Greater than every incarnation that a removed VM has had. A new VM's count begins here.
    pub floor: u64,
}

/// A VM's libvirt document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmXml {
    /// The document as the operator gave it.
    pub xml: std::sync::Arc<str>,
}

/// Which VM owns a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmNameOwner {
    /// The owner.
    pub vm: VmId,
}

/// A record's version: changes with every write of it. Opaque; equal means unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// A record together with the version it was read at.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// The version.
    pub version: Version,
    /// The record.
    pub value: T,
}

/// What a guard expects of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// There is none.
    Absent,
    /// There is one, whatever its version: for what stands and falls with a record that is guarded by its version.
    Present,
    /// It has just this version.
    Version(Version),
}

/// One condition on one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// The record.
    pub record: RecordId,
    /// What it must be.
    pub expect: Expect,
}

/// One guarded change of one record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Write {
    /// The record.
    pub record: RecordId,
    /// What it must be before.
    pub expect: Expect,
    /// What it becomes; `None` deletes it.
    pub value: Option<Record>,
}

/// A set of changes that lands whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Records {
    /// Conditions on records that are not changed.
    pub guards: Vec<Guard>,
    /// The changes.
    pub writes: Vec<Write>,
}

impl<T> Versioned<T> {
    /// The guard that this version is still the current one.
    pub fn expect(&self) -> Expect {
        Expect::Version(self.version)
    }
}

/// What is expected of a record that may not exist yet: its version if it does, absence if it does not.
pub fn expect_of<T>(current: Option<&Versioned<T>>) -> Expect {
    current.map_or(Expect::Absent, Versioned::expect)
}

impl Records {
    /// Adds all of other writes. They are about other records.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.guards.extend(other.guards);
        self.writes.extend(other.writes);
        self
    }

    /// Adds the deletion of a record that is known to be there, whatever its version.
    #[must_use]
    pub fn remove(self, record: RecordId) -> Self {
        self.delete(record, Expect::Present)
    }

    /// Adds the condition that a record is as expected.
    #[must_use]
    pub fn guard(mut self, record: RecordId, expect: Expect) -> Self {
        self.guards.push(Guard { record, expect });
        self
    }

    /// Adds a write.
    #[must_use]
    pub fn write(mut self, record: RecordId, expect: Expect, value: Record) -> Self {
        self.writes.push(Write { record, expect, value: Some(value) });
        self
    }

    /// Adds a deletion.
    #[must_use]
    pub fn delete(mut self, record: RecordId, expect: Expect) -> Self {
        self.writes.push(Write { record, expect, value: None });
        self
    }
}

macro_rules! record_from {
    ($($variant:ident($value:ty)),* $(,)?) => {
        $(impl From<$value> for Record {
            fn from(value: $value) -> Record {
                Record::$variant(value)
            }
        })*
    };
}

record_from!(
    Cluster(ClusterSettings),
    Maintenance(Maintenance),
    ApiSecret(ApiSecret),
    Primary(Primary),
    PrimaryWish(PrimaryWish),
    Node(Node),
    Presence(Presence),
    NodeStatus(NodeStatus),
    NodeLedger(NodeLedger),
    NodeWish(NodeWish),
    Vm(Vm),
    VmFact(VmFact),
    VmReception(Reception),
    VmXml(VmXml),
    VmName(VmNameOwner),
    Incarnations(Incarnations),
    Task(Task),
    TaskFact(TaskFact),
    Pool(Pool),
    Volume(Volume),
    Osd(Osd),
    NodeDevices(NodeDevices),
    Benchmark(Benchmark),
    StorageFacts(StorageFacts),
    PoolFacts(PoolFacts),
    OsdFacts(OsdFacts),
    Fence(Block),
);

macro_rules! record_into {
    ($($variant:ident($value:ty)),* $(,)?) => {
        $(impl TryFrom<Record> for $value {
            type Error = Record;
            fn try_from(record: Record) -> Result<Self, Record> {
                match record {
                    Record::$variant(value) => Ok(value),
                    other => Err(other),
                }
            }
        })*
    };
}

record_into!(
    VmXml(VmXml),
    Vm(Vm),
    VmFact(VmFact),
    Task(Task),
    TaskFact(TaskFact),
    NodeStatus(NodeStatus),
    Benchmark(Benchmark),
);
