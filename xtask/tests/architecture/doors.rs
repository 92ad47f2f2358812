//! The doors: where processes are started, where `unsafe` lives, what bans guard `logic`, and that `perform` decides nothing.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use xtask::tree::{self, Source};

use crate::nothing_found;

/// What `logic/clippy.toml` must ban beside everything that the root's bans.
const LOGIC_BANS: [&str; 13] = [
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::thread::spawn",
    "std::thread::sleep",
    "std::fs::read",
    "std::fs::read_to_string",
    "std::fs::write",
    "std::fs::File::open",
    "std::fs::File::create",
    "std::env::var",
    "std::process::Command::new",
    "std::collections::HashMap",
    "std::collections::HashSet",
];

/// What the text of `logic` must not hold at all, whether or not a lint looks.
const LOGIC_WORDS: [&str; 12] = [
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::thread",
    "std::env",
    "Instant::now",
    "SystemTime",
    "HashMap",
    "HashSet",
    "tracing::",
    "println!",
];

fn ban_findings(root: &str, logic: &str) -> Vec<String> {
    let repeated =
        root.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "]" && !line.ends_with('['));
    let missing = repeated.filter(|line| !logic.lines().any(|l| l.trim() == *line));
    let mut findings: Vec<String> = missing
        .map(|line| format!("logic/clippy.toml replaces the root's and does not repeat: {line}"))
        .collect();
    let unbanned = LOGIC_BANS.iter().filter(|path| !logic.contains(&format!("path = \"{path}\"")));
    findings.extend(unbanned.map(|path| format!("logic/clippy.toml does not ban {path}")));
    findings
}

fn purity_findings(source: &Source) -> Vec<String> {
    if source.area() != "logic" || !source.is_rust() || source.is_test() {
        return Vec::new();
    }
    let code = source.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(index, line)| {
        LOGIC_WORDS
            .iter()
            .filter(|word| line.contains(*word))
            .map(move |word| format!("{}:{}: logic must not use {word}", source.path, index + 1))
            .collect::<Vec<_>>()
    })
    .collect()
}

/// Where processes are started: on a node by one module; by the command line, which runs on the operator's machine and
/// not on a node, for the operator's own editor.
const STARTERS: [&str; 2] = ["host/src/command.rs", "cli/src/editor.rs"];

/// Processes are started there and by the developers' commands, and nowhere else.
fn start_findings(source: &Source) -> Vec<String> {
    let free = STARTERS.contains(&source.path.as_str()) || source.area() == "xtask";
    if free || !source.is_rust() {
        return Vec::new();
    }
    let starts = ["Command::new(", "process::Command", "posix_spawn", "fork("];
    // Tests start the programs they are about; what is shipped does not.
    let starts: &[&str] = if source.is_test() { &[] } else { &starts };
    lines_with(source, starts, "only host/src/command.rs starts processes")
}

/// Programs of Ceph's. One that asks the cluster costs half a second and hangs as long as the cluster does.
const CEPHS: [&str; 9] =
    ["ceph", "rbd", "rados", "rbd-nbd", "rbd-fuse", "ceph-osd", "ceph-volume", "ceph-mon", "ceph-mgr"];

/// Where these words may stand: below this path, which ones, and what they are there.
const CEPHS_WORDS: [(&str, &[&str], &str); 6] = [
    ("host/src/osd/linux", &["ceph-osd", "ceph-volume"], "they lay out a device and run the OSD on it"),
    ("host/src/storage/ceph/pools.rs", &["rbd"], "what a pool says it is for"),
    ("host/src/storage/ceph/rados.rs", &["ceph"], "the name of the cluster"),
    ("host/src/storage/trial/sample.rs", &["ceph-osd", "ceph-mon"], "processes that are looked at"),
    ("logic/src/config/raw.rs", &["ceph"], "a kind of storage"),
    ("logic/src/vm/domain/disks.rs", &["rbd"], "how QEMU finds a disk"),
];

/// No program of Ceph's is named where one could be started: storage is reached through librados and librbd. The API and
/// the command line start nothing, and have these words in their routes.
fn ceph_findings(source: &Source) -> Vec<String> {
    let never_starts = ["xtask", "sim", "api", "apid", "cli"].contains(&source.area());
    if never_starts && !STARTERS.contains(&source.path.as_str()) || !source.is_rust() || source.is_test() {
        return Vec::new();
    }
    let may_stand = |word: &str| {
        CEPHS_WORDS.iter().any(|(path, words, _)| source.path.starts_with(path) && words.contains(&word))
    };
    let mut named = Vec::new();
    programs(source.text.parse().unwrap(), &mut named);
    named.retain(|(_, word)| CEPHS.contains(&word.as_str()) && !may_stand(word));
    let told = |(line, word)| {
        format!("{}:{line}: {word} is not started: librados and librbd are asked", source.path)
    };
    named.into_iter().map(told).collect()
}

/// The lines and first words of all literals, those inside macros too, without the folder that programs lie in.
fn programs(tokens: TokenStream, found: &mut Vec<(usize, String)>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => programs(group.stream(), found),
            TokenTree::Literal(literal) => {
                let line = literal.span().start().line;
                let Ok(syn::Lit::Str(text)) = syn::parse_str(&literal.to_string()) else { continue };
                let text = text.value();
                let word = text.split(' ').next().unwrap_or_default();
                let word = match word.rsplit_once('/') {
                    Some((folder, program)) if folder.ends_with("bin") => program,
                    _ => word,
                };
                found.push((line, word.to_owned()));
            }
            _ => {}
        }
    }
}

fn unsafe_findings(source: &Source) -> Vec<String> {
    if source.area() == "host" || source.area() == "xtask" && source.is_test() || !source.is_rust() {
        return Vec::new();
    }
    lines_with(
        source,
        &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe_code"],
        "unsafe lives in host",
    )
}

/// Blocking ports keep the simulator free of a runtime; async stays where HTTP and ZooKeeper need it.
fn async_findings(source: &Source) -> Vec<String> {
    let free = source.area() == "apid" || source.path.starts_with("store/src/zookeeper") || source.is_test();
    if free || !source.is_rust() || source.area() == "xtask" {
        return Vec::new();
    }
    lines_with(
        source,
        &["async fn ", "async move", "async {", ".await"],
        "async lives in apid and the ZooKeeper backend",
    )
}

fn lines_with(source: &Source, words: &[&str], rule: &str) -> Vec<String> {
    let code = source.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let hits = code.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    hits.map(|(index, _)| format!("{}:{}: {rule}", source.path, index + 1)).collect()
}

/// Finds every choice that is made in a file: an `if`, a `while`, a guard in a match.
#[derive(Default)]
struct Choices {
    found: Vec<String>,
}

impl<'ast> Visit<'ast> for Choices {
    fn visit_expr_if(&mut self, choice: &'ast syn::ExprIf) {
        self.found.push(format!("line {}: an `if`", choice.if_token.span.start().line));
        syn::visit::visit_expr_if(self, choice);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let Some((guard, _)) = &arm.guard {
            self.found.push(format!("line {}: a guard in a match", guard.span.start().line));
        }
        syn::visit::visit_arm(self, arm);
    }

    fn visit_expr_while(&mut self, choice: &'ast syn::ExprWhile) {
        self.found.push(format!("line {}: a `while`", choice.while_token.span.start().line));
        syn::visit::visit_expr_while(self, choice);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        if ["then", "then_some", "filter"].contains(&name.as_str()) {
            self.found.push(format!("line {}: `.{name}(` chooses", call.method.span().start().line));
        }
        syn::visit::visit_expr_method_call(self, call);
    }
}

fn choices(text: &str) -> Vec<String> {
    let mut choices = Choices::default();
    choices.visit_file(&syn::parse_file(text).unwrap());
    choices.found
}

#[test]
fn logic_repeats_the_roots_bans_and_bans_clocks_threads_files_and_processes() {
    nothing_found(&ban_findings(
        &tree::read("clippy.toml").unwrap(),
        &tree::read("logic/clippy.toml").unwrap(),
    ));
}

#[test]
fn logic_uses_nothing_that_acts_or_reads_the_clock() {
    let sources = tree::sources().unwrap();
    nothing_found(&sources.iter().flat_map(purity_findings).collect::<Vec<_>>());
}

#[test]
fn processes_are_started_by_one_module_only() {
    let sources = tree::sources().unwrap();
    nothing_found(&sources.iter().flat_map(start_findings).collect::<Vec<_>>());
}

#[test]
fn no_program_of_cephs_is_started_but_for_the_devices_of_osds() {
    let sources = tree::sources().unwrap();
    nothing_found(&sources.iter().flat_map(ceph_findings).collect::<Vec<_>>());
    for (path, words, why) in CEPHS_WORDS {
        let here = sources.iter().filter(|source| source.path.starts_with(path));
        let text: String = here.map(|source| source.text.as_str()).collect();
        let unused = words.iter().filter(|word| !text.contains(&format!("\"{word}\"")));
        assert_eq!(unused.count(), 0, "{path} has no need to name {words:?}: {why}");
    }
}

#[test]
fn unsafe_code_lives_in_host_only() {
    let sources = tree::sources().unwrap();
    nothing_found(&sources.iter().flat_map(unsafe_findings).collect::<Vec<_>>());
}

#[test]
fn async_lives_in_apid_and_the_zookeeper_backend_only() {
    let sources = tree::sources().unwrap();
    nothing_found(&sources.iter().flat_map(async_findings).collect::<Vec<_>>());
}

#[test]
fn perform_makes_no_choice() {
    nothing_found(&choices(&tree::read("agent/src/perform.rs").unwrap()));
}

#[test]
fn a_missing_ban_is_found() {
    let root = "a = 1\ndisallowed-methods = [\n    { path = \"x\" },\n]\n";
    let whole: String = LOGIC_BANS.iter().map(|path| format!("    {{ path = \"{path}\" }},\n")).collect();
    let good = format!("a = 1\ndisallowed-methods = [\n    {{ path = \"x\" }},\n{whole}]\n");
    assert_eq!(ban_findings(root, &good), Vec::<String>::new());
    assert_eq!(ban_findings(root, &good.replace("a = 1", "a = 2")).len(), 1);
    assert_eq!(ban_findings(root, &good.replace("std::fs::read\"", "std::fs::rea\"")).len(), 1);
}

#[test]
fn a_clock_in_logic_and_a_process_in_apid_are_found() {
    let clock = Source::made_up("logic/src/a.rs", "// Instant::now is banned\nlet now = Instant::now();\n");
    assert_eq!(purity_findings(&clock), ["logic/src/a.rs:2: logic must not use Instant::now"]);
    let process = Source::made_up("apid/src/a.rs", "std::process::Command::new(\"sh\");");
    assert_eq!(start_findings(&process), ["apid/src/a.rs:1: only host/src/command.rs starts processes"]);
    assert_eq!(
        start_findings(&Source { path: "host/src/command.rs".into(), ..process }),
        Vec::<String>::new()
    );
    let code = Source::made_up("agent/src/a.rs", "let x = unsafe { f() };");
    assert_eq!(unsafe_findings(&code), ["agent/src/a.rs:1: unsafe lives in host"]);
    let waits = Source::made_up("agent/src/a.rs", "async fn f() {\n    g().await;\n}\n");
    assert_eq!(async_findings(&waits).len(), 2);
    assert_eq!(async_findings(&Source { path: "apid/src/a.rs".into(), ..waits }).len(), 0);
}

#[test]
fn a_program_of_cephs_is_found_wherever_its_name_stands() {
    for text in [
        "fn f() { run(\"ceph\", &[\"status\"], LIMIT) }",
        "const PROGRAM: &str = \"rbd\";",
        "fn f() { let words = vec![\"/usr/bin/rbd\", \"ls\"]; }",
        "fn f() { run(\"sh\", &[\"-c\", &format!(\"ceph osd {x}\")], LIMIT) }",
        "fn f() { self.told(&what, \"ceph-volume\", &[\"lvm\"]) }",
    ] {
        for path in ["host/src/storage/a.rs", "agent/src/a.rs", "cli/src/editor.rs"] {
            assert_eq!(ceph_findings(&Source::made_up(path, text)).len(), 1, "{path}: {text}");
        }
    }
    let told = ceph_findings(&Source::made_up("host/src/a.rs", "\n\"rbd\""));
    assert_eq!(told, ["host/src/a.rs:2: rbd is not started: librados and librbd are asked"]);
    for (path, text) in [
        ("host/src/osd/linux/a.rs", "fn f() { run(\"ceph-osd\", &[\"-i\"], LIMIT) }"),
        ("host/src/a.rs", "/// Ceph's own.\nconst FOLDERS: [&str; 2] = [\"/run/ceph\", \"ceph.conf\"];"),
        ("host/src/a/tests.rs", "const A: &str = \"ceph\";"),
        ("cli/src/a.rs", "const A: [&str; 2] = [\"storage\", \"ceph\"];"),
    ] {
        assert_eq!(ceph_findings(&Source::made_up(path, text)), Vec::<String>::new());
    }
    let asks = "fn f() { run(\"ceph\", &[], LIMIT) }";
    assert_eq!(ceph_findings(&Source::made_up("host/src/osd/linux/a.rs", asks)).len(), 1);
}

#[test]
fn an_if_or_a_guard_in_perform_is_found() {
    assert_eq!(choices("fn f(a: u8) { match a { 1 => one(), _ => many() } }"), Vec::<String>::new());
    assert_eq!(choices("fn f() { if a { b() } }"), ["line 1: an `if`"]);
    assert_eq!(choices("fn f() { match a { x if x > 1 => 2, _ => 3 } }"), ["line 1: a guard in a match"]);
    assert_eq!(choices("fn f() { a.then(|| b()); }"), ["line 1: `.then(` chooses"]);
}
