//! Cables, pairs and processes: what is cut off is seen to be, and comes back by itself.

use anyhow::{Context as _, Result, ensure};

use crate::command::wait_for;
use crate::rack::Rack;
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::test::cluster::healed;
use crate::test::cluster::power::{answers_ping, becomes};
use crate::test::cluster::vms::{DB, WEB};
use crate::test::tally::Tally;

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check(
        "a node without its cluster cable is dead to the others, says so itself, and comes back",
        || healed(rack, || cable(rack)),
    );
    tally.check("two nodes that do not hear each other both run; a third reaches both", || {
        healed(rack, || pair(rack))
    });
    tally.check(
        "a pvcnoded whose time stands still is dead while its machine answers and its guest counts",
        || healed(rack, || stalled(rack)),
    );
    tally.check("ZooKeeper's leader killed, the other two go on and it joins them again", || {
        healed(rack, || leader(rack))
    });
}

fn cable(rack: &Rack) -> Result<()> {
    let guest = rack.guest(DB, 3)?;
    rack.cut(3, Some(Network::Cluster))?;
    ensure!(!rack.has_carrier(3, Network::Cluster)?, "the cable is still in");
    ensure!(rack.has_carrier(3, Network::Upstream)?, "another cable was pulled too");
    becomes(rack, 3, "dead", 1)?;
    becomes(rack, 3, "dead", 2)?;
    // It is reached on the upstream network, and has no store.
    wait_for("the cut node's API to say that it sees no store", PATIENCE, || {
        let answer = rack.ask(3, "GET", "/api/v1/node", "")?;
        ensure!(answer.status == 503, "it answers {}", answer.status);
        ensure!(answer.body.contains("store"), "it does not say why: {}", answer.body);
        Ok(())
    })?;
    ensure!(guest.is_alive() && rack.whereabouts(DB) == [3], "the guest was touched");
    rack.counts_on(DB, 3)
}

fn pair(rack: &Rack) -> Result<()> {
    rack.drop_pair(1, 3, None)?;
    let said = rack.node(1)?.inside("ping").args(["-c", "3", "-i", "0.1", "-W", "1", "pvc3"]).output()?;
    ensure!(!said.status.success(), "they still hear each other");
    ensure!(rack.switch()?.dropped()? > 0, "the switch dropped nothing");
    // Whoever had its store's server on the other side finds another one.
    wait_for("the third to reach both", PATIENCE, || {
        let said = rack.pvc(2, &["vm", "log", "-l", "2", DB])?;
        ensure!(said.contains(&format!("hello {DB} ")), "the third does not reach it: {said}");
        let refused = rack.pvc_refuses(1, &["vm", "log", "-l", "2", DB])?;
        ensure!(refused.contains("pvc3"), "it does not say whom it does not reach: {refused}");
        let answer = rack.ask(1, "GET", "/api/v1/node", "")?;
        ensure!(answer.status == 200, "the API of pvc1 answers {}", answer.status);
        Ok(())
    })?;
    rack.counts_on(DB, 3)
}

fn stalled(rack: &Rack) -> Result<()> {
    rack.stall(2, "pvcnoded")?;
    wait_for("its time to stand still", PATIENCE, || {
        ensure!(rack.node(2)?.is_stalled("pvcnoded"), "it goes on");
        Ok(())
    })?;
    becomes(rack, 2, "dead", 1)?;
    wait_for("its machine to answer", PATIENCE, || {
        ensure!(answers_ping(rack, 2), "it does not");
        Ok(())
    })?;
    rack.counts_on(WEB, 2)?;
    rack.heal()?;
    becomes(rack, 2, "run", 1)
}

fn leader(rack: &Rack) -> Result<()> {
    let role = |number| {
        let node = rack.node(number).ok()?;
        crate::lab::zookeeper::role(&node).ok().flatten()
    };
    let leads = || rack.numbers().find(|number| role(*number).as_deref() == Some("leader"));
    let first = wait_for("a leader", PATIENCE, || leads().context("no server leads"))?;
    rack.stop(first, "zookeeper")?;
    wait_for("another leader", PATIENCE, || match leads() {
        Some(number) if number != first => Ok(number),
        other => anyhow::bail!("the leader is {other:?}"),
    })?;
    wait_for("all nodes to run", PATIENCE, || crate::rack::make::all_run(rack))?;
    rack.start(first)?;
    // Which of them leads is theirs to agree on: a busy machine may have them elect anew.
    wait_for("the first to have joined them", PATIENCE, || {
        let mut roles: Vec<_> = rack.numbers().map(role).collect();
        roles.sort_unstable();
        let expected = ["follower", "follower", "leader"].map(|role| Some(role.to_owned()));
        ensure!(roles == expected, "they are {roles:?}");
        Ok(())
    })
}
