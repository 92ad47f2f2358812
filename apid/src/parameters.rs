//! A request's parameters, from its query, form or JSON body alike, as one struct per route.
//!
//! The struct is the only place that says which parameters a route has: an unknown one is refused with the nearest that
//! is known, and the documentation is made from the same struct.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use logic::limits::XML_BYTES_MAX;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::IntoParams;

use crate::error::ApiError;

mod text;
pub mod upload;

/// The longest body: a VM's XML in which every byte is escaped as three, and the other parameters.
pub const BODY_BYTES_MAX: usize = 3 * XML_BYTES_MAX + 64 * 1024;

/// How long a body may take to arrive.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// Every value that was given of each parameter, in order.
pub(crate) type Given = BTreeMap<String, Vec<String>>;

/// The parameters of a request.
#[derive(Debug)]
pub struct Parameters<T>(pub T);

/// For routes that take no parameters.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let mut given = Given::new();
        add_form(&mut given, parts.uri.query().unwrap_or_default().as_bytes())?;
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let body = tokio::time::timeout(BODY_WAIT, axum::body::to_bytes(body, BODY_BYTES_MAX)).await;
        let body = body.map_err(|_| ApiError::Late { wait_s: BODY_WAIT.as_secs() })?;
        let body = body.map_err(|error| unread(&error))?;
        add_body(&mut given, kind, &body)?;
        text::read(given).map(Self)
    }
}

/// A body that could not be read: it is too long, or the client went away in the middle of it.
fn unread(error: &axum::Error) -> ApiError {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return ApiError::TooLong { bytes_max: BODY_BYTES_MAX, xml_bytes_max: XML_BYTES_MAX };
        }
        cause = error.source();
    }
    ApiError::refused("The request's body ended before it was complete.")
}

fn add_body(given: &mut Given, kind: &str, body: &Bytes) -> Result<(), ApiError> {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        _ if body.is_empty() => Ok(()),
        "application/x-www-form-urlencoded" => add_form(given, body),
        "application/json" => add_json(given, body),
        "" => Err(ApiError::refused(
            "The request has a body but no Content-Type. Send application/x-www-form-urlencoded or application/json.",
        )),
        other => Err(ApiError::refused(format!(
            "The body's Content-Type \"{}\" cannot be read. Send application/x-www-form-urlencoded or application/json.",
            other.chars().take(80).collect::<String>()
        ))),
    }
}

fn add_form(given: &mut Given, form: &[u8]) -> Result<(), ApiError> {
    for (name, value) in form_urlencoded::parse(form) {
        // What is no UTF-8 becomes the replacement character, which no name, number or document of ours has.
        if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
            return Err(ApiError::parameter(&name, "its value is not valid UTF-8."));
        }
        given.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    Ok(())
}

fn add_json(given: &mut Given, body: &[u8]) -> Result<(), ApiError> {
    let document: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::refused(format!("The request's body is not valid JSON: {error}.")))?;
    let Value::Object(members) = document else {
        return Err(ApiError::refused("The request's body must be a JSON object of parameters."));
    };
    for (name, value) in members {
        let values = match value {
            Value::Array(values) => values,
            one => vec![one],
        };
        for value in values {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(ApiError::parameter(
                        &name,
                        "its value must be a text, a number, true or false.",
                    ));
                }
            };
            given.entry(name.clone()).or_default().push(text);
        }
    }
    Ok(())
}
