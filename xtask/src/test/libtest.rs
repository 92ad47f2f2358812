//! Test programs of Rust's own harness: run, bounded in time, and counted by what they say.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

use anyhow::Result;

use crate::command::{program, run_logged};
use crate::say;
use crate::test::build::{Executable, Harness, left};
use crate::test::tally::Tally;
use crate::tree;

/// What a test program said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many tests passed.
    pub passed: usize,
    /// The names of those that failed.
    pub failed: Vec<String>,
    /// How many were switched off.
    pub ignored: usize,
    /// Whether it came to its end and told a result.
    pub ended: bool,
}

impl Outcome {
    /// Reads the words of the harness.
    pub fn parse(said: &str) -> Self {
        let mut outcome = Self::default();
        for line in said.lines() {
            if let Some(result) = line.strip_prefix("test result: ") {
                outcome.ended = true;
                outcome.passed += number_before(result, " passed");
                outcome.ignored += number_before(result, " ignored");
            } else if let Some(name) =
                line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
            {
                outcome.failed.push(name.into());
            }
        }
        outcome
    }
}

/// How many test programs run at once.
const AT_ONCE: usize = 2;

/// Runs test programs until the suite's time is over, and counts each when it ends.
pub fn run(executables: &[&Executable], end: Instant, tally: &mut Tally) {
    let next = AtomicUsize::new(0);
    let (tell, told) = channel();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let (tell, next) = (tell.clone(), &next);
            scope.spawn(move || {
                while let Some(executable) = executables.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let (outcome, ran) = one(executable, end);
                    tell.send((executable, outcome, ran)).expect("it is counted to the end");
                }
            });
        }
        drop(tell);
        for (executable, outcome, ran) in told {
            count(&executable.package, &executable.target, &outcome, ran, tally);
        }
    });
}

fn one(executable: &Executable, end: Instant) -> (Outcome, Result<()>) {
    let Executable { package, target, folder, path, harness, .. } = executable;
    let logs = tree::target().join("test-logs");
    let log = logs.join(format!("{package}-{target}.log"));
    let ran = fs::create_dir_all(&logs).map_err(Into::into).and_then(|()| {
        let mut program = program(path);
        program.current_dir(folder).env("CARGO_MANIFEST_DIR", folder).env("CARGO_PKG_NAME", package);
        run_logged(&mut program, &log, left(end))
    });
    let outcome = match harness {
        Harness::Own => Outcome::parse(&fs::read_to_string(&log).unwrap_or_default()),
        Harness::None => Outcome { passed: usize::from(ran.is_ok()), ended: true, ..Outcome::default() },
    };
    (outcome, ran)
}

/// Adds what a test program said. One that ended badly without naming a failed test is one failure itself.
pub fn count(package: &str, target: &str, outcome: &Outcome, ran: Result<()>, tally: &mut Tally) {
    let Outcome { passed, failed, ignored, ended } = outcome;
    tally.add(package, *passed);
    let which = format!("{package}/{target}");
    say::line(format!("  {which}: {passed} passed, {} failed", failed.len()));
    for name in failed {
        tally.failed_one(&format!("{which} {name}"), "see below");
    }
    if let Err(error) = ran {
        if failed.is_empty() {
            tally.failed_one(&which, &format!("{error:#}"));
        } else {
            say::line(format!("{error:#}"));
        }
    } else if !ended {
        tally.failed_one(&which, "it told no result");
    }
    if *ignored > 0 {
        tally.failed_one(&which, &format!("{ignored} tests are switched off"));
    }
}

fn number_before(text: &str, what: &str) -> usize {
    let before = text.split_once(what).map(|(before, _)| before).unwrap_or_default();
    before.rsplit([' ', ';']).next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
