//! A real libvirt with its log daemon, in mount, process and network namespaces of its own.
//!
//! All it writes is in file systems of memory that only its namespaces see, and its first process dies with this
//! test's: so nothing is left behind, however the test ends. Its `/dev` has no `kvm`, which hangs on some machines.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host::hypervisor::{Activity, Hypervisor};
use host::libvirt::{Deadlines, Libvirt};
use logic::id::VmId;
use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;

use crate::guest::{CONSOLES, DB, Guest, IMAGES, WEB, boot_disk, disk_xml};
use crate::world::{Insight, World};

/// What the first process does before it waits for the end.
const BOOT: &str = r#"
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
for folder in /etc/libvirt /var/lib /var/log /var/cache; do mount -t tmpfs -o mode=755 tmpfs $folder; done
mkdir -p /run/libvirt /run/lock /run/dev /var/log/libvirt/qemu /var/lib/libvirt /var/cache/libvirt
mount -t tmpfs -o mode=755 tmpfs /run/dev
mkdir /run/dev/net /run/dev/pts /run/dev/shm
for node in null zero full random urandom net/tun; do
    touch /run/dev/$node && mount --bind /dev/$node /run/dev/$node
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts /run/dev/pts
ln -s pts/ptmx /run/dev/ptmx
ln -s /proc/self/fd /run/dev/fd
mount --move /run/dev /dev
# The user that libvirt looks for, where the package that makes it is not installed.
for list in passwd group; do cp /etc/$list /run/$list; done
grep -q ^libvirt-qemu: /run/passwd || echo 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin' >>/run/passwd
grep -q ^libvirt-qemu: /run/group || echo 'libvirt-qemu:x:64055:' >>/run/group
grep -q ^kvm: /run/group || echo 'kvm:x:64056:' >>/run/group
for list in passwd group; do mount --bind /run/$list /etc/$list; done
cat >/etc/libvirt/libvirtd.conf <<X
listen_tls = 0
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
log_outputs = "3:file:/var/log/libvirtd.log"
X
cat >/etc/libvirt/qemu.conf <<X
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "logd"
X
printf 'max_size = 4096\nmax_backups = 1\n' >/etc/libvirt/virtlogd.conf
touch /run/ready
exec tini -s -- sleep infinity
"#;

/// A libvirt of its own. Its guests are TCG, so that no processor has to support anything.
pub(crate) struct Lab {
    /// The process that holds the namespaces; it ends with the thread that made it, and everything inside with it.
    holder: Child,
    /// The first process inside, as this machine numbers it.
    first: u32,
    /// How libvirt is started.
    libvirtd: &'static [&'static str],
}

impl Drop for Lab {
    #[expect(clippy::print_stdout, reason = "a failed test shows what libvirt said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.path("/var/log/libvirtd.log")).unwrap_or_default();
            println!("libvirtd's log:\n{log}");
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Lab {
    /// Starts libvirt with the log daemon, and lays out the guests' disks.
    pub(crate) fn start() -> Self {
        for (program, package) in [
            ("/usr/sbin/libvirtd", "libvirt-daemon"),
            ("/usr/sbin/virtlogd", "libvirt-daemon"),
            (
                "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so",
                "libvirt-daemon-driver-qemu",
            ),
            ("/usr/bin/qemu-system-x86_64", "qemu-system-x86"),
            ("/etc/libvirt", "libvirt-clients"),
            ("/usr/bin/tini", "tini"),
            ("/usr/bin/setpriv", "util-linux"),
        ] {
            assert!(
                std::path::Path::new(program).exists(),
                "{program} is missing: install the Debian package {package}"
            );
        }
        let holder = hold();
        let mut lab = Self { first: 0, holder, libvirtd: &["--daemon"] };
        lab.first = lab.first_inside();
        wait_for("the namespaces to be ready", || {
            lab.assert_held();
            lab.path("/run/ready").exists()
        });
        for folder in [IMAGES, CONSOLES] {
            std::fs::create_dir_all(lab.path(folder)).unwrap();
        }
        for guest in [WEB, DB] {
            lab.lay_out(&guest, &guest.says());
        }
        std::fs::write(lab.path(&format!("{IMAGES}/spare.img")), vec![0; 1 << 20]).unwrap();
        lab.inside("virtlogd", &["--daemon"]);
        lab.start_libvirtd();
        lab
    }

    /// Lays out a guest's boot disk.
    pub(crate) fn lay_out(&self, guest: &Guest, text: &str) {
        std::fs::write(self.path(&format!("{IMAGES}/{}.img", guest.name)), boot_disk(text)).unwrap();
    }

    /// A path inside, as this machine sees it.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.first))
    }

    /// Sends a signal to the process that a file of libvirt's names.
    pub(crate) fn signal(&self, pid_file: &str, signal: &str) {
        let pid = std::fs::read_to_string(self.path(pid_file)).unwrap();
        self.inside("sh", &["-c", &format!("kill -{signal} {}", pid.trim())]);
    }

    /// The file that names a guest's process.
    pub(crate) fn pid_file(guest: &Guest) -> String {
        format!("/run/libvirt/qemu/{}.pid", guest.name)
    }

    /// How many guests' processes there truly are.
    pub(crate) fn count_processes(&self) -> usize {
        let found = self.inside("sh", &["-c", "grep -lz '^guest=' /proc/[0-9]*/cmdline || true"]);
        found.lines().count()
    }

    /// How many sockets libvirt has open, those of its clients included.
    pub(crate) fn libvirtd_socket_count(&self) -> usize {
        let found = self.inside("sh", &["-c", "ls -l /proc/$(cat /run/libvirtd.pid)/fd || true"]);
        found.lines().filter(|line| line.contains("socket:")).count()
    }

    /// Where its libvirt is reached.
    pub(crate) fn uri(&self) -> String {
        format!("qemu+unix:///system?socket={}", self.path("/run/libvirt/libvirt-sock").display())
    }

    fn start_libvirtd(&self) {
        self.inside("libvirtd", self.libvirtd);
    }

    /// Starts libvirt anew with other arguments, which it keeps.
    pub(crate) fn restart_libvirtd(&mut self, arguments: &'static [&'static str]) {
        self.cut();
        self.libvirtd = arguments;
        self.start_libvirtd();
    }

    /// From here on the calling thread, and those that it starts, see the network that the lab sees.
    pub(crate) fn enter_network(&self) {
        let network = std::fs::File::open(format!("/proc/{}/ns/net", self.first)).unwrap();
        nix::sched::setns(network, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may enter a network");
    }

    /// The first process inside, as this machine numbers it.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    /// Runs a program inside to its end. A daemon's end is that of the process that started it, once it is ready.
    pub(crate) fn inside(&self, program: &str, arguments: &[&str]) -> String {
        let first = self.first.to_string();
        let entry = ["-t", &first, "-m", "-p", "-n", "-u", "-i", "--", program];
        let done =
            host::command::run("nsenter", &[&entry, arguments].concat(), Duration::from_secs(180)).unwrap();
        assert_eq!(done.code, Some(0), "{program} {arguments:?}: {}{}", done.output, done.errors);
        done.output
    }

    /// The holder's child, which is the first process inside.
    fn first_inside(&mut self) -> u32 {
        let holder = self.holder.id();
        let children = format!("/proc/{holder}/task/{holder}/children");
        let mut first = None;
        wait_for("the first process", || {
            self.assert_held();
            first = std::fs::read_to_string(&children).ok().and_then(|text| text.trim().parse().ok());
            first.is_some()
        });
        first.unwrap()
    }

    /// Fails where the namespaces are not there any more, or never were.
    fn assert_held(&mut self) {
        let ended = self.holder.try_wait().expect("it is a child of this process");
        assert!(ended.is_none(), "the namespaces could not be made, which needs root: {ended:?}");
    }

    fn open_with(&self, deadlines: Deadlines) -> Arc<dyn Hypervisor> {
        Arc::new(Libvirt::open(&self.uri(), deadlines))
    }

    /// From here on libvirt answers, and hears of no guest's end: the one thread that it hears of them on waits for a guest
    /// that hangs just when a device of its has gone.
    fn deafen(&self) {
        let stuck = Guest { vm: VmId(Uuid::from_u128(99)), name: "stuck" };
        self.lay_out(&stuck, &stuck.says());
        let monitor = "<qemu:commandline><qemu:arg value='-qmp'/>\
                       <qemu:arg value='unix:/run/stuck.qmp,server=on,wait=off'/></qemu:commandline></domain>";
        let document = stuck
            .document()
            .replace("<domain ", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' ")
            .replace("</devices>", &format!("{}</devices>", disk_xml()))
            .replace("</domain>", monitor);
        self.by_hand(|connect| Domain::create_xml(connect, &document, 0).map(drop));
        self.hang();
        self.remove_device(&self.path("/run/stuck.qmp"), "usb-disk1");
        self.signal(&Self::pid_file(&stuck), "STOP");
        self.heal();
        wait_for("libvirt to be deaf", || {
            self.start_by_hand(&DB);
            self.crash(&DB);
            let until = Instant::now() + Duration::from_secs(2);
            let is_told = || self.by_hand(|connect| Ok(Domain::lookup_by_uuid(connect, DB.vm.0).is_ok()));
            while is_told() && Instant::now() < until {
                self.pass_time();
            }
            is_told()
        });
    }

    /// Has QEMU take a device away, by a monitor that libvirt knows nothing of.
    fn remove_device(&self, monitor: &std::path::Path, id: &str) {
        let mut monitor = std::os::unix::net::UnixStream::connect(monitor).unwrap();
        let orders = format!(
            "{{\"execute\":\"qmp_capabilities\"}}\n\
             {{\"execute\":\"device_del\",\"arguments\":{{\"id\":\"{id}\"}}}}\n"
        );
        monitor.write_all(orders.as_bytes()).unwrap();
        monitor.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut told = BufReader::new(monitor).lines().map(|line| line.expect("QEMU says what it did"));
        assert!(told.any(|line| line.contains("DEVICE_DELETED")));
    }

    /// Does something to guests past PVC.
    fn by_hand<T>(&self, act: impl FnOnce(&Connect) -> Result<T, virt::error::Error>) -> T {
        let mut connect = Connect::open(Some(&self.uri())).unwrap();
        let outcome = act(&connect).unwrap();
        connect.close().unwrap();
        outcome
    }
}

/// Starts the process that holds the namespaces. It is killed when the thread that made it ends, and kills what is
/// inside.
#[expect(
    clippy::disallowed_methods,
    reason = "the lab must outlive the call that makes it, and end with this test"
)]
fn hold() -> Child {
    let mut command = Command::new("setpriv");
    command.args([
        "--pdeathsig",
        "KILL",
        "--",
        "unshare",
        "--mount",
        "--pid",
        "--net",
        "--uts",
        "--ipc",
        "--fork",
    ]);
    command.args(["--kill-child=KILL", "--propagation", "private", "--", "sh", "-euc", BOOT]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().expect("setpriv of the Debian package util-linux can be started")
}

/// Waits for what the lab itself needs.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(180);
    while !holds() {
        assert!(Instant::now() < until, "the lab waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

impl Insight for Lab {
    fn disk_size_bytes(&self, guest: &Guest, target: &str) -> u64 {
        self.by_hand(|connect| Domain::lookup_by_uuid(connect, guest.vm.0)?.get_block_info(target, 0))
            .capacity
    }

    fn secret(&self, id: Uuid) -> Option<Vec<u8>> {
        let kept = std::fs::read_to_string(self.path(&format!("/etc/libvirt/secrets/{id}.base64"))).ok()?;
        Some(base64::Engine::decode(&base64::prelude::BASE64_STANDARD, kept.trim()).unwrap())
    }

    fn forget_secret(&self, id: Uuid) {
        self.by_hand(|connect| virt::secret::Secret::lookup_by_uuid(connect, id)?.undefine());
    }

    fn crash_unseen(&self, guest: &Guest) {
        self.deafen();
        self.crash(guest);
    }
}

impl World for Lab {
    fn open(&self) -> Arc<dyn Hypervisor> {
        self.open_with(Deadlines { look: Duration::from_secs(60), change: Duration::from_secs(180) })
    }

    fn open_hasty(&self) -> (Arc<dyn Hypervisor>, Duration) {
        let deadline = Duration::from_millis(700);
        (self.open_with(Deadlines { look: deadline, change: deadline }), deadline)
    }

    fn start_by_hand(&self, guest: &Guest) {
        self.by_hand(|connect| Domain::create_xml(connect, &guest.document(), 0).map(drop));
    }

    fn stop_by_hand(&self, vm: VmId) {
        self.by_hand(|connect| Domain::lookup_by_uuid(connect, vm.0)?.destroy());
    }

    fn set_activity(&self, vm: VmId, activity: Activity) {
        self.by_hand(|connect| {
            let domain = Domain::lookup_by_uuid(connect, vm.0)?;
            match activity {
                Activity::Running => domain.resume(),
                Activity::Paused => domain.suspend(),
            }
        });
    }

    fn crash(&self, guest: &Guest) {
        self.signal(&Self::pid_file(guest), "KILL");
    }

    fn hang(&self) {
        self.signal("/run/libvirtd.pid", "STOP");
    }

    fn cut(&self) {
        self.signal("/run/libvirtd.pid", "KILL");
        // Its socket is left behind and refuses, as after any crash.
        let is_gone =
            || std::os::unix::net::UnixStream::connect(self.path("/run/libvirt/libvirt-sock")).is_err();
        wait_for("libvirt's end", is_gone);
    }

    fn heal(&self) {
        if std::os::unix::net::UnixStream::connect(self.path("/run/libvirt/libvirt-sock")).is_ok() {
            self.signal("/run/libvirtd.pid", "CONT");
        } else {
            self.start_libvirtd();
        }
    }

    fn pass_time(&self) {
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
