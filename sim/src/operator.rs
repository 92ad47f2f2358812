//! Who asks, as the API would: reads its own mirror, lets `logic` accept or refuse, and writes what it says.

use std::collections::BTreeMap;
use std::sync::Arc;

use host::clock::{Clock as _, ManualClock};
use logic::cluster::Cluster;
use logic::cluster::accept::{Overwrite, initialise};
use logic::fence;
use logic::id::{NodeName, TaskId, VmId, VmName};
use logic::limits::BENCHMARK_BYTES_DEFAULT;
use logic::node::drain::{Duty, domain_states, wish_duty};
use logic::primary::accept::{wish_primary, wish_secondary};
use logic::primary::coordinator_state;
use logic::record::Records;
use logic::refusal::Refusal;
use logic::storage::accept::{self, Content, Occasion, Source};
use logic::storage::benchmark::accept::BenchmarkRequest;
use logic::storage::benchmark::{self, BenchmarkState};
use logic::storage::osd::accept::{AddOsd, ReplaceOsd};
use logic::storage::osd::{self, DbSize, OsdUuid, Weight};
use logic::storage::record::Volume;
use logic::storage::space::Insistence;
use logic::storage::{Format, Replication, Tier, VolumePath};
use logic::task::accept::{DeviceChange, change_device};
use logic::time::WallTime;
use logic::vm::accept::{
    Define, Force, MetaChange, Relocation, Restart, define, modify, relocate, rename, set_meta, undefine,
    wish_power,
};
use logic::vm::shown_state;
use store::memory::{Memory, MemoryStore};
use store::mirror::{Mirror, Scope};
use store::records::commit_records;
use uuid::Uuid;

use crate::command::{Ask, Manner, OsdAsk, StorageAsk};

/// What is shown of a node's service.
pub type DutyShown = (NodeName, &'static str);

/// What is shown of a VM: its state, and its node where that is another.
pub type VmShown = (VmName, &'static str, Option<NodeName>);

/// The operator.
#[derive(Debug)]
pub struct Operator {
    store: MemoryStore,
    mirror: Mirror,
    clock: Arc<ManualClock>,
    numbers: u32,
    /// The UUID that a VM of a name was defined with last.
    uuids: BTreeMap<VmName, VmId>,
    /// The records when they were last looked at.
    seen: Arc<Cluster>,
    /// What was shown last of the nodes' parts among the coordinators.
    roles: BTreeMap<NodeName, &'static str>,
    /// What was shown last of the nodes' services.
    services: BTreeMap<NodeName, &'static str>,
    /// What was shown last of pools and volumes.
    storage_shown: BTreeMap<String, String>,
    /// What was shown last, by VM.
    shown: BTreeMap<VmId, (VmName, &'static str, NodeName)>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done; to this VM, if it was about one.
    Done(Option<VmId>),
    /// It was refused, and nothing was written.
    Refused(String),
    /// Whether it was done is not known.
    Unknown(String),
}

impl Operator {
    /// One with a session of its own.
    pub fn new(memory: &Memory, clock: &Arc<ManualClock>) -> Self {
        let store = memory.open();
        let mirror = Mirror::new(Arc::new(store.clone()), Scope::Everything);
        Self {
            store,
            mirror,
            clock: Arc::clone(clock),
            numbers: 0,
            uuids: BTreeMap::new(),
            seen: Arc::default(),
            services: BTreeMap::new(),
            roles: BTreeMap::new(),
            storage_shown: BTreeMap::new(),
            shown: BTreeMap::new(),
        }
    }

    /// The cluster as it is now; `None` while the store does not answer.
    pub fn cluster(&self) -> Option<Arc<Cluster>> {
        self.mirror.pump().ok()?;
        Some(self.mirror.snapshot()?.cluster)
    }

    /// The records when they were last looked at: before whatever happens now.
    pub fn seen(&self) -> &Cluster {
        &self.seen
    }

    /// What is shown of the nodes' services and of the VMs, where it differs from the last time; `None` while the store
    /// does not answer.
    pub fn news(&mut self) -> Option<(Vec<DutyShown>, Vec<VmShown>)> {
        let cluster = self.cluster()?;
        let before = std::mem::replace(&mut self.seen, Arc::clone(&cluster));
        let same_vms = cluster.vms.ptr_eq(&before.vms);
        let vms = if same_vms { Vec::new() } else { self.changes(&cluster) };
        let same_services = same_vms && same_wishes(&cluster, &before);
        let services = if same_services { Vec::new() } else { self.service_changes(&cluster) };
        Some((services, vms))
    }

    /// What is shown of the VMs, where it differs from the last time: the state, and the node where that is another.
    fn changes(&mut self, cluster: &Cluster) -> Vec<VmShown> {
        let shows = |entry: &logic::cluster::VmEntry| {
            (entry.vm.value.name.clone(), shown_state(entry).as_str(), entry.vm.value.node.clone())
        };
        let now: BTreeMap<VmId, _> = cluster.vms.iter().map(|(id, entry)| (*id, shows(entry))).collect();
        let gone = self.shown.iter().filter(|(id, _)| !now.contains_key(id));
        let gone = gone.map(|(_, (name, ..))| (name.clone(), "gone", None));
        let new = now.iter().filter(|(id, shown)| self.shown.get(id) != Some(shown));
        let new = new.map(|(id, (name, state, node))| {
            let before = self.shown.get(id).map(|(_, _, before)| before);
            (name.clone(), *state, before.filter(|before| *before != node).map(|_| node.clone()))
        });
        let changes = gone.chain(new).collect();
        self.shown = now;
        changes
    }

    /// What is shown of the nodes' services, where it differs from the last time.
    fn service_changes(&mut self, cluster: &Cluster) -> Vec<DutyShown> {
        let now: BTreeMap<NodeName, _> =
            domain_states(cluster).into_iter().map(|(node, state)| (node, state.as_str())).collect();
        let differs = |(node, state): &(&NodeName, &&'static str)| {
            self.services.get(*node).copied().unwrap_or("ready") != **state
        };
        let changes = now.iter().filter(differs).map(|(node, state)| (node.clone(), *state)).collect();
        self.services = now;
        changes
    }

    /// What is shown of the nodes' parts among the coordinators, where it differs from the last time.
    pub fn role_news(&mut self) -> Vec<DutyShown> {
        let seen = Arc::clone(&self.seen);
        let state = |node: &NodeName| coordinator_state(&seen, node).as_str();
        let now: BTreeMap<NodeName, _> = seen.nodes.keys().map(|node| (node.clone(), state(node))).collect();
        let differs = |(node, state): &(&NodeName, &&'static str)| {
            self.roles.get(*node).copied().unwrap_or("secondary") != **state
        };
        let changes = now.iter().filter(differs).map(|(node, state)| (node.clone(), *state)).collect();
        self.roles = now;
        changes
    }

    /// What is shown of pools and volumes, where it differs from the last time.
    pub fn storage_news(&mut self) -> Vec<String> {
        let seen = Arc::clone(&self.seen);
        let mut now = BTreeMap::new();
        for (name, pool) in &seen.pools {
            now.insert(format!("pool {name}"), format!("{:?}", pool.value.state).to_lowercase());
        }
        for (path, volume) in &seen.volumes {
            let Volume { size_bytes, state, snapshots, .. } = &volume.value;
            let names: Vec<String> = snapshots.keys().map(ToString::to_string).collect();
            let names =
                if names.is_empty() { String::new() } else { format!(", snapshots {}", names.join(" ")) };
            let size_gib = size_bytes >> 30;
            let shown = format!("{}, {size_gib} GiB{names}", format!("{state:?}").to_lowercase());
            now.insert(format!("volume {path}"), shown);
        }
        for (node, block) in &seen.fences {
            now.insert(format!("the block of {node}"), stage(&block.value.stage));
        }
        for (id, osd) in &seen.osds {
            let osd = &osd.value;
            let shown = format!("{:?}, {} {}", osd.state, osd.node, osd.device).to_lowercase();
            now.insert(format!("osd {id}"), shown);
        }
        for benchmark in seen.benchmarks.values().map(|benchmark| &benchmark.value) {
            let state = match &benchmark.state {
                BenchmarkState::Running => "running".to_owned(),
                BenchmarkState::Done => "done".to_owned(),
                BenchmarkState::Failed { why } => format!("failed: {why}"),
            };
            let shown = format!("{state}, {} measured", benchmark.results.len());
            now.insert(format!("benchmark {}", benchmark.name), shown);
        }
        for (node, devices) in &seen.devices {
            let doing = devices.value.task.as_ref().map_or("nobody's", |(_, doing)| doing.as_str());
            let db = devices
                .value
                .db_device
                .as_deref()
                .map_or_else(String::new, |db| format!(", databases on {db}"));
            now.insert(format!("devices of {node}"), format!("in use: {doing}{db}"));
        }
        let differs = |(name, shown): &(&String, &String)| self.storage_shown.get(*name) != Some(*shown);
        let new = now.iter().filter(differs).map(|(name, shown)| format!("{name} is {shown}"));
        let gone = self.storage_shown.keys().filter(|name| !now.contains_key(*name));
        let news = new.chain(gone.map(|name| format!("{name} is gone"))).collect();
        self.storage_shown = now;
        news
    }

    /// Asks.
    pub fn ask(&mut self, ask: &Ask) -> Answer {
        let Some(cluster) = self.cluster() else {
            return Answer::Refused("the store does not answer".into());
        };
        let accepted = match ask {
            Ask::Fence { node } => fence::ask::ask(&cluster, node, self.clock.now().wall)
                .map(|records| (None, records))
                .map_err(|unfit| unfit.to_string()),
            ask => self.accept(&cluster, ask).map_err(|refusal| refusal.to_string()),
        };
        let (vm, records) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => return Answer::Refused(why),
        };
        match commit_records(&self.store, &records) {
            Ok(_) => Answer::Done(vm),
            Err(store::CommitError::Unknown) => Answer::Unknown("whether it was written is not known".into()),
            Err(error) => Answer::Refused(error.to_string()),
        }
    }

    fn accept(&mut self, cluster: &Cluster, ask: &Ask) -> Result<(Option<VmId>, Records), Refusal> {
        let now = self.clock.now().wall;
        let of = |vm: &VmName| {
            let found = cluster.find_vm(vm.as_str()).map(|(id, _)| id);
            found.ok_or_else(|| Refusal::VmUnknown { vm: vm.to_string() })
        };
        Ok(match ask {
            Ask::Storage(ask) => (None, self.storage(cluster, ask)?),
            Ask::Osd(ask) => (None, self.osds(cluster, ask)?),
            Ask::Init => (None, initialise(cluster, &"5a".repeat(32), Overwrite::No, now)?),
            Ask::Define { vm, memory_mib, vcpus, node } => {
                let id = self.uuid(cluster, vm);
                let xml = document(id, vm, *memory_mib, *vcpus);
                let request = Define { xml, node: text(node.as_ref()), ..Define::default() };
                (Some(id), define(cluster, &request, now)?.records)
            }
            Ask::Power { vm, request, force } => {
                let id = of(vm)?;
                (Some(id), wish_power(cluster, id, *request, *force, now)?)
            }
            Ask::Remove { vm } => {
                let id = of(vm)?;
                (Some(id), undefine(cluster, id, now)?)
            }
            Ask::Rename { vm, to } => {
                let id = of(vm)?;
                (Some(id), self.renamed(cluster, id, to)?)
            }
            Ask::Autostart { vm } => {
                let id = of(vm)?;
                let change = MetaChange { node_autostart: Some(true), ..MetaChange::default() };
                (Some(id), set_meta(cluster, id, &change)?)
            }
            Ask::Move { vm, to, manner } => {
                relocated(cluster, of(vm)?, Relocation::Move { to: text(to.as_ref()) }, *manner, now)?
            }
            Ask::Migrate { vm, to, manner } => {
                let request = Relocation::Migrate { to: text(to.as_ref()), force: Force::No };
                relocated(cluster, of(vm)?, request, *manner, now)?
            }
            Ask::Flush { node } => (None, serviced(cluster, node, Duty::Flushed, now)?),
            Ask::Primary { node } => (None, wish_primary(cluster, node)?.unwrap_or_default()),
            Ask::Secondary { node } => (None, wish_secondary(cluster, node)?.unwrap_or_default()),
            Ask::Ready { node } => (None, serviced(cluster, node, Duty::Ready, now)?),
            Ask::Fence { .. } => (None, Records::default()),
            Ask::Forget { node } => (None, logic::node::accept::remove(cluster, node)?.records),
            Ask::Unmigrate { vm, manner } => {
                relocated(cluster, of(vm)?, Relocation::Unmigrate, *manner, now)?
            }
            Ask::Method { vm, method } => {
                let id = of(vm)?;
                let change = MetaChange { migration_method: Some(*method), ..MetaChange::default() };
                (Some(id), set_meta(cluster, id, &change)?)
            }
            Ask::Attach { vm, device } => self.device(cluster, of(vm)?, DeviceChange::Attach, device)?,
            Ask::Detach { vm, device } => self.device(cluster, of(vm)?, DeviceChange::Detach, device)?,
            Ask::Disk { vm, volume } => {
                let id = of(vm)?;
                (Some(id), with_disk(cluster, id, volume, now)?)
            }
            Ask::RemoveWithVolumes { vm } => {
                (Some(of(vm)?), accept::remove_vm(self.occasion(cluster), of(vm)?)?.1)
            }
            Ask::FlushLocks { vm } => {
                (Some(of(vm)?), accept::flush_locks(self.occasion(cluster), of(vm)?)?.1)
            }
        })
    }

    /// A VM that has volumes which are called after it is renamed with them.
    fn renamed(&mut self, cluster: &Cluster, id: VmId, to: &VmName) -> Result<Records, Refusal> {
        match accept::namesakes(cluster, &cluster.vms[&id].vm.value).as_slice() {
            [] => rename(cluster, id, to.as_str()),
            _ => Ok(accept::rename_vm(self.occasion(cluster), id, to.as_str())?.1),
        }
    }

    fn storage(&mut self, cluster: &Cluster, ask: &StorageAsk) -> Result<Records, Refusal> {
        let on = Occasion { cluster, task: TaskId(self.number()), now: self.clock.now().wall };
        let (_, records) = match ask {
            StorageAsk::AddPool { pool } => {
                let replication = Replication { copies: 2, copies_min: 1 };
                accept::add_pool(on, pool, replication, Tier::Default, 32)?
            }
            StorageAsk::SetPlacementGroups { pool, count } => accept::set_placement_groups(on, pool, *count)?,
            StorageAsk::RemovePool { pool } => accept::remove_pool(on, pool)?,
            StorageAsk::AddVolume { volume, size_gib, insistence } => {
                accept::add_volume(on, volume, size_gib << 30, *insistence)?
            }
            StorageAsk::ResizeVolume { volume, size_gib } => {
                accept::resize_volume(on, volume, size_gib << 30, Insistence::Careful)?
            }
            StorageAsk::RenameVolume { volume, to } => accept::rename_volume(on, volume, to)?,
            StorageAsk::CopyVolume { from, to } => {
                accept::clone_volume(on, &Source::Volume(from.clone()), to, Insistence::Careful)?
            }
            StorageAsk::CloneVolume { snapshot, to } => {
                accept::clone_volume(on, &Source::Snapshot(snapshot.clone()), to, Insistence::Careful)?
            }
            StorageAsk::RemoveVolume { volume } => accept::remove_volume(on, volume)?,
            StorageAsk::ScanVolume { volume } => accept::scan_volume(on, volume)?,
            StorageAsk::Upload { volume } => {
                let (content, here) =
                    (Content { size_bytes: 1 << 20, format: Format::Raw }, accept::worker(on.cluster)?);
                accept::begin_upload(on, volume, content, &here)?
            }
            StorageAsk::AddSnapshot { snapshot } => accept::add_snapshot(on, snapshot)?,
            StorageAsk::RenameSnapshot { snapshot, to } => accept::rename_snapshot(on, snapshot, to)?,
            StorageAsk::RemoveSnapshot { snapshot } => accept::remove_snapshot(on, snapshot)?,
            StorageAsk::RollBack { snapshot } => accept::roll_back(on, snapshot)?,
            StorageAsk::Benchmark { pool, name } => {
                let (pool, name) = (pool.clone(), name.clone());
                let size_bytes = BENCHMARK_BYTES_DEFAULT;
                benchmark::accept::begin(on, &BenchmarkRequest { pool, name, size_bytes })?
            }
            StorageAsk::CancelBenchmark { name } => {
                return benchmark::accept::cancel(cluster, name.as_str());
            }
        };
        Ok(records)
    }

    fn occasion<'a>(&mut self, cluster: &'a Cluster) -> Occasion<'a> {
        Occasion { cluster, task: TaskId(self.number()), now: self.clock.now().wall }
    }

    fn osds(&mut self, cluster: &Cluster, ask: &OsdAsk) -> Result<Records, Refusal> {
        let number = self.number();
        let on = Occasion { cluster, task: TaskId(number), now: self.clock.now().wall };
        // Identities that are easily told apart in a log.
        let fresh = |part: u32| OsdUuid(uuid::Uuid::from_u128((u128::from(number) << 64) | u128::from(part)));
        let weight = Weight::of(1.0).expect("one is a weight");
        let (_, records) = match ask.clone() {
            OsdAsk::Add { node, device, count } => {
                let osds = (1..=count).map(fresh).collect();
                let has_db = cluster.devices.get(&node).is_some_and(|known| known.value.db_device.is_some());
                let db = has_db.then_some(DbSize::Ratio(50_000));
                osd::accept::add(on, AddOsd { node, device, weight, db, osds })?
            }
            OsdAsk::Replace { osd, device } => {
                let request = ReplaceOsd { osd, device, old_device: None, weight, db: None, new: fresh(1) };
                osd::accept::replace(on, request)?
            }
            OsdAsk::Refresh { osd, device } => osd::accept::refresh(on, osd, device)?,
            OsdAsk::Remove { osd, care } => osd::accept::remove(on, osd, care)?,
            OsdAsk::AddDb { node, device } => osd::accept::add_db(on, node, device)?,
            OsdAsk::MarkIn { osd } => osd::accept::mark_in(on, osd)?,
            OsdAsk::MarkOut { osd } => osd::accept::mark_out(on, osd)?,
            OsdAsk::SetFlag { flag } => osd::accept::set_flag(on, flag)?,
            OsdAsk::UnsetFlag { flag } => osd::accept::unset_flag(on, flag)?,
        };
        Ok(records)
    }

    fn device(
        &mut self,
        cluster: &Cluster,
        vm: VmId,
        change: DeviceChange,
        device: &str,
    ) -> Result<(Option<VmId>, Records), Refusal> {
        let now = self.clock.now().wall;
        let xml = format!("<disk type='file'><source file='/tmp/{device}'/><target dev='{device}'/></disk>");
        let (_, records) = change_device(cluster, TaskId(self.number()), (vm, change), &xml, now)?;
        Ok((Some(vm), records))
    }

    /// The UUID of a VM to be defined: that of an earlier one of its name, if it is free again.
    fn uuid(&mut self, cluster: &Cluster, name: &VmName) -> VmId {
        let number = self.number();
        let fresh = VmId(Uuid::from_u128(0x5000_0000_0000_4000_8000_0000_0000_0000 + u128::from(number)));
        let earlier = self.uuids.get(name).copied().filter(|id| !cluster.vms.contains_key(id));
        *self.uuids.entry(name.clone()).insert_entry(earlier.unwrap_or(fresh)).get()
    }

    fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }
}

/// Whether the wishes about nodes are those of before.
fn same_wishes(now: &Cluster, before: &Cluster) -> bool {
    now.nodes.len() == before.nodes.len()
        && now.nodes.iter().all(|(name, entry)| {
            before.nodes.get(name).is_some_and(|old| Arc::ptr_eq(old, entry) || old.wish == entry.wish)
        })
}

fn relocated(
    cluster: &Cluster,
    vm: VmId,
    request: Relocation,
    manner: Manner,
    now: WallTime,
) -> Result<(Option<VmId>, Records), Refusal> {
    Ok((Some(vm), relocate(cluster, vm, &request, manner.asked(), now)?.records))
}

/// What is wished already writes nothing.
fn serviced(cluster: &Cluster, node: &NodeName, service: Duty, now: WallTime) -> Result<Records, Refusal> {
    Ok(wish_duty(cluster, node, service, now)?.unwrap_or_default())
}

fn text(node: Option<&NodeName>) -> Option<String> {
    node.map(ToString::to_string)
}

fn document(id: VmId, name: &VmName, memory_mib: u64, vcpus: u32) -> String {
    format!(
        "<domain type='kvm'>\n  <name>{name}</name>\n  <uuid>{id}</uuid>\n  <memory unit='MiB'>{memory_mib}</memory>\n  \
         <vcpu>{vcpus}</vcpu>\n  <devices>\n    <console type='pty'/>\n  </devices>\n</domain>\n"
    )
}

/// A disk more in the VM's document, which it has from its next start on.
fn with_disk(cluster: &Cluster, id: VmId, volume: &VolumePath, now: WallTime) -> Result<Records, Refusal> {
    let entry = cluster.vms.get(&id).ok_or_else(|| Refusal::VmUnknown { vm: id.to_string() })?;
    let xml = entry.xml.as_ref().map(|xml| xml.value.to_string()).unwrap_or_default();
    let letter = char::from(b'a' + u8::try_from(entry.vm.value.volumes.len() % 26).unwrap_or_default());
    let disk = format!(
        "  <disk type='network'><source protocol='rbd' name='{volume}'/><target dev='sd{letter}' bus='scsi'/></disk>\n  \
         </devices>"
    );
    modify(cluster, id, &xml.replace("  </devices>", &disk), Restart::No, now)
}

/// How far a block is, in one word.
fn stage(stage: &fence::Stage) -> String {
    match stage {
        fence::Stage::Wanted => "wanted",
        fence::Stage::Laid { .. } => "laid",
        fence::Stage::Confirmed { .. } => "confirmed",
        fence::Stage::Lifting { .. } => "lifting",
        fence::Stage::Lifted { .. } => "lifted",
    }
    .into()
}
