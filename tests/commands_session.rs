//! `portcullis session …`, `key …` and `health`, while a gateway runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::{Mutex, mpsc};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::bearer;
use support::commands::Said;
use support::gateway::{Gateway, House, usual};
use support::origin::{Origin, answer};
use support::wait::until;
use support::wire::Wire;

fn tried(gateway: &Gateway, words: &[&str]) -> Said {
    gateway.house.tried(words, "")
}

fn is_in(gateway: &Gateway, tokens: &Value) -> bool {
    gateway.get("/", &[("authorization", &bearer(tokens))]).status == 200
}

/// The ids of ann's sessions, oldest first.
fn ids(gateway: &Gateway) -> Vec<String> {
    let list = tried(gateway, &["session", "list", "ann@example.com", "--json"]).json();
    list.as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let gateway = Gateway::usual(Origin::start().address, "", "");
    let devices = [(); 3].map(|()| gateway.login("ann@example.com"));
    let all = ids(&gateway);
    let own = gateway.get("/auth/me", &[("authorization", &bearer(&devices[0]))]).json();
    assert_eq!((all.len(), &all[0]), (3, &own["sessionId"].as_str().unwrap().to_owned()));

    let said = tried(&gateway, &["session", "revoke", &all[0]]).worked();
    assert_eq!(said, format!("session {} of ann@example.com is ended\n", all[0]));
    until("the first is out", || !is_in(&gateway, &devices[0]));
    assert!(is_in(&gateway, &devices[1]) && ids(&gateway) == all[1..]);
    let again = tried(&gateway, &["session", "revoke", &all[0]]).refused();
    assert_eq!(again, format!("there is no session {}; `portcullis session list EMAIL` shows a user's", all[0]));

    let said = tried(&gateway, &["session", "revoke", "--user", "ANN@example.com"]).worked();
    assert_eq!(said, "ann@example.com is signed out everywhere; 2 sessions ended\n");
    until("all are out", || devices.iter().all(|device| !is_in(&gateway, device)));
    assert_eq!(gateway.refresh(&devices[2]["refreshToken"]).code(), "session_revoked");
    assert_eq!(
        tried(&gateway, &["session", "list", "ann@example.com"]).worked(),
        "ID  SIGNED IN  LAST USED  IP  USER AGENT\n"
    );
    for words in [&["session", "list", "x@y"][..], &["session", "revoke", "--user", "x@y"]] {
        assert_eq!(tried(&gateway, words).refused(), "there is no user x@y; `portcullis user list` shows everyone");
    }
}

#[test]
fn what_a_client_calls_itself_cannot_steer_the_terminal() {
    let gateway = Gateway::usual(Origin::start().address, "", "");
    gateway.login("ann@example.com");
    let hostile = "\u{1b}[2J\u{9b}31m\r\n\u{202e}evil";
    gateway.house.database().execute("UPDATE sessions SET user_agent = ?1", [hostile]).unwrap();
    let table = tried(&gateway, &["session", "list", "ann@example.com"]).worked();
    assert!(table.ends_with("  \\u{1b}[2J\\u{9b}31m\\u{d}\\u{a}\\u{202e}evil\n"), "{table:?}");
    let json = tried(&gateway, &["session", "list", "ann@example.com", "--json"]).worked();
    assert!(!json.contains(['\u{1b}', '\u{9b}', '\r', '\u{202e}']), "{json:?}");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()[0]["userAgent"], hostile);
}

#[test]
fn a_new_key_is_published_before_it_signs_and_the_old_one_goes_on() {
    let gateway = Gateway::usual(Origin::start().address, "", "");
    let ann = gateway.login("ann@example.com");
    let listed = || tried(&gateway, &["key", "list", "--json"]).json();
    let published = || gateway.get("/auth/jwks.json", &[]).json()["keys"].as_array().unwrap().clone();
    let old = listed()[0]["kid"].clone();
    assert_eq!((published().len(), &published()[0]["kid"]), (1, &old));

    let said = tried(&gateway, &["key", "rotate"]).worked();
    let keys = listed();
    let states: Vec<_> = keys.as_array().unwrap().iter().map(|key| (&key["algorithm"], &key["state"])).collect();
    assert_eq!(states, [(&json!("EdDSA"), &json!("signs")), (&json!("EdDSA"), &json!("published"))]);
    let (new, from) = (keys[1]["kid"].as_str().unwrap(), keys[1]["signsFrom"].as_str().unwrap());
    assert_eq!(said, format!("key {new} is published, and signs from {from}\n"));
    assert!(from > keys[1]["createdAt"].as_str().unwrap());
    until("the new key is published", || published().iter().any(|key| key["kid"] == new));
    assert!(published().iter().any(|key| key["kid"] == old) && is_in(&gateway, &ann));
    let table = tried(&gateway, &["key", "list"]).worked();
    assert!(table.lines().nth(2).is_some_and(|row| row.starts_with(new) && row.ends_with("published")), "{table}");
}

#[test]
fn configured_secrets_are_no_keys_to_rotate() {
    let hs256 = "[auth]\nalgorithm = \"HS256\"\naccess_secret = \"${A}\"\nrefresh_secret = \"${R}\"\n";
    let (a, r) = ("a".repeat(32), "r".repeat(32));
    let house = House::with_env(hs256, &[("A", &a), ("R", &r)]);
    for words in [["key", "rotate"], ["key", "list"]] {
        let said = house.tried(&words, "").refused();
        assert!(said.starts_with("HS256 takes its secrets from the configuration: set other secrets"), "{said}");
    }
}

#[test]
fn health_is_what_the_running_gateway_says_whatever_has_become_of_its_file() {
    let file = usual(Origin::start().address, "", "");
    let house = House::new(&file);
    let gateway = house.run();
    let (admin, any) = (gateway.admin_listen.to_string(), format!("0.0.0.0:{}", gateway.admin_listen.port()));
    let listens =
        |address: &str| file.replace("admin_listen = \"127.0.0.1:0\"", &format!("admin_listen = \"{address}\""));
    for address in [&admin, &any] {
        house.rewrite(&listens(address));
        assert_eq!(house.tried(&["health"], "").worked(), "ready\n");
    }
    house.rewrite(&format!("{}\n[auth]\nalgorthm = 5\naccess_secret = \"${{NONE}}\"\njunk\n", listens(&admin)));
    assert_eq!(house.tried(&["health"], "").worked(), "ready\n", "the gateway still runs on what it read");
    house.rewrite(&listens("localhost"));
    let said = house.tried(&["health"], "");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("server.admin_listen: an address to listen on is a number"), "{}", said.err);
    assert_eq!(house.tried(&["health", "--admin", &admin], "").worked(), "ready\n");
}

#[test]
fn health_fails_while_the_gateway_stops_and_once_it_has() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let app = Origin::with(move |_, stream| {
        let _ = held.lock().unwrap().recv();
        answer(stream, "200 OK", &[], b"at last");
        true
    });
    let mut gateway = Gateway::usual(app.address, "", "");
    let admin = gateway.admin_listen.to_string();
    assert_eq!(tried(&gateway, &["health", "--admin", &admin]).worked(), "ready\n");
    let mut wire = Wire::to(gateway.listen);
    wire.send("GET /public/slow HTTP/1.1\r\nhost: x\r\n\r\n");
    until("the app is asked", || !app.seen().is_empty());
    gateway.signal(Signal::SIGTERM);
    until("it stops", || tried(&gateway, &["health", "--admin", &admin]).code == 1);
    let said = tried(&gateway, &["health", "--admin", &admin]).refused();
    assert!(said.starts_with("the gateway is not ready: ") && said.contains("stopping"), "{said}");
    release.send(()).unwrap();
    assert_eq!(wire.answer().unwrap().body, "at last");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
    let said = tried(&gateway, &["health", "--admin", &admin]).refused();
    let gone = format!("{admin} does not answer: Connection refused");
    assert!(
        said.starts_with(&gone) && said.ends_with("is the gateway running, and is this its admin_listen?"),
        "{said}"
    );
}
