//! The admin listener: /metrics, /healthz, /readyz. Never public, never through the proxy, and nothing here changes anything.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::HOST;
use http::{Response, StatusCode};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use serde_json::json;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::gate::host::plain_host;
use crate::live::LiveUsers;
use crate::proxy::guard::Guarded;
use crate::proxy::socket;
use crate::signing::Signing;
use crate::telemetry::metrics::Metrics;

pub struct Admin {
    pub metrics: Arc<Metrics>,
    pub live: Arc<LiveUsers>,
    pub signing: Arc<Signing>,
    pub clock: Clock,
    pub stopping: watch::Receiver<bool>,
}

/// The feed gives word at least once a second while the store is reachable.
const SILENCE: Duration = Duration::from_secs(5);

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        // What is written from here on is ours. One question a connection: those who ask are few.
        session.set_keepalive(None);
        if let Some(guarded) = Guarded::under(session) {
            guarded.serving();
        }
        if is_misdirected(session) {
            let why = b"ask by an address, or as localhost\n".to_vec();
            return answer(StatusCode::MISDIRECTED_REQUEST, "text/plain", why);
        }
        match session.req_header().uri.path() {
            "/metrics" => answer(StatusCode::OK, "text/plain; version=0.0.4", self.metrics.render()),
            "/healthz" => answer(StatusCode::OK, "application/json", b"{\"status\":\"alive\"}".to_vec()),
            "/readyz" => self.readiness(),
            _ => answer(StatusCode::NOT_FOUND, "text/plain", b"try /metrics, /healthz or /readyz\n".to_vec()),
        }
    }
}

impl Admin {
    fn readiness(&self) -> Response<Vec<u8>> {
        let now = self.clock.now();
        let store = self.live.silence(now) < SILENCE;
        let keys = self.signing.keys().access.signer(now.wall).is_some();
        let stopping = *self.stopping.borrow();
        let ready = store && keys && !stopping;
        let body = json!({ "ready": ready, "store": store, "keys": keys, "stopping": stopping });
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answer(status, "application/json", body.to_string().into_bytes())
    }
}

/// From this machine, under a name that anybody could have made to mean it: by a page that a browser here shows (DNS rebinding).
fn is_misdirected(session: &ServerSession) -> bool {
    let [peer, here] = [session.client_addr(), session.server_addr()].map(socket::ip);
    let from_here = peer == here || peer.to_canonical().is_loopback();
    let Some(host) = session.req_header().headers.get(HOST) else { return false };
    let ours = host.to_str().is_ok_and(|host| {
        let host = plain_host(host);
        host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    });
    from_here && !ours
}

fn answer(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = body.len();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static(content_type));
    headers.insert("content-length", length.into());
    headers.insert("cache-control", http::HeaderValue::from_static("no-store"));
    response
}
