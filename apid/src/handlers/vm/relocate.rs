//! Wishes about the node of a VM.

use std::sync::Arc;
use std::time::Duration;

use api::Message;
use axum::extract::{Path, State};
use logic::cluster::{Cluster, VmEntry};
use logic::id::{NodeName, VmId};
use logic::record::{Record, Records};
use logic::vm::accept::{self, Force, Relocation};
use logic::vm::{MigrationMethod, Phase, State as VmState, shown_failure, shown_state};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::answer::{Answered, told};
use crate::error::ApiError;
use crate::handlers::now;
use crate::parameters::Parameters;
use crate::view::Change;

/// What a hand-over may take beyond the guest's shutdown deadline, with the start on the other side.
const WAIT_MARGIN: Duration = Duration::from_secs(30);

/// How a VM changes its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    Move,
    Migrate,
    Unmigrate,
}

/// A wish about a VM's node.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SetNode {
    /// Whether it settles there, goes there for a while, or goes home.
    #[param(inline)]
    action: Action,
    /// The node; PVC chooses one when it is not given. An unmigrate takes none.
    node: Option<String>,
    /// Whether a VM that was migrated already is migrated further; its home stays what it was.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
    /// Whether the answer waits until it is there, and runs if it is to run.
    #[serde(default)]
    #[param(required = false)]
    wait: bool,
    /// Whether it may only move while it runs: when that fails it stays, and is not shut down to be moved.
    #[serde(default)]
    #[param(required = false)]
    force_live: bool,
}

/// Brings a VM to another node. One that runs moves while it runs; where its method allows it, and that fails or cannot
/// be, it is shut down and started there. One that was migrated, and is moved to the node that it is on, settles there.
#[utoipa::path(post, path = "/vm/{vm}/node", tag = "vm", params(SetNode))]
pub async fn relocate(
    State(api): State<Arc<Api>>,
    Path(vm): Path<String>,
    Parameters(asked): Parameters<SetNode>,
) -> Answered<Message> {
    let (_, id, entry) = api.view.vm(&vm).await.map_err(ApiError::as_refusal)?;
    let name = entry.vm.value.name.clone();
    let request = relocation(&asked)?;
    let manner = asked.force_live.then_some(MigrationMethod::Live);
    let accept = |cluster: &Cluster| {
        let relocated = accept::relocate(cluster, id, &request, manner, now())?;
        let handed_over = is_handed_over(&relocated.records);
        let from = cluster.vms.get(&id).map(|entry| entry.vm.value.node.clone());
        Ok(Change { records: Some(relocated.records), told: (relocated.to, handed_over, from) })
    };
    let (to, runs, from) = api.view.write(accept).await.map_err(ApiError::as_refusal)?;
    if asked.wait && runs {
        wait(&api, id, name.as_str(), &to).await?;
    }
    if from.as_ref() == Some(&to) {
        return told(format!("VM \"{name}\" settles on node \"{to}\", where it is."));
    }
    let verb = match asked.action {
        Action::Move => "Moving",
        Action::Migrate => "Migrating",
        Action::Unmigrate => "Unmigrating",
    };
    told(format!("{verb} VM \"{name}\" to node \"{to}\"."))
}

fn relocation(asked: &SetNode) -> Result<Relocation, ApiError> {
    let to = asked.node.clone().filter(|node| !node.is_empty());
    Ok(match asked.action {
        Action::Move => Relocation::Move { to },
        Action::Migrate => {
            Relocation::Migrate { to, force: if asked.force { Force::Yes } else { Force::No } }
        }
        Action::Unmigrate if to.is_some() => {
            let why = "an unmigrate brings the VM to its home, and takes no node; to choose one, move it.";
            return Err(ApiError::parameter("node", why));
        }
        Action::Unmigrate => Relocation::Unmigrate,
    })
}

/// Whether its node is to hand it over; else it belongs to the other at once.
fn is_handed_over(records: &Records) -> bool {
    records.writes.iter().any(|write| matches!(&write.value, Some(Record::Vm(vm)) if vm.transfer.is_some()))
}

/// How a move ended.
enum Ended {
    There,
    Otherwise(String),
}

async fn wait(api: &Api, id: VmId, name: &str, to: &NodeName) -> Result<(), ApiError> {
    let most = api.settings.vm_shutdown_timeout + WAIT_MARGIN;
    match api.wait_for(most, |cluster| ended(cluster, id, to)).await {
        Some(Ended::There) => Ok(()),
        Some(Ended::Otherwise(what)) => Err(ApiError::refused(format!("VM \"{name}\" {what}."))),
        None if *api.stopping.borrow() => Err(ApiError::Unavailable {
            why: format!(
                "The API is stopping, so it cannot wait for VM \"{name}\". The wish stands: its node goes on with it."
            ),
        }),
        None => Err(ApiError::refused(format!(
            "VM \"{name}\" is not there yet after {} s. The wish stands: its node goes on with it. Ask why with: \
             pvc vm why {name}",
            most.as_secs()
        ))),
    }
}

fn runs_on(entry: &VmEntry, node: &NodeName) -> bool {
    entry.fact.as_ref().is_some_and(|fact| fact.value.node == *node && fact.value.phase == Phase::Running)
}

/// Why the last move to this node failed.
fn failed_move<'a>(entry: &'a VmEntry, to: &NodeName) -> Option<&'a str> {
    let failed = entry.fact.as_ref()?.value.failed_move.as_ref()?;
    (failed.to == *to).then_some(&failed.why)
}

/// How a move ended, once both nodes have done with it.
fn ended(cluster: &Cluster, id: VmId, to: &NodeName) -> Option<Ended> {
    let Some(entry) = cluster.vms.get(&id) else {
        return Some(Ended::Otherwise("was removed meanwhile".into()));
    };
    let node = &entry.vm.value.node;
    match shown_state(entry) {
        VmState::Migrate | VmState::MigrateLive => None,
        VmState::Fail if node == to => {
            let why = shown_failure(entry);
            Some(Ended::Otherwise(format!("is on node \"{to}\" now, but cannot be started there: {why}")))
        }
        // The node that has taken it over has not said yet that it runs.
        VmState::Start if node == to && !runs_on(entry, to) => None,
        _ if node == to => Some(Ended::There),
        state => {
            let stayed = format!("stayed on node \"{node}\", in state \"{state}\"");
            Some(Ended::Otherwise(match failed_move(entry, to) {
                Some(why) => format!("{stayed}: it could not move to node \"{to}\" while it runs: {why}"),
                None => stayed,
            }))
        }
    }
}
