//! A lab made, found again, and taken down until nothing of it is left.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{output, wait_for};
use crate::lab::daemons::{self, Profile, Settings};
use crate::lab::libvirt::{self, Others};
use crate::lab::node::Node;
use crate::lab::zookeeper::{self, Member};
use crate::packages;
use crate::rack::ceph::{self, Storage};
use crate::rack::network::{self, Network};
use crate::rack::switch::Switch;
use crate::rack::{API_PORT, Memory, Plan, Rack, controller, disks, name, power, together};
use crate::say::Stages;
use crate::up::Preparation;

/// How long the nodes may take to find each other.
const CLUSTER_LIMIT: Duration = Duration::from_secs(240);

/// Makes a lab, or finds the one that is there and mends what of it is off. It ends when every node's API tells that all
/// nodes run.
///
/// # Errors
/// The stage that failed, and why.
pub fn up(plan: &Plan, xtask: &Path) -> Result<Rack> {
    plan.check()?;
    let mut stages = Stages::new(stages_of(plan));
    if plan.preparation == Preparation::Needed {
        stages.stage("Debian packages", packages::install)?;
        stages.stage("PVC's programs", || plan.profile.build())?;
    }
    let mut rack = begin(plan, xtask)?;
    stages.stage("machines and the switch between them", || machines(&rack))?;
    stages.stage("identities", || identities(&rack))?;
    if rack.has_ceph() {
        stages.stage("Ceph's keys and stores", || ceph::lay::out(&rack))?;
    }
    stages.stage("libvirt and ZooKeeper", || foundation(&rack))?;
    stages
        .stage("PVC's daemons", || together(rack.numbers(), |number| rack.start_daemons(number)).map(drop))?;
    stages.stage("power controllers", || controller::start(&rack))?;
    stages.stage("the cluster", || cluster(&mut rack))?;
    if rack.has_ceph() {
        stages.stage("Ceph", || ceph::start(&rack))?;
    }
    Ok(rack)
}

fn stages_of(plan: &Plan) -> usize {
    let preparation = if plan.preparation == Preparation::Needed { 2 } else { 0 };
    let storage = if plan.storage == Storage::Ceph { 2 } else { 0 };
    6 + preparation + storage
}

/// What is remembered, of the lab that is there or of a new one.
fn begin(plan: &Plan, xtask: &Path) -> Result<Rack> {
    if Switch::find(&plan.folder).is_some() {
        let rack = Rack::find(&plan.folder, xtask)?;
        let there = (rack.memory.nodes, rack.memory.coordinators, rack.memory.servers);
        ensure!(
            there == (plan.nodes, plan.coordinators, plan.servers),
            "a lab of {} nodes, {} of them coordinators, and {} ZooKeeper servers is up; take it down first",
            there.0,
            there.1,
            there.2
        );
        ensure!(
            rack.has_ceph() == (plan.storage == Storage::Ceph),
            "the lab that is up {} a Ceph; take it down first",
            if rack.has_ceph() { "has" } else { "has not" }
        );
        return Ok(rack);
    }
    // Without its switch, what an earlier one left is only in the way.
    down(&plan.folder)?;
    fs::create_dir_all(&plan.folder)?;
    let random = || fs::read_to_string("/proc/sys/kernel/random/uuid").map(|text| text.trim().to_owned());
    let memory = Memory {
        release: plan.profile == Profile::Release,
        nodes: plan.nodes,
        coordinators: plan.coordinators,
        servers: plan.servers,
        token: random()?.replace('-', ""),
        secret: random()?,
        initialised: false,
        fsid: match plan.storage {
            Storage::Ceph => Some(random()?),
            Storage::None => None,
        },
    };
    let rack = Rack { folder: fs::canonicalize(&plan.folder)?, xtask: xtask.into(), memory };
    rack.keep()?;
    Ok(rack)
}

fn machines(rack: &Rack) -> Result<()> {
    Switch::ensure(&rack.folder, &rack.xtask)?;
    together(rack.numbers(), |number| {
        if !power::was_made(rack, number) {
            configure(rack, number)?;
        }
        rack.boot(number)
    })?;
    Ok(())
}

/// Lays out what a machine's disk holds before it is switched on for the first time.
fn configure(rack: &Rack, number: u8) -> Result<()> {
    let place = rack.place(number);
    libvirt::configure(&place, Others::In)?;
    if rack.server_numbers().contains(&number) {
        let all = rack.server_numbers().map(|server| IpAddr::from(Network::Cluster.address(server)));
        zookeeper::configure_member(&place, &Member { number, all: all.collect() })?;
    }
    if rack.has_ceph() {
        ceph::lay::folders(&place)?;
    }
    zookeeper::keep_secret(&place, &rack.memory.secret)?;
    let mut hosts = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for node in rack.numbers() {
        let _infallible = writeln!(hosts, "{} {}", Network::Cluster.address(node), name(node));
    }
    fs::write(place.join("etc/hosts"), hosts)?;
    let servers: Vec<String> = rack.server_numbers().map(name).collect();
    let coordinators: Vec<String> = rack.coordinators().map(name).collect();
    let settings = Settings {
        store: format!("{}\ncoordinators = {coordinators:?}", zookeeper::settings(&servers)),
        cluster: "lab".into(),
        listen: format!("0.0.0.0:{API_PORT}"),
        token: rack.memory.token.clone(),
        network: network::settings(),
        storage: ceph::settings(if rack.has_ceph() { Storage::Ceph } else { Storage::None }),
    };
    daemons::configure(&place, &settings)
}

/// The first node makes the authority and issues what the others show, as an operator would have it do.
fn identities(rack: &Rack) -> Result<()> {
    let first = rack.node(1)?;
    let noded = rack.profile().folder().join("pvcnoded");
    for number in rack.numbers() {
        let folder = rack.place(number).join("etc/pvc/identity");
        if folder.join("node.crt").exists() {
            continue;
        }
        let mut command = first.inside(&noded);
        command.arg("identity");
        match number {
            1 => command.arg("create"),
            _ => command.arg("issue").arg(name(number)).arg("--into").arg(&folder),
        };
        output(command.args(Network::ALL.map(|network| network.address(number).to_string())))?;
    }
    Ok(())
}

/// The servers find each other when PVC has made the networks between them.
fn foundation(rack: &Rack) -> Result<()> {
    together(rack.numbers(), |number| rack.start_foundation(number)).map(drop)
}

fn cluster(rack: &mut Rack) -> Result<String> {
    if !rack.memory.initialised {
        together(rack.server_numbers(), |number| zookeeper::serves(&rack.node(number)?))?;
        // The API answers before it has reached the store.
        wait_for("the cluster to be initialised", CLUSTER_LIMIT, || {
            rack.pvc(1, &["cluster", "init", "-y"]).map(drop)
        })?;
        rack.memory.initialised = true;
        rack.keep()?;
    }
    wait_for("every node to tell that all run", CLUSTER_LIMIT, || all_run(rack))?;
    Ok(format!("{} nodes", rack.memory.nodes))
}

/// Whether every node's API tells that every node runs.
///
/// # Errors
/// Which one does not.
pub fn all_run(rack: &Rack) -> Result<()> {
    together(rack.numbers(), |teller| {
        let nodes = rack.nodes(teller)?;
        for number in rack.numbers() {
            let node = nodes.iter().find(|node| node["name"] == name(number));
            let state = node.map_or("unknown", |node| node["daemon_state"].as_str().unwrap_or_default());
            if state != "run" {
                let said = daemons::said(&rack.node(number)?, "pvcnoded");
                bail!("{} tells that {} is in state {state}: {said}", name(teller), name(number));
            }
        }
        Ok(())
    })
    .map(drop)
}

/// Takes a lab down and forgets it, whatever of it is on: no process, namespace, device or mount stays. Tells how many
/// processes ended.
///
/// # Errors
/// When something of it is still there.
pub fn down(folder: &Path) -> Result<usize> {
    let Ok(folder) = fs::canonicalize(folder) else { return Ok(0) };
    // The controllers first: they would switch machines on.
    let mut ended = controller::end(&folder)?;
    for entry in fs::read_dir(&folder)? {
        if let Some(node) = Node::find(&entry?.path()) {
            ended += node.vanish()?;
        }
    }
    disks::release(&folder)?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let ours = format!(" {}", folder.display());
    if let Some(mount) = mounts.lines().find(|line| line.contains(&ours)) {
        bail!("still mounted: {mount}");
    }
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    Ok(ended)
}
