//! What PVC's programs are linked with: they start where Ceph is not installed, and load its libraries when they need them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::elf;
use crate::lab::daemons::{DAEMONS, Profile};

/// How the names of Ceph's libraries begin.
const CEPHS: [&str; 4] = ["librados", "librbd", "libceph", "librgw"];

/// None of the programs as they were built needs a library of Ceph's to start.
pub(super) fn with_nothing_of_cephs(profile: Profile) -> Result<()> {
    for name in DAEMONS.into_iter().chain(["pvc"]) {
        starts_without_ceph(&profile.folder().join(name))?;
    }
    Ok(())
}

fn starts_without_ceph(program: &Path) -> Result<()> {
    let shown = program.display();
    let bytes = fs::read(program).with_context(|| format!("cannot read {shown}"))?;
    judge(&elf::needed(&bytes).with_context(|| format!("cannot tell what {shown} needs"))?)
        .with_context(|| format!("{shown} does not start where Ceph is not installed"))
}

fn judge(needed: &[String]) -> Result<()> {
    // Everything needs this one, so that a look at nothing is noticed.
    ensure!(needed.iter().any(|library| library.starts_with("libc.so")), "it needs no libc: {needed:?}");
    let cephs: Vec<&String> =
        needed.iter().filter(|library| CEPHS.iter().any(|begin| library.starts_with(begin))).collect();
    ensure!(cephs.is_empty(), "it needs {cephs:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_a_library_of_cephs_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let told = |libraries: &[&str]| {
            let program = folder.path().join("program");
            fs::write(&program, elf::made_up(libraries)).unwrap();
            starts_without_ceph(&program).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(told(&["libvirt.so.0", "libc.so.6"]), Ok(()));
        for cephs in ["librados.so.2", "librbd.so.1", "libceph-common.so.2", "libcephfs.so.2"] {
            let said = told(&["libvirt.so.0", cephs, "libc.so.6"]).unwrap_err();
            assert!(said.contains("where Ceph is not installed") && said.contains(cephs), "{said}");
        }
        assert!(told(&[]).unwrap_err().contains("it needs no libc"), "nothing was looked at");
    }
}
