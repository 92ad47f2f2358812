//! The commands of `pvc storage volume snapshot`.

use api::VolumeSnapshot;
use api::client::{Method, Request};

use crate::args::TableFormat;
use crate::args::storage::{SnapshotCommand, SnapshotList};
use crate::ask::confirm;
use crate::commands::{ask_list, show_list};
use crate::failure::Failure;
use crate::print::storage as print;
use crate::session::Session;

/// Runs one of them.
pub(crate) fn run(command: SnapshotCommand, session: &Session) -> Result<(), Failure> {
    match command {
        SnapshotCommand::Add { pool, volume, name } => session.order(
            &Request::post(&["storage", "ceph", "snapshot"])
                .with("pool", pool)
                .with("volume", volume)
                .with("snapshot", name),
        ),
        SnapshotCommand::Rename { pool, volume, name, new_name } => {
            let request = Request::new(Method::Put, &["storage", "ceph", "snapshot", &pool, &volume, &name]);
            session.order(&request.with("new_name", new_name))
        }
        SnapshotCommand::Remove { pool, volume, name, yes } => {
            confirm(session, &format!("Remove snapshot \"{pool}/{volume}@{name}\"?"), yes.into())?;
            session
                .order(&Request::new(Method::Delete, &["storage", "ceph", "snapshot", &pool, &volume, &name]))
        }
        SnapshotCommand::Rollback { pool, volume, name, yes } => {
            let question = format!(
                "Bring volume \"{pool}/{volume}\" back to snapshot \"{name}\", and LOSE ALL that was written since?"
            );
            confirm(session, &question, yes.into())?;
            session.order(&Request::post(&["storage", "ceph", "snapshot", &pool, &volume, &name, "rollback"]))
        }
        SnapshotCommand::List(list) => show_snapshots(session, &list),
    }
}

fn show_snapshots(session: &Session, list: &SnapshotList) -> Result<(), Failure> {
    let none = match (&list.limit, &list.pool, &list.volume) {
        (None, None, None) => {
            "There are no snapshots yet. Take one with: pvc storage volume snapshot add POOL VOLUME NAME"
        }
        _ => "There is no snapshot that matches. All of them: pvc storage volume snapshot list",
    };
    let request = Request::get(&["storage", "ceph", "snapshot"])
        .with_some("pool", list.pool.as_ref())
        .with_some("volume", list.volume.as_ref())
        .with_some("limit", list.limit.as_ref());
    let answer = ask_list(session, &request, none)?;
    match list.format {
        // The names alone would not tell snapshots of two volumes apart.
        TableFormat::Raw => {
            let snapshots: Vec<VolumeSnapshot> = answer.parse()?;
            let path = |s: &VolumeSnapshot| format!("{}/{}@{}", s.pool, s.volume, s.snapshot);
            let mut names: Vec<String> = snapshots.iter().map(path).collect();
            names.sort_unstable();
            session.screen.show(&names.join("\n"))
        }
        format => show_list(session, &answer, format, |s: &VolumeSnapshot| &s.snapshot, print::snapshots),
    }
}
