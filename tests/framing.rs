//! Requests that no HTTP client sends, byte for byte: what can be read in two ways is refused before anything else looks at
//! it, in our own words, and the app never hears of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use support::Answer;
use support::gateway::Gateway;
use support::origin::Origin;
use support::wire::Wire;

/// What came back, and how many requests the app saw of it.
fn exchange(gateway: &Gateway, origin: &Origin, request: &[u8]) -> (Option<Answer>, usize) {
    let before = origin.seen().len();
    let answer = Wire::to(gateway.listen).send(request).answer();
    (answer, origin.seen().len() - before)
}

fn refused(gateway: &Gateway, origin: &Origin, status: u16, code: &str, requests: &[&[u8]]) {
    for request in requests {
        let shown = request[..request.len().min(200)].escape_ascii();
        let (answer, seen) = exchange(gateway, origin, request);
        let answer = answer.unwrap_or_else(|| panic!("closed without an answer: {shown}"));
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{shown}");
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{shown}");
        assert_eq!(answer.field("x-request-id"), answer.json()["requestId"].as_str().unwrap(), "{shown}");
        assert!(!answer.headers.contains_key("server"), "{shown}: {:?}", answer.headers);
        assert_eq!(seen, 0, "the app was asked: {shown}");
    }
}

fn start() -> (Origin, Gateway) {
    let origin = Origin::start();
    let gateway = Gateway::usual(origin.address, "", "");
    (origin, gateway)
}

#[test]
fn a_target_that_is_no_plain_path_is_refused() {
    let (origin, gateway) = start();
    refused(
        &gateway,
        &origin,
        400,
        "bad_request",
        &[
            b"GET public/ HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET ?a HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET * HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET /public/#/admin HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET /public/a b HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET  /public/ HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET /public/\tx HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET /public/\x01 HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET /public/\x00 HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET /public/\x7f HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET /public/\xff HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET http://evil/public/ HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET http://evil/public/ HTTP/1.1\r\n\r\n",
            b"GET http://u@gw/public/ HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET http:/public/ HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET ftp://gw/public/ HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET //gw/../public/ HTTP/1.1 x\r\nHost: gw\r\n\r\n",
        ],
    );
    refused(
        &gateway,
        &origin,
        400,
        "ambiguous_path",
        &[
            b"GET //gw/public/ HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET /public/..%2fadmin HTTP/1.1\r\nHost: gw\r\n\r\n",
            b"GET /public/%00 HTTP/1.1\r\nHost: gw\r\n\r\n",
        ],
    );
}

#[test]
fn an_absolute_target_with_our_own_host_is_forwarded_as_a_path() {
    let (origin, gateway) = start();
    let request = b"GET http://gw:80/public/a?b=c HTTP/1.1\r\nHost: gw:80\r\n\r\n";
    assert_eq!(exchange(&gateway, &origin, request).0.unwrap().status, 200);
    assert_eq!(origin.last().line, "GET /public/a?b=c HTTP/1.1");
    assert_eq!(origin.last().all("host"), ["gw:80"]);
}

#[test]
fn without_exactly_one_host_nothing_is_served() {
    let (origin, gateway) = start();
    refused(
        &gateway,
        &origin,
        400,
        "bad_request",
        &[
            b"GET /public/ HTTP/1.1\r\n\r\n",
            b"GET /public/ HTTP/1.0\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost:\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: a, b\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: a/b\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: u@a\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: a:port\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: a:1:2\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: [::1\r\n\r\n",
        ],
    );
}

#[test]
fn a_body_has_one_length() {
    let (origin, gateway) = start();
    refused(&gateway, &origin, 400, "bad_request", &[
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nContent-Length: 5, 5\r\n\r\nhello",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nContent-Length: +5\r\n\r\nhello",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nContent-Length: -1\r\n\r\n",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nContent-Length: 0x5\r\n\r\nhello",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nContent-Length:\r\n\r\nhello",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: identity\r\n\r\nhello",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        b"POST /public/ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /public/ HTTP/1.0\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ]);
}

#[test]
fn lines_end_with_crlf_and_fields_are_whole() {
    let (origin, gateway) = start();
    refused(
        &gateway,
        &origin,
        400,
        "bad_request",
        &[
            b"GET /public/ HTTP/1.1\nHost: gw\n\n",
            b"GET /public/ HTTP/1.1\r\nHost: gw\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: gw\r\nA: b\rc\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: gw\r\nA: b\x00c\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: gw\r\nA: b\r\n c\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\n Host: gw\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: gw\r\nX-User-Id : 1\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: gw\r\nX-User-Id\t: 1\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: gw\r\n: 1\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: gw\r\nno colon\r\n\r\n",
            b"GET /public/ HTTP/1.1\r\nHost: gw\r\nX(y): 1\r\n\r\n",
            b"GET /public/ HTTP/1.2\r\nHost: gw\r\n\r\n",
            b"GET /public/ HTTP/2.0\r\nHost: gw\r\n\r\n",
            b"GET /public/ http/1.1\r\nHost: gw\r\n\r\n",
            b"GET /public/\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /public/ HTTP/1.1\r\nHost: gw\r\n\r\n",
        ],
    );
}

#[test]
fn methods_outside_the_list_are_answered_405() {
    let (origin, gateway) = start();
    for method in ["TRACE", "TRACK", "get", "PROPFIND", "DEBUG", "FOO!x"] {
        let request = format!("{method} /public/ HTTP/1.1\r\nHost: gw\r\n\r\n");
        refused(&gateway, &origin, 405, "method_not_allowed", &[request.as_bytes()]);
        let answer = exchange(&gateway, &origin, request.as_bytes()).0.unwrap();
        assert_eq!(answer.field("allow"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }
    for connect in ["CONNECT gw:80", "CONNECT /public/"] {
        let (answer, seen) =
            exchange(&gateway, &origin, format!("{connect} HTTP/1.1\r\nHost: gw:80\r\n\r\n").as_bytes());
        let answer = answer.unwrap();
        assert!([400, 405].contains(&answer.status) && seen == 0, "{connect}: {}", answer.status);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    let webdav = Gateway::usual(origin.address, "methods = [\"GET\", \"PROPFIND\"]", "");
    let request = b"PROPFIND /public/ HTTP/1.1\r\nHost: gw\r\n\r\n";
    assert_eq!(exchange(&webdav, &origin, request).0.unwrap().status, 200);
    refused(&webdav, &origin, 405, "method_not_allowed", &[b"POST /public/ HTTP/1.1\r\nHost: gw\r\n\r\n"]);
}

#[test]
fn an_upgrade_is_a_websocket_handshake_or_nothing() {
    let (origin, gateway) = start();
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    for rest in [
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: websocket\r\n",
        "Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        "Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5\r\n",
    ] {
        let request = format!("GET /public/ HTTP/1.1\r\nHost: gw\r\n{rest}{key}\r\nhello");
        refused(&gateway, &origin, 400, "bad_request", &[request.as_bytes()]);
    }
    let post = format!("POST /public/ HTTP/1.1\r\nHost: gw\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n");
    refused(&gateway, &origin, 400, "bad_request", &[post.as_bytes()]);
}

#[test]
fn a_credential_comes_once_and_expectations_are_plain() {
    let (origin, gateway) = start();
    refused(&gateway, &origin, 400, "bad_request", &[
        b"GET /public/ HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer a\r\nAuthorization: Basic b\r\n\r\n",
        b"GET /auth/login HTTP/1.1\r\nHost: gw\r\nAuthorization: a\r\nAuthorization: a\r\n\r\n",
        b"GET /public/ HTTP/1.1\r\nHost: gw\r\nCookie: __Host-refreshToken=a; __Host-refreshToken=b\r\n\r\n",
        b"GET /public/ HTTP/1.1\r\nHost: gw\r\nCookie: __Host-accessToken=a\r\nCookie: __Host-accessToken=a\r\n\r\n",
    ]);
    refused(
        &gateway,
        &origin,
        417,
        "expectation_failed",
        &[
            b"POST /public/ HTTP/1.1\r\nHost: gw\r\nExpect: 200-ok\r\nContent-Length: 0\r\n\r\n",
            b"POST /public/ HTTP/1.1\r\nHost: gw\r\nExpect: 100-continue\r\nExpect: x\r\nContent-Length: 0\r\n\r\n",
        ],
    );
}

#[test]
fn our_own_endpoints_tell_a_client_to_go_on() {
    let (_origin, gateway) = start();
    let body = b"{\"email\":\"bob@example.com\",\"password\":\"wrong and long enough\"}";
    let head = format!(
        "POST /auth/login HTTP/1.1\r\nHost: gw\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut wire = Wire::to(gateway.listen);
    assert_eq!(wire.send(head).head().unwrap().0, 100);
    assert_eq!(wire.send(body).answer().unwrap().status, 401);
    // RFC 9110 section 10.1.1: of a client that speaks HTTP/1.0, which knows no such answer, it is ignored.
    let mut old = Wire::to(gateway.listen);
    old.send("POST /auth/logout HTTP/1.0\r\nHost: gw\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(old.head().unwrap().0, 200);
}

#[test]
fn heads_and_targets_are_bounded() {
    let (origin, gateway) = start();
    let long_target = format!("GET /public/{} HTTP/1.1\r\nHost: gw\r\n\r\n", "a".repeat(8 * 1024));
    let longer_target = format!("GET /public/{} HTTP/1.1\r\nHost: gw\r\n\r\n", "a".repeat(100_000));
    refused(&gateway, &origin, 414, "uri_too_long", &[long_target.as_bytes(), longer_target.as_bytes()]);
    let long_field = format!("GET /public/ HTTP/1.1\r\nHost: gw\r\nX: {}\r\n\r\n", "a".repeat(32 * 1024));
    let endless = format!("GET /public/ HTTP/1.1\r\nHost: gw\r\nX: {}", "a".repeat(200_000));
    let many = format!("GET /public/ HTTP/1.1\r\nHost: gw\r\n{}\r\n", "X: y\r\n".repeat(100));
    for head in [long_field, endless, many] {
        refused(&gateway, &origin, 431, "headers_too_large", &[head.as_bytes()]);
    }
    let full = format!("GET /public/ HTTP/1.1\r\nHost: gw\r\n{}\r\n", "X: y\r\n".repeat(99));
    assert_eq!(exchange(&gateway, &origin, full.as_bytes()).0.unwrap().status, 200);
}

#[test]
fn what_is_refused_unparsed_shows_in_the_metrics_and_the_log() {
    let (_origin, gateway) = start();
    Wire::to(gateway.listen).send("GET / HTTP/1.1\nHost: gw\n\n").answer().unwrap();
    assert!(gateway.metric("portcullis_decisions_total{outcome=\"bad_request\"}") >= 1.0);
    let total = "portcullis_http_requests_total{method=\"other\",route=\"\",status=\"400\"}";
    assert!(gateway.metric(total) >= 1.0);
    gateway.wait_for_line("outcome=bad_request");
}

#[test]
fn a_second_request_in_the_body_of_a_first_is_never_served() {
    let (origin, gateway) = start();
    let smuggled = "GET /public/smuggled HTTP/1.1\r\nHost: gw\r\n\r\n";
    for first in [
        format!("POST /auth/me HTTP/1.1\r\nHost: gw\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!("POST /admin/x HTTP/1.1\r\nHost: gw\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!("GET /public/first HTTP/1.1\r\nHost: gw\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!("POST /nothing HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n{smuggled}x"),
    ] {
        let mut wire = Wire::to(gateway.listen);
        wire.send(&first).answer().unwrap();
        // The connection is closed, or goes on with what comes after the body.
        wire.send("GET /public/second HTTP/1.1\r\nHost: gw\r\n\r\n").answer();
        assert!(origin.seen().iter().all(|seen| !seen.line.contains("smuggled")), "{first}");
    }
}

#[test]
fn a_connection_serves_request_after_request() {
    let (origin, gateway) = start();
    let mut wire = Wire::to(gateway.listen);
    for turn in 0..3 {
        let request = format!("POST /public/{turn} HTTP/1.1\r\nHost: gw\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(wire.send(request).answer().unwrap().status, 200);
        assert_eq!(wire.send("GET /nope HTTP/1.1\r\nHost: gw\r\n\r\n").answer().unwrap().status, 401);
    }
    assert_eq!(origin.seen().len(), 3);
}
