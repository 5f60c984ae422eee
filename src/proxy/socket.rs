//! The socket under a guarded connection, with or without TLS, and who is at its other end.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pingora::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{SocketDigest, UniqueIDType};
use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::stall::Stall;
use crate::tls;

/// How long a client may take nothing of what is written to it.
pub const STALL: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Socket {
    stream: Stream,
    stall: Stall,
    peer: IpAddr,
    pub(super) id: UniqueIDType,
    pub(super) digest: Arc<SocketDigest>,
    pub(super) tls: Option<Arc<SslDigest>>,
}

/// A small answer's head and body leave in one system call.
#[derive(Debug)]
enum Stream {
    Plain(BufWriter<TcpStream>),
    Tls(Box<BufWriter<TlsStream<TcpStream>>>),
}

/// In bytes. What is larger is written as it is.
const GATHERED: usize = 4096;

impl Socket {
    /// `peer`: who is at the other end, which behind a load balancer is not the balancer.
    pub fn plain(tcp: TcpStream, peer: SocketAddr) -> Self {
        let (id, digest) = identify(&tcp, peer);
        Self {
            stream: Stream::Plain(BufWriter::with_capacity(GATHERED, tcp)),
            stall: Stall::after(STALL),
            id,
            peer: peer.ip(),
            digest,
            tls: None,
        }
    }

    pub fn tls(stream: TlsStream<TcpStream>, peer: SocketAddr) -> Self {
        let (id, digest) = identify(stream.get_ref().0, peer);
        // Only that it is there matters: to Pingora, and to whoever asks whether a request came over TLS.
        let tls = SslDigest::new("", "", None, None, Vec::new());
        let (stream, stall) = (BufWriter::with_capacity(GATHERED, stream), Stall::after(STALL));
        Self { stream: Stream::Tls(Box::new(stream)), stall, id, peer: peer.ip(), digest, tls: Some(Arc::new(tls)) }
    }

    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    fn holds_back(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => !stream.buffer().is_empty(),
            Stream::Tls(stream) => !stream.buffer().is_empty(),
        }
    }

    pub fn speaks_http2(&self) -> bool {
        let Stream::Tls(stream) = &self.stream else { return false };
        stream.get_ref().get_ref().1.alpn_protocol() == Some(tls::HTTP2)
    }
}

fn identify(tcp: &TcpStream, peer: SocketAddr) -> (UniqueIDType, Arc<SocketDigest>) {
    let digest = SocketDigest::from_raw_fd(tcp.as_raw_fd());
    // Said now: later the descriptor may be another connection's.
    let _ = digest.peer_addr.set(Some(PingoraAddr::Inet(peer)));
    (tcp.as_raw_fd(), Arc::new(digest))
}

/// The address of an end of a connection.
pub fn ip(end: Option<&PingoraAddr>) -> IpAddr {
    // Every connection here has been given both.
    end.and_then(PingoraAddr::as_inet).map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SocketAddr::ip)
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        // Whoever waits for the other end lets it have what is held back.
        if read.is_pending()
            && self.holds_back()
            && let Poll::Ready(Err(error)) = self.poll_flush(cx)
        {
            return Poll::Ready(Err(error));
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, stall, .. } = self.get_mut();
        let written = match stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        stall.watch(written, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, stall, .. } = self.get_mut();
        let flushed = match stream {
            // With nothing held back, it cannot say whether what was written has been taken.
            Stream::Plain(stream) if stream.buffer().is_empty() => return Pin::new(stream).poll_flush(cx),
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        stall.watch(flushed, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, stall, .. } = self.get_mut();
        let shut = match stream {
            Stream::Plain(stream) if stream.buffer().is_empty() => return Pin::new(stream).poll_shutdown(cx),
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        stall.watch(shut, cx)
    }
}

impl Drop for Socket {
    /// What nobody takes is let go. The system would go on offering it for minutes: megabytes of it, on a connection that no
    /// cap counts any more.
    fn drop(&mut self) {
        if self.stall.lasts() {
            let tcp = match &self.stream {
                Stream::Plain(stream) => stream.get_ref(),
                Stream::Tls(stream) => stream.get_ref().get_ref().0,
            };
            // If it is gone already, so is what waited.
            let _ = tcp.set_zero_linger();
        }
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
