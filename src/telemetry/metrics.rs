//! The catalogue of metrics: one method an event. docs/METRICS.md says what each means.

use std::time::Duration;

use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use tracing_appender::non_blocking::ErrorCounter;

use super::lost_lines::LostLines;
use crate::gate::denial::{Denial, Limit};

/// Every metric there is. Handed by reference to whoever has something to tell.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_duration: HistogramVec,
    gateway_duration: Histogram,
    decisions: IntCounterVec,
    /// Of those, by far the most.
    allowed: IntCounter,
    logins: IntCounterVec,
    refreshes: IntCounterVec,
    revocations: IntCounterVec,
    revocation_lag: Histogram,
    cache_requests: IntCounterVec,
    cache_hits: IntCounter,
    cache_entries: IntGauge,
    store_duration: HistogramVec,
    store_errors: IntCounterVec,
    store_up: IntGauge,
    rate_limited: IntCounterVec,
    hash_duration: Histogram,
    hash_waiting: IntGauge,
    upstream_errors: IntCounterVec,
    reload_successful: Gauge,
    connections_ended: IntCounterVec,
    panics: IntCounter,
}

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    Succeeded,
    Denied(&'static str),
}

/// How a refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshOutcome {
    Rotated,
    Repeated,
    Reused,
    Denied(&'static str),
}

/// What was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationScope {
    Session,
    User,
    Reuse,
}

/// How the cache of live users answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheResult {
    Hit,
    Miss,
    /// Served from a copy while the store was unreachable.
    Stale,
}

/// What went wrong with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamError {
    Connect,
    Timeout,
    Broken,
}

/// Why a connection was ended before it brought a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// Its address has as many as it may have.
    PerAddress,
    /// It did not begin with a header of the PROXY protocol, or came from somebody who may not send one.
    ProxyHeader,
    TlsHandshake,
    /// A head (or what comes before it) was not whole in time.
    HeaderTimeout,
}

impl ConnectionEnd {
    const ALL: [Self; 4] = [Self::PerAddress, Self::ProxyHeader, Self::TlsHandshake, Self::HeaderTimeout];

    fn label(self) -> &'static str {
        match self {
            Self::PerAddress => "per_address",
            Self::ProxyHeader => "proxy_header",
            Self::TlsHandshake => "tls_handshake",
            Self::HeaderTimeout => "header_timeout",
        }
    }
}

/// From a microsecond to ten seconds: deciding is at one end, a slow upstream at the other.
const SECONDS: [f64; 16] = [1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

impl Metrics {
    pub fn new() -> Result<Self, prometheus::Error> {
        let new = Catalogue { registry: Registry::new() };
        let decisions = new.counters("decisions_total", "Decisions: allowed, or the error's code.", &["outcome"])?;
        let cache_requests = new.counters("user_cache_requests_total", "Look-ups of live users.", &["result"])?;
        let metrics = Self {
            allowed: decisions.with_label_values(&["allowed"]),
            decisions,
            cache_hits: cache_requests.with_label_values(&["hit"]),
            cache_requests,
            requests: new.counters("http_requests_total", "Requests answered.", &["route", "method", "status"])?,
            request_duration: new.histograms("http_request_duration_seconds", "From head to last byte.", "route")?,
            gateway_duration: new.histogram("gateway_duration_seconds", "Time spent deciding, upstream left out.")?,
            logins: new.counters("logins_total", "Logins: succeeded, or the error's code.", &["outcome"])?,
            refreshes: new.counters("refreshes_total", "Refreshes by what came of them.", &["outcome"])?,
            revocations: new.counters(
                "revocations_total",
                "Sessions and users whose tokens were ended.",
                &["scope"],
            )?,
            revocation_lag: new.histogram("revocation_lag_seconds", "From a write to this gateway obeying it.")?,
            cache_entries: new.gauge("user_cache_entries", "Live users in memory.")?,
            store_duration: new.histograms("store_duration_seconds", "Calls on the store.", "operation")?,
            store_errors: new.counters("store_errors_total", "Calls on the store that failed.", &["operation"])?,
            store_up: new.gauge("store_up", "1 while the store answers.")?,
            rate_limited: new.counters("rate_limited_total", "Requests over a quota.", &["limit"])?,
            hash_duration: new.histogram("password_hash_duration_seconds", "One password hash.")?,
            hash_waiting: new.gauge("password_hash_waiting", "Logins waiting for a place to hash.")?,
            upstream_errors: new.counters("upstream_errors_total", "Upstreams that failed.", &["upstream", "kind"])?,
            reload_successful: new.float("config_last_reload_successful", "1 if the last reload took effect.")?,
            connections_ended: new.counters("connections_ended_total", "Those without a request.", &["reason"])?,
            panics: new.counter("panics_total", "Panics, each of which is a bug.")?,
            registry: new.registry.clone(),
        };
        let build = new.gauges("build_info", "The running version.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        metrics.reload_successful.set(1.0);
        for limit in Limit::ALL {
            metrics.rate_limited.with_label_values(&[limit.name()]);
        }
        for why in ConnectionEnd::ALL {
            metrics.connections_ended.with_label_values(&[why.label()]);
        }
        Ok(metrics)
    }

    pub fn watch_log(&self, lost: ErrorCounter) -> Result<(), prometheus::Error> {
        let opts = opts("log_lines_lost_total", "Lines of the log that found no room.");
        self.registry.register(Box::new(LostLines::new(lost, opts)?))
    }

    /// Everything in the Prometheus text format.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory fails only if a metric is malformed, and then what was written so far is what there is.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }

    pub fn answered(&self, route: &str, method: &str, status: &str, took: Duration) {
        self.requests.with_label_values(&[route, method, status]).inc();
        self.request_duration.with_label_values(&[route]).observe(took.as_secs_f64());
    }

    pub fn decided(&self, denial: Option<&Denial>, took: Duration) {
        match denial {
            None => self.allowed.inc(),
            Some(denial) => self.decisions.with_label_values(&[denial.code()]).inc(),
        }
        self.gateway_duration.observe(took.as_secs_f64());
        if let Some(Denial::RateLimited(exceeded)) = denial {
            self.rate_limited(exceeded.limit);
        }
    }

    pub fn rate_limited(&self, limit: Limit) {
        self.rate_limited.with_label_values(&[limit.name()]).inc();
    }

    pub fn login(&self, outcome: LoginOutcome) {
        let label = match outcome {
            LoginOutcome::Succeeded => "succeeded",
            LoginOutcome::Denied(code) => code,
        };
        self.logins.with_label_values(&[label]).inc();
    }

    pub fn refresh(&self, outcome: RefreshOutcome) {
        let label = match outcome {
            RefreshOutcome::Rotated => "rotated",
            RefreshOutcome::Repeated => "repeated",
            RefreshOutcome::Reused => "reused",
            RefreshOutcome::Denied(code) => code,
        };
        self.refreshes.with_label_values(&[label]).inc();
    }

    pub fn revoked(&self, scope: RevocationScope) {
        let label = match scope {
            RevocationScope::Session => "session",
            RevocationScope::User => "user",
            RevocationScope::Reuse => "reuse",
        };
        self.revocations.with_label_values(&[label]).inc();
    }

    pub fn obeyed(&self, lag: Duration) {
        self.revocation_lag.observe(lag.as_secs_f64());
    }

    pub fn user_cache(&self, result: CacheResult) {
        let label = match result {
            CacheResult::Hit => return self.cache_hits.inc(),
            CacheResult::Miss => "miss",
            CacheResult::Stale => "stale",
        };
        self.cache_requests.with_label_values(&[label]).inc();
    }

    pub fn user_cache_entries(&self, count: u64) {
        self.cache_entries.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn store_called(&self, operation: &'static str, took: Duration, ok: bool) {
        self.store_duration.with_label_values(&[operation]).observe(took.as_secs_f64());
        if !ok {
            self.store_errors.with_label_values(&[operation]).inc();
        }
    }

    pub fn store_up(&self, up: bool) {
        self.store_up.set(i64::from(up));
    }

    pub fn hashed(&self, took: Duration) {
        self.hash_duration.observe(took.as_secs_f64());
    }

    pub fn hash_waiting(&self, change: i64) {
        self.hash_waiting.add(change);
    }

    pub fn connection_ended(&self, why: ConnectionEnd) {
        self.connections_ended.with_label_values(&[why.label()]).inc();
    }

    /// A request that could not be parsed, and so was never decided on.
    pub fn refused_unparsed(&self, denial: &Denial) {
        self.decisions.with_label_values(&[denial.code()]).inc();
        self.requests.with_label_values(&["", "other", denial.status().as_str()]).inc();
    }

    pub fn panicked(&self) {
        self.panics.inc();
    }

    pub fn upstream_failed(&self, upstream: &str, kind: UpstreamError) {
        let label = match kind {
            UpstreamError::Connect => "connect",
            UpstreamError::Timeout => "timeout",
            UpstreamError::Broken => "broken",
        };
        self.upstream_errors.with_label_values(&[upstream, label]).inc();
    }

    pub fn reloaded(&self, successful: bool) {
        self.reload_successful.set(if successful { 1.0 } else { 0.0 });
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// Makes metrics under our name and enters them in the registry.
struct Catalogue {
    registry: Registry,
}

type Made<T> = Result<T, prometheus::Error>;

impl Catalogue {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Made<IntCounterVec> {
        self.enter(IntCounterVec::new(opts(name, help), labels)?)
    }

    fn counter(&self, name: &str, help: &str) -> Made<IntCounter> {
        self.enter(IntCounter::with_opts(opts(name, help))?)
    }

    fn gauge(&self, name: &str, help: &str) -> Made<IntGauge> {
        self.enter(IntGauge::with_opts(opts(name, help))?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Made<IntGaugeVec> {
        self.enter(IntGaugeVec::new(opts(name, help), labels)?)
    }

    fn float(&self, name: &str, help: &str) -> Made<Gauge> {
        self.enter(Gauge::with_opts(opts(name, help))?)
    }

    fn histogram(&self, name: &str, help: &str) -> Made<Histogram> {
        self.enter(Histogram::with_opts(HistogramOpts::from(opts(name, help)).buckets(SECONDS.into()))?)
    }

    fn histograms(&self, name: &str, help: &str, label: &str) -> Made<HistogramVec> {
        self.enter(HistogramVec::new(HistogramOpts::from(opts(name, help)).buckets(SECONDS.into()), &[label])?)
    }

    fn enter<M: prometheus::core::Collector + Clone + 'static>(&self, metric: M) -> Made<M> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("portcullis")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_shows_in_the_text() {
        let metrics = Metrics::new().unwrap();
        metrics.decided(Some(&Denial::TokenExpired), Duration::from_micros(2));
        metrics.refresh(RefreshOutcome::Reused);
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(text.contains("portcullis_decisions_total{outcome=\"token_expired\"} 1"), "{text}");
        assert!(text.contains("portcullis_refreshes_total{outcome=\"reused\"} 1"), "{text}");
        assert!(text.contains("portcullis_build_info{version="), "{text}");
    }
}
