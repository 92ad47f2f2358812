//! VMs come, change, are renamed and go.

use std::sync::Arc;
use std::time::Duration;

use api::Message;
use axum::extract::{Path, State};
use logic::cluster::Cluster;
use logic::id::VmId;
use logic::storage::accept::{namesakes, remove_vm, rename_vm};
use logic::vm::TagMark;
use logic::vm::accept::{self, Define, MetaChange, Restart};
use serde::Deserialize;
use utoipa::IntoParams;

use super::treat::{Method, SelectorName, node_names};
use crate::Api;
use crate::answer::{Answer, Answered, told};
use crate::error::ApiError;
use crate::handlers::now;
use crate::handlers::storage::settle;
use crate::parameters::Parameters;
use crate::view::Change;

/// How long the answer waits until a VM that ran is gone.
const REMOVAL_WAIT: Duration = Duration::from_secs(10);

/// A VM to be defined.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DefineVm {
    /// Its libvirt document.
    xml: String,
    /// The node that is to own it; PVC chooses one when it is not given.
    node: Option<String>,
    /// The nodes it may run on, parted by commas; all when it is not given.
    #[serde(default)]
    limit: Vec<String>,
    /// How a node is chosen for it.
    #[param(inline)]
    selector: Option<SelectorName>,
    /// Whether it starts when its node becomes ready.
    autostart: Option<bool>,
    /// How it is moved.
    #[param(inline)]
    migration_method: Option<Method>,
    /// How long it may stand still while it is moved, in milliseconds.
    migration_max_downtime: Option<u32>,
    /// Its tags; may be repeated.
    #[serde(default)]
    user_tags: Vec<String>,
    /// Tags that cannot be removed; may be repeated.
    #[serde(default)]
    protected_tags: Vec<String>,
}

/// Defines a VM.
#[utoipa::path(post, path = "/vm", tag = "vm", params(DefineVm))]
pub async fn define(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<DefineVm>,
) -> Answered<Message> {
    add(&api, asked).await
}

/// Defines a VM. Its name is that of the document; the one in the path is not looked at.
#[utoipa::path(post, path = "/vm/{vm}", tag = "vm", params(DefineVm))]
pub async fn define_named(
    State(api): State<Arc<Api>>,
    Path(_vm): Path<String>,
    Parameters(asked): Parameters<DefineVm>,
) -> Answered<Message> {
    add(&api, asked).await
}

async fn add(api: &Api, asked: DefineVm) -> Answered<Message> {
    let tags = |names: Vec<String>, protected: bool| {
        names.into_iter().map(move |name| (name, TagMark { protected }))
    };
    let request = Define {
        xml: asked.xml,
        node: asked.node.filter(|node| !node.is_empty()),
        meta: MetaChange {
            node_limit: Some(node_names(&asked.limit)).filter(|names| !names.is_empty()),
            node_selector: asked.selector.map(Into::into),
            node_autostart: asked.autostart,
            migration_method: asked.migration_method.map(Into::into),
            migration_max_downtime_ms: asked.migration_max_downtime,
            profile: None,
        },
        tags: tags(asked.user_tags, false).chain(tags(asked.protected_tags, true)).collect(),
    };
    let accept = |cluster: &Cluster| {
        let defined = accept::define(cluster, &request, now())?;
        Ok(Change { records: Some(defined.records), told: (defined.id, defined.name) })
    };
    let (id, name) = api.view.write(accept).await?;
    told(format!("Added new VM with Name \"{name}\" and UUID \"{id}\" to database."))
}

/// A VM's new document.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ModifyVm {
    /// The whole document; name and UUID must be the same.
    xml: String,
    /// Whether the VM is restarted if it runs; otherwise the document takes effect at its next start.
    #[serde(default)]
    #[param(required = false)]
    restart: bool,
}

/// Replaces a VM's document.
#[utoipa::path(put, path = "/vm/{vm}", tag = "vm", params(ModifyVm))]
pub async fn modify(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(asked): Parameters<ModifyVm>,
) -> Answered<Message> {
    let (_, id, entry) = api.view.vm(&vm).await?;
    let restart = if asked.restart { Restart::Yes } else { Restart::No };
    let accept = |cluster: &Cluster| {
        let records = accept::modify(cluster, id, &asked.xml, restart, now())?;
        Ok(Change { records: Some(records), told: () })
    };
    api.view.write(accept).await?;
    told(format!("Modified the configuration of VM \"{}\".", entry.vm.value.name))
}

/// What becomes of a VM's disks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RemoveVm {
    /// Whether its volumes in the cluster's storage are deleted with it. Files are never deleted.
    #[serde(default)]
    #[param(required = false)]
    delete_disks: bool,
}

/// Forgets a VM; one that runs is stopped first. Where its volumes are deleted with it and one cannot be, it stays, down,
/// and is told what is left.
#[utoipa::path(delete, path = "/vm/{vm}", tag = "vm", params(RemoveVm))]
pub async fn remove(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(asked): Parameters<RemoveVm>,
) -> Answered<Message> {
    let (cluster, id, entry) = api.view.vm(&vm).await?;
    let (mut known, mut unknown) = (false, Vec::new());
    for used in entry.vm.value.volumes.iter().filter(|_| asked.delete_disks) {
        match cluster.volumes.contains_key(&used.path) {
            true => known = true,
            false => unknown.push(used.path.to_string()),
        }
    }
    let left = match unknown.as_slice() {
        [] => String::new(),
        unknown => format!(" Not known to PVC, and so not deleted: {}.", unknown.join(", ")),
    };
    if known {
        let Answer(done) = settle(&api, |on| remove_vm(on, id)).await?;
        return told(format!("{}{left}", done.message));
    }
    let accept = |cluster: &Cluster| {
        let records = accept::undefine(cluster, id, now())?;
        Ok(Change { records: Some(records), told: () })
    };
    api.view.write(accept).await?;
    let name = &entry.vm.value.name;
    match api.wait_for(REMOVAL_WAIT, |cluster| gone(cluster, id)).await {
        Some(()) => told(format!("Removed VM \"{name}\" from the cluster.{left}")),
        None => told(format!("VM \"{name}\" is being removed: its node ends the guest first.")),
    }
}

fn gone(cluster: &Arc<Cluster>, id: VmId) -> Option<()> {
    (!cluster.vms.contains_key(&id)).then_some(())
}

/// A VM's new name.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RenameVm {
    /// The name.
    new_name: String,
}

/// Gives a VM that does not run another name, and those of its volumes that are called after it: all of them, or it keeps
/// its name.
#[utoipa::path(post, path = "/vm/{vm}/rename", tag = "vm", params(RenameVm))]
pub async fn rename(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(asked): Parameters<RenameVm>,
) -> Answered<Message> {
    let (cluster, id, entry) = api.view.vm(&vm).await.map_err(ApiError::as_refusal)?;
    if !namesakes(&cluster, &entry.vm.value).is_empty() {
        let renamed = settle(&api, |on| rename_vm(on, id, &asked.new_name)).await;
        return renamed.map_err(ApiError::as_refusal);
    }
    let accept = |cluster: &Cluster| {
        let records = accept::rename(cluster, id, &asked.new_name)?;
        Ok(Change { records: Some(records), told: () })
    };
    api.view.write(accept).await.map_err(ApiError::as_refusal)?;
    told(format!("Successfully renamed VM \"{}\" to \"{}\".", entry.vm.value.name, asked.new_name))
}
