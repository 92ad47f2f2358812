//! Wishes about a VM's power.

use std::sync::Arc;
use std::time::Duration;

use api::Message;
use axum::extract::{Path, State};
use logic::cluster::{Cluster, VmEntry};
use logic::id::VmId;
use logic::vm::accept::{Force, PowerRequest, wish_power};
use logic::vm::{State as VmState, shown_failure, shown_state};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::answer::{Answered, told};
use crate::error::ApiError;
use crate::handlers::now;
use crate::parameters::Parameters;
use crate::view::Change;

/// What a guest may take beyond its shutdown deadline: the node ends it and says so.
const WAIT_MARGIN: Duration = Duration::from_secs(30);

/// What a VM's power is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PowerWish {
    Start,
    Shutdown,
    Stop,
    Restart,
    Disable,
}

impl From<PowerWish> for PowerRequest {
    fn from(wish: PowerWish) -> Self {
        match wish {
            PowerWish::Start => Self::Start,
            PowerWish::Shutdown => Self::Shutdown,
            PowerWish::Stop => Self::Stop,
            PowerWish::Restart => Self::Restart,
            PowerWish::Disable => Self::Disable,
        }
    }
}

/// A wish about a VM's power.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SetState {
    /// What it is to become.
    #[param(inline)]
    state: PowerWish,
    /// Whether a disabled VM is started or stopped nevertheless, and disabling ends the guest at once.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
    /// Whether the answer waits until it is so.
    #[serde(default)]
    #[param(required = false)]
    wait: bool,
}

/// Wishes something of a VM's power.
#[utoipa::path(post, path = "/vm/{vm}/state", tag = "vm", params(SetState))]
pub async fn set_state(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(asked): Parameters<SetState>,
) -> Answered<Message> {
    let (_, id, entry) = api.view.vm(&vm).await.map_err(ApiError::as_refusal)?;
    let force = if asked.force { Force::Yes } else { Force::No };
    let accept = |cluster: &Cluster| {
        Ok(Change { records: Some(wish_power(cluster, id, asked.state.into(), force, now())?), told: () })
    };
    api.view.write(accept).await.map_err(ApiError::as_refusal)?;
    let name = &entry.vm.value.name;
    if asked.wait {
        wait(&api, id, name.as_str()).await?;
    }
    let verb = match asked.state {
        PowerWish::Start => "Starting",
        PowerWish::Shutdown => "Shutting down",
        PowerWish::Stop => "Forcibly stopping",
        PowerWish::Restart => "Restarting",
        PowerWish::Disable => "Disabling",
    };
    told(format!("{verb} VM \"{name}\"."))
}

/// How a wait for a VM ended.
enum Settled {
    Done,
    Failed(String),
}

async fn wait(api: &Api, id: VmId, name: &str) -> Result<(), ApiError> {
    let most = api.settings.vm_shutdown_timeout + WAIT_MARGIN;
    let settled =
        |cluster: &Arc<Cluster>| cluster.vms.get(&id).map_or(Some(Settled::Done), |entry| settled(entry));
    match api.wait_for(most, settled).await {
        Some(Settled::Done) => Ok(()),
        Some(Settled::Failed(why)) => Err(ApiError::refused(format!("VM \"{name}\" failed: {why}"))),
        None if *api.stopping.borrow() => Err(ApiError::Unavailable {
            why: format!(
                "The API is stopping, so it cannot wait for VM \"{name}\". The wish stands: its node goes on with it."
            ),
        }),
        None => Err(ApiError::refused(format!(
            "VM \"{name}\" is not there yet after {} s. The wish stands: its node goes on with it. See whether its node \
             runs, and the VM's console.",
            most.as_secs()
        ))),
    }
}

/// Whether a VM is as it is wished, or cannot be.
fn settled(entry: &VmEntry) -> Option<Settled> {
    let runs = entry.fact.as_ref().is_some_and(|fact| fact.value.phase == logic::vm::Phase::Running);
    let down = entry.fact.as_ref().is_none_or(|fact| !fact.value.runs());
    let fulfilled =
        entry.fact.as_ref().is_some_and(|fact| fact.value.wish_done >= entry.vm.value.wish.serial);
    match shown_state(entry) {
        VmState::Fail => Some(Settled::Failed(shown_failure(entry))),
        VmState::Start if runs && fulfilled => Some(Settled::Done),
        VmState::Stop | VmState::Disable if down => Some(Settled::Done),
        _ => None,
    }
}
