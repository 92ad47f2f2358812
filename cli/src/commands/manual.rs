//! What is made out of the tree of commands itself: completions and manual pages.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::Failure;
use crate::session::Session;

/// Prints the completions for a shell.
pub(crate) fn completion(shell: Shell, session: &Session) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "pvc", &mut script);
    session.screen.copy(&script)
}

/// Writes a manual page for each command into a directory.
pub(crate) fn pages(directory: &Path, session: &Session) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(Failure::file(directory, "made"))?;
    clap_mangen::generate_to(Args::command(), directory).map_err(Failure::file(directory, "filled"))?;
    let count = fs::read_dir(directory).map_err(Failure::file(directory, "read"))?.count();
    session.screen.show(&format!("{} holds {count} pages.", directory.display()))
}
