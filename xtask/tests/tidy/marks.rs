//! Marks of unfinished work, tests that do not run, waiting for luck, and silenced lints.

use xtask::tree::Source;

use crate::nothing_found_in_rust;

/// Spelled in two halves, so that this file does not find itself.
const UNFINISHED: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[ign", "ore"),
];

const SLEEPS: [&str; 2] = [concat!("thread::", "sleep("), concat!("time::", "sleep(")];

fn unfinished(source: &Source) -> Vec<String> {
    with_line(source, |line| {
        UNFINISHED.iter().find(|mark| line.contains(**mark)).map(|mark| format!("holds {mark}"))
    })
}

fn sleeps(source: &Source) -> Vec<String> {
    let from = if source.is_test() { 0 } else { first_test_line(&source.text) };
    let found = source.text.lines().enumerate().skip(from);
    found
        .filter(|(_, line)| SLEEPS.iter().any(|sleep| line.contains(sleep)))
        .map(|(index, _)| {
            format!("{}:{}: a test sleeps; wait for a condition with a deadline", source.path, index + 1)
        })
        .collect()
}

fn first_test_line(text: &str) -> usize {
    let begins = |(index, line): (usize, &str)| {
        let opens = text.lines().nth(index + 1).is_some_and(|next| next.trim_end().ends_with('{'));
        (line.trim() == "#[cfg(test)]" && opens).then_some(index)
    };
    text.lines().enumerate().find_map(begins).unwrap_or(usize::MAX)
}

/// Every silenced lint says why, and is silenced by `expect`, which complains when it is no longer needed.
fn silenced(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for (opening, rule) in [("#[allow(", "use #[expect(…, reason = …)]"), ("#[expect(", "say the reason")]
    {
        for (at, _) in source.text.match_indices(opening) {
            let line = source.text[..at].lines().count();
            let whole = source.text[at..].split(")]").next().unwrap_or_default();
            let comment = source.text[..at].lines().last().is_some_and(|l| l.trim_start().starts_with("//"));
            let quoted = source.text[..at].ends_with(['"', 'n']);
            if !comment && !quoted && (opening.contains("allow") || !whole.contains("reason =")) {
                findings.push(format!("{}:{line}: a lint is silenced; {rule}", source.path));
            }
        }
    }
    findings
}

/// Attributes for a whole file hide too much. A file of tests may say, with a reason, that it unwraps.
fn inner_attributes(source: &Source) -> Vec<String> {
    let unwraps =
        |line: &str| source.is_test() && line.starts_with("#![expect(clippy::unwrap_used, reason = ");
    let whole = |line: &str| line.starts_with("#![") && !unwraps(line);
    with_line(source, |line| whole(line).then(|| "has an attribute for the whole file".into()))
}

fn with_line(source: &Source, check: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let lines = source.text.lines().enumerate();
    lines
        .filter_map(|(index, line)| Some(format!("{}:{}: {}", source.path, index + 1, check(line)?)))
        .collect()
}

#[test]
fn nothing_is_marked_as_unfinished_and_no_test_is_switched_off() {
    nothing_found_in_rust(unfinished);
}

#[test]
fn no_test_sleeps() {
    nothing_found_in_rust(sleeps);
}

#[test]
fn every_silenced_lint_says_why() {
    nothing_found_in_rust(silenced);
}

#[test]
fn no_file_has_attributes_for_its_whole() {
    nothing_found_in_rust(inner_attributes);
}

#[test]
fn marks_sleeps_and_silenced_lints_are_found() {
    let source = |text: &str| Source::made_up("a/tests/x.rs", text);
    for mark in UNFINISHED {
        assert_eq!(unfinished(&source(&format!("  {mark} later"))).len(), 1, "{mark}");
    }
    let sleep = format!("std::{}ms);", SLEEPS[0]);
    assert_eq!(sleeps(&source(&sleep)).len(), 1);
    assert_eq!(sleeps(&Source::made_up("a/src/x.rs", &sleep)).len(), 0);
    let inside = format!("#[cfg(test)]\nmod tests {{\n{sleep}\n}}\n");
    assert_eq!(sleeps(&Source::made_up("a/src/x.rs", &inside)).len(), 1);
    assert_eq!(silenced(&source("\n#[allow(dead_code, reason = \"x\")]\n")).len(), 1);
    assert_eq!(silenced(&source("\n#[expect(dead_code)]\n")).len(), 1);
    assert_eq!(silenced(&source("\n#[expect(\n    dead_code,\n    reason = \"x\"\n)]\n")).len(), 0);
    assert_eq!(inner_attributes(&source("#![no_std]")).len(), 1);
    let unwraps = "#![expect(clippy::unwrap_used, reason = \"x\")]";
    assert_eq!(inner_attributes(&source(unwraps)).len(), 0);
    assert_eq!(inner_attributes(&Source::made_up("a/src/x.rs", unwraps)).len(), 1);
}
