//! Whether a floating address is at one machine at a time: two have it only while the role is handed over, and not for
//! longer than an address outlives its holder. Read from what the machines' networks truly held.

use std::collections::{BTreeMap, BTreeSet};

use logic::id::NodeName;
use logic::primary::{Phase, Primary};
use logic::time::{BootTime, Span};

/// A session's lease: no address outlives its holder for longer.
const TOGETHER_MAX: Span = Span::seconds(6);

/// Who has the floating address.
#[derive(Debug, Default)]
pub struct Floating {
    holders: BTreeSet<NodeName>,
    /// When each node last was to have it.
    entitled: BTreeMap<NodeName, BootTime>,
    together_since: Option<BootTime>,
}

impl Floating {
    /// The role is so in the store now.
    pub fn is_due(&mut self, role: Option<&Primary>, now: BootTime) {
        let Some(role) = role else { return };
        let yielded = role.handover.as_ref().filter(|handover| handover.phase == Phase::Yielded);
        for node in std::iter::once(&role.node).chain(yielded.map(|handover| &handover.to)) {
            self.entitled.insert(node.clone(), now);
        }
    }

    /// The role is taken from a holder that is not to let go any more: it is gone, and its address went before it.
    ///
    /// # Errors
    /// When it has the address.
    pub fn taken(&self, before: &Primary, after: &Primary) -> Result<(), String> {
        let is_taken = after.node != before.node && after.former.is_none();
        if is_taken && self.holders.contains(&before.node) {
            return Err(format!("{} takes the role from {}, which has the address", after.node, before.node));
        }
        Ok(())
    }

    /// The address came to a machine. `role` is as it is in the store.
    ///
    /// # Errors
    /// When another machine has it, and no handover to this one or from it is under way.
    pub fn came(&mut self, node: &NodeName, role: Option<&Primary>, now: BootTime) -> Result<(), String> {
        self.holders.insert(node.clone());
        if self.holders.len() < 2 {
            return Ok(());
        }
        self.together_since.get_or_insert(now);
        let to =
            role.and_then(|role| role.handover.as_ref()).filter(|handover| handover.phase == Phase::Yielded);
        let comes = to.is_some_and(|handover| handover.to == *node);
        let came = role.is_some_and(|role| role.node == *node && role.former.is_some());
        // A holder that is handing over may have been about to renew it. It must let go of it, in time.
        let leaves = role
            .is_some_and(|role| role.former.as_ref() == Some(node) || (to.is_some() && role.node == *node));
        // A step that was under way when the role was taken back: its address ends with the lease that it rests on.
        let late = self.entitled.get(node).is_some_and(|at| now - *at <= TOGETHER_MAX);
        if comes || came || leaves || late {
            return Ok(());
        }
        Err(format!("the floating address comes to {node}, and others have it: {:?}", self.holders))
    }

    /// The address went from a machine.
    pub fn went(&mut self, node: &NodeName) {
        self.holders.remove(node);
        if self.holders.len() < 2 {
            self.together_since = None;
        }
    }

    /// Whether two have not had it for too long by now.
    ///
    /// # Errors
    /// Who has it.
    pub fn at(&self, now: BootTime) -> Result<(), String> {
        match self.together_since {
            Some(since) if now - since > TOGETHER_MAX => {
                Err(format!("the floating address stays at several machines: {:?}", self.holders))
            }
            _ => Ok(()),
        }
    }

    /// Who has it, when one has.
    pub fn holder(&self) -> Option<&NodeName> {
        self.holders.first().filter(|_| self.holders.len() == 1)
    }
}
