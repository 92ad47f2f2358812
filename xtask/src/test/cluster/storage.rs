//! The nodes' Ceph: it comes up, and a node whose power is cut takes its part of it along and brings it back.

use anyhow::{Result, ensure};

use crate::command::wait_for;
use crate::rack::Rack;
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::test::cluster::healed;
use crate::test::tally::Tally;

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check("three monitors agree, each node has its OSD up, and all are on the storage network", || {
        up(rack)
    });
    tally.check("a power cut takes the node's Ceph along; it comes back with the node", || {
        healed(rack, || power_cut(rack))?;
        rack.ceph_is_well(1, 3)
    });
}

fn up(rack: &Rack) -> Result<()> {
    rack.ceph_is_well(2, 3)?;
    let dump: serde_json::Value = serde_json::from_str(&rack.ceph(3, &["osd", "dump", "--format", "json"])?)?;
    for (number, osd) in rack.numbers().zip(dump["osds"].as_array().into_iter().flatten()) {
        let own = format!("{}:", Network::Storage.address(number));
        for address in ["public_addr", "cluster_addr"] {
            let seen = osd[address].as_str().unwrap_or_default();
            ensure!(seen.starts_with(&own), "osd.{} is at {seen}, not at {own}", osd["osd"]);
        }
    }
    let tree = rack.ceph(1, &["osd", "tree"])?;
    ensure!(rack.numbers().all(|number| tree.contains(&format!("host pvc{number}"))), "the tree is\n{tree}");
    Ok(())
}

fn power_cut(rack: &Rack) -> Result<()> {
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
    rack.start(3)?;
    tells(3, 3)
}
