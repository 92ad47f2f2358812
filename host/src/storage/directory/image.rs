//! What a volume's file says of itself: its format by its name, and of QEMU's format the header and the snapshots.
//!
//! Read here and not by `qemu-img`, because a list of volumes must not cost a process for each. What is written, but for
//! the name of a snapshot, is QEMU's affair: a snapshot is given a name of fixed length, filled up with spaces, so that
//! another one can be written over it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use logic::id::SnapshotName;
use nix::fcntl::{FcntlArg, fcntl};

use crate::storage::{Format, Snapshot};

/// How long the name of a snapshot is in the file: the longest there can be.
const NAME_LENGTH: usize = 64;

/// The bytes that QEMU locks of a file that it has open: what it does with it, and what others must not.
const LOCKED: (i64, i64) = (100, 200);

/// How much of QEMU's table of snapshots is read: at first, and where that is not enough. What is larger is damaged.
const TABLE_BYTES: [usize; 3] = [16 << 10, 1 << 20, 16 << 20];

/// A name as it is kept in the file.
pub(super) fn filled_up(name: &SnapshotName) -> String {
    format!("{:NAME_LENGTH$}", name.as_str())
}

/// A snapshot in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    size_bytes: u64,
    /// Where in the file its name is.
    name_at: u64,
}

/// A volume's file.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    file: File,
    pub(super) size_bytes: u64,
    /// The file that it keeps only the differences from.
    pub(super) base: Option<String>,
    entries: Vec<Entry>,
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the file is damaged: {what}"))
}

fn number(bytes: &[u8], at: usize, length: usize) -> io::Result<u64> {
    let part = bytes.get(at..at + length).ok_or_else(|| damaged("it is too short"))?;
    Ok(part.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn count(bytes: &[u8], at: usize, length: usize) -> io::Result<usize> {
    usize::try_from(number(bytes, at, length)?).map_err(|_| damaged("a number is too large"))
}

impl Image {
    /// Reads what a file says of itself.
    pub(super) fn read(path: &Path, format: Format) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let mut image = Self {
            path: path.to_owned(),
            format,
            size_bytes: file.metadata()?.len(),
            file,
            base: None,
            entries: Vec::new(),
        };
        if format == Format::Qcow2 {
            image.read_header()?;
        }
        Ok(image)
    }

    fn part(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut part = vec![0; length];
        self.file.read_exact_at(&mut part, at)?;
        Ok(part)
    }

    fn read_header(&mut self) -> io::Result<()> {
        let header = self.part(0, 72)?;
        if !header.starts_with(b"QFI\xfb") {
            return Err(damaged("it does not begin as its name says"));
        }
        self.size_bytes = number(&header, 24, 8)?;
        let (base_at, base_length) = (number(&header, 8, 8)?, count(&header, 16, 4)?);
        if base_at > 0 && base_length <= 1023 {
            self.base = Some(String::from_utf8_lossy(&self.part(base_at, base_length)?).into_owned());
        }
        let (entry_count, table_at) = (count(&header, 60, 4)?, number(&header, 64, 8)?);
        if entry_count == 0 {
            return Ok(());
        }
        let end = self.file.metadata()?.len();
        let rest = usize::try_from(end.saturating_sub(table_at)).unwrap_or(usize::MAX);
        // How long the table is is not written anywhere: as much is read as its entries turn out to need.
        let mut outcome = Err(damaged("it is too short"));
        for length in TABLE_BYTES {
            let table = self.part(table_at, rest.min(length))?;
            self.entries.clear();
            outcome = (0..entry_count).try_fold(0, |at, _| self.read_entry(&table, at, table_at));
            if outcome.is_ok() || length >= rest {
                break;
            }
        }
        outcome.map(drop)
    }

    /// Reads the snapshot at this place of the table; says where the next one begins.
    fn read_entry(&mut self, table: &[u8], at: usize, table_at: u64) -> io::Result<usize> {
        let (id_length, name_length) = (count(table, at + 12, 2)?, count(table, at + 14, 2)?);
        let extra_length = count(table, at + 36, 4)?;
        let size_bytes = if extra_length >= 16 { number(table, at + 48, 8)? } else { self.size_bytes };
        let name_at = at + 40 + extra_length + id_length;
        let name = table.get(name_at..name_at + name_length).ok_or_else(|| damaged("it is too short"))?;
        let name = String::from_utf8_lossy(name).into_owned();
        self.entries.push(Entry { name, size_bytes, name_at: table_at + name_at as u64 });
        Ok((name_at + name_length).next_multiple_of(8))
    }

    /// Its snapshots, the oldest first, but for those whose names PVC could not have given.
    pub(super) fn snapshots(&self) -> Vec<Snapshot> {
        let seen = |entry: &Entry| {
            let name = entry.name.trim_end().parse().ok()?;
            Some(Snapshot { name, size_bytes: entry.size_bytes })
        };
        self.entries.iter().filter_map(seen).collect()
    }

    /// The name of a snapshot as it is in the file.
    pub(super) fn name_of(&self, snapshot: &SnapshotName) -> Option<&str> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.name.trim_end() == snapshot.as_str()).map(|entry| entry.name.as_str())
    }

    /// Writes another name over that of a snapshot. Not done for one that PVC did not take: there is no room.
    pub(super) fn rename(&self, snapshot: &SnapshotName, to: &SnapshotName) -> io::Result<bool> {
        let mut entries = self.entries.iter().filter(|entry| entry.name.len() == NAME_LENGTH);
        let Some(entry) = entries.find(|entry| entry.name.trim_end() == snapshot.as_str()) else {
            return Ok(false);
        };
        self.file.write_all_at(filled_up(to).as_bytes(), entry.name_at)?;
        self.file.sync_all()?;
        Ok(true)
    }

    /// Whether somebody has it open to change it: QEMU and its tools lock what they open.
    pub(super) fn is_open(&self) -> io::Result<bool> {
        let small = |number: i32| i16::try_from(number).expect("these numbers are small");
        let mut lock = nix::libc::flock {
            l_type: small(nix::libc::F_WRLCK),
            l_whence: small(nix::libc::SEEK_SET),
            l_start: LOCKED.0,
            l_len: LOCKED.1,
            l_pid: 0,
        };
        fcntl(&self.file, FcntlArg::F_OFD_GETLK(&mut lock))?;
        Ok(lock.l_type != small(nix::libc::F_UNLCK))
    }
}
