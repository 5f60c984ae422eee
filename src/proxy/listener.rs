//! Accepts connections: a place first, then the connection, so that a full house makes the next ones wait in the kernel's
//! queue instead of taking memory here. Who is at the other end is known before anything else is read; then comes TLS, then
//! the guard, then Pingora.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::apps::ServerApp;
use pingora::protocols::TcpKeepalive;
use pingora::protocols::l4::ext::set_tcp_keepalive;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::crowd::{Crowd, Place};
use super::guard::{Guarded, Rules};
use super::loops::Loops;
use super::socket::Socket;
use super::{Configuration, proxy_protocol};
use crate::telemetry::metrics::{ConnectionEnd, Metrics};
use crate::tls::Tls;

/// How long to rest when the system has no more file descriptors to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// A client that has vanished without a word, out of a tunnel too, is noticed within two minutes.
const KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(60),
    interval: Duration::from_secs(15),
    count: 4,
    // What waits to be taken when a connection has closed is let go as well.
    #[cfg(target_os = "linux")]
    user_timeout: Duration::from_secs(60),
};

/// What the system takes from us for a client before the client takes it. By itself it would take megabytes, and some hundreds
/// of clients that do not read would have all the memory that it has for TCP.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// What a listener demands of a connection before a request is read.
pub struct Door {
    /// Connections at once, in all.
    pub places: Arc<Semaphore>,
    pub rules: Arc<Rules>,
    /// What only the public listener demands.
    pub public: Option<Public>,
}

pub struct Public {
    pub crowd: Arc<Crowd>,
    /// Connections at once from one address. Trusted proxies speak for many, and are not held to it.
    pub per_address: usize,
    /// Every connection begins with a header of the PROXY protocol, and comes from a trusted proxy.
    pub proxy_protocol: bool,
    /// Replaced by a reload; connections that are open go on with what they began with.
    pub tls: Option<Arc<ArcSwap<Tls>>>,
    /// Says who is trusted.
    pub current: Arc<ArcSwap<Configuration>>,
    pub metrics: Arc<Metrics>,
}

/// Serve until `stop` says so. Connections under way go on; each holds its place until it ends.
pub async fn accept<A: ServerApp + Send + Sync + 'static>(
    listener: TcpListener,
    app: Arc<A>,
    door: Arc<Door>,
    loops: Arc<Loops>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let place = tokio::select! {
            place = Arc::clone(&door.places).acquire_owned() => place,
            // A full house must not keep us from stopping.
            _ = stop.wait_for(|stop| *stop) => return,
        };
        // The semaphore is never closed.
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            // In this order: who was let into the kernel's queue before the stop is still served.
            biased;
            accepted = listener.accept() => accepted.and_then(|(tcp, peer)| Ok((tcp.into_std()?, peer))),
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(EXHAUSTED).await;
                continue;
            }
        };
        let (app, door, stop) = (Arc::clone(&app), Arc::clone(&door), stop.clone());
        loops.spawn(async move {
            let tcp = match TcpStream::from_std(tcp) {
                Ok(tcp) => tcp,
                Err(error) => return tracing::warn!(%error, "a connection could not be served"),
            };
            // Why a connection is not let in is counted, and nobody is there to be told.
            if let Ok((socket, _among_its_own)) = door.enter(tcp, peer).await {
                app.process_new(Box::new(Guarded::new(socket, Arc::clone(&door.rules))), &stop).await;
            }
            drop(place);
        });
    }
}

fn tune(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    set_tcp_keepalive(tcp, &KEEPALIVE).map_err(io::Error::other)?;
    #[cfg(target_os = "linux")]
    SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT)?;
    Ok(())
}

impl Door {
    async fn enter(&self, tcp: TcpStream, peer: SocketAddr) -> io::Result<(Socket, Option<Place>)> {
        tune(&tcp)?;
        let Some(public) = &self.public else { return Ok((Socket::plain(tcp, peer), None)) };
        let deadline = self.rules.deadlines.header;
        let entered = tokio::time::timeout(deadline, public.enter(tcp, peer)).await;
        entered.unwrap_or(Err(ConnectionEnd::HeaderTimeout)).map_err(|why| {
            public.metrics.connection_ended(why);
            io::ErrorKind::ConnectionAborted.into()
        })
    }
}

impl Public {
    async fn enter(&self, mut tcp: TcpStream, mut peer: SocketAddr) -> Result<(Socket, Option<Place>), ConnectionEnd> {
        let current = self.current.load_full();
        let clients = &current.gateway.api.clients;
        if self.proxy_protocol {
            if !clients.trusts(peer.ip()) {
                return Err(ConnectionEnd::ProxyHeader);
            }
            let said = proxy_protocol::read(&mut tcp).await.map_err(|_| ConnectionEnd::ProxyHeader)?;
            peer = said.unwrap_or(peer);
        }
        let place = if clients.trusts(peer.ip()) {
            None
        } else {
            let place = self.crowd.admit(clients.limiter_key(peer.ip()), self.per_address);
            Some(place.ok_or(ConnectionEnd::PerAddress)?)
        };
        let Some(tls) = &self.tls else { return Ok((Socket::plain(tcp, peer), place)) };
        let Tls(config) = &**tls.load();
        let accepted = TlsAcceptor::from(Arc::clone(config)).accept(tcp).await;
        let stream = accepted.map_err(|_| ConnectionEnd::TlsHandshake)?;
        Ok((Socket::tls(stream, peer), place))
    }
}
