//! A ZooKeeper server from Debian's package, inside a node, alone or one of several, with a configuration of our own.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::{LAB_LIMIT, output, wait_for};
use crate::lab::node::Node;

/// Where it serves inside the node.
pub const PORT: u16 = 2181;

/// Where the node keeps the store's password.
const SECRET: &str = "/etc/pvc/store.secret";

/// What every server is told. The session's bounds are its ticks; the numbers are those that fencing waits for.
const COMMON: &str = "tickTime=500
initLimit=20
syncLimit=4
minSessionTimeout=1000
admin.enableServer=false
4lw.commands.whitelist=mntr,ruok,srvr
";

/// How much memory a server's objects may take: a thousand VMs fit well, and a lab has three of them.
const HEAP_MIB: u32 = 512;

/// One server of several, or the only one.
#[derive(Clone, Debug)]
pub struct Member {
    /// Which of them it is, counted from 1.
    pub number: u8,
    /// Where all of them are reached by each other, in their order.
    pub all: Vec<IpAddr>,
}

/// Writes the configuration of a server that is alone and serves nobody but its own node, before that is switched on.
///
/// # Errors
/// When the folder cannot be written.
pub fn configure(folder: &Path) -> Result<()> {
    write(folder, "clientPortAddress=127.0.0.1\n")?;
    let password = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    keep_secret(folder, password.trim())
}

/// Writes the configuration of a server that others reach, before its node is switched on.
///
/// # Errors
/// When the folder cannot be written.
pub fn configure_member(folder: &Path, member: &Member) -> Result<()> {
    let mut text = String::new();
    if member.all.len() > 1 {
        // The address may come to the node after the server.
        text.push_str("quorumListenOnAllIPs=true\n");
        for (number, address) in (1..).zip(&member.all) {
            let _infallible = writeln!(text, "server.{number}={address}:2888:3888");
        }
    }
    write(folder, &text)?;
    Ok(fs::write(folder.join("zookeeper/data/myid"), member.number.to_string())?)
}

fn write(folder: &Path, more: &str) -> Result<()> {
    let home = folder.join("zookeeper");
    let data = home.join("data");
    fs::create_dir_all(&data)?;
    let text = format!("{COMMON}dataDir={}\nclientPort={PORT}\n{more}", data.display());
    Ok(fs::write(home.join("zoo.cfg"), text)?)
}

/// Lays the records' password into a node, before that is switched on. It protects the records, not the server.
///
/// # Errors
/// When the folder cannot be written.
pub fn keep_secret(folder: &Path, password: &str) -> Result<()> {
    let secret = folder.join(SECRET.trim_start_matches('/'));
    fs::create_dir_all(secret.parent().context("the secret lies in a folder")?)?;
    fs::write(&secret, password)?;
    Ok(fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?)
}

/// What `pvc.toml` says to use the servers that are reached by these names or addresses.
pub fn settings(servers: &[String]) -> String {
    format!("store = \"zookeeper://{}\"\nstore_secret_file = \"{SECRET}\"", servers.join(","))
}

/// Starts the server of a node, if it does not run yet.
///
/// # Errors
/// When the node is gone.
pub fn launch(node: &Node) -> Result<()> {
    if node.runs("zookeeper") {
        return Ok(());
    }
    let settings = node.folder.join("zookeeper/zoo.cfg");
    let settings = settings.to_str().context("the path of the node is no text")?;
    node.start(
        "zookeeper",
        &[
            "java",
            &format!("-Xmx{HEAP_MIB}m"),
            "-Xms32m",
            "-XX:+UseSerialGC",
            // It is up in half the time, and never has so much to do that the better code would show.
            "-XX:TieredStopAtLevel=1",
            // With only some of the machine's control groups in sight the JVM would end at once.
            "-XX:-UseContainerSupport",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dzookeeper.jmx.log4j.disable=true",
            "-cp",
            "/usr/share/java/slf4j-simple.jar:/usr/share/java/zookeeper.jar",
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            settings,
        ],
    )
}

/// Starts the server of a node, if it does not run yet, and waits until it serves.
///
/// # Errors
/// When it does not serve within two minutes.
pub fn start(node: &Node) -> Result<()> {
    launch(node)?;
    serves(node)
}

/// Waits until the server of a node serves; one of several does when most of them have found each other.
///
/// # Errors
/// When it does not within two minutes.
pub fn serves(node: &Node) -> Result<()> {
    wait_for("ZooKeeper", LAB_LIMIT, || match role(node)? {
        Some(_) => Ok(()),
        None => bail!("it does not serve; {}", crate::lab::daemons::said(node, "zookeeper")),
    })
}

/// What a server is among the others: `leader`, `follower` or `standalone`; `None` while it does not serve.
///
/// # Errors
/// When it does not answer at all.
pub fn role(node: &Node) -> Result<Option<String>> {
    let answer = ask(node, "srvr")?;
    Ok(answer.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned))
}

/// The answer to one of ZooKeeper's four-letter words.
///
/// # Errors
/// When it does not answer.
pub fn ask(node: &Node, word: &str) -> Result<String> {
    let script = format!("printf {word} | timeout 20 busybox nc -w 15 127.0.0.1 {PORT}");
    Ok(output(node.inside("sh").args(["-c", &script]))?.trim().to_owned())
}

/// One number of the server's own account of itself.
///
/// # Errors
/// When it does not answer or has no such number.
pub fn figure(node: &Node, name: &str) -> Result<f64> {
    let account = ask(node, "mntr")?;
    let line = account.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
    Ok(line.with_context(|| format!("ZooKeeper tells no {name}"))?.trim().parse()?)
}
