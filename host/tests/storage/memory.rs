//! The storage in memory as a world.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use host::storage::memory::{Cluster, Opened, Written};
use host::storage::{Cause, Pools, Storage, Volumes, whole};
use logic::id::PoolName;
use logic::storage::{Replication, Tier, VolumePath};

use crate::content::content;
use crate::world::{Shared, World, Writer};

/// Three OSDs, and this machine at the address of the first.
pub(crate) fn world() -> Box<dyn Shared> {
    let addresses = [1, 2, 3].map(address);
    Box::new(InMemory { cluster: Cluster::new(&addresses) })
}

fn address(last: u8) -> IpAddr {
    [10, 0, 2, last].into()
}

struct InMemory {
    cluster: Arc<Cluster>,
}

impl InMemory {
    fn writer_at(&self, volume: &VolumePath, address: IpAddr) -> Box<dyn Writer> {
        let opened = self.cluster.open_volume(volume, address).unwrap();
        Box::new(InMemoryWriter { cluster: self.cluster.clone(), opened: Some(opened) })
    }
}

impl World for InMemory {
    fn open(&self) -> Arc<dyn Storage> {
        Arc::new(self.cluster.open(address(1)))
    }

    fn open_nothing(&self) -> Arc<dyn Storage> {
        let nothing = Cluster::new(&[]);
        nothing.cut("connection refused");
        Arc::new(nothing.open(address(1)))
    }

    fn replication(&self) -> Replication {
        Replication { copies: 3, copies_min: 2 }
    }

    fn writer(&self, volume: &VolumePath) -> Box<dyn Writer> {
        self.writer_at(volume, self.address_of_writers())
    }

    fn leave_remains(&self, volume: &VolumePath) {
        self.cluster.break_transfers_after(Some(1 << 20));
        let content = content(9, crate::content::SIZE_BYTES);
        crate::content::upload(&self.cluster.open(address(3)), volume, &content).unwrap_err();
        self.cluster.break_transfers_after(None);
    }
}

impl Shared for InMemory {
    fn open_hasty(&self) -> (Arc<dyn Storage>, Duration) {
        (self.open(), Duration::ZERO)
    }

    fn writer_here(&self, volume: &VolumePath) -> Box<dyn Writer> {
        self.writer_at(volume, address(1))
    }

    fn address_of_writers(&self) -> IpAddr {
        address(2)
    }

    fn at_the_writers(&self, act: &(dyn Fn(Arc<dyn Storage>) + Sync)) {
        act(Arc::new(self.cluster.open(self.address_of_writers())));
    }

    fn years_blocked(&self, _: IpAddr) -> u64 {
        // In memory nothing ends by itself.
        100
    }

    fn hanging(&self) -> Box<dyn FnOnce() + Send> {
        let cluster = self.cluster.clone();
        Box::new(move || cluster.hang())
    }

    fn hold_osd(&self) -> i32 {
        self.cluster.hold_osd(2);
        2
    }

    fn hold_leader(&self) {
        // In memory there is always another.
    }

    fn heal(&self) {
        self.cluster.heal();
        (0..3).for_each(|osd| self.cluster.let_osd_go(osd));
    }

    fn fill(&self, _: &PoolName) {
        self.cluster.fill();
    }
}

struct InMemoryWriter {
    cluster: Arc<Cluster>,
    opened: Option<Opened>,
}

impl Writer for InMemoryWriter {
    fn write(&mut self, offset: u64, byte: u8) -> Result<(), String> {
        let offset = usize::try_from(offset).unwrap();
        match self.cluster.write(self.opened.unwrap(), offset, &[byte; 4096]) {
            Written::Landed => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    fn hold(&mut self) {
        // In memory nobody notices anything between two writes.
    }

    fn go_on(&mut self) {}

    fn die(mut self: Box<Self>) {
        self.opened.take().into_iter().for_each(|opened| self.cluster.kill(opened));
    }
}

impl Drop for InMemoryWriter {
    fn drop(&mut self) {
        self.opened.take().into_iter().for_each(|opened| self.cluster.close(opened));
    }
}

#[test]
fn what_was_refused_and_is_not_there_was_not_made() {
    let cluster = Cluster::new(&[address(1)]);
    let storage = cluster.open(address(1));
    let pool = host::storage::Pool {
        name: "vms".parse().unwrap(),
        replication: Replication { copies: 3, copies_min: 2 },
        tier: Tier::Default,
        placement_group_count: 32,
    };
    storage.ensure_pool(&pool).unwrap();
    let volume: VolumePath = "vms/web".parse().unwrap();
    let make = |size_bytes| {
        let told = whole::made(&storage, &volume, storage.create(&volume, size_bytes));
        told.map_err(|error| error.cause())
    };
    cluster.refuse(1, "it has a bad day");
    assert_eq!(make(1 << 30), Err(Some(Cause::Unmade)));
    cluster.lose_answers(1);
    assert_eq!(make(1 << 30), Err(None), "it may have been made");
    cluster.refuse(1, "it has a bad day");
    assert_eq!(make(1 << 30), Err(Some(Cause::Other)), "it was, by the one before");
    assert_eq!(make(2 << 30), Err(Some(Cause::Exists)));
    assert_eq!(make(1 << 30), Ok(()));
}
