//! A VM is a wish of the operator's and the word of its owner node; the state an operator reads follows from the two.
//!
//! | state | meaning |
//! |---|---|
//! | `start` | should run on its node, and does or soon will |
//! | `shutdown` | was asked to shut down and has not yet |
//! | `stop` | does not run, and should not |
//! | `restart` | is being shut down to be started again |
//! | `disable` | does not run on purpose; left out of health |
//! | `fail` | should run but could not be started; tried again with growing waits |
//! | `migrate`, `migrate-live` | is moving to another node |
//! | `provision`, `import`, `mirror` | belongs to another part for now |
//! | `delete` | is being removed |
//!
//! The wish carries a serial number that grows with each new wish; the node's word names the serial it has fulfilled.
//! So nothing is lost when either side restarts in the middle, and the API and the node never write the same record.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cluster::VmEntry;
use crate::id::{NodeName, Tag, TaskId, VmName};
use crate::node::BootId;
use crate::storage::VolumePath;
use crate::time::{BootTime, WallTime};

pub mod accept;
pub mod decide;
pub mod domain;
pub mod migrate;
pub mod stale;
pub mod volumes;
pub mod why;

pub use domain::DomainError;
use domain::disks::VolumeUse;
use migrate::{FailedMove, Sending};

/// What the operator wants of the VM's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// Run.
    Start,
    /// Shut down by its own means; stopped when it takes too long.
    Shutdown,
    /// Stop at once.
    Stop,
    /// Shut down, then run.
    Restart,
    /// Shut down, and stay so until enabled again.
    Disable,
    /// Stop at once, and stay so until enabled again.
    DisableNow,
    /// Stop at once, then forget the VM.
    Remove,
}

/// One wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// What is wished.
    pub power: Power,
    /// Grows by one with each wish.
    pub serial: u64,
    /// When it was wished. Shown only.
    pub at: WallTime,
}

/// How a target node is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Selector {
    /// As the cluster is configured.
    #[default]
    None,
    /// Most free memory.
    Mem,
    /// Most memory not provisioned.
    MemProv,
    /// Least load.
    Load,
    /// Fewest vCPUs.
    Vcpus,
    /// Fewest VMs.
    Vms,
}

/// How a VM moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MigrationMethod {
    /// Live, and by shutdown where that fails.
    #[default]
    None,
    /// Only live.
    Live,
    /// Only by shutdown.
    Shutdown,
}

/// What the operator says about how a VM is treated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The nodes it may run on; empty means all.
    pub node_limit: Vec<NodeName>,
    /// How a node is chosen for it.
    pub node_selector: Selector,
    /// Whether it is started when its node next becomes ready; used up by that.
    pub node_autostart: bool,
    /// How it moves.
    pub migration_method: MigrationMethod,
    /// The longest pause of a live migration, in ms.
    pub migration_max_downtime_ms: u32,
    /// The provisioner's profile it was made with.
    pub profile: Option<String>,
}

impl Default for Meta {
    fn default() -> Self {
        Self {
            node_limit: Vec::new(),
            node_selector: Selector::None,
            node_autostart: false,
            migration_method: MigrationMethod::None,
            migration_max_downtime_ms: 300,
            profile: None,
        }
    }
}

/// What is said of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagMark {
    /// A protected tag cannot be removed.
    pub protected: bool,
}

/// A move of a VM that runs. Its node carries it out, and forgets it when the VM has a new owner or the move is given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Where it goes.
    pub to: NodeName,
    /// Where it is to go home to from there; `None` when it settles there.
    pub home: Option<NodeName>,
    /// How.
    pub how: MigrationMethod,
    /// The serial of its home's wish when it left: a later one calls it home.
    #[serde(default)]
    pub away_since: u64,
}

/// A VM as the operator wishes it. Written by the API only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vm {
    /// Its name.
    pub name: VmName,
    /// Its description, from the document.
    pub description: String,
    /// The node that owns it.
    pub node: NodeName,
    /// Where it goes home to after a temporary migration.
    pub last_node: Option<NodeName>,
    /// What is wished of its power.
    pub wish: Wish,
    /// A move that is under way.
    #[serde(default)]
    pub transfer: Option<Transfer>,
    /// The serial of its home's wish when it left home.
    #[serde(default)]
    pub away_since: u64,
    /// It was shut down because no other node could take it, and is to run again when its node carries VMs.
    #[serde(default)]
    pub parked: bool,
    /// How it is treated.
    pub meta: Meta,
    /// Its tags.
    pub tags: BTreeMap<Tag, TagMark>,
    /// Memory in MiB, from the document.
    pub memory_mib: u64,
    /// vCPUs, from the document.
    pub vcpus: u32,
    /// Why it cannot move while it runs, from the document; `None` where it can.
    #[serde(default)]
    pub bound: Option<String>,
    /// The links of a node that it is attached to, from the document: bridges, and devices that it shares directly.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub links: BTreeSet<String>,
    /// The task that removes it together with its volumes. It is down, and stays so.
    #[serde(default)]
    pub removal: Option<TaskId>,
    /// The task that gives it and its volumes another name. Until that has ended it is called as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renaming: Option<TaskId>,
    /// The volumes that its disks are, from the document and in its order.
    #[serde(default)]
    pub volumes: Vec<VolumeUse>,
}

impl Vm {
    /// Whether one of its disks is this volume.
    pub fn uses(&self, volume: &VolumePath) -> bool {
        self.volumes.iter().any(|used| used.path == *volume)
    }

    /// How it is to move if it runs; `asked` is the operator's word for this one move, where there is one.
    ///
    /// # Errors
    /// Why it cannot move at all while it runs: it is to move only live, and something of its machine holds it.
    pub fn way(&self, asked: Option<MigrationMethod>) -> Result<MigrationMethod, &str> {
        match (asked.unwrap_or(self.meta.migration_method), &self.bound) {
            (MigrationMethod::Live, Some(why)) => Err(why),
            (MigrationMethod::None, Some(_)) => Ok(MigrationMethod::Shutdown),
            (method, _) => Ok(method),
        }
    }
}

/// Where a VM stands on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It does not run.
    Stopped,
    /// The incarnation is taken; the guest is being started, or is to be started again.
    Starting,
    /// It was seen running.
    Running,
}

/// A shutdown that was begun and is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    /// The wish it serves.
    pub serial: u64,
    /// The incarnation that is to go.
    pub incarnation: u64,
    /// When it began, by the node's boot clock. A reboot ends the guest and so this, too.
    pub since: BootTime,
}

/// A start that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Why, in the hypervisor's words.
    pub reason: String,
    /// How often in a row.
    pub attempts: u32,
    /// Not tried again before, by the node's boot clock.
    pub retry_at: BootTime,
}

/// Crashes in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crashes {
    /// How many, each within `CRASH_CALM` of its start.
    pub in_a_row: u32,
    /// When the latest incarnation was seen running first, by the node's boot clock.
    pub running_since: BootTime,
}

/// What a VM's node says of it. Written by that node only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmFact {
    /// The node that says so.
    pub node: NodeName,
    /// The boot in which it says so. The boot-clock moments below mean nothing in another.
    pub boot: BootId,
    /// The latest incarnation that was taken; zero before the first.
    pub incarnation: u64,
    /// Where it stands.
    pub phase: Phase,
    /// The serial of the last wish that is fulfilled.
    pub wish_done: u64,
    /// A shutdown in progress.
    pub stopping: Option<Stopping>,
    /// The last start failed.
    pub failure: Option<Failure>,
    /// The guest keeps crashing.
    pub crashes: Crashes,
    /// A guest of the same UUID runs here that PVC did not start; it is left alone.
    pub foreign: bool,
    /// It is being moved while it runs: until this is over it has two possible owners.
    #[serde(default)]
    pub sending: Option<Sending>,
    /// The last such move that failed.
    #[serde(default)]
    pub failed_move: Option<FailedMove>,
}

impl VmFact {
    /// What is true of a VM that its node has not spoken of yet.
    pub fn new(node: NodeName, boot: BootId) -> Self {
        Self {
            node,
            boot,
            incarnation: 0,
            phase: Phase::Stopped,
            wish_done: 0,
            stopping: None,
            failure: None,
            crashes: Crashes::default(),
            foreign: false,
            sending: None,
            failed_move: None,
        }
    }

    /// Whether the guest runs or may run.
    pub fn runs(&self) -> bool {
        self.phase != Phase::Stopped
    }
}

/// The state of a VM as an operator reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the table at the head of this file has the sentence for each")]
pub enum State {
    Start,
    Shutdown,
    Stop,
    Restart,
    Disable,
    Fail,
    Migrate,
    MigrateLive,
    Provision,
    Import,
    Mirror,
    Delete,
}

impl State {
    /// Every state, in the order an operator reads them.
    pub const ALL: [State; 12] = [
        State::Start,
        State::Shutdown,
        State::Stop,
        State::Restart,
        State::Disable,
        State::Fail,
        State::Migrate,
        State::MigrateLive,
        State::Provision,
        State::Import,
        State::Mirror,
        State::Delete,
    ];

    /// The state as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Shutdown => "shutdown",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Disable => "disable",
            Self::Fail => "fail",
            Self::Migrate => "migrate",
            Self::MigrateLive => "migrate-live",
            Self::Provision => "provision",
            Self::Import => "import",
            Self::Mirror => "mirror",
            Self::Delete => "delete",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for State {
    type Err = crate::refusal::Refusal;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let choices = Self::ALL.map(State::as_str).join(", ");
            crate::refusal::Refusal::BadChoice { what: "VM state", given: text.into(), choices }
        })
    }
}

/// The state to show for a VM: its wish, measured against its node's word.
pub fn shown_state(entry: &VmEntry) -> State {
    let wish = entry.vm.value.wish;
    let fact = entry.fact.as_ref().map(|fact| &fact.value);
    let done = fact.map_or(0, |fact| fact.wish_done) >= wish.serial;
    let failed = fact.is_some_and(|fact| fact.failure.is_some() || fact.foreign);
    let up = fact.is_some_and(VmFact::runs);
    if entry.vm.value.removal.is_some() {
        return State::Delete;
    }
    let wished = entry.vm.value.transfer.as_ref().map(|transfer| transfer.how);
    let moves = wished.or_else(|| Some(fact?.sending.as_ref()?.how));
    match (wish.power, moves) {
        (Power::Start | Power::Restart, Some(MigrationMethod::Live)) => return State::MigrateLive,
        (Power::Start | Power::Restart, Some(_)) => return State::Migrate,
        _ => {}
    }
    match wish.power {
        Power::Remove => State::Delete,
        Power::Start if failed => State::Fail,
        Power::Start => State::Start,
        Power::Restart if failed => State::Fail,
        Power::Restart if done => State::Start,
        Power::Restart => State::Restart,
        Power::Shutdown if up && !done => State::Shutdown,
        Power::Shutdown | Power::Stop => State::Stop,
        Power::Disable if up && !done => State::Shutdown,
        Power::Disable | Power::DisableNow => State::Disable,
    }
}

/// Why a VM is in state `fail`, or why its last live move failed, or empty.
pub fn shown_failure(entry: &VmEntry) -> String {
    let Some(fact) = entry.fact.as_ref().map(|fact| &fact.value) else { return String::new() };
    if fact.foreign {
        return "a guest with this UUID runs on the node that PVC did not start; it is left alone: stop it there first"
            .into();
    }
    match (&fact.failure, &fact.failed_move) {
        (Some(failure), _) => failure.reason.clone(),
        (None, Some(failed)) => format!("the move to node \"{}\" failed: {}", failed.to, failed.why),
        (None, None) => String::new(),
    }
}
