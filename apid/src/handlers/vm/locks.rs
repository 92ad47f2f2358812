//! Locks on a VM's volumes, which its former guests may have left behind.

use std::sync::Arc;

use axum::extract::{Path, State};
use logic::storage::accept::flush_locks;

use crate::Api;
use crate::answer::Accepted;
use crate::convert;
use crate::error::ApiError;
use crate::handlers::storage::begin;
use crate::parameters::{NoParameters, Parameters};

/// Releases every lock on the volumes of a VM that is down, whoever holds it.
#[utoipa::path(post, path = "/vm/{vm}/locks", tag = "vm")]
pub async fn flush(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Accepted, ApiError> {
    let (_, id, _) = api.view.vm(&vm).await.map_err(ApiError::as_refusal)?;
    let (task, asked) = begin(&api, |on| flush_locks(on, id)).await.map_err(ApiError::as_refusal)?;
    Ok(Accepted(convert::task::accepted(task, &asked)))
}
