//! The nodes' Ceph: it comes up, and its OSDs come, change and go by PVC.

use anyhow::{Result, ensure};

use crate::bench;
use crate::command::wait_for;
use crate::rack::Rack;
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::test::tally::Tally;

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check("three monitors agree, each node has its OSD up, and all are on the storage network", || {
        up(rack)
    });
    tally.check("a pool is made by PVC", || {
        rack.pvc(2, &["storage", "pool", "add", "osds", "8"])?;
        wait_for("Ceph to know it", PATIENCE, || {
            let pools = rack.ceph(1, &["osd", "pool", "ls"])?;
            ensure!(pools.lines().any(|pool| pool == "osds"), "there are {pools}");
            Ok(())
        })
    });
    tally.check("looks, changes and uploads are measured beside the commands of Ceph's", || {
        bench::storage::Ground::make(rack, 2)?.once(8)
    });
    tally.check("an OSD is added on a disk, put out and in, and removed when its data is elsewhere", || {
        osd(rack)
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

fn osd(rack: &Rack) -> Result<()> {
    let disk = rack.add_disk(2, 2)?;
    // A weight that fits its size, as Ceph counts: in TiB. A heavier one would get all of its host's data.
    rack.pvc(1, &["storage", "osd", "add", "-y", "--wait", "-w", "0.002", "pvc2", &disk])?;
    rack.ceph_is_well(1, 4)?;
    let again = rack.pvc_refuses(1, &["storage", "osd", "add", "-y", "--wait", "pvc2", &disk])?;
    ensure!(again.contains("bears OSD 3 already"), "{again}");
    for (word, inside) in [("out", 3), ("in", 4)] {
        rack.pvc(3, &["storage", "osd", word, "3"])?;
        // Another monitor than the one that was told may be asked.
        wait_for(&format!("it to be {word}"), PATIENCE, || {
            let told = rack.ceph_status(1)?["osdmap"]["num_in_osds"].clone();
            ensure!(told == inside, "{told} are in");
            Ok(())
        })?;
    }
    ensure!(rack.kill(2)?, "it was off before");
    wait_for("two OSDs to be up", PATIENCE, || {
        let up = &rack.ceph_status(1)?["osdmap"]["num_up_osds"];
        ensure!(*up == 2, "{up} are up");
        Ok(())
    })?;
    rack.start(2)?;
    // Its daemon starts the OSD that PVC has added: nobody else does.
    rack.ceph_is_well(1, 4)?;
    rack.pvc(1, &["storage", "osd", "remove", "-y", "--wait", "3"])?;
    wait_for("Ceph to know it no more", PATIENCE, || {
        ensure!(!rack.ceph(1, &["osd", "ls"])?.lines().any(|osd| osd == "3"), "Ceph knows it still");
        Ok(())
    })?;
    let left = std::fs::read_dir(rack.place(2).join("var-lib/pvc/osd"))?.count();
    ensure!(left == 0, "its node keeps {left} notes");
    // What was wiped can be taken again, as far as the node sees.
    let empty = rack.node(2)?.inside("blkid").args(["-p", &disk]).status()?;
    ensure!(empty.code() == Some(2), "something is left on the disk");
    rack.pvc(1, &["storage", "pool", "remove", "-y", "osds"]).map(drop)
}
