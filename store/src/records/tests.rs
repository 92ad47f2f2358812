//! Records survive the way to bytes and back, and what cannot be read is named.

use logic::cluster::Maintenance;
use logic::primary::Primary;

use super::*;
use crate::memory::{CommitFault, Memory, MemoryStore};

#[test]
fn a_record_comes_back_as_it_went() {
    let record: Record =
        Primary { node: "hv1".parse().unwrap(), term: 3, handover: None, former: None }.into();
    let bytes = encode(&RecordId::Primary, &record);
    assert_eq!(decode(&RecordId::Primary, &bytes).unwrap(), record);
}

#[test]
fn a_role_from_before_there_were_handovers_is_read() {
    let bytes = br#"{"schema":1,"txn":"x","node":"hv1","term":3}"#;
    let held = Primary { node: "hv1".parse().unwrap(), term: 3, handover: None, former: None };
    assert_eq!(decode(&RecordId::Primary, bytes).unwrap(), held.into());
}

#[test]
fn what_cannot_be_read_is_named() {
    for (text, part) in [
        ("{", "EOF"),
        ("{}", "no schema"),
        ("{\"schema\": 2}", "its schema is 2"),
        ("{\"schema\": 1}", "missing field"),
    ] {
        let error = decode(&RecordId::Maintenance, text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("/pvc/maintenance") && error.contains(part), "{error}");
    }
}

#[test]
fn fields_of_a_newer_version_are_left_aside() {
    let bytes = br#"{"schema":1,"txn":"x","on":true,"since":5}"#;
    assert_eq!(decode(&RecordId::Maintenance, bytes).unwrap(), Maintenance { on: true }.into());
}

#[test]
fn every_record_has_a_key_of_its_own_and_is_found_by_it() {
    let vm = logic::id::VmId(Uuid::nil());
    let node: logic::id::NodeName = "hv1".parse().unwrap();
    let task = logic::id::TaskId(1);
    let ids = [
        RecordId::Cluster,
        RecordId::Pool("vms".parse().unwrap()),
        RecordId::Volume("vms/web1_disk0".parse().unwrap()),
        RecordId::Osd("3".parse().unwrap()),
        RecordId::NodeDevices(node.clone()),
        RecordId::Benchmark("3".parse().unwrap()),
        RecordId::StorageFacts,
        RecordId::PoolFacts,
        RecordId::OsdFacts,
        RecordId::Maintenance,
        RecordId::ApiSecret,
        RecordId::Primary,
        RecordId::PrimaryWish,
        RecordId::Node(node.clone()),
        RecordId::NodeStatus(node.clone()),
        RecordId::NodeLedger(node.clone()),
        RecordId::NodeWish(node.clone()),
        RecordId::Presence(node),
        RecordId::Vm(vm),
        RecordId::VmFact(vm),
        RecordId::VmXml(vm),
        RecordId::VmName("web1".parse().unwrap()),
        RecordId::Incarnations,
        RecordId::Task(task),
        RecordId::TaskFact(task),
    ];
    for id in ids {
        assert_eq!(crate::key::record_at(&path(&id)), Some(id));
    }
    for stray in ["/pvc", "/pvc/vms", "/pvc/vms/x", "/pvc/vms/x/y/z", "/other/cluster"] {
        assert_eq!(crate::key::record_at(&Key::new(stray)), None);
    }
}

fn ledgers(placements: u64, expect: [Expect; 2]) -> Records {
    let [one, two] = ["hv1", "hv2"].map(|name| RecordId::NodeLedger(name.parse().unwrap()));
    let value = || logic::record::NodeLedger { placements }.into();
    Records::default().write(one, expect[0], value()).write(two, expect[1], value())
}

fn versions(committed: &Committed) -> [Expect; 2] {
    [0, 1].map(|which: usize| Expect::Version(committed.versions[which].1.unwrap()))
}

#[test]
fn an_unknown_outcome_is_resolved_whether_the_write_landed_or_not() {
    for fault in [CommitFault::UnknownLanded, CommitFault::UnknownLost] {
        let memory = Memory::on_real_time();
        let store = memory.open();
        memory.fail_next_commit(fault);
        let first = commit_records(&store, &ledgers(1, [Expect::Absent; 2])).unwrap();
        let second = commit_records(&store, &ledgers(2, versions(&first)));
        assert!(second.is_ok(), "the versions told for {fault:?} are those in the store: {second:?}");
    }
}

#[test]
fn a_deletion_of_unknown_outcome_is_resolved_too() {
    for fault in [CommitFault::UnknownLanded, CommitFault::UnknownLost] {
        let memory = Memory::on_real_time();
        let store = memory.open();
        commit_records(&store, &ledgers(1, [Expect::Absent; 2])).unwrap();
        memory.fail_next_commit(fault);
        let gone = ledgers(1, [Expect::Present; 2]).writes.into_iter();
        let gone = gone.fold(Records::default(), |records, write| records.remove(write.record));
        let committed = commit_records(&store, &gone).unwrap();
        assert!(committed.versions.iter().all(|(_, version)| version.is_none()));
        assert!(memory.dump().is_empty());
    }
}

/// A store in which somebody else writes right after the first commit.
#[derive(Debug)]
struct Contested {
    memory: MemoryStore,
    before_second: std::sync::Mutex<Option<Records>>,
}

impl Store for Contested {
    fn read(&self, key: &Key) -> Result<Option<Entry>, Error> {
        self.memory.read(key)
    }
    fn read_together(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, Error> {
        if let Some(records) = self.before_second.lock().unwrap().take() {
            commit_records(&self.memory, &records).unwrap();
        }
        self.memory.read_together(keys)
    }
    fn children(&self, key: &Key) -> Result<Vec<String>, Error> {
        self.memory.children(key)
    }
    fn subtree(&self, key: &Key) -> Result<Vec<(Key, Entry)>, Error> {
        self.memory.subtree(key)
    }
    fn commit(&self, transaction: &Transaction) -> Result<Committed, CommitError> {
        self.memory.commit(transaction)
    }
    fn rename(&self, from: &Key, to: &Key, guards: &[Guard]) -> Result<Committed, CommitError> {
        self.memory.rename(from, to, guards)
    }
    fn lock(&self, request: &crate::LockRequest) -> Result<Box<dyn crate::Lock>, Error> {
        self.memory.lock(request)
    }
    fn announce(&self, key: &Key, value: &[u8]) -> Result<logic::record::Version, Error> {
        self.memory.announce(key, value)
    }
    fn session(&self) -> crate::Session {
        self.memory.session()
    }
    fn watch(
        &self,
        key: &Key,
        sink: std::sync::Arc<dyn crate::Sink>,
    ) -> Result<Box<dyn crate::Watch>, Error> {
        self.memory.watch(key, sink)
    }
}

#[test]
fn where_somebody_else_wrote_before_the_outcome_was_known_it_stays_unknown() {
    for fault in [CommitFault::UnknownLanded, CommitFault::UnknownLost] {
        let memory = Memory::on_real_time();
        let first = versions(&commit_records(&memory.open(), &ledgers(1, [Expect::Absent; 2])).unwrap());
        let others = ledgers(7, [Expect::Present; 2]);
        let store = Contested { memory: memory.open(), before_second: std::sync::Mutex::new(Some(others)) };
        memory.fail_next_commit(fault);
        assert_eq!(commit_records(&store, &ledgers(2, first)), Err(CommitError::Unknown));
    }
}
