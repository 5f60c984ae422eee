//! What happened to Pingora and to the crates under it.
//!
//! The panic in an accept loop (pingora 0.8.1 with tokio 1.54) and RUSTSEC-2025-0009, -2026-0007, -2026-0009, -2026-0253,
//! -2024-0421 are a matter of versions, which Cargo.lock holds fast.

use std::io::Write;

use serde_json::json;

use crate::Scene;
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, HEADERS, RST_STREAM, Secured, WINDOW_UPDATE, answered_by, frame, has_enough_of,
    head,
};
use crate::support::forge::{ACCESS_SECRET, Token, hs256_house};
use crate::support::origin::{Origin, answer};
use crate::support::played::Played;
use crate::support::wire::Wire;
use crate::support::{bearer, gateway::Gateway};

const SMUGGLED: &str = "GET /public/smuggled HTTP/1.1\r\nHost: gw\r\n\r\n";

/// An answer that the proxy gave by itself left the request's body on the connection, as the next request.
#[test]
fn pingora_cve_2025_4366_the_body_of_a_refused_request_is_no_request() {
    let scene = Scene::start();
    let bob = scene.token("bob@example.com");
    for (path, status) in [("/x", 401), ("/admin/x", 403), ("/auth/login", 415), ("/public/..%2fadmin", 400)] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: gw\r\nContent-Length: {}\r\n", SMUGGLED.len());
        let credential = if status == 403 { format!("Authorization: {bob}\r\n") } else { String::new() };
        let mut wire = Wire::to(scene.gateway.listen);
        assert_eq!(wire.send(format!("{head}{credential}\r\n{SMUGGLED}")).answer().unwrap().status, status);
        // Closed, or the next request is the one after the body.
        wire.send("GET /public/next HTTP/1.1\r\nHost: gw\r\n\r\n").answer();
        assert!(scene.app.seen().iter().all(|seen| seen.path() != "/public/smuggled"), "{path}");
    }
}

/// "MadeYouReset": streams that the client made the server reset did not count against it.
#[test]
fn pingora_cve_2025_8671_resets_that_a_client_provokes_are_counted() {
    let secured = Secured::start();
    let provoked = |n: u32| {
        let stream = 2 * n + 1;
        let too_much = frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
        [frame(HEADERS, END_HEADERS, stream, &head("POST", "/public/")), too_much].concat()
    };
    // Each is the stream's error and not yet the connection's.
    let mut stream = secured.connect();
    stream.write_all(&provoked(0)).unwrap();
    assert_eq!(answered_by(&mut stream), Some(RST_STREAM));
    assert!(has_enough_of(&mut stream, (1..20_000).map(provoked)));
    assert!(secured.serves_others());
}

/// "Rapid Reset": requests that were opened and reset at once cost the server, and no limit saw them.
#[test]
fn h2_cve_2023_44487_opening_and_resetting_ends_the_connection() {
    let secured = Secured::start();
    // In bursts: a request that has been taken up by the time of its reset costs no more than any other.
    let resets = (0..200).map(|burst| {
        let streams = (0..100).map(|n| 2 * (100 * burst + n) + 1);
        let both = streams.map(|stream| {
            let cancel = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            [frame(HEADERS, END_HEADERS, stream, &head("POST", "/public/")), cancel].concat()
        });
        both.collect::<Vec<_>>().concat()
    });
    assert!(has_enough_of(&mut secured.connect(), resets));
    assert!(secured.serves_others());
}

/// A head could go on for ever in CONTINUATION frames.
#[test]
fn h2_rustsec_2024_0332_a_head_without_end_is_cut_off() {
    let secured = Secured::start();
    let opening = frame(HEADERS, 0, 1, &head("GET", "/public/"));
    let more = std::iter::repeat_n(frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y'].repeat(200)), 10_000);
    assert!(has_enough_of(&mut secured.connect(), std::iter::once(opening).chain(more)));
    assert!(secured.serves_others());
}

/// DATA frames without data cost no flow control, and so the server's memory.
#[test]
fn h2_rustsec_2026_0258_empty_frames_take_no_memory() {
    let secured = Secured::start();
    assert!(secured.serves_others());
    let before = secured.memory();
    let opening = frame(HEADERS, END_HEADERS, 1, &head("POST", "/public/"));
    let flood = std::iter::repeat_n(frame(DATA, 0, 1, &[]).repeat(1000), 500);
    // Cut off or endured.
    has_enough_of(&mut secured.connect(), std::iter::once(opening).chain(flood));
    assert!(secured.serves_others());
    let grown = secured.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more than before");
}

/// What followed an `Upgrade` went to the app before it had agreed to switch.
#[test]
fn pingora_cve_2026_2833_nothing_follows_a_handshake_that_the_app_declines() {
    let app = Played::bind();
    let gateway = Gateway::usual(app.address, "", "");
    let handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut client = Wire::to(gateway.listen);
    client.send(format!("GET /public/socket HTTP/1.1\r\nHost: gw\r\n{handshake}\r\n{SMUGGLED}"));
    let mut served = app.accept();
    assert_eq!(served.request().unwrap().path(), "/public/socket");
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno");
    assert_eq!(client.answer().unwrap().body, "no");
    assert!(client.is_closed() && app.is_alone());
    drop(gateway);
    assert!(served.rest().is_empty(), "the app was sent more than the handshake");
}

/// Bodies of HTTP/1.0 and several values of `Transfer-Encoding` were read in another way than the app read them.
#[test]
fn pingora_cve_2026_2835_a_coding_is_said_once_and_in_http_1_1() {
    let scene = Scene::start();
    for (version, coding) in [
        ("1.0", "Transfer-Encoding: chunked\r\n"),
        ("1.1", "Transfer-Encoding: identity, chunked\r\n"),
        ("1.1", "Transfer-Encoding: chunked, identity\r\n"),
        ("1.1", "Transfer-Encoding: gzip, chunked\r\n"),
        ("1.1", "Transfer-Encoding: chunked, chunked\r\n"),
        ("1.1", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
        ("1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    ] {
        let body = format!("0\r\n\r\n{SMUGGLED}");
        scene.refuses(format!("POST /public/ HTTP/{version}\r\nHost: gw\r\n{coding}\r\n{body}"), &[400]);
    }
    let plain = "POST /public/ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    assert_eq!(Wire::to(scene.gateway.listen).send(plain).answer().unwrap().status, 200);
}

/// A request with both a length and a coding was let through without the length.
#[test]
fn pingora_945_a_length_and_a_coding_together_are_refused() {
    let scene = Scene::start();
    let both =
        ["Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"];
    for both in both {
        scene.refuses(format!("POST /public/ HTTP/1.1\r\nHost: gw\r\n{both}\r\n0\r\n\r\n{SMUGGLED}"), &[400]);
    }
}

/// The cache's key was the path alone, so that one caller was given another's answer.
#[test]
fn pingora_cve_2026_2836_nobody_is_given_another_callers_answer() {
    let app = Origin::with(|seen, stream| {
        answer(stream, "200 OK", &[("cache-control", "public, max-age=600")], seen.all("x-user-email")[0].as_bytes());
        true
    });
    let gateway = Gateway::usual(app.address, "", "");
    for email in ["ann@example.com", "bob@example.com", "ann@example.com"] {
        let token = bearer(&gateway.login(email));
        assert_eq!(gateway.get("/mine", &[("authorization", &token)]).body, email);
    }
}

/// `Connection`, and what it names, went on to the app.
#[test]
fn pingora_706_what_is_for_one_hop_goes_no_further() {
    let scene = Scene::start();
    let fields = [
        ("connection", "keep-alive, X-Hop"),
        ("x-hop", "hop"),
        ("keep-alive", "hop"),
        ("te", "trailers"),
        ("proxy-connection", "hop"),
    ];
    assert_eq!(scene.ask("/public/", &fields).status, 200);
    let seen = scene.app.last();
    for (name, _) in &fields[1..] {
        assert!(seen.all(name).is_empty(), "{seen:?}");
    }
    assert!(!format!("{seen:?}").contains("hop"), "{seen:?}");
}

/// A stored hash with letters outside ASCII was a panic.
#[test]
fn bcrypt_rustsec_2026_0199_a_damaged_hash_is_a_wrong_password() {
    let scene = Scene::start();
    for hash in ["$2b$04$\u{e9}.JTbdK6ojqLhJheXCm1feB5dC4EcKwhns9szuzA54KQGo8CVvyy", "$2b$\u{e9}4$x", "\u{e9}", ""] {
        let sql = "UPDATE users SET password_hash = ?1 WHERE email = 'ann@example.com'";
        assert_eq!(scene.gateway.house.database().execute(sql, [hash.as_bytes()]).unwrap(), 1);
        scene.gateway.try_login("ann@example.com", "anything at all").is_problem(401, "invalid_credentials");
    }
    scene.is_well();
}

/// RSA in pure Rust signs in a time that tells of the key; the old metrics crate brought in a parser that overflows.
#[test]
fn rustsec_2023_0071_and_2024_0437_neither_rsa_nor_protobuf_is_in_the_tree() {
    let lock = include_str!("../../Cargo.lock");
    assert!(lock.contains("name = \"aws-lc-rs\""));
    assert!(!lock.contains("name = \"rsa\"") && !lock.contains("name = \"protobuf\""));
}

/// `exp` and `nbf` of the wrong type were taken for absent, and so never over.
#[test]
fn jsonwebtoken_cve_2026_25537_a_time_of_another_type_is_no_time() {
    let gateway = hs256_house(Origin::start().address, "").run();
    let good = Token::open(&gateway.login("ann@example.com")["accessToken"]);
    for wrong in [json!("1"), json!(["1"]), json!({}), json!(true), json!(null), json!("9999999999")] {
        for name in ["exp", "nbf", "iat"] {
            let token = good.with(json!({ name: wrong })).sign(ACCESS_SECRET);
            let answer = gateway.get("/x", &[("authorization", &format!("Bearer {token}"))]);
            answer.is_problem(401, "invalid_token");
        }
    }
}

/// A length with a sign was a length, and the size of a chunk could overflow.
#[test]
fn hyper_cve_2021_32714_and_32715_sizes_are_digits_that_fit() {
    let scene = Scene::start();
    for length in ["+5", "-5", "0x5", "5 5", "18446744073709551621"] {
        let request = format!("POST /public/ HTTP/1.1\r\nHost: gw\r\nContent-Length: {length}\r\n\r\nhello{SMUGGLED}");
        scene.refuses(request, &[400]);
    }
    for size in ["f0000000000000005", "10000000000000005", "+5", "-5", "0x5"] {
        let mut wire = Wire::to(scene.gateway.listen);
        let head = "POST /public/ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = wire.send(format!("{head}{size}\r\nhello\r\n0\r\n\r\n{SMUGGLED}")).answer();
        assert!(answer.is_none_or(|answer| answer.status >= 400), "{size}");
        assert!(wire.is_closed(), "{size}");
        assert!(scene.app.seen().iter().all(|seen| seen.path() != "/public/smuggled"), "{size}");
    }
}
