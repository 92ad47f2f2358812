//! Converts what was brought in another format, by `qemu-img`, from one image of Ceph's into another.

use std::time::Duration;

use logic::storage::VolumePath;

use super::Settings;
use super::transfers::Staging;
use crate::storage::convert::{checked, run_while};
use crate::storage::transfer::Meter;
use crate::storage::{Error, Format};

/// What was brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) format: Format,
    pub(super) bytes: u64,
}

/// How QEMU finds an image: as a file name of its own kind, in which some characters are written with a backslash.
fn file_name(settings: &Settings, pool: &str, image: &str) -> String {
    let file = settings.file.replace('\\', "\\\\").replace(':', "\\:").replace('@', "\\@");
    let id = settings.user.strip_prefix("client.").unwrap_or(&settings.user);
    format!("rbd:{pool}/{image}:id={id}:conf={file}")
}

/// Fills the one with what the other says. Refused when it would not fit, or names other files.
pub(super) fn convert(
    settings: &Settings,
    what: &str,
    volume: &VolumePath,
    (source, brought, filled): (&Source, &Staging, &Staging),
    meter: &Meter<'_>,
) -> Result<(), Error> {
    let pool = volume.pool.as_str();
    let from = file_name(settings, pool, &brought.name);
    let to = file_name(settings, pool, &filled.name);
    checked(what, source.format, &from, (volume, filled.size_bytes))?;
    // So much time is enough for a disk that writes a few MiB a second.
    let limit = settings.deadlines.stall + Duration::from_millis(filled.size_bytes >> 12);
    // `-W`: otherwise each piece waits until the one before is written, and one is written at a time.
    let form = ["convert", "-n", "--target-is-zero", "-W", "-f", source.format.as_str(), "-O", "raw"];
    run_while(what, &[&form[..], &[&from, &to]].concat(), limit, &mut || meter.goes_on()).map(drop)
}
