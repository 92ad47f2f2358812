//! A real Ceph as a world, shared by all laws; those that disturb it have it alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use host::storage::ceph::{Ceph, Deadlines, Settings};
use host::storage::{Access, Cause, Error, Pool, Storage};
use logic::id::PoolName;
use logic::storage::{Replication, Tier, VolumePath};

use crate::content::{download, upload};
use crate::fences::take_over;
use crate::lab::{Lab, THERE};
use crate::world::{Home, Shared, World, Writer, wait};
use crate::writer::QemuIo;

static DISTURBED: RwLock<()> = RwLock::new(());

/// Kept for as long as a law runs.
enum Place {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

struct OnCeph {
    lab: &'static Lab,
    place: Place,
}

/// Ceph beside other laws.
pub(crate) fn world() -> Box<dyn Shared> {
    let guard = DISTURBED.read().unwrap_or_else(PoisonError::into_inner);
    enter(Place::Shared { _guard: guard })
}

/// Ceph for a law that disturbs it.
pub(crate) fn alone() -> Box<dyn Shared> {
    let guard = DISTURBED.write().unwrap_or_else(PoisonError::into_inner);
    enter(Place::Alone { _guard: guard })
}

/// Whether a law has disturbed Ceph, and nobody has seen since that all of it is well again.
static SHAKEN: AtomicBool = AtomicBool::new(false);

fn enter(place: Place) -> Box<dyn Shared> {
    let lab = Lab::shared();
    lab.enter();
    if SHAKEN.load(Ordering::SeqCst) {
        rest(lab);
    }
    SHAKEN.store(matches!(place, Place::Alone { .. }), Ordering::SeqCst);
    Box::new(OnCeph { lab, place })
}

/// What a law did to Ceph lasts longer than the law: monitors elect, and OSDs are called down and come up again.
fn rest(lab: &Lab) {
    let ceph: Arc<dyn Storage> = Arc::new(Ceph::open(settings(lab)));
    wait("all of Ceph is well again", || {
        let monitors = lab.ceph("ceph", &["quorum_status", "--format", "json"]);
        let are_all = monitors.contains(r#""quorum_names":["a","b","c"]"#);
        are_all && ceph.osds().is_ok_and(|osds| osds.iter().all(|osd| osd.up))
    });
}

/// The product's, but for deadlines that a machine with other work keeps too.
fn settings(lab: &Lab) -> Settings {
    let deadlines = Deadlines {
        look: Duration::from_secs(20),
        change: Duration::from_secs(120),
        osd: Duration::from_secs(5),
        stall: Duration::from_secs(120),
    };
    Settings { deadlines, ..usual(lab) }
}

fn usual(lab: &Lab) -> Settings {
    Settings::usual(&lab.file, "client.admin")
}

/// Who is on Ceph's own list of the blocked, and for how many years from now on.
fn blocklist(lab: &Lab) -> BTreeMap<String, u64> {
    let list = lab.ceph("ceph", &["osd", "blocklist", "ls"]);
    let now = lab.inside("date", &["+%Y"]);
    let year = |text: &str| text.trim()[..4].parse::<u64>().unwrap();
    let entries = list.lines().filter_map(|line| line.split_once(' '));
    entries.map(|(who, until)| (who.to_owned(), year(until) - year(&now))).collect()
}

impl OnCeph {
    fn settings(&self) -> Settings {
        settings(self.lab)
    }

    fn writer_from(&self, entry: &[String], volume: &VolumePath) -> Box<dyn Writer> {
        let file = format!("rbd:{volume}:id=admin:conf={}", self.lab.file);
        Box::new(QemuIo::open(entry, "raw", &file))
    }

    fn must_be_alone(&self) {
        assert!(matches!(self.place, Place::Alone { .. }), "this law disturbs Ceph: it must have it alone");
    }
}

impl Drop for OnCeph {
    fn drop(&mut self) {
        if matches!(self.place, Place::Alone { .. }) {
            self.heal();
        }
    }
}

impl World for OnCeph {
    fn open(&self) -> Arc<dyn Storage> {
        Arc::new(Ceph::open(self.settings()))
    }

    fn open_usual(&self) -> Arc<dyn Storage> {
        Arc::new(Ceph::open(usual(self.lab)))
    }

    fn open_nothing(&self) -> Arc<dyn Storage> {
        Arc::new(Ceph::open(Settings { file: "/nonexistent/ceph.conf".into(), ..self.settings() }))
    }

    fn replication(&self) -> Replication {
        Replication { copies: 2, copies_min: 1 }
    }

    fn writer(&self, volume: &VolumePath) -> Box<dyn Writer> {
        self.writer_from(&self.lab.there(), volume)
    }

    fn leave_remains(&self, volume: &VolumePath) {
        let name = format!("{}/.upload.{}", volume.pool, volume.volume);
        self.lab.ceph("rbd", &["create", "--size", "4M", &name]);
    }
}

impl Shared for OnCeph {
    fn open_hasty(&self) -> (Arc<dyn Storage>, Duration) {
        let deadline = Duration::from_millis(1500);
        let deadlines = Deadlines { look: deadline, change: deadline, osd: deadline, stall: deadline };
        (Arc::new(Ceph::open(Settings { deadlines, ..self.settings() })), deadline)
    }

    fn writer_here(&self, volume: &VolumePath) -> Box<dyn Writer> {
        // The law's own thread is on this machine, and what it starts is too.
        self.writer_from(&[], volume)
    }

    fn address_of_writers(&self) -> IpAddr {
        THERE.into()
    }

    fn at_the_writers(&self, act: &(dyn Fn(Arc<dyn Storage>) + Sync)) {
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                self.lab.enter_there();
                act(self.open());
            });
            if let Err(failure) = there.join() {
                std::panic::resume_unwind(failure);
            }
        });
    }

    fn years_blocked(&self, address: IpAddr) -> u64 {
        blocklist(self.lab)[&format!("{address}:0/0")]
    }

    fn hanging(&self) -> Box<dyn FnOnce() + Send> {
        self.must_be_alone();
        let lab = self.lab;
        Box::new(|| lab.signal("*.pid", "STOP"))
    }

    fn hold_osd(&self) -> i32 {
        self.must_be_alone();
        // Else the other OSD would call it down after a while, and nobody would ask it any more.
        self.lab.ceph("ceph", &["osd", "set", "nodown"]);
        rest(self.lab);
        self.lab.signal("osd.1.pid", "STOP");
        1
    }

    fn hold_leader(&self) {
        self.must_be_alone();
        // The monitor of the lowest address leads.
        self.lab.signal("mon.a.pid", "STOP");
    }

    fn heal(&self) {
        self.lab.signal("*.pid", "CONT");
        self.lab.ceph("ceph", &["osd", "unset", "nodown"]);
    }

    fn fill(&self, pool: &PoolName) {
        self.lab.ceph("ceph", &["osd", "pool", "set-quota", pool.as_str(), "max_objects", "1"]);
        wait("the pool is full", || {
            let pools = self.lab.ceph("ceph", &["osd", "pool", "ls", "detail"]);
            let mut lines = pools.lines().filter(|line| line.contains(&format!("'{pool}'")));
            lines.any(|line| line.contains("full_quota"))
        });
    }
}

#[test]
fn a_tier_needs_devices_of_its_class() {
    crate::world::on_a_thread(|| {
        let world = alone();
        let storage = world.open();
        let pool = Pool {
            tier: Tier::Nvme,
            ..crate::world::wanted(&crate::world::fresh_pool_name(), world.replication())
        };
        assert_eq!(crate::world::cause(storage.ensure_pool(&pool)), Cause::Unfit);
        Lab::shared().ceph("ceph", &["osd", "crush", "set-device-class", "nvme", "osd.0", "osd.1"]);
        storage.ensure_pool(&pool).unwrap();
        let seen = storage.pools().unwrap().into_iter().find(|seen| seen.name == pool.name);
        assert_eq!(seen.as_ref(), Some(&pool));
        assert!(storage.osds().unwrap().iter().all(|osd| osd.class == "nvme"));
        storage.remove_pool(&pool.name).unwrap();
    });
}

#[test]
fn what_is_no_pool_of_volumes_is_left_alone() {
    crate::world::on_a_thread(|| {
        let world = world();
        let (storage, lab) = (world.open(), Lab::shared());
        let pool = crate::world::wanted(&crate::world::fresh_pool_name(), world.replication());
        let name = pool.name.as_str();
        lab.ceph("ceph", &["osd", "pool", "create", name, "8", "8", "replicated"]);
        lab.ceph("ceph", &["osd", "pool", "application", "enable", name, "cephfs"]);
        assert_eq!(crate::world::cause(storage.ensure_pool(&pool)), Cause::Exists);
        assert_eq!(crate::world::cause(storage.remove_pool(&pool.name)), Cause::Unfit);
        assert!(storage.pools().unwrap().iter().all(|seen| seen.name != pool.name));
        let home = crate::world::Home::of(&*world);
        lab.ceph("rbd", &["create", "--size", "4M", &format!("{}/.trash-of-somebody", home.pool)]);
        assert_eq!(storage.sweep(&home.pool).unwrap(), 0);
        assert!(lab.ceph("rbd", &["ls", home.pool.as_str()]).contains(".trash-of-somebody"));
        assert_eq!(crate::world::cause(storage.remove_pool(&home.pool)), Cause::Holds);
    });
}

#[test]
fn a_replacement_that_was_cut_off_is_finished_or_undone() {
    crate::world::on_a_thread(|| {
        let world = world();
        let (home, lab) = (crate::world::Home::of(&*world), Lab::shared());
        let storage = &*home.storage;
        let (web, new) = (home.volume("web_disk0"), home.volume("new"));
        upload(storage, &web, b"old").unwrap();
        upload(storage, &new, b"new").unwrap();
        let rename = |from: &str, to: &str| {
            let path = |name: &str| format!("{}/{name}", home.pool);
            lab.ceph("rbd", &["rename", &path(from), &path(to)]);
        };
        let begins = || download(storage, &web)[..3].to_vec();

        rename("web_disk0", ".replaced.web_disk0");
        assert_eq!(storage.sweep(&home.pool).unwrap(), 1);
        assert_eq!(begins(), b"old", "without what was filled it is undone");

        rename("web_disk0", ".replaced.web_disk0");
        rename("new", ".upload.web_disk0");
        assert_eq!(storage.sweep(&home.pool).unwrap(), 1);
        assert_eq!(begins(), b"new", "with it, it is finished");
        assert_eq!(home.names(), ["web_disk0"]);

        lab.ceph("rbd", &["create", "--size", "4M", &format!("{}/.replaced.web_disk0", home.pool)]);
        assert_eq!(storage.sweep(&home.pool).unwrap(), 1);
        assert_eq!(begins(), b"new", "what was replaced is removed");
        assert_eq!(storage.sweep(&home.pool).unwrap(), 0);
    });
}

#[test]
fn a_volume_whose_making_was_cut_off_is_made() {
    crate::world::on_a_thread(|| {
        let world = world();
        let (home, lab) = (crate::world::Home::of(&*world), Lab::shared());
        let volume = home.volume("web_disk0");
        let id = home.storage.volume(&volume).unwrap().unwrap().id;
        lab.ceph("rados", &["-p", home.pool.as_str(), "rm", &format!("rbd_header.{id}")]);
        assert_eq!(home.storage.volume(&volume).unwrap(), None);
        home.storage.create(&volume, crate::content::SIZE_BYTES).unwrap();
        upload(&*home.storage, &volume, b"whole").unwrap();
        assert_eq!(&download(&*home.storage, &volume)[..5], b"whole");
    });
}

#[test]
fn guests_are_told_the_monitors_the_user_and_a_key_that_is_in_no_text() {
    crate::world::on_a_thread(|| {
        let world = world();
        let lab = Lab::shared();
        let storage = Ceph::open(settings(lab));
        let Access::Ceph(told) = storage.access().unwrap() else { panic!("it is Ceph") };
        let ports = [6789, 6790, 6791].map(|port| SocketAddr::from(([10, 98, 0, 1], port)));
        assert_eq!(told.monitors, ports);
        assert_eq!(told.user, "admin");
        let keyring = std::fs::read_to_string(lab.path("/run/lab/admin.keyring")).unwrap();
        let key = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, told.key.bytes());
        assert!(keyring.contains(&key), "the key is the keyring's");
        assert!(!format!("{told:?}").contains(&key));
        drop(world);
    });
}

/// The law of who was stopped and blocked can fail: this is what becomes of it when the entries end, as they do after an hour
/// unless they are told not to.
#[test]
fn an_entry_that_expires_is_a_second_writer() {
    crate::world::on_a_thread(|| {
        let world = alone();
        let lab = Lab::shared();
        let before = blocklist(lab);
        let short = Settings { block_expiry: Duration::from_secs(2), ..settings(lab) };
        let home = Home { storage: Arc::new(Ceph::open(short)), ..Home::of(&*world) };
        let mut taken = take_over(&*world, &home);
        wait("the entries have expired", || blocklist(lab).keys().all(|who| before.contains_key(who)));
        // The monitors know of it before the OSDs do: who reads by the newest map is answered by an OSD that has it too.
        assert_eq!(download(&*home.storage, &taken.volume)[0], 2);
        taken.old.go_on();
        taken.old.write(0, 3).unwrap();
        assert_eq!(
            download(&*home.storage, &taken.volume)[0],
            3,
            "it is written over what its successor wrote"
        );
    });
}

#[test]
fn who_loses_a_lock_is_blocked_for_years() {
    crate::world::on_a_thread(|| {
        let world = world();
        let (home, lab) = (Home::of(&*world), Lab::shared());
        let volume = home.volume("web_disk0");
        let mut writer = world.writer(&volume);
        writer.write(0, 1).unwrap();
        let before = blocklist(lab);
        let (_, locks) = home.storage.users(&volume).unwrap();
        for _ in 0..2 {
            wait("the lock is broken", || home.storage.break_lock(&volume, &locks[0]).is_ok());
        }
        let mut fresh = blocklist(lab);
        let theirs = format!("{}:0/", IpAddr::from(THERE));
        fresh.retain(|who, _| who.starts_with(&theirs) && !before.contains_key(who));
        assert_eq!(fresh.len(), 1, "one entry for each lock: {fresh:?}");
        assert!(fresh.iter().all(|(who, years)| !who.ends_with("/0") && *years >= 9), "{fresh:?}");
        // An OSD may hear of it a moment later.
        wait("it is refused", || writer.write(0, 2).is_err());
        writer.write(4096, 3).unwrap_err();
        assert_eq!(download(&*home.storage, &volume)[4096], 0);
        writer.die();
    });
}

#[test]
fn a_daemon_that_keeps_to_other_settings_is_named() {
    crate::world::on_a_thread(|| {
        let world = alone();
        let (storage, lab) = (world.open(), Lab::shared());
        let strays = || {
            let told = storage.fence().unwrap().ensure_ready();
            told.unwrap_or_else(|error| vec![error.to_string()])
        };
        wait("all of it is ready for a fence", || strays().is_empty());
        let settings = [("mon.b", "mon_lease", "5"), ("osd.1", "mon_client_ping_timeout", "30")];
        for (who, name, value) in settings {
            lab.ceph("ceph", &["tell", who, "config", "set", name, value]);
        }
        let mut told = Vec::new();
        wait("both are named", || {
            told = strays();
            told.len() == 2
        });
        let named = |(words, (who, name, value)): (&String, (&str, &str, &str))| {
            words.starts_with(&format!("{who} has {name} {value}"))
        };
        assert!(told.iter().zip(settings).all(named), "{told:?}");
        for (who, name, _) in settings {
            lab.ceph("ceph", &["tell", who, "config", "unset", name]);
        }
        wait("all of it is ready again", || strays().is_empty());
        world.hold_osd();
        let silent = "osd.1 did not say what it is set to";
        wait("who says nothing is named", || strays() == [silent]);
        world.heal();
        wait("it says so", || strays().is_empty());
    });
}

/// The threads of this process on which Ceph is called.
fn calling() -> BTreeSet<String> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten().filter(|thread| {
        let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        ["call", "ceph-connect"].contains(&name.trim())
    });
    threads.map(|thread| thread.file_name().to_string_lossy().into_owned()).collect()
}

/// Asks in vain, and waits until every call that is left behind has ended although nothing has answered it.
fn ends_by_itself(what: &str, ask: &dyn Fn() -> Result<(), Error>) {
    let error = ask().unwrap_err();
    assert!(matches!(error, Error::Silent { .. } | Error::Unreachable { .. }), "{what}: {error}");
    let left = calling();
    wait(&format!("librados gives up {what}"), || calling().is_disjoint(&left));
}

#[test]
fn what_hangs_is_given_up_by_librados_itself() {
    crate::world::on_a_thread(|| {
        let world = alone();
        let (home, lab) = (Home::of(&*world), Lab::shared());
        let volume = home.volume("web_disk0");
        let [(hasty, _), (other, _)] = [world.open_hasty(), world.open_hasty()];
        wait("it is reached", || hasty.volume(&volume).is_ok() && other.pools().is_ok());
        // The monitors answer, and so a call comes as far as to an OSD.
        lab.signal("osd.*.pid", "STOP");
        ends_by_itself("an operation of an OSD", &|| hasty.volume(&volume).map(drop));
        lab.signal("mon.*.pid", "STOP");
        ends_by_itself("a command to the monitors", &|| other.pools().map(drop));
        let (fresh, _) = world.open_hasty();
        ends_by_itself("to connect", &|| fresh.pools().map(drop));
        world.heal();
        wait("it answers again", || hasty.volume(&volume).is_ok() && fresh.volume(&volume).is_ok());
    });
}
