//! A guest that writes its memory faster than it can be sent, however slowed down: it goes by post-copy where that is allowed.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::command::wait_for;
use crate::lab::toucher::{self, NAME};
use crate::rack::Rack;
use crate::rack::guests::PATIENCE;
use crate::test::tally::Tally;

const UUID: &str = "0f5f7a7e-3d1c-4a59-9a43-2f9a1be1c9d4";
const POOL: &str = "travel";

/// What allows it: a share of 50 MiB/s for each of two, so that a pass takes half a second; and the emulated guest is to be
/// treated like one with KVM, which is not handed over after two passes.
const ALLOWED: &str =
    "\n[migration]\npost_copy = true\nemulated_short_pause = true\nbandwidth_max_mib = 100\n";

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check(
        "a guest that no throttle helps goes by post-copy where that is allowed, and counts on",
        || {
            let settings = rack.place(1).join("etc/pvc/pvc.toml");
            let before = fs::read_to_string(&settings)?;
            let outcome = with(rack, &format!("{before}{ALLOWED}")).and_then(|()| goes(rack));
            with(rack, &before)?;
            outcome
        },
    );
    tally.check("it is removed with its volume, and the pool with that", || {
        rack.pvc(1, &["vm", "stop", "-y", NAME])?;
        wait_for("it to be removed", PATIENCE, || rack.pvc(1, &["vm", "remove", "-y", NAME]).map(drop))?;
        rack.pvc(1, &["storage", "pool", "remove", "-y", POOL]).map(drop)
    });
}

/// Has the first node's daemon run with other settings.
fn with(rack: &Rack, settings: &str) -> Result<()> {
    fs::write(rack.place(1).join("etc/pvc/pvc.toml"), settings)?;
    rack.stop(1, "pvcnoded")?;
    rack.start(1)
}

fn goes(rack: &Rack) -> Result<()> {
    let image = rack.folder.join("busy.img");
    fs::write(&image, toucher::disk())?;
    let image = image.to_str().context("the path is no text")?;
    rack.pvc(1, &["storage", "pool", "add", POOL, "8", "--replcfg", "copies=2,mincopies=1"])?;
    wait_for("the pool to be measured", PATIENCE, || {
        rack.pvc(1, &["storage", "volume", "add", POOL, "busy_vda", "4M"]).map(drop)
    })?;
    rack.pvc(1, &["storage", "volume", "upload", POOL, "busy_vda", image])?;
    rack.start_document(NAME, &toucher::document(UUID, &format!("{POOL}/busy_vda")), 1, &[])?;
    rack.vm_becomes(NAME, ("start", 1), 2)?;
    rack.counts_on(NAME, 1)?;
    rack.pvc(1, &["vm", "move", "--force-live", "-t", "pvc2", NAME])?;
    rack.vm_becomes(NAME, ("start", 2), 3)?;
    rack.counts_on(NAME, 2)?;
    // What it said last is written down by others, who may be late.
    wait_for("what it told on both nodes to fit", PATIENCE, || {
        let (left, arrived) = (rack.count(NAME, 1), first(&rack.console(NAME, 2)));
        // The line that it was in the middle of may be cut in two.
        let fits = arrived > left && arrived <= left + 2;
        ensure!(fits, "it counted to {left} here, and from {arrived} on there");
        let said = fs::read_to_string(rack.place(1).join("var-log/pvcnoded.out"))?;
        let by_post_copy = ["move-vain", "move-switched"].map(|reason| said.contains(reason));
        let last = || crate::command::tail(&said, 15);
        ensure!(by_post_copy == [true, true], "it did not go by post-copy:\n{}", last());
        Ok(())
    })
}

/// The first number that was told whole.
fn first(console: &str) -> u64 {
    let mark = format!("hello {NAME} ");
    console.split(&mark).skip(1).find_map(|rest| rest.get(..8)?.parse().ok()).unwrap_or_default()
}
