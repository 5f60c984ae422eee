//! The composition root: settings become a store, a gateway and listeners. The one list of everything, and of what a reload
//! may change while it runs.

mod awaited;
mod background;
mod reload;
mod running;
mod upstreams;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::apps::http_app::HttpServer;
use pingora::apps::{HttpServerOptions, ServerApp};
use pingora::protocols::http::v2::server::H2Options;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use self::awaited::awaited;
use self::background::sweep;
use self::running::Running;
use self::upstreams::resolve;
use crate::clock::Clock;
use crate::config::problem::Problems;
use crate::config::settings::{self, Settings, StoreUrl};
use crate::gateway::Gateway;
use crate::passwords;
use crate::proxy::loops::Loops;
use crate::proxy::{Proxy, listener};
use crate::store::redis::RedisStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Observer, Store, StoreError};
use crate::telemetry::logging::Lines;
use crate::telemetry::metrics::Metrics;

/// Why serving could not begin, or a reload could not take effect. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {error}; {}", advice(error))]
    Listen { address: SocketAddr, error: std::io::Error },
    #[error("upstream {upstream}: the name of a server cannot be resolved: {error}")]
    Resolve { upstream: String, error: std::io::Error },
    #[error("threads to serve requests cannot be had: {0}; lower server.threads, or raise the system's limits")]
    Threads(std::io::Error),
    #[error("the signing keys cannot be had: {0}")]
    Keys(#[from] crate::signing::SigningError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Passwords(#[from] passwords::StartError),
}

/// What the process is told while it serves.
pub struct Orders {
    pub stop: watch::Receiver<bool>,
    /// The file, read again; or what is wrong with it.
    pub reload: mpsc::UnboundedReceiver<Result<Settings, Problems>>,
}

pub async fn open_store(url: &StoreUrl, metrics: &Arc<Metrics>) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match url {
        StoreUrl::Sqlite(path) => Arc::new(SqliteStore::open(path, observer(metrics))?),
        StoreUrl::Redis(address) => Arc::new(RedisStore::open(address.clone(), observer(metrics)).await?),
    })
}

/// Where there is no store, none is made.
pub async fn open_existing_store(url: &StoreUrl, metrics: &Arc<Metrics>) -> Result<Arc<dyn Store>, StoreError> {
    match url {
        StoreUrl::Sqlite(path) if path.metadata().is_ok_and(|about| about.is_file() && about.len() > 0) => {
            open_store(url, metrics).await
        }
        StoreUrl::Sqlite(path) => Err(StoreError::Unavailable(format!("{}: there is no store", path.display()))),
        StoreUrl::Redis(address) => Ok(Arc::new(RedisStore::open_existing(address.clone(), observer(metrics)).await?)),
    }
}

fn observer(metrics: &Arc<Metrics>) -> Observer {
    let metrics = Arc::clone(metrics);
    Arc::new(move |operation, took, ok| metrics.store_called(operation, took, ok))
}

/// The sockets, bound before anything else is done: a port that is taken is an error at once.
pub struct Listeners {
    pub requests: Vec<TcpListener>,
    pub admin: TcpListener,
}

impl Listeners {
    pub async fn bind(server: &settings::Server) -> Result<Self, ServeError> {
        let mut requests = Vec::new();
        for address in &server.listen {
            requests.push(bind(*address).await?);
        }
        Ok(Self { requests, admin: bind(server.admin_listen).await? })
    }
}

/// Serve until told to stop, then let what is under way finish.
pub async fn serve(
    settings: Settings,
    Listeners { requests: listeners, admin: admin_listener }: Listeners,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    lines: Lines,
    Orders { mut stop, mut reload }: Orders,
) -> Result<(), ServeError> {
    let clock = Clock::start();
    for (what, listener) in listeners.iter().map(|l| ("requests", l)).chain([("metrics and health", &admin_listener)]) {
        tracing::info!(
            "listening for {what} on {}",
            listener.local_addr().map_or_else(|_| "?".to_owned(), |address| address.to_string())
        );
    }

    let started = async {
        // The feed's end is noted before anything is cached, so that nothing can change unheard in between.
        let feed = awaited(&settings.store.url, async || Ok(store.feed_end().await?)).await?;
        let running = Running::start(settings, store, metrics, lines, clock).await?;
        let upstreams = resolve(&running.settings.upstreams).await?;
        Ok::<_, ServeError>((feed, running, upstreams))
    };
    let (feed, mut running, upstreams) = tokio::select! {
        started = started => started?,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    };
    let current = Arc::new(ArcSwap::from_pointee(running.configure(upstreams)));

    let settings::Server { idle_timeout, max_connections, drain_timeout, threads, .. } = running.settings.server;
    let loops = Arc::new(Loops::start(threads).map_err(ServeError::Threads)?);
    let proxy = Proxy { current: Arc::clone(&current), clock, keep_alive_secs: idle_timeout.as_secs().max(1) };
    let mut app = http_proxy(&Arc::new(ServerConf { threads, ..ServerConf::default() }), proxy);
    (app.server_options, app.h2_options) = http_options(idle_timeout);
    let (app, door) = (Arc::new(app), running.public_door(&current));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(listener::accept(
            listener,
            Arc::clone(&app),
            Arc::clone(&door),
            Arc::clone(&loops),
            stop.clone(),
        ));
    }

    let mut beside = JoinSet::new();
    // Until the process ends: what watches us must see that we are stopping.
    let (_open, never) = watch::channel(false);
    let admin = Arc::new(HttpServer::new_app(running.admin(stop.clone())));
    beside.spawn(listener::accept(admin_listener, admin, running.admin_door(), Arc::clone(&loops), never));
    beside.spawn(running.follower(Arc::clone(&current)).follow(feed));
    beside.spawn(sweep(Arc::clone(&running.store), Arc::clone(&current), clock));

    loop {
        let read = tokio::select! {
            Some(read) = reload.recv() => read,
            // The sender gone means stop as well.
            _ = stop.wait_for(|stop| *stop) => break,
        };
        tokio::select! {
            () = running.reload(read, &current) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    let drained = async {
        while accepting.join_next().await.is_some() {}
        // Connections with no request under way are closed; the others are closed after their answer.
        app.cleanup().await;
        let all = u32::try_from(max_connections).unwrap_or(u32::MAX);
        let _ = door.places.acquire_many(all).await;
    };
    if tokio::time::timeout(drain_timeout, drained).await.is_err() {
        tracing::warn!("connections were still open when the drain timeout ended");
    }
    Ok(())
}

/// A gateway as [`serve`] makes it, which listens nowhere and leads nowhere: to be asked for decisions, and timed.
pub async fn unattended(
    settings: Settings,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    lines: Lines,
    clock: Clock,
) -> Result<Gateway, ServeError> {
    Ok(Running::start(settings, store, metrics, lines, clock).await?.configure(Vec::new()).gateway)
}

/// What one connection of HTTP/2 may cost: RFC 9113 section 10.5, CVE-2023-44487, CVE-2025-8671.
fn http_options(idle: Duration) -> (Option<HttpServerOptions>, Option<H2Options>) {
    let mut server = HttpServerOptions::default();
    server.h2_idle_timeout = Some(idle);
    let mut h2 = H2Options::default();
    h2.max_concurrent_streams(100)
        .max_header_list_size(32 * 1024)
        .max_frame_size(16 * 1024)
        .max_concurrent_reset_streams(50)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(Some(100))
        .max_send_buffer_size(256 * 1024);
    (Some(server), Some(h2))
}

fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "stop what listens there, or set another address under [server]",
        ErrorKind::PermissionDenied => "set a port from 1024 on under [server], or grant the right to bind a lower one",
        _ => "set an address of this machine under [server]",
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| ServeError::Listen { address, error })
}
