//! Makes the machine's networks before the store is opened: it may be reached over them.
//!
//! The decision is that of every pass, `logic::network::system`, and so are the steps; only their guards are none. What
//! cannot be made is told, and the daemon goes on: with the store on another network it can still say what is wrong.

use std::collections::BTreeSet;
use std::sync::Arc;

use host::clock::{Clock as _, SystemClock};
use host::network::Network;
use logic::network::{Networks, Sighting, Wanted, system};
use logic::plan::{Action, Resource, Step};

use crate::perform::change_network;

/// Rounds of looking and making. Everything is made after four; more are needed only when somebody else changes things.
const ROUNDS_MAX: usize = 12;

/// Makes what is missing of the machine's networks, and tells what cannot be made.
pub fn make(network: &dyn Network, wanted: &Wanted) {
    let mut failed = BTreeSet::new();
    for _ in 0..ROUNDS_MAX {
        let outlook = system::decide(&look(network, wanted));
        let mut steps = outlook.steps.into_iter().filter(|step| !failed.contains(&step.resource)).peekable();
        if steps.peek().is_none() {
            outlook.troubles.iter().for_each(|trouble| tracing::warn!("{trouble}"));
            return;
        }
        failed.extend(steps.filter_map(|step| perform(network, step)).collect::<Vec<_>>());
    }
    tracing::warn!("the machine's networks do not come to be as they are configured; going on");
}

fn look(network: &dyn Network, wanted: &Wanted) -> Networks {
    let sighting = match wanted.is_nothing() {
        true => return Networks::none(),
        false => network.observe(),
    };
    let sighting = match sighting {
        Ok(seen) => Sighting::Seen(Arc::new(seen)),
        Err(error) => Sighting::Unknown { why: error.to_string() },
    };
    Networks { wanted: wanted.clone(), sighting, at: SystemClock.now().boot }
}

/// Performs a step; gives its resource when it failed.
fn perform(network: &dyn Network, step: Step) -> Option<Resource> {
    let Action::Network(change) = &step.action else { return None };
    match change_network(network, &SystemClock, change) {
        Ok(()) => {
            tracing::info!(resource = %step.resource, step = change.name(), "{}", step.reason);
            None
        }
        Err(error) => {
            tracing::warn!(resource = %step.resource, step = change.name(), %error, "{}", step.reason);
            Some(step.resource)
        }
    }
}

#[cfg(test)]
mod tests;
