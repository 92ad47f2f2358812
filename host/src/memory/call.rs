//! The changing calls as values, so that one can be performed later than it was made, and what each does.

use logic::id::VmId;
use logic::time::BootTime;
use logic::vm::domain::parse;

use super::{Disk, End, PowerButton, State};
use crate::device::{Device, devices, sources};
use crate::hypervisor::{Error, Start};

/// A call that changes something.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Start(Start),
    PressPower(VmId, u64),
    Stop(VmId, u64),
    Attach(VmId, String),
    Detach(VmId, String),
    ResizeDisk(VmId, String, u64),
}

impl Call {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::PressPower(..) => "press the power button of",
            Self::Stop(..) => "stop",
            Self::Attach(..) => "attach a device to",
            Self::Detach(..) => "detach a device from",
            Self::ResizeDisk(..) => "resize a disk of",
        }
    }

    fn vm(&self) -> VmId {
        match self {
            Self::Start(start) => start.vm,
            Self::PressPower(vm, _) | Self::Stop(vm, _) | Self::Attach(vm, _) | Self::Detach(vm, _) => *vm,
            Self::ResizeDisk(vm, ..) => *vm,
        }
    }
}

impl State {
    /// Whether a call has to wait until the guest's move is over. libvirt lets nothing but an end come between.
    pub(super) fn waits_for_move(&self, call: &Call) -> bool {
        let waits =
            matches!(call, Call::PressPower(..) | Call::Attach(..) | Call::Detach(..) | Call::ResizeDisk(..));
        waits && self.guests.get(&call.vm()).is_some_and(|guest| guest.is_on_its_way())
    }

    /// Performs a call.
    pub(super) fn apply(&mut self, call: &Call, now: BootTime) -> Result<(), Error> {
        let outcome = match call {
            Call::Start(start) => self.start(start, now),
            Call::PressPower(vm, incarnation) => {
                self.press_power(*vm, *incarnation, now);
                Ok(())
            }
            Call::Stop(vm, incarnation) => {
                if self.guests.get(vm).is_some_and(|guest| guest.incarnation == Some(*incarnation)) {
                    self.end(*vm, End::Stopped, now);
                }
                Ok(())
            }
            Call::Attach(vm, xml) => self.attach(*vm, xml),
            Call::Detach(vm, xml) => self.detach(*vm, xml),
            Call::ResizeDisk(vm, source, size_bytes) => self.resize_disk(*vm, source, *size_bytes),
        };
        outcome.map_err(|why| Error::Refused { call: call.name(), vm: call.vm(), why })
    }

    fn start(&mut self, start: &Start, now: BootTime) -> Result<(), String> {
        if self.refusals.0 > 0 {
            self.refusals.0 -= 1;
            return Err(self.refusals.1.clone());
        }
        start.check()?;
        if let Some(guest) = self.guests.get(&start.vm) {
            return match guest.incarnation {
                Some(incarnation) if incarnation == start.incarnation => Ok(()),
                Some(other) => Err(format!("it runs already, as incarnation {other}")),
                None => Err("it runs already, and was not started by PVC".into()),
            };
        }
        let domain = parse(&start.xml).map_err(|error| error.to_string())?;
        if let Some((holder, _)) = self.guests.iter().find(|(_, guest)| guest.name == domain.name.as_str()) {
            return Err(format!("the guest {holder} has the name {} already", domain.name));
        }
        let devices = devices(&start.xml).into_iter().collect();
        self.begin(start.vm, domain.name.to_string(), Some(start.incarnation), devices, now);
        if let Some(guest) = self.guests.get_mut(&start.vm) {
            guest.disks = disks(&start.xml).collect();
        }
        Ok(())
    }

    fn press_power(&mut self, vm: VmId, incarnation: u64, now: BootTime) {
        let button = self.buttons.get(&vm).copied().unwrap_or(self.button);
        let guest = self.guests.get_mut(&vm).filter(|guest| guest.incarnation == Some(incarnation));
        let guest = guest.filter(|guest| !guest.is_gone);
        if let (Some(guest), PowerButton::Obeyed { after }) = (guest, button) {
            guest.ends_at.get_or_insert(now + after);
        }
    }

    fn attach(&mut self, vm: VmId, xml: &str) -> Result<(), String> {
        let device = Device::parse(xml)?;
        let guest = self.guests.get_mut(&vm).ok_or("it does not run")?;
        guest.devices.insert(device);
        guest.disks.extend(disks(xml));
        Ok(())
    }

    fn resize_disk(&mut self, vm: VmId, source: &str, size_bytes: u64) -> Result<(), String> {
        let disk = self.guests.get_mut(&vm).and_then(|guest| guest.disks.get_mut(source));
        let Some(disk) = disk else { return Ok(()) };
        if disk.size_bytes > size_bytes {
            return Err(format!("its disk {} has {} bytes, which is more", disk.target, disk.size_bytes));
        }
        disk.size_bytes = size_bytes;
        Ok(())
    }

    fn detach(&mut self, vm: VmId, xml: &str) -> Result<(), String> {
        let device = Device::parse(xml)?;
        let guest = self.guests.get_mut(&vm).ok_or("it does not run")?;
        if let Device::Disk(target) = &device {
            guest.disks.retain(|_, disk| disk.target != *target);
        }
        guest.devices.remove(&device);
        Ok(())
    }
}

/// The disks in a document. What they hold is not known before they grow.
fn disks(xml: &str) -> impl Iterator<Item = (String, Disk)> {
    sources(xml).into_iter().map(|(source, target)| (source, Disk { target, size_bytes: 0 }))
}
