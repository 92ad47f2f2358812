//! Devices that come and go while a VM runs: work for its node's worker.

use std::sync::Arc;

use axum::extract::{Path, State};
use logic::cluster::Cluster;
use logic::id::TaskId;
use logic::task::accept::{DeviceChange, change_device};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::Api;
use crate::answer::Accepted;
use crate::convert;
use crate::error::ApiError;
use crate::handlers::now;
use crate::parameters::Parameters;
use crate::view::Change;

/// A device.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Device {
    /// Its libvirt element.
    xml: String,
}

/// Attaches a device to a running VM.
#[utoipa::path(post, path = "/vm/{vm}/device", tag = "vm", params(Device))]
pub async fn attach(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(device): Parameters<Device>,
) -> Result<Accepted, ApiError> {
    change(&api, &vm, &device, DeviceChange::Attach).await
}

/// Detaches a device from a running VM.
#[utoipa::path(delete, path = "/vm/{vm}/device", tag = "vm", params(Device))]
pub async fn detach(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(device): Parameters<Device>,
) -> Result<Accepted, ApiError> {
    change(&api, &vm, &device, DeviceChange::Detach).await
}

async fn change(api: &Api, vm: &str, device: &Device, change: DeviceChange) -> Result<Accepted, ApiError> {
    let (_, id, _) = api.view.vm(vm).await.map_err(ApiError::as_refusal)?;
    let accept = |cluster: &Cluster| {
        let task = TaskId(rand::random());
        let (asked, records) = change_device(cluster, task, (id, change), &device.xml, now())?;
        Ok(Change { records: Some(records), told: convert::task::accepted(task, &asked) })
    };
    Ok(Accepted(api.view.write(accept).await.map_err(ApiError::as_refusal)?))
}
