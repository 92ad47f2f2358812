//! The commands of `pvc node`.

use std::fs;

use api::Node;
use api::client::Request;

use super::{ask_list, show_details, show_list, show_log, wait};
use crate::args::{NodeCommand, NodeList};
use crate::failure::Failure;
use crate::print::node as print;
use crate::session::Session;

/// Runs one of them.
pub(crate) fn run(command: NodeCommand, session: &Session) -> Result<(), Failure> {
    match command {
        NodeCommand::List(list) => show_nodes(session, &list),
        NodeCommand::Info { node, format } => {
            let node = node.map_or_else(this_machine, Ok)?;
            show_details(session, &session.ask(&Request::get(&["node", &node]))?, format, print::details)
        }
        NodeCommand::Flush { node, wait } => serve(session, node, "flush", wait),
        NodeCommand::Ready { node, wait } => serve(session, node, "ready", wait),
        NodeCommand::Log { node, lines, follow } => {
            let node = node.map_or_else(this_machine, Ok)?;
            show_log(session, &["node", &node, "log"], lines, follow)
        }
    }
}

/// Asks a node to be emptied or filled, and may wait for it.
fn serve(session: &Session, node: Option<String>, state: &str, wait: bool) -> Result<(), Failure> {
    let node = node.map_or_else(this_machine, Ok)?;
    session.order(&Request::post(&["node", &node, "domain-state"]).with("state", state))?;
    if !wait {
        return Ok(());
    }
    session.screen.show(&wait::served(session, &node)?)
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
    let path = "/proc/sys/kernel/hostname";
    let name = fs::read_to_string(path).map_err(Failure::file(path, "read"))?;
    Ok(name.trim().split('.').next().unwrap_or_default().to_owned())
}
