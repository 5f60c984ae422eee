//! How often a decision asks for memory: counted and not timed, so that it is the same on every machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../benches/desk/mod.rs"]
#[allow(dead_code, reason = "it asks for a part of it")]
mod desk;

use desk::Desk;
use http::request::Parts;

/// Of many decisions the usual one: now and then a cache puts its house in order.
fn usual_count(desk: &Desk, head: &Parts) -> u64 {
    let mut counts: Vec<u64> =
        (0..101).map(|_| allocation_counter::measure(|| _ = desk.ask(head)).count_total).collect();
    counts.sort_unstable();
    counts[counts.len() / 2]
}

#[test]
fn a_decision_about_whom_we_know_asks_for_no_memory() {
    for algorithm in ["HS256", "EdDSA"] {
        let desk = Desk::open(algorithm);
        let good = desk.token();
        for (path, token, outcome) in [
            ("/orders/17", Some(good.as_str()), "allowed"),
            ("/public/logo.svg", Some(&good), "allowed"),
            ("/public/logo.svg", None, "allowed"),
            ("/admin/users", Some(&good), "forbidden"),
            ("/orders/17", None, "missing_token"),
            ("/orders/17", Some("junk"), "invalid_token"),
            ("/orders/17", Some(desk.ended_token()), "session_revoked"),
            ("/auth/login", None, "allowed"),
        ] {
            let head = Desk::request(path, token);
            assert_eq!(desk.ask(&head), outcome, "{path}");
            assert_eq!(usual_count(&desk, &head), 0, "{algorithm} {path} {outcome}");
        }
    }
}

#[test]
fn a_token_that_nobody_has_seen_is_counted() {
    let desk = Desk::open("EdDSA");
    let head = Desk::request("/orders/17", Some(&desk.token()));
    let counts = [(); 2].map(|()| allocation_counter::measure(|| _ = desk.ask(&head)).count_total);
    assert!(counts[0] > 10 && counts[1] < counts[0], "the count is real: {counts:?}");
}
