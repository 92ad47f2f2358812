//! The systemd units, read and not run: in which order they start and stop, how long they may take, and what they may do.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use xtask::command::{capture, program};

/// In the order in which they start; they stop in the other.
const ORDER: [&str; 4] = ["pvcnoded", "pvcworkerd", "pvcapid", "pvc-flush"];

/// How long the node daemon may wait for what is under way when it is stopped, in seconds. These tests know no crate of
/// PVC's, so the bound is held against its source.
const STOP_PATIENCE_S: u64 = 300;

/// What a unit says: the values of each key, over its sections.
struct Unit {
    name: &'static str,
    keys: BTreeMap<String, Vec<String>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../units")
}

fn unit(name: &'static str) -> Unit {
    let text = fs::read_to_string(folder().join(format!("{name}.service"))).unwrap();
    let mut keys = BTreeMap::<String, Vec<String>>::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{name}: {line}"));
        keys.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    Unit { name, keys }
}

impl Unit {
    fn says(&self, key: &str) -> &str {
        let values = self.keys.get(key).unwrap_or_else(|| panic!("{} has no {key}", self.name));
        assert_eq!(values.len(), 1, "{}: {key} is said more than once", self.name);
        &values[0]
    }

    fn words(&self, key: &str) -> Vec<&str> {
        self.keys.get(key).into_iter().flatten().flat_map(|value| value.split_whitespace()).collect()
    }

    fn seconds(&self, key: &str) -> u64 {
        let text = self.says(key);
        match text.strip_suffix("min") {
            Some(minutes) => minutes.parse::<u64>().unwrap() * 60,
            None => text.parse().unwrap(),
        }
    }
}

#[test]
fn they_stop_in_the_order_flush_api_worker_node() {
    for (place, name) in ORDER.into_iter().enumerate() {
        let unit = unit(name);
        let after = unit.words("After");
        for earlier in &ORDER[..place] {
            assert!(after.contains(&format!("{earlier}.service").as_str()), "{name} stops before {earlier}");
        }
        for later in &ORDER[place..] {
            assert!(
                !after.contains(&format!("{later}.service").as_str()),
                "{name} does not wait for {later}"
            );
        }
    }
    for outlives in ["libvirtd.service", "zookeeper.service"] {
        assert!(
            unit("pvcnoded").words("After").contains(&outlives),
            "{outlives} stops after the node daemon"
        );
    }
}

#[test]
fn a_restart_of_the_daemons_empties_no_node() {
    let flush = unit("pvc-flush");
    for key in ["Requires", "BindsTo", "PartOf", "Requisite"] {
        assert!(flush.words(key).is_empty(), "{key} would stop it, and so flush the node, with a daemon");
    }
}

#[test]
fn the_flush_has_half_an_hour_and_the_ready_is_asked_for_until_it_is_heard() {
    let flush = unit("pvc-flush");
    assert_eq!(flush.says("ExecStop"), "/usr/bin/pvc node flush --wait");
    assert_eq!(flush.says("ExecStart"), "/usr/bin/pvc node ready");
    assert_eq!((flush.says("Type"), flush.says("RemainAfterExit")), ("oneshot", "yes"));
    assert_eq!(flush.seconds("TimeoutStopSec"), 30 * 60);
    assert_eq!((flush.says("Restart"), flush.says("StartLimitIntervalSec")), ("on-failure", "0"));
}

#[test]
fn no_daemon_is_killed_while_it_may_still_wait_for_what_is_under_way() {
    let limits = fs::read_to_string(folder().join("../logic/src/limits.rs")).unwrap();
    let bound = format!("pub const STOP_PATIENCE: Span = Span::seconds({STOP_PATIENCE_S});");
    assert!(limits.contains(&bound), "logic bounds the waiting otherwise: {bound}");
    // After the waiting come the last words, which the daemon gives twenty seconds.
    assert!(unit("pvcnoded").seconds("TimeoutStopSec") > STOP_PATIENCE_S + 20);
    for name in ["pvcworkerd", "pvcapid"] {
        assert!(unit(name).seconds("TimeoutStopSec") >= 30, "{name}");
    }
}

#[test]
fn daemons_come_back_and_guests_outlive_them() {
    for name in &ORDER[..3] {
        let unit = unit(name);
        assert_eq!((unit.says("Type"), unit.says("Restart")), ("notify", "always"), "{name}");
        assert_eq!(unit.says("StartLimitIntervalSec"), "0", "{name} is given up while its store is away");
    }
    assert_eq!(unit("pvcnoded").says("KillMode"), "process");
}

#[test]
fn each_may_do_no_more_than_it_needs() {
    for name in ORDER {
        let unit = unit(name);
        for key in ["NoNewPrivileges", "ProtectHome", "ProtectKernelLogs", "LockPersonality"] {
            assert_eq!(unit.says(key), "yes", "{name}: {key}");
        }
        let keeps_from_the_clock = unit.keys.contains_key("ProtectClock")
            || unit.words("CapabilityBoundingSet").starts_with(&["~CAP_SYS_TIME"]);
        assert!(keeps_from_the_clock, "{name} may set the clock");
        assert_eq!(unit.says("UMask"), "0077", "{name}");
    }
    // Whoever touches no machine has nothing of root but the files that belong to it.
    for name in ["pvcapid", "pvc-flush"] {
        let unit = unit(name);
        assert_eq!(unit.says("CapabilityBoundingSet"), "", "{name}");
        assert_eq!((unit.says("ProtectSystem"), unit.says("PrivateDevices")), ("strict", "yes"), "{name}");
        assert_eq!(unit.says("RestrictAddressFamilies"), "AF_UNIX AF_INET AF_INET6", "{name}");
    }
}

#[test]
fn whoever_serves_guests_reaches_the_machine_s_devices() {
    for name in ["pvcnoded", "pvcworkerd"] {
        let unit = unit(name);
        // Each of these, where nothing else is listed, leaves no device but a few: not /dev/kvm, and no disk.
        for key in ["ProtectClock", "PrivateDevices", "DeviceAllow", "DevicePolicy"] {
            assert!(!unit.keys.contains_key(key), "{name}: {key}");
        }
    }
}

/// The daemons write in no other folder than those that systemd makes for them, as long as the configuration names none:
/// each default is held against the unit.
#[test]
fn the_usual_folders_are_those_that_systemd_makes_and_lets_write() {
    let defaults = fs::read_to_string(folder().join("../logic/src/config/raw.rs")).unwrap();
    for (path, key) in [("/run/pvc", "RuntimeDirectory"), ("/var/log/pvc", "LogsDirectory")] {
        assert!(defaults.contains(&format!("\"{path}\"")), "{path} is no default any more");
        for name in &ORDER[..3] {
            assert_eq!(unit(name).says(key), "pvc", "{name}: {path}");
        }
    }
    // It makes the folder of the guests' consoles, in which libvirt writes.
    assert!(!unit("pvcnoded").keys.contains_key("ProtectSystem"), "pvcnoded cannot write its machine");
    for name in &ORDER[..3] {
        assert_eq!(unit(name).says("StateDirectory"), "pvc", "{name}: the usual place of a store in a file");
        assert_eq!(
            unit(name).says("RuntimeDirectoryPreserve"),
            "yes",
            "{name} would take the others' sockets"
        );
    }
}

#[test]
fn every_program_is_started_with_words_that_it_knows() {
    for name in &ORDER[..3] {
        // Without any, the configuration is where it is usually.
        assert_eq!(unit(name).says("ExecStart"), format!("/usr/bin/{name}"));
        assert_eq!(
            unit(name).says("ExecReload"),
            "/bin/kill -HUP $MAINPID",
            "{name} opens its log anew at SIGHUP"
        );
    }
}

#[test]
fn systemd_understands_every_unit() {
    let folder_of_units = tempfile::tempdir().unwrap();
    let mut verify = program("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]);
    for name in ORDER {
        let text = fs::read_to_string(folder().join(format!("{name}.service"))).unwrap();
        // The programs are not installed here.
        let programs: Vec<String> = text
            .lines()
            .map(|line| match line.split_once("=/usr/bin/") {
                Some((key, _)) => format!("{key}=/bin/true"),
                None => line.to_owned(),
            })
            .collect();
        let path = folder_of_units.path().join(format!("{name}.service"));
        fs::write(&path, programs.join("\n")).unwrap();
        verify.arg(path);
    }
    let output = capture(&mut verify).expect("systemd-analyze, of the package systemd");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
