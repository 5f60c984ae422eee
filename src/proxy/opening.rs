//! The connection to an app on which a WebSocket is to be opened.
//!
//! Pingora sends the handshake and then looks for two things, in any order: the end of the handshake's (empty) body and the
//! app's answer. If it happens on the answer first, it takes that end for the end of the tunnel, and hangs up. Here an answer
//! lets what is there already go first: the first look after something was sent finds nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

#[derive(Debug)]
pub struct Opening;

#[async_trait]
impl L4Connect for Opening {
    /// How long it may take is the peer's to say.
    async fn connect(&self, to: &SocketAddr) -> Result<Stream> {
        let connected: io::Result<Box<dyn VirtualSocket>> = match to {
            SocketAddr::Inet(address) => TcpStream::connect(address).await.and_then(|socket| {
                socket.set_nodelay(true)?;
                Ok(Box::new(Patient { socket, sent: false }) as _)
            }),
            SocketAddr::Unix(address) => match address.as_pathname() {
                Some(path) => {
                    UnixStream::connect(path).await.map(|socket| Box::new(Patient { socket, sent: false }) as _)
                }
                None => Err(io::ErrorKind::AddrNotAvailable.into()),
            },
        };
        let socket = connected.map_err(|error| Error::because(ErrorType::ConnectError, "for a WebSocket", error))?;
        Ok(VirtualSocketStream::new(socket).into())
    }
}

#[derive(Debug)]
struct Patient<S> {
    socket: S,
    /// Since it was last read from.
    sent: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.sent) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.sent = true;
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug> VirtualSocket for Patient<S> {
    /// They were set where it was made.
    fn set_socket_option(&self, _: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}
