//! What is made out of the tree of commands itself: completions and manual pages.

use std::fs;
use std::path::Path;

use clap::builder::{Resettable, Str};
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::Failure;
use crate::session::Session;

/// Prints the completions for a shell.
pub(crate) fn completion(shell: Shell, session: &Session) -> Result<(), Failure> {
    let mut tree = Args::command();
    tree.build();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut anew(&tree), "pvc", &mut script);
    session.screen.copy(&script)
}

/// The same commands with all that is below them, which are otherwise made one after another: `help` completes those that
/// are there when it is made.
fn anew(command: &Command) -> Command {
    let is_own = |name: &str| !["help", "version"].contains(&name);
    Command::default()
        .name(command.get_name().to_owned())
        .version(Resettable::from(command.get_version().map(|version| Str::from(version.to_owned()))))
        .about(Resettable::from(command.get_about().cloned()))
        .long_about(Resettable::from(command.get_long_about().cloned()))
        .hide(command.is_hide_set())
        .args(command.get_arguments().filter(|option| is_own(option.get_id().as_str())).cloned())
        .subcommands(command.get_subcommands().filter(|below| is_own(below.get_name())).map(anew))
}

/// Writes a manual page for each command into a directory.
pub(crate) fn pages(directory: &Path, session: &Session) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(Failure::file(directory, "made"))?;
    clap_mangen::generate_to(Args::command(), directory).map_err(Failure::file(directory, "filled"))?;
    let count = fs::read_dir(directory).map_err(Failure::file(directory, "read"))?.count();
    session.screen.show(&format!("{} holds {count} pages.", directory.display()))
}
