//! The commands of `pvc vm`.

use std::fs;

use api::Vm;
use api::client::{Method, Request};

use super::wait::{self, Until};
use super::{ask_list, disk, modify, only, relocation, show_details, show_list, show_log, tag, text_of};
use crate::args::storage::TaskManner;
use crate::args::{VmCommand, VmDefine, VmList, VmMeta};
use crate::ask::{Consent, confirm};
use crate::failure::Failure;
use crate::print::vm as print;
use crate::session::Session;

/// Runs one of them.
pub(crate) fn run(command: VmCommand, session: &Session) -> Result<(), Failure> {
    match command {
        VmCommand::List(list) => show_vms(session, &list),
        VmCommand::Info { domain, format } => {
            show_details(session, &session.ask(&Request::get(&["vm", &domain]))?, format, print::details)
        }
        VmCommand::Define(define) => define_vm(session, &define),
        VmCommand::Meta(meta) => change_meta(session, &meta),
        VmCommand::Modify(change) => modify::run(session, &change),
        VmCommand::Rename { domain, new_name, yes } => {
            confirm(session, &format!("Rename VM \"{domain}\" to \"{new_name}\"?"), yes.into())?;
            session.order(&Request::post(&["vm", &domain, "rename"]).with("new_name", new_name))
        }
        VmCommand::Undefine(target) => {
            let question = format!("Stop VM \"{0}\" and forget it? Its disks are kept.", target.domain);
            forget(session, &target.domain, "false", &question, target.yes.into())
        }
        VmCommand::Remove(target) => {
            let question = format!("Stop VM \"{0}\", forget it, and DELETE ITS DISKS?", target.domain);
            forget(session, &target.domain, "true", &question, target.yes.into())
        }
        VmCommand::Start { domain, force } => session.order(&wish(&domain, "start", force)),
        VmCommand::Restart(target) => {
            confirm(session, &format!("Restart VM \"{}\"?", target.domain), target.yes.into())?;
            session.order(&wish(&target.domain, "restart", false))?;
            if target.wait { wait::vm(session, &target.domain, Until::Restarted) } else { Ok(()) }
        }
        VmCommand::Shutdown(target) => {
            confirm(session, &format!("Shut down VM \"{}\"?", target.domain), target.yes.into())?;
            session.order(&wish(&target.domain, "shutdown", false))?;
            if target.wait { wait::vm(session, &target.domain, Until::Stopped) } else { Ok(()) }
        }
        VmCommand::Stop(target) => {
            let question = format!("Stop VM \"{}\" at once, without a shutdown?", target.domain);
            confirm(session, &question, target.yes.into())?;
            session.order(&wish(&target.domain, "stop", target.force))
        }
        VmCommand::Disable(target) => {
            let how = if target.force { "Stop VM" } else { "Shut down VM" };
            let question = format!("{how} \"{}\" and disable it?", target.domain);
            confirm(session, &question, target.yes.into())?;
            session.order(&wish(&target.domain, "disable", target.force))
        }
        VmCommand::Move(wish) => relocation::settle(session, &wish),
        VmCommand::Migrate(wish) => relocation::migrate(session, &wish),
        VmCommand::Unmigrate(wish) => relocation::unmigrate(session, &wish),
        VmCommand::Why { domain, format } => relocation::explain(session, &domain, format),
        VmCommand::FlushLocks { domain, wait, no_wait } => {
            let manner = TaskManner { wait, no_wait, yes: true };
            wait::ordered(session, &Request::post(&["vm", &domain, "locks"]), manner)
        }
        VmCommand::Tag(below) => tag::run(below.command, session),
        VmCommand::Volume(below) => disk::run(below.command, session),
        VmCommand::Log { domain, lines, follow } => {
            show_log(session, &["vm", &domain, "console"], lines, follow)
        }
        VmCommand::Dump { domain, file } => {
            let vm: Vm = only(&session.ask(&Request::get(&["vm", &domain]))?)?;
            match file {
                Some(path) => fs::write(&path, vm.xml).map_err(Failure::file(path, "written")),
                None => session.screen.show(&vm.xml),
            }
        }
    }
}

/// The request for another power state.
fn wish(domain: &str, state: &str, force: bool) -> Request {
    let request = Request::post(&["vm", domain, "state"]).with("state", state);
    if force { request.with("force", "true") } else { request }
}

fn forget(
    session: &Session,
    domain: &str,
    delete_disks: &str,
    question: &str,
    consent: Consent,
) -> Result<(), Failure> {
    confirm(session, question, consent)?;
    session.order(&Request::new(Method::Delete, &["vm", domain]).with("delete_disks", delete_disks))
}

fn show_vms(session: &Session, list: &VmList) -> Result<(), Failure> {
    let request = Request::get(&["vm"])
        .with_some("limit", list.limit.as_ref())
        .with_some("node", list.target.as_ref())
        .with_some("state", list.state.as_ref())
        .with_some("tag", list.tag.as_ref())
        .with_some("negate", list.negate.then_some("true"));
    let all = list.limit.is_none() && list.target.is_none() && list.state.is_none() && list.tag.is_none();
    let none = match all {
        true => "There are no VMs yet. Define one with: pvc vm define FILE",
        false => "There is no VM that matches. All of them: pvc vm list",
    };
    let answer = ask_list(session, &request, none)?;
    show_list(session, &answer, list.format, |vm: &Vm| &vm.name, print::list)
}

fn define_vm(session: &Session, define: &VmDefine) -> Result<(), Failure> {
    let document = text_of(&define.document)?;
    if document.trim().is_empty() {
        let path = define.document.display();
        return Err(Failure::Other(format!("{path} is empty. It should hold a libvirt domain document.")));
    }
    let mut request = Request::post(&["vm"])
        .with_some("node", define.target.as_ref())
        .with_some("limit", define.limit.as_ref())
        .with("selector", define.node_selector.to_string())
        .with("autostart", define.autostart.parameter().unwrap_or("false"))
        .with("migration_method", define.method.to_string())
        .with("migration_max_downtime", define.max_downtime.to_string())
        .with_long("xml", document);
    for tag in &define.tag {
        request = request.with("user_tags", tag);
    }
    for tag in &define.protected_tag {
        request = request.with("protected_tags", tag);
    }
    session.order(&request)
}

fn change_meta(session: &Session, meta: &VmMeta) -> Result<(), Failure> {
    let request = Request::post(&["vm", &meta.domain, "meta"])
        .with_some("limit", meta.limit.as_ref())
        .with_some("selector", meta.node_selector.map(|selector| selector.to_string()))
        .with_some("autostart", meta.autostart.parameter())
        .with_some("profile", meta.profile.as_ref())
        .with_some("migration_method", meta.method.map(|method| method.to_string()))
        .with_some("migration_max_downtime", meta.max_downtime.map(|ms| ms.to_string()));
    session.order(&request)
}
