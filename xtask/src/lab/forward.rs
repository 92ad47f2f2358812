//! A door from this machine's 127.0.0.1 into a node: each connection is carried to an address inside.
//!
//! It joins no network: the listening socket is opened first, then the process enters the node's network namespace, and
//! every connection from then on is made in there. So no interface, route or rule of this machine is touched.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use crate::command::program;
use crate::lab::node::Node;
use crate::lab::process::Process;

/// Starts the door as a process of its own and waits until it listens.
///
/// # Errors
/// When the address is taken; what the process said is part of the error.
pub fn start(node: &Node, listen: &str, inside: &str, xtask: &Path) -> Result<Process> {
    let log = File::create(node.folder.join("forward.log"))?;
    let mut command = program(xtask);
    command.args(["forward", &node.first.pid.to_string(), listen, inside]).env_clear();
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    let process = Process::of(i32::try_from(child.id())?)?;
    crate::command::wait_for("the door to open", crate::command::LAB_LIMIT, || {
        if !process.is_alive() {
            let said = std::fs::read_to_string(node.folder.join("forward.log")).unwrap_or_default();
            return Ok(Err(anyhow::anyhow!("it ended: {}", said.trim())));
        }
        TcpStream::connect(listen).context("nobody listens").map(|_| Ok(()))
    })??;
    Ok(process)
}

/// `forward`: carries connections until it is ended.
///
/// # Errors
/// When the address is taken or the node is gone.
pub fn carry(node_pid: i32, listen: &str, inside: &str) -> Result<()> {
    nix::unistd::setsid().context("cannot leave the terminal")?;
    let door = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let network = File::open(format!("/proc/{node_pid}/ns/net")).context("the node is gone")?;
    setns(network, CloneFlags::CLONE_NEWNET).context("cannot enter the node's network")?;
    for connection in door.incoming() {
        let Ok(outer) = connection else { continue };
        let inside = inside.to_owned();
        thread::spawn(move || match TcpStream::connect(&inside) {
            Ok(inner) => both_ways(&outer, &inner),
            Err(_) => drop(outer),
        });
    }
    Ok(())
}

fn both_ways(outer: &TcpStream, inner: &TcpStream) {
    thread::scope(|scope| {
        scope.spawn(|| one_way(outer, inner));
        one_way(inner, outer);
    });
}

/// Carries until the end, and passes the end on.
fn one_way(mut from: &TcpStream, mut to: &TcpStream) {
    let _broken = io::copy(&mut from, &mut to);
    let _broken = to.flush();
    let _broken = to.shutdown(Shutdown::Write);
}
