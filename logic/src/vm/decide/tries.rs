//! How soon a start that failed is tried again, and a guest that keeps crashing.
//!
//! | what failed | waits before it is tried again |
//! |---|---|
//! | the hypervisor refused the start | doubled each time, up to five minutes: somebody has to mend something |
//! | the storage did not tell of the volumes | doubled each time, up to twenty seconds |
//! | the hypervisor did not answer | the shortest there is: nothing is decided before it answers again |

use super::Case;
use crate::limits::{
    CRASH_BACKOFF_FIRST, CRASH_BACKOFF_MAX, REASON_BYTES_MAX, START_BACKOFF_FIRST, START_BACKOFF_MAX,
    START_BACKOFF_SILENT_MAX,
};
use crate::observed::StepFailure;
use crate::plan::Resource;
use crate::time::{BootTime, Span};
use crate::vm::{Crashes, Failure, Phase, VmFact};

impl Case<'_> {
    /// How the start of the present incarnation failed, if it did.
    pub(super) fn start_failure(&self) -> Option<&StepFailure> {
        let failure = self.observed.failures.get(&Resource::Vm(self.id))?;
        let starts = matches!(failure.step, "start-guest" | "look-at-volumes" | "break-locks");
        (starts && failure.incarnation == self.fact.incarnation).then_some(failure)
    }

    pub(super) fn attempts(&self) -> u32 {
        self.fact.failure.as_ref().map_or(0, |failure| failure.attempts)
    }

    /// The word that the start failed in this way.
    pub(super) fn start_failed(&self, failure: &StepFailure) -> VmFact {
        let longest = match failure.step {
            _ if failure.silent => START_BACKOFF_FIRST,
            "look-at-volumes" | "break-locks" => START_BACKOFF_SILENT_MAX,
            _ => START_BACKOFF_MAX,
        };
        // From its end on: what was silent is not waited for again when it has answered.
        self.failed(&failure.why, failure.at + self.wait(longest))
    }

    /// How long is waited after one more failure.
    pub(super) fn wait(&self, longest: Span) -> Span {
        doubled(START_BACKOFF_FIRST, self.attempts(), longest)
    }

    /// The word that the VM cannot be started, and when it is tried again.
    pub(super) fn failed(&self, why: &str, retry_at: BootTime) -> VmFact {
        let attempts = self.attempts() + 1;
        let mut reason = why.to_owned();
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        VmFact {
            boot: self.observed.node.boot,
            phase: Phase::Stopped,
            failure: Some(Failure { reason, attempts, retry_at }),
            wish_done: self.wish().serial,
            ..self.fact.clone()
        }
    }
}

/// How long to wait before a guest that keeps crashing is started again; `None` for the first crash.
pub(super) fn crash_wait(crashes: Crashes) -> Option<Span> {
    let repeated = crashes.in_a_row.checked_sub(2)?;
    Some(doubled(CRASH_BACKOFF_FIRST, repeated, CRASH_BACKOFF_MAX))
}

pub(super) fn doubled(first: Span, times: u32, most: Span) -> Span {
    Span(first.0.saturating_mul(1 << times.min(20)).min(most.0))
}
