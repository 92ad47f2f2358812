//! Block devices: which there are, what is on them, and how they are made empty.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use logic::storage::osd::OsdUuid;
use serde::Deserialize;

use crate::osd::Error;

/// How `lsblk` is asked for the devices.
pub(super) const LIST: &[&str] =
    &["--json", "--bytes", "--nodeps", "--output", "NAME,PATH,SIZE,TYPE,MODEL,VENDOR"];

/// How long a device may be busy after whoever had it was ended.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries meanwhile.
const BUSY_INTERVAL: Duration = Duration::from_millis(100);

/// So much of a device's beginning is looked at, and made zero: labels and tables lie there.
const HEAD_BYTES: usize = 1 << 20;

/// So much of its end: the second copy of a partition table lies there.
const TAIL_BYTES: u64 = 1 << 16;

/// So long is the label of a BlueStore.
const LABEL_BYTES: usize = 4096;

/// What the label of a database says that it is of.
const DATABASE: &[u8] = b"bluefs db";

/// How the label of a BlueStore begins, before its identity.
const LABEL: &[u8] = b"bluestore block device\n";

/// A device as `lsblk` lists it.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    name: String,
    pub(super) path: String,
    #[serde(rename = "size")]
    pub(super) size_bytes: u64,
    r#type: String,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    vendor: Option<String>,
}

#[derive(Deserialize)]
struct List {
    blockdevices: Vec<Listed>,
}

impl Listed {
    /// What the name that is looked for is looked for in.
    pub(super) fn described(&self) -> String {
        let part = |part: &Option<String>| part.as_deref().unwrap_or_default().trim().to_owned();
        format!("{} {} {}", part(&self.vendor), part(&self.model), self.r#type)
    }
}

/// The devices in a list of `lsblk`'s, by name: `sdb` comes before `sdaa`, and `loop2` before `loop10`.
pub(super) fn listed(text: &str) -> Result<Vec<Listed>, Error> {
    let list: List =
        serde_json::from_str(text).map_err(|error| Error::failed("read the list of devices", error))?;
    let mut devices = list.blockdevices;
    devices.retain(|device| device.size_bytes > 0);
    devices.sort_by_key(|device| {
        let digits = device.name.find(|c: char| c.is_ascii_digit()).unwrap_or(device.name.len());
        let (letters, rest) = device.name.split_at(digits);
        let number = rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse().ok());
        (letters.len(), letters.to_owned(), number.unwrap_or(0_u64), rest.to_owned())
    });
    Ok(devices)
}

/// What `blkid` found, in words.
pub(super) fn signature(export: &str) -> Option<String> {
    let value = |key: &str| export.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    if let Some(table) = value("PTTYPE") {
        return Some(format!("a partition table ({table})"));
    }
    match value("TYPE")? {
        "LVM2_member" => Some("a physical volume of LVM".into()),
        "ceph_bluestore" => Some("an OSD of Ceph".into()),
        "swap" => Some("swap space".into()),
        kind => Some(format!("a file system or the like ({kind})")),
    }
}

/// A device of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    path: PathBuf,
    /// What the kernel says of it.
    system: PathBuf,
}

impl Device {
    /// The device at this path.
    pub(super) fn at(path: &Path) -> Result<Self, Error> {
        let refused = |why: String| Error::refused(why, "see lsblk for the devices of this machine");
        let path = fs::canonicalize(path).map_err(|_| refused(format!("there is no {}", path.display())))?;
        let metadata =
            fs::metadata(&path).map_err(|error| refused(format!("{}: {error}", path.display())))?;
        if !metadata.file_type().is_block_device() {
            return Err(refused(format!("{} is no block device", path.display())));
        }
        let (major, minor) = (nix::sys::stat::major(metadata.rdev()), nix::sys::stat::minor(metadata.rdev()));
        let system = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}"));
        let system = system.map_err(|_| refused(format!("the kernel has no device {}", path.display())))?;
        Ok(Self { path, system })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn text(&self) -> String {
        self.path.display().to_string()
    }

    fn said(&self, name: &str) -> String {
        fs::read_to_string(self.system.join(name)).map(|text| text.trim().to_owned()).unwrap_or_default()
    }

    /// How large it is, in bytes.
    pub(super) fn size_bytes(&self) -> u64 {
        self.said("size").parse::<u64>().unwrap_or_default() << 9
    }

    /// The partition of this number, with a file of its own below `/dev`.
    pub(super) fn partition(&self, number: u32) -> Result<Self, Error> {
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let dash = if name.ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
        let path = self.path.with_file_name(format!("{name}{dash}{number}"));
        let failed = |why: String| Error::failed(format!("use {}", path.display()), why);
        let entries = fs::read_dir(&self.system).map_err(|error| failed(error.to_string()))?;
        let mut parts = entries.flatten().map(|entry| entry.path());
        let number = number.to_string();
        let is_it =
            |part: &PathBuf| fs::read_to_string(part.join("partition")).is_ok_and(|own| own.trim() == number);
        let part = parts.find(is_it).ok_or_else(|| failed("the kernel has no such partition".into()))?;
        if !path.exists() {
            // Nobody makes such files where no udev runs and `/dev` is a machine's own.
            let numbers = fs::read_to_string(part.join("dev")).map_err(|error| failed(error.to_string()))?;
            let numbers = numbers.trim().split_once(':').and_then(|(major, minor)| {
                Some(nix::sys::stat::makedev(major.parse().ok()?, minor.parse().ok()?))
            });
            let device = numbers.ok_or_else(|| failed("the kernel tells no number of it".into()))?;
            let mode = nix::sys::stat::Mode::from_bits_truncate(0o660);
            nix::sys::stat::mknod(&path, nix::sys::stat::SFlag::S_IFBLK, mode, device)
                .map_err(|error| failed(error.to_string()))?;
        }
        Self::at(&path)
    }

    /// The identity of the OSD that it bears, if it does.
    pub(super) fn label(&self) -> Result<Option<OsdUuid>, Error> {
        let mut head = [0; 64];
        let mut file = self.open(OpenOptions::new().read(true), "look at")?;
        let read =
            file.read(&mut head).map_err(|error| Error::failed(format!("read {}", self.text()), error))?;
        let uuid = head[..read].strip_prefix(LABEL).and_then(|rest| rest.get(..36));
        Ok(uuid.and_then(|uuid| std::str::from_utf8(uuid).ok()?.parse().ok()))
    }

    /// Whether it bears an OSD's database, and not its data: both bear the OSD's identity.
    pub(super) fn bears_database(&self) -> Result<bool, Error> {
        let mut head = [0; LABEL_BYTES];
        let mut file = self.open(OpenOptions::new().read(true), "look at")?;
        let read =
            file.read(&mut head).map_err(|error| Error::failed(format!("read {}", self.text()), error))?;
        let label = &head[..read];
        Ok(label.starts_with(LABEL) && label.windows(DATABASE.len()).any(|words| words == DATABASE))
    }

    fn open(&self, options: &OpenOptions, what: &str) -> Result<File, Error> {
        options.open(&self.path).map_err(|error| Error::failed(format!("{what} {}", self.text()), error))
    }

    /// What the kernel or the device's first bytes say that is on it, as what follows "holds data"; `None` where it is
    /// empty as far as they tell.
    pub(super) fn content(&self) -> Result<Option<String>, Error> {
        let entries = fs::read_dir(&self.system).into_iter().flatten().flatten();
        if entries.into_iter().any(|entry| entry.path().join("partition").exists()) {
            return Ok(Some("it has partitions".into()));
        }
        let mut holders = fs::read_dir(self.system.join("holders")).into_iter().flatten().flatten();
        if let Some(holder) = holders.next() {
            return Ok(Some(format!("{} is made of it", holder.file_name().to_string_lossy())));
        }
        if self.said("ro") == "1" {
            return Ok(Some("it can only be read".into()));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let number = self.said("dev");
        if let Some(mount) = mounts.lines().find(|line| line.split(' ').nth(2) == Some(&number)) {
            return Ok(Some(format!("it is mounted on {}", mount.split(' ').nth(4).unwrap_or_default())));
        }
        if let Some(osd) = self.label()? {
            return Ok(Some(format!("OSD {osd}")));
        }
        let alone = OpenOptions::new().read(true).custom_flags(libc::O_EXCL).open(&self.path);
        let mut file = match alone {
            Ok(file) => file,
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                return Ok(Some("somebody uses it".into()));
            }
            Err(error) => return Err(Error::failed(format!("look at {}", self.text()), error)),
        };
        let mut head = vec![0; HEAD_BYTES];
        let read =
            file.read(&mut head).map_err(|error| Error::failed(format!("read {}", self.text()), error))?;
        let is_empty = head[..read].iter().all(|byte| *byte == 0);
        Ok((!is_empty).then(|| "its beginning is not zero".into()))
    }

    /// Opens it for writing when nobody else has it: a daemon that has just ended may keep it for a moment.
    fn open_alone(&self, what: &str) -> Result<File, Error> {
        let end = Instant::now() + BUSY_PATIENCE;
        loop {
            match OpenOptions::new().write(true).custom_flags(libc::O_EXCL).open(&self.path) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < end => {
                    thread::sleep(BUSY_INTERVAL);
                }
                ended => {
                    return ended.map_err(|error| Error::failed(format!("{what} {}", self.text()), error));
                }
            }
        }
    }

    /// Makes its beginning and its end zero: whatever was on it is not found any more.
    pub(super) fn clear(&self) -> Result<(), Error> {
        let what = "wipe";
        let mut file = self.open_alone(what)?;
        let size = self.size_bytes();
        let tail = size.min(TAIL_BYTES);
        let clear = |file: &mut File| -> std::io::Result<()> {
            file.write_all(&vec![0; HEAD_BYTES.min(usize::try_from(size).unwrap_or(HEAD_BYTES))])?;
            file.seek(SeekFrom::Start(size - tail))?;
            file.write_all(&vec![0; usize::try_from(tail).unwrap_or_default()])?;
            file.sync_all()
        };
        clear(&mut file).map_err(|error| Error::failed(format!("{what} {}", self.text()), error))
    }
}

#[cfg(test)]
mod tests {
    use super::{listed, signature};

    #[test]
    fn devices_are_listed_in_the_order_of_their_names() {
        let entry = |name: &str, model: &str| {
            format!(
                r#"{{"name":"{name}","path":"/dev/{name}","size":8,"type":"disk","model":{model},"vendor":null}}"#
            )
        };
        let entries = [
            entry("loop10", "null"),
            entry("sdaa", "\"B\""),
            entry("sdb", "\"INTEL A\""),
            entry("loop2", "null"),
            entry("nvme1n1", "null"),
            entry("nvme0n1", "null"),
        ];
        let text = format!(r#"{{"blockdevices":[{}]}}"#, entries.join(","));
        let devices = listed(&text).unwrap();
        let paths: Vec<&str> = devices.iter().map(|device| device.path.as_str()).collect();
        let order = ["/dev/sdb", "/dev/loop2", "/dev/loop10", "/dev/nvme0n1", "/dev/nvme1n1", "/dev/sdaa"];
        assert_eq!(paths, order);
        assert!(devices[0].described().contains("INTEL A disk"));
    }

    #[test]
    fn what_blkid_finds_is_said_in_words() {
        assert_eq!(signature("DEVNAME=/dev/x\nPTTYPE=gpt\n").unwrap(), "a partition table (gpt)");
        assert_eq!(signature("TYPE=LVM2_member\n").unwrap(), "a physical volume of LVM");
        assert_eq!(signature("UUID=1\nTYPE=ext4\n").unwrap(), "a file system or the like (ext4)");
        assert_eq!(signature("DEVNAME=/dev/x\n"), None);
    }
}
