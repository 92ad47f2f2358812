//! Every route in one table, and what lies around them all: who may ask, panics, and answers that are always JSON.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::Message;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{AGE, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::handlers::{cluster, node, session, storage, task, vm};
use crate::{Api, BASE, auth, document, unbuilt};

/// The records are confirmed every second; what is older than this is marked.
const AGE_NOTABLE: Duration = Duration::from_secs(3);

/// The OpenAPI document of all of them.
pub fn described() -> OpenApi {
    let all = OpenApiRouter::new().merge(open_routes()).merge(closed_routes()).merge(storage_routes());
    document::complete(OpenApiRouter::with_openapi(document::head()).nest(BASE, all).into_openapi())
}

/// The whole API.
pub fn router(api: &Arc<Api>) -> Router {
    let (open, _) = open_routes().split_for_parts();
    let (mut closed, _) = closed_routes().merge(storage_routes()).split_for_parts();
    for (path, methods) in unbuilt::routes() {
        closed = closed.route(path, methods);
    }
    for name in ["autobackup", "automirror"] {
        // These words are routes of their own, but only for POST: a VM may still be called so.
        let show = async move |state, parameters| vm::show(state, Path(name.to_owned()), parameters).await;
        closed = closed.route(&format!("/vm/{name}"), axum::routing::get(show));
    }
    let closed = closed.layer(from_fn_with_state(Arc::clone(api), mark_age));
    let closed = closed.route_layer(from_fn_with_state(Arc::clone(api), auth::admit));
    let all = open.merge(closed).merge(document::routes());
    Router::new()
        .nest(BASE, all)
        .route(&format!("{BASE}/"), axum::routing::get(session::greet))
        .fallback(unknown)
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(as_json))
        .layer(CatchPanicLayer::custom(defect))
        .layer(from_fn(log))
        .with_state(Arc::clone(api))
}

/// Those that anybody may ask.
fn open_routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(session::greet))
        .routes(routes!(session::login))
        .routes(routes!(session::logout))
        .routes(routes!(cluster::primary_node))
        .routes(routes!(cluster::metrics_of_health))
}

/// Those that need a token or a session.
fn closed_routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(cluster::initialize))
        .routes(routes!(cluster::status, cluster::maintain))
        .routes(routes!(task::list))
        .routes(routes!(task::show))
        .routes(routes!(node::list))
        .routes(routes!(node::show, node::remove))
        .routes(routes!(node::daemon_state))
        .routes(routes!(node::coordinator_state, node::set_coordinator_state))
        .routes(routes!(node::domain_state, node::set_domain_state))
        .routes(routes!(node::log))
        .routes(routes!(vm::list::list, vm::define::define))
        .routes(routes!(vm::show, vm::define::define_named, vm::define::modify, vm::define::remove))
        .routes(routes!(vm::treat::meta, vm::treat::change_meta))
        .routes(routes!(vm::treat::tags, vm::treat::change_tag))
        .routes(routes!(vm::state, vm::power::set_state))
        .routes(routes!(vm::node, vm::relocate::relocate))
        .routes(routes!(vm::why))
        .routes(routes!(vm::console))
        .routes(routes!(vm::define::rename))
        .routes(routes!(vm::device::attach, vm::device::detach))
        .routes(routes!(vm::locks::flush))
}

/// Those about storage; they too need a token or a session.
fn storage_routes() -> OpenApiRouter<Arc<Api>> {
    use storage::{benchmark, osd, pool, snapshot, upload, volume};
    OpenApiRouter::new()
        .routes(routes!(storage::root))
        .routes(routes!(storage::ceph))
        .routes(routes!(storage::status))
        .routes(routes!(storage::utilization))
        .routes(routes!(benchmark::list, benchmark::run, benchmark::cancel))
        .routes(routes!(osd::set_option))
        .routes(routes!(osd::add_db))
        .routes(routes!(osd::list, osd::add))
        .routes(routes!(osd::show, osd::replace, osd::refresh, osd::remove))
        .routes(routes!(osd::state, osd::set_state))
        .routes(routes!(pool::list, pool::add))
        .routes(routes!(pool::show, pool::add_named, pool::set_pgs, pool::remove))
        .routes(routes!(volume::list, volume::add))
        .routes(routes!(volume::show, volume::add_named, volume::change, volume::remove))
        .routes(routes!(volume::scan))
        .routes(routes!(volume::copy))
        .routes(routes!(upload::upload))
        .routes(routes!(snapshot::list, snapshot::add))
        .routes(routes!(snapshot::show, snapshot::add_named, snapshot::rename, snapshot::remove))
        .routes(routes!(snapshot::roll_back))
}

/// Says how many seconds old the records are that were answered from, when they are older than they should be.
async fn mark_age(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(age) = api.view.age().filter(|age| *age >= AGE_NOTABLE) {
        response.headers_mut().insert(AGE, age.as_secs().into());
    }
    response
}

async fn unknown(request: Request) -> Response {
    let path: String = request.uri().path().chars().take(120).collect();
    let message = format!("There is no route {path}. All routes are listed at {BASE}/doc/.");
    (StatusCode::NOT_FOUND, Json(Message { message })).into_response()
}

/// What was refused before it reached a handler is told in the same shape as everything else.
async fn as_json(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let json = |response: &Response| {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.starts_with("application/json"))
    };
    if !(status.is_client_error() || status.is_server_error()) || json(&response) {
        return response;
    }
    let message = match status {
        StatusCode::METHOD_NOT_ALLOWED => "The method is not allowed for the requested URL.".to_owned(),
        StatusCode::NOT_FOUND => "There is nothing at this URL.".into(),
        other => format!("The request is refused: {other}."),
    };
    let allowed = response.headers().get(axum::http::header::ALLOW).cloned();
    let mut answer = (status, Json(Message { message })).into_response();
    if let Some(allowed) = allowed {
        answer.headers_mut().insert(axum::http::header::ALLOW, allowed);
    }
    answer
}

fn defect(panic: Box<dyn Any + Send>) -> Response {
    let text =
        panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref().cloned());
    tracing::error!(panic = text.unwrap_or_default(), "a handler panicked");
    ApiError::Defect.into_response()
}

/// One line per request; those that change nothing only for who looks closely.
async fn log(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let begun = Instant::now();
    let response = next.run(request).await;
    let (status, took_ms) = (response.status().as_u16(), begun.elapsed().as_millis());
    let notable = response.status().is_server_error() || response.status() == StatusCode::UNAUTHORIZED;
    if method == Method::GET && !notable {
        tracing::debug!(%method, path, status, took_ms, "answered");
    } else {
        tracing::info!(%method, path, status, took_ms, "answered");
    }
    response
}

#[cfg(test)]
mod tests;
