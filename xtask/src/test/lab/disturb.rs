//! Disturbances: daemons killed, libvirt killed and hung, guests crashed, the power cut. Each proves that it bit.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use crate::command::{capture, wait_for};
use crate::lab::daemons::DAEMONS;
use crate::lab::libvirt;
use crate::lab::node::Node;
use crate::test::lab::{AT_ONCE_MAX, Lab, PATIENCE};
use crate::test::tally::Tally;
use crate::up::{self, HELLO};

const UUID: &str = "7a1b9c3d-2e4f-4a6b-8c8d-9e0f1a2b3c4d";

pub(super) fn checks(lab: &Lab, tally: &mut Tally) {
    let mut check =
        |claim: &str, disturb: fn(&Lab) -> Result<()>| tally.check(claim, || mended(lab, disturb));
    check("pvcnoded killed and started again adopts the guest that ran on", noded_killed);
    check("pvcnoded stopped in order leaves the guest running", noded_stopped);
    check("a guest that crashes is started again at once", guest_crashed);
    check("libvirtd killed and started again changes nothing for the guest", libvirt_killed);
    check("a hung libvirtd stalls neither the keepalive nor the API", libvirt_hung);
    check("a guest started behind our back is reported and left alone", stranger);
    check("a restart that pvcnoded's death interrupts is carried to its end", restart_interrupted);
    check("a hang-up signal makes each daemon open its log anew", logs_reopened);
    check("the API stops in time while a console is followed", api_stopped);
    check("after a power cut the VM that should run runs again", power_cut);
}

/// Disturbs, and starts again whatever is then missing, so that one failure brings no other.
fn mended(lab: &Lab, disturb: fn(&Lab) -> Result<()>) -> Result<()> {
    let outcome = disturb(lab);
    // A power cut has put another node in the place of the first.
    let node = Node::find(&lab.up.node.folder).context("the node is gone")?;
    libvirt::start(&node)?;
    crate::lab::daemons::start(&node, lab.up.profile)?;
    outcome
}

fn noded_killed(lab: &Lab) -> Result<()> {
    let (guest, daemon) = (lab.guest(HELLO)?, lab.up.node.process("pvcnoded")?);
    daemon.end()?;
    ensure!(guest.is_alive(), "the guest died with the daemon");
    lab.wait_for_counting(HELLO, &lab.up.nonce)?;
    lab.start_daemons()?;
    ensure!(lab.up.node.process("pvcnoded")? != daemon, "the daemon was not killed");
    keepalive_goes_on(lab)?;
    running_as(lab, guest.pid)
}

fn noded_stopped(lab: &Lab) -> Result<()> {
    let (guest, daemon) = (lab.guest(HELLO)?, lab.up.node.process("pvcnoded")?);
    daemon.signal(Signal::SIGTERM)?;
    wait_for("pvcnoded to end by itself", PATIENCE, || {
        ensure!(!daemon.is_alive(), "it still runs");
        Ok(())
    })?;
    wait_for("the API to know of it", PATIENCE, || {
        let node = lab.node()?;
        ensure!(node["daemon_state"] == "stop", "it tells {}", node["daemon_state"]);
        Ok(())
    })?;
    lab.start_daemons()?;
    keepalive_goes_on(lab)?;
    running_as(lab, guest.pid)
}

fn guest_crashed(lab: &Lab) -> Result<()> {
    let before = lab.guest(HELLO)?;
    before.end()?;
    let begin = Instant::now();
    let after = lab.wait_for_guest(HELLO)?;
    let took = begin.elapsed();
    ensure!(after != before, "it did not crash");
    ensure!(took < AT_ONCE_MAX, "it took {took:?}");
    lab.wait_for_state(HELLO, "start")?;
    lab.wait_for_counting(HELLO, &lab.up.nonce)
}

fn libvirt_killed(lab: &Lab) -> Result<()> {
    let (guest, daemon) = (lab.guest(HELLO)?, lab.up.node.process("libvirtd")?);
    daemon.end()?;
    ensure!(lab.virsh(&["list"]).is_err(), "libvirt still answers");
    keepalive_goes_on(lab)?;
    libvirt::start(&lab.up.node)?;
    ensure!(lab.up.node.process("libvirtd")? != daemon, "it was not killed");
    running_as(lab, guest.pid)?;
    // The connection is found again: a wish reaches libvirt.
    lab.pvc(&["vm", "stop", "-y", HELLO])?;
    lab.wait_for_no_guest(HELLO)?;
    lab.pvc(&["vm", "start", HELLO])?;
    lab.wait_for_guest(HELLO)?;
    lab.wait_for_state(HELLO, "start")
}

fn libvirt_hung(lab: &Lab) -> Result<()> {
    let daemon = lab.up.node.process("libvirtd")?;
    daemon.signal(Signal::SIGSTOP)?;
    let outcome = (|| {
        let mut virsh = lab.up.node.inside("timeout");
        let ended = capture(virsh.args(["2", "virsh", "-q", "-c", "qemu:///system", "list"]))?;
        ensure!(ended.status.code() == Some(124), "libvirt still answers: {}", ended.status);
        keepalive_goes_on(lab)?;
        // On a busy machine one answer may be late, but not each: one that waits for libvirt takes seconds each time.
        wait_for("an answer within a second", PATIENCE, || {
            let begin = Instant::now();
            lab.api_answers("GET", "/api/v1/vm", "", 200, HELLO)?;
            ensure!(begin.elapsed() < Duration::from_secs(1), "the API took {:?}", begin.elapsed());
            Ok(())
        })?;
        lab.pvc(&["vm", "log", "-l", "2", HELLO]).map(drop)
    })();
    daemon.signal(Signal::SIGCONT)?;
    outcome?;
    lab.virsh(&["list"]).map(drop)
}

/// The VM is off by its record; somebody starts its guest with virsh.
fn stranger(lab: &Lab) -> Result<()> {
    let document = lab.document("stray", UUID, "0stray")?;
    let file = lab.file("stray.xml", &document)?;
    lab.pvc(&["vm", "define", &file])?;
    let file = lab.file("stray-qemu.xml", &document.replace("type='kvm'", "type='qemu'"))?;
    let told = lab.log("pvcnoded").matches("runs that PVC did not start").count();
    lab.virsh(&["create", &file])?;
    let guest = lab.guest("stray")?;
    lab.wait_for_log("pvcnoded", "runs that PVC did not start", told)?;
    keepalive_goes_on(lab)?;
    ensure!(guest.is_alive(), "it was not left alone");
    lab.virsh(&["destroy", "stray"])?;
    lab.wait_for_no_guest("stray")?;
    lab.pvc(&["vm", "remove", "-y", "stray"]).map(drop)
}

fn restart_interrupted(lab: &Lab) -> Result<()> {
    let before = lab.wait_for_guest(HELLO)?;
    lab.wait_for_counting(HELLO, &lab.up.nonce)?;
    lab.pvc(&["vm", "restart", "-y", HELLO])?;
    lab.up.node.process("pvcnoded")?.end()?;
    lab.start_daemons()?;
    wait_for("another guest", PATIENCE, || {
        ensure!(lab.guest(HELLO)? != before, "it is still the same");
        Ok(())
    })?;
    lab.wait_for_state(HELLO, "start")?;
    lab.wait_for_counting(HELLO, &lab.up.nonce)
}

fn logs_reopened(lab: &Lab) -> Result<()> {
    for daemon in DAEMONS {
        let log = lab.up.node.path(&format!("/var/log/pvc/{daemon}.log"));
        let process = lab.up.node.process(daemon)?;
        std::fs::rename(&log, log.with_extension("log.1"))?;
        process.signal(Signal::SIGHUP)?;
        wait_for(&format!("the log of {daemon}"), PATIENCE, || {
            // The API's first line in it is about a request.
            lab.api_answers("GET", "/api/v1/vm", "", 200, HELLO)?;
            std::fs::metadata(&log).context("it is not there").map(drop)
        })?;
        ensure!(process.is_alive(), "{daemon} ended");
    }
    Ok(())
}

fn api_stopped(lab: &Lab) -> Result<()> {
    let daemon = lab.up.node.process("pvcapid")?;
    let mut follow = crate::lab::daemons::pvc(&lab.up.node, lab.up.profile, &["vm", "log", "-f", HELLO]);
    let heard = lab.up.node.folder.join("followed");
    let file = std::fs::File::create(&heard)?;
    let nowhere = std::process::Stdio::null;
    let mut follow = follow.stdin(nowhere()).stdout(file).stderr(nowhere()).spawn()?;
    let ended = wait_for("the console to be followed", PATIENCE, || {
        ensure!(std::fs::metadata(&heard)?.len() > 0, "nothing is heard");
        Ok(())
    })
    .and_then(|()| {
        daemon.signal(Signal::SIGTERM)?;
        // It waits five seconds for what is under way; the console never ends.
        wait_for("pvcapid to end by itself", AT_ONCE_MAX, || {
            ensure!(!daemon.is_alive(), "it still runs");
            Ok(())
        })
    });
    follow.kill()?;
    follow.wait()?;
    ended?;
    lab.start_daemons()?;
    wait_for("the API to answer again", PATIENCE, || lab.api_answers("GET", "/api/v1/vm", "", 200, HELLO))
}

fn power_cut(lab: &Lab) -> Result<()> {
    let before = lab.guest(HELLO)?;
    lab.up.node.cut_power()?;
    ensure!(!before.is_alive(), "the guest survived the power cut");
    Node::boot(&lab.up.node.name, &lab.up.node.folder, &lab.xtask)?;
    let again =
        Lab { up: up::up(&lab.options, &lab.xtask)?, options: lab.options.clone(), xtask: lab.xtask.clone() };
    again.wait_for_guest(HELLO)?;
    again.wait_for_state(HELLO, "start")
}

/// Two keepalives more arrive from now on: each brings other figures of the machine's memory and load.
fn keepalive_goes_on(lab: &Lab) -> Result<()> {
    let mut last = wait_for("the node to run", PATIENCE, || {
        let node = lab.node()?;
        ensure!(node["daemon_state"] == "run", "its state is {}", node["daemon_state"]);
        Ok(node)
    })?;
    for _ in 0..2 {
        last = wait_for("the node's next keepalive", PATIENCE, || {
            let node = lab.node()?;
            ensure!(node["daemon_state"] == "run", "its state is {}", node["daemon_state"]);
            ensure!(node != last, "nothing has changed");
            Ok(node)
        })?;
    }
    Ok(())
}

fn running_as(lab: &Lab, pid: i32) -> Result<()> {
    lab.wait_for_state(HELLO, "start")?;
    lab.wait_for_counting(HELLO, &lab.up.nonce)?;
    let guest = lab.guest(HELLO)?;
    ensure!(guest.pid == pid, "another process runs the guest");
    Ok(())
}
