//! Scenario folders are complete, and mutations are patches that can be read.

use std::collections::{BTreeMap, BTreeSet};

use xtask::command::{output, program};
use xtask::mutations::Mutation;
use xtask::tree;

use crate::nothing_found;

const PARTS: [&str; 4] = ["about.md", "cluster.toml", "expected.log", "script.txt"];

fn incomplete(paths: &[String]) -> Vec<String> {
    let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut findings = Vec::new();
    for path in paths {
        let Some(inside) = path.strip_prefix("sim/scenarios/") else { continue };
        match inside.split_once('/') {
            Some((folder, file)) => {
                folders.entry(folder).or_default().insert(file);
            }
            None => findings.push(format!("{path} lies beside the scenarios")),
        }
    }
    for (folder, files) in folders {
        let missing = PARTS.iter().filter(|part| !files.contains(*part));
        findings.extend(missing.map(|part| format!("the scenario {folder} has no {part}")));
        let strange = files.iter().filter(|file| !PARTS.contains(file));
        findings.extend(strange.map(|file| format!("the scenario {folder} has a stray {file}")));
    }
    findings
}

#[test]
fn every_scenario_is_complete() {
    let paths = tree::tracked().unwrap();
    assert!(paths.iter().any(|path| path.starts_with("sim/scenarios/")), "there is no scenario");
    nothing_found(&incomplete(&paths));
}

#[test]
fn every_mutation_can_be_read() {
    let patches =
        tree::sources().unwrap().into_iter().filter(|source| source.path.starts_with("sim/mutations/"));
    let findings: Vec<String> = patches
        .filter_map(|patch| match Mutation::parse(&patch.path, &patch.text) {
            Ok(mutation) => mutation.findings(|path| tree::read(path).is_ok()).into_iter().next(),
            Err(error) => Some(format!("{}: {error:#}", patch.path)),
        })
        .collect();
    nothing_found(&findings);
}

/// A patch rots silently when the lines around its guard change, since the mutations themselves are not tried each time.
#[test]
fn every_mutation_applies_to_the_sources_as_they_are() {
    let patches =
        tree::sources().unwrap().into_iter().filter(|source| source.path.starts_with("sim/mutations/"));
    let findings: Vec<String> = patches
        .filter_map(|patch| {
            let mut git = program("git");
            git.args(["apply", "--check", &patch.path]).current_dir(tree::root());
            output(&mut git).err().map(|error| format!("{}: {error:#}", patch.path))
        })
        .collect();
    nothing_found(&findings);
}

#[test]
fn a_scenario_without_its_log_is_found() {
    let mut paths: Vec<String> =
        PARTS.iter().map(|part| format!("sim/scenarios/a-vm-starts/{part}")).collect();
    assert_eq!(incomplete(&paths), Vec::<String>::new());
    paths.remove(2);
    paths.push("sim/scenarios/notes.txt".into());
    let found = incomplete(&paths);
    assert_eq!(
        found,
        ["sim/scenarios/notes.txt lies beside the scenarios", "the scenario a-vm-starts has no expected.log"]
    );
}
