//! Refreshing: each rotation gives one successor, the predecessor repeats it for a while, and anything else is theft.

use serde_json::{Value, json};

use super::support::cookies::Browser;
use super::support::forge::Token;
use super::support::gateway::Gateway;
use super::support::{Answer, bearer};
use super::{gateway, members};

fn with_cookie(gateway: &Gateway, cookie: &str) -> Answer {
    gateway.send("POST", "/auth/refresh", &[("cookie", cookie)], None)
}

/// As if so much time had passed since the session was last used.
fn age(gateway: &Gateway, tokens: &Value, seconds: i64) {
    let session: uuid::Uuid = Token::open(&tokens["accessToken"]).payload["sid"].as_str().unwrap().parse().unwrap();
    let sql = "UPDATE sessions SET rotated_at = rotated_at - ?2, opened_at = opened_at - ?2 WHERE id = ?1";
    let values = rusqlite::params![session.as_bytes(), seconds * 1000];
    assert_eq!(gateway.house.database().execute(sql, values).unwrap(), 1);
}

#[test]
fn a_token_that_came_in_the_body_is_answered_in_the_body() {
    let gateway = gateway("");
    let first = gateway.login("ann@example.com");
    let answer = gateway.refresh(&first["refreshToken"]);
    assert_eq!((answer.status, answer.cookies().len(), answer.field("cache-control")), (200, 0, "no-store"));
    let second = answer.json();
    assert_eq!(members(&second), members(&first));
    assert_ne!(second["refreshToken"], first["refreshToken"]);
    let [old, new] = [&first, &second].map(|tokens| Token::open(&tokens["refreshToken"]).payload);
    assert_eq!((&new["sid"], &new["gen"]), (&old["sid"], &json!(1)));
    for tokens in [&first, &second] {
        let passed = gateway.get("/x", &[("authorization", &bearer(tokens))]);
        assert_eq!(passed.status, 200, "a rotation ends no access token");
    }
}

#[test]
fn a_token_that_came_in_a_cookie_is_answered_in_a_cookie() {
    let gateway = gateway("");
    let Browser { cookie, .. } = gateway.web_login("ann@example.com");
    let answer = with_cookie(&gateway, &format!("theme=dark; {cookie}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(members(&answer.json()), ["accessToken", "expiresIn", "tokenType"]);
    let set = answer.the_cookie();
    assert_eq!(set.name, "__Host-refreshToken");
    assert_eq!(set.attributes, ["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Strict", "Secure"]);
    assert_ne!(set.pair(), cookie);
    let empty = gateway.post("/auth/refresh", &[("cookie", &set.pair())], &json!({}));
    assert_eq!(empty.status, 200, "an empty object names no token, the cookie does");
}

#[test]
fn the_token_just_replaced_gives_its_successor_again_byte_for_byte() {
    let gateway = gateway("");
    let first = gateway.login("ann@example.com");
    let second = gateway.refresh(&first["refreshToken"]).json();
    for _ in 0..3 {
        let again = gateway.refresh(&first["refreshToken"]).json();
        assert_eq!(again["refreshToken"], second["refreshToken"]);
        assert_ne!(again["accessToken"], second["accessToken"], "a fresh access token each time");
        assert_eq!(gateway.get("/x", &[("authorization", &bearer(&again))]).status, 200);
    }
    let Browser { cookie, .. } = gateway.web_login("ann@example.com");
    let successor = with_cookie(&gateway, &cookie).the_cookie().pair();
    assert_eq!(with_cookie(&gateway, &cookie).the_cookie().pair(), successor);
    assert_eq!(gateway.metric("portcullis_refreshes_total{outcome=\"rotated\"}"), 2.0);
    assert_eq!(gateway.metric("portcullis_refreshes_total{outcome=\"repeated\"}"), 4.0);
}

#[test]
fn a_token_two_generations_old_ends_the_session_loudly() {
    let gateway = gateway("");
    let (first, other) = (gateway.login("ann@example.com"), gateway.login("ann@example.com"));
    let second = gateway.refresh(&first["refreshToken"]).json();
    let third = gateway.refresh(&second["refreshToken"]).json();
    gateway.refresh(&first["refreshToken"]).is_problem(401, "token_reused");

    let claims = Token::open(&first["refreshToken"]).payload;
    let line = gateway.wait_for_line("rotation_reuse");
    for name in ["sub", "sid"] {
        assert!(line.contains(claims[name].as_str().unwrap()), "{name} in {line}");
    }
    assert_eq!(gateway.metric("portcullis_refreshes_total{outcome=\"reused\"}"), 1.0);
    assert_eq!(gateway.metric("portcullis_revocations_total{scope=\"reuse\"}"), 1.0);
    for tokens in [&first, &second, &third] {
        gateway.get("/x", &[("authorization", &bearer(tokens))]).is_problem(401, "session_revoked");
        gateway.refresh(&tokens["refreshToken"]).is_problem(401, "session_revoked");
    }
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&other))]).status, 200, "the other device stays");
}

#[test]
fn after_the_grace_the_predecessor_is_a_stolen_token() {
    let gateway = gateway("");
    let first = gateway.login("ann@example.com");
    assert_eq!(gateway.refresh(&first["refreshToken"]).status, 200);
    age(&gateway, &first, 31);
    gateway.refresh(&first["refreshToken"]).is_problem(401, "token_reused");
}

#[test]
fn a_session_past_its_idle_or_absolute_limit_is_over() {
    let gateway = gateway("[auth]\nrefresh_ttl = \"1h\"\nsession_ttl = \"2h\"\n");
    let idle = gateway.login("ann@example.com");
    age(&gateway, &idle, 3600);
    gateway.refresh(&idle["refreshToken"]).is_problem(401, "token_expired");

    let mut used = gateway.login("ann@example.com");
    for _ in 0..2 {
        age(&gateway, &used, 3000);
        used = gateway.refresh(&used["refreshToken"]).json();
    }
    let left = used["refreshExpiresIn"].as_u64().unwrap();
    assert!((1100..=1200).contains(&left), "a rotation starts the idle limit anew and not the absolute one: {left}");
    age(&gateway, &used, 1200);
    gateway.refresh(&used["refreshToken"]).is_problem(401, "token_expired");
}

#[test]
fn nothing_to_refresh_with_is_missing_and_a_dead_cookie_is_taken_away() {
    let gateway = gateway("");
    for body in [None, Some(b"".as_slice())] {
        gateway.send("POST", "/auth/refresh", &[], body).is_problem(401, "missing_token");
    }
    gateway.post("/auth/refresh?refreshToken=x", &[], &json!({})).is_problem(401, "missing_token");
    let dead = with_cookie(&gateway, "__Host-refreshToken=junk");
    dead.is_problem(401, "invalid_token");
    let cleared = dead.the_cookie();
    assert_eq!(cleared.pair(), "__Host-refreshToken=");
    assert_eq!(cleared.attributes, ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Strict", "Secure"]);
    let from_body = gateway.refresh(&json!("junk"));
    from_body.is_problem(401, "invalid_token");
    assert_eq!(from_body.cookies().len(), 0);
}

#[test]
fn a_user_who_is_disabled_or_gone_refreshes_nothing() {
    let gateway = gateway("");
    let (ann, bob) = (gateway.login("ann@example.com"), gateway.login("bob@example.com"));
    gateway.house.says(&["user", "disable", "ann@example.com"], "");
    gateway.house.says(&["user", "remove", "bob@example.com"], "");
    for tokens in [&ann, &bob] {
        gateway.refresh(&tokens["refreshToken"]).is_problem(401, "session_revoked");
    }
    gateway.house.says(&["user", "enable", "ann@example.com"], "");
    gateway.refresh(&ann["refreshToken"]).is_problem(401, "session_revoked");
}
