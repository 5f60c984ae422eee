//! What a process holds that serves, and what it makes of the settings: everything is put together here.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};

use super::ServeError;
use super::awaited::awaited;
use super::background::Follower;
use crate::admin::Admin;
use crate::api::Api;
use crate::clock::Clock;
use crate::config::settings::{self, Settings};
use crate::gate::identity::IdentityHeaders;
use crate::gateway::Gateway;
use crate::limiter::Limiter;
use crate::live::LiveUsers;
use crate::login::Login;
use crate::passwords::{self, Passwords};
use crate::proxy::Configuration;
use crate::proxy::guard::{Deadlines, Rules};
use crate::proxy::listener::{Door, Public};
use crate::proxy::reception::Unparsed;
use crate::proxy::upstream::Upstream;
use crate::sessions::Sessions;
use crate::signing::Signing;
use crate::store::{Changes, Store};
use crate::telemetry::logging::Lines;
use crate::telemetry::metrics::Metrics;
use crate::tls::Tls;
use crate::tokens::Tokens;

/// The admin listener serves a scraper and a prober or two.
const ADMIN_CONNECTIONS: usize = 64;

/// What outlives a reload.
pub(super) struct Running {
    pub(super) settings: Settings,
    pub(super) store: Arc<dyn Store>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) lines: Lines,
    pub(super) live: Arc<LiveUsers>,
    pub(super) signing: Arc<Signing>,
    pub(super) passwords: Arc<Passwords>,
    pub(super) limiter: Arc<Limiter>,
    pub(super) tls: Option<Arc<ArcSwap<Tls>>>,
    pub(super) clock: Clock,
}

impl Running {
    pub(super) async fn start(
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
        let keys = async || {
            let (secrets, keys_in) = (auth.secrets.clone(), Arc::clone(&store));
            Ok(Signing::start(keys_in, auth.algorithm, secrets, auth.access_ttl, now.wall).await?)
        };
        let signing = awaited(&settings.store.url, keys).await?;
        let passwords = Passwords::start(settings.passwords, Arc::new(Hashing(Arc::clone(&metrics))))?;
        let (signing, passwords) = (Arc::new(signing), Arc::new(passwords));
        let (limiter, tls) = (Arc::default(), settings.tls.clone().map(|tls| Arc::new(ArcSwap::from_pointee(tls))));
        Ok(Self { settings, store, metrics, lines, live, signing, passwords, limiter, tls, clock })
    }

    /// Everything that the settings shape and a reload may replace.
    pub(super) fn configure(&self, upstreams: Vec<Upstream>) -> Configuration {
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

    pub(super) fn admin(&self, stopping: watch::Receiver<bool>) -> Admin {
        let (metrics, live, signing) = (Arc::clone(&self.metrics), Arc::clone(&self.live), Arc::clone(&self.signing));
        Admin { metrics, live, signing, clock: self.clock, stopping }
    }

    pub(super) fn public_door(&self, current: &Arc<ArcSwap<Configuration>>) -> Arc<Door> {
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

    pub(super) fn admin_door(&self) -> Arc<Door> {
        self.door(ADMIN_CONNECTIONS, None)
    }

    fn door(&self, places: usize, public: Option<Public>) -> Arc<Door> {
        let settings::Server { header_timeout: header, idle_timeout: idle, .. } = self.settings.server;
        let (metrics, lines) = (Arc::clone(&self.metrics), self.lines.clone());
        let reception = Box::new(Unparsed { metrics, lines, clock: self.clock });
        let rules = Arc::new(Rules { deadlines: Deadlines { header, idle }, reception });
        Arc::new(Door { places: Arc::new(Semaphore::new(places)), rules, public })
    }

    pub(super) fn follower(&self, current: Arc<ArcSwap<Configuration>>) -> Follower {
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
