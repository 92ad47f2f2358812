//! Disks of a machine in the lab: files of its folder behind loop devices, which only that machine sees.
//!
//! The kernel has one set of loop devices for all machines. Those of a lab are known by their files, and let go with it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command::{output, program};
use crate::rack::Rack;

impl Rack {
    /// A machine that is on gets a disk of this size more. Gives its path there.
    ///
    /// # Errors
    /// When the machine is off, or the kernel has no loop devices.
    pub fn add_disk(&self, number: u8, size_gib: u64) -> Result<String> {
        let node = self.node(number)?;
        let folder = self.place(number).join("disks");
        fs::create_dir_all(&folder)?;
        let count = fs::read_dir(&folder)?.count();
        let file = folder.join(format!("{count}.img"));
        File::create(&file)?.set_len(size_gib << 30)?;
        let device = output(program("losetup").args(["--find", "--show"]).arg(&file))?.trim().to_owned();
        let name = device.rsplit('/').next().context("a device has a name")?;
        let numbers = fs::read_to_string(format!("/sys/block/{name}/dev"))?;
        let (major, minor) = numbers.trim().split_once(':').context("a device has two numbers")?;
        output(node.inside("mknod").args(["-m", "660", &device, "b", major, minor]))?;
        Ok(device)
    }
}

/// Lets go of every loop device that is on a file below this folder.
///
/// # Errors
/// When the kernel does not let one go.
pub(super) fn release(folder: &Path) -> Result<()> {
    for entry in fs::read_dir("/sys/block")? {
        let system = entry?.path();
        let file = fs::read_to_string(system.join("loop/backing_file")).unwrap_or_default();
        if PathBuf::from(file.trim()).starts_with(folder) {
            let name = system.file_name().context("a device has a name")?;
            output(program("losetup").arg("--detach").arg(Path::new("/dev").join(name)))?;
        }
    }
    Ok(())
}
