//! The files of this repository, as the walls and the commands see them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::{output, program};

/// One tracked file with its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path from the root of the repository.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl Source {
    /// A file that exists only in a test.
    pub fn made_up(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Whether it holds tests and nothing else: a file below a `tests` folder, or one of that name.
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// The crate's folder that it is in.
    pub fn area(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the crate lies in the workspace's folder").to_owned()
}

/// The folder that cargo builds into.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The paths of all tracked files that are there.
///
/// # Errors
/// When git does not answer.
pub fn tracked() -> Result<Vec<String>> {
    listed(&[])
}

/// The paths of all files that belong here, tracked or about to be.
///
/// # Errors
/// When git does not answer.
pub fn present() -> Result<Vec<String>> {
    listed(&["--cached", "--others", "--exclude-standard"])
}

fn listed(which: &[&str]) -> Result<Vec<String>> {
    let mut git = program("git");
    // The folder may belong to another user where a build machine checked it out.
    git.args(["-c", "safe.directory=*", "ls-files", "-z"]).args(which).current_dir(root());
    let listed = output(&mut git)?;
    let root = root();
    Ok(listed.split('\0').filter(|p| !p.is_empty() && root.join(p).exists()).map(str::to_owned).collect())
}

/// All tracked files that are text.
///
/// # Errors
/// When git does not answer or a file cannot be read.
pub fn sources() -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for path in tracked()? {
        let bytes = fs::read(root().join(&path)).with_context(|| format!("cannot read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            found.push(Source { path, text });
        }
    }
    Ok(found)
}

/// All tracked Rust files.
///
/// # Errors
/// As [`sources`].
pub fn rust() -> Result<Vec<Source>> {
    Ok(sources()?.into_iter().filter(Source::is_rust).collect())
}

/// The text of one file.
///
/// # Errors
/// When it cannot be read; the path is part of the error.
pub fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}
