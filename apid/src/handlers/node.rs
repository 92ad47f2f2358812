//! Nodes: what they are, how they stand, what their daemon logs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Message, Node, NodeCoordinatorState, NodeDaemonState, NodeDomainState, NodeDuty, NodeLog};
use axum::extract::{Path, State};
use link::message::Request;
use logic::cluster::{Cluster, NodeEntry};
use logic::id::NodeName;
use logic::node::accept;
use logic::node::drain::{Duty, foresee, wish_duty};
use logic::node::shown_daemon_state;
use logic::primary::CoordinatorState;
use logic::primary::accept::{wish_primary, wish_secondary};
use logic::refusal::Refusal;
use serde::Deserialize;
use store::mirror::Snapshot;
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::answer::{Answer, Answered, Lines, told};
use crate::convert;
use crate::convert::node::Sums;
use crate::error::ApiError;
use crate::handlers::{LINES_DEFAULT, limit, now};
use crate::parameters::{NoParameters, Parameters};
use crate::view::Change;

/// The longest that a request waits for a node to be emptied or filled.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Between two looks while it waits.
const WAIT_STEP: Duration = Duration::from_millis(250);

/// Which nodes are shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListNodes {
    /// A regular expression that the name begins with.
    limit: Option<String>,
    /// Only those whose daemon is in this state.
    daemon_state: Option<String>,
    /// Only those that have this part among the coordinators.
    coordinator_state: Option<String>,
    /// Only those that are in this state towards VMs.
    domain_state: Option<String>,
}

/// Lists the nodes.
#[utoipa::path(get, path = "/node", tag = "node", params(ListNodes))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<ListNodes>,
) -> Answered<Vec<Node>> {
    let pattern =
        asked.limit.as_deref().map(|text| limit(text, |text| format!("^(?:{text})"))).transpose()?;
    let snapshot = api.view.snapshot().await?;
    let wanted = |node: &Node| {
        let same =
            |wanted: &Option<String>, state: &str| wanted.as_ref().is_none_or(|wanted| wanted == state);
        pattern.as_ref().is_none_or(|pattern| pattern.is_match(&node.name))
            && same(&asked.daemon_state, &node.daemon_state)
            && same(&asked.coordinator_state, &node.coordinator_state)
            && same(&asked.domain_state, &node.domain_state)
    };
    let nodes: Vec<Node> = shown(&snapshot, |_| true).into_iter().filter(wanted).collect();
    if nodes.is_empty() {
        return Err(ApiError::NotFound { what: "Node" });
    }
    Ok(Answer(nodes))
}

/// Shows a node, as a list of one.
#[utoipa::path(get, path = "/node/{node}", tag = "node")]
pub async fn show(
    State(api): State<Arc<Api>>,
    Path(node): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Vec<Node>> {
    let (name, _) = known(&api, &node).await?;
    let snapshot = api.view.snapshot().await?;
    Ok(Answer(shown(&snapshot, |other| *other == name)))
}

/// Shows the state of a node's daemon.
#[utoipa::path(get, path = "/node/{node}/daemon-state", tag = "node")]
pub async fn daemon_state(
    State(api): State<Arc<Api>>,
    Path(node): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<NodeDaemonState> {
    let (name, entry) = known(&api, &node).await?;
    let daemon_state = shown_daemon_state(&entry).as_str().into();
    Ok(Answer(NodeDaemonState { name: name.to_string(), daemon_state }))
}

/// Shows a node's part among the coordinators.
#[utoipa::path(get, path = "/node/{node}/coordinator-state", tag = "node")]
pub async fn coordinator_state(
    State(api): State<Arc<Api>>,
    Path(node): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<NodeCoordinatorState> {
    let (name, _) = known(&api, &node).await?;
    let cluster = api.view.cluster().await?;
    let coordinator_state = convert::node::coordinator_state(&cluster, &name).into();
    Ok(Answer(NodeCoordinatorState { name: name.to_string(), coordinator_state }))
}

/// What a node is to be among the coordinators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Part {
    Primary,
    Secondary,
}

/// What a node is to be among the coordinators.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SetCoordinatorState {
    /// `primary` moves the role to it, `secondary` to another one.
    #[param(inline)]
    state: Part,
}

/// Moves the primary role to a node, or away from it. The answer comes at once; the role follows within a second.
#[utoipa::path(post, path = "/node/{node}/coordinator-state", tag = "node", params(SetCoordinatorState))]
pub async fn set_coordinator_state(
    State(api): State<Arc<Api>>,
    Path(node): Path<String>,
    Parameters(asked): Parameters<SetCoordinatorState>,
) -> Answered<Message> {
    let accept = |cluster: &Cluster| {
        let unknown = || Refusal::NodeUnknown { node: node.chars().take(80).collect() };
        let name: NodeName = node.parse().map_err(|_| unknown())?;
        let records = match asked.state {
            Part::Primary => wish_primary(cluster, &name)?,
            Part::Secondary => wish_secondary(cluster, &name)?,
        };
        let state = logic::primary::coordinator_state(cluster, &name);
        Ok(Change { told: (records.is_some(), state), records })
    };
    let (is_new, state) = api.view.write(accept).await?;
    told(match (asked.state, is_new, state) {
        (Part::Primary, true, CoordinatorState::Primary) => {
            format!("Node \"{node}\" stays primary; the move of the role is called off.")
        }
        (Part::Primary, true, _) => format!("Setting node \"{node}\" in primary coordinator state."),
        (Part::Primary, false, CoordinatorState::Primary) => {
            format!("Node \"{node}\" is already in primary coordinator state.")
        }
        (Part::Primary, false, _) => format!("Node \"{node}\" is taking the primary role already."),
        (Part::Secondary, true, _) => format!("Setting node \"{node}\" in secondary coordinator state."),
        (Part::Secondary, false, CoordinatorState::Secondary) => {
            format!("Node \"{node}\" is already in secondary coordinator state.")
        }
        (Part::Secondary, false, _) => format!("Node \"{node}\" is handing the primary role over already."),
    })
}

/// Shows whether a node accepts VMs.
#[utoipa::path(get, path = "/node/{node}/domain-state", tag = "node")]
pub async fn domain_state(
    State(api): State<Arc<Api>>,
    Path(node): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<NodeDomainState> {
    let (name, _) = known(&api, &node).await?;
    let domain_state = Sums::of(&*api.view.cluster().await?).domain_state(&name).into();
    Ok(Answer(NodeDomainState { name: name.to_string(), domain_state }))
}

/// What a node is to do about VMs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Wished {
    Ready,
    Flush,
}

/// What a node is to do about VMs, and whether to wait for it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SetDomainState {
    /// `flush` empties it, `ready` lets it carry VMs again and calls those home that left it.
    #[param(inline)]
    state: Wished,
    /// Whether to answer when it is done, after a minute at the latest; else at once.
    #[serde(default)]
    #[param(required = false)]
    wait: bool,
    /// Whether nothing is to be changed: the answer tells, VM by VM, what would be done, and why what cannot move cannot.
    #[serde(default)]
    #[param(required = false)]
    dry_run: bool,
}

/// Empties a node of the VMs that run on it, or lets it carry VMs again.
#[utoipa::path(post, path = "/node/{node}/domain-state", tag = "node", params(SetDomainState))]
pub async fn set_domain_state(
    State(api): State<Arc<Api>>,
    Path(node): Path<String>,
    Parameters(asked): Parameters<SetDomainState>,
) -> Answered<NodeDuty> {
    let (name, _) = known(&api, &node).await?;
    let (service, passing) = match asked.state {
        Wished::Ready => (Duty::Ready, "unflush"),
        Wished::Flush => (Duty::Flushed, "flush"),
    };
    if asked.dry_run {
        let cluster = api.view.cluster().await?;
        // What would be refused is refused.
        wish_duty(&cluster, &name, service, now())?;
        let foreseen = foresee(&cluster, &name, service);
        return Ok(Answer(convert::plan::plan(&name, service, &foreseen)));
    }
    let accept = |cluster: &Cluster| {
        let records = wish_duty(cluster, &name, service, now())?;
        Ok(Change { told: records.is_some(), records })
    };
    let changed = api.view.write(accept).await?;
    let until = Instant::now() + WAIT_MAX;
    while asked.wait && Instant::now() < until {
        if Sums::of(&*api.view.cluster().await?).domain_state(&name) != passing {
            break;
        }
        tokio::time::sleep(WAIT_STEP).await;
    }
    let message = match (asked.state, changed) {
        (Wished::Ready, true) => {
            format!("Restoring migrated VMs to node \"{name}\" and letting it carry VMs again.")
        }
        (Wished::Ready, false) => format!("Node \"{name}\" carries VMs already."),
        (Wished::Flush, true) => format!("Flushing node \"{name}\" of its VMs."),
        (Wished::Flush, false) => format!("Node \"{name}\" is flushed already, or being flushed."),
    };
    Ok(Answer(NodeDuty { message, plan: None }))
}

/// Removes a node that leaves for good: one that is down, holds no VMs, and is neither primary nor the last coordinator.
#[utoipa::path(delete, path = "/node/{node}", tag = "node")]
pub async fn remove(
    State(api): State<Arc<Api>>,
    Path(node): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Message> {
    let (name, _) = known(&api, &node).await?;
    let accept = |cluster: &Cluster| {
        let removed = accept::remove(cluster, &name)?;
        Ok(Change { records: Some(removed.records), told: removed.settled })
    };
    let settled = api.view.write(accept).await?;
    let settled: Vec<String> = settled.iter().map(ToString::to_string).collect();
    told(match settled.is_empty() {
        true => format!("Removed node \"{name}\"."),
        false => format!(
            "Removed node \"{name}\". These VMs had their home there, and settle where they are: {}.",
            settled.join(", ")
        ),
    })
}

/// Which lines are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ShowLines {
    /// How many of the last lines; 10 when it is not given.
    pub(super) lines: Option<u32>,
    /// Whether to go on with what is written from then on: the answer is then a stream of plain text.
    #[serde(default)]
    #[param(required = false)]
    pub(super) follow: bool,
}

/// Shows the log of a node's daemon.
#[utoipa::path(get, path = "/node/{node}/log", tag = "node", params(ShowLines))]
pub async fn log(
    State(api): State<Arc<Api>>,
    Path(node): Path<String>,
    Parameters(asked): Parameters<ShowLines>,
) -> Result<Lines<NodeLog>, ApiError> {
    let (name, _) = known(&api, &node).await?;
    let lines = asked.lines.unwrap_or(LINES_DEFAULT);
    let request = Request::Log { lines, follow: asked.follow };
    if asked.follow {
        let parts = api.nodes.followed(&name, request).await?;
        return Ok(Lines::Followed { parts, stopping: api.stopping.clone() });
    }
    let data = api.nodes.whole(&name, request).await?;
    Ok(Lines::Last(NodeLog { name: name.to_string(), data }))
}

fn shown(snapshot: &Snapshot, wanted: impl Fn(&NodeName) -> bool) -> Vec<Node> {
    let cluster = &snapshot.cluster;
    let sums = Sums::of(cluster);
    let troubles = logic::health::troubles(cluster, &snapshot.faults);
    let node = |(name, entry): (&NodeName, &Arc<NodeEntry>)| {
        convert::node::node(cluster, (name, entry), &sums, &troubles)
    };
    cluster.nodes.iter().filter(|(name, entry)| entry.node.is_some() && wanted(name)).map(node).collect()
}

/// A registered node by its name.
async fn known(api: &Api, node: &str) -> Result<(NodeName, Arc<NodeEntry>), ApiError> {
    let unknown = || ApiError::unknown("Node", node);
    let name: NodeName = node.parse().map_err(|_| unknown())?;
    let find =
        |cluster: &Arc<Cluster>| cluster.nodes.get(&name).filter(|entry| entry.node.is_some()).cloned();
    let entry = api.view.find(find).await?.ok_or_else(unknown)?;
    Ok((name, entry))
}
