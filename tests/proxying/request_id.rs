//! One id names a request wherever it is spoken of: to the app, to the client, in the log, in a problem.

use std::collections::HashSet;

use crate::public_app;
use crate::support::origin::{Origin, answer};
use crate::support::wire::Wire;

#[test]
fn the_app_the_client_and_the_log_have_the_same_id() {
    let app = Origin::with(|_, stream| {
        answer(stream, "200 OK", &[("X-Request-Id", "the app's own")], b"");
        true
    });
    let gateway = public_app(app.address, "", "");
    let mut ids = HashSet::new();
    let mut client = Wire::to(gateway.listen);
    for _ in 0..5 {
        let answered = client.ask("GET", "/x", &[]).answer().unwrap();
        assert_eq!(answered.headers.get_all("x-request-id").iter().count(), 1);
        let id = answered.field("x-request-id").to_owned();
        assert_eq!(app.last().all("x-request-id"), [id.as_str()]);
        gateway.wait_for_line(&id);
        ids.insert(id);
    }
    assert_eq!(ids.len(), 5, "no two requests share one");
}

#[test]
fn a_refusal_names_the_request_in_its_body_too() {
    let gateway = public_app(Origin::start().address, "", "");
    let refused = gateway.get("/auth/nothing", &[]);
    assert_eq!(refused.json()["requestId"], refused.field("x-request-id"));
    gateway.wait_for_line(refused.field("x-request-id"));
}

#[test]
fn a_strangers_id_is_not_taken_over() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "");
    for name in ["X-Request-Id", "x_request_id"] {
        let answered = gateway.get("/x", &[(name, "mine-1")]);
        assert_ne!(answered.field("x-request-id"), "mine-1");
        assert!(app.last().fields.iter().all(|(_, value)| value != "mine-1"), "{:?}", app.last());
    }
}

#[test]
fn a_trusted_proxys_id_is_kept_if_it_can_be_one() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "trusted_proxies = [\"127.0.0.1/32\"]");
    let answered = gateway.get("/x", &[("X-Request-Id", "edge.7f-3_A")]);
    assert_eq!(answered.field("x-request-id"), "edge.7f-3_A");
    assert_eq!(app.last().all("x-request-id"), ["edge.7f-3_A"]);
    let refused = gateway.get("/auth/nothing", &[("X-Request-Id", "edge-8")]);
    assert_eq!((refused.field("x-request-id"), refused.json()["requestId"].as_str()), ("edge-8", Some("edge-8")));
    gateway.wait_for_line("edge-8");

    let long = "x".repeat(129);
    for junk in ["", "a b", "a\"b", "a,b", "é", long.as_str()] {
        let answered = Wire::to(gateway.listen).ask("GET", "/x", &[("x-request-id", junk)]).answer().unwrap();
        let id = answered.field("x-request-id");
        assert!(id != junk && id.len() == 32, "{junk:?} {id:?}");
    }
    let twice = [("x-request-id", "one"), ("x-request-id", "two")];
    let answered = Wire::to(gateway.listen).ask("GET", "/x", &twice).answer().unwrap();
    assert!(!["one", "two"].contains(&answered.field("x-request-id")));
    assert_eq!(app.last().all("x-request-id").len(), 1);
}
