//! Volumes: what there are, and how they come, change and go.

use std::sync::Arc;

use api::{Message, Volume};
use axum::extract::{Path, State};
use logic::cluster::Cluster;
use logic::id::{BadId, VolumeName};
use logic::refusal::Refusal;
use logic::storage::accept::{self, Source};
use logic::storage::{VolumePath, size};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{insistence, settle};
use crate::Api;
use crate::answer::{Answer, Answered, Listed};
use crate::convert;
use crate::error::ApiError;
use crate::handlers::{fuzzy, limit};
use crate::parameters::{NoParameters, Parameters};

/// Which volumes are shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListVolumes {
    /// A regular expression found in the name; `^` and `$` tie it to its ends.
    limit: Option<String>,
    /// Only those in this pool.
    pool: Option<String>,
}

/// Lists the volumes.
#[utoipa::path(get, path = "/storage/ceph/volume", tag = "storage", params(ListVolumes))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<ListVolumes>,
) -> Result<Listed<Volume>, ApiError> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let pattern = given(asked.limit).map(|text| limit(&text, fuzzy)).transpose()?;
    let pool = given(asked.pool);
    let cluster = api.view.cluster().await?;
    let wanted = |path: &VolumePath| {
        pool.as_ref().is_none_or(|pool| path.pool.as_str() == pool)
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(path.volume.as_str()))
    };
    let found = cluster.volumes.iter().filter(|(path, volume)| volume.value.is_there() && wanted(path));
    let found: Vec<_> = found.map(|(path, volume)| (path.clone(), volume.clone())).collect();
    if found.is_empty() {
        return Err(ApiError::NotFound { what: "Volume" });
    }
    Ok(Listed::new(found.into_iter().map(|(path, volume)| convert::storage::volume(&path, &volume.value))))
}

/// Shows a volume, as a list of one.
#[utoipa::path(get, path = "/storage/ceph/volume/{pool}/{volume}", tag = "storage")]
pub async fn show(
    State(api): State<Arc<Api>>,
    Path((pool, volume)): Path<(String, String)>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Vec<Volume>> {
    let path = known(&pool, &volume)?;
    let one = |cluster: &Arc<Cluster>| {
        let volume = cluster.volumes.get(&path).filter(|volume| volume.value.is_there())?;
        Some(vec![convert::storage::volume(&path, &volume.value)])
    };
    let found = api.view.find(one).await?;
    found.map(Answer).ok_or_else(|| ApiError::unknown("Volume", &format!("{pool}/{volume}")))
}

/// A volume to be made.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AddVolume {
    /// Its name.
    volume: String,
    /// The pool it lies in.
    pool: String,
    /// Its size, such as `20G`; a number alone is bytes.
    size: String,
    /// Whether it is made even if its pool is then more than 80 % full.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
}

/// Makes an empty volume.
#[utoipa::path(post, path = "/storage/ceph/volume", tag = "storage", params(AddVolume))]
pub async fn add(State(api): State<Arc<Api>>, Parameters(asked): Parameters<AddVolume>) -> Answered<Message> {
    let path = new_path(&asked.pool, &asked.volume).map_err(ApiError::as_refusal)?;
    make(&api, &path, &asked.size, asked.force).await.map_err(ApiError::as_refusal)
}

/// A volume to be made, whose name is in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AddNamedVolume {
    /// Its size, such as `20G`; a number alone is bytes.
    size: String,
    /// Whether it is made even if its pool is then more than 80 % full.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
}

/// Makes an empty volume.
#[utoipa::path(post, path = "/storage/ceph/volume/{pool}/{volume}", tag = "storage", params(AddNamedVolume))]
pub async fn add_named(
    State(api): State<Arc<Api>>,
    Path((pool, volume)): Path<(String, String)>,
    Parameters(asked): Parameters<AddNamedVolume>,
) -> Answered<Message> {
    make(&api, &new_path(&pool, &volume)?, &asked.size, asked.force).await
}

async fn make(api: &Api, path: &VolumePath, size: &str, force: bool) -> Answered<Message> {
    let size_bytes = bytes("size", size)?;
    settle(api, |on| accept::add_volume(on, path, size_bytes, insistence(force))).await
}

/// What a volume is to become: either larger, or otherwise named.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangeVolume {
    /// Its new size, such as `40G`; a number alone is bytes.
    new_size: Option<String>,
    /// Its new name.
    new_name: Option<String>,
    /// Whether it grows even if its pool is then more than 80 % full.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
}

/// Makes a volume larger, or gives it another name.
#[utoipa::path(put, path = "/storage/ceph/volume/{pool}/{volume}", tag = "storage", params(ChangeVolume))]
pub async fn change(
    State(api): State<Arc<Api>>,
    Path((pool, volume)): Path<(String, String)>,
    Parameters(asked): Parameters<ChangeVolume>,
) -> Answered<Message> {
    let path = known(&pool, &volume)?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    match (given(asked.new_size), given(asked.new_name)) {
        (Some(size), None) => {
            let size_bytes = bytes("new_size", &size)?;
            settle(&api, |on| accept::resize_volume(on, &path, size_bytes, insistence(asked.force))).await
        }
        (None, Some(name)) => {
            let name: VolumeName = name.parse().map_err(|error| wrong("new_name", &error))?;
            settle(&api, |on| accept::rename_volume(on, &path, &name)).await
        }
        _ => Err(ApiError::refused(
            "Give exactly one of the two: new_size to make the volume larger, or new_name to rename it.",
        )),
    }
}

/// Removes a volume with its snapshots.
#[utoipa::path(delete, path = "/storage/ceph/volume/{pool}/{volume}", tag = "storage")]
pub async fn remove(
    State(api): State<Arc<Api>>,
    Path((pool, volume)): Path<(String, String)>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Message> {
    let path = known(&pool, &volume)?;
    settle(&api, |on| accept::remove_volume(on, &path)).await
}

/// Looks at a volume anew: what was changed past PVC is then shown as it is.
#[utoipa::path(post, path = "/storage/ceph/volume/{pool}/{volume}/scan", tag = "storage")]
pub async fn scan(
    State(api): State<Arc<Api>>,
    Path((pool, volume)): Path<(String, String)>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Message> {
    let path = known(&pool, &volume)?;
    settle(&api, |on| accept::scan_volume(on, &path)).await
}

/// A new volume with the content of another.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CloneVolume {
    /// Its name; it lies in the same pool.
    new_volume: String,
    /// A snapshot whose content it has: it then keeps only what differs from it. Without this it is a whole copy of what
    /// the volume has now.
    snapshot: Option<String>,
    /// Whether it is made even if its pool is then more than 80 % full.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
}

/// Makes a new volume with the content of this one.
#[utoipa::path(
    post,
    path = "/storage/ceph/volume/{pool}/{volume}/clone",
    tag = "storage",
    params(CloneVolume)
)]
pub async fn copy(
    State(api): State<Arc<Api>>,
    Path((pool, volume)): Path<(String, String)>,
    Parameters(asked): Parameters<CloneVolume>,
) -> Answered<Message> {
    let path = known(&pool, &volume)?;
    let name: VolumeName = asked.new_volume.parse().map_err(|error| wrong("new_volume", &error))?;
    let source = match asked.snapshot.filter(|name| !name.is_empty()) {
        None => Source::Volume(path.clone()),
        Some(name) => Source::Snapshot(
            path.at(&name.parse().map_err(|_| ApiError::unknown("Snapshot", &format!("{path}@{name}")))?),
        ),
    };
    let to = path.beside(&name);
    settle(&api, |on| accept::clone_volume(on, &source, &to, insistence(asked.force))).await
}

/// The path of a volume that should be there: one that cannot be is not there.
pub(super) fn known(pool: &str, volume: &str) -> Result<VolumePath, ApiError> {
    let pool_name = pool.parse().map_err(|_| ApiError::unknown("Pool", pool))?;
    let unknown = || ApiError::unknown("Volume", &format!("{pool}/{volume}"));
    Ok(VolumePath { pool: pool_name, volume: volume.parse().map_err(|_| unknown())? })
}

/// The path of a volume that is to be.
fn new_path(pool: &str, volume: &str) -> Result<VolumePath, ApiError> {
    let pool = pool.parse().map_err(|_| ApiError::unknown("Pool", pool))?;
    Ok(VolumePath { pool, volume: volume.parse().map_err(Refusal::from)? })
}

fn bytes(parameter: &str, text: &str) -> Result<u64, ApiError> {
    size::parse(text).map_err(|error| ApiError::parameter(parameter, error.to_string()))
}

/// A name that cannot be one.
pub(super) fn wrong(parameter: &str, error: &BadId) -> ApiError {
    ApiError::parameter(parameter, format!("{error}."))
}
