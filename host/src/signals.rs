//! What the machine asks of a daemon by a signal: to stop, or to open its logs anew.

use std::thread;

use nix::sys::signal::{SigSet, Signal};

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To stop in good order: SIGTERM, or SIGINT from a terminal.
    Stop,
    /// To open the log files anew: SIGHUP.
    Reopen,
}

/// From now on these signals no longer end the process; each is told to `told`, on a thread of its own.
///
/// To be called first thing in `main`: threads that exist already could still be ended by a signal.
///
/// # Errors
/// The kernel's, when a thread's signals cannot be blocked or there is no thread left.
pub fn listen(told: impl Fn(Asked) + Send + 'static) -> std::io::Result<()> {
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
    // Threads inherit this, so that only the one below ever takes such a signal.
    signals.thread_block()?;
    let wait = move || {
        // It fails only for a set that is not valid, and this one is a constant.
        while let Ok(signal) = signals.wait() {
            told(if signal == Signal::SIGHUP { Asked::Reopen } else { Asked::Stop });
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}
