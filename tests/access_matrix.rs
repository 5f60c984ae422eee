//! Who may do what: every route and every endpoint × every kind of credential × every method, asked of the real gateway and
//! compared with the table in `access_matrix.txt`. "allowed" there means that the app has seen the request; anything else,
//! that it has not. A diff of the table is what there is to review:
//!
//!     UPDATE_ACCESS_MATRIX=1 cargo test --test access_matrix

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use http::Method;
use portcullis::config;
use portcullis::gate::access::Access;
use portcullis::gate::route::{Route, Target};
use portcullis::gate::route_table::RouteTable;
use serde_json::{Value, json};

use support::bearer;
use support::forge::{ACCESS_SECRET, HS256, SECRETS, Token, signed};
use support::gateway::{CHEAP_PASSWORDS, Gateway, House, PASSWORD};
use support::origin::Origin;
use support::wire::Wire;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/access_matrix.txt");

const ROUTES: &str = r#"
[[routes]]
path = "/public/*"
upstream = "app"
access = "public"
[[routes]]
path = "/user/*"
upstream = "app"
[[routes]]
path = "/user/exact"
upstream = "app"
access = "public"
[[routes]]
path = "/admin/*"
upstream = "app"
roles = ["admin"]
[[routes]]
path = "/staff/*"
upstream = "app"
roles = ["editor", "admin"]
[[routes]]
path = "/editors/*"
upstream = "app"
roles = ["editor"]
[[routes]]
path = "/articles/*"
upstream = "app"
access = "public"
methods = ["GET", "HEAD"]
[[routes]]
path = "/articles/*"
upstream = "app"
roles = ["editor", "admin"]
[[routes]]
path = "/forms/*"
upstream = "app"
methods = ["GET", "POST"]
[[routes]]
path = "/hosts/*"
upstream = "app"
access = "public"
[[routes]]
path = "/hosts/*"
upstream = "app"
hosts = ["inner.example"]
roles = ["admin"]
"#;

/// What is asked for: at least one host and path for each route and each endpoint, and what has no route.
const ASKED: [(&str, &str); 27] = [
    ("gw.example", "/public/x"),
    ("gw.example", "/user/x"),
    ("gw.example", "/user/exact"),
    ("gw.example", "/admin/x"),
    ("gw.example", "/admin"),
    ("gw.example", "/staff/x"),
    ("gw.example", "/editors/x"),
    ("gw.example", "/articles/x"),
    ("gw.example", "/forms/x"),
    ("gw.example", "/hosts/x"),
    ("inner.example", "/hosts/x"),
    ("INNER.example.:8080", "/hosts/x"),
    ("gw.example", "/nowhere"),
    ("gw.example", "/"),
    ("gw.example", "/public/..%2fadmin/x"),
    ("gw.example", "/ADMIN/x"),
    ("gw.example", "/auth/login"),
    ("gw.example", "/auth/refresh"),
    ("gw.example", "/auth/logout"),
    ("gw.example", "/auth/logout-all"),
    ("gw.example", "/auth/me"),
    ("gw.example", "/auth/sessions"),
    ("gw.example", "/auth/sessions/0190a5f2-7c3e-7b1a-9d54-0242ac120002"),
    ("gw.example", "/auth/password"),
    ("gw.example", "/auth/jwks.json"),
    ("gw.example", "/.well-known/jwks.json"),
    ("gw.example", "/auth/anything-else"),
];

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Who there is, and what they hold.
struct People {
    user: Value,
    admin: Value,
    /// Of a session that was logged out, and of a user who was disabled.
    revoked: String,
    disabled: String,
}

impl People {
    /// Others like them, who have just signed in.
    fn elsewhere(&self, gateway: &Gateway) -> Self {
        let (user, admin) = (gateway.login("cara@example.com"), gateway.login("fay@example.com"));
        Self { user, admin, revoked: self.revoked.clone(), disabled: self.disabled.clone() }
    }
}

/// What goes along with a request: a query, and header fields.
type Sent = (String, Vec<(&'static str, String)>);

/// Every kind of credential, by the name it has in the table.
fn credentials(people: &People) -> Vec<(&'static str, Sent)> {
    let (user, admin) = (bearer(&people.user), bearer(&people.admin));
    let (text, refresh) = (user.strip_prefix("Bearer ").unwrap(), people.user["refreshToken"].as_str().unwrap());
    let opened = Token::open(&people.user["accessToken"]);
    let long_ago = opened.payload["iat"].as_u64().unwrap() - 3600;
    let expired = opened.with(json!({ "iat": long_ago, "exp": long_ago + 900 })).sign(ACCESS_SECRET);
    let unsigned = signed(r#"{"alg":"none","typ":"at+jwt"}"#, &opened.payload.to_string(), "");
    let unsigned = &unsigned[..=unsigned.rfind('.').unwrap()];
    let another = opened.sign("another secret that is long enough for it");
    let (cookie, access_cookie) = (format!("__Host-refreshToken={refresh}"), format!("__Host-accessToken={text}"));

    let with = |fields: &[(&'static str, &str)]| -> Sent {
        (String::new(), fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    };
    let holding = |token: &str| with(&[("authorization", &format!("Bearer {token}"))]);
    vec![
        ("nothing", with(&[])),
        ("a user's token", holding(text)),
        ("an admin's token", with(&[("authorization", &admin)])),
        ("a scheme in lower case", with(&[("authorization", &format!("bearer {text}"))])),
        ("an expired token", holding(&expired)),
        ("an ended session's token", holding(&people.revoked)),
        ("a disabled user's token", holding(&people.disabled)),
        ("a token without its end", holding(&text[..text.len() - 3])),
        ("a token by another key", holding(&another)),
        ("a token by no key", holding(unsigned)),
        ("a refresh token as Bearer", holding(refresh)),
        ("Bearer and no token", holding("")),
        ("another scheme", with(&[("authorization", "Basic YTpi")])),
        ("two tokens", with(&[("authorization", &user), ("authorization", &admin)])),
        ("a token in the query", (format!("?access_token={text}"), Vec::new())),
        ("a refresh cookie", with(&[("cookie", &cookie)])),
        ("an access cookie", with(&[("cookie", &access_cookie)])),
        ("a bad token, a good cookie", with(&[("authorization", "Bearer junk"), ("cookie", &cookie)])),
        ("a good token, a bad cookie", with(&[("authorization", &user), ("cookie", "__Host-refreshToken=junk")])),
        ("a good token, two cookies", with(&[("authorization", &user), ("cookie", &format!("{cookie}; {cookie}"))])),
    ]
}

fn gateway_toml(app: &Origin) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n\
         [limits]\nper_ip = \"1000000/1m\"\n[upstreams.app]\nservers = [\"{}\"]\n{CHEAP_PASSWORDS}{HS256}{ROUTES}",
        app.address
    )
}

fn people(gateway: &Gateway) -> People {
    let [user, admin, gone, disabled] =
        ["bob@example.com", "ann@example.com", "bob@example.com", "dora@example.com"].map(|email| gateway.login(email));
    assert_eq!(gateway.post("/auth/logout", &[("authorization", &bearer(&gone))], &json!({})).status, 200);
    let access = |tokens: &Value| tokens["accessToken"].as_str().unwrap().to_owned();
    People { revoked: access(&gone), disabled: access(&disabled), user, admin }
}

/// Ask once. The outcome is the one in the access line, and what came to the client and to the app agrees with it.
fn outcome(
    gateway: &Gateway,
    app: &Origin,
    method: &Method,
    (host, path): (&str, &str),
    (query, fields): &Sent,
) -> String {
    let body = match (method.as_str(), path) {
        ("POST", "/auth/login") => json!({ "email": "eve@example.com", "password": PASSWORD }),
        ("POST", "/auth/password") => json!({ "currentPassword": PASSWORD, "newPassword": PASSWORD }),
        _ => json!({}),
    };
    let body = if matches!(method.as_str(), "POST" | "PUT" | "PATCH") { body.to_string() } else { String::new() };
    let mut head = format!("{method} {path}{query} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    if !body.is_empty() {
        write!(head, "content-type: application/json\r\ncontent-length: {}\r\n", body.len()).unwrap();
    }
    for (name, value) in fields {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    let mut wire = Wire::to(gateway.listen);
    wire.send(format!("{head}\r\n{body}"));
    let what = format!("{method} {host} {path} {fields:?}");
    let (status, headers, rest) = if *method == Method::HEAD {
        let (status, headers) = wire.head().expect(&what);
        (status, headers, None)
    } else {
        let answer = wire.answer().expect(&what);
        (answer.status, answer.headers.clone(), Some(answer))
    };
    let id = headers["x-request-id"].to_str().unwrap();
    let line: Value = serde_json::from_str(&gateway.access_line(id)).unwrap();
    let logged = line["outcome"].as_str().unwrap().to_owned();
    assert_eq!(line["status"], status, "{what}");
    let seen = app.take();
    if logged != "allowed" {
        assert!(seen.is_empty(), "{what}: refused with {logged}, and the app has seen it");
        if let Some(answer) = rest {
            answer.is_problem(status, &logged);
        }
        return logged;
    }
    assert!((200..300).contains(&status), "{what}: {status}");
    match seen.as_slice() {
        // One of our own endpoints has answered.
        [] => format!("{status}"),
        [one] => {
            assert_eq!(one.line, format!("{method} {path}{query} HTTP/1.1"), "{what}");
            match one.all("x-user-email").as_slice() {
                [] => "allowed, as nobody".to_owned(),
                ["bob@example.com"] => "allowed, as the user".to_owned(),
                ["ann@example.com"] => "allowed, as the admin".to_owned(),
                others => panic!("{what}: the app was told {others:?}"),
            }
        }
        _ => panic!("{what}: seen more than once"),
    }
}

/// Which route or endpoint takes this, and what it demands.
fn described(routes: &RouteTable, (host, path): (&str, &str)) -> String {
    let mut taking: Vec<String> = Vec::new();
    for method in METHODS {
        let demand = match routes.find(Some(host), &method, path) {
            Err(miss) => format!("{miss:?}"),
            Ok((_, Route { target: Target::Own(endpoint), .. })) => format!("our own {endpoint:?}"),
            Ok((_, Route { name, access: Access::Public, .. })) => format!("{name}: anyone"),
            Ok((_, Route { name, access: Access::User, .. })) => format!("{name}: signed in"),
            Ok((_, Route { name, access: Access::AnyRole(roles), .. })) => {
                let roles: Vec<_> = roles.iter().map(ToString::to_string).collect();
                format!("{name}: {}", roles.join(" or "))
            }
        };
        if !taking.contains(&demand) {
            taking.push(demand);
        }
    }
    format!("{path} at {host} ({})", taking.join("; "))
}

#[test]
fn who_may_do_what_is_what_the_table_says() {
    let app = Origin::start();
    let toml = gateway_toml(&app);
    let house = House::with_env(&toml, &SECRETS);
    house.add_usual_users();
    house.add_user("fay@example.com", &["admin"]);
    for email in ["cara@example.com", "dora@example.com", "eve@example.com"] {
        house.add_user(email, &[]);
    }
    let gateway = house.run();
    let standing = people(&gateway);
    house.says(&["user", "disable", "dora@example.com"], "");
    let disabled = [("authorization", format!("Bearer {}", standing.disabled))];
    support::wait::until("dora is disabled", || {
        gateway.get("/user/x", &[("authorization", &disabled[0].1)]).status == 401
    });
    app.take();

    let environment = |name: &str| SECRETS.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    let routes = config::from_text(&toml, "gateway.toml", Path::new(""), &environment).unwrap().routes;
    let held = credentials(&standing);
    let (mut table, mut reached) = (String::new(), HashSet::new());
    for asked in ASKED {
        let mut rows: Vec<(&str, Vec<String>)> = held.iter().map(|(name, _)| (*name, Vec::new())).collect();
        for method in METHODS {
            let found = routes.find(Some(asked.0), &method, asked.1).ok();
            reached.extend(found.map(|(id, _)| id));
            // What is done at our own endpoints ends sessions: each time with others.
            let changes = matches!(method, Method::POST | Method::DELETE)
                && found.is_some_and(|(_, route)| match route.target {
                    Target::Own(endpoint) => endpoint.allows(&method).is_ok(),
                    Target::Upstream(_) => false,
                });
            for (at, (_, outcomes)) in rows.iter_mut().enumerate() {
                let fresh = changes.then(|| credentials(&standing.elsewhere(&gateway)).swap_remove(at).1);
                outcomes.push(outcome(&gateway, &app, &method, asked, fresh.as_ref().unwrap_or(&held[at].1)));
            }
        }
        writeln!(
            table,
            "{}",
            support::golden::block(&described(&routes, asked), &METHODS.each_ref().map(Method::as_str), &rows)
        )
        .unwrap();
    }

    // A route or an endpoint that nobody asks for has not been thought about.
    for (place, route) in routes.routes().iter().enumerate() {
        assert!(reached.iter().any(|id| id.index() == place), "the table asks nothing of {}", route.name);
    }
    if std::env::var_os("UPDATE_ACCESS_MATRIX").is_some() {
        std::fs::write(GOLDEN, &table).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    let changed = support::golden::difference(&golden, &table);
    assert!(
        golden == table,
        "tests/access_matrix.txt says otherwise (see access_matrix.rs for how to rewrite it):\n{changed}"
    );
}
