//! `bench api`: a thousand VMs in a real ZooKeeper, and what the API and the command line take to tell of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use crate::bench::load::Load;
use crate::bench::report::{Aim, Figure, Report, percentile};
use crate::bench::stage;
use crate::command::{output, wait_for};
use crate::http::{Connection, encoded};
use crate::lab::daemons::{API_INSIDE, Profile};
use crate::lab::zookeeper;
use crate::up::{self, Options, Preparation, Store, Up};
use crate::{packages, say, tree};

const VMS: usize = 1000;

/// How long each kind of request is sent.
const SPAN: Duration = Duration::from_secs(5);

/// How often each command is run.
const RUNS: usize = 20;

/// Requests with their name, and what the Python original took for one, in milliseconds.
const REQUESTS: [(&str, &str, Option<f64>); 3] = [
    ("get_vms", "/api/v1/vm", Some(6900.0)),
    ("get_vm", "/api/v1/vm/bench-0500", Some(253.0)),
    ("get_status", "/api/v1/status", None),
];

/// Runs it in a node of its own and gives the report.
///
/// # Errors
/// When the node or its daemons do not start, or a request is refused.
pub fn run(xtask: &Path) -> Result<Report> {
    let folder = tree::target().join("bench-api");
    up::down(&folder)?;
    packages::install()?;
    Profile::Release.build()?;
    let options = Options {
        preparation: Preparation::Done,
        profile: Profile::Release,
        store: Store::ZooKeeper,
        folder: folder.clone(),
        listen: "127.0.0.1:7371".into(),
    };
    let measured = up::raise(&options, xtask).and_then(|up| Bench { up, xtask: xtask.into() }.measure());
    let down = up::down(&folder);
    let report = measured?;
    down?;
    Ok(report)
}

struct Bench {
    up: Up,
    xtask: PathBuf,
}

impl Bench {
    fn measure(&self) -> Result<Report> {
        let begin = Instant::now();
        self.define()?;
        say::line(format!("{VMS} VMs defined in {}", say::seconds(begin.elapsed())));
        let quiet = self.quiet_packets_per_s()?;
        let mut figures = Vec::new();
        let (packets, start, mut calls) = (self.packets()?, Instant::now(), 0);
        for (name, path, original) in REQUESTS {
            for connections in [1, 16] {
                say::line(format!("GET {path}, {connections} at once"));
                let load = self.load(path, connections)?;
                calls += load.requests;
                figures.extend(request_figures(name, connections, &load, original));
            }
        }
        let loud = self.packets()? - packets - quiet * start.elapsed().as_secs_f64();
        let per_call = (loud / count(calls)).max(0.0);
        // Below one in a hundred it is the keepalives' own unevenness.
        let per_call = if per_call < 0.01 { 0.0 } else { per_call };
        figures.push(figure("zookeeper_requests_per_call", per_call, Aim::AtMost(0.0), Some(21405.0)));
        for (daemon, aim) in [("pvcapid", Aim::AtMost(40.0)), ("pvcnoded", Aim::None)] {
            let kib = self.up.node.process(daemon)?.resident_kib()?;
            figures.push(figure(
                &format!("{daemon}_rss_mb"),
                count(kib.try_into()?) * 1.024 / 1000.0,
                aim,
                None,
            ));
        }
        for (name, words, aim, original) in [
            ("pvc_vm_list_ms_p50", &["-c", "local", "vm", "list"][..], 60.0, 7100.0),
            ("pvc_version_ms_p50", &["--version"][..], 10.0, 440.0),
        ] {
            let load = self.time(words)?;
            figures.push(figure(name, percentile(&load.each_ms, 0.5), Aim::AtMost(aim), Some(original)));
        }
        Ok(Report { bench: "api", on: self.on()?, runs: calls, figures })
    }

    /// Through the API, as anybody would.
    fn define(&self) -> Result<()> {
        let mut connection = Connection::open(&self.up.address, &self.up.token)?;
        for number in 0..VMS {
            let form = format!("xml={}&user_tags=bench", encoded(&document(number)));
            let answer = connection.request("POST", "/api/v1/vm", &form)?;
            if answer.status != 200 {
                bail!("the API answers {}: {}", answer.status, answer.body);
            }
        }
        wait_for("all VMs to be listed", Duration::from_secs(30), || {
            let list = connection.request("GET", "/api/v1/vm", "")?.json()?;
            let length = list.as_array().map(Vec::len).unwrap_or_default();
            if length == VMS { Ok(()) } else { bail!("there are {length}") }
        })
    }

    /// Asked from inside the node, by this program.
    fn load(&self, path: &str, connections: usize) -> Result<Load> {
        let mut command = self.up.node.inside(&self.xtask);
        let (connections, span) = (connections.to_string(), SPAN.as_secs().to_string());
        command.args(["load", API_INSIDE, &self.up.token, path, &connections, &span]);
        Ok(serde_json::from_str(&output(&mut command)?)?)
    }

    fn time(&self, words: &[&str]) -> Result<Load> {
        let mut command = self.up.node.inside(&self.xtask);
        command.args(["time", &RUNS.to_string()]).arg(self.up.profile.folder().join("pvc")).args(words);
        Ok(serde_json::from_str(&output(&mut command)?)?)
    }

    /// By ZooKeeper's own account.
    fn packets(&self) -> Result<f64> {
        zookeeper::figure(&self.up.node, "zk_packets_received")
    }

    /// What the daemons send while nobody asks: keepalives, and the sessions' heartbeats.
    fn quiet_packets_per_s(&self) -> Result<f64> {
        let (before, begin) = (self.packets()?, Instant::now());
        std::thread::sleep(2 * SPAN);
        Ok((self.packets()? - before) / begin.elapsed().as_secs_f64())
    }

    fn on(&self) -> Result<serde_json::Value> {
        let node = &self.up.node;
        let server = zookeeper::ask(node, "srvr")?;
        let version = server.lines().next().unwrap_or_default().trim_start_matches("Zookeeper version: ");
        // Debian's build leaves a placeholder behind the number.
        let version = version.split('-').next().unwrap_or_default().to_owned();
        Ok(json!({
            "store": "zookeeper",
            "zookeeper": version,
            "vms": VMS,
            "pids": {
                "pvcapid": node.process("pvcapid")?.pid,
                "pvcnoded": node.process("pvcnoded")?.pid,
                "zookeeper": node.process("zookeeper")?.pid,
            },
            "cores": std::thread::available_parallelism()?.get(),
            "load": stage::load()?,
        }))
    }
}

fn request_figures(name: &str, connections: usize, load: &Load, original: Option<f64>) -> Vec<Figure> {
    let at = format!("{name}_at_{connections}");
    let (mut p50, mut per_s) = (Aim::None, Aim::None);
    match (name, connections) {
        ("get_vms", 1) => (p50, per_s) = (Aim::AtMost(20.0), Aim::AtLeast(50.0)),
        ("get_vm", 1) => p50 = Aim::AtMost(1.0),
        _ => {}
    }
    let original = original.filter(|_| connections == 1);
    vec![
        figure(
            &format!("{at}_per_s"),
            count(load.requests) / load.took_s,
            per_s,
            original.map(|ms| 1000.0 / ms),
        ),
        figure(&format!("{at}_ms_p50"), percentile(&load.each_ms, 0.5), p50, original),
        figure(&format!("{at}_ms_p99"), percentile(&load.each_ms, 0.99), Aim::None, None),
    ]
}

fn figure(name: &str, value: f64, aim: Aim, original: Option<f64>) -> Figure {
    let original = original.map(|value| (value * 100.0).round() / 100.0);
    Figure { original, ..Figure::of(name, value, aim) }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// A document as a provisioner writes it: two disks in Ceph, two networks, a console, a clock, and so on.
fn document(number: usize) -> String {
    let name = format!("bench-{number:04}");
    let disk = |letter: char, index: usize| {
        format!(
            "    <disk type='network' device='disk'>
      <driver name='qemu' type='raw' discard='unmap' cache='writeback'/>
      <auth username='libvirt'><secret type='ceph' uuid='9a1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5d'/></auth>
      <source protocol='rbd' name='vms/{name}_disk{index}'>
        <host name='node1' port='6789'/><host name='node2' port='6789'/><host name='node3' port='6789'/>
      </source>
      <target dev='sd{letter}' bus='scsi'/>
      <address type='drive' controller='0' bus='0' target='0' unit='{index}'/>
    </disk>\n"
        )
    };
    let interface = |index: usize| {
        let vni = 100 + number % 50 + index;
        format!(
            "    <interface type='bridge'>
      <mac address='52:54:00:{index:02x}:{:02x}:{:02x}'/>
      <source bridge='vmbr{vni}'/>
      <target dev='tap{number}-{index}'/>
      <model type='virtio'/>
    </interface>\n",
            number / 256,
            number % 256
        )
    };
    format!(
        "<domain type='kvm'>
  <name>{name}</name>
  <uuid>00000000-0000-4000-8000-{number:012x}</uuid>
  <description>{name}, a web server of customer {}</description>
  <memory unit='MiB'>1024</memory>
  <vcpu placement='static'>1</vcpu>
  <cpu mode='host-model' check='partial'/>
  <os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type><bootmenu enable='yes'/><boot dev='hd'/></os>
  <features><acpi/><apic/><pae/></features>
  <clock offset='utc'>
    <timer name='rtc' tickpolicy='catchup'/><timer name='pit' tickpolicy='delay'/><timer name='hpet' present='no'/>
  </clock>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' index='0'/>
    <controller type='pci' index='0' model='pci-root'/>
    <controller type='scsi' index='0' model='virtio-scsi'/>
{}{}{}{}    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>
    <video><model type='vga' vram='16384' heads='1'/></video>
    <rng model='virtio'><rate period='1000' bytes='2048'/><backend model='random'>/dev/random</backend></rng>
    <memballoon model='virtio'/>
  </devices>
</domain>
",
        number / 10,
        disk('a', 0),
        disk('b', 1),
        interface(0),
        interface(1)
    )
}
