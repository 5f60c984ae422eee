//! What changes on a request on its way to the upstream, and on its answer on the way back. Called where Pingora has
//! already taken off what is hop-by-hop, so that nothing a client nominates can take our own fields away.

use http::header::{AUTHORIZATION, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use super::exchange::Exchange;
use crate::gate::access::Permit;
use crate::gate::client::{FORWARDED_FOR, REQUEST_ID};
use crate::gate::credential::{self, Credential};

/// Fields by which an earlier hop describes the request. From anyone but a trusted proxy they are claims, and go.
const FORWARDED: [&str; 8] = [
    FORWARDED_FOR,
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-prefix",
    "x-real-ip",
    "forwarded",
];

/// Fields of an answer that concern one connection (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [&str; 4] = ["keep-alive", "proxy-authenticate", "proxy-connection", "trailer"];

pub fn to_upstream(request: &mut RequestHeader, exchange: &Exchange, permit: &Permit) -> Result<()> {
    let gateway = &exchange.configuration.gateway;
    let trusted = exchange.arrival.is_some_and(|arrival| arrival.address.through_trusted);
    let dropped: Vec<HeaderName> = request
        .headers
        .keys()
        .filter(|name| gateway.identity.is_claimed(name) || (!trusted && is_forwarding(name)) || is_our_id(name))
        .cloned()
        .collect();
    for name in &dropped {
        request.remove_header(name);
    }
    if !gateway.forward_token && !matches!(credential::read(&request.headers), Ok(Credential::Absent)) {
        request.remove_header(&AUTHORIZATION);
    }
    if request.headers.contains_key(COOKIE) {
        let left = gateway.api.cookies.without_ours(&request.headers);
        request.remove_header(&COOKIE);
        if let Some(cookies) = left {
            request.insert_header(COOKIE, cookies)?;
        }
    }
    state_the_way(request, exchange, trusted)?;
    request.insert_header(REQUEST_ID, exchange.request_id.as_str())?;
    for (name, value) in gateway.identity.statements(permit.caller()) {
        request.insert_header(name, value)?;
    }
    Ok(())
}

/// `X-Forwarded-*`: appended to what a trusted proxy said, or said anew.
fn state_the_way(request: &mut RequestHeader, exchange: &Exchange, trusted: bool) -> Result<()> {
    let Some(arrival) = exchange.arrival else { return Ok(()) };
    let host = request.headers.get(HOST).cloned();
    let fields = request.headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let mut chain: Vec<String> = fields.filter(|_| trusted).map(str::to_owned).collect();
    chain.push(arrival.address.peer.to_string());
    request.insert_header(FORWARDED_FOR, chain.join(", "))?;
    if !request.headers.contains_key("x-forwarded-proto") {
        request.insert_header("x-forwarded-proto", if exchange.over_tls { "https" } else { "http" })?;
    }
    if let Some(host) = host.filter(|_| !request.headers.contains_key("x-forwarded-host")) {
        request.insert_header("x-forwarded-host", host)?;
    }
    Ok(())
}

pub fn to_client(response: &mut ResponseHeader, request: &HeaderMap, exchange: &Exchange, guarded: bool) -> Result<()> {
    // RFC 9112 section 2.3: whatever the upstream speaks, this answer is in our version of HTTP.
    response.set_version(Version::HTTP_11);
    for name in HOP_BY_HOP {
        response.remove_header(name);
    }
    let cookies = &exchange.configuration.gateway.api.cookies;
    let set: Vec<HeaderValue> = response.headers.get_all(SET_COOKIE).iter().cloned().collect();
    if set.iter().any(|value| sets(value, |name| cookies.is_ours(name))) {
        response.remove_header(&SET_COOKIE);
        for value in set.into_iter().filter(|value| !sets(value, |name| cookies.is_ours(name))) {
            response.append_header(SET_COOKIE, value)?;
        }
    }
    // RFC 9111 section 3.5: what is private must not end in a shared cache.
    if guarded && !response.headers.contains_key("cache-control") && !response.headers.contains_key("expires") {
        response.insert_header("cache-control", "private")?;
    }
    if !response.headers.contains_key("access-control-allow-origin") {
        for (name, value) in cors(request, exchange) {
            response.append_header(name, value)?;
        }
    }
    response.insert_header(REQUEST_ID, exchange.request_id.as_str())
}

/// The fields that let a page of a trusted origin read an answer. Any other origin gets none.
pub fn cors(request: &HeaderMap, exchange: &Exchange) -> Vec<(HeaderName, HeaderValue)> {
    let Some(origin) = exchange.configuration.gateway.api.origins.of(request) else { return Vec::new() };
    vec![
        (http::header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
        (http::header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
        (http::header::VARY, HeaderValue::from_static("Origin")),
    ]
}

fn sets(set_cookie: &HeaderValue, ours: impl Fn(&str) -> bool) -> bool {
    let name = set_cookie.as_bytes().split(|b| *b == b'=' || *b == b';').next().unwrap_or_default();
    std::str::from_utf8(name.trim_ascii()).is_ok_and(ours)
}

fn is_forwarding(name: &HeaderName) -> bool {
    let folded: String = name.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    FORWARDED.contains(&folded.as_str())
}

fn is_our_id(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    name.len() == REQUEST_ID.len()
        && name.iter().zip(REQUEST_ID.bytes()).all(|(got, ours)| *got == ours || !got.is_ascii_alphanumeric())
}
