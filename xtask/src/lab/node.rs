//! One node: a set of namespaces with a first process in it, entered to start and to end things.
//!
//! Ending the first process ends everything in the node, as a power cut does; its folder outlives that, as a disk does.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns, unshare};
use serde::{Deserialize, Serialize};

use crate::command::{LAB_LIMIT, output, program, run, wait_for};
use crate::lab::process::Process;
use crate::lab::rootfs::{self, Acceleration};

const FIRST: &str = "first-process.json";
const READY: &str = "ready";

/// A node that is on.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its host name.
    pub name: String,
    /// Where its state is kept.
    pub folder: PathBuf,
    /// The first process of its namespaces.
    pub first: Process,
}

/// What is remembered of a node that was switched on.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    name: String,
    first: Process,
}

impl Node {
    /// Switches a node on. Its folder may hold what an earlier life left, and its own entries of `/etc` (below `etc`);
    /// without a `hosts` among them it knows nobody but itself.
    ///
    /// # Errors
    /// When namespaces are refused or a mount fails; the end of the node's own log is part of the error.
    pub fn boot(name: &str, folder: &Path, xtask: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("etc"))?;
        fs::write(folder.join("etc/hostname"), format!("{name}\n"))?;
        let hosts = folder.join("etc/hosts");
        if !hosts.exists() {
            fs::write(hosts, format!("127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n"))?;
        }
        let _none = fs::remove_file(folder.join(READY));
        let pid = output(program(xtask).args(["node-boot", name]).arg(folder))?;
        let first = Process::of(pid.trim().parse().context("the node told no process id")?)?;
        let remembered = Remembered { name: name.into(), first };
        fs::write(folder.join(FIRST), serde_json::to_string(&remembered)?)?;
        let node = Self { name: name.into(), folder: folder.into(), first };
        wait_for("the node to be ready", LAB_LIMIT, || {
            if !first.is_alive() {
                bail!("it ended: {}", fs::read_to_string(folder.join("boot.log")).unwrap_or_default());
            }
            fs::metadata(folder.join(READY)).context("it is not ready").map(drop)
        })?;
        Ok(node)
    }

    /// The node that was switched on in this folder, if it still is.
    pub fn find(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(FIRST)).ok()?;
        let remembered: Remembered = serde_json::from_str(&text).ok()?;
        let on = remembered.first.is_alive();
        on.then(|| Self { name: remembered.name, folder: folder.into(), first: remembered.first })
    }

    /// A program that will run inside the node, with nothing of our environment but the terminal's name.
    pub fn inside(&self, name: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = program("nsenter");
        command.env_clear().envs([
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/var/lib/pvc"),
            ("LANG", "C.UTF-8"),
        ]);
        if let Some(terminal) = std::env::var_os("TERM") {
            command.env("TERM", terminal);
        }
        let pid = self.first.pid.to_string();
        command.args(["-t", &pid, "-m", "-u", "-i", "-n", "-p", "--"]).arg(name);
        command
    }

    /// Starts a program that stays: its output goes to `/var/log/NAME.out`, its id is kept in `/run/NAME.pid`.
    ///
    /// # Errors
    /// When the node is gone.
    pub fn start(&self, name: &str, words: &[&str]) -> Result<()> {
        let keep = format!(
            "echo $$ >/run/{name}.pid.new && mv /run/{name}.pid.new /run/{name}.pid; exec \"$@\" >>/var/log/{name}.out 2>&1"
        );
        let mut command = self.inside("setsid");
        // `--fork`: the node's first process becomes its parent, and nobody of ours has to stay.
        command.args(["--fork", "sh", "-c", &keep, "sh"]).args(words);
        run(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// Whether the program that was started under this name runs.
    pub fn runs(&self, name: &str) -> bool {
        self.letter(name).is_some_and(|letter| letter != 'Z')
    }

    /// Whether its time was stopped.
    pub fn is_stalled(&self, name: &str) -> bool {
        self.letter(name) == Some('T')
    }

    /// The state of the program that was started under this name, as the kernel abbreviates it.
    fn letter(&self, name: &str) -> Option<char> {
        let pid = fs::read_to_string(self.path(&format!("/run/{name}.pid"))).ok()?;
        let stat = fs::read_to_string(self.path(&format!("/proc/{}/stat", pid.trim()))).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// The process that was started under this name, as this machine numbers it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn process(&self, name: &str) -> Result<Process> {
        let inner = fs::read_to_string(self.path(&format!("/run/{name}.pid")))
            .with_context(|| format!("{name} was never started"))?;
        for process in self.processes()? {
            let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap_or_default();
            let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
            if ids.split_whitespace().last() == Some(inner.trim()) {
                return Ok(process);
            }
        }
        bail!("{name} does not run")
    }

    /// All processes in the node.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn processes(&self) -> Result<Vec<Process>> {
        let space = fs::read_link(format!("/proc/{}/ns/pid", self.first.pid))?;
        in_namespace("pid", &space)
    }

    /// A path of the node as this machine sees it, as long as the node is on.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.first.pid))
    }

    /// A program that will run in the node's network, and in everything else where we are.
    pub fn on_network(&self, name: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = program("nsenter");
        command.args(["-t", &self.first.pid.to_string(), "-n", "--"]).arg(name);
        command
    }

    /// Does something in the node's network, on a thread of its own: whatever it connects, listens to or starts is there.
    ///
    /// # Errors
    /// When the node is gone; whatever the work fails with.
    pub fn with_network<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let network =
            fs::File::open(format!("/proc/{}/ns/net", self.first.pid)).context("the node is gone")?;
        let enter = || {
            setns(network, CloneFlags::CLONE_NEWNET).context("cannot enter the node's network")?;
            work()
        };
        std::thread::scope(|scope| scope.spawn(enter).join().expect("the work does not panic"))
    }

    /// Has `ip` do everything in the list, in the node's network.
    ///
    /// # Errors
    /// At the first line that is refused.
    pub fn ip(&self, lines: &[String]) -> Result<()> {
        let mut command = self.on_network("ip");
        command.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| crate::packages::remedy("ip"))?;
        let mut orders = child.stdin.take().context("its input was asked for")?;
        orders.write_all((lines.join("\n") + "\n").as_bytes())?;
        drop(orders);
        let ended = child.wait_with_output()?;
        if !ended.status.success() {
            bail!("ip refused: {}\n{}", String::from_utf8_lossy(&ended.stderr).trim(), lines.join("\n"));
        }
        Ok(())
    }

    /// Cuts the power, waits until nothing is left in any of the node's namespaces, and tells how many processes ended.
    ///
    /// # Errors
    /// When something of it is still there after two minutes.
    pub fn vanish(&self) -> Result<usize> {
        let spaces: Vec<(&str, PathBuf)> = ["pid", "mnt", "net", "ipc", "uts"]
            .into_iter()
            .filter_map(|kind| {
                Some((kind, fs::read_link(format!("/proc/{}/ns/{kind}", self.first.pid)).ok()?))
            })
            .collect();
        let ended = self.processes()?.len();
        self.cut_power()?;
        for (kind, space) in spaces {
            // What was about to end when the power was cut may take a moment.
            wait_for("the node's namespaces to be empty", LAB_LIMIT, || {
                let left = in_namespace(kind, &space)?;
                match left.is_empty() {
                    true => Ok(()),
                    false => bail!("still in the node's {kind} namespace: {}", named(&left)),
                }
            })?;
        }
        Ok(ended)
    }

    /// Cuts the power: everything in the node ends at once.
    ///
    /// # Errors
    /// When something is still there after two minutes.
    pub fn cut_power(&self) -> Result<()> {
        let members = self.processes().unwrap_or_default();
        self.first.end()?;
        for member in members {
            wait_for("the node's processes to be gone", LAB_LIMIT, || match member.is_alive() {
                true => bail!("process {} is still there", member.pid),
                false => Ok(()),
            })?;
        }
        fs::remove_file(self.folder.join(FIRST)).context("cannot forget the node")
    }
}

/// All processes that are in the given namespace of the given kind.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn in_namespace(kind: &str, space: &Path) -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if fs::read_link(format!("/proc/{pid}/ns/{kind}")).is_ok_and(|own| own == space) {
            // One that has ended stays visible until its parent collects it.
            found.extend(Process::of(pid).ok().filter(Process::is_alive));
        }
    }
    Ok(found)
}

/// The processes with their command lines.
fn named(processes: &[Process]) -> String {
    let name = |process: &Process| {
        let words = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        format!("{} ({})", process.pid, String::from_utf8_lossy(&words).replace('\0', " ").trim())
    };
    processes.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// `node-boot`: makes the namespaces, starts the first process in them, and tells its id as this machine numbers it.
///
/// # Errors
/// When namespaces are refused.
pub fn boot_here(name: &str, folder: &Path) -> Result<()> {
    let spaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    let log = fs::File::create(folder.join("boot.log"))?;
    let own = std::env::current_exe()?;
    unshare(spaces).context("cannot make namespaces; this needs root")?;
    let mut first = program(own);
    first.args(["node-first", name]).arg(folder);
    let child = first.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    crate::say::line(child.id().to_string());
    Ok(())
}

/// `node-first`: the first process of a node. It makes the node's view of the machine, says that it is ready, and
/// becomes `tini`, which collects the processes whose parents have ended.
///
/// # Errors
/// When a mount is refused or `tini` is missing.
pub fn first_here(name: &str, folder: &Path) -> Result<()> {
    nix::unistd::setsid().context("cannot leave the terminal")?;
    nix::unistd::sethostname(name).context("cannot set the host name")?;
    rootfs::enter(folder, Acceleration::of_this_machine())?;
    run(program("ip").args(["link", "set", "lo", "up"]))?;
    fs::create_dir_all("/var/lib/pvc")?;
    fs::write(folder.join(READY), "")?;
    let error = program("tini").args(["--", "sleep", "infinity"]).env_clear().exec();
    Err(error).context(crate::packages::remedy("tini"))
}
