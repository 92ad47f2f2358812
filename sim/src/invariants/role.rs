//! Whether the primary role has one holder at a time: each term belongs to one node, and terms only grow.

use std::collections::BTreeMap;

use logic::id::NodeName;
use logic::primary::Primary;

/// Remembers who held which term.
#[derive(Debug, Default)]
pub struct Role {
    terms: BTreeMap<u64, NodeName>,
}

impl Role {
    /// A record of the role landed.
    ///
    /// # Errors
    /// When its term is another's, or not the latest.
    pub fn written(&mut self, primary: &Primary) -> Result<(), String> {
        let (latest, holder) =
            self.terms.last_key_value().map_or((0, None), |(term, node)| (*term, Some(node)));
        if primary.term < latest {
            return Err(format!(
                "{} takes the role in term {}, after term {latest}",
                primary.node, primary.term
            ));
        }
        if let Some(holder) = holder.filter(|holder| primary.term == latest && **holder != primary.node) {
            return Err(format!("term {latest} is {holder}'s, and {} writes it", primary.node));
        }
        self.terms.insert(primary.term, primary.node.clone());
        Ok(())
    }
}
