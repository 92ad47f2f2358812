//! A hypervisor beside the coordinators: it carries VMs as they do, never has the primary role, and leaves for good.
//!
//! It has a lab of its own, of two coordinators, one hypervisor and one ZooKeeper server.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use crate::bench::{drain, handover};
use crate::command::wait_for;
use crate::lab::daemons::{DAEMONS, Profile};
use crate::rack::guests::PATIENCE;
use crate::rack::{Plan, Rack, make, name};
use crate::test::cluster::{healed, nothing_left, power, primary};
use crate::test::tally::Tally;
use crate::tree;
use crate::up::Preparation;

/// The hypervisor.
const NODE: u8 = 3;

const APP: &str = "app1";
const APP_UUID: &str = "3c7f8a52-0b7d-4f0e-8a86-5b1f4f6c9d13";

/// Makes the lab, looks, and takes it down.
pub(super) fn checks(tally: &mut Tally, xtask: &Path) {
    let folder = tree::target().join("lab-hypervisor");
    let mut rack = None;
    tally.check("two coordinators and a node that is none come up, and that one is a hypervisor", || {
        make::down(&folder)?;
        let usual = Plan::of(NODE, folder.clone(), Profile::Dev);
        let plan = Plan { preparation: Preparation::Done, coordinators: NODE - 1, servers: 1, ..usual };
        rack = Some(make::up(&plan, xtask)?);
        rack.as_ref().map_or(Ok(()), registered)
    });
    if let Some(rack) = rack {
        on(&rack, tally);
    } else {
        tally.failed_one("the other checks on a hypervisor", "they could not be run");
    }
    tally.check("down leaves nothing of the hypervisor's lab", || {
        make::down(&folder)?;
        wait_for("everything to have ended", PATIENCE, || nothing_left(&folder))
    });
}

fn on(rack: &Rack, tally: &mut Tally) {
    tally.check("the primary role is refused to a hypervisor", || refused(rack));
    tally.check("a VM moves to a hypervisor by a shutdown", || moved(rack));
    tally.check("a hypervisor is emptied and filled again as planned, by VMs that run on", || drained(rack));
    tally.check("with every coordinator's pvcnoded gone, a hypervisor does not take the role", || {
        healed(rack, || orphaned(rack))?;
        primary::on_the_primary(rack)
    });
    tally.check("a node that runs or holds a VM is not removed, and nothing changes", || not_removed(rack));
    tally.check("a node that is down and empty is removed, and nothing tells of it any more", || {
        removed(rack)
    });
    tally.check("a removed node that comes back registers anew, and carries VMs", || back(rack));
}

fn registered(rack: &Rack) -> Result<()> {
    wait_for("every node to tell what it is", PATIENCE, || {
        for teller in rack.numbers() {
            let nodes = rack.nodes(teller)?;
            let told = nodes.iter().find(|node| node["name"] == name(NODE)).context("it is not told")?;
            let state = &told["coordinator_state"];
            ensure!(*state == "client", "{} tells {state}", name(teller));
        }
        Ok(())
    })?;
    for teller in rack.numbers() {
        let primary = wait_for("a primary", PATIENCE, || handover::primary(rack, teller))?;
        ensure!(rack.coordinators().contains(&primary), "{} is primary", name(primary));
    }
    Ok(())
}

fn refused(rack: &Rack) -> Result<()> {
    let before = handover::primary(rack, 1)?;
    let said = rack.pvc_refuses(1, &["node", "primary", &name(NODE)])?;
    ensure!(said.contains(&name(NODE)) && said.contains("hypervisor"), "it says: {said}");
    ensure!(handover::primary(rack, 1)? == before, "the role moved");
    Ok(())
}

/// From its home, a coordinator, which the hypervisor becomes.
fn moved(rack: &Rack) -> Result<()> {
    rack.start_guest(APP, APP_UUID, 1, &["-m", "shutdown"])?;
    rack.counts_on(APP, 1)?;
    rack.pvc(2, &["vm", "move", "-t", &name(NODE), "--wait", APP])?;
    rack.counts_on(APP, NODE)?;
    rack.vm_becomes(APP, ("start", NODE), 1)?;
    ensure!(rack.whereabouts(APP) == [NODE], "it is on {:?}", rack.whereabouts(APP));
    wait_for("what it said last on its home", PATIENCE, || {
        let said = rack.console(APP, 1);
        ensure!(said.contains("the power button was pressed"), "it was not shut down");
        Ok(())
    })
}

/// The measurement itself. Its guest goes and comes while it runs: it never begins to count anew.
fn drained(rack: &Rack) -> Result<()> {
    rack.pvc(1, &["vm", "meta", "-m", "live", APP])?;
    let before = rack.count(APP, NODE);
    let told = drain::as_planned(rack, NODE)?;
    ensure!(told["planned"] == 1, "it went otherwise: {told}");
    rack.counts_on(APP, NODE)?;
    ensure!(rack.whereabouts(APP) == [NODE], "it is on {:?}", rack.whereabouts(APP));
    let after = rack.count(APP, NODE);
    ensure!(after > before, "it counted to {before}, and then only to {after}");
    Ok(())
}

/// When the coordinators are known to be dead and their addresses have ended, the hypervisor does what is wished of it,
/// and so has decided on that; and it has not reached for the role.
fn orphaned(rack: &Rack) -> Result<()> {
    let guest = rack.guest(APP, NODE)?;
    for number in rack.coordinators() {
        rack.stop(number, "pvcnoded")?;
    }
    for number in rack.coordinators() {
        power::becomes(rack, number, "dead", NODE)?;
    }
    wait_for("the floating addresses to have ended", PATIENCE, || {
        let holders = primary::holders(rack, crate::rack::network::Network::Upstream)?;
        ensure!(holders.is_empty(), "they are on {holders:?}");
        Ok(())
    })?;
    rack.pvc(NODE, &["vm", "restart", "-y", APP])?;
    wait_for("the guest to be restarted", PATIENCE, || {
        ensure!(rack.guest(APP, NODE)? != guest, "it is still the same");
        Ok(())
    })?;
    let nodes = rack.nodes(NODE)?;
    let told = nodes.iter().find(|node| node["name"] == name(NODE)).context("it is not told")?;
    ensure!(told["coordinator_state"] == "client", "it is {}", told["coordinator_state"]);
    let holders = primary::holders(rack, crate::rack::network::Network::Upstream)?;
    ensure!(holders.is_empty(), "the floating address is on {holders:?}");
    Ok(())
}

/// Ends the node's daemons as an operator does: a node in the state "stop" has said its last word.
fn stopped(rack: &Rack) -> Result<()> {
    let node = rack.node(NODE)?;
    for daemon in DAEMONS.iter().rev() {
        node.process(daemon)?.signal(Signal::SIGTERM)?;
        wait_for(&format!("{daemon} to end"), PATIENCE, || {
            ensure!(!node.runs(daemon), "it runs");
            Ok(())
        })?;
    }
    power::becomes(rack, NODE, "stop", 1)
}

fn not_removed(rack: &Rack) -> Result<()> {
    let remove = ["node", "remove", "-y", &name(NODE)];
    let said = rack.pvc_refuses(1, &remove)?;
    ensure!(said.contains("stop its daemons first"), "it runs, and it says: {said}");
    rack.pvc(1, &["vm", "stop", "-y", APP])?;
    rack.vm_becomes(APP, ("stop", NODE), 1)?;
    stopped(rack)?;
    // Its presence in the store outlives its daemon for some seconds.
    wait_for("the removal to be refused for the VM", PATIENCE, || {
        let said = rack.pvc_refuses(1, &remove)?;
        ensure!(said.contains("holds VMs") && said.contains(APP), "it says: {said}");
        Ok(())
    })?;
    wait_for("the health to tell it", PATIENCE, || {
        let (health, id) = (health_ids(rack)?, format!("NODE_STOPPED_{}", name(NODE).to_uppercase()));
        ensure!(health.contains(&id), "it tells {health:?}");
        Ok(())
    })
}

fn removed(rack: &Rack) -> Result<()> {
    // A VM that does not run is moved by its node, which has to be there for it.
    rack.start(NODE)?;
    power::becomes(rack, NODE, "run", 1)?;
    rack.pvc(1, &["vm", "move", "-t", &name(1), APP])?;
    rack.vm_becomes(APP, ("stop", 1), 1)?;
    stopped(rack)?;
    wait_for("the node to be removed", PATIENCE, || {
        rack.pvc(1, &["node", "remove", "-y", &name(NODE)]).map(drop)
    })?;
    for teller in rack.coordinators() {
        wait_for("nothing to tell of it", PATIENCE, || {
            let nodes = rack.nodes(teller)?;
            ensure!(nodes.len() == usize::from(NODE - 1), "{} tells {} nodes", name(teller), nodes.len());
            let answer = rack.ask(teller, "GET", &format!("/api/v1/node/{}", name(NODE)), "")?;
            ensure!(answer.status == 404, "{} answers {}: {}", name(teller), answer.status, answer.body);
            Ok(())
        })?;
    }
    wait_for("nobody to miss it", PATIENCE, || {
        let (list, health) = (rack.pvc(2, &["node", "list"])?, health_ids(rack)?);
        ensure!(!list.contains(&name(NODE)), "the list is\n{list}");
        ensure!(!health.iter().any(|id| id.contains(&name(NODE).to_uppercase())), "it tells {health:?}");
        Ok(())
    })
}

fn back(rack: &Rack) -> Result<()> {
    rack.start(NODE)?;
    wait_for("all nodes to run", PATIENCE, || make::all_run(rack))?;
    registered(rack)?;
    rack.pvc(1, &["vm", "move", "-t", &name(NODE), APP])?;
    rack.vm_becomes(APP, ("stop", NODE), 2)
}

/// The ids of what lowers the cluster's health.
fn health_ids(rack: &Rack) -> Result<Vec<String>> {
    let status = rack.told(1, "/api/v1/status")?;
    let messages = status["cluster_health"]["messages"].as_array().context("the health has no messages")?;
    Ok(messages.iter().filter_map(|message| Some(message["id"].as_str()?.to_owned())).collect())
}
