//! Pools, volumes, snapshots and uploads in a real Ceph, through the command line and the API: what is asked for is what Ceph
//! then holds, and what is refused leaves nothing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::command::{output, wait_for};
use crate::http::encoded;
use crate::lab::guest::Guest;
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::rack::{API_PORT, Rack};
use crate::test::cluster::healed;
use crate::test::cluster::power::becomes;
use crate::test::tally::Tally;
use crate::tree;

const POOL: &str = "shelf";
const BASE: &str = "/api/v1/storage/ceph";
const MIB: usize = 1 << 20;

/// How long an upload may hold its client up.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// A VM that has a volume and does not run.
const OWNER: &str = "owner";
const OWNER_UUID: &str = "5b1d7c30-6f6e-4b0a-9a57-0c7d2f1e8a68";

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check("a raw image is uploaded, and the volume holds it to the byte", || raw(rack));
    tally.check(
        "an upload that comes to a node without its daemon is passed on to the primary's worker",
        || healed(rack, || passed_on(rack)),
    );
    tally.check("a qcow2 image is uploaded, and the volume holds what it shows", || qcow2(rack));
    tally.check("an upload that breaks off, or is longer than said, leaves the volume as it was", || {
        broken_off(rack)
    });
    tally.check(
        "a volume is copied, cloned from a snapshot, renamed and made larger, content and all",
        || clones(rack),
    );
    tally.check("a snapshot is renamed and removed; rolled back, a volume has its content and size", || {
        snapshots(rack)
    });
    tally.check("what cannot be done is refused with the reason, and Ceph is left as it was", || {
        refused(rack)
    });
    tally.check("a pool is removed with all that is in it", || removed(rack));
}

/// What of an image is not zeroes is random: a sparse file, as images are.
fn image(rack: &Rack, file: &str) -> Result<(PathBuf, Vec<u8>)> {
    let mut content = vec![0; 6 * MIB];
    let mut random = fs::File::open("/dev/urandom")?;
    for begin in [0, 3 * MIB + 512, 5 * MIB] {
        random.read_exact(&mut content[begin..begin + MIB / 2])?;
    }
    let path = rack.folder.join(file);
    fs::write(&path, &content)?;
    Ok((path, content))
}

/// Whether an image in Ceph holds this, and nothing but zeroes behind it up to its size.
fn holds(rack: &Rack, image: &str, content: &[u8], size: usize) -> Result<()> {
    let held = rack.content(image)?;
    ensure!(held.len() == size, "{image} has {} bytes, not {size}", held.len());
    let (begin, rest) = held.split_at(content.len());
    let differs = begin.iter().zip(content).position(|(held, brought)| held != brought);
    ensure!(differs.is_none(), "{image} differs from byte {differs:?} on");
    ensure!(rest.iter().all(|byte| *byte == 0), "{image} has something behind what was brought");
    Ok(())
}

/// What is in the pool, by Ceph's own word.
fn listed(rack: &Rack) -> Result<Vec<String>> {
    let told = output(rack.node(1)?.inside("rbd").args(["ls", POOL]))?;
    Ok(told.lines().map(str::to_owned).collect())
}

fn text(path: &std::path::Path) -> Result<&str> {
    path.to_str().context("the path is no text")
}

fn volume(rack: &Rack, words: &[&str]) -> Result<String> {
    rack.pvc(2, &[&["storage", "volume"], words].concat())
}

fn raw(rack: &Rack) -> Result<()> {
    rack.pvc(1, &["storage", "pool", "add", POOL, "8"])?;
    wait_for("the pool to be measured", PATIENCE, || volume(rack, &["add", POOL, "image", "8M"]).map(drop))?;
    let (file, content) = image(rack, "image.raw")?;
    volume(rack, &["upload", POOL, "image", text(&file)?])?;
    holds(rack, "shelf/image", &content, 8 * MIB)
}

/// Over the link between the two, under TLS.
fn passed_on(rack: &Rack) -> Result<()> {
    let (file, content) = image(rack, "passed.raw")?;
    rack.stop(3, "pvcnoded")?;
    becomes(rack, 3, "dead", 1)?;
    // It may have been the primary.
    wait_for("it to be uploaded", PATIENCE, || {
        rack.pvc(3, &["storage", "volume", "upload", POOL, "image", text(&file)?]).map(drop)
    })?;
    holds(rack, "shelf/image", &content, 8 * MIB)
}

fn qcow2(rack: &Rack) -> Result<()> {
    let (file, content) = image(rack, "other.raw")?;
    let packed = rack.folder.join("other.qcow2");
    let mut convert = rack.node(1)?.inside("qemu-img");
    output(convert.args(["convert", "-f", "raw", "-O", "qcow2"]).args([&file, &packed]))?;
    volume(rack, &["add", POOL, "packed", "8M"])?;
    volume(rack, &["upload", POOL, "packed", text(&packed)?, "--format", "qcow2"])?;
    holds(rack, "shelf/packed", &content, 8 * MIB)?;
    // What it is said to be is looked at, and not only believed.
    let said = rack.pvc_refuses(
        2,
        &["storage", "volume", "upload", POOL, "packed", text(&file)?, "--format", "qcow2"],
    )?;
    ensure!(said.contains("qcow2"), "it says: {said}");
    holds(rack, "shelf/packed", &content, 8 * MIB)?;
    only(rack, &["image", "packed"])
}

/// Waits until there is nothing in the pool but these.
fn only(rack: &Rack, names: &[&str]) -> Result<()> {
    wait_for("nothing to be left over", PATIENCE, || {
        let there = listed(rack)?;
        ensure!(there == names, "there is {there:?}");
        Ok(())
    })
}

fn broken_off(rack: &Rack) -> Result<()> {
    let before = rack.content("shelf/image")?;
    let client = begin(rack, "image_format=raw", 8 * MIB, &vec![b'x'; 5 * MIB])?;
    wait_for("the upload to be under way", PATIENCE, || {
        let there = listed(rack)?;
        ensure!(there.iter().any(|name| name.starts_with(".upload.")), "there is {there:?}");
        Ok(())
    })?;
    drop(client);
    only(rack, &["image", "packed"])?;
    ensure!(rack.content("shelf/image")? == before, "what broke off changed the volume");
    let answer = wait_for("the volume to be free again", PATIENCE, || {
        let mut answer = String::new();
        begin(rack, "image_format=raw&file_size=4096", 8192, &[b'y'; 8192])?.read_to_string(&mut answer)?;
        ensure!(!answer.contains("is being uploaded"), "it is not: {answer}");
        Ok(answer)
    })?;
    ensure!(answer.starts_with("HTTP/1.1 400"), "more than was said is answered with {answer}");
    only(rack, &["image", "packed"])?;
    ensure!(rack.content("shelf/image")? == before, "what was too long changed the volume");
    Ok(())
}

/// Begins a request that fills the volume and says to have so many bytes, of which these come.
fn begin(rack: &Rack, query: &str, length: usize, bytes: &[u8]) -> Result<TcpStream> {
    let at = format!("{}:{API_PORT}", Network::Upstream.address(2));
    let head = format!(
        "POST {BASE}/volume/shelf/image/upload?{query} HTTP/1.1\r\nHost: {at}\r\nX-Api-Key: {}\r\nConnection: close\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n",
        rack.token()
    );
    rack.switch()?.node.with_network(|| {
        let mut client = TcpStream::connect(&at)?;
        client.set_write_timeout(Some(ANSWER_LIMIT))?;
        client.set_read_timeout(Some(ANSWER_LIMIT))?;
        client.write_all(head.as_bytes())?;
        client.write_all(bytes)?;
        Ok(client)
    })
}

/// Waits until another node's API than the one that was asked for it tells this of a volume: it hears of it a moment later.
fn tells(rack: &Rack, name: &str, what: &str, expected: &Value) -> Result<()> {
    wait_for(&format!("{what} of {name}"), PATIENCE, || {
        let told = rack.told(3, &format!("{BASE}/volume/shelf/{name}"))?;
        let volume = told.get(0).unwrap_or(&told);
        ensure!(volume[what] == *expected, "it tells {volume}");
        Ok(())
    })
}

/// The same of something that is to be there no more.
fn gone(rack: &Rack, path: &str) -> Result<()> {
    wait_for(&format!("{path} to be gone"), PATIENCE, || {
        let answer = rack.ask(1, "GET", &format!("{BASE}/{path}"), "")?;
        ensure!(answer.status == 404, "it is answered with {}: {}", answer.status, answer.body);
        Ok(())
    })
}

fn clones(rack: &Rack) -> Result<()> {
    let content = rack.content("shelf/image")?;
    volume(rack, &["clone", POOL, "image", "copy"])?;
    holds(rack, "shelf/copy", &content, 8 * MIB)?;
    volume(rack, &["snapshot", "add", POOL, "image", "v1"])?;
    volume(rack, &["clone", POOL, "image", "thin", "--snapshot", "v1"])?;
    holds(rack, "shelf/thin", &content, 8 * MIB)?;
    tells(rack, "thin", "parent", &"shelf/image@v1".into())?;
    volume(rack, &["rename", "-y", POOL, "copy", "second"])?;
    volume(rack, &["resize", "-y", POOL, "second", "12M"])?;
    holds(rack, "shelf/second", &content, 12 * MIB)?;
    tells(rack, "second", "size_bytes", &(12 * MIB).into())?;
    gone(rack, "volume/shelf/copy")?;
    only(rack, &["image", "packed", "second", "thin"])
}

fn snapshots(rack: &Rack) -> Result<()> {
    let before = rack.content("shelf/second")?;
    volume(rack, &["snapshot", "add", POOL, "second", "early"])?;
    volume(rack, &["snapshot", "rename", POOL, "second", "early", "before"])?;
    volume(rack, &["resize", "-y", POOL, "second", "16M"])?;
    let bench = ["bench", "--io-type", "write", "--io-total", "8M", "--io-size", "64K", "shelf/second"];
    output(rack.node(1)?.inside("rbd").args(bench))?;
    ensure!(!rack.content("shelf/second")?.starts_with(&before), "nothing was written");
    volume(rack, &["snapshot", "rollback", "-y", POOL, "second", "before"])?;
    ensure!(rack.content("shelf/second")? == before, "it is not what the snapshot shows");
    tells(rack, "second", "size_bytes", &(12 * MIB).into())?;
    volume(rack, &["snapshot", "remove", "-y", POOL, "second", "before"])?;
    let left = output(rack.node(1)?.inside("rbd").args(["snap", "ls", "shelf/second"]))?;
    ensure!(left.trim().is_empty(), "there is {left}");
    gone(rack, "snapshot/shelf/second/before")
}

fn refused(rack: &Rack) -> Result<()> {
    let guest = Guest::ensure(&tree::target().join("guest"))?;
    let document = guest.with_volume((OWNER, OWNER_UUID), "shelf/packed");
    rack.define_document(OWNER, &document, 1, &[])?;
    let before = output(rack.node(1)?.inside("rbd").args(["ls", "-l", POOL]))?;
    let free = free_bytes(rack)?;
    let too_full = format!("pool=shelf&volume=new&size={}", free / 100 * 85 / 512 * 512);
    let pool = format!("pool=shelf&pgs=8&tier=default&replcfg={}", encoded("copies=3,mincopies=2"));
    let cases = [
        ("POST", "pool", pool.as_str(), "exists already"),
        ("POST", "volume", "pool=shelf&volume=image&size=8M", "exists already"),
        ("POST", "volume", "pool=none&volume=new&size=8M", "none"),
        ("POST", "volume", "pool=shelf&volume=new&size=0", "zero"),
        ("POST", "volume", "pool=shelf&volume=new&size=8X", "8X"),
        ("POST", "volume", "pool=shelf&volume=new&size=1000", "512"),
        ("POST", "volume", "pool=shelf&volume=new&size=900T", "free"),
        ("POST", "volume", too_full.as_str(), "80 %"),
        ("POST", "volume", "pool=shelf&volume=a/b&size=8M", "a/b"),
        ("PUT", "volume/shelf/image", "new_size=4M", "smaller"),
        ("PUT", "volume/shelf/image", "new_name=second", "exists already"),
        ("PUT", "volume/shelf/image", "new_name=x&new_size=9M", "exactly one"),
        ("POST", "volume/shelf/image/clone", "new_volume=second", "exists already"),
        ("POST", "volume/shelf/image/clone", "new_volume=new&snapshot=none", "none"),
        ("POST", "snapshot", "pool=shelf&volume=image&snapshot=v1", "exists already"),
        ("POST", "snapshot", "pool=shelf&volume=none&snapshot=v1", "none"),
        ("DELETE", "snapshot/shelf/image/v1", "", "shelf/thin"),
        ("DELETE", "volume/shelf/image", "", "shelf/thin"),
        ("DELETE", "volume/shelf/packed", "", OWNER),
        ("PUT", "volume/shelf/packed", "new_name=new", OWNER),
        ("POST", "volume/shelf/image/upload?image_format=raw&file_size=512", "", "snapshots"),
        ("DELETE", "volume/shelf/none", "", "none"),
    ];
    for (method, path, form, says) in cases {
        let answer = rack.answer(1, method, &format!("{BASE}/{path}"), form)?;
        let (status, body) = (answer.status, &answer.body);
        ensure!([400, 404].contains(&status), "{method} {path} {form} is answered with {status}: {body}");
        ensure!(body.contains(says), "{method} {path} {form} does not say \"{says}\": {body}");
    }
    let after = output(rack.node(1)?.inside("rbd").args(["ls", "-l", POOL]))?;
    ensure!(after == before, "what was refused changed the pool:\n{before}\n{after}");
    // Who insists may fill a pool further than is wise: a volume takes room only as it is written.
    let forced = rack.answer(1, "POST", &format!("{BASE}/volume"), &format!("{too_full}&force=true"))?;
    ensure!(forced.status == 200, "it is answered with {}: {}", forced.status, forced.body);
    volume(rack, &["remove", "-y", POOL, "new"])?;
    rack.pvc(1, &["vm", "undefine", "-y", OWNER]).map(drop)
}

fn free_bytes(rack: &Rack) -> Result<u64> {
    let measured = wait_for("the pool's figures", PATIENCE, || {
        let told = rack.told(1, &format!("{BASE}/pool/{POOL}"))?;
        let pool = told.get(0).cloned().unwrap_or(told);
        ensure!(pool["stale"].is_null(), "they are old: {pool}");
        Ok(pool)
    })?;
    measured["stats"]["free_bytes"].as_u64().context("the pool tells no room")
}

fn removed(rack: &Rack) -> Result<()> {
    rack.pvc(1, &["storage", "pool", "remove", "-y", POOL])?;
    wait_for("nothing to be left of it", PATIENCE, || {
        let pools = rack.ceph(1, &["osd", "pool", "ls"])?;
        ensure!(!pools.lines().any(|pool| pool == POOL), "Ceph has {pools}");
        let volumes = rack.ask(2, "GET", &format!("{BASE}/volume"), "")?;
        let is_told = [200, 404].contains(&volumes.status) && !volumes.body.contains(POOL);
        ensure!(is_told, "volumes are left: {}", volumes.body);
        Ok(())
    })
}
