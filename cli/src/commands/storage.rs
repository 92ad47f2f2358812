//! The commands of `pvc storage`.

use api::StorageText;
use api::client::Request;

use super::wait;
use crate::args::storage::{DbDevice, StorageCommand};
use crate::ask::confirm;
use crate::failure::Failure;
use crate::print::storage as print;
use crate::session::Session;

mod benchmark;
mod osd;
mod pool;
mod snapshot;
mod volume;

/// Runs one of them.
pub(crate) fn run(command: StorageCommand, session: &Session) -> Result<(), Failure> {
    match command {
        StorageCommand::Status => show_text(session, "status"),
        StorageCommand::Util => show_text(session, "utilization"),
        StorageCommand::CreateDbVg(device) => create_db_vg(session, &device),
        StorageCommand::Benchmark(below) => benchmark::run(below.command, session),
        StorageCommand::Osd(below) => osd::run(below.command, session),
        StorageCommand::Pool(below) => pool::run(below.command, session),
        StorageCommand::Volume(below) => volume::run(below.command, session),
    }
}

fn show_text(session: &Session, what: &str) -> Result<(), Failure> {
    let text: StorageText = session.read(&Request::get(&["storage", "ceph", what]))?;
    session.screen.show(&print::text(&text, session.screen.paint))
}

fn create_db_vg(session: &Session, db: &DbDevice) -> Result<(), Failure> {
    let question = format!("LOSE ALL that is on device {} of node \"{}\"?", db.device, db.node);
    confirm(session, &question, db.manner.yes.into())?;
    let request = Request::post(&["storage", "ceph", "osddb"]);
    wait::ordered(session, &request.with("node", &db.node).with("device", &db.device), db.manner)
}
