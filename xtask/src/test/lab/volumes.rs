//! VMs on volumes, in a directory of the one machine: they start, grow, lose their guest, and go with their VM.

use anyhow::{Context as _, Result, ensure};

use crate::command::wait_for;
use crate::test::lab::{AT_ONCE_MAX, Lab, PATIENCE};
use crate::test::tally::Tally;

const NAME: &str = "onvol";
const UUID: &str = "7e0f3b52-56a8-4c2b-9d0a-2f6b1c9d4e33";
const NONCE: &str = "0nv0l";
const MIB: u64 = 1 << 20;

pub(super) fn checks(lab: &Lab, tally: &mut Tally) {
    tally.check("a VM whose volume is not there says so, and runs when it is", || starts(lab));
    tally.check("a volume grows under the VM that runs on it", || grows(lab));
    tally.check("a volume comes to a VM that runs, and goes again", || comes_and_goes(lab));
    tally.check("a volume in use is not removed, and says by whom", || kept(lab));
    tally.check("a guest on a volume that crashes runs again at once", || crashes(lab));
    tally.check("the locks of a VM are flushed only while it is down", || flushed(lab));
    tally.check("a VM is removed with its volumes", || goes(lab));
}

fn starts(lab: &Lab) -> Result<()> {
    lab.pvc(&["storage", "pool", "add", "lab", "8", "--replcfg", "copies=1,mincopies=1"])?;
    let disk = "<disk type='network' device='disk'><source protocol='rbd' name='lab/onvol_vda'/>\
        <target dev='vda' bus='virtio'/></disk>";
    let document = lab.document(NAME, UUID, NONCE)?.replace("<devices>", &format!("<devices>{disk}"));
    let file = lab.file("onvol.xml", &document)?;
    lab.pvc(&["vm", "define", &file])?;
    lab.pvc(&["vm", "start", NAME])?;
    lab.wait_for_state(NAME, "fail")?;
    let vm = lab.vm(NAME)?;
    let why = vm["failed_reason"].as_str().unwrap_or_default();
    ensure!(why.contains("lab/onvol_vda does not exist"), "it fails because {why}");
    lab.pvc(&["storage", "volume", "add", "lab", "onvol_vda", "64M"])?;
    lab.wait_for_state(NAME, "start")?;
    lab.wait_for_console(NAME, &format!("hello {NONCE} "), 1)?;
    let disks = lab.virsh(&["domblklist", NAME])?;
    ensure!(disks.contains("/var/lib/pvc/storage/lab/onvol_vda.qcow2"), "its disks are {disks}");
    Ok(())
}

/// What the guest sees of a disk, in bytes.
fn capacity(lab: &Lab, dev: &str) -> Result<u64> {
    let told = lab.virsh(&["domblkinfo", NAME, dev])?;
    let line = told.lines().find(|line| line.starts_with("Capacity:")).context("it has no capacity")?;
    Ok(line.trim_start_matches("Capacity:").trim().parse()?)
}

fn grows(lab: &Lab) -> Result<()> {
    ensure!(capacity(lab, "vda")? == 64 * MIB, "it has {} bytes", capacity(lab, "vda")?);
    lab.pvc(&["storage", "volume", "resize", "-y", "lab", "onvol_vda", "96M"])?;
    wait_for("the guest to see it", PATIENCE, || {
        let seen = capacity(lab, "vda")?;
        ensure!(seen == 96 * MIB, "the guest sees {seen} bytes");
        Ok(())
    })?;
    let told = lab.pvc_json(&["storage", "volume", "list", "onvol_vda"])?;
    ensure!(told.to_string().contains("96"), "its record is {told}");
    lab.wait_for_counting(NAME, NONCE)
}

fn comes_and_goes(lab: &Lab) -> Result<()> {
    let has = || Ok::<bool, anyhow::Error>(lab.virsh(&["domblklist", NAME])?.contains("onvol_more"));
    lab.pvc_refuses(&["vm", "volume", "add", "-y", NAME, "lab/onvol_more", "-b", "virtio"], 1, "onvol_more")?;
    lab.pvc(&["storage", "volume", "add", "lab", "onvol_more", "16M"])?;
    lab.pvc(&["vm", "volume", "add", "-y", NAME, "lab/onvol_more", "-b", "virtio"])?;
    wait_for("the guest to get it", PATIENCE, || {
        ensure!(has()?, "the guest has not got it");
        Ok(())
    })?;
    let disks = lab.pvc(&["vm", "volume", "get", NAME, "-f", "raw"])?;
    ensure!(disks.trim() == "lab/onvol_vda\nlab/onvol_more", "its volumes are {disks}");
    lab.pvc(&["vm", "volume", "remove", "-y", NAME, "lab/onvol_more"])?;
    wait_for("the guest to let go of the disk", PATIENCE, || {
        ensure!(!has()?, "it still has it");
        Ok(())
    })?;
    lab.pvc(&["storage", "volume", "remove", "-y", "lab", "onvol_more"]).map(drop)
}

fn kept(lab: &Lab) -> Result<()> {
    lab.pvc_refuses(&["storage", "volume", "remove", "-y", "lab", "onvol_vda"], 1, NAME)
}

fn crashes(lab: &Lab) -> Result<()> {
    let before = lab.guest(NAME)?;
    let begin = std::time::Instant::now();
    before.end()?;
    let after = lab.wait_for_guest(NAME)?;
    ensure!(after != before, "it did not crash");
    ensure!(begin.elapsed() < AT_ONCE_MAX, "it took {:?}", begin.elapsed());
    lab.wait_for_state(NAME, "start")?;
    lab.wait_for_counting(NAME, NONCE)
}

fn flushed(lab: &Lab) -> Result<()> {
    lab.pvc_refuses(&["vm", "flush-locks", NAME], 1, "stop it first")?;
    lab.pvc(&["vm", "stop", "-y", NAME])?;
    lab.wait_for_no_guest(NAME)?;
    wait_for("the locks to be flushed", PATIENCE, || lab.pvc(&["vm", "flush-locks", NAME]).map(drop))
}

fn goes(lab: &Lab) -> Result<()> {
    lab.pvc(&["vm", "start", NAME])?;
    lab.wait_for_guest(NAME)?;
    let told = lab.pvc(&["vm", "remove", "-y", NAME])?;
    ensure!(told.contains("lab/onvol_vda"), "it says {told}");
    lab.wait_for_no_guest(NAME)?;
    wait_for("it to be gone with its volume", PATIENCE, || {
        ensure!(lab.names(&[NAME])?.is_empty(), "it is still listed");
        lab.api_answers("GET", "/api/v1/storage/ceph/volume/lab/onvol_vda", "", 404, "onvol_vda")
    })?;
    lab.pvc(&["storage", "pool", "remove", "-y", "lab"]).map(drop)
}
