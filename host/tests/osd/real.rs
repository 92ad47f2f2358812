//! This machine as a world: OSDs on loop devices, in the network of a real Ceph.
//!
//! What the OSDs keep lies in a temporary folder; they and their loop devices are ended by their ids however a law ends.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use host::command;
use host::osd::linux::{Linux, Places};
use host::osd::{ByTheClock, Devices, Occasion, Roster, await_up};
use host::storage::ceph::{Ceph, Deadlines, Settings};
use logic::storage::osd::{OsdId, OsdUuid};

use crate::lab::Lab;
use crate::laws::{self, World};

/// Laws that change the members have them alone.
static ALONE: Mutex<()> = Mutex::new(());

struct OnThisMachine {
    folder: tempfile::TempDir,
    ceph: Arc<Ceph>,
    loops: Mutex<Vec<String>>,
    count: AtomicU32,
}

fn run(program: &str, arguments: &[&str]) -> String {
    let done = command::run(program, arguments, Duration::from_secs(180)).unwrap();
    assert_eq!(done.code, Some(0), "{program} {arguments:?}: {}{}", done.output, done.errors);
    done.output
}

/// What the OSDs of these tests are told, beside where the monitors are.
const SETTINGS: &str = "auth cluster required = cephx
auth service required = cephx
auth client required = cephx
[osd]
public addr = 10.98.0.1
cluster addr = 10.98.0.1
osd crush update on start = false
osd class update on start = false
osd op num shards = 1
osd op num threads per shard = 2
osd recovery sleep hdd = 0
osd memory target = 939524096
bluestore cache autotune = false
bluestore cache size = 33554432
bluestore fsck on mount = false
bluestore rocksdb options = compression=kNoCompression,max_write_buffer_number=2,min_write_buffer_number_to_merge=1,write_buffer_size=8388608,max_background_jobs=2
";

impl OnThisMachine {
    fn start() -> Self {
        let lab = Lab::shared();
        lab.enter();
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let client = std::fs::read_to_string(&lab.file).unwrap();
        let mut config: String =
            client.lines().filter(|line| !line.starts_with("key")).map(|l| format!("{l}\n")).collect();
        let fsid = lab.ceph("ceph", &["fsid"]);
        let at = folder.path().display();
        let _ = write!(
            config,
            "fsid = {}\nrun dir = {at}\nadmin socket = {at}/$name.asok\nlog file = {at}/$name.log\n",
            fsid.trim()
        );
        let _ = write!(config, "crash dir = {at}\n{SETTINGS}");
        std::fs::write(folder.path().join("ceph.conf"), config).unwrap();
        // The product's deadlines are for machines that have nothing else to do.
        let deadlines = Deadlines {
            look: Duration::from_secs(20),
            change: Duration::from_secs(120),
            osd: Duration::from_secs(5),
            stall: Duration::from_secs(120),
        };
        let usual = Settings::usual(&lab.file, "client.admin");
        let ceph = Arc::new(Ceph::open(Settings { deadlines, ..usual }));
        Self { folder, ceph, loops: Mutex::default(), count: AtomicU32::new(0) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn linux(&self) -> Linux {
        Linux::open(Places {
            notes: self.path("notes"),
            stores: self.path("stores"),
            run: self.path("run"),
            config: self.path("ceph.conf"),
        })
    }
}

impl Drop for OnThisMachine {
    fn drop(&mut self) {
        let linux = self.linux();
        for note in std::fs::read_dir(self.path("notes")).into_iter().flatten().flatten() {
            let osd = note.path().file_stem().and_then(|stem| stem.to_str()?.parse::<OsdUuid>().ok());
            // A law that failed must not leave a member behind that is down: Ceph would keep its place, and no other law's
            // OSD would ever be safe to destroy.
            if let Some(osd) = osd {
                let _ = linux.stop(osd);
                let member =
                    self.ceph.members().ok().and_then(|all| all.into_iter().find(|(_, uuid)| *uuid == osd));
                let _ = member.map(|(id, _)| self.ceph.purge(id));
            }
        }
        for device in self.loops.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let limit = Duration::from_secs(20);
            let _ = command::run("partx", &["-d", device], limit);
            let _ = command::run("losetup", &["-d", device], limit);
        }
    }
}

impl World for OnThisMachine {
    fn devices(&self) -> Arc<dyn Devices> {
        Arc::new(self.linux())
    }

    fn roster(&self) -> Arc<dyn Roster> {
        Arc::<Ceph>::clone(&self.ceph)
    }

    fn device(&self) -> String {
        let file = self.path(&format!("device.{}", self.count.fetch_add(1, Ordering::SeqCst)));
        std::fs::File::create(&file).unwrap().set_len(2 << 30).unwrap();
        let device = run("losetup", &["-f", "--show", file.to_str().unwrap()]).trim().to_owned();
        self.loops.lock().unwrap().push(device.clone());
        device
    }

    fn fill(&self, device: &str) {
        run("sgdisk", &["--clear", device]);
    }

    fn rebuild(&self) {
        for part in ["notes", "stores"] {
            std::fs::remove_dir_all(self.path(part)).unwrap();
        }
    }

    fn break_off(&self, osd: OsdUuid) {
        let (id, _) = self.linux().borne(osd).unwrap().unwrap();
        std::fs::remove_file(self.path(&format!("stores/ceph-{id}/ready"))).unwrap();
    }
}

/// Each law on a thread of its own, which enters the network of Ceph.
fn law(act: impl FnOnce(&OnThisMachine) + Send) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        if let Err(failure) = scope.spawn(|| act(&OnThisMachine::start())).join() {
            std::panic::resume_unwind(failure);
        }
    });
    let_connections_close();
}

/// A connection is closed on a thread of its own, and a process that ends meanwhile takes librados's memory from under it.
fn let_connections_close() {
    let until = Instant::now() + Duration::from_secs(60);
    let is_closing = || {
        let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let mut names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
        names.any(|name| name.starts_with("ceph-"))
    };
    while is_closing() && Instant::now() < until {
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// There is a pool, so that there is something to move.
fn with_pool() {
    let lab = Lab::shared();
    lab.ceph("ceph", &["osd", "pool", "create", "moved", "8", "8", "replicated"]);
    lab.ceph("ceph", &["osd", "pool", "application", "enable", "moved", "rbd"]);
}

#[test]
fn an_osd_lives_and_goes_on_a_loop_device() {
    law(|world| {
        with_pool();
        laws::an_osd_lives_and_goes(world);
        let tree = Lab::shared().ceph("ceph", &["osd", "tree"]);
        assert!(!tree.contains("hv3"), "the host of its last OSD stays:\n{tree}");
    });
}

#[test]
fn a_loop_device_that_holds_data_is_refused() {
    law(|world| {
        laws::what_holds_data_is_refused(world);
        let device = world.device();
        let said = |name: &str| world.devices().empty(&device.parse().unwrap()).expect_err(name).to_string();
        run("mkfs.ext4", &["-q", &device]);
        assert!(said("a file system").contains("not zero") || said("a file system").contains("ext4"));
        assert!(Path::new(&device).exists());
    });
}

#[test]
fn a_layout_that_was_broken_off_is_begun_anew_or_undone_on_a_loop_device() {
    law(|world| laws::what_was_broken_off_is_begun_anew_or_undone(world));
}

#[test]
fn a_loop_device_is_split_by_partitions() {
    law(|world| laws::a_device_is_split_and_databases_lie_on_another(world));
}

#[test]
fn an_osd_is_taken_over_from_its_loop_device() {
    law(|world| laws::a_rebuilt_machine_takes_its_osd_over(world));
}

#[test]
fn a_number_is_inherited_in_a_real_ceph() {
    law(|world| laws::a_replacement_inherits_the_number(world));
}

#[test]
fn an_osd_that_keeps_data_is_never_safe_by_waiting() {
    law(|world| {
        with_pool();
        laws::waiting_does_not_make_it_safe(world, OsdId(0));
        laws::flags_are_set_and_unset(world);
    });
}

#[test]
fn an_osd_that_waits_for_one_that_is_down_says_so_and_goes_when_that_is_out() {
    law(|world| {
        with_pool();
        laws::one_that_is_down_keeps_its_place_until_it_is_out(world);
    });
}

#[test]
fn an_osd_is_found_when_its_device_has_another_name() {
    law(|world| {
        let (devices, roster) = (world.devices(), world.roster());
        let (member, device) = laws::up_on_a_device(world);
        devices.stop(member.uuid).unwrap();
        let backing = format!("/sys/block/{}/loop/backing_file", &device[5..]);
        let file = std::fs::read_to_string(&backing).unwrap();
        // It gets its new name before the old one is free, which anybody may take then.
        let again = run("losetup", &["-f", "--show", file.trim()]).trim().to_owned();
        world.loops.lock().unwrap().push(again.clone());
        run("losetup", &["-d", &device]);
        // Whoever has it open just now holds up that it is let go.
        let until = Instant::now() + laws::PATIENCE;
        let held = || std::fs::read_to_string(&backing).is_ok_and(|now| now.trim() == file.trim());
        while held() && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        world.loops.lock().unwrap().retain(|own| *own != device);
        devices.start(member.uuid, Occasion::Boot).unwrap();
        await_up(&*roster, member.uuid, laws::PATIENCE, &ByTheClock).unwrap();
        let (_, borne) = devices.borne(member.uuid).unwrap().unwrap();
        assert_eq!(borne.device, again);
        laws::gone(world, &member);
    });
}

#[test]
fn loop_devices_are_detected() {
    law(|world| {
        let device = world.device();
        let devices = world.devices();
        let found = |index: u32| devices.empty(&format!("detect:LOOP:2GiB:{index}").parse().unwrap());
        // Others may have loop devices of that size too, which come and go and have all others counted anew.
        let list = || -> Vec<String> {
            let all = (0..64).map_while(|index| match found(index) {
                Ok(path) => Some(path),
                Err(error) if error.to_string().contains("fit") => None,
                Err(error) => Some(error.to_string()),
            });
            all.collect()
        };
        let mut all = Vec::new();
        let is_found = (0..5).any(|_| {
            all = list();
            all.contains(&device)
        });
        assert!(is_found, "{all:?} lacks {device}");
    });
}
