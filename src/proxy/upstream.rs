//! Named upstreams and their servers: one is chosen in turn, past those that cannot be connected to, and has a deadline for
//! every step.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pingora::Result;
use pingora::upstreams::peer::HttpPeer;

use super::loops;
use super::opening::Opening;

/// Where a server is, its name resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// `tls` holds the name that the certificate must bear.
    Tcp {
        address: SocketAddr,
        tls: Option<String>,
    },
    Unix(PathBuf),
}

/// Which server a request goes to: one in its turn, then those after it. Its own, so that requests at the same time do not
/// push each other back to a server that was tried already.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    first: usize,
    passed_over: usize,
}

#[derive(Debug)]
pub struct Upstream {
    pub name: String,
    pub servers: Vec<Server>,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
    next: AtomicUsize,
}

/// How long an unused connection is kept; shorter than what servers keep theirs for.
const IDLE: Duration = Duration::from_secs(30);

/// In the key under which Pingora keeps a connection: those of tunnels are beside those of the loops.
const TUNNEL: u64 = 1 << 63;

impl Upstream {
    pub fn new(name: String, servers: Vec<Server>, connect_timeout: Duration, read_timeout: Duration) -> Self {
        Self { name, servers, connect_timeout, read_timeout, next: AtomicUsize::new(0) }
    }

    /// The next server's turn.
    pub fn turn(&self) -> Turn {
        Turn { first: self.next.fetch_add(1, Ordering::Relaxed), passed_over: 0 }
    }

    /// Past a server that could not be connected to. False: each has been tried.
    pub fn pass_over(&self, turn: &mut Turn) -> bool {
        turn.passed_over += 1;
        turn.passed_over < self.servers.len()
    }

    /// `tunnel`: a WebSocket, which may be silent for as long as it likes.
    pub fn peer(&self, turn: Turn, tunnel: bool) -> Result<Box<HttpPeer>> {
        let server = self.servers.get(turn.first.wrapping_add(turn.passed_over) % self.servers.len().max(1));
        let server = server.ok_or_else(|| pingora::Error::new(pingora::ErrorType::ConnectNoRoute))?;
        let mut peer = match server {
            Server::Tcp { address, tls } => HttpPeer::new(*address, tls.is_some(), tls.clone().unwrap_or_default()),
            Server::Unix(path) => HttpPeer::new_uds(&path.to_string_lossy(), false, String::new())?,
        };
        let options = &mut peer.options;
        options.connection_timeout = Some(self.connect_timeout);
        options.total_connection_timeout = Some(self.connect_timeout);
        options.read_timeout = (!tunnel).then_some(self.read_timeout);
        options.write_timeout = (!tunnel).then_some(self.read_timeout);
        options.idle_timeout = Some(if tunnel { Duration::ZERO } else { IDLE });
        peer.group_key = loops::here();
        if tunnel {
            options.custom_l4 = Some(Arc::new(Opening));
            // Never one that served something else, and, should the app not switch, never kept for something else.
            peer.group_key = TUNNEL | turn.first as u64;
        }
        Ok(Box::new(peer))
    }
}
