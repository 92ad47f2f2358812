//! The binary `pvcapid`: reads the configuration, opens the log and the store, and answers until it is told to stop.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use apid::logfile::Logfile;
use apid::nodes::{ClusterNodes, Dial, LocalNode, Nodes};
use apid::notify::Notify;
use apid::serve::{Door, stop_signal};
use apid::view::{AGE_MAX, View};
use apid::{Api, Settings, auth::Tokens, document, routes};
use logic::config::{Config, StoreUrl};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What the daemon is asked on its command line.
enum Asked {
    Run { config: PathBuf },
    OpenApi,
    Version,
    Help,
}

const HELP: &str = "\
The REST daemon of PVC.

Usage: pvcapid [--config FILE]     answer requests (FILE: /etc/pvc/pvc.toml)
       pvcapid openapi             print the OpenAPI document
       pvcapid --version | --help
";

fn main() -> ExitCode {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("nothing has set a provider before main");
    match asked().and_then(act) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Nothing can be done about a standard error that is closed.
fn say_error(error: &anyhow::Error) {
    drop(writeln!(std::io::stderr(), "pvcapid: {error:#}"));
}

fn asked() -> Result<Asked> {
    let mut words = std::env::args().skip(1);
    let mut asked = Asked::Run { config: "/etc/pvc/pvc.toml".into() };
    while let Some(word) = words.next() {
        asked = match word.as_str() {
            "--config" | "-c" => Asked::Run { config: words.next().context("--config needs a file")?.into() },
            "openapi" => Asked::OpenApi,
            "--version" | "-V" => Asked::Version,
            "--help" | "-h" => Asked::Help,
            other => anyhow::bail!("\"{other}\" is not known here; see pvcapid --help"),
        };
    }
    Ok(asked)
}

fn act(asked: Asked) -> Result<()> {
    let text = match asked {
        Asked::Run { config } => return run(&config),
        Asked::OpenApi => document::text(),
        Asked::Version => format!("pvcapid {}\n", env!("CARGO_PKG_VERSION")),
        Asked::Help => HELP.into(),
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn run(path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("the configuration {} cannot be read; --config names another", path.display())
    })?;
    let hostname =
        std::fs::read_to_string("/proc/sys/kernel/hostname").context("this machine has no name")?;
    let config = Config::parse(&text, hostname.trim()).with_context(|| format!("in {}", path.display()))?;
    let log = Path::new(&config.log.directory).join("pvcapid.log");
    let logfile = Logfile::open(&log).with_context(|| format!("cannot write the log {}", log.display()))?;
    let level: LevelFilter = config.log.level.parse().context("the log's level")?;
    let ours = ["apid", "pvcapid", "store", "link"].map(|name| (name, level));
    // Of the libraries only what is wrong: at "debug" they tell of every byte.
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(ours);
    let lines =
        tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(logfile.clone());
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    // Requests are short; what blocks has threads of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(64)
        .enable_all()
        .build()
        .context("no runtime")?;
    let outcome = runtime.block_on(serve(&config, logfile));
    // A thread that waits for the store does not hold up the end.
    runtime.shutdown_background();
    if let Err(error) = &outcome {
        tracing::error!("{error:#}");
    }
    outcome
}

async fn serve(config: &Config, logfile: Logfile) -> Result<()> {
    let notify = Arc::new(Notify::from_environment().context("systemd's socket cannot be used")?);
    let door = Door::open(&config.api).await?;
    let (stop, stopping) = stop_signal();
    let address = door.address()?;
    let tls = door.tls();
    let router = routes::router(&api(config, stopping.clone()));
    tokio::spawn(heed_signals(stop, logfile, tls));
    if let Some(beat) = notify.beat() {
        let notify = Arc::clone(&notify);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(beat);
            loop {
                ticks.tick().await;
                notify.alive();
            }
        });
    }
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "pvcapid answers");
    notify.ready();
    let mut stops = stopping.clone();
    let farewell = Arc::clone(&notify);
    tokio::spawn(async move {
        drop(stops.wait_for(|stopping| *stopping).await);
        farewell.stopping();
    });
    door.serve(router, stopping).await?;
    tracing::info!("pvcapid has stopped");
    Ok(())
}

fn api(config: &Config, stopping: tokio::sync::watch::Receiver<bool>) -> Arc<Api> {
    let (url, secret_file) = (config.store.clone(), config.store_secret_file.clone());
    let open = move || {
        let secret = secret_file.as_deref().map(|file| store::Secret::read(Path::new(file))).transpose()?;
        store::open(&url, secret)
    };
    let view = View::open(&backend(&config.store), AGE_MAX, open);
    let nodes = Nodes::new(dial(config));
    let (kept, seen) = (Arc::clone(&nodes), Arc::clone(&view));
    tokio::spawn(async move { kept.keep_all(&seen).await });
    Arc::new(Api {
        view,
        nodes,
        tokens: Tokens::new(config.api.tokens.clone()),
        shapes: Arc::default(),
        settings: Settings::of(config),
        stopping,
    })
}

fn dial(config: &Config) -> Arc<dyn Dial> {
    let socket = Path::new(&config.run_directory).join("link.sock");
    let worker_socket = Path::new(&config.run_directory).join("worker.sock");
    let local = LocalNode { node: config.node.clone(), socket, worker_socket };
    match config.link.listen {
        None => Arc::new(local),
        Some(listen) => {
            let identity = PathBuf::from(&config.identity_directory);
            Arc::new(ClusterNodes { local, port: listen.port(), identity })
        }
    }
}

fn backend(url: &StoreUrl) -> String {
    match url {
        StoreUrl::Sqlite { path } => format!("sqlite://{path}"),
        StoreUrl::ZooKeeper { servers } => format!("zookeeper://{}", servers.join(",")),
    }
}

/// Stops on SIGTERM and SIGINT; opens the log and reads the certificate anew on SIGHUP.
async fn heed_signals(
    stop: Arc<tokio::sync::watch::Sender<bool>>,
    logfile: Logfile,
    tls: Option<apid::serve::Tls>,
) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                if let Err(error) = logfile.reopen() {
                    tracing::error!(%error, "the log cannot be opened anew; the old file goes on");
                }
                if let Some(tls) = &tls && let Err(error) = tls.renew().await {
                    tracing::error!(%error, "the old certificate stays");
                }
                tracing::info!("opened the log anew");
            }
        }
    }
    tracing::info!("told to stop");
    stop.send_replace(true);
    Ok(())
}
