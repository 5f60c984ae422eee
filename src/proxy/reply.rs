//! Replies become bytes. Written by hand, because Pingora's own `respond_error` closes the connection, which makes a
//! refusal three times as dear.

use http::HeaderValue;
use http::header::{CONTENT_LENGTH, STRICT_TRANSPORT_SECURITY};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{ErrorType, OrErr, Result};

use super::exchange::Exchange;
use super::{headers, loops};
use crate::api::reply::Reply;
use crate::gate::client::REQUEST_ID;

/// RFC 6797 section 6.1, on our own answers: what an app says of itself is its own business.
const A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

pub async fn write(session: &mut Session, reply: Reply, exchange: &Exchange) -> Result<()> {
    let (mut head, ()) = http::Response::new(()).into_parts();
    let is_bodiless = reply.is_bodiless();
    (head.status, head.headers) = (reply.status, reply.headers);
    for (name, value) in headers::cors(&session.req_header().headers, exchange) {
        head.headers.append(name, value);
    }
    if exchange.over_tls {
        head.headers.insert(STRICT_TRANSPORT_SECURITY, A_YEAR);
    }
    let id =
        HeaderValue::from_str(&exchange.request_id).or_err(ErrorType::InternalError, "a request's id is no value")?;
    head.headers.insert(REQUEST_ID, id);
    if !is_bodiless {
        head.headers.insert(CONTENT_LENGTH, reply.body.len().into());
    }
    loops::let_others_go_first().await;
    session.write_response_header(Box::new(head.into()), false).await?;
    session.write_response_body(Some(reply.body), true).await
}

/// To a page of a trusted origin: it may make the request it asks about.
pub fn preflight(head: &RequestHeader) -> Reply {
    let mut reply = Reply::no_content().with("access-control-max-age", "600");
    for (granted, asked) in [
        ("access-control-allow-methods", "access-control-request-method"),
        ("access-control-allow-headers", "access-control-request-headers"),
    ] {
        if let Some(wish) = head.headers.get(asked).and_then(|value| value.to_str().ok()) {
            reply = reply.with(granted, wish);
        }
    }
    reply
}

/// The whole answer as HTTP/1 has it, after which the connection ends; for requests that never became an exchange.
pub fn whole(reply: &Reply, request_id: &str) -> Vec<u8> {
    let reason = reply.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", reply.status.as_str()).into_bytes();
    let length = reply.body.len().to_string();
    let own = [(REQUEST_ID, request_id), ("content-length", length.as_str()), ("connection", "close")];
    let fields = reply.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    for (name, value) in fields.chain(own.map(|(name, value)| (name, value.as_bytes()))) {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&reply.body);
    bytes
}
