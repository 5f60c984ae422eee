//! Revocation is immediate: at once on the gateway that serves it, and within a second wherever it came from.
//!
//! `REVOCATION_ROUNDS` sets how often a user is locked out to measure how long it takes (10); the figures are printed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis::clock::Stopwatch;
use serde_json::{Value, json};
use support::dice::number;
use support::gateway::{Gateway, PASSWORD};
use support::origin::Origin;
use support::{Answer, bearer, wait};

const UNLIMITED: &str = r#"
[limits]
per_ip = "1000000/1s"
login_per_ip = "1000000/1s"
login_per_account = "1000000/1s"
"#;

/// With Ann, an admin, and Bob, both unknown to the gateway's memory.
fn gateway() -> Gateway {
    Gateway::usual(Origin::start().address, "", UNLIMITED)
}

fn with(gateway: &Gateway, path: &str, tokens: &Value) -> Answer {
    gateway.get(path, &[("authorization", &bearer(tokens))])
}

fn is_over(gateway: &Gateway, tokens: &Value) -> bool {
    with(gateway, "/x", tokens).status == 401
}

fn assert_over(gateway: &Gateway, tokens: &Value) {
    assert_eq!(with(gateway, "/x", tokens).code(), "session_revoked");
    assert_eq!(gateway.refresh(&tokens["refreshToken"]).code(), "session_revoked");
}

#[test]
fn a_disabled_user_is_refused_and_enabling_again_revives_nothing() {
    let gateway = gateway();
    let bob = gateway.login("bob@example.com");
    assert_eq!(with(&gateway, "/x", &bob).status, 200);
    gateway.house.says(&["user", "disable", "bob@example.com"], "");
    wait::until("a disabled user is refused", || is_over(&gateway, &bob));
    assert_over(&gateway, &bob);
    assert_eq!(gateway.try_login("bob@example.com", PASSWORD).code(), "invalid_credentials");
    gateway.house.says(&["user", "enable", "bob@example.com"], "");
    let again = gateway.login("bob@example.com");
    assert_eq!(with(&gateway, "/x", &again).status, 200);
    assert_over(&gateway, &bob);
}

#[test]
fn roles_are_those_of_the_user_and_not_of_the_token() {
    let gateway = gateway();
    let (ann, bob) = (gateway.login("ann@example.com"), gateway.login("bob@example.com"));
    assert_eq!(with(&gateway, "/admin/x", &ann).status, 200);
    assert_eq!(with(&gateway, "/admin/x", &bob).status, 403);
    gateway.house.says(&["user", "roles", "ann@example.com"], "");
    wait::until("a role that was taken away is gone", || with(&gateway, "/admin/x", &ann).status == 403);
    gateway.house.says(&["user", "roles", "bob@example.com", "admin"], "");
    wait::until("a role that was given is there", || with(&gateway, "/admin/x", &bob).status == 200);
    assert_eq!(with(&gateway, "/x", &ann).status, 200, "her session goes on");
}

#[test]
fn a_session_that_was_revoked_is_over_and_the_others_live() {
    let gateway = gateway();
    let (one, two) = (gateway.login("bob@example.com"), gateway.login("bob@example.com"));
    let id = with(&gateway, "/auth/me", &one).json()["sessionId"].as_str().unwrap().to_owned();
    assert_eq!(with(&gateway, "/x", &two).status, 200);
    gateway.house.says(&["session", "revoke", &id], "");
    wait::until("a revoked session is refused", || is_over(&gateway, &one));
    assert_over(&gateway, &one);
    assert_eq!(with(&gateway, "/x", &two).status, 200);
    gateway.house.says(&["session", "revoke", "--user", "bob@example.com"], "");
    wait::until("all sessions are refused", || is_over(&gateway, &two));
    assert_over(&gateway, &two);
}

#[test]
fn a_removed_user_is_refused_and_so_is_whoever_takes_the_email_next() {
    let gateway = gateway();
    let bob = gateway.login("bob@example.com");
    assert_eq!(with(&gateway, "/x", &bob).status, 200);
    gateway.house.says(&["user", "remove", "bob@example.com"], "");
    wait::until("a removed user is refused", || is_over(&gateway, &bob));
    gateway.house.add_user("bob@example.com", &[]);
    let namesake = gateway.login("bob@example.com");
    assert_eq!(with(&gateway, "/x", &namesake).status, 200);
    assert_over(&gateway, &bob);
}

#[test]
fn a_password_set_by_an_administrator_ends_every_session() {
    let gateway = gateway();
    let bob = gateway.login("bob@example.com");
    assert_eq!(with(&gateway, "/x", &bob).status, 200);
    gateway.house.says(&["user", "passwd", "bob@example.com", "--password-stdin"], "quite another sentence\n");
    wait::until("the sessions are refused", || is_over(&gateway, &bob));
    assert_over(&gateway, &bob);
    assert_eq!(gateway.try_login("bob@example.com", "quite another sentence").status, 200);
}

#[test]
fn a_new_key_is_published_and_the_old_one_goes_on_verifying() {
    let gateway = gateway();
    let bob = gateway.login("bob@example.com");
    let keys = || gateway.get("/auth/jwks.json", &[]).json()["keys"].as_array().unwrap().len();
    assert_eq!(keys(), 1);
    gateway.house.says(&["key", "rotate"], "");
    wait::until("the new key is published", || keys() == 2);
    assert_eq!(with(&gateway, "/x", &bob).status, 200);
    assert_eq!(with(&gateway, "/x", &gateway.login("bob@example.com")).status, 200);
}

#[test]
fn on_the_gateway_that_serves_it_an_end_is_in_force_before_its_answer() {
    let gateway = gateway();
    let mut password = PASSWORD.to_owned();
    let login = |password: &str| gateway.try_login("bob@example.com", password).json();
    for round in 0..30 {
        let (here, elsewhere) = (login(&password), login(&password));
        let fields = [("authorization", bearer(&here))].map(|(name, value)| (name, value.leak() as &str));
        let id = with(&gateway, "/auth/me", &elsewhere).json()["sessionId"].as_str().unwrap().to_owned();
        let mut over = vec![&here, &elsewhere];
        match round % 5 {
            0 => (_, over) = (gateway.post("/auth/logout", &fields, &json!({})), vec![&here]),
            1 => {
                let token = json!({ "refreshToken": elsewhere["refreshToken"] });
                (_, over) = (gateway.post("/auth/logout", &[], &token), vec![&elsewhere]);
            }
            2 => {
                let answer = gateway.send("DELETE", &format!("/auth/sessions/{id}"), &fields, None);
                assert_eq!(answer.status, 204);
                over = vec![&elsewhere];
            }
            3 => assert_eq!(gateway.post("/auth/logout-all", &fields, &json!({})).status, 200),
            _ => {
                let new = format!("{PASSWORD} {round}");
                let change = json!({ "currentPassword": password, "newPassword": new });
                let changed = gateway.post("/auth/password", &fields, &change);
                assert_eq!(with(&gateway, "/x", &changed.json()).status, 200);
                password = new;
            }
        }
        for tokens in [&here, &elsewhere] {
            match over.contains(&tokens) {
                true => assert_over(&gateway, tokens),
                false => assert_eq!(with(&gateway, "/x", tokens).status, 200),
            }
        }
    }
}

#[test]
fn two_gateways_on_one_store_are_one() {
    let here = gateway();
    let there = here.house.run();
    let known = here.login("bob@example.com");
    assert_eq!(with(&there, "/x", &known).status, 200);
    for _ in 0..10 {
        let tokens = here.login("bob@example.com");
        assert_eq!(with(&there, "/x", &tokens).status, 200, "at once: its copy of Bob is older than this session");
        let successor = there.refresh(&tokens["refreshToken"]).json();
        assert_eq!(here.refresh(&tokens["refreshToken"]).json()["refreshToken"], successor["refreshToken"]);
        here.post("/auth/logout", &[("authorization", &bearer(&tokens))], &json!({}));
        wait::until("a logout at one is in force at the other", || is_over(&there, &successor));
        assert_over(&there, &tokens);
    }
    assert_eq!(with(&there, "/x", &known).status, 200);
}

#[test]
fn a_logout_that_another_gateway_was_first_with_is_in_force_before_its_answer_too() {
    let here = gateway();
    let there = here.house.run();
    for _ in 0..20 {
        let tokens = here.login("bob@example.com");
        assert_eq!(with(&there, "/x", &tokens).status, 200);
        let logout = json!({ "refreshToken": tokens["refreshToken"] });
        for gateway in [&here, &there] {
            assert_eq!(gateway.post("/auth/logout", &[], &logout).status, 200);
        }
        assert_over(&there, &tokens);
    }
}

#[test]
fn a_lock_out_takes_effect_within_the_promise_and_is_counted() {
    let gateway = gateway();
    let rounds = number("REVOCATION_ROUNDS").unwrap_or(10);
    let counted = |gateway: &Gateway| gateway.metric("portcullis_revocation_lag_seconds_count");
    let before = counted(&gateway);
    let mut lags = Vec::new();
    for _ in 0..rounds {
        let bob = gateway.login("bob@example.com");
        assert_eq!(with(&gateway, "/x", &bob).status, 200);
        let watch = Stopwatch::start();
        gateway.house.says(&["user", "disable", "bob@example.com"], "");
        let command = watch.elapsed();
        lags.push((wait::until("a disabled user is refused", || is_over(&gateway, &bob)), command));
        gateway.house.says(&["user", "enable", "bob@example.com"], "");
    }
    assert!(counted(&gateway) - before >= rounds as f64 * 2.0);
    lags.sort_unstable();
    let at = |share: f64| lags[((lags.len() - 1) as f64 * share).round() as usize].0;
    let commands: Duration = lags.iter().map(|(_, command)| command).sum();
    println!("in force after the command's end: p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
    println!("the command itself: {:?} on average", commands / u32::try_from(lags.len()).unwrap());
    let slow = gateway.metric("portcullis_revocation_lag_seconds_bucket{le=\"1\"}") < counted(&gateway);
    println!("by the gateway's own count, some took more than a second: {slow}");
}

#[test]
fn an_administrator_gets_through_a_storm_of_writes() {
    let gateway = gateway();
    // One after the other: so many at once would find every place to hash a password taken.
    let signed_in: Vec<Value> = (0..12).map(|_| gateway.login("bob@example.com")).collect();
    let (served, storming) = (&gateway, &AtomicBool::new(true));
    let outcomes: Vec<Output> = std::thread::scope(|scope| {
        for mut tokens in signed_in {
            scope.spawn(move || {
                while storming.load(Ordering::Relaxed) {
                    tokens = served.refresh(&tokens["refreshToken"]).json();
                }
            });
        }
        let rounds = 0..number("REVOCATION_ROUNDS").unwrap_or(10);
        let roles = rounds.map(|round| if round % 2 == 0 { "reader" } else { "writer" });
        let change = |role| gateway.house.command(&["user", "roles", "ann@example.com", role], "");
        let outcomes = roles.map(change).collect();
        storming.store(false, Ordering::Relaxed);
        outcomes
    });
    for outcome in outcomes {
        assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    }
}
