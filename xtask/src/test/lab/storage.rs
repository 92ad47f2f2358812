//! Pools, volumes and snapshots in a directory, with the real `qemu-img`, through the command line.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::command::wait_for;
use crate::test::lab::{Lab, PATIENCE};
use crate::test::tally::Tally;

/// Where the directory of the storage is in the node.
const ROOT: &str = "/var/lib/pvc/storage";

pub(super) fn checks(lab: &Lab, tally: &mut Tally) {
    tally.check("a pool is made in the directory, and a second one of its name refused", || pool(lab));
    tally.check("a volume is made, grows, is renamed, and its file follows", || volume(lab));
    tally.check("a snapshot is taken, and the volume is brought back to it", || snapshot(lab));
    tally.check("an image is uploaded, and one that is too long leaves the volume as it was", || upload(lab));
    tally.check("a volume is copied, and one that cannot be is refused", || copy(lab));
    tally.check("a worker that is killed in its work is succeeded", || killed(lab));
    tally.check("a pool is removed with all that is in it", || removed(lab));
}

fn file(lab: &Lab, name: &str) -> PathBuf {
    lab.up.node.path(&format!("{ROOT}/shelf/{name}"))
}

/// What the API tells of a volume.
fn told(lab: &Lab, volume: &str) -> Result<Value> {
    let answer = lab.api("GET", &format!("/api/v1/storage/ceph/volume/shelf/{volume}"), "")?;
    ensure!(answer.status == 200, "the volume {volume}: {} {}", answer.status, answer.body);
    Ok(super::first(answer.json()?))
}

fn pool(lab: &Lab) -> Result<()> {
    let add = ["storage", "pool", "add", "shelf", "8", "--replcfg", "copies=1,mincopies=1"];
    lab.pvc(&add)?;
    ensure!(file(lab, ".pool").exists(), "there is no folder of the pool");
    lab.pvc_refuses(&add, 1, "exists already")?;
    lab.pvc_refuses(&["storage", "pool", "add", "two", "8"], 1, "copies")?;
    let pools = lab.pvc(&["storage", "pool", "list"])?;
    ensure!(pools.contains("shelf") && !pools.contains("two"), "the pools are {pools}");
    // What a pool has room for is known when the storage was measured.
    wait_for("the storage to be measured", PATIENCE, || {
        let answer = lab.api("GET", "/api/v1/storage/ceph/utilization", "")?;
        ensure!(answer.status == 200, "it answers {} {}", answer.status, answer.body);
        Ok(())
    })
}

fn volume(lab: &Lab) -> Result<()> {
    lab.pvc(&["storage", "volume", "add", "shelf", "one", "64M"])?;
    ensure!(file(lab, "one.qcow2").exists(), "there is no file of the volume");
    for (words, names) in [
        (["storage", "volume", "add", "shelf", "one", "64M"], "exists already"),
        (["storage", "volume", "add", "shelf", "two", "0"], "size"),
        (["storage", "volume", "add", "shelf", "two", "5X"], "5X"),
        (["storage", "volume", "add", "shelf", "two", "900T"], "shelf"),
        (["storage", "volume", "add", "none", "two", "64M"], "none"),
    ] {
        lab.pvc_refuses(&words, 1, names)?;
    }
    lab.pvc(&["storage", "volume", "resize", "shelf", "one", "96M", "--yes"])?;
    lab.pvc_refuses(&["storage", "volume", "resize", "shelf", "one", "32M", "--yes"], 1, "smaller")?;
    lab.pvc(&["storage", "volume", "rename", "shelf", "one", "first", "--yes"])?;
    ensure!(file(lab, "first.qcow2").exists() && !file(lab, "one.qcow2").exists(), "the file did not follow");
    let told = told(lab, "first")?;
    ensure!(told.to_string().contains("96M"), "it tells {told}");
    Ok(())
}

fn snapshot(lab: &Lab) -> Result<()> {
    lab.pvc(&["storage", "volume", "snapshot", "add", "shelf", "first", "before"])?;
    lab.pvc_refuses(
        &["storage", "volume", "snapshot", "add", "shelf", "first", "before"],
        1,
        "exists already",
    )?;
    lab.pvc(&["storage", "volume", "resize", "shelf", "first", "128M", "--yes"])?;
    lab.pvc(&["storage", "volume", "snapshot", "rollback", "shelf", "first", "before", "--yes"])?;
    let told = told(lab, "first")?;
    ensure!(told.to_string().contains("96M"), "the volume is not as it was: {told}");
    lab.pvc(&["storage", "volume", "snapshot", "remove", "shelf", "first", "before", "--yes"])?;
    // An empty list is an answer of 404 in the contract.
    lab.pvc_refuses(&["storage", "volume", "snapshot", "list"], 1, "There are no snapshots")
}

fn upload(lab: &Lab) -> Result<()> {
    lab.pvc(&["storage", "volume", "add", "shelf", "image", "4M"])?;
    let text = |letter: char, count: usize| std::iter::repeat_n(letter, count).collect::<String>();
    let whole = lab.file("whole.img", &text('w', 2 << 20))?;
    lab.pvc(&["storage", "volume", "upload", "shelf", "image", &whole])?;
    let length = file(lab, "image.qcow2").metadata().context("the image is there")?.len();
    ensure!(length > 2 << 20, "the image has {length} bytes");
    let before = fs::read(file(lab, "image.qcow2"))?;
    let long = lab.file("long.img", &text('l', 5 << 20))?;
    lab.pvc_refuses(&["storage", "volume", "upload", "shelf", "image", &long], 1, "resize the volume first")?;
    ensure!(fs::read(file(lab, "image.qcow2"))? == before, "a refused upload changed the volume");
    Ok(())
}

fn copy(lab: &Lab) -> Result<()> {
    lab.pvc(&["storage", "volume", "clone", "shelf", "image", "copy"])?;
    ensure!(file(lab, "copy.qcow2").exists(), "there is no file of the copy");
    lab.pvc_refuses(&["storage", "volume", "clone", "shelf", "image", "copy"], 1, "exists already")?;
    lab.pvc_refuses(&["storage", "volume", "clone", "shelf", "none", "more"], 1, "none")
}

fn killed(lab: &Lab) -> Result<()> {
    lab.up.node.process("pvcworkerd")?.end()?;
    let form = "volume=later&pool=shelf&size=64M";
    let answer = lab.api("POST", "/api/v1/storage/ceph/volume", form)?;
    ensure!(answer.status == 200 && answer.body.contains("task"), "nobody could make it: {}", answer.body);
    ensure!(!file(lab, "later.qcow2").exists(), "somebody made it without a worker");
    lab.start_daemons()?;
    wait_for("the volume to be made by the next worker", PATIENCE, || {
        told(lab, "later").map(drop)?;
        ensure!(file(lab, "later.qcow2").exists(), "there is no file of it");
        Ok(())
    })
}

fn removed(lab: &Lab) -> Result<()> {
    lab.pvc(&["storage", "pool", "remove", "shelf", "--yes"])?;
    ensure!(!lab.up.node.path(&format!("{ROOT}/shelf")).exists(), "the folder of the pool is there");
    let volumes = lab.api("GET", "/api/v1/storage/ceph/volume", "")?;
    ensure!(!volumes.body.contains("shelf"), "volumes are left: {}", volumes.body);
    Ok(())
}
