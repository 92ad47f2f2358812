//! Every scenario shows what its script says it must, and its log is as expected, byte for byte.

use std::path::{Path, PathBuf};

use sim::scenario;

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .expect("the scenarios are there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    folders.sort();
    folders
}

#[test]
fn every_scenario_goes_as_expected() {
    let mut findings = Vec::new();
    for folder in folders() {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match scenario::play(&folder)
            .and_then(|played| Ok((scenario::difference(&folder, &played.log)?, played)))
        {
            Ok((difference, played)) => {
                findings.extend(
                    played.findings.into_iter().chain(difference).map(|what| format!("{name}: {what}")),
                );
            }
            Err(error) => findings.push(format!("{name}: {error:#}")),
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn a_scenario_is_the_same_every_time() {
    for folder in folders() {
        let (one, other) = (scenario::play(&folder).unwrap().log, scenario::play(&folder).unwrap().log);
        assert_eq!(one, other, "{}", folder.display());
    }
}
