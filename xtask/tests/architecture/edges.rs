//! Which crate may name which: the constant table, the crates as they are, and the table in `ARCHITECTURE.md`.

use std::fmt::Write as _;

use xtask::tree;

use crate::metadata::{Dependency, Member, Metadata};
use crate::nothing_found;

/// Each crate of ours, what it is, and the crates of ours that it may name, in tests too.
const EDGES: [(&str, &str, &[&str]); 10] = [
    ("logic", "every noun and every decision; pure", &[]),
    ("store", "the cluster's shared memory: ZooKeeper, SQLite, in memory", &["logic"]),
    ("host", "one machine: the ports, their adapters, and one in memory", &["logic"]),
    ("link", "what travels between the API and the nodes", &[]),
    ("api", "what travels over HTTP: types, client, OpenAPI document", &[]),
    ("agent", "the loop; `pvcnoded` and `pvcworkerd`", &["logic", "store", "host", "link"]),
    ("apid", "the REST daemon `pvcapid`", &["logic", "store", "link", "api"]),
    ("cli", "the command `pvc`", &["api"]),
    ("sim", "a cluster in memory: scenarios, swarm, mutations", &["logic", "store", "host", "agent"]),
    ("xtask", "the developers' commands, and these walls", &[]),
];

const BEGIN: &str = "<!-- crates: begin; a test keeps this table -->";
const END: &str = "<!-- crates: end -->";

/// The table as it stands in `ARCHITECTURE.md`, between its two marks.
fn expected_table() -> String {
    let mut table = String::from("| crate | what it is | may name |\n| --- | --- | --- |\n");
    for (name, what, edges) in EDGES {
        let edges: Vec<String> = edges.iter().map(|edge| format!("`{edge}`")).collect();
        let edges = if edges.is_empty() { "nothing".into() } else { edges.join(", ") };
        writeln!(table, "| `{name}` | {what} | {edges} |").expect("a string takes every text");
    }
    table
}

fn forbidden(members: &[Member]) -> Vec<String> {
    let mut findings = Vec::new();
    for member in members {
        let Some((_, _, allowed)) = EDGES.iter().find(|(name, _, _)| *name == member.name) else {
            findings.push(format!("the crate {} is not in the table", member.name));
            continue;
        };
        let ours = |d: &&Dependency| EDGES.iter().any(|(name, _, _)| *name == d.name);
        for dependency in member.dependencies.iter().filter(ours) {
            if !allowed.contains(&dependency.name.as_str()) {
                findings.push(format!("forbidden edge: {} names {}", member.name, dependency.name));
            }
        }
    }
    for (name, _, _) in EDGES {
        if !members.iter().any(|member| member.name == name) {
            findings.push(format!("the crate {name} of the table does not exist"));
        }
    }
    findings
}

fn table_of(document: &str) -> Option<&str> {
    let (_, after) = document.split_once(BEGIN)?;
    let (table, _) = after.split_once(END)?;
    Some(table.trim_start_matches('\n'))
}

#[test]
fn crates_name_only_what_the_table_allows() {
    nothing_found(&forbidden(&Metadata::of_ours().members));
}

#[test]
fn an_edge_or_a_crate_outside_the_table_is_found() {
    let depends = |name: &str, on: &str| Member {
        name: name.into(),
        dependencies: vec![Dependency { name: on.into(), is_dev: true }],
        targets: Vec::new(),
    };
    let whole: Vec<Member> = EDGES.iter().map(|(name, _, _)| depends(name, "serde")).collect();
    assert_eq!(forbidden(&whole), Vec::<String>::new());
    let mut bad = whole.clone();
    bad[6] = depends("apid", "host");
    assert_eq!(forbidden(&bad), ["forbidden edge: apid names host"]);
    bad[6] = depends("util", "serde");
    assert_eq!(
        forbidden(&bad),
        ["the crate util is not in the table", "the crate apid of the table does not exist"]
    );
}

#[test]
fn the_map_of_crates_in_architecture_md_is_true() {
    let expected = expected_table();
    let document = tree::read("ARCHITECTURE.md").unwrap_or_default();
    let found = table_of(&document).unwrap_or_default();
    assert!(found == expected, "ARCHITECTURE.md must hold exactly this:\n\n{BEGIN}\n{expected}{END}\n");
}

#[test]
fn a_map_that_differs_is_found() {
    let good = format!("text\n{BEGIN}\n{}{END}\nmore", expected_table());
    assert_eq!(table_of(&good), Some(expected_table().as_str()));
    assert_ne!(table_of(&good.replace("`logic`, `store`", "`logic`")), Some(expected_table().as_str()));
    assert_eq!(table_of("no marks"), None);
}
