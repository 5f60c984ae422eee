//! A user cannot tell the gateways apart: what one gives, all honour; what one ends, all refuse.

use std::sync::{Arc, Barrier};
use std::thread;

use serde_json::{Value, json};

use super::support::gateway::{Gateway, PASSWORD};
use super::support::redis::RedisServer;
use super::support::wait;
use super::{house, with};

fn gateways(more: &str) -> (RedisServer, [Gateway; 3]) {
    let server = RedisServer::start();
    let house = house(&server, more);
    let gateways = [house.run(), house.run(), house.run()];
    (server, gateways)
}

fn over_everywhere(gateways: &[Gateway], tokens: &Value) {
    for gateway in gateways {
        wait::until("what is over is refused", || with(gateway, "/x", tokens).status == 401);
        assert_eq!(with(gateway, "/x", tokens).code(), "session_revoked");
        assert_eq!(gateway.refresh(&tokens["refreshToken"]).code(), "session_revoked");
    }
}

#[test]
fn what_one_gateway_gives_all_honour_until_one_ends_it() {
    let (_server, gateways) = gateways("");
    let [a, b, c] = &gateways;
    let first = a.login("ann@example.com");
    for gateway in &gateways {
        assert_eq!(with(gateway, "/admin/x", &first).status, 200);
    }
    let second = b.refresh(&first["refreshToken"]);
    assert_eq!(second.status, 200, "{}", second.body);
    let second = second.json();
    for gateway in &gateways {
        assert_eq!(with(gateway, "/x", &second).status, 200);
    }
    assert_eq!(c.post("/auth/logout", &[], &json!({ "refreshToken": second["refreshToken"] })).status, 200);
    assert_eq!(with(c, "/x", &second).code(), "session_revoked", "at once on the gateway that served it");
    over_everywhere(&gateways, &second);
}

#[test]
fn commands_are_obeyed_by_all() {
    let (_server, gateways) = gateways("");
    let (ann, bob) = (gateways[0].login("ann@example.com"), gateways[1].login("bob@example.com"));
    let other = gateways[2].login("bob@example.com");
    for gateway in &gateways {
        assert_eq!(with(gateway, "/admin/x", &ann).status, 200);
        assert_eq!((with(gateway, "/x", &bob).status, with(gateway, "/x", &other).status), (200, 200));
    }
    let house = &gateways[0].house;
    house.says(&["user", "roles", "ann@example.com"], "");
    let id = with(&gateways[0], "/auth/me", &other).json()["sessionId"].as_str().unwrap().to_owned();
    assert!(house.says(&["session", "list", "bob@example.com"], "").contains(&id));
    house.says(&["session", "revoke", &id], "");
    for gateway in &gateways {
        wait::until("a role that was taken away is gone", || with(gateway, "/admin/x", &ann).status == 403);
    }
    over_everywhere(&gateways, &other);
    assert!(gateways.iter().all(|gateway| with(gateway, "/x", &bob).status == 200));
    house.says(&["user", "disable", "bob@example.com"], "");
    over_everywhere(&gateways, &bob);
    house.says(&["user", "enable", "bob@example.com"], "");
    over_everywhere(&gateways, &bob);
    house.says(&["user", "remove", "ann@example.com"], "");
    over_everywhere(&gateways, &ann);
}

#[test]
fn a_password_that_was_changed_at_one_ends_what_others_gave() {
    let (_server, gateways) = gateways("");
    let (mine, other) = (gateways[0].login("bob@example.com"), gateways[1].login("bob@example.com"));
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "another fine long sentence" });
    let token = super::bearer(&mine);
    let changed = gateways[2].post("/auth/password", &[("authorization", &token)], &change);
    assert_eq!(changed.status, 200, "{}", changed.body);
    over_everywhere(&gateways, &other);
    for gateway in &gateways {
        assert_eq!(with(gateway, "/x", &changed.json()).status, 200);
        assert_eq!(gateway.try_login("bob@example.com", PASSWORD).code(), "invalid_credentials");
    }
}

#[test]
fn a_token_presented_to_all_at_the_same_moment_has_one_successor() {
    let (_server, gateways) = gateways("");
    let mut tokens = gateways[0].login("bob@example.com");
    for round in 0..10 {
        let start = Arc::new(Barrier::new(gateways.len()));
        let successors: Vec<Value> = thread::scope(|scope| {
            let asked: Vec<_> = gateways
                .iter()
                .map(|gateway| {
                    let (start, token) = (Arc::clone(&start), &tokens["refreshToken"]);
                    scope.spawn(move || {
                        start.wait();
                        let answer = gateway.refresh(token);
                        assert_eq!(answer.status, 200, "{round}: {}", answer.body);
                        answer.json()
                    })
                })
                .collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        for successor in &successors {
            assert_eq!(successor["refreshToken"], successors[0]["refreshToken"], "{round}");
            assert_ne!(successor["refreshToken"], tokens["refreshToken"], "{round}");
            assert!(gateways.iter().all(|gateway| with(gateway, "/x", successor).status == 200));
        }
        tokens = successors[0].clone();
    }
}

#[test]
fn theft_is_noticed_whichever_gateway_sees_it() {
    let (_server, gateways) = gateways("");
    let stolen = gateways[0].login("bob@example.com");
    let second = gateways[1].refresh(&stolen["refreshToken"]).json();
    let third = gateways[0].refresh(&second["refreshToken"]).json();
    assert!(gateways.iter().all(|gateway| with(gateway, "/x", &third).status == 200));
    assert_eq!(gateways[2].refresh(&stolen["refreshToken"]).code(), "token_reused");
    over_everywhere(&gateways, &third);
}

#[test]
fn failed_logins_are_counted_by_all_together() {
    let (_server, gateways) = gateways("[limits]\nlogin_per_account = \"4/1h\"\n");
    for gateway in gateways.iter().chain(&gateways[..1]) {
        assert_eq!(gateway.try_login("bob@example.com", "a wrong long sentence").code(), "invalid_credentials");
    }
    for gateway in &gateways {
        assert_eq!(gateway.try_login("bob@example.com", PASSWORD).code(), "rate_limited");
    }
    assert_eq!(gateways[1].try_login("ann@example.com", PASSWORD).status, 200);
}

#[test]
fn gateways_that_start_together_sign_with_the_same_keys() {
    let server = RedisServer::start();
    let house = house(&server, "");
    let gateways: Vec<Gateway> = thread::scope(|scope| {
        let started: Vec<_> = (0..3).map(|_| scope.spawn(|| house.run())).collect();
        started.into_iter().map(|started| started.join().unwrap()).collect()
    });
    let keys = gateways[0].get("/auth/jwks.json", &[]).json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert!(gateways.iter().all(|gateway| gateway.get("/auth/jwks.json", &[]).json() == keys));
    house.says(&["key", "rotate"], "");
    let published = |gateway: &Gateway| gateway.get("/auth/jwks.json", &[]).json()["keys"].as_array().unwrap().len();
    for gateway in &gateways {
        wait::until("a new key is published", || published(gateway) == 2);
    }
}
