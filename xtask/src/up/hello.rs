//! The VM `hello`, through the command line only: defined, started, and heard counting.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::command::{LAB_LIMIT, wait_for};
use crate::lab::daemons::{self, Profile};
use crate::lab::guest::Guest;
use crate::lab::node::Node;
use crate::lab::patience::{self, Outcome};
use crate::say;
use crate::up::HELLO;

/// How long a guest may take until it counts; emulated on a busy machine it is slow.
const COUNT_LIMIT: Duration = Duration::from_secs(180);

/// Defines and starts the VM, as far as it is not there yet.
///
/// # Errors
/// What the command line said.
pub fn ensure(node: &Node, profile: Profile, guest: &Guest, uuid: &str, nonce: &str) -> Result<String> {
    let pvc = |words: &[&str]| Ok(daemons::pvc(node, profile, words));
    let mut done = Vec::new();
    if state(node, profile)?.is_none() {
        let file = node.folder.join("hello.xml");
        fs::write(&file, guest.domain_xml(HELLO, uuid, nonce))?;
        let file = file.to_str().context("the path of the node is no text")?;
        patience::said(&["vm", "define", file], pvc)?;
        done.push("defined");
    }
    if state(node, profile)?.as_deref() != Some("start") {
        patience::said(&["vm", "start", HELLO], pvc)?;
        done.push("started");
    }
    wait_for("the VM to be started", LAB_LIMIT, || match state(node, profile)? {
        Some(state) if state == "start" => Ok(()),
        other => bail!("its state is {}", other.unwrap_or_else(|| "unknown".into())),
    })?;
    Ok(if done.is_empty() { "found running".into() } else { done.join(" and ") })
}

/// The state of the VM as the command line tells it; `None` when there is no such VM.
///
/// # Errors
/// When the command line cannot be asked or says something else than JSON.
pub fn state(node: &Node, profile: Profile) -> Result<Option<String>> {
    let words = ["vm", "list", "-f", "json"];
    let ended = patience::ended(Outcome::Done, &words, |words| Ok(daemons::pvc(node, profile, words)))?;
    if !ended.status.success() {
        // An empty list is an error in the contract of the API; the command line says so with code 1.
        let why = String::from_utf8_lossy(&ended.stderr).into_owned();
        ensure!(why.contains("There are no VMs yet"), "the VMs cannot be listed: {}", why.trim());
        return Ok(None);
    }
    let list = String::from_utf8_lossy(&ended.stdout).into_owned();
    let list: serde_json::Value = serde_json::from_str(&list).with_context(|| format!("no JSON: {list}"))?;
    let vms = list.as_array().context("the list of VMs is no list")?;
    let hello = vms.iter().find(|vm| vm["name"] == HELLO);
    Ok(hello.and_then(|vm| vm["state"].as_str()).map(str::to_owned))
}

/// Follows the console until the guest has counted on, with its own nonce, past what was there at first.
///
/// # Errors
/// When it has not within three minutes; the last lines of the console are part of the error.
pub fn counts(node: &Node, profile: Profile, nonce: &str) -> Result<String> {
    let begin = Instant::now();
    loop {
        // An API that has just started may not have found its node yet, and ends the stream.
        match heard(node, profile, nonce) {
            Err(error) if begin.elapsed() > COUNT_LIMIT => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
            heard => return heard,
        }
    }
}

/// Follows the console once, to its end or until the guest has counted on.
fn heard(node: &Node, profile: Profile, nonce: &str) -> Result<String> {
    let mut follow = daemons::pvc(node, profile, &["vm", "log", "-f", HELLO]);
    let mut follow = follow.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let lines = follow.stdout.take().context("the output was asked for")?;
    let (tell, hear) = mpsc::channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(lines).split(b'\n').map_while(Result::ok);
        let mut texts = lines.map(|line| String::from_utf8_lossy(&line).trim_end().to_owned());
        texts.find(|text| tell.send(text.clone()).is_err());
    });
    let outcome = listen(&hear, nonce);
    follow.kill()?;
    follow.wait()?;
    outcome
}

fn listen(hear: &mpsc::Receiver<String>, nonce: &str) -> Result<String> {
    let begin = Instant::now();
    let (mut first, mut heard) = (None, Vec::new());
    while let Ok(line) = hear.recv_timeout(COUNT_LIMIT.saturating_sub(begin.elapsed())) {
        if let Some(count) = counted(&line, nonce) {
            say::line(format!("      {line}"));
            let from = *first.get_or_insert(count);
            // Two more than the first one that was heard, so that what was there before cannot be all.
            if count >= from + 2 && begin.elapsed() > Duration::from_secs(1) {
                return Ok(format!("the guest counted from {from} to {count}"));
            }
        }
        heard.push(line);
    }
    let last = heard.iter().rev().take(10).rev().cloned().collect::<Vec<_>>().join("\n");
    bail!("the guest did not count aloud with the nonce {nonce}; the console said last:\n{last}")
}

/// The number in a line such as `hello 1a2b3c4d 7`.
fn counted(line: &str, nonce: &str) -> Option<u64> {
    let mut words = line.split_whitespace().skip_while(|word| *word != "hello").skip(1);
    let number = (words.next()? == nonce).then(|| words.next())?;
    number?.parse().ok()
}

#[cfg(test)]
mod tests;
