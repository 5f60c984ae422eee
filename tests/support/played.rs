//! An app that the test plays itself, byte by byte: what it does, and when, is up to the test.

use std::net::{SocketAddr, TcpListener};

use super::wait::until;
use super::wire::Wire;

pub struct Played {
    pub address: SocketAddr,
    listener: TcpListener,
}

impl Played {
    pub fn bind() -> Self {
        Self::at("127.0.0.1:0")
    }

    pub fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { address: listener.local_addr().unwrap(), listener }
    }

    /// The next connection that the gateway makes.
    pub fn accept(&self) -> Wire {
        let mut wire = None;
        until("a connection to the app", || {
            wire = self.listener.accept().ok();
            wire.is_some()
        });
        let (stream, _) = wire.unwrap();
        stream.set_nonblocking(false).unwrap();
        Wire::over(stream)
    }

    /// Nobody has connected so far.
    pub fn is_alone(&self) -> bool {
        self.listener.accept().is_err()
    }
}
