//! One path, two readings: how what was guarded elsewhere was reached as something else.
//!
//! Left out: Authelia CVE-2026-48794 and Traefik CVE-2026-65600 and -67309, whose accidents are those of the tests here.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::Scene;
use crate::frames::{END_HEADERS, END_STREAM, HEADERS, Secured, answered_by, frame, head};
use crate::support::gateway::{CHEAP_PASSWORDS, House};
use crate::support::origin::Origin;
use crate::support::wire::Wire;

/// Paths were matched as they came, dots and all.
#[test]
fn envoy_cve_2019_9901_dots_lead_past_no_rule() {
    Scene::start().shuts(&[
        "/public/../admin/x",
        "/public/./../admin/x",
        "/public/%2e%2e/admin/x",
        "/public//../admin",
    ]);
}

/// `%2F` and `%5C` were slashes to the app alone.
#[test]
fn envoy_cve_2021_29492_an_escaped_slash_hides_nothing() {
    let hidden =
        ["/public/..%2Fadmin/x", "/public%2F..%2Fadmin/x", "/public/..%5Cadmin/x", "/%2Fadmin/x", "/admin%2Fx"];
    Scene::start().shuts(&hidden);
}

/// A `#fragment` in the target was part of the path here and none of it there. So in Traefik and in oauth2-proxy.
#[test]
fn envoy_cve_2021_32779_a_target_has_no_fragment() {
    Scene::start().shuts(&["/admin/x#/public/", "/public/#/../admin/x", "/public/x#", "/public/../admin#x"]);
}

/// A rule for `/public/` let `/public/../admin/secrets` pass; five years later it did again.
#[test]
fn oathkeeper_cve_2021_32701_and_2026_33494_what_is_below_public_is_below_it() {
    Scene::start().shuts(&["/public/../admin/secrets", "/public/a/../../admin/secrets", "/public/%2e./admin/secrets"]);
}

/// `%2F` was known, `%2f` was not.
#[test]
fn heimdall_cve_2026_42272_small_digits_are_digits() {
    Scene::start().shuts(&["/public/..%2fadmin/x", "/public/%2e%2e%2fadmin/x", "/public/..%5cadmin/x", "/%61dmin/x"]);
}

/// Hosts were told apart by case, in Caddy only once a rule had more than a hundred of them.
#[test]
fn heimdall_cve_2026_42273_and_caddy_cve_2026_27588_a_host_has_no_case() {
    let (app, mut hosts) = (Origin::start(), String::new());
    (0..150).for_each(|n| write!(hosts, "\"h{n}.example.com\",").unwrap());
    let house = House::new(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[upstreams.app]\nservers = [\"{}\"]\n\
         [[routes]]\npath = \"/*\"\nhosts = [{hosts}]\nupstream = \"app\"\n\
         [[routes]]\npath = \"/*\"\nupstream = \"app\"\naccess = \"public\"\n{CHEAP_PASSWORDS}",
        app.address
    ));
    let scene = Scene { app, gateway: house.run() };
    for host in ["h7.example.com", "H7.Example.COM", "h149.EXAMPLE.com", "h7.example.com:80", "h7.example.com."] {
        scene.refuses(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"), &[400, 401]);
    }
    assert_eq!(scene.ask("/x", &[]).status, 200, "another host");
}

/// Rules were matched against the query as well.
#[test]
fn heimdall_cve_2026_32811_a_query_opens_and_shuts_nothing() {
    let scene = Scene::start();
    scene.shuts(&["/admin/x?/public/", "/admin/x?/../public/", "/admin?x=/public/x"]);
    assert_eq!(scene.ask("/public/x?/../admin/", &[]).status, 200);
    assert_eq!(scene.app.last().path(), "/public/x?/../admin/");
}

/// An expression for paths that need no login was held against the query.
#[test]
fn oauth2_proxy_cve_2025_54576_a_query_is_no_path() {
    Scene::start().shuts(&["/admin/x?foo=/public/x", "/x?/public/*", "/x?a=b&/auth/jwks.json"]);
}

/// The `User-Agent` of a health check was let in without a login.
#[test]
fn oauth2_proxy_cve_2026_34457_calling_oneself_a_health_check_is_no_credential() {
    let scene = Scene::start();
    for agent in ["kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0"] {
        for path in ["/x", "/admin/x", "/ping", "/healthz"] {
            assert_eq!(scene.ask(path, &[("user-agent", agent)]).code(), "missing_token", "{agent} {path}");
        }
    }
    assert!(scene.app.seen().is_empty());
}

/// Escapes, twice over too, were decoded after the rules had been asked.
#[test]
fn traefik_cve_2025_32431_47952_and_66490_an_escape_is_what_it_stands_for() {
    let paths =
        ["/public/%2e%2e/admin", "/public/%252e%252e/admin", "/public/..%252fadmin", "/%61dmin/x", "/%2561dmin/x"];
    let more = ["/public/%3b/../admin", "/public/x%3f/../../admin", "/public/x%23/../../admin", "/public/%00/../admin"];
    Scene::start().shuts(&[paths.as_slice(), &more].concat());
}

/// `/api../` was taken for something below `/api`, and lost that part on the way to the app.
#[test]
fn traefik_cve_2026_48020_a_prefix_ends_where_its_segment_does() {
    Scene::start().shuts(&["/public../admin/x", "/publicadmin", "/public..", "/public%2e%2e/admin/x"]);
}

/// An escape anywhere in a path switched off the rule's case.
#[test]
fn caddy_cve_2026_27587_escapes_and_capitals_together_hide_nothing() {
    Scene::start().shuts(&["/ADMIN/x", "/ADM%49N/x", "/%41dmin/x", "/Admin/%78", "/public/%2E%2E/ADMIN/x"]);
}

/// `%5c` was a separator to the app alone.
#[test]
fn caddy_cve_2026_52844_a_backslash_hides_nothing() {
    Scene::start().shuts(&["/public/..%5cadmin/x", "/public\\..\\admin\\x", "/public%5c..%5cadmin", "/\\admin/x"]);
}

/// `//admin` was read as an authority, and what was left of it as a path.
#[test]
fn opa_envoy_cve_2026_26205_two_slashes_are_no_authority() {
    Scene::start().shuts(&["//admin/x", "//public/../admin/x", "///admin/x", "//gw/admin/x", "//public/admin/x"]);
}

/// The raw target was decided on, and another one was served. What is decided on here is what is sent.
#[test]
fn unifi_cve_2026_34908_what_is_forwarded_is_the_path_as_it_came() {
    let scene = Scene::start();
    for path in ["/public/a%2Db/%7Ex?y=%2f..", "/public/caf%C3%A9", "/public/a:b@c", "/public/?", "/public"] {
        assert_eq!(scene.ask(path, &[]).status, 200, "{path}");
        assert_eq!(scene.app.last().path(), path);
    }
}

/// A `:path` without its slash matched no rule that denied, and so was let through.
#[test]
fn grpc_go_cve_2026_33186_a_path_begins_with_a_slash() {
    Scene::start().shuts(&["admin/x", "public/x", "*", "?x"]);
    let secured = Secured::start();
    for path in ["admin/x", "public/x", "x", "*"] {
        let mut stream = secured.connect();
        let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head("GET", path));
        stream.write_all(&request).unwrap();
        // Only then can it be said that the app was not asked.
        answered_by(&mut stream);
    }
    assert!(secured.serves_others());
    assert!(secured.app.seen().iter().all(|seen| seen.path() == "/public/"), "{:?}", secured.app.seen());
}

/// `..;` was a name to the proxy and a step upward to the app.
#[test]
fn keycloak_cve_2026_3872_a_parameter_hides_nothing() {
    Scene::start().shuts(&["/public/..;/admin/x", "/public/..;a=b/admin/x", "/admin;x/y", "/public/.;/..;/admin"]);
}

/// What could not be parsed was passed for the next in line to decide.
#[test]
fn authelia_cve_2021_32637_what_cannot_be_read_is_not_let_through() {
    let scene = Scene::start();
    scene.shuts(&["/admin/%zz", "/public/%", "/public/%2", "/public/\x7f", "http://[/public/"]);
    for rest in ["bad field\r\n", ": x\r\n", "A: b\rc\r\n", " Host: gw\r\n"] {
        scene.refuses(format!("GET /public/ HTTP/1.1\r\nHost: gw\r\n{rest}\r\n"), &[400]);
    }
    assert_eq!(Wire::to(scene.gateway.listen).ask("GET", "/public/", &[]).answer().unwrap().status, 200);
}
