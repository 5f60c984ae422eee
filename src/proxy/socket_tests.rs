//! Readers who take nothing, and readers who take their time.

use std::io::ErrorKind;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

/// More than the system keeps for somebody who does not read.
const MUCH: usize = 32 * 1024 * 1024;
const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);

async fn pair() -> (TcpStream, SocketAddr, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    (server, peer, client)
}

async fn plain(patience: Duration) -> (Socket, TcpStream) {
    let (server, peer, client) = pair().await;
    let mut socket = Socket::plain(server, peer);
    socket.stall = Stall::after(patience);
    (socket, client)
}

async fn secure(patience: Duration) -> (Socket, tokio_rustls::client::TlsStream<TcpStream>) {
    let made = rcgen::generate_simple_self_signed(vec!["gw.example".to_owned()]).unwrap();
    let chain = CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(chain.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let served = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let served = served.unwrap().with_no_client_auth().with_single_cert(vec![chain], key).unwrap();
    let trusting = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let trusting = trusting.unwrap().with_root_certificates(roots).with_no_client_auth();

    let (server, peer, client) = pair().await;
    let (server, client) = tokio::join!(
        TlsAcceptor::from(Arc::new(served)).accept(server),
        TlsConnector::from(Arc::new(trusting)).connect("gw.example".try_into().unwrap(), client),
    );
    let mut socket = Socket::tls(server.unwrap(), peer);
    socket.stall = Stall::after(patience);
    (socket, client.unwrap())
}

/// Write until no more is taken; what then became of it.
async fn fill(socket: &mut Socket) -> ErrorKind {
    tokio::time::timeout(LONG, socket.write_all(&vec![0; MUCH])).await.expect("given up").unwrap_err().kind()
}

/// Everything that arrives, and how it ends.
async fn rest(client: &mut TcpStream) -> io::Result<usize> {
    let mut bytes = Vec::new();
    tokio::time::timeout(LONG, client.read_to_end(&mut bytes)).await.expect("it ends")
}

#[tokio::test]
async fn who_takes_nothing_is_given_up_and_nothing_is_kept_for_him() {
    let (mut socket, mut client) = plain(SHORT).await;
    assert_eq!(fill(&mut socket).await, ErrorKind::TimedOut);
    drop(socket);
    assert_eq!(rest(&mut client).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_write_that_was_given_up_by_the_writer_is_not_kept_either() {
    let (mut socket, mut client) = plain(LONG).await;
    assert!(tokio::time::timeout(SHORT, socket.write_all(&vec![0; MUCH])).await.is_err());
    socket.flush().await.unwrap();
    socket.shutdown().await.unwrap();
    drop(socket);
    assert_eq!(rest(&mut client).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn over_tls_what_has_not_been_flushed_counts_too() {
    let (mut socket, _client) = secure(SHORT * 15).await;
    // Just more than goes out: the last of it has been encrypted, and waits.
    while let Ok(Ok(_)) = tokio::time::timeout(SHORT * 3, socket.write(&[0; 1024])).await {}
    let flushed = tokio::time::timeout(LONG, socket.flush()).await.expect("given up");
    assert_eq!(flushed.unwrap_err().kind(), ErrorKind::TimedOut);
    let shut = tokio::time::timeout(LONG, socket.shutdown()).await.expect("given up");
    assert_eq!(shut.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn who_reads_in_the_end_gets_everything() {
    let (mut socket, mut client) = plain(LONG).await;
    let writing = async {
        socket.write_all(&vec![0; MUCH]).await.unwrap();
        socket.shutdown().await.unwrap();
        drop(socket);
    };
    let (got, ()) = tokio::join!(rest(&mut client), writing);
    assert_eq!(got.unwrap(), MUCH);

    let (mut socket, mut client) = secure(LONG).await;
    let writing = async {
        socket.write_all(&vec![0; MUCH]).await.unwrap();
        socket.shutdown().await.unwrap();
        drop(socket);
    };
    let mut bytes = Vec::new();
    let (got, ()) = tokio::join!(client.read_to_end(&mut bytes), writing);
    assert_eq!(got.unwrap(), MUCH);
}

#[tokio::test]
async fn a_small_answer_goes_out_at_once_when_somebody_waits_for_more() {
    let (mut socket, mut client) = plain(LONG).await;
    let conversation = async {
        socket.write_all(b"head").await.unwrap();
        socket.write_all(b" and body").await.unwrap();
        socket.read_u8().await.unwrap()
    };
    let listening = async {
        let mut heard = [0; 13];
        client.read_exact(&mut heard).await.unwrap();
        client.write_u8(7).await.unwrap();
        heard
    };
    let (heard, said) = tokio::time::timeout(LONG, async { tokio::join!(listening, conversation) }).await.unwrap();
    assert_eq!((&heard, said), (b"head and body", 7));
}
