//! OSDs: what there are, and how they come, change and go. What takes long is a task, and answered at once.

use std::sync::Arc;

use api::{Message, Osd, OsdState};
use axum::extract::{Path, State};
use logic::cluster::Cluster;
use logic::id::NodeName;
use logic::limits::OSDS_OF_DEVICE_MAX;
use logic::refusal::Refusal;
use logic::storage::accept::{Accepted as Decided, Occasion};
use logic::storage::osd::accept::{self, AddOsd, ReplaceOsd};
use logic::storage::osd::work::Care;
use logic::storage::osd::{DeviceChoice, OsdFlag, OsdId, OsdRefusal, OsdUuid, Weight};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::volume::wrong;
use super::{begin, settle};
use crate::Api;
use crate::answer::{Accepted, Answer, Answered};
use crate::convert;
use crate::error::ApiError;
use crate::handlers::{confirmed, fuzzy, limit, now};
use crate::parameters::{NoParameters, Parameters};

/// Which OSDs are shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListOsds {
    /// A regular expression found in the number; `^` and `$` tie it to its ends.
    limit: Option<String>,
}

/// Lists the OSDs.
#[utoipa::path(get, path = "/storage/ceph/osd", tag = "storage", params(ListOsds))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<ListOsds>,
) -> Answered<Vec<Osd>> {
    let given = asked.limit.filter(|text| !text.is_empty());
    let pattern = given.map(|text| limit(&text, fuzzy)).transpose()?;
    let cluster = api.view.cluster().await?;
    let wanted = |id: OsdId| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&id.to_string()));
    let osds = convert::osd::osds(&cluster, now(), wanted);
    if osds.is_empty() {
        return Err(ApiError::NotFound { what: "OSD" });
    }
    Ok(Answer(osds))
}

/// Shows an OSD, as a list of one.
#[utoipa::path(get, path = "/storage/ceph/osd/{osdid}", tag = "storage")]
pub async fn show(
    State(api): State<Arc<Api>>,
    Path(osdid): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Vec<Osd>> {
    one(&api, &osdid).await.map(|osd| Answer(vec![osd]))
}

/// Shows whether an OSD is up and in.
#[utoipa::path(get, path = "/storage/ceph/osd/{osdid}/state", tag = "storage")]
pub async fn state(
    State(api): State<Arc<Api>>,
    Path(osdid): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<OsdState> {
    let osd = one(&api, &osdid).await?;
    Ok(Answer(OsdState { id: osd.id, in_: osd.stats.in_, up: osd.stats.up }))
}

async fn one(api: &Api, osdid: &str) -> Result<Osd, ApiError> {
    let id = known(osdid)?;
    let find = |cluster: &Arc<Cluster>| convert::osd::osds(cluster, now(), |other| other == id).pop();
    api.view.find(find).await?.ok_or_else(|| ApiError::unknown("OSD", osdid))
}

/// The number of an OSD that should be there: what is no number is not there.
fn known(osdid: &str) -> Result<OsdId, ApiError> {
    osdid.parse().map_err(|_| ApiError::unknown("OSD", osdid))
}

fn device(parameter: &str, text: &str) -> Result<DeviceChoice, ApiError> {
    text.parse().map_err(|error| wrong(parameter, &error))
}

fn node(text: &str) -> Result<NodeName, ApiError> {
    text.parse().map_err(|_| Refusal::NodeUnknown { node: text.chars().take(80).collect() }.into())
}

/// Writes the task of a change, and tells which it is.
async fn order(api: &Api, accept: impl Fn(Occasion<'_>) -> Decided) -> Result<Accepted, ApiError> {
    let (id, task) = begin(api, accept).await?;
    Ok(Accepted(convert::task::accepted(id, &task)))
}

/// A device that is to hold databases.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AddDb {
    /// The node.
    node: String,
    /// Its device: a path, or `detect:NAME:SIZE:INDEX`.
    device: String,
}

/// Prepares a device of a node for the databases of its OSDs. What is on it is lost.
#[utoipa::path(post, path = "/storage/ceph/osddb", tag = "storage", params(AddDb))]
pub async fn add_db(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<AddDb>,
) -> Result<Accepted, ApiError> {
    let (node, device) = (node(&asked.node)?, device("device", &asked.device)?);
    order(&api, |on| accept::add_db(on, node.clone(), device.clone())).await
}

/// A device that is to become an OSD.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Add {
    /// The node.
    node: String,
    /// Its device: a path, or `detect:NAME:SIZE:INDEX`.
    device: String,
    /// Its weight in the placement rules.
    weight: f64,
    /// How large its database on the node's device for them is, as a part of it; not with `ext_db_size`.
    ext_db_ratio: Option<f64>,
    /// The same as a size, such as `60G`.
    ext_db_size: Option<String>,
    /// How many OSDs share the device; one when it is not given.
    osd_count: Option<u32>,
}

/// Makes a device an OSD, or several. What is on it is lost.
#[utoipa::path(post, path = "/storage/ceph/osd", tag = "storage", params(Add))]
pub async fn add(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<Add>,
) -> Result<Accepted, ApiError> {
    let count = asked.osd_count.unwrap_or(1);
    if count > OSDS_OF_DEVICE_MAX {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        return Err(Refusal::from(OsdRefusal::BadCount { count, max: OSDS_OF_DEVICE_MAX }).into());
    }
    let request = AddOsd {
        node: node(&asked.node)?,
        device: device("device", &asked.device)?,
        weight: accept::weight(asked.weight)?,
        db: accept::db_size(asked.ext_db_ratio, asked.ext_db_size.as_deref())?,
        osds: (0..count).map(|_| OsdUuid(Uuid::new_v4())).collect(),
    };
    order(&api, |on| accept::add(on, request.clone())).await
}

/// A device that takes the place of an OSD's.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Replace {
    /// The new device: a path, or `detect:NAME:SIZE:INDEX`.
    new_device: String,
    /// The old device; refused when it is another one.
    old_device: Option<String>,
    /// Its weight in the placement rules; as before when it is not given.
    weight: Option<f64>,
    /// How large its database on the node's device for them is, as a part of it; not with `ext_db_size`.
    ext_db_ratio: Option<f64>,
    /// The same as a size, such as `60G`.
    ext_db_size: Option<String>,
    /// Any text but a no: that this is meant.
    #[serde(rename = "yes-i-really-mean-it")]
    confirmation: String,
}

/// Puts another device in the place of an OSD's, which keeps its number.
#[utoipa::path(post, path = "/storage/ceph/osd/{osdid}", tag = "storage", params(Replace))]
pub async fn replace(
    State(api): State<Arc<Api>>,
    Path(osdid): Path<String>,
    Parameters(asked): Parameters<Replace>,
) -> Result<Accepted, ApiError> {
    confirmed(&asked.confirmation, "Replacing an OSD")?;
    let osd = known(&osdid).map_err(ApiError::as_refusal)?;
    let device = device("new_device", &asked.new_device)?;
    let weight = asked.weight.map(accept::weight).transpose()?;
    let db = accept::db_size(asked.ext_db_ratio, asked.ext_db_size.as_deref())?;
    let new = OsdUuid(Uuid::new_v4());
    let old_device = asked.old_device.filter(|device| !device.is_empty());
    let accept = |on: Occasion<'_>| {
        let weight = weight.unwrap_or_else(|| weight_before(on.cluster, osd));
        let (device, old_device) = (device.clone(), old_device.clone());
        accept::replace(on, ReplaceOsd { osd, device, old_device, weight, db, new })
    };
    order(&api, accept).await.map_err(ApiError::as_refusal)
}

/// What an OSD weighs now; one that was never measured weighs one.
fn weight_before(cluster: &Cluster, osd: OsdId) -> Weight {
    let weight = convert::osd::measured(cluster, osd).map(|osd| osd.figures.weight);
    weight.and_then(Weight::of).filter(|weight| weight.0 > 0).unwrap_or(Weight(1_000_000))
}

/// Where an OSD is found again.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Refresh {
    /// Its device: a path, or `detect:NAME:SIZE:INDEX`.
    device: String,
}

/// Takes in an OSD that is on a device already, after its node was installed anew.
#[utoipa::path(put, path = "/storage/ceph/osd/{osdid}", tag = "storage", params(Refresh))]
pub async fn refresh(
    State(api): State<Arc<Api>>,
    Path(osdid): Path<String>,
    Parameters(asked): Parameters<Refresh>,
) -> Result<Accepted, ApiError> {
    let osd = known(&osdid).map_err(ApiError::as_refusal)?;
    let device = device("device", &asked.device)?;
    let ordered = order(&api, |on| accept::refresh(on, osd, device.clone())).await;
    ordered.map_err(ApiError::as_refusal)
}

/// How an OSD goes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Remove {
    /// Whether it goes even if data is lost by that, or its node is gone.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
    /// Any text but a no: that this is meant.
    #[serde(rename = "yes-i-really-mean-it")]
    confirmation: String,
}

/// Removes an OSD: without force only when nothing is lost by that, however long that takes.
#[utoipa::path(delete, path = "/storage/ceph/osd/{osdid}", tag = "storage", params(Remove))]
pub async fn remove(
    State(api): State<Arc<Api>>,
    Path(osdid): Path<String>,
    Parameters(asked): Parameters<Remove>,
) -> Result<Accepted, ApiError> {
    confirmed(&asked.confirmation, "Removing an OSD")?;
    let osd = known(&osdid)?;
    let care = if asked.force { Care::Forced } else { Care::Safe };
    order(&api, |on| accept::remove(on, osd, care)).await
}

/// Whether data is to be placed on an OSD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Place {
    In,
    Out,
}

/// What an OSD is to be.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SetState {
    /// `in` lets data be placed on it, `out` moves it elsewhere.
    #[param(inline)]
    state: Place,
}

/// Puts an OSD in or out.
#[utoipa::path(post, path = "/storage/ceph/osd/{osdid}/state", tag = "storage", params(SetState))]
pub async fn set_state(
    State(api): State<Arc<Api>>,
    Path(osdid): Path<String>,
    Parameters(asked): Parameters<SetState>,
) -> Answered<Message> {
    let osd = known(&osdid).map_err(ApiError::as_refusal)?;
    let accept = |on: Occasion<'_>| match asked.state {
        Place::In => accept::mark_in(on, osd),
        Place::Out => accept::mark_out(on, osd),
    };
    settle(&api, accept).await.map_err(ApiError::as_refusal)
}

/// Whether a property is set or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OptionAction {
    Set,
    Unset,
}

/// A property of the whole storage.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SetOption {
    /// Which, such as `noout`.
    option: String,
    /// Whether it is set or taken back.
    #[param(inline)]
    action: OptionAction,
}

/// Sets a property of the whole storage, or takes it back.
#[utoipa::path(post, path = "/storage/ceph/option", tag = "storage", params(SetOption))]
pub async fn set_option(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<SetOption>,
) -> Answered<Message> {
    let flag: OsdFlag = asked.option.parse().map_err(|error| wrong("option", &error))?;
    let accept = |on: Occasion<'_>| match asked.action {
        OptionAction::Set => accept::set_flag(on, flag),
        OptionAction::Unset => accept::unset_flag(on, flag),
    };
    settle(&api, accept).await
}
