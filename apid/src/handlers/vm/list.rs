//! The list of VMs, with its filters.

use std::sync::Arc;

use api::Vm;
use axum::extract::State;
use logic::cluster::{Cluster, VmEntry};
use logic::id::{NodeName, VmId};
use logic::refusal::Refusal;
use logic::vm::shown_state;
use regex::Regex;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::Api;
use crate::answer::Listed;
use crate::convert;
use crate::error::ApiError;
use crate::handlers::{fuzzy, limit};
use crate::parameters::Parameters;

/// Which VMs are shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListVms {
    /// A regular expression found in the name or the UUID; `^` and `$` tie it to their ends.
    limit: Option<String>,
    /// Only those that belong to this node.
    node: Option<String>,
    /// Only those in this state.
    state: Option<String>,
    /// Only those with this tag.
    tag: Option<String>,
    /// Whether `node`, `state` and `tag` say which ones are left out instead.
    #[serde(default)]
    #[param(required = false)]
    negate: bool,
}

/// The filters, checked.
struct Wanted {
    pattern: Option<Regex>,
    node: Option<NodeName>,
    state: Option<logic::vm::State>,
    tag: Option<String>,
    negate: bool,
}

/// Lists the VMs.
#[utoipa::path(get, path = "/vm", tag = "vm", params(ListVms))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<ListVms>,
) -> Result<Listed<Vm>, ApiError> {
    let cluster = api.view.cluster().await?;
    let wanted = Wanted::of(asked, &cluster)?;
    let entries = cluster.vms.iter().filter(|(id, entry)| wanted.matches(**id, entry));
    let entries: Vec<(VmId, Arc<VmEntry>)> = entries.map(|(id, entry)| (*id, Arc::clone(entry))).collect();
    if entries.is_empty() {
        return Err(ApiError::NotFound { what: "VM" });
    }
    api.shapes.forget_others(&cluster);
    let (shapes, statistics) = (Arc::clone(&api.shapes), api.nodes.statistics());
    Ok(Listed::new(entries.into_iter().map(move |(id, entry)| {
        let shape = shapes.of(id, &entry);
        convert::vm::vm(id, &entry, shape.as_deref(), statistics.of(&entry.vm.value.node, id))
    })))
}

impl Wanted {
    fn of(asked: ListVms, cluster: &Cluster) -> Result<Self, ApiError> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let node = match given(asked.node) {
            Some(text) => Some(registered(cluster, &text)?),
            None => None,
        };
        Ok(Self {
            pattern: given(asked.limit).map(|text| limit(&text, fuzzy)).transpose()?,
            node,
            state: given(asked.state).map(|text| text.parse()).transpose()?,
            tag: given(asked.tag),
            negate: asked.negate,
        })
    }

    fn matches(&self, id: VmId, entry: &VmEntry) -> bool {
        let vm = &entry.vm.value;
        let fits = |pattern: &Regex| pattern.is_match(vm.name.as_str()) || pattern.is_match(&id.to_string());
        if !self.pattern.as_ref().is_none_or(fits) {
            return false;
        }
        if self.node.is_none() && self.state.is_none() && self.tag.is_none() {
            return true;
        }
        let has = |tag: &String| vm.tags.keys().any(|key| key.as_str() == tag);
        let same = self.node.as_ref().is_none_or(|node| vm.node == *node)
            && self.state.is_none_or(|state| shown_state(entry) == state)
            && self.tag.as_ref().is_none_or(has);
        same != self.negate
    }
}

fn registered(cluster: &Cluster, text: &str) -> Result<NodeName, ApiError> {
    let unknown = || Refusal::NodeUnknown { node: text.chars().take(80).collect() };
    let name: NodeName = text.parse().map_err(|_| unknown())?;
    cluster.node(&name).is_some().then_some(name).ok_or_else(|| unknown().into())
}
