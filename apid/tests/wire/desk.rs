//! A cluster of one node in memory, its API, and a node's link that answers by rote.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apid::auth::Tokens;
use apid::nodes::{LocalNode, Nodes};
use apid::view::View;
use apid::{Api, Settings, Storage, Transport, routes};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use link::message::Request as Asked;
use link::server::{Answer as Answers, Ended, Limits, Server, Sink};
use logic::config::Token;
use logic::id::VmId;
use logic::node::{BootId, DaemonState, Node, NodeStatus, Presence, Role};
use logic::record::{Expect, Record, RecordId, Records};
use logic::time::{BootTime, WallTime};
use logic::vm::{Phase, VmFact};
use serde_json::Value;
use store::Store;
use store::memory::{Memory, MemoryStore};
use store::records::commit_records;
use tokio::sync::watch;
use tower::ServiceExt;

pub(crate) const TOKEN: &str = "open-sesame-0123456789";
pub(crate) const UUID: &str = "bdd640fb-0667-4ad1-9c80-317fa3b1799d";
pub(crate) const BOOT: BootId = BootId(uuid::uuid!("00000000-0000-4000-8000-000000000001"));

/// How long anything may take here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// For how long the silent console says nothing.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

pub(crate) struct Desk {
    pub(crate) memory: Memory,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) router: Router,
    pub(crate) api: Arc<Api>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) socket: PathBuf,
    _folder: tempfile::TempDir,
    _node: Server,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The sentence, or the sentence of each parameter.
    pub(crate) fn message(&self) -> String {
        api::message_text(&self.json()).unwrap_or_else(|| panic!("no message: {}", self.text))
    }
}

pub(crate) fn tokens(words: &[&str]) -> Tokens {
    let token = |word: &&str| Token { description: String::new(), token: (*word).into() };
    Tokens::new(words.iter().map(token).collect())
}

/// An API over a store, and where its node's link is.
pub(crate) fn api_over(
    store: Arc<dyn Store>,
    tokens: Tokens,
    socket: PathBuf,
) -> (Arc<Api>, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    let nodes = Nodes::new(Arc::new(LocalNode {
        node: "hv1".parse().expect("a name"),
        worker_socket: socket.clone(),
        socket,
    }));
    let api = Api {
        view: View::open("memory", 2 * PATIENCE, move || Ok(Arc::clone(&store))),
        nodes,
        tokens,
        shapes: Arc::default(),
        settings: Settings {
            cluster: "test".into(),
            upstream_ip: "192.0.2.250/24".into(),
            vm_shutdown_timeout: Duration::from_secs(2),
            transport: Transport::Plain,
            storage: Storage::Configured,
            task_wait: PATIENCE,
        },
        stopping,
    };
    (Arc::new(api), stop)
}

impl Desk {
    /// An initialised cluster of the node `hv1` with 8 GiB and 4 CPUs.
    pub(crate) async fn new() -> Self {
        let desk = Self::bare();
        desk.commit(registration());
        let begun = desk.ask("POST", "/initialize", &[("yes-i-really-mean-it", "yes")]).await;
        assert_eq!(begun.status, StatusCode::OK, "{}", begun.text);
        desk
    }

    /// A store without any record.
    pub(crate) fn bare() -> Self {
        let memory = Memory::on_real_time();
        let store = Arc::new(memory.open());
        let folder = tempfile::tempdir().expect("the machine has a place for temporary files");
        let socket = folder.path().join("link.sock");
        let listener = Arc::new(link::transport::listen_unix(&socket).expect("nobody else listens there"));
        let uploads = Arc::new(Uploads::default());
        let rote = Rote { uploads: Arc::clone(&uploads), ..Rote::default() };
        let node = Server::start(listener, Arc::new(rote), Limits::default());
        let (api, stop) = api_over(store.clone(), tokens(&[TOKEN, "another"]), socket.clone());
        let router = routes::router(&api);
        Self { router, memory, store, api, stop, uploads, socket, _folder: folder, _node: node }
    }

    pub(crate) fn commit(&self, records: Records) {
        commit_records(&*self.store, &records).expect("nobody else writes it");
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.router, request).await
    }

    /// Asks with the token, the parameters in the query for a read and in a form for a write.
    pub(crate) async fn ask(&self, method: &str, path: &str, parameters: &[(&str, &str)]) -> Answer {
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let request = Request::builder().method(method).header("X-Api-Key", TOKEN);
        let request = if method == "GET" {
            let mark = if text.is_empty() { "" } else { "?" };
            request.uri(format!("/api/v1{path}{mark}{text}")).body(Body::empty())
        } else {
            let kind = "application/x-www-form-urlencoded";
            request.uri(format!("/api/v1{path}")).header("Content-Type", kind).body(text.into())
        };
        self.send(request.expect("a request")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    /// Defines a VM and expects that it is accepted.
    pub(crate) async fn define(&self, name: &str, uuid: &str) {
        let answer = self.ask("POST", "/vm", &[("xml", &xml(name, uuid))]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }

    /// Writes the node's word about a VM: it runs, or not, and the newest wish is fulfilled.
    pub(crate) fn say(&self, uuid: &str, phase: Phase, wish_done: u64) {
        let node = "hv1".parse().expect("a name");
        self.say_fact(uuid, VmFact { phase, wish_done, incarnation: 1, ..VmFact::new(node, BOOT) });
    }

    /// Writes a node's word about a VM.
    pub(crate) fn say_fact(&self, uuid: &str, fact: VmFact) {
        let id: VmId = uuid.parse().expect("a UUID");
        let key = store::key::path(&RecordId::VmFact(id));
        let expect = match self.store.read(&key).expect("the store answers") {
            Some(entry) => Expect::Version(entry.version),
            None => Expect::Absent,
        };
        self.commit(Records::default().write(RecordId::VmFact(id), expect, fact.into()));
    }

    /// Asks again until the answer is as expected.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let ask = async {
            let mut pauses = tokio::time::interval(Duration::from_millis(20));
            loop {
                pauses.tick().await;
                let answer = self.get(path).await;
                if wanted(&answer) {
                    return answer;
                }
            }
        };
        tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| panic!("{path} never was as expected"))
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 64 << 20).await.expect("the answer is not longer");
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(bytes.into()).expect("the answer is text"),
    }
}

fn registration() -> Records {
    registration_of("hv1", DaemonState::Run, 8192)
}

/// The records of a node of 4 CPUs and so much memory whose daemon does this.
pub(crate) fn registration_of(node: &str, daemon: DaemonState, memory_mib: u64) -> Records {
    let name = || node.parse().expect("a name");
    let node = Node {
        boot: BOOT,
        role: Role::Coordinator,
        version: "1.0".into(),
        cpu_count: 4,
        memory_total_mib: memory_mib,
        kernel: "6.1.0".into(),
        os: "GNU/Linux".into(),
        arch: "x86_64".into(),
        ..Node::default()
    };
    let status = NodeStatus {
        daemon,
        sequence: 1,
        at: WallTime(1_795_221_796_000),
        at_boot: BootTime(1),
        boot: BOOT,
        load: 0.5,
        memory_used_mib: 2048,
        memory_free_mib: 6144,
        running: vec![UUID.parse().expect("a UUID")],
        ..NodeStatus::default()
    };
    let presence = Presence { boot: BOOT, restart_planned: None };
    Records::default()
        .write(RecordId::Node(name()), Expect::Absent, node.into())
        .write(RecordId::NodeStatus(name()), Expect::Absent, status.into())
        .write(RecordId::Presence(name()), Expect::Absent, Record::from(presence))
}

/// A document such as real ones are.
pub(crate) fn xml(name: &str, uuid: &str) -> String {
    format!(
        "<domain type='kvm'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <description>A VM for tests</description>
  <memory unit='MiB'>512</memory>
  <vcpu>1</vcpu>
  <cpu><topology sockets='1' cores='1' threads='1'/></cpu>
  <os><type arch='x86_64' machine='pc-i440fx-2.7'>hvm</type></os>
  <features><acpi/><apic/><pae/></features>
  <devices>
    <emulator>/usr/bin/kvm</emulator>
    <controller type='usb' index='0'/>
    <controller type='scsi' index='0' model='virtio-scsi'/>
    <disk type='file' device='disk'><source file='/var/lib/pvc/{name}.img'/><target dev='sda' bus='scsi'/></disk>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:01'/><source bridge='vmbr1000'/><model type='virtio'/>
    </interface>
    <console type='pty'/>
  </devices>
</domain>"
    )
}

/// A node that knows its answers by rote.
#[derive(Debug, Default)]
struct Rote {
    silence: Mutex<()>,
    uploads: Arc<Uploads>,
}

/// What was brought for each task, or why it was not taken.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    pub(crate) taken: Mutex<BTreeMap<String, Result<Vec<u8>, String>>>,
    /// How many bytes were taken of what is brought now.
    pub(crate) count: AtomicUsize,
    /// While this is so, nothing is taken.
    pub(crate) held: AtomicBool,
}

impl Uploads {
    /// Takes content in, but not what begins with the word FULL.
    fn take(&self, content: &mut dyn Read) -> Result<Vec<u8>, String> {
        let (mut whole, mut part) = (Vec::new(), vec![0; 64 * 1024]);
        self.count.store(0, Ordering::SeqCst);
        loop {
            let count = content.read(&mut part).map_err(|error| error.to_string())?;
            whole.extend_from_slice(&part[..count]);
            self.count.fetch_add(count, Ordering::SeqCst);
            while self.held.load(Ordering::SeqCst) {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            match count {
                0 => return Ok(whole),
                _ if whole.starts_with(b"FULL") => return Err("the storage is full".into()),
                _ => {}
            }
        }
    }
}

impl Answers for Rote {
    fn take_in(&self, request: &Asked, content: &mut (dyn Read + Send)) -> Result<(), Ended> {
        let Asked::Upload { task } = request else { panic!("nothing else is brought") };
        let taken = self.uploads.take(content);
        let outcome = taken.as_ref().map(drop).map_err(|why| Ended::Refused { why: why.clone() });
        self.uploads.taken.lock().expect("no test panics while it takes").insert(task.clone(), taken);
        outcome
    }

    fn answer(&self, request: &Asked, sink: &mut dyn Sink) -> Result<(), Ended> {
        let follows = match request {
            Asked::Console { name, .. } if name == "silent" => {
                let _quiet = self.silence.lock();
                std::thread::park_timeout(SILENCE);
                return Ok(());
            }
            Asked::Console { name, .. } if name == "none" => {
                return Err(Ended::Refused { why: "it never ran here".into() });
            }
            Asked::Console { lines, follow, .. } | Asked::Log { lines, follow } => {
                for line in 0..*lines {
                    sink.send(format!("line {line}\n").as_bytes())?;
                }
                *follow
            }
            Asked::Upload { .. } => return Err(Ended::Refused { why: "it is brought".into() }),
            Asked::Statistics => {
                let statistics = format!(
                    r#"{{"{UUID}": {{"memory": {{"actual": 524288, "rss": 4242}}, "cpu": {{"cpu_time": 77}},
                    "disks": {{"sda": {{"rd_req": 5, "wr_bytes": 6}}}},
                    "interfaces": {{"52:54:00:00:00:01": {{"rd_bytes": 8}}}}, "vnc": ["127.0.0.1", 5900]}}}}"#
                );
                // In two parts, as a long message would be.
                let (first, second) = statistics.split_at(40);
                sink.send(first.as_bytes())?;
                sink.send(second.as_bytes())?;
                true
            }
        };
        if !follows {
            return Ok(());
        }
        loop {
            std::thread::park_timeout(Duration::from_millis(10));
            sink.rest()?;
        }
    }
}
