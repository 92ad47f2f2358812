//! PVC on a real ZooKeeper: the store goes away and comes back.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::command::wait_for;
use crate::lab::zookeeper;
use crate::test::lab::{Lab, PATIENCE};
use crate::test::tally::Tally;
use crate::up::HELLO;

pub(super) fn checks(lab: &Lab, tally: &mut Tally) {
    tally.check("reading through the API asks ZooKeeper nothing", || reads_are_free(lab));
    tally.check("the records are closed to everybody without the password", || closed(lab));
    tally.check("while the store is away the guest runs on, and the API answers 503 and says why", || {
        away(lab)
    });
    tally.check("when the store is back, wishes are carried out again", || back(lab));
}

/// Heartbeats, keepalives and pings of the sessions go on meanwhile, some twenty packets a second: as many as in a while
/// without reads are left out.
fn reads_are_free(lab: &Lab) -> Result<()> {
    const READS: u32 = 1000;
    let count = || zookeeper::figure(&lab.up.node, "zk_packets_received");
    let (before, begin) = (count()?, Instant::now());
    wait_for("some seconds to pass", PATIENCE, || {
        ensure!(begin.elapsed() > Duration::from_secs(6), "they have not");
        Ok(())
    })?;
    let idle_per_s = (count()? - before) / begin.elapsed().as_secs_f64();
    let (before, begin) = (count()?, Instant::now());
    for _ in 0..READS {
        lab.api_answers("GET", "/api/v1/vm", "", 200, HELLO)?;
    }
    let packets = count()? - before - idle_per_s * begin.elapsed().as_secs_f64();
    ensure!(packets < f64::from(READS) / 2.0, "{packets:.0} packets for {READS} reads");
    Ok(())
}

/// A stranger may connect, and sees nothing.
fn closed(lab: &Lab) -> Result<()> {
    let script = "printf 'ls /pvc\\nquit\\n' | java -XX:-UseContainerSupport \
        -cp /usr/share/java/slf4j-simple.jar:/usr/share/java/zookeeper.jar:/usr/share/java/commons-cli.jar \
        org.apache.zookeeper.ZooKeeperMain -server 127.0.0.1:2181 2>&1";
    let ended = crate::command::capture(lab.up.node.inside("sh").args(["-c", script]))?;
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    ensure!(said.contains("Session establishment complete"), "the stranger did not get in at all: {said}");
    ensure!(said.contains("Insufficient permission : /pvc"), "a stranger sees the records: {said}");
    Ok(())
}

fn away(lab: &Lab) -> Result<()> {
    let guest = lab.guest(HELLO)?;
    lab.up.node.process("zookeeper")?.end()?;
    wait_for("the API to say that the store is away", PATIENCE, || {
        let answer = lab.api("GET", "/api/v1/vm", "")?;
        ensure!(answer.status == 503, "it answers {}", answer.status);
        ensure!(answer.body.to_lowercase().contains("store"), "it does not say why: {}", answer.body);
        Ok(())
    })?;
    let begin = Instant::now();
    lab.pvc_refuses(&["vm", "stop", "-y", HELLO], 1, "")?;
    ensure!(begin.elapsed() < Duration::from_secs(90), "the command hung for {:?}", begin.elapsed());
    lab.wait_for_counting(HELLO, &lab.up.nonce)?;
    ensure!(guest.is_alive(), "the guest died");
    Ok(())
}

fn back(lab: &Lab) -> Result<()> {
    let guest = lab.guest(HELLO)?;
    zookeeper::start(&lab.up.node)?;
    wait_for("the API to answer again", PATIENCE, || lab.api_answers("GET", "/api/v1/vm", "", 200, HELLO))?;
    lab.wait_for_state(HELLO, "start")?;
    ensure!(lab.guest(HELLO)? == guest, "the guest was started anew");
    lab.pvc(&["vm", "stop", "-y", HELLO])?;
    lab.wait_for_no_guest(HELLO)?;
    lab.pvc(&["vm", "start", HELLO])?;
    lab.wait_for_guest(HELLO)?;
    lab.wait_for_state(HELLO, "start")
}
