//! The user's own editor, on a copy of a text in a file that only the user can read.
//!
//! This is the one place of the command line that starts another program: the user names it, and waits for it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;

/// A text that was given to the editor, and the file that keeps it until it is discarded.
#[derive(Debug)]
pub(crate) struct Edited {
    /// What the user has made of it.
    pub(crate) text: String,
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl Edited {
    /// Removes the file: the text has arrived where it should, or nobody wants it.
    pub(crate) fn discard(self) -> Result<(), Failure> {
        fs::remove_file(&self.path).map_err(Failure::file(self.path, "removed"))
    }
}

/// Lets the user edit `text`; `name` becomes part of the file's name, so that the editor can show it.
pub(crate) fn edit(name: &str, text: &str) -> Result<Edited, Failure> {
    let tidy: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let path = std::env::temp_dir().join(format!("pvc-{tidy}-{}.xml", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Failure::file(&path, "written"))?;
    let editor = chosen();
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    #[expect(clippy::disallowed_methods, reason = "the user's own editor, named and awaited by the user")]
    let outcome = Command::new(program).args(words).arg(&path).status();
    match outcome {
        Ok(status) if status.success() => {
            let text = fs::read_to_string(&path).map_err(Failure::file(&path, "read"))?;
            Ok(Edited { text, path })
        }
        Ok(status) => {
            let _absent = fs::remove_file(&path);
            Err(Failure::Other(format!("The editor \"{editor}\" ended with {status}. Nothing was changed.")))
        }
        Err(source) => {
            let _absent = fs::remove_file(&path);
            let advice = "Name another one in the variable EDITOR.";
            Err(Failure::Other(format!("The editor \"{editor}\" cannot be started: {source}. {advice}")))
        }
    }
}

/// The editor that the environment names, else the one that Debian's alternatives name, else `vi`.
fn chosen() -> String {
    let named = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok());
    let usual = || if fs::exists("/usr/bin/editor").unwrap_or_default() { "editor" } else { "vi" }.to_owned();
    named.filter(|editor| !editor.trim().is_empty()).unwrap_or_else(usual)
}
