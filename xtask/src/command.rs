//! The one place from which the developers' commands start other programs.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A program about to be started.
#[expect(
    clippy::disallowed_methods,
    reason = "xtask is no part of the product; this is its one door to processes"
)]
pub fn program(name: impl AsRef<OsStr>) -> Command {
    Command::new(name)
}

/// The command as one would type it, for messages.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs it with its output going where ours goes.
///
/// # Errors
/// When it cannot be started or ends with another code than 0.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs it and keeps what it says.
///
/// # Errors
/// When it cannot be started or ends with another code than 0; what it said on stderr is part of the error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = capture(command)?;
    if !output.status.success() {
        let said = [&output.stdout, &output.stderr].map(|part| String::from_utf8_lossy(part).into_owned());
        bail!("`{}` ended with {}:\n{}", shown(command), output.status, tail(said.join("").trim(), 30));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs it and keeps everything, whatever its code.
///
/// # Errors
/// When it cannot be started.
pub fn capture(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))
}

/// Runs it with its output kept in a file, of which the end is shown when it fails.
///
/// # Errors
/// When it cannot be started, ends with another code than 0, or has not ended at the deadline (it is then killed).
pub fn run_logged(command: &mut Command, log: &Path, limit: Duration) -> Result<()> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let mut child = command.spawn().with_context(|| cannot_start(command))?;
    let Some(status) = end_within(&mut child, limit)? else {
        end_with_descendants(&mut child)?;
        bail!("`{}` had not ended after {} s and was killed", shown(command), limit.as_secs());
    };
    if !status.success() {
        let said = std::fs::read(log).unwrap_or_default();
        bail!("`{}` ended with {status}:\n{}", shown(command), tail(&String::from_utf8_lossy(&said), 40));
    }
    Ok(())
}

/// Ends a child and everything that it started and that is still below it.
fn end_with_descendants(child: &mut Child) -> Result<()> {
    let below = crate::lab::process::descendants(i32::try_from(child.id())?)?;
    child.kill()?;
    child.wait()?;
    below.iter().try_for_each(crate::lab::process::Process::end)
}

/// Waits for a child's end, but not longer than the limit.
///
/// # Errors
/// When the system does not know the child.
pub fn end_within(child: &mut Child, limit: Duration) -> Result<Option<std::process::ExitStatus>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How long a step of the lab itself may take: many times what it does, since a long one costs nothing unless it fails.
pub const LAB_LIMIT: Duration = Duration::from_secs(120);

/// Asks again and again until there is an answer; the last refusal is the error.
///
/// # Errors
/// The last one of `ask`, with what was waited for, once the limit is over.
pub fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= end => {
                return Err(error.context(format!("waited {} s for {what}", limit.as_secs())));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn cannot_start(command: &Command) -> String {
    let name = command.get_program().to_string_lossy();
    format!("cannot start {name}; {}", crate::packages::remedy(&name))
}
