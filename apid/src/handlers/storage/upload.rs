//! A volume is filled with a file that comes with the request. The file is passed on to the worker as it comes; nothing of it
//! is kept here.

use std::sync::Arc;
use std::time::Duration;

use api::Message;
use axum::extract::{Path, State};
use logic::cluster::Cluster;
use logic::id::TaskId;
use logic::storage::Format;
use logic::storage::accept::{Content, Occasion, begin_upload};
use logic::task::{Task, TaskState};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::volume::known;
use super::{await_end, begin};
use crate::Api;
use crate::answer::Answered;
use crate::error::ApiError;
use crate::handlers::now;
use crate::nodes::Place;
use crate::parameters::upload::{File, Upload};

/// How long the end of a task is waited for when the worker has broken off, for its own words about it.
const REASON_WAIT: Duration = Duration::from_secs(5);

/// What an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum FormatName {
    Raw,
    Vmdk,
    Qcow2,
    Qed,
    Vdi,
    Vpc,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Raw => Self::Raw,
            FormatName::Vmdk => Self::Vmdk,
            FormatName::Qcow2 => Self::Qcow2,
            FormatName::Qed => Self::Qed,
            FormatName::Vdi => Self::Vdi,
            FormatName::Vpc => Self::Vpc,
        }
    }
}

/// The file that fills a volume.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UploadVolume {
    /// What it is.
    #[param(inline)]
    image_format: FormatName,
    /// How many bytes it has; where this is not given, it follows from the length of the request's body.
    file_size: Option<u64>,
}

/// Fills a volume with an image: the part `file` of a form, or the body itself as `application/octet-stream`. What is not
/// raw is unpacked on its way.
#[utoipa::path(
    post,
    path = "/storage/ceph/volume/{pool}/{volume}/upload",
    tag = "storage",
    params(UploadVolume),
    request_body(content = Vec<u8>, content_type = "application/octet-stream")
)]
pub async fn upload(
    State(api): State<Arc<Api>>,
    Path((pool, volume)): Path<(String, String)>,
    Upload { asked, file }: Upload<UploadVolume>,
) -> Answered<Message> {
    let path = known(&pool, &volume)?;
    let format = asked.image_format.into();
    let accept = |on: Occasion<'_>, size_bytes: u64| {
        begin_upload(on, &path, Content { size_bytes, format }, api.nodes.here())
    };
    if let Some(size_bytes) = asked.file_size {
        // What would be refused is refused before anything is sent.
        api.settings.check_storage()?;
        let seen = |cluster: &Arc<Cluster>| cluster.volumes.contains_key(&path).then(|| Arc::clone(cluster));
        let cluster = match api.view.find(seen).await? {
            Some(cluster) => cluster,
            None => api.view.cluster().await?,
        };
        accept(Occasion { cluster: &cluster, task: TaskId(0), now: now() }, size_bytes)?;
    }
    let place = api.nodes.place()?;
    let mut file = file.open(asked.file_size).await?;
    let size_bytes = file.size_bytes();
    let outcome = match begin(&api, |on| accept(on, size_bytes)).await {
        Ok((id, task)) => bring(&api, &mut file, (id, &task), place).await,
        Err(refusal) => Err(refusal),
    };
    if outcome.is_err() {
        file.drain().await;
    }
    outcome
}

/// Passes the file on, and tells how the upload ended.
async fn bring(api: &Api, file: &mut File, (id, task): (TaskId, &Task), place: Place) -> Answered<Message> {
    let relay = api.nodes.bring(&task.run_on, id, place)?;
    loop {
        match file.part().await {
            Ok(Some(part)) => {
                if !relay.send(part).await {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                relay.give_up(error.to_string()).await;
                // The volume can be used again when this is answered.
                reason(api, id).await;
                return Err(error);
            }
        }
    }
    match relay.end().await {
        Ok(()) => await_end(api, id, task).await,
        Err(why) => match reason(api, id).await {
            Some(failure) => Err(ApiError::refused(failure)),
            None => Err(ApiError::Unavailable {
                why: format!(
                    "The worker on node \"{}\" has not taken the upload in: {why}. The volume keeps what it had. See whether \
                     pvcworkerd runs there and the storage answers, and upload it again.",
                    task.run_on
                ),
            }),
        },
    }
}

/// Why a task has failed, once it has.
async fn reason(api: &Api, id: TaskId) -> Option<String> {
    let end = |cluster: &Arc<Cluster>| {
        let fact = &cluster.tasks.get(&id)?.fact.as_ref()?.value;
        (fact.state == TaskState::Failure).then(|| fact.message.clone())
    };
    api.wait_for(REASON_WAIT, end).await
}
