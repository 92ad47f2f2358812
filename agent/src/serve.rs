//! What a node serves on its link: consoles of its guests, its daemon's log, and its guests' statistics.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use host::hypervisor::{GuestStatistics, Hypervisor};
use host::tail::{Follow, last_lines};
use link::message::Request;
use link::server::{Answer, Ended, Sink};
use logic::id::{VmId, VmName};

use crate::log::chain;
use crate::world::GuestSettings;

/// How often a followed file is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

/// More lines than this are not asked for by anybody who reads them.
const LINES_MAX: u32 = 100_000;

/// One node, as the API sees it over the link.
#[derive(Debug)]
pub struct Node {
    guests: GuestSettings,
    log: PathBuf,
    interval: Duration,
    hypervisor: Arc<dyn Hypervisor>,
    /// The last statistics, so that many clients cost the hypervisor no more than one.
    counted: Mutex<Option<(Instant, Arc<[u8]>)>>,
}

impl Node {
    /// One whose daemon logs to `log` and whose statistics are pushed every `interval`.
    pub fn new(
        guests: GuestSettings,
        log: PathBuf,
        interval: Duration,
        hypervisor: Arc<dyn Hypervisor>,
    ) -> Self {
        Self { guests, log, interval, hypervisor, counted: Mutex::new(None) }
    }

    /// One message of statistics: a JSON object with the counters of each guest by its UUID.
    fn statistics(&self) -> Result<Arc<[u8]>, Ended> {
        let mut counted = self.counted.lock().expect("nobody panics while counting");
        if let Some((at, message)) = &*counted
            && at.elapsed() < self.interval / 2
        {
            return Ok(Arc::clone(message));
        }
        let guests = self.hypervisor.statistics().map_err(|error| refused(&error))?;
        let guests: BTreeMap<VmId, GuestStatistics> = guests.into_iter().collect();
        let message: Arc<[u8]> = serde_json::to_vec(&guests).map_err(|error| refused(&error))?.into();
        *counted = Some((Instant::now(), Arc::clone(&message)));
        Ok(message)
    }

    fn push(&self, sink: &mut dyn Sink) -> Result<(), Ended> {
        loop {
            sink.send(&self.statistics()?)?;
            let next = Instant::now() + self.interval;
            while Instant::now() < next {
                sink.rest()?;
                std::thread::sleep(FOLLOW_INTERVAL.min(self.interval));
            }
        }
    }
}

impl Answer for Node {
    fn answer(&self, request: &Request, sink: &mut dyn Sink) -> Result<(), Ended> {
        match request {
            Request::Console { name, lines, follow, .. } => {
                // The name becomes a part of a path: what is no VM's name is refused here as well.
                let name: VmName = name.parse().map_err(|error| refused(&error))?;
                file(Path::new(&self.guests.console_path(name.as_str())), *lines, *follow, sink)
            }
            Request::Log { lines, follow } => file(&self.log, *lines, *follow, sink),
            Request::Statistics => self.push(sink),
            Request::Upload { .. } => {
                Err(Ended::Refused { why: "the node's daemon takes nothing in; its worker does".into() })
            }
        }
    }
}

fn file(path: &Path, lines: u32, follow: bool, sink: &mut dyn Sink) -> Result<(), Ended> {
    let unreadable =
        |error: io::Error| Ended::Refused { why: format!("{} cannot be read: {error}", path.display()) };
    let lines = lines.min(LINES_MAX) as usize;
    if !follow {
        sink.send(&last_lines(path, lines).map_err(unreadable)?)?;
        return Ok(());
    }
    let (end, mut followed) = Follow::start(path, lines).map_err(unreadable)?;
    sink.send(&end)?;
    loop {
        let more = followed.next().map_err(unreadable)?;
        if more.is_empty() {
            sink.rest()?;
            std::thread::sleep(FOLLOW_INTERVAL);
        } else {
            sink.send(&more)?;
        }
    }
}

fn refused(error: &dyn std::error::Error) -> Ended {
    Ended::Refused { why: chain(error) }
}

#[cfg(test)]
mod tests;
