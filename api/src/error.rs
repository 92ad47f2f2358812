//! The message: what the API says when it has nothing to show, be it done or refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A sentence for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Message {
    /// What was done, or what was refused, why, and what to do.
    pub message: String,
}

/// A sentence for each parameter that is missing or wrong; always with status 400.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ParameterMessage {
    /// The parameter's name, and what is wrong with it.
    pub message: BTreeMap<String, String>,
}

/// The text for people in either kind of message, one line per parameter; `None` when `body` is neither.
#[must_use]
pub fn message_text(body: &Value) -> Option<String> {
    match body.get("message")? {
        Value::String(text) => Some(text.clone()),
        Value::Object(parameters) => {
            let line = |(name, why): (&String, &Value)| match why {
                Value::String(why) => format!("{name}: {why}"),
                other => format!("{name}: {other}"),
            };
            Some(parameters.iter().map(line).collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    }
}
