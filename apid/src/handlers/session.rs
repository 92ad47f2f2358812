//! The API's greeting, and sessions for browsers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use api::Message;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::openapi::{RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses};

use crate::answer::{Answer, Answered, told};
use crate::auth::{COOKIE_NAME, SESSION_LENGTH, Tokens};
use crate::error::ApiError;
use crate::parameters::{NoParameters, Parameters};
use crate::{Api, BASE, Transport};

/// Says which version of the API this is.
#[utoipa::path(get, path = "/", tag = "root", security(()))]
pub async fn greet(Parameters(NoParameters {}): Parameters<NoParameters>) -> Answered<Message> {
    told("PVC API version 1.0")
}

/// What is shown to log in.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Login {
    /// A token of the API.
    token: String,
}

/// What a login or logout comes to.
#[derive(Clone, Debug)]
pub enum Session {
    /// It began or ended: the cookie is set.
    Set {
        /// The cookie's line.
        cookie: String,
        /// What is told.
        message: &'static str,
    },
    /// Nobody has to log in here.
    Needless,
}

impl IntoResponse for Session {
    fn into_response(self) -> Response {
        match self {
            Self::Set { cookie, message } => {
                ([(SET_COOKIE, cookie)], Json(Message { message: message.into() })).into_response()
            }
            Self::Needless => (StatusCode::FOUND, [(LOCATION, format!("{BASE}/"))]).into_response(),
        }
    }
}

impl IntoResponses for Session {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let mut responses = Answer::<Message>::responses();
        let needless = ResponseBuilder::new().description("Nobody has to log in here.").build();
        responses.insert("302".into(), RefOr::T(needless));
        responses
    }
}

/// Begins a session: the answer sets a cookie that stands for the token.
#[utoipa::path(post, path = "/login", tag = "root", params(Login), security(()))]
pub async fn login(
    State(api): State<Arc<Api>>,
    Parameters(login): Parameters<Login>,
) -> Result<Session, ApiError> {
    if api.tokens.are_none() {
        return Ok(Session::Needless);
    }
    let wrong = ApiError::Unauthenticated { why: "Authentication failed: the token is wrong." };
    let token = api.tokens.matching(login.token.as_bytes()).ok_or(wrong)?;
    let cluster = api.view.cluster().await?;
    let secret = cluster.api_secret.as_ref().ok_or_else(|| {
        ApiError::refused(
            "Sessions are signed with the cluster's key, and the cluster is not initialised. Run: pvc cluster init. \
             Until then, send the token as X-Api-Key.",
        )
    })?;
    let value = Tokens::session(token, &secret.value, SystemTime::now());
    let cookie = cookie(api.settings.transport, &value, SESSION_LENGTH.as_secs());
    Ok(Session::Set { cookie, message: "Authentication successful." })
}

/// Ends a session.
#[utoipa::path(post, path = "/logout", tag = "root", security(()))]
pub async fn logout(
    State(api): State<Arc<Api>>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Session, ApiError> {
    if api.tokens.are_none() {
        return Ok(Session::Needless);
    }
    let cookie = cookie(api.settings.transport, "", 0);
    Ok(Session::Set { cookie, message: "Deauthentication successful." })
}

/// Other sites' pages cannot send it, and no script can read it.
fn cookie(transport: Transport, value: &str, age_max_s: u64) -> String {
    let secure = match transport {
        Transport::Tls => "; Secure",
        Transport::Plain => "",
    };
    format!("{COOKIE_NAME}={value}; Path={BASE}; Max-Age={age_max_s}; HttpOnly; SameSite=Strict{secure}")
}
