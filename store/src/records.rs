//! Records to bytes and back: one JSON document each, with its schema and the id of the transaction that wrote it.

use std::time::{Duration, Instant};

use logic::record::{Expect, Record, RecordId, Records};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::key::path;
use crate::{CommitError, Committed, Entry, Error, Guard, Key, Op, Store, Transaction};

/// The schema that this version writes. A record of a later one is not read, and said so.
pub const SCHEMA: u64 = 1;

/// How long to wait before it is asked after again.
const UNKNOWN_INTERVAL: Duration = Duration::from_millis(100);

/// The bytes of a record, marked with a fresh transaction id.
pub fn encode(id: &RecordId, record: &Record) -> Vec<u8> {
    encode_marked(id, record, &Uuid::new_v4().simple().to_string())
}

fn encode_marked(id: &RecordId, record: &Record, txn: &str) -> Vec<u8> {
    let mut document = Map::new();
    document.insert("schema".into(), SCHEMA.into());
    document.insert("txn".into(), txn.into());
    match serde_json::to_value(record).expect("a record is plain data") {
        Value::Object(fields) => document.extend(fields),
        other => unreachable!("the record of {id:?} is an object, not {other}"),
    }
    serde_json::to_vec(&Value::Object(document)).expect("a JSON value has bytes")
}

/// What every document says of itself.
#[derive(serde::Deserialize)]
struct Mark {
    #[serde(default)]
    schema: Option<u64>,
}

/// The record in some bytes, by the kind its id says. Fields it does not know are left aside.
///
/// # Errors
/// [`Error::Corrupt`] names the key and what is wrong.
pub fn decode(id: &RecordId, bytes: &[u8]) -> Result<Record, Error> {
    let corrupt = |why: String| Error::Corrupt { key: path(id), why };
    // Read straight into its type: every daemon reads every change, and a tree of values costs twice as much.
    let mark: Mark = serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))?;
    match mark.schema {
        Some(SCHEMA) => {}
        Some(later) => return Err(corrupt(format!("its schema is {later}, this version reads {SCHEMA}"))),
        None => return Err(corrupt("it has no schema".into())),
    }
    fn read<T: DeserializeOwned + Into<Record>>(bytes: &[u8]) -> Result<Record, serde_json::Error> {
        serde_json::from_slice::<T>(bytes).map(Into::into)
    }
    let record = match id {
        RecordId::Cluster => read::<logic::cluster::ClusterSettings>(bytes),
        RecordId::Maintenance => read::<logic::cluster::Maintenance>(bytes),
        RecordId::ApiSecret => read::<logic::cluster::ApiSecret>(bytes),
        RecordId::Primary => read::<logic::primary::Primary>(bytes),
        RecordId::PrimaryWish => read::<logic::primary::PrimaryWish>(bytes),
        RecordId::Node(_) => read::<logic::node::Node>(bytes),
        RecordId::NodeStatus(_) => read::<logic::node::NodeStatus>(bytes),
        RecordId::NodeLedger(_) => read::<logic::record::NodeLedger>(bytes),
        RecordId::NodeWish(_) => read::<logic::node::drain::NodeWish>(bytes),
        RecordId::Presence(_) => read::<logic::node::Presence>(bytes),
        RecordId::Vm(_) => read::<logic::vm::Vm>(bytes),
        RecordId::VmFact(_) => read::<logic::vm::VmFact>(bytes),
        RecordId::VmReception(_) => read::<logic::vm::migrate::Reception>(bytes),
        RecordId::VmXml(_) => read::<logic::record::VmXml>(bytes),
        RecordId::VmName(_) => read::<logic::record::VmNameOwner>(bytes),
        RecordId::Incarnations => read::<logic::record::Incarnations>(bytes),
        RecordId::Task(_) => read::<logic::task::Task>(bytes),
        RecordId::TaskFact(_) => read::<logic::task::TaskFact>(bytes),
        RecordId::Pool(_) => read::<logic::storage::record::Pool>(bytes),
        RecordId::Volume(_) => read::<logic::storage::record::Volume>(bytes),
        RecordId::Osd(_) => read::<logic::storage::osd::record::Osd>(bytes),
        RecordId::NodeDevices(_) => read::<logic::storage::osd::record::NodeDevices>(bytes),
        RecordId::Benchmark(_) => read::<logic::storage::benchmark::Benchmark>(bytes),
        RecordId::StorageFacts => read::<logic::storage::facts::StorageFacts>(bytes),
        RecordId::PoolFacts => read::<logic::storage::facts::PoolFacts>(bytes),
        RecordId::OsdFacts => read::<logic::storage::facts::OsdFacts>(bytes),
        RecordId::Fence(_) => read::<logic::fence::Block>(bytes),
    };
    record.map_err(|error| corrupt(error.to_string()))
}

/// Reads one record that must be there.
///
/// # Errors
/// [`Error::Corrupt`] when it is missing or unreadable, or what kept the store from answering.
pub fn read_record<T: TryFrom<Record>>(store: &dyn Store, id: &RecordId) -> Result<T, Error> {
    let corrupt = |why: &str| Error::Corrupt { key: path(id), why: why.into() };
    let entry = store.read(&path(id))?.ok_or_else(|| corrupt("it is missing"))?;
    T::try_from(decode(id, &entry.value)?).map_err(|_| corrupt("it is of another kind"))
}

/// Commits guarded records whole or not at all. An unknown outcome is resolved by reading back the transaction id.
///
/// # Errors
/// [`CommitError::Conflict`] names the key that was changed by somebody else; [`CommitError::Unknown`] only when the
/// store did not come back in time to ask.
pub fn commit_records(store: &dyn Store, records: &Records) -> Result<Committed, CommitError> {
    let txn = Uuid::new_v4().simple().to_string();
    let transaction = transaction(records, &txn);
    transaction.check_size().map_err(Error::from)?;
    match store.commit(&transaction) {
        Err(CommitError::Unknown) => resolve(store, &transaction, &txn),
        told => told,
    }
}

fn transaction(records: &Records, txn: &str) -> Transaction {
    let guard = |guard: &logic::record::Guard| Guard { key: path(&guard.record), expect: guard.expect };
    let op = |write: &logic::record::Write| Op {
        key: path(&write.record),
        expect: write.expect,
        value: write.value.as_ref().map(|record| encode_marked(&write.record, record, txn)),
    };
    Transaction {
        guards: records.guards.iter().map(guard).collect(),
        ops: records.writes.iter().map(op).collect(),
    }
}

/// Asks the store whether a transaction landed, and commits it again if it did not: the guards let it land only once.
/// Where somebody else has written since, nobody can know any more, and that is what is told.
fn resolve(store: &dyn Store, transaction: &Transaction, txn: &str) -> Result<Committed, CommitError> {
    let deadline = Instant::now() + store.session().patience;
    loop {
        let outcome = match landed(store, transaction, txn) {
            Ok(Some(committed)) => return Ok(committed),
            Ok(None) => match store.commit(transaction) {
                Err(CommitError::Conflict { .. }) => {
                    return landed(store, transaction, txn).ok().flatten().ok_or(CommitError::Unknown);
                }
                outcome => outcome,
            },
            Err(error) => Err(error.into()),
        };
        match outcome {
            Err(CommitError::Unknown | CommitError::Failed(Error::Unreachable { .. })) => {}
            told => return told,
        }
        if Instant::now() >= deadline {
            return Err(CommitError::Unknown);
        }
        std::thread::sleep(UNKNOWN_INTERVAL);
    }
}

/// What a transaction left behind, if it landed: one of its written keys then carries its id. A transaction that only
/// deletes has landed when what it deletes is gone.
fn landed(store: &dyn Store, transaction: &Transaction, txn: &str) -> Result<Option<Committed>, Error> {
    let keys: Vec<Key> = transaction.ops.iter().map(|op| op.key.clone()).collect();
    let entries = store.read_together(&keys)?;
    let deletes = transaction.ops.iter().all(|op| op.value.is_none() && op.expect != Expect::Absent);
    let landed = match deletes {
        true => entries.iter().all(Option::is_none),
        false => entries.iter().flatten().any(|entry| carries(entry, txn)),
    };
    let version = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.version);
    let versions = || keys.into_iter().zip(entries.iter().map(version)).collect();
    Ok(landed.then(|| Committed { versions: versions() }))
}

fn carries(entry: &Entry, txn: &str) -> bool {
    let document: Result<Value, _> = serde_json::from_slice(&entry.value);
    document.is_ok_and(|document| document.get("txn").and_then(Value::as_str) == Some(txn))
}

#[cfg(test)]
mod tests;
