//! A file that comes with a request: as the part `file` of a form, or as the body itself. It is read as it comes, and
//! nothing holds the whole of it.
//!
//! How long it is must be known before: it is told, or follows from the length of the body. So the file is counted and
//! not searched for its end, and one that is cut off, or goes on behind its end, is told from a whole one.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use futures::StreamExt;
use serde::de::DeserializeOwned;

use super::{Given, add_form, text};
use crate::error::ApiError;

/// The most bytes in front of the file: a line that parts, and a few headers.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The longest boundary that a form may have.
const BOUNDARY_LENGTH_MAX: usize = 70;

/// How long the next bytes may take to come: less than a worker waits for them.
const PART_WAIT: Duration = Duration::from_secs(45);

/// What comes behind a refused upload is read for so long, so that a client that only sends gets to read why.
const DRAIN_WAIT: Duration = Duration::from_secs(5);

/// The parameters of a request, from its query alone, and the file that its body brings.
#[derive(Debug)]
pub struct Upload<T> {
    /// The parameters.
    pub asked: T,
    /// The file, of which nothing was read yet.
    pub file: Unopened,
}

/// A file of which nothing was read yet.
#[derive(Debug)]
pub struct Unopened {
    body: Body,
    boundary: Result<Option<String>, ApiError>,
    length: Option<u64>,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Upload<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let mut given = Given::new();
        add_form(&mut given, parts.uri.query().unwrap_or_default().as_bytes())?;
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let boundary = boundary(&parts.headers);
        Ok(Self { asked: text::read(given)?, file: Unopened { body, boundary, length } })
    }
}

/// What parts the form; `None` where the body is the file.
fn boundary(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let (name, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    match name.trim().to_ascii_lowercase().as_str() {
        "" | "application/octet-stream" => Ok(None),
        "multipart/form-data" => {
            let value = parameters.split(';').find_map(|parameter| {
                let (name, value) = parameter.trim().split_once('=')?;
                name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"').to_owned())
            });
            let value = value.filter(|value| (1..=BOUNDARY_LENGTH_MAX).contains(&value.len()));
            let none = || ApiError::refused("The form has no boundary that parts it, or one that cannot be.");
            value.ok_or_else(none).map(Some)
        }
        other => Err(ApiError::refused(format!(
            "The body's Content-Type \"{}\" cannot be read. Send the file as the part \"file\" of multipart/form-data, or \
             alone as application/octet-stream.",
            other.chars().take(80).collect::<String>()
        ))),
    }
}

impl Unopened {
    /// Reads up to where the file begins. `size_bytes` is how long it is, where that is told.
    ///
    /// # Errors
    /// What comes is no such file, or nobody knows how long it is.
    pub async fn open(self, size_bytes: Option<u64>) -> Result<File, ApiError> {
        let mut source = Source { stream: self.body.into_data_stream(), next: Bytes::new() };
        let (head_bytes, end) = match self.boundary? {
            None => (0, Vec::new()),
            Some(boundary) => (skip_head(&mut source, &boundary).await?, format!("\r\n--{boundary}").into()),
        };
        // Behind the file is what parts it, two dashes and a line's end: so every known client sends it.
        let tail_bytes = if end.is_empty() { 0 } else { end.len() as u64 + 4 };
        let derived = || self.length?.checked_sub(head_bytes + tail_bytes);
        let size_bytes = size_bytes.or_else(derived).ok_or_else(|| {
            ApiError::parameter(
                "file_size",
                "how long the file is must be told here, or by a Content-Length.",
            )
        })?;
        Ok(File { source, end, size_bytes, left_bytes: size_bytes })
    }
}

/// Reads what is in front of the part `file`, and tells how many bytes it was.
async fn skip_head(source: &mut Source, boundary: &str) -> Result<u64, ApiError> {
    let mut head = Vec::new();
    let begin = format!("--{boundary}\r\n");
    let mut searched = 0;
    loop {
        if let Some(end) = find(&head[searched..], b"\r\n\r\n") {
            let rest = head.split_off(searched + end + 4);
            source.give_back(rest.into());
            break;
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(ApiError::refused("The headers of the form's first part do not end."));
        }
        searched = head.len().saturating_sub(3);
        head.extend_from_slice(&source.part().await?.ok_or_else(cut_off)?);
    }
    let text = String::from_utf8_lossy(&head);
    let named = text.strip_prefix(&begin).is_some_and(|headers| headers.lines().any(is_file));
    if !named {
        return Err(ApiError::refused(
            "The form's first part is not \"file\". Send the file alone, and the other parameters in the query.",
        ));
    }
    Ok(head.len() as u64)
}

/// Whether a header says that its part is the file.
fn is_file(header: &str) -> bool {
    let Some((name, value)) = header.split_once(':') else { return false };
    let mut parameters = value.split(';').map(str::trim);
    name.eq_ignore_ascii_case("content-disposition")
        && parameters.any(|parameter| matches!(parameter, "name=\"file\"" | "name=file"))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn cut_off() -> ApiError {
    ApiError::refused("The upload broke off before its end: nothing of it is kept. Send it again.")
}

/// The body, part by part.
#[derive(Debug)]
struct Source {
    stream: BodyDataStream,
    /// What was read too much.
    next: Bytes,
}

impl Source {
    fn give_back(&mut self, part: Bytes) {
        self.next = part;
    }

    async fn part(&mut self) -> Result<Option<Bytes>, ApiError> {
        if !self.next.is_empty() {
            return Ok(Some(std::mem::take(&mut self.next)));
        }
        loop {
            let part = tokio::time::timeout(PART_WAIT, self.stream.next()).await;
            match part.map_err(|_| ApiError::Late { wait_s: PART_WAIT.as_secs() })? {
                None => return Ok(None),
                Some(Ok(part)) if part.is_empty() => {}
                Some(Ok(part)) => return Ok(Some(part)),
                Some(Err(_)) => return Err(cut_off()),
            }
        }
    }
}

/// A file on its way.
#[derive(Debug)]
pub struct File {
    source: Source,
    /// What stands behind it; nothing where it is the whole body.
    end: Vec<u8>,
    size_bytes: u64,
    left_bytes: u64,
}

impl File {
    /// How long it is.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Its next bytes; `None` when it is whole, and nothing comes behind it that should not.
    ///
    /// # Errors
    /// It was cut off, does not come on, or is longer than it should be.
    pub async fn part(&mut self) -> Result<Option<Bytes>, ApiError> {
        if self.left_bytes == 0 {
            return self.check_end().await.map(|()| None);
        }
        let mut part = self.source.part().await?.ok_or_else(cut_off)?;
        if let Ok(left) = usize::try_from(self.left_bytes)
            && left < part.len()
        {
            let rest = part.split_off(left);
            self.source.give_back(rest);
        }
        self.left_bytes -= part.len() as u64;
        Ok(Some(part))
    }

    async fn check_end(&mut self) -> Result<(), ApiError> {
        let mut behind = Vec::new();
        while behind.len() <= self.end.len() {
            match self.source.part().await? {
                Some(part) => behind.extend_from_slice(&part),
                None => break,
            }
        }
        let is_end = match self.end.is_empty() {
            true => behind.is_empty(),
            false => behind.starts_with(&self.end),
        };
        match (is_end, behind.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => Err(cut_off()),
            (false, false) => Err(ApiError::refused(format!(
                "More comes than the {} bytes that the file was said to have: nothing of it is kept.",
                self.size_bytes
            ))),
        }
    }

    /// Reads on for a moment and forgets it, so that whoever sends it gets to read the answer.
    pub async fn drain(mut self) {
        let read = async { while let Ok(Some(_)) = self.source.part().await {} };
        drop(tokio::time::timeout(DRAIN_WAIT, read).await);
    }
}

#[cfg(test)]
mod tests;
