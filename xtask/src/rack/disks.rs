//! Disks of a machine in the lab: files of its folder behind loop devices, which only that machine sees, also after its power was cut.
//!
//! The kernel has one set of loop devices for all machines. Those of a lab are known by their files, and let go with it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command::{output, program};
use crate::lab::node::Node;
use crate::rack::Rack;

impl Rack {
    /// A machine that is on gets a disk of this size more. Gives its path there.
    ///
    /// # Errors
    /// When the machine is off, or the kernel has no loop devices.
    pub fn add_disk(&self, number: u8, size_gib: u64) -> Result<String> {
        let node = self.node(number)?;
        let folder = self.disks_of(number);
        fs::create_dir_all(&folder)?;
        let count = fs::read_dir(&folder)?.count();
        let file = folder.join(format!("{count}.img"));
        File::create(&file)?.set_len(size_gib << 30)?;
        let device = output(program("losetup").args(["--find", "--show"]).arg(&file))?.trim().to_owned();
        show(&node, &device)?;
        Ok(device)
    }

    /// A machine that was switched on sees the disks again that it has.
    ///
    /// # Errors
    /// When the machine is off.
    pub(super) fn show_disks(&self, number: u8) -> Result<()> {
        let node = self.node(number)?;
        loops_below(&self.disks_of(number))?.iter().try_for_each(|device| show(&node, device))
    }

    fn disks_of(&self, number: u8) -> PathBuf {
        self.place(number).join("disks")
    }
}

/// Lets go of every loop device that is on a file below this folder.
///
/// # Errors
/// When the kernel does not let one go.
pub(super) fn release(folder: &Path) -> Result<()> {
    let detach = |device: &String| output(program("losetup").arg("--detach").arg(device)).map(drop);
    loops_below(folder)?.iter().try_for_each(detach)
}

/// The machine has a file for the device.
fn show(node: &Node, device: &str) -> Result<()> {
    if node.path(device).exists() {
        return Ok(());
    }
    let name = device.rsplit('/').next().context("a device has a name")?;
    let numbers = fs::read_to_string(format!("/sys/block/{name}/dev"))?;
    let (major, minor) = numbers.trim().split_once(':').context("a device has two numbers")?;
    output(node.inside("mknod").args(["-m", "660", device, "b", major, minor])).map(drop)
}

/// The loop devices that are on files below this folder.
fn loops_below(folder: &Path) -> Result<Vec<String>> {
    let mut devices = Vec::new();
    for entry in fs::read_dir("/sys/block")? {
        let system = entry?.path();
        let file = fs::read_to_string(system.join("loop/backing_file")).unwrap_or_default();
        if PathBuf::from(file.trim()).starts_with(folder) {
            let name = system.file_name().context("a device has a name")?;
            devices.push(Path::new("/dev").join(name).display().to_string());
        }
    }
    Ok(devices)
}
