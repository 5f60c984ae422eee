//! Which forms of a request pass, and as which path.

use super::*;

fn head(method: &str, target: &[u8], fields: &[(&'static str, &str)]) -> RequestHeader {
    let mut head = RequestHeader::build(method, target, None).unwrap();
    for (name, value) in fields {
        head.append_header(*name, *value).unwrap();
    }
    normalise(&mut head).unwrap();
    head
}

fn of(method: &str, target: &[u8], fields: &[(&'static str, &str)]) -> Result<String, u16> {
    let methods = Methods::default();
    path(&head(method, target, fields), &methods).map(str::to_owned).map_err(|denial| denial.status().as_u16())
}

const HOST: (&str, &str) = ("host", "gw.example:8080");

#[test]
fn an_ordinary_request_passes() {
    assert_eq!(of("GET", b"/a/b?c=d/e", &[HOST]), Ok("/a/b".into()));
    assert_eq!(of("POST", b"/", &[HOST, ("content-length", "5")]), Ok("/".into()));
    assert_eq!(of("GET", b"/", &[HOST, ("expect", "100-Continue")]), Ok("/".into()));
    for host in ["gw.example", "gw.example:", "127.0.0.1:80", "[::1]:80", "[2001:db8::1]", "a_b.example"] {
        assert_eq!(of("GET", b"/dav", &[("host", host)]), Ok("/dav".into()), "{host}");
    }
}

#[test]
fn a_strange_target_is_refused() {
    for target in [&b"admin"[..], b"*", b"http://other.example/admin", b"?q", b"//\xff"] {
        assert_eq!(of("GET", target, &[HOST]), Err(400), "{target:?}");
    }
    assert_eq!(of("GET", format!("/{}", "a".repeat(MAX_TARGET)).as_bytes(), &[HOST]), Err(414));
}

#[test]
fn an_absolute_target_that_names_our_own_host_becomes_a_path() {
    for target in [&b"http://gw.example:8080/admin?q=1"[..], b"HTTPS://gw.example:8080/admin?q=1"] {
        let head = head("GET", target, &[HOST]);
        assert_eq!(path(&head, &Methods::default()), Ok("/admin"));
        assert_eq!(head.raw_path(), b"/admin?q=1", "what is forwarded");
    }
    for target in [&b"http://gw.example/admin"[..], b"ftp://gw.example:8080/admin", b"http:/gw.example:8080/admin"] {
        assert_eq!(of("GET", target, &[HOST]), Err(400), "{target:?}");
    }
}

#[test]
fn one_host() {
    assert_eq!(of("GET", b"/", &[]), Err(400));
    assert_eq!(of("GET", b"/", &[HOST, HOST]), Err(400));
    for host in [
        "", "a, b", "a/b", "a@b", "a b", "a:b", "a:99999", "a:1:2", ":80", "[::1", "[x]", "[::1]x", "::1", "a%2eb",
        "a?b",
    ] {
        assert_eq!(of("GET", b"/", &[("host", host)]), Err(400), "{host}");
    }
}

#[test]
fn one_length_one_credential_one_expectation() {
    let length = ("content-length", "5");
    assert_eq!(of("POST", b"/", &[HOST, length, length]), Err(400));
    assert_eq!(of("POST", b"/", &[HOST, ("content-length", "5, 5")]), Err(400));
    assert_eq!(of("POST", b"/", &[HOST, length, ("transfer-encoding", "chunked")]), Err(400));
    let bearer = ("authorization", "Bearer a");
    assert_eq!(of("GET", b"/", &[HOST, bearer]), Ok("/".into()));
    assert_eq!(of("GET", b"/", &[HOST, bearer, bearer]), Err(400));
    for expect in ["", "200-ok", "100-continue, x"] {
        assert_eq!(of("POST", b"/", &[HOST, ("expect", expect)]), Err(417), "{expect}");
    }
    assert_eq!(of("POST", b"/", &[HOST, ("expect", "100-continue"), ("expect", "100-continue")]), Err(417));
}

#[test]
fn methods_outside_the_list_are_not_served() {
    for method in ["CONNECT", "TRACE", "get", "PROPFIND"] {
        assert_eq!(of(method, b"/", &[HOST]), Err(405), "{method}");
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
        assert_eq!(of("GET", b"/", &[&whole[..], &[whole[left_out]]].concat()).is_err(), left_out != 2, "twice");
    }
    assert_eq!(of("POST", b"/", &whole), Err(400));
    assert_eq!(of("GET", b"/", &[&whole[..], &[("content-length", "3")]].concat()), Err(400));
    assert_eq!(of("GET", b"/", &[&whole[..4], &[("sec-websocket-key", "short")]].concat()), Err(400));
    assert_eq!(of("GET", b"/", &[HOST, ("upgrade", "h2c")]), Err(400));
    let mut old = head("GET", b"/", &whole);
    old.set_version(Version::HTTP_10);
    assert!(path(&old, &Methods::default()).is_err());
}

#[test]
fn the_authority_of_http2_is_the_host() {
    let mut head = RequestHeader::build("GET", b"/", None).unwrap();
    head.set_uri("https://gw.example/a?b".parse().unwrap());
    head.set_version(Version::HTTP_2);
    normalise(&mut head).unwrap();
    assert_eq!(head.headers["host"], "gw.example");
    assert_eq!(path(&head, &Methods::default()), Ok("/a"));
}

#[test]
fn a_head_is_bounded() {
    let many: Vec<_> = std::iter::once(HOST).chain((0..=MAX_FIELDS).map(|_| ("x", "y"))).collect();
    assert_eq!(of("GET", b"/", &many), Err(431));
    let big = "v".repeat(MAX_HEAD);
    assert_eq!(of("GET", b"/", &[HOST, ("x", &big)]), Err(431));
}
