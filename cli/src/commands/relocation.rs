//! VMs that change their node, and why a VM is where it is.

use api::client::Request;
use api::{Vm, VmWhy};

use super::{only, wait};
use crate::args::PlainFormat;
use crate::args::relocation::{Manner, Migrate, Move, Unmigrate};
use crate::failure::Failure;
use crate::print::{json, why as print};
use crate::session::Session;

/// Settles a VM on another node.
pub(crate) fn settle(session: &Session, wish: &Move) -> Result<(), Failure> {
    let request = request(&wish.domain, "move").with_some("node", wish.target.as_ref());
    relocate(session, &wish.domain, request, wish.manner)
}

/// Brings a VM to another node for a while.
pub(crate) fn migrate(session: &Session, wish: &Migrate) -> Result<(), Failure> {
    let request = request(&wish.domain, "migrate")
        .with_some("node", wish.target.as_ref())
        .with_some("force", wish.force.then_some("true"));
    relocate(session, &wish.domain, request, wish.manner)
}

/// Brings a VM home.
pub(crate) fn unmigrate(session: &Session, wish: &Unmigrate) -> Result<(), Failure> {
    relocate(session, &wish.domain, request(&wish.domain, "unmigrate"), wish.manner)
}

/// Tells why a VM is where it is.
pub(crate) fn explain(session: &Session, domain: &str, format: PlainFormat) -> Result<(), Failure> {
    let answer = session.ask(&Request::get(&["vm", domain, "why"]))?;
    session.screen.show(&match format {
        PlainFormat::Pretty => print::page(&answer.parse::<VmWhy>()?, session.screen.paint),
        PlainFormat::Json => json::compact(answer.text()),
        PlainFormat::JsonPretty => json::pretty(answer.text()),
    })
}

fn request(domain: &str, action: &str) -> Request {
    Request::post(&["vm", domain, "node"]).with("action", action)
}

fn relocate(session: &Session, domain: &str, request: Request, manner: Manner) -> Result<(), Failure> {
    let request = request.with_some("force_live", manner.force_live.then_some("true"));
    if !manner.wait {
        return session.order(&request);
    }
    // Where it was tells later whether it has moved.
    let before: Vm = only(&session.ask(&Request::get(&["vm", domain]))?)?;
    session.order(&request)?;
    let after = wait::relocated(session, domain, &before.node)?;
    session.screen.show(&after)
}
