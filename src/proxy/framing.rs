//! Request forms that are refused before anything else looks at them (RFC 9112 sections 3.2 and 6; SECURITY.md N-H3, N-H6,
//! N-H7, N-H9). What gets past has one path, one host and one length.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method};
use pingora::http::RequestHeader;

use crate::gate::denial::Denial;

/// The most bytes a target may have.
const MAX_TARGET: usize = 8 * 1024;
/// The most header fields, and the most bytes of their names and values.
const MAX_FIELDS: usize = 100;
const MAX_HEAD: usize = 32 * 1024;

/// The path of the target, without its query, if the request is of a form that we forward.
pub fn path(head: &RequestHeader) -> Result<&str, Denial> {
    check_fields(&head.headers)?;
    if [Method::CONNECT, Method::TRACE].contains(&head.method)
        || !head.method.as_str().bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
    {
        return Err(Denial::BadRequest("This method is not served."));
    }
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
    Ok(path)
}

/// The same, for a request that nobody has sent; without a host, one that no rule names.
pub fn path_of(method: &Method, target: &str, host: Option<&str>) -> Result<String, Denial> {
    let refused = |_| Denial::BadRequest("The request cannot be parsed.");
    let mut head = RequestHeader::build(method.clone(), target.as_bytes(), None).map_err(refused)?;
    head.insert_header(HOST, host.unwrap_or("host.invalid")).map_err(refused)?;
    path(&head).map(str::to_owned)
}

fn check_fields(headers: &HeaderMap) -> Result<(), Denial> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers.len() > MAX_FIELDS || bytes > MAX_HEAD {
        return Err(Denial::HeadersTooLarge);
    }
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next().map(|host| host.as_bytes()), hosts.next()) {
        (Some(host), None) if is_host(host) => {}
        _ => return Err(Denial::BadRequest("Send one Host field that names a host.")),
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        let digits = length.as_bytes().iter().all(u8::is_ascii_digit);
        if lengths.next().is_some() || !digits || headers.contains_key(TRANSFER_ENCODING) {
            return Err(Denial::BadRequest("Say the length of the body once."));
        }
    }
    if headers.contains_key(UPGRADE) && !is_handshake(headers) {
        return Err(Denial::BadRequest("Only a complete WebSocket handshake is upgraded."));
    }
    Ok(())
}

/// RFC 3986 section 3.2.2, without user information.
fn is_host(host: &[u8]) -> bool {
    !host.is_empty() && host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~:[]".contains(b))
}

/// RFC 6455 section 4.1.
fn is_handshake(headers: &HeaderMap) -> bool {
    let is = |name: &str, wanted: &str| {
        let mut values = headers.get_all(name).iter();
        values.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
            && values.next().is_none()
    };
    let nominated = headers
        .get_all("connection")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade")));
    let body =
        headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0") || headers.contains_key(TRANSFER_ENCODING);
    is("upgrade", "websocket")
        && is("sec-websocket-version", "13")
        && headers.contains_key("sec-websocket-key")
        && nominated
        && !body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, target: &[u8], fields: &[(&'static str, &str)]) -> Result<String, u16> {
        let mut head = RequestHeader::build(method, target, None).unwrap();
        for (name, value) in fields {
            head.append_header(*name, *value).unwrap();
        }
        path(&head).map(str::to_owned).map_err(|denial| denial.status().as_u16())
    }

    const HOST: (&str, &str) = ("host", "gw.example:8080");

    #[test]
    fn an_ordinary_request_passes() {
        assert_eq!(of("GET", b"/a/b?c=d/e", &[HOST]), Ok("/a/b".into()));
        assert_eq!(of("POST", b"/", &[HOST, ("content-length", "5")]), Ok("/".into()));
        assert_eq!(of("PROPFIND", b"/dav", &[("host", "[::1]:80")]), Ok("/dav".into()));
    }

    #[test]
    fn a_strange_target_is_refused() {
        for target in [&b"admin"[..], b"*", b"http://gw.example/admin", b"?q", b"//\xff"] {
            assert_eq!(of("GET", target, &[HOST]), Err(400), "{target:?}");
        }
        assert_eq!(of("GET", format!("/{}", "a".repeat(MAX_TARGET)).as_bytes(), &[HOST]), Err(414));
    }

    #[test]
    fn one_host_and_one_length() {
        assert_eq!(of("GET", b"/", &[]), Err(400));
        assert_eq!(of("GET", b"/", &[HOST, HOST]), Err(400));
        for host in ["", "a, b", "a/b", "a@b", "a b"] {
            assert_eq!(of("GET", b"/", &[("host", host)]), Err(400), "{host}");
        }
        let length = ("content-length", "5");
        assert_eq!(of("POST", b"/", &[HOST, length, length]), Err(400));
        assert_eq!(of("POST", b"/", &[HOST, ("content-length", "5, 5")]), Err(400));
        assert_eq!(of("POST", b"/", &[HOST, length, ("transfer-encoding", "chunked")]), Err(400));
    }

    #[test]
    fn methods_that_tunnel_or_echo_are_refused() {
        for method in ["CONNECT", "TRACE", "get"] {
            assert_eq!(of(method, b"/", &[HOST]), Err(400), "{method}");
        }
    }

    #[test]
    fn an_upgrade_is_a_whole_websocket_handshake_without_a_body() {
        let whole = [
            HOST,
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        assert!(of("GET", b"/", &whole).is_ok());
        for left_out in 1..whole.len() {
            let part: Vec<_> = whole.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, f)| *f).collect();
            assert_eq!(of("GET", b"/", &part).is_err(), left_out != 1, "without {}", whole[left_out].0);
        }
        assert_eq!(of("GET", b"/", &[&whole[..], &[("content-length", "3")]].concat()), Err(400));
        assert_eq!(of("GET", b"/", &[HOST, ("upgrade", "h2c")]), Err(400));
    }

    #[test]
    fn a_head_is_bounded() {
        let many: Vec<_> = std::iter::once(HOST).chain((0..100).map(|_| ("x", "y"))).collect();
        assert_eq!(of("GET", b"/", &many), Err(431));
        let big = "v".repeat(MAX_HEAD);
        assert_eq!(of("GET", b"/", &[HOST, ("x", &big)]), Err(431));
    }
}
