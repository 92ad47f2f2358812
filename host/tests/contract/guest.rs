//! The guest of the laws: a boot sector that speaks on its serial port and obeys its power button, and its document.

use logic::id::VmId;
use logic::vm::domain::{Start as Splices, render_start};

use host::hypervisor::Start;

/// What a guest is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest {
    pub(crate) vm: VmId,
    pub(crate) name: &'static str,
}

pub(crate) const WEB: Guest =
    Guest { vm: VmId(uuid::uuid!("bdd640fb-0667-4ad1-9c80-317fa3b1799d")), name: "web1" };
pub(crate) const DB: Guest =
    Guest { vm: VmId(uuid::uuid!("23b8c1e9-3924-46de-beb1-3b9046685257")), name: "db1" };

/// Where the guests' boot sectors and consoles are.
pub(crate) const IMAGES: &str = "/var/lib/guests";
pub(crate) const CONSOLES: &str = "/var/log/guests";

impl Guest {
    /// The document as an operator gives it.
    pub(crate) fn document(&self) -> String {
        let Self { vm, name } = self;
        format!(
            "<domain type='qemu'><name>{name}</name><uuid>{vm}</uuid>\
             <memory unit='MiB'>32</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>\
             <features><acpi/></features>\
             <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>\
             <controller type='usb' model='qemu-xhci'/>\
             <disk type='file' device='disk'><driver name='qemu' type='raw'/>\
             <source file='{IMAGES}/{name}.img'/><target dev='vda' bus='virtio'/><readonly/></disk>\
             <serial type='pty'/><video><model type='none'/></video></devices></domain>"
        )
    }

    /// The start of an incarnation, its document completed as PVC completes it.
    pub(crate) fn start(&self, incarnation: u64) -> Start {
        let console_path = format!("{CONSOLES}/{}-console.log", self.name);
        let splices = Splices { kind: "qemu", incarnation, console_path: &console_path, sources: None };
        Start { vm: self.vm, xml: render_start(&self.document(), splices).unwrap(), incarnation }
    }

    /// What it says again and again, once it runs.
    pub(crate) fn says(&self) -> String {
        format!("{} is up\r\n", self.name)
    }
}

/// The file of the further disk.
pub(crate) fn spare() -> String {
    format!("{IMAGES}/spare.img")
}

/// A further disk. It is a USB disk, because that can be unplugged without the guest's help.
pub(crate) fn disk_xml() -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>\
         <source file='{}'/><target dev='sdb' bus='usb'/></disk>",
        spare()
    )
}

/// The MAC address of [`interface_xml`].
pub(crate) const MAC: &str = "52:54:00:00:00:0a";

/// A further interface.
pub(crate) fn interface_xml() -> String {
    format!(
        "<interface type='ethernet'><mac address='{MAC}'/><model type='e1000'/><rom enabled='no'/></interface>"
    )
}

/// A disk of 1 MiB whose boot sector says a text again and again, and turns the machine off on its power button.
///
/// It is 16-bit code at 0x7c00: allow interrupts; clear DS; enable the power button's bit (port 0x602); then for ever:
/// send the text to the serial port (0x3f8, when bit 5 of 0x3fd allows); for two ticks of the timer, halt and look
/// whether the button was pressed (bit 8 of port 0x600), and if so enter the sleep state S5 (port 0x604).
pub(crate) fn boot_disk(text: &str) -> Vec<u8> {
    const CODE: [u8; 66] = [
        0xfb, 0xfc, 0x31, 0xc0, 0x8e, 0xd8, 0xba, 0x02, 0x06, 0xb8, 0x00, 0x01, 0xef, // button on
        0xbe, 0x42, 0x7c, // the text is at 0x7c42
        0xac, 0x84, 0xc0, 0x74, 0x12, 0x88, 0xc3, // its next character
        0xba, 0xfd, 0x03, 0xec, 0xa8, 0x20, 0x74, 0xf8, // wait until it can be sent
        0xba, 0xf8, 0x03, 0x88, 0xd8, 0xee, 0xeb, 0xe9, // send it
        0xb9, 0x02, 0x00, 0xf4, // two ticks
        0xba, 0x00, 0x06, 0xed, 0xf6, 0xc4, 0x01, 0x75, 0x04, // pressed?
        0xe2, 0xf4, 0xeb, 0xd5, // no: again
        0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4, 0xeb, 0xfd, // yes: off
    ];
    let mut disk = CODE.to_vec();
    disk.extend_from_slice(text.as_bytes());
    disk.push(0);
    assert!(disk.len() <= 510, "the text fits into the sector");
    disk.resize(510, 0);
    disk.extend_from_slice(&[0x55, 0xaa]);
    // The BIOS boots from no disk smaller than a cylinder.
    disk.resize(1 << 20, 0);
    disk
}
