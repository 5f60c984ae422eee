//! Pages elsewhere: those of a trusted origin may read every answer, errors included; any other gets no such field.

use serde_json::json;

use super::support::Answer;
use super::support::bearer;
use super::support::gateway::{Gateway, PASSWORD};
use super::support::origin::{Origin, answer};

const APP: &str = "https://app.example.com";
const TRUSTED: &str = "[browser]\ntrusted_origins = [\"https://app.example.com\"]\n";

/// One route more, whose upstream is not there.
const NOWHERE: &str = "[upstreams.nowhere]\nservers = [\"127.0.0.1:9\"]\n\
    [[routes]]\npath = \"/public/nowhere\"\nupstream = \"nowhere\"\naccess = \"public\"\n";

fn gateway() -> Gateway {
    super::gateway(&format!("{TRUSTED}{NOWHERE}"))
}

#[track_caller]
fn may_be_read(answer: &Answer) {
    assert_eq!(answer.field("access-control-allow-origin"), APP, "{}", answer.status);
    assert_eq!(answer.field("access-control-allow-credentials"), "true");
    assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "Origin"));
}

#[track_caller]
fn may_not_be_read(answer: &Answer) {
    let cors = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(cors.count(), 0, "{:?}", answer.headers);
}

#[test]
fn a_preflight_from_a_trusted_origin_is_answered_for_endpoints_and_guarded_routes_alike() {
    let gateway = gateway();
    let fields = [
        ("origin", APP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    for path in ["/auth/login", "/auth/me", "/auth/unknown", "/x", "/admin/x", "/public/x"] {
        let preflight = gateway.send("OPTIONS", path, &fields, None);
        assert_eq!((preflight.status, preflight.body.as_str()), (204, ""), "{path}");
        may_be_read(&preflight);
        assert_eq!(preflight.field("access-control-allow-methods"), "POST");
        assert_eq!(preflight.field("access-control-allow-headers"), "authorization,content-type");
    }
    let bare = gateway.send("OPTIONS", "/auth/login", &fields[..2], None);
    assert_eq!(bare.status, 204);
    assert!(!bare.headers.contains_key("access-control-allow-headers"));
}

#[test]
fn the_preflight_of_any_other_origin_is_a_request_like_any_other() {
    let gateway = gateway();
    for origin in ["https://evil.example", "null", "http://app.example.com", "https://APP.example.com"] {
        let fields = [("origin", origin), ("access-control-request-method", "POST")];
        let own = gateway.send("OPTIONS", "/auth/login", &fields, None);
        own.is_problem(405, "method_not_allowed");
        may_not_be_read(&own);
        let guarded = gateway.send("OPTIONS", "/x", &fields, None);
        guarded.is_problem(401, "missing_token");
        may_not_be_read(&guarded);
    }
    let no_preflight = gateway.send("OPTIONS", "/x", &[("origin", APP)], None);
    no_preflight.is_problem(401, "missing_token");
    may_be_read(&no_preflight);
}

#[test]
fn every_answer_of_ours_may_be_read_by_a_trusted_origin_alone() {
    let gateway = gateway();
    let login = json!({ "email": "ann@example.com", "password": PASSWORD });
    let wrong = json!({ "email": "ann@example.com", "password": "x" });
    let ask = |origin: &str| {
        let from = [("origin", origin)];
        let twice = [("origin", origin), ("authorization", "a"), ("authorization", "b")];
        let forbidden = bearer(&gateway.login("bob@example.com"));
        vec![
            gateway.post("/auth/login", &from, &login),
            gateway.post("/auth/login", &from, &wrong),
            gateway.post("/auth/login", &from, &json!({})),
            gateway.post("/auth/login", &from, &json!("x".repeat(17_000))),
            gateway.post("/auth/refresh", &from, &json!({})),
            gateway.get("/auth/login", &from),
            gateway.get("/auth/unknown", &from),
            gateway.get("/.well-known/jwks.json", &from),
            gateway.get("/x", &from),
            gateway.get("/x", &twice),
            gateway.get("/public/..%2fadmin/", &from),
            gateway.get("/admin/x", &[("origin", origin), ("authorization", &forbidden)]),
            gateway.get("/public/nowhere", &from),
            gateway.get("/public/x", &from),
        ]
    };
    let trusted = ask(APP);
    let statuses: Vec<u16> = trusted.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 401, 400, 413, 401, 405, 404, 200, 401, 400, 400, 403, 502, 200]);
    trusted.iter().for_each(may_be_read);
    ask("https://evil.example").iter().for_each(may_not_be_read);
    may_not_be_read(&gateway.post("/auth/login", &[], &login));
}

#[test]
fn an_app_that_answers_for_itself_is_left_to() {
    let own = [("access-control-allow-origin", "https://its-own.example"), ("vary", "Accept")];
    let app = Origin::with(move |seen, stream| {
        let fields = if seen.path() == "/public/own" { &own[..] } else { &own[1..] };
        answer(stream, "200 OK", fields, b"hello");
        true
    });
    let gateway = Gateway::usual(app.address, "", TRUSTED);
    let its_own = gateway.get("/public/own", &[("origin", APP)]);
    assert_eq!(its_own.field("access-control-allow-origin"), "https://its-own.example");
    assert!(!its_own.headers.contains_key("access-control-allow-credentials"));
    let ours = gateway.get("/public/none", &[("origin", APP)]);
    may_be_read(&ours);
    assert!(ours.headers.get_all("vary").iter().any(|vary| vary == "Accept"), "the app's own stays");
    may_not_be_read(&gateway.get("/public/none", &[("origin", "https://evil.example")]));
}
