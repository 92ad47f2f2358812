//! What the pure crates may be made of: their direct dependencies, and everything that these bring along.

use std::collections::BTreeSet;

use crate::metadata::{Member, Metadata};
use crate::nothing_found;

/// All that `logic` may name: at most eight crates.
const LOGIC_DIRECT: [&str; 8] =
    ["serde", "serde_json", "toml", "thiserror", "uuid", "imbl", "roxmltree", "strsim"];

/// All that the tests of `logic` may name beside them.
const LOGIC_IN_TESTS: [&str; 1] = ["proptest"];

/// Everything that may be linked into `logic`. None of it opens a file or a socket, starts a thread or reads a clock;
/// `getrandom` and `libc` come with `uuid` and are never called by us: a random id is given to `logic`, not made there.
const LOGIC_CLOSURE: [&str; 39] = [
    "archery",
    "bytemuck",
    "cfg-if",
    "equivalent",
    "getrandom",
    "hashbrown",
    "imbl",
    "imbl-sized-chunks",
    "indexmap",
    "itoa",
    "libc",
    "memchr",
    "proc-macro2",
    "quote",
    "rand_core",
    "rand_xoshiro",
    "roxmltree",
    "ryu",
    "safe_arch",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "serde_spanned",
    "strsim",
    "syn",
    "thiserror",
    "thiserror-impl",
    "toml",
    "toml_datetime",
    "toml_parser",
    "toml_writer",
    "triomphe",
    "unicode-ident",
    "uuid",
    "version_check",
    "wide",
    "winnow",
    "zmij",
];

/// What would bring an event loop, a server or a database into a crate that is only types and a blocking client.
const BANNED_FROM_API: [&str; 18] = [
    "tokio",
    "mio",
    "async-io",
    "async-std",
    "smol",
    "polling",
    "futures-executor",
    "hyper",
    "axum",
    "reqwest",
    "socket2",
    "nix",
    "rustix",
    "rusqlite",
    "zookeeper-client",
    "virt",
    "virt-sys",
    "native-tls",
];

fn direct_findings(logic: &Member) -> Vec<String> {
    let allowed =
        |name: &str, is_dev: bool| LOGIC_DIRECT.contains(&name) || (is_dev && LOGIC_IN_TESTS.contains(&name));
    let strangers = logic.dependencies.iter().filter(|d| !allowed(&d.name, d.is_dev));
    strangers.map(|d| format!("logic must not depend on {}", d.name)).collect()
}

fn outside(closure: &BTreeSet<String>, allowed: &[&str]) -> Vec<String> {
    let strangers = closure.iter().filter(|name| !allowed.contains(&name.as_str()));
    strangers.map(|name| format!("logic now contains {name}")).collect()
}

fn banned(closure: &BTreeSet<String>, banned: &[&str]) -> Vec<String> {
    let found = closure.iter().filter(|name| banned.contains(&name.as_str()));
    found.map(|name| format!("api now contains {name}")).collect()
}

#[test]
fn logic_depends_on_eight_crates_at_most() {
    let metadata = Metadata::of_ours();
    let logic = metadata.members.iter().find(|member| member.name == "logic").unwrap();
    nothing_found(&direct_findings(logic));
}

#[test]
fn logic_is_made_of_pure_crates() {
    nothing_found(&outside(&Metadata::of_everything().closure("logic"), &LOGIC_CLOSURE));
}

#[test]
fn api_contains_no_event_loop_and_no_server() {
    nothing_found(&banned(&Metadata::of_everything().closure("api"), &BANNED_FROM_API));
}

#[test]
fn an_event_loop_behind_another_crate_is_found() {
    let json = serde_json::json!({
        "workspace_members": ["l"],
        "packages": [
            {"id": "l", "name": "logic", "targets": [],
             "dependencies": [{"name": "nice", "kind": null}, {"name": "proptest", "kind": "dev"}]},
            {"id": "n", "name": "nice", "dependencies": [], "targets": []},
            {"id": "t", "name": "tokio", "dependencies": [], "targets": []},
            {"id": "p", "name": "proptest", "dependencies": [], "targets": []},
        ],
        "resolve": {"nodes": [
            {"id": "l", "deps": [
                {"pkg": "n", "dep_kinds": [{"kind": null}]},
                {"pkg": "p", "dep_kinds": [{"kind": "dev"}]},
            ]},
            {"id": "n", "deps": [{"pkg": "t", "dep_kinds": [{"kind": null}]}]},
            {"id": "t", "deps": []},
        ]},
    });
    let metadata = Metadata::parse(&json);
    let closure = metadata.closure("logic");
    assert_eq!(outside(&closure, &LOGIC_CLOSURE), ["logic now contains nice", "logic now contains tokio"]);
    assert_eq!(banned(&closure, &BANNED_FROM_API), ["api now contains tokio"]);
    assert_eq!(direct_findings(&metadata.members[0]), ["logic must not depend on nice"]);
}
