//! The commands of `pvc storage volume`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use api::Volume;
use api::client::{Method, Request};

use super::snapshot;
use crate::args::TableFormat;
use crate::args::storage::{VolumeCommand, VolumeList, VolumePlace};
use crate::ask::confirm;
use crate::commands::{ask_list, show_list};
use crate::failure::Failure;
use crate::print::progress::Progress;
use crate::print::storage as print;
use crate::session::Session;

/// Runs one of them.
pub(crate) fn run(command: VolumeCommand, session: &Session) -> Result<(), Failure> {
    match command {
        VolumeCommand::Add { place, size, force } => session.order(
            &Request::post(&["storage", "ceph", "volume"])
                .with("pool", place.pool)
                .with("volume", place.name)
                .with("size", size)
                .with_some("force", force.then_some("true")),
        ),
        VolumeCommand::Upload { place, image_file, format } => upload(session, &place, &image_file, &format),
        VolumeCommand::Remove { place, yes } => {
            let VolumePlace { pool, name } = &place;
            let question = format!("Remove volume \"{pool}/{name}\" with its snapshots, and LOSE ALL in it?");
            confirm(session, &question, yes.into())?;
            session.order(&at(Method::Delete, &place, None))
        }
        VolumeCommand::Resize { place, size, force, yes } => {
            let VolumePlace { pool, name } = &place;
            confirm(session, &format!("Resize volume \"{pool}/{name}\" to {size}?"), yes.into())?;
            let request = at(Method::Put, &place, None).with("new_size", size);
            session.order(&request.with_some("force", force.then_some("true")))
        }
        VolumeCommand::Rename { place, new_name, yes } => {
            let VolumePlace { pool, name } = &place;
            confirm(session, &format!("Rename volume \"{pool}/{name}\" to \"{new_name}\"?"), yes.into())?;
            session.order(&at(Method::Put, &place, None).with("new_name", new_name))
        }
        VolumeCommand::Clone { place, new_name, snapshot, force } => {
            let request = at(Method::Post, &place, Some("clone")).with("new_volume", new_name);
            let request = request.with_some("snapshot", snapshot);
            session.order(&request.with_some("force", force.then_some("true")))
        }
        VolumeCommand::List(list) => show_volumes(session, &list),
        VolumeCommand::Snapshot(below) => snapshot::run(below.command, session),
    }
}

fn at(method: Method, place: &VolumePlace, action: Option<&str>) -> Request {
    let mut path = vec!["storage", "ceph", "volume", &place.pool, &place.name];
    path.extend(action);
    Request::new(method, &path)
}

fn show_volumes(session: &Session, list: &VolumeList) -> Result<(), Failure> {
    let none = match (&list.limit, &list.pool) {
        (None, None) => "There are no volumes yet. Make one with: pvc storage volume add POOL NAME SIZE",
        _ => "There is no volume that matches. All of them: pvc storage volume list",
    };
    let request = Request::get(&["storage", "ceph", "volume"])
        .with_some("limit", list.limit.as_ref())
        .with_some("pool", list.pool.as_ref());
    let answer = ask_list(session, &request, none)?;
    match list.format {
        // The names alone would not tell volumes of two pools apart.
        TableFormat::Raw => {
            let volumes: Vec<Volume> = answer.parse()?;
            let mut names: Vec<String> = volumes.iter().map(|v| format!("{}/{}", v.pool, v.name)).collect();
            names.sort_unstable();
            session.screen.show(&names.join("\n"))
        }
        format => show_list(session, &answer, format, |volume: &Volume| &volume.name, print::volumes),
    }
}

fn upload(session: &Session, place: &VolumePlace, path: &Path, format: &str) -> Result<(), Failure> {
    let file = File::open(path).map_err(Failure::file(path, "read"))?;
    let about = file.metadata().map_err(Failure::file(path, "read"))?;
    if !about.is_file() {
        let path = path.display();
        return Err(Failure::Other(format!("{path} is no file. Name an image file of this machine.")));
    }
    let size_bytes = about.len();
    if size_bytes == 0 {
        return Err(Failure::Other(format!("{} is empty.", path.display())));
    }
    let request = at(Method::Post, place, Some("upload"))
        .with("image_format", format)
        .with("file_size", size_bytes.to_string());
    let text = format!("Uploading {} to {}/{}", path.display(), place.pool, place.name);
    let progress = Progress::new(&session.screen);
    let watched = Watched { file, progress, text, done_bytes: 0, size_bytes, shown_percent: None };
    let answer = session.upload(&request, size_bytes, watched)?;
    session.screen.show(&answer.message())
}

/// A file that tells how much of it has been read.
struct Watched {
    file: File,
    progress: Progress,
    text: String,
    done_bytes: u64,
    size_bytes: u64,
    shown_percent: Option<u128>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.done_bytes += count as u64;
        let percent = u128::from(self.done_bytes) * 100 / u128::from(self.size_bytes.max(1));
        if self.shown_percent != Some(percent) {
            self.shown_percent = Some(percent);
            self.progress.stage(self.done_bytes >> 20, self.size_bytes >> 20, &format!("MiB: {}", self.text));
        }
        Ok(count)
    }
}
