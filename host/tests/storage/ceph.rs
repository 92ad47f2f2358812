//! A real Ceph as a world, shared by all laws; those that disturb it have it alone.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use host::storage::ceph::{Ceph, Deadlines, Settings};
use host::storage::{Access, Cause, Pool, Storage};
use logic::id::PoolName;
use logic::storage::{Replication, Tier, VolumePath};

use crate::content::{download, upload};
use crate::lab::{Lab, THERE};
use crate::world::{Shared, World, Writer, wait};
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

fn enter(place: Place) -> Box<dyn Shared> {
    let lab = Lab::shared();
    lab.enter();
    Box::new(OnCeph { lab, place })
}

impl OnCeph {
    fn settings(&self) -> Settings {
        Settings { file: self.lab.file.clone(), user: "client.admin".into(), deadlines: Deadlines::default() }
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

    fn open_nothing(&self) -> Arc<dyn Storage> {
        Arc::new(Ceph::open(Settings { file: "/nonexistent/ceph.conf".into(), ..self.settings() }))
    }

    fn replication(&self) -> Replication {
        Replication { copies: 2, copies_min: 1 }
    }

    fn writer(&self, volume: &VolumePath) -> Box<dyn Writer> {
        let file = format!("rbd:{volume}:id=admin:conf={}", self.lab.file);
        Box::new(QemuIo::open(&self.lab.there(), "raw", &file))
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
        let list = self.lab.ceph("ceph", &["osd", "blocklist", "ls"]);
        let entry = list.lines().find_map(|line| line.strip_prefix(&format!("{address}:0/0 "))).unwrap();
        let now = self.lab.inside("date", &["+%Y"]);
        let year = |text: &str| text.trim()[..4].parse::<u64>().unwrap();
        year(entry) - year(&now)
    }

    fn hanging(&self) -> Box<dyn FnOnce() + Send> {
        self.must_be_alone();
        let lab = self.lab;
        Box::new(|| lab.signal("*.pid", "STOP"))
    }

    fn hold_osd(&self) -> i32 {
        self.must_be_alone();
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
        let storage = Ceph::open(Settings {
            file: lab.file.clone(),
            user: "client.admin".into(),
            deadlines: Deadlines::default(),
        });
        let Access::Ceph(told) = storage.access().unwrap() else { panic!("it is Ceph") };
        let ports = [6789, 6790, 6791].map(|port| SocketAddr::from(([10, 98, 0, 1], port)));
        assert_eq!(told.monitors, ports);
        assert_eq!((told.user.as_str(), told.own_address), ("admin", Some([10, 98, 0, 1].into())));
        let keyring = std::fs::read_to_string(lab.path("/run/lab/admin.keyring")).unwrap();
        let key = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, told.key.bytes());
        assert!(keyring.contains(&key), "the key is the keyring's");
        assert!(!format!("{told:?}").contains(&key));
        drop(world);
    });
}
