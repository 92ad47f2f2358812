//! An archive in the format that the kernel unpacks as its first file system ("newc").

/// What one entry of the archive is.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A folder.
    Folder,
    /// A file that may be executed.
    Program(&'a [u8]),
    /// A link to another path.
    Link(&'a str),
}

/// An archive in the making.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    count: usize,
}

impl Archive {
    /// Adds an entry. The folders above it must have been added before.
    pub fn add(&mut self, path: &str, entry: Entry<'_>) {
        let (mode, content): (u32, &[u8]) = match entry {
            Entry::Folder => (0o040_755, &[]),
            Entry::Program(content) => (0o100_755, content),
            Entry::Link(aim) => (0o120_777, aim.as_bytes()),
        };
        self.count += 1;
        self.raw(path, mode, self.count, content);
    }

    /// The whole archive.
    pub fn finished(mut self) -> Vec<u8> {
        self.raw("TRAILER!!!", 0, 0, &[]);
        self.bytes
    }

    fn raw(&mut self, path: &str, mode: u32, inode: usize, content: &[u8]) {
        let links = 1;
        let header = format!(
            "070701{inode:08x}{mode:08x}{:08x}{:08x}{links:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}",
            0,
            0,
            0,
            content.len(),
            0,
            0,
            0,
            0,
            path.len() + 1,
            0
        );
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }
}

#[cfg(test)]
mod tests;
