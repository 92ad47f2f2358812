//! What steps work on, and its name in logs.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use crate::id::{NodeName, PoolName, TaskId, VmId};
use crate::network::LinkName;
use crate::storage::osd::OsdId;

/// What a step works on. At most one step per resource is in flight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// The keepalive: a lane of its own, which nothing else may block.
    Heartbeat,
    /// This node's registration.
    Node,
    /// The primary role.
    Primary,
    /// One VM.
    Vm(VmId),
    /// One task.
    Task(TaskId),
    /// What is told of a task while a step of it goes on.
    Telling(TaskId),
    /// What is recorded of the storage's facts.
    Facts,
    /// One pool, apart from the tasks about it.
    Pool(PoolName),
    /// One OSD of this node, apart from the tasks about it.
    Osd(OsdId),
    /// One link of the machine.
    Link(LinkName),
    /// One address of a link.
    Address(LinkName, IpAddr),
    /// The default route over a link.
    Route(LinkName),
    /// The key to the guests' volumes, at the hypervisor.
    Secret,
    /// The block of a node at the storage.
    Fence(NodeName),
}

impl Resource {
    /// Whether what is decided about it next rests on the records and on what this process remembers, and on no look at
    /// the machine.
    pub fn is_of_records(&self) -> bool {
        matches!(
            self,
            Self::Primary | Self::Facts | Self::Pool(_) | Self::Telling(_) | Self::Osd(_) | Self::Fence(_)
        )
    }

    /// Whether it is a part of the machine's networks.
    pub fn is_of_networks(&self) -> bool {
        matches!(self, Self::Link(_) | Self::Address(..) | Self::Route(_))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heartbeat => write!(f, "heartbeat"),
            Self::Node => write!(f, "node"),
            Self::Primary => write!(f, "primary"),
            Self::Vm(id) => write!(f, "vm:{id}"),
            Self::Task(id) => write!(f, "task:{id}"),
            Self::Telling(id) => write!(f, "telling:{id}"),
            Self::Facts => write!(f, "facts"),
            Self::Pool(pool) => write!(f, "pool:{pool}"),
            Self::Osd(osd) => write!(f, "osd:{osd}"),
            Self::Link(link) => write!(f, "link:{link}"),
            Self::Address(link, ip) => write!(f, "address:{ip}@{link}"),
            Self::Route(link) => write!(f, "route@{link}"),
            Self::Secret => write!(f, "secret"),
            Self::Fence(node) => write!(f, "fence:{node}"),
        }
    }
}
