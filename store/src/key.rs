//! Paths in the store, as a type; every path is made here.

use std::fmt;
use std::sync::Arc;

use logic::record::RecordId;
use logic::storage::VolumePath;

/// A path such as `/pvc/vms/…`: begins with `/`, has no empty part and does not end in `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// A key from a path that this module or a test wrote.
    ///
    /// # Panics
    /// When the path is not one; paths are never made of unchecked input.
    pub fn new(path: &str) -> Self {
        assert!(path.starts_with('/') && !path.ends_with('/') && !path.contains("//"), "not a path: {path}");
        Self(path.into())
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key one step below, by its name.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self::new(&format!("{}/{name}", self.0))
    }

    /// Whether `other` is this key or lies below it.
    pub fn covers(&self, other: &Key) -> bool {
        other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Below this lies everything.
pub const ROOT: &str = "/pvc";

/// The key of a record.
pub fn path(record: &RecordId) -> Key {
    Key::new(&match record {
        RecordId::Cluster => format!("{ROOT}/cluster"),
        RecordId::Maintenance => format!("{ROOT}/maintenance"),
        RecordId::ApiSecret => format!("{ROOT}/api-secret"),
        RecordId::Primary => format!("{ROOT}/primary"),
        RecordId::PrimaryWish => format!("{ROOT}/primary-wish"),
        RecordId::Node(name) => format!("{ROOT}/nodes/{name}"),
        RecordId::NodeStatus(name) => format!("{ROOT}/nodes/{name}/status"),
        RecordId::NodeLedger(name) => format!("{ROOT}/nodes/{name}/ledger"),
        RecordId::NodeWish(name) => format!("{ROOT}/nodes/{name}/wish"),
        RecordId::Presence(name) => format!("{ROOT}/presence/{name}"),
        RecordId::Vm(id) => format!("{ROOT}/vms/{id}"),
        RecordId::VmFact(id) => format!("{ROOT}/vms/{id}/fact"),
        RecordId::VmReception(id) => format!("{ROOT}/vms/{id}/reception"),
        RecordId::VmXml(id) => format!("{ROOT}/documents/{id}"),
        RecordId::VmName(name) => format!("{ROOT}/vm-names/{name}"),
        RecordId::Incarnations => format!("{ROOT}/incarnations"),
        RecordId::Task(id) => format!("{ROOT}/tasks/{id}"),
        RecordId::TaskFact(id) => format!("{ROOT}/tasks/{id}/fact"),
        RecordId::Pool(name) => format!("{ROOT}/pools/{name}"),
        RecordId::Volume(path) => format!("{ROOT}/volumes/{}/{}", path.pool, path.volume),
        RecordId::Osd(id) => format!("{ROOT}/osds/{id}"),
        RecordId::NodeDevices(name) => format!("{ROOT}/devices/{name}"),
        RecordId::Benchmark(id) => format!("{ROOT}/benchmarks/{id}"),
        RecordId::StorageFacts => format!("{ROOT}/facts/storage"),
        RecordId::PoolFacts => format!("{ROOT}/facts/pools"),
        RecordId::OsdFacts => format!("{ROOT}/facts/osds"),
        RecordId::Fence(name) => format!("{ROOT}/fences/{name}"),
    })
}

/// The record at a key; `None` for a key that no record has.
pub fn record_at(key: &Key) -> Option<RecordId> {
    let path = key.as_str().strip_prefix(ROOT)?.strip_prefix('/')?;
    let parts: Vec<&str> = path.split('/').collect();
    Some(match parts.as_slice() {
        ["cluster"] => RecordId::Cluster,
        ["maintenance"] => RecordId::Maintenance,
        ["api-secret"] => RecordId::ApiSecret,
        ["primary"] => RecordId::Primary,
        ["primary-wish"] => RecordId::PrimaryWish,
        ["nodes", name] => RecordId::Node(name.parse().ok()?),
        ["nodes", name, "status"] => RecordId::NodeStatus(name.parse().ok()?),
        ["nodes", name, "ledger"] => RecordId::NodeLedger(name.parse().ok()?),
        ["nodes", name, "wish"] => RecordId::NodeWish(name.parse().ok()?),
        ["presence", name] => RecordId::Presence(name.parse().ok()?),
        ["vms", id] => RecordId::Vm(id.parse().ok()?),
        ["vms", id, "fact"] => RecordId::VmFact(id.parse().ok()?),
        ["vms", id, "reception"] => RecordId::VmReception(id.parse().ok()?),
        ["documents", id] => RecordId::VmXml(id.parse().ok()?),
        ["vm-names", name] => RecordId::VmName(name.parse().ok()?),
        ["incarnations"] => RecordId::Incarnations,
        ["tasks", id] => RecordId::Task(id.parse().ok()?),
        ["tasks", id, "fact"] => RecordId::TaskFact(id.parse().ok()?),
        ["pools", name] => RecordId::Pool(name.parse().ok()?),
        ["volumes", pool, volume] => {
            RecordId::Volume(VolumePath { pool: pool.parse().ok()?, volume: volume.parse().ok()? })
        }
        ["osds", id] => RecordId::Osd(id.parse().ok()?),
        ["devices", name] => RecordId::NodeDevices(name.parse().ok()?),
        ["benchmarks", id] => RecordId::Benchmark(id.parse().ok()?),
        ["facts", "storage"] => RecordId::StorageFacts,
        ["facts", "pools"] => RecordId::PoolFacts,
        ["facts", "osds"] => RecordId::OsdFacts,
        ["fences", name] => RecordId::Fence(name.parse().ok()?),
        _ => return None,
    })
}

/// Where the libvirt documents lie, for mirrors that leave them out.
pub fn documents() -> Key {
    Key::new(&format!("{ROOT}/documents"))
}

/// Where the changes that were made to the records are counted.
pub fn schema() -> Key {
    Key::new(&format!("{ROOT}/schema"))
}
