//! Another process of the program that is running, to whom one can write lines, and which answers in lines.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The process; ended with the value.
pub(crate) struct Other {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Other {
    /// Starts this program again with other words on its command line.
    #[expect(clippy::disallowed_methods, reason = "several real processes are what this is about")]
    pub(crate) fn start(words: &[&str], environment: &[(&str, &str)]) -> Self {
        let this = std::env::current_exe().expect("a program knows its own file");
        let mut command = Command::new(this);
        command.args(words).envs(environment.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it runs already");
        let said = BufReader::new(process.stdout.take().expect("its output is piped")).lines();
        Self { process, said }
    }

    /// The next line it says.
    pub(crate) fn next(&mut self) -> String {
        self.said.next().expect("the other process goes on").expect("it writes text")
    }

    /// Says one line to it.
    pub(crate) fn tell(&mut self) {
        writeln!(self.process.stdin.as_mut().expect("its input is piped"))
            .expect("the other process goes on");
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
