//! One machine of the world, and what joins it to the others: its clocks, its power, its cables.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use host::clock::ManualClock;
use host::memory::Machine;
use host::memory::migration::ClusterNetwork;
use logic::id::NodeName;
use logic::node::{BootId, Node};
use logic::time::{BootTime, Span};
use store::memory::Client;
use uuid::Uuid;

use crate::clock::LocalClock;

/// One machine.
#[derive(Clone, Debug)]
pub struct Site {
    /// The machine.
    pub machine: Arc<Machine>,
    /// Its clocks.
    pub clock: Arc<LocalClock>,
    /// Its address on the cluster network.
    pub address: IpAddr,
    /// How its processes are known to the store.
    pub client: Client,
    /// How much later than others its daemons hear of changes in the store.
    pub late: Span,
    /// How much of its ledger is written to the log.
    pub written: usize,
    /// It has no power.
    pub is_off: bool,
}

impl Site {
    /// A machine that is switched on, by its number, whose boots are its own.
    pub fn new(world: &Arc<ManualClock>, name: &NodeName, number: u8) -> Self {
        let clock = Arc::new(LocalClock::new(world));
        let machine = Machine::new(Arc::clone(&clock) as _);
        let node = host::machine::Machine::node(&*machine);
        let boot = BootId(Uuid::from_u128(u128::from(number) << 64));
        machine.set_node(Node { boot, ..node });
        let time = Arc::clone(&clock);
        let time = Arc::new(move || host::clock::Clock::now(&*time).boot);
        Self {
            machine,
            clock,
            address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)),
            client: Client { name: name.as_str().into(), time },
            late: Span::default(),
            written: 0,
            is_off: false,
        }
    }

    /// When something next changes by itself, in the world's time.
    pub fn next_change(&self) -> Option<BootTime> {
        self.machine.next_change().map(|at| self.clock.world_time(at))
    }

    /// It loses its power: what it has in memory is gone, and its boot clock begins anew.
    pub fn lose_power(&self) {
        self.machine.cut_power();
        self.clock.reboot();
    }
}

/// The network that joins the machines, and which pairs were cut.
#[derive(Debug)]
pub struct Wires {
    network: Arc<ClusterNetwork>,
    dropped: BTreeSet<(NodeName, NodeName)>,
}

impl Wires {
    /// Every machine is plugged in.
    pub fn new(world: &Arc<ManualClock>, sites: &BTreeMap<NodeName, Site>) -> Self {
        let network = ClusterNetwork::new(Arc::clone(world) as _);
        sites.values().for_each(|site| network.join(site.address, &site.machine));
        Self { network, dropped: BTreeSet::new() }
    }

    /// The network.
    pub fn network(&self) -> &Arc<ClusterNetwork> {
        &self.network
    }

    /// Nothing goes between these two from now on.
    pub fn cut(&mut self, one: &NodeName, other: &NodeName) {
        self.dropped.insert(pair(one, other));
    }

    /// It does again.
    pub fn mend(&mut self, one: &NodeName, other: &NodeName) {
        self.dropped.remove(&pair(one, other));
    }

    /// Every cable is whole again.
    pub fn mend_all(&mut self) {
        self.dropped.clear();
        self.network.heal_all();
    }

    /// Lets the network know what is cut, and what has no power.
    pub fn apply(&self, sites: &BTreeMap<NodeName, Site>) {
        for (one, here) in sites {
            for (other, there) in sites.range::<NodeName, _>(one..).skip(1) {
                let silent =
                    here.is_off || there.is_off || self.dropped.contains(&(one.clone(), other.clone()));
                match (silent, self.network.reaches(here.address, there.address)) {
                    (true, true) => self.network.cut(here.address, there.address),
                    (false, false) => self.network.heal(here.address, there.address),
                    _ => {}
                }
            }
        }
    }
}

fn pair(one: &NodeName, other: &NodeName) -> (NodeName, NodeName) {
    (one.min(other).clone(), one.max(other).clone())
}
