//! What is answered when all went well, each with the words that document it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use api::{Message, TaskRef};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Content, Header, Ref, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::BASE;
use crate::error::ApiError;

/// What most handlers give.
pub type Answered<T> = Result<Answer<T>, ApiError>;

/// Status 200 with a JSON document.
#[derive(Clone, Debug)]
pub struct Answer<T>(pub T);

/// A sentence with status 200.
///
/// # Errors
/// None; the type is that of a handler's last line.
pub fn told(message: impl Into<String>) -> Answered<Message> {
    Ok(Answer(Message { message: message.into() }))
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}

/// A type's schema by its name, or the array of such.
fn schema<T: ToSchema>() -> RefOr<Schema> {
    match T::schema() {
        RefOr::T(Schema::Object(_)) => RefOr::Ref(Ref::from_schema_name(T::name())),
        other => other,
    }
}

fn described(status: &str, description: &str, content: Content) -> BTreeMap<String, RefOr<Described>> {
    let response =
        ResponseBuilder::new().description(description).content("application/json", content).build();
    BTreeMap::from([(status.to_owned(), RefOr::T(response))])
}

impl<T: ToSchema> IntoResponses for Answer<T> {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        described("200", "Done.", Content::new(Some(schema::<T>())))
    }
}

/// Status 202: a worker will do it.
#[derive(Clone, Debug)]
pub struct Accepted(pub TaskRef);

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let location = format!("{BASE}/tasks/{}", self.0.task_id);
        (StatusCode::ACCEPTED, [(LOCATION, location)], Json(self.0)).into_response()
    }
}

impl IntoResponses for Accepted {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let content = Content::new(Some(schema::<TaskRef>()));
        let response = ResponseBuilder::new()
            .description("Accepted: a worker does it. `Location` is where its progress is.")
            .header(LOCATION.as_str(), Header::default())
            .content("application/json", content)
            .build();
        BTreeMap::from([("202".to_owned(), RefOr::T(response))])
    }
}

/// Lines of a console or a log: the last ones as JSON, or all from now on as plain text.
#[derive(Debug)]
pub enum Lines<T> {
    /// The last ones.
    Last(T),
    /// The last ones and what follows, until either side ends it.
    Followed {
        /// The text, part by part.
        parts: mpsc::Receiver<Bytes>,
        /// Ends the stream when it becomes true.
        stopping: watch::Receiver<bool>,
    },
}

impl<T: Serialize> IntoResponse for Lines<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Last(lines) => Json(lines).into_response(),
            Self::Followed { parts, stopping } => {
                let next = |(mut parts, mut stopping): (mpsc::Receiver<Bytes>, watch::Receiver<bool>)| async move {
                    let part = tokio::select! {
                        part = parts.recv() => part,
                        _ = stopping.wait_for(|stopping| *stopping) => None,
                    };
                    part.map(|part| (Ok::<_, Infallible>(part), (parts, stopping)))
                };
                let stream = futures::stream::unfold((parts, stopping), next);
                let mut response = Body::from_stream(stream).into_response();
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response
            }
        }
    }
}

impl<T: ToSchema> IntoResponses for Lines<T> {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let text = Content::new(Some(<String as utoipa::PartialSchema>::schema()));
        let response = ResponseBuilder::new()
            .description("The last lines; with `follow`, a stream of plain text that goes on.")
            .content("application/json", Content::new(Some(schema::<T>())))
            .content("text/plain", text)
            .build();
        BTreeMap::from([("200".to_owned(), RefOr::T(response))])
    }
}

/// How many bytes of a long list are made at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A list of any length, written while it is read: nothing holds the whole of it.
pub struct Listed<T> {
    items: Box<dyn Iterator<Item = T> + Send>,
}

impl<T> std::fmt::Debug for Listed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listed")
    }
}

impl<T> Listed<T> {
    /// The items, made when they are needed.
    pub fn new(items: impl Iterator<Item = T> + Send + 'static) -> Self {
        Self { items: Box::new(items) }
    }
}

/// Where the writing of a list stands.
enum Written {
    Nothing,
    Some,
    All,
}

impl<T: Serialize + 'static> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        let mut items = self.items;
        let mut written = Written::Nothing;
        let chunks = std::iter::from_fn(move || chunk(&mut *items, &mut written).map(Ok::<_, Infallible>));
        let mut response = Body::from_stream(futures::stream::iter(chunks)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

fn chunk<T: Serialize>(items: &mut dyn Iterator<Item = T>, written: &mut Written) -> Option<Bytes> {
    let mut bytes = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
    while bytes.len() < CHUNK_BYTES {
        match (items.next(), &written) {
            (_, Written::All) => return None,
            (Some(item), before) => {
                bytes.push(if matches!(before, Written::Nothing) { b'[' } else { b',' });
                serde_json::to_writer(&mut bytes, &item).expect("a wire type is plain data");
                *written = Written::Some;
            }
            (None, before) => {
                bytes.extend_from_slice(if matches!(before, Written::Nothing) { b"[]" } else { b"]" });
                *written = Written::All;
                break;
            }
        }
    }
    Some(bytes.into())
}

impl<T: ToSchema> IntoResponses for Listed<T>
where
    Vec<T>: ToSchema,
{
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        described("200", "Done.", Content::new(Some(schema::<Vec<T>>())))
    }
}
