//! The node daemon: observes and changes its own machine.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent::arguments::start(agent::start::Role::Noded)
}
