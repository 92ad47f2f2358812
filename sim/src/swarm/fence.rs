//! Fences at the storage that a seed asks for: in a fourth of the seeds, of nodes that live as well as of those that die.

use logic::time::Span;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::TROUBLE;
use super::script::{Order, node};
use crate::command::{Ask, Command, Misfortune};

/// The fences of a seed whose cluster has so many nodes.
pub(super) fn fences(random: &mut StdRng, nodes: u64, script: &mut Vec<Order>) {
    if !random.random_ratio(1, 4) {
        return;
    }
    for _ in 0..random.random_range(1..=3) {
        let at = Span(random.random_range(4_000..TROUBLE.0));
        let victim = node(random.random_range(1..=nodes));
        let after = |random: &mut StdRng, most: u64| Span(at.0 + random.random_range(50..most));
        if random.random_ratio(1, 2) {
            let held = node(random.random_range(1..=nodes));
            script.push((at, Command::Storage(Misfortune::HoldOsd(held.clone()))));
            script.push((after(random, 20_000), Command::Storage(Misfortune::LetOsdGo(held))));
        }
        script.push((at, Command::Ask(Ask::Fence { node: victim.clone() })));
        if random.random_ratio(1, 2) {
            script.push((after(random, 15_000), Command::CutPower(vec![victim])));
        }
    }
}
