//! Accepts connections: a place first, then the connection, so that a full house makes the next ones wait in the kernel's
//! queue instead of taking memory here. Each connection is guarded and handed to Pingora.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::ServerApp;
use pingora::protocols::l4::stream::Stream as Socket;
use pingora::protocols::{GetSocketDigest, SocketDigest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::guard::{Deadlines, Guarded};

/// How long to rest when the system has no more file descriptors to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Serve until `stop` says so. Connections under way go on; each holds its place until it ends.
pub async fn accept<A: ServerApp + Send + Sync + 'static>(
    listener: TcpListener,
    app: Arc<A>,
    places: Arc<Semaphore>,
    deadlines: Deadlines,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            // A full house must not keep us from stopping.
            _ = stop.wait_for(|stop| *stop) => return,
        };
        // The semaphore is never closed.
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            // In this order: who was let into the kernel's queue before the stop is still served.
            biased;
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let tcp = match accepted {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(EXHAUSTED).await;
                continue;
            }
        };
        let (app, stop) = (Arc::clone(&app), stop.clone());
        tokio::spawn(async move {
            if let Ok(socket) = prepare(tcp) {
                app.process_new(Box::new(Guarded::new(socket, deadlines)), &stop).await;
            }
            drop(place);
        });
    }
}

fn prepare(tcp: TcpStream) -> io::Result<Socket> {
    tcp.set_nodelay(true)?;
    let digest = SocketDigest::from_raw_fd(tcp.as_raw_fd());
    // Asked for now: later the descriptor may be another connection's.
    let _ = digest.peer_addr();
    let mut socket = Socket::from(tcp);
    socket.set_socket_digest(digest);
    Ok(socket)
}

/// The address at the other end of a connection; none over a Unix socket.
pub fn peer_ip(peer: Option<&pingora::protocols::l4::socket::SocketAddr>) -> Option<IpAddr> {
    peer.and_then(|peer| peer.as_inet()).map(SocketAddr::ip)
}
