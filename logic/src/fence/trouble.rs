//! What is wrong about nodes at the storage: who is blocked there, and who could not be fenced there, because it is seen from
//! where it did not register, or because the storage would be slow about it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Block, Stage};
use crate::cluster::{Cluster, NodeEntry};
use crate::id::NodeName;
use crate::limits::FENCE_TROUBLES_NAMED_MAX;
use crate::node::{DaemonState, shown_daemon_state};
use crate::storage::facts::FenceFacts;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A node is blocked, or about to be.
    Blocked {
        /// Which.
        node: NodeName,
        /// How far that is.
        text: String,
    },
    /// A node could not be fenced at the storage.
    Unfenceable {
        /// Which.
        node: NodeName,
        /// Why.
        text: String,
    },
    /// Clients are at the storage from where no node registered.
    Strangers {
        /// From where.
        text: String,
    },
    /// A fence would take long.
    Slow {
        /// Why.
        text: String,
    },
}

/// Everything that is wrong. What nodes have registered is compared with what the storage shows, where there is a fence.
pub fn troubles(cluster: &Cluster) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = cluster.nodes.iter().filter_map(blocked_past_us(cluster)).collect();
    let standing = cluster.fences.iter().filter(|(_, block)| block.value.stands());
    troubles.extend(standing.map(|(node, block)| blocked(cluster, node, &block.value)));
    let facts = cluster.storage_facts.as_ref().filter(|facts| facts.value.trouble.is_none());
    let Some(fence) = facts.and_then(|facts| facts.value.fence.as_ref()) else { return troubles };
    troubles.extend(cluster.nodes.iter().filter_map(|(node, entry)| unfenceable(cluster, node, entry)));
    troubles.extend(strangers(cluster, fence));
    troubles.extend(slow(fence));
    troubles
}

fn blocked(cluster: &Cluster, node: &NodeName, block: &Block) -> Trouble {
    let far = match &block.stage {
        Stage::Wanted => "is to be blocked at the storage, which has not said yet that it is".to_owned(),
        Stage::Laid { awaited, .. } if awaited.is_empty() => {
            "is blocked at the storage, and its OSDs have not said yet that they keep to it".to_owned()
        }
        Stage::Laid { awaited, .. } => {
            let osds = awaited.iter().map(|osd| format!("osd.{osd}"));
            format!("is blocked at the storage, which {} did not confirm: there is no proof yet", named(osds))
        }
        Stage::Confirmed { unproven, .. } if unproven.is_empty() => {
            "is blocked at the storage, and writes nothing there".to_owned()
        }
        Stage::Confirmed { unproven, .. } => format!(
            "is blocked at the storage; of pools with one copy ({}) that proves nothing",
            named(unproven.iter().map(ToString::to_string))
        ),
        Stage::Lifting { .. } | Stage::Lifted { .. } => "is being unblocked at the storage".to_owned(),
    };
    let until = match cluster.node(node) {
        None => "; it is no node any more, and is unblocked when one of this name registers",
        Some(_) => "; it is unblocked when it has been started anew, or says that its guests have ended",
    };
    Trouble::Blocked { node: node.clone(), text: format!("it {far}{until}") }
}

/// A node that finds itself blocked although nobody asked for it.
fn blocked_past_us<'a>(
    cluster: &'a Cluster,
) -> impl Fn((&'a NodeName, &'a std::sync::Arc<NodeEntry>)) -> Option<Trouble> {
    |(node, entry)| {
        let blocked = super::blocked_past_us(cluster, node);
        (!blocked.is_empty() && runs(entry)).then(|| {
            let addresses = named(blocked.iter().map(ToString::to_string));
            let text = format!(
                "its address {addresses} is blocked at the storage, and not by a block of its own: it starts no VM; see whose \
                 address that was, and who blocked it"
            );
            Trouble::Blocked { node: node.clone(), text }
        })
    }
}

fn runs(entry: &NodeEntry) -> bool {
    matches!(shown_daemon_state(entry), DaemonState::Run | DaemonState::Shutdown)
}

/// A node that runs and registered nothing, or has an OSD where it did not register.
fn unfenceable(cluster: &Cluster, node: &NodeName, entry: &NodeEntry) -> Option<Trouble> {
    let registered = &entry.node.as_ref()?.value.storage_addresses;
    let told = |text: String| Some(Trouble::Unfenceable { node: node.clone(), text });
    if registered.is_empty() {
        let text = "it has registered no storage address: it could not be fenced at the storage".to_owned();
        return runs(entry).then(|| told(text)).flatten();
    }
    let osds = cluster.osd_facts.iter().flat_map(|facts| facts.value.osds.values());
    let strays = osds.filter(|osd| {
        let at = osd.address.parse::<IpAddr>().ok();
        osd.up && osd.host == node.as_str() && at.is_some_and(|at| !registered.contains(&at))
    });
    let strays: Vec<String> = strays.map(|osd| format!("osd.{} at {}", osd.id, osd.address)).collect();
    match strays.is_empty() {
        true => None,
        false => told(format!(
            "the storage sees it from where it did not register ({}): it could not be fenced at the storage",
            named(strays)
        )),
    }
}

/// Clients where no node registered. Whose they are nobody can say.
fn strangers(cluster: &Cluster, fence: &FenceFacts) -> Option<Trouble> {
    let registered: BTreeSet<IpAddr> = cluster
        .nodes
        .values()
        .filter_map(|entry| entry.node.as_ref())
        .flat_map(|node| node.value.storage_addresses.iter().copied())
        .collect();
    let strangers: Vec<String> = fence.clients.difference(&registered).map(ToString::to_string).collect();
    (!strangers.is_empty()).then(|| {
        let text = format!(
            "clients with the nodes' key are at the storage from {}, which no node has registered: a node that is seen there \
             could not be fenced at the storage",
            named(strangers)
        );
        Trouble::Strangers { text }
    })
}

fn slow(fence: &FenceFacts) -> Option<Trouble> {
    let text = || {
        let strays = named(fence.strays.iter().cloned());
        format!("a fence at the storage may take half a minute when a monitor is lost: {strays}")
    };
    (!fence.strays.is_empty()).then(|| Trouble::Slow { text: text() })
}

/// The first few, and how many more there are.
fn named(all: impl IntoIterator<Item = String>) -> String {
    let all: Vec<String> = all.into_iter().collect();
    let more = all.len().saturating_sub(FENCE_TROUBLES_NAMED_MAX);
    let first = all.into_iter().take(FENCE_TROUBLES_NAMED_MAX).collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}
