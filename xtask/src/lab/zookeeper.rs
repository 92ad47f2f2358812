//! A ZooKeeper server from Debian's package, inside a node, with a configuration of our own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command::{output, wait_for};
use crate::lab::node::Node;

/// Where it serves inside the node.
pub const PORT: u16 = 2181;

/// Where the node keeps the store's password.
const SECRET: &str = "/etc/pvc/store.secret";

/// Writes the configuration of a server that is alone, before its node is switched on.
///
/// # Errors
/// When the folder cannot be written.
pub fn configure(folder: &Path) -> Result<()> {
    let home = folder.join("zookeeper");
    fs::create_dir_all(home.join("data"))?;
    let text = format!(
        "tickTime=500\ninitLimit=20\nsyncLimit=4\nminSessionTimeout=1000\ndataDir={}\nclientPort={PORT}\n\
         clientPortAddress=127.0.0.1\nadmin.enableServer=false\n4lw.commands.whitelist=mntr,ruok,srvr\n",
        home.join("data").display()
    );
    fs::write(home.join("zoo.cfg"), text)?;
    let secret = folder.join(SECRET.trim_start_matches('/'));
    fs::create_dir_all(secret.parent().context("the secret lies in a folder")?)?;
    let password = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    fs::write(&secret, password.trim())?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// What `pvc.toml` says to use it. The password is the cluster's own: it protects the records, not the server.
pub fn settings() -> String {
    format!("store = \"zookeeper://127.0.0.1:{PORT}\"\nstore_secret_file = \"{SECRET}\"")
}

/// Starts it, if it does not run yet, and waits until it serves.
///
/// # Errors
/// When it does not serve within 30 s.
pub fn start(node: &Node) -> Result<()> {
    if !node.runs("zookeeper") {
        let settings = node.folder.join("zookeeper/zoo.cfg");
        let settings = settings.to_str().context("the path of the node is no text")?;
        node.start(
            "zookeeper",
            &[
                "java",
                "-Xmx512m",
                "-XX:+UseSerialGC",
                // With only some of the machine's control groups in sight the JVM would end at once.
                "-XX:-UseContainerSupport",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dzookeeper.jmx.log4j.disable=true",
                "-cp",
                "/usr/share/java/slf4j-simple.jar:/usr/share/java/zookeeper.jar",
                "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                settings,
            ],
        )?;
    }
    wait_for("ZooKeeper", Duration::from_secs(30), || match ask(node, "ruok")?.as_str() {
        "imok" => Ok(()),
        other => bail!("it says \"{other}\"; {}", crate::lab::daemons::said(node, "zookeeper")),
    })
}

/// The answer to one of ZooKeeper's four-letter words.
///
/// # Errors
/// When it does not answer.
pub fn ask(node: &Node, word: &str) -> Result<String> {
    let script = format!("printf {word} | busybox nc -w 2 127.0.0.1 {PORT}");
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
