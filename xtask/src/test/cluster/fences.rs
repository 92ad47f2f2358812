//! A node that lost its power is fenced at the storage, as whoever fences nodes would ask for it, and let in when it is back.

use anyhow::{Context as _, Result, ensure};

use crate::command::{output, program, wait_for};
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::rack::{Rack, name};
use crate::test::cluster::healed;
use crate::test::tally::Tally;
use crate::tree;

/// Which node.
const VICTIM: u8 = 3;

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check("every node has registered where Ceph sees it, and a fence would be quick", || {
        registered(rack)
    });
    tally.check(
        "a node without power is fenced at the storage with proof, and let in when it has started anew",
        || {
            healed(rack, || fenced(rack))?;
            rack.ceph_is_well(1, 3)
        },
    );
}

/// What lowers the cluster's health, as texts with their ids before them.
fn troubles(rack: &Rack) -> Result<Vec<String>> {
    let status = rack.told(1, "/api/v1/status")?;
    let messages = status["cluster_health"]["messages"].as_array().context("the health has no messages")?;
    let told = |message: &serde_json::Value| format!("{}: {}", message["id"], message["text"]);
    Ok(messages.iter().map(told).collect())
}

fn registered(rack: &Rack) -> Result<()> {
    wait_for("nothing to be wrong about fences", PATIENCE, || {
        let told = troubles(rack)?;
        let wrong = ["NODE_UNFENCEABLE", "STORAGE_STRANGERS", "STORAGE_FENCE_SLOW", "NODE_BLOCKED"];
        let found = told.iter().find(|text| wrong.iter().any(|id| text.contains(id)));
        ensure!(found.is_none(), "it tells {found:?}");
        Ok(())
    })
}

fn fenced(rack: &Rack) -> Result<()> {
    let mut cargo = program("cargo");
    output(cargo.current_dir(tree::root()).args(["build", "--quiet", "-p", "store", "--example", "fence"]))?;
    let entry = format!("{}:0/0", Network::Storage.address(VICTIM));
    let blocked = || Ok::<_, anyhow::Error>(rack.ceph(1, &["osd", "blocklist", "ls"])?.contains(&entry));
    wait_for("nobody to have blocked it", PATIENCE, || {
        ensure!(!blocked()?, "it is blocked already");
        Ok(())
    })?;
    ensure!(rack.kill(VICTIM)?, "it was off before");
    let asks = tree::target().join("debug/examples/fence");
    output(rack.node(1)?.inside(asks).args(["/etc/pvc/pvc.toml", &name(VICTIM)]))?;
    let proven = format!("NODE_BLOCKED_{}", name(VICTIM).to_uppercase());
    wait_for("the proof that it writes no more", PATIENCE, || {
        let told = troubles(rack)?;
        let text = told.iter().find(|text| text.contains(&proven)).context("it is not told of")?;
        ensure!(text.contains("writes nothing there"), "{text}");
        Ok(())
    })?;
    // A monitor that was just elected answers late.
    wait_for("Ceph to say the same", PATIENCE, || {
        ensure!(blocked()?, "Ceph does not list {entry}");
        let down = rack.ceph_status(1)?["osdmap"]["num_up_osds"] == 2;
        ensure!(down, "its OSD counts as up");
        Ok(())
    })?;
    rack.start(VICTIM)?;
    wait_for("it to be let in", PATIENCE, || {
        ensure!(!blocked()?, "Ceph lists {entry}");
        let told = troubles(rack)?;
        ensure!(!told.iter().any(|text| text.contains(&proven)), "it tells {told:?}");
        Ok(())
    })
}
