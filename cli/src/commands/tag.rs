//! The commands of `pvc vm tag`.

use api::VmTags;
use api::client::Request;

use crate::args::{TableFormat, TagCommand};
use crate::failure::Failure;
use crate::print::{json, vm as print};
use crate::session::Session;

/// Runs one of them.
pub(crate) fn run(command: TagCommand, session: &Session) -> Result<(), Failure> {
    match command {
        TagCommand::Get { domain, format } => show(session, &domain, format),
        TagCommand::Add { domain, tag, protected } => {
            let protected = if protected { "true" } else { "false" };
            session.order(&change(&domain, "add", &tag).with("protected", protected))
        }
        TagCommand::Remove { domain, tag } => session.order(&change(&domain, "remove", &tag)),
    }
}

fn change(domain: &str, action: &str, tag: &str) -> Request {
    Request::post(&["vm", domain, "tags"]).with("action", action).with("tag", tag)
}

fn show(session: &Session, domain: &str, format: TableFormat) -> Result<(), Failure> {
    let answer = session.ask(&Request::get(&["vm", domain, "tags"]))?;
    let tags = || answer.parse::<VmTags>().map(|all| all.tags);
    session.screen.show(&match format {
        TableFormat::Pretty => print::tags(&tags()?, session.screen.paint),
        TableFormat::Raw => {
            let tags = tags()?;
            if tags.is_empty() {
                return Ok(());
            }
            tags.into_iter().map(|tag| tag.name).collect::<Vec<_>>().join("\n")
        }
        TableFormat::Json => json::compact(answer.text()),
        TableFormat::JsonPretty => json::pretty(answer.text()),
    })
}
