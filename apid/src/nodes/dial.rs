//! How a node is reached: the one on this machine by its socket, others by their name, over mutual TLS.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use link::client::{Client, Error, Patience};
use link::transport::Identity;
use logic::id::NodeName;

/// The authority's certificate, this node's, and its key, in the folder of its identity.
const IDENTITY_FILES: [&str; 3] = ["ca.crt", "node.crt", "node.key"];

/// How a node is reached.
pub trait Dial: Send + Sync + Debug {
    /// The node on this machine.
    fn here(&self) -> &NodeName;

    /// Connects to a node. Blocks for at most twice the patience's first wait: its name is looked up, then it is dialled.
    ///
    /// # Errors
    /// [`Error`]: the node cannot be reached.
    fn dial(&self, node: &NodeName, patience: Patience) -> Result<Client, Error>;

    /// Connects to a node's worker, which takes in what is brought. Blocks as [`Dial::dial`].
    ///
    /// # Errors
    /// [`Error`]: the worker cannot be reached.
    fn dial_worker(&self, node: &NodeName, patience: Patience) -> Result<Client, Error>;
}

/// Reaches the node on this machine by its socket, and no other.
#[derive(Debug)]
pub struct LocalNode {
    /// This node.
    pub node: NodeName,
    /// Its daemon's socket.
    pub socket: PathBuf,
    /// Its worker's socket.
    pub worker_socket: PathBuf,
}

impl LocalNode {
    fn reach(&self, node: &NodeName, socket: &Path, patience: Patience) -> Result<Client, Error> {
        if *node == self.node {
            return Client::connect_unix(socket, patience);
        }
        Err(Error::Unreachable {
            at: node.to_string(),
            why: format!("\"link.listen\" is off in pvc.toml, so only {} is reached from here", self.node),
        })
    }
}

impl Dial for LocalNode {
    fn here(&self) -> &NodeName {
        &self.node
    }

    fn dial(&self, node: &NodeName, patience: Patience) -> Result<Client, Error> {
        self.reach(node, &self.socket, patience)
    }

    fn dial_worker(&self, node: &NodeName, patience: Patience) -> Result<Client, Error> {
        self.reach(node, &self.worker_socket, patience)
    }
}

/// Reaches every node of the cluster.
#[derive(Debug)]
pub struct ClusterNodes {
    /// The one on this machine.
    pub local: LocalNode,
    /// The port at which the daemons of the others listen; their workers do at the next one.
    pub port: u16,
    /// Where this node's key and certificates lie. They are read for each connection: they are renewed now and then.
    pub identity: PathBuf,
}

impl ClusterNodes {
    pub(super) fn identity(&self) -> io::Result<Identity> {
        let [authority, certificate, key] = IDENTITY_FILES.map(|name| {
            let path = self.identity.join(name);
            std::fs::read(&path).map_err(|error| told(&format!("{} cannot be read: {error}", path.display())))
        });
        Identity::from_pem(&authority?, &certificate?, &key?).map_err(|error| told(&error))
    }
}

impl Dial for ClusterNodes {
    fn here(&self) -> &NodeName {
        self.local.here()
    }

    fn dial(&self, node: &NodeName, patience: Patience) -> Result<Client, Error> {
        if *node == self.local.node {
            return self.local.dial(node, patience);
        }
        self.reach(node, self.port, patience)
    }

    fn dial_worker(&self, node: &NodeName, patience: Patience) -> Result<Client, Error> {
        if *node == self.local.node {
            return self.local.dial_worker(node, patience);
        }
        self.reach(node, self.port.saturating_add(1), patience)
    }
}

impl ClusterNodes {
    fn reach(&self, node: &NodeName, port: u16, patience: Patience) -> Result<Client, Error> {
        let unreachable =
            |error: io::Error| Error::Unreachable { at: node.to_string(), why: error.to_string() };
        let identity = self.identity().map_err(unreachable)?;
        let addresses = addresses(node, port, patience.answer).map_err(unreachable)?;
        Client::connect_tls(&addresses, node.as_str(), &identity, patience)
    }
}

/// Those that a node's name stands for. The system looks names up without a deadline, so a thread of its own asks, and
/// may outlive the wait for it.
fn addresses(node: &NodeName, port: u16, wait_max: Duration) -> io::Result<Vec<SocketAddr>> {
    let (found, awaited) = mpsc::channel();
    let name = node.to_string();
    let look_up = move || {
        let addresses = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody waits any more where it took too long.
        drop(found.send(addresses));
    };
    thread::Builder::new().name("lookup".into()).spawn(look_up)?;
    awaited.recv_timeout(wait_max).unwrap_or_else(|_| Err(told(&"its name could not be looked up in time")))
}

fn told(why: &dyn ToString) -> io::Error {
    io::Error::other(why.to_string())
}
