//! What a signed-in user sees and may do: who they are, where they are signed in, another password.

use serde_json::{Value, json};

use super::support::forge::Token;
use super::support::gateway::{Gateway, PASSWORD};
use super::support::{Answer, bearer, send};
use super::{gateway, members};
use crate::support::wait::until;

const NEW_PASSWORD: &str = "another fine long sentence";

fn sessions(gateway: &Gateway, tokens: &Value) -> Vec<Value> {
    let answer = gateway.get("/auth/sessions", &[("authorization", &bearer(tokens))]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["sessions"].as_array().unwrap().clone()
}

fn end(gateway: &Gateway, tokens: &Value, session: &str) -> Answer {
    gateway.send("DELETE", &format!("/auth/sessions/{session}"), &[("authorization", &bearer(tokens))], None)
}

fn id(tokens: &Value) -> String {
    Token::open(&tokens["accessToken"]).payload["sid"].as_str().unwrap().to_owned()
}

fn change_password(gateway: &Gateway, tokens: &Value, current: &str, new: &str) -> Answer {
    let change = json!({ "currentPassword": current, "newPassword": new });
    gateway.post("/auth/password", &[("authorization", &bearer(tokens))], &change)
}

#[test]
fn me_says_who_is_calling_as_the_user_stands_now() {
    let gateway = gateway("");
    let tokens = gateway.login("ann@example.com");
    let me = || gateway.get("/auth/me", &[("authorization", &bearer(&tokens))]);
    let answer = me();
    assert_eq!((answer.status, answer.field("cache-control")), (200, "no-store"));
    assert_eq!(members(&answer.json()), ["email", "roles", "sessionId", "userId"]);
    assert_eq!((&answer.json()["email"], &answer.json()["roles"]), (&json!("ann@example.com"), &json!(["admin"])));
    gateway.house.says(&["user", "roles", "ann@example.com", "auditor", "editor"], "");
    until("the new roles are in force", || me().json()["roles"] == json!(["auditor", "editor"]));
    gateway.get("/auth/me", &[]).is_problem(401, "missing_token");
    gateway.get("/auth/me", &[("authorization", "Bearer junk")]).is_problem(401, "invalid_token");
}

#[test]
fn the_sessions_say_from_where_and_when_and_which_is_this_one() {
    let gateway = gateway("");
    let first = gateway.login("ann@example.com");
    let agent = [("user-agent", "Phone/1.0"), ("content-type", "application/json")];
    let body = json!({ "email": "ann@example.com", "password": PASSWORD, "client": "mobile" }).to_string();
    let phone = send(gateway.listen, "POST", "/auth/login", &agent, Some(body.as_bytes())).json();
    gateway.login("bob@example.com");

    let listed = sessions(&gateway, &phone);
    assert_eq!(listed.len(), 2);
    assert_eq!(members(&listed[0]), ["createdAt", "current", "id", "ip", "lastUsedAt", "userAgent"]);
    assert_eq!((&listed[0]["id"], &listed[0]["current"]), (&json!(id(&first)), &json!(false)));
    assert_eq!((&listed[1]["id"], &listed[1]["current"]), (&json!(id(&phone)), &json!(true)));
    assert_eq!((&listed[1]["userAgent"], &listed[1]["ip"]), (&json!("Phone/1.0"), &json!("127.0.0.1")));
    let at = |session: &Value, name: &str| session[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(at(&listed[1], "createdAt"), at(&listed[1], "lastUsedAt"));
    gateway.refresh(&phone["refreshToken"]);
    let used = &sessions(&gateway, &phone)[1];
    assert!(at(used, "createdAt") < at(used, "lastUsedAt"), "{used}");
}

#[test]
fn a_user_ends_their_own_sessions_and_nobody_elses() {
    let gateway = gateway("");
    let (ann, phone) = (gateway.login("ann@example.com"), gateway.login("ann@example.com"));
    let bob = gateway.login("bob@example.com");
    for (junk, what) in [
        (id(&bob), "another user's"),
        (uuid::Uuid::now_v7().to_string(), "nobody's"),
        ("junk".into(), "no id"),
        ("%00".into(), "no text"),
        (format!("x/{}", id(&phone)), "below another name"),
        (format!("{}/x", id(&phone)), "with something below it"),
    ] {
        let refused = end(&gateway, &ann, &junk);
        assert!([404, 400].contains(&refused.status), "{what}: {}", refused.body);
        assert_eq!(refused.status == 400, junk == "%00", "{what}: {}", refused.body);
    }
    end(&gateway, &ann, &id(&bob)).is_problem(404, "not_found");
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&bob))]).status, 200);
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&phone))]).status, 200);

    let ended = end(&gateway, &ann, &id(&phone));
    assert_eq!((ended.status, ended.body.as_str(), ended.field("cache-control")), (204, "", "no-store"));
    assert!(!ended.headers.contains_key("content-length"), "RFC 9110 section 8.6");
    gateway.get("/x", &[("authorization", &bearer(&phone))]).is_problem(401, "session_revoked");
    gateway.refresh(&phone["refreshToken"]).is_problem(401, "session_revoked");
    end(&gateway, &ann, &id(&phone)).is_problem(404, "not_found");

    assert_eq!(end(&gateway, &ann, &id(&ann)).status, 204, "the present one too");
    gateway.get("/auth/me", &[("authorization", &bearer(&ann))]).is_problem(401, "session_revoked");
    let anonymous = gateway.send("DELETE", &format!("/auth/sessions/{}", id(&bob)), &[], None);
    anonymous.is_problem(401, "missing_token");
}

#[test]
fn a_changed_password_keeps_its_caller_and_ends_every_other_session() {
    let gateway = gateway("");
    let (here, phone) = (gateway.login("ann@example.com"), gateway.login("ann@example.com"));
    let answer = change_password(&gateway, &here, PASSWORD, NEW_PASSWORD);
    assert_eq!((answer.status, answer.field("cache-control"), answer.cookies().len()), (200, "no-store", 0));
    let kept = answer.json();
    assert_eq!(id(&kept), id(&here), "the same session");
    assert_eq!(Token::open(&kept["accessToken"]).payload["tokenVersion"], 1);
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&kept))]).status, 200);
    assert_eq!(gateway.refresh(&kept["refreshToken"]).status, 200);
    for over in [&here, &phone] {
        gateway.get("/x", &[("authorization", &bearer(over))]).is_problem(401, "session_revoked");
        gateway.refresh(&over["refreshToken"]).is_problem(401, "session_revoked");
    }
    gateway.try_login("ann@example.com", PASSWORD).is_problem(401, "invalid_credentials");
    assert_eq!(gateway.try_login("ann@example.com", NEW_PASSWORD).status, 200);
    gateway.wait_for_line("password_changed");
}

#[test]
fn a_browser_that_changes_the_password_gets_its_new_token_in_the_cookie() {
    let gateway = gateway("");
    let browser = gateway.web_login("ann@example.com");
    let fields = [("authorization", bearer(&browser.tokens)), ("cookie", browser.cookie.clone())];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let change = json!({ "currentPassword": PASSWORD, "newPassword": NEW_PASSWORD });
    let answer = gateway.post("/auth/password", &fields, &change);
    assert_eq!(members(&answer.json()), ["accessToken", "expiresIn", "tokenType"]);
    let cookie = answer.the_cookie().pair();
    assert_eq!(gateway.send("POST", "/auth/refresh", &[("cookie", &cookie)], None).status, 200);
}

#[test]
fn a_password_change_that_is_refused_changes_nothing() {
    let gateway = gateway("");
    let tokens = gateway.login("ann@example.com");
    change_password(&gateway, &tokens, "not the password", NEW_PASSWORD).is_problem(401, "invalid_credentials");
    change_password(&gateway, &tokens, PASSWORD, "short").is_problem(400, "invalid_request");
    change_password(&gateway, &tokens, PASSWORD, &"x".repeat(1025)).is_problem(400, "invalid_request");
    change_password(&gateway, &tokens, PASSWORD, "passwordpassword").is_problem(400, "invalid_request");
    let wholly = json!({ "currentPassword": PASSWORD, "newPassword": NEW_PASSWORD });
    gateway.post("/auth/password", &[], &wholly).is_problem(401, "missing_token");
    for part in [json!({}), json!({ "newPassword": NEW_PASSWORD }), json!({ "currentPassword": PASSWORD })] {
        gateway
            .post("/auth/password", &[("authorization", &bearer(&tokens))], &part)
            .is_problem(400, "invalid_request");
    }
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&tokens))]).status, 200);
    assert_eq!(gateway.try_login("ann@example.com", PASSWORD).status, 200);
}

#[test]
fn the_hundred_and_first_login_ends_the_oldest_session() {
    let gateway = gateway("");
    let logins: Vec<Value> = (0..101).map(|_| gateway.login("ann@example.com")).collect();
    gateway.get("/x", &[("authorization", &bearer(&logins[0]))]).is_problem(401, "session_revoked");
    gateway.refresh(&logins[0]["refreshToken"]).is_problem(401, "session_revoked");
    let listed = sessions(&gateway, &logins[100]);
    let ids: Vec<&str> = listed.iter().map(|session| session["id"].as_str().unwrap()).collect();
    assert_eq!(ids, logins[1..].iter().map(id).collect::<Vec<_>>());
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&logins[1]))]).status, 200);
}
