//! The form of every endpoint: its methods, its content type, where it is, and that nothing of it is cached.

use serde_json::json;

use super::gateway;
use super::support::bearer;

/// Each endpoint below the prefix, and the `Allow` field of its 405.
const ENDPOINTS: [(&str, &str); 9] = [
    ("/login", "POST"),
    ("/refresh", "POST"),
    ("/logout", "POST"),
    ("/logout-all", "POST"),
    ("/password", "POST"),
    ("/me", "GET, HEAD"),
    ("/sessions", "GET, HEAD"),
    ("/sessions/01920000-0000-7000-8000-000000000000", "DELETE"),
    ("/jwks.json", "GET, HEAD"),
];

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let gateway = gateway("");
    for (endpoint, allow) in ENDPOINTS {
        for method in METHODS {
            let answer = gateway.send(method, &format!("/auth{endpoint}"), &[], None);
            if allow.split(", ").any(|allowed| allowed == method) {
                assert_ne!(answer.status, 405, "{method} {endpoint}");
                assert_eq!(answer.status == 404, method == "DELETE" && answer.code() == "not_found");
                continue;
            }
            assert_eq!((answer.status, answer.field("allow")), (405, allow), "{method} {endpoint}");
            if method != "HEAD" {
                answer.is_problem(405, "method_not_allowed");
            }
        }
    }
}

#[test]
fn nothing_that_the_auth_api_says_is_cached() {
    let gateway = gateway("");
    let token = bearer(&gateway.login("ann@example.com"));
    for (endpoint, _) in ENDPOINTS.into_iter().chain([("/unknown", ""), ("", "")]) {
        for method in METHODS {
            for fields in [&[][..], &[("authorization", token.as_str())]] {
                let answer = gateway.send(method, &format!("/auth{endpoint}"), fields, None);
                assert_eq!(answer.field("cache-control"), "no-store", "{method} {endpoint}: {}", answer.status);
                assert!(!answer.field("x-request-id").is_empty());
            }
        }
    }
}

#[test]
fn head_is_answered_as_get_without_the_body() {
    let gateway = gateway("");
    let token = bearer(&gateway.login("ann@example.com"));
    for path in ["/auth/me", "/auth/sessions", "/auth/jwks.json", "/.well-known/jwks.json"] {
        let [head, get] = ["HEAD", "GET"].map(|method| gateway.send(method, path, &[("authorization", &token)], None));
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert_eq!(head.field("content-length"), get.body.len().to_string(), "{path}");
    }
    let refused = gateway.send("HEAD", "/auth/me", &[], None);
    assert_eq!((refused.status, refused.body.as_str()), (401, ""));
    assert_eq!(refused.field("www-authenticate"), "Bearer realm=\"portcullis\"");
}

#[test]
fn only_json_is_read() {
    let gateway = gateway("");
    let token = bearer(&gateway.login("ann@example.com"));
    for endpoint in ["/auth/login", "/auth/refresh", "/auth/logout", "/auth/password"] {
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", ""] {
            let fields = [("content-type", content_type), ("authorization", &token)];
            let answer = gateway.send("POST", endpoint, &fields, Some(b"{\"refreshToken\":\"x\"}"));
            answer.is_problem(415, "unsupported_media_type");
        }
        let untyped = gateway.send("POST", endpoint, &[("authorization", &token)], Some(b"{}"));
        untyped.is_problem(415, "unsupported_media_type");
    }
    for content_type in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
        let body = json!({ "email": "a@b", "password": "x" }).to_string();
        let answer = gateway.send("POST", "/auth/login", &[("content-type", content_type)], Some(body.as_bytes()));
        answer.is_problem(401, "invalid_credentials");
    }
}

#[test]
fn nothing_else_is_below_the_prefix_whoever_asks() {
    let gateway = gateway("");
    let token = bearer(&gateway.login("ann@example.com"));
    for path in ["/auth", "/auth/", "/auth/unknown", "/auth/login/x", "/auth/me/x", "/auth/jwks"] {
        for method in ["GET", "POST"] {
            gateway.send(method, path, &[], None).is_problem(404, "no_route");
            gateway.send(method, path, &[("authorization", &token)], None).is_problem(404, "no_route");
        }
    }
}

#[test]
fn another_prefix_moves_every_endpoint() {
    let gateway = gateway("[auth]\nprefix = \"/api/v1/sign-in\"\n");
    let body = json!({ "email": "ann@example.com", "password": super::support::gateway::PASSWORD });
    let login = gateway.post("/api/v1/sign-in/login", &[], &body);
    assert_eq!(login.status, 200, "{}", login.body);
    assert!(login.the_cookie().attributes.contains(&"Path=/".to_owned()));
    let token = bearer(&login.json());
    for (endpoint, allow) in ENDPOINTS {
        let moved = gateway.send("PUT", &format!("/api/v1/sign-in{endpoint}"), &[], None);
        assert_eq!((moved.status, moved.field("allow")), (405, allow));
        // What was there is now the app's, and guarded as the rest of it.
        gateway.post(&format!("/auth{endpoint}"), &[], &body).is_problem(401, "missing_token");
        let app = gateway.send("POST", &format!("/auth{endpoint}"), &[("authorization", &token)], None);
        assert_eq!(app.body, format!("origin POST /auth{endpoint} HTTP/1.1"));
    }
    gateway.get("/api/v1/sign-in/unknown", &[]).is_problem(404, "no_route");
    gateway.get("/api/v1", &[]).is_problem(401, "missing_token");
    let keys = gateway.get("/.well-known/jwks.json", &[]);
    assert_eq!((keys.status, keys.body), (200, gateway.get("/api/v1/sign-in/jwks.json", &[]).body));
}

#[test]
fn the_keys_are_published_in_two_places_and_may_be_kept_from_the_well_known_one() {
    let gateway = gateway("");
    let [own, well_known] = ["/auth/jwks.json", "/.well-known/jwks.json"].map(|path| gateway.get(path, &[]));
    assert_eq!(own.body, well_known.body);
    for answer in [&own, &well_known] {
        assert_eq!((answer.status, answer.field("content-type")), (200, "application/jwk-set+json"));
    }
    assert_eq!(own.field("cache-control"), "no-store");
    assert_eq!(well_known.field("cache-control"), "public, max-age=300");
    gateway.send("POST", "/.well-known/jwks.json", &[], None).is_problem(405, "method_not_allowed");
}
