//! How a resource is named in logs.

use std::fmt;

use super::Resource;

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heartbeat => write!(f, "heartbeat"),
            Self::Node => write!(f, "node"),
            Self::Primary => write!(f, "primary"),
            Self::Vm(id) => write!(f, "vm:{id}"),
            Self::Task(id) => write!(f, "task:{id}"),
            Self::Facts => write!(f, "facts"),
            Self::Pool(pool) => write!(f, "pool:{pool}"),
            Self::Link(link) => write!(f, "link:{link}"),
            Self::Address(link, ip) => write!(f, "address:{ip}@{link}"),
            Self::Route(link) => write!(f, "route@{link}"),
            Self::Secret => write!(f, "secret"),
            Self::Fence(node) => write!(f, "fence:{node}"),
        }
    }
}
