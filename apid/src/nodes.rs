//! The links to the nodes: a guest's console, a node's log, and the statistics that each node pushes with its keepalives.
//!
//! The statistics are kept here, so that no answer waits for a node; what is old is not shown. Console and log are
//! fetched when they are asked for, with a deadline.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use link::client::{Client, Error, Patience};
use link::message::Request;
use logic::cluster::Cluster;
use logic::id::{NodeName, VmId};
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::error::ApiError;
use crate::view::{View, blocking};

mod bring;
mod dial;

pub use bring::{Place, Relay};
pub use dial::{ClusterNodes, Dial, LocalNode};

/// Statistics that are older are not shown.
const AGE_MAX: Duration = Duration::from_secs(30);

/// How long after a broken link it is made anew.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// The longest console or log that is answered at once, in bytes.
const LINES_BYTES_MAX: usize = 8 << 20;

/// The longest message of statistics, in bytes.
const STATISTICS_BYTES_MAX: usize = 16 << 20;

/// How long nodes are waited for at once; then they are waited for again.
const NODES_WAIT: Duration = Duration::from_secs(3600);

/// How many consoles and logs may be followed at once; each has a thread.
const FOLLOWED_MAX: usize = 64;

/// How many parts of a followed stream wait for a client that reads slowly.
const PARTS_WAITING_MAX: usize = 4;

/// Counters of one guest, as its node sends them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GuestStatistics {
    /// Memory statistics by name, in KiB where they are sizes.
    pub memory: BTreeMap<String, u64>,
    /// `cpu_time`, `user_time`, `system_time` in ns.
    pub cpu: BTreeMap<String, u64>,
    /// By target device.
    pub disks: BTreeMap<String, BTreeMap<String, u64>>,
    /// By MAC address.
    pub interfaces: BTreeMap<String, BTreeMap<String, u64>>,
    /// Where the screen is served.
    pub vnc: Option<(String, u16)>,
}

/// The statistics of all guests of a node.
pub type GuestsOfNode = HashMap<VmId, GuestStatistics>;

#[derive(Clone, Debug)]
struct Pushed {
    at: Instant,
    guests: Arc<GuestsOfNode>,
}

/// All nodes' statistics that are not old, for one answer.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    nodes: HashMap<NodeName, Arc<GuestsOfNode>>,
}

impl Statistics {
    /// Those of one guest, where its node has sent some.
    pub fn of(&self, node: &NodeName, vm: VmId) -> Option<&GuestStatistics> {
        self.nodes.get(node)?.get(&vm)
    }
}

/// The links to all nodes.
#[derive(Debug)]
pub struct Nodes {
    dial: Arc<dyn Dial>,
    pushed: Mutex<HashMap<NodeName, Pushed>>,
    /// Whose statistics are kept fresh. A thread that does so ends when its token is gone.
    kept: Mutex<BTreeMap<NodeName, Arc<()>>>,
    followed: Arc<Semaphore>,
    brought: Arc<Semaphore>,
}

impl Nodes {
    /// Links that are made as they are needed.
    pub fn new(dial: Arc<dyn Dial>) -> Arc<Self> {
        let followed = Arc::new(Semaphore::new(FOLLOWED_MAX));
        let brought = Arc::new(Semaphore::new(bring::BROUGHT_MAX));
        Arc::new(Self { dial, pushed: Mutex::default(), kept: Mutex::default(), followed, brought })
    }

    /// The node on this machine.
    pub fn here(&self) -> &NodeName {
        self.dial.here()
    }

    /// Keeps one node's statistics fresh, on a thread of its own, for as long as this lives and the node is kept.
    pub fn keep(self: &Arc<Self>, node: NodeName) {
        let (nodes, wanted) = (Arc::downgrade(self), Arc::new(()));
        let wish = Arc::downgrade(&wanted);
        self.kept().insert(node.clone(), wanted);
        let keep = move || {
            while let Some(dial) =
                nodes.upgrade().filter(|_| wish.strong_count() > 0).map(|n| Arc::clone(&n.dial))
            {
                let ended = receive(&nodes, &wish, &*dial, &node);
                tracing::debug!(%node, why = %ended, "the node's statistics stopped; asking again");
                std::thread::sleep(RETRY_INTERVAL);
            }
        };
        std::thread::Builder::new()
            .name("statistics".into())
            .spawn(keep)
            .expect("the machine has threads left");
    }

    /// Keeps the statistics of these nodes fresh and of no others.
    pub fn keep_only(self: &Arc<Self>, nodes: &BTreeSet<NodeName>) {
        self.kept().retain(|node, _| nodes.contains(node));
        let new: Vec<_> = nodes.iter().filter(|node| !self.kept().contains_key(*node)).cloned().collect();
        new.into_iter().for_each(|node| self.keep(node));
    }

    /// Keeps the statistics of every node fresh that is registered, and for as long as it is.
    pub async fn keep_all(self: &Arc<Self>, view: &View) {
        loop {
            let changed = |cluster: &Arc<Cluster>| {
                let registered: BTreeSet<NodeName> = cluster.nodes.keys().cloned().collect();
                (!registered.iter().eq(self.kept().keys())).then_some(registered)
            };
            if let Some(registered) = view.wait_for(NODES_WAIT, changed).await {
                self.keep_only(&registered);
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<NodeName, Arc<()>>> {
        self.kept.lock().expect("no thread panics while it says whose statistics are kept")
    }

    /// All statistics that are not old.
    pub fn statistics(&self) -> Statistics {
        let pushed = self.pushed.lock().expect("no thread panics while it puts statistics");
        let fresh = pushed.iter().filter(|(_, pushed)| pushed.at.elapsed() <= AGE_MAX);
        Statistics { nodes: fresh.map(|(node, pushed)| (node.clone(), Arc::clone(&pushed.guests))).collect() }
    }

    fn put(&self, node: &NodeName, guests: GuestsOfNode) {
        let pushed = Pushed { at: Instant::now(), guests: Arc::new(guests) };
        self.pushed.lock().expect("no thread panics while it puts statistics").insert(node.clone(), pushed);
    }

    /// Asks a node and waits for the whole answer, without the line break at its end.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when the node does not answer within two seconds, or refuses.
    pub async fn whole(&self, node: &NodeName, request: Request) -> Result<String, ApiError> {
        let (dial, asked) = (Arc::clone(&self.dial), node.clone());
        let answer = blocking(move || {
            let mut client =
                dial.dial(&asked, Patience { next: Patience::default().answer, ..Patience::default() })?;
            client.ask(&request)?.whole(LINES_BYTES_MAX)
        });
        let bytes = answer.await?.map_err(|error| unavailable(node, &error))?;
        let mut text =
            String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        Ok(text)
    }

    /// Asks a node and gives its answer part by part, until the node ends it or the parts are no longer read.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when the node does not begin to answer within two seconds, or too many are followed.
    pub async fn followed(
        &self,
        node: &NodeName,
        request: Request,
    ) -> Result<mpsc::Receiver<Bytes>, ApiError> {
        let permit = Arc::clone(&self.followed).try_acquire_owned().map_err(|_| ApiError::Unavailable {
            why: format!(
                "{FOLLOWED_MAX} consoles and logs are being followed already. Try again when one has ended."
            ),
        })?;
        let (dial, asked) = (Arc::clone(&self.dial), node.clone());
        let client = blocking(move || dial.dial(&asked, Patience::default()));
        let client = client.await?.map_err(|error| unavailable(node, &error))?;
        let (parts, received) = mpsc::channel(PARTS_WAITING_MAX);
        let lives = hang_up_with(&client, parts.clone());
        let relay = move || {
            let mut client = client;
            relay(&mut client, &request, &parts);
            drop((lives, permit));
        };
        std::thread::Builder::new().name("follow".into()).spawn(relay).map_err(|error| {
            ApiError::Unavailable { why: format!("This machine has no thread left to follow it: {error}.") }
        })?;
        Ok(received)
    }
}

/// Ends the link when whoever reads the parts has gone, also while the node has nothing to say. What is returned must
/// live as long as the link does.
fn hang_up_with(client: &Client, parts: mpsc::Sender<Bytes>) -> oneshot::Sender<()> {
    let (lives, ended) = oneshot::channel();
    let hangup = client.hangup();
    tokio::spawn(async move {
        tokio::select! {
            () = parts.closed() => if let Ok(hangup) = hangup {
                hangup.hang_up();
            },
            _ = ended => {}
        }
    });
    lives
}

/// Passes on what the node sends, until either side is gone.
fn relay(client: &mut Client, request: &Request, parts: &mpsc::Sender<Bytes>) {
    let mut answer = match client.ask(request) {
        Ok(answer) => answer,
        Err(error) => return drop(parts.blocking_send(ended(&error))),
    };
    loop {
        match answer.part() {
            Ok(Some(part)) => {
                if parts.blocking_send(part.into()).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return drop(parts.blocking_send(ended(&error))),
        }
    }
}

fn ended(error: &Error) -> Bytes {
    format!("\n[{error}]\n").into()
}

fn unavailable(node: &NodeName, error: &Error) -> ApiError {
    ApiError::Unavailable {
        why: format!(
            "Node \"{node}\" does not show it: {error}. See whether pvcnoded runs there, and try again."
        ),
    }
}

/// Takes in statistics until the link breaks or nobody wants them.
fn receive(nodes: &Weak<Nodes>, wish: &Weak<()>, dial: &dyn Dial, node: &NodeName) -> String {
    let mut client =
        match dial.dial(node, Patience { answer: Duration::from_secs(10), ..Patience::default() }) {
            Ok(client) => client,
            Err(error) => return error.to_string(),
        };
    let mut answer = match client.ask(&Request::Statistics) {
        Ok(answer) => answer,
        Err(error) => return error.to_string(),
    };
    let mut buffer = Vec::new();
    loop {
        match answer.part() {
            Ok(Some(part)) => buffer.extend_from_slice(&part),
            Ok(None) => return "the node ended it".into(),
            Err(error) => return error.to_string(),
        }
        let Some(nodes) = nodes.upgrade() else { return "the API is stopping".into() };
        if wish.strong_count() == 0 {
            return "the node was removed".into();
        }
        match messages(&mut buffer) {
            Ok(messages) => messages.into_iter().for_each(|message| nodes.put(node, message)),
            Err(why) => return why,
        }
    }
}

/// Takes the complete messages out of what came; a message may span several parts.
fn messages(buffer: &mut Vec<u8>) -> Result<Vec<GuestsOfNode>, String> {
    let mut stream = serde_json::Deserializer::from_slice(buffer).into_iter::<GuestsOfNode>();
    let mut complete = Vec::new();
    loop {
        match stream.next() {
            Some(Ok(message)) => complete.push(message),
            Some(Err(error)) if !error.is_eof() => {
                return Err(format!("it sent what cannot be understood: {error}"));
            }
            None | Some(Err(_)) => break,
        }
    }
    let taken = stream.byte_offset();
    buffer.drain(..taken);
    if buffer.len() > STATISTICS_BYTES_MAX {
        return Err("it sent more than a message may hold".into());
    }
    Ok(complete)
}

#[cfg(test)]
mod tests;
