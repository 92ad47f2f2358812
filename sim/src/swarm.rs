//! Scripts made of seeds: random orders and faults for a while, then an end to the faults, and every wish must come true.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use logic::config::Timers;
use logic::id::NodeName;
use logic::time::Span;

use crate::command::{Command, Seconds};
use crate::counts::Counts;
use crate::world::chance::Chance;
use crate::world::rest::Ending;
use crate::world::{Keepalives, World};

mod fault;
mod fence;
mod osds;
mod script;
mod shrink;
mod storage;

pub use script::{Order, script};
pub use shrink::shrink;

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
    play_script(seed, &script(seed))
}

/// Plays a script with the spans and accidents of a seed. A panic of the program's is told as what went wrong.
pub fn play_script(seed: u64, script: &[Order]) -> Outcome {
    let mut world = world(seed);
    let played = catch_unwind(AssertUnwindSafe(|| {
        for (at, order) in script {
            world.run_until(*at);
            world.order(order);
        }
        world.run_until(TROUBLE);
        world.heal(if seed.is_multiple_of(3) { Ending::AsWished } else { Ending::Ready });
        world.come_to_rest(REST)
    }));
    let rested = played.unwrap_or_else(|panic| Err(format!("panicked: {}", said(&*panic))));
    let mut hasher = DefaultHasher::new();
    world.log().hash(&mut hasher);
    let mut story = String::new();
    if rested.is_err() {
        story.push_str(&written(script));
        story.push_str(world.log());
    }
    Outcome { seed, violation: rested.err(), fingerprint: hasher.finish(), story, counts: world.counts }
}

/// A script as text.
pub fn written(script: &[Order]) -> String {
    script.iter().fold(String::new(), |mut text, (at, order): &(Span, Command)| {
        let _infallible = writeln!(text, "{} {order}", Seconds(*at));
        text
    })
}

fn world(seed: u64) -> World {
    let nodes: Vec<NodeName> = (1..=script::node_count(seed)).map(script::node).collect();
    // A great cluster would spend its time on keepalives.
    let keepalive_interval = Span::seconds(if nodes.len() > 5 { 10 } else { 5 });
    let primary_silence_max = Timers::usual_silence(keepalive_interval);
    let timers = Timers { keepalive_interval, vm_shutdown_timeout: Span::seconds(20), primary_silence_max };
    let mut world = World::new(&nodes, timers, Keepalives::Hidden, Chance::from_seed(seed)).with_networks();
    world.counts.add("clusters", &format!("of {:>2} nodes", nodes.len()));
    world
}

fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}
