//! Where output goes, and the shapes that it takes: results to the standard output, everything else to the other one.

use std::io::{IsTerminal, Write};

use api::client::Endpoint;

use crate::args::Global;
use crate::failure::Failure;

pub(crate) mod benchmark;
pub(crate) mod cluster;
pub(crate) mod connection;
pub(crate) mod details;
pub(crate) mod diff;
pub(crate) mod json;
pub(crate) mod node;
pub(crate) mod paint;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod storage;
pub(crate) mod table;
pub(crate) mod task;
pub(crate) mod vm;
pub(crate) mod why;

use paint::{Paint, Tone};

/// The two outputs.
#[derive(Debug)]
pub(crate) struct Screen {
    /// How results are coloured.
    pub(crate) paint: Paint,
    note_paint: Paint,
    shows_results: bool,
    shows_notes: bool,
    shows_errors: bool,
}

impl Screen {
    pub(crate) fn new(global: &Global) -> Self {
        let paint = |is_terminal: bool| Paint::of(global.colour, is_terminal);
        Self {
            paint: paint(std::io::stdout().is_terminal()),
            note_paint: paint(std::io::stderr().is_terminal()),
            shows_results: !global.silent,
            shows_notes: !global.quiet && !global.silent,
            shows_errors: !global.silent,
        }
    }

    /// Prints a result, and ends its line.
    pub(crate) fn show(&self, text: &str) -> Result<(), Failure> {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.copy(text.as_bytes())?;
        self.copy(end.as_bytes())
    }

    /// Prints a piece of a result as it is, at once.
    pub(crate) fn copy(&self, bytes: &[u8]) -> Result<(), Failure> {
        if self.shows_results {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()?;
        }
        Ok(())
    }

    /// Tells something beside the result. Whether anybody can read it is not our affair.
    pub(crate) fn note(&self, text: &str) {
        if self.shows_notes {
            let _unread = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Tells why the command failed.
    pub(crate) fn error(&self, text: &str) {
        if self.shows_errors {
            let label = self.note_paint.paint("error:", Tone::Bad);
            let _unread = writeln!(std::io::stderr(), "{label} {text}");
        }
    }

    /// Tells a person which cluster is asked, where it is not the one at hand.
    pub(crate) fn announce(&self, connection: &str, endpoint: &Endpoint) {
        if connection != crate::connection::LOCAL && std::io::stderr().is_terminal() {
            let text = format!("Connection \"{connection}\": {endpoint}");
            self.note(&self.note_paint.paint(&text, Tone::Dim));
        }
    }

    /// Whether a person watches what is noted, so that it may move.
    pub(crate) fn is_watched(&self) -> bool {
        self.shows_notes && std::io::stderr().is_terminal()
    }
}

#[cfg(test)]
mod tests;
