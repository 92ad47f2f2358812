//! An image brought into a volume by `pvc`, beside the same file brought into Ceph by its own means.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::contest::POOL;
use crate::bench::stage;
use crate::command::{output, program};
use crate::lab::process::Process;
use crate::rack::Rack;

/// What is brought, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its format: `raw` or `qcow2`.
    pub format: &'static str,
    /// The node whose API is told.
    pub at: u8,
    /// The node whose worker takes it in.
    pub primary: u8,
    /// How large its content is, in MiB.
    pub mib: usize,
}

/// What one way took.
#[derive(Clone, Copy, Debug)]
struct Spent {
    took: Duration,
    /// Of its programs and, where it is ours, of the daemons that have to do with it; Ceph's own are not counted.
    processor_ms: f64,
}

/// A file with random content of that size in that format, made when it is first asked for.
fn file(rack: &Rack, format: &str, mib: usize) -> Result<PathBuf> {
    let raw = rack.folder.join(format!("image-{mib}.raw"));
    if !raw.exists() {
        let mut random = File::open("/dev/urandom")?;
        let mut file = File::create(&raw)?;
        let mut piece = vec![0; 1 << 20];
        for _ in 0..mib {
            random.read_exact(&mut piece)?;
            file.write_all(&piece)?;
        }
    }
    let file = raw.with_extension(format);
    if !file.exists() {
        output(program("qemu-img").args(["convert", "-f", "raw", "-O", format]).arg(&raw).arg(&file))?;
    }
    Ok(file)
}

/// Brings it in both ways, ours first in even turns, sees that what ours brought is what was to be brought, and removes both.
///
/// # Errors
/// When either fails, or the content differs.
pub fn once(rack: &Rack, upload: Upload, turn: usize) -> Result<Value> {
    let load = stage::load()?;
    let order = if turn.is_multiple_of(2) { [true, false] } else { [false, true] };
    let mut spent = Vec::new();
    for is_ours in order {
        spent.push(if is_ours { ours(rack, upload)? } else { theirs(rack, upload)? });
    }
    if !order[0] {
        spent.reverse();
    }
    same(rack, upload)?;
    rack.pvc(upload.primary, &["storage", "volume", "remove", "-y", POOL, "image_pvc"])?;
    let theirs = format!("{POOL}/image_rbd");
    output(rack.node(upload.primary)?.inside("rbd").args(["rm", "--no-progress", &theirs]))?;
    let [ours, theirs] = [spent[0], spent[1]];
    let per_s = |spent: Spent| count(upload.mib) / spent.took.as_secs_f64();
    Ok(json!({
        "by_pvc_ms": ours.took.as_secs_f64() * 1000.0,
        "by_ceph_ms": theirs.took.as_secs_f64() * 1000.0,
        "by_pvc_mib_per_s": per_s(ours),
        "by_ceph_mib_per_s": per_s(theirs),
        "by_pvc_processor_ms": ours.processor_ms,
        "by_ceph_processor_ms": theirs.processor_ms,
        "share_percent": 100.0 * per_s(ours) / per_s(theirs),
        "load": load,
    }))
}

/// The volume is made, too: so does the other way.
fn ours(rack: &Rack, upload: Upload) -> Result<Spent> {
    let Upload { format, at, primary, mib } = upload;
    let file = file(rack, format, mib)?;
    let file = file.to_str().context("the path is no text")?;
    let daemons = [rack.node(at)?.process("pvcapid")?, rack.node(primary)?.process("pvcworkerd")?];
    spend(&daemons, || {
        rack.pvc(at, &["storage", "volume", "add", POOL, "image_pvc", &format!("{mib}M")])?;
        let words = ["storage", "volume", "upload", POOL, "image_pvc", file, "--format", format];
        rack.pvc(at, &words).map(drop)
    })
}

fn theirs(rack: &Rack, upload: Upload) -> Result<Spent> {
    let file = file(rack, upload.format, upload.mib)?;
    let file = file.to_str().context("the path is no text")?;
    let target = format!("{POOL}/image_rbd");
    let in_qemu = format!("rbd:{target}");
    let words = match upload.format {
        "raw" => vec!["rbd", "import", "--no-progress", file, &target],
        format => vec!["qemu-img", "convert", "-f", format, "-O", "raw", file, &in_qemu],
    };
    let node = rack.node(upload.primary)?;
    spend(&[], || output(node.inside(words[0]).args(&words[1..])).map(drop))
}

fn spend(daemons: &[Process], work: impl FnOnce() -> Result<()>) -> Result<Spent> {
    let ticks = || -> Result<f64> {
        let daemons: Result<Vec<f64>> = daemons.iter().map(Process::processor_ticks).collect();
        Ok(daemons?.iter().sum::<f64>() + Process::current()?.children_ticks()?)
    };
    let (begin, before) = (Instant::now(), ticks()?);
    work()?;
    let took = begin.elapsed();
    // The kernel counts in hundredths of a second.
    Ok(Spent { took, processor_ms: (ticks()? - before) * 10.0 })
}

/// Whether what was brought is what is there.
fn same(rack: &Rack, upload: Upload) -> Result<()> {
    let raw = file(rack, "raw", upload.mib)?;
    let mut compare = rack.node(upload.primary)?.inside("sh");
    let script = "rbd export --no-progress \"$1\" - | cmp - \"$2\"";
    compare.args(["-c", script, "sh", &format!("{POOL}/image_pvc")]).arg(&raw);
    output(&mut compare).context("what was uploaded differs").map(drop)
}

/// Forgets the files.
///
/// # Errors
/// When one cannot be removed.
pub fn forget(rack: &Rack) -> Result<()> {
    for entry in fs::read_dir(&rack.folder)? {
        let path = entry?.path();
        let is_image = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("image-"));
        if is_image {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
