//! CORS on guarded routes: pages of trusted origins may ask and read, any other origin gets no word of it.

use crate::support::bearer;
use crate::support::gateway::Gateway;
use crate::support::origin::{Origin, answer};

const TRUSTED: &str = "https://app.example.com";
const BROWSER: &str = "[browser]\ntrusted_origins = [\"https://app.example.com\"]";

#[test]
fn a_preflight_of_a_trusted_origin_is_answered_here() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", BROWSER);
    let preflight = [
        ("origin", TRUSTED),
        ("access-control-request-method", "DELETE"),
        ("access-control-request-headers", "authorization, content-type"),
    ];
    for path in ["/x", "/admin/x", "/public/x", "/auth/login"] {
        let answered = gateway.send("OPTIONS", path, &preflight, None);
        assert_eq!(answered.status, 204, "{path}");
        for (name, value) in [
            ("access-control-allow-origin", TRUSTED),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "DELETE"),
            ("access-control-allow-headers", "authorization, content-type"),
            ("vary", "Origin"),
        ] {
            assert_eq!(answered.field(name), value, "{path} {name}");
        }
    }
    assert!(app.seen().is_empty());
}

#[test]
fn a_preflight_of_any_other_origin_is_a_request_like_any_other() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", BROWSER);
    for origin in ["https://evil.example", "null", "https://app.example.com.evil.example", "http://app.example.com"] {
        let preflight = [("origin", origin), ("access-control-request-method", "DELETE")];
        let refused = gateway.send("OPTIONS", "/x", &preflight, None);
        assert_eq!((refused.status, refused.code().as_str()), (401, "missing_token"), "{origin}");
        assert!(!refused.headers.contains_key("access-control-allow-origin"), "{origin}");
        assert!(app.seen().is_empty());
    }
    let preflight = [("origin", "https://evil.example"), ("access-control-request-method", "GET")];
    assert_eq!(gateway.send("OPTIONS", "/public/x", &preflight, None).status, 200, "the app's business");
    assert_eq!(app.last().line, "OPTIONS /public/x HTTP/1.1");
    // Not a preflight: no method is asked about.
    assert_eq!(gateway.send("OPTIONS", "/x", &[("origin", TRUSTED)], None).code(), "missing_token");
}

#[test]
fn answers_and_errors_may_be_read_by_trusted_origins_alone() {
    let app = Origin::with(|_, stream| {
        answer(stream, "200 OK", &[("vary", "Accept-Encoding")], b"");
        true
    });
    let gateway = Gateway::usual(app.address, "", BROWSER);
    let token = bearer(&gateway.login("bob@example.com"));
    for (path, status) in [("/x", 200), ("/admin/x", 403), ("/public/..%2fx", 400), ("/auth/me", 200)] {
        let fields = [("authorization", token.as_str()), ("origin", TRUSTED)];
        let answered = gateway.get(path, &fields);
        assert_eq!(answered.status, status);
        assert_eq!(answered.field("access-control-allow-origin"), TRUSTED, "{path}");
        assert_eq!(answered.field("access-control-allow-credentials"), "true", "{path}");
        let vary: Vec<_> = answered.headers.get_all("vary").iter().collect();
        assert!(vary.contains(&&http::HeaderValue::from_static("Origin")), "{path} {vary:?}");
        let other = gateway.get(path, &[fields[0], ("origin", "https://evil.example")]);
        assert!(other.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{path}");
    }
}

#[test]
fn an_app_that_sets_fields_of_its_own_is_left_to_it() {
    let app = Origin::with(|seen, stream| {
        let field = match seen.path() {
            "/public/any" => ("access-control-allow-origin", "*"),
            "/public/own" => ("access-control-allow-origin", "https://partner.example"),
            _ => ("access-control-expose-headers", "x-total"),
        };
        answer(stream, "200 OK", &[field], b"");
        true
    });
    let gateway = Gateway::usual(app.address, "", BROWSER);
    for (path, allowed) in [("any", "*"), ("own", "https://partner.example"), ("exposes", "")] {
        let answered = gateway.get(&format!("/public/{path}"), &[("origin", TRUSTED)]);
        let values: Vec<_> = answered.headers.get_all("access-control-allow-origin").iter().collect();
        assert_eq!(values.len(), usize::from(!allowed.is_empty()), "{path} {values:?}");
        assert_eq!(answered.field("access-control-allow-origin"), allowed);
        assert!(!answered.headers.contains_key("access-control-allow-credentials"), "{path}");
    }
}
