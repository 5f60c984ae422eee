//! HTTP/2 over TLS: what the app is told does not depend on the version that the client speaks, and what one connection may
//! cost is bounded.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use serde_json::{Value, json};
use support::gateway::{Gateway, House, PASSWORD, usual};
use support::http2::{self, ask};
use support::origin::Origin;
use support::tls::Certificate;
use tokio::task::JoinHandle;

struct Setting {
    origin: Origin,
    certificate: Certificate,
    gateway: Gateway,
}

fn start(server: &str) -> Setting {
    let (origin, certificate) = (Origin::start(), Certificate::new());
    let tls = "tls = { certificate_file = \"chain.pem\", private_key_file = \"key.pem\" }";
    let house: Arc<House> = House::new(&usual(origin.address, &format!("{tls}\n{server}"), ""));
    certificate.write(&house);
    house.add_user("ann@example.com", &["admin"]);
    let gateway = house.run();
    Setting { origin, certificate, gateway }
}

async fn connect(setting: &Setting) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    http2::connect(setting.gateway.listen, &setting.certificate).await
}

async fn login(sender: &SendRequest<Bytes>) -> Value {
    let body = json!({ "email": "ann@example.com", "password": PASSWORD, "client": "mobile" }).to_string();
    let fields = [("content-type", "application/json"), ("origin", "https://gw.example")];
    let (status, _, text) = ask(sender, "POST", "/auth/login", &fields, Some(&body)).await.unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_app_is_told_the_same_as_over_http1() {
    let setting = start("");
    let (sender, _connection) = connect(&setting).await;
    let bearer = support::bearer(&login(&sender).await);
    let forged = [
        ("authorization", bearer.as_str()),
        ("x-user-id", "evil"),
        ("x_user_email", "evil"),
        ("x-user.roles", "evil"),
        ("remote-user", "evil"),
        ("cookie", "a=1"),
        ("cookie", "__Host-refreshToken=evil"),
        ("cookie", "b=2"),
        ("x-forwarded-proto", "evil"),
    ];
    let (status, head, _) = ask(&sender, "GET", "/admin/x?y", &forged, None).await.unwrap();
    assert_eq!(status, 200);
    assert!(!head.contains_key("server"));
    let seen = setting.origin.last();
    assert_eq!(seen.line, "GET /admin/x?y HTTP/1.1");
    assert!(!format!("{seen:?}").contains("evil"), "{seen:?}");
    assert_eq!(seen.all("cookie"), ["a=1; b=2"], "in one field (RFC 9113 section 8.2.3)");
    assert_eq!(seen.all("x-user-email"), ["ann@example.com"]);
    assert_eq!(seen.all("x-user-roles"), ["admin"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("host"), ["gw.example"]);
    assert_eq!(seen.all("authorization"), [""; 0]);
}

#[tokio::test]
async fn refusals_are_the_same_and_leave_the_connection_alone() {
    let setting = start("");
    let (sender, _connection) = connect(&setting).await;
    let code = async |method: &str, path: &str, fields: &[(&str, &str)], body: Option<&str>| {
        let (status, _, text) = ask(&sender, method, path, fields, body).await.unwrap();
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], status.as_u16());
        problem["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code("GET", "/x", &[], None).await, "missing_token");
    assert_eq!(code("GET", "/x", &[("authorization", "Bearer junk")], None).await, "invalid_token");
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer a")];
    assert_eq!(code("GET", "/public/", &twice, None).await, "bad_request");
    // RFC 9113 section 8.2.1: in HTTP/1.1, which the app speaks, the space would be gone.
    for (name, value) in [
        ("authorization", " Bearer a.b.c"),
        ("authorization", "\tNegotiate YII="),
        ("x-http-method-override", "DELETE "),
        ("x-anything", "a\t"),
    ] {
        assert_eq!(code("GET", "/public/", &[(name, value)], None).await, "bad_request", "{value:?}");
    }
    assert_eq!(code("GET", "/public/..%2fadmin", &[], None).await, "ambiguous_path");
    assert_eq!(code("TRACE", "/public/", &[], None).await, "method_not_allowed");
    assert_eq!(code("GET", &format!("/public/{}", "a".repeat(8200)), &[], None).await, "uri_too_long");
    assert_eq!(
        code("POST", "/auth/login", &[("content-type", "application/json")], Some("{")).await,
        "invalid_request"
    );
    let cross = [("content-type", "application/json"), ("origin", "https://evil.example")];
    assert_eq!(code("POST", "/auth/login", &cross, Some("{}")).await, "cross_site");
    assert_eq!(code("POST", "/auth/login", &[], Some(&"x".repeat(16 * 1024 + 1))).await, "payload_too_large");
    assert_eq!(ask(&sender, "GET", "/public/", &[], None).await.unwrap().0, 200);
    assert_eq!(setting.origin.seen().len(), 1);
}

#[tokio::test]
async fn a_client_that_resets_and_resets_loses_its_connection_and_no_other() {
    let setting = start("");
    let (sender, connection) = connect(&setting).await;
    let (other, _connection) = connect(&setting).await;
    for turn in 0..20_000 {
        let Ok(mut ready) = sender.clone().ready().await else { break };
        let request = Request::get("https://gw.example/public/").body(()).unwrap();
        let Ok((_, mut stream)) = ready.send_request(request, false) else { break };
        stream.send_reset(h2::Reason::CANCEL);
        if turn % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let ended = tokio::time::timeout(Duration::from_secs(20), connection).await.expect("ended").unwrap();
    // Told to calm down (RFC 9113 section 7), or already cut off while still sending.
    let error = ended.expect_err("a connection that was ended");
    assert!(error.is_io() || error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM), "{error:?}");
    assert_eq!(ask(&other, "GET", "/public/", &[], None).await.unwrap().0, 200);
}

#[tokio::test]
async fn streams_and_heads_are_bounded() {
    let setting = start("");
    let (sender, _connection) = connect(&setting).await;
    assert_eq!(ask(&sender, "GET", "/public/", &[], None).await.unwrap().0, 200);
    assert_eq!(sender.current_max_send_streams(), 100);
    let long = "a".repeat(40_000);
    match ask(&sender, "GET", "/public/", &[("x", &long)], None).await {
        Ok((status, ..)) => assert_eq!(status, 431),
        Err(error) => assert!(error.is_reset() || error.is_go_away() || error.is_remote(), "{error}"),
    }
    assert_eq!(setting.origin.seen().len(), 1);
}

#[tokio::test]
async fn an_idle_connection_and_a_silent_body_end() {
    let setting = start("idle_timeout = \"1s\"");
    let (sender, connection) = connect(&setting).await;
    assert_eq!(ask(&sender, "GET", "/public/", &[], None).await.unwrap().0, 200);
    tokio::time::timeout(Duration::from_secs(20), connection)
        .await
        .expect("an idle connection is closed")
        .unwrap()
        .ok();

    let (sender, _connection) = connect(&setting).await;
    let mut ready = sender.clone().ready().await.unwrap();
    let request = Request::post("https://gw.example/auth/login").header("content-type", "application/json");
    let (answer, _silent) = ready.send_request(request.body(()).unwrap(), false).unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(25), answer).await.expect("a silent body is not waited for");
    assert_eq!(answer.unwrap().status(), 408);
}
