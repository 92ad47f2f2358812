//! One request: a method, a path made of names, parameters, and at most one long parameter as a JSON body.

use std::fmt::{self, Write};

use serde_json::{Map, Value};

/// What is done to the thing that the path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are HTTP's")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A request, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(super) method: Method,
    path: String,
    query: String,
    body: Map<String, Value>,
}

impl Request {
    /// A request for the thing below `/api/v1` that is named by `path`, part by part; an empty path is the API itself.
    #[must_use]
    pub fn new(method: Method, path: &[&str]) -> Self {
        let path = match path {
            [] => "/".into(),
            parts => parts.iter().map(|part| format!("/{}", escape(part))).collect(),
        };
        Self { method, path, query: String::new(), body: Map::new() }
    }

    /// Reads.
    #[must_use]
    pub fn get(path: &[&str]) -> Self {
        Self::new(Method::Get, path)
    }

    /// Adds, or acts.
    #[must_use]
    pub fn post(path: &[&str]) -> Self {
        Self::new(Method::Post, path)
    }

    /// Adds a parameter; one that may be repeated is added as often as it has values.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let separator = if self.query.is_empty() { '?' } else { '&' };
        let (name, value) = (escape(name), escape(value.as_ref()));
        write!(self.query, "{separator}{name}={value}").expect("writing to a text does not fail");
        self
    }

    /// Adds a parameter that may be absent.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a parameter that is too long for an address, such as a libvirt document.
    #[must_use]
    pub fn with_long(mut self, name: &str, value: impl Into<String>) -> Self {
        self.body.insert(name.into(), Value::String(value.into()));
        self
    }

    /// The path below `/api/v1`, with its leading slash and without parameters.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path with the parameters.
    pub(super) fn target(&self) -> String {
        format!("{}{}", self.path, self.query)
    }

    pub(super) fn body(&self) -> Option<String> {
        let body = || serde_json::to_string(&self.body).expect("texts are JSON");
        (!self.body.is_empty()).then(body)
    }
}

/// Method, path and parameters, without the long one.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method.name(), self.path, self.query)
    }
}

/// A text as part of an address: everything that is not unreserved there, as bytes in percent form.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").expect("writing to a text does not fail"),
        }
    }
    out
}
