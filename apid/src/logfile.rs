//! The daemon's log: every line to the standard error and to a file that can be moved away and opened anew.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tracing_subscriber::fmt::MakeWriter;

/// The log. Clones write to the same file.
#[derive(Clone, Debug)]
pub struct Logfile {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

impl Logfile {
    /// Opens or makes the file, and the folder it is in.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(Self { path: path.to_owned(), file: Arc::new(Mutex::new(append(path)?)) })
    }

    /// Opens the path anew: what was there may have been moved away. On failure the old file goes on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn reopen(&self) -> io::Result<()> {
        *self.file() = append(&self.path)?;
        Ok(())
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().expect("no thread panics while it writes a line")
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// One line on its way.
#[derive(Debug)]
pub struct Line<'a> {
    file: MutexGuard<'a, File>,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A full disk or a closed terminal must not keep the other from being written.
        let to_file = self.file.write_all(line);
        let to_terminal = io::stderr().write_all(line);
        to_file.or(to_terminal).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl<'a> MakeWriter<'a> for Logfile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { file: self.file() }
    }
}

#[cfg(test)]
mod tests;
