//! Measures the store, per backend: a read, a guarded write, how far a mirror in another process is behind, and how
//! long and with how much memory a mirror of 10,000 VMs is built. A table for people, and one line of JSON last.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use logic::config::StoreUrl;
use logic::id::{NodeName, VmId};
use logic::node::BootId;
use logic::primary::Primary;
use logic::record::{Expect, RecordId, Records, VmNameOwner};
use logic::time::WallTime;
use logic::vm::{Meta, Power, TagMark, Vm, VmFact, Wish};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use store::memory::Memory;
use store::mirror::{Mirror, Scope};
use store::records::commit_records;
use store::{Secret, Store};
use uuid::Uuid;

use crate::other::Other;
use crate::servers::Servers;

#[path = "../tests/contract/other.rs"]
#[expect(dead_code, reason = "the contract needs more of it")]
mod other;
#[path = "../tests/contract/servers.rs"]
#[expect(dead_code, reason = "the contract needs more of it")]
mod servers;

/// How often each small thing is done.
const COUNT: usize = 300;

/// How many VMs the mirror is rebuilt with.
const VMS: u128 = 10_000;

/// How many VMs are seeded with one transaction.
const VMS_TOGETHER: u128 = 100;

/// Between two writes whose way to the other process is measured.
const LAG_INTERVAL: Duration = Duration::from_millis(10);

/// How long anything may take before the measurement has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is aimed at, by the figure's name.
const AIMS: [(&str, f64); 8] = [
    ("zookeeper_lag_ms_p50", 5.0),
    ("sqlite_lag_ms_p50", 30.0),
    ("sqlite_rebuild_ms", 2_000.0),
    ("zookeeper_rebuild_ms", 2_000.0),
    ("ensemble_rebuild_ms", 2_000.0),
    ("sqlite_rebuild_mb", 60.0),
    ("zookeeper_rebuild_mb", 60.0),
    ("ensemble_rebuild_mb", 60.0),
];

type Figures = Vec<(String, f64)>;

fn main() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().expect("nobody chose another");
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lag", url] => watch(open(url)),
        ["rebuild", url] => rebuild(open(url)),
        _ => measure(),
    }
}

/// A line on standard output, where the caller reads.
fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("somebody reads the output");
}

fn open(url: &str) -> Arc<dyn Store> {
    let url = match url.split_once("://").expect("it has a scheme") {
        ("sqlite", path) => StoreUrl::Sqlite { path: path.into() },
        (_, servers) => StoreUrl::ZooKeeper { servers: servers.split(',').map(str::to_owned).collect() },
    };
    let secret = Secret::new("measured").expect("it is not empty");
    store::open(&url, Some(secret)).expect("the store was just started")
}

fn measure() {
    let mut figures = Figures::new();
    let memory = Memory::on_real_time();
    small(&memory.open(), "memory", &mut figures);
    let folder = tempfile::tempdir().expect("the machine has a folder for temporary files");
    backend("sqlite", &format!("sqlite://{}", folder.path().join("store.db").display()), &mut figures);
    for (name, count) in [("zookeeper", 1), ("ensemble", 3)] {
        let servers = Servers::start(count);
        backend(name, &format!("zookeeper://{}", servers.addresses().join(",")), &mut figures);
    }
    report(&figures);
}

fn backend(name: &str, url: &str, figures: &mut Figures) {
    let store = open(url);
    small(&*store, name, figures);
    figures.push((format!("{name}_lag_ms_p50"), lag(&*store, url)));
    seed(&*store);
    let mut child = Other::start(&["rebuild", url], &[]);
    let said = child.next().split(' ').map(|word| word.parse().expect("a number")).collect::<Vec<f64>>();
    for (what, value) in ["rebuild_ms", "rebuild_mb", "rebuild_peak_mb"].into_iter().zip(said) {
        figures.push((format!("{name}_{what}"), value));
    }
}

/// A read and a guarded write, one after the other.
fn small(store: &dyn Store, name: &str, figures: &mut Figures) {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    let mut expect = Expect::Absent;
    let key = store::key::path(&RecordId::Primary);
    for term in 0..COUNT as u64 {
        let began = Instant::now();
        expect = write_primary(store, expect, term);
        writes.push(ms(began.elapsed()));
        let began = Instant::now();
        store.read(&key).expect("the store answers");
        reads.push(ms(began.elapsed()));
    }
    figures.push((format!("{name}_get_ms_p50"), median(reads)));
    figures.push((format!("{name}_guarded_write_ms_p50"), median(writes)));
}

fn write_primary(store: &dyn Store, expect: Expect, term: u64) -> Expect {
    let primary = Primary { node: node(0), term, handover: None, former: None };
    let committed =
        commit_records(store, &Records::default().write(RecordId::Primary, expect, primary.into()));
    Expect::Version(committed.expect("nobody else writes it").versions[0].1.expect("it was written"))
}

/// From before a write here to the snapshot that shows it in another process.
fn lag(store: &dyn Store, url: &str) -> f64 {
    let mut watcher = Other::start(&["lag", url], &[]);
    assert_eq!(watcher.next(), "ready");
    let entry = store.read(&store::key::path(&RecordId::Primary)).expect("the store answers");
    let mut expect = Expect::Version(entry.expect("it was written before").version);
    let mut lags = Vec::new();
    for _ in 0..COUNT {
        std::thread::sleep(LAG_INTERVAL);
        let written_ns = monotonic_ns();
        expect = write_primary(store, expect, written_ns);
        let seen_ns: u64 = loop {
            let said = watcher.next();
            let (term, seen) = said.split_once(' ').expect("two numbers");
            if term == written_ns.to_string() {
                break seen.parse().expect("a number");
            }
        };
        lags.push(ms(Duration::from_nanos(seen_ns - written_ns)));
    }
    median(lags)
}

/// The other process: tells each term it sees, and when, until nobody listens any more.
fn watch(store: Arc<dyn Store>) {
    let mirror = Arc::new(Mirror::new(store, Scope::WithoutDocuments));
    let (told, tell) = std::sync::mpsc::channel();
    let watched = Arc::clone(&mirror);
    mirror.on_change(move || {
        let seen_ns = monotonic_ns();
        let cluster = watched.snapshot().expect("it has just changed").cluster;
        if let Some(primary) = &cluster.primary {
            let _ = told.send((primary.value.term, seen_ns));
        }
    });
    mirror.spawn();
    assert!(mirror.wait_confirmed(PATIENCE), "the mirror is built");
    say("ready");
    for (term, seen_ns) in tell {
        say(&format!("{term} {seen_ns}"));
    }
}

/// Another process: builds a mirror, and tells in how many ms, with how many MB more than before, and at the most.
fn rebuild(store: Arc<dyn Store>) {
    let before_kb = status_kb("VmRSS:");
    let mirror = Mirror::new(store, Scope::WithoutDocuments);
    let began = Instant::now();
    mirror.pump().expect("the store answers");
    let took_ms = ms(began.elapsed());
    let vms = mirror.snapshot().expect("it was built").cluster.vms.len();
    assert_eq!(vms as u128, VMS, "all are there");
    let mb = |kb: f64| (kb - before_kb) / 1_000.0;
    say(&format!("{took_ms} {} {}", mb(status_kb("VmRSS:")), mb(status_kb("VmHWM:"))));
}

/// A figure of this process's memory.
fn status_kb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// What an operator of 10,000 VMs has, without the libvirt documents: for each its wish, its node's word and its name.
fn seed(store: &dyn Store) {
    for first in (0..VMS).step_by(usize::try_from(VMS_TOGETHER).expect("it is small")) {
        let mut records = Records::default();
        for number in first..first + VMS_TOGETHER {
            let id = VmId(Uuid::from_u128(number * 0x9e37_79b9_7f4a_7c15_9e37_79b9));
            let vm = vm(number);
            let fact = VmFact::new(vm.node.clone(), BootId(Uuid::from_u128(7)));
            let name = RecordId::VmName(vm.name.clone());
            records = records
                .write(RecordId::Vm(id), Expect::Absent, vm.into())
                .write(RecordId::VmFact(id), Expect::Absent, fact.into())
                .write(name, Expect::Absent, VmNameOwner { vm: id }.into());
        }
        commit_records(store, &records).expect("nobody else writes them");
    }
}

fn vm(number: u128) -> Vm {
    let tags = ["production", "customer-17", "backup"].map(|tag| tag.parse().expect("it is a tag"));
    Vm {
        name: format!("web{number:05}").parse().expect("it is a name"),
        description: "A web server of the shop".into(),
        node: node(number % 30),
        last_node: None,
        transfer: None,
        away_since: 0,
        parked: false,
        wish: Wish { power: Power::Start, serial: 3, at: WallTime(1_700_000_000_000) },
        meta: Meta { node_limit: (0..3).map(node).collect(), ..Meta::default() },
        tags: tags.into_iter().map(|tag| (tag, TagMark { protected: false })).collect(),
        memory_mib: 4_096,
        vcpus: 2,
        bound: None,
        links: Default::default(),
        removal: None,
        renaming: None,
        volumes: Vec::new(),
    }
}

fn node(number: u128) -> NodeName {
    format!("hv{number}").parse().expect("it is a name")
}

fn report(figures: &Figures) {
    let aim = |name: &str| AIMS.iter().find(|(of, _)| *of == name).map(|(_, aim)| *aim);
    say(&format!("{:<36}{:>12}{:>10}", "figure", "value", "aim"));
    let mut missed = Vec::new();
    for (name, value) in figures {
        let shown = aim(name).map(|aim| format!("<= {aim}")).unwrap_or_default();
        let late = aim(name).is_some_and(|aim| *value > aim);
        say(&format!("{name:<36}{value:>12.4}{shown:>10}{}", if late { "  MISSED" } else { "" }));
        if late {
            missed.push(name.as_str());
        }
    }
    let number = |value: f64| json!((value * 10_000.0).round() / 10_000.0);
    let table = |rows: &mut dyn Iterator<Item = (&str, f64)>| -> Map<String, Value> {
        rows.map(|(name, value)| (name.to_owned(), number(value))).collect()
    };
    let line = json!({
        "bench": "store",
        "on": { "vms": u64::try_from(VMS).expect("it is small"), "cores": std::thread::available_parallelism().map_or(0, usize::from) },
        "runs": COUNT,
        "figures": table(&mut figures.iter().map(|(name, value)| (name.as_str(), *value))),
        "aims": table(&mut AIMS.into_iter()),
        "missed": missed,
    });
    say(&line.to_string());
}

fn monotonic_ns() -> u64 {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has this clock"));
    u64::try_from(now.as_nanos()).expect("the machine has not run for centuries")
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
