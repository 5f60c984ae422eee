//! One request, one credential: what comes twice is refused, and what comes elsewhere is not seen.

use serde_json::{Value, json};

use super::gateway;
use super::support::bearer;
use super::support::gateway::{Gateway, PASSWORD};
use super::support::origin::Origin;

/// The auth API, a public, a guarded and an unknown path.
const EVERYWHERE: [(&str, &str); 11] = [
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/logout"),
    ("POST", "/auth/logout-all"),
    ("POST", "/auth/password"),
    ("GET", "/auth/me"),
    ("GET", "/auth/sessions"),
    ("DELETE", "/auth/sessions/x"),
    ("GET", "/auth/jwks.json"),
    ("GET", "/public/x"),
    ("GET", "/x"),
];

fn body() -> Value {
    json!({ "email": "ann@example.com", "password": PASSWORD })
}

fn is_refused_everywhere(gateway: &Gateway, fields: &[(&str, &str)]) {
    for (method, path) in EVERYWHERE {
        let fields = [fields, &[("content-type", "application/json")]].concat();
        let body = (method == "POST").then(|| body().to_string());
        let answer = gateway.send(method, path, &fields, body.as_deref().map(str::as_bytes));
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{method} {path}: {}", answer.body);
        answer.is_problem(400, "bad_request");
    }
}

#[test]
fn two_authorization_fields_are_refused_everywhere() {
    let gateway = gateway("");
    let token = bearer(&gateway.login("ann@example.com"));
    is_refused_everywhere(&gateway, &[("authorization", &token), ("authorization", &token)]);
    is_refused_everywhere(&gateway, &[("authorization", &token), ("authorization", "Basic YTpi")]);
    is_refused_everywhere(&gateway, &[("authorization", "Basic YTpi"), ("authorization", &token)]);
}

#[test]
fn a_cookie_of_ours_twice_is_refused_everywhere() {
    let gateway = gateway("");
    let browser = gateway.web_login("ann@example.com");
    let (ours, token) = (browser.cookie.as_str(), bearer(&browser.tokens));
    is_refused_everywhere(&gateway, &[("cookie", &format!("{ours}; {ours}"))]);
    is_refused_everywhere(&gateway, &[("cookie", &format!("__Host-refreshToken=; a=b; {ours}"))]);
    is_refused_everywhere(&gateway, &[("cookie", ours), ("cookie", "__Host-refreshToken=planted")]);
    is_refused_everywhere(&gateway, &[("cookie", "__Host-accessToken=a; __Host-accessToken=b")]);
    is_refused_everywhere(&gateway, &[("authorization", &token), ("cookie", &format!("{ours};{ours}"))]);
    // Other names are other people's business, however often they come.
    let others = format!("a=1; a=2; refreshToken=x; refreshToken=y; __host-refreshtoken=z; {ours}");
    assert_eq!(gateway.send("POST", "/auth/refresh", &[("cookie", &others)], None).status, 200);
}

#[test]
fn a_token_in_a_query_or_a_form_is_not_seen() {
    let gateway = gateway("");
    let tokens = gateway.login("ann@example.com");
    let [access, refresh] = ["accessToken", "refreshToken"].map(|name| tokens[name].as_str().unwrap());
    for path in ["/x", "/auth/me", "/auth/sessions"] {
        for name in ["access_token", "token", "accessToken", "authorization"] {
            gateway.get(&format!("{path}?{name}={access}"), &[]).is_problem(401, "missing_token");
        }
    }
    let query = format!("/auth/refresh?refreshToken={refresh}");
    gateway.send("POST", &query, &[], None).is_problem(401, "missing_token");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let access_form = format!("access_token={access}");
    gateway.send("POST", "/x", &form, Some(access_form.as_bytes())).is_problem(401, "missing_token");
    let refresh_form = format!("refreshToken={refresh}");
    let answer = gateway.send("POST", "/auth/refresh", &form, Some(refresh_form.as_bytes()));
    answer.is_problem(415, "unsupported_media_type");
    gateway
        .post("/auth/refresh", &[("authorization", &format!("Bearer {refresh}"))], &json!({}))
        .is_problem(401, "missing_token");
}

#[test]
fn on_a_public_route_a_good_token_says_who_is_calling_and_anything_else_is_anonymous() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", "");
    let tokens = gateway.login("ann@example.com");
    assert_eq!(gateway.get("/public/x", &[("authorization", &bearer(&tokens))]).status, 200);
    assert_eq!(app.last().all("x-user-email"), ["ann@example.com"]);
    gateway.send("POST", "/auth/logout", &[("authorization", &bearer(&tokens))], None);
    for field in [&bearer(&tokens), "Bearer junk", "Basic YTpi"] {
        assert_eq!(gateway.get("/public/x", &[("authorization", field)]).status, 200);
        assert_eq!(app.last().all("x-user-email"), [""; 0]);
    }
}
