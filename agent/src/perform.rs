//! One step, performed: a match with one arm per action, and no choice of its own.
//!
//! Whether the step still holds is checked just before by [`Job::check`]; what an outcome means is for the decisions.

use std::sync::Arc;

use host::clock::Clock;
use host::hypervisor::Start;
use host::migration::{Convergence, Departure, Method, Migration};
use host::network::{Address, Network};
use logic::fence::Outcome;
use logic::id::{VmId, VmName};
use logic::network::{Change, lifetime};
use logic::plan::{Action, Step};
use logic::record::{RecordId, VmXml};
use logic::storage::record::Looked;
use logic::vm::domain::{self, render_start};
use logic::vm::volumes::SeenVolume;
use store::Committed;
use store::records::{commit_records, encode, read_record};

use crate::world::{Fault, World};

mod fence;
mod osds;
mod storage;

pub use fence::change_fence;
pub use osds::change_osds;
pub use storage::change_storage;

/// What a step left behind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// The versions it wrote, for telling when the mirror shows them.
    pub committed: Option<Committed>,
    /// The store's session that it was announced in: another one knows nothing of it.
    pub announced_in: Option<u64>,
    /// What it saw of the storage, when it was a look.
    pub looked: Option<Looked>,
    /// What it saw of a VM's volumes, when it looked at them.
    pub volumes: Option<Vec<SeenVolume>>,
    /// What it came to, when it was about a node's block at the storage.
    pub fenced: Option<Outcome>,
}

/// A step on its way, with the world it acts on.
#[derive(Clone, Debug)]
pub struct Job {
    /// The step.
    pub step: Arc<Step>,
    /// Where it acts.
    pub world: Arc<World>,
}

impl Job {
    /// Checks the step's guards and its lease, then acts, then looks at the clock once more.
    ///
    /// # Errors
    /// [`Fault`] says what stood in the way, or that the lease ran out while acting.
    pub fn perform(&self) -> Result<Done, Fault> {
        self.check()?;
        let done = self.act()?;
        self.world.within_lease(self.step.not_after)?;
        Ok(done)
    }

    /// Whether the step still holds: its guards and its lease.
    ///
    /// # Errors
    /// [`Fault::Stale`] when a guarded record changed, [`Fault::LeaseOver`] when the lease ran out.
    pub fn check(&self) -> Result<(), Fault> {
        self.world.guards_hold(&self.step.guards)?;
        self.world.within_lease(self.step.not_after)
    }

    /// What the hypervisor is told to start: it carries the document that is stored now, however late it is performed.
    ///
    /// # Errors
    /// When the store does not answer, or the document cannot be started.
    pub fn start_of(&self, vm: VmId, name: &VmName, incarnation: u64) -> Result<Start, Fault> {
        let World { store, guests, .. } = &*self.world;
        let document: VmXml = read_record(&**store, &RecordId::VmXml(vm))?;
        let sources = self.world.sources(&document.xml)?;
        let console_path = guests.console_path(name.as_str());
        let (kind, sources) = (guests.kind, sources.as_ref());
        let start = domain::Start { kind, incarnation, console_path: &console_path, sources };
        Ok(Start { vm, xml: render_start(&document.xml, start)?, incarnation })
    }

    /// Acts.
    ///
    /// # Errors
    /// [`Fault`] in the words of whoever refused.
    pub fn act(&self) -> Result<Done, Fault> {
        let World { store, hypervisor, migration, network, clock, .. } = &*self.world;
        match &self.step.action {
            Action::Record(records) => {
                let committed = commit_records(&**store, records)?;
                Ok(Done { committed: Some(committed), ..Done::default() })
            }
            Action::Announce(presence) => {
                let id = RecordId::Presence(self.world.name.clone());
                let bytes = encode(&id, &(**presence).clone().into());
                // Read before: what ends in between is announced once more.
                let announced_in = Some(store.session().epoch);
                store.announce(&store::key::path(&id), &bytes)?;
                Ok(Done { announced_in, ..Done::default() })
            }
            Action::StartGuest { vm, name, incarnation } => {
                hypervisor.start(&self.start_of(*vm, name, *incarnation)?)?;
                Ok(Done::default())
            }
            Action::PressPower { vm, incarnation } => {
                hypervisor.press_power(*vm, *incarnation)?;
                Ok(Done::default())
            }
            Action::StopGuest { vm, incarnation } => {
                hypervisor.stop(*vm, *incarnation)?;
                Ok(Done::default())
            }
            Action::SendGuest { .. }
            | Action::AllowDowntime { .. }
            | Action::AbortMove { .. }
            | Action::SwitchToPostCopy { .. }
            | Action::MendGuest { .. }
            | Action::ReleaseGuest { .. }
            | Action::DiscardGuest { .. } => {
                move_guest(&**migration, &self.step.action)?;
                Ok(Done::default())
            }
            Action::AttachDevice { vm, xml } => {
                hypervisor.attach(*vm, &self.world.found(xml)?)?;
                Ok(Done::default())
            }
            Action::DetachDevice { vm, xml } => {
                hypervisor.detach(*vm, xml)?;
                Ok(Done::default())
            }
            Action::Storage(change) => change_storage(&self.world, change, &self.step),
            Action::Osd(change) => change_osds(&self.world, change),
            Action::Fence(change) => change_fence(&self.world, change),
            Action::Network(change) => change_network(&**network, &**clock, change).map(|()| Done::default()),
            of_volumes => tend_volumes(&self.world, of_volumes),
        }
    }
}

/// Does something about guests' volumes.
///
/// # Panics
/// When the action is about something else.
fn tend_volumes(world: &World, action: &Action) -> Result<Done, Fault> {
    let mut done = Done::default();
    match action {
        Action::LookAtVolumes { volumes, .. } => done.volumes = Some(world.look_at_volumes(volumes)?),
        Action::BreakLocks { locks, .. } => world.break_locks(locks)?,
        Action::FlushLocks { volumes } => world.flush_locks(volumes)?,
        Action::ResizeDisk { vm, volume, size_bytes } => {
            world.hypervisor.resize_disk(*vm, &world.source_of(volume)?, *size_bytes)?;
        }
        Action::EnsureSecret => world.ensure_secret()?,
        other => unreachable!("volumes are tended by few actions, and not by {}", other.name()),
    }
    Ok(done)
}

/// Changes something of the machine's networks.
///
/// # Errors
/// [`Fault::Network`] in the words of the kernel; [`Fault::LeaseOver`] when an address would have to end at once.
pub fn change_network(network: &dyn Network, clock: &dyn Clock, change: &Change) -> Result<(), Fault> {
    match change {
        Change::EnsureLink { link, mtu } => network.ensure_link(link, *mtu)?,
        Change::EnsureBridge(bridge) => network.ensure_bridge(bridge)?,
        Change::EnsureAddress { link, ip, prefix_length, until } => {
            let lifetime = lifetime(*until, clock.now().boot).ok_or(Fault::LeaseOver)?;
            let (link, prefix_length) = (link.clone(), *prefix_length);
            network.ensure_address(&Address { link, ip: *ip, prefix_length, lifetime })?;
        }
        Change::EnsureDefaultRoute { link, gateway } => network.ensure_default_route(link, *gateway)?,
        Change::RemoveAddress { link, ip } => network.remove_address(link, *ip)?,
        Change::AnnounceAddress { link, ip, .. } => network.announce(link, *ip)?,
    }
    Ok(())
}

/// Does its part of moving a guest.
///
/// # Errors
/// [`Fault::Hypervisor`] in the words of whoever refused.
///
/// # Panics
/// When the action is another one.
fn move_guest(migration: &dyn Migration, action: &Action) -> Result<(), Fault> {
    match action {
        Action::SendGuest { .. } => migration.begin(&departure(action))?,
        Action::MendGuest { .. } => migration.mend(&departure(action))?,
        Action::AllowDowntime { vm, incarnation, downtime_max_ms } => {
            migration.allow_downtime(*vm, *incarnation, *downtime_max_ms)?;
        }
        Action::AbortMove { vm, incarnation } => migration.abort(*vm, *incarnation)?,
        Action::SwitchToPostCopy { vm, incarnation } => migration.switch_to_post_copy(*vm, *incarnation)?,
        Action::ReleaseGuest { vm, incarnation } => migration.release(*vm, *incarnation)?,
        Action::DiscardGuest { vm, incarnation } => migration.discard(*vm, *incarnation)?,
        other => unreachable!("a guest is not moved by {}", other.name()),
    }
    Ok(())
}

/// What is sent where, and how.
///
/// # Panics
/// When the action is another one.
fn departure(action: &Action) -> Departure {
    match action {
        Action::SendGuest {
            vm,
            incarnation,
            to,
            console_path,
            downtime_max_ms,
            bandwidth_max_mib,
            method,
        } => Departure {
            vm: *vm,
            incarnation: *incarnation,
            to: *to,
            console_path: console_path.clone(),
            method: *method,
            downtime_max_ms: *downtime_max_ms,
            bandwidth_max_mib: *bandwidth_max_mib,
            convergence: convergence(*method),
        },
        Action::MendGuest { vm, incarnation, to, console_path, bandwidth_max_mib } => Departure {
            vm: *vm,
            incarnation: *incarnation,
            to: *to,
            console_path: console_path.clone(),
            method: Method::PostCopy,
            downtime_max_ms: 0,
            bandwidth_max_mib: *bandwidth_max_mib,
            convergence: convergence(Method::PostCopy),
        },
        other => unreachable!("a guest is sent by two actions alone, and not by {}", other.name()),
    }
}

/// A guest that goes on at the target at once has no need to be slowed down.
fn convergence(method: Method) -> Convergence {
    match method {
        Method::PreCopy => Convergence::Throttled,
        Method::PostCopy => Convergence::Unaided,
    }
}
