//! The commands of `pvc cluster`.

use api::client::Request;
use api::{ClusterStatus, TaskList, TaskStatus};
use serde_json::json;

use super::wait;
use crate::args::{ClusterCommand, Maintenance, PlainFormat, StatusFormat, TableFormat};
use crate::ask::confirm;
use crate::failure::Failure;
use crate::print::{cluster as print, json, task};
use crate::session::Session;

/// Runs one of them.
pub(crate) fn run(command: ClusterCommand, session: &Session) -> Result<(), Failure> {
    match command {
        ClusterCommand::Status { format } => show_status(session, format),
        ClusterCommand::Health { format } => show_health(session, format),
        ClusterCommand::Init { overwrite, yes } => {
            let question = if overwrite {
                "Begin the cluster anew, and LOSE ALL that it knows of its nodes, VMs and networks?"
            } else {
                "Make the first records of a new cluster?"
            };
            confirm(session, question, yes.into())?;
            let overwrite = overwrite.then_some("True");
            session.order(
                &Request::post(&["initialize"])
                    .with("yes-i-really-mean-it", "yes")
                    .with_some("overwrite", overwrite),
            )
        }
        ClusterCommand::Maintenance { state } => {
            let state = match state {
                Maintenance::On => "true",
                Maintenance::Off => "false",
            };
            session.order(&Request::post(&["status"]).with("state", state))
        }
        ClusterCommand::Task { task_id: None, format, .. } => show_tasks(session, format),
        ClusterCommand::Task { task_id: Some(id), no_wait, format, .. } => {
            if !no_wait {
                wait::task(session, &id)?;
            }
            show_task(session, &id, format)
        }
    }
}

fn show_status(session: &Session, format: StatusFormat) -> Result<(), Failure> {
    let answer = session.ask(&Request::get(&["status"]))?;
    let status = || answer.parse::<ClusterStatus>();
    let paint = session.screen.paint;
    session.screen.show(&match format {
        StatusFormat::Pretty => print::status(&status()?, paint),
        StatusFormat::Short => print::short(&status()?, paint),
        StatusFormat::Json => json::compact(answer.text()),
        StatusFormat::JsonPretty => json::pretty(answer.text()),
    })
}

/// Prints the part of the status that is about health.
fn show_health(session: &Session, format: PlainFormat) -> Result<(), Failure> {
    let status: ClusterStatus = session.read(&Request::get(&["status"]))?;
    let part = || {
        json!({
            "maintenance": status.maintenance,
            "cluster_health": status.cluster_health,
            "node_health": status.node_health,
        })
        .to_string()
    };
    session.screen.show(&match format {
        PlainFormat::Pretty => print::health_page(&status, session.screen.paint),
        PlainFormat::Json => json::compact(&part()),
        PlainFormat::JsonPretty => json::pretty(&part()),
    })
}

fn show_tasks(session: &Session, format: TableFormat) -> Result<(), Failure> {
    let answer = session.ask(&Request::get(&["tasks"]))?;
    let tasks = || answer.parse::<TaskList>();
    session.screen.show(&match format {
        TableFormat::Pretty => task::list(&tasks()?, session.screen.paint),
        TableFormat::Raw => {
            let tasks = tasks()?;
            let ids = task::ids(&tasks);
            if ids.is_empty() {
                return Ok(());
            }
            ids.join("\n")
        }
        TableFormat::Json => json::compact(answer.text()),
        TableFormat::JsonPretty => json::pretty(answer.text()),
    })
}

/// Prints how far a task has come. One that has failed is a failure of the command.
fn show_task(session: &Session, id: &str, format: TableFormat) -> Result<(), Failure> {
    let answer = session.ask(&Request::get(&["tasks", id]))?;
    let status: TaskStatus = answer.parse()?;
    session.screen.show(&match format {
        TableFormat::Pretty => task::status(id, &status, session.screen.paint),
        TableFormat::Raw => status.state.clone(),
        TableFormat::Json => json::compact(answer.text()),
        TableFormat::JsonPretty => json::pretty(answer.text()),
    })?;
    if status.state == "FAILURE" {
        return Err(Failure::Other(format!("Task {id} has failed: {}", status.status)));
    }
    Ok(())
}
