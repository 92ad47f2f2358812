//! A guest on a volume in Ceph writes a numbered log: whatever happens to it, its volume and its Ceph, no number is missing
//! and none is there twice.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::command::{output, wait_for};
use crate::lab::guest::Guest;
use crate::rack::ceph::first_osd;
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::rack::numbered::{NumberedLog, Told, UNTOLD_MAX};
use crate::rack::{Rack, name};
use crate::say;
use crate::test::cluster::{healed, stopped};
use crate::test::tally::Tally;
use crate::tree;

pub(super) const WRITER: &str = "writer";
pub(super) const POOL: &str = "vms";
const UUID: &str = "5b1d7c30-6f6e-4b0a-9a57-0c7d2f1e8a66";
const IMAGE: &str = "vms/writer_vda";
const MIB: u64 = 1 << 20;

/// Between two numbers: as many as an emulated guest brings to its disk one by one.
const TICK_US: u32 = 50_000;

/// The checks; Ceph stands still for so long in one of them, or for as long as it takes to see what is to be seen.
pub(super) fn checks(rack: &Rack, tally: &mut Tally, standstill: Duration) {
    // A lab may have played this before.
    let earlier = rack.told_numbers(WRITER);
    tally.check("a guest on a volume in Ceph writes a numbered log", || begins(rack));
    tally.check("its volume grows while it writes", || grows(rack));
    tally.check("another volume comes to it while it writes, and goes again", || comes_and_goes(rack));
    tally.check("it moves to another node while it writes, and a snapshot is taken there", || moves(rack));
    tally.check("what would take its volume from it is refused, and its name told", || kept(rack));
    tally.check("its QEMU ended by force, it runs again at once and goes on after its last number", || {
        crashes(rack)
    });
    tally.check("its node's OSD lost, it writes on; that OSD is back, and has all that it missed", || {
        healed(rack, || osd_lost(rack))
    });
    stopped::checks(rack, tally, standstill);
    tally.check("a power cut takes a node's Ceph along while it writes; it comes back with the node", || {
        healed(rack, || power_cut(rack))?;
        rack.ceph_is_well(1, 3)
    });
    tally.check(
        "it is stopped, locked out, its locks flushed: no number is missing, and none is there twice",
        || whole(rack, &earlier),
    );
    tally
        .check("rolled back, its log is that of the snapshot to the byte, and it goes on from there", || {
            rolls_back(rack)
        });
    tally.check("it is removed with its volume", || goes(rack));
}

fn begins(rack: &Rack) -> Result<()> {
    rack.pvc(1, &["storage", "pool", "add", POOL, "8"])?;
    wait_for("the pool to be measured", PATIENCE, || {
        rack.pvc(1, &["storage", "volume", "add", POOL, "writer_vda", "64M"]).map(drop)
    })?;
    let guest = Guest::ensure(&tree::target().join("guest"))?;
    rack.start_document(WRITER, &guest.writing_xml((WRITER, UUID), IMAGE, TICK_US), 1, &[])?;
    rack.vm_becomes(WRITER, ("start", 1), 2)?;
    rack.counts_on(WRITER, 1)
}

fn grows(rack: &Rack) -> Result<()> {
    rack.pvc(2, &["storage", "volume", "resize", "-y", POOL, "writer_vda", "96M"])?;
    let told = output(rack.node(1)?.inside("virsh").args([
        "-q",
        "-c",
        "qemu:///system",
        "domblkinfo",
        WRITER,
        "vda",
    ]))?;
    ensure!(told.contains(&(96 * MIB).to_string()), "the guest sees\n{told}");
    rack.counts_on(WRITER, 1)
}

fn comes_and_goes(rack: &Rack) -> Result<()> {
    let has = || -> Result<bool> {
        let told =
            output(rack.node(1)?.inside("virsh").args(["-c", "qemu:///system", "domblklist", WRITER]))?;
        Ok(told.contains("vms/writer_more"))
    };
    rack.pvc(3, &["storage", "volume", "add", POOL, "writer_more", "16M"])?;
    rack.pvc(3, &["vm", "volume", "add", "-y", WRITER, "vms/writer_more", "-b", "virtio"])?;
    wait_for("the guest to get it", PATIENCE, || {
        ensure!(has()?, "the guest has not got it");
        Ok(())
    })?;
    // Another node's API knows a moment later whose it is; until then the storage itself refuses.
    wait_for("the refusal to name it", PATIENCE, || {
        let said = rack.pvc_refuses(2, &["storage", "volume", "remove", "-y", POOL, "writer_more"])?;
        ensure!(said.contains(WRITER), "{said}");
        Ok(())
    })?;
    rack.pvc(3, &["vm", "volume", "remove", "-y", WRITER, "vms/writer_more"])?;
    wait_for("the guest to let go of it", PATIENCE, || {
        ensure!(!has()?, "it still has it");
        Ok(())
    })?;
    wait_for("the volume to be let go of", PATIENCE, || {
        rack.pvc(1, &["storage", "volume", "remove", "-y", POOL, "writer_more"]).map(drop)
    })?;
    rack.counts_on(WRITER, 1)
}

fn moves(rack: &Rack) -> Result<()> {
    rack.pvc(1, &["vm", "move", WRITER, "-t", "pvc2", "--force-live", "--wait"])?;
    rack.vm_becomes(WRITER, ("start", 2), 1)?;
    rack.counts_on(WRITER, 2)?;
    let before = rack.count(WRITER, 2);
    rack.pvc(3, &["storage", "volume", "snapshot", "add", POOL, "writer_vda", "moved"])?;
    let log = rack.numbered_log(WRITER, &format!("{IMAGE}@moved"))?;
    ensure!(log.last >= before, "it had told {before} before the snapshot, which has {log}");
    // What it told is written down by others, who may be late; but the snapshot stands still while it goes on.
    wait_for("it to go on behind the snapshot", PATIENCE, || {
        let now = rack.count(WRITER, 2);
        ensure!(now > log.last + UNTOLD_MAX, "it has told {now}");
        Ok(())
    })?;
    let later = rack.numbered_log(WRITER, &format!("{IMAGE}@moved"))?;
    ensure!(later == log, "the snapshot had {log}, and has {later}");
    ensure!(log.boots.len() == 1, "it was started anew: {log}");
    rack.counts_on(WRITER, 2)
}

/// While it runs.
fn kept(rack: &Rack) -> Result<()> {
    let volume = ["storage", "volume"];
    for words in [
        &["snapshot", "rollback", "-y", POOL, "writer_vda", "moved"][..],
        &["rename", "-y", POOL, "writer_vda", "other"],
        &["remove", "-y", POOL, "writer_vda"],
        &["upload", POOL, "writer_vda", "/etc/hosts"],
    ] {
        let said = rack.pvc_refuses(1, &[&volume[..], words].concat())?;
        ensure!(said.contains(WRITER) && said.contains(IMAGE), "{words:?}: {said}");
    }
    let said = rack.pvc_refuses(1, &["storage", "volume", "resize", "-y", POOL, "writer_vda", "64M"])?;
    ensure!(said.contains("smaller"), "{said}");
    let said = rack.pvc_refuses(1, &["vm", "flush-locks", WRITER])?;
    ensure!(said.contains("stop it first"), "{said}");
    rack.counts_on(WRITER, 2)
}

fn crashes(rack: &Rack) -> Result<()> {
    let before = rack.guest(WRITER, 2)?;
    before.end()?;
    let (begin, counted) = (Instant::now(), rack.count(WRITER, 2));
    wait_for("its next guest", PATIENCE, || {
        let now = rack.guest(WRITER, 2).with_context(|| state(rack))?;
        ensure!(now != before, "it is still the same");
        Ok(())
    })?;
    // At once is some seconds, until Ceph has taken the lock from the old one; trying again takes minutes. The machine may
    // be busy.
    ensure!(begin.elapsed().as_secs() < 90, "it took {:?}, with {counted} counted", begin.elapsed());
    rack.vm_becomes(WRITER, ("start", 2), 1)?;
    rack.counts_on(WRITER, 2)?;
    let now = rack.count(WRITER, 2);
    ensure!(now > counted, "it had counted to {counted}, and counts {now}");
    Ok(())
}

/// What is told of it: in which state it is and where, why it is not started, and what has fallen.
fn state(rack: &Rack) -> String {
    let told = rack.vm(WRITER, 1).map_or_else(
        |error| format!("{error:#}"),
        |told| format!("it is in state {} on {}: {}", told["state"], told["node"], told["failed_reason"]),
    );
    [vec![told], rack.fallen()].concat().join("\n")
}

/// The OSD beside the guest is killed. When it is back, everything is read from its own copy.
fn osd_lost(rack: &Rack) -> Result<()> {
    let (guest, osd) = (rack.guest(WRITER, 2)?, first_osd(2));
    let before = rack.count(WRITER, 2);
    rack.stop(2, "osd")?;
    ensure!(!rack.runs(2, "osd")?, "it runs");
    wait_for("the OSD to be down", PATIENCE, || {
        let status = rack.ceph_status(1)?;
        ensure!(status["osdmap"]["num_up_osds"] == 2, "the OSDs are {}", status["osdmap"]);
        Ok(())
    })?;
    rack.counts_on(WRITER, 2)?;
    let missed = rack.count(WRITER, 2);
    rack.start(2)?;
    rack.ceph_is_well(1, 3)?;
    rack.counts_on(WRITER, 2)?;
    ensure!(guest.is_alive(), "its guest is another one");
    preferred(rack, Some(osd))?;
    let outcome = rack.numbered_log(WRITER, IMAGE);
    preferred(rack, None)?;
    let log = outcome?;
    ensure!(log.last >= missed, "{missed} was told without OSD {osd}, which has {log}");
    said(&format!("{before} to {missed} without OSD {osd}; its own copy has {log}"));
    Ok(())
}

/// Has everything read from one OSD, which has a copy of all, or from whichever; and waits until it is so.
fn preferred(rack: &Rack, osd: Option<u32>) -> Result<()> {
    for other in rack.numbers().map(first_osd) {
        let affinity = if osd.is_none_or(|osd| osd == other) { "1" } else { "0" };
        rack.ceph(1, &["osd", "primary-affinity", &other.to_string(), affinity])?;
    }
    let Some(osd) = osd else { return Ok(()) };
    wait_for("one OSD to be asked for everything", PATIENCE, || {
        let told = rack.ceph(1, &["pg", "ls-by-pool", POOL, "--format", "json"])?;
        let told: serde_json::Value = serde_json::from_str(&told)?;
        let groups = told["pg_stats"].as_array().map(Vec::as_slice).unwrap_or_default();
        ensure!(!groups.is_empty(), "there are no placement groups");
        for group in groups {
            let (state, asked) = (&group["state"], &group["acting_primary"]);
            ensure!(state == "active+clean" && *asked == osd, "{} is {state} at {asked}", group["pgid"]);
        }
        Ok(())
    })
}

/// Of a node that the guest is not on.
fn power_cut(rack: &Rack) -> Result<()> {
    let guest = rack.guest(WRITER, 2)?;
    ensure!(rack.runs(3, "osd")? && rack.runs(3, "mon")?, "they did not run before");
    ensure!(rack.kill(3)?, "it was off before");
    let tells = |up: u64, monitors: usize| {
        wait_for(&format!("{up} OSDs and {monitors} monitors"), PATIENCE, || {
            let status = rack.ceph_status(1)?;
            let seen = status["quorum_names"].as_array().map_or(0, Vec::len);
            ensure!(status["osdmap"]["num_up_osds"] == up, "the OSDs are {}", status["osdmap"]);
            ensure!(seen == monitors, "{seen} monitors agree");
            Ok(())
        })
    };
    tells(2, 2)?;
    rack.counts_on(WRITER, 2)?;
    rack.start(3)?;
    tells(3, 3)?;
    rack.counts_on(WRITER, 2)?;
    ensure!(guest.is_alive(), "its guest is another one");
    Ok(())
}

/// The log of a guest that is down: it holds what was told, each number once, and no guest saw its disk fail.
fn read(rack: &Rack) -> Result<NumberedLog> {
    for number in rack.numbers() {
        for complaint in ["cannot write", "cannot read", "I/O error"] {
            let there = rack.console(WRITER, number).contains(complaint);
            ensure!(!there, "on {} its console says \"{complaint}\"", name(number));
        }
    }
    rack.numbered_log(WRITER, IMAGE)
}

/// What a guest that is down has told since then fits to its log. What it told last is written down by others, who may be late.
fn told_fits(rack: &Rack, earlier: &Told, log: &NumberedLog, begin: u64) -> Result<()> {
    wait_for("what it told to fit to its log", PATIENCE, || {
        rack.told_numbers(WRITER).since(earlier).agrees(log, begin)
    })
}

fn down(rack: &Rack) -> Result<()> {
    rack.pvc(1, &["vm", "stop", "-y", WRITER])?;
    wait_for("its guest to be gone", PATIENCE, || {
        ensure!(rack.whereabouts(WRITER).is_empty(), "it is on {:?}", rack.whereabouts(WRITER));
        Ok(())
    })
}

/// Somebody elsewhere leaves a lock on the volume of a VM that is down: it is not started, and tells by whom and what to do.
fn locked_out(rack: &Rack) -> Result<()> {
    output(rack.node(3)?.inside("rbd").args(["lock", "add", IMAGE, "left"]))?;
    rack.pvc(1, &["vm", "start", WRITER])?;
    wait_for("the start to be refused", PATIENCE, || {
        let told = rack.vm(WRITER, 1)?;
        let why = told["failed_reason"].as_str().unwrap_or_default();
        let names = [IMAGE, &Network::Storage.address(3).to_string(), "flush-locks"];
        ensure!(names.iter().all(|name| why.contains(name)), "it is told to be {}: {why}", told["state"]);
        Ok(())
    })?;
    ensure!(rack.whereabouts(WRITER).is_empty(), "it is on {:?}", rack.whereabouts(WRITER));
    down(rack)
}

fn whole(rack: &Rack, earlier: &Told) -> Result<()> {
    let locks = || output(rack.node(1)?.inside("rbd").args(["lock", "ls", IMAGE]));
    down(rack)?;
    locked_out(rack)?;
    ensure!(locks()?.contains("left"), "nobody holds a lock: {}", locks()?);
    wait_for("the locks to be flushed", PATIENCE, || rack.pvc(1, &["vm", "flush-locks", WRITER]).map(drop))?;
    ensure!(locks()?.trim().is_empty(), "there is still {}", locks()?);
    let log = read(rack)?;
    told_fits(rack, earlier, &log, 0)?;
    ensure!(log.boots.len() == 2, "it was killed once: {log}");
    said(&log.to_string());
    Ok(())
}

fn rolls_back(rack: &Rack) -> Result<()> {
    let (told, before) = (rack.told_numbers(WRITER), rack.numbered_log(WRITER, IMAGE)?);
    // Ceph tells of a guest that was ended by force for half a minute, as if it had the volume open.
    wait_for("it to be rolled back", PATIENCE, || {
        rack.pvc(1, &["storage", "volume", "snapshot", "rollback", "-y", POOL, "writer_vda", "moved"])
            .map(drop)
    })?;
    let snapshot = rack.content(&format!("{IMAGE}@moved"))?;
    ensure!(rack.content(IMAGE)? == snapshot, "the volume is not what its snapshot shows");
    let moved = NumberedLog::parse(WRITER, &snapshot)?;
    ensure!(moved.last < before.last, "the snapshot has {moved}, and the log had {before}");
    rack.pvc(1, &["vm", "start", WRITER])?;
    rack.counts_on(WRITER, 2)?;
    down(rack)?;
    let log = read(rack)?;
    ensure!(log.boots.starts_with(&moved.boots), "it was {moved}, and is {log}");
    ensure!(log.boots.len() == moved.boots.len() + 1, "it was started once: {log}");
    told_fits(rack, &told, &log, moved.last)?;
    said(&format!("rolled back from {} to {}: {log}", before.last, moved.last));
    Ok(())
}

fn goes(rack: &Rack) -> Result<()> {
    // Ceph tells of a guest that was ended by force for half a minute, as if it had the volume open.
    wait_for("it to be removed", PATIENCE, || rack.pvc(1, &["vm", "remove", "-y", WRITER]).map(drop))?;
    // What one node has done the others know some milliseconds later.
    wait_for("the other nodes to know it", PATIENCE, || {
        ensure!(rack.vm(WRITER, 2).is_err(), "it is still known");
        Ok(())
    })?;
    let left = output(rack.node(1)?.inside("rbd").args(["ls", POOL]))?;
    ensure!(left.trim().is_empty(), "there is {left}");
    rack.pvc(1, &["storage", "pool", "remove", "-y", POOL]).map(drop)
}

/// What was seen, below the check that it is of.
pub(super) fn said(text: &str) {
    say::line(format!("          {text}"));
}
