//! The composition root: settings become a store, a gateway and listeners. The one list of everything, and of what a reload
//! may change while it runs.

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
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::admin::Admin;
use crate::api::Api;
use crate::clock::Clock;
use crate::config::problem::Problems;
use crate::config::settings::{self, ServerAddress, Settings, StoreUrl};
use crate::gate::identity::IdentityHeaders;
use crate::gate::rotation::Lifetimes;
use crate::gateway::Gateway;
use crate::limiter::Limiter;
use crate::live::LiveUsers;
use crate::login::Login;
use crate::passwords::{self, Passwords};
use crate::proxy::guard::{Deadlines, Rules};
use crate::proxy::listener::{Door, Public};
use crate::proxy::reception::Unparsed;
use crate::proxy::upstream::{Server, Upstream};
use crate::proxy::{Configuration, Proxy, listener};
use crate::sessions::Sessions;
use crate::signing::Signing;
use crate::store::sqlite::SqliteStore;
use crate::store::{Changes, FeedPosition, Store, StoreError, Subject};
use crate::telemetry::logging::Lines;
use crate::telemetry::metrics::Metrics;
use crate::tls::Tls;
use crate::tokens::Tokens;

/// Why serving could not begin, or a reload could not take effect. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {error}; is another process using it?")]
    Listen { address: SocketAddr, error: std::io::Error },
    #[error("upstream {upstream}: the name of a server cannot be resolved: {error}")]
    Resolve { upstream: String, error: std::io::Error },
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
    pub reload: mpsc::Receiver<Result<Settings, Problems>>,
}

/// The admin listener serves a scraper and a prober or two.
const ADMIN_CONNECTIONS: usize = 64;

/// How often dead sessions and counters are swept.
const SWEEP: Duration = Duration::from_secs(60);

pub fn open_store(url: &StoreUrl, metrics: &Arc<Metrics>) -> Result<Arc<dyn Store>, StoreError> {
    let StoreUrl::Sqlite(path) = url;
    let metrics = Arc::clone(metrics);
    let observer = Arc::new(move |operation, took, ok| metrics.store_called(operation, took, ok));
    Ok(Arc::new(SqliteStore::open(path, observer)?))
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

    // The feed's end is noted before anything is cached, so that nothing can change unheard in between.
    let feed = store.feed_end().await?;
    let mut running = Running::start(settings, store, metrics, lines, clock).await?;
    let upstreams = resolve(&running.settings.upstreams).await?;
    let current = Arc::new(ArcSwap::from_pointee(running.configure(upstreams)));

    let settings::Server { idle_timeout, max_connections, drain_timeout, .. } = running.settings.server;
    let proxy = Proxy { current: Arc::clone(&current), clock, keep_alive_secs: idle_timeout.as_secs().max(1) };
    let mut app = http_proxy(&Arc::new(ServerConf::default()), proxy);
    (app.server_options, app.h2_options) = http_options(idle_timeout);
    let (app, door) = (Arc::new(app), running.public_door(&current));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(listener::accept(listener, Arc::clone(&app), Arc::clone(&door), stop.clone()));
    }

    let mut beside = JoinSet::new();
    // Until the process ends: what watches us must see that we are stopping.
    let (_open, never) = watch::channel(false);
    let admin = Arc::new(HttpServer::new_app(running.admin(stop.clone())));
    beside.spawn(listener::accept(admin_listener, admin, running.admin_door(), never));
    beside.spawn(running.follower(Arc::clone(&current)).follow(feed));
    beside.spawn(sweep(Arc::clone(&running.store), Arc::clone(&current), clock));

    loop {
        tokio::select! {
            Some(read) = reload.recv() => running.reload(read, &current).await,
            // The sender gone means stop as well.
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    while accepting.join_next().await.is_some() {}
    // Connections with no request under way are closed; the others are closed after their answer.
    app.cleanup().await;
    let all = u32::try_from(max_connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(drain_timeout, door.places.acquire_many(all)).await.is_err() {
        tracing::warn!("connections were still open when the drain timeout ended");
    }
    Ok(())
}

/// What outlives a reload.
struct Running {
    settings: Settings,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    lines: Lines,
    live: Arc<LiveUsers>,
    signing: Arc<Signing>,
    passwords: Arc<Passwords>,
    limiter: Arc<Limiter>,
    tls: Option<Arc<ArcSwap<Tls>>>,
    clock: Clock,
}

impl Running {
    async fn start(
        settings: Settings,
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        lines: Lines,
        clock: Clock,
    ) -> Result<Self, ServeError> {
        let now = clock.now();
        let live = Arc::new(LiveUsers::new(Arc::clone(&store), Arc::clone(&metrics), settings.store.trust));
        live.obey(&Changes::default(), now);
        let auth = &settings.auth;
        let (secrets, keys_in) = (auth.secrets.clone(), Arc::clone(&store));
        let signing = Signing::start(keys_in, auth.algorithm, secrets, auth.access_ttl, now.wall).await?;
        let passwords = Passwords::start(settings.passwords, Arc::new(Hashing(Arc::clone(&metrics))))?;
        let (signing, passwords) = (Arc::new(signing), Arc::new(passwords));
        let (limiter, tls) = (Arc::default(), settings.tls.clone().map(|tls| Arc::new(ArcSwap::from_pointee(tls))));
        Ok(Self { settings, store, metrics, lines, live, signing, passwords, limiter, tls, clock })
    }

    /// Everything that the settings shape and a reload may replace.
    fn configure(&self, upstreams: Vec<Upstream>) -> Configuration {
        let Settings { auth, limits, clients, cookies, headers, origins, routes, store, server, methods, .. } =
            &self.settings;
        let (issuer, cached) = (auth.issuer.clone(), store.trust.capacity);
        let tokens = Tokens::new(Arc::clone(&self.signing), issuer, auth.access_ttl, auth.lifetimes, cached);
        let tokens = Arc::new(tokens);
        let sessions = Sessions::new(Arc::clone(&self.store), Arc::clone(&self.live), Arc::clone(&tokens));
        let sessions = Arc::new(sessions);
        let (passwords, opened) = (Arc::clone(&self.passwords), Arc::clone(&sessions));
        let login = Arc::new(Login::new(Arc::clone(&self.store), passwords, opened, limits.login));
        let api = Api {
            store: Arc::clone(&self.store),
            live: Arc::clone(&self.live),
            tokens,
            signing: Arc::clone(&self.signing),
            sessions,
            login,
            passwords: Arc::clone(&self.passwords),
            cookies: cookies.clone(),
            origins: origins.clone(),
            clients: clients.clone(),
            metrics: Arc::clone(&self.metrics),
            lines: self.lines.clone(),
        };
        let gateway = Gateway {
            routes: routes.clone(),
            identity: IdentityHeaders::new(headers.names.clone()),
            api,
            limiter: Arc::clone(&self.limiter),
            per_ip: limits.per_ip,
            forward_token: headers.forward_token,
            methods: methods.clone(),
            max_body: server.max_request_body,
        };
        Configuration { gateway, upstreams }
    }

    /// Take the new settings, or keep the old ones and say why.
    async fn reload(&mut self, read: Result<Settings, Problems>, current: &ArcSwap<Configuration>) {
        let resolved = match read {
            Ok(settings) => match resolve(&settings.upstreams).await {
                Ok(upstreams) => Ok((settings, upstreams)),
                Err(error) => Err(error.to_string()),
            },
            Err(problems) => Err(problems.to_string()),
        };
        self.metrics.reloaded(resolved.is_ok());
        let (settings, upstreams) = match resolved {
            Ok(resolved) => resolved,
            Err(why) => {
                for line in why.lines() {
                    tracing::error!("{line}");
                }
                tracing::error!("the configuration was not reloaded: the old one stays in force");
                return;
            }
        };
        for key in restart_needed(&self.settings, &settings) {
            tracing::warn!("{key} has changed, which takes effect at the next start");
        }
        if let (Some(standing), Some(new)) = (&self.tls, &settings.tls) {
            standing.store(Arc::new(new.clone()));
        }
        let old = std::mem::replace(&mut self.settings, settings);
        // What a running process cannot change stays what it is, for the next reload to compare with.
        self.settings.server =
            settings::Server { max_request_body: self.settings.server.max_request_body, ..old.server };
        (self.settings.store, self.settings.passwords, self.settings.log) = (old.store, old.passwords, old.log);
        (self.settings.auth.algorithm, self.settings.auth.secrets) = (old.auth.algorithm, old.auth.secrets);
        current.store(Arc::new(self.configure(upstreams)));
        tracing::info!("the configuration was reloaded");
    }

    fn admin(&self, stopping: watch::Receiver<bool>) -> Admin {
        let (metrics, live, signing) = (Arc::clone(&self.metrics), Arc::clone(&self.live), Arc::clone(&self.signing));
        Admin { metrics, live, signing, clock: self.clock, stopping }
    }

    fn public_door(&self, current: &Arc<ArcSwap<Configuration>>) -> Arc<Door> {
        let server = &self.settings.server;
        let public = Public {
            crowd: Arc::default(),
            per_address: server.max_connections_per_ip,
            proxy_protocol: server.proxy_protocol,
            tls: self.tls.clone(),
            current: Arc::clone(current),
            metrics: Arc::clone(&self.metrics),
        };
        self.door(server.max_connections, Some(public))
    }

    fn admin_door(&self) -> Arc<Door> {
        self.door(ADMIN_CONNECTIONS, None)
    }

    fn door(&self, places: usize, public: Option<Public>) -> Arc<Door> {
        let settings::Server { header_timeout: header, idle_timeout: idle, .. } = self.settings.server;
        let (metrics, lines) = (Arc::clone(&self.metrics), self.lines.clone());
        let reception = Box::new(Unparsed { metrics, lines, clock: self.clock });
        let rules = Arc::new(Rules { deadlines: Deadlines { header, idle }, reception });
        Arc::new(Door { places: Arc::new(Semaphore::new(places)), rules, public })
    }

    fn follower(&self, current: Arc<ArcSwap<Configuration>>) -> Follower {
        Follower {
            store: Arc::clone(&self.store),
            live: Arc::clone(&self.live),
            signing: Arc::clone(&self.signing),
            metrics: Arc::clone(&self.metrics),
            current,
            clock: self.clock,
        }
    }
}

/// The keys that a reload does not change, where they differ.
fn restart_needed(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let server = |settings: &Settings| settings::Server { max_request_body: 0, ..settings.server.clone() };
    let fixed = [
        ("[server]", server(old) != server(new)),
        ("server.tls", old.tls.is_some() != new.tls.is_some()),
        ("[store]", old.store != new.store),
        ("auth.algorithm", old.auth.algorithm != new.auth.algorithm),
        ("auth.access_secret or auth.refresh_secret", old.auth.secrets != new.auth.secrets),
        ("[passwords]", old.passwords != new.passwords),
        ("[log]", old.log != new.log),
    ];
    fixed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

/// Names become addresses: all of the IPv4 ones, or of the IPv6 ones where there are no others. A reload asks again.
async fn resolve(upstreams: &[settings::Upstream]) -> Result<Vec<Upstream>, ServeError> {
    let mut resolved = Vec::new();
    for settings::Upstream { name, servers: configured, connect_timeout, read_timeout } in upstreams {
        let mut servers = Vec::new();
        for server in configured {
            match server {
                ServerAddress::Unix(path) => servers.push(Server::Unix(path.clone())),
                ServerAddress::Tcp { host, port, tls } => {
                    let failed = |error| ServeError::Resolve { upstream: name.clone(), error };
                    let found: Vec<SocketAddr> =
                        tokio::net::lookup_host((host.as_str(), *port)).await.map_err(failed)?.collect();
                    let any_v4 = found.iter().any(SocketAddr::is_ipv4);
                    let usable = found.into_iter().filter(|address| address.is_ipv4() == any_v4);
                    servers.extend(usable.map(|address| Server::Tcp { address, tls: tls.then(|| host.clone()) }));
                }
            }
        }
        resolved.push(Upstream::new(name.clone(), servers, *connect_timeout, *read_timeout));
    }
    Ok(resolved)
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

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| ServeError::Listen { address, error })
}

/// Obeys the change feed, for as long as the process lives.
struct Follower {
    store: Arc<dyn Store>,
    live: Arc<LiveUsers>,
    signing: Arc<Signing>,
    metrics: Arc<Metrics>,
    current: Arc<ArcSwap<Configuration>>,
    clock: Clock,
}

impl Follower {
    async fn follow(self, mut position: FeedPosition) {
        loop {
            match self.store.changes(position, Duration::from_secs(1)).await {
                Ok(changes) => {
                    self.metrics.store_up(true);
                    self.live.obey(&changes, self.clock.now());
                    position = changes.position;
                    if changes.gap || changes.events.iter().any(|event| event.subject == Subject::Keys) {
                        self.reload_keys().await;
                    }
                }
                Err(error) => {
                    self.metrics.store_up(false);
                    tracing::error!(%error, "the change feed cannot be read");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    async fn reload_keys(&self) {
        match self.signing.reload(self.clock.now().wall).await {
            Ok(()) => self.current.load().gateway.api.tokens.forget_verified(),
            Err(error) => tracing::error!(%error, "the signing keys could not be read again"),
        }
    }
}

async fn sweep(store: Arc<dyn Store>, current: Arc<ArcSwap<Configuration>>, clock: Clock) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let now = clock.now().wall;
        let Lifetimes { idle, absolute, .. } = *current.load().gateway.api.tokens.lifetimes();
        if let Err(error) = store.sweep(now.minus(idle), now.minus(absolute), now).await {
            tracing::warn!(%error, "the sweep failed; the next one will do");
        }
    }
}

/// Brings what the hashing threads tell to the metrics.
struct Hashing(Arc<Metrics>);

impl passwords::Observer for Hashing {
    fn hashed(&self, took: Duration) {
        self.0.hashed(took);
    }

    fn waiting(&self, change: i64) {
        self.0.hash_waiting(change);
    }
}
