//! Why a command did not do what it was asked, in words for the person who asked.

use std::io;
use std::path::PathBuf;

use crate::connection::ConnectionError;

/// Why a command ends with code 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The API refused, or there is none.
    #[error(transparent)]
    Api(#[from] api::client::Error),
    /// The connection is not known, or cannot be read.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// Output that could not be written.
    #[error("The output cannot be written.")]
    Output(#[from] io::Error),
    /// A file of the user's.
    #[error("{path} cannot be {verb}.", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// `read`, `written` and so on.
        verb: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A stream that broke.
    #[error("The stream from the API broke off. Ask again; if it stays so, the log of pvcapid knows more.")]
    Stream(#[source] io::Error),
    /// A question that nobody can answer.
    #[error("\"{question}\" cannot be asked: the input is not a terminal. Add --yes to say yes beforehand.")]
    Unconfirmed {
        /// What would have been asked.
        question: String,
    },
    /// The answer to what was asked is no, and the exit code tells it.
    #[error("No.")]
    No,
    /// The user's answer was no.
    #[error("Nothing was done.")]
    Declined,
    /// Anything else, said in full.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// Whether somebody closed the pipe that we print into, which is no failure.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether its causes tell something that its text leaves out. What the API and the way to it did is in the text.
    pub(crate) fn has_causes_to_tell(&self) -> bool {
        !matches!(self, Self::Api(_))
    }

    /// Makes the error of a file's operation; `verb` is what cannot be done to it, such as `read`.
    pub(crate) fn file(path: impl Into<PathBuf>, verb: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, verb, source }
    }
}
