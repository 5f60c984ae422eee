//! The four quotas. Every client here comes through a trusted proxy, so that one machine can be many addresses.

use serde_json::json;

use super::support::gateway::{Gateway, PASSWORD};
use super::support::origin::Origin;
use super::support::{Answer, bearer};

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.1/32\"]";

fn gateway(limits: &str, more: &str) -> Gateway {
    Gateway::usual(Origin::start().address, TRUSTED, &format!("[limits]\n{limits}\n{more}"))
}

fn login(gateway: &Gateway, from: &str, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password, "client": "mobile" });
    gateway.post("/auth/login", &[("x-forwarded-for", from)], &body)
}

#[track_caller]
fn is_over(answer: &Answer, limit: &str, count: u32, window: u64) {
    answer.is_problem(429, "rate_limited");
    let wait: u64 = answer.field("retry-after").parse().unwrap();
    assert!((1..=window).contains(&wait), "{wait}");
    assert_eq!(answer.field("ratelimit"), format!("\"{limit}\";r=0;t={wait}"));
    assert_eq!(answer.field("ratelimit-policy"), format!("\"{limit}\";q={count};w={window}"));
}

fn counted(gateway: &Gateway, limit: &str) -> f64 {
    gateway.metric(&format!("portcullis_rate_limited_total{{limit=\"{limit}\"}}"))
}

#[test]
fn one_address_has_so_many_requests_of_every_kind() {
    let gateway = gateway("per_ip = \"5/1h\"", "");
    let get = |from: &str, path: &str| gateway.get(path, &[("x-forwarded-for", from)]);
    for (path, status) in [("/public/x", 200), ("/x", 401), ("/auth/me", 401), ("/auth/x", 404), ("/auth/login", 405)] {
        assert_eq!(get("192.0.2.1", path).status, status);
    }
    for path in ["/public/x", "/x", "/auth/me", "/nowhere"] {
        is_over(&get("192.0.2.1", path), "per_ip", 5, 3600);
    }
    is_over(&login(&gateway, "192.0.2.1", "ann@example.com", PASSWORD), "per_ip", 5, 3600);
    is_over(&get("::ffff:192.0.2.1", "/x"), "per_ip", 5, 3600);
    assert_eq!(get("192.0.2.2", "/public/x").status, 200);
    assert_eq!(counted(&gateway, "per_ip"), 6.0);

    for host in 1..=5 {
        assert_eq!(get(&format!("2001:db8:0:1::{host}"), "/public/x").status, 200);
    }
    is_over(&get("2001:db8:0:1:ffff::", "/public/x"), "per_ip", 5, 3600);
    assert_eq!(get("2001:db8:0:2::1", "/public/x").status, 200, "another /64");
}

#[test]
fn one_address_has_so_many_failed_logins_whomever_it_tries() {
    let gateway = gateway("login_per_ip = \"3/1h\"", "");
    for n in 1..=3 {
        let failed = login(&gateway, "192.0.2.1", &format!("user{n}@example.com"), "x");
        failed.is_problem(401, "invalid_credentials");
    }
    is_over(&login(&gateway, "192.0.2.1", "user4@example.com", "x"), "login_per_ip", 3, 3600);
    is_over(&login(&gateway, "192.0.2.1", "no email", "x"), "login_per_ip", 3, 3600);
    is_over(&login(&gateway, "192.0.2.1", "ann@example.com", PASSWORD), "login_per_ip", 3, 3600);
    assert_eq!(login(&gateway, "192.0.2.2", "ann@example.com", PASSWORD).status, 200);
    assert_eq!(counted(&gateway, "login_per_ip"), 3.0);
    assert_eq!(gateway.metric("portcullis_logins_total{outcome=\"rate_limited\"}"), 3.0);
}

#[test]
fn one_account_has_so_many_failed_logins_from_wherever_and_however_it_is_written() {
    let gateway = gateway("login_per_ip = \"1000/1h\"\nlogin_per_account = \"3/1h\"", "");
    gateway.house.add_user("jos\u{e9}@example.com", &[]);
    for (n, written) in ["jos\u{e9}@example.com", "JOS\u{c9}@Example.COM", "jose\u{301}@example.com"].iter().enumerate()
    {
        login(&gateway, &format!("192.0.2.{n}"), written, "x").is_problem(401, "invalid_credentials");
    }
    let over = login(&gateway, "192.0.2.9", "Jose\u{301}@example.com", PASSWORD);
    is_over(&over, "login_per_account", 3, 3600);
    assert_eq!(login(&gateway, "192.0.2.9", "ann@example.com", PASSWORD).status, 200, "another account");

    for n in 0..3 {
        login(&gateway, &format!("192.0.2.{n}"), "nobody@example.com", "x").is_problem(401, "invalid_credentials");
    }
    let nobody = login(&gateway, "192.0.2.9", "NOBODY@example.com", "x");
    is_over(&nobody, "login_per_account", 3, 3600);
    let shape = |mut answer: Answer| {
        for name in ["date", "x-request-id", "retry-after", "ratelimit"] {
            answer.headers.remove(name);
        }
        let mut problem = answer.json();
        problem.as_object_mut().unwrap().remove("requestId");
        (answer.headers, problem)
    };
    assert_eq!(shape(nobody), shape(over), "nobody learns whether an account is there");
    assert_eq!(counted(&gateway, "login_per_account"), 2.0);
}

#[test]
fn a_login_that_succeeds_gives_its_place_back() {
    let gateway = gateway("login_per_ip = \"2/1h\"\nlogin_per_account = \"2/1h\"", "");
    login(&gateway, "192.0.2.1", "ann@example.com", "x").is_problem(401, "invalid_credentials");
    for _ in 0..5 {
        assert_eq!(login(&gateway, "192.0.2.1", "ann@example.com", PASSWORD).status, 200);
    }
    login(&gateway, "192.0.2.1", "ann@example.com", "x").is_problem(401, "invalid_credentials");
    is_over(&login(&gateway, "192.0.2.1", "ann@example.com", PASSWORD), "login_per_ip", 2, 3600);
    is_over(&login(&gateway, "192.0.2.2", "ann@example.com", PASSWORD), "login_per_account", 2, 3600);
}

#[test]
fn a_burst_cannot_overrun_the_quota() {
    let gateway = gateway("login_per_ip = \"1000/1h\"\nlogin_per_account = \"3/1h\"", "");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guess =
            |n: usize| login(&gateway, &format!("192.0.2.{n}"), "ann@example.com", &format!("guess {n}")).status;
        let guessers: Vec<_> = (0..30).map(|n| scope.spawn(move || guess(n))).collect();
        guessers.into_iter().map(|guesser| guesser.join().unwrap()).collect()
    });
    let count = |status: u16| statuses.iter().filter(|got| **got == status).count();
    assert_eq!((count(401), count(429)), (3, 27), "{statuses:?}");
    assert_eq!(counted(&gateway, "login_per_account"), 27.0);
}

#[test]
fn failed_logins_are_counted_by_all_gateways_together() {
    let here = gateway("login_per_account = \"2/1h\"", "");
    let there = here.house.run();
    login(&here, "192.0.2.1", "ann@example.com", "x").is_problem(401, "invalid_credentials");
    login(&there, "192.0.2.2", "ann@example.com", "x").is_problem(401, "invalid_credentials");
    is_over(&login(&here, "192.0.2.3", "ann@example.com", "x"), "login_per_account", 2, 3600);
    is_over(&login(&there, "192.0.2.4", "ann@example.com", "x"), "login_per_account", 2, 3600);
}

#[test]
fn a_password_change_is_no_way_round_the_quota() {
    let gateway = gateway("login_per_account = \"2/1h\"", "");
    let token = bearer(&gateway.login("ann@example.com"));
    let change = |current: &str| {
        let body = json!({ "currentPassword": current, "newPassword": "another fine long sentence" });
        gateway.post("/auth/password", &[("authorization", &token)], &body)
    };
    change("guess").is_problem(401, "invalid_credentials");
    change("guess").is_problem(401, "invalid_credentials");
    is_over(&change(PASSWORD), "login_per_account", 2, 3600);
    is_over(&login(&gateway, "192.0.2.9", "ann@example.com", PASSWORD), "login_per_account", 2, 3600);
    assert_eq!(counted(&gateway, "login_per_account"), 2.0);
}

#[test]
fn a_route_has_a_quota_for_each_user_or_for_each_address_of_the_anonymous() {
    let routes = "[[routes]]\npath = \"/limited/*\"\nupstream = \"app\"\nrate_limit = \"2/1h\"\n\
        [[routes]]\npath = \"/open/*\"\nupstream = \"app\"\naccess = \"public\"\nrate_limit = \"2/1h\"\n";
    let gateway = gateway("", routes);
    let tokens = ["ann@example.com", "bob@example.com"].map(|email| bearer(&gateway.login(email)));
    let get = |path: &str, from: &str, token: Option<&String>| {
        let mut fields = vec![("x-forwarded-for", from)];
        fields.extend(token.map(|token| ("authorization", token.as_str())));
        gateway.get(path, &fields)
    };
    for path in ["/limited/x", "/open/x"] {
        assert_eq!(get(path, "192.0.2.1", Some(&tokens[0])).status, 200);
        assert_eq!(get(path, "192.0.2.2", Some(&tokens[0])).status, 200);
        is_over(&get(path, "192.0.2.3", Some(&tokens[0])), "route", 2, 3600);
        assert_eq!(get(path, "192.0.2.1", Some(&tokens[1])).status, 200, "another user");
    }
    for _ in 0..2 {
        assert_eq!(get("/open/x", "192.0.2.1", None).status, 200);
    }
    is_over(&get("/open/x", "192.0.2.1", None), "route", 2, 3600);
    assert_eq!(get("/open/x", "192.0.2.2", None).status, 200, "another address");
    for _ in 0..4 {
        get("/limited/x", "192.0.2.1", None).is_problem(401, "missing_token");
    }
    assert_eq!(counted(&gateway, "route"), 3.0);
}
