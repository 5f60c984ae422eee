//! Redirects, the admin listener, and what else a proxy was made to do.
//!
//! Left out: return addresses (oauth2-proxy CVE-2021-21291, CVE-2020-4037, Pomerium CVE-2021-29651 and -29652,
//! caddy-security CVE-2024-21497, Traefik CVE-2024-52003, chi, Caddy CVE-2022-28923), because nothing here sends anyone
//! anywhere; Traefik CVE-2026-26998, because nobody else is asked for the decision.

use std::time::Duration;

use crate::Scene;
use crate::support::gateway::{CHEAP_PASSWORDS, House};
use crate::support::send;
use crate::support::wire::Wire;

const SMUGGLED: &str = "GET /public/smuggled HTTP/1.1\r\nHost: gw\r\n\r\n";

/// Links were built from the host that a request had named. Heimdall did so for redirects.
#[test]
fn zitadel_ghsa_93m4_mfpg_c3xf_and_cve_2025_64101_no_answer_repeats_the_host() {
    let scene = Scene::start();
    for path in ["/x", "/auth/me", "/auth/login", "/auth/nothing", "/auth/jwks.json", "/public/..%2fadmin"] {
        let fields = "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: evil\r\nForwarded: host=evil.example\r\n";
        let request = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n{fields}\r\n");
        let answer = Wire::to(scene.gateway.listen).send(request).answer().unwrap();
        assert!(!format!("{answer:?}").contains("evil"), "{path}: {answer:?}");
        assert_eq!(answer.field("location"), "");
    }
}

/// What a request had said was written into a page as it came. So in Authelia and Hydra.
#[test]
fn caddy_security_cve_2024_21496_and_authelia_cve_2026_33525_no_answer_repeats_what_was_asked() {
    let scene = Scene::start();
    for path in ["/%3Cscript%3E", "/x?<script>", "/auth/<script>", "/auth/login?return_to=javascript:script()"] {
        let answer = scene.ask(path, &[("x-request-id", "<script>"), ("origin", "https://script.example")]);
        assert!(!format!("{answer:?}").contains("script"), "{path}: {answer:?}");
        assert_eq!(answer.field("content-type"), "application/problem+json");
    }
}

/// Any page in a browser could post a new configuration to the admin port.
#[test]
fn caddy_cve_2026_27589_the_admin_listener_changes_nothing_and_speaks_to_no_page() {
    let scene = Scene::start();
    for path in ["/load", "/config/", "/stop", "/metrics", "/apisix/admin/routes"] {
        let page = [("origin", "https://evil.example"), ("content-type", "text/plain")];
        let answer = send(scene.gateway.admin_listen, "POST", path, &page, Some(b"{}"));
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{path}");
        assert_eq!(answer.status == 200, path == "/metrics", "{path}");
    }
    scene.is_well();
}

/// The admin API was reached through the proxy itself.
#[test]
fn apisix_cve_2022_24112_the_admin_listener_is_no_upstream() {
    let file = |admin: &str| {
        format!(
            "[server]\nlisten = \"127.0.0.1:8080\"\nadmin_listen = \"{admin}\"\n[upstreams.app]\nservers = [\"127.0.0.1:9191\"]\n\
                 [[routes]]\npath = \"/*\"\nupstream = \"app\"\n{CHEAP_PASSWORDS}"
        )
    };
    let output = House::new(&file("127.0.0.1:9191")).command(&["check"], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("never public"), "{said}");
}

/// A key that everybody knew came with every installation.
#[test]
fn apisix_cve_2020_13945_nobody_is_there_before_they_are_made() {
    let house = House::new("[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n");
    assert_eq!(house.says(&["user", "list", "--json"], "").trim(), "[]");
    let gateway = house.run();
    for (email, password) in [("admin", "admin"), ("admin@example.com", "admin"), ("root@localhost", "")] {
        gateway.try_login(email, password).is_problem(401, "invalid_credentials");
    }
}

/// The admin API listened on every address. Traefik's showed keys to whoever asked.
#[test]
fn kong_cve_2020_11710_and_traefik_cve_2018_15598_what_is_for_admins_is_not_public() {
    let scene = Scene::start();
    scene.shuts(&["/metrics", "/healthz", "/readyz", "/auth/metrics/..%2f..%2fmetrics"]);
    let shared = House::new("[server]\nlisten = \"127.0.0.1:8080\"\nadmin_listen = \"127.0.0.1:8080\"\n");
    assert!(!shared.command(&["check"], "").status.success());
    let metrics = scene.gateway.admin("/metrics").body;
    assert!(metrics.contains("portcullis_build_info") && !metrics.contains("ann@example.com"));
}

/// A page asked what listens on its reader's machine, by a name of its own that had come to mean that machine.
#[test]
fn dns_rebinding_the_admin_listener_has_no_name() {
    let scene = Scene::start();
    let asked = |host: &str| {
        let mut wire = Wire::to(scene.gateway.admin_listen);
        wire.send(format!("GET /readyz HTTP/1.1\r\n{host}\r\n")).answer().unwrap().status
    };
    for host in ["Host: evil.example\r\n", "Host: evil.example:9090\r\n", "Host: localhost.evil.example\r\n"] {
        assert_eq!(asked(host), 421, "{host}");
    }
    for host in ["Host: 127.0.0.1:9090\r\n", "Host: [::1]:9090\r\n", "Host: LocalHost\r\n", "Host: 192.0.2.7\r\n"] {
        assert_eq!(asked(host), 200, "{host}");
    }
}

/// After a `CONNECT`, the connection to the app was somebody's own, and was shared all the same.
#[test]
fn traefik_cve_2026_71324_there_is_no_connect() {
    let scene = Scene::start();
    for target in ["gw:80", "/public/", "127.0.0.1:9090"] {
        scene.refuses(format!("CONNECT {target} HTTP/1.1\r\nHost: gw\r\n\r\n{SMUGGLED}"), &[400, 405]);
    }
}

/// A switch to HTTP/2 in the clear carried requests that nobody looked at.
#[test]
fn traefik_cve_2026_88008_there_is_no_switch_to_http2() {
    let scene = Scene::start();
    for connection in ["Upgrade, HTTP2-Settings", "Upgrade", "HTTP2-Settings"] {
        let fields = format!("Connection: {connection}\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n");
        scene.refuses(format!("GET /public/ HTTP/1.1\r\nHost: gw\r\n{fields}\r\n"), &[400]);
    }
}

/// One caller's NTLM handshake made a connection to the app theirs; the pool gave it to the next caller.
#[test]
fn traefik_cve_2026_88007_no_connection_to_the_app_belongs_to_a_caller() {
    let scene = Scene::start();
    for credential in ["NTLM TlRMTVNTUAAB", "Negotiate YIIF", "negotiate", "Kerberos YIIF"] {
        assert_eq!(scene.ask("/public/x", &[("authorization", credential)]).status, 200);
        assert!(scene.app.last().all("authorization").is_empty(), "{credential}");
    }
    // What is about the request alone is the app's business.
    scene.ask("/public/x", &[("authorization", "Basic YTpi")]);
    assert_eq!(scene.app.last().all("authorization"), ["Basic YTpi"]);
}

/// A deadline was cleared after the first request, and never set again.
#[test]
fn traefik_cve_2026_26999_and_22045_the_second_request_has_a_deadline_too() {
    let scene = Scene::with("header_timeout = \"1s\"\nidle_timeout = \"10m\"", "");
    let mut wire = Wire::to(scene.gateway.listen);
    for _ in 0..2 {
        assert_eq!(wire.ask("GET", "/public/", &[]).answer().unwrap().status, 200);
    }
    wire.send("GET /public/half HTTP/1.1\r\nHost");
    // It may be told why before that.
    wire.answer();
    assert!(wire.is_closed());
}

/// A length without a body held a connection for ever.
#[test]
fn traefik_cve_2024_28869_a_body_that_does_not_come_is_not_waited_for() {
    let scene = Scene::start();
    std::thread::scope(|scope| {
        for path in ["/auth/login", "/public/"] {
            let mut wire = Wire::to(scene.gateway.listen);
            scope.spawn(move || {
                // Twice what the gateway has patience for.
                wire.stream.get_mut().set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                let fields = [("content-type", "application/json"), ("content-length", "5")];
                let answer = wire.ask("POST", path, &fields).answer();
                assert!(answer.is_none_or(|answer| answer.status == 408), "{path}");
                assert!(wire.is_closed(), "{path}");
            });
        }
    });
    scene.is_well();
}

/// A name of 270 bytes overflowed its length, and was a `Content-Length` of zero to the next in line.
#[test]
fn haproxy_cve_2021_40346_a_long_name_is_no_length() {
    let scene = Scene::start();
    let long = format!("Content-Length0{}", "a".repeat(255));
    let fields = format!("{long}: \r\nContent-Length: {}\r\n", SMUGGLED.len());
    let mut wire = Wire::to(scene.gateway.listen);
    wire.send(format!("POST /public/ HTTP/1.1\r\nHost: gw\r\n{fields}\r\n{SMUGGLED}")).answer().unwrap();
    wire.ask("GET", "/public/next", &[]).answer();
    assert!(scene.app.seen().iter().all(|seen| seen.path() != "/public/smuggled"), "{:?}", scene.app.seen());
}

/// A field without a name ended the list of fields, and an empty length was passed on.
#[test]
fn haproxy_cve_2023_25725_and_2023_40225_a_field_has_a_name_and_a_length_has_digits() {
    let scene = Scene::start();
    for field in [": x", ":", "Content-Length:", "Content-Length: ", "Content-Length: ,5"] {
        scene.refuses(format!("POST /public/ HTTP/1.1\r\nHost: gw\r\n{field}\r\nA: b\r\n\r\n"), &[400]);
    }
}

/// A body that had been announced by `Expect` and then declined was read as the next request.
#[test]
fn go_cve_2024_24791_a_body_that_was_declined_is_no_request() {
    let scene = Scene::start();
    let length = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", SMUGGLED.len());
    let mut wire = Wire::to(scene.gateway.listen);
    wire.send(format!("POST /x HTTP/1.1\r\nHost: gw\r\n{length}\r\n"));
    wire.answer().expect("an answer").is_problem(401, "missing_token");
    wire.send(SMUGGLED).ask("GET", "/public/next", &[]).answer();
    assert!(scene.app.seen().iter().all(|seen| seen.path() != "/public/smuggled"), "{:?}", scene.app.seen());
}

/// A line of a chunk's size that ended without its CR was one line here and two there.
#[test]
fn go_cve_2025_22871_the_line_of_a_size_ends_with_crlf() {
    let scene = Scene::start();
    for body in ["5\nhello\r\n0\r\n\r\n", "5;a\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\n\n"] {
        let mut wire = Wire::to(scene.gateway.listen);
        let head = "POST /public/ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n";
        // What follows makes sure that nothing is waited for.
        let answer = wire.send(format!("{head}{body}{SMUGGLED}")).answer();
        assert!(answer.is_none_or(|answer| answer.status >= 400), "{body:?}");
        assert!(scene.app.seen().iter().all(|seen| seen.path() != "/public/smuggled"), "{body:?}");
    }
}
