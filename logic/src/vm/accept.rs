//! Whether an operator's request about a VM is allowed now, and the records it writes.

use std::collections::BTreeMap;

use super::domain;
use super::{Meta, MigrationMethod, Power, Selector, State, TagMark, Vm, Wish, shown_state};
use crate::cluster::{Cluster, VmEntry};
use crate::id::{NodeName, Tag, VmId, VmName};
use crate::limits::TAGS_MAX;
use crate::node::place::{Home, bump_ledger, place};
use crate::record::{Expect, RecordId, Records, VmNameOwner, VmXml, expect_of};
use crate::refusal::Refusal;
use crate::time::WallTime;

mod power;
mod relocate;

pub use power::{Force, PowerRequest, undefine, wish_power};
pub(crate) use power::{deletion, removal, spend};
pub use relocate::{Relocated, Relocation, relocate};

/// A VM to be defined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Define {
    /// Its libvirt document.
    pub xml: String,
    /// The node that is to own it; `None` lets PVC choose.
    pub node: Option<String>,
    /// How it is treated.
    pub meta: MetaChange,
    /// Its tags, and whether each is protected.
    pub tags: Vec<(String, TagMark)>,
}

/// What to change of how a VM is treated; `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaChange {
    /// Names of nodes; an empty list allows all.
    pub node_limit: Option<Vec<String>>,
    /// How a node is chosen.
    pub node_selector: Option<Selector>,
    /// Whether it starts with its node.
    pub node_autostart: Option<bool>,
    /// How it moves.
    pub migration_method: Option<MigrationMethod>,
    /// The longest pause in ms.
    pub migration_max_downtime_ms: Option<u32>,
    /// The profile; an empty text clears it.
    pub profile: Option<String>,
}

/// A change of one tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagChange {
    /// Add it.
    Add(TagMark),
    /// Take it away.
    Remove,
}

/// What a definition writes, and what it made.
#[derive(Clone, Debug, PartialEq)]
pub struct Defined {
    /// The new VM.
    pub id: VmId,
    /// Its name.
    pub name: VmName,
    /// The writes.
    pub records: Records,
}

/// Defines a VM: its name and UUID must be free, its node must be there and large enough.
///
/// # Errors
/// [`Refusal`] names what is in the way.
pub fn define(cluster: &Cluster, request: &Define, now: WallTime) -> Result<Defined, Refusal> {
    initialised(cluster)?;
    let domain = domain::parse(&request.xml)?;
    if let Some(taken) = cluster.vms.get(&domain.id) {
        return Err(Refusal::UuidTaken { vm: domain.id, name: taken.vm.value.name.clone() });
    }
    name_is_free(cluster, &domain.name)?;
    let meta = changed_meta(cluster, &Meta::default(), &request.meta)?;
    let node = owner(cluster, request.node.as_deref(), &meta)?;
    let mut tags = BTreeMap::new();
    for (tag, mark) in &request.tags {
        tags.insert(tag.parse::<Tag>()?, *mark);
    }
    if tags.len() > TAGS_MAX {
        return Err(Refusal::TooMany { what: "Tags of a VM", max: TAGS_MAX });
    }
    let (volumes, links) = (domain.volumes()?, domain.links());
    let vm = Vm {
        name: domain.name.clone(),
        description: domain.description,
        node,
        last_node: None,
        transfer: None,
        away_since: 0,
        parked: false,
        wish: Wish { power: Power::Stop, serial: 1, at: now },
        meta,
        tags,
        memory_mib: domain.memory_mib,
        vcpus: domain.vcpus,
        bound: domain.bound,
        links,
        removal: None,
        renaming: None,
        volumes,
    };
    // Where nobody asked for a node, the best one; a VM that fits nowhere now may still be defined and started later.
    let best = || place(cluster, domain.id, &vm, Home::Counts).chosen;
    let node = request.node.is_none().then(best).flatten().unwrap_or_else(|| vm.node.clone());
    fits(cluster, &node, vm.memory_mib, vm.vcpus)?;
    let vm = Vm { node: node.clone(), ..vm };
    let owner_record = cluster.nodes.get(&node).and_then(|entry| entry.node.as_ref());
    let records = Records::default()
        .guard(RecordId::Node(node.clone()), expect_of(owner_record))
        .write(RecordId::Vm(domain.id), Expect::Absent, vm.into())
        .write(RecordId::VmXml(domain.id), Expect::Absent, VmXml { xml: request.xml.as_str().into() }.into())
        .write(RecordId::VmName(domain.name.clone()), Expect::Absent, VmNameOwner { vm: domain.id }.into());
    let records = bump_ledger(cluster, &node, records);
    Ok(Defined { id: domain.id, name: domain.name, records })
}

/// Replaces a VM's document; name and UUID must stay. It takes effect at the next start. With `restart` a running VM
/// is restarted in the same write.
///
/// # Errors
/// [`Refusal`] names what is in the way.
pub fn modify(
    cluster: &Cluster,
    id: VmId,
    xml: &str,
    restart: Restart,
    now: WallTime,
) -> Result<Records, Refusal> {
    let entry = known(cluster, id)?;
    settled(entry)?;
    let domain = domain::parse(xml)?;
    let current = &entry.vm.value;
    if domain.id != id {
        return Err(Refusal::IdentityChanged {
            field: "uuid",
            given: domain.id.to_string(),
            current: id.to_string(),
            remedy: "a VM keeps its UUID; define a new VM instead",
        });
    }
    if domain.name != current.name {
        return Err(Refusal::IdentityChanged {
            field: "name",
            given: domain.name.to_string(),
            current: current.name.to_string(),
            remedy: "rename it with: pvc vm rename",
        });
    }
    fits(cluster, &current.node, domain.memory_mib, domain.vcpus)?;
    let (volumes, links) = (domain.volumes()?, domain.links());
    let mut vm = Vm {
        description: domain.description,
        memory_mib: domain.memory_mib,
        vcpus: domain.vcpus,
        bound: domain.bound,
        links,
        volumes,
        ..current.clone()
    };
    if restart == Restart::Yes && shown_state(entry) == State::Start {
        vm.wish = Wish { power: Power::Restart, serial: vm.wish.serial + 1, at: now };
    }
    Ok(Records::default().write(RecordId::Vm(id), entry.vm.expect(), vm.into()).write(
        RecordId::VmXml(id),
        expect_of(entry.xml.as_ref()),
        VmXml { xml: xml.into() }.into(),
    ))
}

/// Whether a change is followed by a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It is, where the VM runs.
    Yes,
    /// It takes effect at the next start.
    No,
}

/// Changes how a VM is treated.
///
/// # Errors
/// [`Refusal`] names what is in the way.
pub fn set_meta(cluster: &Cluster, id: VmId, change: &MetaChange) -> Result<Records, Refusal> {
    let entry = known(cluster, id)?;
    let meta = changed_meta(cluster, &entry.vm.value.meta, change)?;
    let vm = Vm { meta, ..entry.vm.value.clone() };
    Ok(Records::default().write(RecordId::Vm(id), entry.vm.expect(), vm.into()))
}

/// Adds or removes a tag.
///
/// # Errors
/// [`Refusal`] when it is there already, is not there, or is protected.
pub fn set_tag(cluster: &Cluster, id: VmId, tag: &str, change: TagChange) -> Result<Records, Refusal> {
    let entry = known(cluster, id)?;
    let mut vm = entry.vm.value.clone();
    let refuse = |why| Err(Refusal::Tag { tag: tag.into(), name: entry.vm.value.name.clone(), why });
    let key: Tag = tag.parse()?;
    match (change, vm.tags.get(&key)) {
        (TagChange::Add(_), Some(_)) => return refuse("it has this tag already"),
        (TagChange::Add(_), None) if vm.tags.len() >= TAGS_MAX => {
            return Err(Refusal::TooMany { what: "Tags of a VM", max: TAGS_MAX });
        }
        (TagChange::Add(mark), None) => {
            vm.tags.insert(key, mark);
        }
        (TagChange::Remove, None) => return refuse("it does not have this tag"),
        (TagChange::Remove, Some(mark)) if mark.protected => {
            return refuse("a protected tag cannot be removed");
        }
        (TagChange::Remove, Some(_)) => {
            vm.tags.remove(&key);
        }
    }
    Ok(Records::default().write(RecordId::Vm(id), entry.vm.expect(), vm.into()))
}

/// Gives a VM that does not run another name. The document must be at hand.
///
/// # Errors
/// [`Refusal`] names what is in the way.
pub fn rename(cluster: &Cluster, id: VmId, name: &str) -> Result<Records, Refusal> {
    let (entry, name) = renamable(cluster, id, name)?;
    let vm = &entry.vm.value;
    let xml = entry.xml.as_ref().ok_or(domain::DomainError::Missing { field: "domain" })?;
    let renamed = domain::render_renamed(&xml.value, Some(&name), &BTreeMap::new())?;
    let old_name = cluster.vm_names.get(&vm.name);
    Ok(Records::default()
        .guard(RecordId::VmFact(id), expect_of(entry.fact.as_ref()))
        .write(RecordId::Vm(id), entry.vm.expect(), Vm { name: name.clone(), ..vm.clone() }.into())
        .write(RecordId::VmXml(id), xml.expect(), VmXml { xml: renamed.into() }.into())
        .write(RecordId::VmName(name), Expect::Absent, VmNameOwner { vm: id }.into())
        .delete(RecordId::VmName(vm.name.clone()), expect_of(old_name)))
}

/// A VM that can be given another name now, and that name.
pub(crate) fn renamable<'a>(
    cluster: &'a Cluster,
    id: VmId,
    name: &str,
) -> Result<(&'a VmEntry, VmName), Refusal> {
    let entry = known(cluster, id)?;
    settled(entry)?;
    let vm = &entry.vm.value;
    let name: VmName = name.parse()?;
    name_is_free(cluster, &name)?;
    let state = shown_state(entry);
    let down = entry.fact.as_ref().is_none_or(|fact| !fact.value.runs());
    let stopped = matches!(state, State::Stop | State::Disable | State::Mirror);
    if !stopped || !down {
        let remedy = match stopped {
            true => "its guest is not down yet, so try again in a moment",
            false => "stop it before renaming it",
        };
        return Err(Refusal::WrongState { name: vm.name.clone(), state, remedy });
    }
    Ok((entry, name))
}

/// No task is giving the VM another name: its document and its records are that task's until it has ended.
pub(crate) fn settled(entry: &VmEntry) -> Result<(), Refusal> {
    match entry.vm.value.renaming {
        Some(task) => Err(Refusal::VmRenaming { name: entry.vm.value.name.clone(), task }),
        None => Ok(()),
    }
}

fn initialised(cluster: &Cluster) -> Result<(), Refusal> {
    cluster.settings.as_ref().map(|_| ()).ok_or(Refusal::NotInitialised)
}

fn known(cluster: &Cluster, id: VmId) -> Result<&VmEntry, Refusal> {
    cluster.vms.get(&id).map(AsRef::as_ref).ok_or_else(|| Refusal::VmUnknown { vm: id.to_string() })
}

fn name_is_free(cluster: &Cluster, name: &VmName) -> Result<(), Refusal> {
    match cluster.vm_names.get(name) {
        Some(owner) => Err(Refusal::NameTaken { name: name.clone(), vm: owner.value }),
        None => Ok(()),
    }
}

fn known_node(cluster: &Cluster, name: &str) -> Result<NodeName, Refusal> {
    let unknown = || Refusal::NodeUnknown { node: name.chars().take(80).collect() };
    let node: NodeName = name.parse().map_err(|_| unknown())?;
    cluster.node(&node).is_some().then_some(node).ok_or_else(unknown)
}

/// The node that is to own a VM: the one asked for, or at first the first within its limits.
fn owner(cluster: &Cluster, asked: Option<&str>, meta: &Meta) -> Result<NodeName, Refusal> {
    let allowed = |node: &NodeName| meta.node_limit.is_empty() || meta.node_limit.contains(node);
    if let Some(asked) = asked {
        let node = known_node(cluster, asked)?;
        return match allowed(&node) {
            true => Ok(node),
            false => Err(Refusal::NoNode { why: format!("node \"{node}\" is not within its node limit") }),
        };
    }
    let registered = cluster.nodes.iter().filter(|(_, entry)| entry.node.is_some());
    registered
        .map(|(name, _)| name)
        .find(|name| allowed(name))
        .cloned()
        .ok_or_else(|| Refusal::NoNode { why: "no registered node is within its limits".into() })
}

fn fits(cluster: &Cluster, name: &NodeName, memory_mib: u64, vcpus: u32) -> Result<(), Refusal> {
    let Some(node) = cluster.node(name) else { return Err(Refusal::NodeUnknown { node: name.to_string() }) };
    let too_large = |what, asked, has| Err(Refusal::TooLarge { what, asked, has, node: name.clone() });
    if memory_mib > node.memory_total_mib {
        return too_large("MiB of memory", memory_mib, node.memory_total_mib);
    }
    if vcpus > node.cpu_count {
        return too_large("vCPUs", vcpus.into(), node.cpu_count.into());
    }
    Ok(())
}

fn changed_meta(cluster: &Cluster, current: &Meta, change: &MetaChange) -> Result<Meta, Refusal> {
    let mut meta = current.clone();
    if let Some(names) = &change.node_limit {
        meta.node_limit = names.iter().map(|name| known_node(cluster, name)).collect::<Result<_, _>>()?;
        meta.node_limit.dedup();
    }
    meta.node_selector = change.node_selector.unwrap_or(meta.node_selector);
    meta.node_autostart = change.node_autostart.unwrap_or(meta.node_autostart);
    meta.migration_method = change.migration_method.unwrap_or(meta.migration_method);
    meta.migration_max_downtime_ms =
        change.migration_max_downtime_ms.unwrap_or(meta.migration_max_downtime_ms);
    if let Some(profile) = &change.profile {
        meta.profile = (!profile.is_empty()).then(|| profile.clone());
    }
    Ok(meta)
}

#[cfg(test)]
mod tests;
