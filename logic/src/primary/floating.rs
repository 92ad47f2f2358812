//! The floating addresses: on the bridges of whoever holds the primary role, for as long as its lease, and told to all.
//!
//! The kernel takes each away by itself one second before the lease of this node's session ends (it counts in whole
//! seconds and may take that long to notice), and it is given anew with every renewal of the lease. So a holder that
//! hangs, or has lost the store, loses them without acting, and before anybody can find its presence gone.

use std::net::IpAddr;

use super::part::{Stance, Stand, Standing};
use super::reason::RoleReason;
use crate::limits::{ADDRESS_LOOK, ADDRESS_RENEWAL, KERNEL_LATENESS};
use crate::network::{
    Change, Lifetime, LinkKind, LinkName, LinkState, Seen, Sighting, SystemNetwork, lifetime,
};
use crate::plan::{Action, Reason, Resource, Step};
use crate::time::{BootTime, Span};

/// Brings the floating addresses here, or away.
pub fn stand(stand: &Stand<'_>) -> Standing {
    let networks = &stand.observed.networks;
    let floating = networks.wanted.own.iter().filter_map(|network| Some((network, network.floating?)));
    let mut standing = Standing::default();
    match &networks.sighting {
        Sighting::Seen(seen) => {
            for (network, ip) in floating {
                let one = One { stand, network, ip, seen };
                match stand.stance {
                    Stance::Away => one.away(&mut standing),
                    Stance::Ready => {}
                    Stance::Held | Stance::Quiet => one.held(&mut standing),
                }
            }
        }
        Sighting::Unknown { .. } => standing.missing = floating.count(),
    }
    if matches!(stand.stance, Stance::Ready | Stance::Quiet) {
        // Nothing is prepared, and both may have them at once.
        standing.missing = 0;
    }
    standing
}

/// One floating address.
struct One<'a> {
    stand: &'a Stand<'a>,
    network: &'a SystemNetwork,
    ip: IpAddr,
    seen: &'a Seen,
}

impl One<'_> {
    fn bridge(&self) -> &LinkName {
        &self.network.bridge
    }

    fn step(&self, standing: &mut Standing, change: Change, reason: RoleReason) {
        let resource = Resource::Address(self.bridge().clone(), self.ip);
        // What has just failed is tried again, and waited for no longer: but an address that could not be taken away is
        // still here, and is gone with its lifetime at the latest.
        let failure = self.stand.observed.failures.get(&resource);
        let awaited = self.stand.stance == Stance::Away || failure.is_none_or(|failure| failure.overtaken);
        standing.missing += usize::from(awaited);
        let not_after = match self.stand.stance {
            Stance::Away => None,
            _ => self.stand.observed.lease_until,
        };
        let action = Action::Network(change);
        standing.steps.push(Step {
            resource,
            action,
            guards: self.stand.guards(),
            not_after,
            reason: Reason::Role(reason),
        });
    }

    fn away(&self, standing: &mut Standing) {
        if self.seen.address(self.bridge(), self.ip).is_some() {
            let change = Change::RemoveAddress { link: self.bridge().clone(), ip: self.ip };
            self.step(standing, change, RoleReason::Left);
        }
    }

    fn held(&self, standing: &mut Standing) {
        let (link, ip) = (self.bridge().clone(), self.ip);
        // Nobody tells when the lease is renewed.
        standing.look_again = Some(self.stand.now.boot + ADDRESS_LOOK);
        let bridge = self.seen.link(&link).filter(|bridge| bridge.kind == LinkKind::Bridge);
        let Some(bridge) = bridge else {
            let kind = self.network.kind.as_str();
            standing.troubles.push(format!("the network {kind}: {ip} cannot be here: there is no {link}"));
            return;
        };
        let until =
            self.stand.observed.lease_until.map(|end| BootTime(end.0.saturating_sub(KERNEL_LATENESS.0)));
        if lifetime(until, self.stand.now.boot).is_none() {
            // The lease is over, or about to be: nothing is given for that short.
            standing.missing += 1;
            return;
        }
        if let Some(reason) = self.lacks(until) {
            let prefix_length = self.network.subnet.length();
            return self.step(standing, Change::EnsureAddress { link, ip, prefix_length, until }, reason);
        }
        let occasion = self.stand.occasion();
        let told = self.stand.observed.announcements.get(&(link.clone(), ip));
        // Without a carrier nobody would hear it; it is told when there is one.
        if bridge.state == LinkState::Up && told.is_none_or(|told| *told < occasion) {
            self.step(standing, Change::AnnounceAddress { link, ip, occasion }, RoleReason::Told);
        }
    }

    /// Why the address must be given: it is not there, is not as it shall be, or can stay longer by now.
    fn lacks(&self, until: Option<BootTime>) -> Option<RoleReason> {
        let found = self.seen.address(self.bridge(), self.ip);
        let found = found.filter(|found| found.prefix_length == self.network.subnet.length());
        let Some(found) = found else { return Some(RoleReason::Here) };
        let renewed = match (found.lifetime, until) {
            (Lifetime::Forever, None) => false,
            (Lifetime::Forever, Some(_)) | (Lifetime::Seconds { .. }, None) => true,
            // The kernel tells the seconds that have begun.
            (Lifetime::Seconds { valid, .. }, Some(until)) => {
                let left = Span::seconds(u64::from(valid.saturating_sub(1)));
                self.stand.observed.networks.at + left + ADDRESS_RENEWAL < until
            }
        };
        renewed.then_some(RoleReason::Renewed)
    }
}
