//! Real apps behind the README's ten lines: Debian's nginx, and Python's web server, showing the documentation of this
//! machine. What a client gets is compared with the files on the disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use support::app::App;
use support::gateway::{Gateway, House};
use support::wire::Wire;
use support::{Answer, bearer, readme};

const DOCUMENTATION: &str = "/usr/share/doc";

/// Of packages that every Debian and Ubuntu has.
const PAGE: &str = "/bash/copyright";
const ADMIN_PAGE: &str = "/dpkg/copyright";

/// Ann, an admin, and Bob, in front of the app.
fn guard(app: App) -> (Gateway, App) {
    let listen = "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n";
    let ten_lines = readme::block("gateway.toml").replace("127.0.0.1:3000", &app.address.to_string());
    let house = House::new(&format!("{listen}{ten_lines}"));
    house.add_user("ann@example.com", &["admin"]);
    house.add_user("bob@example.com", &["user"]);
    (house.run(), app)
}

fn on_disk(path: &str) -> String {
    std::fs::read_to_string(format!("{DOCUMENTATION}{path}")).unwrap()
}

fn get(gateway: &Gateway, path: &str, tokens: &Value) -> Answer {
    gateway.get(path, &[("authorization", &bearer(tokens))])
}

/// From the first refusal to the last, whatever the app.
fn walk(gateway: &Gateway) {
    assert_eq!(gateway.get(PAGE, &[]).code(), "missing_token");
    let (ann, bob) = (gateway.login("ann@example.com"), gateway.login("bob@example.com"));

    let page = get(gateway, PAGE, &bob);
    assert_eq!((page.status, page.body.as_str()), (200, on_disk(PAGE).as_str()));
    assert_eq!(page.field("cache-control"), "private");
    assert_eq!(page.field("x-request-id").len(), 32);
    let missing = get(gateway, "/no/such/page", &bob);
    assert_eq!(missing.status, 404);
    assert!(!missing.body.contains("no_route"), "the app's own answer: {}", missing.body);

    let refused = get(gateway, ADMIN_PAGE, &bob);
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
    assert_eq!(get(gateway, ADMIN_PAGE, &ann).body, on_disk(ADMIN_PAGE));
    for round in ["/bash/..%2fdpkg/copyright", "/bash/../dpkg/copyright", "//dpkg/copyright", "/%64pkg/copyright"] {
        let refused = Wire::to(gateway.listen)
            .send(format!("GET {round} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\r\n", bearer(&bob)))
            .answer()
            .unwrap();
        assert!(["ambiguous_path", "forbidden"].contains(&refused.code().as_str()), "{round}: {}", refused.body);
    }

    let next = gateway.refresh(&bob["refreshToken"]);
    assert_eq!(next.status, 200, "{}", next.body);
    let bob = next.json();
    assert_eq!(get(gateway, PAGE, &bob).body, on_disk(PAGE));

    let token = bearer(&bob);
    assert_eq!(gateway.send("POST", "/auth/logout", &[("authorization", &token)], None).status, 200);
    let over = get(gateway, PAGE, &bob);
    assert_eq!((over.status, over.code().as_str()), (401, "session_revoked"));
    assert_eq!(gateway.refresh(&bob["refreshToken"]).code(), "session_revoked");
    assert_eq!(get(gateway, PAGE, &ann).status, 200, "another's session stands");
}

#[test]
fn the_walk_works_in_front_of_nginx() {
    walk(&guard(App::nginx(Path::new(DOCUMENTATION))).0);
}

#[test]
fn the_walk_works_in_front_of_pythons_web_server() {
    walk(&guard(App::python(Path::new(DOCUMENTATION))).0);
}

#[test]
fn a_page_that_has_not_changed_is_not_sent_again() {
    for app in [App::nginx(Path::new(DOCUMENTATION)), App::python(Path::new(DOCUMENTATION))] {
        let (gateway, _app) = guard(app);
        let token = bearer(&gateway.login("bob@example.com"));
        let first = gateway.get(PAGE, &[("authorization", &token)]);
        let mut conditions = vec![("if-modified-since", first.field("last-modified"))];
        if !first.field("etag").is_empty() {
            conditions.push(("if-none-match", first.field("etag")));
        }
        for condition in conditions {
            let again = gateway.get(PAGE, &[("authorization", &token), condition]);
            assert_eq!((again.status, again.body.as_str()), (304, ""), "{condition:?}");
        }
    }
}

#[test]
fn a_part_of_a_page_is_that_part() {
    let (gateway, _app) = guard(App::nginx(Path::new(DOCUMENTATION)));
    let token = bearer(&gateway.login("bob@example.com"));
    let whole = on_disk(PAGE);
    let part = gateway.get(PAGE, &[("authorization", &token), ("range", "bytes=100-299")]);
    assert_eq!((part.status, part.body.as_bytes()), (206, &whole.as_bytes()[100..300]));
    assert_eq!(part.field("content-range"), format!("bytes 100-299/{}", whole.len()));
    let beyond = gateway.get(PAGE, &[("authorization", &token), ("range", "bytes=99999999-")]);
    assert_eq!(beyond.status, 416);
    let head = gateway.send("HEAD", PAGE, &[("authorization", &token)], None);
    assert_eq!((head.field("content-length"), head.body.as_str()), (whole.len().to_string().as_str(), ""));
}

#[test]
fn a_large_file_arrives_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut large = Vec::new();
    std::fs::File::open("/dev/urandom").unwrap().take(20 << 20).read_to_end(&mut large).unwrap();
    std::fs::write(folder.path().join("large.bin"), &large).unwrap();
    for app in [App::nginx(folder.path()), App::python(folder.path())] {
        let (gateway, _app) = guard(app);
        let token = bearer(&gateway.login("bob@example.com"));
        let mut wire = Wire::to(gateway.listen);
        wire.send(format!("GET /large.bin HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n\r\n"));
        let (status, headers) = wire.head().unwrap();
        assert_eq!((status, headers["content-length"].to_str().unwrap()), (200, large.len().to_string().as_str()));
        let mut received = vec![0; large.len()];
        wire.stream.read_exact(&mut received).unwrap();
        assert!(received == large, "the bytes differ");
    }
}

#[test]
fn nginx_is_told_who_is_calling_and_nothing_that_a_client_claims() {
    let (gateway, _app) = guard(App::nginx(Path::new(DOCUMENTATION)));
    let token = bearer(&gateway.login("bob@example.com"));
    let claims = [
        ("authorization", token.as_str()),
        ("x-user-email", "evil@example.com"),
        ("X-User-Roles", "admin"),
        ("cookie", "__Host-refreshToken=mine; theme=dark"),
    ];
    assert_eq!(gateway.get(PAGE, &claims).field("told"), "bob@example.com|user||theme=dark");
}

/// One answer after the other on one connection, of a known length and chunked (nginx makes a folder's listing as it goes).
#[test]
fn a_connection_serves_one_request_after_the_other() {
    let (gateway, _app) = guard(App::nginx(Path::new(DOCUMENTATION)));
    let token = bearer(&gateway.login("bob@example.com"));
    let mut wire = Wire::to(gateway.listen);
    for _ in 0..3 {
        wire.send(format!("GET /bash/ HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n\r\n"));
        let (status, headers) = wire.head().unwrap();
        assert_eq!((status, headers["transfer-encoding"].to_str().unwrap()), (200, "chunked"));
        let mut listing = String::new();
        loop {
            let size = usize::from_str_radix(&wire.line().unwrap(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            wire.stream.read_exact(&mut chunk).unwrap();
            listing += &String::from_utf8_lossy(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
        assert!(listing.contains("href=\"copyright\""), "{listing}");
        wire.send(format!("GET {PAGE} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n\r\n"));
        assert_eq!(wire.answer().unwrap().body, on_disk(PAGE));
        wire.send(format!("GET {PAGE} HTTP/1.1\r\nhost: x\r\n\r\n"));
        assert_eq!(wire.answer().unwrap().code(), "missing_token");
    }
}

/// Python's server speaks HTTP/1.0. RFC 9112 section 2.3: an intermediary states its own version.
#[test]
fn an_app_of_an_older_http_is_answered_for_in_ours() {
    let (gateway, _app) = guard(App::python(Path::new(DOCUMENTATION)));
    let token = bearer(&gateway.login("bob@example.com"));
    let mut wire = Wire::to(gateway.listen);
    for _ in 0..2 {
        wire.send(format!("GET {PAGE} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n\r\n"));
        assert_eq!(wire.line().unwrap(), "HTTP/1.1 200 OK");
        let mut fields = Vec::new();
        while let Some(field) = wire.line().filter(|field| !field.is_empty()) {
            fields.push(field.to_ascii_lowercase());
        }
        let length = fields.iter().find_map(|field| field.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        wire.stream.read_exact(&mut body).unwrap();
        assert_eq!(body, on_disk(PAGE).as_bytes());
    }
}

/// RFC 9112 section 6.1: chunks are only for who speaks HTTP/1.1.
#[test]
fn a_client_of_an_older_http_gets_no_chunks() {
    let (gateway, _app) = guard(App::nginx(Path::new(DOCUMENTATION)));
    let token = bearer(&gateway.login("bob@example.com"));
    let mut wire = Wire::to(gateway.listen);
    wire.send(format!("GET /bash/ HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\nauthorization: {token}\r\n\r\n"));
    let (status, headers) = wire.head().unwrap();
    assert_eq!((status, headers.get("transfer-encoding")), (200, None));
    let mut listing = String::new();
    wire.stream.read_to_string(&mut listing).unwrap();
    assert!(listing.starts_with("<html>") && listing.trim_end().ends_with("</html>"), "{listing}");
}

/// RFC 9112 section 9.3: who speaks HTTP/1.0 and asks for nothing reads until the end of the connection.
#[test]
fn a_client_of_an_older_http_is_not_kept_waiting_for_the_end() {
    let (gateway, _app) = guard(App::nginx(Path::new(DOCUMENTATION)));
    let token = bearer(&gateway.login("bob@example.com"));
    for (fields, status) in [(format!("authorization: {token}\r\n"), 200), (String::new(), 401)] {
        let mut wire = Wire::to(gateway.listen);
        wire.send(format!("GET {PAGE} HTTP/1.0\r\nhost: x\r\n{fields}\r\n"));
        assert_eq!(wire.answer().unwrap().status, status);
        assert!(wire.is_closed());
        let mut kept = Wire::to(gateway.listen);
        for _ in 0..2 {
            kept.send(format!("GET {PAGE} HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\n{fields}\r\n"));
            assert_eq!(kept.answer().unwrap().status, status);
        }
    }
}

/// The app restarts under a gateway that has open connections to it.
#[test]
fn an_app_that_is_away_is_a_502_until_it_is_back() {
    let (gateway, app) = guard(App::nginx(Path::new(DOCUMENTATION)));
    let token = bearer(&gateway.login("bob@example.com"));
    assert_eq!(gateway.get(PAGE, &[("authorization", &token)]).status, 200);
    drop(app);
    let away = gateway.get(PAGE, &[("authorization", &token)]);
    assert_eq!((away.status, away.code().as_str()), (502, "upstream_unreachable"));
    assert_eq!(gateway.get("/auth/me", &[("authorization", &token)]).status, 200, "and nobody is signed out");
    let house = Arc::clone(&gateway.house);
    assert!(house.says(&["session", "list", "bob@example.com", "--json"], "").contains("127.0.0.1"));
}
