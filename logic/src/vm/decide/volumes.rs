//! What a start and a run of a guest need of the VM's volumes: the steps that [`crate::vm::volumes`] calls for.

use super::Case;
use crate::limits::VOLUMES_NOTE_INTERVAL;
use crate::plan::{Action, Step, VolumesReason};
use crate::vm::domain::disks::Sharing;
use crate::vm::volumes::{Look, Occasion, Verdict, clients_here, verdict};

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
