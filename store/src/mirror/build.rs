//! Builds the `Cluster` record by record, at the cost of the change and not of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use logic::cluster::{Cluster, NodeEntry, TaskEntry, VmEntry};
use logic::id::{NodeName, TaskId, VmId};
use logic::record::{Record, RecordId, Versioned};
use logic::task::{Task, TaskFact};
use logic::vm::VmFact;
use logic::vm::migrate::Reception;

use crate::Error;

macro_rules! take {
    ($record:expr, $kind:ident) => {
        match $record {
            Record::$kind(value) => Some(value),
            _ => None,
        }
    };
}

/// A cluster being built. Parts whose head record is not there wait for it.
#[derive(Debug, Default)]
pub(super) struct Builder {
    /// What is built.
    pub(super) cluster: Cluster,
    /// Records that cannot be read.
    pub(super) faults: BTreeMap<RecordId, String>,
    vm_parts: BTreeMap<VmId, VmParts>,
    task_parts: BTreeMap<TaskId, Versioned<TaskFact>>,
}

#[derive(Debug, Default)]
struct VmParts {
    fact: Option<Versioned<VmFact>>,
    reception: Option<Versioned<Reception>>,
    xml: Option<Versioned<Arc<str>>>,
}

impl VmParts {
    fn of(entry: &VmEntry) -> Self {
        Self { fact: entry.fact.clone(), reception: entry.reception.clone(), xml: entry.xml.clone() }
    }
}

impl Builder {
    /// Puts a record as it now is; one that cannot be read counts as missing, and is told.
    pub(super) fn put(&mut self, id: &RecordId, record: Option<Result<Versioned<Record>, Error>>) {
        self.faults.remove(id);
        let record = match record {
            Some(Err(error)) => {
                self.faults.insert(id.clone(), error.to_string());
                None
            }
            Some(Ok(record)) => Some(record),
            None => None,
        };
        let cluster = &mut self.cluster;
        match id {
            RecordId::Cluster => cluster.settings = pick(record, |r| take!(r, Cluster)),
            RecordId::Maintenance => cluster.maintenance = pick(record, |r| take!(r, Maintenance)),
            RecordId::ApiSecret => cluster.api_secret = pick(record, |r| take!(r, ApiSecret)),
            RecordId::Primary => cluster.primary = pick(record, |r| take!(r, Primary)),
            RecordId::PrimaryWish => cluster.primary_wish = pick(record, |r| take!(r, PrimaryWish)),
            RecordId::Incarnations => cluster.incarnations = pick(record, |r| take!(r, Incarnations)),
            RecordId::Node(name) => self.node(name, |entry| entry.node = pick(record, |r| take!(r, Node))),
            RecordId::NodeStatus(name) => {
                self.node(name, |entry| entry.status = pick(record, |r| take!(r, NodeStatus)));
            }
            RecordId::NodeLedger(name) => {
                self.node(name, |entry| entry.ledger = pick(record, |r| take!(r, NodeLedger)));
            }
            RecordId::NodeWish(name) => {
                self.node(name, |entry| entry.wish = pick(record, |r| take!(r, NodeWish)));
            }
            RecordId::Presence(name) => {
                self.node(name, |entry| entry.presence = pick(record, |r| take!(r, Presence)));
            }
            RecordId::Vm(vm) => self.vm(*vm, pick(record, |r| take!(r, Vm))),
            RecordId::VmFact(vm) => {
                let fact = pick(record, |r| take!(r, VmFact));
                self.vm_part(*vm, |parts| parts.fact.clone_from(&fact), |entry| entry.fact.clone_from(&fact));
            }
            RecordId::VmReception(vm) => {
                let said = pick(record, |r| take!(r, VmReception));
                self.vm_part(
                    *vm,
                    |parts| parts.reception.clone_from(&said),
                    |entry| entry.reception.clone_from(&said),
                );
            }
            RecordId::VmXml(vm) => {
                let xml = pick(record, |r| take!(r, VmXml))
                    .map(|xml| Versioned { version: xml.version, value: xml.value.xml });
                self.vm_part(*vm, |parts| parts.xml.clone_from(&xml), |entry| entry.xml.clone_from(&xml));
            }
            RecordId::VmName(name) => match pick(record, |r| take!(r, VmName)) {
                Some(owner) => {
                    let owner = Versioned { version: owner.version, value: owner.value.vm };
                    cluster.vm_names.insert(name.clone(), owner);
                }
                None => drop(cluster.vm_names.remove(name)),
            },
            RecordId::Task(task) => self.task(*task, pick(record, |r| take!(r, Task))),
            RecordId::TaskFact(task) => self.task_fact(*task, pick(record, |r| take!(r, TaskFact))),
            RecordId::Pool(_)
            | RecordId::Volume(_)
            | RecordId::Osd(_)
            | RecordId::NodeDevices(_)
            | RecordId::Benchmark(_)
            | RecordId::StorageFacts
            | RecordId::PoolFacts
            | RecordId::OsdFacts
            | RecordId::Fence(_) => self.put_storage(id, record),
        }
    }

    /// Puts a record about the storage.
    ///
    /// # Panics
    /// When it is about something else.
    fn put_storage(&mut self, id: &RecordId, record: Option<Versioned<Record>>) {
        let cluster = &mut self.cluster;
        match id {
            RecordId::Pool(pool) => set(&mut cluster.pools, pool, pick(record, |r| take!(r, Pool))),
            RecordId::Volume(path) => set(&mut cluster.volumes, path, pick(record, |r| take!(r, Volume))),
            RecordId::Osd(osd) => set(&mut cluster.osds, osd, pick(record, |r| take!(r, Osd))),
            RecordId::NodeDevices(node) => {
                set(&mut cluster.devices, node, pick(record, |r| take!(r, NodeDevices)));
            }
            RecordId::Benchmark(id) => {
                set(&mut cluster.benchmarks, id, pick(record, |r| take!(r, Benchmark)))
            }
            RecordId::StorageFacts => {
                cluster.storage_facts = shared(pick(record, |r| take!(r, StorageFacts)))
            }
            RecordId::PoolFacts => cluster.pool_facts = shared(pick(record, |r| take!(r, PoolFacts))),
            RecordId::OsdFacts => cluster.osd_facts = shared(pick(record, |r| take!(r, OsdFacts))),
            RecordId::Fence(node) => set(&mut cluster.fences, node, pick(record, |r| take!(r, Fence))),
            other => unreachable!("{other:?} is not about the storage"),
        }
    }

    fn task(&mut self, id: TaskId, asked: Option<Versioned<Task>>) {
        let tasks = &mut self.cluster.tasks;
        let Some(task) = asked else { return drop(tasks.remove(&id)) };
        let fact = self.task_parts.remove(&id).or_else(|| tasks.get(&id)?.fact.clone());
        tasks.insert(id, TaskEntry { task, fact }.into());
    }

    fn task_fact(&mut self, id: TaskId, fact: Option<Versioned<TaskFact>>) {
        match (self.cluster.tasks.get_mut(&id), fact) {
            (Some(entry), fact) => Arc::make_mut(entry).fact = fact,
            (None, Some(fact)) => drop(self.task_parts.insert(id, fact)),
            (None, None) => drop(self.task_parts.remove(&id)),
        }
    }

    fn node(&mut self, name: &NodeName, change: impl FnOnce(&mut NodeEntry)) {
        let nodes: &mut OrdMap<NodeName, Arc<NodeEntry>> = &mut self.cluster.nodes;
        let mut entry = nodes.get(name).map(|entry| (**entry).clone()).unwrap_or_default();
        change(&mut entry);
        if entry == NodeEntry::default() {
            nodes.remove(name);
        } else {
            nodes.insert(name.clone(), entry.into());
        }
    }

    fn vm(&mut self, id: VmId, vm: Option<Versioned<logic::vm::Vm>>) {
        let before = self.cluster.vms.remove(&id);
        let Some(vm) = vm else {
            if let Some(entry) = before {
                self.vm_parts.insert(id, VmParts::of(&entry));
            }
            return;
        };
        let waiting = self.vm_parts.remove(&id).unwrap_or_default();
        let VmParts { fact, reception, xml } = before.map_or(waiting, |entry| VmParts::of(&entry));
        self.cluster.vms.insert(id, VmEntry { vm, fact, reception, xml }.into());
    }

    fn vm_part(&mut self, id: VmId, wait: impl FnOnce(&mut VmParts), set: impl FnOnce(&mut VmEntry)) {
        if let Some(entry) = self.cluster.vms.get_mut(&id) {
            set(Arc::make_mut(entry));
            return;
        }
        let parts = self.vm_parts.entry(id).or_default();
        wait(parts);
        if parts.fact.is_none() && parts.reception.is_none() && parts.xml.is_none() {
            self.vm_parts.remove(&id);
        }
    }
}

/// Puts what stands for itself, or takes it out.
fn set<K: Ord + Clone, T>(map: &mut OrdMap<K, Arc<Versioned<T>>>, key: &K, record: Option<Versioned<T>>) {
    match record {
        Some(record) => drop(map.insert(key.clone(), record.into())),
        None => drop(map.remove(key)),
    }
}

fn shared<T>(record: Option<Versioned<T>>) -> Option<Arc<Versioned<T>>> {
    record.map(Arc::new)
}

/// The value of a record that was decoded by the kind its id says.
fn pick<T>(
    record: Option<Versioned<Record>>,
    take: impl FnOnce(Record) -> Option<T>,
) -> Option<Versioned<T>> {
    let Versioned { version, value } = record?;
    Some(Versioned { version, value: take(value)? })
}
