//! The primary role: its addresses are on one node, it moves on request, and it is taken over from a node that is gone.

use anyhow::{Context as _, Result, bail, ensure};

use crate::bench::handover;
use crate::command::{capture, output, wait_for};
use crate::rack::Rack;
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::test::cluster::healed;
use crate::test::tally::Tally;

/// How many pings, one every 25 ms, may be lost in a handover.
const LOST_MAX: u64 = 8;

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check("the floating addresses are on the primary, and on no other node", || on_the_primary(rack));
    tally.check("is-primary answers by its exit code, on every node for itself", || {
        wait_for("every node to know", PATIENCE, || told_by_code(rack))
    });
    tally.check("the role moves on request, and a client that pings hardly notices", || planned(rack));
    tally.check("the role cannot be given to a node that is not there, or that has it", || refused(rack));
    tally.check("a primary whose power is cut is succeeded, and comes back as another coordinator", || {
        healed(rack, || killed(rack))?;
        on_the_primary(rack)
    });
}

fn told_by_code(rack: &Rack) -> Result<()> {
    let primary = handover::primary(rack, 1)?;
    for number in rack.numbers() {
        let code = capture(&mut rack.pvc_command(number, &["node", "is-primary"])?)?.status.code();
        let right = if number == primary { 0 } else { 1 };
        ensure!(code == Some(right), "on pvc{number} it ends with {code:?}, and pvc{primary} is primary");
    }
    Ok(())
}

/// Waits until the holders of the addresses, by their own kernels, are the node that all APIs tell to be primary.
pub(super) fn on_the_primary(rack: &Rack) -> Result<()> {
    wait_for("the floating addresses to be on the primary alone", PATIENCE, || {
        let primary = handover::primary(rack, 1)?;
        for teller in rack.numbers() {
            let told = handover::primary(rack, teller)?;
            ensure!(told == primary, "pvc{teller} tells pvc{told}, and pvc1 tells pvc{primary}");
        }
        for network in Network::ALL {
            let holders = holders(rack, network)?;
            ensure!(
                holders == [primary],
                "{} is on {holders:?}, and pvc{primary} is primary",
                network.floating()
            );
        }
        Ok(())
    })
}

/// The nodes that have a network's floating address, by their own kernels.
pub(super) fn holders(rack: &Rack, network: Network) -> Result<Vec<u8>> {
    let own = format!(" {}/", network.floating());
    let mut holders = Vec::new();
    for number in rack.numbers() {
        let node = rack.node(number)?;
        if output(node.inside("ip").args(["-br", "address"]))?.contains(&own) {
            holders.push(number);
        }
    }
    Ok(holders)
}

/// The measurement itself. Its aims are two pings and a second, which `bench handover` holds it to. Here the machine may be
/// busy, and lets a node wait in the middle of it; but not each time. A role that is down in between loses forty every time.
fn planned(rack: &Rack) -> Result<()> {
    const TRIES: usize = 5;
    let mut all = Vec::new();
    for _ in 0..TRIES {
        let told = handover::planned(rack)?;
        on_the_primary(rack)?;
        let now = format!("pvc{}", handover::primary(rack, 1)?);
        ensure!(told["to"] == now.as_str() && told["from"] != told["to"], "{now} is primary: {told}");
        let lost = told["lost_pings"].as_u64().context("it tells no loss")?;
        if lost <= LOST_MAX {
            return Ok(());
        }
        all.push(told.to_string());
    }
    bail!("too much was lost each time: {}", all.join("; "))
}

fn refused(rack: &Rack) -> Result<()> {
    let before = handover::primary(rack, 1)?;
    let holder = format!("pvc{before}");
    for (node, names) in [("pvc9", "pvc9"), (holder.as_str(), holder.as_str())] {
        let path = format!("/api/v1/node/{node}/coordinator-state");
        let answer = rack.answer(1, "POST", &path, "state=primary")?;
        let kept = answer.status == 200 && node == holder;
        ensure!(kept || (400..500).contains(&answer.status), "{node}: {} {}", answer.status, answer.body);
        ensure!(answer.body.contains(names), "it does not name {names}: {}", answer.body);
    }
    ensure!(handover::primary(rack, 1)? == before, "the role moved");
    Ok(())
}

fn killed(rack: &Rack) -> Result<()> {
    let told = handover::killed(rack)?;
    ensure!(told["from"] != told["to"], "it tells {told}");
    Ok(())
}
