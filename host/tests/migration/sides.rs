//! The worlds under test: two machines, the cable between them, and what can befall them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use host::hypervisor::{Hypervisor, Start};
use host::migration::{Convergence, Course, Departure, Method, Migration, Standing};
use logic::vm::domain::{Start as Splices, render_start};

use crate::guest::WEB;

/// One of the two machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Target,
}

/// A daemon's way to one machine.
pub(crate) struct Open {
    pub(crate) hypervisor: Arc<dyn Hypervisor>,
    pub(crate) migration: Arc<dyn Migration>,
}

/// What can befall them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The cable is pulled out.
    CableCut,
    /// It is put back.
    CableMended,
    /// The stream of the memory breaks, and both hypervisors know.
    StreamBroken,
    /// A hypervisor dies; its guests live on.
    HypervisorDies(Side),
    /// It answers nothing any more.
    HypervisorHangs(Side),
    /// It answers again, or is started again.
    HypervisorIsBack(Side),
    /// The guest that is started next writes its memory faster than any network carries.
    GuestBusy,
}

/// Two machines.
pub(crate) trait Sides {
    /// A daemon's way to one.
    fn open(&self, side: Side) -> Open;
    /// The same with short deadlines.
    fn open_hasty(&self, side: Side) -> Open;
    /// Its address.
    fn address(&self, side: Side) -> IpAddr;
    /// Where it keeps what the guest says.
    fn console_path(&self, side: Side) -> String;
    /// Something befalls them.
    fn befall(&self, event: Event);
    /// Waits until what the source tells the stalled target to do lies there.
    fn wait_until_target_is_told(&self);
    /// Fails unless the guest truly goes on, on one machine alone, and has left nothing out.
    fn assert_goes_on(&self, side: Side);
    /// What the guest said is forgotten, on both machines: the next one begins to count anew.
    fn forget_what_was_said(&self);
    /// Lets a little time go by.
    fn pass_time(&self);
}

/// How long anything may take before a law counts as broken.
const PATIENCE: Duration = Duration::from_secs(240);

/// Waits until the condition holds.
pub(crate) fn wait(sides: &dyn Sides, what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        sides.pass_time();
    }
}

/// The incarnation under test.
pub(crate) const INCARNATION: u64 = 7;

/// Both machines, as their daemons have them open.
pub(crate) struct Both {
    pub(crate) source: Open,
    pub(crate) target: Open,
}

impl Both {
    /// Opens both, and starts the guest on the source.
    pub(crate) fn start(sides: &dyn Sides) -> Self {
        let both = Self { source: sides.open(Side::Source), target: sides.open(Side::Target) };
        both.source.hypervisor.start(&start(sides, Side::Source)).unwrap();
        sides.assert_goes_on(Side::Source);
        both
    }

    /// Ends the guest wherever it is, and starts it anew on the source: to try what came too late once more.
    pub(crate) fn start_anew(&self, sides: &dyn Sides) {
        wait(sides, "the move is over", || !self.is_under_way());
        for open in [&self.source, &self.target] {
            wait(sides, "the guest is ended", || open.hypervisor.stop(WEB.vm, INCARNATION).is_ok());
        }
        self.wait_until_gone(sides, Side::Source);
        self.wait_until_gone(sides, Side::Target);
        sides.forget_what_was_said();
        self.source.hypervisor.start(&start(sides, Side::Source)).unwrap();
        sides.assert_goes_on(Side::Source);
    }

    /// How the guest stands on one side; `None` also while the hypervisor there does not say.
    pub(crate) fn standing(&self, side: Side) -> Option<Standing> {
        let open = match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        };
        let sighting = open.migration.look(WEB.vm).ok()??;
        assert_eq!(sighting.incarnation, Some(INCARNATION), "it is the same guest");
        Some(sighting.standing)
    }

    /// Waits until it stands so on one side.
    pub(crate) fn wait_for(&self, sides: &dyn Sides, side: Side, standing: Standing) {
        let mut last = None;
        let what = format!("{standing:?} on the {side:?}");
        wait(sides, &what, || {
            last = self.standing(side);
            last == Some(standing)
        });
    }

    /// Waits until nothing is left of it on one side, whose hypervisor answers.
    pub(crate) fn wait_until_gone(&self, sides: &dyn Sides, side: Side) {
        let open = match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        };
        // That it is gone is known before the hypervisor has seen it.
        wait(sides, "nothing is left", || {
            open.migration.look(WEB.vm) == Ok(None) && open.hypervisor.guests() == Ok(vec![])
        });
    }

    /// Waits until the move has brought the guest to the target.
    pub(crate) fn wait_until_moved(&self, sides: &dyn Sides) {
        let course = || self.source.migration.course(WEB.vm, INCARNATION).unwrap();
        wait(sides, "it has moved", || match course() {
            Course::Moved => true,
            // It is gone from the source before it is known that this is why.
            Course::Unknown | Course::UnderWay(_) => false,
            Course::Failed { why } => panic!("it has not moved: {why}"),
        });
    }

    /// Waits for the end of the move, as the source's daemon knows it.
    pub(crate) fn wait_for_end(&self, sides: &dyn Sides) -> Course {
        let mut last = Course::Unknown;
        wait(sides, "the end of the move", || match self.source.migration.course(WEB.vm, INCARNATION) {
            Ok(Course::UnderWay(_)) | Err(_) => false,
            Ok(course) => {
                last = course;
                true
            }
        });
        last
    }

    /// The words of a move that failed.
    pub(crate) fn wait_for_failure(&self, sides: &dyn Sides) -> String {
        match self.wait_for_end(sides) {
            Course::Failed { why } => why,
            other => panic!("it did not fail: {other:?}"),
        }
    }

    /// Whether the move is going on.
    pub(crate) fn is_under_way(&self) -> bool {
        matches!(self.source.migration.course(WEB.vm, INCARNATION), Ok(Course::UnderWay(_)))
    }
}

/// The start of the guest.
pub(crate) fn start(sides: &dyn Sides, side: Side) -> Start {
    let console_path = sides.console_path(side);
    let splices =
        Splices { kind: "qemu", incarnation: INCARNATION, console_path: &console_path, sources: None };
    let xml = render_start(&WEB.document(), splices).unwrap();
    Start { vm: WEB.vm, xml, incarnation: INCARNATION }
}

/// The guest's way to the target, with this much sent per second, in MiB.
pub(crate) fn departure(sides: &dyn Sides, method: Method, bandwidth_mib: u64) -> Departure {
    Departure {
        vm: WEB.vm,
        incarnation: INCARNATION,
        to: sides.address(Side::Target),
        console_path: sides.console_path(Side::Target),
        method,
        downtime_max_ms: 300,
        bandwidth_max_mib: Some(bandwidth_mib),
        convergence: Convergence::Unaided,
    }
}

/// So fast that the network is the limit.
pub(crate) const FAST: u64 = 1000;
/// So slowly that the guest is on its way for some seconds.
pub(crate) const STEADY: u64 = 8;
/// So slowly that it is on its way for some ten seconds, in which somebody may stand still for a while.
pub(crate) const GENTLE: u64 = 2;
/// So slowly that there is time to disturb it.
pub(crate) const SLOW: u64 = 1;
