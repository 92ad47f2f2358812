//! The commands of `pvc node`.

use api::client::{Method, Request};
use api::{Node, NodeCoordinatorState};

use super::{ask_list, show_details, show_list, show_log, wait};
use crate::args::{NodeCommand, NodeDuty, NodeList, NodePart, PlainFormat};
use crate::ask::confirm;
use crate::connection::{HOSTNAME_FILE, hostname};
use crate::failure::Failure;
use crate::print::{json, node as print, plan};
use crate::session::Session;

/// Runs one of them.
pub(crate) fn run(command: NodeCommand, session: &Session) -> Result<(), Failure> {
    match command {
        NodeCommand::List(list) => show_nodes(session, &list),
        NodeCommand::Info { node, format } => {
            let node = node.map_or_else(this_machine, Ok)?;
            show_details(session, &session.ask(&Request::get(&["node", &node]))?, format, print::details)
        }
        NodeCommand::Flush(duty) => serve(session, duty, "flush"),
        NodeCommand::Ready(duty) => serve(session, duty, "ready"),
        NodeCommand::Primary(part) => move_role(session, part, "primary"),
        NodeCommand::Secondary(part) => move_role(session, part, "secondary"),
        NodeCommand::IsPrimary { node } => tell_primary(session, node),
        NodeCommand::Remove { node, yes } => {
            confirm(session, &format!("Forget node \"{node}\" for good?"), yes.into())?;
            session.order(&Request::new(Method::Delete, &["node", &node]))
        }
        NodeCommand::Log { node, lines, follow } => {
            let node = node.map_or_else(this_machine, Ok)?;
            show_log(session, &["node", &node, "log"], lines, follow)
        }
    }
}

/// Ends with 0 on the primary and with 1 elsewhere, also where there is none, and prints nothing: units ask this way.
fn tell_primary(session: &Session, node: Option<String>) -> Result<(), Failure> {
    let node = node.map_or_else(this_machine, Ok)?;
    let state: NodeCoordinatorState = session.read(&Request::get(&["node", &node, "coordinator-state"]))?;
    if state.coordinator_state == "primary" { Ok(()) } else { Err(Failure::No) }
}

/// Asks for the primary role to move, and may wait for it.
fn move_role(session: &Session, part: NodePart, state: &str) -> Result<(), Failure> {
    let node = part.node.map_or_else(this_machine, Ok)?;
    session.order(&Request::post(&["node", &node, "coordinator-state"]).with("state", state))?;
    if part.no_wait || !part.wait {
        return Ok(());
    }
    session.screen.show(&wait::role(session, &node, state)?)
}

/// Asks a node to be emptied or filled, and may wait for it; or only asks what that would do.
fn serve(session: &Session, duty: NodeDuty, state: &str) -> Result<(), Failure> {
    let node = duty.node.map_or_else(this_machine, Ok)?;
    let request = Request::post(&["node", &node, "domain-state"]).with("state", state);
    if duty.dry_run {
        return show_plan(session, &request.with("dry_run", "true"), duty.format);
    }
    session.order(&request)?;
    if !duty.wait {
        return Ok(());
    }
    session.screen.show(&wait::served(session, &node)?)
}

fn show_plan(session: &Session, request: &Request, format: PlainFormat) -> Result<(), Failure> {
    let answer = session.ask(request)?;
    session.screen.show(&match format {
        PlainFormat::Pretty => plan::page(&answer.parse::<api::NodeDuty>()?, session.screen.paint),
        PlainFormat::Json => json::compact(answer.text()),
        PlainFormat::JsonPretty => json::pretty(answer.text()),
    })
}

fn show_nodes(session: &Session, list: &NodeList) -> Result<(), Failure> {
    let request = Request::get(&["node"])
        .with_some("limit", list.limit.as_ref())
        .with_some("daemon_state", list.daemon_state.as_ref())
        .with_some("coordinator_state", list.coordinator_state.as_ref())
        .with_some("domain_state", list.domain_state.as_ref());
    let states = [&list.daemon_state, &list.coordinator_state, &list.domain_state];
    let none = match list.limit.is_none() && states.iter().all(|state| state.is_none()) {
        true => "There are no nodes yet. A node registers itself once pvcnoded runs on it.",
        false => "There is no node that matches. All of them: pvc node list",
    };
    let answer = ask_list(session, &request, none)?;
    show_list(session, &answer, list.format, |node: &Node| &node.name, print::list)
}

/// The short host name of this machine.
fn this_machine() -> Result<String, Failure> {
    let unknown =
        || Failure::Other(format!("{HOSTNAME_FILE} does not tell this machine's name: name the node."));
    hostname().ok_or_else(unknown)
}
