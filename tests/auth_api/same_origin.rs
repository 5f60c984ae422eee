//! Every POST of the auth API must come from the same origin, or from one that is trusted, with or without a cookie.

use serde_json::json;

use super::gateway;
use super::support::bearer;
use super::support::gateway::{Gateway, PASSWORD};

const POSTS: [&str; 5] = ["/auth/login", "/auth/refresh", "/auth/logout", "/auth/logout-all", "/auth/password"];

const TRUSTED: &str = "[browser]\ntrusted_origins = [\"https://app.example.com\", \"http://localhost:3000\"]\n";

fn is_let_in(gateway: &Gateway, fields: &[(&str, &str)]) {
    for path in POSTS {
        let answer = gateway.post(path, fields, &json!({}));
        assert_ne!(answer.status, 403, "{path} {fields:?}: {}", answer.body);
    }
}

fn is_kept_out(gateway: &Gateway, fields: &[(&str, &str)]) {
    for path in POSTS {
        gateway.post(path, fields, &json!({})).is_problem(403, "cross_site");
        gateway.send("POST", path, fields, None).is_problem(403, "cross_site");
    }
}

#[test]
fn what_browsers_say_of_a_request_decides() {
    let gateway = gateway("");
    is_let_in(&gateway, &[("sec-fetch-site", "same-origin")]);
    is_let_in(&gateway, &[("sec-fetch-site", "none")]);
    for site in ["cross-site", "same-site", "", "Same-Origin", "same-origin, none", "junk"] {
        is_kept_out(&gateway, &[("sec-fetch-site", site)]);
    }
    is_kept_out(&gateway, &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")]);
    let own = format!("http://{}", gateway.listen);
    is_kept_out(&gateway, &[("sec-fetch-site", "same-site"), ("origin", &own)]);
}

#[test]
fn without_that_the_origin_must_be_the_host() {
    let gateway = gateway("");
    is_let_in(&gateway, &[]);
    is_let_in(&gateway, &[("origin", &format!("http://{}", gateway.listen))]);
    is_let_in(&gateway, &[("origin", &format!("https://{}", gateway.listen))]);
    let neighbour = format!("http://{}:{}", gateway.listen.ip(), gateway.listen.port().wrapping_add(1));
    for origin in ["null", "", "https://evil.example", "http://127.0.0.1", "file://", &neighbour] {
        is_kept_out(&gateway, &[("origin", origin)]);
    }
    let own = format!("http://{}", gateway.listen);
    is_kept_out(&gateway, &[("origin", &own), ("origin", "https://evil.example")]);
    let in_front = format!("https://evil.example/{own}");
    is_kept_out(&gateway, &[("origin", &in_front)]);
}

#[test]
fn a_trusted_origin_may_whatever_else_is_said() {
    let gateway = gateway(TRUSTED);
    for origin in ["https://app.example.com", "http://localhost:3000"] {
        is_let_in(&gateway, &[("origin", origin)]);
        is_let_in(&gateway, &[("origin", origin), ("sec-fetch-site", "cross-site")]);
    }
    for origin in ["http://app.example.com", "https://app.example.com:8443", "https://app.example.com.evil.example"] {
        is_kept_out(&gateway, &[("origin", origin)]);
    }
}

#[test]
fn a_refused_login_or_logout_has_done_nothing() {
    let gateway = gateway("");
    let browser = gateway.web_login("ann@example.com");
    let cross = ("sec-fetch-site", "cross-site");
    let login = json!({ "email": "ann@example.com", "password": PASSWORD });
    let refused = gateway.post("/auth/login", &[cross], &login);
    refused.is_problem(403, "cross_site");
    assert_eq!(refused.cookies().len(), 0, "a login that somebody else began");
    for path in ["/auth/logout", "/auth/refresh"] {
        let refused = gateway.send("POST", path, &[cross, ("cookie", &browser.cookie)], None);
        refused.is_problem(403, "cross_site");
        assert_eq!(refused.cookies().len(), 0);
    }
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&browser.tokens))]).status, 200);
    assert_eq!(gateway.send("POST", "/auth/refresh", &[("cookie", &browser.cookie)], None).status, 200);
}

#[test]
fn reading_needs_no_origin() {
    let gateway = gateway("");
    let token = bearer(&gateway.login("ann@example.com"));
    let fields = [("authorization", token.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(gateway.get("/auth/me", &fields).status, 200);
    assert_eq!(gateway.get("/auth/jwks.json", &fields[1..]).status, 200);
}
