//! Getting in: a password, a user of an access list, TLS. No secret is ever said.

use std::sync::Arc;

use super::support::gateway::{House, PASSWORD, usual};
use super::support::origin::Origin;
use super::support::redis::{RedisServer, free_port};
use super::support::tls::Certificate;
use super::{house_at, with};

fn house(url: &str, store: &str, env: &[(&str, &str)]) -> Arc<House> {
    let more = format!("[store]\nurl = \"{url}\"\n{store}\n");
    House::with_env(&usual(Origin::start().address, "", &more), env)
}

/// A user who is added, logs in and comes again.
fn works(house: &Arc<House>) {
    house.add_user("bob@example.com", &[]);
    let gateway = house.run();
    let tokens = gateway.refresh(&gateway.login("bob@example.com")["refreshToken"]).json();
    assert_eq!(with(&gateway, "/x", &tokens).status, 200);
    assert_eq!(gateway.try_login("bob@example.com", PASSWORD).status, 200);
    assert!(!gateway.log().contains("canary"), "{}", gateway.log());
}

/// For each command, in one line that says the same.
fn is_refused(house: &House, why: &str) {
    for words in [&["user", "list"][..], &["run"]] {
        let said = house.tried(words, "");
        assert!(said.code == 1 && said.err.contains(why), "{words:?}: {said:?}");
        assert!(!format!("{said:?}").contains("canary"), "{said:?}");
    }
}

#[test]
fn a_password_lets_in() {
    let server = RedisServer::with(&["--requirepass", "canary-1"]);
    let password = "password = \"${REDIS_PASSWORD}\"";
    works(&house(&server.url(), password, &[("REDIS_PASSWORD", "canary-1")]));
    let file = house(&server.url(), "password_file = \"redis-password\"", &[]);
    std::fs::write(file.path("redis-password"), "canary-1\n").unwrap();
    assert!(file.says(&["user", "list"], "").contains("bob@example.com"));
    let wrong = "check store.username and store.password";
    is_refused(&house(&server.url(), password, &[("REDIS_PASSWORD", "canary-2")]), wrong);
    is_refused(&house_at(&server.url(), ""), wrong);
}

#[test]
fn a_user_of_the_access_list_needs_no_more_than_the_store() {
    let server = RedisServer::start();
    let rights = ["~{portcullis}:*", "+@all", "-@dangerous", "+role"];
    server.cli(&[&["ACL", "SETUSER", "gate", "on", ">canary-1"][..], &rights].concat());
    let entry = "username = \"gate\"\npassword = \"${REDIS_PASSWORD}\"";
    works(&house(&server.url(), entry, &[("REDIS_PASSWORD", "canary-1")]));
    server.cli(&["ACL", "SETUSER", "gate", "-evalsha", "-eval"]);
    is_refused(&house(&server.url(), entry, &[("REDIS_PASSWORD", "canary-1")]), "its ACL needs");
}

#[test]
fn tls_trusts_the_ca_that_is_named_and_no_other() {
    let (files, tls_port) = (tempfile::tempdir().unwrap(), free_port());
    let certificate = Certificate::of("localhost");
    let (chain, key) = (files.path().join("chain.pem"), files.path().join("key.pem"));
    std::fs::write(&chain, &certificate.chain).unwrap();
    std::fs::write(&key, &certificate.key).unwrap();
    let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
    let port = tls_port.to_string();
    let _server = RedisServer::with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        chain,
        "--tls-key-file",
        key,
        "--tls-ca-cert-file",
        chain,
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{tls_port}");
    works(&house(&url, &format!("ca_file = \"{chain}\""), &[]));
    let other = house(&url, "ca_file = \"other.pem\"", &[]);
    std::fs::write(other.path("other.pem"), Certificate::of("localhost").chain).unwrap();
    let said = other.tried(&["user", "list"], "").refused();
    assert!(said.contains("certificate"), "{said}");
    let name = house(&format!("rediss://127.0.0.1:{tls_port}"), &format!("ca_file = \"{chain}\""), &[]);
    let said = name.tried(&["user", "list"], "").refused();
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn what_does_not_fit_is_said_without_connecting() {
    for (store, at, why) in [
        ("url = \"redis://:canary@127.0.0.1:1\"", "2:7: store.url: ", "store.password"),
        (
            "url = \"redis://127.0.0.1:1\"\npassword = \"canary\"",
            "3:12: store.password: ",
            "write password = \"${NAME}\"",
        ),
        ("url = \"redis://127.0.0.1:1\"\nusername = \"gate\"", "3:1: store.username: ", "a user needs a password"),
        ("url = \"redis://127.0.0.1:1\"\nca_file = \"ca.pem\"", "3:1: store.ca_file: ", "rediss://"),
        ("url = \"rediss://127.0.0.1:1\"\nca_file = \"gateway.toml\"", "3:11: store.ca_file: ", "no certificate"),
        ("url = \"rediss://127.0.0.1:1\"\nca_file = \"none.pem\"", "3:11: store.ca_file: ", "cannot be read"),
        ("password = \"${SECRET}\"", "2:1: store.password: ", "only for a Redis store"),
    ] {
        let house = House::with_env(&format!("[store]\n{store}\n"), &[("SECRET", "canary")]);
        std::fs::write(house.path("ca.pem"), Certificate::new().chain).unwrap();
        let [mistake] = &house.mistakes()[..] else { panic!("{store}: {:?}", house.mistakes()) };
        assert!(mistake.starts_with(at) && mistake.contains(why), "{store}: {mistake}");
        assert!(!mistake.contains("canary"), "{mistake}");
    }
    let sound = "[store]\nurl = \"redis+sentinel://127.0.0.1:1,127.0.0.1:2/main\"\n";
    assert_eq!(House::new(sound).tried(&["check"], "").code, 0);
}
