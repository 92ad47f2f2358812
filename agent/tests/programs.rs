//! The programs themselves: they start, say what is wrong with a configuration, open their log anew, and stop in order.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use logic::cluster::Cluster;
use logic::cluster::accept::{Overwrite, initialise};
use logic::id::{NodeName, VmId};
use logic::node::DaemonState;
use logic::node::drain::{Duty, wish_duty};
use logic::record::Records;
use logic::time::WallTime;
use logic::vm::accept::{Define, Force, PowerRequest, define, wish_power};
use store::CommitError;
use store::mirror::{Mirror, Scope};
use store::records::commit_records;

/// How long anything here may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// A folder with a configuration whose libvirt does not exist.
fn configured(extra: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("the test can");
    let root = folder.path().display();
    let text = format!(
        "store = \"sqlite://{root}/store.db\"\nnode = \"hv1\"\n{extra}\n\
         [hypervisor]\nuri = \"qemu+unix:///system?socket={root}/none\"\nkind = \"qemu\"\nconsole_directory = \"{root}/consoles\"\n\
         [log]\ndirectory = \"{root}/log\"\n[path]\nrun = \"{root}/run\"\n[timer]\nkeepalive_interval_ms = 200\n"
    );
    let file = folder.path().join("pvc.toml");
    std::fs::write(&file, text).expect("the test can");
    (folder, file)
}

#[expect(clippy::disallowed_methods, reason = "the test starts the program it is about")]
fn program(name: &str, config: &Path) -> Command {
    let path =
        if name == "pvcnoded" { env!("CARGO_BIN_EXE_pvcnoded") } else { env!("CARGO_BIN_EXE_pvcworkerd") };
    let mut command = Command::new(path);
    command.arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn refused(config: &Path) -> Output {
    program("pvcnoded", config).output().expect("the test can")
}

/// A running daemon, ended when the test ends, however that is.
struct Running(Child);

impl Running {
    fn start(name: &str, config: &Path) -> Self {
        Self(program(name, config).stderr(Stdio::null()).spawn().expect("the test can"))
    }

    #[expect(clippy::disallowed_methods, reason = "the test sends the signals that an operator would")]
    fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("the test can").success());
    }

    fn ends_well(mut self) {
        wait("the daemon ends", || self.0.try_wait().expect("the test can").is_some());
        assert!(self.0.wait().expect("the test can").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < end, "{what}: not within {DEADLINE:?}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn hv1() -> NodeName {
    "hv1".parse().expect("it is a name")
}

fn opened(folder: &Path) -> Option<Arc<dyn store::Store>> {
    let url = logic::config::StoreUrl::Sqlite { path: folder.join("store.db").display().to_string() };
    store::open(&url, None).ok()
}

fn cluster(store: &Arc<dyn store::Store>) -> Option<Arc<Cluster>> {
    let mirror = Mirror::new(Arc::clone(store), Scope::Everything);
    mirror.pump().ok()?;
    Some(mirror.snapshot()?.cluster)
}

/// What the daemon says of itself, and how often it has said so.
fn word(folder: &Path) -> Option<(DaemonState, u64)> {
    let cluster = cluster(&opened(folder)?)?;
    cluster.status(&hv1()).map(|status| (status.daemon, status.sequence))
}

fn daemon_state(folder: &Path) -> Option<DaemonState> {
    Some(word(folder)?.0)
}

/// Writes what the API would write for these requests, one after the other.
fn ask(folder: &Path, requests: &[&dyn Fn(&Cluster) -> Records]) {
    let store = opened(folder).expect("the daemon has made it");
    for request in requests {
        // The daemon writes too, and what was decided on what it has changed meanwhile is decided anew.
        wait("the request is written", || {
            let records = request(&cluster(&store).expect("the store answers"));
            match commit_records(&*store, &records) {
                Ok(_) => true,
                Err(CommitError::Conflict { .. }) => false,
                Err(error) => panic!("{error}"),
            }
        });
    }
}

#[test]
fn a_key_that_is_not_known_is_refused_with_the_nearest_and_nothing_is_made() {
    let (folder, config) = configured("clutser = \"x\"");
    let output = refused(&config);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("clutser") && said.contains("cluster"), "{said}");
    assert!(!folder.path().join("store.db").exists());
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let output = refused(Path::new("/nowhere/pvc.toml"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/pvc.toml"));
}

#[test]
fn a_store_that_cannot_be_opened_is_named() {
    let (folder, config) = configured("");
    std::fs::create_dir(folder.path().join("store.db")).unwrap();
    let output = refused(&config);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("store.db"), "{said}");
}

#[test]
fn the_node_daemon_runs_without_its_hypervisor_and_says_stop_when_it_stops() {
    let (folder, config) = configured("");
    let daemon = Running::start("pvcnoded", &config);
    wait("the daemon runs", || daemon_state(folder.path()) == Some(DaemonState::Run));
    let log = folder.path().join("log/pvcnoded.log");
    std::fs::rename(&log, folder.path().join("log/old")).unwrap();
    daemon.signal("-HUP");
    wait("the log is opened anew", || log.exists());
    daemon.signal("-TERM");
    daemon.ends_well();
    assert_eq!(daemon_state(folder.path()), Some(DaemonState::Stop));
}

#[test]
fn the_worker_stops_when_it_is_asked() {
    let (folder, config) = configured("");
    let daemon = Running::start("pvcworkerd", &config);
    let log = folder.path().join("log/pvcworkerd.log");
    wait("the daemon runs", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("starts")));
    daemon.signal("-TERM");
    daemon.ends_well();
}

#[test]
fn the_worker_stops_at_once_while_the_node_daemon_goes_on() {
    let (folder, config) = configured("");
    let _node = Running::start("pvcnoded", &config);
    wait("the node daemon runs", || daemon_state(folder.path()) == Some(DaemonState::Run));
    let worker = Running::start("pvcworkerd", &config);
    let log = folder.path().join("log/pvcworkerd.log");
    wait("the worker runs", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("starts")));
    worker.signal("-TERM");
    let asked = Instant::now();
    worker.ends_well();
    // It has a bound of twenty seconds, which it must not need.
    assert!(asked.elapsed() < Duration::from_secs(18), "{:?}", asked.elapsed());
    assert_eq!(daemon_state(folder.path()), Some(DaemonState::Run));
}

#[test]
fn the_node_daemon_keeps_alive_while_it_waits_for_a_flush_and_a_second_signal_ends_the_waiting() {
    let (folder, config) = configured("");
    let daemon = Running::start("pvcnoded", &config);
    wait("the daemon runs", || daemon_state(folder.path()) == Some(DaemonState::Run));
    let vm: VmId = "bdd640fb-0667-4ad1-9c80-317fa3b1799d".parse().expect("it is a UUID");
    let xml = format!(
        "<domain><name>web1</name><uuid>{vm}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu></domain>"
    );
    let (now, xml) = (WallTime(1), &xml);
    let request = || Define { xml: xml.clone(), ..Define::default() };
    // Its hypervisor does not answer, so that this flush never ends.
    ask(
        folder.path(),
        &[
            &|cluster| initialise(cluster, &"5a".repeat(32), Overwrite::No, now).expect("it is new"),
            &|cluster| define(cluster, &request(), now).expect("there is room").records,
            &|cluster| wish_power(cluster, vm, PowerRequest::Start, Force::No, now).expect("it may"),
            &|cluster| wish_duty(cluster, &hv1(), Duty::Flushed, now).expect("it may").expect("it is new"),
        ],
    );
    daemon.signal("-TERM");
    wait("it says that it stops", || daemon_state(folder.path()) == Some(DaemonState::Shutdown));
    let (_, before) = word(folder.path()).expect("it has spoken");
    wait("the keepalive goes on", || word(folder.path()).is_some_and(|(_, count)| count > before + 2));
    assert_eq!(daemon_state(folder.path()), Some(DaemonState::Shutdown));
    daemon.signal("-TERM");
    daemon.ends_well();
    assert_eq!(daemon_state(folder.path()), Some(DaemonState::Stop));
}
