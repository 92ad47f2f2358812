//! PVC on a real ZooKeeper: the store goes away and comes back.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::command::{capture, wait_for};
use crate::lab::{daemons, zookeeper};
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

/// Heartbeats, keepalives and pings of the sessions go on meanwhile, some twenty packets a second: as many are taken off as
/// come in the same time in which nothing is read.
fn reads_are_free(lab: &Lab) -> Result<()> {
    const READS: u32 = 1000;
    let count = || {
        wait_for("ZooKeeper's account", PATIENCE, || zookeeper::figure(&lab.up.node, "zk_packets_received"))
    };
    let (before, begin) = (count()?, Instant::now());
    for _ in 0..READS {
        lab.api_answers("GET", "/api/v1/vm", "", 200, HELLO)?;
    }
    let (between, end) = (count()?, Instant::now());
    wait_for("as much time to pass", end - begin + PATIENCE, || {
        ensure!(end.elapsed() >= end - begin, "it goes on");
        Ok(())
    })?;
    let idle = count()? - between;
    let packets = between - before;
    ensure!(
        packets - idle < f64::from(READS) / 2.0,
        "{packets} packets for {READS} reads, and {idle} for none"
    );
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
        let answer = lab.asked("GET", "/api/v1/vm", "")?;
        ensure!(answer.status == 503, "it answers {}", answer.status);
        ensure!(answer.body.to_lowercase().contains("store"), "it does not say why: {}", answer.body);
        Ok(())
    })?;
    let begin = Instant::now();
    let ended = capture(&mut daemons::pvc(&lab.up.node, lab.up.profile, &["vm", "stop", "-y", HELLO]))?;
    ensure!(ended.status.code() == Some(1), "a wish without a store ended with {}", ended.status);
    // It is refused at once; a command that hangs is given up after a minute.
    ensure!(begin.elapsed() < Duration::from_secs(45), "the command hung for {:?}", begin.elapsed());
    lab.wait_for_counting(HELLO, &lab.up.nonce)?;
    ensure!(guest.is_alive(), "the guest died");
    Ok(())
}

fn back(lab: &Lab) -> Result<()> {
    let guest = lab.guest(HELLO)?;
    zookeeper::start(&lab.up.node)?;
    wait_for("the API to answer again", PATIENCE, || {
        let answer = lab.asked("GET", "/api/v1/vm", "")?;
        ensure!(answer.status == 200 && answer.body.contains(HELLO), "it answers {}", answer.status);
        Ok(())
    })?;
    lab.wait_for_state(HELLO, "start")?;
    ensure!(lab.guest(HELLO)? == guest, "the guest was started anew");
    lab.pvc(&["vm", "stop", "-y", HELLO])?;
    lab.wait_for_no_guest(HELLO)?;
    lab.pvc(&["vm", "start", HELLO])?;
    lab.wait_for_guest(HELLO)?;
    lab.wait_for_state(HELLO, "start")
}
