//! The OpenAPI document, made from the handlers, and a page that shows it without any other server.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa::Modify;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa_swagger_ui::Config;

use crate::{BASE, routes, unbuilt};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "PVC",
        version = "1.0",
        description = "The REST API of PVC (Parallel Virtual Cluster). Parameters may be sent in the query, in a form \
                       or in a JSON body alike. Where tokens are configured, send one in the header `X-Api-Key`, or \
                       log in and keep the cookie. Routes that are tagged as not built yet answer 501.",
        license(name = "GPL-3.0-or-later", identifier = "GPL-3.0-or-later"),
    ),
    components(schemas(
        api::Message, api::ParameterMessage, api::ClusterStatus, api::PrimaryNode, api::Fault, api::Node,
        api::NodeDaemonState, api::NodeCoordinatorState, api::NodeDomainState, api::NodeLog, api::NodeDuty, api::NodePlanVm, api::TaskList,
        api::TaskStatus, api::TaskRef, api::Vm, api::VmState, api::VmNode, api::VmTags, api::VmMetadata, api::VmLog,
        api::VmWhy, api::StorageText, api::Pool, api::Volume, api::VolumeSnapshot, api::Osd, api::OsdState,
        api::Benchmark,
    )),
    modifiers(&Keys),
    tags(
        (name = "root", description = "The API and the cluster as a whole"),
        (name = "node", description = "Nodes"),
        (name = "vm", description = "Virtual machines"),
        (name = "storage", description = "Pools, volumes, snapshots, OSDs and benchmarks"),
        (name = "not built yet", description = "Part of the contract, and answered with 501"),
    ),
)]
struct Head;

/// The ways to say who asks.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut OpenApi) {
        let header = ApiKey::Header(ApiKeyValue::new("X-Api-Key"));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(crate::auth::COOKIE_NAME));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::ApiKey(header));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
        let either = ["token", "session"].map(|name| SecurityRequirement::new(name, Vec::<String>::new()));
        document.security = Some(either.into());
    }
}

/// The document before any route.
pub fn head() -> OpenApi {
    Head::openapi()
}

/// The document with the routes that are not built. The greeting is asked for with a slash at its end.
pub fn complete(mut document: OpenApi) -> OpenApi {
    if let Some(greeting) = document.paths.paths.remove(BASE) {
        document.paths.paths.insert(format!("{BASE}/"), greeting);
    }
    unbuilt::describe(&mut document, BASE);
    for (path, item) in &mut document.paths.paths {
        let path = path.trim_start_matches(BASE);
        let methods = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in methods {
            if let Some(operation) = operation {
                operation.operation_id = Some(operation_id(method, path));
            }
        }
    }
    document
}

/// A name for a client's function, such as `post_vm_vm_state` or `get_root`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    format!("{method}_{}", if words.is_empty() { "root".into() } else { words.join("_") })
}

/// The document as text, as it is committed.
pub fn text() -> String {
    let mut text = routes::described().to_pretty_json().expect("the document is plain data");
    text.push('\n');
    text
}

/// The document as it is committed, which a test compares with [`text`]: to make it anew at every start leaves four
/// megabytes of heap behind that nobody needs again.
const COMMITTED: &str = include_str!("../../docs/openapi.json");

/// The document and its page; anybody may read them.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/openapi.json", get(async || ([(CONTENT_TYPE, "application/json")], COMMITTED)))
        .route("/doc", get(async || Redirect::permanent(&format!("{BASE}/doc/"))))
        .route("/doc/", get(async || page("index.html")))
        .route("/doc/{*file}", get(async |Path(file): Path<String>| page(&file)))
}

fn page(file: &str) -> Response {
    let config = Config::from(format!("{BASE}/openapi.json"));
    match utoipa_swagger_ui::serve(file, Arc::new(config)) {
        Ok(Some(found)) => {
            let mut response =
                ([(CONTENT_TYPE, found.content_type)], found.bytes.into_owned()).into_response();
            if found.gzpipped {
                response.headers_mut().insert(CONTENT_ENCODING, axum::http::HeaderValue::from_static("gzip"));
            }
            response
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of the documentation cannot be made");
            crate::error::ApiError::Defect.into_response()
        }
    }
}
