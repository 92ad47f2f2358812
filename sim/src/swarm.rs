//! Scripts made of seeds: random orders and faults for a while, then an end to the faults, and every wish must come true.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher as _};

use logic::config::Timers;
use logic::id::NodeName;
use logic::time::Span;

use crate::command::Seconds;
use crate::counts::Counts;
use crate::world::chance::Chance;
use crate::world::{Keepalives, World};

mod fault;
mod script;

pub use script::script;

/// How long a seed's faults go on.
const TROUBLE: Span = Span::seconds(90);

/// By then every wish must have come true after the faults ended. The longest wait in `logic` is five minutes, between
/// two tries of a start that keeps failing.
const REST: Span = Span::seconds(420);

/// What one seed came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which.
    pub seed: u64,
    /// What went wrong.
    pub violation: Option<String>,
    /// A hash over its whole log.
    pub fingerprint: u64,
    /// Its script and its log, for reading.
    pub story: String,
    /// What was met.
    pub counts: Counts,
}

/// Plays one seed.
pub fn play(seed: u64) -> Outcome {
    let script = script(seed);
    let timers = Timers { keepalive_interval: Span::seconds(5), vm_shutdown_timeout: Span::seconds(20) };
    let nodes: Vec<NodeName> = (1..=script::node_count(seed)).map(script::node).collect();
    let mut world = World::new(&nodes, timers, Keepalives::Hidden, Chance::from_seed(seed)).with_networks();
    for (at, order) in &script {
        world.run_until(*at);
        world.order(order);
    }
    world.run_until(TROUBLE);
    world.heal();
    let rested = world.come_to_rest(REST);
    let mut hasher = DefaultHasher::new();
    world.log().hash(&mut hasher);
    let mut story = String::new();
    if rested.is_err() {
        for (at, order) in &script {
            let _infallible = writeln!(story, "{} {order}", Seconds(*at));
        }
        story.push_str(world.log());
    }
    Outcome { seed, violation: rested.err(), fingerprint: hasher.finish(), story, counts: world.counts }
}
