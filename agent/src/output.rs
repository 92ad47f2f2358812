//! Where a daemon's log goes: to standard error, and to a file that can be opened anew.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use host::logfile::LogFile;
use logic::config::LogConfig;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The log of this process; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Output {
    file: Arc<OnceLock<LogFile>>,
}

impl Output {
    /// From now on lines are written.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self, config: &LogConfig, name: &str) -> Result<()> {
        let path = Path::new(&config.directory).join(format!("{name}.log"));
        let file =
            LogFile::open(&path).with_context(|| format!("the log {} cannot be opened", path.display()))?;
        let writer = self.file.get_or_init(|| file).clone();
        let level: LevelFilter = config.level.parse().context("the log's level")?;
        // The client prints the passwords of its sessions at its finer levels.
        let filter =
            Targets::new().with_default(level).with_target("zookeeper_client", level.min(LevelFilter::WARN));
        let to_file = fmt::layer().with_ansi(false).with_target(false).with_writer(move || writer.clone());
        let to_terminal = fmt::layer().with_ansi(false).with_target(false).with_writer(Terminal::default);
        tracing_subscriber::registry()
            .with(to_file.with_filter(filter.clone()))
            .with(to_terminal.with_filter(filter))
            .init();
        Ok(())
    }

    /// Opens the file anew, after it was rotated.
    pub fn reopen(&self) {
        let Some(file) = self.file.get() else { return };
        match file.reopen() {
            Ok(()) => tracing::info!("the log was opened anew"),
            Err(error) => tracing::error!(%error, "the log could not be opened anew; the old file is kept"),
        }
    }
}

/// Standard error, whose reader may have gone: that is no reason to fail.
#[derive(Debug, Default)]
struct Terminal;

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _gone = std::io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
