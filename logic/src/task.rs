//! A task is long work as a list of stages; each can be repeated, so that a worker killed in the middle goes on.
//!
//! `PENDING` (no fact) → `RUNNING` (stage 0, 1, …) → `SUCCESS` or `FAILURE`. The worker daemon of the node in `run_on`
//! is the only one that works on it.

use serde::{Deserialize, Serialize};

use crate::id::{NodeName, VmId};
use crate::limits::PERCENT;
use crate::plan::Action;
use crate::storage::benchmark::Trial;
use crate::storage::osd::OsdId;
use crate::storage::osd::work::OsdWork;
use crate::storage::work::StorageWork;
use crate::time::WallTime;

pub mod accept;
pub mod decide;
mod progress;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Work {
    /// Attach a device to a running VM.
    AttachDevice {
        /// The VM.
        vm: VmId,
        /// The device's libvirt element.
        xml: String,
    },
    /// Detach a device from a running VM.
    DetachDevice {
        /// The VM.
        vm: VmId,
        /// The device's libvirt element.
        xml: String,
    },
    /// Move a VM to another node while it runs. The node's own daemon does it, and tells of it; no worker does.
    MoveVm {
        /// The VM.
        vm: VmId,
        /// Where it goes.
        to: NodeName,
    },
    /// Change something of the storage.
    Storage(StorageWork),
    /// Change something of OSDs.
    Osd(OsdWork),
}

/// One stage of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What an operator reads while it goes on.
    pub text: String,
    /// How it is done.
    pub part: Part,
}

/// How a stage is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// By a step of the worker, which may be made again.
    Step(Action),
    /// By the VM's node, which says that its guest is down.
    Down(VmId),
    /// By what comes over the link, or does not: see [`crate::observed::Upload`].
    Content,
    /// By a step of the worker as well: a trial of a benchmark, of which earlier ones say how it is made.
    Trial(Trial),
}

impl Work {
    /// The name clients know it by.
    pub fn name(&self) -> &'static str {
        match self {
            Work::AttachDevice { .. } => "vm.attach_device",
            Work::DetachDevice { .. } => "vm.detach_device",
            Work::MoveVm { .. } => "vm.migrate",
            Work::Storage(work) => work.name(),
            Work::Osd(work) => work.name(),
        }
    }

    /// What an operator reads when it has succeeded.
    pub fn done(&self) -> String {
        match self {
            Work::AttachDevice { .. } => "The device is attached".into(),
            Work::DetachDevice { .. } => "The device is detached".into(),
            Work::MoveVm { to, .. } => format!("The VM runs on node \"{to}\""),
            Work::Storage(work) => work.done(),
            Work::Osd(work) => work.done(),
        }
    }

    /// Its stages while none fails.
    pub fn forward(&self) -> Vec<Stage> {
        let step = |text: &str, action| vec![Stage { text: text.into(), part: Part::Step(action) }];
        match self.clone() {
            Work::AttachDevice { vm, xml } => step("Attaching the device", Action::AttachDevice { vm, xml }),
            Work::DetachDevice { vm, xml } => step("Detaching the device", Action::DetachDevice { vm, xml }),
            Work::MoveVm { .. } => Vec::new(),
            Work::Storage(work) => work.forward(),
            Work::Osd(work) => work.forward(),
        }
    }

    /// Its stages once one has failed.
    pub fn back(&self, failed: &Failed) -> Vec<Stage> {
        match self {
            Work::AttachDevice { .. } | Work::DetachDevice { .. } | Work::MoveVm { .. } => Vec::new(),
            Work::Storage(work) => work.back(failed),
            Work::Osd(work) => work.back(failed.stage),
        }
    }

    /// The OSD whose record it holds, if it is about one.
    pub fn osd(&self) -> Option<OsdId> {
        match self {
            Work::Osd(work) => work.osd(),
            _ => None,
        }
    }

    /// Whether any worker can do it: what is done at one node's own devices is done there.
    pub fn is_of_any_node(&self) -> bool {
        match self {
            Work::Storage(_) => true,
            Work::Osd(work) => work.node().is_none(),
            _ => false,
        }
    }

    /// Whether its last stage only looks: the work is done when all others are.
    pub fn looks(&self) -> bool {
        matches!(self, Work::Storage(_))
    }

    /// Which of its stages moves so much that how far that is is told in percent.
    pub fn transfer_stage(&self) -> Option<u32> {
        match self {
            Work::Storage(StorageWork::CopyVolume { .. }) => Some(1),
            Work::Storage(StorageWork::Upload { .. }) => Some(0),
            _ => None,
        }
    }

    /// How far it has to come, as an operator reads it: in stages, or in percent.
    pub fn course(&self) -> u32 {
        self.transfer_stage().map_or_else(|| self.total(), |_| PERCENT)
    }

    /// How many stages it counts up to; of a move, how many percent.
    pub fn total(&self) -> u32 {
        match self {
            Work::MoveVm { .. } => PERCENT,
            work => u32::try_from(work.forward().len()).unwrap_or(u32::MAX),
        }
    }
}

/// A task as asked. Written once by the API, deleted by the worker when it is old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What to do.
    pub work: Work,
    /// The node whose worker does it.
    pub run_on: NodeName,
    /// When it was asked.
    pub asked: WallTime,
}

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskState {
    /// Some stage is being worked on.
    Running,
    /// All stages are done.
    Success,
    /// A stage failed for good; the message says why.
    Failure,
}

/// How far a task is. Written by its worker only; of a move, by the daemon of the node that it leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFact {
    /// How it stands.
    pub state: TaskState,
    /// How many stages are done; of a move, how many percent. Once one has failed, those that undo are counted on from
    /// its number.
    pub stage: u32,
    /// What an operator should read.
    pub message: String,
    /// When the state last changed.
    pub at: WallTime,
    /// Which stage failed and why, while what it left is undone and looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
    /// How far the transfer of this stage is, if it is one that moves much and has gone on for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// How far a transfer is, as it was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How many percent have been moved; what is whole ends its stage.
    pub percent: u32,
    /// When this was told.
    pub at: WallTime,
}

impl TaskFact {
    /// How far the task is, and how far it has to come: in stages, and in percent where one of its stages moves much.
    pub fn course(&self, work: &Work) -> (u32, u32) {
        let Some(transfer) = work.transfer_stage() else {
            return (self.stage.min(work.total()), work.total());
        };
        let percent = match self.state {
            TaskState::Success => PERCENT,
            _ => match self.progress {
                Some(progress) => progress.percent.min(PERCENT - 1),
                None if self.failed.is_none() && self.stage > transfer => PERCENT - 1,
                None => 0,
            },
        };
        (percent, PERCENT)
    }
}

/// A stage that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Which.
    pub stage: u32,
    /// Why.
    pub why: String,
    /// Whose is what it left.
    #[serde(default)]
    pub left: Left,
}

/// Whose is what is there after a stage that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Left {
    /// The task's, as far as it has come: it may undo that.
    #[default]
    Own,
    /// Somebody else's: the stage was refused because that was there, and each call of the task's own could be made again; or
    /// it was refused while nothing was there.
    Strange,
}
