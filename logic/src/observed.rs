//! What one machine sees of itself: the facts that decisions of its daemon start from, besides the records.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::config::{MoveSettings, Timers};
use crate::fence::{Outcome, Sight};
use crate::id::{NodeName, PoolName, VmId};
use crate::network::{LinkName, Networks};
use crate::node::traffic::Interface;
use crate::node::{Foreign, Node, Presence};
use crate::plan::Resource;
use crate::record::Version;
use crate::storage::measure::Measured;
use crate::storage::osd::OsdUuid;
use crate::storage::record::Looked;
use crate::task::Left;
use crate::time::BootTime;
use crate::vm::migrate::{MoveId, Seen};
use crate::vm::volumes::Looks;

/// How a guest stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Its CPUs run.
    Running,
    /// Its CPUs stand still.
    Paused,
}

/// A guest that exists here now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Its name at the hypervisor.
    pub name: String,
    /// How it stands.
    pub activity: Activity,
    /// PVC's mark; `None` when PVC did not start it.
    pub incarnation: Option<u64>,
    /// Since when its process has been proven gone in every look, though the hypervisor tells of it; `None` where it is
    /// there, or nothing is known of it.
    pub gone_since: Option<BootTime>,
}

/// What the hypervisor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guests {
    /// It answered: these exist, and no others.
    Seen(BTreeMap<VmId, Guest>),
    /// It did not answer: nothing may be concluded.
    Unknown {
        /// Why.
        why: String,
    },
}

/// A step that did not succeed, remembered until a step on the same resource does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFailure {
    /// The step's action, by its name.
    pub step: &'static str,
    /// The incarnation it was for; zero for other steps.
    pub incarnation: u64,
    /// Why, in the words of whoever refused.
    pub why: String,
    /// When it ended.
    pub at: BootTime,
    /// How often in a row a step on this resource has failed.
    pub in_a_row: u32,
    /// It was only overtaken, by another write or by the end of the lease: nothing is wrong.
    pub overtaken: bool,
    /// The hypervisor did not answer: nobody refused anything.
    pub silent: bool,
}

/// The stage of a task that is done, though its record does not say so yet.
#[derive(Clone, Debug, PartialEq)]
pub struct StageDone {
    /// Which stage, counted from zero.
    pub stage: u32,
    /// Why it failed; `None` when it succeeded.
    pub failure: Option<String>,
    /// Whose is what the stage left, if it failed.
    pub left: Left,
    /// What it saw of the storage, when it was a look.
    pub looked: Option<Looked>,
}

impl StageDone {
    /// A stage that failed, and what it left is the task's.
    pub fn failed(stage: u32, why: String) -> Self {
        Self { stage, failure: Some(why), left: Left::Own, looked: None }
    }
}

/// Content that is brought over the link for a task of this worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upload {
    /// It comes.
    UnderWay,
    /// It has come, and is where it belongs.
    Landed,
    /// It broke off or was refused, and nothing of it is kept.
    Failed {
        /// Why.
        why: String,
    },
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// What was moved.
    pub done_bytes: u64,
    /// The whole.
    pub total_bytes: u64,
}

/// Whether the daemon is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It is.
    Going,
    /// It was asked to stop.
    Stopping,
}

/// Load and memory of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Load average over one minute.
    pub load: f64,
    /// Memory in use, in MiB.
    pub memory_used_mib: u64,
    /// Memory the kernel could still give, in MiB.
    pub memory_free_mib: u64,
}

/// How busy this machine is, and when that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gauged {
    /// When; `None` before the first time.
    pub at: Option<BootTime>,
    /// Load and memory.
    pub load: Load,
    /// How much of the processors' time was work of late, in percent.
    pub cpu_percent: f64,
    /// How busy the network interfaces were of late, by name.
    pub interfaces: BTreeMap<String, Interface>,
}

/// Everything a daemon sees of its machine and of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// This node.
    pub name: NodeName,
    /// This node as it should be registered.
    pub node: Node,
    /// How it is configured.
    pub timers: Timers,
    /// Its guests.
    pub guests: Guests,
    /// When the hypervisor was asked for them.
    pub guests_at: BootTime,
    /// How busy it is.
    pub gauged: Gauged,
    /// Its own networks.
    pub networks: Networks,
    /// Steps that failed.
    pub failures: BTreeMap<Resource, StepFailure>,
    /// When the guest's power button was last pressed, by VM and incarnation.
    pub presses: BTreeMap<(VmId, u64), BootTime>,
    /// Incarnations that this process took and has not started anything with yet. Whether one that is not here was
    /// started is not known: whoever took it may have died, or its call may be late.
    pub taken: BTreeMap<VmId, u64>,
    /// Stages of tasks that ended.
    pub stages: BTreeMap<crate::id::TaskId, StageDone>,
    /// What is brought to this process over the link, by the task that it is for.
    pub uploads: BTreeMap<crate::id::TaskId, Upload>,
    /// How far the transfers of this process are, by what they are for.
    pub transfers: BTreeMap<Resource, Moved>,
    /// What it knows of the storage by measuring.
    pub measured: Measured,
    /// The OSDs that this process has seen to, so that they run.
    pub revived: BTreeSet<OsdUuid>,
    /// The pools that this process has swept.
    pub swept: BTreeSet<PoolName>,
    /// What this daemon announced in its present session; `None` when the session is new.
    pub announced: Option<Presence>,
    /// Keepalives sent since the daemon started.
    pub keepalives: u64,
    /// When the last keepalive was sent by this process; `None` before the first.
    pub keepalive_at: Option<BootTime>,
    /// The end of the lease on which host steps rest; `None` where nothing expires.
    pub lease_until: Option<BootTime>,
    /// What it sees of the VMs that are on their way.
    pub moving: Moving,
    /// Whether to go on.
    pub life: Life,
    /// When it was asked to stop.
    pub stopping_since: Option<BootTime>,
    /// When this process first saw the primary role, and the wish about it, as they are now.
    pub role_since: Option<BootTime>,
    /// Since when the holder of the role has not renewed its status record, as far as this process has seen; `None` while
    /// this node's own keepalives do not get through, so that it could not have seen it.
    pub holder_since: Option<BootTime>,
    /// Addresses that were announced and are there since, each with the latest occasion.
    pub announcements: BTreeMap<(LinkName, IpAddr), u64>,
    /// It was asked to stop a second time: nothing is waited for that may take long.
    pub asked_again: bool,
    /// How many steps are under way, the keepalive not counted.
    pub under_way: usize,
    /// What it knows of the storage; `None` where there is none.
    pub storage: Option<StorageSight>,
    /// What it knows of nodes that are blocked there.
    pub fencing: Fencing,
}

/// What a daemon knows of blocks of nodes at the storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fencing {
    /// Whether addresses can be blocked at this storage.
    pub has_fence: bool,
    /// What the storage shows of this node; `None` before it has told.
    pub sight: Option<Sight>,
    /// Why it did not when it was last asked; `None` where it did.
    pub silent: Option<String>,
    /// Since when this process has seen the block of its own node that stands.
    pub since: Option<BootTime>,
    /// What the latest step about each node's block came to.
    pub told: BTreeMap<NodeName, Told>,
}

/// What a step about a node's block came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The version of the block's record that the step was decided on.
    pub under: Version,
    /// When it ended.
    pub at: BootTime,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a daemon knows of the storage that its guests' volumes are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSight {
    /// The latest looks at VMs' volumes.
    pub looks: Looks,
    /// The key to the volumes.
    pub secret: Secret,
}

/// How the key to the volumes stands at this node's hypervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// Guests need none.
    NotNeeded,
    /// They need one.
    Needed {
        /// When it was last brought there by this process.
        kept_at: Option<BootTime>,
    },
}

/// What a daemon sees of the VMs that come to its machine and leave it while they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moving {
    /// How it is configured.
    pub settings: MoveSettings,
    /// Where the guests' console logs are kept here.
    pub console_directory: String,
    /// The latest look at each; what the hypervisor did not answer is left out, and nothing may be concluded.
    pub seen: BTreeMap<VmId, Seen>,
    /// Moves that this process has said are begun, and has not sent yet. Whether one that is not here was sent is not
    /// known: whoever said so may have died, or its call may be late.
    pub unsent: BTreeMap<VmId, MoveId>,
    /// When an incarnation that moves was last allowed a longer pause.
    pub allowed: BTreeMap<(VmId, u64), BootTime>,
    /// When an incarnation's move was last aborted.
    pub aborts: BTreeMap<(VmId, u64), BootTime>,
    /// When the halves of an incarnation were last tried to be joined.
    pub mends: BTreeMap<(VmId, u64), BootTime>,
}

impl Observed {
    /// The guest of a VM, if the hypervisor answered and it exists.
    pub fn guest(&self, vm: VmId) -> Option<&Guest> {
        match &self.guests {
            Guests::Seen(guests) => guests.get(&vm),
            Guests::Unknown { .. } => None,
        }
    }

    /// Guests that PVC did not start.
    pub fn foreign(&self) -> Vec<Foreign> {
        let Guests::Seen(guests) = &self.guests else { return Vec::new() };
        let strangers = guests.iter().filter(|(_, guest)| guest.incarnation.is_none());
        strangers.map(|(vm, guest)| Foreign { vm: *vm, name: guest.name.clone() }).collect()
    }
}
