//! The small guests of a lab: defined through the command line, and looked at from outside of PVC.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::command::{tail, wait_for};
use crate::lab::guest::Guest;
use crate::lab::process::Process;
use crate::rack::{Rack, name};
use crate::tree;

/// How long a guest may take to boot or a daemon to notice; emulated guests on a busy machine are slow.
pub const PATIENCE: Duration = Duration::from_secs(240);

impl Rack {
    /// Defines a VM with the small guest on a node, with what else the command line may be told, and starts it. The guest
    /// counts aloud its VM's name.
    ///
    /// # Errors
    /// What the command line says.
    pub fn start_guest(&self, vm: &str, uuid: &str, number: u8, more: &[&str]) -> Result<()> {
        let guest = Guest::ensure(&tree::target().join("guest"))?;
        self.start_document(vm, &guest.domain_xml(vm, uuid, vm), number, more)
    }

    /// The same with a document of one's own.
    ///
    /// # Errors
    /// What the command line says.
    pub fn start_document(&self, vm: &str, document: &str, number: u8, more: &[&str]) -> Result<()> {
        self.define_document(vm, document, number, more)?;
        self.pvc(1, &["vm", "start", vm]).map(drop)
    }

    /// Defines a VM with a document of one's own, and does not start it.
    ///
    /// # Errors
    /// What the command line says.
    pub fn define_document(&self, vm: &str, document: &str, number: u8, more: &[&str]) -> Result<()> {
        let file = self.folder.join(format!("{vm}.xml"));
        fs::write(&file, document)?;
        let file = file.to_str().context("the path is no text")?;
        self.pvc(1, &[&["vm", "define", "-t", &name(number), file], more].concat()).map(drop)
    }

    /// The QEMU process of a VM's guest on a node.
    ///
    /// # Errors
    /// When none runs there.
    pub fn guest(&self, vm: &str, number: u8) -> Result<Process> {
        let mark = format!("guest={vm},");
        for process in self.node(number)?.processes()? {
            let words = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).into_owned();
            if words.contains("qemu-system") && words.contains(&mark) {
                return Ok(process);
            }
        }
        bail!("no QEMU runs {vm} on {}", name(number))
    }

    /// On which nodes a QEMU for the VM is. One that waits for a guest to come over is one too.
    pub fn whereabouts(&self, vm: &str) -> Vec<u8> {
        self.numbers().filter(|number| self.guest(vm, *number).is_ok()).collect()
    }

    /// The whole console of a guest, as one node keeps it, on or off.
    pub fn console(&self, vm: &str, number: u8) -> String {
        let path = self.place(number).join(format!("var-log/libvirt/qemu/{vm}-console.log"));
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// The last number that a guest told on a node; 0 when it told none.
    pub fn count(&self, vm: &str, number: u8) -> u64 {
        last_told(vm, &self.console(vm, number))
    }

    /// Waits until a guest counts on, on that node, from what it has told there so far.
    ///
    /// # Errors
    /// The end of its console, when it does not.
    pub fn counts_on(&self, vm: &str, number: u8) -> Result<()> {
        let before = self.console(vm, number).matches(&format!("hello {vm} ")).count();
        wait_for(&format!("{vm} to count on {}", name(number)), PATIENCE, || {
            let console = self.console(vm, number);
            let now = console.matches(&format!("hello {vm} ")).count();
            ensure!(now > before + 1, "its console ends with:\n{}", tail(&console, 5));
            Ok(())
        })
    }

    /// Everything that a node's API tells of a VM.
    ///
    /// # Errors
    /// When it does not know the VM.
    pub fn vm(&self, vm: &str, by: u8) -> Result<Value> {
        let told = self.told(by, &format!("/api/v1/vm/{vm}"))?;
        // The contract puts the one thing that was asked for into a list.
        Ok(told.get(0).cloned().unwrap_or(told))
    }

    /// Waits until the VM is in a state on a node, as another node's API tells it.
    ///
    /// # Errors
    /// What it is instead.
    pub fn vm_becomes(&self, vm: &str, (state, on): (&str, u8), by: u8) -> Result<()> {
        wait_for(&format!("{vm} to be in state {state} on {}", name(on)), PATIENCE, || {
            let told = self.vm(vm, by)?;
            let there = told["state"] == state && told["node"] == name(on).as_str();
            ensure!(there, "it is in state {} on {}; {}", told["state"], told["node"], told["failed_reason"]);
            Ok(())
        })
    }
}

/// The last number on a console, and 0 where there is none. One that goes on to the end is not yet told: a console is emulated
/// character by character, and one that is read between two of them ends with half a number.
fn last_told(vm: &str, console: &str) -> u64 {
    let greeting = format!("hello {vm} ");
    let told = console.split(greeting.as_str()).skip(1);
    let whole = told.filter_map(|rest| rest.split_once(|c: char| !c.is_ascii_digit())?.0.parse().ok());
    whole.last().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::last_told;

    #[test]
    fn half_a_number_at_the_end_of_a_console_is_not_told_yet() {
        let told = |console: &str| last_told("web1", console);
        assert_eq!(told("hello web1 1971\r\nhello web1 1972\r\n"), 1972);
        assert_eq!(told("hello web1 1971\r\nhello web1 197"), 1971);
        assert_eq!(told("hello web1 1971\r\nhello web1 "), 1971);
        assert_eq!(told("hello web1 1971 boot x\r\nhel"), 1971);
        assert_eq!(told("hello web1 19"), 0);
        assert_eq!(told("of another: hello web2 7\n"), 0);
        assert_eq!(told(""), 0);
    }
}
