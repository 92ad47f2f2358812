//! One function per route: read, accept, commit, convert. The words above each are its documentation.

pub mod cluster;
pub mod node;
pub mod session;
pub mod storage;
pub mod task;
pub mod vm;

use std::time::{SystemTime, UNIX_EPOCH};

use logic::refusal::Refusal;
use logic::time::WallTime;
use regex::Regex;

use crate::error::ApiError;

/// Now, as it is shown to people.
fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How many lines of a console or a log are shown when nobody says how many.
const LINES_DEFAULT: u32 = 10;

/// The longest pattern, in bytes. Compiling one takes time and memory that grow with it.
const PATTERN_BYTES_MAX: usize = 256;

/// A pattern that a list is limited to, made as the contract says from the operator's.
///
/// # Errors
/// [`ApiError::Parameter`] when it cannot be understood.
fn limit(pattern: &str, anchored: impl Fn(&str) -> String) -> Result<Regex, ApiError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(ApiError::parameter("limit", format!("it is longer than {PATTERN_BYTES_MAX} bytes.")));
    }
    let built = regex::RegexBuilder::new(&anchored(pattern)).size_limit(1 << 20).build();
    built.map_err(|_| {
        ApiError::parameter("limit", format!("\"{pattern}\" is not a valid regular expression."))
    })
}

/// The pattern is looked for anywhere, unless it says where it begins or ends.
fn fuzzy(text: &str) -> String {
    let inner = text.strip_prefix('^').unwrap_or(text);
    let begin = if inner.len() < text.len() { "^" } else { "" };
    let (inner, end) = match inner.strip_suffix('$') {
        Some(rest) if !rest.ends_with('\\') => (rest, "$"),
        _ => (inner, ""),
    };
    format!("{begin}(?:{inner}){end}")
}

/// Whether a destructive request is meant: by any text but a no. `what` is what would be destroyed.
fn confirmed(text: &str, what: &'static str) -> Result<(), Refusal> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" | "n" | "no" | "false" | "off" | "0" => Err(Refusal::NotConfirmed { what }),
        _ => Ok(()),
    }
}
