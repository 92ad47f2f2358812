//! Bad input of every kind: each is refused with a message that names the thing, and nothing is half-written.

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::{capture, tail, wait_for};
use crate::http::{Connection, encoded};
use crate::lab::daemons;
use crate::test::lab::{Lab, PATIENCE};
use crate::test::tally::Tally;
use crate::up::HELLO;

const UUID: &str = "11d0a9b4-8d53-4c57-8f43-b0c6f1d3a001";

/// The name under which an API runs whose store cannot be reached.
const SECOND_API: &str = "pvcapid-without-store";

pub(super) fn checks(lab: &Lab, tally: &mut Tally) {
    documents(lab, tally);
    tally.check("an unknown VM is named, by every command", || unknown_vm(lab));
    tally.check("an unknown state is refused with the known ones", || {
        lab.api_answers("POST", &format!("/api/v1/vm/{HELLO}/state"), "state=fly", 400, "fly")
    });
    tally.check("a missing parameter is named", || {
        lab.api_answers("POST", &format!("/api/v1/vm/{HELLO}/state"), "", 400, "state")
    });
    tally.check("an unknown parameter is named", || {
        lab.api_answers("POST", &format!("/api/v1/vm/{HELLO}/state"), "state=start&speed=9", 400, "speed")
    });
    tally.check("an unknown option of the command line is wrong usage", || {
        lab.pvc_refuses(&["vm", "list", "--colour-blind"], 2, "--colour-blind")?;
        lab.pvc_refuses(&["vm", "fly", HELLO], 2, "fly")
    });
    tally.check("a wrong, an empty and a partial token open nothing", || tokens(lab));
    tally.check("a body over the limit is refused", || large_body(lab));
    tally.check("a path that does not exist answers 404", || {
        lab.api_answers("GET", "/api/v1/vmm", "", 404, "message")
    });
    tally.check("a typo in the configuration is an error that names the nearest key", || typo(lab));
    tally.check("a store that cannot be reached at start is an error that names it", || no_store(lab));
    tally.check("a missing configuration file is an error that names it", || {
        ends_with(lab, "/etc/pvc/none.toml", "/etc/pvc/none.toml")
    });
}

/// Documents that `vm define` must refuse, and what the refusal must name.
fn documents(lab: &Lab, tally: &mut Tally) {
    let good = lab.document("bad", UUID, "x").unwrap_or_default();
    let hello = lab.vm(HELLO).ok().and_then(|vm| vm["uuid"].as_str().map(str::to_owned)).unwrap_or_default();
    let cases: [(&str, String, &str); 8] = [
        ("malformed XML", good.replace("</domain>", ""), "XML"),
        ("XML without a name", good.replace("<name>bad</name>", ""), "name"),
        ("XML without a UUID", good.replace(&format!("<uuid>{UUID}</uuid>"), ""), "uuid"),
        ("a name that exists", good.replace("<name>bad</name>", &format!("<name>{HELLO}</name>")), HELLO),
        ("a UUID that exists", good.replace(UUID, &hello), &hello),
        ("more memory than the node has", good.replace("'MiB'>128<", "'GiB'>9000<"), "memory"),
        ("more vCPUs than the node has", good.replace("<vcpu>1<", "<vcpu>4000<"), "4000"),
        ("no XML at all", "just words".into(), "XML"),
    ];
    for (what, text, names) in cases {
        tally.check(&format!("{what} is refused"), || {
            let before = lab.names(&[])?;
            ensure!(text != good, "the case is not made");
            let file = lab.file("bad.xml", &text)?;
            lab.pvc_refuses(&["vm", "define", &file], 1, "")?;
            let answer = lab.api("POST", "/api/v1/vm", &format!("xml={}", encoded(&text)))?;
            ensure!((400..500).contains(&answer.status), "the API answers {}", answer.status);
            let said = answer.body.to_lowercase();
            ensure!(said.contains(&names.to_lowercase()), "it does not name {names}: {}", answer.body);
            ensure!(lab.names(&[])? == before, "something was written");
            Ok(())
        });
    }
}

fn unknown_vm(lab: &Lab) -> Result<()> {
    let commands: [&[&str]; 10] = [
        &["vm", "info", "ghost"],
        &["vm", "start", "ghost"],
        &["vm", "shutdown", "-y", "ghost"],
        &["vm", "stop", "-y", "ghost"],
        &["vm", "restart", "-y", "ghost"],
        &["vm", "disable", "-y", "ghost"],
        &["vm", "dump", "ghost"],
        &["vm", "log", "ghost"],
        &["vm", "remove", "-y", "ghost"],
        &["vm", "tag", "add", "ghost", "blue"],
    ];
    commands.iter().try_for_each(|words| lab.pvc_refuses(words, 1, "ghost"))?;
    lab.api_answers("GET", "/api/v1/vm/ghost", "", 404, "ghost")
}

fn tokens(lab: &Lab) -> Result<()> {
    let token = &lab.up.token;
    let (half, _) = token.split_at(token.len() / 2);
    for wrong in ["", "wrong", half, &format!("{token}0")] {
        let answer = Connection::open(&lab.up.address, wrong)?.request("GET", "/api/v1/vm", "")?;
        ensure!(answer.status == 401, "the token \"{wrong}\" gets {}", answer.status);
        let form = format!("token={wrong}");
        let answer = Connection::open(&lab.up.address, "")?.request("POST", "/api/v1/login", &form)?;
        ensure!(answer.status == 401, "a login with \"{wrong}\" gets {}", answer.status);
    }
    Ok(())
}

fn large_body(lab: &Lab) -> Result<()> {
    let form = format!("xml={}", "a".repeat(20 * 1024 * 1024));
    // The connection may be closed before all of the body was taken: that is a refusal too, but the API must live on.
    match lab.api("POST", "/api/v1/vm", &form) {
        Ok(answer) if answer.status != 413 => bail!("it answers {}", answer.status),
        _ => lab.api_answers("GET", "/api/v1/", "", 200, ""),
    }
}

fn typo(lab: &Lab) -> Result<()> {
    let good = std::fs::read_to_string(lab.up.node.path("/etc/pvc/pvc.toml"))?;
    let bad = lab.file("typo.toml", &good.replace("listen =", "lissen ="))?;
    for daemon in daemons::DAEMONS {
        refuses_to_start(lab, daemon, &bad, "listen")?;
    }
    Ok(())
}

fn no_store(lab: &Lab) -> Result<()> {
    let good = std::fs::read_to_string(lab.up.node.path("/etc/pvc/pvc.toml"))?;
    let place = "/proc/no/store.db";
    let bad =
        lab.file("nostore.toml", &good.replace("/var/lib/pvc/store.db", place).replace(":7370", ":7379"))?;
    for daemon in ["pvcnoded", "pvcworkerd"] {
        refuses_to_start(lab, daemon, &bad, place)?;
    }
    // The API answers 503 and says why, and goes on trying.
    let program = lab.up.profile.folder().join("pvcapid");
    let program = program.to_str().context("the path of the programs is no text")?;
    lab.up.node.start(SECOND_API, &[program, "--config", &bad])?;
    let outcome = wait_for("pvcapid to say why", PATIENCE, || {
        let said = daemons::said(&lab.up.node, SECOND_API);
        ensure!(said.contains(place), "pvcapid does not name \"{place}\": {said}");
        ensure!(lab.up.node.runs(SECOND_API), "it has ended: {said}");
        Ok(())
    });
    lab.up.node.process(SECOND_API).map_or(Ok(()), |daemon| daemon.end())?;
    outcome
}

fn ends_with(lab: &Lab, config: &str, names: &str) -> Result<()> {
    daemons::DAEMONS.iter().try_for_each(|daemon| refuses_to_start(lab, daemon, config, names))
}

/// A daemon that is started with this configuration must end by itself, with code 1 and a word about it.
fn refuses_to_start(lab: &Lab, daemon: &str, config: &str, names: &str) -> Result<()> {
    let mut command = lab.up.node.inside("timeout");
    command.arg("120").arg(lab.up.profile.folder().join(daemon)).args(["--config", config]);
    let ended = capture(&mut command)?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(ended.status.code() == Some(1), "{daemon} ended with {}: {}", ended.status, tail(&said, 5));
    ensure!(said.contains(names), "{daemon} does not name \"{names}\": {}", tail(&said, 5));
    Ok(())
}
