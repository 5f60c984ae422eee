//! Canaries: passwords, tokens, cookies and secrets are in no line of the log and in no metric, whatever happens, in either
//! format and at every level.

use serde_json::{Value, json};

use super::support::bearer;
use super::support::forge::{ACCESS_SECRET, HS256, REFRESH_SECRET};
use super::support::gateway::{Gateway, House, PASSWORD, usual};
use super::support::origin::Origin;
use super::support::wire::Wire;

/// What must be seen nowhere.
#[derive(Default)]
struct Canaries(Vec<String>);

impl Canaries {
    /// A text of a test's own, to be sent as something secret.
    fn hatch(&mut self, name: &str) -> String {
        let canary = format!("canary-{name}-{}", self.0.len());
        self.0.push(canary.clone());
        canary
    }

    /// Tokens, whole and by their signatures: a line that is cut short would still hold one of them.
    fn keep(&mut self, answer: &Value) {
        for name in ["accessToken", "refreshToken"] {
            if let Some(token) = answer[name].as_str() {
                self.keep_token(token);
            }
        }
    }

    fn keep_token(&mut self, token: &str) {
        self.0.extend(token.split('.').skip(1).map(str::to_owned));
    }
}

#[test]
fn no_line_and_no_metric_holds_a_secret() {
    for format in ["text", "json"] {
        let log = format!("[log]\nformat = \"{format}\"\nlevel = \"trace\"\n");
        let nowhere = "[upstreams.nowhere]\nservers = [\"127.0.0.1:9\"]\n\
            [[routes]]\npath = \"/nowhere\"\nupstream = \"nowhere\"\n";
        let secrets = [("ACCESS_TOKEN_SECRET", ACCESS_SECRET), ("REFRESH_TOKEN_SECRET", REFRESH_SECRET)];
        let file = usual(Origin::start().address, "", &format!("{HS256}{log}{nowhere}"));
        let house = House::with_env(&file, &secrets);
        house.add_usual_users();
        let gateway = house.run();
        let mut canaries = Canaries::default();
        canaries.0.extend([ACCESS_SECRET, REFRESH_SECRET, PASSWORD].map(str::to_owned));
        sign_in_and_out(&gateway, &mut canaries);
        fail(&gateway, &mut canaries);
        break_things(&gateway, &mut canaries);

        let last = gateway.get("/public/the-last-request", &[]);
        gateway.wait_for_line(last.field("x-request-id"));
        let (lines, metrics) = (gateway.log(), gateway.admin("/metrics").body);
        for expected in ["login_failed", "rotation_reuse", "password_changed", "the-last-request", "unavailable"] {
            assert!(lines.contains(expected), "{expected} in\n{lines}");
        }
        for canary in &canaries.0 {
            let line = lines.lines().chain(metrics.lines()).find(|line| line.contains(canary.as_str()));
            assert_eq!(line, None, "{format}: it holds {canary}");
        }
    }
}

fn sign_in_and_out(gateway: &Gateway, canaries: &mut Canaries) {
    let first = gateway.login("ann@example.com");
    let second = gateway.refresh(&first["refreshToken"]).json();
    let third = gateway.refresh(&second["refreshToken"]).json();
    [&first, &second, &third].into_iter().for_each(|tokens| canaries.keep(tokens));
    gateway.get("/x", &[("authorization", &bearer(&third))]);
    gateway.refresh(&first["refreshToken"]).is_problem(401, "token_reused");
    gateway.get("/x", &[("authorization", &bearer(&third))]).is_problem(401, "session_revoked");

    let browser = gateway.web_login("bob@example.com");
    canaries.keep(&browser.tokens);
    canaries.keep_token(&browser.cookie);
    let refreshed = gateway.send("POST", "/auth/refresh", &[("cookie", &browser.cookie)], None);
    canaries.keep(&refreshed.json());
    canaries.keep_token(&refreshed.the_cookie().value);
    let token = bearer(&refreshed.json());
    let new = canaries.hatch("a-new-password");
    let change = json!({ "currentPassword": PASSWORD, "newPassword": new });
    let changed = gateway.post("/auth/password", &[("authorization", &token)], &change);
    assert_eq!(changed.status, 200);
    canaries.keep(&changed.json());
    let back = json!({ "currentPassword": new, "newPassword": PASSWORD });
    let changed = gateway.post("/auth/password", &[("authorization", &bearer(&changed.json()))], &back).json();
    canaries.keep(&changed);
    gateway.get("/admin/", &[("authorization", &bearer(&changed))]).is_problem(403, "forbidden");
    gateway.send("POST", "/auth/logout-all", &[("authorization", &bearer(&changed))], None);
}

fn fail(gateway: &Gateway, canaries: &mut Canaries) {
    gateway.try_login("ann@example.com", &canaries.hatch("password"));
    gateway.try_login(&canaries.hatch("password-as-email"), "x");
    gateway.try_login(&canaries.hatch("long").repeat(100), &canaries.hatch("with-it"));
    for body in [
        json!({ "email": "ann@example.com", "password": { "x": canaries.hatch("object") } }),
        json!({ "email": "ann@example.com", "password": canaries.hatch("client"), "client": canaries.hatch("x") }),
        json!({ "password": canaries.hatch("alone") }),
    ] {
        gateway.post("/auth/login", &[], &body).is_problem(400, "invalid_request");
    }
    let broken = format!("{{\"email\":\"ann@example.com\",\"password\":\"{}\"", canaries.hatch("broken"));
    let json = [("content-type", "application/json")];
    gateway.send("POST", "/auth/login", &json, Some(broken.as_bytes())).is_problem(400, "invalid_request");
    let form = format!("password={}", canaries.hatch("form"));
    gateway.send("POST", "/auth/login", &[], Some(form.as_bytes())).is_problem(415, "unsupported_media_type");

    gateway.get("/x", &[("authorization", &format!("Bearer {}", canaries.hatch("bearer")))]);
    gateway.get("/x", &[("authorization", &format!("Basic {}", canaries.hatch("basic")))]);
    gateway.refresh(&json!(canaries.hatch("refresh")));
    let cookie = format!("__Host-refreshToken={}", canaries.hatch("cookie"));
    gateway.send("POST", "/auth/refresh", &[("cookie", &cookie)], None);
    gateway.get("/x", &[("cookie", &cookie), ("cookie", &cookie)]).is_problem(400, "bad_request");
    for path in ["/x", "/public/x", "/auth/me", "/auth/login", "/nothing/..%2f"] {
        let canary = canaries.hatch("query");
        gateway.get(&format!("{path}?token={canary}&access_token={canary}"), &[]);
    }
}

fn break_things(gateway: &Gateway, canaries: &mut Canaries) {
    let tokens = gateway.login("ann@example.com");
    canaries.keep(&tokens);
    let (token, cookie) = (bearer(&tokens), format!("session={}", canaries.hatch("the-apps-cookie")));
    let fields = [("authorization", token.as_str()), ("cookie", &cookie)];
    let query = format!("/nowhere?key={}", canaries.hatch("query-upstream"));
    gateway
        .send("POST", &query, &fields, Some(canaries.hatch("body").as_bytes()))
        .is_problem(502, "upstream_unreachable");

    let database = gateway.house.database();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    gateway.try_login("bob@example.com", PASSWORD).is_problem(503, "unavailable");
    gateway.refresh(&tokens["refreshToken"]).is_problem(503, "unavailable");
    database.execute_batch("ROLLBACK").unwrap();
    let sql = "UPDATE users SET password_hash = ?1 WHERE email = 'bob@example.com'";
    database.execute(sql, [canaries.hatch("damaged-hash").as_bytes()]).unwrap();
    gateway.try_login("bob@example.com", PASSWORD).is_problem(401, "invalid_credentials");

    // Forms that are refused before anything else looks at them, by Pingora or by us.
    for request in [
        format!("GET /x?{} HTTP/1.1\r\nHost: a b\r\nAuthorization: {token}\r\n\r\n", canaries.hatch("line")),
        format!("GET {} HTTP/1.1\r\nHost: gw\r\nCookie: {cookie}\r\n\r\n", canaries.hatch("target")),
        format!("GET /x HTTP/1.1\r\nHost: gw\r\n{}\r\nAuthorization: {token}\r\n\r\n", canaries.hatch("no-field")),
        format!("POST /x HTTP/1.1\r\nHost: gw\r\nAuthorization: {token}\r\nContent-Length: 9, 9\r\n\r\n"),
    ] {
        let mut wire = Wire::to(gateway.listen);
        assert_eq!(wire.send(request).head().unwrap().0, 400);
    }
}
