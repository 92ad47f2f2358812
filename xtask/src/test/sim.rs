//! The simulator's program within the tests: every recorded scenario, and some seeds of the swarm.

use std::time::Instant;

use crate::command::{program, run_logged, tail};
use crate::lab::daemons::Profile;
use crate::say;
use crate::test::build::left;
use crate::test::tally::Tally;
use crate::tree;

/// Seeds of the swarm in each run of the tests; `cargo xtask sim swarm` runs more.
const SEEDS: u32 = 150;

/// Runs both.
pub fn run(tally: &mut Tally, end: Instant) {
    let seeds = SEEDS.to_string();
    let checks: [(&str, &[&str]); 2] = [
        ("every scenario runs as its expected log says", &["scenarios"]),
        ("the swarm breaks no invariant and comes to rest", &["swarm", "--seeds", &seeds]),
    ];
    for (claim, words) in checks {
        tally.check(claim, || {
            let mut sim = program(Profile::Dev.folder().join("sim"));
            let log = tree::target().join(format!("sim-{}.log", words[0]));
            let ran = run_logged(sim.current_dir(tree::root()).args(words), &log, left(end));
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if ran.is_ok() {
                say::line(tail(said.trim_end(), 30));
            }
            ran
        });
    }
}
