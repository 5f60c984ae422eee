//! Answers on their way down: what concerns one connection stays behind, what is private is marked, the rest passes.

use crate::support::bearer;
use crate::support::gateway::Gateway;
use crate::support::origin::{Origin, answer};
use crate::support::played::Played;
use crate::support::wire::Wire;
use crate::{DEAD, public_app};

#[test]
fn what_concerns_the_apps_connection_stays_behind() {
    let app = Origin::with(|_, stream| {
        let fields = [
            ("Connection", "X-Hop, keep-alive, Upgrade"),
            ("connection", "x-other-hop"),
            ("X-Hop", "1"),
            ("X-Other-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Authenticate", "Basic"),
            ("Proxy-Connection", "keep-alive"),
            ("Upgrade", "h2,h2c"),
            ("Trailer", "x-sum"),
            ("Server", "Apache/2.4"),
            ("X-Powered-By", "PHP/8"),
            ("X-Many", "1"),
            ("X-Many", "2"),
        ];
        answer(stream, "200 OK", &fields, b"body");
        true
    });
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    let answered = client.ask("GET", "/x", &[]).answer().unwrap();
    for name in ["x-hop", "x-other-hop", "keep-alive", "proxy-authenticate", "proxy-connection", "upgrade", "trailer"] {
        assert!(!answered.headers.contains_key(name), "{name}");
    }
    assert_eq!(answered.field("connection"), "keep-alive");
    assert_eq!((answered.field("server"), answered.field("x-powered-by")), ("Apache/2.4", "PHP/8"));
    assert_eq!(answered.headers.get_all("x-many").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(answered.body, "body");
}

#[test]
fn an_app_cannot_nominate_away_what_frames_or_names_its_answer() {
    let app = Origin::with(|_, stream| {
        answer(stream, "200 OK", &[("connection", "Content-Length, X-Request-Id, close")], b"body");
        false
    });
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    let answered = client.ask("GET", "/x", &[]).answer().unwrap();
    assert_eq!((answered.body.as_str(), answered.field("content-length")), ("body", "4"));
    assert!(answered.headers.contains_key("x-request-id"));
    // The app's connection closes; the client's goes on.
    assert_eq!(client.ask("GET", "/x", &[]).answer().unwrap().status, 200);
}

#[test]
fn what_is_private_is_marked_where_the_app_says_nothing() {
    let app = Origin::with(|seen, stream| {
        let fields: &[(&str, &str)] = match seen.path().rsplit('/').next().unwrap() {
            "public" => &[("cache-control", "public, max-age=60")],
            "expires" => &[("expires", "Wed, 21 Oct 2026 07:28:00 GMT")],
            "etag" => &[("etag", "\"1\""), ("last-modified", "Wed, 21 Oct 2026 07:28:00 GMT")],
            _ => &[],
        };
        answer(stream, "200 OK", fields, b"");
        true
    });
    let gateway = Gateway::usual(app.address, "", "");
    let token = bearer(&gateway.login("ann@example.com"));
    let signed_in = [("authorization", token.as_str())];
    for (path, cache_control) in [
        ("/none", "private"),
        ("/admin/none", "private"),
        ("/etag", "private"),
        ("/public", "public, max-age=60"),
        ("/a/public", "public, max-age=60"),
        ("/expires", ""),
        // Who is calling was told here too, so that the answer may be about them.
        ("/public/none", "private"),
    ] {
        let answered = gateway.get(path, &signed_in);
        assert_eq!((answered.status, answered.field("cache-control")), (200, cache_control), "{path}");
    }
    assert_eq!(
        gateway.get("/public/none", &[]).field("cache-control"),
        "",
        "an anonymous answer is the app's business"
    );
}

#[test]
fn our_own_answers_do_not_say_what_serves_them() {
    let gateway = Gateway::usual(Origin::start().address, "", "");
    let token = bearer(&gateway.login("bob@example.com"));
    let bob = [("authorization", token.as_str())];
    for (path, fields, status) in [
        ("/x", &[][..], 401),
        ("/admin/x", &bob, 403),
        ("/auth/nothing", &[], 404),
        ("/auth/login", &[], 405),
        ("/auth/me", &bob, 200),
        ("/.well-known/jwks.json", &[], 200),
        ("/public/%2e%2e/x", &[], 400),
    ] {
        let answered = gateway.get(path, fields);
        assert_eq!(answered.status, status, "{path}");
        assert!(!answered.headers.contains_key("server"), "{path}: {:?}", answered.headers);
    }
    let dead = public_app(DEAD, "", "");
    let unreachable = dead.get("/x", &[]);
    assert_eq!(unreachable.status, 502);
    assert!(!unreachable.headers.contains_key("server"), "{:?}", unreachable.headers);
}

#[test]
fn errors_of_the_app_are_its_own() {
    let app = Origin::with(|seen, stream| {
        let status = format!("{} Whatever", seen.path().trim_start_matches('/'));
        answer(stream, &status, &[("www-authenticate", "Custom"), ("content-type", "text/html")], b"<h1>mine</h1>");
        true
    });
    let gateway = public_app(app.address, "", "");
    for status in [400, 401, 403, 404, 418, 429, 500, 502, 503, 504, 599] {
        let answered = gateway.get(&format!("/{status}"), &[]);
        assert_eq!((answered.status, answered.body.as_str()), (status, "<h1>mine</h1>"));
        assert_eq!(answered.field("www-authenticate"), "Custom");
    }
    let gateway_errors = gateway.admin("/metrics").body;
    assert!(!gateway_errors.contains("portcullis_upstream_errors_total{"), "{gateway_errors}");
}

#[test]
fn redirects_and_locations_pass_untouched() {
    let app = Origin::with(|_, stream| {
        answer(stream, "302 Found", &[("location", "/login?next=%2Fa%2Fb"), ("refresh", "5; url=/x")], b"");
        true
    });
    let gateway = public_app(app.address, "", "");
    let answered = gateway.get("/x", &[]);
    assert_eq!((answered.status, answered.field("location")), (302, "/login?next=%2Fa%2Fb"));
    assert_eq!(answered.field("refresh"), "5; url=/x");
}

/// Legacy apps write Latin-1 into fields, and some clients tell names apart by case.
#[test]
fn bytes_and_the_case_of_names_pass_both_ways() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.send(b"GET /x HTTP/1.1\r\nHost: a\r\nX-MiXed: caf\xe9\r\nCookie: name=J\xf6rg\r\n\r\n");
    let mut served = app.accept();
    let raw = |wire: &mut Wire| {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(wire.exactly(1).expect("a head"));
        }
        head
    };
    let holds = |head: &[u8], field: &[u8]| head.windows(field.len()).any(|part| part == field);
    let asked = raw(&mut served);
    assert!(holds(&asked, b"\r\nX-MiXed: caf\xe9\r\n"), "{}", asked.escape_ascii());
    assert!(holds(&asked, b"name=J\xf6rg\r\n"), "{}", asked.escape_ascii());
    served.send(b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nX-FILE: na\xefve.txt\r\nContent-Length: 0\r\n\r\n");
    let answered = raw(&mut client);
    assert!(holds(&answered, b"\r\nETag: \"1\"\r\nX-FILE: na\xefve.txt\r\n"), "{}", answered.escape_ascii());
}
