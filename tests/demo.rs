//! The main job, end to end: the real binary with the embedded store and an app behind it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use nix::sys::signal::Signal;
use serde_json::json;
use support::demo::Demo;
use support::{Answer, bearer};

#[test]
fn the_walk_of_the_readme() {
    let demo = Demo::start();
    assert_eq!(demo.get("/public/", &[]).status, 200);
    let refused = demo.get("/", &[]);
    assert_eq!((refused.status, refused.code().as_str()), (401, "missing_token"));
    assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"portcullis\"");
    assert_eq!(refused.headers["x-request-id"], refused.json()["requestId"].as_str().unwrap());

    let (alice, bob) = (demo.login(0), demo.login(1));
    assert_eq!(demo.get("/admin/", &[("authorization", &bearer(&alice))]).status, 200);
    let forbidden = demo.get("/admin/", &[("authorization", &bearer(&bob))]);
    assert_eq!((forbidden.status, forbidden.code().as_str()), (403, "forbidden"));

    let token = bearer(&bob);
    assert_eq!(demo.post("/auth/logout", &[("authorization", &token)], json!({})).status, 200);
    let revoked = demo.get("/", &[("authorization", &token)]);
    assert_eq!((revoked.status, revoked.code().as_str()), (401, "session_revoked"));
    let refresh = demo.post("/auth/refresh", &[], json!({ "refreshToken": bob["refreshToken"] }));
    assert_eq!(refresh.code(), "session_revoked");
    assert_eq!(demo.get("/", &[("authorization", &bearer(&alice))]).status, 200, "another user's session stands");
}

#[test]
fn the_app_is_told_who_is_calling_and_nobody_else_can_say_it() {
    let demo = Demo::start();
    let alice = demo.login(0);
    let forged = [
        ("authorization", bearer(&alice)),
        ("X-User-Id", "evil".into()),
        ("x_user.roles", "evil".into()),
        ("Remote-User", "evil".into()),
        ("X-Forwarded-For", "6.6.6.6".into()),
        ("X-Original-URL", "/evil".into()),
        ("Cookie", "a=b; refreshToken=evil".into()),
        ("Connection", "X-User-Id, X-User-Email".into()),
    ];
    let fields: Vec<(&str, &str)> = forged.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let told = demo.get("/x", &fields).body;
    assert!(!told.contains("evil") && !told.contains("6.6.6.6") && !told.contains("Bearer"), "{told}");
    for stated in ["x-user-email: alice@example.com", "x-user-roles: admin", "x-user-id: ", "cookie: a=b"] {
        assert_eq!(told.matches(stated).count(), 1, "{stated} in {told}");
    }
    let anonymous = demo.get("/public/x", &fields[1..]).body;
    assert!(!anonymous.contains("evil") && !anonymous.contains("x-user-"), "{anonymous}");
}

#[test]
fn fifty_refreshes_at_once_give_one_successor_and_the_session_lives() {
    let demo = Arc::new(Demo::start());
    let first = demo.login(0);
    let presented = json!({ "refreshToken": first["refreshToken"] });
    let racers: Vec<_> = (0..50)
        .map(|_| {
            let (demo, presented) = (Arc::clone(&demo), presented.clone());
            std::thread::spawn(move || demo.post("/auth/refresh", &[], presented))
        })
        .collect();
    let answers: Vec<Answer> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    let successors: HashSet<String> = answers.iter().map(|answer| answer.json()["refreshToken"].to_string()).collect();
    assert_eq!(successors.len(), 1, "the same successor, byte for byte");
    let second = answers[0].json();
    assert_eq!(demo.get("/", &[("authorization", &bearer(&second))]).status, 200);

    let third = demo.post("/auth/refresh", &[], json!({ "refreshToken": second["refreshToken"] })).json();
    let stolen = demo.post("/auth/refresh", &[], presented);
    assert_eq!((stolen.status, stolen.code().as_str()), (401, "token_reused"));
    assert_eq!(demo.get("/", &[("authorization", &bearer(&third))]).code(), "session_revoked");
    let ended = demo.post("/auth/refresh", &[], json!({ "refreshToken": third["refreshToken"] }));
    assert_eq!(ended.code(), "session_revoked");
}

#[test]
fn a_changed_password_ends_every_other_session() {
    let demo = Demo::start();
    let (here, elsewhere) = (demo.login(0), demo.login(0));
    let change = json!({ "currentPassword": demo.users[0].1, "newPassword": "a wholly new passphrase 7" });
    let changed = demo.post("/auth/password", &[("authorization", &bearer(&here))], change);
    assert_eq!(changed.status, 200, "{}", changed.body);
    for over in [&here, &elsewhere] {
        assert_eq!(demo.get("/", &[("authorization", &bearer(over))]).code(), "session_revoked");
    }
    assert_eq!(demo.get("/", &[("authorization", &bearer(&changed.json()))]).status, 200);
    let old = json!({ "email": demo.users[0].0, "password": demo.users[0].1 });
    assert_eq!(demo.post("/auth/login", &[], old).code(), "invalid_credentials");
}

#[test]
fn bad_input_gets_its_own_answer() {
    let demo = Demo::start();
    let json_type = ("content-type", "application/json");
    let post = |body: &str| demo.send("POST", "/auth/login", &[json_type], Some(body.to_owned())).status;
    assert_eq!(post("{"), 400);
    assert_eq!(post("{\"email\":\"a@b\",\"email\":\"a@b\",\"password\":\"x\"}"), 400);
    assert_eq!(post("{\"email\":1,\"password\":\"x\"}"), 400);
    assert_eq!(post(&format!("{{\"email\":\"a@b\",\"password\":\"{}\"}}", "x".repeat(1025))), 400);
    assert_eq!(post(&"x".repeat(16 * 1024 + 1)), 413);
    assert_eq!(post("{\"email\":\"nobody@x\",\"password\":\"x\"}"), 401);
    assert_eq!(demo.send("POST", "/auth/login", &[], Some("{}".into())).status, 415);
    let wrong = demo.get("/auth/login", &[]);
    assert_eq!((wrong.status, wrong.headers["allow"].to_str().unwrap()), (405, "POST"));
    let cross = demo.post("/auth/login", &[("sec-fetch-site", "cross-site")], json!({}));
    assert_eq!(cross.code(), "cross_site");
    assert_eq!(demo.get("/public/..%2fadmin/", &[]).code(), "ambiguous_path");
    assert_eq!(demo.get("/", &[("authorization", "Bearer junk")]).code(), "invalid_token");
}

#[test]
fn a_stop_is_clean_and_a_taken_port_is_an_error_at_once() {
    let mut demo = Demo::start();
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["demo", "--listen", &demo.listen.to_string()])
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8(second.stderr).unwrap().contains("cannot listen on"));
    demo.signal(Signal::SIGTERM);
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_watches_the_gateway_is_told() {
    let demo = Demo::start();
    demo.get("/", &[]);
    assert_eq!(demo.admin("/healthz").status, 200);
    assert_eq!(demo.admin("/readyz").json()["ready"], true);
    let metrics = demo.admin("/metrics").body;
    assert!(metrics.contains("portcullis_decisions_total{outcome=\"missing_token\"} 1"), "{metrics}");
    assert!(
        metrics.contains("portcullis_http_requests_total{method=\"GET\",route=\"/*\",status=\"401\"} 1"),
        "{metrics}"
    );
    assert_eq!(demo.get("/metrics", &[]).status, 401, "not through the proxy");
}
