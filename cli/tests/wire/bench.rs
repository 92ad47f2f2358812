//! A bench to run the command on: a home of its own with one connection, and nothing of the surrounding environment.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A home with the connection `test`.
#[derive(Debug)]
pub(crate) struct Bench {
    home: TempDir,
}

impl Bench {
    /// A home whose connection leads there.
    pub(crate) fn to(address: SocketAddr) -> Self {
        let bench = Self::empty();
        let entry = format!(
            "{{\"test\": {{\"description\": \"N/A\", \"host\": \"{}\", \"port\": {}, \"scheme\": \"http\", \
             \"api_key\": \"secret\"}}}}",
            address.ip(),
            address.port()
        );
        fs::write(bench.path().join("pvc.json"), entry).unwrap();
        bench
    }

    /// A home without connections.
    pub(crate) fn empty() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// The home.
    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// The command with these words, separated by spaces, not started yet. It reads nothing.
    #[expect(clippy::disallowed_methods, reason = "the test starts the program that it is about")]
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pvc"));
        command.args(words.split_whitespace());
        self.settle(&mut command);
        command
    }

    /// The command at a terminal of its own, where `typed` is typed once a question was asked.
    #[expect(
        clippy::disallowed_methods,
        reason = "the program that lends a terminal is part of every Debian"
    )]
    pub(crate) fn at_a_terminal(&self, words: &str, typed: &str) -> Finished {
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{} {words}", env!("CARGO_BIN_EXE_pvc")), "/dev/null"]);
        self.settle(&mut command);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // The keyboard stays plugged in to the end: a terminal that loses it hangs up.
        let mut keyboard = child.stdin.take().unwrap();
        let mut seen = Vec::new();
        let mut screen = child.stdout.take().unwrap();
        let mut letter = [0];
        while screen.read(&mut letter).unwrap() > 0 {
            seen.push(letter[0]);
            if seen.ends_with(b"[y/N] ") {
                keyboard.write_all(typed.as_bytes()).unwrap();
            }
        }
        let code = child.wait().unwrap().code().unwrap();
        Finished { code, out: String::from_utf8(seen).unwrap(), err: String::new() }
    }

    fn settle(&self, command: &mut Command) {
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.path()).env("TMPDIR", self.path());
        command.env("PVC_CLIENT_DIR", self.path()).env("PVC_CONNECTION", "test").current_dir(self.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self, words: &str) -> Finished {
        self.command(words).output().unwrap().into()
    }

    /// Runs the command to its end, with this input.
    pub(crate) fn run_with_input(&self, words: &str, input: &str) -> Finished {
        feed(self.command(words), input)
    }
}

fn feed(mut command: Command, input: &str) -> Finished {
    let mut child: Child = command.stdin(Stdio::piped()).spawn().unwrap();
    // A command that refuses at once has gone away before it has read anything.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap().into()
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Its exit code.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) out: String,
    /// What it said beside.
    pub(crate) err: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Finished {
    /// The output of a command that did what it was asked, in silence.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// The complaint of a command that failed and printed nothing.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "{}", self.err);
        self.err
    }
}
