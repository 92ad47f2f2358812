//! The numbered log that the small guest keeps on a volume: read from outside of the guest, and held to what it told.
//!
//! The number n is in the block n, with the boot that wrote it. So what is lost leaves a gap, and what two write at once
//! shows boots that take turns. A number that one boot repeats would be told twice on the consoles.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::output;
use crate::rack::Rack;

/// How long a block of the log is, in bytes.
const BLOCK: usize = 512;

/// How many numbers may be on the disk and not on a console yet, which is emulated character by character.
pub const UNTOLD_MAX: u64 = 3;

/// A log that is whole: each number from one to the last is in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberedLog {
    /// The last number; zero where nothing was written.
    pub last: u64,
    /// The boots of the guest, in their order, each with the numbers that it wrote.
    pub boots: Vec<(String, RangeInclusive<u64>)>,
}

impl NumberedLog {
    /// The log on a disk of this content.
    ///
    /// # Errors
    /// The first number that is missing, or what is there in its place; a boot that wrote after the next one had begun.
    pub fn parse(vm: &str, content: &[u8]) -> Result<Self> {
        let is_empty = |block: &[u8]| block.iter().all(|byte| *byte == 0);
        let mut log = Self::default();
        let mut blocks = content.chunks(BLOCK).zip(0_u64..);
        let (first, _) = blocks.next().context("the disk has no block")?;
        ensure!(is_empty(first), "block 0 holds \"{}\"", text(first));
        for (block, number) in blocks.by_ref().take_while(|(block, _)| !is_empty(block)) {
            let said = text(block);
            let boot = said.strip_prefix(&format!("{vm} {number} "));
            log.add(number, boot.with_context(|| format!("block {number} holds \"{said}\""))?)?;
        }
        if let Some((block, number)) = blocks.find(|(block, _)| !is_empty(block)) {
            bail!("number {} is missing, and block {number} holds \"{}\"", log.last + 1, text(block));
        }
        Ok(log)
    }

    fn add(&mut self, number: u64, boot: &str) -> Result<()> {
        match self.boots.last_mut() {
            Some((last, numbers)) if last == boot => *numbers = *numbers.start()..=number,
            _ => {
                let is_early = self.boots.iter().any(|(early, _)| early == boot);
                ensure!(!is_early, "number {number} is of boot {boot}, and a later one had begun: two wrote");
                self.boots.push((boot.into(), number..=number));
            }
        }
        self.last = number;
        Ok(())
    }
}

impl std::fmt::Display for NumberedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let boots = self.boots.iter().map(|(boot, numbers)| {
            let short = boot.get(..8).unwrap_or(boot);
            format!("{} to {} by boot {short}", numbers.start(), numbers.end())
        });
        let boots = boots.collect::<Vec<_>>().join(", ");
        write!(f, "{} numbers, none missing and none twice: {boots}", self.last)
    }
}

fn text(block: &[u8]) -> String {
    String::from_utf8_lossy(block).trim_matches(['\0', '\n', ' ']).to_owned()
}

/// The numbers that a guest told, on each console in the order of telling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told(Vec<Vec<u64>>);

impl Told {
    /// What is told on these consoles, in whole lines: one that a move or an end has cut tells no number.
    pub fn parse<'a>(vm: &str, consoles: impl IntoIterator<Item = &'a str>) -> Self {
        let mark = format!("hello {vm} ");
        let numbers = |console: &'a str| {
            let whole = console.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            whole.filter_map(|line| line.trim_end_matches('\r').strip_prefix(&mark)?.parse().ok()).collect()
        };
        Self(consoles.into_iter().map(numbers).collect())
    }

    /// What was told since an earlier look at the same consoles.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let none = Vec::new();
        let before = earlier.0.iter().chain(std::iter::repeat(&none));
        Self(self.0.iter().zip(before).map(|(now, before)| now[before.len()..].to_vec()).collect())
    }

    /// The highest number; zero where none was told.
    pub fn highest(&self) -> u64 {
        self.0.iter().flatten().copied().max().unwrap_or_default()
    }

    /// Holds what was told to the log. The guest tells a number when it is on its disk, and so the log may have some more.
    ///
    /// # Errors
    /// A number that was told twice, or was not after `begin`; one that was told and is not in the log; numbers in the log
    /// that were never told.
    pub fn agrees(&self, log: &NumberedLog, begin: u64) -> Result<()> {
        let mut once = BTreeSet::new();
        for number in self.0.iter().flatten() {
            ensure!(*number > begin, "{number} was told, and the log had gone to {begin} already");
            ensure!(once.insert(*number), "{number} was told twice");
        }
        let highest = self.highest();
        ensure!(highest <= log.last, "{highest} was told, and the log ends with {}", log.last);
        ensure!(
            log.last - highest <= UNTOLD_MAX,
            "the log goes to {}, and {highest} was told last",
            log.last
        );
        // Each boot and each move may cut one line in two.
        let silent = (begin + 1..=highest).filter(|number| !once.contains(number)).count();
        ensure!(silent <= 12, "{silent} numbers of the log were never told");
        Ok(())
    }
}

impl Rack {
    /// What an image in Ceph holds, or a snapshot of one, as Ceph's own program reads it.
    ///
    /// # Errors
    /// What it says when it fails.
    pub fn content(&self, image: &str) -> Result<Vec<u8>> {
        let file = self.folder.join("content.img");
        let path = file.to_str().context("the path is no text")?;
        let _none = fs::remove_file(&file);
        let number = self.numbers().find(|number| self.machine(*number).is_some());
        let node = self.node(number.context("all machines are off")?)?;
        output(node.inside("rbd").args(["export", "--no-progress", image, path]))?;
        let content = fs::read(&file)?;
        fs::remove_file(file)?;
        Ok(content)
    }

    /// A guest's numbered log on an image.
    ///
    /// # Errors
    /// As [`Rack::content`] and [`NumberedLog::parse`].
    pub fn numbered_log(&self, vm: &str, image: &str) -> Result<NumberedLog> {
        NumberedLog::parse(vm, &self.content(image)?).with_context(|| format!("the log on {image}"))
    }

    /// The numbers that a guest has told on all nodes.
    pub fn told_numbers(&self, vm: &str) -> Told {
        let consoles: Vec<String> = self.numbers().map(|number| self.console(vm, number)).collect();
        Told::parse(vm, consoles.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests;
