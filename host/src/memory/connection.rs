//! The hypervisor of a machine in memory, as one daemon has it open.

use std::sync::Arc;

use logic::id::VmId;

use super::call::Call;
use super::{Late, Machine, Manner, State};
use crate::device::Device;
use crate::hypervisor::{Error, Guest, GuestStatistics, Hypervisor, Secret, Start, Waker};

/// The deadline that an unanswered call is said to have had.
const DEADLINE_MS: u64 = 5000;

/// A daemon's way to the guests of a [`Machine`].
#[derive(Debug)]
pub struct Connection {
    machine: Arc<Machine>,
    number: u64,
}

impl Connection {
    pub(super) fn new(machine: Arc<Machine>, number: u64) -> Self {
        Self { machine, number }
    }

    fn ask<T>(&self, call: &'static str, answer: impl FnOnce(&State) -> T) -> Result<T, Error> {
        self.machine.change(|state, _| {
            state.calls += 1;
            state.answers(call)?;
            Ok(answer(state))
        })
    }

    fn tell(&self, call: Call) -> Result<(), Error> {
        self.machine.change(|state, now| {
            state.calls += 1;
            let answers = state.answers(call.name());
            if let Err(error) = answers {
                if state.manner == Manner::Hanging(Late::Performed) {
                    state.late.push(call);
                }
                return Err(error);
            }
            if state.waits_for_move(&call) {
                return Err(silent(call.name()));
            }
            let outcome = state.apply(&call, now);
            if state.lost_answers > 0 {
                state.lost_answers -= 1;
                return Err(silent(call.name()));
            }
            outcome
        })
    }
}

impl State {
    pub(super) fn answers(&self, call: &'static str) -> Result<(), Error> {
        match &self.manner {
            Manner::Prompt => Ok(()),
            Manner::Hanging(_) => Err(silent(call)),
            Manner::Unreachable(why) => {
                Err(Error::Unreachable { uri: "memory:///".into(), why: why.clone() })
            }
        }
    }
}

pub(super) fn silent(call: &'static str) -> Error {
    Error::Silent { call, deadline_ms: DEADLINE_MS }
}

impl Hypervisor for Connection {
    fn guests(&self) -> Result<Vec<Guest>, Error> {
        self.ask("list the guests", State::guests)
    }

    fn start(&self, start: &Start) -> Result<(), Error> {
        self.tell(Call::Start(start.clone()))
    }

    fn press_power(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        self.tell(Call::PressPower(vm, incarnation))
    }

    fn stop(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        self.tell(Call::Stop(vm, incarnation))
    }

    fn attach(&self, vm: VmId, device_xml: &str) -> Result<(), Error> {
        self.tell(Call::Attach(vm, device_xml.to_owned()))
    }

    fn detach(&self, vm: VmId, device_xml: &str) -> Result<(), Error> {
        self.tell(Call::Detach(vm, device_xml.to_owned()))
    }

    fn resize_disk(&self, vm: VmId, source: &str, size_bytes: u64) -> Result<(), Error> {
        self.tell(Call::ResizeDisk(vm, source.to_owned(), size_bytes))
    }

    fn ensure_secret(&self, secret: &Secret) -> Result<(), Error> {
        self.machine.change(|state, _| {
            state.calls += 1;
            state.answers("keep a secret")?;
            state.secrets.insert(secret.id, secret.value.clone());
            Ok(())
        })
    }

    fn statistics(&self) -> Result<Vec<(VmId, GuestStatistics)>, Error> {
        self.ask("read the statistics", |state| {
            state.guests.iter().map(|(vm, guest)| (*vm, statistics(&guest.devices))).collect()
        })
    }

    fn watch(&self, waker: Arc<dyn Waker>) {
        self.machine.lock().watchers.entry(self.number).or_default().push(waker);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.machine.lock().watchers.remove(&self.number);
    }
}

/// Counters of a guest that never did anything: every name that libvirt gives is there.
fn statistics(devices: &std::collections::BTreeSet<Device>) -> GuestStatistics {
    let zero = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 0)).collect();
    let mut statistics = GuestStatistics {
        memory: zero(&["actual", "rss"]),
        cpu: zero(&["cpu_time", "user_time", "system_time"]),
        ..GuestStatistics::default()
    };
    for device in devices {
        match device {
            Device::Disk(dev) => {
                let counters = zero(&["rd_req", "rd_bytes", "wr_req", "wr_bytes"]);
                statistics.disks.insert(dev.clone(), counters);
            }
            Device::Interface(mac) => {
                let rd = ["rd_bytes", "rd_packets", "rd_errors", "rd_drops"];
                let wr = ["wr_bytes", "wr_packets", "wr_errors", "wr_drops"];
                statistics.interfaces.insert(mac.clone(), zero(&[rd, wr].concat()));
            }
        }
    }
    statistics
}
