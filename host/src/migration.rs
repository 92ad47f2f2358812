//! The port to live migration: a guest is sent to another machine while it runs, and both sides can be looked at.
//!
//! A move is begun on the source and then watched; nobody waits for it. It belongs to the hypervisors of the two
//! machines: it goes on when the daemon that began it dies, and the next daemon finds it. So this port promises little
//! of any single answer, and much of what can be seen afterwards:
//!
//! 1. A guest sent by [`Method::PreCopy`] never runs on the target by itself. It arrives paused and whole, and its
//!    CPUs go on there with [`Migration::release`] only. (A hypervisor that starts it there by itself tells the source
//!    so, and when that answer is lost the source lets it go on as well: both would run.)
//! 2. The source lets the guest go only when the target holds it whole. What is gone from the source does not come
//!    back there without a start.
//! 3. Whatever fails, on the source the guest runs, or is [`Standing::Stranded`] there, or is gone from there by rule 2.
//!
//! Hence the whole of it is safe when the target's release is ordered on the source's word *gone*, and the source's
//! release (of a stranded guest) on the target's word *nothing here*, which [`Migration::discard`] makes true. What the
//! two sides can look like together, for one incarnation:
//!
//! | source | target | where it is | what can be done |
//! |---|---|---|---|
//! | `Running` | nothing | source | nothing to do |
//! | `Leaving`, `Handing` | nothing, `Incoming` or `Paused` | source | wait, or abort |
//! | `Running` | `Incoming` or `Paused` | source | discard on the target |
//! | `Stranded` | `Incoming` | source | discard on the target, then release on the source |
//! | `Stranded` | `Paused` | either, whole | discard one, then release the other |
//! | `Stranded` | nothing | source | release on the source |
//! | gone | `Paused` | target | release on the target |
//! | gone | `Running` | target | it has moved |
//! | gone | nothing or `Incoming` | nowhere: it ended | discard on the target, then a new start |
//! | `Drained` | `Filling` | target, half its memory | wait: there is no way back |
//! | `Torn` | `Filling` or `Torn` | in two halves | mend it for a while; then stop both, and a new start |
//! | `Torn` | nothing | nowhere: half of it is lost | stop it, then a new start |
//! | gone | `Torn` | nowhere: half of it is lost | stop it, then a new start |
//!
//! The hypervisor's own list has a guest that does not run, on either side, as paused. While a move goes on, the guest
//! hears no power button and takes no devices: such calls are not answered. It can be ended by
//! [`crate::hypervisor::Hypervisor::stop`], which ends the move too; so can a half that is `Torn`.
//!
//! [`Method::PostCopy`] is for guests that write faster than the network carries. It gives up rule 1: the target runs by
//! itself once it was switched. From then on the source never runs again, but a guest whose machine or network fails
//! then is lost, unless [`Migration::mend`] joins its halves. Until the switch the adapter sends as slowly as can be, and
//! allows hardly any pause, so that a move does not complete before, save for a guest that does not write at all. Such a
//! one starts on the target by itself, and if the answer is lost then it runs on both: so this is only for guests that
//! [`Method::PreCopy`] was tried with in vain, and the switch follows as soon as anything was sent.

use std::fmt::Debug;
use std::net::IpAddr;

use logic::id::VmId;
pub use logic::vm::migrate::Method;

use crate::hypervisor::Error;

/// What is done about a guest that writes its memory faster than it can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convergence {
    /// Nothing: the move may never end by itself.
    Unaided,
    /// Its CPUs are slowed down, more and more.
    Throttled,
}

/// What to send where, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The VM.
    pub vm: VmId,
    /// The incarnation that runs here. It keeps its number: it is the same guest.
    pub incarnation: u64,
    /// The target's address on the cluster network. Everything goes there: the conversation and the memory.
    pub to: IpAddr,
    /// Where the target keeps what the guest says on its first serial port.
    pub console_path: String,
    /// How its memory is brought over.
    pub method: Method,
    /// How long the guest may stand still at the switch, in ms, by the hypervisor's estimate.
    pub downtime_max_ms: u64,
    /// How much may be sent per second, in MiB; `None` for as much as the network carries. By post-copy this counts from
    /// the switch on.
    pub bandwidth_max_mib: Option<u64>,
    /// What is done about a guest that writes too fast.
    pub convergence: Convergence,
}

/// How far a move has come. Sizes in MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Since it was begun, in ms.
    pub elapsed_ms: u64,
    /// The guest's memory; zero while the target is being reached.
    pub memory_total_mib: u64,
    /// What is still to be sent.
    pub memory_remaining_mib: u64,
    /// What was sent, repetitions included.
    pub memory_sent_mib: u64,
    /// How often the memory has been gone through; the first pass is 1.
    pub pass: u64,
    /// By how much its CPUs are slowed down, in percent.
    pub throttle_percent: u64,
}

/// What became of a move, as the source knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// It is going on, whoever began it.
    UnderWay(Progress),
    /// The target holds the guest whole. What is left here, if anything, does not run.
    Moved,
    /// It ended otherwise: it was aborted, refused, or broke off.
    Failed {
        /// In the hypervisor's words.
        why: String,
    },
    /// Nothing is going on, and how it ended was not seen here, or not yet: both sides must be looked at.
    Unknown,
}

/// How one incarnation stands on one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its CPUs run, and it is going nowhere.
    Running,
    /// It is whole and its CPUs stand still until a call lets them go on: so it arrives. An operator's pause and an I/O
    /// error look the same.
    Paused,
    /// Source: its CPUs run while it is being sent.
    Leaving,
    /// Source: its CPUs stand still for the switch, and the move is going on.
    Handing,
    /// Source: its CPUs stand still for a switch that nobody carries on, because the hypervisor died in it. It is whole.
    Stranded,
    /// Target: it is being received. It is not whole, and has never run here.
    Incoming,
    /// Source, by post-copy: it runs on the target, which still needs memory from here.
    Drained,
    /// Target, by post-copy: its CPUs run here, while memory is still coming.
    Filling,
    /// By post-copy that broke off: half of it is here, and half on the other side.
    Torn,
}

/// What a call does to a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing: it is so already.
    None,
    /// Its CPUs go on.
    Resume,
    /// It ends.
    End,
}

impl Standing {
    /// What a release does to a guest that stands so, or why it is refused.
    pub(crate) fn on_release(self) -> Result<Change, &'static str> {
        match self {
            Self::Running | Self::Leaving | Self::Filling => Ok(Change::None),
            Self::Paused | Self::Stranded => Ok(Change::Resume),
            Self::Handing => Err("its move is going on"),
            Self::Incoming => Err("it is not whole"),
            Self::Drained => Err("it runs on the other side"),
            Self::Torn => Err("half of it is on the other side"),
        }
    }

    /// What it means to discard a guest that stands so, or why it is refused.
    pub(crate) fn on_discard(self) -> Result<Change, &'static str> {
        match self {
            Self::Paused | Self::Stranded | Self::Incoming => Ok(Change::End),
            Self::Running | Self::Filling => Err("it runs"),
            Self::Leaving | Self::Handing => Err("its move is going on"),
            Self::Drained | Self::Torn => Err("the other side needs it"),
        }
    }
}

/// A guest that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The incarnation in its metadata; `None` when PVC did not start it.
    pub incarnation: Option<u64>,
    /// How it stands.
    pub standing: Standing,
}

impl Sighting {
    /// Whether it is this incarnation, and on its way from here.
    pub fn is_leaving(&self, incarnation: u64) -> bool {
        self.incarnation == Some(incarnation)
            && matches!(self.standing, Standing::Leaving | Standing::Handing)
    }
}

/// One machine's part in moving guests, as source and as target. Every call returns within the adapter's deadline. A
/// call on an incarnation never touches another one. The wakers of [`crate::hypervisor::Hypervisor::watch`] are woken
/// when a move ends, and on the target when a guest comes.
pub trait Migration: Send + Sync + Debug {
    /// Source: begins to send a running guest, and does not wait for it. Done if it is on its way already. Refused if
    /// it is not here, does not run, or another way out of it is going on; what the target says against it comes as
    /// the course.
    fn begin(&self, departure: &Departure) -> Result<(), Error>;

    /// Source: what became of the move of this incarnation.
    fn course(&self, vm: VmId, incarnation: u64) -> Result<Course, Error>;

    /// Source: asks for the end of the move, which the course then tells. Done if nothing is going on. Refused when
    /// there is no way back: after a switch to post-copy.
    fn abort(&self, vm: VmId, incarnation: u64) -> Result<(), Error>;

    /// Source: from now on the guest may stand still for so long at the switch, by the hypervisor's estimate. Done if
    /// nothing is going on.
    fn allow_downtime(&self, vm: VmId, incarnation: u64, downtime_max_ms: u64) -> Result<(), Error>;

    /// Source: lets the guest go on at the target now, its memory following. Done if that was done. Refused if the
    /// move was not begun by [`Method::PostCopy`], or has sent nothing yet.
    fn switch_to_post_copy(&self, vm: VmId, incarnation: u64) -> Result<(), Error>;

    /// Source: begins to join the halves of a guest that is [`Standing::Torn`], and does not wait for it. Done if that is
    /// going on. Refused if it is not torn here; what the target says against it comes as the course: it may not have
    /// noticed yet that they are apart. With an emulated guest it may never return: QEMU answers nobody while such a
    /// guest waits for what it needs to take an interrupt. Where the memory went on by itself meanwhile, the half here
    /// may be left: it is ended when the guest runs at the target.
    fn mend(&self, departure: &Departure) -> Result<(), Error>;

    /// Both: how the VM's guest stands here; `None` where there is none.
    fn look(&self, vm: VmId) -> Result<Option<Sighting>, Error>;

    /// Both: lets a guest that is whole and stands still go on here. Done if it runs. Refused if it is not here, not
    /// whole, or its move is going on. The caller knows that it runs nowhere else and will not: see the table.
    fn release(&self, vm: VmId, incarnation: u64) -> Result<(), Error>;

    /// Both: ends a guest that does not run here and never shall. Done if it is not here. Refused if its CPUs run, if
    /// it is on its way from here, and if the other side needs it.
    fn discard(&self, vm: VmId, incarnation: u64) -> Result<(), Error>;
}
