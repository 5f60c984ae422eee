//! The store in trouble: locked, or unreadable for a while. That is never a 401, costs no session, and needs no restart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use rusqlite::Connection;
use serde_json::{Value, json};
use support::gateway::{Gateway, PASSWORD};
use support::origin::Origin;
use support::{Answer, bearer, wait};

fn with(gateway: &Gateway, tokens: &Value) -> Answer {
    gateway.get("/x", &[("authorization", &bearer(tokens))])
}

fn database(gateway: &Gateway) -> Connection {
    Connection::open(gateway.house.path("portcullis.db")).unwrap()
}

fn assert_our_trouble(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert!(answer.field("retry-after").parse::<u64>().unwrap() >= 1);
}

#[test]
fn a_locked_database_is_our_trouble_and_the_presented_token_is_still_good() {
    let gateway = Gateway::usual(Origin::start().address, "", "");
    let (ann, bob) = (gateway.login("ann@example.com"), gateway.login("bob@example.com"));
    let intruder = database(&gateway);
    intruder.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_our_trouble(&gateway.refresh(&bob["refreshToken"]));
    assert_our_trouble(&gateway.try_login("bob@example.com", PASSWORD));
    let logout = gateway.post("/auth/logout", &[("authorization", &bearer(&ann))], &json!({}));
    assert_our_trouble(&logout);
    assert_eq!(with(&gateway, &bob).status, 200, "what only needs to be read goes on");
    intruder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(with(&gateway, &ann).status, 200, "a logout that was not acknowledged was not done");
    let successor = gateway.refresh(&bob["refreshToken"]);
    assert_eq!(successor.status, 200, "{}", successor.body);
    assert_eq!(with(&gateway, &successor.json()).status, 200);
    gateway.login("bob@example.com");
}

#[test]
fn with_the_store_away_copies_serve_for_a_while_and_then_it_is_our_trouble_until_it_is_back() {
    let settings = "[store]\ncache_ttl = \"500ms\"\nmax_stale = \"4s\"\n";
    let gateway = Gateway::usual(Origin::start().address, "", settings);
    let (ann, bob) = (gateway.login("ann@example.com"), gateway.login("bob@example.com"));
    assert_eq!(with(&gateway, &bob).status, 200);
    assert_eq!(gateway.admin("/readyz").status, 200);

    let db = database(&gateway);
    db.execute_batch("BEGIN; ALTER TABLE users RENAME TO away; ALTER TABLE feed RENAME TO feed_away; COMMIT").unwrap();
    let stale = "portcullis_user_cache_requests_total{result=\"stale\"}";
    wait::until("a copy serves though the store is away", || {
        let answer = with(&gateway, &bob);
        assert_eq!(answer.status, 200, "{}", answer.body);
        gateway.metric(stale) > 0.0
    });
    assert_our_trouble(&gateway.try_login("bob@example.com", PASSWORD));
    assert_our_trouble(&gateway.refresh(&bob["refreshToken"]));
    wait::until("a copy gets too old", || {
        let answer = with(&gateway, &bob);
        assert!(answer.status == 200 || answer.code() == "unavailable", "{}", answer.body);
        answer.status == 503
    });
    assert_our_trouble(&with(&gateway, &bob));
    assert_our_trouble(&with(&gateway, &ann));
    wait::until("it is not ready", || gateway.admin("/readyz").status == 503);
    assert_eq!(gateway.admin("/readyz").json()["store"], false);
    assert_eq!(gateway.metric("portcullis_store_up"), 0.0);
    assert_eq!(gateway.admin("/healthz").status, 200, "a restart would not help");

    db.execute_batch("BEGIN; ALTER TABLE away RENAME TO users; ALTER TABLE feed_away RENAME TO feed; COMMIT").unwrap();
    wait::until("it is ready again", || gateway.admin("/readyz").status == 200);
    for tokens in [&ann, &bob] {
        assert_eq!(with(&gateway, tokens).status, 200);
    }
    assert_eq!(gateway.refresh(&bob["refreshToken"]).status, 200);
    assert_eq!(gateway.metric("portcullis_store_up"), 1.0);
}

#[test]
fn what_changed_while_the_feed_could_not_be_read_is_obeyed_when_it_can() {
    let gateway = Gateway::usual(Origin::start().address, "", "");
    let bob = gateway.login("bob@example.com");
    assert_eq!(with(&gateway, &bob).status, 200);
    let db = database(&gateway);
    db.execute_batch("ALTER TABLE feed RENAME TO away").unwrap();
    wait::until("the feed is missed", || gateway.metric("portcullis_store_up") == 0.0);
    // As a newer release might, or a restored backup: a change without its entry, and a hole where entries were.
    db.execute_batch("UPDATE users SET enabled = 0, epoch = epoch + 1 WHERE email = 'bob@example.com'").unwrap();
    db.execute_batch("INSERT INTO away (kind, epoch, at) VALUES ('keys', 0, 0), ('keys', 0, 0)").unwrap();
    db.execute_batch("DELETE FROM away; ALTER TABLE away RENAME TO feed").unwrap();
    wait::until("a gap drops every copy", || with(&gateway, &bob).status == 401);
    assert_eq!(with(&gateway, &bob).code(), "session_revoked");
}
