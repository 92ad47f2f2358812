//! Counting tests: what the harness and cargo say is read rightly, and what is missing fails.

use anyhow::anyhow;

use super::build::{Harness, executable};
use super::libtest::{Outcome, count};
use super::*;

const SAID: &str = "
running 3 tests
test a::one ... ok
test a::two ... FAILED
test a::three ... ignored

test result: FAILED. 12 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

#[test]
fn the_words_of_the_harness_are_read() {
    let outcome = Outcome::parse(SAID);
    assert_eq!(outcome, Outcome { passed: 12, failed: vec!["a::two".into()], ignored: 1, ended: true });
    assert!(!Outcome::parse("running 1 test\nSegmentation fault").ended);
}

#[test]
fn a_failed_an_ignored_and_an_unfinished_test_program_all_fail() {
    let counted = |outcome: &Outcome, ran| {
        let mut tally = Tally::default();
        tally.suite("x", Duration::ZERO, |tally| count("store", "lib", outcome, ran, tally));
        (tally.passed(), tally.failed())
    };
    let good = Outcome { passed: 2, ended: true, ..Outcome::default() };
    assert_eq!(counted(&good, Ok(())), (2, 0));
    assert_eq!(counted(&Outcome::parse(SAID), Err(anyhow!("ended with 101"))), (12, 2));
    assert_eq!(counted(&good, Err(anyhow!("killed"))), (2, 1));
    assert_eq!(counted(&Outcome { ended: false, ..good }, Ok(())), (2, 1));
}

#[test]
fn a_suite_that_runs_nothing_fails() {
    let mut tally = Tally::default();
    tally.suite("contracts", Duration::ZERO, |_| ());
    assert_eq!((tally.passed(), tally.failed()), (0, 1));
    assert!(tally.report().ends_with("0 passed, 1 failed"));
}

#[test]
fn a_crate_below_its_floor_fails() {
    let mut tally = Tally::default();
    tally.suite("pure", Duration::ZERO, |tally| {
        for (owner, floor) in floors::FLOORS {
            tally.add(owner, floor - usize::from(owner == "store"));
        }
    });
    tally.suite("floors", Duration::ZERO, floors::check);
    assert_eq!(tally.failed(), 1);
}

#[test]
fn a_test_without_the_harness_is_known_by_its_manifest() {
    let manifest =
        "[[test]]\nname = \"signals\"\nharness = false\n\n[[test]]\nname = \"contract\"\n\n[lints]\nx = 1\n";
    assert_eq!(Harness::of(manifest, "signals"), Harness::None);
    assert_eq!(Harness::of(manifest, "contract"), Harness::Own);
    assert_eq!(Harness::of(manifest, "other"), Harness::Own);
}

#[test]
fn cargos_message_about_a_test_program_is_read() {
    let message = serde_json::json!({
        "reason": "compiler-artifact", "manifest_path": "/x/store/Cargo.toml", "profile": {"test": true},
        "target": {"name": "contract", "kind": ["test"]}, "executable": "/t/contract-1",
    });
    let read = executable(&message.to_string()).unwrap();
    assert_eq!(
        (read.package.as_str(), read.kind, Suite::of(&read)),
        ("store", Kind::Integration, Suite::Contracts)
    );
    let mut other = message;
    other["profile"]["test"] = false.into();
    assert_eq!(executable(&other.to_string()), None);
}

#[test]
fn two_test_programs_run_at_once_and_all_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    // The first and the second each end only when the other has begun.
    let script = |own: &str, other: &str| {
        format!(
            "#!/bin/sh\n>{own}\nfor _ in $(seq 100); do [ -e {other} ] && exit 0; sleep 0.1; done\nexit 1\n"
        )
    };
    let programs = [("a", script("a", "b")), ("b", script("b", "a")), ("c", "#!/bin/sh\nexit 1\n".into())];
    let executables = programs.map(|(name, text)| {
        let path = folder.path().join(format!("{name}.sh"));
        // Written by another process: one that another test starts meanwhile would hold it open for writing.
        let mut write = crate::command::program("sh");
        write.args(["-c", "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"", "sh", &text]).arg(&path);
        crate::command::output(&mut write).unwrap();
        Executable {
            package: "two-at-once".into(),
            target: name.into(),
            kind: Kind::Integration,
            harness: build::Harness::None,
            folder: folder.path().into(),
            path,
        }
    });
    let mut tally = Tally::default();
    tally.suite("two", Duration::from_secs(60), |tally| {
        libtest::run(
            &executables.iter().collect::<Vec<_>>(),
            Instant::now() + Duration::from_secs(60),
            tally,
        );
    });
    assert_eq!((tally.passed(), tally.failed()), (2, 1));
}
