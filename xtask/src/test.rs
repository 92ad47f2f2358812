//! `test`: installs what the tests need and runs all of them, each suite within its budget.
//!
//! Everything is built once, in one profile. A suite that is missing fails like a test that fails, and so does one with
//! fewer tests than it once had. The last line counts.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::lab::daemons::Profile;
use crate::{packages, say};

pub mod build;
pub mod cluster;
pub mod floors;
pub mod lab;
pub mod libtest;
pub mod sim;
pub mod tally;

use build::{Executable, Kind};
use tally::Tally;

/// A part of the tests that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Formatting and lints.
    Lints,
    /// Tests that need nothing: decisions, wire types, the API and the command line over memory, the walls.
    Pure,
    /// The simulator: its own tests, every scenario, and some seeds of the swarm.
    Sim,
    /// The ports' contracts, on memory and on the real thing.
    Contracts,
    /// A whole PVC with real guests in namespaces, disturbed.
    Lab,
    /// Three nodes in the lab, with their switch and power controllers.
    Cluster,
}

impl Suite {
    /// All of them, in their order.
    pub const ALL: [Self; 6] =
        [Self::Lints, Self::Pure, Self::Sim, Self::Contracts, Self::Lab, Self::Cluster];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lints => "lints",
            Self::Pure => "pure",
            Self::Sim => "sim",
            Self::Contracts => "contracts",
            Self::Lab => "lab",
            Self::Cluster => "cluster",
        }
    }

    /// How long it may take on two cores; what is still running then is ended and has failed.
    pub fn budget(self) -> Duration {
        Duration::from_secs(match self {
            // Well above what each took on two cores that had other work too: lints 208, pure 62, sim 84, lab 142 s. Checks
            // that fail wait up to their deadlines, and are to be told by name.
            Self::Lints => 300,
            Self::Pure => 240,
            // 219 s beside another build.
            Self::Sim => 480,
            // 494 s on a machine that was a third slower.
            Self::Contracts => 1200,
            Self::Lab => 480,
            // With a second lab, of a hypervisor, which is 62 s of it: 260 s at a load of 15, and about 130 more for a guest's
            // numbered log through the loss of an OSD, a standstill of Ceph and a rollback, and for volumes and uploads.
            // 708 s at a load of 4 to 21.
            Self::Cluster => 900,
        })
    }

    /// Which suite a test program belongs to.
    pub fn of(executable: &Executable) -> Self {
        match (executable.package.as_str(), executable.kind) {
            ("sim", _) => Self::Sim,
            ("store" | "host" | "agent" | "link", Kind::Integration) => Self::Contracts,
            _ => Self::Pure,
        }
    }
}

const PACKAGES_BUDGET: Duration = Duration::from_secs(300);
const BUILD_BUDGET: Duration = Duration::from_secs(840);

/// Runs all suites, or the one that is named.
///
/// # Errors
/// When there is no suite of that name.
pub fn run(words: &[&str], xtask: &Path) -> Result<ExitCode> {
    let wanted = match words {
        [] => Suite::ALL.to_vec(),
        [name] => Suite::ALL.into_iter().filter(|suite| suite.name() == *name).collect(),
        _ => Vec::new(),
    };
    if wanted.is_empty() {
        bail!("usage: cargo xtask test [{}]", Suite::ALL.map(Suite::name).join("|"));
    }
    let mut tally = Tally::default();
    if let Some(executables) = prepare(&wanted, &mut tally) {
        for suite in &wanted {
            tally.suite(suite.name(), suite.budget(), |tally| one(*suite, &executables, tally, xtask));
        }
        if wanted.len() == Suite::ALL.len() {
            tally.suite("floors", Duration::from_secs(1), floors::check);
        }
    }
    say::line(tally.report());
    Ok(if tally.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Installs and builds; `None` when that failed and nothing can be run.
fn prepare(wanted: &[Suite], tally: &mut Tally) -> Option<Vec<Executable>> {
    let mut built = None;
    tally.stage("packages", PACKAGES_BUDGET, || packages::install().map(say::line));
    if tally.failed() == 0 {
        tally.stage("build", BUILD_BUDGET, || {
            built = Some(match wanted {
                // These need the programs and no tests.
                [Suite::Lab | Suite::Cluster] => Profile::Dev.build().map(|()| Vec::new())?,
                _ => build::everything()?,
            });
            Ok(())
        });
    }
    built
}

fn one(suite: Suite, executables: &[Executable], tally: &mut Tally, xtask: &Path) {
    let end = Instant::now() + suite.budget();
    match suite {
        Suite::Lints => build::lints(tally, end),
        Suite::Lab => lab::run(tally, xtask),
        Suite::Cluster => cluster::run(tally, xtask),
        Suite::Pure | Suite::Sim | Suite::Contracts => {
            let own: Vec<&Executable> =
                executables.iter().filter(|executable| Suite::of(executable) == suite).collect();
            // Those against real things made each other late side by side: guests and their hypervisors want the processors.
            let together = if suite == Suite::Contracts { 1 } else { own.len().max(1) };
            for programs in own.chunks(together) {
                libtest::run(programs, end, tally);
            }
        }
    }
    match suite {
        Suite::Pure => build::documentation_tests(tally, end),
        Suite::Sim => sim::run(tally, end),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
