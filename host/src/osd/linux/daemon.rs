//! The daemon of an OSD: run by systemd where that runs the machine, and by itself elsewhere.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::note::{Layout, Note};
use super::{LIMIT, Linux};
use crate::osd::Error;

/// How long an OSD that is asked to end may take; it writes down what it knows.
const END_LIMIT: Duration = Duration::from_secs(30);

/// How long it may take to be gone when it is killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Whether the command line in `/proc` is that of the OSD of this number.
fn is_osd(command_line: &[u8], id: &str) -> bool {
    let words: Vec<&[u8]> = command_line.split(|byte| *byte == 0).collect();
    let program = words.first().and_then(|word| word.rsplit(|byte| *byte == b'/').next());
    let is_named = |pair: &[&[u8]]| matches!(pair[0], b"--id" | b"-i") && pair[1] == id.as_bytes();
    program == Some(b"ceph-osd") && words.windows(2).any(is_named)
}

impl Linux {
    fn unit(note: &Note) -> String {
        format!("ceph-osd@{}", note.id)
    }

    /// The process of an OSD that runs without systemd.
    fn process(&self, note: &Note) -> Option<Pid> {
        let path = self.places.run.join(format!("osd.{}.pid", note.id));
        let pid: i32 = fs::read_to_string(path).ok()?.trim().parse().ok()?;
        // A number that another process has got by now is none of ours.
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        is_osd(&line, &note.id.to_string()).then_some(Pid::from_raw(pid))
    }

    /// Whether an OSD runs.
    pub(super) fn runs(&self, note: &Note) -> Result<bool, Error> {
        if !self.abilities.has_systemd {
            return Ok(self.process(note).is_some());
        }
        let done = self.programs.run("systemctl", &["is-active", "--quiet", &Self::unit(note)], LIMIT);
        Ok(done.map_err(|error| Error::failed("ask systemd", error))?.code == Some(0))
    }

    pub(super) fn start_noted(&self, note: &Note) -> Result<(), Error> {
        if note.layout == Layout::Lvm {
            self.activate(note)?;
        }
        let what = format!("start osd.{}", note.id);
        if self.abilities.has_systemd {
            return match note.layout {
                Layout::Lvm => Ok(()),
                Layout::Raw => {
                    self.told(&what, "systemctl", &["enable", "--now", &Self::unit(note)]).map(drop)
                }
            };
        }
        if self.process(note).is_some() {
            return Ok(());
        }
        if note.layout == Layout::Raw {
            self.find(note)?;
        }
        fs::create_dir_all(&self.places.run).map_err(|error| Error::failed(&what, error))?;
        let pid_file = self.places.run.join(format!("osd.{}.pid", note.id)).display().to_string();
        let (config, store) =
            (self.places.config.display().to_string(), self.store(note.id).display().to_string());
        let id = note.id.to_string();
        let keyring = format!("{store}/keyring");
        let mut words = vec!["--conf", &config, "--id", &id, "--osd-data", &store, "--pid-file", &pid_file];
        words.extend(["--keyring", &keyring]);
        self.told(&what, "ceph-osd", &words).map(drop)
    }

    pub(super) fn stop_noted(&self, note: &Note) -> Result<(), Error> {
        let what = format!("stop osd.{}", note.id);
        if self.abilities.has_systemd {
            if note.layout == Layout::Lvm {
                let unit = format!("ceph-volume@lvm-{}-{}", note.id, note.uuid);
                self.told(&what, "systemctl", &["disable", &unit])?;
            }
            return self.told(&what, "systemctl", &["disable", "--now", &Self::unit(note)]).map(drop);
        }
        for (signal, limit) in [(Signal::SIGTERM, END_LIMIT), (Signal::SIGKILL, KILL_LIMIT)] {
            let Some(process) = self.process(note) else { return Ok(()) };
            // One that is stopped would never hear of it.
            let _gone = kill(process, Signal::SIGCONT);
            let _gone = kill(process, signal);
            let until = Instant::now() + limit;
            while self.process(note).is_some() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        match self.process(note) {
            None => Ok(()),
            Some(process) => Err(Error::failed(what, format!("its process {process} does not end"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_osd;

    #[test]
    fn only_the_osd_of_that_number_is_taken_for_it() {
        let line = |words: &[&str]| words.join("\0").into_bytes();
        assert!(is_osd(&line(&["/usr/bin/ceph-osd", "-f", "--id", "3"]), "3"));
        assert!(is_osd(&line(&["ceph-osd", "-i", "3", "--conf", "x"]), "3"));
        assert!(!is_osd(&line(&["ceph-osd", "-i", "31"]), "3"));
        assert!(!is_osd(&line(&["vi", "ceph-osd", "-i", "3"]), "3"));
        assert!(!is_osd(b"", "3"), "one that has ended has no words");
    }
}
