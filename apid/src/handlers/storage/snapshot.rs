//! Snapshots of volumes: what there are, and how they come, change and go.

use std::sync::Arc;

use api::{Message, VolumeSnapshot};
use axum::extract::{Path, State};
use logic::cluster::Cluster;
use logic::id::SnapshotName;
use logic::storage::{SnapshotPath, VolumePath, accept};
use serde::Deserialize;
use utoipa::IntoParams;

use super::settle;
use super::volume::{known, wrong};
use crate::Api;
use crate::answer::{Answer, Answered, Listed};
use crate::convert;
use crate::error::ApiError;
use crate::handlers::{fuzzy, limit};
use crate::parameters::{NoParameters, Parameters};

/// Which snapshots are shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListSnapshots {
    /// Only those in this pool.
    pool: Option<String>,
    /// Only those of volumes of this name.
    volume: Option<String>,
    /// A regular expression found in the snapshot's name; `^` and `$` tie it to its ends.
    limit: Option<String>,
}

/// Lists the snapshots of volumes.
#[utoipa::path(get, path = "/storage/ceph/snapshot", tag = "storage", params(ListSnapshots))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<ListSnapshots>,
) -> Result<Listed<VolumeSnapshot>, ApiError> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let pattern = given(asked.limit).map(|text| limit(&text, fuzzy)).transpose()?;
    let (pool, volume) = (given(asked.pool), given(asked.volume));
    let cluster = api.view.cluster().await?;
    let wanted = |path: &VolumePath| {
        pool.as_ref().is_none_or(|pool| path.pool.as_str() == pool)
            && volume.as_ref().is_none_or(|volume| path.volume.as_str() == volume)
    };
    let mut found = Vec::new();
    for (path, volume) in cluster.volumes.iter().filter(|(path, _)| wanted(path)) {
        let names = volume.value.snapshots.keys();
        let fits = |name: &&SnapshotName| pattern.as_ref().is_none_or(|p| p.is_match(name.as_str()));
        found.extend(names.filter(fits).map(|name| (path.at(name), Arc::clone(volume))));
    }
    if found.is_empty() {
        return Err(ApiError::NotFound { what: "Snapshot" });
    }
    let shown =
        |(path, volume): (SnapshotPath, Arc<logic::record::Versioned<logic::storage::record::Volume>>)| {
            convert::storage::snapshot(&path, &volume.value)
        };
    Ok(Listed::new(found.into_iter().map(shown)))
}

/// Shows a snapshot, as a list of one.
#[utoipa::path(get, path = "/storage/ceph/snapshot/{pool}/{volume}/{snapshot}", tag = "storage")]
pub async fn show(
    State(api): State<Arc<Api>>,
    Path((pool, volume, snapshot)): Path<(String, String, String)>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Vec<VolumeSnapshot>> {
    let path = there(&pool, &volume, &snapshot)?;
    let one = |cluster: &Arc<Cluster>| {
        let volume = cluster.volumes.get(&path.of)?;
        volume
            .value
            .snapshots
            .contains_key(&path.snapshot)
            .then(|| vec![convert::storage::snapshot(&path, &volume.value)])
    };
    let found = api.view.find(one).await?;
    found.map(Answer).ok_or_else(|| unknown(&pool, &volume, &snapshot))
}

/// A snapshot to be taken.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AddSnapshot {
    /// Its name.
    snapshot: String,
    /// The volume.
    volume: String,
    /// The pool.
    pool: String,
}

/// Takes a snapshot of a volume.
#[utoipa::path(post, path = "/storage/ceph/snapshot", tag = "storage", params(AddSnapshot))]
pub async fn add(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<AddSnapshot>,
) -> Answered<Message> {
    let taken = take(&api, &asked.pool, &asked.volume, &asked.snapshot).await;
    taken.map_err(ApiError::as_refusal)
}

/// Takes a snapshot of a volume.
#[utoipa::path(post, path = "/storage/ceph/snapshot/{pool}/{volume}/{snapshot}", tag = "storage")]
pub async fn add_named(
    State(api): State<Arc<Api>>,
    Path((pool, volume, snapshot)): Path<(String, String, String)>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Message> {
    take(&api, &pool, &volume, &snapshot).await
}

async fn take(api: &Api, pool: &str, volume: &str, snapshot: &str) -> Answered<Message> {
    let name: SnapshotName = snapshot.parse().map_err(logic::refusal::Refusal::from)?;
    let path = known(pool, volume)?.at(&name);
    settle(api, |on| accept::add_snapshot(on, &path)).await
}

/// A snapshot's new name.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RenameSnapshot {
    /// The name.
    new_name: String,
}

/// Gives a snapshot another name.
#[utoipa::path(
    put,
    path = "/storage/ceph/snapshot/{pool}/{volume}/{snapshot}",
    tag = "storage",
    params(RenameSnapshot)
)]
pub async fn rename(
    State(api): State<Arc<Api>>,
    Path((pool, volume, snapshot)): Path<(String, String, String)>,
    Parameters(asked): Parameters<RenameSnapshot>,
) -> Answered<Message> {
    let path = there(&pool, &volume, &snapshot)?;
    let name: SnapshotName = asked.new_name.parse().map_err(|error| wrong("new_name", &error))?;
    settle(&api, |on| accept::rename_snapshot(on, &path, &name)).await
}

/// Removes a snapshot.
#[utoipa::path(delete, path = "/storage/ceph/snapshot/{pool}/{volume}/{snapshot}", tag = "storage")]
pub async fn remove(
    State(api): State<Arc<Api>>,
    Path((pool, volume, snapshot)): Path<(String, String, String)>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Message> {
    let path = there(&pool, &volume, &snapshot)?;
    settle(&api, |on| accept::remove_snapshot(on, &path)).await
}

/// Brings a volume back to a snapshot; what was written since is lost.
#[utoipa::path(post, path = "/storage/ceph/snapshot/{pool}/{volume}/{snapshot}/rollback", tag = "storage")]
pub async fn roll_back(
    State(api): State<Arc<Api>>,
    Path((pool, volume, snapshot)): Path<(String, String, String)>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Message> {
    let path = there(&pool, &volume, &snapshot)?;
    settle(&api, |on| accept::roll_back(on, &path)).await
}

/// The path of a snapshot that should be there: one that cannot be is not there.
fn there(pool: &str, volume: &str, snapshot: &str) -> Result<SnapshotPath, ApiError> {
    let of = known(pool, volume)?;
    let name: SnapshotName = snapshot.parse().map_err(|_| unknown(pool, volume, snapshot))?;
    Ok(of.at(&name))
}

fn unknown(pool: &str, volume: &str, snapshot: &str) -> ApiError {
    ApiError::unknown("Snapshot", &format!("{pool}/{volume}@{snapshot}"))
}
