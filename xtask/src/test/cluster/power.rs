//! Power cuts: by the lab, and by a machine's power controller.

use std::io::{ErrorKind, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::wait_for;
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::rack::{API_PORT, Rack, controller};
use crate::test::cluster::healed;
use crate::test::cluster::vms::{DB, WEB};
use crate::test::tally::Tally;

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check(
        "a node whose power is cut becomes dead; its VM waits, the system says so, and the others go on",
        || healed(rack, || power_cut(rack)),
    );
    tally.check("when the node is back its VM runs there again, and nowhere else", || {
        rack.vm_becomes(WEB, ("start", 2), 1)?;
        rack.counts_on(WEB, 2)?;
        ensure!(rack.whereabouts(WEB) == [2], "it is on {:?}", rack.whereabouts(WEB));
        Ok(())
    });
    tally.check("ipmitool switches a machine off and on, and resets it", || {
        healed(rack, || by_controller(rack))
    });
}

fn power_cut(rack: &Rack) -> Result<()> {
    let guest = rack.guest(WEB, 2)?;
    let mut peer = peer_of(rack, 2)?;
    ensure!(rack.kill(2)?, "it was off before");
    heard_nothing(&mut peer)?;
    ensure!(!guest.is_alive(), "the guest survived the power cut");
    wait_for("the controller to say that it is off", PATIENCE, || {
        ensure!(!controller::power(rack, 2)?, "it says that it is on");
        Ok(())
    })?;
    ensure!(!answers_ping(rack, 2), "it still answers");
    becomes(rack, 2, "dead", 1)?;
    becomes(rack, 2, "dead", 3)?;
    wait_for("the system to say so", PATIENCE, || {
        let status = rack.pvc(3, &["cluster", "status"])?;
        ensure!(status.contains("pvc2") && status.contains("dead"), "the status does not:\n{status}");
        let why = rack.pvc(1, &["vm", "why", WEB])?;
        ensure!(why.contains("the VM waits for it"), "it does not say that the VM waits:\n{why}");
        Ok(())
    })?;
    rack.counts_on(DB, 3)?;
    ensure!(rack.whereabouts(WEB).is_empty(), "somebody took the VM over without proof");
    // The others do their work: a wish is carried out.
    let before = rack.guest(DB, 3)?;
    rack.pvc(1, &["vm", "restart", "-y", DB])?;
    wait_for("the guest to be restarted", PATIENCE, || {
        ensure!(rack.guest(DB, 3)? != before, "it is still the same");
        Ok(())
    })?;
    rack.vm_becomes(DB, ("start", 3), 1)
}

/// A connection of the switch's with a node's API.
fn peer_of(rack: &Rack, number: u8) -> Result<TcpStream> {
    let at = SocketAddr::from((Network::Upstream.address(number), API_PORT));
    rack.switch()?.node.with_network(|| Ok(TcpStream::connect_timeout(&at, PATIENCE)?))
}

/// A machine that lost its power took leave of nobody: its peers neither read an end nor are reset.
fn heard_nothing(peer: &mut TcpStream) -> Result<()> {
    peer.set_read_timeout(Some(Duration::from_millis(300)))?;
    match peer.read(&mut [0]) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        heard => bail!("its peer heard {heard:?}"),
    }
}

fn by_controller(rack: &Rack) -> Result<()> {
    // What a controller has begun goes on, also when it takes longer than `ipmitool` waits for its answer.
    let asked = |what: &str| controller::ask(rack, 2, &["chassis", "power", what]);
    let off = asked("off");
    wait_for("the machine to be off", PATIENCE, || {
        ensure!(rack.machine(2).is_none(), "it is on");
        ensure!(!controller::power(rack, 2)?, "its controller says that it is on");
        Ok(())
    })
    .with_context(|| format!("{off:?}"))?;
    let on = asked("on");
    let before =
        wait_for("the machine to be on", PATIENCE, || rack.node(2)).with_context(|| format!("{on:?}"))?;
    let reset = asked("reset");
    wait_for("the machine to be started anew", PATIENCE, || {
        ensure!(rack.node(2)?.first != before.first, "it is the same");
        Ok(())
    })
    .with_context(|| format!("{reset:?}"))?;
    let wrong = controller::ask(rack, 2, &["-P", "wrong", "chassis", "power", "status"]);
    ensure!(wrong.is_err(), "it answers without its password");
    Ok(())
}

/// Waits until a node is in a state, as another node's API tells it.
pub(super) fn becomes(rack: &Rack, number: u8, state: &str, by: u8) -> Result<()> {
    wait_for(&format!("pvc{number} to be told {state} by pvc{by}"), PATIENCE, || {
        let now = rack.state_of(number, by)?;
        ensure!(now == state, "it is {now}");
        Ok(())
    })
}

/// Whether a machine's kernel answers on the cluster network.
pub(super) fn answers_ping(rack: &Rack, number: u8) -> bool {
    let address = Network::Cluster.address(number).to_string();
    let asked = rack.switch().and_then(|switch| {
        let mut ping = switch.node.on_network("ping");
        crate::command::output(ping.args(["-c", "3", "-i", "0.1", "-W", "1", &address]))
    });
    asked.is_ok()
}
