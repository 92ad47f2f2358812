//! Partitions, where there are no logical volumes: a GPT whose entries are named by the OSDs that they are of.

use super::Linux;
use super::block::Device;
use crate::osd::Error;

/// An entry of a device's partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its number, counted from 1.
    pub(super) number: u32,
    /// Its name: an OSD's identity.
    pub(super) name: String,
}

/// The entries in what `partx` says: a number and a name in each line.
fn entries(text: &str) -> Vec<Part> {
    let entry = |line: &str| {
        let (number, name) = line.trim().split_once(' ')?;
        Some(Part { number: number.parse().ok()?, name: name.trim().to_owned() })
    };
    text.lines().filter_map(entry).collect()
}

impl Linux {
    /// The partitions of a device that have names; none where it has no table.
    pub(super) fn parts(&self, device: &Device) -> Result<Vec<Part>, Error> {
        let path = device.text();
        let done = self.programs.run("partx", &["-g", "-r", "-o", "NR,NAME", &path], super::LIMIT);
        let done = done.map_err(|error| Error::failed(format!("look at {path}"), error))?;
        // Without a table it fails.
        Ok(if done.code == Some(0) { entries(&done.output) } else { Vec::new() })
    }

    /// The device has a partition table.
    pub(super) fn ensure_table(&self, device: &Device) -> Result<(), Error> {
        let path = device.text();
        let done = self.programs.run("blkid", &["-p", "-o", "export", &path], super::LIMIT);
        let done = done.map_err(|error| Error::failed(format!("look at {path}"), error))?;
        if done.output.contains("PTTYPE=gpt") {
            return Ok(());
        }
        self.told(&format!("partition {path}"), "sgdisk", &["--clear", &path]).map(drop)
    }

    /// The partition of this name, of so many MiB; done if there is one of this name.
    pub(super) fn ensure_part(&self, device: &Device, name: &str, size_mib: u64) -> Result<Device, Error> {
        self.ensure_table(device)?;
        let path = device.text();
        let what = format!("partition {path}");
        let there = |parts: Vec<Part>| parts.into_iter().find(|part| part.name == name);
        let part = match there(self.parts(device)?) {
            Some(part) => part,
            None => {
                // The next free number, from the next free place on.
                let size = format!("--new=0:0:+{size_mib}M");
                self.told(&what, "sgdisk", &[&size, &format!("--change-name=0:{name}"), &path])?;
                there(self.parts(device)?)
                    .ok_or_else(|| Error::failed(&what, "the new partition is not there"))?
            }
        };
        // The kernel is told, unless it knows: it then says that the device is busy.
        let number = part.number.to_string();
        let _known = self.programs.run("partx", &["--add", "--nr", &number, &path], super::LIMIT);
        device.partition(part.number)
    }

    /// The partition of this name, if there is one.
    pub(super) fn part(&self, device: &Device, name: &str) -> Result<Option<Device>, Error> {
        let Some(part) = self.parts(device)?.into_iter().find(|part| part.name == name) else {
            return Ok(None);
        };
        let number = part.number.to_string();
        let _known = self.programs.run("partx", &["--add", "--nr", &number, &device.text()], super::LIMIT);
        device.partition(part.number).map(Some)
    }

    /// The partition of this name is empty and gone.
    pub(super) fn remove_part(&self, device: &Device, name: &str) -> Result<(), Error> {
        let Some(part) = self.part(device, name)? else { return Ok(()) };
        part.clear()?;
        let path = device.text();
        let number =
            self.parts(device)?.into_iter().find(|entry| entry.name == name).map(|entry| entry.number);
        let Some(number) = number.map(|number| number.to_string()) else { return Ok(()) };
        let what = format!("remove the partition {}", part.text());
        self.told(&what, "sgdisk", &[&format!("--delete={number}"), &path])?;
        self.told(&what, "partx", &["--delete", "--nr", &number, &path]).map(drop)
    }

    /// Nothing is left of a partition table that no partition is in.
    pub(super) fn drop_table(&self, device: &Device) -> Result<(), Error> {
        match self.parts(device)?.is_empty() {
            true => device.clear(),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_partx_writes_them() {
        let text = "NR NAME\n1 2b9adeb7-4225-43cb-a47e-ade0729b7005\n12 other\n";
        let parts = entries(text);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0], Part { number: 1, name: "2b9adeb7-4225-43cb-a47e-ade0729b7005".into() });
        assert_eq!(parts[1].number, 12);
        assert_eq!(entries(""), []);
    }
}
