//! The commands of `pvc storage osd`.

use api::Osd;
use api::client::{Method, Request};

use super::create_db_vg;
use crate::args::TableFormat;
use crate::args::storage::{OsdAdd, OsdCommand, OsdReplace};
use crate::ask::confirm;
use crate::commands::{ask_list, show_list, wait};
use crate::failure::Failure;
use crate::print::storage as print;
use crate::session::Session;

/// Runs one of them.
pub(crate) fn run(command: OsdCommand, session: &Session) -> Result<(), Failure> {
    match command {
        OsdCommand::List { limit, format } => show_osds(session, limit.as_deref(), format),
        OsdCommand::CreateDbVg(device) => create_db_vg(session, &device),
        OsdCommand::Add(osd) => add(session, &osd),
        OsdCommand::Replace(change) => replace(session, &change),
        OsdCommand::Refresh { osdid, device, manner } => {
            let question = format!("Take in OSD {osdid} from device {device}?");
            confirm(session, &question, manner.yes.into())?;
            let request = Request::new(Method::Put, &["storage", "ceph", "osd", &osdid]);
            wait::ordered(session, &request.with("device", device), manner)
        }
        OsdCommand::Remove { osdid, force, manner } => {
            let question = format!("Remove OSD {osdid}, and LOSE ALL that is on its device?");
            confirm(session, &question, manner.yes.into())?;
            let request = Request::new(Method::Delete, &["storage", "ceph", "osd", &osdid])
                .with_some("force", force.then_some("true"))
                .with("yes-i-really-mean-it", "yes");
            wait::ordered(session, &request, manner)
        }
        OsdCommand::In { osdid } => place(session, &osdid, "in"),
        OsdCommand::Out { osdid } => place(session, &osdid, "out"),
        OsdCommand::Set { osd_property } => set(session, &osd_property, "set"),
        OsdCommand::Unset { osd_property } => set(session, &osd_property, "unset"),
    }
}

fn show_osds(session: &Session, limit: Option<&str>, format: TableFormat) -> Result<(), Failure> {
    let none = match limit {
        None => "There are no OSDs yet. Add one with: pvc storage osd add NODE DEVICE",
        Some(_) => "There is no OSD that matches. All of them: pvc storage osd list",
    };
    let request = Request::get(&["storage", "ceph", "osd"]).with_some("limit", limit);
    let answer = ask_list(session, &request, none)?;
    show_list(session, &answer, format, |osd: &Osd| &osd.id, print::osds)
}

fn add(session: &Session, osd: &OsdAdd) -> Result<(), Failure> {
    let question =
        format!("Make device {} of node \"{}\" an OSD, and LOSE ALL that is on it?", osd.device, osd.node);
    confirm(session, &question, osd.manner.yes.into())?;
    let request = Request::post(&["storage", "ceph", "osd"])
        .with("node", &osd.node)
        .with("device", &osd.device)
        .with("weight", &osd.weight)
        .with_some("ext_db_ratio", osd.ext_db_ratio.as_ref())
        .with_some("ext_db_size", osd.ext_db_size.as_ref())
        .with_some("osd_count", osd.osd_count.map(|count| count.to_string()));
    wait::ordered(session, &request, osd.manner)
}

fn replace(session: &Session, change: &OsdReplace) -> Result<(), Failure> {
    let OsdReplace { osdid, new_device, .. } = change;
    let question = format!("Replace OSD {osdid}: LOSE ALL that is on its old device and on {new_device}?");
    confirm(session, &question, change.manner.yes.into())?;
    let request = Request::post(&["storage", "ceph", "osd", osdid])
        .with("new_device", new_device)
        .with_some("old_device", change.old_device.as_ref())
        .with_some("weight", change.weight.as_ref())
        .with_some("ext_db_ratio", change.ext_db_ratio.as_ref())
        .with_some("ext_db_size", change.ext_db_size.as_ref())
        .with("yes-i-really-mean-it", "yes");
    wait::ordered(session, &request, change.manner)
}

fn place(session: &Session, osdid: &str, state: &str) -> Result<(), Failure> {
    session.order(&Request::post(&["storage", "ceph", "osd", osdid, "state"]).with("state", state))
}

fn set(session: &Session, property: &str, action: &str) -> Result<(), Failure> {
    let request = Request::post(&["storage", "ceph", "option"]);
    session.order(&request.with("option", property).with("action", action))
}
