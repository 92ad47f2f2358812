//! Asks that a node be fenced at the storage, as whoever fences nodes does: for the lab, where nothing decides that yet.
//!
//! `fence CONFIG NODE`, on a machine that reaches the store: CONFIG is its `pvc.toml`.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use logic::config::Config;
use logic::fence::ask::ask;
use logic::id::NodeName;
use logic::time::WallTime;
use store::Secret;
use store::mirror::{Mirror, Scope};
use store::records::commit_records;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [file, node] = words.as_slice() else { return Err("it takes a configuration and a node".into()) };
    let node: NodeName = node.parse()?;
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    let config = Config::parse(&std::fs::read_to_string(file)?, hostname.trim())?;
    let secret = config.store_secret_file.as_deref().map(|file| Secret::read(Path::new(file))).transpose()?;
    let store = store::open(&config.store, secret)?;
    let mirror = Mirror::new(Arc::clone(&store), Scope::WithoutDocuments);
    mirror.pump()?;
    let snapshot = mirror.snapshot().ok_or("the store has nothing to show")?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = WallTime(u64::try_from(since_1970.as_millis())?);
    commit_records(&*store, &ask(&snapshot.cluster, &node, now)?)?;
    let _closed = writeln!(std::io::stdout(), "{node} is to be fenced at the storage");
    Ok(())
}
