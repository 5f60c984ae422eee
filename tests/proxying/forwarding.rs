//! The fields by which hops tell each other where a request came from: ours replace a stranger's and join a trusted proxy's.

use crate::public_app;
use crate::support::gateway::Gateway;
use crate::support::origin::{Origin, Seen};
use crate::support::wire::Wire;

/// Names that apps and frameworks believe, none of which a stranger may use.
const CLAIMS: [&str; 22] = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Protocol",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Prefix",
    "X-Forwarded-Path",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-By",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "X-Original-Forwarded-For",
    "X-Original-Host",
    "X_Forwarded_For",
    "X.Real.IP",
];

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.0/8\"]";

fn seen_with(gateway: &Gateway, app: &Origin, fields: &[(&str, &str)]) -> Seen {
    assert_eq!(Wire::to(gateway.listen).ask("GET", "/x", fields).answer().unwrap().status, 200);
    app.last()
}

#[test]
fn a_strangers_claims_about_the_way_are_replaced_by_what_is_so() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "");
    let claims: Vec<(&str, &str)> = CLAIMS.iter().flat_map(|name| [(*name, "6.6.6.6"), (*name, "evil")]).collect();
    let seen = seen_with(&gateway, &app, &claims);
    assert!(seen.fields.iter().all(|(_, value)| !value.contains("6.6.6.6") && value != "evil"), "{seen:?}");
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), ["gw.example"]);
    let folded = |name: &str| name.replace(['_', '.'], "-");
    let about_the_way =
        seen.fields.iter().filter(|(name, _)| CLAIMS.iter().any(|c| folded(name) == folded(c).to_lowercase()));
    assert_eq!(about_the_way.count(), 3, "{seen:?}");
}

#[test]
fn a_trusted_proxys_account_is_kept_and_continued() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", TRUSTED);
    let told = [
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-For", "192.0.2.8"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example"),
        ("X-Forwarded-Prefix", "/shop"),
        ("X-Real-IP", "192.0.2.8"),
    ];
    let seen = seen_with(&gateway, &app, &told);
    assert_eq!(seen.all("x-forwarded-for"), ["192.0.2.7, 192.0.2.8, 127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-forwarded-host"), ["shop.example"]);
    assert_eq!(seen.all("x-forwarded-prefix"), ["/shop"]);
    assert_eq!(seen.all("x-real-ip"), ["192.0.2.8"]);
    gateway.wait_for_line("ip=192.0.2.8");
}

#[test]
fn a_trusted_proxy_that_says_nothing_is_where_the_account_begins() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", TRUSTED);
    let seen = seen_with(&gateway, &app, &[]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!((seen.all("x-forwarded-proto"), seen.all("x-forwarded-host")), (vec!["http"], vec!["gw.example"]));
}

/// Proxies write these names one way; another spelling came from further away, and a folding app would take it for theirs.
#[test]
fn another_spelling_is_no_trusted_proxys() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", TRUSTED);
    let told = [("X-Forwarded-For", "192.0.2.7"), ("X_Forwarded_For", "6.6.6.6"), ("x.real.ip", "6.6.6.6")];
    let seen = seen_with(&gateway, &app, &told);
    assert_eq!(seen.all("x-forwarded-for"), ["192.0.2.7, 127.0.0.1"]);
    assert!(seen.fields.iter().all(|(_, value)| value != "6.6.6.6"), "{seen:?}");
}

#[test]
fn nominating_a_field_of_ours_in_connection_is_refused_or_without_effect() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "");
    for nominated in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Host", "X-Request-Id"] {
        let answer = Wire::to(gateway.listen).ask("GET", "/x", &[("connection", nominated)]).answer();
        let answer = answer.unwrap_or_else(|| panic!("{nominated}: no answer"));
        if answer.status == 200 {
            let seen = app.last();
            for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "host", "x-request-id"] {
                assert_eq!(seen.all(name).len(), 1, "{nominated}: {seen:?}");
            }
        } else {
            assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{nominated}");
        }
    }
}
