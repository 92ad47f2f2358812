//! Rehearsed: every action and every reason of a plan occurs in the expected log of a scenario.

use std::collections::{BTreeMap, BTreeSet};

use xtask::tree::{self, Source};

use crate::nothing_found;

/// One scenario counts for at most so many reasons, so that no single one is the rehearsal of everything.
const REASONS_PER_SCENARIO: usize = 8;

/// The variants of an enum, as they stand in logs.
fn variants(text: &str, name: &str) -> Vec<String> {
    let file = syn::parse_file(text).unwrap();
    let wanted = file.items.into_iter().find_map(|item| match item {
        syn::Item::Enum(item) if item.ident == name => Some(item),
        _ => None,
    });
    let found = wanted.unwrap_or_else(|| panic!("there is no enum {name}"));
    found.variants.iter().map(|variant| kebab(&variant.ident.to_string())).collect()
}

fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// Enums of reasons that stand for one variant of `Reason`: the variant, the file, and the enum. The variant's name comes
/// before theirs.
const NESTED: [(&str, &str, &str); 5] = [
    ("role", "logic/src/primary/reason.rs", "RoleReason"),
    ("storage", "logic/src/storage/reason.rs", "StorageReason"),
    ("move", "logic/src/plan/moves.rs", "MoveReason"),
    ("volumes", "logic/src/plan/volumes.rs", "VolumesReason"),
    ("fence", "logic/src/fence/reason.rs", "FenceReason"),
];

/// Every reason there is.
fn reasons() -> Vec<String> {
    let mut reasons = variants(&tree::read("logic/src/plan.rs").unwrap(), "Reason");
    for (name, file, nested) in NESTED {
        let place = reasons.iter().position(|reason| reason == name);
        reasons.remove(place.unwrap_or_else(|| panic!("there is no reason {name}")));
        let below = variants(&tree::read(file).unwrap(), nested);
        reasons.extend(below.iter().map(|reason| format!("{name}-{reason}")));
    }
    reasons
}

/// The values of a key such as `reason=` in a log.
fn values<'a>(log: &'a str, key: &str) -> BTreeSet<&'a str> {
    log.split_whitespace().filter_map(|word| word.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// The reasons that no scenario can be counted for, when each counts for at most so many.
///
/// It is a matching: a reason may move to another scenario that has it, to make room for one that has no other.
fn uncounted(reasons: &[String], logs: &[Source]) -> Vec<String> {
    let holds: Vec<BTreeSet<&str>> = logs.iter().map(|log| values(&log.text, "reason")).collect();
    let mut taken: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    let mut left = Vec::new();
    for reason in reasons {
        if !place(reason, &holds, &mut taken, &mut BTreeSet::new()) {
            left.push(format!("the reason {reason} occurs in no scenario that still counts for it"));
        }
    }
    left
}

fn place<'a>(
    reason: &'a str,
    holds: &[BTreeSet<&str>],
    taken: &mut BTreeMap<usize, Vec<&'a str>>,
    asked: &mut BTreeSet<usize>,
) -> bool {
    for (scenario, held) in holds.iter().enumerate() {
        if !held.contains(reason) || !asked.insert(scenario) {
            continue;
        }
        let here = taken.entry(scenario).or_default().clone();
        if here.len() < REASONS_PER_SCENARIO {
            taken.entry(scenario).or_default().push(reason);
            return true;
        }
        for (index, other) in here.into_iter().enumerate() {
            if place(other, holds, taken, asked) {
                taken.entry(scenario).or_default()[index] = reason;
                return true;
            }
        }
    }
    false
}

fn unrehearsed(actions: &[String], logs: &[Source]) -> Vec<String> {
    let seen: BTreeSet<&str> = logs.iter().flat_map(|log| values(&log.text, "step")).collect();
    let missing = actions.iter().filter(|action| !seen.contains(action.as_str()));
    missing.map(|action| format!("the step {action} occurs in no scenario")).collect()
}

fn expected_logs() -> Vec<Source> {
    let is_log = |s: &Source| s.path.starts_with("sim/scenarios/") && s.path.ends_with("/expected.log");
    tree::sources().unwrap().into_iter().filter(is_log).collect()
}

#[test]
fn every_step_is_rehearsed_by_a_scenario() {
    let mut actions = variants(&tree::read("logic/src/plan.rs").unwrap(), "Action");
    // A change of the networks, of the storage, of OSDs or of a fence stands in logs by its own name.
    actions.retain(|action| !["network", "storage", "osd", "fence"].contains(&action.as_str()));
    let changes = [
        ("logic/src/network/change.rs", "Change"),
        ("logic/src/storage/change.rs", "Change"),
        ("logic/src/storage/osd/change.rs", "OsdChange"),
        ("logic/src/fence.rs", "Act"),
    ];
    for (file, name) in changes {
        actions.extend(variants(&tree::read(file).unwrap(), name));
    }
    nothing_found(&unrehearsed(&actions, &expected_logs()));
}

#[test]
fn every_reason_is_rehearsed_by_a_scenario_that_counts_for_eight() {
    nothing_found(&uncounted(&reasons(), &expected_logs()));
}

#[test]
fn a_step_without_a_scenario_is_found() {
    let actions = variants("enum Action { StartGuest { vm: u8 }, Record(u8) }", "Action");
    assert_eq!(actions, ["start-guest", "record"]);
    let log = Source::made_up("l", "12.0 node1 step=record reason=wished text\n");
    assert_eq!(unrehearsed(&actions, &[log]), ["the step start-guest occurs in no scenario"]);
}

#[test]
fn a_ninth_reason_needs_a_second_scenario() {
    let reasons: Vec<String> = (0..9).map(|n| format!("r{n}")).collect();
    let nine: String = reasons.iter().map(|r| format!("1 n reason={r} x\n")).collect();
    let first = Source::made_up("a", &nine);
    assert_eq!(uncounted(&reasons, std::slice::from_ref(&first)).len(), 1);
    let second = Source::made_up("b", "1 n reason=r0 x\n");
    assert_eq!(uncounted(&reasons, &[first, second]), Vec::<String>::new());
}

#[test]
fn a_reason_is_found_as_a_whole_word_only() {
    assert_eq!(values("a reason=down b", "reason"), BTreeSet::from(["down"]));
    assert!(!values("a reason=down-again b", "reason").contains("down"));
}
