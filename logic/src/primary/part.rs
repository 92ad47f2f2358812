//! What moves with the primary role, and how each part of it takes part in the phases.
//!
//! A part is one function: told how this node shall stand towards the role, it gives the steps that bring it there, and
//! says whether it stands so. The phases wait for every part, but no longer than [`crate::limits::HANDOVER_PHASE_MAX`],
//! and not for one that has failed: what is down degrades the role and does not keep it from moving.
//!
//! | stance | who | what it means for a part |
//! |---|---|---|
//! | away | everybody else | nothing of it is here: take away what is |
//! | ready | the successor that has claimed | what takes long and is not seen from outside may be prepared |
//! | held | the successor that was yielded to, then the holder | it is here and acts |
//! | quiet | the holder that a successor has claimed from | it is still reached here; what may not run twice has stopped |
//!
//! A later part (gateways, DHCP, DNS, metadata) is a line in [`PARTS`] and a file beside `floating.rs`. Its steps rest on
//! [`Stand::guards`] and end with the lease. A part that may not run twice (DHCP) stops when it is quiet and starts when
//! it is held; one that may (a gateway's address) does as the floating addresses do.

use super::Primary;
use super::floating;
use crate::id::NodeName;
use crate::node::Role;
use crate::observed::Observed;
use crate::plan::Step;
use crate::record::{Expect, Guard, RecordId, Versioned, expect_of};
use crate::time::{BootTime, Now};

/// How this node shall stand towards the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stance {
    /// Nothing of the role is here.
    Away,
    /// It comes here soon.
    Ready,
    /// It is here.
    Held,
    /// It goes away soon.
    Quiet,
}

/// What a part is told.
#[derive(Clone, Copy, Debug)]
pub struct Stand<'a> {
    /// How it shall stand.
    pub stance: Stance,
    /// The role, if anybody holds it.
    pub primary: Option<&'a Versioned<Primary>>,
    /// What this machine sees of itself.
    pub observed: &'a Observed,
    /// Now.
    pub now: Now,
}

/// What a part answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// What brings it there.
    pub steps: Vec<Step>,
    /// How many things it still waits for. What has failed is not waited for.
    pub missing: usize,
    /// What is wrong with it that no step can mend.
    pub troubles: Vec<String>,
    /// When it must be looked at again, though nothing happens.
    pub look_again: Option<BootTime>,
}

/// A part of the role.
pub type Part = fn(&Stand<'_>) -> Standing;

/// Everything that moves with the role.
pub const PARTS: &[Part] = &[floating::stand];

impl Stand<'_> {
    /// Parts together: they stand as they shall when each of them does.
    pub fn together(&self, parts: &[Part]) -> Standing {
        let mut all = Standing::default();
        for part in parts {
            let standing = part(self);
            all.steps.extend(standing.steps);
            all.missing += standing.missing;
            all.troubles.extend(standing.troubles);
            all.look_again = all.look_again.into_iter().chain(standing.look_again).min();
        }
        all
    }

    /// What a step of the role rests on: that the record is as it was read, and where the role is here, that this node is
    /// present. Whoever takes the role from one that is absent rests on that.
    pub fn guards(&self) -> Vec<Guard> {
        let mut guards = vec![Guard { record: RecordId::Primary, expect: expect_of(self.primary) }];
        if self.stance != Stance::Away {
            let presence = RecordId::Presence(self.observed.name.clone());
            guards.push(Guard { record: presence, expect: Expect::Present });
        }
        guards
    }

    /// Why there is something to announce anew: it grows when the role comes here, and when its former has let go.
    pub fn occasion(&self) -> u64 {
        let Some(primary) = self.primary.map(|primary| &primary.value) else { return 0 };
        match primary.node == self.observed.name {
            true => primary.term * 2 + u64::from(primary.former.is_none()),
            false => (primary.term + 1) * 2,
        }
    }
}

/// How a node stands by the record alone.
pub(super) fn stance(primary: Option<&Primary>, name: &NodeName, role: Role) -> Stance {
    let Some(primary) = primary.filter(|_| role == Role::Coordinator) else { return Stance::Away };
    match &primary.handover {
        None if primary.node == *name => Stance::Held,
        Some(_) if primary.node == *name => Stance::Quiet,
        Some(handover) if handover.to == *name => match handover.phase {
            super::Phase::Claimed => Stance::Ready,
            super::Phase::Yielded => Stance::Held,
        },
        _ => Stance::Away,
    }
}
