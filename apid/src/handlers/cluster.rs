//! The cluster as a whole: its beginning, its status, maintenance mode.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{ClusterStatus, Message, PrimaryNode};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use logic::cluster::Maintenance;
use logic::cluster::accept::{Overwrite, initialise, set_maintenance};
use logic::refusal::Refusal;
use serde::Deserialize;
use utoipa::openapi::{Content, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use crate::Api;
use crate::answer::{Answer, Answered, told};
use crate::auth::hex;
use crate::convert;
use crate::error::ApiError;
use crate::handlers::{confirmed, now};
use crate::parameters::{NoParameters, Parameters};
use crate::view::Change;

/// How a cluster is initialised.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Initialise {
    /// Whether an initialised cluster is emptied first: all its VMs and tasks are forgotten.
    #[serde(default)]
    #[param(required = false)]
    overwrite: bool,
    /// Any text but a no: that this is meant.
    #[serde(rename = "yes-i-really-mean-it")]
    confirmation: String,
}

/// Initialises the cluster.
#[utoipa::path(post, path = "/initialize", tag = "root", params(Initialise))]
pub async fn initialize(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<Initialise>,
) -> Answered<Message> {
    confirmed(&asked.confirmation, "Initialising a cluster")?;
    let overwrite = if asked.overwrite { Overwrite::Yes } else { Overwrite::No };
    let key = hex(&rand::random::<[u8; 32]>());
    let accept =
        |cluster: &_| Ok(Change { records: Some(initialise(cluster, &key, overwrite, now())?), told: () });
    api.view.write(accept).await?;
    told("Successfully initialized the PVC cluster.")
}

/// Shows the cluster's health, and what there is in it.
#[utoipa::path(get, path = "/status", tag = "root")]
pub async fn status(
    State(api): State<Arc<Api>>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<ClusterStatus> {
    let snapshot = api.view.snapshot().await?;
    if snapshot.cluster.settings.is_none() {
        return Err(Refusal::NotInitialised.into());
    }
    Ok(Answer(convert::status::status(&snapshot, &api.settings)))
}

/// Whether maintenance mode is to be on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SetMaintenance {
    /// On or off.
    #[param(inline)]
    state: OnOff,
}

/// The two states of maintenance mode, as texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OnOff {
    #[serde(alias = "True")]
    True,
    #[serde(alias = "False")]
    False,
}

/// Turns maintenance mode on or off.
#[utoipa::path(post, path = "/status", tag = "root", params(SetMaintenance))]
pub async fn maintain(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<SetMaintenance>,
) -> Answered<Message> {
    let on = asked.state == OnOff::True;
    let accept = |cluster: &logic::cluster::Cluster| {
        if cluster.settings.is_none() {
            return Err(ApiError::from(Refusal::NotInitialised));
        }
        Ok(Change { records: set_maintenance(cluster, Maintenance { on }), told: () })
    };
    api.view.write(accept).await?;
    told(if on {
        "Successfully set cluster in maintenance mode"
    } else {
        "Successfully set cluster in normal mode"
    })
}

/// Which coordinator is primary: its name with status 200, or status 204.
#[derive(Clone, Debug)]
pub struct Primary(Option<PrimaryNode>);

impl IntoResponse for Primary {
    fn into_response(self) -> Response {
        match self.0 {
            Some(primary) => Answer(primary).into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

impl IntoResponses for Primary {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let mut responses = Answer::<PrimaryNode>::responses();
        let none = ResponseBuilder::new().description("There is none now.").build();
        responses.insert("204".into(), RefOr::T(none));
        responses
    }
}

/// Says which coordinator is primary.
#[utoipa::path(get, path = "/status/primary_node", tag = "root", security(()))]
pub async fn primary_node(
    State(api): State<Arc<Api>>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Primary, ApiError> {
    let primary = convert::node::primary(&*api.view.cluster().await?);
    Ok(Primary(primary.map(|node| PrimaryNode { primary_node: node.to_string() })))
}

/// What Prometheus reads.
#[derive(Clone, Debug)]
pub struct Metrics(String);

impl IntoResponse for Metrics {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl IntoResponses for Metrics {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let text = Content::new(Some(<String as utoipa::PartialSchema>::schema()));
        let response = ResponseBuilder::new().description("The metrics.").content("text/plain", text);
        BTreeMap::from([("200".to_owned(), RefOr::T(response.build()))])
    }
}

/// Tells Prometheus the cluster's health and the counts of its states.
#[utoipa::path(get, path = "/metrics/health", tag = "root", security(()))]
pub async fn metrics_of_health(
    State(api): State<Arc<Api>>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Metrics, ApiError> {
    let snapshot = api.view.snapshot().await?;
    if snapshot.cluster.settings.is_none() {
        return Err(Refusal::NotInitialised.into());
    }
    Ok(Metrics(convert::metrics::health(&convert::status::status(&snapshot, &api.settings))))
}
