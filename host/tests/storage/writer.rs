//! Somebody who writes to a volume past PVC, as a guest would: QEMU's own block layer, driven by hand.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::{Writer, wait};

/// How long a write may take: longer than it takes to notice that a storage is gone.
const LIMIT: Duration = Duration::from_secs(120);

/// What `qemu-io` writes before it waits for words.
const PROMPT: &str = "qemu-io> ";

/// A `qemu-io` that has a volume open.
pub(crate) struct QemuIo {
    child: Child,
    words: ChildStdin,
    said: Receiver<u8>,
}

impl QemuIo {
    /// Opens this file, as QEMU names it; the first words may lead into a network.
    #[expect(clippy::disallowed_methods, reason = "it is driven while it runs, and ends with this test")]
    pub(crate) fn open(entry: &[String], format: &str, file: &str) -> Self {
        let mut line: Vec<&str> = entry.iter().map(String::as_str).collect();
        line.extend(["setpriv", "--pdeathsig", "KILL", "--", "qemu-io", "-f", format, file]);
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("qemu-io of the Debian package qemu-utils can be started");
        let (words, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (says, said) = channel();
        std::thread::spawn(move || {
            let mut byte = [0];
            while output.read(&mut byte).is_ok_and(|count| count == 1) && says.send(byte[0]).is_ok() {}
        });
        let mut writer = Self { child, words, said };
        // One that cannot open it ends; the first write tells.
        let _ = writer.until_prompt();
        writer
    }

    fn until_prompt(&mut self) -> Result<String, String> {
        let mut text = String::new();
        while !text.ends_with(PROMPT) {
            match self.said.recv_timeout(LIMIT) {
                Ok(byte) => text.push(char::from(byte)),
                Err(error) => return Err(format!("{error} after {text:?}")),
            }
        }
        Ok(text)
    }

    /// What was started becomes `qemu-io` by and by, and stays one process.
    fn process(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    fn say(&mut self, words: &str) -> Result<String, String> {
        self.words.write_all(words.as_bytes()).map_err(|error| error.to_string())?;
        self.until_prompt()
    }
}

impl Writer for QemuIo {
    fn write(&mut self, offset: u64, byte: u8) -> Result<(), String> {
        let wrote = self.say(&format!("write -P {byte} {offset} 4096\n"))?;
        let flushed = self.say("flush\n")?;
        match wrote.contains("wrote 4096/4096") && !flushed.contains("failed") {
            true => Ok(()),
            false => Err(format!("{wrote} {flushed}")),
        }
    }

    fn hold(&mut self) {
        kill(self.process(), Signal::SIGSTOP).unwrap();
        let stat = format!("/proc/{}/stat", self.process());
        // Its state is the first word behind its name, which stands in brackets.
        wait("it stands still", || {
            let text = std::fs::read_to_string(&stat).unwrap();
            text.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
        });
    }

    fn go_on(&mut self) {
        kill(self.process(), Signal::SIGCONT).unwrap();
    }

    fn die(mut self: Box<Self>) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for QemuIo {
    fn drop(&mut self) {
        if self.say_goodbye().is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl QemuIo {
    /// Closes the volume properly, within a while.
    fn say_goodbye(&mut self) -> Result<(), String> {
        self.words.write_all(b"quit\n").map_err(|error| error.to_string())?;
        let until = std::time::Instant::now() + Duration::from_secs(30);
        while std::time::Instant::now() < until {
            match self.child.try_wait() {
                Ok(Some(_)) => return Ok(()),
                _ => std::thread::park_timeout(Duration::from_millis(10)),
            }
        }
        Err("it does not end".into())
    }
}
