//! Signing out: one device or all, by whatever credential there is, and always with the same answer.

use serde_json::{Value, json};

use super::gateway;
use super::support::forge::{ACCESS_SECRET, Token, hs256_house};
use super::support::gateway::Gateway;
use super::support::origin::Origin;
use super::support::{Answer, bearer};

#[track_caller]
fn is_farewell(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json(), json!({ "message": "Logged out successfully" }));
    assert_eq!(answer.field("cache-control"), "no-store");
    let cleared = answer.the_cookie();
    assert_eq!(cleared.pair(), "__Host-refreshToken=");
    assert_eq!(cleared.attributes, ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Strict", "Secure"]);
}

#[track_caller]
fn is_over(gateway: &Gateway, tokens: &Value) {
    gateway.get("/x", &[("authorization", &bearer(tokens))]).is_problem(401, "session_revoked");
    if tokens["refreshToken"].is_string() {
        gateway.refresh(&tokens["refreshToken"]).is_problem(401, "session_revoked");
    }
}

#[test]
fn a_cookie_a_body_or_a_bearer_token_ends_its_session_at_once() {
    let gateway = gateway("");
    let stays = gateway.login("ann@example.com");

    let browser = gateway.web_login("ann@example.com");
    is_farewell(&gateway.send("POST", "/auth/logout", &[("cookie", &browser.cookie)], None));
    is_over(&gateway, &browser.tokens);
    gateway.send("POST", "/auth/refresh", &[("cookie", &browser.cookie)], None).is_problem(401, "session_revoked");

    let mobile = gateway.login("ann@example.com");
    is_farewell(&gateway.post("/auth/logout", &[], &json!({ "refreshToken": mobile["refreshToken"] })));
    is_over(&gateway, &mobile);

    let caller = gateway.login("ann@example.com");
    is_farewell(&gateway.send("POST", "/auth/logout", &[("authorization", &bearer(&caller))], None));
    is_over(&gateway, &caller);

    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&stays))]).status, 200);
    assert_eq!(gateway.metric("portcullis_revocations_total{scope=\"session\"}"), 3.0);
    gateway.wait_for_line("session_ended");
}

#[test]
fn with_nothing_or_with_junk_the_answer_is_the_same() {
    let gateway = gateway("");
    is_farewell(&gateway.send("POST", "/auth/logout", &[], None));
    is_farewell(&gateway.send("POST", "/auth/logout", &[], Some(b"")));
    is_farewell(&gateway.post("/auth/logout", &[], &json!({})));
    is_farewell(&gateway.post("/auth/logout", &[], &json!({ "refreshToken": "junk" })));
    is_farewell(&gateway.send("POST", "/auth/logout", &[("cookie", "__Host-refreshToken=junk")], None));
    is_farewell(&gateway.send("POST", "/auth/logout", &[("authorization", "Bearer junk")], None));
    is_farewell(&gateway.send("POST", "/auth/logout", &[("authorization", "Basic YTpi")], None));
    let tokens = gateway.login("ann@example.com");
    for _ in 0..2 {
        is_farewell(&gateway.post("/auth/logout", &[], &json!({ "refreshToken": tokens["refreshToken"] })));
    }
}

#[test]
fn a_token_that_was_replaced_still_ends_its_session() {
    let gateway = gateway("");
    let first = gateway.login("ann@example.com");
    let second = gateway.refresh(&first["refreshToken"]).json();
    let third = gateway.refresh(&second["refreshToken"]).json();
    is_farewell(&gateway.post("/auth/logout", &[], &json!({ "refreshToken": first["refreshToken"] })));
    is_over(&gateway, &third);
}

#[test]
fn an_access_token_that_has_expired_still_ends_its_session() {
    let gateway = hs256_house(Origin::start().address, "").run();
    let tokens = gateway.login("ann@example.com");
    let access = Token::open(&tokens["accessToken"]);
    let issued_at = access.payload["iat"].as_u64().unwrap() - 1000;
    let expired = access.with(json!({ "iat": issued_at, "exp": issued_at + 900 })).sign(ACCESS_SECRET);
    let expired = format!("Bearer {expired}");
    gateway.get("/x", &[("authorization", &expired)]).is_problem(401, "token_expired");
    is_farewell(&gateway.send("POST", "/auth/logout", &[("authorization", &expired)], None));
    is_over(&gateway, &tokens);
}

#[test]
fn logout_everywhere_ends_every_session_of_the_user_and_raises_the_token_version() {
    let gateway = gateway("");
    let (here, there) = (gateway.login("ann@example.com"), gateway.web_login("ann@example.com"));
    let bob = gateway.login("bob@example.com");
    gateway.send("POST", "/auth/logout-all", &[], None).is_problem(401, "missing_token");
    let with_cookie = gateway.send("POST", "/auth/logout-all", &[("cookie", &there.cookie)], None);
    with_cookie.is_problem(401, "missing_token");

    let answer = gateway.send("POST", "/auth/logout-all", &[("authorization", &bearer(&here))], None);
    assert_eq!((answer.status, answer.field("cache-control")), (200, "no-store"));
    assert_eq!(answer.the_cookie().pair(), "__Host-refreshToken=");
    is_over(&gateway, &here);
    is_over(&gateway, &there.tokens);
    gateway.send("POST", "/auth/refresh", &[("cookie", &there.cookie)], None).is_problem(401, "session_revoked");
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&bob))]).status, 200);

    let anew = gateway.login("ann@example.com");
    assert_eq!(Token::open(&anew["accessToken"]).payload["tokenVersion"], 1);
    assert_eq!(gateway.metric("portcullis_revocations_total{scope=\"user\"}"), 1.0);
    gateway.wait_for_line("all_sessions_ended");
}
