//! `up` and `down`: a PVC of one node on this machine, in namespaces of its own, with one guest that is seen to run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::command::{LAB_LIMIT, output, wait_for};
use crate::lab::daemons::{self, API_INSIDE, Profile, Settings};
use crate::lab::guest::Guest;
use crate::lab::libvirt::Others;
use crate::lab::node::Node;
use crate::lab::process::Process;
use crate::lab::{forward, libvirt, patience, zookeeper};
use crate::say::{self, Stages};
use crate::{http, packages, tree};

pub mod hello;

/// The VM that is started.
pub const HELLO: &str = "hello";

/// Whether the programs and packages are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preparation {
    /// Packages are installed and programs are built.
    Needed,
    /// Both have just been done.
    Done,
}

/// Where the cluster's records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Store {
    /// In a file of the node.
    Sqlite,
    /// In a ZooKeeper that runs in the node.
    ZooKeeper,
}

/// What to bring up, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether packages and programs are still to be provided.
    pub preparation: Preparation,
    /// How the programs are built.
    pub profile: Profile,
    /// Where the records are kept.
    pub store: Store,
    /// The folder of its state.
    pub folder: PathBuf,
    /// Where the API is to be reached from this machine.
    pub listen: String,
}

impl Options {
    /// What the command line gives when nothing else is said.
    pub fn usual(profile: Profile) -> Self {
        Self {
            preparation: Preparation::Needed,
            profile,
            store: Store::Sqlite,
            folder: folder(),
            listen: "127.0.0.1:7370".into(),
        }
    }
}

/// The folder that `up`, `exec` and `down` use.
pub fn folder() -> PathBuf {
    std::env::var_os("PVC_UP_DIR").map_or_else(|| tree::target().join("up"), PathBuf::from)
}

/// What is remembered between `up`, `exec` and `down`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Remembered {
    release: bool,
    store: Store,
    listen: String,
    token: String,
    nonce: String,
    uuid: String,
    door: Option<Door>,
    initialised: bool,
}

/// The way into a node; a node that was switched on anew needs a new one.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Door {
    process: Process,
    node: Process,
}

/// A PVC that is up.
#[derive(Debug)]
pub struct Up {
    /// Its node.
    pub node: Node,
    /// How its programs were built.
    pub profile: Profile,
    /// Where its API is reached from this machine.
    pub address: String,
    /// The API's token.
    pub token: String,
    /// What its guest says.
    pub nonce: String,
}

/// Brings it up with its guest; what is there already is found and kept.
///
/// # Errors
/// The stage that failed, and why.
pub fn up(options: &Options, xtask: &Path) -> Result<Up> {
    let mut stages = stages(options, 3);
    let (up, uuid) = cluster(options, xtask, &mut stages)?;
    let guest = stages.stage("the small guest", || Guest::ensure(&tree::target().join("guest")))?;
    stages.stage("the VM hello", || hello::ensure(&up.node, up.profile, &guest, &uuid, &up.nonce))?;
    stages.stage("the guest's console", || hello::counts(&up.node, up.profile, &up.nonce))?;
    Ok(up)
}

/// Brings it up without a guest.
///
/// # Errors
/// The stage that failed, and why.
pub fn raise(options: &Options, xtask: &Path) -> Result<Up> {
    cluster(options, xtask, &mut stages(options, 0)).map(|(up, _)| up)
}

fn stages(options: &Options, more: usize) -> Stages {
    Stages::new(more + if options.preparation == Preparation::Needed { 6 } else { 4 })
}

/// A node with its daemons and an initialised cluster, and the UUID that its guest will have.
fn cluster(options: &Options, xtask: &Path, stages: &mut Stages) -> Result<(Up, String)> {
    fs::create_dir_all(&options.folder)?;
    let folder = fs::canonicalize(&options.folder)?;
    let mut memory = remember(&folder, options)?;
    let profile = if memory.release { Profile::Release } else { Profile::Dev };
    if options.preparation == Preparation::Needed {
        stages.stage("Debian packages", packages::install)?;
        stages.stage("PVC's programs", || profile.build())?;
    }
    let node = stages.stage("a node in namespaces", || switch_on(&folder, &memory, xtask))?;
    stages.stage("libvirt in the node", || start_others(&node, memory.store))?;
    stages.stage("PVC's daemons", || start_daemons(&node, profile, &folder, &mut memory, xtask))?;
    stages.stage("the cluster", || initialise(&node, profile, &folder, &mut memory))?;
    let Remembered { listen: address, token, nonce, uuid, .. } = memory;
    Ok((Up { node, profile, address, token, nonce }, uuid))
}

/// Prints what runs and what to try next.
///
/// # Errors
/// When the API no longer answers.
pub fn tell(up: &Up) -> Result<()> {
    let table = output(&mut daemons::pvc(&up.node, up.profile, &["vm", "list"]))?;
    let Up { address, token, .. } = up;
    say::line(format!(
        "\n{}\n
API             http://{address}/api/v1
documentation   http://{address}/api/v1/doc/
token           {token}

Try next:
  cargo xtask exec -- pvc vm info {HELLO}
  cargo xtask exec -- pvc vm log -f {HELLO}
  cargo xtask exec -- pvc vm shutdown {HELLO}
  cargo xtask exec -- pvc node list
  curl -H 'X-Api-Key: {token}' http://{address}/api/v1/vm
  cargo xtask down",
        table.trim_end()
    ));
    Ok(())
}

/// Takes it down and forgets it: no process, namespace or mount stays.
///
/// # Errors
/// When something of it is still there.
pub fn down(folder: &Path) -> Result<String> {
    let Ok(folder) = fs::canonicalize(folder) else { return Ok("nothing was up".into()) };
    if let Ok(memory) = recall(&folder)
        && let Some(door) = memory.door
    {
        door.process.end()?;
    }
    let mut ended = 0;
    if let Some(node) = Node::find(&folder.join("node")) {
        ended = node.vanish()?;
    }
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let ours = format!(" {}", folder.display());
    if let Some(mount) = mounts.lines().find(|line| line.contains(&ours)) {
        bail!("still mounted: {mount}");
    }
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    Ok(format!("{ended} processes ended"))
}

/// Runs a command inside the node that is up.
///
/// # Errors
/// When none is up.
pub fn exec(folder: &Path, words: &[&str]) -> Result<std::process::ExitStatus> {
    let absent = "nothing is up; begin with `cargo xtask up`";
    let folder = fs::canonicalize(folder).context(absent)?;
    let node = Node::find(&folder.join("node")).context(absent)?;
    let profile = if recall(&folder)?.release { Profile::Release } else { Profile::Dev };
    Ok(daemons::command(&node, profile, words).status()?)
}

fn remember(folder: &Path, options: &Options) -> Result<Remembered> {
    if Node::find(&folder.join("node")).is_some() {
        return recall(folder);
    }
    let random = || fs::read_to_string("/proc/sys/kernel/random/uuid").map(|text| text.trim().to_owned());
    let memory = Remembered {
        release: options.profile == Profile::Release,
        store: options.store,
        listen: options.listen.clone(),
        token: random()?.replace('-', ""),
        nonce: random()?.chars().take(8).collect(),
        uuid: random()?,
        door: None,
        initialised: false,
    };
    // Without its node, what an earlier life left is only in the way.
    let _none = fs::remove_dir_all(folder.join("node"));
    keep(folder, &memory)?;
    Ok(memory)
}

fn recall(folder: &Path) -> Result<Remembered> {
    let text = fs::read_to_string(folder.join("up.json")).context("nothing is remembered of it")?;
    Ok(serde_json::from_str(&text)?)
}

fn keep(folder: &Path, memory: &Remembered) -> Result<()> {
    Ok(fs::write(folder.join("up.json"), serde_json::to_string_pretty(memory)?)?)
}

fn switch_on(folder: &Path, memory: &Remembered, xtask: &Path) -> Result<Node> {
    let place = folder.join("node");
    if let Some(node) = Node::find(&place) {
        return Ok(node);
    }
    libvirt::configure(&place, Others::Out)?;
    if memory.store == Store::ZooKeeper {
        zookeeper::configure(&place)?;
    }
    let settings = Settings {
        store: match memory.store {
            Store::Sqlite => "store = \"sqlite:///var/lib/pvc/store.db\"".into(),
            Store::ZooKeeper => zookeeper::settings(&[format!("127.0.0.1:{}", zookeeper::PORT)]),
        },
        cluster: "try".into(),
        listen: API_INSIDE.into(),
        token: memory.token.clone(),
        network: String::new(),
        // Other nodes could not reach a directory, and a store for several refuses it.
        storage: match memory.store {
            Store::Sqlite => "[storage]\ndirectory = \"/var/lib/pvc/storage\"\n".into(),
            Store::ZooKeeper => String::new(),
        },
    };
    daemons::configure(&place, &settings)?;
    // A directory that is missing is no storage: it may be a disk that is not mounted.
    fs::create_dir_all(place.join("var-lib/pvc/storage"))?;
    Node::boot("pvc1", &place, xtask)
}

/// Starts what PVC's daemons need.
fn start_others(node: &Node, store: Store) -> Result<String> {
    if store == Store::ZooKeeper {
        zookeeper::start(node)?;
    }
    libvirt::start(node)
}

fn start_daemons(
    node: &Node,
    profile: Profile,
    folder: &Path,
    memory: &mut Remembered,
    xtask: &Path,
) -> Result<String> {
    daemons::start(node, profile)?;
    if let Some(stale) = memory.door.filter(|door| door.node != node.first) {
        stale.process.end()?;
    }
    if !memory.door.is_some_and(|door| door.process.is_alive()) {
        let process = forward::start(node, &memory.listen, API_INSIDE, xtask)?;
        memory.door = Some(Door { process, node: node.first });
        keep(folder, memory)?;
    }
    wait_for("the API to answer", LAB_LIMIT, || {
        let answer = http::once(&memory.listen, &memory.token, "GET", "/api/v1/")?;
        match answer.status {
            200 => Ok(()),
            status => bail!("it answers {status}: {}\n{}", answer.body, daemons::said(node, "pvcapid")),
        }
    })?;
    Ok(format!("http://{}/api/v1", memory.listen))
}

fn initialise(node: &Node, profile: Profile, folder: &Path, memory: &mut Remembered) -> Result<String> {
    if memory.initialised {
        return Ok("found".into());
    }
    // The API answers before it has reached the store.
    patience::said(&["cluster", "init", "-y"], |words| Ok(daemons::pvc(node, profile, words)))?;
    memory.initialised = true;
    keep(folder, memory)?;
    wait_for("the node to be registered", LAB_LIMIT, || {
        let nodes = http::once(&memory.listen, &memory.token, "GET", "/api/v1/node")?;
        match nodes.body.contains("\"run\"") {
            true => Ok(()),
            false => bail!("the nodes are {}\n{}", nodes.body, daemons::said(node, "pvcnoded")),
        }
    })?;
    Ok("initialised".into())
}

impl say::Note for Node {
    fn note(&self) -> String {
        format!("{} is process {}", self.name, self.first.pid)
    }
}

impl say::Note for Guest {
    fn note(&self) -> String {
        let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len()) / 1024;
        format!("kernel {} KiB, file system {} KiB", size(&self.kernel), size(&self.initrd))
    }
}
