//! The networks of the machines: one card in each, on one switch, with addresses by number and one that floats.

use std::collections::BTreeMap;
use std::sync::Arc;

use host::network::MacAddress;
use host::network::memory::{Happening, Stack};
use logic::config::Config;
use logic::id::NodeName;
use logic::network::{LinkName, SystemNetwork};
use logic::time::BootTime;

use super::World;
use super::site::Site;
use crate::command::Mishap;

/// The network that every machine is on.
const CONFIG: &str = "[network.upstream]\ndevice = 'ens4'\nnetwork = '10.0.0.0/24'\nfloating = '10.0.0.100'\ngateway = '10.0.0.254'\n";

/// Whether the floating address came to a machine or went from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floats {
    Came,
    Went,
}

/// Something that happened to an address.
#[derive(Debug)]
pub(super) struct NetNews {
    pub(super) node: NodeName,
    pub(super) line: String,
    pub(super) floating: Option<Floats>,
}

/// The machines' networks.
#[derive(Debug)]
pub(super) struct Nets {
    stacks: BTreeMap<NodeName, Arc<Stack>>,
    wanted: BTreeMap<NodeName, Arc<[SystemNetwork]>>,
    told: BTreeMap<NodeName, usize>,
}

impl Nets {
    /// Machines whose networks are somebody else's.
    pub(super) fn none(sites: &BTreeMap<NodeName, Site>) -> Self {
        let stack =
            |(name, site): (&NodeName, &Site)| (name.clone(), Stack::new(Arc::clone(&site.clock) as _));
        let told = sites.keys().map(|name| (name.clone(), 0)).collect();
        Self { stacks: sites.iter().map(stack).collect(), wanted: BTreeMap::new(), told }
    }

    /// Puts a card into each machine and configures its network.
    fn plug(&mut self) {
        let card: LinkName = "ens4".parse().expect("this is a name");
        for (number, (name, stack)) in (1..).zip(&self.stacks) {
            stack.plug(&card, MacAddress([2, 0, 0, 0, 0, number]));
            let text = format!("node_id = {number}\n{CONFIG}");
            let networks = Config::parse(&text, name.as_str()).expect("this configuration is whole").networks;
            self.wanted.insert(name.clone(), networks);
        }
    }

    pub(super) fn stack(&self, node: &NodeName) -> Arc<Stack> {
        Arc::clone(&self.stacks[node])
    }

    pub(super) fn wanted(&self, node: &NodeName) -> Arc<[SystemNetwork]> {
        self.wanted.get(node).cloned().unwrap_or_else(|| Arc::new([]))
    }

    /// When something next changes by itself, in the world's time.
    pub(super) fn next_change(&self, sites: &BTreeMap<NodeName, Site>) -> Option<BootTime> {
        let both = self.stacks.values().zip(sites.values());
        both.filter_map(|(stack, site)| Some(site.clock.world_time(stack.next_change()?))).min()
    }

    pub(super) fn settle(&self) {
        self.stacks.values().for_each(|stack| stack.settle());
    }

    /// What happened to addresses since the last time.
    pub(super) fn news(&mut self) -> Vec<NetNews> {
        let mut lines = Vec::new();
        for (node, stack) in &self.stacks {
            let Some(told) = self.told.get_mut(node) else { continue };
            let news = stack.ledger_after(*told);
            *told += news.len();
            for entry in news {
                let what = match entry.happening {
                    Happening::Began => "came".to_owned(),
                    Happening::Announced => "is announced".to_owned(),
                    Happening::Ended(end) => format!("went: {end:?}"),
                };
                let is_floating = |network: &SystemNetwork| network.floating == Some(entry.ip);
                let floats = self.wanted.get(node).is_some_and(|networks| networks.iter().any(is_floating));
                let floating = match entry.happening {
                    Happening::Began => Some(Floats::Came),
                    Happening::Ended(_) => Some(Floats::Went),
                    Happening::Announced => None,
                };
                let line = format!("{node} the address {} on {} {what}", entry.ip, entry.link);
                lines.push(NetNews { node: node.clone(), line, floating: floating.filter(|_| floats) });
            }
        }
        lines
    }

    /// Whether PVC is to make any.
    pub(super) fn are_made(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Something befalls a machine's networks.
    pub(super) fn befall(&self, node: &NodeName, mishap: Mishap) {
        let (Some(stack), Some(networks)) = (self.stacks.get(node), self.wanted.get(node)) else { return };
        for network in networks.iter() {
            match mishap {
                Mishap::Down => stack.take_down(&network.device),
                Mishap::Stripped => stack.take_by_hand(&network.bridge, network.address),
                Mishap::PowerCut => stack.cut_power(),
                Mishap::Refused => stack.refuse(2, "no memory"),
            }
        }
    }

    /// Ends every fault.
    pub(super) fn heal(&self) {
        self.stacks.values().for_each(|stack| stack.heal());
    }
}

impl World {
    /// The same world, with networks that PVC is to make.
    #[must_use]
    pub fn with_networks(mut self) -> Self {
        self.nets.plug();
        self
    }
}
