//! Signing in: what a browser and what a mobile client gets, and what nobody can learn by failing.

use serde_json::json;

use super::support::bearer;
use super::support::forge::Token;
use super::support::gateway::PASSWORD;
use super::{gateway, members};

const SEVEN_DAYS: u64 = 7 * 24 * 3600;

#[test]
fn a_browser_gets_its_refresh_token_in_a_cookie_alone() {
    let gateway = gateway("");
    let credentials = json!({ "email": "ann@example.com", "password": PASSWORD });
    let said = json!({ "email": "ann@example.com", "password": PASSWORD, "client": "web" });
    for body in [credentials, said] {
        let answer = gateway.post("/auth/login", &[], &body);
        assert_eq!((answer.status, answer.field("content-type")), (200, "application/json"));
        assert_eq!(answer.field("cache-control"), "no-store");
        let tokens = answer.json();
        assert_eq!(members(&tokens), ["accessToken", "expiresIn", "tokenType"]);
        assert_eq!((&tokens["tokenType"], &tokens["expiresIn"]), (&json!("Bearer"), &json!(900)));
        let cookie = answer.the_cookie();
        assert_eq!(cookie.name, "__Host-refreshToken");
        assert_eq!(cookie.attributes, ["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Strict", "Secure"]);
        assert_eq!(Token::open(&cookie.value.into()).header["typ"], "rt+jwt");
        assert_eq!(gateway.get("/x", &[("authorization", &bearer(&tokens))]).status, 200);
    }
}

#[test]
fn without_secure_the_cookie_has_neither_secure_nor_the_prefix() {
    let gateway = gateway("[cookies]\nsecure = false\nsame_site = \"lax\"\n");
    let answer = gateway.post("/auth/login", &[], &json!({ "email": "ann@example.com", "password": PASSWORD }));
    let cookie = answer.the_cookie();
    assert_eq!(cookie.name, "refreshToken");
    assert_eq!(cookie.attributes, ["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Lax"]);
    let refreshed = gateway.send("POST", "/auth/refresh", &[("cookie", &cookie.pair())], None);
    assert_eq!(refreshed.the_cookie().name, "refreshToken");
    let prefixed = format!("__Host-{}", cookie.pair());
    gateway.send("POST", "/auth/refresh", &[("cookie", &prefixed)], None).is_problem(401, "missing_token");
}

#[test]
fn a_mobile_client_gets_both_tokens_in_the_body_and_no_cookie() {
    let gateway = gateway("");
    let answer = gateway.try_login("bob@example.com", PASSWORD);
    assert_eq!((answer.status, answer.cookies().len()), (200, 0));
    let tokens = answer.json();
    assert_eq!(members(&tokens), ["accessToken", "expiresIn", "refreshExpiresIn", "refreshToken", "tokenType"]);
    assert_eq!(tokens["refreshExpiresIn"], SEVEN_DAYS);
    let other = json!({ "email": "bob@example.com", "password": PASSWORD, "client": "toaster" });
    gateway.post("/auth/login", &[], &other).is_problem(400, "invalid_request");
}

#[test]
fn tokens_hold_the_claims_of_the_contract_and_no_others() {
    let gateway = gateway("[auth]\nissuer = \"https://gw.example\"\naudience = \"apps\"\n");
    let tokens = gateway.login("ann@example.com");
    let access = Token::open(&tokens["accessToken"]);
    let refresh = Token::open(&tokens["refreshToken"]);
    assert_eq!(members(&access.header), ["alg", "kid", "typ"]);
    assert_eq!((&access.header["typ"], &access.header["alg"]), (&json!("at+jwt"), &json!("EdDSA")));
    assert_eq!((&refresh.header["typ"], &refresh.header["alg"]), (&json!("rt+jwt"), &json!("HS256")));
    assert_ne!(access.header["kid"], refresh.header["kid"]);
    let claims = ["aud", "exp", "iat", "iss", "jti", "roles", "sid", "sub", "tokenVersion"];
    assert_eq!(members(&access.payload), claims);
    assert_eq!(members(&refresh.payload), ["aud", "exp", "gen", "iat", "iss", "sid", "sub", "tokenVersion"]);
    for payload in [&access.payload, &refresh.payload] {
        assert_eq!((&payload["iss"], &payload["aud"]), (&json!("https://gw.example"), &json!("apps")));
        assert_eq!(payload["tokenVersion"], 0);
    }
    assert_eq!(access.payload["roles"], json!(["admin"]));
    let lives = |token: &Token| token.payload["exp"].as_u64().unwrap() - token.payload["iat"].as_u64().unwrap();
    assert_eq!((lives(&access), lives(&refresh)), (900, SEVEN_DAYS));
    let me = gateway.get("/auth/me", &[("authorization", &bearer(&tokens))]).json();
    assert_eq!((&access.payload["sub"], &access.payload["sid"]), (&me["userId"], &me["sessionId"]));
}

#[test]
fn an_unknown_email_a_wrong_password_and_a_disabled_user_look_the_same() {
    let gateway = gateway("");
    gateway.house.says(&["user", "disable", "bob@example.com"], "");
    let seen = |email: &str, password: &str| {
        let mut answer = gateway.try_login(email, password);
        answer.is_problem(401, "invalid_credentials");
        answer.headers.remove("date");
        answer.headers.remove("x-request-id");
        let mut problem = answer.json();
        problem.as_object_mut().unwrap().remove("requestId");
        (answer.headers, problem)
    };
    let hashed = || gateway.metric("portcullis_password_hash_duration_seconds_count");
    let before = hashed();
    let unknown = seen("nobody@example.com", PASSWORD);
    assert_eq!(seen("ann@example.com", "not her password"), unknown);
    assert_eq!(seen("ann@example.com", ""), unknown);
    assert_eq!(seen("bob@example.com", PASSWORD), unknown);
    assert_eq!(seen("bob@example.com", "not his password"), unknown);
    assert_eq!(seen("no email at all", PASSWORD), unknown);
    assert_eq!(seen("", ""), unknown);
    assert_eq!(hashed() - before, 7.0, "each costs what checking a password costs");
}

#[test]
fn an_email_is_one_account_however_it_is_written() {
    let gateway = gateway("");
    gateway.house.add_user("jos\u{e9}@example.com", &[]);
    for written in ["jos\u{e9}@example.com", "JOSE\u{301}@Example.COM", "jose\u{301}@example.com"] {
        let tokens = gateway.login(written);
        let me = gateway.get("/auth/me", &[("authorization", &bearer(&tokens))]).json();
        assert_eq!(me["email"], "jos\u{e9}@example.com");
    }
    for other in ["jose@example.com", " jos\u{e9}@example.com", "jos\u{e9}@example.com ", "jos\u{e9}@example.com\0"] {
        gateway.try_login(other, PASSWORD).is_problem(401, "invalid_credentials");
    }
}

#[test]
fn a_password_counts_exactly_as_received() {
    let gateway = gateway("");
    let password = "Gr\u{fc}\u{df}e an alle, die es lesen";
    gateway.house.says(&["user", "add", "uwe@example.com", "--password-stdin"], &format!("{password}\n"));
    assert_eq!(gateway.try_login("uwe@example.com", password).status, 200);
    let decomposed = password.replace('\u{fc}', "u\u{308}");
    for other in [decomposed, format!("{password} "), format!(" {password}"), password.to_uppercase()] {
        gateway.try_login("uwe@example.com", &other).is_problem(401, "invalid_credentials");
    }
}

#[test]
fn a_failed_login_is_audited_under_the_account_and_what_is_no_email_is_not_written_down() {
    let gateway = gateway("");
    gateway.try_login("ANN@Example.com", "not her password").is_problem(401, "invalid_credentials");
    let line = gateway.wait_for_line("login_failed");
    assert!(line.contains("email=ann@example.com") && line.contains("ip=127.0.0.1"), "{line}");
    // Typed into the wrong field.
    gateway.try_login("my-secret-password", "x").is_problem(401, "invalid_credentials");
    gateway.login("bob@example.com");
    gateway.wait_for_line("event=login ");
    assert!(!gateway.log().contains("my-secret-password"), "{}", gateway.log());
}
