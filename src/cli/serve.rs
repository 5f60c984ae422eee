//! `portcullis run`, and what it shares with the demo: the signals, the log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing_appender::non_blocking::WorkerGuard;

use super::{CliError, descriptors, environment, load, metrics, wait_for};
use crate::config;
use crate::config::settings::Settings;
use crate::server::{self, Listeners, Orders, awaited, open_store};
use crate::store::Store;
use crate::telemetry::logging::{self, Lines};
use crate::telemetry::metrics::Metrics;

pub fn run(config: &Path) -> Result<(), CliError> {
    let settings = load(config)?;
    let metrics = metrics()?;
    wait_for(async {
        let mut signals = Signals::heed()?;
        let log = Log::start(&settings, &metrics)?;
        let (url, open) = (&settings.store.url, async || Ok(open_store(&settings.store.url, &metrics).await?));
        let store = tokio::select! {
            store = awaited(url, open) => store?,
            () = signals.stop() => return Ok(()),
        };
        let listeners = Listeners::bind(&settings.server).await?;
        serve(settings, listeners, store, metrics, log, Some(config.to_owned()), signals).await
    })
}

/// Written to until it is dropped.
pub struct Log {
    lines: Lines,
    _written_out: WorkerGuard,
}

impl Log {
    pub fn start(settings: &Settings, metrics: &Arc<Metrics>) -> Result<Self, CliError> {
        let (lines, written_out) = Lines::start(settings.log.format, settings.log.level);
        metrics.watch_log(lines.lost()).map_err(|error| CliError::new(error.to_string()))?;
        logging::report_panics(metrics);
        Ok(Self { lines, _written_out: written_out })
    }
}

/// What the process is told from outside. Heeded before anyone can know that it runs: a signal that came sooner would end it
/// where it stands.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub fn heed() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Until SIGTERM or SIGINT. SIGHUP reads `config` again, if there is such a file.
pub async fn serve(
    settings: Settings,
    listeners: Listeners,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    log: Log,
    config: Option<PathBuf>,
    mut signals: Signals,
) -> Result<(), CliError> {
    for warning in settings.warnings.to_string().lines() {
        tracing::warn!("{warning}");
    }
    if let Some(missing) = descriptors::ask_for(settings.server.max_connections, settings.server.threads) {
        tracing::warn!("{missing}");
    }
    let (stop, stopped) = watch::channel(false);
    // Without a bound, so that a reload that takes long cannot keep a signal to stop from being heard.
    let (read_again, reload) = mpsc::unbounded_channel();
    let (ask, asked) = std::sync::mpsc::channel::<()>();
    if let Some(config) = config {
        // On a thread of its own: files can keep one waiting, and word of revocations must not wait with them.
        std::thread::Builder::new().name("reload".into()).spawn(move || {
            for () in asked {
                // Nobody left to hear it means that everything has stopped.
                let _ = read_again.send(config::load(&config, &environment));
            }
        })?;
    }
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                // The demo has no file to read again.
                _ = signals.hangup.recv() => { let _ = ask.send(()); }
            }
        }
        let _ = stop.send(true);
    });
    let orders = Orders { stop: stopped, reload };
    Ok(server::serve(settings, listeners, store, metrics, log.lines.clone(), orders).await?)
}
