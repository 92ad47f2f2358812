//! Lays out a Ceph on the disks of the lab's machines: its settings, its keys, and the empty stores of its daemons.
//!
//! All keys are put into the monitors' first database, so that nothing has to be asked for while Ceph comes up.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::command::{LAB_LIMIT, output, wait_for};
use crate::rack::ceph::first_osd;
use crate::rack::network::Network;
use crate::rack::{Rack, name, together};

/// What every daemon and client is told. A lab has little memory, little time and few bytes; the sizes and pauses of a
/// real cluster would only make it wait.
const GLOBAL: &str = "auth cluster required = cephx
auth service required = cephx
auth client required = cephx
run dir = /run/ceph
admin socket = /run/ceph/$name.asok
crash dir = /var/lib/ceph/crash
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
# The monitors read this; what is always on must stay on, or Ceph reports an error.
mgr initial modules = balancer
ms async op threads = 1
paxos propose interval = 0.1
paxos min wait = 0.01
[mon]
mon data avail warn = 3
mon data avail crit = 1
mon warn on pool no redundancy = false
mon warn on slow ping time = 600000
auth allow insecure global id reclaim = false
mon osd min down reporters = 1
mon osd reporter subtree level = osd
mon max pg per osd = 2000
mon tick interval = 1
mon mgr beacon grace = 15
mon rocksdb options = write_buffer_size=8388608,compression=kNoCompression
[mgr]
mgr disabled modules = alerts,diskprediction_local,influx,insights,iostat,k8sevents,localpool,mirroring,nfs,osd_perf_query,osd_support,restful,selftest,snap_schedule,stats,telegraf,test_orchestrator,zabbix,dashboard,cephadm,rook,prometheus
mgr tick period = 1
mgr stats period = 1
[client]
log file =
admin socket =
[osd]
osd objectstore = bluestore
osd class update on start = false
osd heartbeat interval = 2
osd heartbeat grace = 8
osd mon heartbeat interval = 5
osd op num shards = 1
osd op num threads per shard = 2
osd recovery sleep = 0
osd recovery sleep hdd = 0
osd recovery sleep hybrid = 0
osd memory target = 939524096
bluestore cache autotune = false
bluestore cache size = 33554432
bluestore fsck on mount = false
bluestore rocksdb options = compression=kNoCompression,max_write_buffer_number=2,min_write_buffer_number_to_merge=1,write_buffer_size=8388608,max_background_jobs=2
bluestore block create = true
bluestore block size = 4294967296
";

/// A node's `ceph.conf`.
pub(super) fn settings(rack: &Rack, fsid: &str, number: u8) -> String {
    let monitors = rack.monitor_numbers();
    let hosts: Vec<String> = monitors.clone().map(monitor_addresses).collect();
    let names: Vec<String> = monitors.map(name).collect();
    let nodes = u8::try_from(rack.numbers().len()).expect("there are at most 20 nodes");
    let (copies, copies_min) = match nodes {
        1 => (1, 1),
        2 => (2, 1),
        _ => (3, 2),
    };
    format!(
        "# Made by cargo xtask.\n[global]\nfsid = {fsid}\nmon host = {}\nmon initial members = {}\n\
         osd pool default size = {copies}\nosd pool default min size = {copies_min}\n{GLOBAL}{}",
        hosts.join(","),
        names.join(" "),
        addresses(number)
    )
}

/// What the managers and OSDs of a node are told of where they are: the floating address is none of theirs.
fn addresses(number: u8) -> String {
    let address = Network::Storage.address(number);
    format!("[mgr]\npublic addr = {address}\n[osd]\npublic addr = {address}\ncluster addr = {address}\n")
}

fn monitor_addresses(number: u8) -> String {
    let address = Network::Storage.address(number);
    format!("[v2:{address}:3300/0,v1:{address}:6789/0]")
}

/// What is to be done once, with the nodes' folders as they are seen from everywhere.
fn script(rack: &Rack, fsid: &str) -> Result<String> {
    let place = |number: u8| -> Result<String> {
        let path = rack.place(number);
        Ok(path.to_str().context("the path of the lab is no text")?.to_owned())
    };
    let mut text = String::from(
        "set -eu
ceph-authtool --create-keyring seed --gen-key -n mon. --cap mon 'allow *'
ceph-authtool --create-keyring admin --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
ceph-authtool --create-keyring bootstrap --gen-key -n client.bootstrap-osd --cap mon 'profile bootstrap-osd' --cap mgr 'allow r'
for keys in admin bootstrap; do ceph-authtool seed --import-keyring $keys; done
keys() { # where, of whom, capabilities
    mkdir -p \"$1\"; file=\"$1/keyring\"; who=$2; shift 2
    ceph-authtool --create-keyring \"$file\" --gen-key -n \"$who\" \"$@\"; ceph-authtool seed --import-keyring \"$file\"
}
",
    );
    let mut map = format!("monmaptool --create --clobber --fsid {fsid} --set-min-mon-release pacific");
    for number in rack.numbers() {
        let (place, node, osd) = (place(number)?, name(number), first_osd(number));
        let home = format!("{place}/var-lib/ceph");
        if rack.monitor_numbers().contains(&number) {
            let _infallible = write!(map, " --addv {node} '{}'", monitor_addresses(number));
            let _infallible = writeln!(
                text,
                "keys '{home}/mgr/ceph-{node}' mgr.{node} --cap mon 'allow profile mgr' --cap osd 'allow *'"
            );
        }
        let _infallible = writeln!(
            text,
            "keys '{home}/osd/ceph-{osd}' osd.{osd} --cap mon 'allow profile osd' --cap mgr 'allow profile osd' --cap osd 'allow *'
mkdir -p '{home}/bootstrap-osd' '{home}/mon' '{home}/crash' '{place}/var-log/ceph'
cp admin '{place}/etc/ceph/ceph.client.admin.keyring'
cp bootstrap '{home}/bootstrap-osd/ceph.keyring'"
        );
    }
    text.push_str(&map);
    text.push_str(" monmap\n");
    Ok(text)
}

/// Makes a node's own folders for Ceph, before it is switched on: otherwise it would see the machine's there.
pub(in crate::rack) fn folders(place: &Path) -> Result<()> {
    ["etc/ceph", "var-lib/ceph"].into_iter().try_for_each(|part| Ok(fs::create_dir_all(place.join(part))?))
}

/// Lays everything out, while the nodes are on and none of their Ceph runs. Each OSD's name for itself is kept beside its
/// store until the monitors know it.
pub(in crate::rack) fn out(rack: &Rack) -> Result<()> {
    let fsid = rack.memory.fsid.as_deref().context("the lab has no Ceph")?;
    let work = rack.folder.join("ceph");
    if work.join("made").exists() {
        return Ok(());
    }
    let _none = fs::remove_dir_all(&work);
    fs::create_dir_all(&work)?;
    for number in rack.numbers() {
        let place = rack.place(number);
        let _none = fs::remove_dir_all(place.join("var-lib/ceph"));
        folders(&place)?;
        fs::write(place.join("etc/ceph/ceph.conf"), settings(rack, fsid, number))?;
    }
    let begin = format!("cd \"$0\"\n{}", script(rack, fsid)?);
    output(crate::command::program("sh").args(["-c", &begin]).arg(&work))?;
    together(rack.numbers(), |number| stores(rack, fsid, &work, number))?;
    Ok(fs::write(work.join("made"), "")?)
}

/// Makes a node's stores, by the programs that will use them.
fn stores(rack: &Rack, fsid: &str, work: &Path, number: u8) -> Result<()> {
    let (node, name) = (rack.node(number)?, name(number));
    fs::create_dir_all(node.path("/run/ceph"))?;
    if rack.monitor_numbers().contains(&number) {
        let mut monitor = node.inside("ceph-mon");
        monitor.args(["--mkfs", "--id", &name, "--monmap"]).arg(work.join("monmap"));
        output(monitor.arg("--keyring").arg(work.join("seed")))?;
    }
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let osd = first_osd(number).to_string();
    let mut store = node.inside("ceph-osd");
    store.args(["--mkfs", "--id", &osd, "--osd-uuid", uuid.trim(), "--no-mon-config", "--fsid", fsid]);
    output(&mut store).map(drop)
}

/// Tells the monitors of the OSDs that were laid out. Done for those that they know.
///
/// # Errors
/// When the monitors do not answer or do not take it.
pub(in crate::rack) fn register(rack: &Rack) -> Result<()> {
    let mut orders = String::from("config set mgr mgr/devicehealth/enable_monitoring false --force\n");
    for number in rack.numbers() {
        let osd = first_osd(number);
        let uuid = fs::read_to_string(rack.place(number).join(format!("var-lib/ceph/osd/ceph-{osd}/fsid")))?;
        let _infallible = writeln!(orders, "osd new {} {osd}", uuid.trim());
    }
    // One program for all of them: each start of it takes half a second.
    let script = "printf %s \"$1\" | ceph --connect-timeout 60";
    let said = output(rack.node(1)?.inside("sh").args(["-c", script, "sh", &orders]))?;
    // Another monitor than the one that was told may be asked.
    wait_for("the monitors to know the OSDs", LAB_LIMIT, || {
        let known = rack.ceph(1, &["osd", "ls"])?;
        let missing =
            rack.numbers().map(first_osd).find(|osd| !known.lines().any(|line| line == osd.to_string()));
        match missing {
            Some(osd) => anyhow::bail!("the monitors do not know osd.{osd}: {said}"),
            None => Ok(()),
        }
    })
}
