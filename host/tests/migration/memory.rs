//! Two machines in memory on a network in memory.

use std::net::IpAddr;
use std::sync::Arc;

use host::clock::ManualClock;
use host::memory::migration::ClusterNetwork;
use host::memory::{Happening, Late, Machine};
use logic::time::{BootTime, Now, Span};

use crate::guest::WEB;
use crate::sides::{Event, INCARNATION, Open, Side, Sides};

pub(crate) struct InMemory {
    clock: Arc<ManualClock>,
    network: Arc<ClusterNetwork>,
    source: Arc<Machine>,
    target: Arc<Machine>,
}

impl InMemory {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Now { boot: BootTime(1000), ..Now::default() }));
        let network = ClusterNetwork::new(clock.clone());
        let (source, target) = (Machine::new(clock.clone()), Machine::new(clock.clone()));
        let world = Self { clock, network, source, target };
        for side in [Side::Source, Side::Target] {
            world.network.join(world.address(side), world.machine(side));
        }
        world.network.set_memory(24, 300);
        world
    }

    fn machine(&self, side: Side) -> &Arc<Machine> {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// Whether the guest's CPUs run there, by the ledger.
    fn runs(&self, side: Side) -> bool {
        let ledger = self.machine(side).ledger();
        let of_it =
            ledger.iter().filter(|entry| (entry.vm, entry.incarnation) == (WEB.vm, Some(INCARNATION)));
        of_it.fold(false, |runs, entry| match entry.happening {
            Happening::Began | Happening::Arrived | Happening::Resumed => true,
            Happening::Halted | Happening::Left | Happening::Ended(_) => false,
            Happening::Received | Happening::Torn => runs,
        })
    }
}

impl Sides for InMemory {
    fn open(&self, side: Side) -> Open {
        let migration = Arc::new(self.network.open(self.address(side)));
        Open { hypervisor: Arc::new(self.machine(side).open()), migration }
    }

    fn open_hasty(&self, side: Side) -> Open {
        self.open(side)
    }

    fn address(&self, side: Side) -> IpAddr {
        match side {
            Side::Source => [10, 99, 0, 1].into(),
            Side::Target => [10, 99, 0, 2].into(),
        }
    }

    fn console_path(&self, _: Side) -> String {
        "/var/log/web1.log".into()
    }

    fn befall(&self, event: Event) {
        match event {
            Event::CableCut => {
                self.network.cut(self.address(Side::Source), self.address(Side::Target));
            }
            Event::CableMended => {
                self.network.heal(self.address(Side::Source), self.address(Side::Target));
            }
            Event::StreamBroken => self.network.break_streams(),
            Event::HypervisorDies(side) => {
                self.machine(side).cut("connection refused");
            }
            Event::HypervisorHangs(side) => {
                self.machine(side).hang(Late::Lost);
            }
            Event::HypervisorIsBack(side) => {
                self.machine(side).heal();
            }
            Event::GuestBusy => {
                self.network.set_busy(WEB.vm);
            }
        }
        self.network.settle();
    }

    fn wait_until_target_is_told(&self) {
        (0..10).for_each(|_| self.pass_time());
    }

    fn forget_what_was_said(&self) {
        // In memory a guest says nothing.
    }

    fn assert_goes_on(&self, side: Side) {
        let other = match side {
            Side::Source => Side::Target,
            Side::Target => Side::Source,
        };
        assert!(self.runs(side), "it does not run on the {side:?}");
        assert!(!self.runs(other), "it runs on the {other:?} too");
    }

    fn pass_time(&self) {
        self.clock.advance(Span(20));
        self.network.settle();
        assert!(!(self.runs(Side::Source) && self.runs(Side::Target)), "it runs on two machines");
    }
}
