//! A refusal costs no connection where it need not, and an unread body is never taken for the next request.

use std::collections::HashSet;

use crate::public_app;
use crate::support::bearer;
use crate::support::gateway::Gateway;
use crate::support::origin::{Origin, answer};
use crate::support::wire::Wire;

#[test]
fn a_refusal_keeps_the_connection_for_the_next_request() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", "");
    let token = bearer(&gateway.login("bob@example.com"));
    let bob = [("authorization", token.as_str())];
    let mut client = Wire::to(gateway.listen);
    for (method, path, fields, status) in [
        ("GET", "/x", &[][..], 401),
        ("GET", "/admin/x", &bob, 403),
        ("GET", "/auth/nothing", &[], 404),
        ("DELETE", "/auth/login", &[], 405),
        ("GET", "/public/..%2fx", &[], 400),
        ("GET", "/x", &[("authorization", "Bearer junk")], 401),
        ("POST", "/x", &[("content-length", "0")], 401),
    ] {
        let refused = client.ask(method, path, fields).answer().unwrap();
        assert_eq!((refused.status, refused.field("connection")), (status, "keep-alive"), "{method} {path}");
    }
    assert_eq!(client.ask("GET", "/x", &bob).answer().unwrap().status, 200);
    assert_eq!(app.seen().len(), 1);
    // Of HEAD, the head alone.
    let (status, headers) = client.ask("HEAD", "/x", &[]).head().unwrap();
    assert_eq!(status, 401);
    assert!(headers.contains_key("content-length"));
    assert_eq!(client.ask("GET", "/public/x", &[]).answer().unwrap().status, 200);
}

#[test]
fn a_client_that_wants_to_close_is_let_go() {
    let gateway = Gateway::usual(Origin::start().address, "", "");
    for path in ["/x", "/public/x", "/auth/jwks.json"] {
        let mut client = Wire::to(gateway.listen);
        let answered = client.ask("GET", path, &[("connection", "close")]).answer().unwrap();
        assert_eq!(answered.field("connection"), "close", "{path}");
        assert!(client.is_closed());
    }
}

#[test]
fn the_unread_body_of_a_refused_request_is_never_a_request() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", "");
    let smuggled = "GET /public/smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let length = smuggled.len();
    for (path, framing, body) in [
        ("/x", format!("content-length: {length}"), smuggled.to_owned()),
        ("/x", "transfer-encoding: chunked".to_owned(), format!("{length:x}\r\n{smuggled}\r\n0\r\n\r\n")),
        ("/admin/x", format!("content-length: {length}"), smuggled.to_owned()),
        ("/auth/nothing", format!("content-length: {length}"), smuggled.to_owned()),
        ("/auth/me", format!("content-length: {length}"), smuggled.to_owned()),
        ("/public/..%2fx", format!("content-length: {length}"), smuggled.to_owned()),
        // Longer than what has come so far.
        ("/x", format!("content-length: {}", 2 * length), smuggled.to_owned()),
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n");
        // In one piece, and the body after the answer.
        for late in [false, true] {
            let mut client = Wire::to(gateway.listen);
            client.send(if late { head.clone() } else { format!("{head}{body}") });
            let refused = client.answer().unwrap();
            assert!(refused.status >= 400, "{path}");
            if late {
                client.send(&body);
            }
            let rest = String::from_utf8(client.rest()).unwrap();
            assert_eq!(rest, "", "{path} {framing} late: {late}");
        }
    }
    assert!(app.seen().is_empty(), "{:?}", app.seen());
    assert!(!gateway.log().contains("smuggled"), "{}", gateway.log());
}

#[test]
fn a_body_with_a_request_in_it_arrives_as_a_body() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", "");
    let inner = "GET /admin/x HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut client = Wire::to(gateway.listen);
    client.send(format!("POST /public/x HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{inner}", inner.len()));
    assert_eq!(client.answer().unwrap().status, 200);
    assert_eq!(app.last().body, inner.as_bytes());
    assert_eq!(client.ask("GET", "/public/y", &[]).answer().unwrap().status, 200);
    assert_eq!(app.seen().len(), 2);
}

#[test]
fn connections_to_the_app_stay_with_the_thread_that_made_them() {
    let app = Origin::with(|_, stream| {
        let connection = stream.peer_addr().unwrap().port().to_string();
        answer(stream, "200 OK", &[], connection.as_bytes());
        true
    });
    let gateway = public_app(app.address, "", "threads = 2");
    let mut clients: Vec<Wire> = (0..4).map(|_| Wire::to(gateway.listen)).collect();
    let mut used = [HashSet::new(), HashSet::new()];
    for _ in 0..10 {
        for (number, client) in clients.iter_mut().enumerate() {
            // Threads are given connections in turn.
            used[number % 2].insert(client.ask("GET", "/x", &[]).answer().unwrap().body);
        }
    }
    assert!(used[0].is_disjoint(&used[1]), "{used:?}");
    assert!(used[0].len() + used[1].len() < 20, "most requests find one that is kept: {used:?}");
}
