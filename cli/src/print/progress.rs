//! A line that moves while something is waited for, and is gone afterwards. Where nobody watches it is not there at all.

use std::io::Write;
use std::time::Instant;

use super::Screen;

/// How wide the bar is.
const BAR_WIDTH: usize = 30;

/// One wait.
#[derive(Debug)]
pub(crate) struct Progress {
    watched: bool,
    begin: Instant,
}

impl Progress {
    pub(crate) fn new(screen: &Screen) -> Self {
        Self { watched: screen.is_watched(), begin: Instant::now() }
    }

    /// Shows what is waited for, and for how long it has been.
    pub(crate) fn wait(&self, text: &str) {
        self.draw(&format!("{text} ({} s)", self.begin.elapsed().as_secs()));
    }

    /// Shows how many stages of how many are done.
    pub(crate) fn stage(&self, current: u64, total: u64, text: &str) {
        self.draw(&format!("{} {current}/{total} {text}", bar(current, total)));
    }

    fn draw(&self, text: &str) {
        if self.watched {
            let mut screen = std::io::stderr();
            let _unread = write!(screen, "\r\x1b[2K{text}").and_then(|()| screen.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.draw("");
    }
}

/// A bar in letters.
pub(crate) fn bar(current: u64, total: u64) -> String {
    let share = current.min(total) * BAR_WIDTH as u64 / total.max(1);
    let filled = usize::try_from(share).unwrap_or(BAR_WIDTH);
    format!("[{}{}]", "#".repeat(filled), ".".repeat(BAR_WIDTH - filled))
}
