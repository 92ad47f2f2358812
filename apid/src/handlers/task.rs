//! Tasks: what runs longer than a request.

use std::sync::Arc;

use api::{TaskList, TaskStatus};
use axum::extract::{Path, State};
use logic::id::TaskId;

use crate::Api;
use crate::answer::{Answer, Answered};
use crate::convert;
use crate::parameters::{NoParameters, Parameters};

/// Lists the tasks that wait or run, by their worker.
#[utoipa::path(get, path = "/tasks", tag = "root")]
pub async fn list(
    State(api): State<Arc<Api>>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<TaskList> {
    Ok(Answer(convert::task::list(&*api.view.cluster().await?)))
}

/// Shows how far a task has come. One that nobody knows is shown as pending.
#[utoipa::path(get, path = "/tasks/{task_id}", tag = "root")]
pub async fn show(
    State(api): State<Arc<Api>>,
    Path(task_id): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<TaskStatus> {
    let Ok(id) = task_id.parse::<TaskId>() else { return Ok(Answer(convert::task::status(None))) };
    let entry = api.view.find(|cluster| cluster.tasks.get(&id).cloned()).await?;
    Ok(Answer(convert::task::status(entry.as_deref())))
}
