//! The small guest: Debian's own kernel for virtual machines, and a first file system of busybox and one script.
//!
//! It counts aloud on its console, with the nonce from its kernel command line, and goes down on the power button. Where
//! it is given a disk for it, it writes each number there first: the number n into the block n, with the boot that wrote
//! it. A boot goes on after the last number that the disk holds, as [`crate::rack::numbered`] reads it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command::{output, program, run_logged};
use crate::lab::cpio::{Archive, Entry};
use crate::packages::{GUEST_KERNEL, apt};

/// The modules the guest loads, each after those that it needs.
const MODULES: [&str; 12] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
    "virtio_blk",
    "virtio_balloon",
    "button",
    "evdev",
];

const BUSYBOX: &str = "/bin/busybox";

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=linux
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules); do insmod "/lib/$module.ko"; done
argument() { for word in $(cat /proc/cmdline); do case $word in "$1="*) echo "${word#*=}" ;; esac; done; }
hostname "$(argument pvc.name)"
acpid -f -d -c /etc/acpi >/acpid.log 2>&1 &
address=$(argument pvc.address)
if [ -n "$address" ]; then
    ip link set eth0 up
    ip address add "$address" dev eth0
fi
echo "$(hostname) is up after $(cut -d' ' -f1 /proc/uptime) s"
nonce=$(argument pvc.nonce)
tick=$(argument pvc.tick_us)
log=$(argument pvc.log)
boot=$(cat /proc/sys/kernel/random/boot_id)
# Whether a block of the log holds a number. One that cannot be read is no empty one: it is read until it can be.
holds() {
    until dd if="$log" bs=512 skip="$1" count=1 >/block 2>/dev/null; do
        echo "$nonce cannot read $1"
        sleep 1
    done
    grep -q "^$nonce $1 " /block
}
count=0
if [ -n "$log" ]; then
    free=1
    while holds "$free"; do
        count=$free
        free=$((free * 2))
    done
    while [ $((free - count)) -gt 1 ]; do
        middle=$(((count + free) / 2))
        if holds "$middle"; then count=$middle; else free=$middle; fi
    done
    echo "$nonce goes on after $count"
fi
while :; do
    count=$((count + 1))
    if [ -n "$log" ]; then
        until printf '%-511s\n' "$nonce $count $boot" |
            dd of="$log" bs=512 seek="$count" conv=notrunc,fsync 2>/dev/null; do
            echo "$nonce cannot write $count"
            sleep 1
        done
    fi
    echo "hello $nonce $count"
    usleep "${tick:-1000000}"
done
"#;

const POWER_BUTTON: &str = r#"#!/bin/sh
echo "the power button was pressed" >/dev/console
sync
poweroff -f
"#;

/// The two files that a guest is booted from.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The kernel.
    pub kernel: PathBuf,
    /// The first file system.
    pub initrd: PathBuf,
}

impl Guest {
    /// The guest in this folder; whatever of it is missing is downloaded and made.
    ///
    /// # Errors
    /// When the kernel cannot be downloaded, or busybox is not installed.
    pub fn ensure(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let unpacked = folder.join("kernel");
        let guest = Self { kernel: folder.join("vmlinuz"), initrd: folder.join("initrd") };
        if !guest.kernel.exists() {
            download(folder, &unpacked)?;
            let kernel = find(&unpacked.join("boot"), |name| name.starts_with("vmlinuz-"))?;
            fs::copy(kernel, folder.join("vmlinuz.new"))?;
            fs::rename(folder.join("vmlinuz.new"), &guest.kernel)?;
        }
        // The first file system is made each time: it takes no time, and follows this file.
        fs::write(folder.join("initrd.new"), first_file_system(&unpacked)?)?;
        fs::rename(folder.join("initrd.new"), &guest.initrd)?;
        Ok(guest)
    }

    /// The same, for libvirt itself: emulated, with the console kept in a file.
    pub fn bare_xml(&self, name: &str, uuid: &str, nonce: &str, console: &str) -> String {
        let serial = format!("<serial type='pty'><log file='{console}' append='on'/>");
        let xml = self.domain_xml(name, uuid, nonce).replace("type='kvm'", "type='qemu'");
        xml.replace("<serial type='pty'>", &serial)
    }

    /// The same with a network card on a bridge, and an address there; it counts every so many microseconds.
    pub fn networked_xml(
        &self,
        (name, uuid): (&str, &str),
        bridge: &str,
        address: &str,
        tick_us: u32,
    ) -> String {
        let card = format!(
            "<interface type='bridge'><source bridge='{bridge}'/><model type='virtio'/><rom enabled='no'/></interface>\n    \
             <serial type='pty'>"
        );
        let more = format!("pvc.name={name} pvc.address={address} pvc.tick_us={tick_us}");
        let xml = self.domain_xml(name, uuid, name).replace("<serial type='pty'>", &card);
        xml.replace(&format!("pvc.name={name}"), &more)
    }

    /// The same with a volume, on which it keeps its numbered log; it counts every so many microseconds.
    pub fn writing_xml(&self, (name, uuid): (&str, &str), volume: &str, tick_us: u32) -> String {
        let xml = self.with_volume((name, uuid), volume);
        let more = format!("pvc.name={name} pvc.log=/dev/vda pvc.tick_us={tick_us}");
        xml.replace(&format!("pvc.name={name}"), &more)
    }

    /// The same with a volume as its disk.
    pub fn with_volume(&self, (name, uuid): (&str, &str), volume: &str) -> String {
        let disk = format!(
            "<devices>\n    <disk type='network' device='disk'><source protocol='rbd' name='{volume}'/>\
             <target dev='vda' bus='virtio'/></disk>"
        );
        self.domain_xml(name, uuid, name).replace("<devices>", &disk)
    }

    /// A domain's document for this guest, as an operator would write it.
    pub fn domain_xml(&self, name: &str, uuid: &str, nonce: &str) -> String {
        let Self { kernel, initrd } = self;
        let (kernel, initrd) = (kernel.display(), initrd.display());
        format!(
            "<domain type='kvm'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>console=ttyS0 quiet mitigations=off nokaslr panic=-1 pvc.name={name} pvc.nonce={nonce}</cmdline>
  </os>
  <features><acpi/></features>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <controller type='usb' model='none'/>
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <memballoon model='virtio'><stats period='2'/></memballoon>
  </devices>
</domain>
"
        )
    }
}

fn download(folder: &Path, unpacked: &Path) -> Result<()> {
    let depends = || output(program("apt-cache").args(["depends", "--important", GUEST_KERNEL]));
    let mut answer = depends().unwrap_or_default();
    if !answer.contains("Depends:") {
        output(&mut apt(&["-qq", "update"]))?;
        answer = depends()?;
    }
    let package = answer
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .with_context(|| format!("apt does not know the package {GUEST_KERNEL}"))?;
    let log = folder.join("download.log");
    let limit = Duration::from_secs(240);
    let fetch = || run_logged(apt(&["-qq", "download", package]).current_dir(folder), &log, limit);
    // The list of packages may be older than the archive.
    if fetch().is_err() {
        output(&mut apt(&["-qq", "update"]))?;
        fetch()?;
    }
    let archive = find(folder, |name| name.starts_with("linux-image-") && name.ends_with(".deb"))?;
    let _none = fs::remove_dir_all(unpacked);
    output(program("dpkg-deb").arg("-x").arg(&archive).arg(unpacked))?;
    fs::remove_file(archive)?;
    Ok(())
}

fn first_file_system(unpacked: &Path) -> Result<Vec<u8>> {
    let busybox =
        fs::read(BUSYBOX).with_context(|| format!("no {BUSYBOX}; {}", crate::packages::remedy("busybox")))?;
    let mut archive = Archive::default();
    for path in ["bin", "dev", "proc", "sys", "lib", "etc", "etc/acpi", "etc/acpi/PWRF"] {
        archive.add(path, Entry::Folder);
    }
    archive.add("bin/busybox", Entry::Program(&busybox));
    archive.add("sbin", Entry::Link("bin"));
    archive.add("init", Entry::Program(INIT.as_bytes()));
    archive.add("etc/acpi/PWRF/00000080", Entry::Program(POWER_BUTTON.as_bytes()));
    let versions = unpacked.join("lib/modules");
    let version = find(&versions, |_| true)?;
    let mut loaded = Vec::new();
    for module in MODULES {
        // What is not a file is part of the kernel itself.
        if let Some(path) = module_file(&version, module)? {
            archive.add(&format!("lib/{module}.ko"), Entry::Program(&fs::read(path)?));
            loaded.push(module);
        }
    }
    archive.add("modules", Entry::Program(loaded.join(" ").as_bytes()));
    Ok(archive.finished())
}

fn module_file(folder: &Path, module: &str) -> Result<Option<PathBuf>> {
    let wanted = [format!("{module}.ko"), format!("{}.ko", module.replace('_', "-"))];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if let Some(found) = module_file(&entry.path(), module)? {
                return Ok(Some(found));
            }
        } else if entry.file_name().to_str().is_some_and(|name| wanted.iter().any(|w| w == name)) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

fn find(folder: &Path, fits: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&fits) {
            return Ok(entry.path());
        }
    }
    bail!("what was looked for is not in {}", folder.display())
}
