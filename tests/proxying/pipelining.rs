//! Requests sent before the last one was answered (RFC 9112 section 9.3.2). They are not served: the connection ends after
//! the answer, and the client asks again. What must never happen is that one is taken for a part of another.

use crate::public_app;
use crate::support::bearer;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::played::Played;
use crate::support::wire::Wire;

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n{fields}\r\n")
}

#[test]
fn what_follows_in_the_same_piece_is_left_for_another_connection() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", "");
    let token = format!("authorization: {}\r\n", bearer(&gateway.login("bob@example.com")));
    for (first, status) in [
        (get("/public/1", ""), 200),
        (get("/1", ""), 401),
        (get("/1", &token), 200),
        (get("/auth/me", &token), 200),
        ("POST /public/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody".to_owned(), 200),
        ("POST /1 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), 401),
    ] {
        let mut client = Wire::to(gateway.listen);
        client.send(format!("{first}{}{}", get("/public/second", ""), get("/second", &token)));
        assert_eq!(client.answer().expect("an answer to the first").status, status, "{first}");
        assert!(client.is_closed(), "{first}");
    }
    assert!(app.seen().iter().all(|seen| seen.path() != "/second" && seen.path() != "/public/second"));
    let bodies: Vec<_> = app.seen().into_iter().filter(|seen| !seen.body.is_empty()).collect();
    assert_eq!((bodies.len(), bodies[0].body.as_slice()), (1, &b"body"[..]));
}

#[test]
fn what_comes_while_the_app_is_still_asked_is_an_error() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.send(get("/1", ""));
    let mut served = app.accept();
    served.request().unwrap();
    client.send(get("/2", ""));
    client.answer().expect("an answer").is_problem(400, "bad_request");
    assert!(client.is_closed());
    assert!(served.rest().is_empty() && app.is_alone());
}
