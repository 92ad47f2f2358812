//! Storage: what it says of itself, and how a change of it is asked for and waited for.
//!
//! Every change is a task: the API cannot touch the storage. What the contract answers at once is waited for, up to a
//! bound; a task that goes on longer is named, and goes on.

use std::sync::Arc;

use api::{Message, StorageText};
use axum::extract::State;
use logic::cluster::Cluster;
use logic::id::TaskId;
use logic::storage::accept::{Accepted, Occasion};
use logic::storage::space::Insistence;
use logic::task::{Task, TaskState};

use crate::Api;
use crate::answer::{Answer, Answered, told};
use crate::convert;
use crate::error::ApiError;
use crate::handlers::now;
use crate::parameters::{NoParameters, Parameters};
use crate::view::Change;

pub mod benchmark;
pub mod osd;
pub mod pool;
pub mod snapshot;
pub mod upload;
pub mod volume;

/// Says nothing: there is only one kind of storage, below `/storage/ceph`.
#[utoipa::path(get, path = "/storage", tag = "storage")]
pub async fn root(Parameters(NoParameters {}): Parameters<NoParameters>) -> Answered<Option<Message>> {
    Ok(Answer(None))
}

/// Says nothing: what there is lies below.
#[utoipa::path(get, path = "/storage/ceph", tag = "storage")]
pub async fn ceph(Parameters(NoParameters {}): Parameters<NoParameters>) -> Answered<Option<Message>> {
    Ok(Answer(None))
}

/// Shows how the storage stands, in its own words.
#[utoipa::path(get, path = "/storage/ceph/status", tag = "storage")]
pub async fn status(
    State(api): State<Arc<Api>>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<StorageText> {
    let cluster = measured(&api).await?;
    convert::storage::status(&cluster, now()).map(Answer).ok_or_else(|| unmeasured(&cluster))
}

/// Shows what of the storage is used, in its own words.
#[utoipa::path(get, path = "/storage/ceph/utilization", tag = "storage")]
pub async fn utilization(
    State(api): State<Arc<Api>>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<StorageText> {
    let cluster = measured(&api).await?;
    convert::storage::utilization(&cluster, now()).map(Answer).ok_or_else(|| unmeasured(&cluster))
}

/// The records, in a cluster that has storage.
async fn measured(api: &Api) -> Result<Arc<Cluster>, ApiError> {
    api.settings.check_storage()?;
    api.view.cluster().await
}

fn unmeasured(cluster: &Cluster) -> ApiError {
    if let Some(why) = convert::storage::silence(cluster, now()) {
        return ApiError::Unavailable { why: format!("There is nothing to show of the storage: {why}.") };
    }
    ApiError::Unavailable {
        why: "The storage has not been measured yet. The primary coordinator measures it every few seconds: see whether \
              there is one, with: pvc node list"
            .into(),
    }
}

/// Whether the operator insists.
fn insistence(force: bool) -> Insistence {
    if force { Insistence::Forced } else { Insistence::Careful }
}

/// Has a change of the storage done, and tells how it ended. One that takes longer than may be waited for goes on.
pub(super) async fn settle(api: &Api, accept: impl Fn(Occasion<'_>) -> Accepted) -> Answered<Message> {
    let (id, task) = begin(api, accept).await?;
    await_end(api, id, &task).await
}

/// Writes the task of a change.
pub(super) async fn begin(
    api: &Api,
    accept: impl Fn(Occasion<'_>) -> Accepted,
) -> Result<(TaskId, Task), ApiError> {
    api.settings.check_storage()?;
    let accept = |cluster: &Cluster| {
        let id = TaskId(rand::random());
        let (task, records) = accept(Occasion { cluster, task: id, now: now() })?;
        Ok(Change { records: Some(records), told: (id, task) })
    };
    api.view.write(accept).await
}

/// Waits for the end of a task, and tells it.
async fn await_end(api: &Api, id: TaskId, task: &Task) -> Answered<Message> {
    let end = |cluster: &Arc<Cluster>| {
        let fact = cluster.tasks.get(&id).and_then(|entry| entry.fact.as_ref()).map(|fact| &fact.value);
        fact.filter(|fact| fact.state != TaskState::Running).cloned()
    };
    match api.wait_for(api.settings.task_wait, end).await {
        Some(fact) if fact.state == TaskState::Success => told(fact.message),
        Some(fact) => Err(ApiError::refused(fact.message)),
        None => told(format!(
            "This takes longer than is waited for here: task {id} goes on with it on node \"{}\". Watch it with: pvc \
             cluster task {id}",
            task.run_on
        )),
    }
}
