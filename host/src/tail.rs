//! The end of a log file, and what follows: bounded in memory, and across the file's rotation.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// No more than this is read of a file's end, however many lines were asked for.
const TAIL_BYTES_MAX: u64 = 1 << 20;

/// How much is read at once while following.
const CHUNK_BYTES: usize = 64 * 1024;

/// The last lines of a file that may have been rotated to `FILE.0`; empty where neither is there.
///
/// # Errors
/// What the file system says, except that a file is missing.
pub fn last_lines(path: &Path, lines: usize) -> io::Result<Vec<u8>> {
    Ok(Follow::start(path, lines)?.0)
}

/// A file being followed.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    file: Option<File>,
}

impl Follow {
    /// The last lines of the file, and a place right behind them.
    ///
    /// # Errors
    /// What the file system says, except that a file is missing.
    pub fn start(path: &Path, lines: usize) -> io::Result<(Vec<u8>, Self)> {
        let mut file = open(path)?;
        let mut end = match &mut file {
            Some(file) => tail_of(file)?,
            None => Vec::new(),
        };
        if count_lines(&end) < lines {
            let mut rotated = path.as_os_str().to_owned();
            rotated.push(".0");
            if let Some(mut older) = open(Path::new(&rotated))? {
                let mut both = tail_of(&mut older)?;
                both.append(&mut end);
                end = both;
            }
        }
        let kept = cut(&end, lines).to_vec();
        Ok((kept, Self { path: path.to_owned(), file }))
    }

    /// What was written since; empty when nothing was. A new file under the name is followed from its beginning, once
    /// the old one is read to its end.
    ///
    /// # Errors
    /// What the file system says, except that a file is missing.
    #[expect(
        clippy::should_implement_trait,
        reason = "a file that is followed never ends, so it is no iterator"
    )]
    pub fn next(&mut self) -> io::Result<Vec<u8>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        if let Some(file) = &mut self.file {
            if file.stream_position()? > file.metadata()?.len() {
                file.seek(SeekFrom::Start(0))?;
            }
            let read = file.read(&mut chunk)?;
            if read > 0 {
                chunk.truncate(read);
                return Ok(chunk);
            }
        }
        let fresh = open(&self.path)?;
        if identity(fresh.as_ref())? != identity(self.file.as_ref())? && fresh.is_some() {
            self.file = fresh;
            return self.next();
        }
        Ok(Vec::new())
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn identity(file: Option<&File>) -> io::Result<Option<(u64, u64)>> {
    file.map(|file| file.metadata().map(|m| (m.dev(), m.ino()))).transpose()
}

fn tail_of(file: &mut File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut end = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut end)?;
    Ok(end)
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// The last lines; an unfinished line at the end counts as one.
fn cut(bytes: &[u8], lines: usize) -> &[u8] {
    if lines == 0 {
        return &[];
    }
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let start = breaks.map(|(at, _)| at + 1).nth(lines - 1).unwrap_or(0);
    &bytes[start..]
}

#[cfg(test)]
mod tests;
