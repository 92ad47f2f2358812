//! What cargo knows about the workspace.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use xtask::command::{output, program};
use xtask::tree;

/// One dependency of a crate of ours, as written in its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) is_dev: bool,
}

/// A crate of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
    /// The source files of its targets, from the root of the repository.
    pub(crate) targets: Vec<String>,
}

/// The workspace's crates, and the graph of everything that is linked into them.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) members: Vec<Member>,
    /// Package id to name, and to the ids of its normal dependencies.
    names: BTreeMap<String, String>,
    links: BTreeMap<String, Vec<String>>,
}

impl Metadata {
    /// Asks cargo about our crates alone, without the network.
    pub(crate) fn of_ours() -> Self {
        Self::ask(&["--no-deps", "--offline"])
    }

    /// Asks cargo about everything that is linked on Linux. What was never built here is downloaded.
    pub(crate) fn of_everything() -> Self {
        Self::ask(&["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"])
    }

    fn ask(how: &[&str]) -> Self {
        let mut cargo = program(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        let text =
            output(cargo.args(["metadata", "--format-version", "1"]).args(how).current_dir(tree::root()))
                .unwrap();
        Self::parse(&serde_json::from_str(&text).unwrap())
    }

    pub(crate) fn parse(json: &Value) -> Self {
        let ours: BTreeSet<&str> = list(&json["workspace_members"]).filter_map(Value::as_str).collect();
        let packages: Vec<&Value> = list(&json["packages"]).collect();
        let names = packages.iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
        let members =
            packages.iter().filter(|p| ours.contains(text(&p["id"]).as_str())).map(|p| member(p)).collect();
        let links =
            list(&json["resolve"]["nodes"]).map(|node| (text(&node["id"]), normal_links(node))).collect();
        Self { members, names, links }
    }

    /// The names of all packages outside the workspace that are linked into a crate of ours.
    pub(crate) fn closure(&self, name: &str) -> BTreeSet<String> {
        let ours: BTreeSet<&str> = self.members.iter().map(|member| member.name.as_str()).collect();
        let is_root = |(_, n): &(&String, &String)| n.as_str() == name && ours.contains(name);
        let mut open: Vec<&String> = self.names.iter().filter(is_root).map(|(id, _)| id).collect();
        let mut seen: BTreeSet<&String> = BTreeSet::new();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(self.links.get(id).into_iter().flatten());
            }
        }
        let name_of = |id: &&String| self.names.get(*id).cloned().unwrap_or_default();
        seen.iter().map(name_of).filter(|found| !ours.contains(found.as_str())).collect()
    }
}

fn member(package: &Value) -> Member {
    let root = tree::root();
    let inside =
        |path: String| path.strip_prefix(&format!("{}/", root.display())).unwrap_or(&path).to_owned();
    Member {
        name: text(&package["name"]),
        dependencies: list(&package["dependencies"])
            .map(|d| Dependency { name: text(&d["name"]), is_dev: d["kind"].as_str() == Some("dev") })
            .collect(),
        targets: list(&package["targets"]).map(|target| inside(text(&target["src_path"]))).collect(),
    }
}

fn normal_links(node: &Value) -> Vec<String> {
    let is_normal = |dep: &&Value| list(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null());
    list(&node["deps"]).filter(is_normal).map(|dep| text(&dep["pkg"])).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
