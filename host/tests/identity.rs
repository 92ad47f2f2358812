//! What libvirt and QEMU make of the certificates: each is asked by another node of the cluster, and by a stranger.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use host::identity::{Error, Subject, authority, pki, read};

/// Copies as libvirt and QEMU get them: of hv1 and hv2, which are of one cluster, and of a stranger called hv1.
struct Cluster(tempfile::TempDir);

impl Cluster {
    fn new() -> Self {
        let cluster = Self(tempfile::tempdir().unwrap());
        for (authority, copies, name) in [("a", "hv1", "hv1"), ("a", "hv2", "hv2"), ("b", "stranger", "hv1")]
        {
            let (authority, into) = (cluster.at(authority), cluster.at(&format!("{copies}-identity")));
            let (node, now) = (name.parse().unwrap(), SystemTime::now());
            authority::ensure(&authority, now).unwrap();
            let subject = Subject { node, names: Vec::new(), addresses: vec!["127.0.0.1".parse().unwrap()] };
            authority::issue(&authority, &subject, &into, now).unwrap();
            pki::install(&read(&into, &subject.node, now).unwrap(), &cluster.at(copies)).unwrap();
        }
        cluster
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[test]
fn a_key_that_belongs_to_another_user_is_refused() {
    let cluster = Cluster::new();
    let (folder, node) = (cluster.at("hv2-identity"), "hv2".parse().unwrap());
    std::os::unix::fs::chown(folder.join("node.key"), Some(65534), None).expect("the tests run as root");
    let refused = read(&folder, &node, SystemTime::now()).unwrap_err();
    assert!(matches!(refused, Error::Foreign { uid: 65534, .. }), "{refused}");
}

fn need(program: &str, package: &str) {
    assert!(Path::new(program).exists(), "{program} is missing: install the Debian package {package}");
}

/// QEMU's part that serves and reads disks, which does TLS with the code that migrations do it with.
struct Disks {
    child: Child,
    ready: PathBuf,
}

impl Disks {
    fn start(cluster: &Cluster, copies: &str, side: &str, options: &[&str]) -> Self {
        need("/usr/bin/qemu-storage-daemon", "qemu-system-common");
        need("/usr/bin/setpriv", "util-linux");
        let ready = cluster.at(&format!("{copies}-{side}.pid"));
        drop(std::fs::remove_file(&ready));
        let folder = cluster.at(copies).join("qemu");
        #[expect(clippy::disallowed_methods, reason = "it runs beside the test until it is killed")]
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "qemu-storage-daemon", "--object"])
            .arg(format!("tls-creds-x509,id=tls,dir={},endpoint={side},verify-peer=on", folder.display()))
            .args(options)
            .args([Path::new("--pidfile"), &ready])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, ready }
    }

    /// Whether it has come as far as it was asked to. It ends by itself where it cannot.
    fn is_ready(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            if self.ready.exists() {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < end, "it neither came up nor gave up within 120 s");
            std::thread::yield_now();
        }
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn qemu_believes_the_nodes_of_its_cluster_by_name_and_address_and_nobody_else() {
    let cluster = Cluster::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let serve = format!("addr.type=inet,addr.host=127.0.0.1,addr.port={port},tls-creds=tls");
    let disk = [
        "--blockdev",
        "null-co,node-name=disk,size=1048576",
        "--export",
        "nbd,id=export,node-name=disk,name=disk",
    ];
    let mut node = Disks::start(&cluster, "hv2", "server", &[&["--nbd-server", &serve], &disk[..]].concat());
    assert!(node.is_ready(), "QEMU refuses the certificates of the node that serves");
    let reaches = |copies: &str, name: &str| {
        let disk = format!(
            "nbd,node-name=disk,read-only=on,server.type=inet,server.host=127.0.0.1,server.port={port},export=disk,\
             tls-creds=tls,tls-hostname={name}"
        );
        Disks::start(&cluster, copies, "client", &["--blockdev", &disk]).is_ready()
    };
    assert!(reaches("hv1", "hv2"), "by its name");
    assert!(reaches("hv1", "127.0.0.1"), "by its address");
    assert!(!reaches("hv1", "hv3"), "it is not the one that was dialled");
    assert!(!reaches("stranger", "hv2"), "neither side believes the other");
}

/// In namespaces of its own, where the copies lie at their usual place. What it says is read by the test.
const LIBVIRT: &str = r#"
set -e
ip link set lo up
# Opening it hangs on some machines, and nothing here needs it.
[ ! -e /dev/kvm ] || mount --bind /dev/null /dev/kvm
mount -t tmpfs tmpfs /run
for folder in /var/lib /var/log /var/cache; do mount -t tmpfs tmpfs $folder; done
mkdir -p /run/libvirt /run/lock /var/log/libvirt /var/lib/libvirt /var/cache/libvirt
cp -a /etc /run/etc
rm -rf /run/etc/pki
cp -a "$1/hv2" /run/etc/pki
echo '127.0.0.1 localhost hv2 hv3' >/run/etc/hosts
# The user that libvirt looks for, where the package that makes it is not installed.
grep -q ^libvirt-qemu: /etc/passwd || echo 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin' >>/run/etc/passwd
grep -q ^libvirt-qemu: /etc/group || echo 'libvirt-qemu:x:64055:' >>/run/etc/group
grep -q ^kvm: /etc/group || echo 'kvm:x:64056:' >>/run/etc/group
cat >/run/etc/libvirt/libvirtd.conf <<X
listen_tls = 1
listen_tcp = 0
auth_tls = "none"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
log_outputs = "3:file:/run/libvirtd.log"
X
mount --bind /run/etc /etc
libvirtd --listen --daemon || { cat /run/libvirtd.log; exit 1; }
client() {
    mkdir -p "/run/$1"
    cp "$2/CA/cacert.pem" "$2/libvirt/clientcert.pem" "$2/libvirt/private/clientkey.pem" "/run/$1"
}
client hv1 "$1/hv1"
client stranger "$1/stranger"
ask() {
    if virsh -q -c "test+tls://$2/default$3" list --all >/run/said 2>&1; then echo "$1: answered"; else
        echo "$1: refused"
        sed "s/^/$1: /" /run/said >&2
    fi
}
ask usual hv2 ''
ask name hv2 '?pkipath=/run/hv1'
ask address 127.0.0.1 '?pkipath=/run/hv1'
ask other hv3 '?pkipath=/run/hv1'
ask stranger hv2 '?pkipath=/run/stranger'
# Renewal, as pki::reload has it read: the same server, and from now on a stranger's.
for file in CA/cacert.pem libvirt/servercert.pem libvirt/private/serverkey.pem; do
    cp "$1/stranger/$file" "/etc/pki/$file"
done
virt-admin server-update-tls libvirtd >&2 && ask renewed hv2 '?pkipath=/run/hv1'
"#;

#[test]
fn libvirt_believes_the_nodes_of_its_cluster_by_name_and_address_and_nobody_else() {
    for (program, package) in [
        ("/usr/sbin/libvirtd", "libvirt-daemon"),
        ("/usr/bin/virsh", "libvirt-clients"),
        ("/etc/libvirt", "libvirt-clients"),
        ("/usr/bin/unshare", "util-linux"),
        ("/usr/bin/ip", "iproute2"),
    ] {
        need(program, package);
    }
    let cluster = Cluster::new();
    let folder = cluster.0.path().display().to_string();
    let entry = ["--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let arguments = [&entry, &["sh", "-c", LIBVIRT, "sh", &folder][..]].concat();
    let done = host::command::run("unshare", &arguments, Duration::from_secs(300)).unwrap();
    let lines: Vec<&str> = done.output.lines().collect();
    let expected = [
        "usual: answered",
        "name: answered",
        "address: answered",
        "other: refused",
        "stranger: refused",
        "renewed: refused",
    ];
    assert_eq!(lines, expected, "{}{}", done.output, done.errors);
}
