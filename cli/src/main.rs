//! The command `pvc`: reads its arguments, asks the API, and prints what it says.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage. A reader that closes our pipe early has what it wanted: 0.

mod args;
mod ask;
mod commands;
mod connection;
mod editor;
mod failure;
mod print;
mod session;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Area, Args};
use crate::failure::Failure;
use crate::session::Session;

fn main() -> ExitCode {
    let args = Args::parse_from(args::spelled_out(std::env::args_os()));
    let session = Session::new(args.global);
    match run(args.area, &session) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(Failure::No) => ExitCode::FAILURE,
        Err(failure) => {
            session.complain(&failure);
            ExitCode::FAILURE
        }
    }
}

fn run(area: Area, session: &Session) -> Result<(), Failure> {
    match area {
        Area::Vm(below) => commands::vm::run(below.command, session),
        Area::Node(below) => commands::node::run(below.command, session),
        Area::Cluster(below) => commands::cluster::run(below.command, session),
        Area::Storage(below) => commands::storage::run(below.command, session),
        Area::Connection(below) => commands::connection::run(below.command, session),
        Area::Completion { shell } => commands::manual::completion(shell, session),
        Area::Man { directory } => commands::manual::pages(&directory, session),
    }
}
