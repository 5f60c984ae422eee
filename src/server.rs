//! The composition root: what is configured becomes a store, a gateway and listeners. The one list of everything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::apps::http_app::HttpServer;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::admin::Admin;
use crate::api::Api;
use crate::clock::Clock;
use crate::gate::client::ClientRules;
use crate::gate::cookies::CookieRules;
use crate::gate::identity::{IdentityHeaders, IdentityNames};
use crate::gate::keys::Algorithm;
use crate::gate::limit::Quota;
use crate::gate::origin::TrustedOrigins;
use crate::gate::rotation::Lifetimes;
use crate::gate::route_table::RouteTable;
use crate::gate::token::Issuer;
use crate::gateway::Gateway;
use crate::limiter::Limiter;
use crate::live::{LiveUsers, Trust};
use crate::login::{Login, LoginQuotas};
use crate::passwords::{self, Passwords};
use crate::proxy::guard::Deadlines;
use crate::proxy::upstream::Upstream;
use crate::proxy::{Proxy, listener};
use crate::sessions::Sessions;
use crate::signing::{HmacSecrets, Signing};
use crate::store::{Changes, FeedPosition, Store, Subject};
use crate::telemetry::logging::Lines;
use crate::telemetry::metrics::Metrics;
use crate::tokens::Tokens;

/// What to serve, every value already made sense of.
pub struct Plan {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub deadlines: Deadlines,
    pub max_connections: usize,
    pub drain: Duration,
    pub max_body: u64,
    pub clients: ClientRules,
    pub trust: Trust,
    pub issuer: Issuer,
    pub algorithm: Algorithm,
    pub secrets: Option<HmacSecrets>,
    pub access_ttl: Duration,
    pub lifetimes: Lifetimes,
    pub passwords: passwords::Policy,
    pub per_ip: Quota,
    pub login: LoginQuotas,
    pub cookies: CookieRules,
    pub names: IdentityNames,
    pub forward_token: bool,
    pub origins: TrustedOrigins,
    pub routes: RouteTable,
    pub upstreams: Vec<Upstream>,
}

/// Why serving could not begin. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {error}; is another process using it?")]
    Listen { address: SocketAddr, error: std::io::Error },
    #[error("the signing keys cannot be had: {0}")]
    Keys(#[from] crate::signing::SigningError),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Passwords(#[from] passwords::StartError),
}

/// The admin listener serves a scraper and a prober or two.
const ADMIN_CONNECTIONS: usize = 64;

/// How often dead sessions and counters are swept.
const SWEEP: Duration = Duration::from_secs(60);

/// Serve until `stop` says so, then let what is under way finish.
pub async fn serve(
    plan: Plan,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    lines: Lines,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let clock = Clock::start();
    let (listener, admin_listener) = (bind(plan.listen).await?, bind(plan.admin_listen).await?);
    let now = clock.now();

    // The feed's end is noted before anything is cached, so that nothing can change unheard in between.
    let feed = store.feed_end().await?;
    let live = Arc::new(LiveUsers::new(Arc::clone(&store), Arc::clone(&metrics), plan.trust));
    live.obey(&Changes::default(), now);
    let started = Signing::start(Arc::clone(&store), plan.algorithm, plan.secrets, plan.access_ttl, now.wall).await?;
    let signing = Arc::new(started);
    let cached = plan.trust.capacity;
    let tokens = Tokens::new(Arc::clone(&signing), plan.issuer, plan.access_ttl, plan.lifetimes, cached);
    let tokens = Arc::new(tokens);
    let sessions = Arc::new(Sessions::new(Arc::clone(&store), Arc::clone(&live), Arc::clone(&tokens)));
    let passwords = Arc::new(Passwords::start(plan.passwords, Arc::new(Hashing(Arc::clone(&metrics))))?);
    let login = Login::new(Arc::clone(&store), Arc::clone(&passwords), Arc::clone(&sessions), plan.login);
    let api = Api {
        store: Arc::clone(&store),
        live: Arc::clone(&live),
        tokens: Arc::clone(&tokens),
        signing: Arc::clone(&signing),
        sessions,
        login: Arc::new(login),
        passwords,
        cookies: plan.cookies,
        origins: plan.origins,
        clients: plan.clients,
        metrics: Arc::clone(&metrics),
        lines,
    };
    let gateway = Gateway {
        routes: plan.routes,
        identity: IdentityHeaders::new(plan.names),
        api,
        limiter: Arc::new(Limiter::default()),
        per_ip: plan.per_ip,
        forward_token: plan.forward_token,
        max_body: plan.max_body,
    };
    let proxy = Proxy {
        gateway: ArcSwap::from_pointee(gateway),
        upstreams: ArcSwap::from_pointee(plan.upstreams),
        clock,
        keep_alive_secs: plan.deadlines.idle.as_secs().max(1),
    };
    let app = Arc::new(http_proxy(&Arc::new(ServerConf::default()), proxy));

    let admin = Admin {
        metrics: Arc::clone(&metrics),
        live: Arc::clone(&live),
        signing: Arc::clone(&signing),
        clock,
        stopping: stop.clone(),
    };
    let admin = Arc::new(HttpServer::new_app(admin));
    let admin_places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS));
    // Until the process ends: what watches us must see that we are stopping.
    let (_open, never) = watch::channel(false);
    let watched = tokio::spawn(listener::accept(admin_listener, admin, admin_places, plan.deadlines, never));

    let followed = follow(Arc::clone(&store), feed, live, signing, tokens, Arc::clone(&metrics), clock);
    let follower = tokio::spawn(followed);
    let sweeper = tokio::spawn(sweep(store, plan.lifetimes, clock));
    let places = Arc::new(Semaphore::new(plan.max_connections));
    let accepting = listener::accept(listener, app, Arc::clone(&places), plan.deadlines, stop.clone());
    accepting.await;
    // The sender gone means stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
    let all = u32::try_from(plan.max_connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(plan.drain, places.acquire_many(all)).await.is_err() {
        tracing::warn!("connections were still open when the drain timeout ended");
    }
    watched.abort();
    follower.abort();
    sweeper.abort();
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| ServeError::Listen { address, error })
}

/// Obey the change feed, for as long as the process lives.
async fn follow(
    store: Arc<dyn Store>,
    mut position: FeedPosition,
    live: Arc<LiveUsers>,
    signing: Arc<Signing>,
    tokens: Arc<Tokens>,
    metrics: Arc<Metrics>,
    clock: Clock,
) {
    loop {
        match store.changes(position, Duration::from_secs(1)).await {
            Ok(changes) => {
                metrics.store_up(true);
                let now = clock.now();
                live.obey(&changes, now);
                position = changes.position;
                if changes.gap || changes.events.iter().any(|event| event.subject == Subject::Keys) {
                    match signing.reload(now.wall).await {
                        Ok(()) => tokens.forget_verified(),
                        Err(error) => tracing::error!(%error, "the signing keys could not be read again"),
                    }
                }
            }
            Err(error) => {
                metrics.store_up(false);
                tracing::error!(%error, "the change feed cannot be read");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

async fn sweep(store: Arc<dyn Store>, lifetimes: Lifetimes, clock: Clock) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let now = clock.now().wall;
        if let Err(error) = store.sweep(now.minus(lifetimes.idle), now.minus(lifetimes.absolute), now).await {
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
