//! Text: project files speak of the project alone, and the bare numbers of `logic` live in one file.

use xtask::tree::{self, Source};

use crate::nothing_found;

/// Paths of somebody's own machine, which no file of ours has to do with. Spelled in two halves, so that this file does
/// not find itself.
const FOREIGN: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/."), concat!("/ho", "me/"), concat!(".libr", "ary/")];

fn foreign(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let lower = line.to_lowercase();
        for word in FOREIGN.iter().filter(|word| lower.contains(**word)) {
            findings.push(format!("{}:{}: mentions {word}", source.path, index + 1));
        }
    }
    findings
}

fn blank_ends(source: &Source) -> Vec<String> {
    let recorded = source.path.starts_with("sim/mutations/") || source.path == "LICENSE";
    if recorded || !(source.is_rust() || source.path.ends_with(".toml")) {
        return Vec::new();
    }
    let bad = source.text.lines().enumerate().filter(|(_, line)| line.ends_with(' ') || line.contains('\t'));
    bad.map(|(index, _)| format!("{}:{}: a tab, or blanks at the end", source.path, index + 1)).collect()
}

/// Numbers of `logic` have one home, where each has its unit and its reason.
fn numbers(source: &Source) -> Vec<String> {
    let home = source.path == "logic/src/limits.rs";
    if source.area() != "logic" || !source.is_rust() || source.is_test() || home {
        return Vec::new();
    }
    let types = ["u8", "u16", "u32", "u64", "usize", "i32", "i64", "Span"];
    let is_number = |line: &str| {
        let declared = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let Some(rest) = declared.strip_prefix("const ") else { return false };
        let Some((_, after)) = rest.split_once(": ") else { return false };
        types.iter().any(|kind| after.strip_prefix(kind).is_some_and(|value| value.starts_with(" =")))
    };
    let found = source.text.lines().enumerate().filter(|(_, line)| is_number(line));
    found
        .map(|(index, _)| format!("{}:{}: a bare number lives in limits.rs", source.path, index + 1))
        .collect()
}

#[test]
fn project_files_speak_of_the_project_alone() {
    nothing_found(&tree::sources().unwrap().iter().flat_map(foreign).collect::<Vec<_>>());
}

#[test]
fn lines_have_no_tabs_and_no_blanks_at_the_end() {
    nothing_found(&tree::sources().unwrap().iter().flat_map(blank_ends).collect::<Vec<_>>());
}

#[test]
fn the_bare_numbers_of_logic_live_in_limits() {
    nothing_found(&tree::sources().unwrap().iter().flat_map(numbers).collect::<Vec<_>>());
}

#[test]
fn foreign_words_blanks_and_numbers_are_found() {
    for word in FOREIGN {
        assert_eq!(
            foreign(&Source::made_up("README.md", &format!("see {}", word.to_uppercase()))).len(),
            1,
            "{word}"
        );
    }
    assert_eq!(blank_ends(&Source::made_up("a/src/x.rs", "fn f() {} \n")).len(), 1);
    assert_eq!(blank_ends(&Source::made_up("a/src/x.rs", "\tf();\n")).len(), 1);
    assert_eq!(numbers(&Source::made_up("logic/src/a.rs", "pub const N: u64 = 3;\n")).len(), 1);
    assert_eq!(numbers(&Source::made_up("logic/src/limits.rs", "pub const N: u64 = 3;\n")).len(), 0);
    assert_eq!(numbers(&Source::made_up("logic/src/a.rs", "const N: &str = \"3\";\n")).len(), 0);
}
