//! The commands of `pvc node`.

use std::fs;

use api::Node;
use api::client::Request;

use super::{show_details, show_list, show_log};
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
        NodeCommand::Log { node, lines, follow } => {
            let node = node.map_or_else(this_machine, Ok)?;
            show_log(session, &["node", &node, "log"], lines, follow)
        }
    }
}

fn show_nodes(session: &Session, list: &NodeList) -> Result<(), Failure> {
    let request = Request::get(&["node"])
        .with_some("limit", list.limit.as_ref())
        .with_some("daemon_state", list.daemon_state.as_ref())
        .with_some("coordinator_state", list.coordinator_state.as_ref())
        .with_some("domain_state", list.domain_state.as_ref());
    show_list(session, &session.ask(&request)?, list.format, |node: &Node| &node.name, print::list)
}

/// The short host name of this machine.
fn this_machine() -> Result<String, Failure> {
    let path = "/proc/sys/kernel/hostname";
    let name = fs::read_to_string(path).map_err(Failure::file(path, "read"))?;
    Ok(name.trim().split('.').next().unwrap_or_default().to_owned())
}
