//! One line per step, in the words of its reason.

use logic::plan::Step;
use tracing::{debug, info, warn};

use crate::memory::Ended;

/// Says that a step begins. Only the end is a line for the operator.
pub fn step_begins(step: &Step) {
    debug!(resource = %step.resource, step = step.action.name(), reason = %step.reason, "begins");
}

/// Says how a step ended. Keepalives that succeed are not worth a line.
pub fn step_ended(ended: &Ended) {
    let Ended { step, outcome, took, .. } = ended;
    let (name, reason, took_ms) = (step.action.name(), step.reason.name(), took.0);
    match outcome {
        Ok(_) if step.reason.is_routine() => {
            debug!(resource = %step.resource, step = name, reason, outcome = "done", took_ms, "{}", step.reason);
        }
        Ok(_) => {
            info!(resource = %step.resource, step = name, reason, outcome = "done", took_ms, "{}", step.reason)
        }
        Err(fault) => {
            let why = chain(fault);
            warn!(resource = %step.resource, step = name, reason, outcome = "failed", took_ms, why, "{}", step.reason);
        }
    }
}

/// An error and its sources on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
