//! `qemu-img`: what all backends ask of it, and what they refuse before it sees more than one file.
//!
//! An image that somebody brings can name other files: a backing file, a data file, the parts of a VMDK. QEMU would read
//! them, with the rights of the daemon; so such an image is refused.

use std::time::Duration;

use logic::storage::VolumePath;
use serde::Deserialize;

use super::error::Refusal;
use super::{Cause, Error, Format};
use crate::command;

/// How long a look at an image may take.
const LOOK: Duration = Duration::from_secs(30);

/// The kinds of VMDK that are whole in one file.
const WHOLE_VMDK: [&str; 2] = ["monolithicSparse", "streamOptimized"];

/// `qemu-img info`, as far as it is read.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Description {
    #[serde(rename = "virtual-size")]
    pub(super) virtual_size: u64,
    #[serde(rename = "backing-filename")]
    pub(super) backing_file: Option<String>,
    #[serde(rename = "format-specific", default)]
    specific: Specific,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Specific {
    #[serde(default)]
    data: SpecificParts,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct SpecificParts {
    #[serde(rename = "data-file")]
    data_file: Option<String>,
    #[serde(rename = "create-type")]
    create_type: Option<String>,
}

/// Runs `qemu-img` and returns what it says.
pub(super) fn run(what: &str, arguments: &[&str], limit: Duration) -> Result<String, Error> {
    run_while(what, arguments, limit, &mut || true)
}

/// The same for as long as it is wanted.
pub(super) fn run_while(
    what: &str,
    arguments: &[&str],
    limit: Duration,
    is_wanted: &mut dyn FnMut() -> bool,
) -> Result<String, Error> {
    let failed = |error: command::Error| match error {
        command::Error::Overdue { .. } => Error::silent(what, limit),
        command::Error::Unwanted { .. } => Error::refused(what, Refusal::ended()),
        command::Error::Start { source, .. } => Error::Unreachable {
            why: format!("qemu-img could not be started: {source}"),
            remedy: "install the Debian packages qemu-utils and qemu-block-extra".into(),
        },
    };
    let done = command::run_while("qemu-img", arguments, limit, is_wanted).map_err(failed)?;
    match done.code {
        Some(0) => Ok(done.output),
        _ => Err(Error::refused(what, refusal(done.errors.trim()))),
    }
}

fn refusal(words: &str) -> Refusal {
    let last = words.lines().last().unwrap_or("qemu-img gave no reason");
    let cause = if words.contains("No space left") || words.contains("quota exceeded") {
        Cause::Full
    } else if words.contains("Failed to get \"write\" lock") || words.contains("Failed to get shared") {
        Cause::InUse
    } else {
        Cause::Content
    };
    let remedy = match cause {
        Cause::Full => "remove what is not needed, or add space",
        Cause::InUse => "stop the VM that uses it",
        _ => "see that it is what it is said to be",
    };
    Refusal::new(cause, format!("qemu-img says: {last}"), remedy)
}

/// Looks at an image without opening any file that it names.
fn describe(what: &str, format: Format, file: &str) -> Result<Description, Error> {
    let text = run(what, &["info", "--output", "json", "-U", "-f", format.as_str(), file], LOOK)?;
    serde_json::from_str(&text).map_err(|error| {
        let why = format!("what qemu-img says of it is not understood: {error}");
        Error::refused(what, Refusal::new(Cause::Content, why, "see that it is what it is said to be"))
    })
}

/// Refuses an image that names other files, or does not fit into the volume.
pub(super) fn checked(
    what: &str,
    format: Format,
    file: &str,
    (volume, size_bytes): (&VolumePath, u64),
) -> Result<(), Error> {
    let info = describe(what, format, file)?;
    let SpecificParts { data_file, create_type } = &info.specific.data;
    let is_whole =
        format != Format::Vmdk || create_type.as_deref().is_some_and(|kind| WHOLE_VMDK.contains(&kind));
    if info.backing_file.is_some() || data_file.is_some() || !is_whole {
        let why = "it is not whole: it names other files";
        let refusal =
            Refusal::new(Cause::Content, why, "convert it to one file with qemu-img, and upload that");
        return Err(Error::refused(what, refusal));
    }
    if info.virtual_size > size_bytes {
        return Err(Error::refused(what, Refusal::too_large(volume, size_bytes)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_img_says_is_read() {
        let text = r#"{"virtual-size": 4194304, "filename": "a", "format": "qcow2", "actual-size": 200704,
            "backing-filename": "/etc/shadow",
            "format-specific": {"type": "qcow2", "data": {"compat": "1.1", "data-file": "x"}}}"#;
        let info: Description = serde_json::from_str(text).unwrap();
        assert_eq!(info.backing_file.as_deref(), Some("/etc/shadow"));
        assert_eq!(info.specific.data.data_file.as_deref(), Some("x"));
        assert_eq!(info.virtual_size, 4_194_304);
        let bare: Description = serde_json::from_str(r#"{"virtual-size": 1, "format": "raw"}"#).unwrap();
        assert!(bare.backing_file.is_none());
    }
}
