//! Why a VM is where it is, and why no other node has it: what was decided, told in words.
//!
//! Nothing moves a VM by itself. So it is where it was defined, moved or migrated to; and the scores, which are those of a
//! placement made now, say where it would go if it were asked to.

use std::cmp::Ordering;

use serde::Serialize;

use super::migrate::Stage;
use super::{Selector, State, Vm, shown_failure, shown_state};
use crate::cluster::{Cluster, VmEntry};
use crate::id::{NodeName, VmId};
use crate::node::place::{Bar, Home, Placement, Score, place};

/// What one node is to the VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The VM belongs to it.
    Owner,
    /// The VM is on its way there.
    Target,
    /// The VM would go there if it were moved now.
    Next,
    /// It could take the VM.
    Open,
    /// It cannot take the VM.
    Barred,
}

/// One node's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The node.
    pub node: NodeName,
    /// What it is to the VM.
    pub part: Part,
    /// Its score by the VM's selector, greater is better, or why it is barred.
    pub answer: Result<Score, Bar>,
    /// The same in words, and what follows from it.
    pub words: String,
}

/// Why a VM is where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    /// Its state.
    pub state: State,
    /// Where it is on its way to.
    pub target: Option<NodeName>,
    /// Where a move would bring it now, when no node is named.
    pub next: Option<NodeName>,
    /// The reasons, a sentence each.
    pub reasons: Vec<String>,
    /// Every registered node's answer, by name.
    pub candidates: Vec<Candidate>,
}

/// Answers why a VM is where it is.
pub fn answer(cluster: &Cluster, id: VmId, entry: &VmEntry) -> Why {
    let vm = &entry.vm.value;
    let placement = place(cluster, id, vm, Home::Counts);
    let next = place(cluster, id, vm, Home::Barred).chosen;
    let state = shown_state(entry);
    // A move that is given up stays in the record for a moment; the state knows whether it still counts.
    let moves = matches!(state, State::Migrate | State::MigrateLive);
    let target = vm.transfer.as_ref().filter(|_| moves).map(|transfer| transfer.to.clone());
    let owner = placement.nodes.get(&vm.node);
    let mut reasons = vec![whereabouts(vm, target.as_ref())];
    reasons.push(condition(state, entry));
    reasons.extend(stranded(vm, owner));
    reasons.push(rule(vm));
    reasons.push(outlook(vm, &placement, next.as_ref()));
    let candidates = placement.nodes.iter().map(|(node, answer)| {
        let part = part(node, answer, vm, target.as_ref(), next.as_ref());
        let owner = owner.and_then(|answer| answer.as_ref().ok());
        let words = words(part, answer, owner.copied(), vm.meta.node_selector);
        Candidate { node: node.clone(), part, answer: answer.clone(), words }
    });
    let candidates = candidates.collect();
    Why { state, target, next, reasons, candidates }
}

fn whereabouts(vm: &Vm, target: Option<&NodeName>) -> String {
    let (name, node) = (&vm.name, &vm.node);
    match (target, &vm.transfer, &vm.last_node) {
        (Some(to), Some(transfer), _) => {
            let after = match &transfer.home {
                Some(home) => format!("its home stays \"{home}\""),
                None => "it is to settle there".into(),
            };
            format!(
                "VM \"{name}\" belongs to node \"{node}\", which is to hand it over to \"{to}\"; {after}."
            )
        }
        (_, _, Some(home)) => format!(
            "VM \"{name}\" was migrated to node \"{node}\" for a while; its home is \"{home}\", and an unmigrate \
             brings it back."
        ),
        _ => format!(
            "VM \"{name}\" is at home on node \"{node}\": it was defined there, or moved there last, and nothing \
             moves it by itself."
        ),
    }
}

fn condition(state: State, entry: &VmEntry) -> String {
    let failure = shown_failure(entry);
    if let Some(waits) = waits(entry) {
        return format!("It is in state \"{state}\"; {waits}.");
    }
    match (state, failure.as_str()) {
        (State::Fail, why) => format!("It is in state \"fail\": {why}."),
        (State::Migrate, "") => "It is in state \"migrate\" until its node has handed it over.".into(),
        (state, "") => format!("It is in state \"{state}\"."),
        (state, why) => format!("It is in state \"{state}\"; what failed last: {why}."),
    }
}

/// What a VM waits for that is between two nodes: its pause does not end by itself.
fn waits(entry: &VmEntry) -> Option<String> {
    let sending = entry.fact.as_ref()?.value.sending.as_ref()?;
    let to = &sending.to;
    match sending.stage {
        Stage::Offered | Stage::Begun | Stage::Vain => None,
        Stage::Torn => Some(format!(
            "post-copy to node \"{to}\" broke off: half of its memory is here and half there, and it stands still until the \
             halves are joined, or are given up as lost"
        )),
        Stage::Lost => Some(format!(
            "its memory was lost when post-copy to node \"{to}\" broke off, and it is started anew when that node says that \
             it has ended its half"
        )),
        Stage::Stranded => Some(format!(
            "the switch to node \"{to}\" broke off, and it stands still until that node says that it has nothing of it"
        )),
        Stage::Gone => Some(format!(
            "it is not on its old node any more, and runs again when node \"{to}\" takes it over, or says that it has \
             nothing of it"
        )),
    }
}

/// What follows when its own node does not run.
fn stranded(vm: &Vm, owner: Option<&Result<Score, Bar>>) -> Option<String> {
    let node = &vm.node;
    match owner {
        None => Some(format!("Node \"{node}\" is not registered, so nobody acts for the VM.")),
        Some(Err(Bar::NotRunning { state })) => Some(format!(
            "The daemon of node \"{node}\" is in state \"{}\", so the VM waits for it: PVC does not take VMs from \
             a node that is lost yet.",
            state.as_str()
        )),
        Some(_) => None,
    }
}

fn rule(vm: &Vm) -> String {
    let best = match vm.meta.node_selector {
        Selector::None => {
            "its selector is \"none\", which goes by memory as \"mem\" does: the best node has the most \
                           memory that is promised to nobody"
        }
        Selector::Mem => {
            "its selector is \"mem\": the best node has the most memory that is promised to nobody"
        }
        Selector::MemProv => {
            "its selector is \"memprov\": the best node has the most memory that no VM, running or not, could claim"
        }
        Selector::Load => {
            "its selector is \"load\": the best node has the least load, with what is on its way there"
        }
        Selector::Vcpus => "its selector is \"vcpus\": the best node has the fewest vCPUs promised",
        Selector::Vms => "its selector is \"vms\": the best node has the fewest VMs that run or are to run",
    };
    let limit: Vec<String> = vm.meta.node_limit.iter().map(|node| format!("\"{node}\"")).collect();
    match limit.is_empty() {
        true => format!("Any node may have it; {best}."),
        false => format!("Only {} may have it; {best}.", limit.join(", ")),
    }
}

fn outlook(vm: &Vm, placement: &Placement, next: Option<&NodeName>) -> String {
    let stays = placement.chosen.as_ref() == Some(&vm.node);
    match next {
        None => "No other node can take it now.".into(),
        Some(next) if stays => {
            format!("No node is better for it than its own; of the others, \"{next}\" is the best.")
        }
        Some(next) => {
            format!("If it were placed anew now, it would go to \"{next}\"; a move brings it there.")
        }
    }
}

fn part(
    node: &NodeName,
    answer: &Result<Score, Bar>,
    vm: &Vm,
    target: Option<&NodeName>,
    next: Option<&NodeName>,
) -> Part {
    if *node == vm.node {
        Part::Owner
    } else if target == Some(node) {
        Part::Target
    } else if answer.is_err() {
        Part::Barred
    } else if next == Some(node) {
        Part::Next
    } else {
        Part::Open
    }
}

fn words(part: Part, answer: &Result<Score, Bar>, owner: Option<Score>, selector: Selector) -> String {
    let score = match answer {
        Ok(score) => *score,
        Err(bar) if part == Part::Owner => return format!("has the VM, but could not take it anew: {bar}"),
        Err(bar) if part == Part::Target => return format!("is to get the VM, but cannot now: {bar}"),
        Err(bar) => return bar.to_string(),
    };
    let measured = measured(score, selector);
    let held = match owner.map(|owner| score.cmp(&owner)) {
        Some(Ordering::Less) => "not as good as the VM's own node",
        Some(Ordering::Equal) => "no better than the VM's own node",
        Some(Ordering::Greater) => "better than the VM's own node, but nobody asked for a move",
        None => "able to take it, but nobody asked for a move",
    };
    match part {
        Part::Owner => format!("has the VM; {measured}, without this VM"),
        Part::Target => format!("is to get the VM; {measured}"),
        Part::Next => format!("{measured}: {held}; the best of the others"),
        Part::Open | Part::Barred => format!("{measured}: {held}"),
    }
}

/// What a score was made of.
fn measured(score: Score, selector: Selector) -> String {
    let amount = score.0.unsigned_abs();
    match selector {
        Selector::Mem | Selector::None if score.0 < 0 => {
            format!("{amount} MiB more are promised than it has")
        }
        Selector::MemProv if score.0 < 0 => format!("{amount} MiB more are provisioned than it has"),
        Selector::Mem | Selector::None => format!("{amount} MiB are promised to nobody"),
        Selector::MemProv => format!("{amount} MiB are provisioned to no VM"),
        Selector::Load => {
            format!("its load is {}.{:03}", amount / 1000, amount % 1000)
        }
        Selector::Vcpus => format!("{amount} vCPUs are promised"),
        Selector::Vms => format!("{amount} VMs run or are to run"),
    }
}

#[cfg(test)]
mod tests;
