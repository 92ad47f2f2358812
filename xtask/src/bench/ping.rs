//! A client that pings an address all the time, and what it lost.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command::wait_for;
use crate::rack::Rack;
use crate::rack::guests::PATIENCE;

/// A `ping` that runs on the switch.
#[derive(Debug)]
pub struct Pinger {
    child: Child,
    log: PathBuf,
    every_ms: u32,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Pings {
    /// How many were sent.
    pub sent: u64,
    /// How many of them were never answered.
    pub lost: u64,
    /// The longest time without an answer, in milliseconds.
    pub gap_ms: f64,
}

impl Pinger {
    /// Pings an address so often, and waits until twenty answers have come.
    ///
    /// # Errors
    /// When they do not within four minutes.
    pub fn start(rack: &Rack, address: Ipv4Addr, every_ms: u32) -> Result<Self> {
        let log = rack.folder.join("ping.log");
        let file = File::create(&log)?;
        let mut command = rack.switch()?.node.on_network("ping");
        let every = format!("{}.{:03}", every_ms / 1000, every_ms % 1000);
        command.args(["-n", "-D", "-i", &every, &address.to_string()]);
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
        let pinger = Self { child, log, every_ms };
        wait_for(&format!("{address} to answer"), PATIENCE, || {
            let answers = answers(&pinger.said()).len();
            ensure!(answers >= 20, "it gave {answers} answers so far");
            Ok(())
        })?;
        Ok(pinger)
    }

    /// Waits until so many answers more have come.
    ///
    /// # Errors
    /// When they do not within four minutes.
    pub fn hear(&self, more: usize) -> Result<()> {
        let before = answers(&self.said()).len();
        wait_for("answers to pings", PATIENCE, || {
            ensure!(answers(&self.said()).len() >= before + more, "none came");
            Ok(())
        })
    }

    /// Ends it, and counts.
    ///
    /// # Errors
    /// When it says something that is not understood.
    pub fn finish(mut self) -> Result<Pings> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        self.child.wait()?;
        counted(&self.said(), self.every_ms)
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Pinger {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The number and the moment of each answer.
fn answers(said: &str) -> Vec<(u64, f64)> {
    let answer = |line: &str| {
        let (moment, rest) = line.strip_prefix('[')?.split_once("] ")?;
        let (_, number) = rest.split_once("bytes from ")?.1.split_once("icmp_seq=")?;
        Some((number.split(' ').next()?.parse().ok()?, moment.parse().ok()?))
    };
    said.lines().filter_map(answer).collect()
}

fn counted(said: &str, every_ms: u32) -> Result<Pings> {
    let summary = said.lines().find(|line| line.contains(" packets transmitted")).context("no summary")?;
    let sent: u64 = summary.split(' ').next().unwrap_or_default().parse()?;
    // The last one may be on its way.
    let sent = sent.saturating_sub(1);
    let mut answers = answers(said);
    answers.retain(|(number, _)| *number <= sent);
    answers.sort_by_key(|(number, _)| *number);
    answers.dedup_by_key(|(number, _)| *number);
    let moments: Vec<f64> = answers.iter().map(|(_, moment)| *moment).collect();
    let longest = moments.windows(2).map(|pair| (pair[1] - pair[0]) * 1000.0).fold(0.0, f64::max);
    let lost = sent - answers.len() as u64;
    // What is usual between two answers is no gap.
    Ok(Pings { sent, lost, gap_ms: (longest - f64::from(every_ms)).max(0.0) })
}

#[cfg(test)]
mod tests;
