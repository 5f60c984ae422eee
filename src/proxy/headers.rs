//! What changes on a request on its way to the upstream, and on its answer on the way back. Called where Pingora has
//! already taken off what is hop-by-hop, so that nothing a client nominates can take our own fields away.

use std::fmt::Write;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, COOKIE, EXPIRES, HOST, PROXY_AUTHENTICATE, SET_COOKIE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use super::exchange::Exchange;
use super::{framing, interim};
use crate::gate::access::Permit;
use crate::gate::client::{FORWARDED_FOR, REQUEST_ID};
use crate::gate::credential;
use crate::gate::fold;

/// Fields by which an earlier hop describes the request, beside those that begin with [`FORWARDED`]. From anyone but a
/// trusted proxy they are claims, and go.
const FORWARDING: [&str; 14] = [
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "fastly-client-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-originating-ip",
    "x-original-forwarded-for",
    "x-original-host",
];

const FORWARDED: &str = "x-forwarded-";

const FORWARDED_PROTO: &str = "x-forwarded-proto";
const FORWARDED_HOST: &str = "x-forwarded-host";

const FOR: HeaderName = HeaderName::from_static(FORWARDED_FOR);
const PROTO: HeaderName = HeaderName::from_static(FORWARDED_PROTO);
const HOST_ASKED: HeaderName = HeaderName::from_static(FORWARDED_HOST);
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// The latter two are what some proxies say of a WebSocket.
const SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];

/// Fields of an answer that concern one connection, beside `Connection` and what that names (RFC 9110 section 7.6.1).
static HOP_BY_HOP: [HeaderName; 5] = [
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-connection"),
    TRAILER,
    UPGRADE,
];

pub fn to_upstream(request: &mut RequestHeader, exchange: &Exchange, permit: &Permit) -> Result<()> {
    let gateway = &exchange.configuration.gateway;
    let trusted = exchange.arrival.is_some_and(|arrival| arrival.address.through_trusted);
    let dropped: Vec<HeaderName> = request
        .headers
        .keys()
        .filter(|name| {
            let believed = trusted && is_plainly_spelled(name);
            gateway.identity.is_claimed(name)
                || (is_forwarding(name) && !believed)
                || fold::is(name, REQUEST_ID.as_bytes())
        })
        .cloned()
        .collect();
    for name in &dropped {
        request.remove_header(name);
    }
    if credential::is_ours(&request.headers) && !gateway.forward_token || credential::binds_connection(&request.headers)
    {
        request.remove_header(&AUTHORIZATION);
    }
    if !gateway.api.cookies.may_pass(&request.headers) {
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

/// `X-Forwarded-*`: appended to what a trusted proxy said, or said anew. Apps make links and decisions of these, and a proxy
/// may have passed on what a client wrote: only what is plainly a scheme, a host or a port is kept.
fn state_the_way(request: &mut RequestHeader, exchange: &Exchange, trusted: bool) -> Result<()> {
    let Some(arrival) = exchange.arrival else { return Ok(()) };
    let peer = arrival.address.peer;
    // Once, and in this form. What a stranger said is gone.
    let is_said = |request: &RequestHeader, name: &HeaderName, form: fn(&str) -> bool| {
        trusted && framing::only(&request.headers, name).is_some_and(|value| value.to_str().is_ok_and(form))
    };
    let mut chain = String::new();
    if trusted {
        for hops in request.headers.get_all(&FOR).iter().filter_map(|value| value.to_str().ok()) {
            chain += hops;
            chain += ", ";
        }
    }
    // Writing to a string does not fail.
    let _ = write!(chain, "{peer}");
    request.insert_header(FORWARDED_FOR, chain)?;
    if !is_said(request, &PROTO, |scheme| SCHEMES.contains(&scheme)) {
        let scheme = if exchange.over_tls { "https" } else { "http" };
        request.insert_header(FORWARDED_PROTO, HeaderValue::from_static(scheme))?;
    }
    if !is_said(request, &HOST_ASKED, |host| framing::is_host(host.as_bytes())) {
        request.remove_header(&HOST_ASKED);
        if let Some(host) = request.headers.get(HOST).cloned() {
            request.insert_header(FORWARDED_HOST, host)?;
        }
    }
    if !is_said(request, &PORT, |port| !port.is_empty() && framing::is_port(port)) {
        request.remove_header(&PORT);
    }
    Ok(())
}

pub fn to_client(response: &mut ResponseHeader, request: &HeaderMap, exchange: &Exchange, guarded: bool) -> Result<()> {
    // RFC 9112 section 2.3: whatever the upstream speaks, this answer is in our version of HTTP.
    response.set_version(Version::HTTP_11);
    // The answer to a handshake is about its connection.
    if !interim::switches(response.status) {
        strip_hop_by_hop(response);
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
    if guarded && !response.headers.contains_key(CACHE_CONTROL) && !response.headers.contains_key(EXPIRES) {
        response.insert_header(CACHE_CONTROL, HeaderValue::from_static("private"))?;
    }
    // An app that speaks of CORS at all is left to it.
    if !response.headers.keys().any(|name| name.as_str().starts_with("access-control-")) {
        for (name, value) in cors(request, exchange) {
            response.append_header(name, value)?;
        }
    }
    response.insert_header(REQUEST_ID, exchange.request_id.as_str())
}

/// RFC 9110 section 7.6.1. How long the body is stays said: an app that nominates that cannot mean it.
fn strip_hop_by_hop(response: &mut ResponseHeader) {
    let nominations: Vec<HeaderValue> = response.headers.get_all(CONNECTION).iter().cloned().collect();
    response.remove_header(&CONNECTION);
    let nominated = nominations.iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    for name in nominated.filter_map(|name| str::from_utf8(name.trim_ascii()).ok()) {
        if ![CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|kept| kept == name) {
            response.remove_header(name);
        }
    }
    // Few answers have any.
    let had: Vec<HeaderName> = response.headers.keys().filter(|name| HOP_BY_HOP.contains(name)).cloned().collect();
    for name in &had {
        response.remove_header(name);
    }
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
    // A cookie without a name is sent back as its bare value, which may hold a name.
    let pair = set_cookie.as_bytes().trim_ascii_start();
    let pair = pair.strip_prefix(b"=").unwrap_or(pair);
    let name = pair.split(|b| *b == b'=' || *b == b';').next().unwrap_or_default();
    std::str::from_utf8(name.trim_ascii()).is_ok_and(ours)
}

fn is_forwarding(name: &HeaderName) -> bool {
    fold::begins(name, FORWARDED.as_bytes()) || FORWARDING.iter().any(|field| fold::is(name, field.as_bytes()))
}

/// As proxies write names. Another spelling came from further away.
fn is_plainly_spelled(name: &HeaderName) -> bool {
    name.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
