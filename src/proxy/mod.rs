//! Pingora's side. It obeys: nothing in here decides whether a request may pass. Each hook is a few lines; what a request
//! is at each of them is [`exchange::Exchange`].

mod body;
mod connection;
pub mod crowd;
mod exchange;
mod failure;
pub mod framing;
pub mod guard;
pub mod head;
mod headers;
mod interim;
pub mod listener;
pub mod loops;
mod opening;
mod proxy_protocol;
pub mod reception;
mod reply;
pub mod socket;
mod stall;
pub mod upstream;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::Version;
use http::header::TRANSFER_ENCODING;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use self::exchange::{Body, CLIENT_GONE, Exchange, Stage};
use self::failure::{Failure, caught};
use self::guard::Guarded;
use self::upstream::Upstream;
use crate::api::Call;
use crate::api::reply::Reply;
use crate::clock::{Clock, Stopwatch};
use crate::gate::denial::Denial;
use crate::gate::route::Endpoint;
use crate::gateway::{Admission, Gateway};
use crate::telemetry::access_log::{AccessLine, known};
use crate::telemetry::metrics::UpstreamError;

/// How long a client may be silent in the middle of a body.
const SILENCE: Duration = Duration::from_secs(30);

pub struct Proxy {
    pub current: Arc<ArcSwap<Configuration>>,
    pub clock: Clock,
    /// `idle_timeout`, in whole seconds as Pingora takes it.
    pub keep_alive_secs: u64,
}

/// What a reload replaces, as a whole: a request ends with the configuration it began with.
pub struct Configuration {
    pub gateway: Gateway,
    /// [`crate::gate::route::Target::Upstream`] is a place in this list.
    pub upstreams: Vec<Upstream>,
}

impl Proxy {
    /// Decide, and answer unless the request goes on to an upstream. Returns whether it was answered.
    async fn decide(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        let configuration = Arc::clone(&exchange.configuration);
        let gateway = &configuration.gateway;
        framing::normalise(session.req_header_mut())?;
        let head = session.req_header();
        let path = framing::path(head, &gateway.methods);
        let arrival = exchange.arrival.insert(gateway.arrival(head, socket::ip(session.client_addr())));
        if let Some(id) = arrival.address.request_id(&head.headers) {
            id.clone_into(&mut exchange.request_id);
        }
        let watch = Stopwatch::start();
        let decided = gateway.admit(arrival, head, path.clone(), self.clock.now()).await;
        gateway.api.metrics.decided(decided.as_ref().err(), watch.elapsed());
        match decided {
            Err(denial) => self.refuse(session, exchange, &denial).await,
            Ok(Admission::Preflight) => {
                let reply = reply::preflight(head);
                self.reply(session, exchange, reply).await
            }
            Ok(Admission::Own(endpoint)) => {
                let path = path.unwrap_or_default().to_owned();
                // Apart: its future is the size of all other ways together, which every request would carry.
                Box::pin(self.serve(session, exchange, endpoint, &path)).await
            }
            Ok(Admission::Upstream { upstream, permit }) => {
                if body::announced(head).is_some_and(|length| length > gateway.max_body) {
                    return self.refuse(session, exchange, &Denial::PayloadTooLarge).await;
                }
                exchange.outcome = "allowed";
                let tunnel = session.is_upgrade_req();
                if tunnel {
                    session.set_read_timeout(None);
                }
                let turn = configuration.upstreams.get(upstream).ok_or_else(unadmitted)?.turn();
                exchange.stage = Stage::Admitted { upstream, turn, permit, tunnel, body: Body::default() };
                Ok(false)
            }
        }
    }

    /// One of our own endpoints.
    async fn serve(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        endpoint: Endpoint,
        path: &str,
    ) -> Result<bool> {
        let head = session.req_header();
        let configuration = Arc::clone(&exchange.configuration);
        let gateway = &configuration.gateway;
        if let Err(denial) = gateway.api.screen(endpoint, head, exchange.over_tls) {
            return self.refuse(session, exchange, &denial).await;
        }
        let body = match body::read(session).await? {
            Ok(body) => body,
            Err(denial) => return self.refuse(session, exchange, &denial).await,
        };
        let Some(arrival) = exchange.arrival else {
            return self.refuse(session, exchange, &Denial::Internal).await;
        };
        let head = session.req_header();
        let call = Call {
            endpoint,
            method: &head.method,
            headers: &head.headers,
            path,
            body: &body,
            ip: arrival.address.ip,
            request_id: &exchange.request_id,
            now: self.clock.now(),
        };
        let reply = gateway.api.answer(&call).await;
        self.reply(session, exchange, reply).await
    }

    async fn refuse(&self, session: &mut Session, exchange: &mut Exchange, denial: &Denial) -> Result<bool> {
        let reply = Reply::denial(denial, &exchange.request_id);
        self.reply(session, exchange, reply).await
    }

    async fn reply(&self, session: &mut Session, exchange: &mut Exchange, reply: Reply) -> Result<bool> {
        exchange.outcome = reply.outcome;
        exchange.stage = Stage::Answered;
        reply::write(session, reply, exchange).await?;
        Ok(true)
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::begin(self.current.load_full())
    }

    /// None: compression is the app's business, and Pingora's own costs every request something even where it is off.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<()> {
        // On every request: Pingora forgets it after the first, and then waits for ever. It has seen by now whether the
        // client's HTTP persists at all: 1.0 does only if asked to (RFC 9112 section 9.3).
        let persists = session.get_keepalive().is_some() && !session.is_process_shutting_down();
        session.set_keepalive(persists.then_some(self.keep_alive_secs));
        session.set_read_timeout(Some(SILENCE));
        match Guarded::under(session) {
            // It watches over its writes itself.
            Some(guarded) => guarded.serving(),
            None => session.set_write_timeout(Some(socket::STALL)),
        }
        exchange.over_tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        caught(self.decide(session, exchange)).await
    }

    async fn upstream_peer(&self, _: &mut Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        let Stage::Admitted { upstream, turn, tunnel, body, .. } = &mut exchange.stage else {
            return Err(unadmitted());
        };
        // Where this is not the first try, what was sent of it is sent again.
        body.bytes = 0;
        exchange.configuration.upstreams.get(*upstream).ok_or_else(unadmitted)?.peer(*turn, *tunnel)
    }

    /// Nothing has been sent yet: whatever the method, the next server may be asked.
    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        exchange: &mut Exchange,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if exchange.pass_over() {
            exchange.upstream_failed(UpstreamError::Connect);
            error.set_retry(true);
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        caught(async {
            let Stage::Admitted { permit, upstream, tunnel, .. } = &exchange.stage else { return Err(unadmitted()) };
            if *tunnel
                && let (Some(guarded), Some(upstream)) =
                    (Guarded::under(session), exchange.configuration.upstreams.get(*upstream))
            {
                guarded.awaiting(upstream.read_timeout);
            }
            headers::to_upstream(request, exchange, permit)?;
            loops::let_others_go_first().await;
            Ok(())
        })
        .await
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        whole: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let limit = exchange.configuration.gateway.max_body;
        let Stage::Admitted { body: coming, tunnel: false, .. } = &mut exchange.stage else { return Ok(()) };
        if let Some(piece) = body {
            coming.take(piece);
        }
        if coming.bytes > limit {
            return Err(Error::new_down(ErrorType::HTTPStatus(Denial::PayloadTooLarge.status().as_u16())));
        }
        if coming.drips() && !whole {
            return Err(Error::new_down(ErrorType::ReadTimedout));
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        caught(async {
            // RFC 9112 section 6.1: HTTP/1.0 knows no chunks, and learns the end from the connection's.
            let chunks = session.req_header().version != Version::HTTP_10;
            if !chunks && response.remove_header(&TRANSFER_ENCODING).is_some() {
                session.set_keepalive(None);
            }
            let Stage::Admitted { permit, tunnel, .. } = &exchange.stage else { return Err(unadmitted()) };
            if interim::switches(response.status) && !tunnel {
                // RFC 9110 section 7.8: the client did not ask for it, and would not know what follows.
                return Err(Error::new_up(ErrorType::InvalidHTTPHeader));
            }
            if let Some(guarded) = Guarded::under(session).filter(|_| interim::is_final(response.status)) {
                guarded.serving();
            }
            let guarded = permit.caller().is_some();
            headers::to_client(response, &session.req_header().headers, exchange, guarded)?;
            loops::let_others_go_first().await;
            Ok(())
        })
        .await
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Exchange) -> FailToProxy {
        let overdue = Guarded::under(session).is_some_and(Guarded::overdue);
        let denial = match if overdue { Failure::TIMEOUT } else { Failure::of(error) } {
            Failure::ClientGone => None,
            Failure::Denied(denial) => Some(denial),
            Failure::Upstream(kind, denial) => {
                exchange.upstream_failed(kind);
                Some(denial)
            }
        };
        // Whatever was said before that, the access line says how it ended.
        exchange.outcome = denial.as_ref().map_or(CLIENT_GONE, Denial::code);
        let begun = session.response_written().is_some_and(|head| interim::is_final(head.status));
        if let (Some(denial), false) = (&denial, begun) {
            session.set_keepalive(None);
            // If the client cannot be told either, it is gone.
            let _ = self.refuse(session, exchange, denial).await;
        }
        let error_code = denial.map_or(0, |denial| denial.status().as_u16());
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Exchange) {
        let (at, took) = (self.clock.now().wall, exchange.watch.elapsed());
        if Guarded::under(session).is_some() {
            loops::let_others_go_first().await;
        }
        let (status, label) =
            session.response_written().map_or((0, "0"), |head| (head.status.as_u16(), head.status.as_str()));
        let (gateway, head) = (&exchange.configuration.gateway, session.req_header());
        let route = exchange.arrival.as_ref().map_or("", |arrival| gateway.route_name(arrival));
        gateway.api.metrics.answered(route, known(&head.method), label, took);
        let user = match &exchange.stage {
            Stage::Admitted { permit, .. } => permit.caller().map(|caller| caller.state.id),
            Stage::Arrived | Stage::Answered => None,
        };
        let line = AccessLine {
            at,
            request_id: &exchange.request_id,
            ip: exchange.arrival.map(|arrival| arrival.address.ip),
            method: known(&head.method),
            path: head.uri.path(),
            route,
            status,
            outcome: exchange.outcome,
            user,
            took,
            sent_bytes: session.body_bytes_sent(),
        };
        line.write(&gateway.api.lines);
        // Not whether the body is done: once it has answered, Pingora says so of a body that is still coming.
        let stays = session.as_http1().is_some_and(|http1| http1.will_keepalive());
        let Some(guarded) = Guarded::under(session) else { return };
        if stays {
            return guarded.idle();
        }
        guarded.ending();
        if error.is_some() {
            // Pingora drops the connection next, and the answer with it if that is still on its way.
            session.as_downstream_mut().shutdown().await;
        }
    }
}

/// A hook was called that only an admitted request reaches: our mistake, and so a no.
fn unadmitted() -> Box<Error> {
    Error::new_in(ErrorType::InternalError)
}
