//! Identity headers: how clients elsewhere came to be believed.
//!
//! Left out: Traefik CVE-2026-41181 (there is no service for error pages, and no mirror, to which a credential could go).

use crate::Scene;
use crate::support::bearer;
use crate::support::forge::Token;
use crate::support::gateway::{Gateway, House, PASSWORD, usual};
use crate::support::origin::{Origin, answer};

const OURS: [&str; 4] = ["X-User-Id", "X-User-Email", "X-User-Roles", "X-Session-Id"];

/// Whatever came of what a client claimed under these names, anonymously and as Ann.
#[track_caller]
fn nobody_believes(scene: &Scene, names: &[String]) {
    let claims: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "evil")).collect();
    let token = scene.token("ann@example.com");
    for (path, fields) in [("/public/x", claims.clone()), ("/x", [&claims[..], &[("authorization", &*token)]].concat())]
    {
        assert_eq!(scene.ask(path, &fields).status, 200, "{path}");
        let seen = scene.app.last();
        assert!(!format!("{seen:?}").contains("evil"), "{path}: {seen:?}");
    }
    assert_eq!(scene.app.last().all("x-user-email"), ["ann@example.com"]);
}

/// A header that the decision did not set was left as the client had sent it.
#[test]
fn caddy_cve_2026_30851_what_we_do_not_state_a_client_cannot_either() {
    let scene = Scene::start();
    nobody_believes(&scene, &OURS.map(str::to_owned));
    // Bob has no roles: they are stated as none.
    let bob = scene.token("bob@example.com");
    scene.ask("/x", &[("x-user-roles", "admin"), ("authorization", &bob)]);
    assert_eq!(scene.app.last().all("x-user-roles"), [""]);
    // A preset has no name for the session: nobody states it.
    let preset = Scene::with("", "[headers]\npreset = \"remote-user\"");
    let bob = preset.token("bob@example.com");
    preset.ask("/x", &[("x-session-id", "evil"), ("authorization", &bob)]);
    assert_eq!(preset.app.last().all("x-session-id"), [""; 0]);
}

/// `Remote_Groups` was another header to the proxy and the same one to the app. So was `X_Forwarded_User` in oauth2-proxy.
#[test]
fn caddy_cve_2026_52845_and_oauth2_proxy_cve_2025_64484_an_underscore_is_a_hyphen() {
    let scene = Scene::start();
    let names = ["Remote_Groups", "Remote_User", "X_Forwarded_User", "X_Auth_Request_Email", "X_User_Id"];
    nobody_believes(&scene, &names.map(str::to_owned));
}

/// Three fixes in a row each knew one spelling less than the next report.
#[test]
fn traefik_cve_2026_39858_33433_and_54763_no_spelling_gets_through() {
    let scene = Scene::start();
    let respelled = |name: &str, stand_in: &str| name.replacen('-', stand_in, 1);
    let stand_ins = ["_", ".", "~", "!", "*", "'", "|", "+"];
    let names = stand_ins.iter().flat_map(|stand_in| OURS.map(|name| respelled(name, stand_in)));
    let names: Vec<String> = names.flat_map(|name| [name.to_lowercase(), name.to_uppercase()]).collect();
    nobody_believes(&scene, &names);
}

/// A client that nominated the proxy's own header in `Connection` had it taken off. fabio and Oathkeeper did the same.
#[test]
fn traefik_cve_2024_45410_and_2021_32813_nominating_our_header_does_not_take_it_away() {
    let scene = Scene::start();
    let bob = scene.token("bob@example.com");
    for name in OURS.into_iter().chain(["X-Request-Id"]) {
        for nominated in [name.to_owned(), format!("close, {name}"), format!("{name},,keep-alive")] {
            assert_eq!(scene.ask("/x", &[("connection", &nominated), ("authorization", &bob)]).status, 200);
            assert_eq!(scene.app.last().all(&name.to_lowercase()).len(), 1, "{nominated}");
        }
    }
    // Nobody who means well nominates this one.
    scene.refuses("GET /public/ HTTP/1.1\r\nHost: gw\r\nConnection: X-Forwarded-For\r\n\r\n", &[400]);
}

/// The fix of that compared the names in one case only.
#[test]
fn traefik_cve_2026_29054_nor_does_nominating_it_in_another_case() {
    let scene = Scene::start();
    let bob = scene.token("bob@example.com");
    let nominated = "x-user-id, X-USER-EMAIL, x-User-rOLES, x-session-id";
    assert_eq!(scene.ask("/x", &[("connection", nominated), ("authorization", &bob)]).status, 200);
    let seen = scene.app.last();
    for name in nominated.split(", ").map(str::to_lowercase) {
        assert_eq!(seen.all(&name).len(), 1, "{name}: {seen:?}");
    }
}

/// Rules were held against what a stranger's `X-Forwarded-*` said of the request; and it was passed on as true.
#[test]
fn oathkeeper_cve_2026_33495_what_a_stranger_says_of_the_request_decides_nothing() {
    let scene = Scene::start();
    let said = [
        ("x-forwarded-uri", "/public/evil"),
        ("x-forwarded-method", "EVIL"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "evil"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-original-url", "/public/evil"),
        ("x-rewrite-url", "/public/evil"),
        ("forwarded", "for=6.6.6.6;host=evil.example"),
        ("x-real-ip", "6.6.6.6"),
    ];
    assert_eq!(scene.ask("/admin/x", &said).code(), "missing_token");
    assert_eq!(scene.ask("/public/x", &said).status, 200);
    let seen = scene.app.last();
    assert!(!format!("{seen:?}").contains("evil") && !format!("{seen:?}").contains("6.6.6.6"), "{seen:?}");
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
}

/// CGI makes `HTTP_PROXY` of it, and many an app sends what it asks of others through there.
#[test]
fn httpoxy_cve_2016_5385_a_field_named_proxy_sets_nothing() {
    let scene = Scene::with("trusted_proxies = [\"127.0.0.1/32\"]", "");
    assert_eq!(scene.ask("/public/x", &[("proxy", "http://evil"), ("PROXY", "http://evil")]).status, 200);
    assert!(!format!("{:?}", scene.app.last()).contains("evil"));
}

#[test]
fn what_other_gateways_state_a_client_cannot() {
    let scene = Scene::start();
    let names = ["X-WEBAUTH-USER", "X_WebAuth.User", "X-Authenticated-User", "X-Original-Method", "Client-IP"];
    for name in names.into_iter().chain(["CF-Connecting-IP", "X-Originating-IP", "X-Remote-Addr", "Fastly-Client-IP"]) {
        assert_eq!(scene.ask("/public/x", &[(name, "evil")]).status, 200);
        assert!(!format!("{:?}", scene.app.last()).contains("evil"), "{name}: {:?}", scene.app.last());
    }
}

/// oauth2-proxy took the path to let through from `X-Forwarded-Uri`, whoever sent it. Here not even a trusted proxy's counts.
#[test]
fn oauth2_proxy_cve_2026_40575_a_forwarded_path_is_not_the_path() {
    let scene = Scene::with("trusted_proxies = [\"127.0.0.1/32\"]", "");
    for name in ["x-forwarded-uri", "x-original-url", "x-original-uri", "x-rewrite-url"] {
        assert_eq!(scene.ask("/admin/x", &[(name, "/public/x")]).code(), "missing_token", "{name}");
    }
}

/// Addresses of a forwarded chain were taken as they came. What is no address names nobody.
#[test]
fn heimdall_ghsa_38x9_25wx_7fg2_a_hop_that_is_no_address_is_not_believed() {
    let scene = Scene::with("trusted_proxies = [\"127.0.0.1/32\"]", "");
    for chain in ["junk", "10.0.0.1, junk", "10.0.0.1, <script>", "10.0.0.1, "] {
        let answer = scene.ask("/public/x", &[("x-forwarded-for", chain)]);
        let line = scene.gateway.access_line(answer.field("x-request-id"));
        assert!(line.contains("ip=127.0.0.1"), "{chain}: {line}");
    }
}

/// Of a field that came twice only the first was looked at.
#[test]
fn istio_cve_2026_26308_a_credential_that_comes_twice_is_refused() {
    let scene = Scene::start();
    let ann = scene.token("ann@example.com");
    for other in ["Bearer junk", ann.as_str(), ""] {
        for fields in
            [[("authorization", &*ann), ("authorization", other)], [("authorization", other), ("authorization", &*ann)]]
        {
            assert_eq!(scene.ask("/admin/x", &fields).code(), "bad_request", "{other}");
        }
    }
    assert!(scene.app.seen().is_empty());
}

/// What was stated of a user could hold the end of a line, and with it another header.
#[test]
fn apisix_cve_2026_31908_what_we_state_of_a_user_is_one_line() {
    let scene = Scene::start();
    let house = &scene.gateway.house;
    let cases = [("x\r\nX-User-Roles: admin@example.com", "user"), ("eve@example.com", "user\r\nX-User-Id: 1")];
    for (email, role) in cases {
        let output =
            house.command(&["user", "add", email, "--role", role, "--password-stdin"], &format!("{PASSWORD}\n"));
        assert!(!output.status.success(), "{email:?} {role:?}");
    }
}

/// Applications were shown the proxy's own session, and showed it to others.
#[test]
fn pomerium_cve_2024_39315_our_session_is_not_handed_to_the_app() {
    let scene = Scene::start();
    let browser = scene.gateway.web_login("bob@example.com");
    let cookies = format!("theme=dark; {}", browser.cookie);
    let token = bearer(&browser.tokens);
    assert_eq!(scene.ask("/x", &[("authorization", &token), ("cookie", &cookies)]).status, 200);
    let seen = scene.app.last();
    assert_eq!((seen.all("authorization"), seen.all("cookie")), (vec![], vec!["theme=dark"]));
}

/// Claims of a token that had not been verified looked like those of one that had.
#[test]
fn envoy_pr_43630_a_token_that_fails_states_nothing() {
    let scene = Scene::start();
    let good = scene.gateway.login("ann@example.com")["accessToken"].clone();
    let user = Token::open(&good).payload["sub"].as_str().unwrap().to_owned();
    let forged = Token::open(&good).sign("a secret of somebody else's, long enough");
    let answer = scene.ask("/public/x", &[("authorization", &format!("Bearer {forged}"))]);
    assert_eq!(answer.status, 200, "anonymous");
    let seen = scene.app.last();
    assert!(OURS.iter().all(|name| seen.all(&name.to_lowercase()).is_empty()), "{seen:?}");
    assert!(!scene.gateway.access_line(answer.field("x-request-id")).contains(&user));
}

/// Logins under way were shared by a key of name and password joined: other halves, the same whole, another's identity.
#[test]
fn traefik_cve_2026_71326_logins_that_are_alike_when_joined_are_two() {
    let house = House::new(&usual(Origin::start().address, "", ""));
    let users = [("eve@example.co", "m:a fine long sentence"), ("eve@example.com", ":a fine long sentence")];
    for (email, password) in users {
        house.says(&["user", "add", email, "--password-stdin"], &format!("{password}\n"));
    }
    let gateway = house.run();
    // Few at once, so that none is told to wait.
    for _ in 0..5 {
        std::thread::scope(|scope| {
            for (email, password) in users.repeat(2) {
                let gateway = &gateway;
                scope.spawn(move || {
                    let token = bearer(&gateway.try_login(email, password).json());
                    assert_eq!(gateway.get("/auth/me", &[("authorization", &token)]).json()["email"], email);
                });
            }
        });
    }
    let [(one, _), (_, other)] = users;
    gateway.try_login(one, other).is_problem(401, "invalid_credentials");
}

/// What one login had left in a shared object became the next one's identity.
#[test]
fn tinyauth_cve_2026_33544_two_who_come_at_once_stay_two() {
    let app = Origin::with(|seen, stream| {
        answer(stream, "200 OK", &[], seen.all("x-user-email").join(" ").as_bytes());
        true
    });
    let gateway = Gateway::usual(app.address, "", "");
    std::thread::scope(|scope| {
        for turn in 0..4 {
            let (email, gateway) = (["ann@example.com", "bob@example.com"][turn % 2], &gateway);
            scope.spawn(move || {
                for _ in 0..5 {
                    let token = bearer(&gateway.login(email));
                    assert_eq!(gateway.get("/x", &[("authorization", &token)]).body, email);
                    assert_eq!(gateway.get("/public/x", &[]).body, "");
                }
            });
        }
    });
}
