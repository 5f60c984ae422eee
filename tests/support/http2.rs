//! An HTTP/2 client over TLS that trusts one certificate.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, StatusCode};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::tls::Certificate;

/// A connection; and what became of it in the end.
pub async fn connect(
    to: SocketAddr,
    certificate: &Certificate,
) -> (SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let tcp = TcpStream::connect(to).await.unwrap();
    let connector = TlsConnector::from(certificate.trusting(&[b"h2"]));
    let stream = connector.connect("gw.example".try_into().unwrap(), tcp).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    (sender, tokio::spawn(connection))
}

pub type Said = Result<(StatusCode, HeaderMap, String), h2::Error>;

pub async fn ask(
    sender: &SendRequest<Bytes>,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: Option<&str>,
) -> Said {
    let mut request = Request::builder().method(method).uri(format!("https://gw.example{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut sender = sender.clone().ready().await?;
    let (answer, mut sending) = sender.send_request(request.body(()).unwrap(), body.is_none())?;
    if let Some(body) = body {
        sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true)?;
    }
    let (head, mut stream) = answer.await?.into_parts();
    let mut text = Vec::new();
    while let Some(chunk) = stream.data().await {
        text.extend_from_slice(&chunk?);
    }
    Ok((head.status, head.headers, String::from_utf8(text).unwrap()))
}
