//! A log file that can be opened anew, so that it can be rotated under a running daemon.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A log file; clones write to the same one.
#[derive(Clone, Debug)]
pub struct LogFile {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

impl LogFile {
    /// Opens the file for appending, and makes it and its folder where they are missing.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(Self { path: path.to_owned(), file: Arc::new(Mutex::new(append(path)?)) })
    }

    /// Opens the path anew: a file that was moved away is let go.
    ///
    /// # Errors
    /// What the file system says; the old file is kept then.
    pub fn reopen(&self) -> io::Result<()> {
        let fresh = append(&self.path)?;
        *self.file.lock().expect("nobody panics while writing a line") = fresh;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.lock().expect("nobody panics while writing a line").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.lock().expect("nobody panics while writing a line").flush()
    }
}

#[cfg(test)]
mod tests;
