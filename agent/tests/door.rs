//! A node as it is set up by hand: its identity is made, its daemon serves another machine, and libvirt has its copies.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use link::client::{Client, Patience};
use link::message::Request;
use link::transport::Identity;

/// Runs a program with an `/etc` of its own, so that what is laid out there is seen by nobody else. It ends with the
/// test.
const APART: &str = r#"
set -e
test -d "$0/etc" || cp -a /etc "$0/etc"
mount --bind "$0/etc" /etc
exec "$@"
"#;

fn apart(folder: &Path, words: &[&str]) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the test starts the program it is about")]
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare", "--mount", "sh", "-c", APART]);
    command.arg(folder).arg(env!("CARGO_BIN_EXE_pvcnoded")).args(words).stdin(Stdio::null());
    command
}

/// A running daemon, ended when the test ends, however that is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn configured(folder: &Path, node: &str, address: SocketAddr) -> String {
    let root = folder.display();
    let text = format!(
        "store = \"sqlite://{root}/store.db\"\nnode = \"{node}\"\nlink.listen = \"{address}\"\n\
         [hypervisor]\nuri = \"qemu+unix:///system?socket={root}/none\"\nkind = \"qemu\"\nconsole_directory = \"{root}/consoles\"\n\
         [log]\ndirectory = \"{root}/log\"\n[path]\nrun = \"{root}/run\"\nidentity = \"{root}/{node}\"\n"
    );
    let file = folder.join(format!("{node}.toml"));
    std::fs::write(&file, text).expect("the test can");
    file.display().to_string()
}

fn told(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn a_node_that_was_given_an_identity_serves_another_machine() {
    let folder = tempfile::tempdir().expect("the test can");
    let root = folder.path();
    let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("the test can");
    let (hv1, hv2) = (configured(root, "hv1", address), configured(root, "hv2", address));
    let run = |words: &[&str]| told(&apart(root, words).output().expect("the test can"));
    run(&["identity", "create", "--config", &hv1, "127.0.0.1"]);
    let into = root.join("hv2").display().to_string();
    run(&["identity", "issue", "hv2", "--into", &into, "--config", &hv1]);
    assert!(run(&["identity", "check", "--config", &hv2]).contains("and for hv2"));
    let daemon = apart(root, &["--config", &hv1]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _daemon = Running(daemon.expect("setpriv, of the Debian package util-linux, is there"));
    let read = |name: &str| std::fs::read(root.join("hv2").join(name)).expect("it was issued");
    let ours = Identity::from_pem(&read("ca.crt"), &read("node.crt"), &read("node.key")).expect("it is good");
    let end = Instant::now() + Duration::from_secs(120);
    let mut client = loop {
        match Client::connect_tls(&[address], "hv1", &ours, Patience::default()) {
            Ok(client) => break client,
            Err(error) => assert!(Instant::now() < end, "nobody answers: {error}"),
        }
        std::thread::yield_now();
    };
    let log = client.ask(&Request::Log { lines: 100, follow: false }).expect("it answers");
    let log = String::from_utf8_lossy(&log.whole(1 << 20).expect("it is short")).into_owned();
    assert!(log.contains("pvcnoded starts"), "{log}");
    // The copies are laid out right after the door was opened.
    while !root.join("etc/pki/libvirt/private/serverkey.pem").exists() {
        assert!(Instant::now() < end, "libvirt has no copies");
        std::thread::yield_now();
    }
}
