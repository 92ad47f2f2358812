//! What a start and a run of a guest need of the VM's volumes: the steps that [`crate::vm::volumes`] calls for.

use super::Case;
use crate::plan::{Action, Step, VolumesReason};
use crate::vm::volumes::{Occasion, Verdict, verdict};

impl Case<'_> {
    /// The start of the present incarnation, once its volumes may be used.
    pub(super) fn start_on_volumes(&self) -> Option<Step> {
        let Some(storage) = &self.observed.storage else { return self.start() };
        let (vm, incarnation) = (&self.entry.vm.value, self.fact.incarnation);
        match verdict((self.id, vm), incarnation, &storage.looks, self.now.boot) {
            Verdict::Look => self.look_at_volumes(incarnation, Occasion::Start, VolumesReason::Asked),
            Verdict::Break(locks) => {
                self.host(Action::BreakLocks { vm: self.id, incarnation, locks }, VolumesReason::Stale.into())
            }
            Verdict::Bar(why) => self.record(self.failed(&why), VolumesReason::Barred.into()),
            Verdict::Clear => self.start(),
        }
    }

    /// Who this incarnation is at the storage, if that was not noted yet.
    pub(super) fn note_clients(&self, running: u64) -> Option<Step> {
        let storage = self.observed.storage.as_ref().filter(|_| !self.entry.vm.value.volumes.is_empty())?;
        let noted = storage.looks.get(&(self.id, Occasion::Run));
        if noted.is_some_and(|look| look.incarnation == running) {
            return None;
        }
        self.look_at_volumes(running, Occasion::Run, VolumesReason::Noted)
    }

    fn look_at_volumes(&self, incarnation: u64, occasion: Occasion, reason: VolumesReason) -> Option<Step> {
        let volumes = self.entry.vm.value.volumes.iter().map(|used| used.path.clone()).collect();
        self.host(Action::LookAtVolumes { vm: self.id, incarnation, occasion, volumes }, reason.into())
    }
}
