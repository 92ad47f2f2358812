//! The port to guests: what runs on this machine, and the few things that can be done to it.

use std::fmt::Debug;
use std::sync::Arc;

use logic::id::VmId;
use logic::vm::domain::document_uuid_and_incarnation;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How a guest stands at the hypervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// Its CPUs run.
    Running,
    /// Its CPUs stand still: by an operator's command or an I/O error.
    Paused,
}

/// What another witness than the hypervisor says of a guest's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// It is there.
    There,
    /// It is proven that it is not there any more.
    Gone,
    /// Nothing is proven: the witness could not be asked, or its answer can mean more than one thing.
    Unknown,
}

/// A guest that exists at the hypervisor now. One that is shut off does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Its UUID.
    pub vm: VmId,
    /// Its name at the hypervisor.
    pub name: String,
    /// How it stands.
    pub activity: Activity,
    /// The incarnation in its metadata; `None` when PVC did not start it.
    pub incarnation: Option<u64>,
    /// Whether its process is there: a hypervisor may go on telling of a guest whose process has died.
    pub process: Witness,
}

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The VM.
    pub vm: VmId,
    /// The document, complete: kind, metadata and console are already in it.
    pub xml: String,
    /// The incarnation in it.
    pub incarnation: u64,
}

impl Start {
    /// Whether the document is of this VM and carries this incarnation: what is known of a guest afterwards is what its
    /// document says. The error is for the operator.
    pub(crate) fn check(&self) -> Result<(), String> {
        match document_uuid_and_incarnation(&self.xml) {
            (Some(vm), _) if vm != self.vm => Err(format!("the document is of {vm}")),
            (Some(_), Some(incarnation)) if incarnation == self.incarnation => Ok(()),
            _ => Err("the document does not carry its incarnation".into()),
        }
    }
}

/// Counters of one guest, as the hypervisor gives them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuestStatistics {
    /// libvirt's memory statistics by their PVC names (`actual`, `unused`, `rss`, …), in KiB where they are sizes.
    pub memory: std::collections::BTreeMap<String, u64>,
    /// `cpu_time`, `user_time`, `system_time` in ns.
    pub cpu: std::collections::BTreeMap<String, u64>,
    /// By target device: `rd_req`, `rd_bytes`, `wr_req`, `wr_bytes`.
    pub disks: std::collections::BTreeMap<String, std::collections::BTreeMap<String, u64>>,
    /// By MAC address: `rd_bytes`, `rd_packets`, `rd_errors`, `rd_drops` and the same with `wr_`.
    pub interfaces: std::collections::BTreeMap<String, std::collections::BTreeMap<String, u64>>,
    /// The VNC server's address and port, where there is one.
    pub vnc: Option<(String, u16)>,
}

/// Why the hypervisor did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It did not answer within the deadline of the call.
    #[error("the hypervisor did not answer within {deadline_ms} ms to {call}")]
    Silent {
        /// What was asked.
        call: &'static str,
        /// How long it was given.
        deadline_ms: u64,
    },
    /// There is no connection to it.
    #[error("the hypervisor at {uri} is not reachable: {why}")]
    Unreachable {
        /// Its address.
        uri: String,
        /// What was seen.
        why: String,
    },
    /// It did not take a secret.
    #[error("the hypervisor did not take the secret {id} for the volumes of its guests: {why}")]
    Secret {
        /// Which.
        id: Uuid,
        /// Its words.
        why: String,
    },
    /// It refused, in its own words.
    #[error("the hypervisor refused to {call} {vm}: {why}")]
    Refused {
        /// What was asked.
        call: &'static str,
        /// Of which VM.
        vm: VmId,
        /// Its words.
        why: String,
    },
}

/// The secret that guests' volumes in Ceph are opened with.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its UUID, which the guests' documents name.
    pub id: Uuid,
    /// What it is for, in a few words.
    pub purpose: String,
    /// The key. It is not told in texts.
    pub value: Vec<u8>,
}

impl Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("id", &self.id).field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

/// Wakes the loop; carries nothing, because an event's content is not trusted.
pub trait Waker: Send + Sync + Debug {
    /// Something may have changed. Called on a thread of the hypervisor's: it returns at once and calls nothing of it.
    fn wake(&self);
}

/// The hypervisor of this machine. Every call returns within the adapter's deadline; a call on one guest never waits
/// for a call on another.
pub trait Hypervisor: Send + Sync + Debug {
    /// All guests that exist now. A constant number of requests, however many guests there are.
    fn guests(&self) -> Result<Vec<Guest>, Error>;

    /// Starts a guest that leaves nothing behind when it ends. Done if the same incarnation exists already; refused
    /// if another one does.
    fn start(&self, start: &Start) -> Result<(), Error>;

    /// Presses the power button of this incarnation. Done if it is gone.
    fn press_power(&self, vm: VmId, incarnation: u64) -> Result<(), Error>;

    /// Ends this incarnation at once. Done if it is gone.
    fn stop(&self, vm: VmId, incarnation: u64) -> Result<(), Error>;

    /// Attaches a device to the running guest. Done if a device with the same target or MAC address is there.
    fn attach(&self, vm: VmId, device_xml: &str) -> Result<(), Error>;

    /// Detaches a device from the running guest. Done if it is not there.
    fn detach(&self, vm: VmId, device_xml: &str) -> Result<(), Error>;

    /// The disk of the running guest with this source, a file's path or a volume's `pool/volume`, has this size, and the
    /// guest sees it. Done if it has, or there is no such guest or disk: nobody sees another size then. Refused if it is
    /// larger.
    fn resize_disk(&self, vm: VmId, source: &str, size_bytes: u64) -> Result<(), Error>;

    /// The secret is there with this value, and nobody reads it back. Done if it is; a former value is written over.
    fn ensure_secret(&self, secret: &Secret) -> Result<(), Error>;

    /// Counters of all guests, in a constant number of requests.
    fn statistics(&self) -> Result<Vec<(VmId, GuestStatistics)>, Error>;

    /// Wakes `waker` whenever a guest starts, ends or changes, and when the connection comes or goes.
    fn watch(&self, waker: Arc<dyn Waker>);
}
