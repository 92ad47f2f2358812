//! Who may ask: an exact token in `X-Api-Key`, or a session cookie that was signed when a token was shown to `/login`.
//!
//! Tokens are compared by their digests and in constant time, so that neither their length nor how much of one was right
//! can be measured. The key that signs cookies is a record in the store: a session holds on every coordinator. A session
//! ends after a day, and at once when its token is taken out of the configuration.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use logic::cluster::ApiSecret;
use logic::config::Token;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::Api;
use crate::error::ApiError;

/// The header that carries a token.
pub const KEY_HEADER: &str = "x-api-key";

/// The cookie that carries a session.
pub const COOKIE_NAME: &str = "pvc_session";

/// How long a session holds.
pub const SESSION_LENGTH: Duration = Duration::from_secs(24 * 60 * 60);

/// What a session is allowed to come from the future: the coordinators' clocks differ a little.
const CLOCK_SKEW_S: u64 = 300;

/// The tokens that open the API.
pub struct Tokens {
    tokens: Vec<Token>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.tokens.len())
    }
}

impl Tokens {
    /// The configured ones; with none of them, nobody has to show one.
    pub fn new(tokens: Vec<Token>) -> Self {
        Self { tokens }
    }

    /// Whether nobody has to show a token.
    pub fn are_none(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The token that was shown, if it is one. All are compared, so that the time tells nothing.
    pub fn matching(&self, shown: &[u8]) -> Option<&Token> {
        let shown = Sha256::digest(shown);
        let mut found = None;
        for token in &self.tokens {
            let same: Choice = Sha256::digest(token.token.as_bytes()).as_slice().ct_eq(shown.as_slice());
            if bool::from(same) {
                found = Some(token);
            }
        }
        found
    }

    /// A session for a token, as the value of the cookie.
    pub fn session(token: &Token, secret: &ApiSecret, now: SystemTime) -> String {
        let issued = seconds(now);
        let mark = mark(token, secret);
        format!("{issued}.{mark}.{}", hex(&signature(secret, issued, &mark).finalize().into_bytes()))
    }

    /// Whether a cookie's value is a session that holds.
    pub fn holds(&self, value: &str, secret: &ApiSecret, now: SystemTime) -> bool {
        let mut parts = value.split('.');
        let (Some(issued), Some(given_mark), Some(signed), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        let (Ok(issued), Some(signed)) = (issued.parse::<u64>(), bytes(signed)) else { return false };
        if signature(secret, issued, given_mark).verify_slice(&signed).is_err() {
            return false;
        }
        let now = seconds(now);
        let in_time = issued <= now + CLOCK_SKEW_S && now < issued.saturating_add(SESSION_LENGTH.as_secs());
        let known = |token: &Token| bool::from(mark(token, secret).as_bytes().ct_eq(given_mark.as_bytes()));
        in_time && self.tokens.iter().any(known)
    }
}

/// Lets a request pass whose sender may ask, and answers 401 to others.
///
/// # Errors
/// [`ApiError::Unauthenticated`] says what is missing or wrong.
pub async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    match check(&api, request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

async fn check(api: &Api, headers: &HeaderMap) -> Result<(), ApiError> {
    if api.tokens.are_none() {
        return Ok(());
    }
    if let Some(cookie) = cookie(headers)
        && let Ok(cluster) = api.view.cluster().await
        && let Some(secret) = &cluster.api_secret
        && api.tokens.holds(cookie, &secret.value, SystemTime::now())
    {
        return Ok(());
    }
    match headers.get(KEY_HEADER) {
        None => Err(ApiError::Unauthenticated { why: "X-Api-Key Authentication required." }),
        Some(shown) if api.tokens.matching(shown.as_bytes()).is_some() => Ok(()),
        Some(_) => Err(ApiError::Unauthenticated { why: "X-Api-Key Authentication failed." }),
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

fn keyed(secret: &ApiSecret, purpose: &str) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(purpose.as_bytes());
    mac
}

/// What stands for a token in a session; nobody can guess the token from it without the key.
fn mark(token: &Token, secret: &ApiSecret) -> String {
    let mut mac = keyed(secret, "token:");
    mac.update(token.token.as_bytes());
    hex(&mac.finalize().into_bytes()[..16])
}

fn signature(secret: &ApiSecret, issued: u64, mark: &str) -> Hmac<Sha256> {
    keyed(secret, &format!("session:{issued}.{mark}"))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes any text");
        text
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if !hex.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests;
