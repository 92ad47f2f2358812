//! A guest on a volume in Ceph, that writes a numbered log: no number is missing, whatever happens to it and its volume.

use anyhow::{Context as _, Result, ensure};

use crate::command::{output, wait_for};
use crate::lab::guest::Guest;
use crate::rack::Rack;
use crate::rack::guests::PATIENCE;
use crate::test::tally::Tally;
use crate::tree;

const VM: &str = "writer";
const UUID: &str = "5b1d7c30-6f6e-4b0a-9a57-0c7d2f1e8a66";
const MIB: u64 = 1 << 20;

/// How long a block of the log is.
const BLOCK: usize = 512;

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check("a guest on a volume in Ceph writes a numbered log", || begins(rack));
    tally.check("its volume grows while it writes", || grows(rack));
    tally.check("it moves to another node while it writes, and a snapshot is taken there", || moves(rack));
    tally.check("its QEMU ended by force, it runs again at once, the lock of the dead one broken", || {
        crashes(rack)
    });
    tally
        .check("no number of its log is missing, and its locks are flushed while it is down", || whole(rack));
    tally.check("it is removed with its volume", || goes(rack));
}

fn begins(rack: &Rack) -> Result<()> {
    rack.pvc(1, &["storage", "pool", "add", "vms", "8", "--replcfg", "copies=2,mincopies=1"])?;
    wait_for("the pool to be measured", PATIENCE, || {
        rack.pvc(1, &["storage", "volume", "add", "vms", "writer_vda", "64M"]).map(drop)
    })?;
    let disk = "<disk type='network' device='disk'><source protocol='rbd' name='vms/writer_vda'/>\
        <target dev='vda' bus='virtio'/></disk>";
    let document = Guest::ensure(&tree::target().join("guest"))?.domain_xml(VM, UUID, VM);
    let document = document.replace("<devices>", &format!("<devices>{disk}"));
    let document = document.replace("pvc.name=", "pvc.log=/dev/vda pvc.name=");
    rack.start_document(VM, &document, 1, &[])?;
    rack.vm_becomes(VM, ("start", 1), 2)?;
    rack.counts_on(VM, 1)
}

fn grows(rack: &Rack) -> Result<()> {
    rack.pvc(2, &["storage", "volume", "resize", "-y", "vms", "writer_vda", "96M"])?;
    let told =
        output(rack.node(1)?.inside("virsh").args(["-q", "-c", "qemu:///system", "domblkinfo", VM, "vda"]))?;
    ensure!(told.contains(&(96 * MIB).to_string()), "the guest sees\n{told}");
    rack.counts_on(VM, 1)
}

fn moves(rack: &Rack) -> Result<()> {
    rack.pvc(1, &["vm", "move", VM, "-t", "pvc2", "--force-live", "--wait"])?;
    rack.vm_becomes(VM, ("start", 2), 1)?;
    rack.pvc(3, &["storage", "volume", "snapshot", "add", "vms", "writer_vda", "moved"])?;
    rack.counts_on(VM, 2)?;
    log_is_whole(rack, "vms/writer_vda@moved", 3)
}

fn crashes(rack: &Rack) -> Result<()> {
    let counted = rack.count(VM, 2);
    let before = rack.guest(VM, 2)?;
    before.end()?;
    let begin = std::time::Instant::now();
    wait_for("its next guest", PATIENCE, || {
        let now = rack.guest(VM, 2)?;
        ensure!(now != before, "it is still the same");
        Ok(())
    })?;
    ensure!(begin.elapsed().as_secs() < 15, "it took {:?}, with {counted} counted", begin.elapsed());
    rack.vm_becomes(VM, ("start", 2), 1)?;
    rack.counts_on(VM, 2)
}

fn whole(rack: &Rack) -> Result<()> {
    ensure!(rack.pvc(1, &["vm", "flush-locks", VM]).is_err(), "the locks of a VM that runs were flushed");
    rack.pvc(1, &["vm", "stop", "-y", VM])?;
    wait_for("the locks to be flushed", PATIENCE, || rack.pvc(1, &["vm", "flush-locks", VM]).map(drop))?;
    log_is_whole(rack, "vms/writer_vda", highest(rack))
}

/// The highest number that the guest ever told: since it was ended by force it has counted from one again.
fn highest(rack: &Rack) -> u64 {
    let (mark, consoles) = (format!("hello {VM} "), [1, 2].map(|number| rack.console(VM, number)));
    let told = consoles.iter().flat_map(|console| console.split(&mark).skip(1));
    told.filter_map(|rest| rest.split_whitespace().next()?.parse().ok()).max().unwrap_or_default()
}

fn goes(rack: &Rack) -> Result<()> {
    // Ceph tells of the guest that was ended by force for half a minute, as if it had the volume open.
    wait_for("it to be removed", PATIENCE, || rack.pvc(1, &["vm", "remove", "-y", VM]).map(drop))?;
    ensure!(rack.vm(VM, 2).is_err(), "it is still known");
    let left = output(rack.node(1)?.inside("rbd").args(["ls", "vms"]))?;
    ensure!(left.trim().is_empty(), "there is {left}");
    rack.pvc(1, &["storage", "pool", "remove", "-y", "vms"]).map(drop)
}

/// Whether each block of the log up to this one holds its own number.
fn log_is_whole(rack: &Rack, image: &str, last: u64) -> Result<()> {
    let file = rack.folder.join("writer.img");
    let path = file.to_str().context("the path is no text")?;
    let _none = std::fs::remove_file(&file);
    output(rack.node(1)?.inside("rbd").args(["export", "--no-progress", image, path]))?;
    let log = std::fs::read(&file)?;
    ensure!(last > 2, "it has counted to {last} only");
    for number in 1..=last {
        let begin = usize::try_from(number)? * BLOCK;
        let block = log.get(begin..begin + BLOCK).context("the image is too short")?;
        let said = String::from_utf8_lossy(block).trim().to_owned();
        ensure!(said == format!("{VM} {number}"), "block {number} of {image} holds \"{said}\"");
    }
    std::fs::remove_file(file)?;
    Ok(())
}
