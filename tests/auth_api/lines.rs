//! The log: one access line a request, one audit line an event, each naming the request it came from.

use serde_json::{Value, json};

use super::support::forge::Token;
use super::support::gateway::{Gateway, PASSWORD};
use super::support::{Answer, bearer};
use super::{gateway, members};
use crate::support::wait::until;

const JSON: &str = "[log]\nformat = \"json\"\n";

/// The lines of one kind about one request, once the access line that ends it is there.
fn lines(gateway: &Gateway, kind: &str, answer: &Answer) -> Vec<Value> {
    let id = answer.field("x-request-id");
    let ends = |line: &str| line.contains("\"log\":\"access\"") && line.contains(id);
    until("the request's line", || gateway.log().lines().any(ends));
    let log = gateway.log();
    let all = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    all.filter(|line| line["log"] == kind && line["requestId"] == id).collect()
}

#[test]
fn a_request_has_one_access_line_without_its_query() {
    let gateway = gateway(JSON);
    let tokens = gateway.login("ann@example.com");
    let user = Token::open(&tokens["accessToken"]).payload["sub"].clone();
    let passed = gateway.get("/admin/x?key=value", &[("authorization", &bearer(&tokens))]);
    let [line] = &lines(&gateway, "access", &passed)[..] else { panic!("{}", gateway.log()) };
    assert_eq!(
        members(line),
        ["at", "bytes", "ip", "log", "method", "ms", "outcome", "path", "requestId", "route", "status", "user"]
    );
    assert_eq!((&line["path"], &line["route"]), (&json!("/admin/x"), &json!("/admin/*")));
    assert_eq!((&line["status"], &line["outcome"], &line["user"]), (&json!(200), &json!("allowed"), &user));
    assert_eq!(line["bytes"], passed.body.len());
    line["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();

    for (path, status, outcome) in [
        ("/x?key=value", 401, "missing_token"),
        ("/auth/me?key=value", 401, "missing_token"),
        ("/public/..%2fadmin/?key=value", 400, "ambiguous_path"),
    ] {
        let refused = gateway.get(path, &[]);
        let [line] = &lines(&gateway, "access", &refused)[..] else { panic!("{}", gateway.log()) };
        assert_eq!((&line["status"], &line["outcome"]), (&json!(status), &json!(outcome)));
    }
    assert!(!gateway.log().contains("key=value"));
}

#[test]
fn an_event_has_one_audit_line_that_names_who_from_where_and_which_request() {
    let gateway = gateway(JSON);
    let audited = |event: &str, tokens: &Value, answer: &Answer| {
        let [line] = &lines(&gateway, "audit", answer)[..] else { panic!("{event}:\n{}", gateway.log()) };
        assert_eq!((&line["event"], &line["ip"]), (&json!(event), &json!("127.0.0.1")));
        if tokens.is_object() {
            let claims = Token::open(&tokens["accessToken"]).payload;
            assert_eq!(line["user"], claims["sub"], "{event}");
            if event != "all_sessions_ended" {
                assert_eq!(line["session"], claims["sid"], "{event}");
            }
        }
        line.clone()
    };
    let login = || gateway.try_login("ann@example.com", PASSWORD);
    let answer = login();
    let ann = answer.json();
    assert_eq!(audited("login", &ann, &answer)["email"], "ann@example.com");
    let failed = gateway.try_login("Ann@Example.com", "x");
    assert_eq!(audited("login_failed", &Value::Null, &failed)["email"], "ann@example.com");

    let token = bearer(&ann);
    let ours = [("authorization", token.as_str())];
    let change = |current: &str, new: &str| {
        gateway.post("/auth/password", &ours, &json!({ "currentPassword": current, "newPassword": new }))
    };
    audited("password_change_failed", &ann, &change("x", "another fine long sentence"));
    assert_eq!(lines(&gateway, "audit", &change(PASSWORD, "short")).len(), 0, "nothing was tried");
    let changed = change(PASSWORD, PASSWORD);
    audited("password_changed", &ann, &changed);

    let other = login().json();
    let ended = gateway.send("POST", "/auth/logout", &[("authorization", &bearer(&other))], None);
    audited("session_ended", &other, &ended);
    let again = gateway.send("POST", "/auth/logout", &[("authorization", &bearer(&other))], None);
    assert_eq!(lines(&gateway, "audit", &again).len(), 0, "it had ended already");

    let stolen = login().json();
    let second = gateway.refresh(&stolen["refreshToken"]).json();
    gateway.refresh(&second["refreshToken"]);
    audited("rotation_reuse", &stolen, &gateway.refresh(&stolen["refreshToken"]));

    let token = bearer(&changed.json());
    let everywhere = gateway.send("POST", "/auth/logout-all", &[("authorization", &token)], None);
    audited("all_sessions_ended", &ann, &everywhere);
}
