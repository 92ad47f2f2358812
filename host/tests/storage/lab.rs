//! A real Ceph in namespaces of its own: three monitors, a manager and two OSDs on two machines.
//!
//! All it writes is in a file system of memory that only its namespaces see, and its first process dies with this test's:
//! so nothing is left behind, however the test ends. All laws share one, because it takes a while to start.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The address of the other machine, which has one of the OSDs.
pub(crate) const THERE: [u8; 4] = [10, 98, 0, 2];

/// The monitors, as clients find them.
const MONITORS: &str = "[v2:10.98.0.1:3300/0,v1:10.98.0.1:6789/0],[v2:10.98.0.1:3301/0,v1:10.98.0.1:6790/0],\
    [v2:10.98.0.1:3302/0,v1:10.98.0.1:6791/0]";

/// Programs and the packages that they are in.
const PROGRAMS: [(&str, &str); 10] = [
    ("/usr/bin/ceph-mon", "ceph-mon"),
    ("/usr/bin/ceph-mgr", "ceph-mgr"),
    ("/usr/bin/ceph-osd", "ceph-osd"),
    ("/usr/bin/ceph", "ceph-common"),
    ("/usr/bin/qemu-io", "qemu-utils"),
    ("/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so", "qemu-block-extra"),
    ("/usr/bin/tini", "tini"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/bin/setpriv", "util-linux"),
    ("/usr/bin/fio", "fio"),
];

/// What the first process does before it waits for the end.
const BOOT: &str = r#"
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lab/mgr
cd /run/lab
ip netns add there
ip link set lo up
ip link add here type veth peer name there netns there
ip addr add 10.98.0.1/24 dev here
ip link set here up
ip -n there link set lo up
ip -n there addr add 10.98.0.2/24 dev there
ip -n there link set there up

fsid=$(cat /proc/sys/kernel/random/uuid)
cat >ceph.conf <<X
[global]
fsid = $fsid
mon host = [v2:10.98.0.1:3300/0,v1:10.98.0.1:6789/0],[v2:10.98.0.1:3301/0,v1:10.98.0.1:6790/0],[v2:10.98.0.1:3302/0,v1:10.98.0.1:6791/0]
keyring = /run/lab/admin.keyring
run dir = /run/lab
admin socket = /run/lab/\$name.asok
pid file = /run/lab/\$name.pid
log file = /run/lab/\$name.log
crash dir = /run/lab/crash
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 2
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
mgr initial modules = balancer
ms async op threads = 1
paxos propose interval = 0.1
paxos min wait = 0.01
[mon]
mon data = /run/lab/mon.\$id
mon data avail warn = 3
mon data avail crit = 1
mon cluster log file = /run/lab/cluster.log
mon warn on pool no redundancy = false
auth allow insecure global id reclaim = false
mon osd min down reporters = 1
mon max pg per osd = 2000
mon tick interval = 1
mon rocksdb options = write_buffer_size=8388608,compression=kNoCompression
[mgr]
public addr = 10.98.0.1
mgr data = /run/lab/mgr
mgr disabled modules = alerts,diskprediction_local,influx,insights,iostat,k8sevents,localpool,mirroring,nfs,osd_perf_query,osd_support,restful,selftest,snap_schedule,stats,telegraf,test_orchestrator,zabbix,dashboard,cephadm,rook,prometheus
mgr tick period = 1
mgr stats period = 1
[osd]
osd data = /run/lab/osd.\$id
osd objectstore = bluestore
osd class update on start = false
osd op num shards = 1
osd op num threads per shard = 2
osd memory target = 939524096
bluestore block size = 2147483648
bluestore block create = true
bluestore cache autotune = false
bluestore cache size = 33554432
bluestore fsck on mount = false
bluestore rocksdb options = compression=kNoCompression,max_write_buffer_number=2,min_write_buffer_number_to_merge=1,write_buffer_size=8388608,max_background_jobs=2
[osd.0]
public addr = 10.98.0.1
cluster addr = 10.98.0.1
crush location = root=default host=hv1
[osd.1]
public addr = 10.98.0.2
cluster addr = 10.98.0.2
crush location = root=default host=hv2
X
export CEPH_CONF=/run/lab/ceph.conf
ceph-authtool --create-keyring seed --gen-key -n mon. --cap mon 'allow *'
ceph-authtool --create-keyring admin.keyring --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
ceph-authtool seed --import-keyring admin.keyring
ceph-authtool --create-keyring mgr/keyring --gen-key -n mgr.a --cap mon 'allow profile mgr' --cap osd 'allow *'
ceph-authtool seed --import-keyring mgr/keyring
for id in 0 1; do
    mkdir osd.$id
    ceph-authtool --create-keyring osd.$id/keyring --gen-key -n osd.$id --cap mon 'allow profile osd' --cap mgr 'allow profile osd' --cap osd 'allow *'
    ceph-authtool seed --import-keyring osd.$id/keyring
    cat /proc/sys/kernel/random/uuid >uuid.$id
done
monmaptool --create --fsid $fsid --set-min-mon-release pacific --addv a '[v2:10.98.0.1:3300/0,v1:10.98.0.1:6789/0]' \
    --addv b '[v2:10.98.0.1:3301/0,v1:10.98.0.1:6790/0]' --addv c '[v2:10.98.0.1:3302/0,v1:10.98.0.1:6791/0]' monmap
for id in a b c; do ceph-mon --mkfs -i $id --monmap monmap --keyring seed; done
for id in a b c; do ceph-mon -i $id; done
ceph-mgr -i a --keyring mgr/keyring
for id in 0 1; do ceph-osd -i $id --mkfs --osd-uuid $(cat uuid.$id) --no-mon-config --fsid $fsid 2>mkfs.$id.log & done
ceph config set mgr mgr/devicehealth/enable_monitoring false --force
for id in 0 1; do ceph osd new $(cat uuid.$id) $id; done
wait
ceph-osd -i 0 --keyring osd.0/keyring 2>start.0.log
ip netns exec there ceph-osd -i 1 --keyring osd.1/keyring 2>start.1.log
touch ready
exec tini -s -- sleep infinity
"#;

/// The one Ceph of this process.
pub(crate) struct Lab {
    /// The first process inside, as this machine numbers it.
    first: u32,
    /// How this test and its writers find Ceph.
    pub(crate) file: String,
}

impl Lab {
    /// Starts it, or waits until it is started.
    pub(crate) fn shared() -> &'static Self {
        static LAB: OnceLock<Lab> = OnceLock::new();
        LAB.get_or_init(Self::start)
    }

    fn start() -> Self {
        for (program, package) in PROGRAMS {
            let is_there = std::path::Path::new(program).exists();
            assert!(is_there, "{program} is missing: install the Debian package {package}");
        }
        let (told, holder) = std::sync::mpsc::channel();
        // The holder dies with the thread that makes it: that must be one which lives as long as the process.
        std::thread::spawn(move || {
            told.send(hold()).unwrap();
            loop {
                std::thread::park();
            }
        });
        let mut holder = holder.recv().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let mut first = None;
        wait_for("its first process", &mut holder, || {
            first = std::fs::read_to_string(&children).ok().and_then(|text| text.trim().parse().ok());
            first.is_some()
        });
        let mut lab = Self { first: first.unwrap(), file: String::new() };
        wait_for("Ceph", &mut holder, || lab.path("/run/lab/ready").exists());
        lab.write_settings();
        lab
    }

    /// The settings for clients outside of the lab's file system.
    fn write_settings(&mut self) {
        let keyring = std::fs::read_to_string(self.path("/run/lab/admin.keyring")).unwrap();
        let key = keyring.lines().find_map(|line| line.trim().strip_prefix("key = ")).unwrap();
        let text = format!("[global]\nmon host = {MONITORS}\nkey = {key}\nkeyring = /dev/null\n");
        let path = self.path("/run/lab/client.conf");
        std::fs::write(&path, text).unwrap();
        self.file = path.display().to_string();
    }

    /// A path inside, as this machine sees it.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.first))
    }

    /// From here on the calling thread, and those that it starts, are on the machine that Ceph is on.
    pub(crate) fn enter(&self) {
        let network = std::fs::File::open(format!("/proc/{}/ns/net", self.first)).unwrap();
        nix::sched::setns(network, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may enter a network");
    }

    /// The same on the other machine.
    pub(crate) fn enter_there(&self) {
        let network = std::fs::File::open(self.path("/run/netns/there")).unwrap();
        nix::sched::setns(network, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may enter a network");
    }

    /// What enters the network of the other machine, before a program's own words.
    pub(crate) fn there(&self) -> Vec<String> {
        vec!["nsenter".into(), format!("--net={}", self.path("/run/netns/there").display())]
    }

    /// Runs a program inside to its end.
    pub(crate) fn inside(&self, program: &str, arguments: &[&str]) -> String {
        let first = self.first.to_string();
        let entry = ["-t", &first, "-m", "-p", "-n", "--", program];
        let limit = Duration::from_secs(180);
        let done = host::command::run("nsenter", &[&entry, arguments].concat(), limit).unwrap();
        assert_eq!(done.code, Some(0), "{program} {arguments:?}: {}{}", done.output, done.errors);
        done.output
    }

    /// Runs one of Ceph's own programs.
    pub(crate) fn ceph(&self, program: &str, arguments: &[&str]) -> String {
        self.inside(program, &[&["-c", "/run/lab/ceph.conf"], arguments].concat())
    }

    /// Sends a signal to these daemons.
    pub(crate) fn signal(&self, daemons: &str, signal: &str) {
        let words = format!("cd /run/lab; kill -{signal} $(cat {daemons})");
        self.inside("sh", &["-c", &words]);
    }
}

/// Starts the process that holds the namespaces.
#[expect(
    clippy::disallowed_methods,
    reason = "the lab must outlive the call that makes it, and end with this test"
)]
fn hold() -> Child {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare", "--mount", "--pid", "--net", "--uts", "--ipc"]);
    command.args(["--fork", "--kill-child=KILL", "--propagation", "private", "--", "sh", "-euc", BOOT]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().expect("setpriv of the Debian package util-linux can be started")
}

/// Waits for what the lab itself needs.
fn wait_for(what: &str, holder: &mut Child, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(240);
    while !holds() {
        let ended = holder.try_wait().expect("it is a child of this process");
        assert!(ended.is_none(), "the lab ended, which needs root and says above why: {ended:?}");
        assert!(Instant::now() < until, "the lab waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
