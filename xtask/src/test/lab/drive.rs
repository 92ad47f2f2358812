//! A VM's whole life through the command line, as an operator leads it.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::command::wait_for;
use crate::lab::daemons;
use crate::test::lab::{Lab, PATIENCE};
use crate::test::tally::Tally;
use crate::up::{self, HELLO};

const UUID: &str = "3c7f8a52-0b7d-4f0e-8a86-5b1f4f6c9d10";
const NONCE: &str = "5ec0nd";

/// What the guest says when it is asked to shut down.
const BUTTON: &str = "the power button was pressed";

pub(super) fn checks(lab: &Lab, tally: &mut Tally) {
    tally.check("up, run again, finds what is there", || found_again(lab));
    tally.check("the list tells names, states and filters", || lists(lab));
    tally.check("info and dump tell of one VM", || tells(lab));
    tally.check("the console is read and followed", || console(lab));
    tally.check("the node and the cluster tell of themselves", || node_and_cluster(lab));
    tally.check("the documentation page and the OpenAPI document are served", || documentation(lab));
    tally.check("the file for clients of earlier versions names the API", || old_clients(lab));
    tally.check("a second VM is defined and stays off", || define(lab));
    tally.check("tags are added, listed by and removed", || tags(lab));
    tally.check("the metadata is changed", || meta(lab));
    tally.check("the document is changed", || modify(lab));
    tally.check("the VM starts", || start(lab));
    tally.check("the VM shuts down by its power button", || shutdown(lab));
    tally.check("a restart shuts the guest down and starts it again", || restart(lab));
    tally.check("a stop ends the guest at once", || stop(lab));
    tally.check("a stopped VM is renamed, and starts under its new name", || rename(lab));
    tally.check("a running VM is disabled by force", || disable(lab));
    tally.check("a VM is removed, and libvirt does not know it any more", || remove(lab));
}

fn found_again(lab: &Lab) -> Result<()> {
    let before = lab.guest(HELLO)?;
    up::up(&lab.options, &lab.xtask)?;
    ensure!(lab.guest(HELLO)? == before, "the guest is not the one that was there");
    Ok(())
}

fn lists(lab: &Lab) -> Result<()> {
    let list = lab.pvc(&["vm", "list"])?;
    ensure!(list.contains(HELLO) && list.contains("start"), "the table lacks something:\n{list}");
    for (words, expected) in [
        (&[][..], true),
        (&["hel"][..], true),
        (&["^nothing$"][..], false),
        (&["-s", "start"][..], true),
        (&["-s", "stop"][..], false),
        (&["-s", "stop", "-n"][..], true),
        (&["-t", &lab.up.node.name][..], true),
    ] {
        let names = lab.names(words)?;
        ensure!(names.contains(&HELLO.to_owned()) == expected, "with {words:?} the list is {names:?}");
    }
    Ok(())
}

fn tells(lab: &Lab) -> Result<()> {
    let info = lab.pvc_json(&["vm", "info", HELLO])?;
    let vm = if info.is_array() { &info[0] } else { &info };
    ensure!(vm["name"] == HELLO && vm["state"] == "start", "it tells {vm}");
    ensure!(vm["node"] == lab.up.node.name.as_str(), "its node is {}", vm["node"]);
    let dump = lab.pvc(&["vm", "dump", HELLO])?;
    ensure!(
        dump.contains("<domain") && dump.contains(&format!("<name>{HELLO}</name>")),
        "the dump is {dump}"
    );
    Ok(())
}

fn console(lab: &Lab) -> Result<()> {
    let said = lab.pvc(&["vm", "log", "-l", "20", HELLO])?;
    ensure!(said.contains(&format!("hello {} ", lab.up.nonce)), "the console says {said}");
    let answer = lab.api("GET", &format!("/api/v1/vm/{HELLO}/console?lines=2"), "")?;
    let json = answer.json()?;
    let data = json["data"].as_str().context("the console has data")?;
    ensure!(answer.status == 200 && data.lines().count() <= 3, "two lines were asked for: {data}");
    up::hello::counts(&lab.up.node, lab.up.profile, &lab.up.nonce).map(drop)
}

fn node_and_cluster(lab: &Lab) -> Result<()> {
    let nodes = lab.pvc(&["node", "list"])?;
    ensure!(nodes.contains(&lab.up.node.name), "the nodes are {nodes}");
    // The role is taken in phases, and the guest may be there before.
    wait_for("the node to be primary", PATIENCE, || {
        let node = lab.pvc_json(&["node", "info", &lab.up.node.name])?;
        let node = if node.is_array() { &node[0] } else { &node };
        let states = (&node["daemon_state"], &node["coordinator_state"]);
        ensure!(*states.0 == "run" && *states.1 == "primary", "the node is {node}");
        Ok(())
    })?;
    ensure!(
        lab.pvc(&["node", "log", "-l", "50", &lab.up.node.name])?.lines().count() > 1,
        "the node's log is empty"
    );
    let status = lab.pvc_json(&["cluster", "status"])?;
    ensure!(status["maintenance"] == "false", "the cluster is {status}");
    for (word, expected) in [("on", "true"), ("off", "false")] {
        lab.pvc(&["cluster", "maintenance", word])?;
        let maintenance = lab.pvc_json(&["cluster", "status"])?["maintenance"].clone();
        ensure!(maintenance == expected, "maintenance {word} led to {maintenance}");
    }
    Ok(())
}

fn documentation(lab: &Lab) -> Result<()> {
    let page = lab.api("GET", "/api/v1/doc/", "")?;
    ensure!(page.status == 200 && page.body.contains("<html"), "the page: {} {}", page.status, page.body);
    let document = lab.api("GET", "/api/v1/openapi.json", "")?;
    let document = document.json()?;
    ensure!(
        document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")),
        "it is {}",
        document["openapi"]
    );
    ensure!(document["paths"].as_object().is_some_and(|paths| paths.len() > 10), "it has few paths");
    Ok(())
}

fn old_clients(lab: &Lab) -> Result<()> {
    let text = std::fs::read_to_string(lab.up.node.path("/etc/pvc/pvc.conf"))?;
    let (address, port) = daemons::API_INSIDE.split_once(':').context("an address has a port")?;
    for part in [address, port, lab.up.token.as_str()] {
        ensure!(text.contains(part), "it lacks {part}");
    }
    Ok(())
}

fn define(lab: &Lab) -> Result<()> {
    let file = lab.file("second.xml", &lab.document("second", UUID, NONCE)?)?;
    lab.pvc(&["vm", "define", "-g", "mine", "-G", "kept", &file])?;
    ensure!(lab.state("second")? == "stop", "its state is {}", lab.state("second")?);
    ensure!(lab.names(&[])? == [HELLO, "second"], "the list is {:?}", lab.names(&[])?);
    ensure!(
        lab.names(&["-g", "mine"])? == ["second"],
        "by tag the list is {:?}",
        lab.names(&["-g", "mine"])?
    );
    ensure!(lab.guest("second").is_err(), "it runs already");
    Ok(())
}

fn tags(lab: &Lab) -> Result<()> {
    lab.pvc(&["vm", "tag", "add", "second", "blue"])?;
    let tags = lab.pvc(&["vm", "tag", "get", "-f", "raw", "second"])?;
    ensure!(["blue", "mine", "kept"].iter().all(|tag| tags.contains(tag)), "the tags are {tags}");
    ensure!(lab.names(&["-g", "blue"])? == ["second"], "the list by tag is wrong");
    ensure!(lab.names(&["-g", "blue", "-n"])? == [HELLO], "the list by tag, negated, is wrong");
    lab.pvc(&["vm", "tag", "remove", "second", "blue"])?;
    ensure!(lab.names(&["-g", "blue"])?.is_empty(), "the tag is still there");
    lab.pvc_refuses(&["vm", "tag", "remove", "second", "kept"], 1, "kept")
}

fn meta(lab: &Lab) -> Result<()> {
    lab.pvc(&["vm", "meta", "second", "--autostart", "-m", "live", "-s", "mem"])?;
    let meta = lab.api("GET", "/api/v1/vm/second/meta", "")?.json()?;
    let expected =
        serde_json::json!({"node_autostart": true, "migration_method": "live", "node_selector": "mem"});
    for (key, value) in expected.as_object().context("an object")? {
        let same =
            &meta[key] == value || meta[key].as_str().map(str::to_lowercase) == Some(value.to_string());
        ensure!(same, "{key} is {}", meta[key]);
    }
    lab.pvc(&["vm", "meta", "second", "--no-autostart"])?;
    let method = lab.api("GET", "/api/v1/vm/second/meta", "")?.json()?["migration_method"].clone();
    ensure!(method == "live", "what was not named was changed: the method is {method}");
    Ok(())
}

fn modify(lab: &Lab) -> Result<()> {
    let document = lab.document("second", UUID, NONCE)?.replace("'MiB'>128<", "'MiB'>160<");
    let file = lab.file("second.xml", &document)?;
    let shown = lab.pvc(&["vm", "modify", "-y", "second", &file])?;
    ensure!(shown.contains("160"), "the difference is not shown: {shown}");
    let dump = lab.pvc(&["vm", "dump", "second"])?;
    ensure!(dump.contains(">160<"), "the document is {dump}");
    ensure!(lab.vm("second")?["memory"] == 160, "the memory is {}", lab.vm("second")?["memory"]);
    Ok(())
}

fn start(lab: &Lab) -> Result<()> {
    lab.pvc(&["vm", "start", "second"])?;
    lab.wait_for_state("second", "start")?;
    lab.wait_for_guest("second")?;
    lab.wait_for_counting("second", NONCE)
}

fn shutdown(lab: &Lab) -> Result<()> {
    lab.pvc(&["vm", "shutdown", "-y", "-w", "second"])?;
    ensure!(lab.state("second")? == "stop", "its state is {}", lab.state("second")?);
    lab.wait_for_no_guest("second")?;
    lab.wait_for_console("second", BUTTON, 0)
}

fn restart(lab: &Lab) -> Result<()> {
    start(lab)?;
    let told = |what: &str| lab.console("second").matches(what).count();
    let (before, up, pressed) = (lab.guest("second")?, told("second is up"), told(BUTTON));
    lab.pvc(&["vm", "restart", "-y", "second"])?;
    lab.wait_for_console("second", "second is up", up)?;
    lab.wait_for_state("second", "start")?;
    ensure!(lab.guest("second")? != before, "it is the same process");
    // More than once where the guest took longer than the button waits before it is pressed again.
    ensure!(told(BUTTON) > pressed, "it was not shut down");
    lab.wait_for_counting("second", NONCE)
}

fn stop(lab: &Lab) -> Result<()> {
    lab.pvc(&["vm", "stop", "-y", "second"])?;
    lab.wait_for_state("second", "stop")?;
    lab.wait_for_no_guest("second")
}

fn rename(lab: &Lab) -> Result<()> {
    // The node's word that the guest is down may take a moment after the guest itself.
    wait_for("the rename", PATIENCE, || lab.pvc(&["vm", "rename", "-y", "second", "third"]))?;
    ensure!(lab.names(&[])? == [HELLO, "third"], "the list is {:?}", lab.names(&[])?);
    lab.pvc_refuses(&["vm", "info", "second"], 1, "second")?;
    lab.pvc(&["vm", "start", "third"])?;
    lab.wait_for_guest("third")?;
    lab.wait_for_state("third", "start")
}

fn disable(lab: &Lab) -> Result<()> {
    lab.pvc_refuses(&["vm", "rename", "-y", "third", "fourth"], 1, "third")?;
    lab.pvc(&["vm", "disable", "--force", "-y", "third"])?;
    lab.wait_for_state("third", "disable")?;
    lab.wait_for_no_guest("third")
}

fn remove(lab: &Lab) -> Result<()> {
    lab.pvc(&["vm", "remove", "-y", "third"])?;
    wait_for("third to be gone from the list", PATIENCE, || {
        ensure!(lab.names(&[])? == [HELLO], "the list is {:?}", lab.names(&[])?);
        Ok(())
    })?;
    wait_for("libvirt to know it no more", PATIENCE, || {
        ensure!(!lab.virsh(&["list", "--all", "--name"])?.contains("third"), "libvirt still knows it");
        Ok(())
    })?;
    let answer = lab.api("GET", "/api/v1/vm/third", "")?;
    ensure!(answer.status == 404 && answer.json()?["message"] != Value::Null, "the API answers {answer:?}");
    Ok(())
}
