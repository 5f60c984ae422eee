//! Request forms that are refused before anything else looks at them, parsed and over either version of HTTP (RFC 9112
//! sections 3.2 and 6, RFC 9113 section 8). What gets past has one path, one host and one length. What can only be seen
//! in the bytes of HTTP/1 has been refused in [`super::head`].

use std::net::Ipv6Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT, HOST, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use pingora::Result;
use pingora::http::RequestHeader;

use super::head::{MAX_FIELDS, MAX_HEAD, MAX_TARGET};
use crate::gate::denial::Denial;
use crate::gate::methods::Methods;

/// Bring the forms that are allowed into one: a target in absolute form that names our own host becomes a path (RFC 9112
/// section 3.2.2), and HTTP/2's `:authority` becomes `Host`. Everything behind this looks at these alone.
pub fn normalise(head: &mut RequestHeader) -> Result<()> {
    if head.version == Version::HTTP_2
        && !head.headers.contains_key(HOST)
        && let Some(authority) = head.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()))
    {
        head.insert_header(HOST, authority.unwrap_or(HeaderValue::from_static("")))?;
    }
    let host = head.headers.get(HOST).map(HeaderValue::as_bytes);
    if authority(head.raw_path()).is_some_and(|named| Some(named) == host) {
        // The parser has put the path and the query here, and nothing else.
        head.set_uri(head.uri.clone());
    }
    // RFC 9110 section 10.1.1.
    if head.version == Version::HTTP_10 {
        head.remove_header(&EXPECT);
    }
    Ok(())
}

/// The path of the target, without its query, if the request is of a form that we forward.
pub fn path<'h>(head: &'h RequestHeader, methods: &Methods) -> std::result::Result<&'h str, Denial> {
    check_size(&head.headers)?;
    check_host(&head.headers)?;
    methods.check(&head.method)?;
    let target = head.raw_path();
    if target.len() > MAX_TARGET {
        return Err(Denial::UriTooLong);
    }
    let target = std::str::from_utf8(target).map_err(|_| Denial::BadRequest("The target is not UTF-8."))?;
    if !target.starts_with('/') || target.bytes().any(|b| b.is_ascii_control() || b == b' ' || b == b'#') {
        return Err(Denial::BadRequest("The target must be a path that starts with a slash."));
    }
    // What Pingora understood and what it would send must be the same thing.
    let path = target.split('?').next().unwrap_or(target);
    if head.uri.path() != path {
        return Err(Denial::BadRequest("The target must be a plain path."));
    }
    check_fields(head)?;
    Ok(path)
}

/// The same, for a request that nobody has sent; without a host, one that no rule names.
pub fn path_of(
    method: &Method,
    target: &str,
    host: Option<&str>,
    methods: &Methods,
) -> std::result::Result<String, Denial> {
    let refused = |_| Denial::BadRequest("The request cannot be parsed.");
    let mut head = RequestHeader::build(method.clone(), target.as_bytes(), None).map_err(refused)?;
    head.insert_header(HOST, host.unwrap_or("host.invalid")).map_err(refused)?;
    path(&head, methods).map(str::to_owned)
}

fn check_size(headers: &HeaderMap) -> std::result::Result<(), Denial> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    // HTTP/2 gave some of what is a field here outside the fields.
    if headers.len() > MAX_FIELDS + 1 || bytes > MAX_HEAD { Err(Denial::HeadersTooLarge) } else { Ok(()) }
}

fn check_host(headers: &HeaderMap) -> std::result::Result<(), Denial> {
    match (only(headers, &HOST), headers.contains_key(HOST)) {
        (Some(host), _) if is_host(host.as_bytes()) => Ok(()),
        _ => Err(Denial::BadRequest("Send one Host field that names a host.")),
    }
}

fn check_fields(head: &RequestHeader) -> std::result::Result<(), Denial> {
    let headers = &head.headers;
    // RFC 9113 section 8.2.1. On its way to an app that speaks HTTP/1.1 the space would be lost, and the value be another.
    if headers.values().any(|value| value.as_bytes().trim_ascii().len() < value.len()) {
        return Err(Denial::BadRequest("A field's value must not begin or end with a space."));
    }
    if headers.contains_key(CONTENT_LENGTH) {
        let length = only(headers, &CONTENT_LENGTH);
        let digits = length.is_some_and(|length| length.as_bytes().iter().all(u8::is_ascii_digit));
        if !digits || headers.contains_key(TRANSFER_ENCODING) {
            return Err(Denial::BadRequest("Say the length of the body once."));
        }
    }
    // RFC 9112 section 6.1. Another coding under the chunks would be passed on without its name.
    if headers.contains_key(TRANSFER_ENCODING)
        && !only(headers, &TRANSFER_ENCODING).is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Err(Denial::BadRequest("Send a body with its length, or in plain chunks."));
    }
    if headers.contains_key(AUTHORIZATION) && only(headers, &AUTHORIZATION).is_none() {
        return Err(Denial::BadRequest("Send one Authorization field."));
    }
    // RFC 9110 section 10.1.1.
    if headers.contains_key(EXPECT)
        && !only(headers, &EXPECT).is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        return Err(Denial::ExpectationFailed);
    }
    if headers.contains_key(UPGRADE) && !is_handshake(head) {
        return Err(Denial::BadRequest("Only a complete WebSocket handshake is upgraded."));
    }
    Ok(())
}

/// The field's value, unless there is another one.
pub fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// What stands for the host in a target of absolute form; `None` for any other form.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let scheme_end = target.iter().position(|b| *b == b':')?;
    let scheme = &target[..scheme_end];
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    let rest = target[scheme_end..].strip_prefix(b"://")?;
    Some(rest.split(|b| matches!(b, b'/' | b'?')).next().unwrap_or_default())
}

/// RFC 3986 section 3.2.2, without user information and escapes: a name, an IPv4 address, or an IPv6 address in brackets;
/// and a port.
pub fn is_host(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let (name, port) = match host.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((ip, port)) if ip.parse::<Ipv6Addr>().is_ok() => ("v6", port),
            _ => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_is_one = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) && port_is_one
}

pub fn is_port(port: &str) -> bool {
    port.is_empty() || port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// RFC 6455 section 4.1.
fn is_handshake(head: &RequestHeader) -> bool {
    let is = |name: HeaderName, wanted: &str| {
        only(&head.headers, &name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    let nominated = head
        .headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade")));
    let key = only(&head.headers, &SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key.as_bytes()).ok());
    let body = head.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
        || head.headers.contains_key(TRANSFER_ENCODING);
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && is(UPGRADE, "websocket")
        && is(http::header::SEC_WEBSOCKET_VERSION, "13")
        && key.is_some_and(|key| key.len() == 16)
        && nominated
        && !body
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
