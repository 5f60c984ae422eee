//! Where a request comes from: the other end of the socket, or what trusted proxies say of it, and never what a stranger
//! says. Quotas, log lines and the app are all told the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "identity_headers/fields.rs"]
#[allow(dead_code, reason = "made for the identity headers")]
mod fields;
mod support;

use std::cell::{Cell, RefCell};

use fields::spelling;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use support::gateway::{Gateway, House, usual};
use support::origin::{Origin, Seen};
use support::wire::Wire;

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\", \"2001:db8:ffff::/48\"]";

fn start(server: &str, limits: &str) -> (Origin, Gateway) {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, server, &format!("[limits]\nper_ip = \"{limits}\""));
    (app, gateway)
}

/// What the app was told, and which address the access line holds, for a request that is alone on its path.
fn arrives(app: &Origin, gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> (Seen, String) {
    let answer = Wire::to(gateway.listen).ask("GET", path, fields).answer().unwrap();
    assert_eq!(answer.status, 200, "{fields:?}: {}", answer.body);
    (app.last(), logged(gateway, path))
}

fn logged(gateway: &Gateway, path: &str) -> String {
    let line = gateway.wait_for_line(&format!(" path={path} "));
    let (_, rest) = line.split_once(" ip=").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

#[test]
fn the_first_address_from_the_right_that_is_no_trusted_proxys_is_the_clients() {
    let (app, gateway) = start(TRUSTED, "1000/1m");
    let told: [(&[&str], &str); 11] = [
        (&["192.0.2.7"], "192.0.2.7"),
        (&["6.6.6.6, 192.0.2.7"], "192.0.2.7"),
        (&["6.6.6.6", "192.0.2.7"], "192.0.2.7"),
        (&["6.6.6.6,\t192.0.2.7\t,10.0.0.2"], "192.0.2.7"),
        (&["6.6.6.6", "192.0.2.7", "10.0.0.3, 10.0.0.2"], "192.0.2.7"),
        (&[", 192.0.2.7"], "192.0.2.7"),
        (&["::ffff:192.0.2.7"], "192.0.2.7"),
        (&["6.6.6.6, 192.0.2.7, ::ffff:10.0.0.2"], "192.0.2.7"),
        (&["2001:DB8:0::7"], "2001:db8::7"),
        (&["192.0.2.7, 2001:db8:ffff::1"], "192.0.2.7"),
        (&["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
    ];
    for (at, (fields, client)) in told.into_iter().enumerate() {
        let fields: Vec<(&str, &str)> = fields.iter().map(|value| ("x-forwarded-for", *value)).collect();
        let (seen, ip) = arrives(&app, &gateway, &format!("/public/{at}"), &fields);
        assert_eq!(ip, client, "{fields:?}");
        let [chain] = seen.all("x-forwarded-for")[..] else { panic!("{seen:?}") };
        assert!(chain.ends_with(", 127.0.0.1"), "{chain}");
    }
}

#[test]
fn what_is_no_address_ends_the_walk_at_the_hop_that_said_it() {
    let (app, gateway) = start(TRUSTED, "1000/1m");
    for (at, element) in [
        "",
        " ",
        ",",
        "junk",
        "unknown",
        "_hidden",
        "6.6.6.6:80",
        "[2001:db8::6]",
        "[2001:db8::6]:80",
        "\"6.6.6.6\"",
        "for=6.6.6.6",
        "6.6.6.6;10.0.0.2",
        "fe80::6%eth0",
        "6.6.6",
        "06.6.6.6",
        "0x06060606",
        "101058054",
        "6.6.6.6 6.6.6.6",
        "é",
    ]
    .into_iter()
    .enumerate()
    {
        for (hops, client) in [("", "127.0.0.1"), (", 10.0.0.2", "10.0.0.2")] {
            let said = format!("6.6.6.6, {element}{hops}");
            // A field with such bytes is no list that can be read from its end.
            let client = if said.is_ascii() { client } else { "127.0.0.1" };
            let path = format!("/public/{at}/{client}/{}", hops.len());
            let (seen, ip) = arrives(&app, &gateway, &path, &[("x-forwarded-for", &said)]);
            assert_eq!(ip, client, "{said:?}");
            let [chain] = seen.all("x-forwarded-for")[..] else { panic!("{seen:?}") };
            assert!(chain.ends_with("127.0.0.1") && chain.is_ascii(), "{chain}");
        }
    }
}

#[test]
fn a_list_as_long_as_a_head_may_be_is_walked() {
    let (app, gateway) = start(TRUSTED, "1000/1m");
    let hops = ", 10.0.0.1".repeat(3100);
    assert!(hops.len() > 30_000);
    for turn in 0..50 {
        let (seen, ip) =
            arrives(&app, &gateway, &format!("/public/{turn}"), &[("x-forwarded-for", &format!("192.0.2.7{hops}"))]);
        assert_eq!(ip, "192.0.2.7");
        assert_eq!(seen.all("x-forwarded-for"), [format!("192.0.2.7{hops}, 127.0.0.1")]);
    }
}

#[test]
fn a_quota_counts_an_ipv6_network_as_one_client() {
    let (_app, gateway) = start(TRUSTED, "3/1h");
    let status = |from: &str| gateway.get("/public/x", &[("x-forwarded-for", from)]).status;
    for from in ["2001:db8:1:2::a", "2001:db8:1:2:ffff:ffff:ffff:ffff", "6.6.6.6, 2001:db8:1:2:0:0:0:1"] {
        assert_eq!(status(from), 200, "{from}");
    }
    assert_eq!(status("2001:db8:1:2::b"), 429);
    assert_eq!(status("2001:db8:1:3::a"), 200, "the next network");
    for from in ["192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7, 10.0.0.1"] {
        assert_eq!(status(from), 200, "{from}");
    }
    assert_eq!(status("::ffff:192.0.2.7"), 429, "an IPv4 address, however it is written");
}

#[test]
fn a_trusted_proxys_scheme_host_and_port_are_plain_or_not_passed_on() {
    let (app, gateway) = start(TRUSTED, "1000/1m");
    let said: [(&str, &[&str], &[&str]); 19] = [
        ("x-forwarded-proto", &["https"], &["https"]),
        ("x-forwarded-proto", &["wss"], &["wss"]),
        ("x-forwarded-proto", &["https, http"], &["http"]),
        ("x-forwarded-proto", &["https", "https"], &["http"]),
        ("x-forwarded-proto", &["javascript"], &["http"]),
        ("x-forwarded-proto", &["https://evil.example/"], &["http"]),
        ("x-forwarded-proto", &[""], &["http"]),
        ("x-forwarded-host", &["shop.example"], &["shop.example"]),
        ("x-forwarded-host", &["[::1]:8443"], &["[::1]:8443"]),
        ("x-forwarded-host", &["evil.example, shop.example"], &["gw.example"]),
        ("x-forwarded-host", &["evil.example", "shop.example"], &["gw.example"]),
        ("x-forwarded-host", &["evil.example/x?"], &["gw.example"]),
        ("x-forwarded-host", &["shop@evil.example"], &["gw.example"]),
        ("x-forwarded-host", &["<script>"], &["gw.example"]),
        ("x-forwarded-host", &["é"], &["gw.example"]),
        ("x-forwarded-host", &[""], &["gw.example"]),
        ("x-forwarded-port", &["8443"], &["8443"]),
        ("x-forwarded-port", &["80, 443"], &[]),
        ("x-forwarded-port", &["65536"], &[]),
    ];
    for (name, values, passed_on) in said {
        let fields: Vec<(&str, &str)> = values.iter().map(|value| (name, *value)).collect();
        assert_eq!(Wire::to(gateway.listen).ask("GET", "/public/x", &fields).answer().unwrap().status, 200);
        assert_eq!(app.last().all(name), passed_on, "{fields:?}");
    }
}

/// Addresses are compared as what they are: such a block would never be met.
#[test]
fn a_trusted_block_of_ipv4_is_not_written_as_ipv6() {
    let server = "trusted_proxies = [\"::ffff:10.0.0.0/104\"]";
    let house = House::new(&usual("127.0.0.1:1".parse().unwrap(), server, ""));
    let said = house.tried(&["check"], "");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("server.trusted_proxies: write a block of IPv4 as one, like \"10.0.0.0/8\""), "{said:?}");
}

/// Names under which hops tell each other, or apps look for it, where a request comes from.
const WAY: [&str; 12] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-real-ip",
    "forwarded",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "x-original-forwarded-for",
    "x-original-host",
    "x-request-id",
];

fn claims() -> impl Strategy<Value = Vec<(String, String)>> {
    let address = select(vec!["6.6.6.6", "127.0.0.2", "::1", "2001:db8::6", "6.6.6.6, 10.0.0.1", "unknown", "evil"]);
    let other =
        select(vec!["for=6.6.6.6;proto=https;host=evil", "https", "evil.example", "", "8443", "a\"b\\ c=d ip=6.6.6.6"]);
    let claim = (spelling(WAY.map(str::to_owned).to_vec()), prop_oneof![address, other].prop_map(str::to_owned));
    vec(claim, 0..10)
}

fn borrowed(claims: &[(String, String)]) -> Vec<(&str, &str)> {
    claims.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn nothing_a_stranger_says_changes_the_address_in_the_log_or_at_the_app() {
    let (app, gateway) = start("trusted_proxies = [\"10.0.0.0/8\"]", "1000000/1m");
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(150);
    let (wire, turn) = (RefCell::new(Wire::to(gateway.listen)), Cell::new(0));
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
        .run(&claims(), |claims| {
            let path = format!("/public/{}", turn.replace(turn.get() + 1));
            let answer = wire.borrow_mut().ask("GET", &path, &borrowed(&claims)).answer().expect("an answer");
            prop_assert_eq!(answer.status, 200, "{}", answer.body);
            let seen = app.last();
            let folded = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            let mut way: Vec<(String, &str)> =
                seen.fields.iter().map(|(name, value)| (folded(name), value.as_str())).collect();
            way.retain(|(name, _)| WAY.contains(&name.as_str()));
            way.sort();
            let id = answer.field("x-request-id");
            let ours = [
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-host", "gw.example"),
                ("x-forwarded-proto", "http"),
                ("x-request-id", id),
            ];
            prop_assert_eq!(way, ours.map(|(name, value)| (name.to_owned(), value)));
            prop_assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{}", id);
            let line = gateway.wait_for_line(&format!(" path={path} "));
            prop_assert!(line.contains(" ip=127.0.0.1 ") && line.contains(&format!(" requestId={id} ")), "{}", line);
            Ok(())
        })
        .unwrap();
}

#[test]
fn nothing_a_stranger_says_gets_another_quota() {
    let (_app, gateway) = start("trusted_proxies = [\"10.0.0.0/8\"]", "20/1h");
    let (mut runner, strategy) = (TestRunner::new(Config::default()), claims());
    let mut wire = Wire::to(gateway.listen);
    let statuses: Vec<u16> = (0..40)
        .map(|_| {
            let claims = strategy.new_tree(&mut runner).unwrap().current();
            wire.ask("GET", "/public/x", &borrowed(&claims)).answer().unwrap().status
        })
        .collect();
    let (served, refused) = statuses.split_at(20);
    assert!(served.iter().all(|status| *status == 200) && refused.iter().all(|status| *status == 429), "{statuses:?}");
}
