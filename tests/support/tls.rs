//! Certificates made for one test, clients that trust just that one, and servers that show it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use super::gateway::{House, PATIENCE};

/// For `gw.example`, if nothing else is said.
pub struct Certificate {
    pub chain: String,
    pub key: String,
}

impl Certificate {
    pub fn new() -> Self {
        Self::of("gw.example")
    }

    pub fn of(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        Self { chain: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// Where `tls` of the tests' gateway.toml looks for it.
    pub fn write(&self, house: &House) {
        std::fs::write(house.path("chain.pem"), &self.chain).unwrap();
        std::fs::write(house.path("key.pem"), &self.key).unwrap();
    }

    /// A server that shows it.
    pub fn shown(&self) -> Arc<ServerConfig> {
        let chain = CertificateDer::pem_slice_iter(self.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
    }

    pub fn trusting(&self, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A connection whose handshake has been made; the error says why not.
pub fn client(to: SocketAddr, certificate: &Certificate, alpn: &[&[u8]]) -> io::Result<Stream> {
    client_over(TcpStream::connect(to)?, certificate, alpn)
}

/// The same on a connection on which something has been said already.
pub fn client_over(tcp: TcpStream, certificate: &Certificate, alpn: &[&[u8]]) -> io::Result<Stream> {
    tcp.set_read_timeout(Some(PATIENCE))?;
    let connection = ClientConnection::new(certificate.trusting(alpn), "gw.example".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// HTTP/1 over TLS, as text.
pub struct Secure(Stream);

impl Secure {
    pub fn to(address: SocketAddr, certificate: &Certificate, alpn: &[&[u8]]) -> Self {
        Self(client(address, certificate, alpn).unwrap())
    }

    pub fn over(tcp: TcpStream, certificate: &Certificate) -> Self {
        Self(client_over(tcp, certificate, &[]).unwrap())
    }

    /// The whole answer, which has a length.
    pub fn ask(&mut self, request: &str) -> String {
        self.0.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        while let Ok(1..) = Read::by_ref(&mut self.0).take(1).read_to_end(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if length.unwrap_or(0) <= body.len() {
                break;
            }
        }
        String::from_utf8(bytes).unwrap()
    }
}
