//! A process by its id and start time, so that a recycled id is never mistaken for it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::command::wait_for;

/// One process of this machine, running or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// When it started, in clock ticks since this machine did.
    pub started_ticks: u64,
}

impl Process {
    /// The process that has this id now.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(pid: i32) -> Result<Self> {
        let (_, started_ticks) = state(pid).with_context(|| format!("there is no process {pid}"))?;
        Ok(Self { pid, started_ticks })
    }

    /// This one.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn current() -> Result<Self> {
        Self::of(nix::unistd::getpid().as_raw())
    }

    /// Whether it still runs. One that has ended and was not yet collected by its parent does not.
    pub fn is_alive(&self) -> bool {
        state(self.pid).is_some_and(|(letter, started)| started == self.started_ticks && letter != 'Z')
    }

    /// Sends a signal, if it still runs.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.is_alive() {
            kill(Pid::from_raw(self.pid), signal)
                .with_context(|| format!("cannot signal process {}", self.pid))?;
        }
        Ok(())
    }

    /// Ends it at once and waits until it is gone.
    ///
    /// # Errors
    /// When it is still there after a minute: one that waits for a disk ends when that has answered.
    pub fn end(&self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        wait_for("a killed process to be gone", Duration::from_secs(60), || match self.is_alive() {
            true => bail!("process {} is still there", self.pid),
            false => Ok(()),
        })
    }

    /// The processor time it has used, in the kernel's ticks of a hundredth of a second.
    ///
    /// # Errors
    /// When it is gone.
    pub fn processor_ticks(&self) -> Result<f64> {
        self.ticks([11, 12])
    }

    /// The same of those of its children, and of theirs, that have ended and were collected.
    ///
    /// # Errors
    /// When it is gone.
    pub fn children_ticks(&self) -> Result<f64> {
        self.ticks([13, 14])
    }

    /// The sum of two of the words that the kernel tells of it behind its name.
    fn ticks(&self, words: [usize; 2]) -> Result<f64> {
        let [user, system] = words;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let (_, rest) = stat.rsplit_once(") ").context("its state is not understood")?;
        let words: Vec<&str> = rest.split(' ').collect();
        let [user, system] =
            [words.get(user), words.get(system)].map(|word| word.and_then(|word| word.parse().ok()));
        Ok(user.unwrap_or(0.0) + system.unwrap_or(0.0))
    }

    /// Its resident memory, apart by what it is.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory(&self) -> Result<Memory> {
        let maps = fs::read_to_string(format!("/proc/{}/smaps", self.pid))?;
        Ok(Memory::parse(&maps))
    }

    /// Its resident memory in KiB.
    ///
    /// # Errors
    /// When it is gone.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("it has no memory")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
    }
}

/// What a process has in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What is its own, in KiB.
    pub own_kib: u64,
    /// What it has of files, programs and libraries, by path, in KiB. Others that have the same share it.
    pub files_kib: BTreeMap<String, u64>,
}

impl Memory {
    /// Reads the kernel's list of a process's mappings.
    fn parse(maps: &str) -> Self {
        let mut memory = Self::default();
        let (mut path, mut resident) = (String::new(), 0);
        for line in maps.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let kib = || words.get(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or_default();
            match words.first().copied() {
                Some("Rss:") => resident = kib(),
                Some("Anonymous:") => {
                    memory.own_kib += kib();
                    *memory.files_kib.entry(path.clone()).or_default() += resident.saturating_sub(kib());
                }
                // The head of a mapping: its addresses, and the path behind five other words.
                Some(first) if !first.ends_with(':') => path = words.get(5..).unwrap_or_default().join(" "),
                _ => {}
            }
        }
        memory.files_kib.retain(|_, kib| *kib > 0);
        memory
    }

    /// What several processes have together in KiB, with what they share counted once. Of a file of which each has a
    /// part, the greatest part is counted.
    pub fn together_kib(all: &[Self]) -> u64 {
        let mut files: BTreeMap<&str, u64> = BTreeMap::new();
        for (path, kib) in all.iter().flat_map(|memory| &memory.files_kib) {
            let most = files.entry(path).or_default();
            *most = (*most).max(*kib);
        }
        all.iter().map(|memory| memory.own_kib).sum::<u64>() + files.values().sum::<u64>()
    }
}

/// All processes below this one.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn descendants(pid: i32) -> Result<Vec<Process>> {
    let mut found = Vec::new();
    let mut open = vec![pid];
    while let Some(parent) = open.pop() {
        for entry in fs::read_dir("/proc")? {
            let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            if parent_of(child) == Some(parent) {
                found.extend(Process::of(child).ok());
                open.push(child);
            }
        }
    }
    Ok(found)
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// The state letter and the start time of a process.
fn state(pid: i32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold blanks and parentheses itself.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    let letter = words.next()?.chars().next()?;
    Some((letter, words.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests;
