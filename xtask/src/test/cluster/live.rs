//! Guests that move while they run, undisturbed and not.

use anyhow::{Context as _, Result, bail, ensure};

use crate::bench::migrate::{self, TRAVELLER};
use crate::command::wait_for;
use crate::rack::guests::PATIENCE;
use crate::rack::{Rack, name};
use crate::test::cluster::healed;
use crate::test::tally::Tally;

/// How often something is tried that a busy machine may come too late for.
const TRIES: usize = 5;

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check("a guest moves while it runs: it counts on, and its peers hardly notice", || live(rack));
    tally.check(
        "the target's power cut in the middle of a move, the guest runs on where it was, and only there",
        || {
            let mut source = 0;
            healed(rack, || target_cut(rack).map(|number| source = number))?;
            let there = settled(rack)?;
            ensure!(there == source, "it left {} for pvc{there}, which was off", name(source));
            Ok(())
        },
    );
    tally.check(
        "pvcnoded of both sides killed in the middle of a move, the guest ends up on one node",
        || {
            healed(rack, || daemons_killed(rack))?;
            settled(rack).map(drop)
        },
    );
    tally.check("a VM that was moved is stopped and removed", || {
        rack.pvc(1, &["vm", "stop", "-y", TRAVELLER])?;
        wait_for("its guest to be gone", PATIENCE, || {
            ensure!(rack.whereabouts(TRAVELLER).is_empty(), "it is on {:?}", rack.whereabouts(TRAVELLER));
            Ok(())
        })?;
        rack.pvc(1, &["vm", "remove", "-y", TRAVELLER]).map(drop)
    });
}

/// The measurement itself, there and on. Its aim is a pause of a tenth of a second, which `bench migrate` holds it to. Here
/// the machine may be busy, and lets the guest wait in the middle of a move; but not in each.
fn live(rack: &Rack) -> Result<()> {
    migrate::start(rack, migrate::DOWNTIME_MS)?;
    let (mut short, mut all) = (0, Vec::new());
    for _ in 0..TRIES {
        let told = migrate::once(rack)?;
        let pause = told["pause_ms"].as_f64().context("it tells no pause")?;
        short += usize::from(pause < 5000.0);
        all.push(told.to_string());
        if short == 2 {
            return Ok(());
        }
    }
    bail!("the pause was too long: {}", all.join("; "))
}

/// Gives the node that the guest stayed on. A guest that had arrived before the power was cut is waited for, and moved again.
fn target_cut(rack: &Rack) -> Result<u8> {
    for _ in 0..TRIES {
        let (source, target) = begun(rack)?;
        ensure!(rack.kill(target)?, "it was off");
        ensure!(rack.machine(target).is_none(), "it is still on");
        let stays = wait_for("the guest to be told where it is", PATIENCE, || {
            let vm = rack.vm(TRAVELLER, source)?;
            let (state, node) = (&vm["state"], &vm["node"]);
            let stays = *node == name(source).as_str();
            ensure!(!stays || *state == "start", "it is in state {state} on {node}");
            Ok(stays)
        })?;
        if stays {
            rack.counts_on(TRAVELLER, source)?;
            return Ok(source);
        }
        rack.start(target)?;
        settled(rack)?;
    }
    bail!("each of {TRIES} moves was over before it could be disturbed")
}

fn daemons_killed(rack: &Rack) -> Result<()> {
    let (source, target) = begun(rack)?;
    rack.stop(source, "pvcnoded")?;
    rack.stop(target, "pvcnoded")?;
    for number in [source, target] {
        ensure!(!rack.node(number)?.runs("pvcnoded"), "pvcnoded of {} still runs", name(number));
    }
    Ok(())
}

/// Begins a move, and waits until the guest's memory is on its way: QEMU is there on both nodes. One that is over before that
/// was seen is followed by another.
fn begun(rack: &Rack) -> Result<(u8, u8)> {
    for _ in 0..TRIES {
        let source = settled(rack)?;
        let target = source % rack.numbers().end() + 1;
        rack.vm_becomes(TRAVELLER, ("start", source), source)?;
        rack.pvc(source, &["vm", "move", "--force-live", "-t", &name(target), TRAVELLER])?;
        let there = wait_for("the move to be under way", PATIENCE, || {
            let there = rack.whereabouts(TRAVELLER);
            ensure!(there.contains(&target), "it is on {there:?}");
            Ok(there)
        })?;
        if there.contains(&source) {
            return Ok((source, target));
        }
    }
    bail!("each of {TRIES} moves was over before it could be disturbed")
}

/// Waits until the move is over one way or the other: the guest is on one node, which is the one that the record names,
/// and counts there. Gives that node.
fn settled(rack: &Rack) -> Result<u8> {
    let number = wait_for("the guest to be on one node", PATIENCE, || {
        let vm = rack.vm(TRAVELLER, 1)?;
        let there = rack.whereabouts(TRAVELLER);
        let [number] = there[..] else { bail!("it is on {there:?}") };
        let told = (&vm["state"], &vm["node"]);
        ensure!(
            *told.0 == "start" && *told.1 == name(number).as_str(),
            "it is on {there:?}, and told {told:?}"
        );
        Ok(number)
    })?;
    rack.counts_on(TRAVELLER, number)?;
    Ok(number)
}
