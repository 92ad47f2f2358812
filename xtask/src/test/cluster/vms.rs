//! VMs that change their node.

use anyhow::{Result, ensure};

use crate::bench::drain;
use crate::command::wait_for;
use crate::rack::Rack;
use crate::rack::guests::PATIENCE;
use crate::test::tally::Tally;

pub(super) const WEB: &str = "web1";
pub(super) const DB: &str = "db1";

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check("two guests on two nodes count aloud", || two_guests(rack));
    tally.check("a VM tells why it is where it is, and why each other node was not taken", || why(rack));
    tally.check("a VM is moved by a shutdown, and runs on one node only", || moved(rack));
    tally.check(
        "a node is emptied as it was planned beforehand, and its VM comes home when it is ready again",
        || drained(rack),
    );
    tally.check("what cannot be moved is refused, and nothing changes", || refused(rack));
}

fn two_guests(rack: &Rack) -> Result<()> {
    rack.start_guest(WEB, "3c7f8a52-0b7d-4f0e-8a86-5b1f4f6c9d11", 1, &["-m", "shutdown"])?;
    rack.start_guest(DB, "3c7f8a52-0b7d-4f0e-8a86-5b1f4f6c9d12", 3, &[])?;
    rack.counts_on(WEB, 1)?;
    rack.counts_on(DB, 3)?;
    rack.vm_becomes(WEB, ("start", 1), 3)?;
    // The console of a guest on one node is read through another.
    wait_for("its console", PATIENCE, || {
        let said = rack.pvc(2, &["vm", "log", "-l", "5", DB])?;
        ensure!(said.contains(&format!("hello {DB} ")), "the console says: {said}");
        Ok(())
    })
}

fn why(rack: &Rack) -> Result<()> {
    let words = rack.pvc(3, &["vm", "why", WEB])?;
    for expected in ["at home on node \"pvc1\"", "pvc2", "pvc3"] {
        ensure!(words.contains(expected), "it does not tell {expected}:\n{words}");
    }
    let json: serde_json::Value = serde_json::from_str(&rack.pvc(3, &["vm", "why", WEB, "-f", "json"])?)?;
    ensure!(json["nodes"].as_array().is_some_and(|nodes| nodes.len() == 3), "it tells {json}");
    Ok(())
}

fn moved(rack: &Rack) -> Result<()> {
    rack.pvc(3, &["vm", "move", "-t", "pvc2", "--wait", WEB])?;
    rack.counts_on(WEB, 2)?;
    rack.vm_becomes(WEB, ("start", 2), 1)?;
    ensure!(rack.whereabouts(WEB) == [2], "it is on {:?}", rack.whereabouts(WEB));
    wait_for("what it said last on pvc1", PATIENCE, || {
        let said = rack.console(WEB, 1);
        ensure!(said.contains("the power button was pressed"), "it was not shut down on pvc1");
        Ok(())
    })
}

/// The measurement itself, of a node with one guest.
fn drained(rack: &Rack) -> Result<()> {
    let before = rack.guest(WEB, 2)?;
    let told = drain::as_planned(rack, 2)?;
    ensure!(told["planned"] == 1, "it went otherwise: {told}");
    ensure!(rack.guest(WEB, 2)? != before, "its guest never left");
    rack.counts_on(WEB, 2)?;
    ensure!(rack.whereabouts(WEB) == [2], "it is on {:?}", rack.whereabouts(WEB));
    ensure!(rack.whereabouts(DB) == [3], "another VM was moved: {:?}", rack.whereabouts(DB));
    Ok(())
}

fn refused(rack: &Rack) -> Result<()> {
    // Another node's API has told so far that it is there again.
    rack.vm_becomes(WEB, ("start", 2), 1)?;
    let before = rack.vm(WEB, 1)?;
    for (words, names) in [
        (&["vm", "move", "-t", "pvc2", WEB][..], "pvc2"),
        (&["vm", "move", "-t", "pvc9", WEB][..], "pvc9"),
        (&["vm", "unmigrate", WEB][..], WEB),
    ] {
        let said = rack.pvc_refuses(1, words)?;
        ensure!(said.contains(names), "{words:?} does not name {names}: {said}");
    }
    let after = rack.vm(WEB, 1)?;
    ensure!(before["state"] == after["state"] && before["node"] == after["node"], "it is now {after}");
    Ok(())
}
