//! What a daemon serves, and where: to the API on this machine at a socket, and to those of others at a door.
//!
//! | daemon | socket | port for other machines | what |
//! |---|---|---|---|
//! | `pvcnoded` | `link.sock` | that of the link | consoles, its log, statistics |
//! | `pvcworkerd` | `worker.sock` | the next one | uploads |

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use host::identity::pki;
use link::server::{Answer, Limits, Server};
use link::transport::listen_unix;
use logic::config::Config;

use super::Role;
use crate::door::{Door, Place};
use crate::serve::Node;
use crate::uploads::Uploads;
use crate::world::World;

/// How many uploads come at once; each has a thread, and the storage is shared with guests.
const UPLOADS_MAX: usize = 16;

/// What is served.
#[derive(Debug)]
pub(super) struct Served {
    socket: Server,
    door: Option<Door>,
}

impl Served {
    /// Serves no more.
    pub(super) fn stop(self) {
        drop(self.door);
        self.socket.stop();
    }
}

/// Listens for the API on this machine, and where there are other nodes for theirs.
pub(super) fn serve_node(config: &Config, world: &World) -> Result<Served> {
    let World { guests, hypervisor, .. } = world;
    make(Path::new(&guests.console_directory))?;
    let log = Path::new(&config.log.directory).join(format!("{}.log", Role::Noded.name()));
    let interval = Duration::from_millis(config.timers.keepalive_interval.0);
    let node = Arc::new(Node::new(guests.clone(), log, interval, Arc::clone(hypervisor)));
    // One daemon of a node is enough to lay out libvirt's certificates.
    let pki = Some(PathBuf::from(pki::ROOT));
    serve(config, ("link.sock", 0), pki, (node, Limits::default()))
}

/// The same for what is brought to the worker.
pub(super) fn serve_worker(config: &Config, uploads: Arc<Uploads>) -> Result<Served> {
    let limits = Limits { connections_max: UPLOADS_MAX, ..Limits::default() };
    serve(config, ("worker.sock", 1), None, (uploads, limits))
}

/// Only root may connect to the socket: it shows every guest's console, and takes in what becomes its disk.
fn serve(
    config: &Config,
    (name, port_step): (&str, u16),
    pki: Option<PathBuf>,
    (answer, limits): (Arc<dyn Answer>, Limits),
) -> Result<Served> {
    let folder = Path::new(&config.run_directory);
    make(folder)?;
    let socket = folder.join(name);
    let listener = listen_unix(&socket).with_context(|| format!("cannot listen at {}", socket.display()))?;
    std::fs::set_permissions(&socket, Permissions::from_mode(0o600))
        .with_context(|| format!("cannot protect {}", socket.display()))?;
    let door = config.link.listen.map(|mut address| {
        address.set_port(address.port().saturating_add(port_step));
        let identity = config.identity_directory.clone().into();
        let place = Place { address, node: config.node.clone(), identity, pki, limits };
        Door::keep(place, Arc::clone(&answer))
    });
    let socket = Server::start(Arc::new(listener), answer, limits);
    Ok(Served { socket, door })
}

fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}
