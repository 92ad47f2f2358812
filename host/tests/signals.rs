//! Signals reach a listening process as words and no longer end it. A process of its own, because signals are shared.

use std::sync::mpsc::channel;
use std::time::Duration;

use host::signals::{Asked, listen};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Runs without the test harness's threads, which would take the signals: this is the process's first thread.
fn main() {
    let (sender, asked) = channel();
    listen(move |what| sender.send(what).expect("the test waits for it")).expect("signals can be blocked");
    for (signal, expected) in
        [(Signal::SIGHUP, Asked::Reopen), (Signal::SIGTERM, Asked::Stop), (Signal::SIGINT, Asked::Stop)]
    {
        kill(Pid::this(), signal).expect("a process may signal itself");
        let what = asked.recv_timeout(Duration::from_secs(60)).expect("the signal is told");
        assert_eq!(what, expected, "{signal}");
    }
}
