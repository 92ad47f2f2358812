//! ZooKeeper servers from Debian's package with a configuration of our own, in a temporary folder on loopback ports.
//!
//! They end with the value, and with the test's process if it is killed.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// What is needed, and which Debian package has it.
const NEEDED: [(&str, &str); 4] = [
    ("/usr/bin/java", "openjdk-17-jre-headless"),
    ("/usr/bin/setpriv", "util-linux"),
    ("/usr/share/java/zookeeper.jar", "libzookeeper-java"),
    ("/usr/share/java/slf4j-simple.jar", "libslf4j-java"),
];

/// Small and quick to start: no server here holds more than some megabytes.
const JVM: [&str; 10] = [
    "-Xmx128m",
    "-Xshare:auto",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    // With only some of the machine's control groups in sight the JVM would end at once.
    "-XX:-UseContainerSupport",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dzookeeper.jmx.log4j.disable=true",
    "-Dzookeeper.preAllocSize=1024",
    "-cp",
    // The two parts of Netty are missing in what Debian's ZooKeeper says it needs; TLS does.
    "/usr/share/java/slf4j-simple.jar:/usr/share/java/zookeeper.jar:\
     /usr/share/java/netty-codec.jar:/usr/share/java/netty-resolver.jar",
];

/// How long servers may take to serve.
const START_WAIT: Duration = Duration::from_secs(180);

/// What a server is besides the usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    /// Further lines of `zoo.cfg`.
    pub(crate) settings: String,
    /// Further options of the JVM.
    pub(crate) options: Vec<String>,
}

/// One server, running or not.
#[derive(Debug)]
struct Server {
    port: u16,
    home: PathBuf,
    extra: Extra,
    process: Option<Child>,
}

/// One server, or several that form an ensemble.
#[derive(Debug)]
pub(crate) struct Servers {
    servers: Vec<Server>,
    _folder: tempfile::TempDir,
}

/// Ports of loopback that were free just now, each given once. They lie below those that Linux takes for connections
/// that go out, so that none of these is in the way when a server starts.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 12_000 * 499 % 12_000).expect("it is small");
    let ports =
        std::iter::repeat_with(|| 20_000 + (first + NEXT.fetch_add(1, Ordering::SeqCst) % 12_000) % 12_000);
    ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).take(count).collect()
}

impl Servers {
    /// Starts `count` servers and waits until they serve.
    pub(crate) fn start(count: usize) -> Self {
        Self::start_with(count, &Extra::default(), |_, port| port)
    }

    /// The same with something special. `way` says by which port a server reaches another, given its own number and
    /// the other's port.
    pub(crate) fn start_with(count: usize, extra: &Extra, mut way: impl FnMut(usize, u16) -> u16) -> Self {
        for (file, package) in NEEDED {
            assert!(Path::new(file).exists(), "{file} is missing: install the Debian package {package}");
        }
        let folder = tempfile::tempdir().expect("the machine has a folder for temporary files");
        let ports = free_ports(count * 3);
        let mut servers = Vec::new();
        for (number, own) in ports.chunks(3).enumerate() {
            let mut members = String::new();
            for (other, ports) in ports.chunks(3).enumerate().filter(|_| count > 1) {
                let port = if other == number { ports[1] } else { way(number, ports[1]) };
                writeln!(members, "server.{}=127.0.0.1:{port}:{}", other + 1, ports[2]).expect("text grows");
            }
            let home = folder.path().join(format!("server{number}"));
            fs::create_dir_all(&home).expect("the folder was just made");
            fs::write(home.join("myid"), (number + 1).to_string()).expect("the folder was just made");
            let port = own[0];
            let text = format!(
                "tickTime=500\ninitLimit=60\nsyncLimit=6\nmaxSessionTimeout=60000\ndataDir={}\nclientPort={port}\n\
                 clientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n\
                 4lw.commands.whitelist=srvr\n{members}{}",
                home.display(),
                extra.settings
            );
            fs::write(home.join("zoo.cfg"), text).expect("the folder was just made");
            servers.push(Server { port, home, extra: extra.clone(), process: None });
        }
        let mut started = Self { servers, _folder: folder };
        started.run_all();
        started
    }

    /// The number of a server that follows another.
    pub(crate) fn follower(&self) -> usize {
        let follows = |server: &Server| server.mode().as_deref() == Some("follower");
        let find = || self.servers.iter().position(follows);
        found(find, "an ensemble that serves has followers")
    }

    /// The servers as the store's address.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect()
    }

    /// Starts those that do not run, and waits until all serve.
    pub(crate) fn run_all(&mut self) {
        for server in &mut self.servers {
            server.run();
        }
        let began = Instant::now();
        while !self.servers.iter().all(|server| server.mode().is_some()) {
            assert!(began.elapsed() < START_WAIT, "not within {START_WAIT:?}:\n{}", self.said());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Kills the leader without a word.
    pub(crate) fn kill_leader(&mut self) {
        let leads = |server: &Server| server.mode().as_deref() == Some("leader");
        let find = || self.servers.iter().position(leads);
        let leader = found(find, "an ensemble that serves has a leader");
        self.servers[leader].kill();
    }

    /// Kills all of them without a word.
    pub(crate) fn kill_all(&mut self) {
        self.servers.iter_mut().for_each(Server::kill);
    }

    fn said(&self) -> String {
        let said = |server: &Server| fs::read_to_string(server.home.join("log")).unwrap_or_default();
        self.servers.iter().map(said).collect::<Vec<_>>().join("\n")
    }
}

/// A server that is busy says late what it is.
fn found(find: impl Fn() -> Option<usize>, claim: &str) -> usize {
    let began = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(began.elapsed() < START_WAIT, "{claim}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.kill_all();
    }
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "the test needs real servers")]
    fn run(&mut self) {
        if self.process.is_some() {
            return;
        }
        let log = fs::File::create(self.home.join("log")).expect("the folder is there");
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--pdeathsig", "KILL", "/usr/bin/java"]).args(&self.extra.options).args(JVM);
        command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(self.home.join("zoo.cfg"));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        self.process = Some(command.spawn().expect("Java is there"));
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// What it says it is; `None` while it does not serve.
    fn mode(&self) -> Option<String> {
        self.process.as_ref()?;
        let wait = Duration::from_millis(500);
        let mut stream =
            TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), wait).ok()?;
        stream.set_read_timeout(Some(wait)).ok()?;
        stream.write_all(b"srvr").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.lines().find_map(|line| line.strip_prefix("Mode: "))?.to_owned())
    }
}
