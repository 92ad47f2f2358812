//! The one place that starts a process: an argument list, a time limit, and a bound on what it may say.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a process came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its output and its errors, each cut at [`OUTPUT_BYTES_MAX`].
    pub output: String,
    /// The same for its errors.
    pub errors: String,
}

/// What is kept of a process's output.
pub const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// How long a process has that was asked to end.
const GRACE: Duration = Duration::from_secs(10);

/// Why a process did not finish.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started.
    #[error("{program} could not be started")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It took too long and was killed.
    #[error("{program} did not finish within {limit_ms} ms and was ended")]
    Overdue {
        /// Which.
        program: String,
        /// How long it was given.
        limit_ms: u128,
    },
    /// Whoever ran it did not want it any more, and it was killed.
    #[error("{program} was ended, as was asked")]
    Unwanted {
        /// Which.
        program: String,
    },
}

/// Runs a program to its end, but no longer than `limit`.
///
/// # Errors
/// [`Error`] when it cannot be started or takes too long. A failing exit code is not an error here.
pub fn run(program: &str, arguments: &[&str], limit: Duration) -> Result<Finished, Error> {
    run_while(program, arguments, limit, &mut || true)
}

/// The same for as long as it is wanted, which is asked at least once and then every few milliseconds.
///
/// # Errors
/// As with [`run`]; and when it is not wanted any more.
pub fn run_while(
    program: &str,
    arguments: &[&str],
    limit: Duration,
    is_wanted: &mut dyn FnMut() -> bool,
) -> Result<Finished, Error> {
    run_until_end(program, arguments, limit, is_wanted, kill)
}

/// The same, where the program is asked to end before it is killed: what it has open is closed then, if it can be.
///
/// # Errors
/// As with [`run_while`].
pub fn run_gently(
    program: &str,
    arguments: &[&str],
    limit: Duration,
    is_wanted: &mut dyn FnMut() -> bool,
) -> Result<Finished, Error> {
    run_until_end(program, arguments, limit, is_wanted, end_gently)
}

fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Asks a process to end, and kills it when it does not.
fn end_gently(child: &mut Child) {
    use nix::sys::signal::{Signal, kill as send};
    let id = i32::try_from(child.id()).map(nix::unistd::Pid::from_raw);
    if let Ok(id) = id {
        let _gone = send(id, Signal::SIGTERM);
    }
    let asked = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && asked.elapsed() < GRACE {
        std::thread::sleep(Duration::from_millis(5));
    }
    kill(child);
}

fn run_until_end(
    program: &str,
    arguments: &[&str],
    limit: Duration,
    is_wanted: &mut dyn FnMut() -> bool,
    end: fn(&mut Child),
) -> Result<Finished, Error> {
    tracing::debug!(program, ?arguments, "runs");
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts a process")]
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| Error::Start { program: program.into(), source })?;
    let output = reader(child.stdout.take());
    let errors = reader(child.stderr.take());
    let began = Instant::now();
    let status = loop {
        let why = match child.try_wait() {
            _ if !is_wanted() => Error::Unwanted { program: program.into() },
            Ok(Some(status)) => break status,
            _ if began.elapsed() >= limit => {
                Error::Overdue { program: program.into(), limit_ms: limit.as_millis() }
            }
            _ => {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
        };
        end(&mut child);
        return Err(why);
    };
    let text = |reader: std::thread::JoinHandle<String>| reader.join().unwrap_or_default();
    Ok(Finished { code: status.code(), output: text(output), errors: text(errors) })
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(OUTPUT_BYTES_MAX).read_to_end(&mut kept);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
}

#[cfg(test)]
mod tests;
