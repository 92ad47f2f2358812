//! `pvc vm modify`: shows what would change before it changes anything, and restarts only when asked to.

use api::Vm;
use api::client::{Method, Request};

use super::{only, text_of};
use crate::args::VmModify;
use crate::ask::{agrees, confirm};
use crate::editor::{self, Edited};
use crate::failure::Failure;
use crate::print::vm as print;
use crate::session::Session;

/// Runs it.
pub(crate) fn run(session: &Session, change: &VmModify) -> Result<(), Failure> {
    let domain = change.domain.as_str();
    let vm: Vm = only(&session.ask(&Request::get(&["vm", domain]))?)?;
    let Some(path) = &change.document else {
        let edited = editor::edit(&vm.name, &vm.xml)?;
        return keeping(edited, |text| replace(session, change, &vm, text));
    };
    replace(session, change, &vm, &text_of(path)?)
}

/// Discards the user's edit once it has arrived or is not wanted, and says where it is when it was refused.
fn keeping(edited: Edited, replace: impl FnOnce(&str) -> Result<(), Failure>) -> Result<(), Failure> {
    match replace(&edited.text) {
        Err(Failure::Declined) => {
            edited.discard()?;
            Err(Failure::Declined)
        }
        Ok(()) => edited.discard(),
        Err(failure) => {
            Err(Failure::Other(format!("{failure}\nYour edit is kept in {}", edited.path.display())))
        }
    }
}

fn replace(session: &Session, change: &VmModify, vm: &Vm, document: &str) -> Result<(), Failure> {
    if with_end(&vm.xml) == with_end(document) {
        return session.screen.show("Nothing is different, so nothing was changed.");
    }
    session.screen.show(&print::change(&with_end(&vm.xml), &with_end(document), session.screen.paint))?;
    let agreed = (change.yes || change.confirm_diff).into();
    confirm(session, &format!("Change VM \"{}\" like this?", vm.name), agreed)?;
    let runs = vm.state == "start";
    let restart = change.restart && runs && {
        let agreed = (change.yes || change.confirm_restart).into();
        agrees(session, &format!("Restart VM \"{}\" now, so that the change takes effect?", vm.name), agreed)?
    };
    let request = Request::new(Method::Put, &["vm", &change.domain])
        .with("restart", if restart { "true" } else { "false" })
        .with_long("xml", document);
    session.order(&request)?;
    if runs && !restart {
        let advice = format!("It runs as before until it is restarted: pvc vm restart {}", vm.name);
        session.screen.note(&advice);
    }
    Ok(())
}

/// The text with a line break at its end, so that one that is missing there is no difference.
fn with_end(text: &str) -> String {
    format!("{}\n", text.trim_end())
}
