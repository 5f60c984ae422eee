//! What is sent again, and what never: a request that the app may have acted on is not repeated unless it may be.

use crate::public_app;
use crate::support::gateway::Gateway;
use crate::support::played::Played;
use crate::support::wait::until;
use crate::support::wire::Wire;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A client and its gateway, which has a connection to the app that was used before.
fn with_a_used_connection(app: &Played, server: &str) -> (Gateway, Wire, Wire) {
    let gateway = public_app(app.address, "", server);
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/first", &[]);
    let mut served = app.accept();
    served.request().unwrap();
    served.send(OK);
    assert_eq!(client.answer().unwrap().status, 200);
    (gateway, client, served)
}

#[test]
fn a_get_on_a_connection_that_turns_out_dead_is_sent_once_more() {
    let app = Played::bind();
    let (gateway, mut client, mut stale) = with_a_used_connection(&app, "");
    client.ask("GET", "/second", &[]);
    assert_eq!(stale.request().unwrap().path(), "/second");
    drop(stale);
    let mut fresh = app.accept();
    assert_eq!(fresh.request().unwrap().path(), "/second");
    fresh.send(OK);
    assert_eq!(client.answer().unwrap().status, 200);
    let answered = "portcullis_http_requests_total{method=\"GET\",route=\"/*\",status=\"200\"}";
    // Counted when all is over, which is after the client has its answer.
    until("two requests, and no third", || gateway.metric(answered) >= 2.0);
    assert_eq!(gateway.metric(answered), 2.0);
}

#[test]
fn a_get_that_fails_on_a_new_connection_is_not_sent_again() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/x", &[]);
    app.accept().request().unwrap();
    assert_eq!(client.answer().unwrap().code(), "upstream_unreachable");
    assert!(app.is_alone());
}

#[test]
fn a_post_is_never_sent_twice() {
    let app = Played::bind();
    let (_gateway, mut client, mut stale) = with_a_used_connection(&app, "");
    client.ask("POST", "/pay", &[("content-length", "5")]).send("12345");
    assert_eq!(stale.request().unwrap().line, "POST /pay HTTP/1.1");
    assert_eq!(stale.exactly(5).unwrap(), b"12345");
    drop(stale);
    assert_eq!(client.answer().unwrap().code(), "upstream_unreachable");
    assert!(app.is_alone());
}

#[test]
fn a_body_that_is_sent_once_more_is_not_counted_twice() {
    let app = Played::bind();
    let (_gateway, mut client, mut stale) = with_a_used_connection(&app, "max_request_body = \"40KiB\"");
    let body = "x".repeat(30 * 1024);
    client.ask("PUT", "/x", &[("content-length", &body.len().to_string())]).send(&body);
    stale.request().unwrap();
    assert_eq!(stale.exactly(body.len()).unwrap(), body.as_bytes());
    drop(stale);
    let mut fresh = app.accept();
    fresh.request().unwrap();
    assert_eq!(fresh.exactly(body.len()).expect("the whole body"), body.as_bytes());
    fresh.send(OK);
    assert_eq!(client.answer().unwrap().status, 200);
}

#[test]
fn an_answer_that_has_begun_is_not_begun_again() {
    let app = Played::bind();
    let (_gateway, mut client, mut stale) = with_a_used_connection(&app, "");
    client.ask("GET", "/second", &[]);
    stale.request().unwrap();
    stale.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    assert_eq!(client.head().unwrap().0, 200);
    drop(stale);
    assert_eq!(client.rest(), b"half");
    assert!(app.is_alone());
}

#[test]
fn a_connection_that_the_app_has_closed_is_not_used_again() {
    let app = Played::bind();
    let (_gateway, mut client, stale) = with_a_used_connection(&app, "");
    drop(stale);
    // A POST cannot be repeated: it works only on a connection that lives.
    client.ask("POST", "/x", &[("content-length", "0")]);
    let mut fresh = app.accept();
    assert_eq!(fresh.request().unwrap().line, "POST /x HTTP/1.1");
    fresh.send(OK);
    assert_eq!(client.answer().unwrap().status, 200);
}
