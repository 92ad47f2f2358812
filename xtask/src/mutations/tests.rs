//! Mutations: what a patch must be to count.

use super::*;

const GOOD: &str =
    "The guard of a start on the node's lease is gone.\n--- a/logic/src/vm.rs\n+++ b/logic/src/vm.rs\n@@\n";

#[test]
fn a_patch_with_a_sentence_is_read() {
    let mutation = Mutation::parse("sim/mutations/no-lease.patch", GOOD).unwrap();
    assert_eq!(
        (mutation.name.as_str(), mutation.changes.as_slice()),
        ("no-lease", &["logic/src/vm.rs".to_owned()][..])
    );
    assert_eq!(mutation.findings(|_| true), Vec::<String>::new());
    assert_eq!(mutation.findings(|_| false).len(), 1);
}

#[test]
fn a_patch_names_who_has_to_notice_it_and_else_the_swarm_has() {
    let of = |line: &str| {
        let text = GOOD.replace("gone.\n", &format!("gone.\n{line}\n"));
        Mutation::parse("x.patch", &text).map(|mutation| mutation.witness).ok()
    };
    assert_eq!(of(""), Some(Witness::Swarm));
    assert_eq!(of("Noticed by the scenarios."), Some(Witness::Scenarios));
    assert_eq!(of("Noticed by the tables of logic."), Some(Witness::Tables("logic".into())));
    assert_eq!(of("Noticed by the operator."), None);
}

#[test]
fn a_patch_without_a_sentence_or_of_nothing_is_refused() {
    assert!(Mutation::parse("x.patch", "--- a/b\n+++ b/b\n").is_err());
    assert!(Mutation::parse("x.patch", "It changes nothing at all.\n").is_err());
    assert!(Mutation::parse("x.diff", GOOD).is_err());
}

#[test]
fn a_patch_of_the_simulator_or_of_a_test_is_found() {
    let of = |path: &str| {
        let text = GOOD.replace("logic/src/vm.rs", path);
        Mutation::parse("x.patch", &text).unwrap().findings(|_| true).len()
    };
    assert_eq!((of("sim/src/world.rs"), of("logic/src/vm/tests.rs"), of("agent/src/perform.rs")), (1, 1, 0));
}
