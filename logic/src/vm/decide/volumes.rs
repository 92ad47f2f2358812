//! What a start and a run of a guest need of the VM's volumes: the steps that [`crate::vm::volumes`] calls for, and what
//! becomes of a VM on a node that is blocked at the storage.

use super::Case;
use crate::fence::reason::FenceReason;
use crate::fence::{own, standing};
use crate::id::NodeName;
use crate::limits::{START_BACKOFF_MAX, VOLUMES_NOTE_INTERVAL};
use crate::plan::{Action, Reason, Step, VolumesReason};
use crate::record::{Guard, RecordId, expect_of};
use crate::time::BootTime;
use crate::vm::Phase;
use crate::vm::domain::disks::Sharing;
use crate::vm::volumes::{Look, Occasion, Verdict, clients_here, proofs, verdict};

impl Case<'_> {
    /// The start of the present incarnation, once its volumes may be used.
    pub(super) fn start_on_volumes(&self) -> Option<Step> {
        let Some(storage) = &self.observed.storage else { return self.start() };
        let (vm, incarnation) = (&self.entry.vm.value, self.fact.incarnation);
        match verdict(self.cluster, (self.id, vm), incarnation, &storage.looks, self.now.boot) {
            Verdict::Look => self.look_at_volumes(incarnation, Occasion::Start, VolumesReason::Asked),
            Verdict::Break(locks) => {
                let broken = Action::BreakLocks { vm: self.id, incarnation, locks };
                self.resting(self.host(broken, VolumesReason::Stale.into()))
            }
            Verdict::Bar(why) => {
                self.record(self.failed(&why, self.retry_at()), VolumesReason::Barred.into())
            }
            Verdict::Clear => self.start(),
        }
    }

    /// When it is looked again whether the VM may be started.
    fn retry_at(&self) -> BootTime {
        self.now.boot + self.wait(START_BACKOFF_MAX)
    }

    fn start(&self) -> Option<Step> {
        let incarnation = self.fact.incarnation;
        let action = Action::StartGuest { vm: self.id, name: self.entry.vm.value.name.clone(), incarnation };
        self.resting(self.host(action, Reason::Takes { incarnation }))
    }

    /// The step, resting on what says that this node may start VMs, and on each proof that somebody else writes no more.
    pub(super) fn resting(&self, step: Option<Step>) -> Option<Step> {
        let name = &self.observed.name;
        let own = self.cluster.fences.get(name).map(|block| &**block);
        let own = Guard { record: RecordId::Fence(name.clone()), expect: expect_of(own) };
        let looks = self.observed.storage.as_ref().map(|storage| &storage.looks);
        let mut step = step?;
        step.guards.push(own);
        step.guards.extend(looks.map(|looks| proofs(self.cluster, self.id, looks)).unwrap_or_default());
        Some(step)
    }

    /// Whether a node is blocked at the storage, or is to be.
    pub(super) fn is_fenced(&self, node: &NodeName) -> bool {
        standing(self.cluster, node).is_some()
    }

    /// Whether the guest here is cut off from its volumes for good.
    pub(super) fn is_cut_off(&self) -> bool {
        own::is_cut_off(self.cluster, self.observed, self.entry)
    }

    /// A guest that never writes again is ended.
    pub(super) fn end_cut_off(&self, running: u64) -> Option<Step> {
        self.host(Action::StopGuest { vm: self.id, incarnation: running }, Reason::Fence(FenceReason::CutOff))
    }

    /// No VM is started here now: it is told once.
    pub(super) fn barred(&self, why: &str) -> Option<Step> {
        let failure = self.fact.failure.as_ref();
        let is_told = self.fact.phase == Phase::Stopped && failure.is_some_and(|told| told.reason == why);
        if is_told {
            return None;
        }
        self.record(self.failed(why, self.retry_at()), Reason::Fence(FenceReason::Barred))
    }

    /// Who this incarnation is at the storage, if that was not noted yet. A guest that writes has its volumes open: where a
    /// look did not show that, the storage was silent or late, and is looked at again.
    pub(super) fn note_clients(&self, running: u64) -> Option<Step> {
        let volumes = &self.entry.vm.value.volumes;
        let storage = self.observed.storage.as_ref().filter(|_| !volumes.is_empty())?;
        let noted = storage.looks.get(&(self.id, Occasion::Run)).filter(|look| look.incarnation == running);
        let writes = volumes.iter().any(|used| used.sharing == Sharing::Alone);
        let suffices = |look: &Look| {
            !writes || !clients_here(look).is_empty() || self.now.boot - look.at < VOLUMES_NOTE_INTERVAL
        };
        if noted.is_some_and(suffices) {
            return None;
        }
        self.look_at_volumes(running, Occasion::Run, VolumesReason::Noted)
    }

    fn look_at_volumes(&self, incarnation: u64, occasion: Occasion, reason: VolumesReason) -> Option<Step> {
        let volumes = self.entry.vm.value.volumes.iter().map(|used| used.path.clone()).collect();
        self.host(Action::LookAtVolumes { vm: self.id, incarnation, occasion, volumes }, reason.into())
    }
}
