//! How a VM is treated: its placement, and its tags.

use std::sync::Arc;

use api::{Message, VmMetadata, VmTags};
use axum::extract::{Path, State};
use logic::cluster::Cluster;
use logic::vm::accept::{MetaChange, TagChange, set_meta, set_tag};
use logic::vm::{MigrationMethod, Selector, TagMark};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::answer::{Answer, Answered, told};
use crate::convert;
use crate::parameters::{NoParameters, Parameters};
use crate::view::Change;

/// How a node is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SelectorName {
    Mem,
    Memprov,
    Vcpus,
    Load,
    Vms,
    #[serde(alias = "None")]
    None,
}

impl From<SelectorName> for Selector {
    fn from(name: SelectorName) -> Self {
        match name {
            SelectorName::Mem => Self::Mem,
            SelectorName::Memprov => Self::MemProv,
            SelectorName::Vcpus => Self::Vcpus,
            SelectorName::Load => Self::Load,
            SelectorName::Vms => Self::Vms,
            SelectorName::None => Self::None,
        }
    }
}

/// How a VM is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Method {
    Live,
    Shutdown,
    #[serde(alias = "None")]
    None,
}

impl From<Method> for MigrationMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::Live => Self::Live,
            Method::Shutdown => Self::Shutdown,
            Method::None => Self::None,
        }
    }
}

/// Names of nodes, given one by one or parted by commas.
pub(super) fn node_names(given: &[String]) -> Vec<String> {
    let names = given.iter().flat_map(|text| text.split(',')).map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Shows how a VM is placed and moved.
#[utoipa::path(get, path = "/vm/{vm}/meta", tag = "vm")]
pub async fn meta(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<VmMetadata> {
    Ok(Answer(convert::vm::metadata(&api.view.vm(&vm).await?.2)))
}

/// What to change; what is not given stays.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangeMeta {
    /// The nodes it may run on, parted by commas; an empty text allows all.
    limit: Option<Vec<String>>,
    /// How a node is chosen for it.
    #[param(inline)]
    selector: Option<SelectorName>,
    /// Whether it starts when its node becomes ready.
    autostart: Option<bool>,
    /// The provisioner's profile; an empty text clears it.
    profile: Option<String>,
    /// How it is moved.
    #[param(inline)]
    migration_method: Option<Method>,
    /// How long it may stand still while it is moved, in milliseconds.
    migration_max_downtime: Option<u32>,
}

/// Changes how a VM is placed and moved.
#[utoipa::path(post, path = "/vm/{vm}/meta", tag = "vm", params(ChangeMeta))]
pub async fn change_meta(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(asked): Parameters<ChangeMeta>,
) -> Answered<Message> {
    let (_, id, entry) = api.view.vm(&vm).await?;
    let change = MetaChange {
        node_limit: asked.limit.as_deref().map(node_names),
        node_selector: asked.selector.map(Into::into),
        node_autostart: asked.autostart,
        migration_method: asked.migration_method.map(Into::into),
        migration_max_downtime_ms: asked.migration_max_downtime,
        profile: asked.profile,
    };
    let accept = |cluster: &Cluster| {
        let records = set_meta(cluster, id, &change)?;
        Ok(Change { records: (change != MetaChange::default()).then_some(records), told: () })
    };
    api.view.write(accept).await?;
    told(format!("Successfully modified PVC metadata of VM \"{}\".", entry.vm.value.name))
}

/// Shows a VM's tags.
#[utoipa::path(get, path = "/vm/{vm}/tags", tag = "vm")]
pub async fn tags(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<VmTags> {
    Ok(Answer(convert::vm::tags(&api.view.vm(&vm).await?.2)))
}

/// Whether a tag comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum AddOrRemove {
    Add,
    Remove,
}

/// The change of a tag.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangeTag {
    /// Whether it comes or goes.
    #[param(inline)]
    action: AddOrRemove,
    /// The tag.
    tag: String,
    /// Whether it is kept from being removed.
    #[serde(default)]
    #[param(required = false)]
    protected: bool,
}

/// Adds a tag to a VM, or removes one.
#[utoipa::path(post, path = "/vm/{vm}/tags", tag = "vm", params(ChangeTag))]
pub async fn change_tag(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(asked): Parameters<ChangeTag>,
) -> Answered<Message> {
    let (_, id, entry) = api.view.vm(&vm).await?;
    let change = match asked.action {
        AddOrRemove::Add => TagChange::Add(TagMark { protected: asked.protected }),
        AddOrRemove::Remove => TagChange::Remove,
    };
    let accept =
        |cluster: &Cluster| Ok(Change { records: Some(set_tag(cluster, id, &asked.tag, change)?), told: () });
    api.view.write(accept).await?;
    let name = &entry.vm.value.name;
    told(match asked.action {
        AddOrRemove::Add => format!("Successfully added tag \"{}\" to VM \"{name}\".", asked.tag),
        AddOrRemove::Remove => format!("Successfully removed tag \"{}\" from VM \"{name}\".", asked.tag),
    })
}
