//! What a scraper sees: every name of the catalogue after one event of each kind, and nothing of who or from where.

use std::collections::BTreeSet;

use serde_json::json;

use super::support::bearer;
use super::support::gateway::{Gateway, PASSWORD};
use super::support::origin::Origin;
use crate::support::wait::until;

/// Each with one of its labels.
const CATALOGUE: [&str; 33] = [
    "portcullis_log_lines_lost_total",
    "portcullis_http_requests_total{method=\"GET\",route=\"/public/*\",status=\"200\"}",
    "portcullis_http_requests_total{method=\"POST\",route=\"/auth/login\",status=\"401\"}",
    "portcullis_http_request_duration_seconds_count{route=\"/public/*\"}",
    "portcullis_gateway_duration_seconds_count",
    "portcullis_decisions_total{outcome=\"allowed\"}",
    "portcullis_decisions_total{outcome=\"missing_token\"}",
    "portcullis_decisions_total{outcome=\"forbidden\"}",
    "portcullis_logins_total{outcome=\"succeeded\"}",
    "portcullis_logins_total{outcome=\"invalid_credentials\"}",
    "portcullis_refreshes_total{outcome=\"rotated\"}",
    "portcullis_refreshes_total{outcome=\"repeated\"}",
    "portcullis_refreshes_total{outcome=\"reused\"}",
    "portcullis_refreshes_total{outcome=\"missing_token\"}",
    "portcullis_revocations_total{scope=\"session\"}",
    "portcullis_revocations_total{scope=\"user\"}",
    "portcullis_revocations_total{scope=\"reuse\"}",
    "portcullis_revocation_lag_seconds_count",
    "portcullis_user_cache_requests_total{result=\"hit\"}",
    "portcullis_user_cache_requests_total{result=\"miss\"}",
    "portcullis_user_cache_entries",
    "portcullis_store_duration_seconds_count{operation=\"open_session\"}",
    "portcullis_store_errors_total{operation=\"take\"}",
    "portcullis_store_up",
    "portcullis_rate_limited_total{limit=\"per_ip\"}",
    "portcullis_rate_limited_total{limit=\"route\"}",
    "portcullis_rate_limited_total{limit=\"login_per_ip\"}",
    "portcullis_rate_limited_total{limit=\"login_per_account\"}",
    "portcullis_password_hash_duration_seconds_count",
    "portcullis_upstream_errors_total{kind=\"connect\",upstream=\"nowhere\"}",
    "portcullis_config_last_reload_successful",
    "portcullis_build_info{version=\"0.1.0\"}",
    "portcullis_panics_total",
];

/// The few that rest at zero while all is well.
const AT_REST: [&str; 7] = [
    "portcullis_log_lines_lost_total",
    "portcullis_panics_total",
    "portcullis_rate_limited_total{limit=\"per_ip\"}",
    "portcullis_rate_limited_total{limit=\"route\"}",
    "portcullis_rate_limited_total{limit=\"login_per_ip\"}",
    "portcullis_rate_limited_total{limit=\"login_per_account\"}",
    "portcullis_password_hash_waiting",
];

#[test]
fn every_name_of_the_catalogue_is_there_after_one_event_of_each_kind() {
    let nowhere = "[upstreams.nowhere]\nservers = [\"127.0.0.1:9\"]\n\
        [[routes]]\npath = \"/nowhere\"\nupstream = \"nowhere\"\naccess = \"public\"\n";
    let gateway = Gateway::usual(Origin::start().address, "", nowhere);
    happens(&gateway);
    let fresh = gateway.house.run();
    until("the feed is heard", || gateway.metric("portcullis_revocation_lag_seconds_count") > 0.0);
    let text = gateway.admin("/metrics");
    assert_eq!((text.status, text.field("content-type")), (200, "text/plain; version=0.0.4"));
    for name in CATALOGUE {
        let line = text.body.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{}", text.body));
        let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(value > 0.0 || AT_REST.contains(&name), "{line}");
    }
    for name in AT_REST {
        assert!(fresh.admin("/metrics").body.contains(name), "{name} is there from the start");
    }
    let page = include_str!("../../docs/METRICS.md");
    let explained = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next());
    let there = text.body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    assert_eq!(
        explained.filter(|name| name.starts_with("portcullis_")).collect::<BTreeSet<_>>(),
        there.collect::<BTreeSet<_>>()
    );
    for private in ["ann@", "bob@", "127.0.0.1", "secret-name", PASSWORD] {
        assert!(!text.body.contains(private), "{private} in\n{}", text.body);
    }
}

/// One event of each kind.
fn happens(gateway: &Gateway) {
    let ann = gateway.login("ann@example.com");
    gateway.try_login("ann@example.com", "not her password");
    let token = bearer(&ann);
    for path in ["/public/secret-name", "/nowhere", "/x", "/unknown/secret-name"] {
        gateway.get(path, &[]);
        gateway.get(path, &[("authorization", &token)]);
    }
    let bob = gateway.login("bob@example.com");
    gateway.get("/admin/", &[("authorization", &bearer(&bob))]);
    let second = gateway.refresh(&bob["refreshToken"]).json();
    gateway.refresh(&bob["refreshToken"]);
    gateway.refresh(&second["refreshToken"]);
    gateway.refresh(&bob["refreshToken"]);
    gateway.post("/auth/refresh", &[], &json!({}));
    let again = gateway.login("bob@example.com");
    gateway.send("POST", "/auth/logout", &[("authorization", &bearer(&again))], None);
    // Another process's write, that this gateway's copy must follow.
    gateway.house.says(&["user", "roles", "ann@example.com", "reader"], "");
    let me = || gateway.get("/auth/me", &[("authorization", &token)]).json();
    until("the new roles are in force", || me()["roles"] == json!(["reader"]));
    gateway.send("POST", "/auth/logout-all", &[("authorization", &token)], None);
    let database = gateway.house.database();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    gateway.try_login("ann@example.com", PASSWORD).is_problem(503, "unavailable");
    database.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn a_method_or_a_path_of_a_clients_making_becomes_no_label() {
    let gateway = super::gateway("");
    for n in 0..20 {
        gateway.get(&format!("/nowhere-{n}"), &[]);
        gateway.send(&format!("METHOD{}", "X".repeat(n)), "/public/x", &[], None);
    }
    let text = gateway.admin("/metrics").body;
    let requests = text.lines().filter(|line| line.starts_with("portcullis_http_requests_total")).count();
    assert!(requests <= 3, "{text}");
    assert!(text.contains("method=\"other\"") && !text.contains("METHOD") && !text.contains("nowhere-"), "{text}");
}
