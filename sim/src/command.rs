//! What a script can order: one line of text, one value. A seed makes the same values, so that what it did can be read.

use host::memory::migration::Fault;
use host::memory::{Late, PowerButton};
use logic::id::{NodeName, VmName};
use logic::storage::VolumePath;
use logic::time::Span;
use logic::vm::MigrationMethod;
use logic::vm::accept::{Force, PowerRequest};
use store::memory::{CommitFault, Sessions};

pub mod osds;
mod read;
pub mod storage;
mod write;

pub use osds::{Fate, OsdAsk};
pub use storage::{Misfortune, StorageAsk};

/// Which of a node's daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `pvcnoded`.
    Noded,
    /// `pvcworkerd`.
    Workerd,
}

/// One daemon of one node, written `noded@hv1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which daemon.
    pub kind: Kind,
    /// Which node.
    pub node: NodeName,
}

/// Which moment of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Its guards were checked, and it has not acted.
    Checked,
    /// It has acted, and its end is not reported.
    Acted,
}

/// What befalls a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// It is killed.
    Kill,
    /// It is killed before it has acted, and its call waits for this long at the hypervisor before it is performed.
    KillWaiting(Span),
    /// It stands still for this long, as with SIGSTOP.
    Stall(Span),
    /// Its loop hangs for this long: it decides nothing, and its session goes on.
    Hang(Span),
}

/// How a VM is to move this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// By its own method.
    Usual,
    /// Only while it runs.
    Live,
    /// Only by a shutdown.
    Shutdown,
}

impl Manner {
    /// What is asked of the API.
    pub fn asked(self) -> Option<MigrationMethod> {
        match self {
            Self::Usual => None,
            Self::Live => Some(MigrationMethod::Live),
            Self::Shutdown => Some(MigrationMethod::Shutdown),
        }
    }
}

/// What an operator asks of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the commands of `pvc` are")]
pub enum Ask {
    Init,
    Define {
        vm: VmName,
        memory_mib: u64,
        vcpus: u32,
        node: Option<NodeName>,
    },
    Power {
        vm: VmName,
        request: PowerRequest,
        force: Force,
    },
    Remove {
        vm: VmName,
    },
    Rename {
        vm: VmName,
        to: VmName,
    },
    Autostart {
        vm: VmName,
    },
    Move {
        vm: VmName,
        to: Option<NodeName>,
        manner: Manner,
    },
    Migrate {
        vm: VmName,
        to: Option<NodeName>,
        manner: Manner,
    },
    Unmigrate {
        vm: VmName,
        manner: Manner,
    },
    Method {
        vm: VmName,
        method: MigrationMethod,
    },
    Primary {
        node: NodeName,
    },
    Secondary {
        node: NodeName,
    },
    Flush {
        node: NodeName,
    },
    Ready {
        node: NodeName,
    },
    Forget {
        node: NodeName,
    },
    Attach {
        vm: VmName,
        device: String,
    },
    Detach {
        vm: VmName,
        device: String,
    },
    Storage(StorageAsk),
    Disk {
        vm: VmName,
        volume: VolumePath,
    },
    RemoveWithVolumes {
        vm: VmName,
    },
    FlushLocks {
        vm: VmName,
    },
    Osd(OsdAsk),
    /// No request of an operator's: whoever fences nodes asks that the storage be closed to one.
    Fence {
        node: NodeName,
    },
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The operator asks something.
    Ask(Ask),
    /// A daemon is started.
    Run(Place),
    /// A daemon is asked to stop.
    Stop(Place),
    /// Something befalls a daemon now.
    Befalls(Place, Blow),
    /// Something befalls a daemon the next time it is at this moment of a step of this name.
    Break {
        /// Which daemon.
        place: Place,
        /// Which moment.
        moment: Moment,
        /// The step's name, such as `start-guest`.
        step: String,
        /// What befalls it.
        blow: Blow,
    },
    /// A guest's QEMU process dies.
    Crash(VmName),
    /// The same, and the hypervisor does not notice.
    CrashUnseen(VmName),
    /// What a guest does when its power button is pressed.
    Button(VmName, PowerButton),
    /// Somebody starts a guest past PVC.
    StartByHand(NodeName, VmName),
    /// Somebody stops a guest past PVC.
    StopByHand(VmName),
    /// The next starts are refused.
    RefuseStarts(NodeName, u32),
    /// The hypervisor does not answer.
    Hang(NodeName, Late),
    /// The hypervisor is not reachable.
    Cut(NodeName),
    /// The hypervisor answers again.
    Heal(NodeName),
    /// The answers of the next calls are lost.
    LoseAnswers(NodeName, u32),
    /// The next changes wake nobody.
    LoseWakes(NodeName, u32),
    /// The machines lose their power at once and come back, with their daemons.
    CutPower(Vec<NodeName>),
    /// The machines lose their power at once, and have none until it is given back.
    PowerOff(Vec<NodeName>),
    /// The machines have power again, and their daemons run.
    PowerOn(Vec<NodeName>),
    /// The cable between two machines on the cluster network is pulled out.
    CutCable(NodeName, NodeName),
    /// It is put back.
    HealCable(NodeName, NodeName),
    /// The daemons of a machine hear of changes in the store up to so much later than others.
    Slow(NodeName, Span),
    /// The wall clock of a machine is set, by so many ms.
    Wall(NodeName, i64),
    /// The boot clock of a machine is too fast, by so many parts of a million.
    Drift(NodeName, i32),
    /// The machine has been up for this long already.
    Uptime(NodeName, Span),
    /// The machine was given more memory, in MiB: its registration changes.
    Grow(NodeName, u64),
    /// The machine has so many processors: its registration changes.
    Processors(NodeName, u32),
    /// The store does not answer, or answers again.
    Store(Reach),
    /// Something befalls a machine's networks.
    Network(NodeName, Mishap),
    /// The store does not answer one machine's daemons, or answers them again.
    StoreOf(NodeName, Reach),
    /// The store elects a leader: for so long nobody is answered.
    Election(Span, Sessions),
    /// The store's leader dies with the next commit in its hands, and an election takes so long.
    LoseLeader(Span, CommitFault),
    /// This goes wrong with the next move.
    BreakMove(Fault),
    /// From now on a guest writes its memory faster than it can be sent.
    Busy(VmName),
    /// Something befalls the storage.
    Storage(Misfortune),
    /// From now on a guest writes so fast that no throttle helps.
    Restless(VmName),
    /// Something befalls a machine's devices.
    Devices(NodeName, Fate),
    /// The next commit's outcome is not told.
    LoseCommit(CommitFault),
}

/// What befalls a machine's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Somebody takes the card down.
    Down,
    /// Somebody takes the node's own address away.
    Stripped,
    /// The machine loses its power. No order of its own: it comes with `cut-power`.
    PowerCut,
    /// The next changes are refused.
    Refused,
}

/// Whether the store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It does.
    Back,
    /// It does not.
    Gone,
}

impl Command {
    /// The first word: what it is counted as.
    pub fn name(&self) -> String {
        let text = self.to_string();
        let words: Vec<&str> = text.split(' ').collect();
        match self {
            Self::Store(_)
            | Self::LoseCommit(_)
            | Self::Hang(..)
            | Self::Election(..)
            | Self::LoseLeader(..) => format!("{}-{}", words[0], words[words.len() - 1]),
            Self::StoreOf(_, Reach::Gone) => "store-gone-from-one".into(),
            Self::StoreOf(_, Reach::Back) => "store-back-to-one".into(),
            Self::CutPower(nodes) | Self::PowerOff(nodes) if nodes.len() > 1 => {
                format!("{}-of-several", words[0])
            }
            Self::BreakMove(_) => words.join("-"),
            Self::Storage(_) => format!("{}-{}", words[0], words[1]),
            Self::Devices(..) => format!("{}-{}", words[0], words[2]),
            Self::Break { .. } => format!("break-{}-{}", words[2], words[4]),
            _ => words[0].to_owned(),
        }
    }
}

/// A span as scripts write it, such as `2s` or `0.25s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Span);

/// Every fault of a move, by its name.
pub(crate) fn faults_of_moves() -> [(&'static str, Fault); 7] {
    [
        ("refused", Fault::Refused("no bridge of that name".into())),
        ("stream-breaks", Fault::StreamBreaks),
        ("switch-fails", Fault::SwitchFails),
        ("answer-lost", Fault::AnswerLost),
        ("stranded-before", Fault::StrandedBeforeSwitch),
        ("stranded-after", Fault::StrandedAfterSwitch),
        ("torn-in-two", Fault::TornInTwo),
    ]
}

#[cfg(test)]
mod tests;
