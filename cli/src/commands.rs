//! What the commands do: each asks the API one thing, or a few, and prints the answer.

use std::fs;
use std::io::Read;
use std::path::Path;

use api::client::{Answer, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::args::{DetailFormat, TableFormat};
use crate::failure::Failure;
use crate::print::vm::Depth;
use crate::print::{json, paint::Paint};
use crate::session::Session;

pub(crate) mod cluster;
pub(crate) mod connection;
pub(crate) mod disk;
pub(crate) mod manual;
pub(crate) mod modify;
pub(crate) mod node;
pub(crate) mod relocation;
pub(crate) mod storage;
pub(crate) mod tag;
pub(crate) mod vm;
pub(crate) mod wait;

/// How many lines of the past a log shows when it is not followed, and when it is.
const LINES: (u32, u32) = (1000, 10);

/// Asks for a list. That there is nothing to list is a failure of the command, as it is of the API; `none` says so.
fn ask_list(session: &Session, request: &Request, none: &str) -> Result<Answer, Failure> {
    match session.ask(request) {
        Err(Failure::Api(error)) if error.status() == Some(404) && error.is_of_pvc() => {
            Err(Failure::Other(none.into()))
        }
        outcome => outcome,
    }
}

/// Prints a list in one of its formats.
fn show_list<T: DeserializeOwned>(
    session: &Session,
    answer: &Answer,
    format: TableFormat,
    name: impl Fn(&T) -> &str,
    table: impl Fn(&[T], Paint) -> String,
) -> Result<(), Failure> {
    let things = || answer.parse::<Vec<T>>();
    session.screen.show(&match format {
        TableFormat::Pretty => table(&things()?, session.screen.paint),
        TableFormat::Raw => {
            let things = things()?;
            let mut names: Vec<&str> = things.iter().map(name).collect();
            names.sort_unstable();
            names.join("\n")
        }
        TableFormat::Json => json::compact(answer.text()),
        TableFormat::JsonPretty => json::pretty(answer.text()),
    })
}

/// Prints one thing in one of its formats.
fn show_details<T: DeserializeOwned>(
    session: &Session,
    answer: &Answer,
    format: DetailFormat,
    details: impl Fn(&T, Depth, Paint) -> String,
) -> Result<(), Failure> {
    let paint = session.screen.paint;
    session.screen.show(&match format {
        DetailFormat::Pretty => details(&only(answer)?, Depth::Short, paint),
        DetailFormat::Long => details(&only(answer)?, Depth::Long, paint),
        DetailFormat::Json => json::compact(only::<Box<RawValue>>(answer)?.get()),
        DetailFormat::JsonPretty => json::pretty(only::<Box<RawValue>>(answer)?.get()),
    })
}

/// The one thing that was asked for: the contract wraps it into a list.
fn only<T: DeserializeOwned>(answer: &Answer) -> Result<T, Failure> {
    #[derive(Deserialize)]
    struct One<T>((T,));
    match answer.text().trim_start().starts_with('[') {
        true => Ok(answer.parse::<One<T>>()?.0.0),
        false => Ok(answer.parse()?),
    }
}

/// Prints a log: its end, or its end and everything that is added from now on.
fn show_log(session: &Session, path: &[&str], lines: Option<u32>, follow: bool) -> Result<(), Failure> {
    let (usual, usual_followed) = LINES;
    if !follow {
        let request = Request::get(path).with("lines", lines.unwrap_or(usual).to_string());
        let log: api::VmLog = session.read(&request)?;
        if log.data.is_empty() {
            session.screen.note("Nothing has been written yet.");
            return Ok(());
        }
        return session.screen.show(&log.data);
    }
    let lines = lines.unwrap_or(usual_followed).to_string();
    let mut stream = session.follow(&Request::get(path).with("lines", lines).with("follow", "true"))?;
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece).map_err(Failure::Stream)? {
            0 => {
                session.screen.note("The API has ended the stream.");
                return Ok(());
            }
            length => session.screen.copy(&piece[..length])?,
        }
    }
}

/// The text of a file, or of the input for `-`.
fn text_of(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(Failure::file("the input", "read"))?;
        return Ok(text);
    }
    fs::read_to_string(path).map_err(Failure::file(path, "read"))
}
