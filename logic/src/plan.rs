//! Plans, steps, guards and reasons: the only vocabulary of effects in the workspace.
//!
//! A step is data and leaves no choice to whoever performs it. It is idempotent: doing it twice is doing it once. It
//! carries the guards it was decided on, and a reason whose text is the log line and the answer to "why?". No step
//! retries itself; the next pass is the retry.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use crate::fence;
use crate::fence::reason::FenceReason;
use crate::id::{NodeName, VmId, VmName};
use crate::network::Change;
use crate::node::stop::Awaited;
use crate::primary::reason::RoleReason;
use crate::record::{Guard, Records};
use crate::storage::VolumePath;
use crate::storage::change as storage;
use crate::storage::osd::change::OsdChange;
use crate::storage::reason::StorageReason;
use crate::time::BootTime;
use crate::vm::volumes::{HeldLock, Occasion};

mod action;
mod moves;
mod resource;
mod volumes;

pub use moves::MoveReason;
pub use resource::Resource;
pub use volumes::VolumesReason;

/// What must be done now, and when to look again.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The steps, at most one per resource. Their order carries no meaning.
    pub steps: Vec<Step>,
    /// When something becomes due that no event will announce.
    pub look_again: Option<BootTime>,
    /// A daemon that was asked to stop has said all that it has to say: it ends when its last step has.
    pub ends: bool,
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// What it works on.
    pub resource: Resource,
    /// What is done.
    pub action: Action,
    /// What must still hold when it is done. For [`Action::Record`] the records' own guards say so.
    pub guards: Vec<Guard>,
    /// Not begun after this moment: the end of the node's lease. `None` where no lease applies.
    pub not_after: Option<BootTime>,
    /// Why.
    pub reason: Reason,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Write records, whole or not at all.
    Record(Box<Records>),
    /// Announce this daemon's presence, for as long as its session lives.
    Announce(Box<crate::node::Presence>),
    /// Create the guest from its document, marked with its incarnation. Done if that incarnation runs already. The
    /// document is the stored one: it changes only together with the VM's record, which the guards name.
    StartGuest {
        /// The VM.
        vm: VmId,
        /// Its name, for the log.
        name: VmName,
        /// The mark.
        incarnation: u64,
    },
    /// Press the guest's power button. Done if it is gone or another incarnation runs.
    PressPower {
        /// The VM.
        vm: VmId,
        /// The mark it must carry.
        incarnation: u64,
    },
    /// End the guest at once. Done if it is gone or another incarnation runs.
    StopGuest {
        /// The VM.
        vm: VmId,
        /// The mark it must carry.
        incarnation: u64,
    },
    /// Begin to send the guest to another node, and do not wait for it. Done if it is on its way. It arrives paused.
    SendGuest {
        /// The VM.
        vm: VmId,
        /// The mark it must carry, and keeps.
        incarnation: u64,
        /// The other node's address on the cluster network.
        to: IpAddr,
        /// Where the other node keeps what the guest says.
        console_path: String,
        /// How long it may stand still, in ms.
        downtime_max_ms: u64,
        /// How much may be sent per second, in MiB; `None` for as much as the network carries.
        bandwidth_max_mib: Option<u64>,
        /// How its memory is brought over. By post-copy it does not arrive paused.
        method: crate::vm::migrate::Method,
    },
    /// Let a guest that is being sent by post-copy go on at the target now. Done if that was done.
    SwitchToPostCopy {
        /// The VM.
        vm: VmId,
        /// The mark it must carry.
        incarnation: u64,
    },
    /// Begin to join the halves of a guest that post-copy tore, and do not wait for it. Done if that is going on.
    MendGuest {
        /// The VM.
        vm: VmId,
        /// The mark it must carry.
        incarnation: u64,
        /// The other node's address on the cluster network.
        to: IpAddr,
        /// Where the other node keeps what the guest says.
        console_path: String,
        /// How much may be sent per second, in MiB; `None` for as much as the network carries.
        bandwidth_max_mib: Option<u64>,
    },
    /// Let the guest stand still for so long at the switch of its move from here. Done if nothing is going on.
    AllowDowntime {
        /// The VM.
        vm: VmId,
        /// The mark it must carry.
        incarnation: u64,
        /// In ms.
        downtime_max_ms: u64,
    },
    /// Ask for the end of a move from here. Done if nothing is going on.
    AbortMove {
        /// The VM.
        vm: VmId,
        /// The mark it must carry.
        incarnation: u64,
    },
    /// Let a guest that is whole and stands still for a move go on here. Done if it runs.
    ReleaseGuest {
        /// The VM.
        vm: VmId,
        /// The mark it must carry.
        incarnation: u64,
    },
    /// End what a move left here, which does not run. Done if it is not here.
    DiscardGuest {
        /// The VM.
        vm: VmId,
        /// The mark it must carry.
        incarnation: u64,
    },
    /// Attach a device to the running guest. Done if it is attached already.
    AttachDevice {
        /// The VM.
        vm: VmId,
        /// The device's element.
        xml: String,
    },
    /// Detach a device from the running guest. Done if it is not there.
    DetachDevice {
        /// The VM.
        vm: VmId,
        /// The device's element.
        xml: String,
    },
    /// Change something of the machine's networks.
    Network(Change),
    /// Change something of the storage, or look at it.
    Storage(storage::Change),
    /// Change something of OSDs, or look at them.
    Osd(OsdChange),
    /// Look at a VM's volumes: whether they are there, who has them open, and the locks on them.
    LookAtVolumes {
        /// The VM.
        vm: VmId,
        /// For which incarnation.
        incarnation: u64,
        /// When.
        occasion: Occasion,
        /// Which.
        volumes: Vec<VolumePath>,
    },
    /// Break locks of the dead on a VM's volumes. Done for those that are not there.
    BreakLocks {
        /// The VM.
        vm: VmId,
        /// The incarnation that is to be started.
        incarnation: u64,
        /// The locks.
        locks: Vec<HeldLock>,
    },
    /// Break every lock on these volumes, whoever holds it: the operator says that they are dead.
    FlushLocks {
        /// The volumes. Those that are not there have none.
        volumes: Vec<VolumePath>,
    },
    /// The disk of the running guest that is this volume grows to this size, and the guest sees it. Done if no guest of
    /// the VM is here, or it has no such disk.
    ResizeDisk {
        /// The VM.
        vm: VmId,
        /// The volume.
        volume: VolumePath,
        /// How large.
        size_bytes: u64,
    },
    /// The key to the guests' volumes is at the hypervisor.
    EnsureSecret,
    /// Do something about the block of a node at the storage.
    Fence(fence::Change),
}

/// Why a step is taken: the log line and the operator's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the text of each is its sentence, in Display below")]
pub enum Reason {
    NodeStarts,
    NodeChanged,
    SessionBegan,
    KeepaliveDue,
    NodeStops,
    StopAwaits { what: Awaited },
    Role(RoleReason),
    Wished,
    Crashed { times: u32 },
    FailureOver,
    NodeRebooted,
    Autostarts,
    RestartGoesOn,
    StartUncertain { incarnation: u64 },
    Takes { incarnation: u64 },
    Started,
    Adopted { incarnation: u64 },
    StartFailed { attempts: u32 },
    ShutdownBegins,
    ShutdownPressed,
    ShutdownOverdue,
    ShutdownAborted,
    Down,
    StopWished,
    StaleGuest { incarnation: u64 },
    ProcessGone { incarnation: u64 },
    GuestElsewhere { incarnation: u64, node: NodeName },
    GuestOfRemoved { incarnation: u64 },
    StartedBehindOurBack,
    StrangerGone,
    Removed,
    HandedOver { to: NodeName },
    MoveGivenUp { to: NodeName },
    Move(MoveReason),
    Drained { to: NodeName },
    Parked,
    Unparked,
    CalledHome { to: NodeName },
    HomeBarred { to: NodeName },
    TaskClaimed,
    TaskStage { stage: u32 },
    TaskStageDone,
    TaskProgress,
    TaskStageFailed,
    TaskDone,
    TaskFailed,
    TaskOld,
    Storage(StorageReason),
    LinkDiffers,
    BridgeDiffers,
    AddressMissing,
    RouteMissing,
    Volumes(VolumesReason),
    Fence(FenceReason),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeStarts => write!(f, "the node's daemon has started"),
            Self::NodeChanged => write!(f, "the node is not as it is registered"),
            Self::SessionBegan => write!(f, "the session with the store is new"),
            Self::KeepaliveDue => write!(f, "a keepalive is due"),
            Self::NodeStops => write!(f, "the node's daemon is stopping"),
            Self::StopAwaits { what } => write!(f, "the node's daemon is to stop, and waits for {what}"),
            Self::Role(reason) => reason.fmt(f),
            Self::Wished => write!(f, "the operator wishes it to run"),
            Self::Crashed { times } => {
                write!(f, "the guest ended by itself ({times} in a row) and should run")
            }
            Self::NodeRebooted => write!(f, "the node was started anew, and it should run"),
            Self::Autostarts => write!(f, "it is to start with its node, which was started anew"),
            Self::RestartGoesOn => write!(f, "the guest is down and should run again"),
            Self::StartUncertain { incarnation } => {
                write!(
                    f,
                    "whether incarnation {incarnation} was started is not known, so it is not used again"
                )
            }
            Self::FailureOver => write!(f, "the wait after a failed start is over"),
            Self::Takes { incarnation } => {
                write!(f, "incarnation {incarnation} is taken and the guest is not there yet")
            }
            Self::Started => write!(f, "the guest runs"),
            Self::Adopted { incarnation } => write!(f, "incarnation {incarnation} was found running"),
            Self::StartFailed { attempts } => write!(f, "the start failed ({attempts} in a row)"),
            Self::ShutdownBegins => write!(f, "the operator wishes it to shut down"),
            Self::ShutdownPressed => write!(f, "the guest has not shut down yet"),
            Self::ShutdownOverdue => write!(f, "the guest did not shut down in time"),
            Self::ShutdownAborted => write!(f, "the operator no longer wishes the shutdown"),
            Self::Down => write!(f, "the guest is down"),
            Self::StopWished => write!(f, "the operator wishes it stopped"),
            Self::StaleGuest { incarnation } => {
                write!(f, "incarnation {incarnation} is not the current one")
            }
            Self::ProcessGone { incarnation } => write!(f, "incarnation {incarnation} has no process"),
            Self::GuestElsewhere { incarnation, node } => {
                write!(f, "incarnation {incarnation} is over: the VM is {node}'s, and both may have written")
            }
            Self::GuestOfRemoved { incarnation } => write!(f, "incarnation {incarnation} is of a removed VM"),
            Self::StartedBehindOurBack => write!(f, "a guest of this UUID runs that PVC did not start"),
            Self::StrangerGone => write!(f, "the guest that PVC did not start is gone"),
            Self::Removed => write!(f, "the operator wishes it removed, and it does not run"),
            Self::HandedOver { to } => write!(f, "the guest is down here, and the VM goes to {to}"),
            Self::MoveGivenUp { to } => write!(f, "{to} is not up, so the VM stays"),
            Self::Move(reason) => reason.fmt(f),
            Self::Drained { to } => write!(f, "its node is flushed, and {to} can take it"),
            Self::Parked => write!(f, "its node is flushed, and no other can take it"),
            Self::Unparked => write!(f, "its node carries VMs again"),
            Self::CalledHome { to } => write!(f, "{to} carries VMs again and is its home"),
            Self::HomeBarred { to } => write!(f, "{to} is its home and cannot take it now"),
            Self::TaskClaimed => write!(f, "the task is for this node's worker"),
            Self::TaskStage { stage } => write!(f, "stage {stage} of the task is next"),
            Self::TaskStageDone => write!(f, "a stage of the task is done"),
            Self::TaskProgress => write!(f, "a transfer of the task has come further"),
            Self::TaskStageFailed => write!(f, "a stage of the task failed, and what it left is seen to"),
            Self::TaskDone => write!(f, "all stages of the task are done"),
            Self::TaskFailed => write!(f, "a stage of the task failed"),
            Self::TaskOld => write!(f, "the task ended long ago"),
            Self::Storage(reason) => reason.fmt(f),
            Self::LinkDiffers => write!(f, "the device is not as it is configured"),
            Self::BridgeDiffers => write!(f, "the bridge is not as it is configured"),
            Self::AddressMissing => write!(f, "this node's address is not on the bridge"),
            Self::RouteMissing => write!(f, "the default route is not as it is configured"),
            Self::Volumes(reason) => reason.fmt(f),
            Self::Fence(reason) => reason.fmt(f),
        }
    }
}

impl Reason {
    /// Whether it comes again and again while nothing happens.
    pub fn is_routine(&self) -> bool {
        matches!(
            self,
            Self::KeepaliveDue
                | Self::Storage(StorageReason::Measured)
                | Self::Role(RoleReason::Renewed)
                | Self::Volumes(VolumesReason::SecretDue)
        )
    }

    /// The reason's name, as it stands in logs: its variant in kebab-case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NodeStarts => "node-starts",
            Self::NodeChanged => "node-changed",
            Self::SessionBegan => "session-began",
            Self::KeepaliveDue => "keepalive-due",
            Self::NodeStops => "node-stops",
            Self::StopAwaits { .. } => "stop-awaits",
            Self::Role(reason) => reason.name(),
            Self::Wished => "wished",
            Self::Crashed { .. } => "crashed",
            Self::StartUncertain { .. } => "start-uncertain",
            Self::FailureOver => "failure-over",
            Self::NodeRebooted => "node-rebooted",
            Self::Autostarts => "autostarts",
            Self::RestartGoesOn => "restart-goes-on",
            Self::Takes { .. } => "takes",
            Self::Started => "started",
            Self::Adopted { .. } => "adopted",
            Self::StartFailed { .. } => "start-failed",
            Self::ShutdownBegins => "shutdown-begins",
            Self::ShutdownPressed => "shutdown-pressed",
            Self::ShutdownOverdue => "shutdown-overdue",
            Self::ShutdownAborted => "shutdown-aborted",
            Self::Down => "down",
            Self::StopWished => "stop-wished",
            Self::StaleGuest { .. } => "stale-guest",
            Self::ProcessGone { .. } => "process-gone",
            Self::GuestElsewhere { .. } => "guest-elsewhere",
            Self::GuestOfRemoved { .. } => "guest-of-removed",
            Self::StartedBehindOurBack => "started-behind-our-back",
            Self::StrangerGone => "stranger-gone",
            Self::Removed => "removed",
            Self::HandedOver { .. } => "handed-over",
            Self::MoveGivenUp { .. } => "move-given-up",
            Self::Move(reason) => reason.name(),
            Self::Drained { .. } => "drained",
            Self::Parked => "parked",
            Self::Unparked => "unparked",
            Self::CalledHome { .. } => "called-home",
            Self::HomeBarred { .. } => "home-barred",
            Self::TaskClaimed => "task-claimed",
            Self::TaskStage { .. } => "task-stage",
            Self::TaskStageDone => "task-stage-done",
            Self::TaskProgress => "task-progress",
            Self::TaskStageFailed => "task-stage-failed",
            Self::TaskDone => "task-done",
            Self::TaskFailed => "task-failed",
            Self::TaskOld => "task-old",
            Self::Storage(reason) => reason.name(),
            Self::LinkDiffers => "link-differs",
            Self::BridgeDiffers => "bridge-differs",
            Self::AddressMissing => "address-missing",
            Self::RouteMissing => "route-missing",
            Self::Volumes(reason) => reason.name(),
            Self::Fence(reason) => reason.name(),
        }
    }
}

impl Plan {
    /// Asks to be called again at `moment`, or earlier if something else is due earlier.
    pub fn look_at(&mut self, moment: BootTime) {
        self.look_again = Some(self.look_again.map_or(moment, |at| at.min(moment)));
    }

    /// Adds the steps of another plan.
    pub fn append(&mut self, other: Plan) {
        self.steps.extend(other.steps);
        self.ends |= other.ends;
        if let Some(moment) = other.look_again {
            self.look_at(moment);
        }
    }
}
