//! VMs: what they are, and every wish about them.

use std::sync::Arc;

use api::{Vm, VmLog, VmNode, VmState, VmWhy};
use axum::extract::{Path, State};
use link::message::Request;

use crate::Api;
use crate::answer::{Answer, Answered, Lines};
use crate::convert;
use crate::error::ApiError;
use crate::handlers::LINES_DEFAULT;
use crate::handlers::node::ShowLines;
use crate::parameters::{NoParameters, Parameters};

pub mod define;
pub mod device;
pub mod list;
pub mod locks;
pub mod power;
pub mod relocate;
pub mod treat;

/// Shows a VM, as a list of one.
#[utoipa::path(get, path = "/vm/{vm}", tag = "vm")]
pub async fn show(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Vec<Vm>> {
    let (_, id, entry) = api.view.vm(&vm).await?;
    let statistics = api.nodes.statistics();
    let shape = api.shapes.of(id, &entry);
    let statistics = statistics.of(&entry.vm.value.node, id);
    Ok(Answer(vec![convert::vm::vm(id, &entry, shape.as_deref(), statistics)]))
}

/// Shows a VM's state.
#[utoipa::path(get, path = "/vm/{vm}/state", tag = "vm")]
pub async fn state(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<VmState> {
    Ok(Answer(convert::vm::state(&api.view.vm(&vm).await?.2)))
}

/// Shows where a VM is.
#[utoipa::path(get, path = "/vm/{vm}/node", tag = "vm")]
pub async fn node(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<VmNode> {
    Ok(Answer(convert::vm::node(&api.view.vm(&vm).await?.2)))
}

/// Says why a VM is where it is, and why each other node was not taken.
#[utoipa::path(get, path = "/vm/{vm}/why", tag = "vm")]
pub async fn why(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<VmWhy> {
    let (cluster, id, entry) = api.view.vm(&vm).await?;
    Ok(Answer(convert::vm::why(&entry, logic::vm::why::answer(&cluster, id, &entry))))
}

/// Shows what a VM wrote to its console.
#[utoipa::path(get, path = "/vm/{vm}/console", tag = "vm", params(ShowLines))]
pub async fn console(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(asked): Parameters<ShowLines>,
) -> Result<Lines<VmLog>, ApiError> {
    let (_, id, entry) = api.view.vm(&vm).await?;
    let record = &entry.vm.value;
    let name = record.name.to_string();
    let lines = asked.lines.unwrap_or(LINES_DEFAULT);
    let request = Request::Console { vm: id.to_string(), name: name.clone(), lines, follow: asked.follow };
    if asked.follow {
        let parts = api.nodes.followed(&record.node, request).await?;
        return Ok(Lines::Followed { parts, stopping: api.stopping.clone() });
    }
    let data = api.nodes.whole(&record.node, request).await?;
    Ok(Lines::Last(VmLog { name, data }))
}
