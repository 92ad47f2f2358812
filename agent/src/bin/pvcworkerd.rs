//! The worker daemon: long tasks as resumable stages.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent::arguments::start(agent::start::Role::Workerd)
}
